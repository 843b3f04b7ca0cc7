"""A process that listens to one live stream after another: frames on stdin, messages on stdout, a JSON object a line.

A process for each stream, because threads of one would wait for each other: four listeners on two processors are then
each followed within a hop. What a stream does to its process, by damage or by memory, is done to that stream only.
A hello is answered at once, so that who sent it knows that the process lives; an empty line ends the messages of a
stream. The process ends with the one that started it.
"""

from __future__ import annotations

import json
import os
import queue
import struct
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.service import bundles
from sonoscope.service.faults import Fault, fault_of
from sonoscope.service.live import Fed, Hello, session
from sonoscope.service.worker import begun

#: What a frame on stdin begins with: what it is, and how many bytes follow.
HEAD = struct.Struct("<cI")
HELLO, SAMPLES, END = b"h", b"s", b"e"


def framed(kind: bytes, payload: bytes = b"") -> bytes:
    """A frame as the process reads it."""
    return HEAD.pack(kind, len(payload)) + payload


class Ear:
    """What the process is: models that it has loaded, and where it tells."""

    def __init__(self, out: IO[str], folder: Path | None, most: int, longest_s: float) -> None:
        self._out, self._folder, self._most, self._longest_s = out, folder, most, longest_s
        self._runtimes: OrderedDict[tuple[Path, str], Runtime] = OrderedDict()
        self._telling = threading.Lock()
        self._hellos: queue.SimpleQueue[tuple[Hello, Fed]] = queue.SimpleQueue()

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self._line(json.dumps(message))

    def listen(self) -> None:
        """One stream after another, for ever."""
        while True:
            hello, source = self._hellos.get()
            try:
                known = bundles.opened(self._folder)
                chosen = [known[bundles.place(name, self._folder).name] for name in hello.names()]
                session(hello, chosen, source, self.tell, self._runtime).run()
            except Exception as error:
                self.tell(fault_of(error).to_json())
            self._line("")

    def read(self, frames: IO[bytes]) -> None:
        """Pass on what comes; when nothing can come any more, end at once."""
        source: Fed | None = None
        with suppress(OSError, ValueError):
            for kind, payload in _frames(frames):
                if kind == HELLO:
                    hello = Hello.model_validate_json(payload)
                    self.tell({"ready": os.getpid()})
                    source = Fed(hello, self.tell, longest_s=self._longest_s)
                    self._hellos.put((hello, source))
                elif source is not None:
                    source = self._fed(source, kind, payload)
        os._exit(0)

    def _fed(self, source: Fed, kind: bytes, payload: bytes) -> Fed | None:
        """The stream after a frame, None if that ended it."""
        try:
            if kind == SAMPLES:
                source.put(payload)
                return source
        except Fault as fault:
            self.tell(fault.to_json())
        source.end()
        return None

    def _runtime(self, bundle: Bundle) -> Runtime:
        """A model ready to run; those used last are kept."""
        key = (bundle.graph, bundle.sha256)
        if key not in self._runtimes:
            self._runtimes[key] = Runtime(bundle)
        self._runtimes.move_to_end(key)
        while len(self._runtimes) > self._most:
            self._runtimes.popitem(last=False)
        return self._runtimes[key]

    def _line(self, text: str) -> None:
        with self._telling:
            self._out.write(text + "\n")
            self._out.flush()


def _frames(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and payload of each frame, to the end."""
    while len(head := file.read(HEAD.size)) == HEAD.size:
        kind, length = HEAD.unpack(head)
        yield kind, file.read(length)


def main() -> None:
    """Listen until stdin ends."""
    told = json.loads(sys.argv[1])
    out = begun(told)
    folder = Path(told["models"]) if told["models"] else None
    ear = Ear(out, folder, told["models_kept"], told["max_duration"])
    threading.Thread(target=ear.read, args=(sys.stdin.buffer,), daemon=True).start()
    ear.tell({"ready": os.getpid()})
    ear.listen()


if __name__ == "__main__":
    main()
