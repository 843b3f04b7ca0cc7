"""Organs by addition: pitches, levels and times of what is played, and the octave it is heard in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonoscope.data.rendering import music, octaves, orchestra, organ
from sonoscope.data.rendering.music import NoteEvent, Score
from sonoscope.data.rendering.organ import FEET, Organ, Rank

RATE = 24_000


def score_of(*notes: NoteEvent, seconds: float = 2.0) -> Score:
    composed = music.compose(orchestra.find("organ"), np.random.default_rng(0), 2.0)
    return replace(composed, notes=notes, controls=(), duration_s=seconds)


def plain(*ranks: Rank, **more: float) -> Organ:
    return replace(Organ(ranks, 0.005, 0.01, -np.inf, 0.005), **more)


def partials(samples: np.ndarray) -> np.ndarray:
    """Frequencies of the spectrum's peaks within 40 dB of the highest."""
    size = 1 << 17
    level = 20 * np.log10(np.abs(np.fft.rfft(samples * np.hanning(samples.size), size)) + 1e-9)
    peak = (level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:]) & (level[1:-1] > level.max() - 30)
    return (np.flatnonzero(peak) + 1) * RATE / size


def test_stops_sound_at_their_feet() -> None:
    drawn = plain(*(Rank(FEET[foot], 1.0) for foot in (16.0, 8.0, 16 / 3, 4.0, 8 / 3)))
    samples = organ.play(score_of(NoteEvent(0.2, 1.8, 57, 90)), drawn, RATE, np.random.default_rng(0))
    found = partials(samples[RATE // 2 : 3 * RATE // 2])
    assert found == pytest.approx([110.0, 220.0, 330.0, 440.0, 660.0], rel=2e-3)


def test_a_key_sounds_while_it_is_held_and_no_longer() -> None:
    samples = organ.play(
        score_of(NoteEvent(0.5, 1.2, 69, 20)), plain(Rank(1.0, 1.0)), RATE, np.random.default_rng(0)
    )
    loud = np.abs(samples) > 0.25
    assert np.flatnonzero(loud)[0] / RATE == pytest.approx(0.5, abs=0.01)
    assert np.flatnonzero(loud)[-1] / RATE == pytest.approx(1.2, abs=0.01)
    assert not np.abs(samples[: RATE // 2]).any()
    assert not np.abs(samples[round(1.22 * RATE) :]).any()
    early, late = (np.sqrt(np.mean(samples[round(t * RATE) :][:4800] ** 2)) for t in (0.55, 0.95))
    assert early == pytest.approx(late, rel=0.02)  # no decay
    assert samples.size == 2 * RATE


def test_loudness_does_not_depend_on_the_velocity() -> None:
    notes = [score_of(NoteEvent(0.2, 1.0, 60, velocity)) for velocity in (10, 120)]
    soft, hard = (organ.play(s, plain(Rank(1.0, 1.0)), RATE, np.random.default_rng(0)) for s in notes)
    np.testing.assert_array_equal(soft, hard)


def test_a_tremulant_swings_the_pitch() -> None:
    drawn = plain(Rank(1.0, 1.0), tremulant_hz=5.0, tremulant_cents=20.0)
    samples = organ.play(score_of(NoteEvent(0.0, 2.0, 69, 90)), drawn, RATE, np.random.default_rng(0))
    crossings = np.flatnonzero((samples[:-1] < 0) & (samples[1:] >= 0))
    part = crossings + samples[crossings] / (samples[crossings] - samples[crossings + 1])
    hz = RATE / np.diff(part)[20:-20]
    cents = 1200 * np.log2(np.convolve(hz, np.ones(9) / 9, "valid") / 440.0)
    assert cents.max() == pytest.approx(20.0, abs=3.0)
    assert cents.min() == pytest.approx(-20.0, abs=3.0)


@pytest.mark.parametrize(
    ("feet", "octave"), [((8.0,), 0), ((16.0, 8.0), -12), ((4.0, 2.0), 12), ((8.0, 4.0), 0)]
)
def test_labels_are_of_the_octave_that_is_heard(feet: tuple[float, ...], octave: int) -> None:
    drawn = plain(*(Rank(FEET[foot], 1.0, 0.0, (1.0, 0.4, 0.2, 0.1)) for foot in feet))
    played = score_of(NoteEvent(0.2, 1.8, 60, 90))
    samples = organ.play(played, drawn, RATE, np.random.default_rng(0))
    assert drawn.octave == octave
    assert organ.heard(played, drawn).notes[0].pitch == 60 + octave
    assert octaves.octave_of(samples[RATE // 2 : 3 * RATE // 2], RATE, 60.0) == octave


def test_drawn_organs_differ_and_are_heard_where_they_say() -> None:
    heard, agree = set(), []
    for seed in range(60):
        drawn = organ.draw_organ(np.random.default_rng(seed))
        assert drawn == organ.draw_organ(np.random.default_rng(seed))
        still = replace(drawn, tremulant_depth=0.0, tremulant_cents=0.0)
        samples = organ.play(score_of(NoteEvent(0.1, 1.9, 60, 90)), still, RATE, np.random.default_rng(0))
        assert np.abs(samples).max() <= 0.5 + 1e-6
        heard.add(drawn.octave)
        agree.append(octaves.octave_of(samples[RATE // 2 : 3 * RATE // 2], RATE, 60.0) == drawn.octave)
    assert heard == {-12, 0, 12}
    assert np.mean(agree) > 0.9


def test_mixtures_break_back() -> None:
    drawn = plain(Rank(1.0, 1.0), Rank(8.0, 1.0, breaks=True))
    samples = organ.play(score_of(NoteEvent(0.2, 1.8, 96, 90)), drawn, RATE, np.random.default_rng(0))
    assert partials(samples[RATE // 2 : 3 * RATE // 2]).max() < 5_100


def test_no_notes_are_silence() -> None:
    samples = organ.play(score_of(), plain(Rank(1.0, 1.0)), RATE, np.random.default_rng(0))
    assert samples.shape == (2 * RATE,)
    assert not samples.any()


def test_notes_move_by_key() -> None:
    notes = np.array([[0.0, 1.0, 60.0, 90.0], [0.5, 1.0, 62.0, 90.0]])
    moved = octaves.as_heard(notes, {60: -12})
    assert moved[:, 2].tolist() == [48.0, 62.0]
    assert notes[0, 2] == 60.0
