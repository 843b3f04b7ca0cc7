"""Live notes are those of the whole recording; the delay is what is stated; sooner means from less sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope import transcription
from sonoscope.errors import UsageError
from sonoscope.live.early import SHORTEST_FALL, EarlyScorer, cut_windows
from sonoscope.live.moments import Moment
from sonoscope.live.notes import NoteScoreStream, NoteStream
from sonoscope.models.bundle import Bundle
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.notes.decision import NoteDecision, notes_of
from sonoscope.notes.decode import decode
from sonoscope.notes.rules import InFrames
from sonoscope.notes.scores import LEAST, NoteScores, concatenate
from sonoscope.values import Event

RATE = 48_000


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Blocks of these sizes, over and over."""
    blocks, at = [], 0
    while at < samples.size:
        blocks.append(samples[at : at + sizes[len(blocks) % len(sizes)]])
        at += blocks[-1].size
    return blocks


def streamed(stream: NoteScoreStream, blocks: list[np.ndarray]) -> NoteScores:
    return concatenate([part for block in blocks for part in stream.push(block)] + stream.close())


def told(stream: NoteStream, blocks: list[np.ndarray]) -> list[Moment]:
    return [moment for block in blocks for moment in stream.push(block)] + stream.close()


@pytest.fixture(scope="module")
def whole(notes: Bundle, runtime: Runtime, melody: np.ndarray) -> NoteScores:
    """The scores of the recording as ``analyze`` keeps them."""
    kept: list[NoteScores] = []
    transcription.note_samples(melody, RATE, notes, runtime, kept.append, cents=0.0)
    return concatenate(kept)


def close(found: NoteScores, wanted: NoteScores) -> None:
    """Equal to 1e-5; what is set to 0 below ``LEAST`` may be on either side of it."""
    for name, table in wanted.tables().items():
        mine = found.tables()[name]
        assert mine.shape == table.shape
        off = np.abs(mine - table) > 1e-5
        border = (np.minimum(mine, table) == 0) & (np.abs(np.maximum(mine, table) - LEAST) < 1e-4)
        if name == "velocity":
            border |= np.minimum(found.onset, wanted.onset) == 0
        assert not (off & ~border).any(), f"{name}: {np.abs(mine - table)[off & ~border].max()}"


@settings(max_examples=8, deadline=None)
@given(st.lists(st.sampled_from([1, 7, 160, 479, 480, 481, 4_800, 48_000, 480_000]), min_size=1, max_size=5))
def test_scores_are_those_of_the_whole_for_any_blocks(
    notes: Bundle, runtime: Runtime, melody: np.ndarray, whole: NoteScores, sizes: list[int]
) -> None:
    sizes = sizes if max(sizes) > 400 else [*sizes, 4_800]
    close(streamed(NoteScoreStream(notes, runtime, RATE), cut(melody, sizes)), whole)


def test_sample_by_sample_too(notes: Bundle, runtime: Runtime, melody: np.ndarray) -> None:
    short = melody[24_000:33_600]
    kept: list[NoteScores] = []
    transcription.note_samples(short, RATE, notes, runtime, kept.append, cents=0.0)
    close(streamed(NoteScoreStream(notes, runtime, RATE), list(short[:, None])), concatenate(kept))


def test_notes_are_those_of_the_whole_with_the_rules_that_hold(
    notes: Bundle, runtime: Runtime, melody: np.ndarray, whole: NoteScores
) -> None:
    stream = NoteStream(notes, runtime, RATE, notes.rules, delay_s=0.3)
    asked, hold = (vars(InFrames(rules, notes.note_hop_s)) for rules in (notes.rules, stream.rules))
    assert asked == hold  # 0.3 s are enough for all of them
    moments = told(stream, cut(melody, [480]))
    found = sorted(moment.event for moment in moments if moment.event is not None)
    wanted = notes_of([whole], NoteDecision(notes.rules), duration_s=melody.size / RATE)
    assert [note.pitch for note in found] == [72.0, 76.0, 79.0, 84.0] == [note.pitch for note in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        # Scores differ by rounding, so a moment between frames may, by a step of probability.
        assert mine.start_s == pytest.approx(theirs.start_s, abs=1e-4)
        assert mine.end_s == pytest.approx(theirs.end_s, abs=1e-4)
        assert (mine.velocity, mine.flags, mine.low_hz, mine.high_hz) == (
            theirs.velocity, theirs.flags, theirs.low_hz, theirs.high_hz,
        )  # fmt: skip
    assert [m.kind for m in moments] == ["on", "off", "on", "off", "on", "on", "off", "off"]


@pytest.mark.parametrize("delay_s", [0.2, 0.06])
def test_messages_are_the_same_for_any_blocks_and_are_the_decoders_notes(
    notes: Bundle, runtime: Runtime, melody: np.ndarray, delay_s: float
) -> None:
    def stream() -> NoteStream:
        return NoteStream(notes, runtime, RATE, notes.rules, delay_s=delay_s)

    moments = told(stream(), cut(melody, [480]))
    assert told(stream(), cut(melody, [4_801, 3, 700])) == moments
    heard = stream()
    scores = streamed(heard.scores, cut(melody, [9_600]))
    wanted = decode(scores, heard.rules, duration_s=melody.size / RATE)

    def shown(found: list[Event]) -> list[tuple]:
        return [(n.start_s, n.end_s, n.pitch, n.velocity, n.score, n.flags) for n in found]

    assert shown(sorted(m.event for m in moments if m.event)) == shown(wanted)


@pytest.mark.parametrize(("rate", "delay_s"), [(48_000, 0.2), (44_100, 0.1), (24_000, 0.06)])
def test_a_score_comes_after_exactly_the_delay_that_is_stated(
    notes: Bundle, runtime: Runtime, rate: int, delay_s: float
) -> None:
    stream = NoteStream(notes, runtime, rate, notes.rules, delay_s=delay_s)
    parts = {part.what: part.seconds for part in stream.delay.parts}
    assert stream.delay.seconds <= delay_s + 1e-9
    waited = parts["resampler"] + parts["window"] + parts["network"]
    given = 0
    for count in range(1, round(0.25 * rate)):
        for _ in stream.scores.push(np.zeros(1, np.float32)):
            # Frame ``given`` is centred at its hop; ``count`` samples had to come for it.
            late = count / rate - given * notes.note_hop_s
            assert late == pytest.approx(waited, abs=2.5 / min(rate, 24_000))
            given += 1
    assert given > 3


def test_an_impulse_reaches_scores_within_the_stated_delay_and_none_that_were_given_before(
    notes: Bundle, runtime: Runtime, melody: np.ndarray
) -> None:
    """What comes after the stated delay changes nothing; what comes just before it does."""
    for delay_s in (0.2, 0.1):
        stream = NoteStream(notes, runtime, RATE, notes.rules, delay_s=delay_s)
        frame, parts = 60, {part.what: part.seconds for part in stream.delay.parts}
        needed_s = frame * notes.note_hop_s + parts["resampler"] + parts["window"] + parts["network"]

        def score(impulse_s: float, delay_s: float = delay_s, frame: int = frame) -> np.ndarray:
            sound = melody.copy()
            sound[round(impulse_s * RATE)] += 0.5
            fresh = NoteStream(notes, runtime, RATE, notes.rules, delay_s=delay_s)
            return streamed(fresh.scores, cut(sound, [4_800])).sustain[frame]

        plain = streamed(stream.scores, cut(melody, [4_800])).sustain[frame]
        np.testing.assert_array_equal(score(needed_s + 0.001), plain)
        assert (score(frame * notes.note_hop_s + 0.01) != plain).any()


@pytest.mark.parametrize("delay_s", [0.2, 0.1])
def test_notes_are_told_no_later_than_stated(
    notes: Bundle, runtime: Runtime, melody: np.ndarray, delay_s: float
) -> None:
    stream = NoteStream(notes, runtime, RATE, notes.rules, delay_s=delay_s)
    late, clock, block = [], 0.0, 96
    for samples in cut(melody, [block]):
        clock += samples.size / RATE
        for moment in stream.push(samples):
            # It is told with the very block that brings the sound it was waiting for.
            assert moment.told_s <= clock + 1e-9 and clock - moment.told_s <= (block + 2) / RATE
            late += [moment.told_s - moment.time_s] if moment.kind == "on" else []
    assert len(late) == 4
    half_hop = notes.note_hop_s / 2
    assert (
        stream.delay.seconds - half_hop - 1e-6
        <= min(late)
        <= max(late)
        <= stream.delay.seconds + half_hop + 1e-6
    )


def test_early_rows_are_the_features_own_where_all_is_there(
    notes: Bundle, runtime: Runtime, melody: np.ndarray
) -> None:
    """With all it waits for, the early scorer is the exact one."""
    feature = notes.feature
    assert feature is not None
    samples = melody[::2].copy()
    exact, early = NoteScorer(runtime, frames=1), EarlyScorer(runtime, 1920 + feature.right_context)
    wanted = concatenate(exact.push(samples) + exact.close())
    found = concatenate(early.push(samples) + early.close())
    close(found, wanted)
    for window, spectrum in zip(cut_windows(feature, feature.right_context), feature.spectra, strict=True):  # type: ignore[arg-type, attr-defined]
        np.testing.assert_allclose(window, spectrum.window, rtol=1e-5, atol=1e-9)
    for fall in (SHORTEST_FALL, 700):
        for window, spectrum in zip(cut_windows(feature, fall), feature.spectra, strict=True):  # type: ignore[arg-type, attr-defined]
            assert window.size == spectrum.window.size and not window[spectrum.left + fall :].any()
            assert window.sum() == pytest.approx(1.0, abs=1e-4)


def test_what_cannot_be_is_refused(notes: Bundle, runtime: Runtime) -> None:
    with pytest.raises(
        UsageError, match=r"delay=0.02 s is less than notes can do at 48,000 Hz: at least 0.029 s"
    ):
        NoteStream(notes, runtime, RATE, notes.rules, delay_s=0.02)
    with pytest.raises(UsageError, match="after=10 must be at least 96 samples"):
        EarlyScorer(runtime, 10)


def test_silence_and_nothing_tell_nothing(notes: Bundle, runtime: Runtime) -> None:
    for samples in (np.zeros(RATE, np.float32), np.zeros(0, np.float32), np.zeros(1, np.float32)):
        for delay_s in (0.2, 0.1):
            assert told(NoteStream(notes, runtime, RATE, notes.rules, delay_s=delay_s), [samples]) == []


def test_a_note_that_sounds_in_the_end_ends_with_the_sound(
    notes: Bundle, runtime: Runtime, melody: np.ndarray
) -> None:
    short = melody[: round(1.2 * RATE)]
    for start_s in (0.0, 100.0):
        stream = NoteStream(notes, runtime, RATE, notes.rules, start_s=start_s)
        last = told(stream, cut(short, [480]))[-1]
        assert (last.kind, last.pitch) == ("off", 76)
        assert last.event is not None
        assert last.time_s == last.event.end_s == pytest.approx(start_s + 1.2, abs=0.03)
        assert last.time_s <= start_s + 1.2
        assert last.told_s == pytest.approx(start_s + 1.2)
