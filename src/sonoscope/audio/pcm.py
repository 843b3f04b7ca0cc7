"""Plain samples in WAV (RIFF, RIFX, RF64, BW64) and AIFF/AIFC, read straight into NumPy.

Two reasons not to leave these to libsndfile. Recorders that lose power, streams, and files over 4 GiB leave
headers that state 0, 0xFFFFFFFF or too few bytes: libsndfile then stops early or finds nothing; here samples
go on to the end of the file unless chunks (tags, markers) follow them. And it takes a fifth of the time,
since NumPy converts with SIMD.

Integers become float32 by a power of two (full scale 1, as libsndfile does); 8-bit WAV is unsigned, 8-bit
AIFF signed. Compressed kinds (ADPCM, A-law, mu-law, GSM, MP3 in WAV) are left to the other readers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from sonoscope.audio.reader import AudioInfo

#: Sizes stated from here on stand for "not known yet" in a 32-bit header (0x7FFFFFFF and 0xFFFFFFFF, about).
PLACEHOLDER = 0x7FFF0000
#: Bytes after the samples that may be padding to a sector of the memory card, when they are no chunks.
SLACK_BYTES = 4096
#: The tag of IMA ADPCM in a WAV's header.
IMA_ADPCM = 0x11
#: A header with more chunks than this before its samples is none.
MAX_CHUNKS = 1000

_TRAILING = """
    LIST bext iXML fact cue id3 ID3 JUNK junk PAD FLLR smpl inst plst labl note axml cart umid minf elm1 regn
    DGDA wamd guan _PMX XMP_ chna levl afsp AFsp PEAK DISP acid strc SNDM ovwf
    COMM MARK COMT ANNO AUTH NAME (c) MIDI INST APPL AESD FVER CHAN
"""
#: Chunks that programs and recorders are known to write after the samples.
TRAILING = frozenset(name.ljust(4).encode() for name in _TRAILING.split())

#: The rest of a WAVE_FORMAT_EXTENSIBLE sub-format after its two-byte tag.
_GUID = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True)
class Layout:
    """Where the samples are and what they look like.

    ``dtype`` is a NumPy type string, or ``<i3``/``>i3`` for 24 bits. Samples fill bytes ``[start, end)``.
    ``stated_bytes`` is what the header says there is, None where it says nothing usable.
    """

    container: str
    dtype: str
    sample_rate: int
    channels: int
    start: int
    end: int
    stated_bytes: int | None

    @property
    def frame_bytes(self) -> int:
        return int(self.dtype[2:]) * self.channels

    @property
    def codec(self) -> str:
        kind, width = self.dtype[1], int(self.dtype[2:])
        if kind == "f":
            return {4: "float", 8: "double"}[width]
        return f"pcm_{'u' if kind == 'u' else ''}{8 * width}"


def layout(file: BinaryIO) -> Layout | None:
    """Read the header of a WAV or AIFF file; None if it is damaged or its samples are not plain."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[8:12] == b"WAVE":
        return _wav(file, size, head)
    if head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, size)
    return None


def is_ima_adpcm(file: BinaryIO) -> bool:
    """Whether any chunk of a WAV or AIFF file says that its samples are IMA ADPCM."""
    size = file.seek(0, 2)
    file.seek(0)
    order = "<" if file.read(4) in (b"RIFF", b"RF64", b"BW64") else ">"
    for ident, start, length in _chunks(file, size, order):
        file.seek(start)
        if ident == b"fmt " and _wav_tag(file.read(min(length, 64)), order) == IMA_ADPCM:
            return True
        if ident == b"COMM" and file.read(22)[18:].lower() == b"ima4":
            return True
    return False


class PcmReader:
    """A :class:`~sonoscope.audio.reader.Reader` of plain samples."""

    def __init__(self, file: BinaryIO, found: Layout) -> None:
        self._file, self._layout = file, found
        n_frames = (found.end - found.start) // found.frame_bytes
        stated = None if found.stated_bytes is None else found.stated_bytes // found.frame_bytes
        self.info = AudioInfo(
            found.sample_rate, found.channels, found.codec, found.container, n_frames / found.sample_rate
        )
        self.promised_s = None if stated is None else stated / found.sample_rate
        self.left_over = False
        self.remarks: list[str] = []

    def frames(self, block_samples: int) -> Iterator[np.ndarray]:
        """As in :class:`~sonoscope.audio.reader.Reader`."""
        found = self._layout
        unpack = _Unpacker(found.dtype, block_samples * found.channels)
        left = (found.end - found.start) // found.frame_bytes
        self._file.seek(found.start)
        while left:
            wanted = min(left, block_samples) * found.frame_bytes
            n = _fill(self._file, unpack.bytes[:wanted]) // found.frame_bytes
            if n:
                yield unpack.floats(n * found.channels).reshape(n, found.channels)
            # A file that was cut since its size was asked ends here.
            left = left - n if n * found.frame_bytes == wanted else 0

    def close(self) -> None:
        """Nothing to free."""


class _Unpacker:
    """A buffer of raw bytes and the same samples as float32, both used again for each block."""

    def __init__(self, dtype: str, n: int) -> None:
        kind, width = dtype[1], int(dtype[2:])
        self._floats = np.empty(n, np.float32)
        self._offset = 128.0 if kind == "u" else 0.0
        self._scale = np.float32(1.0 if kind == "f" else 2.0 ** (1 - 8 * width))
        self._wide: np.ndarray | None = None
        if width == 3:
            # Each sample is seen as the top three bytes of a four-byte integer; the fourth is its neighbour's
            # and is masked. One byte more than the samples, before them (little-endian) or after
            # (big-endian).
            raw = np.zeros(3 * n + 1, np.uint8)
            self.bytes = (raw[1:] if dtype[0] == "<" else raw[:-1]).data
            self._samples = np.ndarray((n,), dtype[0] + "i4", raw, 0, (3,))
            self._wide = np.empty(n, np.int32)
            self._scale = np.float32(2.0**-31)
        else:
            self._samples = np.empty(n, np.dtype(dtype))
            if self._samples.dtype == np.float32:
                self._samples = self._floats
            self.bytes = self._samples.view(np.uint8).data

    def floats(self, n: int) -> np.ndarray:
        """The first ``n`` samples that lie in ``bytes``."""
        raw, out = self._samples[:n], self._floats[:n]
        if self._samples is self._floats:
            return out
        if self._wide is not None:
            wide = self._wide[:n]
            np.copyto(wide, raw)
            np.bitwise_and(wide, -256, out=wide)
            raw = wide
        if self._offset:
            np.subtract(raw, np.float32(self._offset), out=out, dtype=np.float32, casting="unsafe")
            raw = out
        # Doubles beyond float32 become infinite, which the decoder replaces and reports.
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(raw, self._scale, out=out, dtype=np.float32, casting="unsafe")
        return out


def _fill(file: BinaryIO, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the file ends; the number of bytes read."""
    done = 0
    while done < len(buffer):
        n = file.readinto(buffer[done:])  # type: ignore[attr-defined]
        if not n:
            break
        done += n
    return done


# ---- headers -----------------------------------------------------------------------------------------------


def _chunks(file: BinaryIO, size: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Identifier, first byte and stated length of each chunk after the twelve bytes of the form."""
    start = 12
    for _ in range(MAX_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        ident, length = head[:4], struct.unpack(order + "I", head[4:])[0]
        yield ident, start + 8, length
        start += 8 + length + length % 2
        if start >= size:
            return


def _wav(file: BinaryIO, size: int, head: bytes) -> Layout | None:
    order = ">" if head[:4] == b"RIFX" else "<"
    is_64_bit = head[:4] in (b"RF64", b"BW64")
    form, long_bytes = None, None
    for ident, start, length in _chunks(file, size, order):
        if ident in (b"ds64", b"fmt "):
            file.seek(start)
            body = file.read(min(length, 64))
            if ident == b"fmt ":
                form = _wav_form(body, order)
            elif len(body) >= 16:
                long_bytes = struct.unpack("<Q", body[8:16])[0]
        if ident == b"data":
            if form is None:
                return None
            unknown = 1 << 62 if is_64_bit else PLACEHOLDER
            if is_64_bit and length == 0xFFFFFFFF and long_bytes is not None:
                length = long_bytes
            end, stated = _extent(file, start, length, size, order, unknown)
            return Layout("wav", *form, start, end, stated)
    return None


def _wav_form(body: bytes, order: str) -> tuple[str, int, int] | None:
    """NumPy type, rate and channels of a ``fmt`` chunk, or None if its samples are not plain."""
    if len(body) < 16:
        return None
    _, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", body[:16])
    tag = _wav_tag(body, order)
    if not channels or not rate or align % channels:
        return None
    width = align // channels
    if tag == 1 and width in (1, 2, 3, 4) and bits <= 8 * width:
        return ("|u1" if width == 1 else f"{order}i{width}"), rate, channels
    if tag == 3 and width in (4, 8):
        return f"{order}f{width}", rate, channels
    return None


def _wav_tag(body: bytes, order: str) -> int:
    """Which codec a ``fmt`` chunk names; 0 if it is cut off."""
    tag = struct.unpack(order + "H", body[:2])[0] if len(body) >= 2 else 0
    if tag == 0xFFFE and len(body) >= 40 and (body[26:40] == _GUID or order == ">"):
        return int(struct.unpack(order + "H", body[24:26])[0])
    return int(tag)


def _aiff(file: BinaryIO, size: int) -> Layout | None:
    form = place = None
    for ident, start, length in _chunks(file, size, ">"):
        file.seek(start)
        if ident == b"COMM":
            form = _aiff_form(file.read(min(length, 64)))
        elif ident == b"SSND":
            head = file.read(8)
            if len(head) < 8:
                return None
            skipped = 8 + struct.unpack(">I", head[:4])[0]
            place = start + skipped, max(length - skipped, 0)
        if form and place:
            end, stated = _extent(file, *place, size, ">", PLACEHOLDER)
            return Layout("aiff", *form, place[0], end, stated)
    return None


def _aiff_form(body: bytes) -> tuple[str, int, int] | None:
    """NumPy type, rate and channels of a ``COMM`` chunk, or None if its samples are not plain."""
    if len(body) < 18:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack(">hIhHQ", body[:18])
    # An 80-bit float; rates are positive and far below 2**63.
    rate = round(mantissa * 2.0 ** (exponent - 16383 - 63)) if exponent < 16383 + 63 else 0
    width, kind = (bits + 7) // 8, body[18:22].lower() or b"none"
    if channels < 1 or rate < 1:
        return None
    if kind in (b"fl32", b"fl64"):
        return f">f{int(kind[2:]) // 8}", rate, channels
    order = {b"none": ">", b"twos": ">", b"in24": ">", b"in32": ">", b"sowt": "<"}.get(kind)
    if order is None or width not in (1, 2, 3, 4):
        return None
    return ("|i1" if width == 1 else f"{order}i{width}"), rate, channels


def _extent(
    file: BinaryIO, start: int, stated: int, size: int, order: str, unknown: int
) -> tuple[int, int | None]:
    """Where the samples that begin at ``start`` end, and how many bytes the header really states."""
    end = start + stated
    if end > size:
        return size, (None if stated >= unknown else stated)
    slack = SLACK_BYTES if stated else 0
    if size - end > slack and not _are_chunks(file, end + stated % 2, size, order):
        return size, None
    return end, stated


def _are_chunks(file: BinaryIO, start: int, size: int, order: str) -> bool:
    """Whether chunks, not samples, lie from ``start`` on: one of a known name, or a chain to the very end."""
    while size - start >= 8:
        file.seek(start)
        head = file.read(8)
        if head[:4] in TRAILING:
            return True
        if not all(32 <= byte < 127 for byte in head[:4]):
            return False
        length = struct.unpack(order + "I", head[4:])[0]
        start += 8 + length + length % 2
    return start <= size + 1
