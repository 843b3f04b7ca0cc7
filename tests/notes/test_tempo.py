"""Which octave of a tempo is the beat: songs whose beat is known, and what must not change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonoscope import transcription
from sonoscope.notes import tempo
from sonoscope.values import Event


def note(start_s: float, length_s: float, pitch: int, velocity: int = 80) -> Event:
    return Event(start_s, start_s + length_s, "note", 1.0, pitch=float(pitch), velocity=velocity)


def song(beats: float, parts: int) -> list[Event]:
    """Sixteen bars of four beats: a bass on the first and third, broken chords in ``parts`` of a beat, a melody."""
    rng, beat_s, notes = np.random.default_rng(3), 60 / beats, []
    for bar in range(16):
        root = (0, 9, 5, 7)[bar % 4]
        notes += [note((4 * bar + k) * beat_s, 2 * beat_s, 36 + root, 95) for k in (0, 2)]
        for k in range(4 * parts):
            at = (4 * bar + k / parts) * beat_s
            notes.append(note(at, beat_s / parts, 55 + root + (0, 4, 7, 12)[k % 4], 70))
        place = 0.0
        while place < 4:
            length = float(rng.choice([0.5, 1.0, 1.0, 2.0]))
            notes.append(note((4 * bar + place) * beat_s, length * beat_s, 72 + int(rng.integers(12)), 90))
            place += length
    jitter = rng.normal(0, 0.004, len(notes))
    return [
        replace(n, start_s=n.start_s + 0.1 + j, end_s=n.end_s + 0.1 + j)
        for n, j in zip(notes, jitter, strict=True)
    ]


@pytest.mark.parametrize(("beats", "parts"), [(66.0, 4), (74.0, 4), (100.0, 2), (118.0, 2)])
def test_songs_are_counted_in_beats(beats: float, parts: int) -> None:
    assert transcription.tempo_of(song(beats, parts)) == pytest.approx(beats, rel=0.02)


def test_the_octave_is_one_of_those_asked_and_order_and_place_in_time_tell_nothing() -> None:
    notes = song(80.0, 2)
    heard = transcription.heard_tempo(notes)
    assert heard is not None
    told = tempo.octave(notes, heard)
    assert told / heard in tempo.OCTAVES
    later = [replace(n, start_s=n.start_s + 30, end_s=n.end_s + 30) for n in reversed(notes)]
    assert tempo.octave(later, heard) == told
    known = tempo.evidence(notes, [heard / 2, heard], heard)
    assert known.shape == (2, len(tempo.WEIGHTS)) and np.isfinite(known).all()


def test_what_has_no_beat_in_range_keeps_what_was_heard() -> None:
    notes = [note(0.5 * k, 0.2, 60) for k in range(20)]
    assert tempo.octave(notes, 1500.0) == 1500.0
    assert tempo.octave(notes[:1], 120.0) in {30.0, 60.0, 120.0, 240.0}
