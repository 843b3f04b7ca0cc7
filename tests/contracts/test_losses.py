"""What every loss of the tables keeps, whoever wrote it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from sonoscope.networks.contract import BrokenContract, checks_of  # noqa: E402
from sonoscope.training.losses import EMBEDDING_LOSSES, LOSSES  # noqa: E402
from sonoscope.training.losses.contract import EmbeddingLossChecks, LossChecks  # noqa: E402

pytestmark = pytest.mark.train

#: Case -> name and parameters.
ON_LOGITS: dict[str, tuple[str, dict[str, Any]]] = {
    "bce": ("bce", {}),
    "bce positive weights": ("bce", {"positive_weights": 3.0}),
    "cross_entropy": ("cross_entropy", {}),
    "focal": ("focal", {}),
    "focal gamma 0.5": ("focal", {"gamma": 0.5, "alpha": 0.25}),
    "asymmetric": ("asymmetric", {}),
    "asymmetric no margin": ("asymmetric", {"margin": 0.0, "g_positive": 1.0}),
    "family": ("family", {}),
    "family two": ("family", {"families": [[0, 1]], "family_weight": 0.8}),
}
ON_EMBEDDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "arcface": ("arcface", {}),
    "contrastive": ("contrastive", {}),
    "contrastive lengths": ("contrastive", {"normalise": False, "margin": 3.0}),
    "contrastive families": ("contrastive", {"families": [[0, 1], [2, 3]], "family_margin": 0.5}),
    "supervised_contrastive": ("supervised_contrastive", {}),
    "triplet all": ("triplet", {"miner": "all"}),
    "triplet hard": ("triplet", {"miner": "hard"}),
    "triplet semihard": ("triplet", {"miner": "semihard", "margin": 0.5}),
    "center": ("center", {}),
    "centroid": ("centroid", {}),
    "centroid euclidean": ("centroid", {"distance": "euclidean"}),
    "metric_learning pairs": ("metric_learning", {"loss": "TripletMarginLoss"}),
    "metric_learning classes": ("metric_learning", {"loss": "ArcFaceLoss"}),
}


def made(case: str, dim: int, classes: int) -> torch.nn.Module:
    name, parameters = ON_EMBEDDINGS[case]
    loss = EMBEDDING_LOSSES[name](dim, classes, **parameters)
    if name == "centroid":
        loss.measure(torch.eye(classes, dim), torch.eye(classes), torch.ones(classes, classes))
    return loss


def test_every_entry_has_a_case() -> None:
    assert {name for name, _ in ON_LOGITS.values()} == set(LOSSES)
    assert {name for name, _ in ON_EMBEDDINGS.values()} == set(EMBEDDING_LOSSES)


@pytest.mark.parametrize("check", checks_of(LossChecks))
@pytest.mark.parametrize("case", ON_LOGITS)
def test_loss_on_logits(case: str, check: str) -> None:
    name, parameters = ON_LOGITS[case]
    if "positive_weights" in parameters:
        parameters = {"positive_weights": torch.tensor(parameters["positive_weights"])}
    getattr(LossChecks(partial(LOSSES[name], **parameters)), check)()


@pytest.mark.parametrize("check", checks_of(EmbeddingLossChecks))
@pytest.mark.parametrize("case", ON_EMBEDDINGS)
def test_loss_on_embeddings(case: str, check: str) -> None:
    if case.startswith("metric_learning"):
        pytest.importorskip("pytorch_metric_learning")
    checks = EmbeddingLossChecks(partial(made, case), weighs=not case.startswith("metric_learning"))
    getattr(checks, check)()


def test_the_checks_find_what_is_broken() -> None:
    def counts_unknown(logits, targets, judged, **more):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)

    def backwards(logits, targets, judged, **more):
        return LOSSES["bce"](-logits, targets, judged)

    with pytest.raises(BrokenContract, match="nobody judged has a gradient"):
        LossChecks(counts_unknown).what_is_not_judged_does_not_count()
    with pytest.raises(BrokenContract, match="from wrong to right"):
        LossChecks(backwards).being_right_costs_nothing_and_being_wrong_costs_more()
