"""What else dask's workers do: embeddings, prepared folders and predictions are the bytes of one process."""

from __future__ import annotations

import csv
import math
import operator
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonoscope.cli import main
from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.runs import dasked


def files(folder: Path) -> dict[str, bytes]:
    found = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "lock")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made.scheduler_address


@pytest.mark.slow
def test_results_come_in_order_and_errors_as_they_are(cluster: str) -> None:
    with dasked.shared(cluster) as share:
        assert list(share(operator.neg, range(50))) == [-n for n in range(50)]
        with pytest.raises(SonoscopeError, match="ValueError"):
            list(share(math.sqrt, [1.0, -1.0]))


@pytest.mark.slow
def test_fewer_workers_than_there_were(monkeypatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(dasked, "COUNT_S", 0.0)
    found = []
    with (
        distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as made,
        dasked.shared(made.scheduler_address) as share,
    ):
        for number in share(operator.neg, range(60)):
            found.append(number)
            if len(found) == 3:
                made.scale(1)
    assert found == [-n for n in range(60)]


@pytest.mark.slow
def test_embeddings(cluster: str, recordings: Path, tmp_path: Path) -> None:
    for name, words in {"one": [], "two": ["--dask", cluster]}.items():
        assert main(["embed", str(recordings), "-o", str(tmp_path / f"{name}.npz"), *words]) == 1
        assert main(["embed", str(recordings), "-o", str(tmp_path / name) + "/", *words]) == 1
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert len(files(tmp_path / "one")) == 10 and files(tmp_path / "one") == files(tmp_path / "two")


@pytest.fixture
def manifest(recordings: Path) -> Path:
    rows = [(file.relative_to(recordings).as_posix(), "piano" if k % 2 else "violin")
            for k, file in enumerate(sorted(recordings.rglob("*.wav")))]  # fmt: skip
    with open(recordings / "manifest.csv", "w", newline="") as out:
        csv.writer(out).writerows([("path", "labels"), *rows])
    return recordings / "manifest.csv"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["shards", "npy"])
def test_prepared_folders(layout: str, cluster: str, manifest: Path, tmp_path: Path) -> None:
    for name, words in {"one": [], "two": ["--dask", cluster]}.items():
        words = ["--as", "logmel", "--layout", layout, *words]
        assert main(["data", "features", str(manifest), "-o", str(tmp_path / name), *words]) == 1
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    # The manifest of a tree names its arrays with their folder.
    if layout == "npy":
        two["manifest.csv"] = two["manifest.csv"].replace(b"two/", b"one/")
    assert one.keys() == two.keys()
    assert not [name for name in one if one[name] != two[name]]


@pytest.mark.slow
def test_predictions(cluster: str, manifest: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("sklearn")
    said = {}
    for name, words in {"one": [], "two": ["--dask", cluster]}.items():
        target = tmp_path / f"{name}.csv"
        assert (
            main(["evaluate", "instruments", str(manifest), "--draws", "0", "-o", str(target), *words]) == 1
        )
        said[name] = capsys.readouterr().out
    assert said["one"] == said["two"]
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_what_makes_no_sense_is_refused(recordings: Path, tmp_path: Path, capsys) -> None:
    assert main(["embed", str(recordings), "-o", str(tmp_path / "a.npz"), "--workers", "2"]) == 2
    assert "--workers is about --dask" in capsys.readouterr().err
    with pytest.raises(UsageError, match="must be the address of a scheduler"), dasked.shared("nonsense"):
        pass
