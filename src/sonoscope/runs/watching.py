"""``--watch``: the recordings in the inputs as they become complete, until somebody says stop.

The inputs are listed again and again. A recording is complete when its size and time of change have been the same for
:data:`SETTLED_S` and it holds what its header promises; one that never does, as of a recorder that lost its power, is
taken when it has not changed for :data:`PATIENT_S`. Each is given once, and once more when it changes later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sonoscope.audio import find
from sonoscope.audio.find import Unlisted
from sonoscope.audio.whole import is_whole
from sonoscope.errors import UsageError
from sonoscope.values import Recording

#: For so long a file must have stayed as it is, in seconds.
SETTLED_S = 2.0
#: For so long if its header promises more than it holds.
PATIENT_S = 60.0
#: Seconds between two lists, at least; a list that takes long is made less often.
LIST_S, LIST_SHARE = 2.0, 10.0
#: How long the watch sleeps at a time.
NAP_S = 0.25


@dataclass
class _Waiting:
    """A file that is not complete yet: what it was when it was looked at, and since when."""

    identity: tuple[int, int]
    since: float


class Watch:
    """Watches inputs.

    Parameters
    ----------
    inputs : sequence of str
        As for :func:`sonoscope.audio.find.find`.
    stop : threading.Event
        Ends the watch when it is set.

    Attributes
    ----------
    unlisted : dict
        What could not be listed in the last list, by name.
    listed : int
        Recordings in the last list.
    """

    def __init__(self, inputs: Sequence[str], stop: threading.Event) -> None:
        self.unlisted: dict[str, Unlisted] = {}
        self.listed = 0
        self._inputs, self._stop = inputs, stop
        self._waiting: dict[str, _Waiting] = {}
        # A hash of each name and what it was: a season has many.
        self._given: dict[int, int] = {}

    def entries(self) -> Iterator[Recording | None]:
        """Recordings as they become complete; None now and then while there are none."""
        while not self._stop.is_set():
            began = time.monotonic()
            yield from self._one_list()
            took = time.monotonic() - began
            until = time.monotonic() + max(LIST_S, LIST_SHARE * took)
            while time.monotonic() < until and not self._stop.is_set():
                time.sleep(NAP_S)
                yield None

    def _one_list(self) -> Iterator[Recording]:
        unlisted: dict[str, Unlisted] = {}
        seen = set()
        try:
            for entry in find.find(self._inputs):
                if self._stop.is_set():
                    return
                if isinstance(entry, Unlisted):
                    unlisted[entry.name] = entry
                    continue
                seen.add(entry.name)
                if self._is_new(entry) and self._is_complete(entry):
                    self._given[hash(entry.name)] = hash(_identity(entry))
                    self._waiting.pop(entry.name, None)
                    yield entry
        except UsageError:
            # The inputs were there when the run began: a share that is away now, and may return.
            return
        self.unlisted, self.listed = unlisted, len(seen)
        for name in self._waiting.keys() - seen:
            del self._waiting[name]

    def _is_new(self, entry: Recording) -> bool:
        return self._given.get(hash(entry.name)) != hash(_identity(entry))

    def _is_complete(self, entry: Recording) -> bool:
        """Whether a recording has stayed as it is for long enough."""
        now = time.monotonic()
        waiting = self._waiting.get(entry.name)
        if waiting is None or waiting.identity != _identity(entry):
            self._waiting[entry.name] = waiting = _Waiting(_identity(entry), now)
            # What was there long before the watch began need not wait.
            if time.time() - entry.modified_ns / 1e9 < PATIENT_S:
                return False
            return is_whole(entry.path)
        still_s = now - waiting.since
        return still_s >= PATIENT_S or (still_s >= SETTLED_S and is_whole(entry.path))


def _identity(entry: Recording) -> tuple[int, int]:
    return entry.size_bytes, entry.modified_ns
