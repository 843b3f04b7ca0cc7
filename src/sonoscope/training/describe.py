"""What a bundle says of a network that was trained here: labels, calibration, thresholds, figures, and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from sonoscope import __version__, labels
from sonoscope.evaluation import calibration
from sonoscope.evaluation.tagging import Answers
from sonoscope.training.config import Config
from sonoscope.values import Label

#: Labels that say what is no event: scored, never reported by default.
REJECTS = {"other": "reject", "background": "background", "noise": "background", "silence": "background"}
#: An event goes on while scores stay above this share of its threshold.
LOW_RATIO = 0.7
#: The F-measure that thresholds maximise: false alarms weigh twice as much as misses.
BETA = 0.5
#: What is stated where a label could not be calibrated.
UNFITTED = "not fitted: validation has no clip of it, or nothing else"


def described(ids: Sequence[str]) -> list[Label]:
    """What is known about labels: those of the named sets as they stand there, others by their name."""
    known = {label.id: label for named in labels.LABEL_SETS.values() for label in named}
    return [
        known.get(i) or Label(i, i.replace("_", " ").capitalize(), kind=REJECTS.get(i, "event")) for i in ids
    ]


def calibrated(logits: Answers) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibration and decision of each label, from the logits of clips that training did not see.

    A label without positives (or negatives) in there keeps its logits and a threshold of 0.5, and says so.
    """
    scaling, decisions = {}, {}
    for k, label in enumerate(logits.labels):
        known = logits.known[:, k]
        raw, truth = logits.scores[known, k], logits.truth[known, k] > 0
        fitted = bool(truth.any() and not truth.all())
        slope, offset = calibration.fit_platt(raw, truth) if fitted else (1.0, 0.0)
        scaling[label] = {"slope": round(slope, 5), "offset": round(offset, 5)}
        p = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + offset, -60, 60)))
        threshold = calibration.best_threshold(p, truth, beta=BETA) if fitted else 0.5
        decisions[label] = {
            "threshold": threshold,
            "low_threshold": round(threshold * LOW_RATIO, 3),
            "origin": f"best F{BETA:g} on {int(known.sum())} validation clips" if fitted else UNFITTED,
        }
        if fitted:
            decisions[label]["ece"] = round(calibration.expected_calibration_error(p, truth), 4)
            decisions[label]["operating_points"] = calibration.operating_points(p, truth)
    return scaling, decisions


def scaled(logits: Answers, scaling: Mapping[str, Mapping[str, float]]) -> Answers:
    """Logits of clips as probabilities, by the calibration of each label that :func:`calibrated` gives."""
    slope, offset = (np.array([scaling[name][key] for name in logits.labels]) for key in ("slope", "offset"))
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.scores * slope + offset, -60, 60)))
    return replace(logits, scores=scores)


def description(
    config: Config,
    *,
    sample_rate: int,
    window: int,
    hop: int,
    validation: Answers,
    metrics: Mapping[str, Any],
    training_data: Mapping[str, Any],
) -> dict[str, Any]:
    """The keys of ``bundle.json`` that a training knows; ``validation`` holds logits."""
    scaling, decisions = calibrated(validation)
    return {
        "name": config.name or "model",
        "version": "1.0.0",
        "task": "tagging",
        "labels": [asdict(label) for label in described(validation.labels)],
        "sample_rate": sample_rate,
        "window": window,
        "hop": hop,
        "calibration": scaling,
        "decision": {"min_duration_s": 0.0, "max_gap_s": 0.0, "labels": decisions},
        "metrics": metrics,
        "training_data": training_data,
        "licence": "as its training data allow: see the card",
        "provenance": {"command": "sonoscope train", "sonoscope": __version__, "config": config.to_dict()},
    }


def of_own_features(config: Config) -> str:
    """What there is to say of features that a bundle does not hold; empty where there are none."""
    own = [spec["name"] for spec in config.features if ".py:" in spec["name"]]
    if not own:
        return ""
    return (
        f"the bundle does not hold {', '.join(own)}: where it is used, an installed package must offer that "
        "feature under the entry points 'sonoscope.features'"
    )


def card(found: Mapping[str, Any], certificate: str, *, beneath: Mapping[str, Any] | None = None) -> str:
    """The bundle's ``README.md``; ``beneath`` says of what finished graph the head was trained on, if it was."""
    test = found["metrics"].get("fitted", {})
    data = found["training_data"]
    lines = [
        f"# {found['name']}",
        "",
        f"Trained with sonoscope {__version__} on {data['clips']} clips ({data['hours']} h) of the user's own data; "
        f"{len(found['labels'])} labels: {', '.join(label['id'] for label in found['labels'])}.",
        "",
        "## How well it does",
        "",
        f"On {int(test.get('clips', 0))} test clips that share no group with those it learned from:" if test else
        "It was not tested: there was no test part.",
        "",
    ]  # fmt: skip
    if beneath:
        lines[4:4] = [_beneath(beneath), ""]
    if test:
        lines += ["| figure | value | 95 % |", "|---|---|---|"]
        for name in ("map", "micro_f1", "macro_f1", "top1", "macro_top1"):
            value, span = test.get(name), found["metrics"].get("interval_95", {}).get(name)
            if value is not None:
                shown = f"{span[0]:.3f} – {span[1]:.3f}" if span else ""
                lines.append(f"| {name} | {value:.3f} | {shown} |")
        lines.append("")
    lines += [
        "The score is a probability calibrated on validation clips, not the chance in other recordings.",
        "",
        "## The split",
        "",
        certificate,
        "",
    ]
    return "\n".join(lines)


def _beneath(origin: Mapping[str, Any]) -> str:
    """A sentence on the graph that a head was trained on."""
    if "name" in origin:
        what = f"the model {origin['name']} {origin['version']}, whose licence ({origin['licence']}) holds for it still"
    else:
        what = f"the graph {origin['graph']}, whose licence holds for it still"
    return (
        f"Only its head was trained: before it stands {what}. Both are in `model.onnx`. What that learned from is not "
        "counted in the split below: the figures hold for recordings that it never heard either."
    )
