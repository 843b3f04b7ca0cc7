"""Sections of the report that follow from the manifest alone, and the list of what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from sonoscope.data.summary import Summary, charts
from sonoscope.data.summary.counts import NO_SPLIT, Counts, LabelCount
from sonoscope.data.summary.text import spoken_length
from sonoscope.values import format_seconds

#: Labels that are seen at once, labels in the table of pairs, values in each table of origins, rows in the list of
#: problems.
SEEN, PAIRED, LISTED, PROBLEMS = 40, 24, 15, 100
#: What columns are called in headings.
_TITLES = {
    "source": "Sources",
    "licence": "Licences",
    "site": "Sites",
    "recorder": "Recorders",
    "group": "Groups",
}


class Section(NamedTuple):
    """A part of the report: its anchor, its heading, its HTML (empty: it is left out)."""

    anchor: str
    title: str
    content: str


def about(summary: Summary) -> Iterator[Section]:
    """The sections in their order."""
    counts = summary.counts
    yield Section("labels", "Labels", _labels(counts))
    yield Section("together", "Labels together", _together(counts))
    yield Section("splits", "Splits and groups", _splits(counts))
    yield Section("origins", "Where rows come from", _origins(counts))
    yield Section("lengths", "Lengths", _lengths(counts))
    yield Section("problems", "Rows that cannot be used", _problems(summary))


def colour(counts: Counts, split: str) -> str:
    """The class of a split's colour."""
    if split == NO_SPLIT:
        return "cx" if counts.has_splits else "bar"
    named = [each.split for each in counts.splits if each.split != NO_SPLIT]
    place = named.index(split)
    return f"c{place}" if place < charts.COLOURS else "cx"


def _labels(counts: Counts) -> str:
    if not counts.labels:
        return "<p>No row has a label.</p>"
    ordered = sorted(counts.labels, key=lambda label: (-label.rows, label.label))
    most = max(label.rows for label in ordered)
    head = ["label", "", "rows", "length", "alone", "groups", "sources", "not there", "unknown"]
    rows = [
        [
            escape(label.label),
            charts.bar(
                [
                    (label.by_split.get(each.split, 0), colour(counts, each.split), _tip(label, each.split))
                    for each in counts.splits
                ],
                most,
            ),
            f"{label.rows:,}",
            spoken_length(label.seconds) if label.seconds else "–",
            f"{label.alone:,}",
            f"{label.groups:,}",
            f"{label.sources:,}",
            f"{label.absent:,}",
            f"{label.unknown:,}",
        ]
        for label in ordered
    ]
    caption = (
        "Rows in which each label sounds; alone: nothing else is said to sound; unknown: nobody judged it."
    )
    legend = [(colour(counts, each.split), each.split) for each in counts.splits] if counts.has_splits else []
    seen = charts.table(head, rows[:SEEN], caption=caption, left=(0, 1))
    if more := rows[SEEN:]:
        rest = charts.table(head, more, caption=caption, left=(0, 1))
        seen += f"<details><summary>The other {len(more):,} labels</summary>{rest}</details>"
    return (charts.keys(legend) if legend else "") + seen


def _tip(label: LabelCount, split: str) -> str:
    return f"{label.label}, {split}: {label.by_split.get(split, 0):,} rows"


def _together(counts: Counts) -> str:
    if not counts.labels:
        return ""
    per_row = {str(number): [float(rows)] for number, rows in counts.labels_per_row.items()}
    parts = [
        "<h3>Labels in a row</h3><figure>",
        charts.pillars(per_row, "Number of labels in a row", unit="labels that sound in a row"),
        "</figure>",
    ]
    if max(counts.labels_per_row) < 2:
        parts.append("<p>No row has two labels, so no labels occur together.</p>")
        return "".join(parts)
    place = {label.label: number for number, label in enumerate(counts.labels)}
    shown = sorted((label for label in counts.labels if label.rows), key=lambda label: -label.rows)[:PAIRED]
    rows = []
    for one in shown:
        cells = []
        for other in shown:
            both = int(counts.together[place[one.label], place[other.label]])
            share = both / one.rows
            look = (
                f"background:color-mix(in srgb, var(--bar) {100 * min(share, 1) * 0.75:.0f}%, transparent)"
                if one is not other
                else "color:var(--soft)"
            )
            cells.append(f'<td style="{look}" title="{share:.0%} of {escape(one.label)}">{both or ""}</td>')
        rows.append(f'<tr><th scope="row">{escape(one.label)}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{escape(label.label)}</th>' for label in shown)
    caption = "Rows in which both sound; the colour is the share of the label at the left. On the diagonal: its rows."
    parts.append(
        f'<h3>Pairs</h3><div class="wide"><table class="pair"><caption>{caption}</caption><thead><tr><td></td>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return "".join(parts)


def _splits(counts: Counts) -> str:
    if not counts.has_splits:
        return ""
    rows = [
        [
            escape(each.split),
            charts.bar(
                [(each.rows, colour(counts, each.split), each.split)], max(s.rows for s in counts.splits)
            ),
            f"{each.rows:,}",
            f"{each.rows / counts.rows:.1%}",
            spoken_length(each.seconds) if each.seconds else "–",
            f"{each.files:,}",
            f"{each.groups:,}",
        ]
        for each in counts.splits
    ]
    parts = [
        charts.table(
            ["split", "", "rows", "share", "length", "files", "groups"], rows, caption="Splits", left=(0, 1)
        )
    ]
    for kind, shared in (("Groups", counts.shared_groups), ("Files", counts.shared_files)):
        if shared:
            told = [
                [escape(key), escape(", ".join(f"{split} {rows}" for split, rows in found.items()))]
                for key, found in list(shared.items())[:LISTED]
            ]
            caption = f"{kind} in more than one split ({len(shared):,} in all), with their rows in each"
            parts.append(charts.table([kind.lower(), "rows"], told, caption=caption, left=(0, 1)))
    return "".join(parts)


def _origins(counts: Counts) -> str:
    parts = []
    for column, values in counts.origins.items():
        shown = list(values.items())[:LISTED]
        rows = [
            [
                escape(value) or "<i>not said</i>",
                charts.bar([(number, "bar", f"{number:,} rows")], max(values.values())),
                f"{number:,}",
            ]
            for value, number in shown
        ]
        more = f", the {LISTED} with most rows" if len(values) > LISTED else ""
        title = _TITLES[column]
        caption = f"{len(set(values) - {''}):,} {title.lower() if len(values) > 1 else column}{more}"
        parts.append(
            f"<div><h3>{title}</h3>"
            + charts.table([column, "", "rows"], rows, caption=caption, left=(0, 1))
            + "</div>"
        )
    return f'<div class="two">{"".join(parts)}</div>'


def _lengths(counts: Counts) -> str:
    if not counts.durations_s.size:
        return "<p>No row says how long it is, and nothing was decoded.</p>"
    told = f"{counts.open_rows:,} rows of unknown length are not here." if counts.open_rows else ""
    drawn = charts.histogram(counts.durations_s, "Lengths of rows", unit="seconds")
    return f"<figure>{drawn}<figcaption>Number of rows of each length. {told}</figcaption></figure>"


def _problems(summary: Summary) -> str:
    problems: Sequence = summary.problems
    if not problems:
        return ""
    rows = [
        [escape(each.path), format_seconds(each.start_s), escape(each.reason), escape(each.remedy)]
        for each in problems[:PROBLEMS]
    ]
    more = f"; the first {PROBLEMS} of {len(problems):,}" if len(problems) > PROBLEMS else ""
    caption = f"Left out of everything that is said about sound{more}"
    return charts.table(["path", "from, s", "why", "what to do"], rows, caption=caption, left=(0, 2, 3))
