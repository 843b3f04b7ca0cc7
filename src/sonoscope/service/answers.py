"""The forms that an answer can have: which one is asked for, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from sonoscope import outputs
from sonoscope.service.faults import Fault

JSON, LINES = "json", "ndjson"
#: Media types of formats; the others are text.
MEDIA = {
    JSON: "application/json", LINES: "application/x-ndjson", "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl",
    "birdnet": "text/csv", "kaleidoscope": "text/csv", "buzzdetect": "text/csv",
    "buzzr": "text/csv",
    "dcase": "text/tab-separated-values", "raven": "text/tab-separated-values",
    "jams": "application/vnd.jams+json",
    "midi": "audio/midi", "notes": "text/csv",
}  # fmt: skip
#: What ``Accept`` may name, and the form that is meant.
ACCEPTED = {
    "application/json": JSON, "application/*": JSON, "*/*": JSON, "application/x-ndjson": LINES,
    "application/ndjson": LINES, "text/csv": "csv", "text/*": "csv", "audio/midi": "midi",
    "audio/x-midi": "midi", "audio/*": "midi",
    "application/jsonl": "jsonl", "application/vnd.jams+json": "jams", "application/vnd.apache.parquet": "parquet",
    "text/x-raven": "raven", "text/x-audacity": "audacity",
}  # fmt: skip


def media_type(name: str) -> str:
    """The media type of a form or format."""
    return MEDIA.get(name, "text/plain")


@dataclass(frozen=True)
class Form:
    """What an answer is written as: ``json``, ``ndjson``, or a format of ``outputs.WRITERS``."""

    name: str

    @property
    def media_type(self) -> str:
        """With the character set where it is text."""
        kind = media_type(self.name)
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    @property
    def suffix(self) -> str:
        """What a file of it ends with."""
        return {JSON: ".json", LINES: ".ndjson"}.get(self.name) or outputs.WRITERS[self.name].suffix


def chosen(accept: str | None, format: str | None) -> Form:
    """The form that is asked for: ``format`` goes before the header ``Accept``.

    Raises
    ------
    UnknownName
        If there is no such format.
    Fault
        ``not_acceptable`` if the header names nothing that can be had.
    """
    if format in (JSON, LINES):
        return Form(format)
    if format is not None:
        return Form(outputs.format_named(format).name)
    if not accept:
        return Form(JSON)
    wishes: list[tuple[float, str]] = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            wishes.append((float(weight), kind))
        except ValueError:
            continue
    # Of equal weight, the first that is named and the most precise goes first.
    for share, kind in sorted(wishes, key=lambda wish: (-wish[0], "*" in wish[1])):
        if share > 0 and kind in ACCEPTED:
            return Form(ACCEPTED[kind])
    raise Fault(
        "not_acceptable",
        f"Accept: {accept[:200]}: answers do not come as that",
        f"Ask for one of {', '.join(sorted(kind for kind in ACCEPTED if '*' not in kind))}, or name a format "
        "(GET /formats).",
    )
