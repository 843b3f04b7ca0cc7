"""A worker process: tasks on stdin, messages on stdout, a JSON object a line; answers go into files.

It may take no more memory than it is told, so that a file made to exhaust the machine ends its own analysis only. It
ends with the process that started it.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sonoscope.service.bundles import Loaded
from sonoscope.service.faults import Fault, fault_of

#: Progress is told so often at most.
TOLD_EVERY_S = 0.2


class LongSound(Exception):
    """There is more sound than is answered at once; ``seconds`` as far as headers tell."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass
class Tools:
    """What a task works with.

    Attributes
    ----------
    tell : callable
        Sends a message.
    models : Loaded
    max_duration : float
        Seconds of sound that a recording may have.
    """

    tell: Callable[[dict[str, Any]], None]
    models: Loaded
    max_duration: float
    _told: float = field(default=0.0)

    def progress(
        self, name: str, done_s: float, of_s: float | None = None, files: tuple[int, int] = (0, 1)
    ) -> None:
        """Say how far a recording is, not too often; this is also a sign of life.

        Raises
        ------
        Fault
            ``too_long`` if it is longer than a recording may be.
        """
        self.check_length(name, done_s)
        if (now := time.monotonic()) - self._told >= TOLD_EVERY_S:
            self._told = now
            share = min(done_s / of_s, 1.0) if of_s else None
            self.tell(
                {"progress": {"file": name, "done": round(done_s, 3), "share": share, "files": list(files)}}
            )

    def check_length(self, name: str, seconds: float) -> None:
        """Refuse a recording of so many seconds if that is too long. Raises ``Fault``."""
        if seconds > self.max_duration:
            raise Fault(
                "too_long",
                f"{name} is longer than {self.max_duration:g} s, the longest recording that this service takes",
                "Send it in parts, or let the service be started with a higher --max-duration.",
            )


def run(task: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """Do a task; the last message about it."""
    from sonoscope.service.tasks import TASKS

    try:
        return {"done": TASKS[task["kind"]](task["request"], tools)}
    except LongSound as found:
        return {"long": found.seconds}
    except Exception as error:
        return {"failed": fault_of(error).to_json()["error"]}


def begun(told: dict[str, Any]) -> IO[str]:
    """What a process of the service does first: it limits its memory; where it then writes its messages."""
    # What libraries print belongs to the log, not among the messages.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    _limit_memory(told["memory_bytes"])
    return out


def main() -> None:
    """Work until stdin ends."""
    told = json.loads(sys.argv[1])
    out = begun(told)

    def tell(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    folder = Path(told["models"]) if told["models"] else None
    tools = Tools(tell, Loaded(folder, told["models_kept"]), told["max_duration"])
    tasks: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    tell({"ready": os.getpid()})
    while True:
        tell(run(tasks.get(), tools))


def _listen(tasks: queue.Queue[dict[str, Any]]) -> None:
    """Pass tasks on; when nobody can send any more, end at once, whatever is under way."""
    with suppress(OSError, ValueError):
        for line in sys.stdin:
            tasks.put(json.loads(line))
    os._exit(0)


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    # By the name under which tasks import it: what they raise is then what is caught here.
    from sonoscope.service import worker

    worker.main()
