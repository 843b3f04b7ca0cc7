"""The inputs of a run as a list that was made once, each with the part that does it.

Where a run is shared out to the tasks of a job array, every task would list the inputs anew, and parts made of names
are even in number, not in length. A list says both beforehand. It is a file of JSON lines: one that counts, then one
for each input, ``[part, seconds, ...]``.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sonoscope.audio.find import Unlisted
from sonoscope.errors import UsageError
from sonoscope.runs.listing import entries, entry_of, values_of
from sonoscope.runs.spec import RunSpec
from sonoscope.values import Recording

SCHEMA = 1


@dataclass(frozen=True)
class Parts:
    """What a list holds.

    Attributes
    ----------
    count : int
        Of parts.
    entries : int
        Of inputs.
    seconds : float
        Estimated length of all.
    longest_s : float
        Of the fullest part.
    """

    count: int
    entries: int
    seconds: float
    longest_s: float


def write(
    file: Path,
    found: Iterable[Recording | Unlisted],
    length: Callable[[Recording], float],
    seconds_per_part: float,
) -> Parts:
    """List ``found`` into ``file``, in as many parts as hold ``seconds_per_part`` each.

    Each input goes, in order, to the part that has least so far: no part is longer than the mean by more than the
    longest input. Memory is that of the parts, not of the inputs.
    """
    spool = file.with_name(file.name + ".part")
    number, seconds = 0, 0.0
    with open(spool, "w", encoding="ascii") as out:
        for entry in found:
            length_s = length(entry) if isinstance(entry, Recording) else 0.0
            out.write(json.dumps([round(length_s, 1), *values_of(entry)]) + "\n")
            number, seconds = number + 1, seconds + length_s
    parts = max(1, min(number, -int(-seconds // seconds_per_part)))
    loads = [(0.0, part) for part in range(1, parts + 1)]
    whole = file.with_name(file.name + ".whole")
    with open(spool, encoding="ascii") as lines, open(whole, "w", encoding="ascii") as out:
        out.write(
            json.dumps({"inputs": SCHEMA, "parts": parts, "entries": number, "seconds": round(seconds, 1)})
            + "\n"
        )
        for line in lines:
            values = json.loads(line)
            load, part = loads[0]
            heapq.heapreplace(loads, (load + values[0], part))
            out.write(json.dumps([part, *values]) + "\n")
    whole.replace(file)
    spool.unlink()
    return Parts(parts, number, seconds, max(load for load, _ in loads))


def inputs(spec: RunSpec) -> Iterator[Recording | Unlisted]:
    """What a run has to do: of a list if there is one, else of what the inputs hold now; its own part."""
    if spec.listed is not None:
        return read(spec.listed, spec.shard)
    return entries(spec.inputs, spec.shard)


def count(file: str | Path) -> int:
    """How many parts a list has. Raises ``UsageError`` if it is none."""
    with _opened(file) as lines:
        return int(_head(lines.readline(), file)["parts"])


def read(file: str | Path, shard: tuple[int, int] | None) -> Iterator[Recording | Unlisted]:
    """The inputs of a part, or all.

    Raises
    ------
    UsageError
        If the file is no such list, or has another number of parts.
    """
    with _opened(file) as lines:
        parts = int(_head(lines.readline(), file)["parts"])
        if shard is not None and shard[1] != parts:
            raise UsageError(f"--shard {shard[0]}/{shard[1]}: {file} shares the inputs out to {parts} parts")
        for line in lines:
            part, _, *values = json.loads(line)
            if shard is None or part == shard[0]:
                yield entry_of(values)


def _opened(file: str | Path) -> Any:
    try:
        return open(file, encoding="ascii")
    except OSError as error:
        raise UsageError(f"the list of inputs {file} cannot be read: {error.strerror}") from None


def _head(line: str, file: str | Path) -> dict[str, Any]:
    try:
        values = json.loads(line)
        if values["inputs"] == SCHEMA and values["parts"] >= 1:
            return values
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(f"{file} is no list of inputs that --sbatch wrote")
