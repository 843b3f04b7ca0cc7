"""Configurations: composed, typed, checked, written and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sonoscope.errors import UnknownName
from sonoscope.training import presets
from sonoscope.training.config import Config, compose, from_dict, read
from sonoscope.training.sections import BadConfig, parsed, plain


def test_words_go_on_top_of_values_and_reach_into_lists_and_parts():
    made = compose(
        {"data": {"train": "clips"}, "augment": ["gain", {"name": "noise", "snr_db": 10}]},
        ["training.epochs=3", "losses.0=focal", "losses.0.gamma=1.5", "augment.1.snr_db=20",
         "network.backbone=crnn", "network.backbone.cell=lstm", "training.learning_rate=1e-4", "data.hop_s=1"],
    )  # fmt: skip
    assert made.data.train == ("clips",) and made.data.hop_s == 1.0
    assert made.training.epochs == 3 and made.training.learning_rate == 1e-4
    assert made.losses == ({"name": "focal", "gamma": 1.5},)
    assert made.augment == ({"name": "gain"}, {"name": "noise", "snr_db": 20})
    assert made.network.backbone == {"name": "crnn", "cell": "lstm"}


def test_what_is_written_is_read_back(tmp_path: Path):
    made = compose({}, ["training.milestones=[3, 5]", "training.phases.0.train=head"])
    (tmp_path / "c.yaml").write_text(made.to_yaml())
    assert from_dict(read(tmp_path / "c.yaml")) == made
    assert from_dict(Config().to_dict()) == Config()


def test_a_list_grows_by_one_part_after_the_other():
    made = compose(
        {}, ["losses.0=focal", "losses.1=arcface", "losses.1.weight=0.1", "training.phases.1.train=all"]
    )
    assert [dict(loss) for loss in made.losses] == [{"name": "focal"}, {"name": "arcface", "weight": 0.1}]
    assert [phase.train for phase in made.training.phases] == ["all", "all"]


def test_a_part_may_be_named_before_what_belongs_to_the_first_of_its_list():
    made = compose({}, ["losses=focal", "losses.0.gamma=1.5", "augment=gain", "augment.1=noise"])
    assert made.losses == ({"name": "focal", "gamma": 1.5},)
    assert made.augment == ({"name": "gain"}, {"name": "noise"})
    assert compose({}, ["network.backbone=crnn", "features=mfcc", "features.0.n_mfcc=20"]).features == (
        {"name": "mfcc", "n_mfcc": 20},
    )


def test_a_key_may_stand_without_its_section():
    made = compose({}, ["learning_rate=0.5", "window_s=2.5", "normalise=level"])
    assert (made.training.learning_rate, made.data.window_s, made.network.normalise) == (0.5, 2.5, "level")


@pytest.mark.parametrize(
    ("word", "kind", "message"),
    [
        ("trainin.epochs=3", UnknownName, "unknown key 'trainin'. Did you mean 'training'"),
        ("training.epoch=3", UnknownName, r"unknown key 'training.epoch'. Did you mean 'epochs'"),
        ("leaning_rate=3", UnknownName, "unknown key 'leaning_rate'. Did you mean 'training.learning_rate'"),
        ("training.window_s=3", UnknownName, "unknown key 'training.window_s'. Did you mean 'data.window_s'"),
        ("training.epochs=many", BadConfig, "training.epochs='many' must be a whole number"),
        ("training.epochs=true", BadConfig, "training.epochs=True must be a whole number"),
        ("training.epochs=0", BadConfig, "training.epochs=0 must be at least 1"),
        (
            "training.validate_every=3",
            BadConfig,
            "training.epochs=20 must be a multiple of training.validate_every=3",
        ),
        ("training.validate_every=0", BadConfig, "training.validate_every=0 must be at least 1"),
        ("training.patience=-1", BadConfig, "training.patience=-1 must be at least 1"),
        ("training.epoch_batches=0", BadConfig, "training.epoch_batches=0 must be at least 1"),
        ("training.loader_workers=-1", BadConfig, "training.loader_workers=-1 must be at least 0"),
        ("training.gradient_clip=-1", BadConfig, "training.gradient_clip=-1.0 must be above 0"),
        ("training.weight_decay=-1", BadConfig, r"training.weight_decay=-1.0 must lie in 0\.\.10"),
        ("training.gamma=0", BadConfig, r"training.gamma=0.0 must lie in 0 \(excluded\)\.\.1"),
        ("training.phases.0.epochs=0", BadConfig, "phase.epochs=0 must be at least 1"),
        ("training.phases.0.learning_rate=0", BadConfig, "phase: learning_rate=0.0 must lie in"),
        ("training.devices=0", BadConfig, "training.devices='0' must be a number from 1 on"),
        ("training.devices=gpu", BadConfig, "training.devices='gpu' must be"),
        ("training.devices=auto", None, ""),
        ("training.devices=4", None, ""),
        ("training.devices=0,1", None, ""),
        ("training.devices=[0, 1]", BadConfig, "must be text"),
        ("data.max_samples=0", BadConfig, "data.max_samples=0 must be at least 1"),
        ("data.test_share=0.9", BadConfig, "leave nothing to learn from"),
        ("data.cache=rows", UnknownName, "data.cache='rows' is unknown. Known: samples, features"),
        ("training.phases.2.train=head", BadConfig, r"training.phases.2: '2' must be a number in 0..1"),
        ("losses.1.margin=2", BadConfig, r"losses.1"),
        ("training.phases.0.train=tail", BadConfig, "train='tail' must be head, all, or 'from LAYER'"),
        ("data.task=multi", UnknownName, "data.task='multi' is unknown. Did you mean"),
        ("data.share=0", BadConfig, r"data.share=0.0 must lie in 0 \(excluded\)..1"),
        ("training.schedule=cosin", UnknownName, "Did you mean 'cosine'"),
        ("network.backbone.name.x=1", BadConfig, r"unknown|no keys|must be"),
        ("losses=[]", None, ""),
        ("features=[]", BadConfig, "features is empty"),
        ("kind=classical", BadConfig, "needs a model"),
        ("training.milestones=[5,3]", None, ""),
        ("losses.0=3", BadConfig, r"losses.0=3 must be a name"),
        ("epochs", BadConfig, "'epochs' is no key=value"),
    ],
)
def test_what_cannot_be_meant_is_refused(word: str, kind: type[Exception] | None, message: str):
    if kind is None:
        compose({}, [word])
        return
    with pytest.raises(kind, match=message):
        compose({}, [word])


def test_rising_milestones_are_asked_for_where_they_count():
    with pytest.raises(BadConfig, match=r"milestones=\[5, 3\] must rise"):
        compose({}, ["training.schedule=multi-step", "training.milestones=[5,3]"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("2.5E+2", 250.0),
        ("3", 3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("[1e-4, -.5e1]", [1e-4, -5.0]),
        ("name", "name"),
        ("null", None),
        ("1e-3x", "1e-3x"),
        ("one", "one"),
    ],
)
def test_words_mean_what_yaml_says(text: str, value: object):
    assert parsed(text) == value and type(parsed(text)) is type(value)


def test_small_numbers_in_a_file_are_numbers(tmp_path: Path):
    """YAML 1.1 takes 2e-4 for a word, and nobody who writes a configuration does."""
    (tmp_path / "c.yaml").write_text(
        "training: {weight_decay: 2e-4, learning_rate: 1E-3}\nlosses: [{name: focal, gamma: 15e-1}]\n"
    )
    made = from_dict(read(tmp_path / "c.yaml"))
    assert (made.training.weight_decay, made.training.learning_rate) == (2e-4, 1e-3)
    assert made.losses == ({"name": "focal", "gamma": 1.5},)


def test_a_file_builds_on_another(tmp_path: Path):
    (tmp_path / "below.yaml").write_text("training: {epochs: 7, batch_size: 4}\naugment: [gain]\n")
    (tmp_path / "above.yaml").write_text("base: below.yaml\ntraining: {epochs: 2}\naugment: [noise]\n")
    made = compose(read(tmp_path / "above.yaml"))
    assert (made.training.epochs, made.training.batch_size) == (2, 4)
    assert made.augment == ({"name": "noise"},)
    (tmp_path / "below.yaml").write_text("base: above.yaml\n")
    with pytest.raises(BadConfig, match="circle"):
        read(tmp_path / "above.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(BadConfig, match="must hold keys"):
        plain(tmp_path / "list.yaml")


def test_parts_are_replaced_whole_and_sections_joined():
    below = {"network": {"backbone": {"name": "a", "x": 1}, "init_from": "m"}}
    above = {"network": {"backbone": {"name": "b"}}}
    assert presets.merged(below, above) == {"network": {"backbone": {"name": "b"}, "init_from": "m"}}


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_a_configuration_that_says_what_it_is(name: str):
    made = compose(presets.load(name))
    assert made.name == name and made.about
    assert yaml.safe_load(made.to_yaml()) == made.to_dict()


def test_an_unknown_preset_names_the_nearest(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UnknownName, match="preset"):
        presets.load("no-such-preset")


@pytest.mark.train
@pytest.mark.parametrize("name", presets.names())
def test_every_preset_makes_its_parts(name: str):
    """Features, losses and augmentations of all; networks of those whose libraries are here, without their weights."""
    torch = pytest.importorskip("torch")
    from sonoscope.training import augment
    from sonoscope.training.losses.objective import Objective
    from sonoscope.training.setting import feature_of, network_of, rate_of

    config = compose(presets.load(name))
    if config.kind != "network":
        pytest.skip("no network of its own")
    feature = feature_of(config)
    Objective(list(config.losses), dim=8, n_classes=3)
    augment.build(config.augment, rate_of(config, feature), feature)
    backbone = config.network.backbone["name"]
    if backbone.startswith("timm:"):
        pytest.importorskip("timm")
    if backbone in ("ast", "wav2vec2"):
        pytest.importorskip("transformers")
    if backbone == "cnn14_bands":
        pytest.skip("a quarter of a billion weights: its own tests make it")
    with torch.device("meta") if backbone in ("cnn14", "ast", "wav2vec2", "beats") else torch.device("cpu"):
        network = network_of(config, feature, 3)
    assert network.config["n_classes"] == 3


@pytest.mark.train
@pytest.mark.parametrize("frames", [3, 5])
def test_short_kernels_with_layers_behind_them(frames: int):
    """The kernels along time are as short as one likes, the width multiplies channels, the rest is in the layers."""
    pytest.importorskip("torch")
    from sonoscope.training.setting import feature_of, network_of

    stages = f"network.backbone.stages=[[32, [{frames}, 5], [1, 2]], [64, [{frames}, 3], [1, 2]]]"
    words = [stages, "network.head.layers=[64, 32]", "network.backbone.width=0.5"]
    config = compose(presets.load("cnn-logfreq"), words)
    network = network_of(config, feature_of(config), 3)
    assert network.poolable and network.backbone.receptive_frames == 1 + 2 * (frames - 1)
    convolutions = [p.shape for p in network.backbone.parameters() if p.ndim == 4]
    assert [shape[0] for shape in convolutions] == [16, 32]
    assert [p.shape[0] for p in network.head.parameters() if p.ndim == 2] == [64, 32, 3]


def test_the_presets_are_listed_in_the_document():
    text = (Path(__file__).parents[2] / "docs" / "train.md").read_text(encoding="utf-8")
    for name, about in presets.names().items():
        assert f"| `{name}` | {about} |" in text
