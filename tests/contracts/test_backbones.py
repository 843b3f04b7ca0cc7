"""What every backbone of the table keeps, whoever wrote it; each in a small size."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.networks import contract  # noqa: E402
from sonoscope.networks.backbones import (  # noqa: E402
    BACKBONES,
    Backbone,
    build,
    image,
)
from sonoscope.networks.contract import BackboneChecks, BrokenContract, checks_of  # noqa: E402

pytestmark = pytest.mark.train

TINY_TRANSFORMER = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
TINY_WAVES = {
    **TINY_TRANSFORMER,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
TINY_BEATS = {
    "embed_dim": 16,
    "encoder_layers": 2,
    "encoder_embed_dim": 24,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "conv_pos": 16,
    "conv_pos_groups": 2,
    "num_buckets": 32,
    "max_distance": 80,
}
#: Case -> (bins, channels, specification).
CASES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "valid_cnn": (32, 2, {"name": "valid_cnn", "width": 0.25, "dim": 12}),
    "small_cnn": (32, 1, {"name": "small_cnn", "width": 0.25, "dim": 12}),
    "small_cnn elongated": (40, 3, {"name": "small_cnn", "width": 0.5, "elongated": True, "dim": 8}),
    "mobile": (32, 2, {"name": "mobile", "width": 0.25, "dim": 12}),
    "mobile padded": (32, 1, {"name": "mobile", "width": 0.25, "dim": 12, "padded": True}),
    "crnn gru": (32, 1, {"name": "crnn", "stages": [4, 8, 8], "hidden": 8}),
    "crnn gru bahdanau": (32, 1, {"name": "crnn", "stages": [4, 8, 8], "hidden": 8, "attention": "bahdanau"}),
    "crnn lstm": (32, 1, {"name": "crnn", "stages": [4], "pools": [[1, 4]], "cell": "lstm", "hidden": 8}),
    "crnn lstm bahdanau": (
        24,
        2,
        {
            "name": "crnn",
            "stages": [],
            "cell": "lstm",
            "hidden": 8,
            "attention": "bahdanau",
            "layers_deep": 2,
        },
    ),
    "cnn14": (64, 1, {"name": "cnn14", "width": 1 / 16}),
    "cnn14 frames": (64, 1, {"name": "cnn14", "width": 1 / 16, "frames": True}),
    "cnn14_bands": (198, 1, {"name": "cnn14_bands", "width": 1 / 32, "fusion": [24, 16]}),
    "vit": (40, 2, {"name": "vit", "dim": 24, "depth": 2, "heads": 2}),
    "local_transformer": (
        40,
        2,
        {"name": "local_transformer", "dim": 24, "depth": 2, "heads": 2, "reach": 2},
    ),
    "ast": (64, 1, {"name": "ast", "longest": 128, **TINY_TRANSFORMER}),
    "ast clip": (64, 1, {"name": "ast", "longest": 128, "clip": True, **TINY_TRANSFORMER}),
    "wav2vec2": (1, 1, {"name": "wav2vec2", **TINY_WAVES}),
    "wav2vec2 extractor": (1, 1, {"name": "wav2vec2", "part": "extractor", **TINY_WAVES}),
    "wav2vec2 extractor valid": (
        1,
        1,
        {
            "name": "wav2vec2",
            "part": "extractor",
            "normalise": False,
            "feat_extract_norm": "layer",
            **TINY_WAVES,
        },
    ),
    "beats": (32, 1, {"name": "beats", **TINY_BEATS}),
    "timm": (64, 2, {"name": "timm:mobilenetv3_small_050"}),
    "timm tokens": (32, 1, {"name": "timm:vit_tiny_patch16_224", "longest": 64, "depth": 2}),
    "ensemble": (
        32,
        2,
        {"name": "ensemble", "of": {"name": "valid_cnn", "width": 0.25, "dim": 12}, "members": 3},
    ),
    "bundle": (0, 1, {"name": "bundle:instruments"}),
    "onnx": (24, 1, {"name": "onnx"}),
    "onnx clip": (1, 1, {"name": "onnx"}),
    "hear": (1, 1, {"name": "hear"}),
    "hear clip": (1, 1, {"name": "hear", "clip": True, "learn": True}),
}
#: Code of others: that it can leave torch is not promised, only tried (tests/training/test_atop.py).
NOT_EXPORTABLE = {"hear", "hear clip"}
QUICK_TO_EXPORT = {"valid_cnn", "small_cnn", "ensemble"}
#: Exported in a network: three maps are cut from one (test_networks.py), a graph is joined (networks/test_joined.py).
IN_A_NETWORK = {"cnn14_bands", "bundle", "onnx", "onnx clip"}
#: Exported for the number of steps of the example only: their sizes are worked out in Python.
ONE_LENGTH = {
    "ast",
    "ast clip",
    "timm tokens",
    "crnn gru",
    "crnn gru bahdanau",
    "crnn lstm",
    "crnn lstm bahdanau",
}

HEAR = """
import torch

class Model(torch.nn.Module):
    sample_rate, scene_embedding_size, timestamp_embedding_size = 8000, 5, 5
    def __init__(self):
        super().__init__()
        self.frames = torch.nn.Linear(400, 5)

def load_model(path=""):
    torch.manual_seed(0)
    return Model()

def get_timestamp_embeddings(audio, model):
    frames = torch.nn.functional.pad(audio, (200, 200)).unfold(1, 400, 200)
    stamps = (torch.arange(frames.shape[1]) * 25.0).expand(len(audio), -1)
    return model.frames(frames), stamps

def get_scene_embeddings(audio, model):
    return get_timestamp_embeddings(audio, model)[0].mean(dim=1)
"""


def graph_of(module: nn.Module, example: Any, path: Path, dynamic: Any) -> None:
    """``module`` as an ONNX file, without torch's remarks."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=dynamic,
                opset_version=18,
                verbose=False,
            )
            program.save(str(path), external_data=False)
    finally:
        log.setLevel(level)


class Strided(nn.Module):
    """Frames of 24 bins to an embedding of 7 every four."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv1d(24, 7, 4, 4)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.map(frames.transpose(1, 2)).transpose(1, 2)


class Loudness(nn.Module):
    """Samples to one embedding."""

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([samples.abs().mean(dim=1), samples.square().mean(dim=1)], dim=1)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Parameters of the cases that need files: two graphs of nobody's, and a module of the HEAR API."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("foreign")
    torch.manual_seed(0)
    batch, steps = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("steps", min=8, max=1 << 20)
    graph_of(Strided(), torch.zeros(2, 40, 24), folder / "frames.onnx", ({0: batch, 1: 4 * steps},))
    graph_of(Loudness(), torch.zeros(2, 4000), folder / "clip.onnx", ({0: batch, 1: steps},))
    (folder / "embedder.py").write_text(HEAR)
    return {
        "onnx": {"path": str(folder / "frames.onnx")},
        "onnx clip": {"path": str(folder / "clip.onnx"), "sample_rate": 8000},
        "hear": {"module": str(folder / "embedder.py")},
        "hear clip": {"module": str(folder / "embedder.py")},
    }


def make(case: str, foreign: dict[str, dict[str, Any]]) -> tuple[Any, int, int]:
    """A way to make the case's backbone, its bins and its channels."""
    bins, channels, spec = CASES[case]
    if case.startswith(("ast", "wav2vec2")):
        pytest.importorskip("transformers")
    if case.startswith("timm"):
        try:
            image.import_timm()
        except UsageError:
            pytest.skip("timm is tested in an environment of its own")
    if case == "bundle":
        from sonoscope import models

        bins = models.load("instruments").feature.n_bins

    def made() -> Backbone:
        torch.manual_seed(3)
        return build({**spec, **foreign.get(case, {})}, bins, channels=channels)

    return made, bins, channels


def test_every_entry_has_a_case() -> None:
    assert {spec["name"].partition(":")[0] for _, _, spec in CASES.values()} == set(BACKBONES)


@pytest.mark.parametrize("check", checks_of(BackboneChecks))
@pytest.mark.parametrize("case", CASES)
def test_backbone(case: str, check: str, foreign: dict[str, dict[str, Any]]) -> None:
    made, bins, channels = make(case, foreign)
    getattr(BackboneChecks(made, bins=bins, channels=channels), check)()


def inputs_of(backbone: Backbone, bins: int, channels: int, rows: int, extra: int, seed: int) -> Any:
    return contract.example(
        backbone, rows, contract.steps_of(backbone) + extra, bins=bins, channels=channels, seed=seed
    )


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case in QUICK_TO_EXPORT else pytest.mark.slow)
        for case in CASES
        if case not in NOT_EXPORTABLE | IN_A_NETWORK
    ],
)
def test_the_graph_equals_torch(case: str, tmp_path: Path, foreign: dict[str, dict[str, Any]]) -> None:
    pytest.importorskip("onnxscript")
    import onnxruntime

    made, bins, channels = make(case, foreign)
    backbone = made()
    assert backbone.exportable
    with torch.no_grad():  # running statistics that are not those of a new network
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    given = inputs_of(backbone, bins, channels, 2, 0, 1)
    along = 1 if given.ndim == 2 else 2
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=64)}
    if case not in ONE_LENGTH:
        dynamic[along] = torch.export.Dim.AUTO
    graph_of(backbone, given, tmp_path / "graph.onnx", (dynamic,))
    session = onnxruntime.InferenceSession(str(tmp_path / "graph.onnx"), providers=["CPUExecutionProvider"])
    extras = (0,) if case in ONE_LENGTH else (0, 3 * backbone.stride_frames)
    for rows, extra in ((1, extras[0]), (3, extras[-1])):
        x = inputs_of(backbone, bins, channels, rows, extra, 5)
        with torch.no_grad():
            expected = backbone.eval()(x).numpy()
        (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)


def test_code_of_others_does_not_promise_a_graph(foreign: dict[str, dict[str, Any]]) -> None:
    for case in NOT_EXPORTABLE:
        assert not make(case, foreign)[0]().exportable


@pytest.mark.parametrize(
    ("case", "millions"),
    [("cnn14", 79.7), ("beats", 90.4), ("small_cnn", 0.163), ("mobile", 0.233), ("valid_cnn", 0.436)],
)
def test_parameters_are_counted(case: str, millions: float) -> None:
    """Parameters at full size: CNN14 has 80.8 million with its 527 classes, BEATs 90."""
    with torch.device("meta"):
        bins = {"cnn14": 64, "beats": 128}.get(case, 64)
        backbone = build(case, bins)
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)


def test_the_checks_find_what_is_broken() -> None:
    class PaddingCounts(type(build("small_cnn", 32, channels=1))):
        def forward_features(self, x, lengths=None):
            return super().forward_features(x, None)

    class SaysPoolable(type(build("small_cnn", 32, channels=1))):
        poolable = True

    class Forgets(type(build("small_cnn", 32, channels=1))):
        def groups(self):
            return {name: parameters for name, parameters in super().groups().items() if name != "conv1"}

    class BatchMatters(type(build("small_cnn", 32, channels=1))):
        def forward_features(self, x, lengths=None):
            return super().forward_features(x - x.mean(dim=0, keepdim=True), lengths)

    for kind, check, message in (
        (PaddingCounts, "padding_does_not_count", "padded with"),
        (SaysPoolable, "poolable_means_shared_frames", "a window and the same frames"),
        (Forgets, "every_parameter_is_in_one_group", "groups hold"),
        (BatchMatters, "a_row_alone_is_the_row_among_others", "row 0 alone"),
    ):
        checks = BackboneChecks(lambda kind=kind: kind(32, width=0.25), bins=32)
        torch.manual_seed(0)
        with pytest.raises(BrokenContract, match=message):
            getattr(checks, check)()
