"""Weights come out of files without running what is in them, and nothing is skipped in silence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from sonoscope.networks.checkpoints import (  # noqa: E402
    BadCheckpoint,
    load_weights,
    read_checkpoint,
    weights_in,
)

pytestmark = pytest.mark.train


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    "shell",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {"model": {"state_dict": {f"_orig_mod.{k}": v for k, v in state.items()}}},
    ],
)
def test_weights_are_found_in_shells_and_behind_prefixes(tmp_path: Path, shell) -> None:
    torch.save(shell(linear(1).state_dict()), tmp_path / "w.pth")
    module = linear(0)
    report = load_weights(module, tmp_path / "w.pth")
    assert report.complete
    assert len(report.loaded) == 4
    assert torch.equal(module[1].weight, linear(1)[1].weight)


def test_safetensors_and_numpy_around_the_weights(tmp_path: Path) -> None:
    save_file(linear(1).state_dict(), tmp_path / "w.safetensors")
    module = linear(0)
    assert load_weights(module, tmp_path / "w.safetensors").complete
    assert torch.equal(module[0].bias, linear(1)[0].bias)
    sampler = {"indexes": np.arange(4), "loss": np.float64(0.5), "names": ["a"]}
    torch.save({"model": linear(1).state_dict(), "sampler": sampler}, tmp_path / "w.pth")
    assert read_checkpoint(tmp_path / "w.pth")["sampler"]["indexes"].tolist() == [0, 1, 2, 3]


def test_only_a_part_by_its_prefix(tmp_path: Path) -> None:
    state = {f"trunk.{k}": v for k, v in linear(1).state_dict().items()} | {"head.weight": torch.zeros(2)}
    module = linear(0)
    assert load_weights(module, state, prefix="trunk.").unexpected == ()
    assert torch.equal(module[0].weight, linear(1)[0].weight)


class Runs:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_in_a_file_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": linear().state_dict(), "extra": Runs(tmp_path / "made")}, tmp_path / "w.pth")
    with pytest.raises(BadCheckpoint, match=r"cannot be read as weights only .* Convert it to \.safetensors"):
        read_checkpoint(tmp_path / "w.pth")
    assert not (tmp_path / "made").exists()


def test_a_damaged_safetensors_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(linear(1).state_dict(), file)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(BadCheckpoint, match=r"w\.safetensors: is damaged .* Fetch it again"):
        load_weights(linear(2), file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such checkpoint"),
        (b"not a checkpoint", "cannot be read"),
        ({"epoch": 3}, "holds no named weights"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content, message: str) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(BadCheckpoint, match=message):
        load_weights(linear(), path)


def test_what_does_not_fit_is_listed_below_the_message(tmp_path: Path) -> None:
    torch.save({"network.backbone.x": torch.zeros(2)}, tmp_path / "own.ckpt")
    with pytest.raises(BadCheckpoint) as refused:
        load_weights(nn.Linear(2, 1), tmp_path / "own.ckpt")
    assert refused.value.lines == [
        "the checkpoint does not fit Linear. It is of a training of this program: network.init_from takes those.",
        f"{tmp_path / 'own.ckpt'}: 0 tensors loaded",
        "  2 missing in the file: weight, bias",
        "  1 unknown to the network: network.backbone.x",
    ]


def test_a_refused_file_changes_nothing() -> None:
    module, state = linear(0), linear(1).state_dict()
    state["1.weight"] = torch.zeros(5, 5)
    with pytest.raises(
        BadCheckpoint, match=r"1 of another shape: 1\.weight \(5, 5\) in the file, \(2, 4\) here"
    ):
        load_weights(module, state)
    assert torch.equal(module[0].weight, linear(0)[0].weight)
    report = load_weights(module, state, strict=False)
    assert report.loaded == ("0.weight", "0.bias", "1.bias")
    assert torch.equal(module[0].weight, linear(1)[0].weight)
    assert torch.equal(module[1].weight, linear(0)[1].weight)
    assert weights_in({"model": state}) == state
