"""Live windows, scores and events are those of ``analyze``, for any blocks, rates and hops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sonoscope
from sonoscope import api, pipeline
from sonoscope.audio import decode
from sonoscope.errors import UsageError
from sonoscope.live.moments import Moment
from sonoscope.live.streams import heard
from sonoscope.live.tags import TagStream, WindowStream
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Scores

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def song() -> tuple[np.ndarray, int]:
    """4.3 s in which a trumpet gives way to a cello."""
    samples, rate = decode.read(EXAMPLES / "trumpet-then-cello.wav")
    return samples[round(2.2 * rate) : round(6.5 * rate)], rate


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    blocks, at = [], 0
    while at < samples.size:
        blocks.append(samples[at : at + sizes[len(blocks) % len(sizes)]])
        at += blocks[-1].size
    return blocks


def compare(stream: WindowStream, blocks: list[np.ndarray], wanted: Scores) -> None:
    """The rows of a stream are the rows of a table, before rounding to 1e-5 of what the pipeline rounds."""
    rows = [row for block in blocks for row in stream.push(block)] + list(stream.close())
    assert [row.start for row in rows] == wanted.starts.tolist()
    assert [row.end for row in rows] == wanted.ends.tolist()
    logits = np.array([row.logits for row in rows])
    # The table's are rounded to 1e-3.
    assert np.abs(logits - wanted.logits).max() <= 0.5e-3 + 1e-5


@settings(max_examples=8, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([1, 30, 441, 22_050, 220_500]), min_size=1, max_size=4),
    hop_s=st.sampled_from([None, 0.1, 1.0, 0.33]),
)
def test_scores_are_those_of_the_whole(
    instruments: Bundle,
    instruments_runtime: Runtime,
    song: tuple[np.ndarray, int],
    sizes: list[int],
    hop_s: float | None,
) -> None:
    samples, rate = song
    sizes = sizes if max(sizes) > 400 else [*sizes, 441]
    wanted = pipeline.score_samples(samples, rate, instruments, instruments_runtime, hop_s=hop_s).scores
    stream = WindowStream(instruments, instruments_runtime, rate, hop_s=hop_s)
    compare(stream, cut(samples, sizes), wanted)


def test_scores_equal_those_of_unrounded_batches(
    instruments: Bundle, instruments_runtime: Runtime, song: tuple[np.ndarray, int]
) -> None:
    samples, rate = song
    stream = WindowStream(instruments, instruments_runtime, rate)
    scorer = instruments_runtime.scorer(instruments.hop_samples)
    import soxr

    converted = soxr.resample(samples, rate, instruments.sample_rate)
    batch = np.concatenate([scorer.push(converted)[0], scorer.close()[0]])
    rows = [row for block in cut(samples, [441]) for row in stream.push(block)] + list(stream.close())
    np.testing.assert_allclose(np.array([row.logits for row in rows]), batch, atol=1e-5)


@pytest.mark.parametrize("n", [1, 100, 23_999, 24_000, 24_001, 36_000, 40_000])
def test_lengths_at_the_edge_of_a_window(instruments: Bundle, instruments_runtime: Runtime, n: int) -> None:
    samples = np.random.default_rng(n).uniform(-0.1, 0.1, n).astype(np.float32)
    wanted = pipeline.score_samples(samples, 24_000, instruments, instruments_runtime).scores
    compare(WindowStream(instruments, instruments_runtime, 24_000), cut(samples, [9_999]), wanted)
    empty = WindowStream(instruments, instruments_runtime, 24_000)
    assert list(empty.close()) == []


@pytest.mark.parametrize(
    "options", [{}, {"hop": 0.1, "min_duration": 0.7, "max_gap": 0.2, "threshold": 0.4}], ids=str
)
def test_events_are_those_of_analyze(song: tuple[np.ndarray, int], options: dict) -> None:
    samples, rate = song
    model = sonoscope.load("instruments")
    wanted = model.analyze(samples, sample_rate=rate, **options).events
    moments = list(model.stream(iter(cut(samples, [700])), sample_rate=rate, **options))
    found = sorted(moment.event for moment in moments if moment.event is not None)
    assert found == list(wanted) and len(found) >= 2
    assert [(e.score, e.raw, e.flags) for e in found] == [(e.score, e.raw, e.flags) for e in wanted]
    begun = {(m.label, m.time_s) for m in moments if m.kind == "on"}
    assert begun == {(e.label, round(e.start_s, 6)) for e in wanted}
    assert all(m.told_s <= samples.size / rate + 1e-6 for m in moments)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.3, 2.4])
def test_of_a_short_recording_too_the_events_are_those_of_analyze(
    song: tuple[np.ndarray, int], seconds: float
) -> None:
    samples, rate = song
    samples = samples[: round(seconds * rate)]
    model = sonoscope.load("instruments")
    for least_s in (0.0, 0.6, 5.0):
        wanted = model.analyze(samples, sample_rate=rate, threshold=0.05, min_duration=least_s).events
        moments = model.stream([samples], sample_rate=rate, threshold=0.05, min_duration=least_s)
        assert sorted(m.event for m in moments if m.event is not None) == list(wanted)
        assert bool(wanted) == (seconds <= 1.0 or seconds > least_s)


def test_stereo_blocks_and_wrong_ones(song: tuple[np.ndarray, int]) -> None:
    samples, rate = song
    model = sonoscope.load("instruments")
    mono = list(model.stream(cut(samples, [5_000]), sample_rate=rate))
    stereo = np.column_stack([samples, samples])
    both = list(model.stream((stereo[i : i + 5_000] for i in range(0, len(stereo), 5_000)), sample_rate=rate))
    assert both == mono and mono
    with pytest.raises(
        ValueError, match=r"a block must be floating point with full scale 1, got int16; divide first"
    ):
        list(model.stream([np.zeros(10, np.int16)], sample_rate=rate))
    with pytest.raises(ValueError, match=r"must have shape \(n,\) or \(n, channels\), got \(1, 1, 1\)"):
        list(model.stream([np.zeros((1, 1, 1))], sample_rate=rate))
    with pytest.raises(UsageError, match="hop=2"):
        list(model.stream([samples], sample_rate=rate, hop=2.0))


@pytest.mark.parametrize(("rate", "hop_s", "min_duration"), [(48_000, None, 0.0), (24_000, 0.25, 0.6)])
def test_what_begins_is_told_as_late_as_stated(
    instruments: Bundle,
    instruments_runtime: Runtime,
    song: tuple[np.ndarray, int],
    rate: int,
    hop_s: float | None,
    min_duration: float,
) -> None:
    import soxr

    samples = soxr.resample(song[0], song[1], rate)
    decision = api.Model(instruments).decision(0.5, min_duration=min_duration)
    stream = TagStream(instruments, instruments_runtime, rate, decision, hop_s=hop_s)
    block, clock, late = rate // 100, 0.0, []
    for piece in cut(samples, [block]):
        clock += piece.size / rate
        for moment in stream.push(piece):
            # soxr gives its samples in pieces: it may be up to one of them earlier than the stated moment.
            assert clock >= moment.told_s - stream.windows.resampler.delay_s - 1e-9
            assert clock <= moment.told_s + 2 * block / rate
            late += [moment.told_s - moment.time_s] if moment.kind == "on" and moment.time_s > 0 else []
    assert late and min(late) == pytest.approx(stream.delay.seconds, abs=1e-6)


def test_a_stream_may_begin_later(
    instruments: Bundle, instruments_runtime: Runtime, song: tuple[np.ndarray, int]
) -> None:
    samples, rate = song
    decision = api.Model(instruments).decision()

    def told(start_s: float) -> list[Moment]:
        stream = TagStream(instruments, instruments_runtime, rate, decision, start_s=start_s)
        return stream.push(samples) + stream.close()

    for now, later in zip(told(0.0), told(100.0), strict=True):
        assert later.time_s == pytest.approx(now.time_s + 100.0) and later.told_s == pytest.approx(
            now.told_s + 100.0
        )
        if now.event is not None:
            assert later.event is not None and later.event.start_s == pytest.approx(now.event.start_s + 100.0)


def test_a_model_of_notes_is_refused(notes: Bundle, runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="notes is a model of notes"):
        TagStream(notes, runtime, 24_000, api.Model(sonoscope.load("instruments").bundle).decision())


def test_what_is_no_sound_is_taken_for_silence() -> None:
    block = np.array([[0.5, 0.5], [np.nan, 0.5], [np.inf, 0.5], [1e30, -1e29], [0.25, 0.75]])
    samples, strange = heard(block)
    assert samples.tolist() == [0.5, 0.0, 0.0, 0.0, 0.5] and strange == 3
