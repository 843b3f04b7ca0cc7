"""The folder of a run as a season: for each recording its place, its scores, and which windows events cover.

Events are found again from the kept scores under the decision of the folder's last run, which gives those of
``events.csv``. A window is *found* for a label if the middle of the time that its score speaks for (its cell) lies in
an event of that label. Cells tile a recording, so found cells times their length are the time that events last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope import events as event_rules
from sonoscope import scores as score_tables
from sonoscope.errors import SonoscopeError, UnknownName, UsageError, nearest
from sonoscope.events import Decision
from sonoscope.models.bundle import Bundle
from sonoscope.outputs.tables import FilesRow, read_files
from sonoscope.runs import folder
from sonoscope.runs.journal import DONE, Journal, Record
from sonoscope.runs.setup import prepare
from sonoscope.runs.spec import RunSpec
from sonoscope.values import Label, Scores


@dataclass(frozen=True, eq=False)
class Heard:
    """One recording of a season.

    Attributes
    ----------
    row : FilesRow
        Its row of ``files.csv``: name, site, recorder, start.
    path : str
        Where it was when it was analysed.
    scores : Scores
        Windows that count, ``n`` of them, of ``c`` labels.
    found : np.ndarray, shape (n, c), bool
        Whether an event of the label covers the middle of the window's cell.
    """

    row: FilesRow
    path: str
    scores: Scores
    found: np.ndarray

    @property
    def edges_s(self) -> np.ndarray:
        """Where cells begin, and where the last one ends, in seconds, shape (n + 1,)."""
        return np.minimum(self.scores.cell_edges / self.scores.sample_rate, self.row.duration or np.inf)


class Season:
    """What a run found and kept, recording by recording; nothing is held.

    Parameters
    ----------
    out : path
        The folder of a finished run.
    model : str, optional
        Which of its models; needed where there are several.

    Raises
    ------
    UsageError
        If the folder holds no finished run, has kept no scores, or holds several models and none is named.
    """

    def __init__(self, out: str | Path, model: str | None = None) -> None:
        self.out = Path(out)
        for name in ("run.json", "files.csv"):
            if not self.out.is_dir():
                raise UsageError(f"there is no folder {self.out}: name the one that analyze -o wrote")
            if not (self.out / name).is_file():
                raise UsageError(
                    f"{self.out} holds no finished run of sonoscope (no {name}): name the folder that "
                    "analyze -o wrote, after it has ended"
                )
        if not (self.out / folder.STATE / "scores").is_dir():
            raise UsageError(
                f"{self.out} has kept no scores (--no-scores, or {folder.STATE} was deleted): analyse again"
            )
        setup = prepare(RunSpec.from_run_json(self.out / "run.json"))
        self.spec = setup.spec
        names = [
            bundle.name
            for bundle, decision in zip(setup.bundles, setup.decisions, strict=True)
            if isinstance(decision, Decision)
        ]
        if not names:
            raise UsageError(
                f"{self.out} holds notes and no scores of windows: there is nothing to judge or rate here"
            )
        if model is None and len(names) > 1:
            raise UsageError(f"{self.out} holds several models: choose one, -m {' or -m '.join(names)}")
        if model is not None and model not in names:
            raise UnknownName(
                f"{self.out} holds no scores of {model!r}.{nearest(model, names)} It holds {', '.join(names)}."
            )
        place = [bundle.name for bundle in setup.bundles].index(model or names[0])
        self.bundle: Bundle = setup.bundles[place]
        decision = setup.decisions[place]
        assert isinstance(decision, Decision)
        self.decision: Decision = decision
        self._suffix = self.bundle.name if len(setup.bundles) > 1 else ""
        with open(self.out / "files.csv", encoding="utf-8", newline="") as file:
            self.files = {row.file: row for row in read_files(file, str(self.out / "files.csv"))}

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels that are reported."""
        return tuple(label for label in self.bundle.labels if label.kind == "event")

    def columns(self, names: Sequence[str] | None = None) -> dict[str, int]:
        """Labels and their columns in the scores: those named, or all that are reported.

        Raises
        ------
        UnknownName
            For a name that the model does not have.
        """
        known = {label: place for place, label in enumerate(self.bundle.label_ids)}
        for name in names or ():
            if name not in known:
                raise UnknownName(
                    f"{self.bundle.name} has no label {name!r}.{nearest(name, known)} Known: {', '.join(known)}."
                )
        return {name: known[name] for name in names or [label.id for label in self.labels]}

    @property
    def recordings(self) -> int:
        """How many recordings have scores."""
        return sum(row.status == DONE for row in self.files.values())

    def heard(self, report: Callable[[int, int], None] | None = None) -> Iterator[Heard]:
        """Every recording with scores, in order of name; ``report(done, of)`` after each.

        Raises
        ------
        SonoscopeError
            If kept scores are missing or damaged.
        """
        done, total = 0, self.recordings
        with contextlib.closing(Journal(self.out / folder.STATE, None)) as journal:
            for record in journal.records():
                row = self.files.get(record.name)
                if record.status != DONE or row is None:
                    continue
                yield self._heard(record, row)
                done += 1
                if report is not None:
                    report(done, total)

    def _heard(self, record: Record, row: FilesRow) -> Heard:
        file = self.out / folder.kept_scores(record.name, self._suffix)
        try:
            scores, _ = score_tables.load(file, self.bundle.calibration)
        except FileNotFoundError:
            raise SonoscopeError(f"{file} is gone: analyse again, which makes it anew") from None
        if scores.labels != self.bundle.label_ids:
            raise SonoscopeError(
                f"{file} holds other labels than the model {self.bundle.name}: analyse again"
            )
        if self.spec.tail == "drop":
            whole = ~scores.padded
            names = ("starts", "ends", "logits", "probabilities")
            scores = replace(scores, **{name: getattr(scores, name)[whole] for name in names})
        return Heard(row, record.path, scores, self._found(scores, record.duration_s))

    def _found(self, scores: Scores, duration_s: float) -> np.ndarray:
        edges = scores.cell_edges
        middles = (edges[:-1] + edges[1:]) / (2 * scores.sample_rate)
        found = np.zeros((len(scores), len(scores.labels)), dtype=bool)
        columns = {name: place for place, name in enumerate(scores.labels)}
        for event in event_rules.find(scores, self.decision, self.bundle.labels, duration_s=duration_s):
            first, last = np.searchsorted(middles, (event.start_s, event.end_s))
            found[first:last, columns[event.label]] = True
        return found
