"""Whether a file is complete, as far as its header tells: for files that may still be on their way.

A copy in progress has a header that promises more than there is: samples of a WAV or AIFF, atoms of an mp4, the end of
a zip. Formats that promise nothing (MP3, Ogg, FLAC, tar) look complete as soon as they begin; that they grow no more is
all there is to go by.
"""

from __future__ import annotations

import os
import struct
import zipfile
from typing import BinaryIO

from sonoscope.audio import archives, pcm, ranges, stores

#: Atoms at the top of an mp4; a file with more is damaged.
MOST_ATOMS = 1000


def is_whole(path: str | os.PathLike[str]) -> bool:
    """Whether the file holds what its header promises; False if it cannot be read.

    A WAV that a recorder without power left behind is never whole in this sense, though it can be analysed.
    """
    try:
        if stores.is_url(path) and stores.scheme_of(os.fspath(path)) in stores.OBJECTS:
            # There is no half of an object.
            return stores.details(os.fspath(path)).size_bytes != 0
        with _opened(path) as file:
            size = file.seek(0, 2)
            if size == 0:
                return False
            if os.fspath(path).lower().endswith(archives.ZIP_SUFFIXES):
                return zipfile.is_zipfile(file)
            file.seek(0)
            head = file.read(12)
            if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
                return _samples_are_there(file)
            if head[4:8] == b"ftyp":
                return _atoms_are_there(file, size)
            return len(head) == 12
    except OSError:
        return False


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    return ranges.open_url(os.fspath(path)) if stores.is_url(path) else open(path, "rb")


def _samples_are_there(file: BinaryIO) -> bool:
    """Whether a WAV or AIFF states a length, and has it; compressed samples are not looked into."""
    found = pcm.layout(file)
    if found is None:
        size = file.seek(0, 2)
        file.seek(4)
        return 8 + struct.unpack("<I", file.read(4).ljust(4, b"\0"))[0] <= size + 1
    return bool(found.stated_bytes) and found.end - found.start >= (found.stated_bytes or 0)


def _atoms_are_there(file: BinaryIO, size: int) -> bool:
    """Whether an mp4 has its index, and ends where its last atom does."""
    start, indexed = 0, False
    for _ in range(MOST_ATOMS):
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I", head[:4])[0], head[4:8]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        indexed |= kind in (b"moov", b"moof")
        if length == 0:
            return indexed
        if length < 8:
            return False
        start += length
        if start >= size:
            break
    return indexed and start == size
