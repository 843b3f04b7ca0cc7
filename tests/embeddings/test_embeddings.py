"""``embed``: the vectors are those of ``analyze``, whatever they are written as; bad files are listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.cli import main

RATE = 24_000
LENGTHS = {"a.wav": 5.3, "sub/b.wav": 0.4}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long sound, one shorter than a window, and text that is called a WAV."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "sub").mkdir()
    for number, (name, seconds) in enumerate(LENGTHS.items()):
        time = np.arange(int(seconds * RATE)) / RATE
        noise = np.random.default_rng(number).standard_normal(time.size)
        soundfile.write(folder / name, 0.2 * np.sin(2000 * time * (1 + time)) + 0.02 * noise, RATE, "FLOAT")
    (folder / "text.wav").write_text("no sound")
    return folder


@pytest.fixture(scope="module")
def heard(sounds: Path) -> dict[str, object]:
    model = sonoscope.load("instruments")
    return {name: model.analyze(sounds / name, hop=0.5, embeddings=True).scores for name in LENGTHS}


def written(sounds: Path, out: Path) -> int:
    return main(["embed", str(sounds), "-m", "instruments", "--hop", "0.5", "-o", str(out)])


def test_one_npz_holds_what_analyze_gives_and_the_bad_file_is_listed(sounds, heard, tmp_path, capsys) -> None:
    assert written(sounds, tmp_path / "all.npz") == 1
    assert "text.wav" in capsys.readouterr().err
    found = np.load(tmp_path / "all.npz")
    assert found["files"].tolist() == list(LENGTHS)
    assert found["vector"].dtype == np.float32
    for number, scores in enumerate(heard.values()):
        rows = found["file"] == number
        np.testing.assert_array_equal(found["vector"][rows], scores.embeddings)
        np.testing.assert_array_equal(found["start"][rows], scores.start_s)
        np.testing.assert_array_equal(found["end"][rows], scores.end_s)
    assert [path.name for path in tmp_path.iterdir()] == ["all.npz"]


def test_parquet_and_a_folder_hold_the_same(sounds, heard, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert written(sounds, tmp_path / "all.parquet") == 1
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == ["file", "start", "end", "vector"]
    assert written(sounds, tmp_path / "each") == 1
    for name, scores in heard.items():
        rows = [row for row in table.to_pylist() if row["file"] == name]
        np.testing.assert_array_equal([row["vector"] for row in rows], scores.embeddings)
        alone = np.load(tmp_path / "each" / f"{name}.embeddings.npz")
        np.testing.assert_array_equal(alone["vector"], scores.embeddings)


def test_nothing_is_overwritten_unless_told(sounds, tmp_path, capsys) -> None:
    (tmp_path / "all.npz").write_bytes(b"mine")
    assert written(sounds, tmp_path / "all.npz") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "all.npz").read_bytes() == b"mine"


def test_another_ending_is_refused(sounds, tmp_path, capsys) -> None:
    assert written(sounds, tmp_path / "all.csv") == 2
    assert ".parquet" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_without_embeddings_is_refused(sounds, notes_folder, tmp_path, capsys) -> None:
    words = ["embed", str(sounds), "-m", str(notes_folder / "notes"), "-o", str(tmp_path / "x.npz")]
    assert main(words) == 2
    assert "gives no embeddings" in capsys.readouterr().err
