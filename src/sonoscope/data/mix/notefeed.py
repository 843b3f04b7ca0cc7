"""Batches of windows with the notes that sound in them, frame by frame: what a network of notes is shown.

Notes come from the files that rows name as their ``annotation``: what ``data render`` writes, MusicNet, MAESTRO,
GuitarSet, Slakh, MAPS, or MIDI. The sound comes from prepared shards, as for any other training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sonoscope.data import annotation
from sonoscope.data.mix.notemix import targets
from sonoscope.data.rows import BadManifest, Manifest
from sonoscope.data.shards.feed import Batch, Feed
from sonoscope.data.shards.read import Shards

#: Of notes whose file has none.
VELOCITY = 64


def notes_of(manifest: Manifest) -> list[np.ndarray]:
    """The notes of every row: onset and offset in seconds from the file's start, MIDI pitch, velocity; (n, 4) by onset.

    A file that several rows name is read once. Sustain pedals count: a note ends when it can no longer be heard.

    Raises
    ------
    BadManifest
        If a row names no annotation, or it holds no notes; what else can be wrong with an annotation.
    """
    read: dict[tuple[str, str], np.ndarray] = {}
    for row in manifest.rows:
        key = (row.path, row.annotation)
        if key in read:
            continue
        if not row.annotation:
            raise BadManifest(
                f"{row.path} has no annotation: notes are learned from rows whose column 'annotation' names a file of "
                "them, such as data render writes, or from musicnet:FOLDER"
            )
        events = [e for e in annotation.of(manifest, row, pedal=True) if e.pitch is not None]
        if not events:
            raise BadManifest(f"{row.annotation} of {row.path} holds no notes")
        read[key] = np.array(
            sorted((e.start_s, e.end_s, float(e.pitch or 0.0), float(e.velocity or VELOCITY)) for e in events)
        )
    return [read[row.path, row.annotation] for row in manifest.rows]


class NoteFeed(Feed):
    """A feed whose targets are notes, (batch, 3, frames, 88): onset, sustain, velocity (``notemix.targets``).

    Parameters
    ----------
    shards : Shards
    notes : sequence of np.ndarray
        Of each row (:func:`notes_of`).
    judged : (int, int)
        The first row of a window that is judged, and how many.
    hop_samples : int
        Between rows.
    parameters
        Of :class:`~sonoscope.data.shards.feed.Feed`.
    """

    def __init__(
        self,
        shards: Shards,
        notes: list[np.ndarray],
        *,
        judged: tuple[int, int],
        hop_samples: int,
        **parameters: Any,
    ) -> None:
        super().__init__(shards, (), **parameters)
        self._notes, self._judged, self._hop = notes, judged, hop_samples

    def _cut(self, rows: np.ndarray, starts: np.ndarray) -> Batch:
        batch = super()._cut(rows, starts)
        found = np.stack([self.judged(*place) for place in zip(rows.tolist(), starts.tolist(), strict=True)])
        return batch._replace(targets=found, known=np.ones(len(rows), dtype=bool))

    def judged(self, row: int, start: int) -> np.ndarray:
        """What the judged frames of a window hold, (3, frames, 88)."""
        rate = self.shards.sample_rate
        first, count = self._judged
        begin_s = self.shards.rows[row].start_s + start / rate
        notes = self._notes[row]
        near = (notes[:, 1] > begin_s - 1.0) & (notes[:, 0] < begin_s + self.window / rate + 1.0)
        moved = notes[near] - np.array([begin_s, begin_s, 0.0, 0.0])
        return targets(moved, count, hop_samples=self._hop, sample_rate=rate, first=first)
