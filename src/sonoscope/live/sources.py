"""Where live sound comes from: a microphone, another program's samples on stdin, a file as if it were played.

A source gives :class:`Block` s, and counts what it had to leave out because nobody took it (``dropouts``): a microphone
does not wait, and neither does a file paced in real time. Samples on stdin and a file that is not paced wait for
whoever takes them, so nothing of them is ever lost.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.errors import UsageError, lookup, nearest, optional
from sonoscope.values import Recording

#: Seconds of sound in a block that a source makes itself.
BLOCK_S = 0.01
#: Seconds of sound that wait for a slow consumer before any is left out.
QUEUED_S = 2.0


class Block(NamedTuple):
    """Samples of shape (n, channels), float32; ``lost`` frames before them were left out."""

    samples: np.ndarray
    lost: int = 0


class Source(Protocol):
    """Sound as it comes.

    Attributes
    ----------
    name : str
        For the first line.
    sample_rate, channels : int
    delay_s : float
        How late its blocks are by themselves: their own length, and what the device says of itself.
    subtype : str
        How soundfile keeps its samples without loss.
    endless : bool
        Whether it ends only when it is told to.
    dropouts, lost : int
        How often sound was left out, and how many frames in all.
    """

    name: str
    sample_rate: int
    channels: int
    delay_s: float
    subtype: str
    endless: bool

    @property
    def dropouts(self) -> int: ...
    @property
    def lost(self) -> int: ...
    def blocks(self) -> Iterator[Block]: ...
    def close(self) -> None: ...


class Waiting:
    """Blocks between a thread that cannot wait and one that may be slow; what finds no room is counted.

    Once there is no room, sound is left out until three quarters are free: one gap rather than many, each of which
    costs the models what they knew, and what is heard afterwards is not late any more.

    Parameters
    ----------
    capacity : int
        Frames that may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._held = capacity, 0
        self._queue: queue.SimpleQueue[Block | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._missed = 0
        self.dropouts = self.lost = 0

    def put(self, samples: np.ndarray) -> None:
        """Hand over samples, which must not change afterwards, or count them as lost."""
        with self._lock:
            room = self._capacity if not self._missed else self._capacity // 4
            if self._held and self._held + len(samples) > room:
                self.dropouts += self._missed == 0
                self._missed += len(samples)
                self.lost += len(samples)
                return
            self._held += len(samples)
            block, self._missed = Block(samples, self._missed), 0
        self._queue.put(block)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; an error is raised where the blocks are taken."""
        self._queue.put(error)

    def blocks(self) -> Iterator[Block]:
        """The blocks in order, until the end."""
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            with self._lock:
                self._held -= len(item.samples)
            yield item


# ---- samples from another program --------------------------------------------------------------------------


class SampleFormat(NamedTuple):
    """How samples lie in bytes: NumPy's type (``<i3``: 24 bits), what is full scale, and soundfile's name."""

    dtype: str
    scale: float
    subtype: str


#: By ffmpeg's names.
SAMPLE_FORMATS: dict[str, SampleFormat] = {
    "s16le": SampleFormat("<i2", 2.0**-15, "PCM_16"),
    "s24le": SampleFormat("<i3", 2.0**-23, "PCM_24"),
    "s32le": SampleFormat("<i4", 2.0**-31, "FLOAT"),
    "f32le": SampleFormat("<f4", 1.0, "FLOAT"),
    "u8": SampleFormat("|u1", 2.0**-7, "PCM_U8"),
    "s16be": SampleFormat(">i2", 2.0**-15, "PCM_16"),
}

#: Headers of files, which are no samples.
_HEADERS = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3")


class Pcm:
    """Plain samples from a file object, each block as soon as it is there.

    Parameters
    ----------
    file : BinaryIO
        With ``read1``: gives what has come, and waits only where there is nothing.
    sample_format : str
        A name in ``SAMPLE_FORMATS``.

    Raises
    ------
    UnknownName
        If there is no such format.
    UsageError
        If rate or channels are not positive; from :meth:`blocks`, if what comes is a file with a header.
    """

    endless = True
    #: It waits.
    dropouts = lost = 0

    def __init__(
        self, file: BinaryIO, *, sample_rate: int, channels: int = 1, sample_format: str = "s16le"
    ) -> None:
        if sample_rate < 1 or channels < 1:
            raise UsageError(f"rate={sample_rate} Hz and channels={channels} must both be at least 1")
        self._file, self._form = file, lookup(SAMPLE_FORMATS, sample_format, "sample format")
        self.name = "stdin"
        self.sample_rate, self.channels = sample_rate, channels
        self.subtype, self.delay_s = self._form.subtype, BLOCK_S

    def blocks(self) -> Iterator[Block]:
        width = int(self._form.dtype[2:]) * self.channels
        most = max(int(self.sample_rate * BLOCK_S), 1) * width
        held, first = b"", True
        while piece := self._file.read1(most):  # type: ignore[attr-defined]
            if first and piece.startswith(_HEADERS):
                raise UsageError(
                    "what comes on stdin is a file with a header, not plain samples: give the file's name, or let "
                    "ffmpeg write samples (-f s16le)"
                )
            first = False
            held += piece
            whole = len(held) // width * width
            if whole:
                yield Block(self._floats(held[:whole]).reshape(-1, self.channels))
                held = held[whole:]

    def _floats(self, raw: bytes) -> np.ndarray:
        dtype, scale, _ = self._form
        if dtype == "<i3":
            # Three bytes become the upper ones of four, so that the sign is where it belongs.
            wide = np.zeros((len(raw) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            return wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)
        values = np.frombuffer(raw, dtype).astype(np.float32)
        with np.errstate(invalid="ignore"):  # whatever bytes these are
            return values * np.float32(scale) - np.float32(1.0 if dtype == "|u1" else 0.0)

    def close(self) -> None:
        """Nothing to free: the file belongs to whoever opened it."""


# ---- a file ------------------------------------------------------------------------------------------------


class Played:
    """A recording as if it were played: its blocks come when their last sample would be heard, or, not paced, at once.

    Raises
    ------
    UnreadableAudio
        If it cannot be decoded.
    """

    endless = False
    subtype = "FLOAT"

    def __init__(
        self,
        recording: Recording,
        *,
        paced: bool = True,
        channel: int | None = None,
        queued_s: float = QUEUED_S,
    ) -> None:
        with Decoder(recording, channel=channel) as decoder:
            self.sample_rate, self.channels = decoder.info.sample_rate, 1
        self._size = max(int(self.sample_rate * BLOCK_S), 1)
        self._decoder = Decoder(recording, channel=channel, block_samples=self._size)
        self._paced = paced
        self.name = recording.name + ("" if paced else " as fast as it goes")
        self.delay_s = BLOCK_S if paced else 0.0
        self._waiting = Waiting(int(self.sample_rate * queued_s))
        self._stop = threading.Event()

    @property
    def dropouts(self) -> int:
        return self._waiting.dropouts

    @property
    def lost(self) -> int:
        return self._waiting.lost

    def blocks(self) -> Iterator[Block]:
        if not self._paced:
            with self._decoder as decoder:
                for mono in decoder.blocks():
                    yield Block(mono[:, None].copy())
            return
        thread = threading.Thread(target=self._play, name="play", daemon=True)
        thread.start()
        yield from self._waiting.blocks()
        thread.join()

    def _play(self) -> None:
        try:
            with self._decoder as decoder:
                began, played = time.monotonic(), 0
                for mono in decoder.blocks():
                    played += mono.size
                    if self._stop.wait(max(began + played / self.sample_rate - time.monotonic(), 0.0)):
                        return
                    self._waiting.put(mono[:, None].copy())
            self._waiting.end()
        except BaseException as error:
            self._waiting.end(error)

    def close(self) -> None:
        self._stop.set()


# ---- a microphone ------------------------------------------------------------------------------------------


def sounddevice() -> Any:
    """The package sounddevice, or a UsageError that says what to install."""
    try:
        return optional("sounddevice", "live", "a microphone")
    except OSError:
        raise UsageError(
            "a microphone needs the library PortAudio, which is not installed: apt install libportaudio2 (macOS: brew "
            "install portaudio); without it, - takes samples from another program, and a file can be played"
        ) from None


def devices() -> list[tuple[int, str, int, int]]:
    """Number, name, input channels and usual rate of every device that has inputs. Raises as :func:`sounddevice`."""
    return [
        (number, str(entry["name"]), int(entry["max_input_channels"]), int(entry["default_samplerate"]))
        for number, entry in enumerate(sounddevice().query_devices())
        if entry["max_input_channels"] > 0
    ]


class Microphone:
    """An input of the sound card.

    Parameters
    ----------
    device : str, optional
        Its number or a part of its name (:func:`devices`); default: the system's.
    sample_rate, channels : int, optional
        Default: the device's rate, and one channel.

    Raises
    ------
    UsageError
        If sounddevice or PortAudio is missing, there is no such input, or it cannot do what is asked.
    """

    endless = True
    subtype = "FLOAT"

    def __init__(
        self, device: str | None = None, *, sample_rate: int | None = None, channels: int | None = None
    ) -> None:
        for name, value in (("rate", sample_rate), ("channels", channels)):
            if value is not None and value < 1:
                raise UsageError(f"{name}={value} must be at least 1")
        library, found = sounddevice(), devices()
        if not found:
            raise UsageError(
                "there is no microphone: - takes samples from another program, and a file can be played"
            )
        number = _device(device, found) if device is not None else None
        try:
            about = library.query_devices(number, "input")
            self.sample_rate = sample_rate or int(about["default_samplerate"])
            self.channels = channels or 1
            self._waiting = Waiting(int(self.sample_rate * QUEUED_S))
            self._stream = library.InputStream(
                samplerate=self.sample_rate,
                blocksize=max(int(self.sample_rate * BLOCK_S), 1),
                device=number,
                channels=self.channels,
                dtype="float32",
                latency="low",
                callback=self._heard,
            )
        except (library.PortAudioError, ValueError) as error:
            raise UsageError(
                f"the microphone cannot be opened: {error}; --list-devices shows what there is"
            ) from None
        self.name = str(about["name"])
        self.delay_s = BLOCK_S + float(self._stream.latency)
        self._overflows = 0

    @property
    def dropouts(self) -> int:
        return self._waiting.dropouts + self._overflows

    @property
    def lost(self) -> int:
        return self._waiting.lost

    def _heard(self, samples: np.ndarray, frames: int, when: Any, status: Any) -> None:
        """Called by PortAudio, which uses the memory again."""
        self._overflows += bool(status.input_overflow)
        self._waiting.put(samples.copy())

    def blocks(self) -> Iterator[Block]:
        with self._stream:
            yield from self._waiting.blocks()

    def close(self) -> None:
        self._stream.close()


def _device(wish: str, found: list[tuple[int, str, int, int]]) -> int:
    """The number of the input that is called so."""
    if wish.isdigit() and int(wish) in {number for number, *_ in found}:
        return int(wish)
    named = [number for number, name, *_ in found if wish.lower() in name.lower()]
    if len(named) != 1:
        names = [name for _, name, *_ in found]
        problem = "no input is" if not named else f"{len(named)} inputs are"
        raise UsageError(
            f"--device {wish!r}: {problem} called so.{nearest(wish, names) if not named else ''} There are: "
            + ", ".join(f"{number} ({name})" for number, name, *_ in found)
        )
    return named[0]
