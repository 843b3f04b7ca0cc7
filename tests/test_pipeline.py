"""From a file to a table of scores: the same numbers however it is read, and every second accounted for."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models, pipeline
from sonoscope import scores as score_tables
from sonoscope.audio.decode import BLOCK_SAMPLES
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording, Scores


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return models.load("instruments")


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Runtime:
    return Runtime(bundle)


def tune(seconds: float, sample_rate: int, seed: int = 0) -> np.ndarray:
    """Decaying tones over noise, (n,) float64 below full scale."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    tones = sum(
        np.sin(2 * np.pi * f * time_s) * np.exp(-(time_s % d))
        for f, d in ((220, 0.5), (661, 0.8), (1790, 1.3))
    )
    return 0.2 * tones + 0.01 * rng.standard_normal(time_s.size)


def write(folder: Path, samples: np.ndarray, sample_rate: int, name: str = "a.wav") -> Recording:
    """A WAV of 32-bit floats, so that what is read is what was written."""
    path = folder / name
    soundfile.write(path, samples.astype(np.float32), sample_rate, subtype="FLOAT")
    return Recording(str(path), name)


def assert_equal(a: Scores, b: Scores) -> None:
    assert (a.labels, a.n_samples, a.hop_samples) == (b.labels, b.n_samples, b.hop_samples)
    for field in ("starts", "ends", "logits", "probabilities"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)
    if a.embeddings is not None:
        np.testing.assert_array_equal(a.embeddings, b.embeddings)


@pytest.mark.parametrize("seconds", [0.05, 1.7, 7.3])
@pytest.mark.parametrize("sample_rate", [24_000, 44_100, 16_000])
def test_a_file_and_an_array_give_the_same_table(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, seconds: float, sample_rate: int
) -> None:
    samples = tune(seconds, sample_rate).astype(np.float32)
    analysis = pipeline.score_recording(write(tmp_path, samples, sample_rate), bundle, runtime)
    assert_equal(analysis.scores, pipeline.score_samples(samples, sample_rate, bundle, runtime).scores)
    assert analysis.duration_s == pytest.approx(seconds, abs=1 / sample_rate)
    assert analysis.info.sample_rate == sample_rate


@pytest.mark.parametrize("seconds", [0.05, 0.999, 1.0, 1.001, 3.3])
@pytest.mark.parametrize("hop_s", [None, 1.0, 0.1, 0.23456])
def test_every_sample_has_a_row_and_no_row_ends_after_the_audio(
    bundle: Bundle, runtime: Runtime, seconds: float, hop_s: float | None
) -> None:
    rate, window = bundle.sample_rate, bundle.window_samples
    hop_s = hop_s and hop_s * window / rate
    scores = pipeline.score_samples(
        tune(seconds * window / rate, rate), rate, bundle, runtime, hop_s=hop_s
    ).scores
    hop = round(hop_s * rate) if hop_s else bundle.hop_samples
    assert (scores.window_samples, scores.hop_samples) == (window, hop)
    np.testing.assert_array_equal(scores.starts, np.arange(len(scores)) * hop)
    covered = np.zeros(scores.n_samples, dtype=bool)
    for start, end in zip(scores.starts, scores.ends, strict=True):
        covered[start:end] = True
    assert covered.all()
    assert scores.ends[-1] == scores.n_samples
    assert len(scores.logits) == len(scores.probabilities) == len(scores)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.6])
def test_dropping_the_tail_leaves_out_windows_that_were_filled(
    bundle: Bundle, runtime: Runtime, seconds: float
) -> None:
    rate = bundle.sample_rate
    samples = tune(seconds * bundle.window_samples / rate, rate)
    kept, dropped = (
        pipeline.score_samples(samples, rate, bundle, runtime, tail=tail, embeddings=True).scores
        for tail in ("keep", "drop")
    )
    assert not dropped.padded.any()
    assert len(dropped) == (~kept.padded).sum()
    for field in ("starts", "ends", "logits", "probabilities", "embeddings"):
        np.testing.assert_array_equal(getattr(dropped, field), getattr(kept, field)[: len(dropped)])


def test_nothing_has_no_rows(bundle: Bundle, runtime: Runtime) -> None:
    for rate in (bundle.sample_rate, 44_100):
        scores = pipeline.score_samples(np.zeros(0), rate, bundle, runtime, embeddings=True).scores
        assert len(scores) == scores.n_samples == 0
        assert scores.logits.shape == scores.probabilities.shape == (0, len(bundle.labels))
        assert scores.embeddings is not None
        assert scores.embeddings.shape == (0, bundle.embedding_size)


def test_what_is_given_is_what_would_be_kept(bundle: Bundle, runtime: Runtime) -> None:
    scores = pipeline.score_samples(tune(4, bundle.sample_rate), bundle.sample_rate, bundle, runtime).scores
    kept = score_tables.unpack(score_tables.pack(scores), scores.labels, bundle.calibration)
    assert_equal(kept, scores)
    logits = scores.logits.astype(np.float64)
    p = 1 / (1 + np.exp(-(bundle.calibration[:, 0] * logits + bundle.calibration[:, 1])))
    np.testing.assert_allclose(scores.probabilities, p, atol=6e-5)


@pytest.mark.parametrize("n_blocks", [0.01, 1, 7, 8, 9, 10, 13.5])
def test_decoding_ahead_changes_nothing(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, n_blocks: float
) -> None:
    n = round(n_blocks * BLOCK_SAMPLES)
    recording = write(tmp_path, tune(n / bundle.sample_rate, bundle.sample_rate), bundle.sample_rate)
    plain, ahead = (
        pipeline.score_recording(recording, bundle, runtime, overlap=overlap, embeddings=True)
        for overlap in (False, True)
    )
    assert_equal(plain.scores, ahead.scores)
    assert (plain.note, plain.duration_s, plain.info) == (ahead.note, ahead.duration_s, ahead.info)


class Stop(Exception):
    """Raised by a caller that has had enough."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_blocks", [1, 2, 8, 9, 10, 11, 20])
def test_a_caller_that_gives_up_leaves_no_thread_behind(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, n_blocks: int
) -> None:
    recording = write(tmp_path, np.zeros(n_blocks * BLOCK_SAMPLES), bundle.sample_rate)
    before = threading.active_count()

    def give_up(seconds: float) -> None:
        # By now the other thread has decoded what it may, and waits for room.
        time.sleep(0.1)
        raise Stop

    with pytest.raises(Stop):
        pipeline.score_recording(recording, bundle, runtime, overlap=True, progress=give_up)
    assert threading.active_count() == before


@pytest.mark.parametrize("overlap", [False, True])
def test_what_cannot_be_decoded_says_so(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, overlap: bool
) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound here")
    with pytest.raises(UnreadableAudio) as caught:
        pipeline.score_recording(Recording(str(path), "x/text.wav"), bundle, runtime, overlap=overlap)
    assert caught.value.file == "x/text.wav"
    assert caught.value.reason
    assert caught.value.remedy


@pytest.mark.parametrize("overlap", [False, True])
def test_progress_counts_up_to_the_length(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, overlap: bool
) -> None:
    seconds: list[float] = []
    recording = write(tmp_path, np.zeros(5 * 44_100 * 2), 44_100)
    pipeline.score_recording(recording, bundle, runtime, overlap=overlap, progress=seconds.append)
    assert seconds == sorted(seconds)
    assert len(seconds) > 2
    assert seconds[-1] == pytest.approx(10.0, abs=1e-3)


def test_channels_are_averaged_or_one_is_chosen(tmp_path: Path, bundle: Bundle, runtime: Runtime) -> None:
    rate = bundle.sample_rate
    left, right = tune(3, rate, seed=1), 0.5 * tune(3, rate, seed=2)[::-1]
    both = write(tmp_path, np.stack([left, right], axis=1), rate)
    alone = write(tmp_path, right, rate, "right.wav")
    middle = write(tmp_path, (left.astype(np.float32) + right.astype(np.float32)) / 2, rate, "middle.wav")

    def score(recording: Recording, channel: int | None = None) -> Scores:
        return pipeline.score_recording(recording, bundle, runtime, channel=channel).scores

    assert_equal(score(both, 2), score(alone))
    assert_equal(score(both), score(middle))


def test_what_is_special_is_noted(tmp_path: Path, bundle: Bundle, runtime: Runtime) -> None:
    rate = bundle.sample_rate

    def note(samples: np.ndarray) -> str:
        return pipeline.score_recording(write(tmp_path, samples, rate), bundle, runtime).note

    assert note(tune(3, rate)) == ""
    silence = "silent: digital silence, nothing was recorded (microphone, cable or plug?)"
    assert note(np.zeros(3 * rate)) == silence
    assert "clipped (" in note(np.clip(20 * tune(3, rate), -1, 1))
    assert note(0.5 * 2**15 * np.sign(tune(3, rate))) == (
        "reaches 16,384 times full scale: whole numbers that nobody divided?"
    )
    tuned = tune(3, rate)
    assert note(np.column_stack((tuned, -tuned))) == (
        "its channels cancel each other in their mean: hear one of them (--channel 1)"
    )
    short = note(tune(0.1, rate))
    assert short == f"shorter than the model's window of {bundle.window_samples / rate:g} s: repeated"
    assert bundle.repeats_short
    assert note(np.zeros(500)) == f"{silence}; {short}"


def test_a_recorder_that_failed_is_told_as_what_it_is(
    tmp_path: Path, bundle: Bundle, runtime: Runtime, rng: np.random.Generator
) -> None:
    rate = bundle.sample_rate
    noise = rng.standard_normal(3 * rate)
    dead, alive = np.zeros(3 * rate), 0.05 * noise

    def note(*channels: np.ndarray, channel: int | None = None) -> str:
        recording = write(tmp_path, np.column_stack(channels), rate)
        return pipeline.score_recording(recording, bundle, runtime, channel=channel).note

    constant = note(np.full(3 * rate, 0.1))
    assert constant.startswith("silent: a constant level of 0.1 of full scale, nothing was recorded")
    assert pipeline.is_silent(constant) and pipeline.is_silent(f"cut short; {constant}")
    assert note(dead, alive) == (
        "its channel 1 is silent (microphone, cable or plug?), and the mean of all is quieter for it: hear one that is "
        "not (--channel 2)"
    )
    assert note(alive, dead, dead - 0.2, alive).startswith("its channels 2, 3 are silent")
    assert not pipeline.is_silent(note(dead, alive))
    # A channel that sounds for a moment is not dead, and one that is chosen stands for itself.
    assert note(np.r_[dead[:-500], alive[:500]], alive) == ""
    assert note(dead, alive, channel=2) == "" and pipeline.is_silent(note(dead, alive, channel=1))
    loudest = 20 * np.log10(np.ptp(10 ** (-70 / 20) * noise) / 2)
    faint = note(10 ** (-70 / 20) * noise + 0.1)
    assert faint.startswith(
        f"very quiet: nothing is louder than {loudest:.0f} dBFS (gain set low, or the microphone"
    )
    assert not pipeline.is_silent(faint)
    assert "clipped (" in note(dead, np.clip(20 * tune(3, rate), -1, 1))


@pytest.mark.parametrize(("sounds_s", "still_s", "told"), [(20, 12, True), (120, 12, False), (20, 8, False)])
def test_a_microphone_that_dies_is_told_and_a_pause_is_not(
    tmp_path: Path,
    bundle: Bundle,
    runtime: Runtime,
    rng: np.random.Generator,
    sounds_s: int,
    still_s: int,
    told: bool,
) -> None:
    rate = bundle.sample_rate
    alive, still = 0.05 * rng.standard_normal(sounds_s * rate), np.full(still_s * rate, 0.01)

    def note(*parts: np.ndarray) -> str:
        return pipeline.score_recording(write(tmp_path, np.concatenate(parts), rate), bundle, runtime).note

    found = note(alive, still)
    assert bool(found) == told and not pipeline.is_silent(found)
    if told:
        block_s = BLOCK_SAMPLES / rate
        begins_s = float(found.removeprefix("nothing was recorded from ").split()[0])
        assert sounds_s <= begins_s <= sounds_s + block_s + 1
        assert f" to its end at {sounds_s + still_s} s (did the microphone die" in found
    assert note(still, alive) == note(alive, still, alive[: rate // 10]) == ""


@pytest.mark.parametrize("hop_s", [0.0, -0.5, 1e9, float("nan")])
def test_a_hop_out_of_range_is_refused(bundle: Bundle, runtime: Runtime, hop_s: float) -> None:
    with pytest.raises(UsageError, match=f"hop={hop_s} s is out of range"):
        pipeline.score_samples(np.zeros(100), bundle.sample_rate, bundle, runtime, hop_s=hop_s)


def test_an_unknown_tail_or_shape_is_refused(bundle: Bundle, runtime: Runtime) -> None:
    with pytest.raises(UsageError, match=r"tail='cut' must be 'keep' or 'drop'"):
        pipeline.score_samples(np.zeros(100), bundle.sample_rate, bundle, runtime, tail="cut")
    with pytest.raises(ValueError, match=r"samples must have shape \(n,\), got \(2, 100\)"):
        pipeline.score_samples(np.zeros((2, 100)), bundle.sample_rate, bundle, runtime)
