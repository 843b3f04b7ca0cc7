"""Lumen's words: the options of its train script, and its names of networks, features, losses and augmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sonoscope.training.foreign import Alias, Places, number, of_table, several, unused
from sonoscope.training.sections import BadConfig

BACKBONES: Mapping[str, Any] = {
    "AST": "ast", "EFFICIENT_NET_V2_S": "timm:tf_efficientnetv2_s", "EFFICIENT_NET_V2_M": "timm:tf_efficientnetv2_m",
    "EFFICIENT_NET_V2_L": "timm:tf_efficientnetv2_l", "RESNEXT50_32X4D": "timm:resnext50_32x4d",
    "RESNEXT101_32X8D": "timm:resnext101_32x8d", "RESNEXT101_64X4D": "timm:resnext101_64x4d",
    "CONVNEXT_TINY": "timm:convnext_tiny", "CONVNEXT_SMALL": "timm:convnext_small",
    "CONVNEXT_BASE": "timm:convnext_base", "CONVNEXT_LARGE": "timm:convnext_large",
    "MOBILENET_V3_LARGE": "timm:mobilenetv3_large_100", "WAV2VEC": "wav2vec2",
    "WAV2VEC_CNN": {"name": "wav2vec2", "part": "extractor"}, "LSTM": {"name": "crnn", "stages": [], "cell": "lstm"},
    "CONVLSTM": {"name": "crnn", "cell": "lstm"}, "CONV_LSTM": {"name": "crnn", "cell": "lstm"},
}  # fmt: skip
FEATURES: Mapping[str, Any] = {
    "MEL_SPECTROGRAM": "logmel", "MFCC": "mfcc", "WAVELET": "morlet", "AST": "fbank", "WAV2VEC": "samples",
    "MULTI_SPECTROGRAM": "channels", "MELCHROWAV": "channels",
}  # fmt: skip
LOSSES: Mapping[str, Any] = {
    "CROSS_ENTROPY": "bce", "CROSS_ENTROPY_POS_WEIGHT": {"name": "bce", "positive_weights": "balanced"},
    "FOCAL_LOSS": "focal", "FOCAL_LOSS_POS_WEIGHT": {"name": "focal", "positive_weights": "balanced"},
    "INSTRUMENT_FAMILY": "family", "INSTRUMENT_FAMILY_LOSS": "family",
}  # fmt: skip
AUGMENTATIONS: Mapping[str, Any] = {
    "CONCAT_N_SAMPLES": "concat_n", "SUM_N_SAMPLES": "sum_n", "SUM_TWO_SAMPLES": "sum_n",
    "BACKGROUND_NOISE": "background", "TIME_STRETCH": "time_stretch", "TIME_SHIFT": "time_shift",
    "TIME_INVERSION": "time_inversion", "TIMEINV": "time_inversion", "TIME_MASK": "time_mask", "PITCH": "pitch_shift",
    "COLOR_NOISE": "noise", "FREQ_MASK": "spec_augment", "RANDOM_ERASE": "random_erase",
    "RANDOM_PIXELS": "random_pixels", "BANDPASS": "band_pass", "CLIPPING": "clipping",
    "NORM_AFTER_TIME_AUGS": "normalise", "SEVEN_BAND_EQ": {"name": "equalizer", "bands": 7},
}  # fmt: skip
HEADS: Mapping[str, Any] = {"DEEP_HEAD": "mlp", "ATTENTION_HEAD": "attention"}
MONITORS: Mapping[str, Any] = {"VAL_F1": "val_macro_f1", "VAL_HAMMING": "val_hamming", "VAL_LOSS": "val_loss"}
OPTIMIZERS: Mapping[str, Any] = {"ADAM": "adam", "ADAMW": "adamw"}
SCHEDULES: Mapping[str, Any] = {
    "ONECYCLE": "one-cycle",
    "COSINEANNEALING": "cosine",
    "MULTISTEP": "multi-step",
}
#: Names that stand for nothing here, and why.
NO_BACKBONES = {
    "MOBNET": "a network for each label; model=MOBILENET_V3_LARGE use_fluffy=true has a head for each, on one trunk"
}
NO_SCHEDULES = {
    "PLATEAU": "a schedule is known before the training begins; multi-step, cosine or one-cycle",
    "AUTO_LR": "sonoscope train --search N --sweep learning_rate=1e-5..1e-2:log looks for the rate",
}
#: ``--aug-kwargs``: the augmentation and its parameter. What counts bins is a share here (``frequency_share``).
AUGMENTED_BY = {
    "stretch_factors": ("time_stretch", "rate"), "time_inversion_p": ("time_inversion", "share"),
    "freq_mask_param": ("spec_augment", "frequency_share"), "hide_random_pixels_p": ("random_pixels", "lost"),
    "concat_n_samples": ("concat_n", "count"), "sum_n_samples": ("sum_n", "count"),
    "path_background_noise": ("background", "folder"),
}  # fmt: skip
#: Its bins of mel, unless they are given.
MELS = 128
AST_WEIGHTS = "MIT/ast-finetuned-audioset-10-10-0.4593"
WAV2VEC_WEIGHTS = "m3hrdadfi/wav2vec2-base-100k-gtzan-music-genres"


def _parts(value: Any, table: Mapping[str, Any], what: str) -> list[Any]:
    turned = of_table(table, what)
    return [_part(turned(each)) for each in several(value)]


def _part(named: Any) -> dict[str, Any]:
    return {"name": named} if isinstance(named, str) else dict(named)


def _of_transformers(given: Mapping[str, Any]) -> str:
    """The published weights of the network that is asked for, where it is one of transformers."""
    model = str(given.get("model", "")).upper()
    return AST_WEIGHTS if model == "AST" else WAV2VEC_WEIGHTS if model.startswith("WAV2VEC") else ""


def _pretrained(value: Any, given: Mapping[str, Any]) -> Places:
    weights = _of_transformers(given)
    if not weights:
        return {"network.backbone.pretrained": bool(value)}
    return {"network.backbone.weights": given.get("pretrained_tag") or weights} if value else {}


def _tag(value: Any, given: Mapping[str, Any]) -> Places:
    return {"network.backbone.weights": value} if _of_transformers(given) else {}


def _head_layers(value: Any, given: Mapping[str, Any]) -> Places:
    head = {} if "head" in given or given.get("use_fluffy") else {"network.head": "mlp"}
    return {**head, "network.head.layers": several(value)}


def _family(value: Any, given: Mapping[str, Any]) -> Places:
    loss = str(given.get("loss_function", "CROSS_ENTROPY")).upper()
    if LOSSES.get(loss) not in ("bce", "family"):
        raise BadConfig(f"add_instrument_loss={value} goes with loss_function=CROSS_ENTROPY, not with {loss}")
    return {"losses": [{"name": "family", "family_weight": float(value)}]}


def _pairs(value: Any) -> dict[str, Any]:
    """``k=v`` words, or a mapping, as values; lists by commas."""
    if isinstance(value, Mapping):
        return dict(value)
    found = {}
    for word in [word for each in several(value) for word in str(each).split()]:
        key, sign, text = word.partition("=")
        if not sign:
            raise BadConfig(f"{word!r} is no key=value, as in stretch_factors=0.8,1.2")
        values = [number(each) for each in text.split(",")]
        found[key] = values if len(values) > 1 else values[0]
    return found


def _loss_parameters(value: Any, _given: Mapping[str, Any]) -> Places:
    return {f"losses.0.{key}": each for key, each in _pairs(value).items() if key != "reduction"}


def _augmented(value: Any, given: Mapping[str, Any]) -> Places:
    """Parameters of the augmentations that are asked for; the others' are not used, as there."""
    names = [part["name"] for part in _parts(given.get("augmentations") or [], AUGMENTATIONS, "augmentation")]
    found: Places = {}
    for key, each in _pairs(value).items():
        name, parameter = AUGMENTED_BY.get(key, ("", ""))
        if key == "freq_mask_param":
            each = min(float(each) / float(given.get("n_mels") or MELS), 1.0)
        if name in names and each is not None:
            found[f"augment.{names.index(name)}.{parameter}"] = each
    return found


def _background(value: Any, given: Mapping[str, Any]) -> Places:
    return _augmented({"path_background_noise": value}, given)


def _phases(value: Any, _given: Mapping[str, Any]) -> Places:
    return {} if value else {"training.phases": [{}]}


def _height(value: Any, given: Mapping[str, Any]) -> Places:
    model = BACKBONES.get(str(given.get("model", "")).upper(), "timm:")
    is_picture = isinstance(model, str) and model.startswith("timm:")
    return {"network.backbone.height": int(several(value)[0])} if is_picture else {}


_ELSEWHERE = unused("what sounds are where is said by DATA")
_FOLDER = unused("-o names the folder of the run")
_LEVELS = unused("the network normalises what it is shown: network.normalise")
_ALWAYS = unused("history.csv and TensorBoard have all of it", "none")
_EPOCHS = unused("an epoch ends with validation and checkpoint; training.validate_every", "none")
_FROZEN = unused("what does not learn stays as it was, its batch normalisation too", "none")

#: Every key, with ``_`` for ``-``, in the order in which they are understood: parts before what belongs to them.
ALIASES: dict[str, Alias] = {
    "model": Alias(("network.backbone",), of_table(BACKBONES, "network", NO_BACKBONES)),
    "audio_transform": Alias(("features",), lambda v: _parts(v, FEATURES, "feature")),
    "augmentations": Alias(("augment",), lambda v: _parts(v, AUGMENTATIONS, "augmentation"), takes="many"),
    "loss_function": Alias(("losses",), lambda v: _parts(v, LOSSES, "loss")),
    "head": Alias(("network.head",), lambda v: HEADS.get(str(v).upper(), v)),
    "use_fluffy": Alias(
        ("network.head",), spread=lambda v, _: {"network.head": "fluffy"} if v else {}, takes="none",
        why="one head is the default",
    ),
    "finetune_head": Alias(("training.phases",), spread=_phases, takes="none"),
    "finetune_head_epochs": Alias(("training.phases.0.epochs",)),
    "backbone_after": Alias(("training.phases.1.train",), lambda v: f"from {v}"),
    "head_hidden_dim": Alias(("network.head.layers",), spread=_head_layers, takes="many"),
    "pretrained": Alias(("network.backbone.pretrained", "network.backbone.weights"), spread=_pretrained, takes="none"),
    "pretrained_tag": Alias(
        ("network.backbone.weights",), spread=_tag, why="timm has one set of weights by each name",
    ),
    "image_size": Alias(("network.backbone.height",), spread=_height, takes="many", why="only pictures have a height"),
    "image_dim": Alias(("network.backbone.height",), spread=_height, takes="many", why="only pictures have a height"),
    "loss_function_kwargs": Alias(("losses.0",), spread=_loss_parameters, takes="many", why="that is always so"),
    "add_instrument_loss": Alias(("losses.0.family_weight",), spread=_family),
    "aug_kwargs": Alias(
        ("augment",), spread=_augmented, takes="many", why="it belongs to augmentations that are not asked for",
    ),
    "path_background_noise": Alias(("augment",), spread=_background, why="BACKGROUND_NOISE is not asked for"),
    "ckpt": Alias(("network.init_from",)),
    "train_paths": Alias(("data.train",), takes="many"),
    "train_dirs": Alias(("data.train",), takes="many"),
    "val_paths": Alias(("data.validation",), takes="many"),
    "val_dirs": Alias(("data.validation",), takes="many"),
    "test_paths": Alias(("data.test",), takes="many"),
    "dataset_fraction": Alias(("data.share",)),
    "use_weighted_train_sampler": Alias(
        ("data.sampler",), lambda v: "balanced" if v else "all", takes="none",
    ),
    "max_audio_seconds": Alias(("data.window_s",)),
    "sampling_rate": Alias(("features.0.sample_rate",)),
    "n_fft": Alias(("features.0.n_fft",)),
    "n_mfcc": Alias(("features.0.n_mfcc",)),
    "epochs": Alias(("training.epochs",)),
    "lr": Alias(("training.learning_rate",)),
    "lr_onecycle_max": Alias(("training.learning_rate",)),
    "patience": Alias(("training.patience",)),
    "early_stopping_metric_patience": Alias(("training.patience",)),
    "metric": Alias(("training.monitor",), of_table(MONITORS, "figure")),
    "optimizer": Alias(("training.optimizer",), of_table(OPTIMIZERS, "optimiser")),
    "scheduler": Alias(("training.schedule",), of_table(SCHEDULES, "schedule", NO_SCHEDULES)),
    "seed": Alias(("training.seed",)),
    "lr_warmup": unused("warm-up is a share of the steps: training.warm_up"),
    "metric_mode": unused("it follows from the figure"),
    "head_after": unused("the head is a part of its own"),
    "finetune_train_bn": _FROZEN,
    "freeze_train_bn": _FROZEN,
    "use_multiple_optimizers": unused("heads share no weights, so one optimiser is as many", "none"),
    "use_rgb": unused("a picture has as many channels as there are features", "none"),
    "normalize_audio": unused(_LEVELS.why, "none"),
    "normalize_image": unused(_LEVELS.why, "none"),
    "max_num_width_samples": unused("windows are in seconds: data.window_s"),
    "num_labels": unused("labels are those of the data, or of data.labels"),
    "train_only_dataset": unused("without data.validation, whole groups of DATA are dealt to the parts", "none"),
    "train_override_csvs": unused("sonoscope data audit --apply corrects labels before a training", "many"),
    "dataset_paths": unused("sonoscope analyze and evaluate take them", "many"),
    "prediction_threshold": unused("thresholds are fitted on validation"),
    "drop_last": unused("rows are drawn, so that every batch is whole", "none"),
    "skip_validation": unused("thresholds and the best epoch come from validation; training.validate_every", "none"),
    "save_on_train_epoch_end": _EPOCHS,
    "check_on_train_epoch_end": _EPOCHS,
    "log_per_instrument_metrics": _ALWAYS,
    "log_every_n_steps": unused(_ALWAYS.why),
    "bar_update": unused("there is a line for each epoch"),
    "verify_config": unused("--print shows the configuration", "none"),
    "experiment_suffix": _FOLDER,
    "output_dir": _FOLDER,
    "path_workdir": _FOLDER,
    "path_models": _FOLDER,
    "path_models_quick": _FOLDER,
    "path_figures": _FOLDER,
    "path_embeddings": _FOLDER,
    "path_data": _ELSEWHERE,
    "path_irmas": _ELSEWHERE,
    "path_irmas_train": _ELSEWHERE,
    "path_irmas_test": _ELSEWHERE,
    "path_irmas_train_features": _ELSEWHERE,
    "path_irmas_sample": _ELSEWHERE,
    "path_openmic": _ELSEWHERE,
}  # fmt: skip
