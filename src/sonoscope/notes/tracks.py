"""Which instrument plays a note, guessed from what an instrument model hears around its phrase.

Notes that follow each other closely in time and pitch are a phrase; one that leaps away begins another. Of the
instruments that can play all of a phrase's pitches, it is given to the one whose probability is highest while the
phrase sounds, and a second before and after. Two instruments in the same octave at the same time cannot be told apart
so: what comes out is a guess, and every note says so (the flag ``guess``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from sonoscope.values import Event, Scores

GUESS = "guess"

#: Lowest and highest key of an instrument, MIDI numbers (Adler, "The Study of Orchestration", appendix A; the bass is
#: bass guitar or double bass, the electric guitar has 24 frets).
RANGES: dict[str, tuple[int, int]] = {
    "cello": (36, 84), "clarinet": (50, 94), "flute": (59, 98), "acoustic_guitar": (38, 84),
    "electric_guitar": (38, 88), "organ": (24, 108), "piano": (21, 108), "saxophone": (44, 92),
    "trumpet": (52, 86), "violin": (55, 103), "voice": (38, 84), "bass": (23, 67),
}  # fmt: skip

#: A note continues a phrase if it begins at most so long after the end of one of the phrase's latest notes, and lies
#: at most so many semitones from one of them.
PAUSE_S, LEAP, LATEST = 1.0, 7, 4
#: So long after it began, a phrase is over: a solo may change hands.
LONGEST_S = 10.0
#: What is heard so long before and after a phrase speaks for it too.
AROUND_S = 1.0


def by_instrument(notes: Iterable[Event], scores: Scores) -> list[Event]:
    """The notes, each labelled with the instrument that is likeliest around its phrase, in the order given.

    Parameters
    ----------
    notes : iterable of Event
        Sorted by start.
    scores : Scores
        Of an instrument model over the same recording; labels that are not in :data:`RANGES` are no players.

    Returns
    -------
    list of Event
        With an instrument as label and the flag ``guess``; as they were, where no instrument can play them.
    """
    notes = list(notes)
    players = [name for name in scores.labels if name in RANGES]
    if not players or not len(scores):
        return notes
    columns = [scores.labels.index(name) for name in players]
    heard = scores.held("probabilities")[:, columns].astype(np.float64)
    starts, ends = scores.start_s, scores.end_s
    found = list(notes)
    for phrase in _phrases(notes):
        mine = [notes[k] for k in phrase]
        label = _player(mine, players, heard, starts, ends)
        for k in phrase if label else ():
            flags = ";".join(filter(None, (notes[k].flags, GUESS)))
            found[k] = replace(notes[k], label=label, flags=flags)
    return found


def _phrases(notes: Sequence[Event]) -> list[list[int]]:
    """Positions of the notes of each phrase, in order of its first note."""
    phrases: list[list[int]] = []
    open_phrases: list[list[int]] = []
    for k, note in enumerate(notes):
        open_phrases = [
            phrase for phrase in open_phrases
            if max(notes[p].end_s for p in phrase[-LATEST:]) + PAUSE_S >= note.start_s
            and note.start_s - notes[phrase[0]].start_s <= LONGEST_S
        ]  # fmt: skip
        apart = [min(_apart(notes[p], note) for p in phrase[-LATEST:]) for phrase in open_phrases]
        if apart and min(apart) <= LEAP:
            open_phrases[apart.index(min(apart))].append(k)
        else:
            phrases.append([k])
            open_phrases.append(phrases[-1])
    return phrases


def _apart(one: Event, other: Event) -> float:
    return abs((one.pitch or 0.0) - (other.pitch or 0.0))


def _player(
    phrase: Sequence[Event], players: list[str], heard: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> str:
    """The likeliest instrument that has all pitches of the phrase; empty if there is none."""
    pitches = [note.pitch or 0.0 for note in phrase]
    able = [
        k
        for k, name in enumerate(players)
        if RANGES[name][0] <= min(pitches) and max(pitches) <= RANGES[name][1]
    ]
    if not able:
        return ""
    first = np.searchsorted(ends, phrase[0].start_s - AROUND_S, side="right")
    last = np.searchsorted(starts, max(note.end_s for note in phrase) + AROUND_S, side="left")
    around = heard[min(first, len(heard) - 1) : max(last, first + 1)].mean(axis=0)
    return players[max(able, key=lambda k: around[k])]
