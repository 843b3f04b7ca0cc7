"""Predictions that ``analyze`` kept in the folder of its results: nothing is heard again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonoscope import models
from sonoscope import scores as score_tables
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import SLACK_S
from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.evaluation.pooling import Windows
from sonoscope.evaluation.predictions import matching
from sonoscope.evaluation.predictions.bundles import probabilities
from sonoscope.evaluation.predictions.windows import Asked, Held
from sonoscope.models.bundle import Bundle
from sonoscope.runs import folder as run_folder
from sonoscope.values import Label, Scores


@dataclass(eq=False)
class KeptSource:
    """The scores of one model in a folder of results."""

    place: Path
    name: str
    labels: tuple[Label, ...]
    bundle: Bundle | None
    files: Mapping[str, Path]
    partial: bool = False
    _said: list[str] = field(default_factory=list)

    @property
    def own(self) -> Mapping[str, float]:
        return {} if self.bundle is None else self.bundle.thresholds

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is."""
        model = {} if self.bundle is None else {"model": self.bundle.name, "sha256": self.bundle.sha256[:16]}
        return {"results": str(self.place), "files": len(self.files), **model}

    def remarks(self) -> list[str]:
        """That scores were rounded, and what they are where their model is not at hand."""
        return self._said

    def windows(self, manifest: Manifest, asked: Asked) -> Iterator[tuple[int, Windows]]:
        """Read the scores of every row; see :class:`~sonoscope.evaluation.predictions.windows.Source`.

        Raises
        ------
        UsageError
            If rows have no scores, or end after them.
        """
        names = matching.Names(self.files)
        found = {row.path: names.of(row.path) for row in manifest.rows}
        missing = [path for path, name in found.items() if name is None]
        matching.refuse_missing(missing, len(found), str(self.place), names.names)
        held: dict[str, tuple[Held, Scores]] = {}
        wrong = []
        for place, row in enumerate(manifest.rows):
            name = found[row.path]
            assert name is not None
            if name not in held:
                held = {name: self._read(self.files[name])}  # rows of a file follow each other
            windows, scores = held[name]
            length = windows.length_s or 0.0
            if row.end_s is not None and row.end_s > length + SLACK_S:
                wrong.append(f"{row.path} (clip ends at {row.end_s:g} s, scores at {length:g} s)")
                continue
            self._check(asked, scores)
            yield place, windows.of(row)
        matching.refuse_lengths(wrong, str(self.place))

    def _read(self, file: Path) -> tuple[Held, Scores]:
        scores, _ = score_tables.load(file)
        calibration = None if self.bundle is None else self.bundle.calibration
        weights = (scores.ends - scores.starts) / scores.window_samples
        held = Held(
            probabilities(scores.logits, calibration), scores.start_s, scores.end_s, weights,
            scores.n_samples / scores.sample_rate,
        )  # fmt: skip
        return held, scores

    def _check(self, asked: Asked, scores: Scores) -> None:
        """Windows and hops that were asked for must be those of the scores."""
        for name, wish, samples in (
            ("window", asked.options.window_s, scores.window_samples),
            ("hop", asked.options.hop_s, scores.hop_samples),
        ):
            have = samples / scores.sample_rate
            if wish is not None and abs(wish - have) * scores.sample_rate > 0.5:
                raise UsageError(
                    f"{name}={wish:g} s: the scores in {self.place} have {name} {have:g} s; leave it out"
                )


def opened(place: Path, model: str = "") -> KeptSource:
    """The scores of a folder of results; ``model`` says of which, where there are several.

    Raises
    ------
    UsageError
        If it holds none, or several and none is named.
    """
    found = located(place, model)
    bundle = found.bundle
    first, _ = score_tables.load(next(iter(found.files.values())))
    labels = tuple(Label(label) for label in first.labels) if bundle is None else bundle.labels
    said = ["scores were kept to 1e-3 of a logit: LRAP may tie where nothing does"]
    if bundle is None:
        said.append(
            f"the model {found.model} is not at hand: scores are sigmoids of its logits, not calibrated"
        )
    return KeptSource(place, found.name, labels, bundle, found.files, _said=said)


@dataclass(frozen=True)
class Located:
    """Where a folder of results keeps the scores of a model, by recording.

    ``name`` is what tables call it; ``bundle`` is the model itself, where it is at hand.
    """

    model: str
    name: str
    files: Mapping[str, Path]
    bundle: Bundle | None


def located(place: Path, model: str = "") -> Located:
    """The kept scores of a model, windows or notes; raises as :func:`opened`."""
    settings = run_folder.Folder(place).read_settings() or {}
    held: dict[str, Any] = settings.get("models", {})
    if not held:
        raise UsageError(f"{place} holds no results of sonoscope analyze")
    if model and model not in held:
        raise UsageError(f"{place} has no scores of {model!r}: it has those of {', '.join(held)}")
    if not model and len(held) > 1:
        raise UsageError(f"{place} has scores of {', '.join(held)}: name one, {place}@{next(iter(held))}")
    name = model or next(iter(held))
    root = place / run_folder.STATE / "scores"
    ending = run_folder.kept_scores("", name if len(held) > 1 else "").rpartition("/")[2]
    files = {
        path.relative_to(root).as_posix().removesuffix(ending): path
        for path in sorted(root.rglob(f"*{ending}"))
    }
    if not files:
        raise UsageError(f"{place} keeps no scores: analyze with them (without --no-scores)")
    bundle = _bundle(place, name, held[name].get("sha256", ""))
    return Located(name, f"{place.name}@{name}" if len(held) > 1 else place.name, files, bundle)


def _bundle(place: Path, name: str, sha256: str) -> Bundle | None:
    """The model that made the scores, if it can be found and is still the same."""
    words = [name]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        words += json.loads((place / "run.json").read_text(encoding="utf-8"))["settings"]["models"]
    for word in words:
        try:
            bundle = models.load(word)
        except SonoscopeError:
            continue
        if bundle.sha256 == sha256:
            return bundle
    return None
