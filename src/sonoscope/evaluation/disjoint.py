"""Thresholds are never fitted on what is reported: two sets of clips must not share any.

Clips are told apart by where their sound is (file, start and end), whatever manifests name them. Clips of one group or
file on both sides are no mistake in every case, but flatter; they are counted and said.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sonoscope.data import certificate, paths
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.evaluation.predictions.matching import listed

#: Letters of a clip's digest: enough that none of a million clips is taken for another.
LETTERS = 12


@dataclass(frozen=True)
class Shared:
    """What two sets of clips have in common: clips, groups and files, by name."""

    clips: tuple[str, ...]
    groups: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def line(self) -> str:
        """For reports."""
        counts = {"clips": self.clips, "groups": self.groups, "files": self.files}
        return ", ".join(f"{name} shared: {len(values):,}" for name, values in counts.items())


def shared(one: Manifest, other: Manifest) -> Shared:
    """What two manifests have in common; parts of a file count as shared clips if they overlap."""
    held: dict[str, list[Row]] = defaultdict(list)
    for row in other.rows:
        held[_place(other, row)].append(row)
    clips, files = [], []
    for row in one.rows:
        beside = held.get(_place(one, row), ())
        if beside:
            files.append(row.path)
        if any(_overlap(row, each) for each in beside):
            clips.append(f"{row.path}@{row.start_s:g}")
    groups = {row.group for row in one.rows} & {row.group for row in other.rows} - {""}
    return Shared(tuple(clips), tuple(sorted(groups)), tuple(dict.fromkeys(files)))


def check(reported: Manifest, fitted_on: Manifest, names: Sequence[str]) -> Shared:
    """What is shared; ``names`` are those of the two sets.

    Raises
    ------
    UsageError
        If any clip is in both.
    """
    found = shared(reported, fitted_on)
    if found.clips:
        raise UsageError(
            f"thresholds would be fitted on what is reported: {len(found.clips):,} clips of {names[0]} are in "
            f"{names[1]} too: {listed(found.clips)}. Name other clips, or use the row 'oracle'"
        )
    return found


def digests_of(manifest: Manifest) -> list[str]:
    """A short digest of each clip, in order: what a file of thresholds remembers of the clips it was fitted on."""
    return [
        hashlib.sha256(f"{paths.same_name(row.path)}@{row.start_s:g}".encode()).hexdigest()[:LETTERS]
        for row in manifest.rows
    ]


def digest(manifest: Manifest) -> str:
    """Of the set: that of its split (:func:`sonoscope.data.certificate.digest_of`)."""
    return certificate.digest_of(manifest.rows)


def _place(manifest: Manifest, row: Row) -> str:
    try:
        return paths.same_name(str(manifest.path_of(row).absolute()))
    except UnreadableAudio:
        return paths.same_name(str(manifest.root / row.path))


def _overlap(one: Row, other: Row) -> bool:
    ends = [float("inf") if row.end_s is None else row.end_s for row in (one, other)]
    return one.start_s < ends[1] and other.start_s < ends[0]
