"""Live sound from a browser: samples in over a WebSocket, what begins, ends and scores out, as soon as it is certain.

The listening is that of ``sonoscope live`` (``sonoscope.live.session``), in a process for each stream (``ear.py``). A
stream that the machine cannot follow loses sound, as a microphone's would; times stay right.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sonoscope import api
from sonoscope.errors import UsageError
from sonoscope.labels import midi_of
from sonoscope.live.notes import NoteStream
from sonoscope.live.session import Session
from sonoscope.live.sinks import JsonLines
from sonoscope.live.sources import QUEUED_S, SAMPLE_FORMATS, Block
from sonoscope.live.streams import Listener, Stream
from sonoscope.live.tags import TagStream
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.notes.decision import decided
from sonoscope.notes.scores import NoteScores
from sonoscope.service import bundles as models
from sonoscope.service.faults import Fault
from sonoscope.service.wishes import no_file
from sonoscope.values import SCORE_DECIMALS

#: Probabilities of notes below this are not told.
LEAST = 0.1
Tell = Callable[[dict[str, Any]], None]


class Hello(BaseModel):
    """The first message: what comes, who listens, and how; the options are those of ``sonoscope live``."""

    model_config = ConfigDict(extra="forbid")

    rate: int = Field(ge=8000, le=192_000)
    channels: int = Field(1, ge=1, le=8)
    sample_format: Literal["s16le", "f32le"] = "s16le"
    model: str = Field("notes", max_length=200)
    scores: bool = False
    token: str | None = Field(None, max_length=1000)
    threshold: str | float | None = None
    hop: float | None = None
    min_duration: float | None = Field(None, alias="min-duration")
    max_gap: float | None = Field(None, alias="max-gap")
    delay: float | None = None
    onset: float | None = None
    sustain: float | None = None
    low: str | int | None = None
    high: str | int | None = None
    mono: bool = False
    tuning: float | None = Field(None, ge=-50, le=50)

    def names(self) -> tuple[str, ...]:
        """The models."""
        return models.names(self.model)


class Fed:
    """A source that is given its sound: :meth:`put` from one thread, :meth:`blocks` in another.

    Once a second of sound it tells how long the listeners computed: in all for a second (``compute``), and for a block
    (``p95``, ``longest``).
    """

    name, subtype, endless = "websocket", "PCM_16", True

    def __init__(self, hello: Hello, tell: Tell, *, longest_s: float) -> None:
        self.sample_rate, self.channels = hello.rate, hello.channels
        self.delay_s = 0.0
        self.dropouts = self.lost = 0
        self._form = SAMPLE_FORMATS[hello.sample_format]
        self._waiting: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._tell, self._most = tell, round(longest_s * hello.rate)
        self._put = self._taken = self._lost_now = 0
        self._computed: list[float] = []
        self._reported = 0

    def put(self, raw: bytes) -> None:
        """Samples have come. Raises ``Fault``."""
        width = int(self._form.dtype[2:]) * self.channels
        if len(raw) % width:
            raise Fault(
                "usage",
                f"{len(raw)} bytes are no whole number of samples of {width} bytes",
                "Send whole samples of all channels.",
            )
        samples = np.frombuffer(raw, self._form.dtype).astype(np.float32) * np.float32(self._form.scale)
        samples = samples.reshape(-1, self.channels)
        if self._put > self._most:
            raise Fault("too_long", "the stream is longer than this service takes", "Begin another one.")
        if self._put - self._taken > QUEUED_S * self.sample_rate:
            self._lost_now += len(samples)
            self.lost += len(samples)
            return
        self.dropouts += self._lost_now > 0
        self._put += len(samples)
        self._waiting.put(Block(samples, self._lost_now))
        self._lost_now = 0

    def end(self) -> None:
        """There is no more."""
        self._waiting.put(None)

    def blocks(self) -> Iterator[Block]:
        """What has come, in order; waits for more."""
        while (block := self._waiting.get()) is not None:
            self._taken += len(block.samples)
            began = time.perf_counter()
            yield block
            self._computed.append(time.perf_counter() - began)
            if self._taken - self._reported >= self.sample_rate:
                self._report()

    def _report(self) -> None:
        """How fast the listeners are, once for each second of sound."""
        seconds = (self._taken - self._reported) / self.sample_rate
        self._tell(
            {
                "kind": "pace",
                "heard": round(self._taken / self.sample_rate, 3),
                "compute": round(sum(self._computed) / seconds, 4),
                "p95": round(float(np.percentile(self._computed, 95)), 4),
                "longest": round(max(self._computed), 4),
                "behind": round((self._put - self._taken) / self.sample_rate, 3),
            }
        )
        self._computed = []
        self._reported = self._taken

    def close(self) -> None:
        """Nothing to free."""


@dataclass(frozen=True, eq=False)
class Telling(Listener):
    """A listener that also tells the scores of its windows, or of its frames."""

    tell: Tell | None = None

    def begin(self, sample_rate: int, start_s: float = 0.0) -> Stream:
        stream, tell, labels = super().begin(sample_rate, start_s), self.tell, self.bundle.label_ids
        if tell is None:
            return stream

        def window(start: float, end: float, probabilities: np.ndarray) -> None:
            values = {
                label: round(float(p), SCORE_DECIMALS) for label, p in zip(labels, probabilities, strict=True)
            }
            tell(
                {"kind": "scores", "model": self.bundle.name, "start": round(start, 6), "end": round(end, 6),
                 "scores": values}
            )  # fmt: skip

        def frames(scores: NoteScores) -> None:
            rows = [
                {str(scores.lowest + k): round(float(row[k]), 2) for k in np.flatnonzero(row >= LEAST)}
                for row in scores.sustain
            ]
            tell(
                {"kind": "frames", "model": self.bundle.name, "start": round(start_s + scores.first_s, 6),
                 "hop": scores.hop_s, "sustain": rows}
            )  # fmt: skip

        if isinstance(stream, TagStream):
            stream.scored = window
        elif isinstance(stream, NoteStream):
            stream.scored = frames
        return stream


class Lines:
    """What a sink of lines writes to: each line is told as the object that it is."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._held = tell, ""

    def write(self, text: str) -> int:
        """Take text; lines that are whole go on."""
        *whole, self._held = (self._held + text).split("\n")
        for line in whole:
            self._tell(json.loads(line))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def session(
    hello: Hello, bundles: list[Bundle], source: Fed, tell: Tell, runtime: Callable[[Bundle], Runtime]
) -> Session:
    """Everything ready to listen; ``runtime`` gives a model ready to run.

    Raises
    ------
    UsageError, UnknownName
        If an option is out of range.
    """
    heard = listeners(hello, bundles, tell, runtime)
    return Session(source, heard, [JsonLines(Lines(tell))])  # type: ignore[arg-type]


def listeners(
    hello: Hello, bundles: list[Bundle], tell: Tell, runtime: Callable[[Bundle], Runtime]
) -> list[Listener]:
    """A listener for every model, with the options that it heeds."""
    if not bundles or len({bundle.name for bundle in bundles}) < len(bundles):
        raise UsageError(f"model={hello.model!r}: name each model once")
    found: list[Listener] = []
    also = tell if hello.scores else None
    for bundle in bundles:
        if bundle.task == NOTES:
            rules = decided(
                bundle.rules, onset=hello.onset, sustain=hello.sustain, lowest=_pitch(hello.low),
                highest=_pitch(hello.high), mono=hello.mono,
            ).rules  # fmt: skip
            more: dict[str, Any] = {} if hello.delay is None else {"delay_s": hello.delay}
            cents = hello.tuning or 0.0
            found.append(Telling(bundle, runtime(bundle), rules=rules, cents=cents, tell=also, **more))
        else:
            wish = None if hello.threshold is None else no_file(str(hello.threshold))
            decision = api.Model(bundle).decision(
                wish, min_duration=hello.min_duration, max_gap=hello.max_gap
            )
            found.append(Telling(bundle, runtime(bundle), decision=decision, hop_s=hello.hop, tell=also))
    return found


def _pitch(name: str | int | None) -> int | None:
    return midi_of(name) if isinstance(name, str) else name
