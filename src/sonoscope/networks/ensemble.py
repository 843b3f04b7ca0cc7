"""Networks that were trained apart, as one whose logits are the mean of theirs.

Heads that are a linear map of each frame can be joined without another layer: side by side, each member's rows
divided by their number, their outputs add up to the mean. So an ensemble is a network like every other: it is exported,
streamed, explained and trained on in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sonoscope.errors import UsageError
from sonoscope.networks.build import Network
from sonoscope.networks.heads.framewise import FramewiseAttention
from sonoscope.networks.heads.linear import Linear

#: Heads whose parameters are linear maps of the embedding and nothing else.
JOINABLE = (FramewiseAttention, Linear)


def joined(networks: Sequence[Network]) -> Network:
    """One network of all, in evaluation mode: a frame has the mean of their logits, and their embeddings in turn.

    Attention scores are averaged before they are bounded, and a ``background`` lowers the other labels by the mean of
    its logits, so whole windows come near the mean of the members' answers and are not equal to it.

    Parameters
    ----------
    networks : sequence of Network
        Of one configuration, with the same statistics of the data; at least one. They are left as they are.

    Raises
    ------
    UsageError
        If they differ, or their head is none that can be joined.
    """
    first = networks[0]
    if not isinstance(first.head, JOINABLE):
        known = ", ".join(kind.__name__ for kind in JOINABLE)
        raise UsageError(f"heads of kind {type(first.head).__name__} cannot be joined, only {known}")
    for other in networks[1:]:
        same = torch.equal(other.mean, first.mean) and torch.equal(other.std, first.std)
        if other.config != first.config or not same:
            raise UsageError("networks that differ in make or normalisation cannot be joined")
    parameters = {key: value for key, value in first.config.items() if key not in ("n_bins", "n_classes")}
    parameters["backbone"] = {"name": "ensemble", "of": first.config["backbone"], "members": len(networks)}
    whole = Network(first.config["n_bins"], first.config["n_classes"], **parameters)
    weights = {"mean": first.mean, "std": first.std}
    for number, network in enumerate(networks):
        for key, value in network.backbone.state_dict().items():
            weights[f"backbone.members.{number}.{key}"] = value
    for key, value in first.head.state_dict().items():
        of_all = torch.stack([network.head.state_dict()[key] for network in networks]).mean(dim=0)
        if value.ndim > 1:
            of_all = torch.cat([network.head.state_dict()[key] for network in networks], dim=1) / len(
                networks
            )
        weights[f"head.{key}"] = of_all
    whole.load_state_dict(weights)
    return whole.eval()
