"""Uploads: ``multipart/form-data`` read as it comes, files straight to disk, within limits at every byte.

A file is stored under a number; the name that the client gave it is kept as text only. Nothing larger than a block is
ever in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from sonoscope.audio.naming import Unique
from sonoscope.service.faults import Fault
from sonoscope.service.places import clean_name

#: The field that holds the sound; it may come more than once, and files in other fields are passed over.
FIELD = "file"
#: Parts of a form, and bytes of a part's headers.
MOST_PARTS, MOST_HEADER = 1000, 8192
#: A client that sends nothing for so long is not waited for.
SILENCE_S = 60.0


@dataclass(frozen=True)
class Upload:
    """A file that was sent: where it lies, and what the client calls it."""

    path: Path
    name: str

    def to_json(self) -> dict[str, str]:
        """As tasks take it."""
        return {"path": str(self.path), "name": self.name}


async def receive(
    stream: AsyncIterator[bytes], content_type: str, folder: Path, *, limit: int
) -> list[Upload]:
    """The files of a form, stored in ``folder``; whoever owns that removes it if this fails.

    Parameters
    ----------
    stream : async iterator of bytes
        The request's body.
    content_type : str
        Its header, with the boundary.
    limit : int
        Bytes of the body.

    Raises
    ------
    Fault
        ``too_large`` as soon as there is more than that, ``usage`` if it is no such form, holds no file or holds
        options, ``too_slow`` if nothing comes any more, ``cancelled`` if the client goes away.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise _no_form(f"Content-Type: {content_type[:100] or 'none'} is no form with a file")
    form = _Form(folder)
    parser = MultipartParser(boundary, form.callbacks())
    received, blocks = 0, aiter(stream)
    try:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    block = await anext(blocks)
            except StopAsyncIteration:
                break
            received += len(block)
            if received > limit:
                raise too_large(limit)
            parser.write(block)
        parser.finalize()
    except TimeoutError:
        raise Fault(
            "too_slow", f"nothing came for {SILENCE_S:.0f} seconds", "Send it again over a better connection."
        ) from None
    except ClientDisconnect:
        # Nobody reads it, and it is no fault of the service, which would be in its log.
        raise Fault("cancelled", "who sent the upload has gone", "Send it again.") from None
    except MultipartParseError as error:
        raise _no_form(f"the form is damaged ({error})") from None
    finally:
        form.close()
    if not form.is_whole:
        raise _no_form("the form is cut short")
    if not form.uploads:
        raise _no_form(f"the form has no file in the field {FIELD!r}")
    return form.uploads


def too_large(limit: int) -> Fault:
    """The upload is larger than ``limit`` bytes."""
    return Fault(
        "too_large",
        f"the upload is larger than {limit:,} bytes, the most that this service takes",
        "Send a compressed or a shorter file, or let the service be started with a higher --max-upload.",
    )


def _no_form(what: str) -> Fault:
    return Fault(
        "usage", what, "Send multipart/form-data with the sound in the field 'file': curl -F file=@song.wav"
    )


@dataclass
class _Form:
    """What the parser tells, put into files."""

    folder: Path
    uploads: list[Upload] = field(default_factory=list)
    is_whole: bool = False
    _unique: Unique = field(default_factory=Unique)
    _headers: dict[str, bytes] = field(default_factory=dict)
    _name: bytes = b""
    _value: bytes = b""
    _file: IO[bytes] | None = None
    _parts: int = 0

    def callbacks(self) -> Any:
        """For the parser."""
        return {
            "on_part_begin": self._begin, "on_header_field": self._add_name, "on_header_value": self._add_value,
            "on_header_end": self._header, "on_headers_finished": self._open, "on_part_data": self._data,
            "on_part_end": self.close, "on_end": self._end,
        }  # fmt: skip

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _no_form(f"the form has more than {MOST_PARTS} parts")
        self._headers, self._name, self._value = {}, b"", b""

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name = self._bounded(self._name + data[start:end])

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._bounded(self._value + data[start:end])

    def _bounded(self, text: bytes) -> bytes:
        if len(text) > MOST_HEADER:
            raise _no_form("the form has a header that is too long")
        return text

    def _header(self) -> None:
        if len(self._headers) > 16:
            raise _no_form("the form has a part with too many headers")
        self._headers[self._name.decode("latin-1").lower()] = self._value
        self._name, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options and name != FIELD:
            # It was meant to change the answer; without it the answer would look right and be another one.
            raise Fault(
                "usage",
                f"the form has a field {name[:50]!r}, and options are not read from forms",
                f"Put it into the address: ?{quote(name[:50])}=…",
            )
        if name != FIELD or b"filename" not in options:
            return
        path = self.folder / f"upload-{len(self.uploads)}"
        given = options[b"filename"].decode("utf-8", "replace")
        self._file = open(path, "xb")  # noqa: SIM115 (closed at the end of the part)
        self.uploads.append(Upload(path, self._unique(clean_name(given))))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _end(self) -> None:
        self.is_whole = True
