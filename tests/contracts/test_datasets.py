"""What every reader of a data set keeps, whoever wrote it: checked on a miniature in the published layout.

A data set without a miniature in ``tests/data/datasets/miniatures.py`` fails here.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from sonoscope.data import manifest
from sonoscope.data.datasets import DATASETS, Dataset, find, read
from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest
from sonoscope.errors import SonoscopeError, UnknownName

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


@pytest.mark.parametrize("dataset", CASES)
def test_every_row_names_sound_that_is_there_by_a_relative_path(
    dataset: Dataset, roots: dict[str, Path]
) -> None:
    root = roots[dataset.name]
    rows = list(dataset.rows(root))
    assert rows
    for row in rows:
        assert not row.path.startswith("/") and "\\" not in row.path and ".." not in row.path.split("/")
        assert soundfile.info(root / row.path).frames > 0
        assert not row.annotation or (root / row.annotation).is_file()
        assert row.source
    assert len({(row.path, row.start_s) for row in rows}) == len(rows)


@pytest.mark.parametrize("dataset", CASES)
def test_labels_are_of_the_vocabulary_and_say_one_thing(dataset: Dataset, roots: dict[str, Path]) -> None:
    rows = list(dataset.rows(roots[dataset.name]))
    for row in rows:
        assert not {*row.labels} & {*row.absent}
        named = {*row.labels, *row.absent, *row.unknown} - {EVERYTHING_ELSE}
        assert all(label.strip() == label and label for label in named)
        if dataset.labels:
            assert named <= {*dataset.labels}
    assert dataset.name == "esc50-negatives" or any(row.labels for row in rows)


@pytest.mark.parametrize("dataset", CASES)
def test_no_group_is_in_two_splits_and_splits_are_the_official_ones(
    dataset: Dataset, roots: dict[str, Path]
) -> None:
    rows = list(dataset.rows(roots[dataset.name]))
    splits: dict[str, set[str]] = {}
    for row in rows:
        if row.group and row.split:
            splits.setdefault(row.group, set()).add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    if dataset.splits:
        assert {row.split for row in rows} - {""} <= {*dataset.splits}
    if dataset.name != "folder":
        assert all(row.group for row in rows)


@pytest.mark.parametrize("dataset", CASES)
def test_a_second_reading_and_a_moved_root_give_the_same(
    dataset: Dataset, roots: dict[str, Path], tmp_path: Path
) -> None:
    first = list(dataset.rows(roots[dataset.name]))
    assert list(dataset.rows(roots[dataset.name])) == first
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
def test_the_manifest_of_a_data_set_reads_back(
    dataset: Dataset, roots: dict[str, Path], tmp_path: Path
) -> None:
    whole = read(dataset.name, roots[dataset.name])
    manifest.write(whole, tmp_path / "m.csv")
    back = manifest.read(tmp_path / "m.csv").rows
    assert [replace(row, extra={k: v for k, v in row.extra.items() if v}) for row in back] == [*whole.rows]
    sounds, known = whole.targets()
    assert sounds.shape == known.shape == (len(whole), len(whole.labels()))
    assert not (sounds.astype(bool) & ~known).any()


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
def test_the_description_is_complete(dataset: Dataset) -> None:
    assert (
        dataset.title
        and dataset.what
        and dataset.licence
        and dataset.layout
        and dataset.source
        and dataset.protocol
    )
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
