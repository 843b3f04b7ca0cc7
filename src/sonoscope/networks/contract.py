"""The contracts as checks that anybody's backbone, head or loss can be put to.

The test-suite loops them over our tables, and ``sonoscope check my_net.py`` over a user's own class: the same
functions (:mod:`sonoscope.promises`).

Backbones are checked on random input of the declared kind (:func:`example`), rows of different lengths included.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from sonoscope.networks.backbones.masking import frame_mask
from sonoscope.networks.backbones.protocol import Backbone
from sonoscope.networks.heads.protocol import Head, pool
from sonoscope.promises import BrokenContract, checks_of, expect

__all__ = [
    "BackboneChecks",
    "BrokenContract",
    "HeadChecks",
    "checks_of",
    "close",
    "evaluating",
    "example",
    "expect",
]

#: Largest difference of one row alone and among others, and of a row with and without padding.
TOLERANCE = 1e-4
#: What refuses rows that are too short, as they are to be refused.
CHECK_LENGTHS = "Let forward_features begin with self.check_lengths(STEPS, lengths)"
#: Input steps beyond the shortest that examples have.
EXTRA = {"features": 48, "bands": 48, "samples": 6000}


def close(one: torch.Tensor, other: torch.Tensor, what: str, tolerance: float = TOLERANCE) -> None:
    """Raise :class:`BrokenContract` unless two tensors agree in shape and, to ``tolerance``, in value."""
    expect(one.shape == other.shape, f"{what}: shapes {tuple(one.shape)} and {tuple(other.shape)}")
    one, other = one.detach(), other.detach()
    scale = max(1.0, float(other.abs().max())) if other.numel() else 1.0
    worst = float((one - other).abs().max()) if one.numel() else 0.0
    expect(worst <= tolerance * scale, f"{what}: differs by {worst:.2e} (limit {tolerance * scale:.0e})")


def example(backbone: Backbone, rows: int, steps: int, *, bins: int, channels: int = 1, seed: int = 1) -> Any:
    """Random input of the kind that ``backbone`` wants: maps, samples, or a list of maps."""
    generator = torch.Generator().manual_seed(seed)
    if backbone.wants.kind == "samples":
        return 0.3 * torch.randn(rows, steps, generator=generator)
    maps = torch.randn(rows, channels, steps, bins, generator=generator)
    if backbone.wants.kind == "bands":
        sizes: Any = backbone.bands
        return list(maps.split(list(sizes), dim=3))
    return maps


def steps_of(backbone: Backbone) -> int:
    """A length that gives several frames and that the backbone takes."""
    wished = max(backbone.shortest, 1) + EXTRA[backbone.wants.kind] + 3 * backbone.stride_frames
    return min(wished, backbone.wants.longest or wished)


def cut(x: Any, rows: slice, steps: int | None = None) -> Any:
    """Some rows of an input, and their first steps."""
    if isinstance(x, list):
        return [cut(part, rows, steps) for part in x]
    part = x[rows]
    if steps is None:
        return part
    return part[:, :steps] if x.ndim == 2 else part[:, :, :steps]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, then as it was."""
    was = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(was)


class BackboneChecks:
    """The checks of a backbone; each public method is one.

    Parameters
    ----------
    make : callable
        Gives a new backbone, the same each time.
    bins, channels : int
        What it was made with.
    """

    def __init__(self, make: Callable[[], Backbone], *, bins: int, channels: int = 1) -> None:
        self.make, self.bins, self.channels = make, bins, channels

    def _example(self, backbone: Backbone, rows: int, steps: int, seed: int = 1) -> Any:
        return example(backbone, rows, steps, bins=self.bins, channels=self.channels, seed=seed)

    def frames_are_as_declared(self) -> None:
        """Two lengths give finite embeddings of the declared number and size."""
        backbone = self.make()
        for steps in sorted({backbone.shortest, steps_of(backbone)}):
            with evaluating(backbone):
                out = backbone.forward_features(self._example(backbone, 2, steps))
            wanted = (2, int(backbone.output_lengths(steps)), backbone.dim)
            expect(tuple(out.shape) == wanted, f"{steps} steps give {tuple(out.shape)}, declared {wanted}")
            expect(torch.isfinite(out).all(), f"{steps} steps give NaN or infinity")
            lengths = torch.tensor([steps, backbone.shortest])
            counted = [int(n) for n in backbone.output_lengths(lengths)]
            expected = [int(backbone.output_lengths(int(n))) for n in lengths]
            expect(counted == expected, f"output_lengths of a tensor {counted}, of numbers {expected}")

    def silence_and_full_scale_are_finite(self) -> None:
        """Zeros and very large values give finite embeddings."""
        backbone = self.make()
        x = self._example(backbone, 1, steps_of(backbone))
        for level in (0.0, 100.0):
            scaled = [part * level for part in x] if isinstance(x, list) else x * level
            with evaluating(backbone):
                out = backbone.forward_features(scaled)
            expect(torch.isfinite(out).all(), f"input times {level:g} gives NaN or infinity")

    def a_row_alone_is_the_row_among_others(self) -> None:
        """In evaluation a row's embeddings do not depend on the batch."""
        backbone = self.make()
        x = self._example(backbone, 3, steps_of(backbone))
        with evaluating(backbone):
            together = backbone.forward_features(x)
            for i in range(3):
                alone = backbone.forward_features(cut(x, slice(i, i + 1)))
                close(alone[0], together[i], f"row {i} alone and among others")

    def padding_does_not_count(self) -> None:
        """A row padded with anything, NaN included, gives what it gives alone, and stays the same beside others."""
        backbone = self.make()
        steps = steps_of(backbone)
        short = max(backbone.shortest, steps - EXTRA[backbone.wants.kind] // 2 - 5)
        lengths = torch.tensor([steps, short])
        x = self._example(backbone, 2, steps)
        with evaluating(backbone):
            alone = backbone.forward_features(cut(x, slice(1, 2), short))
            for filler in (0.0, 7.0, float("nan")):
                filled = _fill_behind(x, short, filler)
                padded = backbone.forward_features(filled, lengths)
                n = int(backbone.output_lengths(short))
                close(padded[1:, :n], alone, f"a row of {short} steps padded with {filler} to {steps}")

    def padding_does_not_count_in_training(self) -> None:
        """Statistics that are learned from a batch are those of real frames."""
        results = []
        for filler in (0.0, 7.0):
            torch.manual_seed(0)
            backbone = self.make().train()
            for module in backbone.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
            steps = steps_of(backbone)
            short = max(backbone.shortest, steps - EXTRA[backbone.wants.kind] // 2 - 5)
            x = _fill_behind(self._example(backbone, 3, steps), short, filler)
            torch.manual_seed(1)
            backbone.forward_features(x, torch.tensor([steps, short, steps]))
            results.append({name: value.clone() for name, value in backbone.named_buffers()})
        for name, value in results[0].items():
            close(results[1][name].float(), value.float(), f"{name} after a padded batch")

    def the_gradient_reaches_every_parameter(self) -> None:
        """Each trainable parameter has a gradient that is not zero."""
        backbone = self.make().train()
        x = self._example(backbone, 6, steps_of(backbone))
        out = backbone.forward_features(x)
        if not any(p.requires_grad for p in backbone.parameters()):
            expect(not out.requires_grad, "nothing to learn, yet the embeddings have a gradient")
            return
        torch.manual_seed(0)
        (out * torch.randn_like(out)).sum().backward()
        for name, parameter in backbone.named_parameters():
            if parameter.requires_grad:
                expect(parameter.grad is not None, f"{name} has no gradient")
                assert parameter.grad is not None
                expect(bool((parameter.grad != 0).any()), f"the gradient of {name} is zero")

    def every_parameter_is_in_one_group(self) -> None:
        """``groups()`` holds each parameter once, and ``train_from`` freezes what comes before."""
        backbone = self.make()
        groups = backbone.groups()
        grouped = [id(p) for parameters in groups.values() for p in parameters]
        own = [id(p) for p in backbone.parameters()]
        expect(sorted(grouped) == sorted(own), f"groups hold {len(grouped)} parameters of {len(own)}")
        expect(backbone.layers == tuple(groups), "layers are not the names of groups, in order")
        if not groups:
            return
        last = backbone.layers[-1]
        backbone.train_from(last)
        learns = [p.requires_grad for p in backbone.parameters()]
        expect(sum(learns) == len(groups[last]), f"train_from({last!r}) lets {sum(learns)} parameters learn")

    def the_receptive_field_is_as_declared(self) -> None:
        """A frame changes with its receptive field only (where it is declared)."""
        backbone = self.make().eval()
        if backbone.receptive_frames is None or not any(p.requires_grad for p in backbone.parameters()):
            return
        k, field, stride = 2, backbone.receptive_frames, backbone.stride_frames
        x = self._example(backbone, 1, backbone.shortest + field + 6 * stride).requires_grad_()
        frame = backbone.forward_features(x)[0, k]
        # Weighed, since the sum of what a layer normalisation gives is the same whatever goes in.
        (frame * torch.linspace(-1.0, 1.5, len(frame))).sum().backward()
        touched = x.grad.abs().reshape(x.shape[0], -1, x.shape[-2] if x.ndim == 4 else 1, x.shape[-1])
        along = touched.sum(dim=(0, 1, 3)) if x.ndim == 4 else x.grad.abs()[0]
        steps = torch.nonzero(along).flatten()
        first = k * stride + backbone.first_centre - (field - 1) / 2
        expect(
            steps[0] >= first - 0.5 and steps[-1] <= first + field - 0.5,
            f"frame {k} sees {int(steps[0])}..{int(steps[-1])}, declared {first:g}..{first + field - 1:g}",
        )

    def poolable_means_shared_frames(self) -> None:
        """Where it says that it is valid in time, a stretch of input gives that stretch of output."""
        backbone = self.make()
        if not backbone.poolable:
            return
        stride, shift = backbone.stride_frames, 2
        steps = backbone.shortest + 6 * stride
        x = self._example(backbone, 1, steps)
        with evaluating(backbone):
            whole = backbone.forward_features(x)
            later = x[:, shift * stride :] if x.ndim == 2 else x[:, :, shift * stride :]
            part = backbone.forward_features(later)
        close(part, whole[:, shift : shift + part.shape[1]], "a window and the same frames of the whole")

    def a_copy_from_its_state_is_the_same(self) -> None:
        """Weights survive saving and loading, and a deep copy works as the original."""
        backbone = self.make()
        held = io.BytesIO()
        torch.save(backbone.state_dict(), held)
        held.seek(0)
        other = self.make()
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1.0)
        other.load_state_dict(torch.load(held, weights_only=True))
        x = self._example(backbone, 1, steps_of(backbone))
        with evaluating(backbone), evaluating(other):
            expected = backbone.forward_features(x)
            close(other.forward_features(x), expected, "weights saved and loaded", 1e-6)
            close(copy.deepcopy(backbone).eval().forward_features(x), expected, "a deep copy", 1e-6)

    def input_that_is_too_short_is_refused(self) -> None:
        """Too few steps are a ``ValueError`` that says how many are needed."""
        backbone = self.make()
        if backbone.shortest <= 1:
            return
        x = self._example(backbone, 2, steps_of(backbone))
        try:
            with evaluating(backbone):
                backbone.forward_features(x, torch.tensor([steps_of(backbone), backbone.shortest - 1]))
        except ValueError as refusal:
            expect(
                f"length={backbone.shortest - 1}" in str(refusal),
                f"the refusal reads {refusal}. {CHECK_LENGTHS}",
            )
        else:
            raise BrokenContract(f"a row of {backbone.shortest - 1} steps was not refused. {CHECK_LENGTHS}")


def _fill_behind(x: Any, steps: int, value: float) -> Any:
    """A copy of the input with ``value`` behind step ``steps`` of its second row."""
    if isinstance(x, list):
        return [_fill_behind(part, steps, value) for part in x]
    filled = x.clone()
    (filled[1, steps:] if x.ndim == 2 else filled[1, :, steps:]).fill_(value)
    return filled


class HeadChecks:
    """The checks of a head; each public method is one."""

    def __init__(self, make: Callable[[int, int], Head]) -> None:
        self.make = make

    def any_number_of_classes(self) -> None:
        """1, 11 and 88 classes; frames and pooled embeddings."""
        for classes in (1, 11, 88):
            head = self.make(16, classes).eval()
            for shape, frames in (((2, 9, 16), 9), ((2, 1, 16), 1), ((2, 16), 1)):
                logits, attention = head(torch.randn(shape))
                wanted = (2, frames if head.framewise else 1, classes)
                expect(tuple(logits.shape) == wanted, f"logits {tuple(logits.shape)}, expected {wanted}")
                expect(attention.shape == logits.shape, f"attention {tuple(attention.shape)}")
                expect(torch.isfinite(logits).all() and torch.isfinite(attention).all(), "NaN or infinity")

    def frames_behind_the_end_do_not_count(self) -> None:
        """Clip logits of a padded row are those of the row alone, whatever stands behind it."""
        head = self.make(16, 5).eval()
        embeddings = torch.randn(2, 9, 16)
        mask = frame_mask(torch.tensor([9, 4]), 9)
        alone = head.clip_logits(embeddings[1:, :4], mask[1:, :4])
        for filler in (3.0, float("nan")):
            padded = embeddings.clone()
            padded[1, 4:] = filler
            close(head.clip_logits(padded, mask)[1:], alone, f"a row padded with {filler}", 1e-5)
        unmasked = head.clip_logits(embeddings[1:, :4])
        close(unmasked, alone, "with and without a mask of ones", 1e-5)

    def pooling_is_the_clip(self) -> None:
        """``clip_logits`` is ``pool`` of what the head gives."""
        head = self.make(16, 5).eval()
        embeddings = torch.randn(3, 7, 16)
        close(head.clip_logits(embeddings), pool(*head(embeddings)), "clip logits and pool", 1e-6)

    def it_learns_eight_examples_by_heart(self) -> None:
        """Eight random embeddings and random labels, two hundred steps."""
        torch.manual_seed(0)
        head = self.make(16, 3).eval()  # without dropout
        embeddings, targets = torch.randn(8, 5, 16), torch.randint(0, 2, (8, 3)).float()
        optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
        for _ in range(200):
            loss = nn.functional.binary_cross_entropy_with_logits(head.clip_logits(embeddings), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        right = (head.clip_logits(embeddings) > 0) == (targets > 0)
        expect(bool(right.all()), f"{int((~right).sum())} of 24 labels are not learned")

    def the_gradient_reaches_every_parameter(self) -> None:
        """Each parameter has a gradient that is not zero."""
        torch.manual_seed(0)
        head = self.make(16, 4).eval()
        # What starts at exactly 0 can hold its neighbours' gradients at 0.
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        head.clip_logits(torch.randn(5, 6, 16)).square().sum().backward()
        for name, parameter in head.named_parameters():
            expect(parameter.grad is not None, f"{name} has no gradient")
            assert parameter.grad is not None
            expect(bool((parameter.grad != 0).any()), f"the gradient of {name} is zero")
