"""From what was asked to what will be done: models opened, thresholds resolved, and what identifies both.

Nothing is written here, and everything that can be wrong with a request alone is found here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass, replace
from typing import Any

from sonoscope import models, outputs
from sonoscope.errors import UsageError, lookup, optional
from sonoscope.events import Decision
from sonoscope.models import thresholds
from sonoscope.models.bundle import Bundle
from sonoscope.outputs import events_csv
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
    decisions: tuple[Decision, ...]
    settings: dict[str, Any]
    decision: str

    def effective(self) -> RunSpec:
        """The spec with the model's own values filled in and files of thresholds read, to be repeated later.

        ``overwrite`` and ``shard`` are left out: a repetition is of the whole run and harms nothing.
        """
        spec, first = self.spec, self.bundles[0]
        alone = len(self.bundles) == 1
        return replace(
            spec,
            threshold=thresholds.inline(spec.threshold, first),
            hop_s=self.settings["models"][first.name]["hop_s"] if alone else spec.hop_s,
            min_duration_s=self.decisions[0].min_duration_s if alone else spec.min_duration_s,
            max_gap_s=self.decisions[0].max_gap_s if alone else spec.max_gap_s,
            overwrite=False,
            shard=None,
        )


def prepare(spec: RunSpec) -> Setup:
    """Open the models and check every option against them.

    Raises
    ------
    UsageError, UnknownName, BadBundle
        If an option is out of range, a name is unknown, a package is missing, or a model is not usable.
    """
    spec = spec.checked().absolute()

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
    decisions = tuple(_decision(spec, bundle) for bundle in bundles)
    return Setup(spec, bundles, decisions, _settings(spec, bundles), _fingerprint(spec, bundles, decisions))


def _decision(spec: RunSpec, bundle: Bundle) -> Decision:
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
    """What of a model the scores depend on: the graph, what goes into it, and the grid of windows."""
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


def _fingerprint(spec: RunSpec, bundles: tuple[Bundle, ...], decisions: tuple[Decision, ...]) -> str:
    """Equal for two runs exactly if they make the same files, with the same columns, from the same kept scores."""
    per_model = [
        [
            b.name,
            b.calibration.tolist(),
            dict(d.thresholds),
            dict(d.low_thresholds),
            d.min_duration_s,
            d.max_gap_s,
        ]
        for b, d in zip(bundles, decisions, strict=True)
    ]
    return _hash([per_model, spec.tail, sorted(spec.formats), spec.scores, spec.raw, events_csv.HEADER])


def _hash(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
