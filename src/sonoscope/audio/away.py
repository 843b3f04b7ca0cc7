"""Network shares and cards that disappear for a while: waiting for them, with an end.

A share that drops out makes thousands of recordings unreadable at once, and is often back after seconds. What could not
be read is tried again when its folder is there again. One outage costs :data:`AWAY_S` at most: after that everything
fails at once, until something can be read again.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sonoscope.audio import stores

T = TypeVar("T")

#: How long one outage is waited for, in seconds.
AWAY_S = 120.0
#: Seconds between two looks; each is twice as long as the one before, up to the last.
FIRST_S, LONGEST_S = 0.25, 8.0

REMEDY = "Bring the disk or the network share back, then run the same command again."

_NAMES = """
    EIO ESTALE ENOTCONN ECONNABORTED ECONNRESET EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENETRESET ETIMEDOUT
    ENODEV ENXIO EREMOTEIO ENOMEDIUM
"""
#: What the system says of a file whose disk or server does not answer.
GONE_ERRORS = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))


def is_away(path: str, error: OSError) -> bool:
    """Whether a file cannot be read because the place it lies in has gone, not the file alone.

    A file is not there any more in both cases. If its folder is gone too, or empty as an unmounted one is, it is the
    place.
    """
    if error.errno in GONE_ERRORS:
        return True
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return False
    if stores.is_url(path):
        return False
    try:
        with os.scandir(Path(path).parent) as entries:
            return next(entries, None) is None
    except OSError:
        return True


class Patience:
    """Waits for places to return; of one outage no longer than :data:`AWAY_S` in all."""

    def __init__(self) -> None:
        self._left_s = AWAY_S

    def keep(self, path: str, read: Callable[[], T]) -> T:
        """``read()``, again and again while the place of ``path`` is away.

        ``read`` raises an OSError, or an error that was made from one.

        Raises
        ------
        Exception
            What ``read`` raised last, if it is something else, or the wait is over.
        """
        pause = FIRST_S
        while True:
            try:
                found = read()
            except Exception as error:
                cause = error if isinstance(error, OSError) else error.__context__
                if not isinstance(cause, OSError) or self._left_s <= 0 or not is_away(path, cause):
                    raise
                time.sleep(min(pause, self._left_s))
                self._left_s -= pause
                pause = min(2 * pause, LONGEST_S)
            else:
                self._left_s = AWAY_S
                return found
