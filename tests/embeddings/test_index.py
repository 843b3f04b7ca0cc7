"""The index: exact, appendable, of one model; the query itself is left out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models
from sonoscope.audio import find
from sonoscope.cli import main
from sonoscope.embeddings import Embedder, Index, Piece, rows
from sonoscope.errors import Locked, UnreadableAudio

RATE = 24_000


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(models.load("instruments"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two low tones, two noises and a text, 4 s each."""
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(5)
    time = np.arange(4 * RATE) / RATE
    for number in range(2):
        tone = sum(np.sin(2 * np.pi * (220 + 5 * number) * k * time) / k for k in range(1, 8))
        soundfile.write(folder / f"tone{number}.wav", 0.1 * tone, RATE)
        soundfile.write(folder / f"noise{number}.wav", 0.1 * rng.standard_normal(time.size), RATE)
    return folder


@pytest.fixture(scope="module")
def built(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "index"
    assert main(["search", "--index", str(folder), "--build", str(sounds), "-m", "instruments"]) == 0
    return folder


def test_like_finds_like_and_not_itself(sounds, built, tmp_path, capsys) -> None:
    out = tmp_path / "found.csv"
    words = ["search", sounds / "tone0.wav", sounds / "noise0.wav", "--index", built, "-k", 2, "-o", out]
    assert main([str(word) for word in words]) == 0
    with open(out, newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["query", "file", "start", "end", "similarity"]
    assert [row["file"] for row in found] == ["tone1.wav"] * 2 + ["noise1.wav"] * 2
    assert 0.5 < float(found[0]["similarity"]) <= 1.001


def test_a_copy_under_another_name_is_itself(sounds, built, embedder, tmp_path) -> None:
    shutil.copy(sounds / "tone0.wav", tmp_path / "copy.wav")
    (recording,) = find.find([tmp_path / "copy.wav"])
    assert {hit.file for hit in Index(built, embedder).query(recording, 1000)} == {
        "tone1.wav", "noise0.wav", "noise1.wav"
    }  # fmt: skip


def test_blocks_give_what_one_product_gives(embedder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sonoscope.embeddings.index.BLOCK", 64)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1000, embedder.size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(tmp_path / "index", embedder, make=True, dtype="float32")
    times = np.arange(1000.0)
    index.insert("x", [Piece(times, times + 1, vectors)])
    query = rng.standard_normal(embedder.size)
    cosines = vectors @ (query / np.linalg.norm(query))
    hits = index.nearest(query, 25)
    assert [hit.start for hit in hits] == np.argsort(-cosines)[:25].tolist()
    np.testing.assert_allclose([hit.similarity for hit in hits], np.sort(cosines)[::-1][:25], atol=1e-6)


def test_adding_again_adds_nothing_and_what_was_not_completed_is_cut(sounds, embedder, tmp_path) -> None:
    index = Index(tmp_path / "index", embedder, make=True)
    first, second, *_ = find.find([sounds])
    count = index.add(first)
    for name in ("vectors.bin", "rows.bin", "files.jsonl"):
        with open(tmp_path / "index" / name, "ab") as file:
            file.write(b"half a row")
    again = Index(tmp_path / "index", embedder)
    assert again.holds(first) and not again.holds(second)
    both = count + again.add(second)
    assert len(Index(tmp_path / "index", embedder)) == both
    assert (tmp_path / "index" / "rows.bin").stat().st_size == both * rows.ROW.itemsize
    assert {hit.file for hit in again.nearest(np.ones(embedder.size), both)} == {first.name, second.name}


@pytest.mark.parametrize("error", [UnreadableAudio("x.wav", "cut", "Copy it again."), OSError(28, "full")])
def test_a_recording_that_fails_halfway_leaves_nothing(tmp_path, error) -> None:
    table = rows.Rows(tmp_path, 3, np.dtype("<f4"))
    piece = Piece(np.zeros(2), np.ones(2), np.ones((2, 3), np.float32))

    def broken():
        yield piece
        raise error

    table.add(0, [piece])
    with pytest.raises(type(error)):
        table.add(1, broken())
    table.add(1, [piece])
    assert table.table()["file"].tolist() == [0, 0, 1, 1]
    assert table.vectors().shape == (4, 3)


def test_an_index_that_grew_meanwhile_is_not_written(sounds, embedder, tmp_path) -> None:
    first, second, *_ = find.find([sounds])
    ours = Index(tmp_path / "index", embedder, make=True)
    Index(tmp_path / "index", embedder).add(first)
    with pytest.raises(Locked, match="another process"):
        ours.add(second)


def test_another_model_is_refused(sounds, built, tmp_path, capsys) -> None:
    shutil.copytree(built, tmp_path / "index")
    about = json.loads((tmp_path / "index" / "index.json").read_text())
    (tmp_path / "index" / "index.json").write_text(json.dumps(about | {"sha256": "0" * 64}))
    assert main(["search", str(sounds / "tone0.wav"), "--index", str(tmp_path / "index")]) == 2
    assert "another model" in capsys.readouterr().err


def test_a_model_without_a_name_is_asked_for_by_its_folder(sounds, tmp_path, capsys, monkeypatch) -> None:
    own, folder = tmp_path / "mine", str(tmp_path / "index")
    shutil.copytree(models.names()["field"], own)
    spec = json.loads((own / "bundle.json").read_text())
    (own / "bundle.json").write_text(json.dumps(spec | {"name": "mine"}))
    monkeypatch.chdir(tmp_path)
    assert main(["search", "--index", folder, "--build", str(sounds / "tone0.wav"), "-m", str(own)]) == 0
    assert main(["search", str(sounds / "tone0.wav"), "--index", folder]) == 2
    assert (
        "was built with the model 'mine', which has no name here: give its folder" in capsys.readouterr().err
    )
    assert main(["search", str(sounds / "tone0.wav"), "--index", folder, "-m", str(own), "-o", "-"]) == 0


def test_no_index_and_no_query_are_told(sounds, tmp_path, capsys) -> None:
    assert main(["search", str(sounds / "tone0.wav"), "--index", str(tmp_path / "none")]) == 2
    assert "--build" in capsys.readouterr().err
    assert main(["search", "--index", str(tmp_path / "none")]) == 2


def test_the_last_word_is_the_index_or_what_to_hear(sounds, built, tmp_path, capsys) -> None:
    query, answers = str(sounds / "tone0.wav"), []
    for where in (["--index", str(built)], [str(built)], [str(sounds), "-m", "instruments"]):
        assert main(["search", query, *where, "-k", "2", "-o", "-"]) == 0
        answers.append(capsys.readouterr())
    assert answers[0].out == answers[1].out == answers[2].out
    assert f"--index sounds --build {sounds}" in answers[2].err
    assert main(["search", query]) == 2
    assert "a folder behind the queries" in capsys.readouterr().err


def test_a_bad_file_is_listed_and_the_others_are_in(sounds, tmp_path, capsys) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    words = [
        "search",
        "--index",
        tmp_path / "i",
        "--build",
        tmp_path / "text.wav",
        "--build",
        sounds / "tone0.wav",
    ]
    assert main([str(word) for word in [*words, "-m", "instruments"]]) == 1
    assert "text.wav" in capsys.readouterr().err
    assert json.loads((tmp_path / "i" / "index.json").read_text())["files"] == 1
