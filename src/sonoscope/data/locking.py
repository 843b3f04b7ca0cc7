"""One process at a time: a lock of the system's on an open file, which it gives back however the process ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def taken(file: IO[bytes]) -> bool:
    """Whether the lock on an open file was free and is held now; where a disk has no such locks it counts as free."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    try:
        # Whoever held it may have removed the name in between: then the lock is on a file that nobody else sees.
        return os.path.samestat(os.fstat(file.fileno()), Path(file.name).stat())
    except OSError:
        return False
