"""What a file is, told by its first bytes and never by its name.

A ``.wav`` that holds an MP3 is an MP3; a failed download that holds a web page is refused in words that say
so. Only what decides which reader is asked first, and what no decoder should be bothered with, is recognised
here.

MPEG audio is special: libsndfile believes an estimate of the length, so that of a variable-bit-rate MP3
without a Xing header it may deliver a third. It is trusted only where a Xing/Info header [1]_ states the
number of frames and of bytes, and the file has just as many bytes.

References
----------
.. [1] "MP3 Info Tag revision 1 specifications", http://gabriel.mp3-tech.org/mp3infotag.html
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

#: Bytes looked at: two of the longest MPEG frames (1,441 bytes), and enough text to be sure that it is text.
HEAD_BYTES = 4096

#: First bytes of what people have among their recordings and is no recording.
NOT_SOUND: tuple[tuple[bytes, str], ...] = (
    (b"MThd", "a MIDI file: it holds notes, not sound"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
)

#: Plain-text beginnings (lower case) and what they mean.
TEXTS: tuple[tuple[str, str], ...] = (
    ("version https://git-lfs", "a Git LFS pointer: the sound itself was not fetched (git lfs pull)"),
    ("<!doctype html", "a web page, as a failed download leaves behind"),
    ("<html", "a web page, as a failed download leaves behind"),
    ("<?xml", "an XML document"),
    ("#extm3u", "a playlist: it names recordings, it holds none"),
    ("[playlist]", "a playlist: it names recordings, it holds none"),
    ("{", "text (JSON)"),
)


@dataclass(frozen=True)
class Content:
    """What the bytes are.

    Attributes
    ----------
    kind : str
        ``wav``, ``aiff``, ``flac``, ``vorbis``, ``mpeg`` (layers I to III), ``sndfile`` (others that
        libsndfile reads), or empty: not recognised, FFmpeg may know.
    refusal : str
        If it is no sound: what it is instead.
    start : int
        The first byte after ID3 tags.
    xing : Xing, optional
        What an MP3's first frame states about its length.
    """

    kind: str = ""
    refusal: str = ""
    start: int = 0
    xing: Xing | None = None


@dataclass(frozen=True)
class Xing:
    """``duration_s`` as stated by the number of frames; ``whole``: the file ends where the statement says."""

    duration_s: float
    whole: bool


def recognise(file: BinaryIO) -> Content:
    """Tell what ``file`` (seekable) holds. Its position afterwards is not defined."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    start = 0
    # An ID3v2 tag may precede MP3, FLAC and AAC, and may hold a picture of megabytes.
    while n_bytes := _tag_bytes(head):
        start += n_bytes
        file.seek(start)
        head = file.read(HEAD_BYTES)
    kind = _kind(head)
    if kind == "mpeg":
        return Content(kind, start=start, xing=_xing(file, head, start))
    if kind or start:
        return Content(kind, start=start)
    return Content(refusal=_refusal(head))


def _kind(head: bytes) -> str:
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        # The first packet follows the table of segments.
        packet = 27 + head[26] if len(head) > 26 else len(head)
        return "vorbis" if head[packet : packet + 7] == b"\x01vorbis" else ""
    if head[:4] in (b".snd", b"caff") or head[:7] == b"NIST_1A":
        return "sndfile"
    return "mpeg" if _two_frames(head) else ""


def _refusal(head: bytes) -> str:
    for signature, what in NOT_SOUND:
        if head.startswith(signature):
            return what
    if not any(head):
        return f"a row of zeros (its first {len(head)} bytes), as a failing memory card leaves behind"
    return _text(head)


def _text(head: bytes) -> str:
    """What kind of text it is, or nothing if it is no text."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        # The last character may be cut in two by the length of what was read.
        if len(head) < HEAD_BYTES or error.start < len(head) - 4:
            return ""
        text = head[: error.start].decode(encoding)
    if not all(character.isprintable() or character in "\t\n\r\f" for character in text):
        return ""
    beginning = text.lstrip().lower()
    return next((what for start, what in TEXTS if beginning.startswith(start)), "plain text")


# ---- MPEG audio --------------------------------------------------------------------------------------------

#: Bit rates in kbit/s by the index in the header: layers I, II, III of MPEG-1, then layer I and layers II and
#: III of MPEG-2 and 2.5.
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class _Frame:
    version: int
    layer: int
    sample_rate: int
    mono: bool
    n_bytes: int

    @property
    def n_samples(self) -> int:
        if self.layer == 1:
            return 384
        return 576 if self.layer == 3 and self.version == 2 else 1152


def _frame(header: bytes) -> _Frame | None:
    """An MPEG audio frame header, or None if no such begins here."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version_bits, layer_bits = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_index, sample_rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version_bits == 1 or layer_bits == 0 or rate_index in (0, 15) or sample_rate_index == 3:
        return None
    version, layer = (1 if version_bits == 3 else 2), 4 - layer_bits
    # Version bits 3, 2, 0 are MPEG-1, 2 and 2.5: each halves the rate.
    sample_rate = (44100, 48000, 32000)[sample_rate_index] >> {3: 0, 2: 1, 0: 2}[version_bits]
    bits = 1000 * _KBITS[version, layer if version == 1 or layer == 1 else 2][rate_index - 1]
    padding = header[2] >> 1 & 1
    if layer == 1:
        n_bytes = 4 * (12 * bits // sample_rate + padding)
    else:
        n_bytes = (72 if layer == 3 and version == 2 else 144) * bits // sample_rate + padding
    return _Frame(version, layer, sample_rate, header[3] >> 6 == 3, n_bytes)


def _two_frames(head: bytes) -> bool:
    """Whether ``head`` begins with an MPEG audio frame that another one of its kind, or the end, follows."""
    first = _frame(head[:4])
    if first is None:
        return False
    if len(head) <= first.n_bytes:
        return len(head) == first.n_bytes
    second = _frame(head[first.n_bytes : first.n_bytes + 4])
    return second is not None and (second.version, second.layer, second.sample_rate) == (
        first.version,
        first.layer,
        first.sample_rate,
    )


def _xing(file: BinaryIO, head: bytes, start: int) -> Xing | None:
    """The Xing or Info header in the first frame, which lies at byte ``start`` of the file."""
    frame = _frame(head[:4])
    if frame is None or frame.layer != 3:
        return None
    side_bytes = (17 if frame.mono else 32) if frame.version == 1 else (9 if frame.mono else 17)
    tag = head[4 + side_bytes : 4 + side_bytes + 16]
    if tag[:4] not in (b"Xing", b"Info") or len(tag) < 16 or tag[7] & 3 != 3:
        return None
    n_frames, n_bytes = struct.unpack(">II", tag[8:16])
    if not n_frames or not n_bytes:
        return None
    end = start + n_bytes
    is_complete = end <= file.seek(0, os.SEEK_END)
    file.seek(end)
    following = file.read(16)
    while tag_bytes := _tag_bytes(following):
        end += tag_bytes
        file.seek(end)
        following = file.read(16)
    goes_on = _frame(following) is not None
    return Xing(n_frames * frame.n_samples / frame.sample_rate, is_complete and not goes_on)


def _tag_bytes(head: bytes) -> int:
    """Length of the tag that begins here (ID3v2 before the sound; ID3v1 and APE after it), 0 if none does."""
    if head[:3] == b"ID3" and len(head) >= 10:
        # Seven bits in each byte; a footer repeats the ten bytes.
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) >= 16:
        # What is stated leaves out the header of 32 bytes.
        return 32 + int.from_bytes(head[12:16], "little")
    return 0
