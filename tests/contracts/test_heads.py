"""What every head of the table keeps, whoever wrote it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from sonoscope.networks.contract import HeadChecks, checks_of  # noqa: E402
from sonoscope.networks.heads import HEADS, build  # noqa: E402

pytestmark = pytest.mark.train

#: Case -> specification.
CASES: dict[str, dict[str, Any]] = {
    "framewise_attention": {"name": "framewise_attention"},
    "linear": {"name": "linear"},
    "mlp": {"name": "mlp", "layers": [32, 16]},
    "mlp mean": {"name": "mlp", "layers": [32], "over": "mean"},
    "mlp mean+max": {"name": "mlp", "layers": [24], "over": "mean+max", "normalise": True},
    "attention": {"name": "attention", "n_heads": 2},
    "fluffy": {"name": "fluffy", "layers": [16]},
    "fluffy max": {"name": "fluffy", "layers": [], "over": "max"},
    "cosine": {"name": "cosine"},
    "auxiliary": {"name": "auxiliary", "inputs": {"genre": 3, "drums": 1}, "head": "linear"},
}


def test_every_entry_has_a_case() -> None:
    assert {spec["name"] for spec in CASES.values()} == set(HEADS)


@pytest.mark.parametrize("check", checks_of(HeadChecks))
@pytest.mark.parametrize("case", CASES)
def test_head(case: str, check: str) -> None:
    torch.manual_seed(0)
    getattr(HeadChecks(lambda dim, classes: build(CASES[case], dim, classes)), check)()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_graph_equals_torch(case: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    import onnxruntime

    torch.manual_seed(0)
    head = build(CASES[case], 16, 5).eval()
    dynamic = (
        {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("frames", min=2, max=9999)},
        None,
    )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            head, (torch.randn(2, 7, 16), None), dynamo=True, dynamic_shapes=dynamic, opset_version=18
        )
        program.save(str(tmp_path / "head.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "head.onnx"), providers=["CPUExecutionProvider"])
    for shape in ((1, 7, 16), (3, 20, 16)):
        embeddings = torch.randn(shape)
        got = session.run(None, {session.get_inputs()[0].name: embeddings.numpy()})
        with torch.no_grad():
            for ours, theirs in zip(head(embeddings), got, strict=True):
                np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-5)
