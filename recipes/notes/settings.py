"""The settings of a recipe, where its work lies, and what each of its steps hears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from sonoscope import features
from sonoscope.data.mix.bank import Bank
from sonoscope.data.mix.notemix import NoteMix, NoteMixSpec
from sonoscope.networks import notes as networks

#: Banks, in the order in which they are made; each step hears those of the steps before and its own.
BANKS = ("bank-stems", "bank-compositions", "bank-extra", "bank-played", "bank-further")
#: Of each step that trains: how many banks it hears, and the notes of all of them.
HEARD = {
    "train": (2, "notes.npz"), "refine": (3, "notes-extra.npz"), "finish": (4, "notes-played.npz"),
    "reach": (4, "notes-played.npz"), "carve": (4, "notes-played.npz"), "widen": (4, "notes-played.npz"),
    "winds": (4, "notes-played.npz"), "longer": (5, "notes-further.npz"),
}  # fmt: skip
#: What of the settings of a step is not of :class:`NoteTrainSpec`, but changes what is mixed.
MIXED = ("names", "beside", "quiet_share")


def read(path: Path) -> dict[str, Any]:
    """What a recipe says, laid over the recipe beside it that its ``base`` names."""
    own: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = own.pop("base", None)
    return {**read(path.with_name(base)), **own} if base else own


class Recipe:
    """The settings and where things lie."""

    def __init__(self, settings: Path, work: Path) -> None:
        self.settings = read(settings)
        self.work = work
        self.feature = features.from_dict(self.settings["feature"])

    def network(self, size: str | None) -> networks.NoteNetwork:
        """A fresh, untrained network; ``size`` instead of the recipe's."""
        torch.manual_seed(self.settings["train"]["seed"])
        return networks.build({"size": size} if size else self.settings["network"])

    def mix(self, network: networks.NoteNetwork, step: str = "train") -> NoteMix:
        """All stems that a step hears, with their notes."""
        count, file = HEARD[step]
        banks = [Bank(self.work / name) for name in BANKS[:count]]
        with np.load(self.work / file) as held:
            notes = {key: held[key] for key in held.files}
        settings = dict(self.settings["mix"])
        for before in list(HEARD)[1 : list(HEARD).index(step) + 1]:
            given = self.settings[before]
            settings |= {name: given[name] for name in MIXED[1:] if name in given}
            settings["names"] = {**settings["names"], **given["names"]}
        return NoteMix(
            banks,
            notes,
            field=network.receptive_field,
            look_ahead=network.look_ahead,
            spec=NoteMixSpec(**settings),
        )
