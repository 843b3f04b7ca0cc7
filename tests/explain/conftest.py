"""Tiny networks that tell a tone in noise from noise, trained in a second each, and one of them as a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from sonoscope.features.logmel import LogMel

RATE = 8000
FEATURE = LogMel(sample_rate=RATE, n_fft=512, hop_samples=200, n_mels=32, f_min_hz=100.0, f_max_hz=3900.0)
#: Seconds and Hz of the tone that is to be found.
BEGIN, END, HZ = 0.35, 0.65, 1500.0
LABELS = ("background", "tone")


def sound(
    rng: np.random.Generator, tone: tuple[float, float, float] | None, seconds: float = 1.0
) -> np.ndarray:
    """White noise, and over it a tone from, to (in seconds) and of Hz, float32."""
    samples = 0.05 * rng.standard_normal(round(seconds * RATE))
    if tone is not None:
        begin, end, hz = tone
        time = np.arange(len(samples)) / RATE
        inside = np.clip(np.minimum(time - begin, end - time) / 0.01, 0, 1)
        samples += 0.1 * inside * np.sin(2 * np.pi * hz * time)
    return samples.astype(np.float32)


class Examples(NamedTuple):
    """Rows (n, time, bins) and whether a tone sounds (n, 2)."""

    rows: np.ndarray
    truth: np.ndarray


@pytest.fixture(scope="session")
def examples() -> Examples:
    """Half with a tone of any pitch and time, half without."""
    rng = np.random.default_rng(1)
    sounds = []
    for k in range(256):
        begin = rng.uniform(0, 0.7)
        sounds.append(sound(rng, (begin, begin + 0.3, rng.uniform(400, 3000)) if k % 2 else None))
    with_tone = np.arange(256) % 2
    return Examples(FEATURE(np.stack(sounds))[:, :40], np.stack([1 - with_tone, with_tone], axis=1))


@pytest.fixture(scope="session")
def trained(examples: Examples) -> Callable[..., Any]:
    """``trained(backbone, head)``: a network that has learned to tell."""
    torch = pytest.importorskip("torch")
    from sonoscope.networks.build import Network

    made: dict[str, Any] = {}

    def fit(name: str, backbone: dict[str, Any], head: str | dict[str, Any], steps: int) -> Any:
        if name in made:
            return made[name]
        torch.manual_seed(0)
        network = Network(FEATURE.n_mels, 2, backbone=backbone, head=head, normalise="level")
        # AST and BEATs divide by twice the deviation that their publishers saw.
        wide = {"ast": 2 * 4.5689974, "beats": 2 * 6.55582}.get(name, 1.0)
        network.set_normalisation(examples.rows.mean(axis=(0, 1)), examples.rows.std(axis=(0, 1)) / wide)
        optimiser = torch.optim.Adam(network.parameters(), 2e-3 if name in TRANSFORMERS else 5e-3)
        rows, truth = torch.from_numpy(examples.rows), torch.from_numpy(examples.truth).float()
        for step in range(steps):
            some = torch.arange(32) + 32 * (step % 8)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network.train().window_logits(rows[some]), truth[some]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            said = network.eval().window_logits(rows) > 0
        assert (said == truth.bool()).float().mean() > 0.95, f"{name} has not learned"
        made[name] = network
        return network

    return fit


#: Whose self-attention is looked at.
TRANSFORMERS = ("ast", "vit", "beats")

NETWORKS: dict[str, tuple[dict[str, Any], str | dict[str, Any], int]] = {
    "cnn": (
        {"name": "valid_cnn", "dim": 16, "dropout": 0.0, "stages": [[8, [3, 3], [1, 1]], [16, [3, 3], [1, 2]]]},
        "framewise_attention",
        60,
    ),
    "ensemble": (
        {
            "name": "ensemble",
            "of": {"name": "valid_cnn", "dim": 8, "stages": [[8, [3, 3], [1, 1]], [16, [3, 3], [1, 2]]]},
        },
        "framewise_attention",
        60,
    ),
    "crnn": (
        {"name": "crnn", "stages": [], "cell": "lstm", "hidden": 16, "attention": "bahdanau", "dropout": 0.0},
        "linear",
        60,
    ),
    "ast": (
        {
            "name": "ast", "clip": True, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 64, "patch_size": 4, "frequency_stride": 4, "time_stride": 4, "longest": 40,
        },
        "linear",
        120,
    ),
    "pooled": (
        {"name": "valid_cnn", "dim": 16, "dropout": 0.0, "stages": [[8, [3, 3], [1, 1]], [16, [3, 3], [1, 2]]]},
        {"name": "attention", "n_heads": 1, "dropout": 0.0},
        100,
    ),
    "vit": ({"name": "vit", "patch": [4, 4], "dim": 32, "depth": 2, "heads": 2}, "linear", 120),
    "beats": (
        {
            "name": "beats", "input_patch_size": 4, "embed_dim": 16, "encoder_layers": 2, "encoder_embed_dim": 32,
            "encoder_ffn_embed_dim": 64, "encoder_attention_heads": 2, "conv_pos": 16, "conv_pos_groups": 2,
            "num_buckets": 32, "max_distance": 80, "dropout": 0.0, "attention_dropout": 0.0,
        },
        "linear",
        120,
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def networks(trained: Callable[..., Any]) -> Callable[[str], Any]:
    """A trained network by name."""
    return lambda name: trained(name, *NETWORKS[name])


@pytest.fixture(scope="session")
def case(networks: Callable[[str], Any]) -> Callable[[str], Any]:
    """A window with a tone in it, and a network to ask about it."""
    torch = pytest.importorskip("torch")
    from sonoscope.explain import Case
    from sonoscope.explain.network import Net
    from sonoscope.explain.views import RowsWindow

    def of(name: str) -> Case:
        net = Net(networks(name))
        rows = FEATURE(sound(np.random.default_rng(3), (BEGIN, END, HZ)))[:40]
        window = RowsWindow(rows, np.full_like(rows, np.quantile(rows, 0.05)))
        return Case(window, 1, lambda inputs: net.logits(torch.from_numpy(inputs)).numpy(), net)

    return of


@pytest.fixture(scope="session")
def tone_bundle(networks: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutional one as a bundle: windows of a second, every half."""
    from sonoscope.networks.export import write_bundle

    description = {
        "name": "tones", "version": "1.0.0", "task": "tagging", "sample_rate": RATE, "window": RATE, "hop": RATE // 2,
        "labels": [{"id": name, "kind": "event" if name == "tone" else "background"} for name in LABELS],
        "calibration": {name: {"slope": 1.0, "offset": 0.0} for name in LABELS},
        "decision": {"labels": {name: {"threshold": 0.5, "low_threshold": 0.4} for name in LABELS}},
        "licence": "MIT",
    }  # fmt: skip
    return write_bundle(
        tmp_path_factory.mktemp("bundle") / "tones",
        networks("cnn"),
        description,
        feature=FEATURE,
        card="# Tones\n",
    )
