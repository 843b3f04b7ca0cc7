"""The example recordings are what their truth says, and their script still makes it."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import av
import numpy as np
import pytest

from sonoscope import labels
from sonoscope.data.rendering import pieces
from sonoscope.data.rendering.synth import Synth, soundfonts

FOLDER = Path(__file__).parents[2] / "examples"


def truth() -> dict[str, list[tuple[float, float, str]]]:
    """File to intervals, as ``truth.csv`` says."""
    spans: dict[str, list[tuple[float, float, str]]] = {}
    with open(FOLDER / "truth.csv", newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            spans.setdefault(row["file"], []).append((float(row["start"]), float(row["end"]), row["label"]))
    return spans


def levels_db(file: Path) -> np.ndarray:
    """Level of each 50 ms of the sound, channels averaged, in dB below the loudest."""
    with av.open(str(file)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    step = rate // 20
    power = np.mean(samples[: samples.size // step * step].reshape(-1, step) ** 2, axis=1)
    return 10 * np.log10(power / power.max() + 1e-12)


@pytest.mark.parametrize("name", sorted(truth()))
def test_sound_is_where_the_truth_says(name):
    spans = truth()[name]
    heard = levels_db(FOLDER / name)
    assert 8 <= heard.size / 20 <= 12.1
    ids = {label.id for label in labels.INSTRUMENTS}
    for start, end, label in spans:
        assert label in ids
        # A coder may shift the sound by a frame.
        assert 0 <= start < end <= heard.size / 20 + 0.05
        assert heard[round(start * 20) + 1 : round(end * 20)].max() > -30
    assert heard[: max(0, round(min(spans)[0] * 20) - 1)].max(initial=-120) < -40


def test_every_recording_has_a_truth_and_the_folder_is_small():
    files = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert files - {"README.md", "make.py", "truth.csv", "clips.yaml"} == set(truth())
    assert sum((FOLDER / name).stat().st_size for name in files) < 2.5e6
    assert (FOLDER / "electric-guitar.mp4").stat().st_size < 600_000
    with av.open(str(FOLDER / "electric-guitar.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 120
    assert np.mean(np.abs(pictures[60].astype(float) - pictures[66])) > 1, "a picture that moves"
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in truth())


def test_the_script_makes_the_same_truth():
    pytest.importorskip("fluidsynth", exc_type=ImportError)
    if "fluidr3" not in soundfonts():
        pytest.skip("the FluidR3 soundfont is not on this machine (apt install fluid-soundfont-gm)")
    make = runpy.run_path(str(FOLDER / "make.py"))
    with Synth("fluidr3", make["RATE"]) as synth:
        for example, piece in make["play"](synth):
            made = [(float(a), float(b), label) for a, b, label in pieces.timeline_rows(piece)]
            assert made == truth()[example.file]
