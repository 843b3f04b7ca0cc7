"""A bank of stems: mel powers of single sounds, on disk as one memory map, ready to be mixed.

A mixture's expected mel power is the sum of its parts' mel powers, so polyphony, gain, equalisation and noise
can be made from stored frames at a tenth of the cost of mixing waveforms (see ``powermix``). The bank stores
10 log10 of the power in float16 (steps of at most 0.06 dB), each item with its variants one after the other.

Layout of a bank folder: ``frames.f16`` (all frames, row after row), ``items.csv`` (a row per item and
variant), ``bank.json`` (feature, seed, fingerprint; written last, so a folder with it is whole).
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from sonoscope import features
from sonoscope.audio import decode
from sonoscope.data.mix import variants
from sonoscope.errors import UsageError
from sonoscope.writing import told_of

SCHEMA = 1
COLUMNS = (
    "key", "variant", "start", "count", "level_db", "labels", "unknown", "name", "group", "fold", "real",
)  # fmt: skip


@dataclass(frozen=True)
class Stem:
    """A sound to be stored: one instrument (or noise) alone.

    ``labels`` sound in it, ``unknown`` may or may not; ``group`` is what no split may cut (a library, a sound
    font); ``name`` is the finer class; ``real`` tells recordings from renders; ``variants`` how many altered
    copies to add.
    """

    path: Path
    key: str
    labels: tuple[str, ...]
    unknown: tuple[str, ...]
    name: str
    group: str
    fold: str
    real: bool
    variants: int = 0


def build(
    folder: str | Path,
    stems: Iterable[Stem],
    feature: features.LogMel,
    *,
    seed: int = 0,
    overdrive: Callable[[Stem], float] = lambda stem: 0.05,
    coded: float = 0.0,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Bank:
    """Compute and store the frames of every stem and its variants; a bank that is there already is opened.

    ``overdrive`` gives the share of a stem's variants that are driven into a clipper, ``coded`` the share that
    goes through a codec. So many ``workers`` (processes) give the same bank.

    Raises
    ------
    UsageError
        If a stem is silent.
    """
    folder, stems = Path(folder), list(stems)
    fingerprint = _fingerprint(stems, feature, seed, overdrive, coded)
    description = folder / "bank.json"
    if description.is_file() and json.loads(description.read_text())["fingerprint"] == fingerprint:
        return Bank(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Beside and moved into place: somebody may be training from the bank that is there.
    parts = {name: folder / f"{name}.part" for name in ("frames.f16", "items.csv", "bank.json")}
    position = 0
    with (
        told_of(folder / "frames.f16", folder / "frames.f16.part"),
        open(parts["frames.f16"], "wb") as frames_file,
        open(parts["items.csv"], "w", newline="") as items_file,
    ):
        table = csv.writer(items_file, lineterminator="\n")
        table.writerow(COLUMNS)
        tasks = [(stem, feature, (seed, number), overdrive(stem), coded) for number, stem in enumerate(stems)]
        for number, (stem, frames_of) in enumerate(zip(stems, _computed(tasks, workers), strict=True)):
            for variant, frames in enumerate(frames_of):
                frames.tofile(frames_file)
                table.writerow(
                    (
                        stem.key, variant, position, len(frames), f"{_level_db(frames):.2f}",
                        ";".join(stem.labels), ";".join(stem.unknown), stem.name, stem.group, stem.fold,
                        int(stem.real),
                    )
                )  # fmt: skip
                position += len(frames)
            progress(number + 1, len(stems))
    about = {
        "schema": SCHEMA,
        "feature": features.to_dict(feature),
        "seed": seed,
        "n_frames": position,
        "fingerprint": fingerprint,
    }
    parts["bank.json"].write_text(json.dumps(about, indent=1))
    description.unlink(missing_ok=True)
    for name, part in parts.items():
        part.replace(folder / name)
    return Bank(folder)


#: What the frames of a stem follow from: itself, the feature, a seed, the shares of overdrive and of codecs.
_Task = tuple[Stem, features.LogMel, tuple[int, int], float, float]


def _computed(tasks: Sequence[_Task], workers: int) -> Iterator[list[np.ndarray]]:
    """The frames of each stem in turn; with several workers a few stems ahead of what is asked for."""
    if workers == 1:
        yield from map(_variants, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        waiting: deque[Any] = deque()
        for task in tasks:
            waiting.append(pool.apply_async(_variants, (task,)))
            if len(waiting) > 8 * workers:
                yield waiting.popleft().get()
        while waiting:
            yield waiting.popleft().get()


def _variants(task: _Task) -> list[np.ndarray]:
    """Frames of a stem as it is and of its variants, each (count, n_bins) float16 dB."""
    stem, feature, seed, overdrive, coded = task
    rng = np.random.default_rng(seed)
    samples, _ = decode.read(stem.path, sample_rate=feature.sample_rate)
    frames = feature(samples)
    if frames.max() <= feature.silence:
        raise UsageError(f"{stem.path} is silent: leave it out of the bank")
    found = [frames.astype(np.float16)]
    for _ in range(stem.variants):
        chosen = variants.choose(rng, overdrive=overdrive, coded=coded)
        altered = variants.apply(samples, feature.sample_rate, chosen)
        found.append(feature(altered).astype(np.float16))
    return found


def _fingerprint(
    stems: Sequence[Stem],
    feature: features.LogMel,
    seed: int,
    overdrive: Callable[[Stem], float],
    coded: float,
) -> str:
    """What the bank's content follows from; files count by their size."""
    settings = [SCHEMA, features.to_dict(feature), seed, *([coded] if coded else [])]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for stem in stems:
        content = overdrive(stem), stem.path.stat().st_size
        digest.update(repr((replace(stem, path=Path()), content)).encode())
    return digest.hexdigest()


def _level_db(frames: np.ndarray) -> float:
    """Loudness of a stem: the 95th percentile over time of the power summed over the bins, in dB."""
    power = (10.0 ** (frames.astype(np.float32) / 10.0)).sum(axis=1)
    return float(10.0 * np.log10(np.percentile(power, 95) + 1e-12))


class Bank:
    """An opened bank.

    Attributes
    ----------
    frames : np.memmap, shape (n_frames, n_bins), float16
        Decibels.
    start, count : np.ndarray, shape (n_items,), int64
        Where an item's frames lie.
    level_db : np.ndarray, shape (n_items,), float32
    rows : list of dict
        The columns of ``items.csv`` with ``labels`` and ``unknown`` split.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        description = folder / "bank.json"
        if not description.is_file():
            raise UsageError(f"{folder} is not a finished bank of stems (no bank.json): build it first")
        spec = json.loads(description.read_text())
        if spec["schema"] != SCHEMA:
            raise UsageError(
                f"{folder} has bank schema {spec['schema']}, this version reads {SCHEMA}: build it again"
            )
        self.folder = folder
        self.feature = cast(features.LogMel, features.from_dict(spec["feature"]))  # as ``build`` made it
        shape = (spec["n_frames"], self.feature.n_bins)
        try:
            self.frames = np.memmap(folder / "frames.f16", dtype=np.float16, mode="r", shape=shape)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} is damaged ({error}): build it again") from None
        with open(folder / "items.csv", newline="") as file:
            self.rows: list[dict[str, Any]] = [
                {**row, **{key: tuple(filter(None, row[key].split(";"))) for key in ("labels", "unknown")}}
                for row in csv.DictReader(file)
            ]
        self.start = np.array([int(row["start"]) for row in self.rows], dtype=np.int64)
        self.count = np.array([int(row["count"]) for row in self.rows], dtype=np.int64)
        self.level_db = np.array([float(row["level_db"]) for row in self.rows], dtype=np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, index: int) -> np.ndarray:
        """Frames of one item, shape (count, n_bins), float16 dB."""
        return self.frames[self.start[index] : self.start[index] + self.count[index]]


class Joined(Bank):
    """Stems of several banks of one feature as one bank.

    Parameters
    ----------
    parts : sequence of (Bank, callable)
        Each bank with ``row -> row or None``: its rows as they shall be here, None for those to leave out.

    Raises
    ------
    UsageError
        If the banks hold different features.
    """

    def __init__(
        self, parts: Sequence[tuple[Bank, Callable[[dict[str, Any]], dict[str, Any] | None]]]
    ) -> None:
        first = parts[0][0]
        self.folder, self.feature = first.folder, first.feature
        self.rows, self._homes = [], []
        for bank, change in parts:
            if bank.feature != first.feature:
                raise UsageError(f"{bank.folder} and {first.folder} hold different features: build one again")
            for index, row in enumerate(bank.rows):
                changed = change(row)
                if changed is not None:
                    self.rows.append(changed)
                    self._homes.append((bank, index))
        self.count = np.array([bank.count[index] for bank, index in self._homes], dtype=np.int64)
        self.level_db = np.array([bank.level_db[index] for bank, index in self._homes], dtype=np.float32)

    def item(self, index: int) -> np.ndarray:
        bank, at_home = self._homes[index]
        return bank.item(at_home)
