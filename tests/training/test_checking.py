"""``sonoscope check``: what is right passes, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from sonoscope.cli import main

pytestmark = pytest.mark.train

GOOD = '''
import torch
from torch import nn
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.protocol import Backbone
from sonoscope.networks.heads.protocol import Head, as_frames


class MyNet(Backbone):
    """One convolution, valid in time."""

    def __init__(self, n_bins, *, channels=1, dim=8):
        super().__init__()
        self.dim, self.field = dim, Field.of([Step(5, 2)])
        self.conv = nn.Conv2d(channels, dim, (5, n_bins), (2, 1))

    def groups(self):
        return {"conv": list(self.conv.parameters())}

    def forward_features(self, x, lengths=None):
        self.check_lengths(x.shape[2], lengths)
        return torch.tanh(self.conv(x).squeeze(3)).transpose(1, 2)


class MyHead(Head):
    def __init__(self, dim, n_classes, dropout=0.0):
        super().__init__()
        self.linear = nn.Linear(dim, n_classes)

    def forward(self, embedding, mask=None):
        logits = self.linear(as_frames(embedding))
        return logits, torch.zeros_like(logits)
'''
BAD = GOOD.replace("Step(5, 2)", "Step(3, 2)")


def checked(tmp_path: Path, text: str, capsys, part: str = "") -> tuple[int, str, str]:
    file = tmp_path / "my_net.py"
    file.write_text(text)
    code = main(["check", f"{file}:{part}" if part else str(file)])
    return code, *capsys.readouterr()


def test_a_part_that_keeps_its_promises_passes(tmp_path: Path, capsys):
    code, out, _ = checked(tmp_path, GOOD, capsys)
    assert code == 0, out
    assert out.count("ok     backbone MyNet: ") >= 8 and "ok     head MyHead: " in out and "BROKEN" not in out


def test_a_broken_promise_is_named(tmp_path: Path, capsys):
    code, out, _ = checked(tmp_path, BAD, capsys, "MyNet")
    assert code == 1
    assert (
        "BROKEN backbone MyNet: frames are as declared" in out and "declared" in out and "MyHead" not in out
    )


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("x = 1\n", "", "defines no backbone, head or loss"),
        ("def (:\n", "", "my_net.py"),
        (GOOD, "MyNett", "no part 'MyNett'. Did you mean 'MyNet'?"),
    ],
)
def test_what_cannot_be_checked_says_why(tmp_path: Path, capsys, text: str, part: str, message: str):
    code, _, err = checked(tmp_path, text, capsys, part)
    assert code == 2 and message in err


def test_a_file_that_is_not_there(capsys):
    assert main(["check", "absent.py"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_part_of_ones_own_is_trained_without_a_fork(tmp_path: Path, capsys):
    """``network.backbone=my_net.py:MyNet`` in a configuration."""
    from sonoscope.training.config import compose
    from sonoscope.training.setting import feature_of, network_of

    (tmp_path / "my_net.py").write_text(GOOD)
    config = compose({}, [f"network.backbone={tmp_path}/my_net.py:MyNet", "network.backbone.dim=12"])
    network = network_of(config, feature_of(config), 3)
    assert network.backbone.dim == 12 and network.poolable
