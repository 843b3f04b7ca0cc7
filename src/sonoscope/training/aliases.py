"""Keys and options of other systems' trainings, in the words that are used here.

Configurations of PANNs on IRMAS (flat YAML), Lumen's train script and the MusicNet recogniser are read as they are:
each of their keys becomes one here, those that mean nothing here are told. ``docs/train.md`` shows the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sonoscope.errors import UnknownName, nearest
from sonoscope.training import presets
from sonoscope.training.config import BadConfig, Config, put

#: Lumen's names of networks, features, losses, augmentations and figures.
BACKBONES = {
    "AST": "ast", "EFFICIENT_NET_V2_S": "timm:tf_efficientnetv2_s", "EFFICIENT_NET_V2_M": "timm:tf_efficientnetv2_m",
    "EFFICIENT_NET_V2_L": "timm:tf_efficientnetv2_l", "RESNEXT50_32X4D": "timm:resnext50_32x4d",
    "RESNEXT101_32X8D": "timm:resnext101_32x8d", "RESNEXT101_64X4D": "timm:resnext101_64x4d",
    "CONVNEXT_TINY": "timm:convnext_tiny", "CONVNEXT_SMALL": "timm:convnext_small",
    "CONVNEXT_BASE": "timm:convnext_base", "CONVNEXT_LARGE": "timm:convnext_large",
    "MOBILENET_V3_LARGE": "timm:mobilenetv3_large_100", "WAV2VEC": "wav2vec2", "LSTM": "crnn", "CONV_LSTM": "crnn",
}  # fmt: skip
FEATURES = {
    "MEL_SPECTROGRAM": "logmel", "MFCC": "mfcc", "WAVELET": "morlet", "AST": "fbank", "WAV2VEC": "samples",
    "MULTI_SPECTROGRAM": "channels", "MELCHROWAV": "channels",
}  # fmt: skip
LOSSES = {
    "CROSS_ENTROPY": "bce", "CROSS_ENTROPY_POS_WEIGHT": "bce", "FOCAL_LOSS": "focal", "FOCAL_LOSS_POS_WEIGHT": "focal",
    "INSTRUMENT_FAMILY": "family",
}  # fmt: skip
AUGMENTATIONS = {
    "CONCAT_N_SAMPLES": "concat_n", "SUM_N_SAMPLES": "sum_n", "BACKGROUND_NOISE": "background",
    "TIME_STRETCH": "time_stretch", "TIME_SHIFT": "time_shift", "TIME_INVERSION": "time_inversion",
    "TIMEINV": "time_inversion", "TIME_MASK": "time_mask", "PITCH": "pitch_shift", "COLOR_NOISE": "noise",
    "FREQ_MASK": "spec_augment", "RANDOM_ERASE": "random_erase", "RANDOM_PIXELS": "random_pixels",
    "BANDPASS": "band_pass", "CLIPPING": "clipping", "NORM_AFTER_TIME_AUGS": "normalise",
}  # fmt: skip
MONITORS = {"VAL_F1": "val_macro_f1", "VAL_HAMMING": "val_hamming", "VAL_LOSS": "val_loss"}
OPTIMIZERS = {"ADAM": "adam", "ADAMW": "adamw"}
SCHEDULES = {"ONECYCLE": "one-cycle", "COSINEANNEALING": "cosine", "MULTISTEP": "multi-step"}


@dataclass(frozen=True)
class Alias:
    """Where a key goes: ``keys`` with dots, all of which get the value; ``turned`` makes it one of ours.

    Without keys it means nothing here, and ``why`` says so.
    """

    keys: tuple[str, ...]
    turned: Callable[[Any], Any] = lambda value: value
    why: str = ""


def _of(table: Mapping[str, str], what: str) -> Callable[[Any], Any]:
    def turned(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [turned(each) for each in value]
        name = str(value).upper()
        if name not in table:
            raise UnknownName(f"unknown {what} {value!r}.{nearest(name, table)} Known: {', '.join(table)}.")
        return table[name]

    return turned


def _unused(why: str) -> Alias:
    return Alias((), why=why)


#: Every key, with ``_`` for ``-``.
ALIASES: dict[str, Alias] = {
    # PANNs on IRMAS
    "sample_rate": Alias(("features.0.sample_rate",)),
    "hop_length": Alias(("features.0.hop_samples",)),
    "n_mels": Alias(("features.0.n_mels",)),
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
    # Lumen
    "train_paths": Alias(("data.train",)),
    "val_paths": Alias(("data.validation",)),
    "test_paths": Alias(("data.test",)),
    "model": Alias(("network.backbone",), _of(BACKBONES, "network")),
    "audio_transform": Alias(("features",), lambda v: [_of(FEATURES, "feature")(v)]),
    "augmentations": Alias(
        ("augment",), lambda v: _of(AUGMENTATIONS, "augmentation")(v if isinstance(v, list) else [v])
    ),
    "loss_function": Alias(("losses",), lambda v: [_of(LOSSES, "loss")(v)]),
    "use_fluffy": Alias(("network.head",), lambda v: "fluffy" if v else "linear"),
    "head": Alias(("network.head",), _of({"DEEP_HEAD": "mlp", "ATTENTION_HEAD": "attention"}, "head")),
    "epochs": Alias(("training.epochs",)),
    "lr": Alias(("training.learning_rate",)),
    "lr_warmup": Alias((), why="warm-up is a share of the steps: training.warm_up"),
    "lr_onecycle_max": Alias(("training.learning_rate",)),
    "finetune_head_epochs": Alias(("training.phases.0.epochs",)),
    "patience": Alias(("training.patience",)),
    "metric": Alias(("training.monitor",), _of(MONITORS, "figure")),
    "metric_mode": _unused("it follows from the figure"),
    "optimizer": Alias(("training.optimizer",), _of(OPTIMIZERS, "optimiser")),
    "scheduler": Alias(("training.schedule",), _of(SCHEDULES, "schedule")),
    "sampling_rate": Alias(("features.0.sample_rate",)),
    "n_fft": Alias(("features.0.n_fft",)),
    "n_mfcc": Alias(("features.0.n_mfcc",)),
    "pretrained": Alias(("network.backbone.pretrained",)),
    "seed": Alias(("training.seed",)),
    # The MusicNet recogniser
    "sr": Alias(("features.0.sample_rate",)),
    "gamma": Alias(("training.gamma",)),
    "milestones": Alias(("training.milestones",)),
    "c": Alias(("network.backbone.width",)),
    "batch_seconds": Alias(("data.window_s",)),
    "bins_per_octave": Alias(("features.0.bins_per_octave",)),
}
#: Keys that make a training one of two phases, the head first.
TWO_PHASES = ("freeze_epochs", "frozen_learning_rate", "finetune_learning_rate", "finetune_head_epochs")
PHASES: list[dict[str, Any]] = [
    {"epochs": 4, "train": "head", "learning_rate": 0.003},
    {"train": "all", "learning_rate": None},
]


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
    remarks: list[str] = []
    if not theirs:
        return ours, remarks
    whole = presets.merged(Config().to_dict(), ours)
    if any(key in TWO_PHASES for key in theirs):
        put(whole, "training.phases", [dict(phase) for phase in PHASES])
    # What names a part comes before the parameters of it.
    for key in sorted(theirs, key=lambda key: key not in ("model", "audio_transform", "head", "use_fluffy")):
        alias, value = ALIASES.get(key), theirs[key]
        if alias is None:
            raise UnknownName(f"unknown key {key!r}.{nearest(key, {*known, *ALIASES})}")
        if not alias.keys:
            remarks.append(f"{key} is not used: {alias.why}")
            continue
        if value is None:
            continue
        for place in alias.keys:
            try:
                put(whole, place, alias.turned(value))
            except (BadConfig, IndexError) as error:
                raise BadConfig(f"{key}: {error}") from None
        remarks.append(f"{key} is {' and '.join(alias.keys)}")
    return whole, remarks


def _is_theirs(key: str, value: Any) -> bool:
    """Whether a key that both have means theirs: Lumen's ``model`` is a name in capitals."""
    return key == "model" and isinstance(value, str) and value.isupper()


def translated_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same for ``key=value`` words: those of other systems become ours, where one key is enough."""
    known = {each.name for each in fields(Config)}
    made, remarks = [], []
    for word in words:
        key, _, text = word.partition("=")
        is_ours = "." in key or (key in known and not _is_theirs(key, text))
        alias = None if is_ours else ALIASES.get(key.replace("-", "_"))
        if alias is None:
            made.append(word)
        elif not alias.keys:
            remarks.append(f"{key} is not used: {alias.why}")
        else:
            from sonoscope.training.config import parsed

            value = alias.turned(parsed(text))
            made += [f"{place}={_written(value)}" for place in alias.keys]
            remarks.append(f"{key} is {' and '.join(alias.keys)}")
    return made, remarks


def _written(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
