"""A small random network, and the bundle that it becomes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from sonoscope.features import LogMel
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.values import Label

FEATURE = LogMel(sample_rate=8000, n_fft=256, hop_samples=80, n_mels=24, f_min_hz=60.0, f_max_hz=4000.0)
IDS = ("hum", "click", "other")
#: 40 frames: nine more than the trunk's receptive field.
WINDOW = 40 * FEATURE.hop_samples


def describe(name: str = "tiny") -> dict:
    """What only the maker of a bundle knows."""
    return {
        "name": name,
        "version": "1.0.0",
        "task": "tagging",
        "labels": [asdict(Label(i)) for i in IDS],
        "window": WINDOW,
        "hop": WINDOW // 2,
        "calibration": {i: {"slope": 1.0, "offset": 0.0} for i in IDS},
        "decision": {"labels": {i: {"threshold": 0.5, "low_threshold": 0.4} for i in IDS}},
        "licence": "MIT",
        "provenance": {"command": "a test [of  brackets { and  spaces]", "seeds": [0, 1, 2]},
    }


@pytest.fixture(scope="session")
def network():
    """An untrained network whose normalisation, running statistics and logits are far from their defaults."""
    torch = pytest.importorskip("torch")
    from sonoscope.networks.build import Network

    torch.manual_seed(0)
    made = Network(
        FEATURE.n_bins,
        len(IDS),
        backbone={"name": "valid_cnn", "width": 0.25, "dim": 8},
        head={"name": "framewise_attention"},
    )
    generator = torch.Generator().manual_seed(1)
    made.set_normalisation(
        -40.0 + 5.0 * torch.randn(FEATURE.n_bins, generator=generator).numpy(),
        15.0 + torch.rand(FEATURE.n_bins, generator=generator).numpy(),
    )
    with torch.no_grad():
        made.train()
        for _ in range(20):
            made(-40.0 + 15.0 * torch.randn(4, 60, FEATURE.n_bins, generator=generator))
        made.head.logits.weight.mul_(20.0)
        made.head.attention.weight.normal_(0.0, 1.0, generator=generator)
    return made.eval()


@pytest.fixture(scope="session")
def bundle(network, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """``network`` as a bundle."""
    pytest.importorskip("onnxscript")
    from sonoscope.networks.export import write_bundle

    folder: Path = tmp_path_factory.mktemp("bundles") / "tiny"
    write_bundle(folder, network, describe(), feature=FEATURE, card="# Tiny\n")
    return open_bundle(folder)
