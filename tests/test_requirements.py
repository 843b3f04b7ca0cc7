"""The ledger of requirements names places and proofs that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: How many items each of the five founding documents has.
ITEMS = {"A": 31, "B": 113, "C": 39, "D": 30, "E": 30}
PRESETS = {path.stem for path in (ROOT / "src" / "sonoscope" / "training" / "presets").glob("*.yaml")}
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-E]\d+ \|", line)
]


def test_each_id_has_one_row_with_a_place_and_a_proof() -> None:
    assert [row[0] for row in ROWS] == [f"{letter}{n + 1}" for letter in ITEMS for n in range(ITEMS[letter])]
    assert len(ROWS) == 243
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_places_and_proofs_exist(row: list[str]) -> None:
    proofs = re.findall(r"`((?:tests|benchmarks|recipes)/[\w/]+\.py)(?:::(\w+))?", row[3])
    assert proofs, f"{row[0]} names no proof"
    for file, test in proofs:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, f"{file} has no {test}"
    for place in re.findall(r"`([\w/]+(?:\.py|/))[`:]", row[2]):
        assert (ROOT / "src" / "sonoscope" / place).exists() or (ROOT / place).is_file(), f"no {place}"
    for page in re.findall(r"docs/([\w-]+\.\w+)", row[2]):
        assert (ROOT / "docs" / page).is_file(), f"docs/{page} does not exist"
    for names in re.findall(r"presets? ((?:`[\w-]+`(?:, )?)+)", row[2]):
        assert set(re.findall(r"[\w-]+", names)) <= PRESETS, names
