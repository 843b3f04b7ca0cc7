"""Published weights meet the rows that they were trained on: not normalised before, and of their own feature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from sonoscope import features  # noqa: E402
from sonoscope.networks import backbones  # noqa: E402
from sonoscope.training import presets  # noqa: E402
from sonoscope.training.config import Config, compose  # noqa: E402
from sonoscope.training.course import Begun  # noqa: E402
from sonoscope.training.setting import Setting, feature_of, of_published_rows  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]


def test_rows_reach_published_weights_as_the_feature_gives_them(tones: Tones, tmp_path: Path) -> None:
    backbone = "name: cnn14, width: 0.0625"
    words = ("features.0.n_mels=64", "network.normalise=level", "training.batch_size=4")
    fresh = Setting(
        tones(*words, f"network.backbone={{{backbone}}}"), tmp_path, quick=True, say=lambda _: None
    ).network
    assert fresh.normalise == "level"  # what begins anew is shown rows of the data set's own scale
    torch.save({"model": fresh.backbone.state_dict()}, tmp_path / "Cnn14.pth")
    said: list[str] = []
    config = tones(*words, f"network.backbone={{{backbone}, weights: {tmp_path / 'Cnn14.pth'}}}")
    network = Begun(config, tmp_path / "run", resume=False, quick=True, say=said.append).setting.network
    rows = -40.0 + 15.0 * torch.randn(2, 41, 64)
    assert torch.equal(network.maps(rows)[:, 0], rows)
    (told,) = [line for line in said if "as they were trained" in line]
    assert "sample_rate=32000" in told and "f_max_hz=14000" in told and "n_mels" not in told


def test_a_published_file_to_begin_with_is_said_to_belong_elsewhere(tones: Tones, tmp_path: Path) -> None:
    words = (
        "features.0.n_mels=64", "network.normalise=level", "training.batch_size=4",
        "network.backbone={name: cnn14, width: 0.0625}", "training.milestones=[1]",
    )  # fmt: skip
    said: list[str] = []
    whole = Begun(tones(*words), tmp_path / "one", resume=False, quick=True, say=said.append).setting.network
    assert any("training.milestones count for training.schedule=multi-step" in line for line in said)
    torch.save({"model": whole.backbone.state_dict()}, tmp_path / "Cnn14.pth")
    torch.save(whole.state_dict(), tmp_path / "ours.pth")
    for name, expected in (("Cnn14.pth", 1), ("ours.pth", 0)):
        told: list[str] = []
        config = tones(*words, f"network.init_from={tmp_path / name}")
        Begun(config, tmp_path / name[:4], resume=False, quick=True, say=told.append)
        assert sum("network.backbone.weights=FILE" in line for line in told) == expected


@pytest.mark.parametrize("name", ["panns-cnn14", "ast-mel", "beats-fbank"])
def test_presets_for_published_weights_have_the_feature_that_these_want(name: str) -> None:
    config = compose(presets.load(name))
    if config.network.backbone["name"] == "ast":
        pytest.importorskip("transformers")
    feature = feature_of(config)
    assert feature is not None
    with torch.device("meta"):
        wanted = backbones.build(config.network.backbone, feature.n_bins).wants.feature
    assert features.to_dict(feature).items() >= wanted.items()
    assert "but" not in of_published_rows(feature, wanted)
    spec = {**config.network.backbone, "weights": "a file"}
    assert backbones.has_published_rows(spec) and not backbones.has_published_rows(config.network.backbone)
