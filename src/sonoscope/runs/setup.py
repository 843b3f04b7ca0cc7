"""From what was asked to what will be done: models opened, thresholds resolved, and what identifies both.

Nothing is written here, and everything that can be wrong with a request alone is found here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from sonoscope import models, outputs
from sonoscope.errors import UsageError, lookup, optional
from sonoscope.events import Decision
from sonoscope.models import thresholds
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.notes.decision import NoteDecision
from sonoscope.outputs import events_csv
from sonoscope.runs import afterwards, staging
from sonoscope.runs.hearing import AnyDecision
from sonoscope.runs.notewishes import NoteWishes
from sonoscope.runs.origin import Origins
from sonoscope.runs.spec import RunSpec, place
from sonoscope.windows import in_samples

#: Version of the folder's layout and of what kept scores mean; another one is refused, not guessed at.
STATE_VERSION = 1


@dataclass(frozen=True)
class Setup:
    """A request that was found to be possible.

    Attributes
    ----------
    spec : RunSpec
        With absolute paths.
    bundles, decisions : tuples of Bundle and Decision, one by one
    settings : dict
        What the kept scores depend on: the analysis settings, as ``settings.json`` holds them.
    decision : str
        Fingerprint of the decision settings.
    """

    spec: RunSpec
    bundles: tuple[Bundle, ...]
    decisions: tuple[AnyDecision, ...]
    settings: dict[str, Any]
    decision: str

    def effective(self) -> RunSpec:
        """The spec with the model's own values filled in and files of thresholds read, to be repeated later.

        ``overwrite``, ``shard`` and its list are left out: a repetition is of the whole run and harms nothing.
        """
        spec = replace(self.spec, overwrite=False, shard=None, listed=None)
        windows = [k for k, decision in enumerate(self.decisions) if isinstance(decision, Decision)]
        if windows:
            spec = replace(spec, threshold=thresholds.inline(spec.threshold, self.bundles[windows[0]]))
        if len(self.bundles) > 1:
            return spec
        decision, bundle = self.decisions[0], self.bundles[0]
        if isinstance(decision, NoteDecision):
            rules = decision.rules
            filled = replace(
                spec.notes, onset=rules.onset, sustain=rules.sustain, min_length_s=rules.min_length_s
            )
            return replace(spec, notes=filled)
        return replace(
            spec,
            hop_s=self.settings["models"][bundle.name]["hop_s"],
            min_duration_s=decision.min_duration_s,
            max_gap_s=decision.max_gap_s,
        )


def prepare(spec: RunSpec) -> Setup:
    """Open the models and check every option against them.

    Raises
    ------
    UsageError, UnknownName, BadBundle
        If an option is out of range, a name is unknown, a package is missing, or a model is not usable.
    """
    spec = spec.checked().absolute()
    Origins.of_spec(spec)
    if spec.then is not None:
        afterwards.words(spec.then)
    staging.check(spec)
    for name in spec.formats:
        lookup(outputs.WRITERS, name, "format")
    if "parquet" in (*spec.formats, spec.scores) and importlib.util.find_spec("pyarrow") is None:
        optional("pyarrow", "tables", "the format parquet")
    bundles = tuple(models.load(name) for name in spec.models)
    known = models.names()
    spec = replace(spec, models=tuple(name if name in known else place(name) for name in spec.models))
    names = [bundle.name for bundle in bundles]
    if len(set(names)) < len(names):
        raise UsageError(
            f"models={','.join(spec.models)!r}: two of them are called {max(names, key=names.count)!r}"
        )
    check_tasks(spec, bundles)
    decisions = tuple(_decision(spec, bundle) for bundle in bundles)
    return Setup(spec, bundles, decisions, _settings(spec, bundles), _fingerprint(spec, bundles, decisions))


def check_tasks(spec: RunSpec, bundles: tuple[Bundle, ...]) -> None:
    """Refuse models without labels, options that mean nothing to any, and pictures that nothing here can draw."""
    for bundle in bundles:
        models.check_labels(bundle)
    notes = [bundle.name for bundle in bundles if bundle.task == NOTES]
    if not notes and spec.notes != NoteWishes():
        wished = ", ".join(spec.notes.to_json())
        raise UsageError(
            f"{wished}: these are wishes about notes, and none of the models hears any (-m notes)"
        )
    if spec.notes.piano_roll == "png" and importlib.util.find_spec("matplotlib") is None:
        optional("matplotlib", "eval", "a piano roll as PNG (--piano-roll svg needs nothing)")
    if spec.notes.tracks and len(notes) == len(bundles):
        raise UsageError(
            "--tracks by-instrument needs a model of instruments beside that of notes: -m notes,instruments"
        )
    if len(notes) < len(bundles):
        return
    for option, value, instead in (
        ("threshold", None if spec.threshold == thresholds.OWN else spec.threshold, "--onset and --sustain"),
        ("hop", spec.hop_s, "frames are those of the model"),
        ("min-duration", spec.min_duration_s, "--min-length"),
        ("max-gap", spec.max_gap_s, "the model's own rules"),
        ("scores", spec.scores, "scores of notes are kept in the folder, in .sonoscope/scores"),
    ):
        if value is not None:
            raise UsageError(f"--{option} is about windows, and {' and '.join(notes)} hears notes: {instead}")
    for name in spec.formats:
        if outputs.WRITERS[name].needs_scores:
            raise UsageError(
                f"the format {name} holds scores of windows, and {' and '.join(notes)} hears notes"
            )


def _decision(spec: RunSpec, bundle: Bundle) -> AnyDecision:
    if bundle.task == NOTES:
        return spec.notes.decision(bundle.rules)
    on, low = thresholds.resolve(spec.threshold, bundle)
    return Decision(
        on,
        low,
        bundle.min_duration_s if spec.min_duration_s is None else spec.min_duration_s,
        bundle.max_gap_s if spec.max_gap_s is None else spec.max_gap_s,
    )


def _settings(spec: RunSpec, bundles: tuple[Bundle, ...]) -> dict[str, Any]:
    return {
        "state": STATE_VERSION,
        "inputs": sorted(set(spec.inputs)),
        "channel": spec.channel,
        "models": {bundle.name: _model(spec, bundle) for bundle in bundles},
    }


def _model(spec: RunSpec, bundle: Bundle) -> dict[str, Any]:
    """What of a model the scores depend on: the graph, what goes into it, and the grid of windows, or the tuning."""
    if bundle.task == NOTES:
        return {
            "version": bundle.version,
            "sha256": bundle.sha256,
            "input": _hash([bundle.spec["input"], bundle.spec["outputs"], bundle.sample_rate]),
            "hop_s": bundle.note_hop_s,
            "tuning": "auto" if spec.notes.tuning is None else spec.notes.tuning,
        }
    hop = bundle.hop_samples
    if spec.hop_s is not None:
        hop = in_samples(spec.hop_s, bundle.sample_rate, bundle.window_samples)
    fed = [bundle.spec["input"], bundle.spec["outputs"], bundle.sample_rate, bundle.window_samples]
    return {
        "version": bundle.version,
        "sha256": bundle.sha256,
        "input": _hash(fed),
        "hop_s": hop / bundle.sample_rate,
    }


def _fingerprint(spec: RunSpec, bundles: tuple[Bundle, ...], decisions: tuple[AnyDecision, ...]) -> str:
    """Equal for two runs exactly if they make the same files, with the same columns, from the same kept scores."""
    per_model = [_terms(b, d) for b, d in zip(bundles, decisions, strict=True)]
    held = [per_model, spec.tail, sorted(spec.formats), spec.scores, spec.raw, events_csv.HEADER]
    origin = [spec.start_time, spec.recorded_in, spec.site_from]
    return _hash(
        held
        + ([spec.notes.written()] if any(b.task == NOTES for b in bundles) else [])
        + ([origin] if any(origin) else [])
    )


def _terms(bundle: Bundle, decision: AnyDecision) -> list[Any]:
    if isinstance(decision, NoteDecision):
        return [bundle.name, asdict(decision)]
    return [
        bundle.name,
        bundle.calibration.tolist(),
        dict(decision.thresholds),
        dict(decision.low_thresholds),
        decision.min_duration_s,
        decision.max_gap_s,
    ]


def _hash(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
