"""What every feature promises, as checks for ours and for anybody's own (:mod:`sonoscope.promises`).

Sounds are white noise of a fixed seed. Tolerances: 1e-3 dB within 50 dB of the loudest value of a row and 0.5 dB
below (float32 rounds a spectrum to some 1e-7 of its largest value, which is 1e-2 of the power 100 dB below), and 1e-4
of the largest value for features that are not in decibels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np

from sonoscope import features
from sonoscope.errors import UsageError
from sonoscope.promises import BrokenContract, expect

#: Lengths that rows are counted for.
LENGTHS = (0, 1, 600, 4095, 24_000)
NEAR_DB, NEAR_TOLERANCE_DB, DEEP_TOLERANCE_DB = 50.0, 1e-3, 0.5
#: Silence below this is decibels.
DECIBELS_BELOW = -10.0


def noise(n: int, seed: int = 1) -> np.ndarray:
    """White noise at a standard deviation of 0.3, (n,) float32."""
    return 0.3 * np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def check_same(rows: Any, expected: Any, feature: features.Feature, what: str) -> None:
    """Raise ``BrokenContract`` unless two sets of rows agree to rounding."""
    rows, expected = np.asarray(rows, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    expect(rows.shape == expected.shape, f"{what}: shapes {rows.shape} and {expected.shape}")
    loudest = np.abs(expected).max(axis=-1, keepdims=True)
    if np.max(feature.silence) > DECIBELS_BELOW:
        limit = 1e-4 * loudest + 1e-6
    else:
        deep = expected.max(axis=-1, keepdims=True) - expected >= NEAR_DB
        limit = np.where(deep, DEEP_TOLERANCE_DB, NEAR_TOLERANCE_DB + 1e-6 * np.abs(expected))
    worst = float((np.abs(rows - expected) - limit).max())
    expect(worst <= 0, f"{what}: differs by {float(np.abs(rows - expected).max()):.2e}")


def _same_bits(rows: np.ndarray, expected: np.ndarray, what: str) -> None:
    expect(rows.shape == expected.shape, f"{what}: shapes {rows.shape} and {expected.shape}")
    worst = float(np.abs(rows - expected).max()) if rows.size else 0.0
    expect(np.array_equal(rows, expected), f"{what}: differs by {worst:.2e}, and must not differ by a bit")


def _refused(call: Callable[[], Any], kind: type[Exception], needed: str, what: str) -> None:
    """The call must raise ``kind`` with a message that holds ``needed``."""
    try:
        call()
    except kind as error:
        expect(needed in str(error), f"{what}: the message lacks {needed!r}: {error}")
        return
    raise BrokenContract(f"{what} is not refused: {kind.__name__} with {needed!r} is expected")


class FeatureChecks:
    """The checks of a feature on NumPy arrays; each public method is one."""

    def __init__(self, feature: features.Feature) -> None:
        self.feature = feature

    def it_keeps_the_protocol(self) -> None:
        """Everything that the package reads of a feature is there and makes sense."""
        feature = self.feature
        expect(
            isinstance(feature, features.Feature),
            "something of features.Feature is missing: see its attributes",
        )
        expect(
            sum(feature.parts) == feature.n_bins,
            f"parts {feature.parts} do not add up to n_bins={feature.n_bins}",
        )
        expect(feature.left_context >= 0, f"left_context={feature.left_context} must not be negative")
        expect(feature.right_context >= 1, f"right_context={feature.right_context} must be at least 1")
        context = feature.left_context + feature.right_context
        expect(
            1 <= feature.hop_samples <= context, f"hop_samples={feature.hop_samples} must lie in 1..{context}"
        )

    def shapes_are_as_declared(self) -> None:
        """Rows of every length, in float32."""
        for n in LENGTHS:
            rows = self.feature(noise(n))
            declared = tuple(self.feature.shape(n))
            expect(rows.shape == declared, f"{n} samples give {rows.shape}, shape({n}) declares {declared}")
            expect(
                rows.shape[-1] == self.feature.n_bins,
                f"{rows.shape[-1]} values a row, n_bins={self.feature.n_bins}",
            )
            expect(rows.dtype == np.float32, f"rows are {rows.dtype}, not float32")

    def silence_is_as_declared(self) -> None:
        """Rows of zeros are ``silence``."""
        rows = self.feature(np.zeros(8000, dtype=np.float32))
        worst = float(np.max(np.abs(rows - np.broadcast_to(self.feature.silence, rows.shape))))
        limit = 1e-4 + 1e-5 * float(np.max(np.abs(self.feature.silence)))
        expect(worst <= limit, f"rows of silence differ from the declared ones by {worst:.2e}")

    def extremes_are_finite(self) -> None:
        """Silence, an impulse, a square wave and a constant at full scale."""
        feature = self.feature
        n = 3 * feature.hop_samples + feature.left_context + feature.right_context
        impulse = np.zeros(n, dtype=np.float32)
        impulse[n // 2] = 1.0
        square = np.where(np.arange(n) // 20 % 2, 1.0, -1.0).astype(np.float32)
        sounds = {
            "silence": 0 * impulse,
            "an impulse": impulse,
            "a square wave": square,
            "ones": 1 + 0 * impulse,
        }
        for name, samples in sounds.items():
            expect(np.isfinite(feature(samples)).all(), f"{name} gives NaN or infinity")

    def a_batch_is_the_stack_of_its_members(self) -> None:
        """(batch, n) and (1, batch, n) give the rows of each signal, to the bit."""
        batch = np.stack([noise(9000, seed) for seed in range(3)])
        expected = np.stack([self.feature(samples) for samples in batch])
        _same_bits(self.feature(batch), expected, "a batch of three")
        _same_bits(self.feature(batch[None]), expected[None], "a batch of one batch")

    def the_input_is_left_alone(self) -> None:
        """Samples are not written to, and rows that were given out do not change later."""
        samples = noise(9000)
        before = samples.copy()
        samples.flags.writeable = False
        rows = self.feature(samples)
        kept = rows.copy()
        self.feature(-before[::-1].copy())
        expect(np.array_equal(samples, before), "the samples were changed")
        expect(np.array_equal(rows, kept), "rows that were given out changed at the next call")

    def a_row_sees_its_declared_context_and_nothing_else(self) -> None:
        """Sound outside ``left_context`` and ``right_context`` changes nothing; a click within does."""
        feature = self.feature
        if not feature.streamable:
            return
        k = -(-feature.left_context // feature.hop_samples) + 3
        centre = k * feature.hop_samples
        first, stop = centre - feature.left_context, centre + feature.right_context
        samples, other = noise(stop + 2000), noise(stop + 2000, seed=2)
        row = feature(samples)[k]
        other[first:stop] = samples[first:stop]
        # To rounding: a transform of a whole piece mixes all of it, and cancels what lies outside.
        check_same(feature(other)[k], row, feature, f"row {k} with other sound outside its context")
        for inside in (centre - feature.left_context // 8, centre + feature.right_context // 8):
            changed = samples.copy()
            changed[inside] += 100.0
            moved = float(np.abs(feature(changed)[k] - row).max())
            expect(moved > 1e-4, f"row {k}, centred at sample {centre}, does not hear a click at {inside}")

    def streamed_is_whole(self) -> None:
        """Blocks of any size give the rows of the whole signal, to the bit; other batches give them to rounding."""
        if not self.feature.streamable:
            return
        samples, whole = noise(50_001), self.feature(noise(50_001))
        for block in (1000, 65_536, 0):
            rng, stream, taken = np.random.default_rng(block), self.feature.stream(), 0
            parts = []
            while taken < samples.size:
                size = block or int(rng.integers(0, 9000))
                parts.append(stream.push(samples[taken : taken + size]))
                taken += size
            _same_bits(np.concatenate([*parts, stream.close()]), whole, f"blocks of {block or 'random size'}")
        stream = self.feature.stream(batch_frames=5)
        rows = np.concatenate([stream.push(samples), stream.close()])
        check_same(rows, whole, self.feature, "five rows at a time")

    def what_cannot_be_streamed_says_so(self) -> None:
        """``stream`` and ``kernel`` of a feature that is not streamable raise ``UsageError``."""
        if self.feature.streamable:
            return
        for name, call in (("stream()", self.feature.stream), ("kernel()", lambda: self.feature.kernel(4))):
            _refused(call, UsageError, f"feature '{self.feature.name}' is not streamable", name)

    def json_keeps_everything(self) -> None:
        """Name and parameters survive JSON, and the feature made from them is equal."""
        spec = json.loads(json.dumps(features.to_dict(self.feature)))
        parameters = {key: value for key, value in spec.items() if key != "name"}
        again = features.made(type(self.feature), parameters)
        expect(again == self.feature, f"made again from {spec}, it is another one")
        expect(
            hash(again) == hash(self.feature),
            "equal features have different hashes: parameters must be hashable",
        )

    def parameters_are_frozen(self) -> None:
        """It is a frozen dataclass."""
        for field in fields(self.feature):
            try:
                setattr(self.feature, field.name, getattr(self.feature, field.name))
            except FrozenInstanceError:
                continue
            raise BrokenContract(f"{field.name} can be set: decorate the class with @dataclass(frozen=True)")

    def what_makes_no_row_is_refused(self) -> None:
        """A hop of nothing, and fewer samples than a row needs."""
        feature = self.feature
        if any(field.name == "hop_samples" for field in fields(feature)):
            parameters = {k: v for k, v in features.to_dict(feature).items() if k != "name"} | {
                "hop_samples": 0
            }
            _refused(
                lambda: features.made(type(feature), parameters), ValueError, "hop_samples=0 must be at least 1",
                "a hop of nothing",
            )  # fmt: skip
        needed = feature.left_context + feature.right_context
        rows = feature.valid(noise(needed))
        expect(rows.shape == (1, feature.n_bins), f"{needed} samples make {rows.shape}, not one row")
        _refused(
            lambda: feature.valid(noise(needed - 1)), ValueError, f"needs as many samples, got {needed - 1}",
            "less than a row",
        )  # fmt: skip


class TensorChecks:
    """The checks of a feature on torch tensors; each public method is one. They need torch."""

    def __init__(self, feature: features.Feature) -> None:
        self.feature = feature

    def torch_gives_numpys_rows(self) -> None:
        """In float32 and float64, and without leaving the device."""
        import torch

        if self.feature.numpy_only:
            _refused(
                lambda: self.feature(torch.zeros(6000)), ValueError, "computes on NumPy arrays only, got Tensor",
                "a tensor",
            )  # fmt: skip
            return
        batch = np.stack([noise(12_000, seed) for seed in range(2)])
        expected = self.feature(batch)
        rows = self.feature(torch.from_numpy(batch))
        expect(rows.dtype == torch.float32, f"rows of float32 tensors are {rows.dtype}")
        check_same(rows.numpy(), expected, self.feature, "torch and NumPy")
        doubles = self.feature(torch.from_numpy(batch.astype(np.float64)))
        expect(doubles.dtype == torch.float64, f"rows of float64 tensors are {doubles.dtype}")
        check_same(doubles.numpy(), expected, self.feature, "torch in float64 and NumPy")
        elsewhere = self.feature(torch.zeros(batch.shape, device="meta"))
        expect(
            elsewhere.device.type == "meta" and elsewhere.shape == rows.shape,
            f"on another device rows are {tuple(elsewhere.shape)} on {elsewhere.device.type}: something leaves it",
        )

    def gradients_reach_the_samples(self) -> None:
        """Of noise they are finite and not all zero, of silence finite."""
        import torch

        if self.feature.numpy_only:
            return
        for name, samples in (("noise", torch.from_numpy(noise(12_000))), ("silence", torch.zeros(6000))):
            samples.requires_grad_()
            self.feature(samples).sum().backward()
            gradient = samples.grad
            expect(gradient is not None, "no gradient comes back to the samples")
            assert gradient is not None
            expect(torch.isfinite(gradient).all(), f"the gradient of {name} is not finite")
            expect(name == "silence" or gradient.abs().sum() > 0, f"the gradient of {name} is zero")
