"""Notes compared in more than time and pitch: with velocity as mir_eval, with instrument as MT3, at many tolerances.

**Velocity**: notes are matched in time and pitch; the reference's velocities are brought to 0..1, those of the matched
estimates are fitted to them by a line, and a match counts if the two are less than 0.1 apart (Hawthorne et al. 2018;
``mir_eval.transcription_velocity``). Where notes can be matched in several ways that are equally many, it matters which
one is taken; it is the one that mir_eval takes.

**Instrument** (Gardner et al. 2022, MT3): notes are compared instrument by instrument and the counts added up. ``full``
tells every instrument from every other, ``class`` the sixteen families of General MIDI (programs 0-7, 8-15, …; a name
that stands in two, such as the double bass, is of the first), ``flat`` only drums from everything else. Drums have no
end: onset and pitch are compared, whatever is asked of other notes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sonoscope.data import kinds
from sonoscope.errors import lookup, optional
from sonoscope.evaluation.notes import OFFSET_SHARE, Counts, Notes, Tolerance, hertz, matched

VELOCITY_TOLERANCE = 0.1
#: Tolerances of the curve, in seconds: where it still rises at its end, labels and sound do not belong together.
TOLERANCES_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
DRUMS = "drums"
_DRUM_NAMES = {"drums", "drum_set", "drum_kit", "percussion"}
PROGRAMS_OF_A_FAMILY = 8


# ---- velocity ----------------------------------------------------------------------------------------------


def with_velocity(
    reference: Notes, estimate: Notes, *, offsets: bool = True, within: Tolerance = Tolerance()
) -> list[tuple[int, int]] | None:
    """Matched pairs whose velocities agree; None where notes on either side have no velocities.

    Raises
    ------
    UsageError
        If mir_eval is not installed.
    """
    true, said = reference.velocity, estimate.velocity
    if not len(reference) or not len(estimate):
        return []
    if true is None or said is None or np.isnan(true).any() or np.isnan(said).any():
        return None
    pairs = np.array(_paired(reference, estimate, offsets, within), dtype=int).reshape(-1, 2)
    if not len(pairs):
        return []
    true = (true - true.min()) / max(1.0, true.max() - true.min())
    wanted, given = true[pairs[:, 0]], said[pairs[:, 1]]
    line = np.stack([given, np.ones(len(given))], axis=1)
    slope, shift = np.linalg.lstsq(line, wanted, rcond=None)[0]
    agrees = np.abs(slope * given + shift - wanted) < VELOCITY_TOLERANCE
    return [(int(r), int(e)) for r, e in pairs[agrees]]


def _paired(reference: Notes, estimate: Notes, offsets: bool, within: Tolerance) -> list[tuple[int, int]]:
    """The very pairs that mir_eval matches, found stretch by stretch: its table of all against all would fill the
    memory for an hour of piano. Stretches are cut where no note of one side can reach the other."""
    transcription = optional("mir_eval.transcription", "eval", "comparing velocities")
    starts = np.sort(np.concatenate([reference.start_s, estimate.start_s]))
    cuts = starts[1:][np.diff(starts) > within.onset_s + 1e-3]
    edges = [np.searchsorted(side.start_s, cuts) for side in (reference, estimate)]
    places = [
        np.concatenate([[0], edge, [len(side)]])
        for edge, side in zip(edges, (reference, estimate), strict=True)
    ]
    pairs = []
    for k in range(len(cuts) + 1):
        r, e = (slice(place[k], place[k + 1]) for place in places)
        if r.start == r.stop or e.start == e.stop:
            continue
        found = transcription.match_notes(
            reference.intervals[r], hertz(reference.pitch[r]), estimate.intervals[e], hertz(estimate.pitch[e]),
            onset_tolerance=within.onset_s, pitch_tolerance=within.cents, offset_min_tolerance=within.offset_s,
            offset_ratio=within.offset_share if offsets else None,
        )  # fmt: skip
        pairs += [(int(i) + r.start, int(j) + e.start) for i, j in found]
    return sorted(pairs)


# ---- instrument --------------------------------------------------------------------------------------------


def is_drums(label: str) -> bool:
    """Whether a label names drums, whose notes have no ends."""
    return kinds.one_name(label) in _DRUM_NAMES


def full(label: str) -> str:
    """Every instrument by itself."""
    return DRUMS if is_drums(label) else kinds.one_name(label)


def family(label: str) -> str:
    """The family of General MIDI, by its number; what is in none is a family of its own."""
    program = kinds.program_of(label)
    return (
        full(label) if is_drums(label) or program is None else f"family {program // PROGRAMS_OF_A_FAMILY + 1}"
    )


def flat(label: str) -> str:
    """Drums, or not."""
    return DRUMS if is_drums(label) else "pitched"


GRANULARITIES: Mapping[str, Callable[[str], str]] = {"full": full, "class": family, "flat": flat}


def by_instrument(
    reference: Notes,
    estimate: Notes,
    granularity: str = "full",
    *,
    offsets: bool = True,
    within: Tolerance = Tolerance(),
) -> dict[str, Counts]:
    """Counts for each instrument that either side has; their sum is the figure of MT3.

    Raises
    ------
    UnknownName
        For a granularity that does not exist.
    """
    group = lookup(GRANULARITIES, granularity, "granularity of instruments")
    sides = []
    for notes in (reference, estimate):
        labels = np.full(len(notes), "note") if notes.label is None else notes.label
        names = {label: group(str(label)) for label in np.unique(labels)}
        sides.append(np.array([names[label] for label in labels], dtype=str))
    counts = {}
    for name in sorted({*sides[0].tolist(), *sides[1].tolist()}):
        true, said = reference.where(sides[0] == name), estimate.where(sides[1] == name)
        pairs = matched(true, said, offsets=offsets and name != DRUMS, within=within)
        counts[name] = Counts(len(pairs), len(true), len(said))
    return counts


# ---- tolerances --------------------------------------------------------------------------------------------


def tolerance_counts(
    reference: Notes, estimate: Notes, tolerances_s: Sequence[float] = TOLERANCES_S, *, offsets: bool = False
) -> list[Counts]:
    """Counts at each tolerance of the onset; with offsets, that of the offset is as much, or a fifth of the note."""
    found = []
    for seconds in tolerances_s:
        within = Tolerance(onset_s=seconds, offset_s=seconds, offset_share=OFFSET_SHARE)
        pairs = matched(reference, estimate, offsets=offsets, within=within)
        found.append(Counts(len(pairs), len(reference), len(estimate)))
    return found
