"""What lies in a prepared folder, and how each of its files is read and written.

::

    shards.json        what is stored, which shards, digests of the two tables below; written last
    manifest.csv       the rows, as a manifest of the recordings that they are parts of (labels.json beside it)
    index.npy          where each row's data lie: shard, first, stored, count, n_samples, scale
    statistics.json    mean and standard deviation of every bin, of all rows and of each split
    shard-00000.npy    data of many rows one after the other: int16 (n,), or float16 (n, bins)
    shard-00000.json   which recordings they came from, and the digest of the data
    bad_rows.csv       rows that could not be used, if there are any

Shards are ordinary ``.npy`` files. A row is never cut: one that is larger than a shard may be has a shard for itself.
Every file is written beside and moved into place, a shard's ``.json`` after its ``.npy``; so what exists is whole, and
a build that was killed goes on with the shards that are there.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.locking import taken
from sonoscope.data.shards.content import Content
from sonoscope.data.table import put
from sonoscope.errors import Locked, RunRefused, UsageError

#: Version of the folder's form; another one is refused.
SCHEMA = "1"
#: Counts changes of what is stored for the same sound and parameters: what an earlier count made is made again.
PROCESSING = 1

DESCRIPTION, MANIFEST, INDEX, STATISTICS = "shards.json", "manifest.csv", "index.npy", "statistics.json"
BAD_ROWS = "bad_rows.csv"
LOCK = ".building"
SHARD = "shard-{:05d}"

INDEX_TYPE = np.dtype(
    [
        ("shard", "<i4"),
        ("first", "<i8"),
        ("stored", "<i8"),
        ("count", "<i8"),
        ("n_samples", "<i8"),
        ("scale", "<f8"),
    ]
)
#: Bytes of the header of a shard: the number of rows is known, and written there, only when it is closed.
HEADER_BYTES = 128


@dataclass(frozen=True, slots=True)
class Source:
    """The file that a row is a part of, as it was when it was read.

    ``file`` is its path seen from the prepared folder, so that the two can be moved together; ``sha256`` is empty
    where nobody asked for digests.
    """

    file: str
    size: int
    modified_ns: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a file in a shard: moments ``[first, first + stored)``, ``count`` of them the signal's own."""

    source: Source
    start_s: float
    duration_s: float | None
    first: int
    stored: int
    count: int
    n_samples: int
    scale: float = 1.0

    @property
    def part(self) -> tuple[str, float, float | None]:
        """What it is about: file, start and duration."""
        return self.source.file, self.start_s, self.duration_s

    def to_list(self) -> list[Any]:
        """A line of a shard's ``.json``."""
        source = self.source
        return [
            source.file, source.size, source.modified_ns, source.sha256,
            self.start_s, self.duration_s, self.first, self.stored, self.count, self.n_samples, self.scale,
        ]  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """A complete shard: its ``.npy``, the SHA-256 of that, and what is in it."""

    path: Path
    sha256: str
    n_rows: int
    items: tuple[Item, ...]


def shard_paths(folder: Path) -> list[Path]:
    """The ``.npy`` of every shard that is complete, by number."""
    found = (path.with_suffix(".npy") for path in folder.glob(SHARD.replace("{:05d}", "*.json")))
    return sorted((path for path in found if path.is_file()), key=number)


def number(path: Path) -> int:
    """The number in a shard's name."""
    return int(path.stem.rpartition("-")[2])


def read_shard(path: Path) -> tuple[Shard, Mapping[str, Any]]:
    """A complete shard, and the description of its content as JSON has it.

    Raises
    ------
    UsageError
        If its ``.json`` is damaged.
    """
    told = read_json(path.with_suffix(".json"))
    try:
        items = tuple(Item(Source(*line[:4]), *line[4:]) for line in told["items"])
        return Shard(path, told["sha256"], told["rows"], items), told["made"]
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path.with_suffix('.json')} is damaged ({error!r}). {REMEDY}") from None


REMEDY = "Prepare the folder again, with --overwrite."


def write_shard(shard: Shard, made: Mapping[str, Any]) -> None:
    """Write the ``.json`` of a shard, which makes it complete."""
    items = [item.to_list() for item in shard.items]
    told = {"schema": SCHEMA, "made": made, "sha256": shard.sha256, "rows": shard.n_rows, "items": items}
    put(shard.path.with_suffix(".json"), json.dumps(told).encode())


def made_of(content: Content) -> dict[str, Any]:
    """What a shard's data follow from besides the sound, as JSON has it."""
    return json.loads(json.dumps({"processing": PROCESSING, **content.to_dict()}))


def check_made(folder: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """See that a folder was made as it would be made now.

    Raises
    ------
    RunRefused
        If not; with the parameters that differ.
    """
    before, now = _flat(there), _flat(wanted)
    different = [key for key in dict.fromkeys((*before, *now)) if before.get(key) != now.get(key)]
    if "as" in different:
        different = ["as"]  # Two features share no parameter that is worth telling.
    if different:
        told = "; ".join(f"{key}={before.get(key)} there, {now.get(key)} now" for key in different)
        raise RunRefused(
            f"{folder} was prepared otherwise: {told}. Choose another folder, or --overwrite it."
        )


def _flat(made: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the feature beside the others; its name is ``as``."""
    flat: dict[str, Any] = {}
    for key, value in made.items():
        if key == "feature":
            flat["as"] = "audio" if value is None else value["name"]
            flat |= {inner: each for inner, each in (value or {}).items() if inner != "name"}
        else:
            flat[key] = value
    return flat


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The first :data:`HEADER_BYTES` of a ``.npy`` of little-endian numbers."""
    told = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        told, {"descr": np.dtype(dtype).newbyteorder("<").str, "fortran_order": False, "shape": shape}
    )
    text = told.getvalue()
    if len(text) != HEADER_BYTES:
        raise AssertionError(f"a header of {len(text)} bytes for shape={shape}")
    return text


def map_npy(path: Path, content: Content) -> np.ndarray:
    """A shard's data as an array on the disk, read-only.

    Raises
    ------
    UsageError
        If it is missing or not what the folder says.
    """
    try:
        mapped = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}). {REMEDY}") from None
    if mapped.dtype != np.dtype(content.dtype) or mapped.shape[1:] != content.row_shape:
        raise UsageError(
            f"{path} holds {mapped.dtype} of shape {mapped.shape}, not {content.dtype}. {REMEDY}"
        )
    return np.asarray(mapped)  # Over the same memory, but a plain array: slicing it costs a tenth.


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    UsageError
        If it is missing, damaged, or of another schema.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        schema = told["schema"]
    except FileNotFoundError:
        raise UsageError(
            f"{path.parent} is no prepared folder, or not a finished one: there is no {path.name}. "
            "Make it with: sonoscope data features DATA -o FOLDER"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} is damaged ({error}). {REMEDY}") from None
    if schema != SCHEMA:
        raise UsageError(
            f"{path}: schema {schema}, not {SCHEMA}, which this sonoscope knows. Update sonoscope."
        )
    return told


def write_json(path: Path, told: Mapping[str, Any]) -> bytes:
    """Write a JSON object with the schema; what was written."""
    text = (json.dumps({"schema": SCHEMA, **told}, indent=1, ensure_ascii=False) + "\n").encode()
    put(path, text)
    return text


def sha256_of(path: Path) -> str:
    """Digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep other builds out of a folder for a while; the system lets go when this process ends, however it does.

    Raises
    ------
    Locked
        If another process is building in it.
    """
    path = folder / LOCK
    with open(path, "a+b") as file:
        if not taken(file):
            raise Locked(
                f"{folder} is being built by another process. Wait for it, or choose another folder."
            )
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no file that is open.
                path.unlink(missing_ok=True)
