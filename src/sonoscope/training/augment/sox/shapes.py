"""SoX's effects that are no filters: of every sample for itself, of time, and of delays that swing.

A function takes samples (rows, n), how many are real (rows,), the drawn numbers, the mode and the sampling rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.protocol import decibels
from sonoscope.training.augment.rolling import looped
from sonoscope.training.augment.sox.words import Values
from sonoscope.training.augment.stretching import resampled, stretched
from sonoscope.training.augment.time_shift import shifted

Shape = Callable[[torch.Tensor, torch.Tensor, Values, str, int], torch.Tensor]

#: How a fade rises with its share of time, by SoX's letter.
CURVES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "l": lambda x: torch.where(x > 0, 0.1 ** ((1.0 - x) * 5.0), torch.zeros_like(x)),
    "q": lambda x: torch.sin(x * (math.pi / 2)),
    "h": lambda x: (1.0 - torch.cos(x * math.pi)) / 2.0,
    "t": lambda x: x,
    "p": lambda x: 1.0 - (1.0 - x) ** 2,
}


def column(values: Values, name: str, like: torch.Tensor) -> torch.Tensor:
    """A drawn number as a column (rows, 1) of the samples' kind."""
    return values[name].to(like.dtype)[:, None]


def gain(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Louder by dB."""
    return samples * decibels(column(values, "gain", samples))


def vol(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Times a factor, of amplitude or of power, or by dB."""
    by = column(values, "gain", samples)
    return samples * (
        decibels(by) if mode == "dB" else by.abs().sqrt() * by.sign() if mode == "power" else by
    )


def norm(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """The peak to a level in dB."""
    peak = samples.abs().amax(dim=1, keepdim=True)
    return samples * (decibels(column(values, "level", samples)) / peak.clamp(min=1e-9))


def dcshift(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Everything up by a constant, and cut at full scale."""
    return (samples + column(values, "shift", samples)).clamp(-1.0, 1.0)


def contrast(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Louder in the ear, not on the meter: sin of the sample and of four times it."""
    turned = samples.clamp(-1.0, 1.0) * (math.pi / 2)
    return torch.sin(turned + column(values, "amount", samples) / 750.0 * torch.sin(turned * 4.0))


def overdrive(
    samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int
) -> torch.Tensor:
    """A valve: cut by a cubic, one side before the other, without its constant, half with the sound as it was."""
    pushed = samples * decibels(column(values, "gain", samples)) + column(values, "colour", samples) / 200.0
    pushed = pushed.clamp(-1.0, 1.0)
    pushed = pushed - pushed * pushed * pushed / 3.0
    free = filtering.section((torch.ones(1), -1.0, 0.0), (1.0, -0.995, 0.0))
    impulse = filtering.impulses([free], 4096).to(samples.device)
    return samples * 0.5 + filtering.convolved(pushed, impulse) * 0.75


def tremolo(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """The level swings ``speed`` times a second between 1 and 1 - depth (per cent)."""
    depth = column(values, "depth", samples) / 100.0
    swing = _swing(samples, values["speed"], rate)
    return samples * (1.0 - depth / 2.0 + depth / 2.0 * swing)


def fade(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Up from silence at the beginning, down to it at the end, in seconds."""
    curve, now = CURVES[mode or "l"], torch.arange(samples.shape[1], device=samples.device)
    for name, since in (("in", now.expand_as(samples)), ("out", real[:, None] - 1 - now)):
        length = column(values, name, samples) * rate
        samples = samples * torch.where(
            length > 0, curve((since / length.clamp(min=1.0)).clamp(0.0, 1.0)), torch.ones_like(samples)
        )
    return samples


def delay(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Later by seconds, silence before."""
    return shifted(samples, real, torch.round(values["seconds"] * rate).long(), wrap=False)


def speed(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Faster and higher, as a tape."""
    n = samples.shape[1]
    reach = math.ceil(n * float(values["factor"].max())) + 4
    return resampled(looped(samples, real, max(reach, n)), values["factor"], n)


def tempo(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Faster at the same pitch."""
    return stretched(samples, real, values["factor"], rate)


def stretch(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """Longer at the same pitch."""
    return stretched(samples, real, 1.0 / values["factor"], rate)


def chorus(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """The sound and voices of it, each late by a delay (ms) that swings by a depth (ms)."""
    mixed = samples * column(values, "gain_in", samples)
    for k in range(values["delay"].shape[1]):
        milliseconds, decay, turns, depth = (
            values[name][:, k] for name in ("delay", "decay", "speed", "depth")
        )
        late = milliseconds[:, None] + depth[:, None] * (1.0 + _swing(samples, turns, rate)) / 2.0
        mixed = mixed + _delayed(samples, late * (rate / 1000.0)) * decay.to(samples.dtype)[:, None]
    return mixed * column(values, "gain_out", samples)


def flanger(samples: torch.Tensor, real: torch.Tensor, values: Values, mode: str, rate: int) -> torch.Tensor:
    """The sound and itself, late by a delay (ms) that swings; ``width`` per cent of it."""
    width = column(values, "width", samples) / 100.0
    swing = (1.0 + _swing(samples, values["speed"], rate)) / 2.0
    late = values["delay"][:, None] + values["depth"][:, None] * swing
    return (samples + width * _delayed(samples, late * (rate / 1000.0))) / (1.0 + width)


def _swing(samples: torch.Tensor, turns: torch.Tensor, rate: int) -> torch.Tensor:
    """A sine from -1 to 1, ``turns`` (rows,) a second, beginning in the middle."""
    now = torch.arange(samples.shape[1], device=samples.device, dtype=samples.dtype) / rate
    return torch.sin(2 * math.pi * turns.to(samples.dtype)[:, None] * now)


def _delayed(samples: torch.Tensor, late: torch.Tensor) -> torch.Tensor:
    """Rows late by ``late`` (rows, n) samples, straight between neighbours; silence before the beginning."""
    at = torch.arange(samples.shape[1], device=samples.device) - late
    place = at.floor()
    share, first = (at - place).to(samples.dtype), place.long()
    here, after = (samples.gather(1, (first + k).clamp(min=0)) * (first + k >= 0) for k in (0, 1))
    return here * (1.0 - share) + after * share
