"""Everything else, through PyAV (FFmpeg's libraries): AAC, Opus, WMA, sound of videos, damaged streams.

Two things that look natural are avoided. ``AudioResampler(layout="mono")`` gives 1.41 times the mean of two
channels; here channels stay as they are. ``frame.to_ndarray()`` for each frame of 20 to 90 ms costs as much
as decoding it; here frames are collected in FFmpeg's own queue and converted block by block, which leaves a
tenth of that cost.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

import av
import numpy as np
import soxr
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from sonoscope.audio.reader import DAMAGED, AudioInfo, NotDecodable

#: Containers whose length FFmpeg takes from the header, not from the size of the file or its last packet.
STATED = frozenset({"mov", "caf", "flac", "wav", "w64", "aiff", "matroska"})

#: How files begin that FFmpeg would open if their header were whole.
KNOWN = (b"OggS", b"\x1aE\xdf\xa3", b"RIFF", b"FORM", b"fLaC", b".snd", b"caff", b"\x30\x26\xb2\x75")

#: Tags in another encoding are no reason to fail. PyAV 19 has no option for it any more, and never fails.
TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}

CONVERT = "Convert it with ffmpeg to FLAC or WAV, or copy it again from where it came."


class _Nameless:
    """What PyAV needs of a file, without its name: FFmpeg would take a hint from the suffix."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


class FfmpegReader:
    """A :class:`~sonoscope.audio.reader.Reader` over PyAV.

    Parameters
    ----------
    file : BinaryIO
        Seekable.
    container : str, optional
        FFmpeg's name of the container, where it is known already.

    Raises
    ------
    NotDecodable
        If this is no container that FFmpeg knows, there is no sound in it, or none of it can be decoded.
    """

    def __init__(self, file: BinaryIO, container: str | None = None) -> None:
        file.seek(0)
        try:
            self._container: Any = av.open(_Nameless(file), format=container, options=_options(), **TAGS)
        except (FFmpegError, ValueError) as error:
            raise NotDecodable(_unopened(file, error), CONVERT) from None
        try:
            self._start()
        except BaseException:
            self._container.close()
            raise

    def _start(self) -> None:
        """Choose the stream and decode its first frame: it alone says what rate and channels really are."""
        self.left_over = False
        self.remarks: list[str] = []
        self._seconds, self._damaged, self._damaged_s = 0.0, 0, 0.0
        name = self._container.format.name.split(",")[0]
        stream = self._container.streams.best("audio")
        if stream is None:
            what = "video" if self._container.streams.video else f"{name} file"
            raise NotDecodable(f"is a {what} without sound", "Leave it out: there is nothing to hear.")
        if stream.codec_context is None:
            raise NotDecodable("holds sound in a codec that FFmpeg has no decoder for", CONVERT)
        # One thread: files are what is spread over cores. Pictures are not even read (a third of the time).
        stream.codec_context.thread_count = 1
        if stream.codec_context.name == "flac":
            # Frames whose checksum is wrong are noise at full scale: leave them out.
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        for other in self._container.streams:
            if other is not stream and hasattr(other, "discard"):
                other.discard = type(other.discard).all
        self._stream: Any = stream
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None:
            raise NotDecodable(
                f"none of its {stream.codec_context.codec.canonical_name} sound can be decoded", CONVERT
            )
        self._source = chain((first,), decoded)
        length_s = self._length_s()
        self.promised_s = length_s if name in STATED else None
        codec, channels = stream.codec_context.codec.canonical_name, first.layout.nb_channels
        self.info = AudioInfo(first.sample_rate, channels, codec, name, length_s)

    def _length_s(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        # The container's length may be that of its picture.
        if self._container.duration is not None and not self._container.streams.video:
            return self._container.duration / av.time_base
        return None

    def frames(self, block_samples: int) -> Iterator[np.ndarray]:
        """As in :class:`~sonoscope.audio.reader.Reader`.

        If the rate changes on the way, what follows is brought to the first one, so that time goes on evenly.
        """
        queue, back = av.AudioFifo(), None
        shape = self.info.sample_rate, self.info.channels
        for frame in self._source:
            # Time stamps are not needed, and gaps in them would be refused.
            frame.pts = None
            try:
                queue.write(frame)
            except ValueError:
                # Another sample format, number of channels or rate from here on.
                yield from _drained(queue, back, shape[1])
                queue = av.AudioFifo()
                queue.write(frame)
                before, shape = shape, (frame.sample_rate, frame.layout.nb_channels)
                back = self._changed(before, shape)
            while queue.samples >= block_samples:
                yield from _delivered(_floats(queue.read(block_samples)), back)
        yield from _drained(queue, back, shape[1])
        if self._damaged:
            times = "a packet" if self._damaged == 1 else f"{self._damaged} packets"
            self.remarks.append(f"{DAMAGED} from {self._damaged_s:.3f} s on: {times} could not be decoded")

    def close(self) -> None:
        """Free the decoder; the file stays open."""
        self._container.close()

    def _changed(self, before: tuple[int, int], after: tuple[int, int]) -> soxr.ResampleStream | None:
        """Remark a change of (rate, channels); the way back to the first rate if there is need of one."""
        for name, old, new in zip(("sample rate in Hz", "number of channels"), before, after, strict=True):
            if old != new:
                self.remarks.append(f"the {name} changes from {old} to {new} at {self._seconds:.3f} s")
        rate, channels = after
        if rate == self.info.sample_rate:
            return None
        return soxr.ResampleStream(rate, self.info.sample_rate, channels, dtype="float32", quality="HQ")

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames in order; packets that cannot be decoded are counted and passed over."""
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except FFmpegError:
                self._note_damage()
                continue
            for frame in frames:
                yield frame
                self._seconds += frame.samples / frame.sample_rate

    def _packets(self) -> Iterator[Any]:
        """The stream's packets; after damage to the container None, which empties the decoder."""
        try:
            yield from self._container.demux(self._stream)
        except FFmpegError:
            self._note_damage()
            yield None

    def _note_damage(self) -> None:
        if not self._damaged:
            self._damaged_s = self._seconds
        self._damaged += 1


def _drained(queue: av.AudioFifo, back: soxr.ResampleStream | None, channels: int) -> Iterator[np.ndarray]:
    """What is left in a queue that gets no more frames, and in the resampler behind it."""
    if queue.samples:
        yield from _delivered(_floats(queue.read(0)), back)
    if back is not None:
        yield from _delivered(np.empty((0, channels), np.float32), back, last=True)


def _delivered(
    block: np.ndarray, back: soxr.ResampleStream | None, *, last: bool = False
) -> Iterator[np.ndarray]:
    """The block, brought to the first rate where a resampler is given."""
    if back is not None:
        channels = block.shape[1]
        # soxr takes and gives (n,) where there is one channel.
        chunk = np.ascontiguousarray(block if channels > 1 else block[:, 0])
        block = back.resample_chunk(chunk, last=last).reshape(-1, channels)
    if len(block):
        yield block


def _floats(frame: Any) -> np.ndarray:
    """A frame of any sample format as float32 of shape (n, channels), full scale 1."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.float32:
        return samples
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32)
    scale = np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    if samples.dtype.kind == "u":
        samples = np.subtract(samples, np.float32(128), dtype=np.float32)
    return np.multiply(samples, scale, dtype=np.float32, casting="unsafe")


@functools.cache
def _options() -> dict[str, str]:
    """No pictures and no other files.

    FFmpeg decodes pictures to find out what a file holds, and a list of files, which need not be text, leads it on to
    these. Here it does neither, so that holes in decoders of video (CVE-2026-8461, say) are none of ours, and no file
    makes others, or another host, be read.
    """
    sound = sorted(name for name in av.codecs_available if _decodes_sound(name))
    return {"codec_whitelist": ",".join(sound), "protocol_whitelist": "none"}


def _decodes_sound(codec: str) -> bool:
    try:
        return av.Codec(codec, "r").type == "audio"
    except UnknownCodecError:  # it encodes only
        return False


def _unopened(file: BinaryIO, error: Exception) -> str:
    """Why FFmpeg cannot open a file, as far as its beginning tells."""
    file.seek(0)
    head = file.read(16)
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
        return "its index (the moov atom) is missing: the recording was cut off before it was finished"
    if head[:4] in KNOWN:
        return "its header is damaged or cut off"
    detail = getattr(error, "strerror", None) or str(error)
    return f"is in no format of sound that FFmpeg knows ({detail}; it begins with {head.hex(' ')})"
