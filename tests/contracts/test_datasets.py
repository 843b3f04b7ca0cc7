"""What every reader of a data set keeps, whoever wrote it: checked on a miniature in the published layout.

A data set without a miniature in ``tests/data/datasets/miniatures.py`` fails here.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import sources
from sonoscope.data.datasets import DATASETS, Dataset, find
from sonoscope.data.datasets.contract import DatasetChecks
from sonoscope.data.rows import BadManifest
from sonoscope.errors import SonoscopeError, UnknownName
from sonoscope.promises import BrokenContract, checks_of

_SPEC = importlib.util.spec_from_file_location(
    "miniatures", Path(__file__).parents[1] / "data" / "datasets" / "miniatures.py"
)
miniatures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(miniatures)

CASES = [pytest.param(dataset, id=name) for name, dataset in DATASETS.items()]
TEXTS = (".csv", ".txt", ".json", ".yaml", ".jams", ".lab")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, make in miniatures.MINIATURES.items():
        made[name] = tmp_path_factory.mktemp(name)
        make(made[name])
    return made


@pytest.mark.parametrize("check", checks_of(DatasetChecks))
@pytest.mark.parametrize("dataset", CASES)
def test_a_reader_keeps_its_promises(dataset: Dataset, check: str, roots: dict[str, Path]) -> None:
    getattr(DatasetChecks(dataset, roots[dataset.name]), check)()


@pytest.mark.parametrize("dataset", CASES)
def test_ours_have_labels_and_groups(dataset: Dataset, roots: dict[str, Path]) -> None:
    rows = list(dataset.rows(roots[dataset.name]))
    assert dataset.name == "esc50-negatives" or any(row.labels for row in rows)
    assert dataset.name == "folder" or all(row.group for row in rows)


@pytest.mark.parametrize("dataset", CASES)
def test_a_moved_root_gives_the_same(dataset: Dataset, roots: dict[str, Path], tmp_path: Path) -> None:
    first = list(dataset.rows(roots[dataset.name]))
    elsewhere = tmp_path / "moved here"
    roots[dataset.name].rename(elsewhere)
    try:
        assert list(dataset.rows(elsewhere)) == first
    finally:
        elsewhere.rename(roots[dataset.name])


@pytest.mark.parametrize("dataset", CASES)
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    dataset: Dataset, roots: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "saved by a spreadsheet"
    root.mkdir()
    miniatures.MINIATURES[dataset.name](root)
    for path in root.rglob("*"):
        if path.suffix in TEXTS and not path.name.startswith("."):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert list(dataset.rows(root)) == list(dataset.rows(roots[dataset.name]))


@pytest.mark.parametrize("dataset", CASES)
def test_a_missing_or_an_empty_root_is_an_error_with_a_remedy(dataset: Dataset, tmp_path: Path) -> None:
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SonoscopeError, match=re.escape(str(root))) as found:
            list(dataset.rows(root))
        assert re.search(r"[Gg]ive the|Put the|Save it|give the", str(found.value))


@pytest.mark.parametrize("dataset", CASES)
def test_a_table_in_another_encoding_is_refused_by_its_name(dataset: Dataset, tmp_path: Path) -> None:
    miniatures.MINIATURES[dataset.name](tmp_path)
    tables = [path for path in sorted(tmp_path.rglob("*")) if path.suffix in (".csv", ".json", ".yaml")]
    if not tables:
        pytest.skip("no table")
    for path in tables:
        path.write_bytes(path.read_bytes()[:-1] + "é\n".encode("latin-1"))
    with pytest.raises(BadManifest, match="not UTF-8"):
        list(dataset.rows(tmp_path))


@pytest.mark.parametrize("dataset", CASES)
def test_the_description_of_ours_says_how_it_is_had(dataset: Dataset) -> None:
    assert dataset.protocol
    assert bool(dataset.files) != bool(dataset.obtain)
    if dataset.files:
        assert dataset.citation and dataset.url.startswith("http")
    names = [file.name for file in dataset.files]
    assert len(set(names)) == len(names)
    for file in dataset.files:
        assert re.fullmatch(r"https?://\S+", file.url)
        assert re.fullmatch(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})?", file.checksum)
        assert not Path(file.name).is_absolute() and ".." not in file.name
        assert not file.volume_of or file.volume_of in names


def test_the_name_in_the_table_is_the_data_sets_own() -> None:
    assert {name: dataset.name for name, dataset in DATASETS.items()} == {name: name for name in DATASETS}


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown data set 'openmick'\. Did you mean 'openmic'\?"):
        find("openmick")


OWN = """
from sonoscope.data.datasets import Dataset
from sonoscope.data.rows import BadManifest, Row

def rows(root):
    found = sorted(root.glob("*/*.wav"))
    if not found:
        raise BadManifest(f"{root} holds no folders of WAV files. Give the folder above them.")
    for path in found:
        yield Row(path=path.relative_to(root).as_posix(), labels=(path.parent.name,), group=path.stem, split=SPLIT,
                  source="mine")

DATASET = Dataset(name="mine", title="Mine", what="sounds of mine", licence="CC0-1.0", citation="", url="",
                  layout="LABEL/*.wav", source="here", protocol="", rows=rows, splits=("train", "test"))
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A reader of one's own, ``mine.py``, and a folder that it reads."""
    for label in ("bee", "wasp"):
        (tmp_path / "data" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "data" / label / f"{label}.wav", np.zeros(800), 8000)
    (tmp_path / "mine.py").write_text(OWN.replace("SPLIT", '"train" if path.stem == "bee" else "test"'))
    return tmp_path


def test_a_reader_of_ones_own_by_its_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own)
    whole = sources.load("mine.py:DATASET:data")
    assert [row.labels for row in whole.rows] == [("bee",), ("wasp",)]
    assert [row.path for row in sources.load(f"{own}/mine.py:DATASET:{own}/data/test").rows] == [
        "wasp/wasp.wav"
    ]
    with pytest.raises(UnknownName, match=r"has no dataset 'DATA'. Did you mean 'DATASET'"):
        sources.load("mine.py:DATA:data")


def test_what_is_wrong_with_a_reader_is_named(own: Path) -> None:
    (own / "mine.py").write_text(OWN.replace("SPLIT", '"dev"').replace("group=path.stem", "group=''"))
    (own / "data" / "bee" / "text.wav").write_text("no sound")
    dataset = find(f"{own}/mine.py:DATASET")
    with pytest.raises(BrokenContract, match="split dev is not declared: train, test"):
        DatasetChecks(dataset, own / "data").no_group_is_in_two_splits()
    with pytest.raises(BrokenContract, match=r"bee/text.wav cannot be heard"):
        DatasetChecks(dataset, own / "data").every_row_names_sound_by_a_relative_path()
