"""Configurations and options of other systems, read as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sonoscope.errors import UnknownName, UsageError
from sonoscope.features import Multiband
from sonoscope.training import aliases, lumen, options, plans, space
from sonoscope.training.config import Config, Data, Net, Training, compose
from sonoscope.training.setting import feature_of

PANNS = """
sample_rate: 22050
n_mels: 64
hop_length: 512
batch_size: 16
num_workers: 2
num_epochs: 100
freeze_epochs: 4
limit_val_batches: 1.0
num_sanity_val_steps: 2
original_data_percentage: 1
max_original_samples: null
max_samples: null
max_test_samples: null
frozen_learning_rate: 0.003
finetune_learning_rate: 0.0002
weight_decay: 0.0002
train_dir: data/processed/train
val_dir: data/processed/val
"""


def test_every_key_of_the_panns_configuration_has_its_place(tmp_path: Path):
    (tmp_path / "panns.yaml").write_text(PANNS)
    found = plans.asked([str(tmp_path / "panns.yaml")])
    config = compose(found.values, found.words)
    assert config.features[0]["sample_rate"] == 22050 and config.features[0]["hop_samples"] == 512
    training = config.training
    assert (training.epochs, training.batch_size, training.loader_workers) == (100, 16, 2)
    assert (training.validate_share, training.sanity_steps, training.weight_decay) == (1.0, 2, 0.0002)
    head, everything = training.phases
    assert (head.epochs, head.train, head.learning_rate) == (4, "head", 0.003)
    assert (everything.epochs, everything.train, everything.learning_rate) == (None, "all", 0.0002)
    assert config.data.train == ("data/processed/train",) and config.data.validation == (
        "data/processed/val",
    )
    assert config.data.share == 1.0 and config.data.max_samples is None
    told = " ".join(found.remarks)
    assert all(
        key in told for key in ("hop_length is features.0.hop_samples", "freeze_epochs is", "n_mels is")
    )


#: A key of another system by itself, with a value that is nobody's default -> all that it changes.
ALONE: dict[str, dict[str, Any]] = {
    "sample_rate=16000": {"features.0.sample_rate": 16000},
    "n_mels=40": {"features.0.n_mels": 40},
    "hop_length=160": {"features.0.hop_samples": 160},
    "batch_size=7": {"training.batch_size": 7},
    "num_workers=3": {"training.loader_workers": 3},
    "num_epochs=11": {"training.epochs": 11},
    "freeze_epochs=6": {"training.phases": [(6, "head", 0.003), (None, "all", None)]},
    "frozen_learning_rate=0.02": {"training.phases": [(4, "head", 0.02), (None, "all", None)]},
    "finetune_learning_rate=0.02": {
        "training.phases": [(4, "head", 0.003), (None, "all", 0.02)], "training.learning_rate": 0.02,
    },
    "limit_val_batches=0.5": {"training.validate_share": 0.5},
    "num_sanity_val_steps=5": {"training.sanity_steps": 5},
    "original_data_percentage=0.25": {"data.share": 0.25},
    "max_original_samples=13": {"data.max_samples": 13},
    "max_samples=14": {"data.max_samples": 14},
    "max_test_samples=15": {"data.max_test_samples": 15},
    "weight_decay=0.3": {"training.weight_decay": 0.3},
    "train_dir=here": {"data.train": ["here"]},
    "val_dir=there": {"data.validation": ["there"]},
    "test_dir=beyond": {"data.test": ["beyond"]},
    "checkpoint_path=Cnn14.pth": {"network.backbone.weights": "Cnn14.pth"},
    "lr=0.02": {"training.learning_rate": 0.02},
    "num-epochs=12": {"training.epochs": 12},
    "sr=44100": {"features.0.sample_rate": 44100},
    "gamma=0.5": {"training.gamma": 0.5},
    "milestones=2,4": {"training.milestones": [2, 4], "training.schedule": "multi-step"},
    "c=3": {"network.backbone.width": 3},
    "batch-seconds=2.5": {"data.window_s": 2.5},
    "bins-per-octave=48": {"features.0.bins_per_octave": 48},
    "hop-length=256": {"features.0.hop_samples": 256},
    "init-from=model": {"network.init_from": "model"},
    "ckpt=model": {"network.init_from": "model"},
    "dataset_fraction=0.5": {"data.share": 0.5},
    "use_weighted_train_sampler=false": {},
    "scheduler=COSINEANNEALING": {},
    "scheduler=ONECYCLE": {"training.schedule": "one-cycle"},
    "scheduler=MULTISTEP": {"training.schedule": "multi-step"},
    "optimizer=ADAM": {"training.optimizer": "adam"},
    "patience=9": {"training.patience": 9},
    "early_stopping_metric_patience=9": {"training.patience": 9},
    "seed=8": {"training.seed": 8},
    "sampling_rate=8000": {"features.0.sample_rate": 8000},
    "n_fft=1000": {"features.0.n_fft": 1000},
    "n_mfcc=13": {"features.0.n_mfcc": 13},
    "max_audio_seconds=4": {"data.window_s": 4.0},
    "metric=VAL_LOSS": {"training.monitor": "val_loss"},
    "loss_function=CROSS_ENTROPY_POS_WEIGHT": {"losses": [{"name": "bce", "positive_weights": "balanced"}]},
    "audio_transform=MULTI_SPECTROGRAM": {"features": [{"name": "channels"}]},
}  # fmt: skip


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """Each value of a configuration under its whole key; phases as what a phase says."""
    if place == "training.phases":
        return {place: [(each["epochs"], each["train"], each["learning_rate"]) for each in value]}
    if isinstance(value, list) and place == "features" and len(value[0]) > 1:
        return flat(value[0], "features.0")
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, each in value.items():
            found |= flat(each, f"{place}.{key}" if place else key)
        return found
    return {place: value}


@pytest.mark.parametrize("word", ALONE)
def test_each_key_changes_its_place_and_nothing_else(word: str):
    base = {"features": [{"name": "logmel", "f_min_hz": 30.0}]}
    made, remarks = aliases.translated_words([word])
    before, after = flat(compose(base).to_dict()), flat(compose(base, made).to_dict())
    assert {key: value for key, value in after.items() if before.get(key) != value} == ALONE[word]
    assert len(remarks) == 1 and "not used" not in remarks[0]


def test_every_key_of_panns_and_of_the_note_recogniser_is_tried_alone():
    tried = {word.partition("=")[0].replace("-", "_") for word in ALONE}
    theirs = {key for key, alias in aliases.ALIASES.items() if alias.keys and key not in lumen.ALIASES}
    assert theirs <= tried


def test_the_panns_configuration_trains_its_own_network(tmp_path: Path):
    (tmp_path / "panns.yaml").write_text(f"base: panns-bands-two-phase\n{PANNS}")
    found = plans.asked([str(tmp_path / "panns.yaml")])
    config = compose(found.values, found.words)
    assert config.network.backbone["name"] == "cnn14_bands" and config.training.optimizer == "adam"
    feature = feature_of(config)
    assert isinstance(feature, Multiband) and feature.hop_samples == 512
    assert "n_mels is not used: the bands of multiband have no mel filters" in found.remarks


def test_lumens_options_are_understood():
    words = ["model=CONVNEXT_TINY", "audio_transform=MFCC", "use_fluffy=true", "loss_function=FOCAL_LOSS", "lr=5e-5",
             "metric=VAL_F1", "augmentations=[TIME_SHIFT, PITCH]", "metric_mode=MAX", "epochs=40"]  # fmt: skip
    made, remarks = aliases.translated_words(words)
    config = compose({}, made)
    assert config.network.backbone == {"name": "timm:convnext_tiny"} and config.network.head == {
        "name": "fluffy"
    }
    assert config.features == ({"name": "mfcc"},) and config.losses == ({"name": "focal"},)
    assert config.training.learning_rate == 5e-5 and config.training.monitor == "val_macro_f1"
    assert [part["name"] for part in config.augment] == ["time_shift", "pitch_shift"]
    assert any("metric_mode is not used" in remark for remark in remarks)


def test_the_options_of_the_note_recogniser_are_understood():
    made, _ = aliases.translated_words(
        [
            "lr=0.01",
            "num-epochs=3",
            "gamma=0.5",
            "milestones=[2]",
            "c=2",
            "sr=44100",
            "batch-size=5",
            "num-workers=1",
        ]
    )
    config = compose({"network": {"backbone": "small_cnn"}}, made)
    assert (config.training.batch_size, config.training.loader_workers) == (5, 1)
    assert config.training.gamma == 0.5 and config.training.milestones == (2,) and config.training.epochs == 3
    assert config.network.backbone["width"] == 2 and config.features[0]["sample_rate"] == 44100


def test_what_is_unknown_names_the_nearest(tmp_path: Path):
    with pytest.raises(UnknownName, match=r"unknown network 'CONVNEXT_TINI'. Did you mean 'CONVNEXT_TINY'"):
        aliases.translated_words(["model=CONVNEXT_TINI"])
    (tmp_path / "c.yaml").write_text("freeze_epoch: 3\n")
    with pytest.raises(UnknownName, match=r"unknown key 'freeze_epoch'. Did you mean 'freeze_epochs'"):
        plans.asked([str(tmp_path / "c.yaml")])


def test_heads_may_be_named_by_either_word():
    assert aliases.translated_words(["head=mlp"])[0] == ['network.head="mlp"']
    assert aliases.translated_words(["head=DEEP_HEAD"])[0] == ['network.head="mlp"']


def test_a_sweep_knows_other_words_too():
    assert space.axis("lr=0.1,0.2", ranges=False).key == "training.learning_rate"
    assert space.axis("head=mlp,fluffy", ranges=False).key == "network.head"
    assert space.axis("model=AST,LSTM", ranges=False).key == "model"  # its values are turned too


def test_every_place_that_an_alias_names_exists():
    of_section = {"training": Training, "data": Data, "network": Net}
    for key, alias in aliases.ALIASES.items():
        for place in alias.keys:
            section, _, rest = place.partition(".")
            assert section in {each.name for each in fields(Config)}, key
            if section in of_section:
                assert rest.split(".")[0] in {each.name for each in fields(of_section[section])}, key


def test_every_key_is_in_the_document():
    page = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
    table = page.partition("## Words of other systems")[2]
    assert not [key for key in aliases.ALIASES if f"`{key}`" not in table]


#: Command lines of Lumen's documentation, its options one by one.
LUMEN = (
    "--train-paths irmastrain:irmas openmic:openmic --val-paths irmastest:irmas --model CONVNEXT_TINY "
    "--audio-transform MEL_SPECTROGRAM --head-after classifier --finetune_head_epochs 5 --backbone-after layer3.2 "
    "--lr-warmup 5e-5 --lr 1e-5 --lr-onecycle-max 1e-4 --augmentations TIME_STRETCH TIME_SHIFT SEVEN_BAND_EQ "
    "--aug-kwargs stretch_factors=0.9,1.1 sum_n_samples=3 --head-hidden-dim 512 128 --image-size 224 224 "
    "--use-weighted-train-sampler --n-mels 128 --num-workers 1"
)


def _asked(line: str) -> Config:
    found = plans.asked(options.as_words(line.split(), {"-o", "--out", "--quick"}))
    return compose(found.values, found.words)


def test_lumens_command_line_is_taken_as_it_is():
    config = _asked(LUMEN)
    assert config.data.train == ("irmastrain:irmas", "openmic:openmic")
    assert config.data.validation == ("irmastest:irmas",) and config.data.sampler == "balanced"
    assert config.network.backbone == {"name": "timm:convnext_tiny", "height": 224}
    assert config.network.head == {"name": "mlp", "layers": [512, 128]}
    assert config.features == ({"name": "logmel", "n_mels": 128},)
    assert config.augment == (
        {"name": "time_stretch", "rate": [0.9, 1.1]}, {"name": "time_shift"}, {"name": "equalizer", "bands": 7},
    )  # fmt: skip
    head, rest = config.training.phases
    assert (head.epochs, head.train, rest.train) == (5, "head", "from layer3.2")
    assert head.learning_rate is None  # that of the whole training; 0.003 is of PANNs on IRMAS
    assert config.training.learning_rate == 1e-4 and config.training.loader_workers == 1


def test_what_goes_together_is_taken_together():
    config = _asked(
        "--nofinetune-head --finetune-head-epochs 5 --model AST --pretrained --add-instrument-loss 0.5"
    )
    assert len(config.training.phases) == 1 and config.training.phases[0].train == "all"
    assert config.network.backbone == {"name": "ast", "weights": lumen.AST_WEIGHTS}
    assert config.losses == ({"name": "family", "family_weight": 0.5},)
    config = _asked("network.backbone=small_cnn --c 2 --milestones 2 4 --batch-size=5 batch-seconds=2")
    assert config.network.backbone == {"name": "small_cnn", "width": 2} and config.training.milestones == (
        2,
        4,
    )
    assert (config.training.batch_size, config.data.window_s) == (5, 2.0)
    assert _asked("--init-from instruments").network.init_from == "instruments"
    config = _asked(
        "model=CONVNEXT_TINY network.backbone.height=128 use_fluffy=true head_hidden_dim=[64] lr=1e-3"
    )
    assert config.network.backbone["height"] == 128 and config.network.head == {
        "name": "fluffy",
        "layers": [64],
    }


def test_what_belongs_to_a_part_is_turned_with_it():
    config = _asked("--augmentations PITCH FREQ_MASK --aug-kwargs freq_mask_param=32 --n-mels 64")
    assert config.augment == ({"name": "pitch_shift"}, {"name": "spec_augment", "frequency_share": 0.5})
    assert _asked("--augmentations FREQ_MASK --aug-kwargs freq_mask_param=32").augment == (
        {"name": "spec_augment", "frequency_share": 0.25},
    )
    assert _asked("--model WAV2VEC --pretrained --pretrained-tag theirs").network.backbone == {
        "name": "wav2vec2", "weights": "theirs",
    }  # fmt: skip


def test_lists_may_have_commas():
    config = _asked("--milestones 2,4 losses=bce,arcface network.head=mlp network.head.layers=100,50")
    assert config.training.milestones == (2, 4) and config.network.head["layers"] == [100, 50]
    assert config.losses == ({"name": "bce"}, {"name": "arcface"})
    config = _asked("--augmentations TIME_SHIFT,PITCH --head-hidden-dim 64,32 training.epochs=3")
    assert [part["name"] for part in config.augment] == ["time_shift", "pitch_shift"]
    assert config.network.head["layers"] == [64, 32] and config.training.epochs == 3


def test_settings_may_follow_an_option_with_many_values():
    config = _asked(
        "--milestones 2 4 training.epochs=5 --aug-kwargs stretch_factors=0.9,1.1 sum_n_samples=3 lr=1e-3"
    )
    assert config.training.milestones == (2, 4) and config.training.epochs == 5


def test_options_of_the_note_recognisers_test_say_where_they_are():
    line = "--finetune-head --thresholds 0.3 0.5 --allowed-errors 1 --test-dev --only-note-names"
    told = plans.asked(options.as_words(line.split(), ())).remarks
    assert told[0] == "finetune_head is training.phases"
    assert "sonoscope evaluate --set allowed_errors=1" in told[2] and "best epoch" in told[4]
    assert all(" is not used: " in line for line in told[1:]) and len(told) == 5


def test_options_that_are_ours_stay_ours():
    own = {"-o", "--out", "--quick", "--seed"}
    words = ["cnn-mel", "clips", "--quick", "--seed", "3", "--out", "x", "--lr", "-1", "--", "--lr"]
    kept = ["cnn-mel", "clips", "--quick", "--seed", "3", "--out", "x", "lr=-1", "--", "--lr"]
    assert options.as_words(words, own) == kept
    assert options.as_words(["--nonsense", "3"], own) == ["--nonsense", "3"]
    with pytest.raises(UsageError, match=r"--lr needs a value"):
        options.as_words(["--lr", "--out", "x"], own)


def test_what_is_not_here_says_why():
    with pytest.raises(UnknownName, match=r"'MOBNET' is not here: a network for each label; model=MOBILENET"):
        _asked("--model MOBNET")
    with pytest.raises(UnknownName, match=r"'PLATEAU' is not here"):
        _asked("--scheduler PLATEAU")
    told = plans.asked(options.as_words(["--normalize-audio", "--prediction-threshold", "0.5"], ())).remarks
    assert [line.partition(":")[0] for line in told] == [
        "normalize_audio is not used", "prediction_threshold is not used",
    ]  # fmt: skip


def test_names_of_parts_are_those_of_the_tables():
    pytest.importorskip("torch")
    from sonoscope.features import FEATURES
    from sonoscope.networks.backbones import BACKBONES
    from sonoscope.networks.heads import HEADS
    from sonoscope.training.augment import AUGMENTATIONS
    from sonoscope.training.losses import LOSSES

    def names(table: Mapping[str, Any]) -> set[str]:
        each = [part if isinstance(part, str) else part["name"] for part in table.values()]
        return {name.partition(":")[0] for name in each}

    assert names(lumen.BACKBONES) <= set(BACKBONES) and names(lumen.HEADS) <= set(HEADS)
    assert names(lumen.LOSSES) <= set(LOSSES) and names(lumen.FEATURES) <= {*FEATURES, "samples"}
    assert names(lumen.AUGMENTATIONS) <= set(AUGMENTATIONS)
