"""A file that is there once it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def beside(path: Path, *, binary: bool) -> Iterator[IO[Any]]:
    """A file to write that takes the place of ``path`` once it is complete, and leaves nothing otherwise."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = {} if binary else {"encoding": "utf-8", "newline": ""}
    try:
        with open(part, "wb" if binary else "w", **text) as file:  # type: ignore[call-overload]
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
