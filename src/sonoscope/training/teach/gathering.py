"""Every stretch of sound that is taught or judged: which there are, and what the base makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

import numpy as np

from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio
from sonoscope.training.teach import hearing, taught
from sonoscope.training.teach.examples import Gathering
from sonoscope.training.teach.hearing import Bed, Listener
from sonoscope.training.teach.wish import Wish

Say = Callable[[str], None]

#: Seconds of unmarked sound that are heard as one.
PIECE_S = 30.0
#: Pieces of unmarked sound of one recording.
MOST_PIECES = 20
#: A sound must have a block above this level, dB re full scale.
SILENT_DB = -100.0


def rows(
    found: taught.Taught, listener: Listener, wish: Wish, rng: np.random.Generator, say: Say
) -> tuple[list[tuple[Manifest, Row]], int]:
    """Every stretch that is to be heard, those of annotated recordings cut out; and what could not be used."""
    made, failed = list[tuple[Manifest, Row]](), 0
    window_s = listener.window / listener.sample_rate
    for manifest in found.manifests:
        for row in manifest.rows:
            if not row.annotation:
                made.append((manifest, row))
                continue
            try:
                length = hearing.length_s(manifest.recording_of(row))
            except UnreadableAudio as error:
                say(f"not used: {error}")
                failed += 1
                continue
            cut = taught.stretches(
                manifest, row, window_s=window_s, length_s=length, only_marked=wish.only_marked
            )
            unmarked = [
                piece for each in cut if each.source == taught.UNMARKED for piece in _pieces(each, window_s)
            ]
            chosen = np.sort(rng.permutation(len(unmarked))[:MOST_PIECES])
            made += [(manifest, each) for each in cut if each.source != taught.UNMARKED]
            made += [(manifest, unmarked[k]) for k in chosen]
    return made, failed


def _pieces(row: Row, window_s: float) -> list[Row]:
    """A stretch in pieces of at most :data:`PIECE_S`; what is left and shorter than a window is dropped."""
    assert row.duration_s is not None
    starts = np.arange(0.0, row.duration_s, PIECE_S)
    lengths = np.minimum(PIECE_S, row.duration_s - starts)
    return [
        replace(row, start_s=row.start_s + float(start), duration_s=float(length))
        for start, length in zip(starts, lengths, strict=True)
        if length >= window_s
    ]


def hear(
    gathered: Gathering, rows: list[tuple[Manifest, Row]], listener: Listener, bed: Bed, wish: Wish,
    rng: np.random.Generator, say: Say,
) -> int:  # fmt: skip
    """Hear every stretch; files that cannot be used are told and counted."""
    failed = 0
    for _, of_file in groupby(rows, key=lambda each: (id(each[0]), each[1].path)):
        (manifest, first), *more = list(of_file)
        stretches = [first, *(row for _, row in more)]
        spans = [(row.start_s, row.end_s) for row in stretches]
        try:
            sounds = list(hearing.cuts(manifest.recording_of(first), listener.sample_rate, spans))
        except UnreadableAudio as error:
            say(f"not used: {error}")
            failed += 1
            continue
        for row, whole in zip(stretches, sounds, strict=True):
            samples = _middle(whole, row, listener)
            if samples.size < hearing.LEAST_S * listener.sample_rate:
                say(
                    f"not used: {row.path}: {samples.size / listener.sample_rate:.3f} s of sound is too little"
                )
                failed += 1
            elif hearing.loudness_db(samples, listener.sample_rate) < SILENT_DB:
                say(f"not used: {row.path}: it is silent at {row.start_s:g} s")
                failed += 1
            elif row.labels or row.source == taught.VERDICT:
                heard = listener.taught(samples, bed, rng, wish.copies)
                gathered.row(_lasting(row, samples, listener), heard.vectors, heard.copies)
            else:
                vectors = listener.everywhere(samples, bed, rng)
                gathered.row(_lasting(row, samples, listener), vectors)
    return failed


def _middle(samples: np.ndarray, row: Row, listener: Listener) -> np.ndarray:
    """Of a judged clip the window about what was judged; of all else everything."""
    if taught.MIDDLE not in row.extra:
        return samples
    first = round(float(row.extra[taught.MIDDLE]) * listener.sample_rate - listener.window / 2)
    first = min(max(first, 0), max(samples.size - listener.window, 0))
    return samples[first : first + listener.window]


def _lasting(row: Row, samples: np.ndarray, listener: Listener) -> Row:
    """The row with its length."""
    return replace(row, duration_s=samples.size / listener.sample_rate)
