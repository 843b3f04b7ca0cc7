"""``sonoscope check``: what is right passes, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

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


#: The other kinds: each keeps its promises, and each breaks one as it is edited.
PARTS = '''
from dataclasses import dataclass
import torch
from sonoscope.data.datasets import Dataset
from sonoscope.data.rows import BadManifest, Row
from sonoscope.features import Framewise
from sonoscope.features.frames import frame
from sonoscope.training.augment.protocol import EachRow


@dataclass(frozen=True)
class Energy(Framewise):
    """The mean power of 200 samples around each centre."""

    name = "energy"
    sample_rate: int = 8000
    hop_samples: int = 80
    left_context: int = 100
    right_context: int = 100
    n_bins: int = 1
    silence: float = 0.0

    def __post_init__(self):
        if self.hop_samples < 1:
            raise ValueError(f"hop_samples={self.hop_samples} must be at least 1")

    def compute(self, samples):
        return (frame(samples, 200, self.hop_samples) ** 2).mean(-1)[..., None]


class Halved(EachRow):
    def draw(self, rows, n, rng):
        return {}

    def change(self, samples, real, drawn):
        return samples / 2


def squared(logits, targets, judged, smoothing=0.0, weights=None):
    """Brier's score."""
    targets = targets * (1 - smoothing) + smoothing / 2
    cells = judged if weights is None else judged * weights
    return (cells * (torch.sigmoid(logits) - targets) ** 2).sum() / cells.sum().clamp(min=1e-6)


def rows(root):
    if not (root / "a.wav").is_file():
        raise BadManifest(f"{root} holds no a.wav. Give the folder of mine.")
    yield Row(path="a.wav", labels=("bee",), group="a", source="mine")


MINE = Dataset(name="mine", title="Mine", what="one sound", licence="CC0-1.0", citation="", url="", layout="a.wav",
               source="here", protocol="", rows=rows, labels=("bee",))
'''


def checked(tmp_path: Path, text: str, capsys, part: str = "", *options: str) -> tuple[int, str, str]:
    file = tmp_path / "my_net.py"
    file.write_text(text)
    code = main(["check", f"{file}:{part}" if part else str(file), *options])
    return code, *capsys.readouterr()


def test_a_part_that_keeps_its_promises_passes(tmp_path: Path, capsys):
    code, out, _ = checked(tmp_path, GOOD, capsys)
    assert code == 0, out
    assert out.count("ok     backbone MyNet: ") >= 8 and "BROKEN" not in out
    assert (
        "ok     backbone MyNet: its graph is torch" in out and "ok     head MyHead: its graph is torch" in out
    )


def test_a_network_that_cannot_leave_torch_is_named_before_it_is_trained(tmp_path: Path, capsys):
    text = GOOD.replace(
        "        return torch.tanh", "        x = -x if x.mean() > 0 else x\n        return torch.tanh"
    )
    code, out, err = checked(tmp_path, text, capsys, "MyNet")
    assert code == 1 and "BROKEN backbone MyNet: its graph is torch" in out and "\ndef forward" not in err
    assert "graph.onnx cannot be written: torch's exporter says" in out and "(my_net.py:22)" in out


def test_a_broken_promise_is_named(tmp_path: Path, capsys):
    code, out, _ = checked(tmp_path, BAD, capsys, "MyNet")
    assert code == 1
    assert (
        "BROKEN backbone MyNet: frames are as declared" in out and "declared" in out and "MyHead" not in out
    )


def test_a_network_that_takes_rows_of_any_length_is_told_what_refuses_them(tmp_path: Path, capsys):
    unchecked = GOOD.replace("        self.check_lengths(x.shape[2], lengths)\n", "")
    code, out, _ = checked(tmp_path, unchecked, capsys, "MyNet")
    assert code == 1 and out.count("BROKEN") == 1
    said = out.partition("BROKEN")[2]
    assert said.startswith(
        " backbone MyNet: input that is too short is refused\n       a row of 4 steps was not refused."
    )
    assert "forward_features begin with self.check_lengths(STEPS, lengths)" in said


LOSS = """
import torch

def mine(logits, targets, judged):
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (each * judged).sum() / judged.sum().clamp(min=1)
"""


def test_a_loss_need_not_take_more_than_every_loss_is_given(tmp_path: Path, capsys):
    code, out, _ = checked(tmp_path, LOSS, capsys)
    assert code == 0, out
    code, out, _ = checked(tmp_path, LOSS.replace("judged):", "judged, weights=None):"), capsys)
    assert (
        code == 1 and "BROKEN loss mine: weights weigh the mean" in out and "a row of weight 0 counts" in out
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    return tmp_path


def test_every_kind_is_known_and_put_to_its_promises(root: Path, capsys):
    code, out, _ = checked(root, PARTS, capsys, "", "--root", str(root))
    assert code == 0, out
    for kind, least in (
        ("feature Energy", 12),
        ("augmentation Halved", 10),
        ("loss squared", 4),
        ("data set MINE", 6),
    ):
        assert out.count(f"ok     {kind}: ") >= least, kind


@pytest.mark.parametrize(
    ("part", "right", "wrong", "promise", "message"),
    [
        (
            "Energy",
            "[..., None]",
            "[..., None] + abs(samples).max()",
            "a row sees its declared context",
            "other sound",
        ),
        ("Energy", "n_bins: int = 1", "n_bins: int = 2", "torch gives numpys rows", "(2, 151, 2)"),
        ("Energy", "[..., None]", "[..., None] + 1", "silence is as declared", "by 1.00e+00"),
        ("Energy", "** 2).mean", "** 0.5).mean", "extremes are finite", "NaN"),
        (
            "Halved",
            "samples / 2",
            "samples / samples.abs().max()",
            "a row of a batch is what it is alone",
            "differs by",
        ),
        ("Halved", "samples / 2", "samples / 2 + 1", "silence and one row", "silence does not stay silent"),
        ("squared", "cells = judged", "cells = 1 + 0 * judged", "what is not judged does not count", ""),
        (
            "MINE",
            'labels=("bee",), group',
            'labels=("wasp",), group',
            "labels are of the vocabulary",
            "wasp is not among",
        ),
        ("MINE", 'path="a.wav"', 'path="b.wav"', "every row names sound", "b.wav is not there"),
    ],
)
def test_every_kind_of_broken_promise_is_named(
    root: Path, capsys, part: str, right: str, wrong: str, promise: str, message: str
):
    assert right in PARTS
    code, out, _ = checked(root, PARTS.replace(right, wrong), capsys, part, "--root", str(root))
    assert code == 1
    lines = out.splitlines()
    said = [lines[at + 1] for at, line in enumerate(lines) if line.startswith("BROKEN") and promise in line]
    assert said and message in said[0], out


def test_a_data_set_is_checked_on_a_folder(tmp_path: Path, capsys):
    code, _, err = checked(tmp_path, PARTS, capsys, "MINE")
    assert code == 2 and "--root FOLDER" in err


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("x = 1\n", "", "defines no feature, backbone, head, loss, augmentation or data set"),
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


def test_parts_of_ones_own_are_trained_to_the_end_and_used(tmp_path: Path, sounds: Path, tones, monkeypatch):
    """A backbone, a head, a loss and a feature by their files: to figures, a bundle, and answers without the files."""
    import sonoscope
    from sonoscope import features
    from sonoscope.errors import BadBundle
    from sonoscope.training import rundir, start

    monkeypatch.setattr(features, "FEATURES", dict(features.FEATURES))
    (tmp_path / "my_net.py").write_text(GOOD)
    (tmp_path / "my_parts.py").write_text(PARTS)
    own = (
        f"network.backbone={tmp_path}/my_net.py:MyNet",
        f"network.head={tmp_path}/my_net.py:MyHead",
        f"losses={tmp_path}/my_parts.py:squared",
        f"features=[{tmp_path}/my_parts.py:Energy]",
        "training.epochs=1",
    )
    said: list[str] = []
    start.fit(tones(*own), tmp_path / "run", say=said.append)
    assert np.isfinite(rundir.read_metrics(tmp_path / "run")["fitted"]["map"])
    assert "my_parts.py:Energy" in said[-1] and "'sonoscope.features'" in said[-1]
    for file in tmp_path.glob("*.py"):
        file.unlink()
    bundle = tmp_path / "run" / "bundle"
    assert sonoscope.load(bundle).analyze(sounds / "low" / "0.wav").scores.probabilities.shape[1] == 3
    features.FEATURES.pop("energy")
    with pytest.raises(
        BadBundle, match=r"unknown feature 'energy'.* must be an entry point 'sonoscope.features'"
    ):
        sonoscope.load(bundle)


def test_a_network_that_is_no_graph_keeps_its_figures(tmp_path: Path, tones):
    from sonoscope.training import rundir, start

    (tmp_path / "my_net.py").write_text(
        GOOD.replace("x.shape[2], lengths)", "x.shape[2], lengths); x = -x if x.mean() > 0 else x")
    )
    said: list[str] = []
    words = [f"network.backbone={tmp_path}/my_net.py:MyNet", "training.epochs=1"]
    start.fit(tones(*words), tmp_path / "run", say=said.append)
    assert said[-1].startswith("no bundle: model.onnx cannot be written") and "my_net.py:21" in said[-1]
    metrics = rundir.read_metrics(tmp_path / "run")
    assert "fitted" in metrics and not (tmp_path / "run" / "bundle").exists()
    assert metrics["bundle_refused"] in said[-1]
    # Who goes on with the model in the next line of a script is told before.
    config = tmp_path / "run" / "config.yaml"
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--resume"]) == 1
