"""The page on which clips are judged, as one piece of HTML.

Served (:mod:`~sonoscope.field.reviewing.server`) it fetches sounds and pictures and sends each verdict. As a file to be
mailed it carries them, keeps verdicts in the browser, and gives them back as a CSV to be saved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sonoscope.data import spectrogram
from sonoscope.data.summary.page import inline
from sonoscope.errors import UsageError
from sonoscope.field.clipfolder import Clip, ClipFolder

_HERE = Path(__file__).parent
_KINDS = {".flac": "audio/flac", ".wav": "audio/wav"}


def chosen(folder: ClipFolder, labels: Sequence[str] | None = None) -> list[Clip]:
    """The clips to judge, in order: all, or those of some labels.

    Raises
    ------
    UsageError
        If a label has none.
    """
    for label in labels or ():
        if not folder.of(label):
            raise UsageError(f"{folder.path} has no clips of {label!r}: it has {', '.join(folder.labels)}")
    return [clip for clip in folder.clips if not labels or clip.label in labels]


def audio_kind(file: str) -> str:
    """The media type of a clip's sound."""
    return _KINDS[Path(file).suffix]


def _entry(clip: Clip) -> dict[str, Any]:
    """What the page knows of a clip. Score and place are shown only on request, so that they sway nobody."""
    return {
        "id": clip.clip,
        "label": clip.label,
        "from": round(clip.start - clip.audio_start, 6),
        "to": round(clip.end - clip.audio_start, 6),
        "score": clip.score,
        "site": clip.site,
        "file": clip.file,
        "start": clip.start,
        "time": clip.start_datetime,
    }


def identity(folder: ClipFolder) -> str:
    """What tells this folder's verdicts from another's in one browser."""
    names = "\n".join(f"{clip.clip} {clip.file} {clip.start}" for clip in folder.clips)
    return hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def served(folder: ClipFolder, clips: Sequence[Clip], reviewer: str, verdicts: Mapping[str, str]) -> str:
    """The page of a server, which knows the verdicts so far."""
    entries = [
        _entry(clip) | {"audio": f"audio/{clip.clip}", "image": f"image/{clip.clip}"} for clip in clips
    ]
    data = {"mode": "server", "reviewer": reviewer, "verdicts": dict(verdicts)}
    return _page(folder, data | {"clips": entries})


def standalone(
    folder: ClipFolder,
    clips: Sequence[Clip],
    reviewer: str = "",
    report: Callable[[int, int], None] | None = None,
) -> str:
    """The page as one file, sounds and pictures included; without ``reviewer`` it asks for a name."""
    entries = []
    for done, clip in enumerate(clips, start=1):
        content = (folder.path / clip.audio).read_bytes()
        samples, rate = spectrogram.read(folder.path / clip.audio)
        entries.append(
            _entry(clip)
            | {
                "audio": inline(audio_kind(clip.audio), content),
                "image": inline("image/png", spectrogram.png(spectrogram.picture(samples, rate))),
                "facts": spectrogram.facts(folder.path / clip.audio),
            }
        )
        if report is not None:
            report(done, len(clips))
    return _page(folder, {"mode": "file", "reviewer": reviewer, "verdicts": {}, "clips": entries})


def _page(folder: ClipFolder, data: Mapping[str, Any]) -> str:
    names = {label: folder.settings.get("names", {}).get(label, label) for label in folder.labels}
    data = {**data, "id": identity(folder), "names": names, "title": folder.path.resolve().name}
    # In a script element a "<" could begin something else.
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "@TITLE@": escape(str(data["title"])),
        "@STYLE@": (_HERE / "page.css").read_text(encoding="utf-8"),
        "@SCRIPT@": (_HERE / "page.js").read_text(encoding="utf-8"),
        "@DATA@": text,
    }
    html = (_HERE / "page.html").read_text(encoding="utf-8")
    for mark, content in parts.items():
        html = html.replace(mark, content)
    return html
