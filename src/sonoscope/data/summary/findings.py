"""What stands out: leaks, gaps and confounds that a person should know of before training on the data."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sonoscope.data.rows import Manifest
from sonoscope.data.summary.counts import NO_SPLIT, Counts
from sonoscope.data.summary.sound import NOTHING_DB, SILENCE_DB, Heard
from sonoscope.data.survey import Problem
from sonoscope.errors import count

#: A label with fewer rows is hard to learn, and harder to measure.
FEW_ROWS = 20
#: The most frequent label has more than so many times the rows of the rarest.
UNEVEN = 10.0
#: A row is clipped if more than this share of its samples is, silent if more than this share of its frames is.
CLIPPED_ROW, SILENT_ROW = 1e-3, 0.95
#: Labels whose typical levels lie further apart can be told by level, dB.
LEVEL_GAP_DB = 12.0
#: Labels with fewer heard rows are not compared.
COMPARED_ROWS = 5
#: So many names are given.
NAMED = 5

_NOT_FREE = re.compile(r"\bNC\b|non-?commercial|not for commercial|no ?derivatives|\bND\b", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing that stands out: ``level`` is ``warning``, ``note`` or ``good``; ``text`` a sentence or two."""

    level: str
    text: str


def find(
    manifest: Manifest, counts: Counts, heard: Heard | None, problems: Sequence[Problem]
) -> tuple[Finding, ...]:
    """All findings, warnings first."""
    found = [*_problems(problems), *_leaks(counts), *_labels(counts), *_answers(counts), *_licences(counts)]
    if heard is not None and len(heard):
        found += [*_copies(manifest, heard), *_levels(manifest, heard), *_rates(manifest, heard)]
    order = {"warning": 0, "note": 1, "good": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.level]))


def named(names: Sequence[str]) -> str:
    """The first few of many names, and how many there are."""
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _s(number: int, verb: str) -> str:
    """A verb as so many things do it."""
    return f"{verb}s" if number == 1 else verb


def _problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    if problems:
        first = problems[0]
        yield Finding(
            "warning",
            f"{count(len(problems), 'row')} cannot be used; the first: {first.path}: {first.reason}.",
        )


def _leaks(counts: Counts) -> Iterator[Finding]:
    if not counts.has_splits:
        yield Finding("note", "No row names a split; `sonoscope data split` makes splits that do not leak.")
        return
    for kind, shared in (("group", counts.shared_groups), ("file", counts.shared_files)):
        if shared:
            rows = sum(sum(found.values()) for found in shared.values())
            yield Finding(
                "warning",
                f"{count(len(shared), kind)} with {count(rows, 'row')} in more than one split: {named(list(shared))}. "
                "What is measured on such splits is recognition of recordings, not of sounds.",
            )
    if "group" not in counts.origins:
        yield Finding(
            "note", "Rows name no group, so nothing can be said about recordings that splits share."
        )
    elif not counts.shared_groups and not counts.shared_files:
        yield Finding("good", "No group and no file is in more than one split.")


def _labels(counts: Counts) -> Iterator[Finding]:
    never = [label.label for label in counts.labels if not label.rows]
    if never:
        yield Finding(
            "warning",
            f"{count(len(never), 'label')} of the label map never {_s(len(never), 'sound')}: {named(never)}.",
        )
    # Those with most rows are named first.
    there = sorted((label for label in counts.labels if label.rows), key=lambda label: -label.rows)
    few = [f"{label.label} ({label.rows})" for label in there if label.rows < FEW_ROWS]
    if few:
        yield Finding("warning", f"{count(len(few), 'label')} with fewer than {FEW_ROWS} rows: {named(few)}.")
    splits = [split.split for split in counts.splits if split.split != NO_SPLIT]
    for split in splits if len(splits) > 1 else []:
        missing = [label.label for label in there if not label.by_split.get(split)]
        if missing:
            yield Finding("warning", f"{split} has no row of {named(missing)}.")
    for column, attribute in (("group", "groups"), ("source", "sources")):
        origins = counts.origins.get(column, {})
        if len(origins) < 2:
            continue
        single = [label.label for label in there if getattr(label, attribute) == 1 and label.rows > 1]
        if single:
            yield Finding(
                "warning",
                f"All rows of {named(single)} come from one {column} each: a model may learn the {column}, "
                "and nothing in these data can show whether it did.",
            )
            break
    if len(there) > 1:
        most, least = max(there, key=lambda each: each.rows), min(there, key=lambda each: each.rows)
        if most.rows > UNEVEN * least.rows:
            yield Finding(
                "note",
                f"{most.label} has {most.rows / least.rows:.0f} times as many rows as {least.label} "
                f"({most.rows:,} and {least.rows:,}).",
            )


def _answers(counts: Counts) -> Iterator[Finding]:
    silent = counts.labels_per_row.get(0, 0)
    if silent and counts.labels:
        yield Finding(
            "note",
            f"{count(silent, 'row')} ({silent / counts.rows:.1%}) without a label that sounds: negatives, if that is "
            "what they are, and else rows that nobody labelled.",
        )
    answers = counts.rows * len(counts.labels)
    unknown = sum(label.unknown for label in counts.labels)
    if unknown:
        yield Finding(
            "note",
            f"{unknown / answers:.1%} of all answers are unknown; in training and measuring they are left out.",
        )


def _licences(counts: Counts) -> Iterator[Finding]:
    licences = counts.origins.get("licence")
    if licences is None:
        return
    if licences.get("", 0):
        yield Finding("note", f"{count(licences[''], 'row')} without a licence.")
    bound = {name: rows for name, rows in licences.items() if _NOT_FREE.search(name)}
    if bound:
        rows = sum(bound.values())
        yield Finding(
            "note",
            f"{count(rows, 'row')} under licences that forbid or may forbid some uses: {named(list(bound))}.",
        )


def _copies(manifest: Manifest, heard: Heard) -> Iterator[Finding]:
    places = defaultdict(list)
    for number, features in enumerate(np.round(heard.features, 9)):
        if heard.level_db[number] > NOTHING_DB:
            places[features.tobytes()].append(manifest.rows[int(heard.rows[number])])
    copies = [rows for rows in places.values() if len(rows) > 1]
    if not copies:
        return
    across = [rows for rows in copies if len({row.split for row in rows}) > 1]
    example = (across or copies)[0]
    extra = sum(len(rows) - 1 for rows in copies)
    text = f"{count(extra, 'row')} {_s(extra, 'sound')} exactly like another one, such as "
    text += f"{example[0].path} and {example[1].path}"
    yield Finding(
        "warning" if across else "note",
        f"{text}; {count(len(across), 'such sound')} in more than one split." if across else f"{text}.",
    )


def _levels(manifest: Manifest, heard: Heard) -> Iterator[Finding]:
    clipped = int(np.count_nonzero(heard.clipped > CLIPPED_ROW))
    if clipped:
        yield Finding(
            "note", f"{count(clipped, 'row')} with more than {CLIPPED_ROW:.1%} of samples at full scale."
        )
    silent = np.flatnonzero((heard.silent > SILENT_ROW) | (heard.level_db < SILENCE_DB))
    if silent.size:
        first = manifest.rows[int(heard.rows[silent[0]])].path
        yield Finding(
            "warning", f"{count(silent.size, 'row')} with hardly any sound in it; the first: {first}."
        )
    typical = {label: float(np.median(heard.level_db[places])) for label, places in by_label(manifest, heard)}
    if len(typical) > 1:
        low, high = min(typical, key=lambda k: typical[k]), max(typical, key=lambda k: typical[k])
        if typical[high] - typical[low] > LEVEL_GAP_DB:
            yield Finding(
                "note",
                f"Typical levels differ by {typical[high] - typical[low]:.0f} dB between labels ({low} "
                f"{typical[low]:.0f} dB, {high} {typical[high]:.0f} dB): without gain augmentation level is a clue.",
            )


def _rates(manifest: Manifest, heard: Heard) -> Iterator[Finding]:
    """A label at a sample rate of its own can be told by what is missing above half of it."""
    rates = np.array([info.sample_rate if info is not None else 0 for info in heard.formats])
    alone = []
    for label, places in by_label(manifest, heard):
        others = np.setdiff1d(np.arange(len(heard)), places)
        rate, count = Counter(rates[places].tolist()).most_common(1)[0]
        if rate and others.size and count >= 0.95 * places.size and np.mean(rates[others] == rate) < 0.2:
            alone.append(f"{label} ({rate / 1000:g} kHz)")
    if alone:
        yield Finding("warning", f"Nearly alone at their sample rate, which gives them away: {named(alone)}.")


def by_label(manifest: Manifest, heard: Heard) -> list[tuple[str, np.ndarray]]:
    """Labels, each with the places among what was heard at which it sounds; those with a few rows at least."""
    places: dict[str, list[int]] = {label: [] for label in manifest.labels()}
    for number, row in enumerate(heard.rows.tolist()):
        for label in manifest.rows[row].labels:
            places.setdefault(label, []).append(number)
    return [(label, np.array(mine)) for label, mine in places.items() if len(mine) >= COMPARED_ROWS]
