"""Label schemes, and the way from one to another, which can always be printed.

A scheme is the labels of a data set or a model. What a label of one scheme says in another follows from what is a
kind of what (:mod:`~sonoscope.data.kinds`):

=============  ===================================================================================================
``same``       ``sax`` → ``saxophone``
``kind of``    ``electric_guitar`` → ``guitar``: the finer label implies the coarser; several may come together
``one of``     ``guitar`` → ``acoustic_guitar`` or ``electric_guitar``: some guitar sounds, so neither is known; it is
               never taken for one of the two. If no guitar sounds, neither does
``merged``     what the caller asked for, and nothing else gives: ``merge={"electric_guitar": "acoustic_guitar"}``
``rest``       what has no place, if the caller names a label for it
``dropped``    what has no place
=============  ===================================================================================================

A target label that nothing leads to is *missing*: in a truth nobody judged it, and by a model it is never predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data import kinds
from sonoscope.data.datasets import fsdkaggle, medley_solos, musicnet, nsynth, openmic
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.errors import UnknownName, UsageError, lookup, nearest
from sonoscope.labels import LABEL_SETS
from sonoscope.values import columns

#: The taxonomy of MedleyDB's stems (marl/medleydb, medleydb/resources/taxonomy.yaml), in snake case.
MEDLEYDB = (
    "accordion", "acoustic_guitar", "alto_saxophone", "auxiliary_percussion", "bamboo_flute", "banjo",
    "baritone_saxophone", "bass_clarinet", "bass_drum", "bassoon", "bongo", "brass_section", "cello", "cello_section",
    "chimes", "claps", "clarinet", "clarinet_section", "clean_electric_guitar", "cymbal", "darbuka", "dilruba",
    "distorted_electric_guitar", "dizi", "double_bass", "doumbek", "drum_machine", "drum_set", "electric_bass",
    "electric_piano", "erhu", "female_singer", "flute", "flute_section", "french_horn", "french_horn_section",
    "fx_processed_sound", "glockenspiel", "gong", "gu", "guzheng", "harmonica", "harp", "horn_section", "kick_drum",
    "lap_steel_guitar", "liuqin", "male_rapper", "male_singer", "mandolin", "melodica", "oboe", "oud", "percussion",
    "piano", "piccolo", "sampler", "scratches", "shaker", "snare_drum", "soprano_saxophone", "string_section",
    "synthesizer", "tabla", "tack_piano", "tambourine", "tenor_saxophone", "timpani", "toms", "trombone",
    "trombone_section", "trumpet", "trumpet_section", "tuba", "vibraphone", "viola", "viola_section", "violin",
    "violin_section", "vocalists", "whistle", "yangqin", "zhongruan",
)  # fmt: skip
#: Classes of Slakh2100's stems: the families of General MIDI, and drums.
SLAKH = (
    "piano", "chromatic_percussion", "organ", "guitar", "bass", "strings", "strings_continued", "brass", "reed",
    "pipe", "synth_lead", "synth_pad", "ethnic", "percussive", "sound_effects", "drums",
)  # fmt: skip
#: Of the bundle ``field``.
FIELD = ("insect_buzz", "bird", "rain", "wind", "speech", "engine", "background", "other")

SCHEMES: dict[str, tuple[str, ...]] = {
    **{name: tuple(label.id for label in labels) for name, labels in LABEL_SETS.items()},
    "openmic": openmic.LABELS,
    "nsynth": nsynth.FAMILIES,
    "musicnet": tuple(musicnet.INSTRUMENTS.values()),
    "medley-solos": medley_solos.LABELS,
    "medleydb": MEDLEYDB,
    "slakh": SLAKH,
    "fsdkaggle2018": tuple(fsdkaggle.DATASET_2018.labels),
    "gm": tuple(dict.fromkeys(kinds.of_program(program) for program in range(128))),
    "field": FIELD,
}

SAME, KIND, ONE_OF, MERGED, REST, DROPPED = "same", "kind of", "one of", "merged", "rest", "dropped"
_SURE = (SAME, KIND, MERGED, REST)


def scheme(wish: str | Sequence[str]) -> tuple[str, ...]:
    """The labels of a named scheme, or those given. Raises ``UnknownName``."""
    return lookup(SCHEMES, wish, "label scheme") if isinstance(wish, str) else tuple(wish)


@dataclass(frozen=True)
class Way:
    """What one label becomes: ``how`` is one of the words of the table above."""

    source: str
    how: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bridge:
    """The way from one scheme to another, a :class:`Way` for each source label, in order."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    ways: tuple[Way, ...]

    @property
    def dropped(self) -> tuple[str, ...]:
        """Source labels that have no place."""
        return tuple(way.source for way in self.ways if way.how == DROPPED)

    @property
    def missing(self) -> tuple[str, ...]:
        """Target labels that nothing leads to for certain."""
        reached = {target for way in self.ways if way.how in _SURE for target in way.targets}
        return tuple(target for target in self.targets if target not in reached)

    def text(self) -> str:
        """The whole mapping as a table, what is dropped and what is missing included."""
        rows = [("from", "", "to")]
        rows += [(way.source, way.how, " | ".join(way.targets) or "-") for way in self.ways]
        rows += [("-", "missing", target) for target in self.missing]
        lines = columns(rows)
        joined = {t: [w.source for w in self.ways if w.how in _SURE and t in w.targets] for t in self.targets}
        lines += [
            f"note: {', '.join(sources)} all become {target}"
            for target, sources in joined.items()
            if len(sources) > 1
        ]
        lines.append(
            f"{len(self.dropped)} of {len(self.sources)} labels dropped, {len(self.missing)} of {len(self.targets)} "
            "never reached"
        )
        return "\n".join(lines) + "\n"

    def row(self, row: Row) -> Row:
        """A row in the words of the target scheme.

        A target sounds if anything that implies it does; it is absent if all that leads to it is absent; otherwise
        it is unknown, and so is what is missing. Labels that are no source label are refused.

        Raises
        ------
        UnknownName
            If the row names a label that is not in the source scheme.
        """
        for label in (*row.labels, *row.absent, *row.unknown):
            if label not in self.sources and label != EVERYTHING_ELSE:
                raise UnknownName(
                    f"{row.path}: {label!r} is not in the source scheme.{nearest(label, self.sources)}"
                )
        said: dict[str, list[bool | None]] = {target: [] for target in self.targets}
        for way in self.ways:
            says = row.says(way.source)
            for target in way.targets:
                said[target].append(None if says and way.how == ONE_OF else says)
        sounds = tuple(t for t, all_said in said.items() if True in all_said)
        unknown = tuple(t for t, s in said.items() if t not in sounds and (not s or None in s))
        is_partial = EVERYTHING_ELSE in row.unknown or row.absent
        absent = tuple(t for t in self.targets if t not in sounds and t not in unknown) if is_partial else ()
        return replace(row, labels=sounds, absent=absent, unknown=unknown)

    def manifest(self, manifest: Manifest) -> Manifest:
        """All rows in the words of the target scheme, whose labels are the map. Raises as :meth:`row`."""
        return replace(manifest, rows=tuple(map(self.row, manifest.rows)), label_map=self.targets)

    def scores(self, scores: np.ndarray) -> np.ndarray:
        """A model's scores, shape (n, sources), as scores of the targets, shape (n, targets).

        Where several sources imply a target the highest counts; a target that is missing scores 0: it is never
        predicted, and is counted so.
        """
        if scores.ndim != 2 or scores.shape[1] != len(self.sources):
            raise ValueError(f"scores must have shape (n, {len(self.sources)}), got {scores.shape}")
        found = np.zeros((len(scores), len(self.targets)), dtype=scores.dtype)
        reached = np.zeros(len(self.targets), dtype=bool)
        for column, way in enumerate(self.ways):
            for target in way.targets if way.how in _SURE else ():
                place = self.targets.index(target)
                values = scores[:, column]
                found[:, place] = np.maximum(found[:, place], values) if reached[place] else values
                reached[place] = True
        return found


def bridge(
    source: str | Sequence[str],
    target: str | Sequence[str],
    *,
    merge: Mapping[str, str] | None = None,
    rest: str = "",
) -> Bridge:
    """The way from one scheme to another.

    Parameters
    ----------
    source, target : str or sequence of str
        Names of schemes, or labels.
    merge : mapping of str to str, optional
        Source labels that become a target label although they are no kind of it.
    rest : str
        The target label of what has no other place, such as ``other``; empty: it is dropped.

    Raises
    ------
    UnknownName
        If a scheme, or a label of ``merge`` or ``rest``, is unknown.
    UsageError
        If a scheme names a label twice.
    """
    sources, targets = scheme(source), scheme(target)
    for labels in (sources, targets):
        if len(set(labels)) < len(labels):
            raise UsageError(f"a scheme names a label twice: {', '.join(labels)}")
    merge = merge or {}
    for label, known in [
        *((m, sources) for m in merge),
        *((t, targets) for t in (*merge.values(), rest) if t),
    ]:
        if label not in known:
            raise UnknownName(f"unknown label {label!r}.{nearest(label, known)} Known: {', '.join(known)}.")
    by_name: dict[str, list[str]] = {}
    for label in targets:
        by_name.setdefault(kinds.one_name(label), []).append(label)
    ways = []
    for label in sources:
        if label in merge:
            ways.append(Way(label, MERGED, (merge[label],)))
        else:
            found = _way(label, by_name)
            ways.append(Way(label, REST, (rest,)) if found.how == DROPPED and rest else found)
    return Bridge(sources, targets, tuple(ways))


def _way(label: str, by_name: Mapping[str, Sequence[str]]) -> Way:
    name = kinds.one_name(label)
    if name in by_name:
        return Way(label, SAME, tuple(by_name[name]))
    for level in kinds.kinds_of(name):
        if above := [target for kind in sorted(level & set(by_name)) for target in by_name[kind]]:
            return Way(label, KIND, tuple(above))
    finer = [
        target
        for other, targets in by_name.items()
        if any(name in level for level in kinds.kinds_of(other))
        for target in targets
    ]
    return Way(label, ONE_OF, tuple(finer)) if finer else Way(label, DROPPED)


def of_program(program: int, target: str | Sequence[str], *, counted_from: int = 0) -> tuple[str, ...]:
    """The labels of a scheme that a General MIDI program stands for; none if it has no place there.

    MusicNet counts programs from 1: ``of_program(41, "irmas", counted_from=1)`` is the violin.

    Raises
    ------
    ValueError
        If there is no such program.
    UnknownName
        If there is no such scheme.
    """
    name = kinds.of_program(program - counted_from)
    (way,) = bridge([name], target).ways
    return way.targets if way.how in _SURE else ()
