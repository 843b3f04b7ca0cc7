"""Whether sound goes on where a header, or the end of a stream, says that it stops.

``cat a.flac b.flac``, ``ffmpeg -f concat -c copy`` and recordings of internet radio make files in which a
second stream follows the first; libsndfile delivers the first only. What lies after it may also be a tag, so
the bytes are searched for what begins a frame of FLAC [1]_ or an Ogg stream [2]_. A false alarm (about one
file in a thousand) costs a second pass and changes nothing.

References
----------
.. [1] RFC 9639, "Free Lossless Audio Codec", section 9.1
.. [2] RFC 3533, "The Ogg Encapsulation Format Version 0", section 6
"""

from __future__ import annotations

import re
from typing import BinaryIO

#: How far a decoder may have read ahead of what it delivered: 15 KiB were seen of libFLAC, 8 KiB of
#: libvorbis.
READ_AHEAD = 1 << 15
#: How far beyond the decoder's position is searched: more than the longest page of Ogg (65,307 bytes).
SEARCHED = 1 << 17
#: Longest frame of FLAC to expect where the header does not say.
LONGEST_FRAME = 1 << 17


def ogg_goes_on(file: BinaryIO, position: int) -> bool:
    """Whether another stream begins near the byte ``position`` up to which the first one was read."""
    start = max(position - READ_AHEAD - SEARCHED, 1)
    file.seek(start)
    # The second bit of the header's type marks the first page of a stream.
    return re.search(rb"OggS\x00[\x02\x03\x06\x07]", file.read(position + SEARCHED - start)) is not None


def flac_goes_on(file: BinaryIO, start: int, position: int, n_frames: int) -> bool:
    """Whether frames of FLAC follow the one that holds sample ``n_frames - 1``.

    Parameters
    ----------
    file : BinaryIO
    start : int
        Where the stream begins, in bytes.
    position : int
        How far the decoder has read, in bytes.
    n_frames : int
        Samples per channel delivered so far.
    """
    file.seek(start + 8)
    stream = file.read(34)
    fixed_block, longest = int.from_bytes(stream[0:2], "big"), int.from_bytes(stream[7:10], "big")
    searched = max(position - READ_AHEAD - 2 * (longest or LONGEST_FRAME), start + 42)
    file.seek(searched)
    data = file.read(position + SEARCHED - searched)
    last = -1
    for found in re.finditer(rb"\xff[\xf8\xf9]", data):
        first_sample = _first_sample(data[found.start() : found.start() + 16], fixed_block)
        if first_sample is None:
            continue
        # Beyond the end, or counted from the beginning again.
        if first_sample >= n_frames or first_sample <= last:
            return True
        last = first_sample
    return False


def _first_sample(header: bytes, fixed_block: int) -> int | None:
    """The number of the first sample of the FLAC frame with this header, or None if this is no header."""
    if len(header) < 16:
        header = header.ljust(16, b"\0")
    block_code, rate_code = header[2] >> 4, header[2] & 15
    channel_code, depth_code = header[3] >> 4, header[3] >> 1 & 7
    if block_code == 0 or rate_code == 15 or channel_code > 10 or depth_code == 3 or header[3] & 1:
        return None
    # A number coded like UTF-8, in one to seven bytes.
    n_more = 0
    while header[4] << n_more & 0x80 and n_more < 7:
        n_more += 1
    if n_more == 1:
        return None
    number = header[4] & (0x7F >> n_more)
    n_more = max(n_more - 1, 0)
    for byte in header[5 : 5 + n_more]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 0x3F
    end = 5 + n_more + {6: 1, 7: 2}.get(block_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(header) or _crc8(header[:end]) != header[end]:
        return None
    return number if header[1] & 1 else number * fixed_block


def _crc8(data: bytes) -> int:
    """The check of a frame header: polynomial x^8 + x^2 + x + 1, starting from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
