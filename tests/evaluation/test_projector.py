"""Embeddings of clips: kept, mapped in the report, and written for TensorBoard's projector."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models
from sonoscope.cli import main
from sonoscope.evaluation import projector
from sonoscope.models.runtime import Runtime

RATE = 24_000
COUNT = 10


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 1.2 s, one of silence, one that is no recording."""
    folder = tmp_path_factory.mktemp("clips")
    time = np.arange(int(1.2 * RATE)) / RATE
    for k in range(COUNT):
        sound = 0.2 * np.sign(np.sin(2 * np.pi * 110 * (k + 1) * time)) * (k > 0)
        soundfile.write(folder / f"{k}.wav", sound.astype(np.float32), RATE)
    (folder / "broken.wav").write_text("no sound")
    rows = [f"{k}.wav,{'piano' if k % 2 else 'flute;voice'},g{k // 2}" for k in range(COUNT)]
    (folder / "manifest.csv").write_text(
        "\n".join(["path,labels,group", *rows, "broken.wav,piano,g9"]) + "\n"
    )
    return folder


@pytest.fixture(scope="module")
def judged(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judged") / "out"
    assert main(["evaluate", "instruments", str(root), "--draws", "0", "--embeddings", "-o", str(out)]) == 1
    return out


def test_vectors_are_the_mean_embeddings_of_the_clips(judged, root):
    vectors = np.loadtxt(judged / "projector" / "tensors.tsv", delimiter="\t")
    bundle = models.load("instruments")
    assert vectors.shape == (COUNT, bundle.embedding_size)
    samples, _ = soundfile.read(root / "3.wav", dtype="float32")
    scorer = Runtime(bundle).scorer(bundle.hop_samples, embeddings=True)
    each = np.concatenate([scorer.push(samples)[1], scorer.close()[1]])
    starts = bundle.hop_samples * np.arange(len(each))
    sound = np.minimum(len(samples) - starts, bundle.window_samples)
    assert len(each) > 1 and sound[-1] < bundle.window_samples, "the last window is not all sound"
    np.testing.assert_allclose(vectors[3], np.average(each, axis=0, weights=sound), rtol=1e-4, atol=1e-5)
    assert np.load(judged / "arrays.npz")["embeddings"].shape == vectors.shape


def test_lines_are_the_clips_and_the_sprite_has_one_square_each(judged):
    folder = judged / "projector"
    lines = (folder / "metadata.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["clip", "sounds", "best score", "group"]
    assert [line.split("\t")[0] for line in lines[1:]] == [f"{k}.wav" for k in range(COUNT)]
    assert lines[1].split("\t")[1] == "flute, voice"
    width, height = struct.unpack(">II", (folder / "sprite.png").read_bytes()[16:24])
    assert width == height == 4 * projector.SIDE
    assert b"single_image_dim: 48" in (folder / "projector_config.pbtxt").read_bytes()


def test_tensorboard_reads_the_configuration(judged):
    protos = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2")
    text_format = pytest.importorskip("google.protobuf.text_format")
    read = text_format.Parse(
        (judged / "projector" / "projector_config.pbtxt").read_text(), protos.ProjectorConfig()
    )
    [entry] = read.embeddings
    assert list(entry.sprite.single_image_dim) == [48, 48]
    for path in (entry.tensor_path, entry.metadata_path, entry.sprite.image_path):
        assert (judged / "projector" / path).is_file()


def test_the_report_has_maps(judged):
    html = (judged / "report.html").read_text()
    assert 'id="map"' in html and "<h3>PCA</h3>" in html and "of the variance" in html
    pytest.importorskip("sklearn")
    assert "<h3>t-SNE</h3>" in html


def test_what_has_no_embeddings_is_refused(root, judged, capsys):
    table = judged / "predictions.csv"
    assert main(["evaluate", str(table), str(root), "--embeddings", "--draws", "0"]) == 2
    assert "no embeddings: predictions gives scores only" in capsys.readouterr().err


def test_thumbnails_are_means_of_their_points(rng):
    grey = rng.integers(0, 256, (64, 32)).astype(np.uint8)
    small = projector.shrunk(grey, 16)
    by_hand = grey.reshape(16, 4, 16, 2).mean(axis=(1, 3))
    assert small.shape == (16, 16) and np.abs(small - by_hand).max() <= 1.0
    assert projector.shrunk(np.full((3, 2), 77, np.uint8), 16).tolist() == np.full((16, 16), 77).tolist()
    whole = projector.sprite([(0, small), (3, small)], 4, 16)
    assert (whole[16:, 16:] == small).all() and not whole[:16, 16:].any()
