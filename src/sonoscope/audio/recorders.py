"""What recorders write into their files about themselves: when a recording began, and which device made it.

In: a seekable file. Out: a few texts, as the file states them; nothing is completed or guessed::

    start      ISO 8601; with an offset if the file states one
    start_in   where it says so: GUANO, wamd, AudioMoth's comment
    recorder   the device's serial number

Read are the chunks of WAV (RIFF, RF64) and, in FLAC, the comments and the chunks that ``flac
--keep-foreign-metadata`` keeps:

- ``guan``, GUANO [1]_: lines ``Timestamp: 2025-06-01T06:00:00+02:00`` and ``Serial: ...``;
- ``wamd`` of Wildlife Acoustics: records of a 16-bit type (1 model, 2 serial number, 5 time), a 32-bit length, a value;
- ``LIST INFO``, AudioMoth: *Recorded at 06:00:00 01/06/2025 (UTC+2) by AudioMoth 24F3190361CBDE2A at medium gain ...*

If several say when, one with an offset counts, and of those the first in this order. What is malformed is passed over.

References
----------
.. [1] "GUANO Metadata Specification 1.0", https://github.com/riggsd/guano-spec
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import BinaryIO

#: Chunks that are looked into, and the longest that is read: some hold pictures or sounds of their own.
CHUNKS = (b"guan", b"wamd", b"LIST")
MOST_BYTES = 1 << 18
#: A file with more chunks, or FLAC blocks, than this is damaged.
MOST_CHUNKS = 1000
#: The length of ``2025-06-01T06:00:00``, a time without an offset.
LOCAL_LENGTH = 19

_AUDIOMOTH = re.compile(
    r"Recorded at (\d\d):(\d\d):(\d\d) (\d\d)/(\d\d)/(\d{4})(?: \((UTC(?:[+-]\d{1,2}(?::\d\d)?)?)\))?"
    r"(?:.*?\bAudioMoth ([0-9A-Fa-f]{16})\b)?",
    re.DOTALL,
)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(Z|UTC|[+-]\d{1,2}(?::?\d\d)?)?", re.ASCII
)
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2}?)(?::?(\d\d))?", re.ASCII)


def told(file: BinaryIO) -> dict[str, str]:
    """What ``file`` says about its recording; empty if it says nothing. Its position afterwards is not defined.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        parts = _chunks(file)
    elif head[:4] == b"fLaC":
        parts = _flac_blocks(file)
    else:
        return {}
    found: dict[str, bytes] = {}
    for ident, body in parts:
        # There may be several lists: of markers, of information.
        found[ident] = found.get(ident, b"") + body
    said = [_guano(found.get("guan", b"")), _wamd(found.get("wamd", b"")), _audiomoth(found.get("LIST", b""))]
    # A time with an offset says more than one without.
    times = sorted((one for one in said if "start" in one), key=lambda one: len(one["start"]) <= LOCAL_LENGTH)
    serial = next((one["recorder"] for one in said if "recorder" in one), "")
    time = times[0] if times else {}
    return {
        **({"start": time["start"], "start_in": time["start_in"]} if time else {}),
        **({"recorder": serial} if serial else {}),
    }


def offset_of(text: str) -> timezone | None:
    """The offset that ``Z``, ``UTC``, ``UTC+2``, ``+02:00``, ``-0530`` or ``+2`` stands for; None if it is none.

    >>> str(offset_of("UTC-5:30")), str(offset_of("+0200")), offset_of("noon")
    ('UTC-05:30', 'UTC+02:00', None)
    """
    if text in ("Z", "UTC"):
        return timezone(timedelta(0))
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    hours, minutes = int(match[2]), int(match[3] or 0)
    if hours > 14 or minutes > 59:
        return None
    return timezone((-1 if match[1] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


# ---- where it lies -----------------------------------------------------------------------------------------


def _chunks(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Name and content of the chunks of a WAV that are looked into."""
    size = file.seek(0, 2)
    start, long_bytes = 12, 0
    for _ in range(MOST_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        ident, length = head[:4], struct.unpack("<I", head[4:])[0]
        if ident == b"ds64":
            long_bytes = int.from_bytes(file.read(16)[8:16], "little")
        elif ident == b"data" and length == 0xFFFFFFFF:
            length = long_bytes or length
        elif ident in CHUNKS and length <= MOST_BYTES:
            yield ident.decode(), file.read(length)
        start += 8 + length + length % 2
        if start >= size:
            return


def _flac_blocks(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The same of a FLAC: chunks of the WAV that it was made from, and comments as a ``LIST`` holds them."""
    start = 4
    for _ in range(MOST_CHUNKS):
        file.seek(start)
        head = file.read(4)
        if len(head) < 4:
            return
        kind, length = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind == 2 and length <= MOST_BYTES:
            body = file.read(length)
            if body[:4] == b"riff" and body[4:8] in CHUNKS:
                yield body[4:8].decode(), body[12:]
        elif kind == 4 and length <= MOST_BYTES:
            yield "LIST", file.read(length)
        if head[0] & 0x80:
            return
        start += 4 + length


# ---- what it says ------------------------------------------------------------------------------------------


def _guano(body: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().casefold(), value.strip("\0 \t"))
    return _said(fields.get("timestamp", ""), "GUANO", fields.get("serial", ""))


def _wamd(body: bytes) -> dict[str, str]:
    fields: dict[int, str] = {}
    start = 0
    while start + 6 <= len(body):
        kind, length = struct.unpack("<HI", body[start : start + 6])
        fields.setdefault(kind, body[start + 6 : start + 6 + length].decode("utf-8", "replace").strip("\0 "))
        start += 6 + length
    return _said(fields.get(5, ""), "wamd", fields.get(2, ""))


def _audiomoth(body: bytes) -> dict[str, str]:
    match = _AUDIOMOTH.search(body.decode("utf-8", "replace").replace("\0", " "))
    if match is None:
        return {}
    hour, minute, second, day, month, year, offset, serial = match.groups()
    time = f"{year}-{month}-{day}T{hour}:{minute}:{second}{offset or ''}"
    return _said(time, "AudioMoth's comment", serial or "")


def _said(time: str, source: str, recorder: str) -> dict[str, str]:
    """What a source says, in the form of :func:`told`."""
    values = {}
    match = _TIME.match(time.replace("UTC+", "+").replace("UTC-", "-"))
    if match:
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}")
        except ValueError:
            moment = None
        if moment is not None:
            zone = offset_of(match[3]) if match[3] else None
            values = {"start": moment.replace(tzinfo=zone).isoformat(), "start_in": source}
    if recorder:
        values["recorder"] = recorder
    return values
