"""One recording as mono float32 blocks at any rate, from its first sample to its last.

    with Decoder(recording, sample_rate=22050) as decoder:
        for block in decoder.blocks():        # (n,) float32, valid until the next one
            ...
    decoder.duration_s, decoder.problem       # counted; what was wrong, if anything

Decoding is sequential: seeking is not exact in many containers, and the length that a header states is a hint
that is often wrong, so samples are counted. Channels are averaged (mean, so that a signal in all of them
keeps its level) or one is chosen, then the rate is changed (``rates.py``); both give the same bits for any size
of blocks. Memory does not grow with the recording, with one exception: a compressed member of an archive is
unpacked first, in memory up to 32 MiB and in a temporary file beyond.

Which reader decodes follows from the file's first bytes. Where libsndfile cannot open a file, stops at
damage, or ends before the file does, FFmpeg takes over at the same sample: this is the one fallback there is.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from sonoscope.audio import archives, pcm, ranges, rates, recorders, stores
from sonoscope.audio.contents import Content, recognise
from sonoscope.audio.reader import DAMAGED, AudioInfo, NotDecodable, Reader
from sonoscope.audio.sndfile import SndfileReader
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording

__all__ = ["AudioInfo", "Decoder", "blocks", "read"]

#: Samples per channel and block: 1.5 s at 44.1 kHz. Larger ones leave the processor's cache, smaller ones
#: cost calls.
BLOCK_SAMPLES = 65536
#: Channels cancel each other if their mean has less than this share of the power that it has of unrelated ones.
CANCELLED_SHARE = 0.01
#: A channel that swings further than this (-50 dBFS) from its middle is heard well, and not looked at any more.
QUIET = 10.0 ** (-50 / 20)
#: Absolute value from which a sample counts as clipped.
FULL_SCALE = 0.999
#: No sample is beyond this: whole numbers of 32 bits reach half of it where nobody divided them. Powers of larger ones
#: overflow float32.
BEYOND = 2.0**32
#: A block in which all channels together stay within this is one that nothing was recorded in: a step of 16 bits.
STILL = 2.0 / 32768.0
#: A recording is called cut short if it lacks more than this share and this much (codecs pad by up to 0.1 s).
SHORT_SHARE, SHORT_S = 0.01, 0.25

MEND_LINK = "Mend the link, or leave it out."
COPY_AGAIN = "Copy it again from where it came, or leave it out."
WRITE_AGAIN = (
    "They are no numbers (NaN, infinity), or far beyond full scale: write it again with what made it."
)


class Decoder:
    """Decodes one recording once; a context manager.

    Parameters
    ----------
    recording : Recording
    sample_rate : int, optional
        Rate of the blocks in Hz; default: the recording's own.
    channel : int, optional
        The channel to hear, from 1; default: the mean of all.
    block_samples : int
        Samples per channel that are decoded at a time.

    Attributes
    ----------
    info : AudioInfo
        From ``__enter__`` on.
    n_decoded : int
        Samples per channel decoded so far, at the native rate.
    duration_s : float
        The same in seconds: after exhaustion the true length.
    peak : float
        Largest absolute sample so far of any channel that is heard, before averaging.
    swings : tuple of float
        For each channel that is heard, how far the samples so far swing from their middle; infinity from ``QUIET`` on.
    middles : tuple of float
        The middle of each, meaningful where the swing is finite: a constant voltage stays there.
    clipped_share : float
        Share of the samples so far of all channels that are heard with an absolute value of at least 0.999.
    cancels : bool
        Whether next to nothing of the channels so far is left in their mean: one is the other upside down.
    still_from_s : float
        From when on nothing was recorded any more, to a block; the duration so far where it still is.
    problem : str
        After exhaustion: what was wrong (damage, less sound than the header states, samples that are no
        numbers), or empty.

    Raises
    ------
    UnreadableAudio
        On ``__enter__`` or from :meth:`blocks`, if nothing can be decoded, the file cannot be read, or there
        is no such channel.
    ValueError
        If ``sample_rate`` or ``block_samples`` is not positive.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        sample_rate: int | None = None,
        channel: int | None = None,
        block_samples: int = BLOCK_SAMPLES,
    ) -> None:
        if sample_rate is not None and sample_rate < 1:
            raise ValueError(f"sample_rate={sample_rate} must be at least 1 Hz")
        if block_samples < 1:
            raise ValueError(f"block_samples={block_samples} must be at least 1")
        self.info: AudioInfo
        self.n_decoded = 0
        self.peak = 0.0
        self.problem = ""
        self._recording, self._sample_rate, self._channel = recording, sample_rate, channel
        self._block_samples = block_samples
        self._content = Content()
        self._n_clipped = self._n_looked_at = self._n_not_finite = self._n_beyond = 0
        self._power = self._mixed_power = 0.0
        self._ranges: list[tuple[float, float]] = []
        self._quiet: list[int] = []
        self._mixed = np.empty(0, np.float32)
        self._n_alive = 0
        self._used = False

    def __enter__(self) -> Decoder:
        self._file = self._opened()
        try:
            # Before a reader is chosen: some hold on to a place in the file.
            told = recorders.told(self._file)
            self._reader = self._choose()
            self.info = replace(self._reader.info, told=told)
            self._check_channel()
        except BaseException as error:
            self.__exit__()
            raise self._named(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        reader: Reader | None = self.__dict__.pop("_reader", None)
        if reader is not None:
            reader.close()
        self._file.close()

    @property
    def duration_s(self) -> float:
        return self.n_decoded / self.info.sample_rate

    @property
    def clipped_share(self) -> float:
        return self._n_clipped / self._n_looked_at if self._n_looked_at else 0.0

    @property
    def swings(self) -> tuple[float, ...]:
        halves = ((high - low) / 2 for low, high in self._ranges)
        return tuple(half if half < QUIET else math.inf for half in halves)

    @property
    def middles(self) -> tuple[float, ...]:
        return tuple((low + high) / 2 for low, high in self._ranges)

    @property
    def still_from_s(self) -> float:
        return self._n_alive / self.info.sample_rate

    @property
    def cancels(self) -> bool:
        # Of unrelated channels, or of a single one that sounds, the mean has 1 / channels of the mean power.
        return self._mixed_power < CANCELLED_SHARE * self._power / self.info.channels

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the signal in order as float32 arrays of shape (n,), ``n > 0``; once.

        Each is valid until the next one is asked for.
        """
        if self._used:
            raise RuntimeError("a Decoder is read once: make another one to hear the recording again")
        self._used = True
        rate = self.info.sample_rate
        yield from rates.at_rate(self._heard(), rate, self._sample_rate or rate)

    def _heard(self) -> Iterator[np.ndarray]:
        """The same at the recording's own rate, looked at on the way."""
        try:
            for frames in self._frames():
                if self._channel is not None:
                    place = min(self._channel, frames.shape[1])
                    frames = frames[:, place - 1 : place]
                still = self._look_at(frames)
                mono = self._mono(frames)
                self.n_decoded += len(mono)
                if not still:
                    self._n_alive = self.n_decoded
                yield mono
        except (NotDecodable, OSError) as error:
            raise self._named(error) from None
        if not self.n_decoded:
            raise self._named(NotDecodable("holds no sound: it ends after its header", COPY_AGAIN))
        if self._n_not_finite + self._n_beyond == self._n_looked_at:
            raise self._named(NotDecodable("holds no sound: none of its samples is one", WRITE_AGAIN))
        self._conclude()

    # ---- opening -------------------------------------------------------------------------------------------

    def _opened(self) -> BinaryIO:
        recording = self._recording
        try:
            if recording.member is not None:
                return archives.open_member(recording.path, recording.member)
            if stores.is_url(recording.path):
                return ranges.open_url(recording.path)
            kind = os.stat(recording.path).st_mode  # noqa: PTH116 (a path that is no text stays as it is)
            if not stat.S_ISREG(kind):
                what = "a folder" if stat.S_ISDIR(kind) else "a device or a pipe"
                raise NotDecodable(f"is {what}, not a file", "Name a file.")
            # Not buffered: the readers ask for large pieces, and must know how far a decoder has read.
            return io.FileIO(recording.path)
        except (NotDecodable, OSError) as error:
            raise self._named(error) from None

    def _choose(self) -> Reader:
        """The reader for what the file's bytes say it is."""
        if self._file.seek(0, os.SEEK_END) == 0:
            raise NotDecodable("is empty (0 bytes)", COPY_AGAIN)
        self._content = content = recognise(self._file)
        if content.refusal:
            raise NotDecodable(f"is no recording but {content.refusal}", "Leave it out, or replace it.")
        if content.kind in ("wav", "aiff") and (found := pcm.layout(self._file)):
            return pcm.PcmReader(self._file, found)
        if self._is_for_libsndfile(content):
            try:
                return SndfileReader(self._file, content)
            except soundfile.LibsndfileError:
                pass
        return self._with_ffmpeg()

    def _is_for_libsndfile(self, content: Content) -> bool:
        """Whether libsndfile is asked at all."""
        if content.kind == "mpeg":
            return content.xing is not None and content.xing.whole
        if content.kind in ("wav", "aiff"):
            # CVE-2026-37555: up to 1.2.2, which the wheels of soundfile 0.14 hold, lengths of IMA ADPCM overflow.
            return not pcm.is_ima_adpcm(self._file)
        return bool(content.kind)

    def _with_ffmpeg(self) -> Reader:
        # Loading FFmpeg's libraries takes 80 ms, a quarter of all that is loaded, and most files need none.
        from sonoscope.audio.ffmpeg import FfmpegReader

        reader = FfmpegReader(self._file, "mp3" if self._content.kind == "mpeg" else None)
        if self._content.xing is not None:
            reader.promised_s = self._content.xing.duration_s
        return reader

    def _check_channel(self) -> None:
        n = self.info.channels
        if self._channel is not None and not 1 <= self._channel <= n:
            has = "1 channel" if n == 1 else f"{n} channels"
            raise NotDecodable(
                f"has {has}: there is no channel {self._channel}",
                "Leave the choice of channel out."
                if n == 1
                else f"Choose from 1 to {n}, or none for the mean.",
            )

    # ---- reading -------------------------------------------------------------------------------------------

    def _frames(self) -> Iterator[np.ndarray]:
        """Frames of all channels; what the first reader leaves, FFmpeg gives from the same sample on."""
        yield from self._reader.frames(self._block_samples)
        if not self._reader.left_over:
            return
        first = self._reader
        try:
            second = self._with_ffmpeg()
        except NotDecodable:
            if not self.n_decoded:
                raise
            return
        first.close()
        self._reader = second
        second.promised_s = second.promised_s or first.promised_s
        to_skip = self.n_decoded
        for frames in second.frames(self._block_samples):
            if to_skip < len(frames):
                yield frames[to_skip:]
            to_skip = max(to_skip - len(frames), 0)
        # A tag after the sound is damage to libsndfile; it is none if nothing is missing.
        if not second.remarks and self.duration_s < (second.promised_s or math.inf):
            second.remarks = first.remarks

    def _look_at(self, frames: np.ndarray) -> bool:
        """Keep peak and clipping; put 0 where samples are no numbers, or so large that they are no sound.

        Whether nothing was recorded in them: they stay where they are.
        """
        high, low = float(frames.max()), float(frames.min())
        if not (high <= BEYOND and low >= -BEYOND):
            finite, sound = np.isfinite(frames), np.abs(frames) <= BEYOND
            self._n_not_finite += frames.size - int(finite.sum())
            self._n_beyond += int(finite.sum()) - int(sound.sum())
            frames[~sound] = 0.0
            high, low = float(frames.max()), float(frames.min())
        peak = max(high, -low)
        self.peak = max(self.peak, peak)
        self._look_for_silence(frames)
        self._n_looked_at += frames.size
        if peak >= FULL_SCALE:
            self._n_clipped += int(np.count_nonzero(np.abs(frames) >= FULL_SCALE))
        return high - low < STILL

    def _look_for_silence(self, frames: np.ndarray) -> None:
        """Keep the range of each channel until it is heard well: of most after a block."""
        if not self._ranges:
            self._ranges = [(math.inf, -math.inf)] * frames.shape[1]
            self._quiet = list(range(frames.shape[1]))
        for channel in self._quiet if self._quiet and max(self._quiet) < frames.shape[1] else ():
            (low, high), samples = self._ranges[channel], frames[:, channel]
            self._ranges[channel] = min(low, float(samples.min())), max(high, float(samples.max()))
        self._quiet = [c for c in self._quiet if self._ranges[c][1] - self._ranges[c][0] < 2 * QUIET]

    def _mono(self, frames: np.ndarray) -> np.ndarray:
        """The mean of all channels: added one by one, so that no block size changes the rounding."""
        n, channels = frames.shape
        if channels == 1 and frames.flags.c_contiguous:
            return frames[:, 0]
        if self._mixed.size < n:
            self._mixed = np.empty(max(n, self._block_samples), np.float32)
        mono = self._mixed[:n]
        if channels == 1:
            np.copyto(mono, frames[:, 0])
            return mono
        np.add(frames[:, 0], frames[:, 1], out=mono)
        for channel in range(2, channels):
            np.add(mono, frames[:, channel], out=mono)
        np.multiply(mono, np.float32(1 / channels), out=mono)
        self._power += float(np.vdot(frames, frames)) / channels
        self._mixed_power += float(np.vdot(mono, mono))
        return mono

    def _conclude(self) -> None:
        """Say what was wrong."""
        remarks = list(self._reader.remarks)
        promised_s = self._reader.promised_s or 0.0
        if self.duration_s < promised_s * (1 - SHORT_SHARE) - SHORT_S:
            remarks.append(
                f"cut short or {DAMAGED}: the header states {promised_s:.3f} s, "
                f"{self.duration_s:.3f} s could be decoded and were analysed"
            )
        for n, what in ((self._n_not_finite, "not finite"), (self._n_beyond, "far beyond full scale")):
            if n:
                remarks.append(f"{n} {'sample was' if n == 1 else 'samples were'} {what} and taken as 0")
        self.problem = "; ".join(remarks)

    def _named(self, error: BaseException) -> BaseException:
        """The error with the recording's name in it, if it is about the recording."""
        if isinstance(error, NotDecodable):
            reason, remedy = error.reason, error.remedy
        elif isinstance(error, PermissionError):
            reason, remedy = "no permission to read it", "Ask its owner, or change its permissions."
        elif isinstance(error, FileNotFoundError):
            reason, remedy = _absent(self._recording.path)
        elif isinstance(error, OSError) and error.errno == errno.ELOOP:
            reason, remedy = "is a link that leads back to itself", MEND_LINK
        elif isinstance(error, OSError):
            reason, remedy = f"cannot be read ({error.strerror or error})", "Check the disk or the network."
        else:
            return error
        return UnreadableAudio(self._recording.name, reason, remedy)


def _absent(path: str) -> tuple[str, str]:
    """Why a recording that was listed is not there, and what to do."""
    if Path(path).is_symlink():
        target = os.fsencode(Path(path).readlink()).decode(errors="backslashreplace")
        return f"is a link to {target}, which is not there", MEND_LINK
    return "is not there any more", "List the inputs again: it was moved or removed."


def blocks(
    recording: Recording | str | os.PathLike[str], sample_rate: int | None = None, **options: int | None
) -> Iterator[np.ndarray]:
    """The blocks of :class:`Decoder` for a recording or a path; ``options`` are its others."""
    with Decoder(_as_recording(recording), sample_rate=sample_rate, **options) as decoder:  # type: ignore[arg-type]
        yield from decoder.blocks()


def read(
    recording: Recording | str | os.PathLike[str], sample_rate: int | None = None, channel: int | None = None
) -> tuple[np.ndarray, int]:
    """The whole mono signal, float32 of shape (n,), and its rate. For files that fit into memory."""
    with Decoder(_as_recording(recording), sample_rate=sample_rate, channel=channel) as decoder:
        parts = [block.copy() for block in decoder.blocks()]
        return np.concatenate(parts), sample_rate or decoder.info.sample_rate


def _as_recording(recording: Recording | str | os.PathLike[str]) -> Recording:
    if isinstance(recording, Recording):
        return recording
    path = os.fspath(recording)
    return Recording(path, Path(path).name)
