"""From a recording to an explanation: in Python, by the command, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.cli import main
from sonoscope.errors import UnknownName, UsageError

from .conftest import BEGIN, END, HZ, RATE, sound

pytest.importorskip("onnxscript")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three seconds of noise; in the second one a tone."""
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    samples = sound(np.random.default_rng(5), (1 + BEGIN, 1 + END, HZ), 3.0)
    soundfile.write(path, samples, RATE, "FLOAT")
    return path


def test_a_stretch_is_in_seconds_and_hz_and_scores_as_analyze_says(tone_bundle, recording) -> None:
    model = sonoscope.load(tone_bundle)
    explanation = model.explain(recording, label="tone", time=1.5, method="occlusion")
    assert (explanation.start, explanation.end) == (1.0, 2.0)
    scores = model.analyze(recording).scores
    row = int(np.flatnonzero(scores.start_s == 1.0)[0])
    assert explanation.logit == pytest.approx(float(scores.logits[row, 1]), abs=2e-3)
    begin, end = explanation.summary()["seconds"]
    assert begin < 1.5 < end
    samples, rate = soundfile.read(recording, dtype="float32")
    again = model.explain(samples, sample_rate=rate, label="tone", time=1.5, method="occlusion")
    np.testing.assert_allclose(again.map, explanation.map, atol=1e-5)


def test_the_masked_sound_keeps_the_tone_and_loses_the_noise(tone_bundle, recording) -> None:
    explanation = sonoscope.load(tone_bundle).explain(recording, label="tone", time=1.5, method="gradcam")
    before, after = explanation.samples, explanation.masked()
    assert after.shape == before.shape

    def parts(samples):
        inside = samples[int(0.4 * RATE) : int(0.6 * RATE)]
        power = np.abs(np.fft.rfft(inside * np.hanning(len(inside)))) ** 2
        tone = np.abs(np.fft.rfftfreq(len(inside), 1 / RATE) - HZ) < 30
        return power[tone].sum(), power[~tone].sum() + np.sum(samples[: int(0.2 * RATE)] ** 2)

    (tone, noise), (kept, left) = parts(before), parts(after)
    assert kept > 0.25 * tone
    assert left < 0.4 * (kept / tone) * noise


def test_bad_names_and_times_are_told(tone_bundle, recording) -> None:
    model = sonoscope.load(tone_bundle)
    with pytest.raises(UnknownName, match="Did you mean 'tone'"):
        model.explain(recording, label="tune")
    with pytest.raises(UnknownName, match="Did you mean 'gradcam'"):
        model.explain(recording, method="gradcm")
    with pytest.raises(UnknownName, match="Did you mean 'layer'"):
        model.explain(recording, method="gradcam", lyer="x")
    with pytest.raises(UsageError, match=r"time=9 must lie in the recording, 0 to 3.00 s"):
        model.explain(recording, time=9)


def test_the_command_writes_what_is_asked(tone_bundle, recording, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    words = [
        "explain",
        str(recording),
        "-m",
        str(tone_bundle),
        "-l",
        "tone",
        "--time",
        "1.5",
        "--method",
        "saliency",
    ]
    wished = ["-o", str(tmp_path / "maps"), "--audio", "--format", "png,svg,npz,csv,json"]
    assert main([*words, *wished]) == 0
    stem = tmp_path / "maps" / "tone.wav.tone.saliency"
    held = np.load(f"{stem}.npz")
    assert held["map"].shape == (len(held["times"]), len(held["frequencies"]))
    summary = json.loads((tmp_path / "maps" / f"{stem.name}.json").read_text())
    assert summary["label"] == "tone" and len(summary["tenths"]) == 10
    assert (tmp_path / "maps" / f"{stem.name}.png").read_bytes()[1:4] == b"PNG"
    assert soundfile.info(f"{stem}.wav").samplerate == RATE
    assert main([*words, *wished]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_occlusion_needs_no_torch(tone_bundle, recording) -> None:
    program = (
        "import sys, sonoscope; sys.modules['torch'] = None; "
        f"found = sonoscope.load({str(tone_bundle)!r}).explain({str(recording)!r}, label='tone', method='occlusion'); "
        "found.masked(); print(found.method, sys.modules['torch'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.split() == ["occlusion", "None"]
