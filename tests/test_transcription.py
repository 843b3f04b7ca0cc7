"""Notes of a recording: its tuning is followed, its rate is said, its tempo is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import transcription
from sonoscope.audio import find
from sonoscope.errors import UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.notes.decision import NoteDecision, notes_of
from sonoscope.notes.scores import NoteScores
from sonoscope.values import Event, Recording

RATE = 24_000
SCALE = [(0.3 * k, 0.3 * k + 0.25, 60 + step) for k, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12))]
Tones = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def runtime(notes: Bundle) -> Runtime:
    return Runtime(notes)


def sharp(tones: Tones, cents: float, rate: int = RATE) -> np.ndarray:
    """The scale, all of it so many cents higher (and as much faster), at ``rate``."""
    return tones(SCALE, 2.6, round(rate / 2 ** (cents / 1200)))


def heard(notes: Bundle, runtime: Runtime, samples: np.ndarray, rate: int = RATE, **options: float):
    blocks: list[NoteScores] = []
    found = transcription.note_samples(samples, rate, notes, runtime, blocks.append, **options)
    return found, notes_of(blocks, NoteDecision(notes.rules), duration_s=found.duration_s, cents=found.cents)


def pitches(events: list[Event]) -> list[float]:
    return [event.pitch or 0.0 for event in events]


EXPECTED = [float(pitch) for _, _, pitch in SCALE]


@pytest.mark.parametrize("cents", [-40, 0, 40])
def test_a_tuning_is_followed_and_said(notes: Bundle, runtime: Runtime, tones: Tones, cents: int) -> None:
    found, events = heard(notes, runtime, sharp(tones, cents))
    assert found.cents == pytest.approx(cents, abs=5)
    assert pitches(events) == EXPECTED
    where = "above" if cents > 0 else "below"
    assert found.note == (f"tuned {abs(found.cents):g} cents {where} A4 = 440 Hz: followed" if cents else "")
    middle = 440 * 2 ** ((EXPECTED[0] - 69 + cents / 100) / 12)
    assert events[0].low_hz < middle < events[0].high_hz  # type: ignore[operator]


def test_a_tuning_can_be_stated(notes: Bundle, runtime: Runtime, tones: Tones) -> None:
    found, events = heard(notes, runtime, sharp(tones, 40), cents=0.0)
    assert found.cents == 0.0 and found.note == "" and pitches(events) != EXPECTED
    with pytest.raises(UsageError, match=r"tuning=60 must lie in -50\.\.50 cents"):
        heard(notes, runtime, sharp(tones, 40), cents=60.0)


def test_noise_and_silence_have_no_tuning(notes: Bundle, runtime: Runtime) -> None:
    noise = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32) * 0.1
    assert heard(notes, runtime, noise)[0].cents == 0.0
    found, events = heard(notes, runtime, np.zeros(RATE, np.float32))
    assert (found.cents, events, found.duration_s) == (0.0, [], 1.0)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (8000, "sampled at 8,000 Hz: nothing above 4,000 Hz, no note above B7"),
        (500, "sampled at 500 Hz: nothing above 250 Hz, no note above B3"),
        (40, "sampled at 40 Hz: no note can be heard in it"),
        (9000, ""),
    ],
)
def test_what_a_rate_cannot_hold_is_said(notes: Bundle, runtime: Runtime, rate: int, words: str) -> None:
    assert heard(notes, runtime, np.zeros(rate, np.float32), rate)[0].note == words


def test_telephone_sound_is_heard(notes: Bundle, runtime: Runtime, tones: Tones) -> None:
    assert pitches(heard(notes, runtime, tones(SCALE, 2.6, 8000), 8000)[1]) == EXPECTED


def test_a_file_gives_what_its_samples_give_in_blocks_of_one_size(
    notes: Bundle, runtime: Runtime, tones: Tones, tmp_path: Path
) -> None:
    samples = np.concatenate([sharp(tones, 30)] * 20)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    recording = next(iter(find.find([str(tmp_path / "a.wav")])))
    assert isinstance(recording, Recording)
    whole: list[NoteScores] = []
    transcription.note_samples(samples, RATE, notes, runtime, whole.append)
    told: list[float] = []
    for overlap in (False, True):
        blocks: list[NoteScores] = []
        found = transcription.note_recording(
            recording, notes, runtime, blocks.append, overlap=overlap, progress=told.append
        )
        assert found.cents == 30.0 and found.info.sample_rate == RATE
        assert [len(block) for block in blocks[:-1]] == [len(block) for block in whole[:-1]]
        for mine, theirs in zip(blocks, whole, strict=True):
            assert mine.first_s == theirs.first_s
            assert all(np.array_equal(mine.tables()[k], theirs.tables()[k]) for k in theirs.tables())
    assert told[-1] == pytest.approx(samples.size / RATE)


def test_the_first_minute_is_all_that_waits(notes: Bundle, runtime: Runtime, tones: Tones) -> None:
    """What comes later has another tuning, and is heard in that of the first minute."""
    first, later = np.concatenate([sharp(tones, 30)] * 24), sharp(tones, -30)
    assert first.size > 60 * RATE
    assert heard(notes, runtime, np.concatenate([first, later]))[0].cents == 30.0


def test_shapes() -> None:
    with pytest.raises(ValueError, match=r"samples must have shape \(n,\), got \(3, 2\)"):
        transcription.note_samples(np.zeros((3, 2)), RATE, None, None, print)  # type: ignore[arg-type]


# ---- tempo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beats", [72.0, 100.0, 131.5])
def test_the_tempo_of_notes(beats: float) -> None:
    rng = np.random.default_rng(0)
    eighths = [30 / beats * k for k in range(100) if k % 2 == 0 or rng.random() < 0.5]
    notes = [
        Event(t + rng.normal(0, 0.004) + 0.1, t + 0.3, "note", 1.0, pitch=60.0, velocity=90 if k % 2 else 60)
        for k, t in enumerate(eighths)
    ]
    assert transcription.tempo_of(notes) == pytest.approx(beats, rel=0.01)


def test_few_notes_have_no_tempo() -> None:
    assert transcription.tempo_of([]) is None
    assert transcription.tempo_of([Event(0.5, 1.0, "note", 1.0, pitch=60.0)]) is None
