"""A folder of clips: ``clips.csv``, ``frame.csv``, ``clips.json``, and the sounds in ``audio/``.

``clips.csv`` has a row for each clip::

    clip                      its number, in the order of judging
    label                     what is asked about it
    score, raw                probability and logit of the window
    start, end                seconds in the recording: what is judged
    site, file, start_datetime
    found                     1 if an event of the label covers it in the result, else 0
    stratum                   what it was drawn from: a bin of scores, found or not, at a site
    inclusion_probability     clips of the stratum over its windows
    batch                     1, or later batches
    window                    number of the window in the recording
    audio, audio_start        the sound, and the second of the recording at which it begins

``frame.csv`` counts all windows of the season (:mod:`~sonoscope.field.frame`), ``clips.json`` says how the clips were
drawn. The folder needs neither the recordings nor the model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sonoscope.errors import UsageError
from sonoscope.field import frame as frames_
from sonoscope.field.frame import Frame
from sonoscope.outputs.rows import Row, comma_line, read_comma
from sonoscope.values import format_seconds
from sonoscope.writing import put

VERSION = 1
CLIPS, FRAME, SETTINGS, AUDIO = "clips.csv", "frame.csv", "clips.json", "audio"


@dataclass(frozen=True)
class Clip:
    """A row of ``clips.csv``."""

    clip: str
    label: str
    score: float
    raw: float
    start: float
    end: float
    site: str
    file: str
    start_datetime: str
    found: bool
    stratum: str
    inclusion_probability: float
    batch: int
    window: int
    audio: str
    audio_start: float


COLUMNS = tuple(field.name for field in fields(Clip))


@dataclass(frozen=True, eq=False)
class ClipFolder:
    """What a folder of clips holds."""

    path: Path
    clips: tuple[Clip, ...]
    frames: Mapping[str, Frame]
    settings: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels, in the order of the frame."""
        return tuple(self.frames)

    def of(self, label: str) -> list[Clip]:
        """The clips of a label."""
        return [clip for clip in self.clips if clip.label == label]


def open_folder(path: str | Path) -> ClipFolder:
    """Read a folder of clips.

    Raises
    ------
    UsageError
        If it is none, or of another version.
    UnreadableTable
        If a table in it is damaged.
    """
    path = Path(path)
    if not (path / CLIPS).is_file() or not (path / SETTINGS).is_file():
        raise UsageError(
            f"{path} is no folder of clips (no {CLIPS} in it): sonoscope clips OUT -o {path} makes one"
        )
    try:
        settings = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path / SETTINGS} is damaged ({error}): draw the clips again") from None
    if settings.get("version") != VERSION:
        raise UsageError(
            f"{path} has version {settings.get('version')!r}, this sonoscope knows {VERSION}: update sonoscope"
        )
    with open(path / CLIPS, encoding="utf-8", newline="") as file:
        clips = tuple(
            _clip(row) for row in read_comma(file, str(path / CLIPS), COLUMNS, remedy=frames_.DRAWN)
        )
    return ClipFolder(path, clips, frames_.read(path / FRAME, settings["pivots"]), settings)


def _clip(row: Row) -> Clip:
    return Clip(
        clip=row.get("clip"),
        label=row.get("label"),
        score=row.number("score"),
        raw=row.number("raw"),
        start=row.number("start"),
        end=row.number("end"),
        site=row.get("site"),
        file=row.get("file"),
        start_datetime=row.get("start_datetime"),
        found=row.get("found") == "1",
        stratum=row.get("stratum"),
        inclusion_probability=row.number("inclusion_probability"),
        batch=int(row.number("batch")),
        window=int(row.number("window")),
        audio=row.get("audio"),
        audio_start=row.number("audio_start"),
    )


def clips_text(clips: Sequence[Clip]) -> str:
    """``clips.csv``."""
    lines = [comma_line(COLUMNS)]
    for clip in clips:
        cells = {
            "score": f"{clip.score:.4f}",
            "raw": f"{clip.raw:.3f}",
            "start": format_seconds(clip.start),
            "end": format_seconds(clip.end),
            "found": str(int(clip.found)),
            "inclusion_probability": f"{clip.inclusion_probability:.9g}",
            "audio_start": format_seconds(clip.audio_start),
        }
        lines.append(comma_line(cells.get(name, str(getattr(clip, name))) for name in COLUMNS))
    return "".join(lines)


def begin(folder: ClipFolder) -> None:
    """Write all but ``clips.csv``: a folder that has no such file yet is unfinished, and may be made anew."""
    pivots = {label: frame.pivot for label, frame in folder.frames.items()}
    put(folder.path / FRAME, frames_.text(folder.frames))
    put(folder.path / SETTINGS, json.dumps({**folder.settings, "pivots": pivots}, indent=1) + "\n")


def is_unfinished(path: Path) -> bool:
    """Whether making a folder of clips was begun here, and did not end."""
    return (path / SETTINGS).is_file() and not (path / CLIPS).exists()


def save(folder: ClipFolder) -> None:
    """Write the tables of a folder, each beside and then into place; ``clips.csv``, which names the sounds, last."""
    begin(folder)
    put(folder.path / CLIPS, clips_text(folder.clips))


def with_odds(clips: Sequence[Clip], windows: Mapping[str, Mapping[str, int]]) -> list[Clip]:
    """The clips with the inclusion probability that follows from how many of their stratum there are now.

    ``windows`` gives, for each label, how many windows a stratum has.
    """
    drawn = Counter((clip.label, clip.stratum) for clip in clips)
    return [
        replace(
            clip,
            inclusion_probability=drawn[clip.label, clip.stratum] / windows[clip.label][clip.stratum],
        )
        for clip in clips
    ]
