"""Keys and options of other systems' trainings, in the words that are used here.

Configurations of PANNs on IRMAS (flat YAML), Lumen's train script and the MusicNet recogniser are read as they are:
each of their keys becomes one here, those that mean nothing here are told. ``docs/train.md`` shows the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sonoscope.errors import NEAR, UnknownName, nearest
from sonoscope.training import lumen, presets
from sonoscope.training.config import Config, full_key, near_key
from sonoscope.training.foreign import Alias, Places, several, unused
from sonoscope.training.sections import BadConfig, parsed, put


def _mels(value: Any, given: Mapping[str, Any]) -> Places:
    """PANNs on IRMAS has bands, and keeps this key for compatibility."""
    (first, *_) = several(given.get("features") or [""])
    name = first.get("name") if isinstance(first, Mapping) else first
    return {} if name == "multiband" else {"features.0.n_mels": value}


def _milestones(value: Any, _given: Mapping[str, Any]) -> Places:
    """The MusicNet recogniser has no other schedule than the one that has milestones."""
    return {"training.schedule": "multi-step", "training.milestones": several(value)}


#: Every key, with ``_`` for ``-``, in the order in which they are understood.
ALIASES: dict[str, Alias] = {
    **lumen.ALIASES,
    # PANNs on IRMAS
    "sample_rate": Alias(("features.0.sample_rate",)),
    "hop_length": Alias(("features.0.hop_samples",)),
    "n_mels": Alias(("features.0.n_mels",), spread=_mels, why="the bands of multiband have no mel filters"),
    "batch_size": Alias(("training.batch_size",)),
    "num_workers": Alias(("training.loader_workers",)),
    "num_epochs": Alias(("training.epochs",)),
    "freeze_epochs": Alias(("training.phases.0.epochs",)),
    "frozen_learning_rate": Alias(("training.phases.0.learning_rate",)),
    "finetune_learning_rate": Alias(("training.phases.1.learning_rate", "training.learning_rate")),
    "limit_val_batches": Alias(("training.validate_share",)),
    "num_sanity_val_steps": Alias(("training.sanity_steps",)),
    "original_data_percentage": Alias(("data.share",)),
    "max_original_samples": Alias(("data.max_samples",)),
    "max_samples": Alias(("data.max_samples",)),
    "max_test_samples": Alias(("data.max_test_samples",)),
    "weight_decay": Alias(("training.weight_decay",)),
    "train_dir": Alias(("data.train",)),
    "val_dir": Alias(("data.validation",)),
    "test_dir": Alias(("data.test",)),
    "checkpoint_path": Alias(("network.backbone.weights",)),
    # The MusicNet recogniser
    "sr": Alias(("features.0.sample_rate",)),
    "gamma": Alias(("training.gamma",)),
    "milestones": Alias(("training.milestones", "training.schedule"), spread=_milestones, takes="many"),
    "c": Alias(("network.backbone.width",)),
    "batch_seconds": Alias(("data.window_s",)),
    "bins_per_octave": Alias(("features.0.bins_per_octave",)),
    "thresholds": unused(
        "thresholds are fitted on validation; sonoscope evaluate --set thresholds=0.3,0.5 compares some",
        "many",
    ),
    "allowed_errors": unused("sonoscope evaluate --set allowed_errors=1 counts so"),
    "only_note_names": unused("sonoscope evaluate --set pitch_classes=yes counts so", "none"),
    "test_dev": unused("the best epoch by validation is tested; last.ckpt is beside it", "none"),
    # Of everybody's
    "init_from": Alias(("network.init_from",)),
}
#: Keys that make a training one of two phases, the head first: those of PANNs on IRMAS, and Lumen's.
OF_PANNS = ("freeze_epochs", "frozen_learning_rate", "finetune_learning_rate")
TWO_PHASES = (*OF_PANNS, "finetune_head", "finetune_head_epochs", "backbone_after")
#: The rate of the head's phase in PANNs on IRMAS; Lumen's has that of the whole training.
FROZEN_LEARNING_RATE = 0.003


def _two_phases(theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
    rate = FROZEN_LEARNING_RATE if any(theirs.get(key) is not None for key in OF_PANNS) else None
    return [{"epochs": 4, "train": "head", "learning_rate": rate}, {"train": "all", "learning_rate": None}]


def place_of(key: str) -> str:
    """The whole key of ours that ``key`` stands for, by itself or as another system's word; else what it is.

    >>> place_of("learning_rate"), place_of("lr"), place_of("nothing")
    ('training.learning_rate', 'training.learning_rate', 'nothing')
    """
    alias = ALIASES.get(key.replace("-", "_"))
    ours = full_key(key)
    return alias.keys[0] if ours == key and alias is not None and alias.renames else ours


def translated(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Plain values whose keys of other systems became ours, and what there is to tell of them.

    Raises
    ------
    UnknownName
        If a value of theirs is none that is known.
    BadConfig
        If a key cannot go where it should.
    """
    known = {each.name for each in fields(Config)} | {"base"}
    ours = {key: value for key, value in values.items() if key in known and not _is_theirs(key, value)}
    theirs = {key.replace("-", "_"): value for key, value in values.items() if key not in ours}
    if not theirs:
        return ours, []
    for key in theirs:
        if key not in ALIASES:
            near = nearest(key, [*known, *ALIASES], alike=NEAR) or near_key(key, known)
            raise UnknownName(f"unknown key {key!r}.{near}")
    whole = presets.merged(Config().to_dict(), ours)
    placed, remarks = _placed(theirs, ours)
    for place, value, key in placed:
        try:
            put(whole, place, value)
        except (BadConfig, IndexError) as error:
            raise BadConfig(f"{key}: {error}") from None
    return whole, remarks


def translated_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same for ``key=value`` words: those of other systems become ours, the others stay where they are."""
    known = {each.name for each in fields(Config)}
    made: list[list[str]] = []
    theirs, slots = {}, []
    for word in words:
        key, _, text = word.partition("=")
        name = key.replace("-", "_")
        is_ours = "." in key or (key in known and not _is_theirs(key, text))
        if is_ours or name not in ALIASES:
            made.append([word])
            continue
        if name not in theirs:
            slots.append(len(made))
            made.append([])
        theirs[name] = parsed(text)
    if not theirs:
        return list(words), []
    placed, remarks = _placed(theirs, {})
    # What names a part comes before what belongs to it, in whatever order they were given.
    slot_of = dict(zip(_in_order(theirs), slots, strict=True))
    for place, value, key in placed:
        made[slot_of[key]].append(f"{place}={json.dumps(value, ensure_ascii=False)}")
    return [word for each in made for word in each], remarks


def _in_order(theirs: Mapping[str, Any]) -> list[str]:
    return sorted(theirs, key=list(ALIASES).index)


def _placed(
    theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> tuple[list[tuple[str, Any, str]], list[str]]:
    """Where each of their keys goes beside ours: place, value and their key, in order; and what there is to tell."""
    placed: list[tuple[str, Any, str]] = []
    remarks: list[str] = []
    in_phases = {key for key in theirs if key in TWO_PHASES and theirs[key] is not None}
    whole = theirs.get("finetune_head") is False
    order = _in_order(theirs)
    if in_phases and not whole:
        placed.append(("training.phases", _two_phases(theirs), order[0]))
    for key in order:
        alias, value = ALIASES[key], theirs[key]
        places = (
            {} if whole and key in in_phases - {"finetune_head"} else alias.places(value, {**ours, **theirs})
        )
        placed += [(place, each, key) for place, each in places.items()]
        if places or (key == "finetune_head" and value):
            remarks.append(f"{key} is {' and '.join(places or alias.keys)}")
        elif value is not None:
            why = "finetune_head is false" if whole and key in in_phases else alias.why
            remarks.append(f"{key} is not used: {why}")
    return placed, remarks


def _is_theirs(key: str, value: Any) -> bool:
    """Whether a key that both have means theirs: Lumen's ``model`` is a name in capitals."""
    return key == "model" and isinstance(value, str) and value.isupper()
