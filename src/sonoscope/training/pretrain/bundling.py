"""A pre-trained backbone as a bundle that names nothing: embeddings for heads, searches and maps, without torch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sonoscope import __version__
from sonoscope.errors import BadBundle
from sonoscope.models.bundle import EMBEDDING
from sonoscope.networks import heads
from sonoscope.networks.build import Network
from sonoscope.networks.export import write_bundle
from sonoscope.training import describe, rundir
from sonoscope.training.prepare import TRAIN
from sonoscope.training.setting import Setting

#: What stands where a network has its head: any that leaves frames as they are, since nothing reads its answers.
HEAD = {"name": "linear"}


def bundled(setting: Setting, figures: Mapping[str, Any]) -> None:
    """Write the bundle, where the backbone can leave torch; else say why not."""
    config, window = setting.config, setting.window
    assert window is not None
    hop = config.data.hop_s
    rows = setting.data.shards.rows
    learned = [i for i, row in enumerate(rows) if row.split == TRAIN]
    description = {
        "name": config.name or "model",
        "version": "1.0.0",
        "task": EMBEDDING,
        "labels": [],
        "sample_rate": setting.rate,
        "window": window,
        "hop": window // 2 if hop is None else round(hop * setting.rate),
        "calibration": {},
        "decision": {"labels": {}},
        "metrics": dict(figures),
        "training_data": {
            "clips": len(learned),
            "hours": round(float(setting.data.shards.lengths[learned].sum()) / setting.rate / 3600, 2),
        },
        "licence": "as its training data allow: see the card",
        "provenance": {"command": "sonoscope train", "sonoscope": __version__, "config": config.to_dict()},
    }
    try:
        write_bundle(
            setting.folder / rundir.BUNDLE, headless(setting.network), description, feature=setting.feature,
            card=card(description),
        )  # fmt: skip
    except BadBundle as problem:  # what was learned and measured stays
        setting.say(f"no bundle: {problem}")
        return
    if told := describe.of_own_features(config):
        setting.say(told)


def headless(network: Network) -> Network:
    """A copy whose head keeps frames apart, so that a backbone that is valid in time stays so."""
    found = copy.deepcopy(network)
    found.head = heads.build(HEAD, found.backbone.dim, 1)
    found.config |= {"head": dict(HEAD), "n_classes": 1}
    return found


def card(description: Mapping[str, Any]) -> str:
    """The bundle's ``README.md``."""
    metrics, data = description["metrics"], description["training_data"]
    lines = [
        f"# {description['name']}",
        "",
        f"A backbone pre-trained with sonoscope {__version__} by the task {metrics['pretext']} on {data['clips']} "
        f"clips ({data['hours']} h) of the user's own data, without labels. It names nothing: it gives embeddings.",
        "",
        "    sonoscope train SOUNDS network.backbone=bundle:FOLDER network.head=linear",
        "    sonoscope embed RECORDINGS -m FOLDER -o OUT",
        "",
    ]
    for part in ("validation", "test"):
        if part in metrics:
            told = ", ".join(f"{name} {value:g}" for name, value in metrics[part].items())
            lines += [
                f"On {part} clips: {told}. A loss that is not below `trivial` says that nothing was learned.",
                "",
            ]
    return "\n".join(lines)
