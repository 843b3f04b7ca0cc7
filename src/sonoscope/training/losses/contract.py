"""The contracts of losses as checks, for our tables and for a user's own loss alike.

As in :mod:`sonoscope.networks.contract`, a check returns nothing or raises ``BrokenContract``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from sonoscope.networks.contract import expect
from sonoscope.training.losses.objective import taken

Loss = Callable[..., torch.Tensor]


def cells(rows: int = 5, classes: int = 4, seed: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random logits, targets and judged, each (rows, classes) float64; each row has a judged positive."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (rows, classes), generator=generator).double()
    judged = torch.randint(0, 4, (rows, classes), generator=generator).clamp(max=1).double()
    first = torch.arange(rows) % classes
    targets[torch.arange(rows), first] = judged[torch.arange(rows), first] = 1.0
    return logits, targets, judged


class LossChecks:
    """The checks of a loss on logits; each public method is one."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def far_logits_are_finite(self) -> None:
        """Losses and gradients at logits of 50 either way, right and wrong."""
        for value in (-50.0, 50.0):
            logits = torch.full((4, 3), value, requires_grad=True)
            loss = self.loss(logits, torch.tensor([[0.0, 1.0, 0.0]] * 4), torch.ones(4, 3))
            loss.backward()
            expect(torch.isfinite(loss), f"the loss at logits of {value:g} is {float(loss.detach())}")
            assert logits.grad is not None
            expect(torch.isfinite(logits.grad).all(), f"the gradient at logits of {value:g} is not finite")

    def the_gradient_is_that_of_differences(self) -> None:
        """The gradient agrees with differences, also with smoothing and weights where the loss takes them."""
        logits, targets, judged = cells()
        weights = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
        for more in self._taken({}, {"smoothing": 0.1}, {"weights": weights}):
            good = torch.autograd.gradcheck(
                partial(self.loss, targets=targets, judged=judged, **more),
                (logits.clone().requires_grad_(),),
                raise_exception=False,
            )
            expect(good, f"the gradient is not that of differences with {more or 'defaults'}")

    def what_is_not_judged_does_not_count(self) -> None:
        """Neither logit nor target of a cell that nobody judged changes loss or gradient; nothing judged is 0."""
        logits, targets, judged = cells()
        unknown = judged == 0
        results = []
        for value, target in ((0.0, 0.0), (40.0, 1.0), (-40.0, 1.0)):
            x = logits.masked_fill(unknown, value).requires_grad_()
            loss = self.loss(x, targets.masked_fill(unknown, target), judged)
            loss.backward()
            assert x.grad is not None
            expect(not x.grad[unknown].any(), "a cell that nobody judged has a gradient")
            results.append((float(loss.detach()), x.grad.clone()))
        for value, gradient in results[1:]:
            expect(
                abs(value - results[0][0]) < 1e-12, f"unknown cells change the loss: {value} {results[0][0]}"
            )
            expect(torch.allclose(gradient, results[0][1]), "unknown cells change the gradient of others")
        nothing = self.loss(logits, targets, torch.zeros_like(judged))
        expect(float(nothing) == 0.0, f"with nothing judged the loss is {float(nothing)}")

    def being_right_costs_nothing_and_being_wrong_costs_more(self) -> None:
        """The loss falls from wrong to right, to 0."""
        targets, judged = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)
        losses = [float(self.loss(torch.tensor([[x, -x]]), targets, judged)) for x in (-2.0, 0.0, 2.0, 20.0)]
        expect(losses == sorted(losses, reverse=True), f"losses from wrong to right are {losses}")
        expect(abs(losses[-1]) < 1e-6, f"being right costs {losses[-1]}")

    def weights_weigh_the_mean(self) -> None:
        """Frames are cells like others; where it takes weights, even ones change nothing, and 0 leaves a row out."""
        logits, targets, judged = cells()
        plain = self.loss(logits, targets, judged)
        framed = self.loss(*(x.reshape(1, 5, 4) for x in (logits, targets, judged)))
        expect(torch.allclose(framed, plain), "rows as frames of one row give another loss")
        if not self._taken({"weights": None}):
            return  # and a training with weights of classes refuses it
        even = self.loss(logits, targets, judged, weights=torch.full((4,), 3.0, dtype=torch.float64))
        expect(torch.allclose(plain, even), "weights that are all 3 change the loss")
        rows = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64)[:, None]
        kept = [0, 2, 3, 4]
        weighed = self.loss(logits, targets, judged, weights=rows)
        without = self.loss(logits[kept], targets[kept], judged[kept])
        expect(torch.allclose(weighed, without), "a row of weight 0 counts")

    def _taken(self, *further: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of some further arguments that the loss takes: it need not take any."""
        names = taken(self.loss, "of your own", "logits", "smoothing", "weights")
        return [each for each in further if names >= set(each)]


class EmbeddingLossChecks:
    """The checks of a loss on embeddings; each public method is one.

    Parameters
    ----------
    make : callable
        ``make(dim, n_classes)`` to the loss, ready for use.
    weighs : bool
        Whether weights of rows have a place in it.
    """

    def __init__(self, make: Callable[[int, int], nn.Module], *, weighs: bool = True) -> None:
        self.make, self.weighs = make, weighs

    def _loss(self) -> nn.Module:
        torch.manual_seed(0)
        return self.make(6, 4).double()

    def _rows(self, rows: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(5)
        embeddings = torch.randn(rows, 6, generator=generator, dtype=torch.float64)
        targets = nn.functional.one_hot(torch.arange(rows) % 4, 4).double()
        targets[0, 1] = targets[5, 2] = 1.0
        judged = torch.ones_like(targets)
        judged[2, 3] = judged[6, 0] = 0.0
        return embeddings, targets, judged

    def it_is_a_finite_number_with_a_gradient(self) -> None:
        """Random rows, equal rows and zeros give finite losses and gradients; random ones a gradient that is not 0."""
        loss = self._loss()
        embeddings, targets, judged = self._rows()
        for x in (embeddings, torch.ones_like(embeddings), torch.zeros_like(embeddings), 100.0 * embeddings):
            given = x.clone().requires_grad_()
            value = loss(given, targets, judged)
            expect(value.ndim == 0 and torch.isfinite(value), f"the loss is {value}")
            value.backward()
            assert given.grad is not None
            expect(torch.isfinite(given.grad).all(), "the gradient is not finite")
            if x is embeddings:
                expect(bool(given.grad.any()), "the gradient is zero")

    def nothing_judged_is_zero(self) -> None:
        """Without any known label there is nothing to say."""
        embeddings, targets, judged = self._rows()
        value = self._loss()(embeddings, targets, torch.zeros_like(judged))
        expect(float(value.detach()) == 0.0, f"with nothing judged the loss is {float(value)}")

    def targets_that_nobody_judged_do_not_count(self) -> None:
        """The target of a cell that nobody judged may be anything."""
        loss = self._loss()
        embeddings, targets, judged = self._rows()
        one = loss(embeddings, targets.masked_fill(judged == 0, 0.0), judged)
        other = loss(embeddings, targets.masked_fill(judged == 0, 1.0), judged)
        expect(torch.allclose(one, other), f"unknown targets change the loss: {float(one)} {float(other)}")

    def descending_it_brings_alikes_together(self) -> None:
        """A few steps down the gradient make rows of one class nearer to each other than to others."""
        loss = self._loss()
        embeddings, _, judged = self._rows(16)
        targets = nn.functional.one_hot(torch.arange(16) % 4, 4).double()
        x = embeddings.clone().requires_grad_()
        optimiser = torch.optim.Adam([x, *loss.parameters()], lr=0.05)

        def spread() -> float:
            directions = nn.functional.normalize(x.detach(), dim=1)
            cosines = directions @ directions.T
            same = (targets @ targets.T).bool()
            return float(cosines[~same].mean() - cosines[same].mean())

        before = spread()
        for _ in range(60):
            value = loss(x, targets, torch.ones_like(judged))
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        expect(spread() < before, f"others minus own cosine went from {before:.3f} to {spread():.3f}")

    def a_row_of_weight_zero_is_left_out(self) -> None:
        """Weights of rows weigh; even ones change nothing."""
        loss = self._loss()
        if not self.weighs or not taken(loss.forward, "of your own", "embeddings", "weights"):
            return
        embeddings, targets, judged = self._rows()
        plain = loss(embeddings, targets, judged)
        even = loss(embeddings, targets, judged, weights=torch.full((8, 1), 2.0, dtype=torch.float64))
        expect(torch.allclose(plain, even), "weights that are all 2 change the loss")
