"""One network from two ends of one training: the mean of their weights.

What the later learnt and what it forgot come in different measure on the way between them, as long as it went on from
the other (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch


def blend(work: Path, size: str, shares: Mapping[str, float]) -> Path:
    """Write `blend-SIZE`: the mean of what the steps left in ``work``, at their shares, norms' statistics too.

    Raises
    ------
    SystemExit
        If the shares do not sum to 1.
    """
    if not math.isclose(sum(shares.values()), 1.0):
        raise SystemExit(f"blend: the shares {dict(shares)} must sum to 1")
    folders = {step: work / f"{step}-{size}" for step in shares}
    held = {step: torch.load(folder / "averaged.pt", weights_only=True) for step, folder in folders.items()}
    mean = {
        name: sum(shares[step] * weights[name] for step, weights in held.items())
        if values.is_floating_point()
        else max(weights[name] for weights in held.values())
        for name, values in next(iter(held.values())).items()
    }
    out = work / f"blend-{size}"
    out.mkdir(parents=True, exist_ok=True)
    torch.save(mean, out / "averaged.pt")
    shutil.copyfile(next(iter(folders.values())) / "network.json", out / "network.json")
    return out
