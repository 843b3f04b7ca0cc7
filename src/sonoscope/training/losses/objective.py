"""What is minimised: a loss on logits, and losses on embeddings added to it.

    loss: focal
    loss: {name: family, families: [[0, 8], [1, 2, 6]]}
    loss: [bce, {name: arcface, weight: 0.2, margin: 0.3}]

The terms on embeddings may have weights of their own (ArcFace's directions, centres): they are parameters of the
:class:`Objective`, so one optimiser holds them and a checkpoint keeps them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from sonoscope import plugins, signatures
from sonoscope.errors import UsageError
from sonoscope.training.losses import EMBEDDING_LOSSES, LOSSES

Spec = str | Mapping[str, Any]
#: In the place of dots, which names of modules must not have.
DOT = "\N{MIDDLE DOT}"


class Objective(nn.Module):
    """The sum of weighed terms.

    Parameters
    ----------
    terms : name, mapping, or sequence of them
        Each with ``name`` (of ``LOSSES`` or ``EMBEDDING_LOSSES``, or a user's own ``file.py:Name``), ``weight``
        (default 1) and parameters. Lists of numbers for ``positive_weights`` become tensors.
    dim, n_classes : int
        Size of the pooled embeddings; classes.
    smoothing : float
        Label smoothing of the terms on logits that do not name their own.

    Raises
    ------
    UsageError
        If there are no terms, or one of the user's own cannot be made or called as a loss is.
    UnknownName
        If a loss or a parameter is unknown.
    """

    def __init__(
        self, terms: Spec | Sequence[Spec], *, dim: int, n_classes: int, smoothing: float = 0.0
    ) -> None:
        super().__init__()
        listed = [terms] if isinstance(terms, str | Mapping) else list(terms)
        if not listed:
            raise UsageError("a loss needs at least one term, as in loss: bce")
        self.on_embeddings = nn.ModuleDict()
        self.on_logits: dict[str, tuple[Callable[..., torch.Tensor], dict[str, Any]]] = {}
        self.shares: dict[str, float] = {}
        self._taken: dict[str, frozenset[str]] = {}
        for name, made, share, parameters in named(listed):
            key = name.replace(".", DOT)
            self.shares[key] = share
            if _is_module(made):
                if name in EMBEDDING_LOSSES:
                    term = made(dim, n_classes, **parameters)
                else:
                    term = plugins.make(made, name, "loss", nn.Module, dim, n_classes, **parameters)
                self.on_embeddings[key] = term
                self._taken[key] = taken(term.forward, name, "embeddings", "genres", "weights")
            else:
                self._taken[key] = taken(made, name, "logits", "smoothing", "weights")
                if "smoothing" in self._taken[key]:
                    parameters = {"smoothing": smoothing, **parameters}
                self.on_logits[key] = (made, parameters)
        self._hold_tensors()

    def _hold_tensors(self) -> None:
        """Lists of positive weights as buffers, so that they move with the module."""
        for name, (_, parameters) in self.on_logits.items():
            wanted = parameters.pop("positive_weights", None)
            if wanted is not None:
                if not torch.is_tensor(wanted) and not signatures.fits(wanted, Sequence[float]):
                    raise UsageError(
                        f"loss: positive_weights={wanted!r} must be balanced, or a list of numbers, one for each "
                        "class, such as positive_weights=[1.0, 2.0]"
                    )
                self.register_buffer(f"positive_weights_{name}", torch.as_tensor(wanted, dtype=torch.float32))

    def begin_epoch(self, epoch: int) -> None:
        """Tell the terms that have a ``begin_epoch`` of their own, such as those that measure first."""
        for term in self.on_embeddings.values():
            begin = getattr(term, "begin_epoch", None)
            if begin is not None:
                begin(epoch)

    def terms(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        *,
        embeddings: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        genres: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Each term by its name, before its weight.

        Parameters
        ----------
        logits, targets, judged : Tensor, shape (batch, classes)
        embeddings : Tensor of shape (batch, dim)
            Needed where a term is on embeddings.
        weights : Tensor of shape (classes,) or (batch, 1)
            Weights of rows also weigh the terms on embeddings; weights of classes do not.
        genres : Tensor of shape (batch,), optional
            Genre numbers, negative where unknown, for margins by genre.
        """
        # Logarithms of small probabilities need more digits than half precision has.
        logits, targets, judged = (_wide(part) for part in (logits, targets, judged))
        embeddings = None if embeddings is None else _wide(embeddings)
        with torch.autocast(logits.device.type, enabled=False):
            return self._terms(logits, targets, judged, embeddings, weights, genres)

    def _terms(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        judged: torch.Tensor,
        embeddings: torch.Tensor | None,
        weights: torch.Tensor | None,
        genres: torch.Tensor | None,
    ) -> dict[str, torch.Tensor]:
        found = {}
        for name, (loss, parameters) in self.on_logits.items():
            held = getattr(self, f"positive_weights_{name}", None)
            more = {} if held is None else {"positive_weights": held}
            more |= self._weighed(name, weights)
            found[name] = loss(logits, targets, judged, **parameters, **more)
        rows = weights if weights is not None and weights.ndim == 2 else None
        for name, module in self.on_embeddings.items():
            if embeddings is None:
                raise UsageError(
                    f"the loss {name.replace(DOT, '.')!r} needs embeddings, and this network gives none"
                )
            more = {"genres": genres} if "genres" in self._taken[name] else {}
            found[name] = module(embeddings, targets, judged, **more, **self._weighed(name, rows))
        return found

    def _weighed(self, name: str, weights: torch.Tensor | None) -> dict[str, Any]:
        """The weights as a term takes them."""
        if "weights" in self._taken[name]:
            return {"weights": weights}
        if weights is not None:
            raise UsageError(
                f"the loss {name.replace(DOT, '.')!r} takes no weights (weights=None), and it is given some"
            )
        return {}

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, judged: torch.Tensor, **more: Any
    ) -> torch.Tensor:
        """The weighed sum of :meth:`terms`."""
        parts = self.terms(logits, targets, judged, **more)
        return torch.stack([self.shares[name] * value for name, value in parts.items()]).sum()


def tried(
    terms: Spec | Sequence[Spec], *, dim: int, n_classes: int, weights: torch.Tensor | None = None
) -> Objective:
    """The sum of the terms, once it has made numbers of two rows: a wrong value is told before hours of listening.

    ``weights`` are of the classes, or None, as the training will give them.

    Raises
    ------
    UnknownName, UsageError
        As ``Objective``; further, if a parameter is of the wrong type or out of range, or a term makes no number.
    """
    targets = torch.eye(2, n_classes)
    try:
        made = Objective(terms, dim=dim, n_classes=n_classes)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            # A copy: what a term counts or measures is not of rows that nobody heard.
            found = deepcopy(made).terms(
                torch.zeros_like(targets), targets, torch.ones_like(targets), embeddings=torch.randn(2, dim),
                weights=weights,
            )  # fmt: skip
    except ValueError as problem:
        raise UsageError(f"losses: {problem}") from None
    except TypeError as problem:
        raise UsageError(f"losses: a parameter is of the wrong type ({problem})") from None
    for name, value in found.items():
        if value.ndim:
            raise UsageError(
                f"the loss {name.replace(DOT, '.')!r} makes {tuple(value.shape)} values of a batch, not one number"
            )
    return made


def named(
    terms: Sequence[Spec], *, under: str = ""
) -> list[tuple[str, Callable[..., Any], float, dict[str, Any]]]:
    """Name, loss (or its class), weight and parameters of each term.

    Raises
    ------
    UnknownName, UsageError
        If a loss or a parameter is unknown, a weight is no number, or a loss is named twice.
    """
    found: list[tuple[str, Callable[..., Any], float, dict[str, Any]]] = []
    for number, spec in enumerate(terms):
        parameters = {"name": spec} if isinstance(spec, str) else dict(spec)
        name, weight = parameters.pop("name"), parameters.pop("weight", 1.0)
        if name in {other for other, *_ in found}:
            raise UsageError(f"the loss {name!r} is named twice; add the weights of its terms")
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise UsageError(f"the loss {name!r}: weight={weight!r} must be a number")
        made = plugins.resolve({**LOSSES, **EMBEDDING_LOSSES}, name, "loss")
        given = ("dim", "n_classes") if _is_module(made) else ("logits", "targets", "judged", "weights")
        plugins.check_parameters(made, parameters, "loss", given, under=f"{under}.{number}" if under else "")
        found.append((name, made, float(weight), parameters))
    return found


def _is_module(made: Callable[..., Any]) -> bool:
    """Whether it is a class of losses on embeddings."""
    return isinstance(made, type) and issubclass(made, nn.Module)


def taken(loss: Callable[..., Any], name: str, first: str, *further: str) -> frozenset[str]:
    """Which of some further arguments a loss takes.

    Raises
    ------
    UsageError
        If it cannot be called with what every loss is given.
    """
    signature = inspect.signature(loss)
    try:
        signature.bind(None, None, None)
    except TypeError as problem:
        raise UsageError(
            f"the loss {name!r} cannot be called: {problem}. A loss is called with {first}, targets, judged"
        ) from None
    all_of_them = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    return frozenset(each for each in further if all_of_them or each in signature.parameters)


def _wide(values: torch.Tensor) -> torch.Tensor:
    """Half precision as single; anything else as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
