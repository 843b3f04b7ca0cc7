"""The recordings of a request, and how long they are as far as headers tell."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from sonoscope.audio import find
from sonoscope.audio.decode import Decoder
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.service.places import within
from sonoscope.service.worker import LongSound
from sonoscope.values import Recording

#: Bytes a second of sound whose header says nothing: those of a common MP3.
BYTES_A_SECOND = 16_000
#: More recordings than this are not answered at once, however short they are.
MOST_AT_ONCE = 200


def recordings(request: dict[str, Any]) -> list[Recording | find.Unlisted]:
    """What is to be heard: ``uploads`` (path and name of each), or ``path`` under ``root``.

    Raises
    ------
    UsageError
        If there is none.
    """
    if "path" in request:
        root = Path(request["root"])
        found = list(within(iter(find.find([request["path"]])), root))
        if not found:
            raise UsageError("nothing to analyse: no recordings were found there")
        return found
    return [_uploaded(one["path"], one["name"]) for one in request["uploads"]]


def _uploaded(path: str, name: str) -> Recording:
    status = Path(path).stat()
    return Recording(path, name, None, status.st_size, status.st_mtime_ns)


def stated_s(recording: Recording) -> float:
    """How long a recording is by its header, or by its size where the header says nothing; 0 if it is unreadable."""
    with suppress(UnreadableAudio), Decoder(recording) as decoder:
        hint = decoder.info.duration_hint_s
        return hint if hint is not None else max(recording.size_bytes, 0) / BYTES_A_SECOND
    return 0.0


def check_short(entries: list[Recording | find.Unlisted], request: dict[str, Any]) -> dict[str, float]:
    """The stated length of each recording by its name.

    Raises
    ------
    LongSound
        If it is more in all than is answered at once, and the job is not known to be long.
    """
    lengths: dict[str, float] = {}
    for entry in entries:
        if isinstance(entry, Recording):
            lengths[entry.name] = stated_s(entry)
            total = sum(lengths.values())
            if not request["is_long"] and (total > request["short_s"] or len(lengths) > MOST_AT_ONCE):
                raise LongSound(total)
    return lengths
