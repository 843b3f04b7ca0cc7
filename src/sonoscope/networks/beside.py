"""A bundle's network in torch, with the weights that lie beside its graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from sonoscope.errors import BadBundle
from sonoscope.models.apart import apart
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.devices import cpu_session, example
from sonoscope.models.runtime import Runtime
from sonoscope.networks import notes
from sonoscope.networks.build import Network


def load_beside(bundle: Bundle) -> Any:
    """The network that ``bundle.json`` describes, in evaluation mode, its weights in float32.

    Raises
    ------
    BadBundle
        If the bundle has no network beside it, or the weights are of another one.
    """
    file, config = bundle.path / "model.safetensors", bundle.spec.get("network")
    if config is None or not file.is_file():
        raise BadBundle(f"{bundle.path}: has no weights beside its graph")
    try:
        network: nn.Module = notes.build(config) if bundle.task == NOTES else Network(**config)
        network.load_state_dict(load_file(file))
    except Exception as error:  # torch and safetensors raise their own kinds, with pages of names
        reason = str(error).strip().splitlines()[0]
        raise BadBundle(f"{file} does not fit the network that bundle.json describes ({reason})") from None
    return network.float().eval()


@torch.no_grad()
def largest_share(bundle: Bundle) -> float:
    """Largest |torch - graph| of an answer, as a share of the largest answer of its kind, on noise.

    Raises
    ------
    BadBundle
        If there is no such network, or the graph is not the one that is described.
    """
    Runtime(bundle)
    network, session = load_beside(bundle), cpu_session(bundle.graph)
    stated = bundle.spec["outputs"]
    worst = 0.0
    for rows in example(bundle):
        tables = session.run(
            [entry["name"] for entry in stated.values()], {bundle.spec["input"]["name"]: rows}
        )
        given = torch.from_numpy(rows)
        if bundle.task == NOTES:
            answers = [logits.sigmoid() for logits in network(given)]
        else:
            answers = list(network.answers(given) if "clip" in stated else network(given))
        for table, answer in zip(tables, answers, strict=True):
            scale = max(1e-6, float(np.abs(table).max(initial=0.0)))
            worst = max(worst, apart(table, answer.numpy()) / scale)
    return worst
