"""From the words of the command to judged clips: sources of predictions, truth, thresholds from elsewhere.

Every model is judged on the same clips: one that any of them could not hear is left out for all, and named. While
models hear, running figures are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.evaluation import disjoint, history, predictions, sidebyside, truth
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.predictions import Asked, PartedSource, Source, matching
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.tagging import Answers
from sonoscope.evaluation.truth import Truth
from sonoscope.models import thresholds

#: Keys of ``Request.settings`` that clips understand.
LABELS, THRESHOLD, SEEDS, EXPORT, EMBEDDINGS = "labels", "threshold", "seeds", "export", "embeddings"


@dataclass
class Running:
    """How right a model has been so far, clip by clip, at one threshold for each label."""

    truth: Truth
    limits: np.ndarray
    name: str
    tell: Any
    _done: int = 0
    _right: int = 0
    _judged: int = 0
    _exact: int = 0
    _single: int = 0
    _best: int = 0

    def __call__(self, place: int, scores: np.ndarray) -> None:
        """A clip has its scores."""
        known, sounds = self.truth.known[place], self.truth.sounds[place] > 0
        right = ((scores >= self.limits) == sounds) & known
        self._done += 1
        self._right += int(right.sum())
        self._judged += int(known.sum())
        self._exact += bool(right.sum() == known.sum())
        if sounds.sum() == 1:
            self._single += 1
            self._best += bool(sounds[int(np.argmax(scores))])
        self.tell(self.line)

    @property
    def line(self) -> str:
        """``instruments: 120 of 374 clips; right so far: 91.2 % of decisions, 34.2 % of clips …``."""
        parts = [
            f"{self._right / max(self._judged, 1):.1%} of decisions",
            f"{self._exact / max(self._done, 1):.1%} of clips in every label",
        ]
        if self._single:
            parts.append(f"{self._best / self._single:.1%} of best labels")
        return f"{self.name}: {self._done:,} of {len(self.truth.names):,} clips; right so far: {', '.join(parts)}"


@dataclass
class _Heard:
    """Scores of a source on a set of clips, and what could not be heard."""

    scores: np.ndarray
    problems: list[Problem] = field(default_factory=list)
    #: By place; empty where they were not asked for, or the source has none.
    embeddings: dict[int, np.ndarray] = field(default_factory=dict)

    def mapped(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The embeddings of some clips as an array of a result, if each has one."""
        if not self.embeddings or not all(row in self.embeddings for row in rows.tolist()):
            return {}
        return {EMBEDDINGS: np.stack([self.embeddings[row] for row in rows.tolist()]).astype(np.float32)}


def clips(request: Request, protocol: Protocol) -> Result:
    """Judge every model of a request on clips, by a protocol of kind ``clip``.

    Raises
    ------
    UsageError
        If predictions and truth do not match, thresholds would be fitted on what is reported, or nothing is left.
    """
    options: ClipOptions = request.options
    sources = _sources(request)
    reported = truth.of(request.data, request.settings.get(LABELS))
    validation = None if request.validation is None else truth.of(request.validation, reported.labels)
    apart = None
    if request.validation is not None:
        apart = disjoint.check(
            request.data, request.validation, (request.data_name, request.validation_name or "the validation")
        )
    for source in sources:  # what does not match is refused before anything is heard
        _columns(source, reported)
        if isinstance(source, PartedSource):
            for manifest in filter(None, (request.data, request.validation)):
                source.check(manifest)
    embed = _embed(sources, request)
    heard = {
        source.name: _hear(source, reported, options, request.tell, request.problem, embed=embed)
        for source in sources
    }
    usable = np.logical_and.reduce([np.isfinite(each.scores).all(axis=1) for each in heard.values()])
    if not usable.any():
        raise UsageError(f"{request.data_name}: no clip could be heard; {_first(heard)}")
    kept = reported.take(np.flatnonzero(usable))
    results = {}
    for source in sources:
        own, own_title = _own(source, kept, request)
        answers = _answers(kept, heard[source.name].scores[usable])
        measured = protocol.measure(
            answers,
            options,
            own=own,
            own_title=own_title,
            validation=None if validation is None else _validated(source, validation, options, request),
            parts=kept.parts,
            provenance=_provenance(request, source, reported, usable, apart),
            notes=[
                *_lost(reported, usable, heard),
                *source.remarks(),
                *_learnt(source, kept),
                *_groups(apart),
            ],
        )
        arrays = {**measured.arrays, **heard[source.name].mapped(np.flatnonzero(usable))}
        results[source.name] = history.added(replace(measured, arrays=arrays), source)
    if request.settings.get(SEEDS):
        return sidebyside.over_seeds(results)
    return sidebyside.together(results)


@dataclass(frozen=True, eq=False)
class Answered:
    """Answers of one source, the clips that it could hear, and those that it could not."""

    source: Source
    answers: Answers
    manifest: Manifest
    problems: tuple[Problem, ...]


def answered(
    word: str,
    manifest: Manifest,
    options: ClipOptions,
    *,
    labels: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Answered:
    """The scores of one model, or one set of predictions, on labelled clips.

    Raises
    ------
    UsageError
        If predictions and truth do not match, or no clip could be heard.
    """
    source = predictions.opened(word)
    clips_of = truth.of(manifest, labels)
    heard = _hear(source, clips_of, options, tell)
    usable = np.flatnonzero(np.isfinite(heard.scores).all(axis=1))
    if not usable.size:
        raise UsageError(f"{word}: no clip could be heard; {_first({word: heard})}")
    kept = clips_of.take(usable)
    return Answered(source, _answers(kept, heard.scores[usable]), kept.manifest, tuple(heard.problems))


def _sources(request: Request) -> list[Source]:
    found = [predictions.opened(word, export=request.settings.get(EXPORT)) for word in request.models]
    names = [source.name for source in found]
    for k, (source, word) in enumerate(zip(found, request.models, strict=True)):
        if names.count(source.name) > 1:
            found[k] = _Renamed(source, word)
    return found


class _Renamed:
    """A source under the word that it was asked for with, where two have one name."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self.name = source, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._source, attribute)


def _columns(source: Source, reported: Truth) -> np.ndarray:
    return matching.columns(reported.labels, source.labels, partial=source.partial, what=source.name)


def _hear(
    source: Source,
    clips_of: Truth,
    options: ClipOptions,
    tell: Callable[[str], None],
    report: Callable[[Problem], None] = lambda _: None,
    *,
    embed: bool = False,
) -> _Heard:
    problems: list[Problem] = []
    embeddings: dict[int, np.ndarray] = {}

    def both(problem: Problem) -> None:
        problems.append(problem)
        report(problem)

    running = Running(clips_of, np.full(len(clips_of.labels), options.threshold), source.name, tell)
    asked = Asked(options, both, embeddings.__setitem__ if embed else None)
    found = predictions.clip_scores(source, clips_of.manifest, asked, _columns(source, clips_of), running)
    return _Heard(found, problems, embeddings)


def _embed(sources: Sequence[Source], request: Request) -> bool:
    """Whether embeddings are kept; refused if nothing that is judged has any."""
    if not request.settings.get(EMBEDDINGS):
        return False
    if not any(getattr(source, "embeds", False) for source in sources):
        names = ", ".join(source.name for source in sources)
        raise UsageError(
            f"no embeddings: {names} gives scores only. Judge a bundle of a network (its bundle.json names an output "
            "'embedding'), or leave --embeddings out"
        )
    return True


def _validated(source: Source, validation: Truth, options: ClipOptions, request: Request) -> Answers:
    found = _hear(source, validation, options, request.tell, request.problem).scores
    usable = np.isfinite(found).all(axis=1)
    if not usable.any():
        raise UsageError(f"{request.validation_name}: {source.name} could hear no clip of the validation")
    return _answers(validation.take(np.flatnonzero(usable)), found[usable])


def _answers(clips_of: Truth, scores: np.ndarray) -> Answers:
    return Answers(clips_of.sounds, clips_of.known, scores, clips_of.labels, clips_of.groups, clips_of.names)


def _own(source: Source, reported: Truth, request: Request) -> tuple[np.ndarray | None, str]:
    """The thresholds that are given, or that the source states; and what they are called."""
    wish = request.settings.get(THRESHOLD)
    if wish is None and not source.own:
        return None, ""
    columns = _columns(source, reported)
    if wish is None:
        limits = [source.own[source.labels[k].id] if k >= 0 else 0.5 for k in columns]
        return np.array(limits), "the model's own"
    origin = thresholds.origin(wish)
    if origin is not None:
        _refuse_origin(origin, request)
    stated = _Stated(source)
    on, _ = thresholds.resolve(wish, stated)
    limits = [on[source.labels[k].id] if k >= 0 else 0.5 for k in columns]
    where = f", fitted on {origin['data']}" if origin is not None and "data" in origin else ""
    return np.array(limits), f"given: {wish}{where}"


class _Stated:
    """A source in the words of ``models.thresholds``."""

    def __init__(self, source: Source) -> None:
        self.labels = source.labels
        self.thresholds = {label.id: source.own.get(label.id, 0.5) for label in source.labels}
        self.low_thresholds = dict(self.thresholds)
        bundle = getattr(source, "bundle", None)
        self.operating_points = {} if bundle is None else bundle.operating_points


def _refuse_origin(origin: Mapping[str, Any], request: Request) -> None:
    """Thresholds from a file remember the clips that they were fitted on."""
    held = set(origin.get("clips", ()))
    same = [
        f"{row.path}@{row.start_s:g}"
        for row, digest in zip(request.data.rows, disjoint.digests_of(request.data), strict=True)
        if digest in held
    ]
    if same:
        raise UsageError(
            f"the thresholds were fitted on what is reported: {len(same):,} clips of {request.data_name} are among "
            f"those of {origin.get('data', 'their file')}: {matching.listed(same)}. Fit them on other clips"
        )


def _provenance(
    request: Request, source: Source, reported: Truth, usable: np.ndarray, apart: disjoint.Shared | None
) -> dict[str, Any]:
    """What every report names besides versions: model, data, windows, thresholds."""
    options: ClipOptions = request.options
    skipped = [name for name, kept in zip(reported.names, usable, strict=True) if not kept]
    found: dict[str, Any] = {
        "model": dict(source.about),
        "data": request.data_name,
        "data_digest": disjoint.digest(request.data),
        "clips_skipped": skipped[: matching.SHOWN]
        + ([f"and {len(skipped) - matching.SHOWN} more"] if len(skipped) > matching.SHOWN else []),
        "window_s": options.window_s or "the model's own",
        "hop_s": options.hop_s
        or (f"{options.hop_share:g} of the window" if options.hop_share else "the model's own"),
        "tail": options.tail,
    }
    if request.validation is not None and apart is not None:
        found["validation"] = request.validation_name
        found["validation_digest"] = disjoint.digest(request.validation)
        found["certificate"] = f"{request.data_name} and {request.validation_name}: {apart.line}"
    return found


def _lost(reported: Truth, usable: np.ndarray, heard: Mapping[str, _Heard]) -> list[str]:
    if usable.all():
        return []
    lost = [name for name, kept in zip(reported.names, usable, strict=True) if not kept]
    return [f"{len(lost):,} of {len(usable):,} clips could not be heard and count nowhere: {_first(heard)}"]


def _first(heard: Mapping[str, _Heard]) -> str:
    problems = {(p.path, p.reason): p for each in heard.values() for p in each.problems}
    return matching.listed([f"{p.path} ({p.reason})" for p in problems.values()]) or "no window in them"


def _learnt(source: Source, reported: Truth) -> list[str]:
    """What of the reported clips a training used, where its manifest lies beside the model.

    That manifest does not say where its recordings lie, so clips are the same if path, start and labels are. Of a
    source with a model for each part, each is asked about its own clips.
    """
    if isinstance(source, PartedSource):
        parts = source.of(reported.manifest)
        return [line for member, places in parts for line in _learnt(member, reported.take(np.array(places)))]
    run: Path | None = getattr(source, "run", None)
    if run is None or not (run / "manifest.csv").is_file():
        return []
    held = manifests.read(run / "manifest.csv")
    found = []
    for part, what in (("train", "learnt from"), ("val", "chosen on")):
        used = {(row.path, row.start_s, row.labels): row.group for row in held.rows if row.split == part}
        same = sum((row.path, row.start_s, row.labels) in used for row in reported.manifest.rows)
        groups = {row.group for row in reported.manifest.rows} & set(used.values()) - {""}
        if same:
            found.append(f"{source.name}: {same:,} of these clips were {what}: their figures flatter")
        elif groups:
            found.append(
                f"{source.name}: {len(groups):,} groups of these clips were {what} too: figures flatter"
            )
    return found


def _groups(apart: disjoint.Shared | None) -> list[str]:
    if apart is None or not apart.groups:
        return []
    return [
        f"thresholds were fitted on clips of {len(apart.groups):,} groups that are reported too "
        f"({matching.listed(apart.groups)}): they flatter"
    ]
