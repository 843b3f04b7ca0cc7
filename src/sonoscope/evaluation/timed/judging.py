"""From the words of the command to figures in time: parts with truth, what each source says of them, a protocol.

A recording that any model cannot hear is left out for all of them, and reported.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np

from sonoscope import __version__
from sonoscope.data.datasets import musicnet as dataset
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.evaluation import disjoint, history, sidebyside
from sonoscope.evaluation.heard import Heard
from sonoscope.evaluation.notes import notes_of
from sonoscope.evaluation.predictions import matching
from sonoscope.evaluation.protocols.musicnet import MusicnetOptions, PitchPiece, fit_threshold
from sonoscope.evaluation.protocols.notes import Piece
from sonoscope.evaluation.protocols.protocol import Protocol, Request
from sonoscope.evaluation.result import Result
from sonoscope.evaluation.timed import parts as truth
from sonoscope.evaluation.timed.parts import Part
from sonoscope.evaluation.timed.sources import Source, Wish, opened

T = TypeVar("T")


def judge_notes(request: Request, protocol: Protocol) -> Result:
    """Judge notes; see ``Protocol.judge``."""
    options = request.options
    wish = Wish(pedal=options.pedal)
    parts = truth.parts(request.data, pedal=options.pedal, report=request.problem)
    sources = _sources(request, wish, parts)

    def piece(source: Source, part: Part) -> Piece:
        return Piece(part.name, notes_of(part.events), notes_of(source.notes(part)), part.group)

    said, kept = _everything(request, sources, parts, piece)

    def measured(name: str) -> Result:
        return protocol.measure(said[name], options, **_said_of(request, sources[name], kept))

    return _together(request, sources, measured)


def judge_pitch(request: Request, protocol: Protocol) -> Result:
    """Judge pitches in frames; the threshold is fitted on validation data where there are any."""
    options: MusicnetOptions = request.options
    wish = Wish()
    chosen = _listed(request.data, options)
    parts = truth.parts(chosen, report=request.problem)
    sources = _sources(request, wish, parts)

    def piece(source: Source, part: Part) -> PitchPiece:
        stem = PurePosixPath(part.row.path).stem
        known = stem.isdecimal() and (part.row.source == "musicnet" or bool(options.ids))
        return PitchPiece(
            part.name, part.duration_s, notes_of(part.events), source.roll(part), part.group,
            int(stem) if known else None,
        )  # fmt: skip

    said, kept = _everything(request, sources, parts, piece)
    fitted: dict[str, float] = {}
    if request.validation is not None:
        disjoint.check(
            chosen, request.validation, (request.data_name, request.validation_name or "the validation")
        )
        others = truth.parts(request.validation, report=request.problem)
        for source in sources.values():
            source.check(others)
        held, _ = _everything(request, sources, others, piece)
        fitted = {name: fit_threshold(pieces, options) for name, pieces in held.items()}

    def measured(name: str) -> Result:
        about = _said_of(request, sources[name], kept)
        own = options
        if name in fitted:
            own = replace(options, threshold=fitted[name])
            told = f"threshold {fitted[name]:g}: highest accuracy on {request.validation_name or 'the validation'}"
            about["notes"] = [told, *about["notes"]]
        return protocol.measure(said[name], own, **about)

    return _together(request, sources, measured)


def judge_events(request: Request, protocol: Protocol) -> Result:
    """Judge a detector."""
    options = request.options
    parts = truth.parts(request.data, need_annotation=False, report=request.problem)
    sources = _sources(request, Wish(threshold=options.threshold), parts)
    labels = _labels(request, parts)
    strange: dict[str, set[str]] = {source.name: set() for source in sources.values()}

    def heard(source: Source, part: Part) -> Heard:
        said = source.said(part, labels)
        strange[source.name].update(said.strangers)
        edges, scores = said.edges_s, said.scores
        if scores is not None and not len(scores):
            edges, scores = np.array([0.0]), np.zeros((0, len(labels)))
        return Heard(
            part.name,
            part.duration_s,
            part.events,
            said.events,
            edges,
            scores,
            part.row.site,
            part.unknown(labels),
        )

    said, kept = _everything(request, sources, parts, heard)
    for name, source in sources.items():
        if strange[source.name] and not any(each.said or each.scores is not None for each in said[name]):
            matching.refuse_strangers(sorted(strange[source.name]), labels, name)

    def measured(name: str) -> Result:
        return protocol.measure(said[name], labels, options, **_said_of(request, sources[name], kept))

    return _together(request, sources, measured)


# ---- what all of them do -----------------------------------------------------------------------------------


def _sources(request: Request, wish: Wish, parts: Sequence[Part]) -> dict[str, Source]:
    """By their names, or by the words that were given where two have one name."""
    found = [opened(word, wish, export=request.settings.get("export")) for word in request.models]
    names = [source.name for source in found]
    for source in found:
        source.check(parts)
    return {
        word if names.count(source.name) > 1 else source.name: source
        for word, source in zip(request.models, found, strict=True)
    }


def _everything(
    request: Request, sources: Mapping[str, Source], parts: Sequence[Part], of: Callable[[Source, Part], T]
) -> tuple[dict[str, list[T]], list[Part]]:
    """What every source says of every part that all of them could hear, and these parts."""
    found: dict[str, dict[int, T]] = {name: {} for name in sources}
    first = ""
    for name, source in sources.items():
        for place, part in enumerate(parts):
            try:
                found[name][place] = of(source, part)
            except UnreadableAudio as error:
                first = first or f" The first, {part.row.path}: {error.reason}. {error.remedy}"
                start_s, duration_s = part.row.start_s, part.row.duration_s
                request.problem(Problem(part.row.path, start_s, duration_s, error.reason, error.remedy))
            request.tell(f"{name}: {place + 1:,} of {len(parts):,} recordings")
    places = [place for place in range(len(parts)) if all(place in each for each in found.values())]
    if not places:
        raise UsageError(f"{request.data_name}: no recording could be heard by every model.{first}")
    return {name: [each[place] for place in places] for name, each in found.items()}, [
        parts[p] for p in places
    ]


def _together(request: Request, sources: Mapping[str, Source], measured: Callable[[str], Result]) -> Result:
    """The results of all sources, by name, as one."""
    results = {name: history.added(measured(name), source) for name, source in sources.items()}
    if request.settings.get("seeds"):
        return sidebyside.over_seeds(results)
    return sidebyside.together(results)


def _said_of(request: Request, source: Source, kept: Sequence[Part]) -> dict[str, Any]:
    """What ``measure`` takes besides."""
    total = len(request.data.rows)
    lost = [] if len(kept) == total else [f"{len(kept)} of {total} recordings were judged"]
    return {
        "provenance": {
            "sonoscope": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "data": request.data_name,
            "recordings": len(kept),
            "predictions": dict(source.about),
            "options": asdict(request.options),
        },
        "notes": [*lost, *source.remarks()],
    }


def _labels(request: Request, parts: Sequence[Part]) -> tuple[str, ...]:
    """Those that were asked for; else those of the data and of its annotations."""
    there = tuple(
        dict.fromkeys((*request.data.labels(), *sorted({e.label for part in parts for e in part.events})))
    )
    asked = request.settings.get("labels")
    if not asked:
        return there
    unknown = [label for label in asked if label not in there]
    if unknown:
        raise UsageError(
            f"labels {', '.join(unknown)} are not in the data; there are {matching.listed(there) or 'none'}"
        )
    return tuple(asked)


def _listed(manifest: Manifest, options: MusicnetOptions) -> Manifest:
    """The recordings of the list that was asked for."""
    numbers = set(options.numbers())
    if not numbers:
        return manifest
    rows = tuple(
        row
        for row in manifest.rows
        if (stem := PurePosixPath(row.path).stem).isdecimal() and int(stem) in numbers
    )
    if not rows:
        known = sorted(PurePosixPath(row.path).stem for row in manifest.rows)
        raise UsageError(
            f"ids={options.ids}: none of these recordings is in the data, which has {matching.listed(known)}. Lists: "
            f"{', '.join(dataset.LISTS)}"
        )
    return replace(manifest, rows=rows)
