"""One session: a source, the models that listen to it, and where they tell what they hear.

Sound that had to be left out makes a gap: what sounds ends there, and the models begin again behind it, so that times
stay right and nothing falls further and further behind. Ctrl-C and SIGTERM end a session as the end of the sound does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from sonoscope.live.moments import Delay, Moment, in_order
from sonoscope.live.record import Recorder
from sonoscope.live.sinks import Sink
from sonoscope.live.sources import Block, Source
from sonoscope.live.streams import Listener, Stream, heard


@dataclass(frozen=True)
class Summary:
    """What came of a session: seconds heard, events told to their end, and whether it was ended from outside.

    ``strange`` samples of the mean of all channels were no numbers, or no sound, and taken as 0.
    """

    heard_s: float
    events: int
    interrupted: bool
    strange: int


class Interrupt:
    """Whether somebody wants it to end. A signal is noted; only waiting for sound is broken off by it."""

    def __init__(self) -> None:
        self.asked = self.waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt

    @contextmanager
    def heeded(self) -> Iterator[Interrupt]:
        """While this lasts, Ctrl-C and SIGTERM come here; only the main thread can do that."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Session:
    """Listens until the sound or somebody ends it.

    Parameters
    ----------
    source : Source
    listeners : sequence of Listener
    sinks : sequence of Sink

    Attributes
    ----------
    recorder : Recorder or None
        Gets every block before anything else does; may be set until :meth:`run`.
    delays : list of Delay
        Of each listener's stream, in their order.

    Raises
    ------
    UsageError
        If a listener cannot do what it was asked for.
    """

    def __init__(
        self,
        source: Source,
        listeners: Sequence[Listener],
        sinks: Sequence[Sink],
    ) -> None:
        self._source, self._listeners, self._sinks = source, listeners, sinks
        self.recorder: Recorder | None = None
        self._frames = self._events = self._strange = 0
        self._streams = self._begun()
        self.delays: list[Delay] = [stream.delay for stream in self._streams]

    def run(self) -> Summary:
        """Listen; whatever happens, what was heard is told to its end and the recording is complete."""
        models = [(one.bundle, delay) for one, delay in zip(self._listeners, self.delays, strict=True)]
        for sink in self._sinks:
            sink.begin(self._source, models)
        with Interrupt().heeded() as interrupt:
            try:
                for block in self._heard(interrupt):
                    self._take(block)
            finally:
                self._source.close()
                self._finish()
        return Summary(self._frames / self._source.sample_rate, self._events, interrupt.asked, self._strange)

    def _begun(self) -> list[Stream]:
        rate = self._source.sample_rate
        return [listener.begin(rate, self._frames / rate) for listener in self._listeners]

    def _heard(self, interrupt: Interrupt) -> Iterator[Block]:
        blocks = iter(self._source.blocks())
        while not interrupt.asked:
            try:
                interrupt.waiting = True
                block = next(blocks, None)
            except KeyboardInterrupt:
                return
            finally:
                interrupt.waiting = False
            if block is None:
                return
            yield block

    def _take(self, block: Block) -> None:
        if self.recorder is not None:
            self.recorder.write(block)
        if block.lost:
            self._tell([moment for stream in self._streams for moment in stream.close()])
            self._frames += block.lost
            self._streams = self._begun()
        self._frames += len(block.samples)
        samples, strange = heard(block.samples)
        self._strange += strange
        self._tell([moment for stream in self._streams for moment in stream.push(samples)])

    def _tell(self, moments: list[Moment]) -> None:
        for moment in in_order(moments):
            self._events += moment.kind == "off"
            for sink in self._sinks:
                sink.tell(moment)

    def _finish(self) -> None:
        try:
            self._tell([moment for stream in self._streams for moment in stream.close()])
            for sink in self._sinks:
                sink.end(self._frames / self._source.sample_rate, self._events, self._source)
        finally:
            if self.recorder is not None:
                self.recorder.close()
