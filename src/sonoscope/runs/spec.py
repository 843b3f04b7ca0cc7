"""What a run is asked to do, and what came of it.

A :class:`RunSpec` holds every option of ``analyze``. Its fields fall into three kinds, and that decides what
may change between two runs into one folder:

- *analysis* (inputs, models, hop, channel, tuning): the kept scores depend on them, so another value needs
  another folder;
- *decision* (threshold, durations, tail, formats, scores, raw, notes; when and where recordings were made): made
  again from kept scores, in seconds;
- *manner* (workers, on, dask, listed, stage, max_memory, watch, then, shard, strict, overwrite, keep_scores): never
  changes a result.

``run.json`` keeps a spec under ``settings``; :meth:`RunSpec.from_run_json` reads it back.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from sonoscope.audio import secrets, stores
from sonoscope.errors import UsageError, one_of
from sonoscope.models import thresholds
from sonoscope.models.devices import DEVICES
from sonoscope.runs.notewishes import NoteWishes

TAILS = ("keep", "drop")
SCORE_KINDS = ("csv", "parquet", "tsv")


@dataclass(frozen=True)
class RunSpec:
    """Every option of ``analyze``.

    Attributes
    ----------
    inputs : tuple of str
        Files, folders, globs, archives; also as URLs.
    out : str
        Folder for the results, or its URL; ``{time}`` in it becomes the local time, so each run gets its own.
    models, formats : tuple of str
        Names of bundles (or bundle folders) and of output formats.
    threshold : str, optional
        ``0.5``, ``violin=0.4,...``, ``precision=0.95``, ``fpr=0.005`` or a file; None or ``model``: the
        model's own.
    hop_s, min_duration_s, max_gap_s : float, optional
        Seconds; None: the model's own.
    tail : {"keep", "drop"}
        Whether a last window that reaches past the audio counts.
    scores : {None, "csv", "parquet", "tsv"}
        Also write a table of window scores for each input.
    raw : bool
        Also write logits.
    keep_scores : bool
        Keep compact scores in the folder, so that decisions can be made again without audio.
    channel : int, optional
        The one channel to analyse; None: the mean of all.
    workers : int, optional
        Processes, a file each; None: this process's share of the machine.
    shard : (int, int), optional
        ``(i, n)``: only part ``i`` of ``n``, counted from 1.
    listed : str, optional
        A list of the inputs that was made beforehand, with the part of each (:mod:`~sonoscope.runs.parts`).
    dask : str, optional
        Workers are those of a dask cluster: an address, ``local``, ``slurm`` or a YAML file
        (:mod:`~sonoscope.runs.dasked`).
    stage : str, optional
        A folder on a disk of this machine: recordings are copied there before they are read
        (:mod:`~sonoscope.runs.staging`).
    stage_limit : int, optional
        Bytes that may lie there at a time.
    overwrite, strict : bool
        Begin anew in a folder that is in use; stop at the first input that fails.
    notes : NoteWishes
        What only models of notes know.
    start_time, recorded_in, site_from : str, optional
        Where the start of recordings, the clock of a start without an offset, and the site are read from
        (:mod:`~sonoscope.runs.origin`).
    max_memory : int, optional
        Bytes that all processes of the run may hold together.
    watch : bool
        Go on and analyse what is added to the inputs, until interrupted.
    then : str, optional
        A command to be run when the tables are written (:mod:`~sonoscope.runs.afterwards`).
    """

    inputs: tuple[str, ...]
    out: str
    models: tuple[str, ...] = ("instruments",)
    formats: tuple[str, ...] = ("csv",)
    threshold: str | None = None
    hop_s: float | None = None
    min_duration_s: float | None = None
    max_gap_s: float | None = None
    tail: str = "keep"
    scores: str | None = None
    raw: bool = False
    keep_scores: bool = True
    channel: int | None = None
    workers: int | None = None
    on: str = "cpu"
    shard: tuple[int, int] | None = None
    listed: str | None = None
    dask: str | None = None
    stage: str | None = None
    stage_limit: int | None = None
    overwrite: bool = False
    strict: bool = False
    notes: NoteWishes = field(default_factory=NoteWishes)
    start_time: str | None = None
    recorded_in: str | None = None
    site_from: str | None = None
    max_memory: int | None = None
    watch: bool = False
    then: str | None = None

    def checked(self) -> RunSpec:
        """The same spec, every value known to be in range.

        Raises
        ------
        UsageError
            Naming the value, the legal range and the option. The upper end of ``hop_s`` is the model's window
            and is checked where the model is known.
        """
        if not self.out:
            raise UsageError("no place for the results: give -o OUT")
        for text in (*self.inputs, self.out):
            if stores.is_url(text):
                secrets.check(text)
        if not self.models or len(set(self.models)) != len(self.models):
            raise UsageError(f"models={','.join(self.models)!r}: name each model once (-m NAME,NAME)")
        if not self.formats or len(set(self.formats)) != len(self.formats):
            raise UsageError(
                f"formats={','.join(self.formats)!r}: name each format once (--format NAME,NAME)"
            )
        _check_positive("hop", self.hop_s, zero=False)
        _check_positive("min-duration", self.min_duration_s, zero=True)
        _check_positive("max-gap", self.max_gap_s, zero=True)
        one_of(TAILS, self.tail, "tail")
        one_of(DEVICES, self.on, "device")
        if self.scores is not None:
            one_of(SCORE_KINDS, self.scores, "scores")
        if self.channel is not None and self.channel < 1:
            raise UsageError(
                f"channel={self.channel} must be 1 or more: channels are counted from 1 (--channel)"
            )
        if self.workers is not None and self.workers < 1:
            raise UsageError(
                f"workers={self.workers} must be at least 1; leave --workers out for this job's share"
            )
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            i, n = self.shard
            raise UsageError(f"shard={i}/{n}: the part must lie in 1..{n}, for example --shard 1/{max(n, 1)}")
        unknown = [word for word in re.findall(r"\{\w*\}", self.out) if word != "{time}"]
        if unknown and not Path(self.out).exists():
            raise UsageError(
                f"out={self.out} holds {unknown[0]}; only {{time}} becomes something else: write that, or no braces"
            )
        if self.shard and "{time}" in self.out:
            raise UsageError(
                f"out={self.out} with a shard: the parts would not find each other; fix the name"
            )
        if self.shard and self.watch:
            raise UsageError(
                "--watch goes on until it is interrupted, and the parts of --shard wait for each other: give one"
            )
        self.notes.checked()
        return self

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values, keys in the order of the fields."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"notes": self.notes.to_json()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunSpec:
        """The inverse of :meth:`to_json`; fields left out take their defaults.

        Raises
        ------
        UnknownName
            For a key that is no field, naming the nearest.
        UsageError
            If ``inputs`` or ``out`` is missing, or a value has the wrong type.
        """
        known = {f.name: f for f in fields(cls)}
        for key in values:
            one_of(known, key, "setting")
        for key in ("inputs", "out"):
            if key not in values:
                raise UsageError(f"the settings have no {key!r}")
        return cls(**{key: _typed(key, value, str(known[key].type)) for key, value in values.items()})

    @classmethod
    def from_run_json(cls, file: str | Path) -> RunSpec:
        """The spec of an earlier run, from its ``run.json``.

        Raises
        ------
        UsageError
            If the file is missing, is not JSON, or has no ``settings``.
        """
        try:
            values = json.loads(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"config={str(file)!r} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise UsageError(f"config={str(file)!r} is not JSON: {error}") from None
        if not isinstance(values, dict) or not isinstance(values.get("settings"), dict):
            raise UsageError(f"config={str(file)!r} is no run.json of sonoscope: it has no 'settings'")
        return cls.from_json(values["settings"])

    def absolute(self) -> RunSpec:
        """The spec with the paths of inputs, output and thresholds made absolute: the same from any folder."""
        return replace(
            self,
            inputs=tuple(place(text) for text in self.inputs),
            out=place(self.out),
            listed=place(self.listed) if self.listed else None,
            # Variables are those of the process that stages.
            stage=place(self.stage) if self.stage and "$" not in self.stage else self.stage,
            threshold=place(self.threshold)
            if self.threshold not in (None, thresholds.OWN) and Path(self.threshold).is_file()
            else self.threshold,
        )


@dataclass(frozen=True)
class RunSummary:
    """What came of a run.

    ``done`` and ``failed`` count all inputs of this run (this shard), ``events`` those of the inputs done. Of
    those done, ``skipped`` were complete before and ``decided`` got new decisions from kept scores.
    ``exit_code`` is 0, or 1 when some failed. ``message`` sums it up in a line; ``remarks`` are what else
    the user should know.
    """

    out: str
    done: int = 0
    failed: int = 0
    events: int = 0
    skipped: int = 0
    decided: int = 0
    audio_s: float = 0.0
    elapsed_s: float = 0.0
    exit_code: int = 0
    message: str = ""
    remarks: tuple[str, ...] = ()


def parse_shard(text: str) -> tuple[int, int]:
    """``"3/16"`` as ``(3, 16)``. Raises ``UsageError`` for anything else."""
    parts = text.split("/")
    if len(parts) != 2 or not all(p.strip().isdigit() for p in parts):
        raise UsageError(f"shard={text!r} must look like 3/16: part 3 of 16")
    i, n = int(parts[0]), int(parts[1])
    if n < 1:
        raise UsageError(f"shard={text!r}: there must be 1 part or more, for example 1/16")
    if not 1 <= i <= n:
        raise UsageError(f"shard={text!r}: the part must lie in 1..{n}")
    return i, n


def place(text: str) -> str:
    """A local path made absolute (without following links); URLs stay as they are."""
    return text if stores.is_url(text) else str(Path.cwd() / text)


def _check_positive(option: str, value: float | None, *, zero: bool) -> None:
    if value is None or (math.isfinite(value) and (value > 0 or (zero and value == 0))):
        return
    least = "0 or more" if zero else "more than 0"
    raise UsageError(f"{option}={value:g} must be {least}, in seconds (--{option})")


def _typed(key: str, value: Any, declared: str) -> Any:
    """``value`` from JSON as the type that the field declares, or a ``UsageError`` that says which."""
    if declared == "NoteWishes":
        return NoteWishes.from_json(value)
    optional = declared.endswith("| None")
    kind = declared.removesuffix("| None").strip()
    if value is None and optional:
        return None
    if kind == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if kind == "tuple[int, int]" and isinstance(value, list) and len(value) == 2:
        return int(value[0]), int(value[1])
    if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    plain = {"str": str, "int": int, "bool": bool}.get(kind)
    if plain is not None and type(value) is plain:
        return value
    raise UsageError(f"setting {key}={value!r} must be {'null or ' if optional else ''}of type {kind}")
