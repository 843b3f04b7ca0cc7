"""The recordings of a request, and how long they are as far as headers tell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sonoscope.audio import archives, find
from sonoscope.audio.decode import Decoder
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.service.faults import Fault
from sonoscope.service.places import within
from sonoscope.service.worker import LongSound
from sonoscope.values import Recording

#: Bytes a second of sound whose header says nothing: those of a common MP3.
BYTES_A_SECOND = 16_000
#: More recordings than this are not answered at once, however short they are.
MOST_AT_ONCE = 200
#: Recordings that an uploaded archive may hold.
MOST_MEMBERS = 10_000


def recordings(request: dict[str, Any]) -> list[Recording | find.Unlisted]:
    """What is to be heard: ``uploads`` (path and name of each), or ``path`` under ``root``.

    An archive is a folder of its members, as for the command; uploaded ones may hold ``unpacked_bytes``.

    Raises
    ------
    UsageError
        If there is none.
    Fault
        ``too_large`` if an archive holds too much.
    """
    if "path" in request:
        root = Path(request["root"])
        found = list(within(iter(find.find([request["path"]])), root))
        if not found:
            raise UsageError("nothing to analyse: no recordings were found there")
        return found
    found = []
    for one in request["uploads"]:
        if archives.is_archive(one["name"]):
            found += _unpacked(Path(one["path"]), one["name"], request["unpacked_bytes"])
        else:
            found.append(_uploaded(one["path"], one["name"]))
    if not found:
        raise UsageError("nothing to analyse: there are no recordings in the archive")
    return found


def only(request: dict[str, Any]) -> Recording:
    """The one recording to be looked at: an upload that is no archive.

    Raises
    ------
    UsageError
        If it is one.
    """
    (one,) = request["uploads"]
    if archives.is_archive(one["name"]):
        raise UsageError(
            f"{one['name']} is an archive: unpack it, or POST it to /analyze, which takes archives"
        )
    return _uploaded(one["path"], one["name"])


def _uploaded(path: str, name: str) -> Recording:
    status = Path(path).stat()
    return Recording(path, name, None, status.st_size, status.st_mtime_ns)


def _unpacked(path: Path, name: str, most_bytes: int) -> list[Recording | find.Unlisted]:
    """The members of an uploaded archive that are recordings."""
    # What kind it is, is read off its name; a task that is done again finds it under that.
    ending = next(end for end in archives.ZIP_SUFFIXES + archives.TAR_SUFFIXES if name.lower().endswith(end))
    named = path.with_name(path.name + ending)
    if not named.exists():
        path.rename(named)
    found: list[Recording | find.Unlisted] = []
    size = 0
    for entry in find.find([str(named)]):
        size += entry.size_bytes if isinstance(entry, Recording) else 0
        if size > most_bytes or len(found) == MOST_MEMBERS:
            raise Fault("too_large", f"{name} is too large unpacked", "Send fewer recordings at a time.")
        found.append(replace(entry, name=name + entry.name.removeprefix(named.name)))
    return found


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


def told(error: UnreadableAudio) -> dict[str, str]:
    """A recording that cannot be read, as JSON values."""
    return {"file": error.file, "reason": error.reason, "remedy": error.remedy}
