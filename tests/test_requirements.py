"""The ledger of requirements names places and proofs that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-E]\d+ \|", line)
]


def test_each_id_has_one_row_with_a_place_and_a_proof() -> None:
    ids = [row[0] for row in ROWS]
    assert len(ids) == len(set(ids)) > 20
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_places_and_proofs_exist(row: list[str]) -> None:
    proofs = re.findall(r"`((?:tests|benchmarks|recipes)/[\w/]+\.py)(?:::(\w+))?", row[3])
    assert proofs, f"{row[0]} names no proof"
    for file, test in proofs:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, f"{file} has no {test}"
    for place in re.findall(r"`([\w/]+\.py)", row[2]):
        assert (ROOT / "src" / "sonoscope" / place).is_file(), f"{place} does not exist"
