"""The report: one HTML file that needs nothing from outside, in light and dark, for eyes, ears and paper."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

from sonoscope.data.summary import Summary, sections, sound_sections
from sonoscope.data.summary.sections import Section
from sonoscope.data.summary.text import spoken_length
from sonoscope.data.table import put

_STYLE = Path(__file__).with_name("style.css")
_WORDS = {"warning": "Look at this", "note": "Note", "good": "Good"}


def html(summary: Summary, title: str) -> str:
    """The report about a summary as HTML; the same summary gives the same text."""
    links, body = laid_out((*sections.about(summary), *sound_sections.about(summary)))
    return document(title, f"{_lead(summary)}{_tiles(summary)}{links}{_findings(summary)}{body}")


def laid_out(parts: Iterable[Section]) -> tuple[str, str]:
    """Links to the sections that have content, and these sections, as HTML."""
    filled = [part for part in parts if part.content]
    links = "".join(f'<a href="#{part.anchor}">{escape(part.title)}</a>' for part in filled)
    body = "".join(
        f'<section id="{part.anchor}" aria-labelledby="{part.anchor}-title"><h2 id="{part.anchor}-title">'
        f"{escape(part.title)}</h2>{part.content}</section>"
        for part in filled
    )
    return f'<nav aria-label="Sections">{links}</nav>', body


def inline(kind: str, content: bytes) -> str:
    """The address of content that a page carries in itself; ``kind`` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def document(title: str, content: str, style: str = "") -> str:
    """A page of a title and content that is HTML already, with this page's style and more of it."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}{style}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>\n"
    )


def _lead(summary: Summary) -> str:
    heard, rows = summary.heard, summary.counts.rows
    if heard is None:
        told = "Nothing was decoded: what follows is what the manifest says."
    elif len(heard) + len(summary.problems) < rows:
        told = (
            f"{len(heard):,} of {rows:,} rows were heard, a sample that is the same every time; counts are about all "
            "rows, what is said about sound is about these."
        )
    else:
        told = (
            "All rows were heard."
            if not summary.problems
            else f"{len(heard):,} of {rows:,} rows could be heard."
        )
    return f'<p class="lead">Made by sonoscope data summary. {told}</p>'


def _tiles(summary: Summary) -> str:
    counts = summary.counts
    length = spoken_length(counts.seconds) + (" +" if counts.open_rows else "")
    tiles = {
        "rows": f"{counts.rows:,}",
        "files": f"{counts.files:,}",
        "of sound": length if counts.seconds else "unknown",
        "labels": f"{sum(label.rows > 0 for label in counts.labels):,}",
        "splits": f"{len(counts.splits):,}" if counts.has_splits else "none",
        "groups": f"{len(set(counts.origins['group']) - {''}):,}" if "group" in counts.origins else "none",
    }
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles.items())
    return f'<dl class="tiles">{items}</dl>'


def _findings(summary: Summary) -> str:
    if not summary.findings:
        return ""
    items = "".join(
        f'<li class="{each.level}"><b>{_WORDS[each.level]}</b>{escape(each.text)}</li>'
        for each in summary.findings
    )
    return f'<section aria-label="What stands out"><h2>What stands out</h2><ul class="findings">{items}</ul></section>'


def write(summary: Summary, path: str | Path, title: str) -> None:
    """Write the report, whole or not at all.

    Raises
    ------
    UsageError
        If the folder does not exist.
    """
    put(Path(path), html(summary, title).encode())
