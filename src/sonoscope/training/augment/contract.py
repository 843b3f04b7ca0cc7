"""What every augmentation promises, as checks for ours and for anybody's own (:mod:`sonoscope.promises`).

They are checked on six sounds of tone and noise with labels that are known in part, as windows and as whole clips with
padding, or on pictures of them (log-mel).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sonoscope.features import LogMel
from sonoscope.promises import expect
from sonoscope.training.augment.mixture import Mixing
from sonoscope.training.augment.protocol import (
    Augmentation,
    EachPicture,
    EachRow,
    OfRows,
    OfSamples,
    only_real,
    real_samples,
)
from sonoscope.training.batch import Batch

RATE = 16_000
ROWS = 6
#: Of a row alone and among others, absolute; sound is within ±1.
ROW_TOLERANCE = 1e-5
#: Samples that may be off where an augmentation rounds.
ROUNDED_SHARE = 1e-3

#: Makes an augmentation that changes a share of the rows.
Make = Callable[[float], Augmentation]


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sounds(rows: int = ROWS, n: int = 12_000, *, margins: int = 0, padded: bool = False) -> Batch:
    """Sounds of tone and noise with labels that are known in part; windows, or whole clips with padding."""
    rng = chance(5)
    time = torch.arange(n) / RATE
    hz = 200.0 + 300.0 * torch.rand(rows, 1, generator=rng)
    samples = 0.3 * torch.sin(2 * torch.pi * hz * time) + 0.02 * torch.randn(rows, n, generator=rng)
    lengths = torch.full((rows,), n - margins)
    if padded:
        lengths = torch.linspace(n // 2, n, rows).long()
        samples = samples * (torch.arange(n) < lengths[:, None])
    targets = (torch.rand(rows, 4, generator=rng) < 0.4).float()
    judged = torch.maximum((torch.rand(rows, 4, generator=rng) < 0.6).float(), targets)
    return Batch(samples, lengths, targets, judged, torch.arange(rows))


def pictures() -> torch.Tensor:
    """Log-mel of those sounds, (rows, frames, bins)."""
    return LogMel(sample_rate=RATE, f_max_hz=8000.0)(sounds().samples)


def parts_of(found: Any) -> tuple[torch.Tensor, ...]:
    """The tensors of a batch, or the one picture tensor."""
    return tuple(found) if isinstance(found, Batch) else (found,)


class AugmentationChecks:
    """The checks of an augmentation; each public method is one.

    Parameters
    ----------
    make : callable
        ``make(share)`` gives the augmentation with that share of rows.
    """

    def __init__(self, make: Make) -> None:
        self.make = make

    def _changed(self, share: float = 1.0, seed: int = 0, **options: Any) -> tuple[Any, Any]:
        """What goes in and what comes out, of one or the other kind."""
        augmentation = self.make(share)
        before = sounds(**options) if isinstance(augmentation, OfSamples) else pictures()
        return before, self._of(augmentation, before, seed)

    def _of(self, augmentation: Augmentation, before: Any, seed: int = 0) -> Any:
        return augmentation(before, chance(seed))  # type: ignore[operator]

    def it_is_of_samples_or_of_rows(self) -> None:
        """It derives from ``EachRow``, ``EachPicture``, ``Mixing``, or their bases."""
        made = self.make(1.0)
        expect(
            isinstance(made, OfSamples | OfRows), f"{type(made).__name__} is neither of samples nor of rows"
        )

    def shapes_and_kinds_stay(self) -> None:
        """Every tensor keeps shape and dtype, and is finite; something changes."""
        before, after = self._changed()
        for old, new in zip(parts_of(before), parts_of(after), strict=True):
            expect(new.shape == old.shape, f"{tuple(old.shape)} became {tuple(new.shape)}")
            expect(new.dtype == old.dtype, f"{old.dtype} became {new.dtype}")
            expect(torch.isfinite(new).all(), "it gives NaN or infinity")
        expect(
            not torch.equal(parts_of(before)[0], parts_of(after)[0]), "with a share of 1 it changes nothing"
        )

    def a_share_of_nothing_changes_nothing(self) -> None:
        before, after = self._changed(share=0.0)
        same = all(torch.equal(old, new) for old, new in zip(parts_of(before), parts_of(after), strict=True))
        expect(same, "with a share of 0 it changes something")

    def what_comes_in_stays_as_it_is(self) -> None:
        """The batch that is given is not written to."""
        before, _ = self._changed()
        fresh = sounds() if isinstance(before, Batch) else pictures()
        same = all(torch.equal(old, new) for old, new in zip(parts_of(before), parts_of(fresh), strict=True))
        expect(same, "it writes into what it is given")

    def only_the_chosen_rows_change(self) -> None:
        """With a share of a half, the rows that ``chosen`` leaves out stay bit for bit."""
        made = self.make(0.5)
        chosen = made.chosen(ROWS, chance(4), torch.device("cpu"))
        before, after = self._changed(share=0.5, seed=4)
        for old, new in zip(parts_of(before), parts_of(after), strict=True):
            expect(torch.equal(old[~chosen], new[~chosen]), "rows change that were not chosen")

    def the_generator_alone_decides(self) -> None:
        """The same generator gives the same, whatever torch's own random numbers are."""
        state = torch.random.get_rng_state()
        try:
            torch.manual_seed(1)
            _, first = self._changed(seed=7)
            torch.manual_seed(2)
            _, second = self._changed(seed=7)
        finally:
            torch.random.set_rng_state(state)
        expect(
            torch.equal(parts_of(first)[0], parts_of(second)[0]),
            "it draws from something else than its generator",
        )

    def padding_stays_padding(self) -> None:
        """After a row's length there are zeros, before it is sound; lengths and clips stay."""
        if not isinstance(self.make(1.0), OfSamples):
            return
        before, after = self._changed(padded=True)
        expect(torch.equal(before.lengths, after.lengths), "lengths change")
        expect(torch.equal(before.clips, after.clips), "numbers of clips change")
        for row, (samples, length) in enumerate(zip(after.samples, after.lengths.tolist(), strict=True)):
            expect(not samples[length:].any(), f"row {row}: there is sound behind its end")
            expect(samples[:length].any(), f"row {row}: no sound is left")

    def margins_around_windows_are_sound(self) -> None:
        """What lies around a window, for features that see beyond it, is changed like the window."""
        if not isinstance(self.make(1.0), OfSamples):
            return
        _, after = self._changed(margins=1000)
        for name, margin in (("before", after.samples[:, :500]), ("behind", after.samples[:, -500:])):
            # A mask or a shift may silence one of the margins, but not of every row.
            expect(
                (margin.abs().amax(dim=1) > 0).any(), f"what lies {name} the windows is silent in every row"
            )

    def only_samples_change(self) -> None:
        """What does not mix rows leaves their labels alone."""
        if not isinstance(self.make(1.0), EachRow):
            return
        before, after = self._changed()
        expect(torch.equal(before.targets, after.targets), "targets change")
        expect(torch.equal(before.judged, after.judged), "what is judged changes")

    def a_row_of_a_batch_is_what_it_is_alone(self) -> None:
        """With the same numbers drawn, a row does not depend on the others; with and without padding."""
        for padded in (False, True):
            together, alone = self._rows_and_each(padded)
            apart = (torch.cat(alone) - together).abs()
            off = float((apart > ROW_TOLERANCE).float().mean())
            allowed = ROUNDED_SHARE if self.make(1.0).rounds else 0.0
            expect(off <= allowed, f"a row alone and among others differs by {float(apart.max()):.2e}")

    def _rows_and_each(self, padded: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
        made: Any = self.make(1.0)
        whole = sounds(padded=padded)
        if isinstance(made, EachPicture):
            rows = pictures()
            count, frames, bins = rows.shape
            drawn = made.draw(count, frames, bins, chance())
            return made.change(rows, drawn), [
                made.change(rows[i : i + 1], _one(drawn, i)) for i in range(ROWS)
            ]
        if isinstance(made, EachRow):
            real = real_samples(whole)
            drawn = made.draw(ROWS, whole.samples.shape[1], chance())
            alone = [
                only_real(
                    made.change(whole.samples[i : i + 1], real[i : i + 1], _one(drawn, i)), real[i : i + 1]
                )
                for i in range(ROWS)
            ]
            return only_real(made.change(whole.samples, real, drawn), real), alone
        expect(isinstance(made, Mixing), f"{type(made).__name__} is neither EachRow, EachPicture nor Mixing")
        numbers = torch.arange(ROWS)
        others = torch.stack([(numbers + k) % ROWS for k in range(1, made.partners + 1)], dim=1)
        drawn = {"partners": others, **made.draw(ROWS, made.partners, chance())}
        alone = [_mixed(made, whole, numbers[i : i + 1], _one(drawn, i)) for i in range(ROWS)]
        return _mixed(made, whole, numbers, drawn), alone

    def no_gradient_and_no_half_precision(self) -> None:
        """Nothing is learned through it, and in bfloat16 training it computes in float32 all the same."""
        _, plain = self._changed()
        augmentation = self.make(1.0)
        before = sounds() if isinstance(augmentation, OfSamples) else pictures().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = self._of(augmentation, before)
        for old, new in zip(parts_of(plain), parts_of(mixed), strict=True):
            expect(not new.requires_grad, "gradients run through it: decorate with torch.no_grad()")
            near = torch.allclose(old, new, rtol=1e-5, atol=1e-5)
            expect(near, "under autocast it gives something else: compute in full_precision(device)")

    def silence_and_one_row(self) -> None:
        """A batch of one row, and silence, which stays silent."""
        made = self.make(1.0)
        if not isinstance(made, OfSamples):
            expect(torch.isfinite(self._of(made, pictures()[:1])).all(), "one row gives NaN or infinity")
            return
        whole = sounds()
        alone = Batch(*(part[:1] for part in whole))
        expect(torch.isfinite(self._of(made, alone).samples).all(), "one row gives NaN or infinity")
        silent = self._of(made, whole._replace(samples=torch.zeros_like(whole.samples))).samples
        expect(not silent.any(), "silence does not stay silent")


def _one(drawn: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    return {name: each[row : row + 1] for name, each in drawn.items()}


def _mixed(made: Mixing, whole: Batch, rows: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
    """Samples, targets and judged of mixed rows side by side."""
    return torch.cat([part.float() for part in made.mix(whole, rows, drawn)], dim=1)
