"""Filters for a batch, each row its own: second-order sections to impulse responses, and fast convolution.

A recursive filter is applied as its impulse response, cut where it has died away: that needs no recursion over
samples, so it runs on any device at the speed of FFTs. Formulas of the sections: R. Bristow-Johnson, "Cookbook formulae
for audio EQ biquad filter coefficients"; ``A = 10 ** (gain_db / 40)``, ``w = 2 pi f / rate``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from sonoscope.training.augment.rolling import in_groups

#: Seconds after which the impulse response of an equaliser is cut: at 60 Hz and Q = 2 it is 1e-5 of its beginning.
RING_S = 0.17


#: Samples of a block that a processor's cache holds.
IN_CACHE = 32_768


class Section(NamedTuple):
    """``b`` and ``a`` (rows, 3), float64, of ``H = (b0 + b1/z + b2/z^2) / (a0 + a1/z + a2/z^2)``, one for each row."""

    b: torch.Tensor
    a: torch.Tensor


def ring(sample_rate: int, seconds: float = RING_S) -> int:
    """Samples of an impulse response that lasts so long: a power of two."""
    return 1 << math.ceil(math.log2(seconds * sample_rate))


def section(b: Sequence[torch.Tensor | float], a: Sequence[torch.Tensor | float]) -> Section:
    """Coefficients of rows (each a tensor (rows,), or a number for all) as a section."""
    given = [torch.as_tensor(each, dtype=torch.float64) for each in (*b, *a)]
    columns = torch.stack(torch.broadcast_tensors(*given), dim=-1)
    return Section(columns[..., :3], columns[..., 3:])


def alpha_of_q(w: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """The cookbook's ``alpha`` of a quality."""
    return torch.sin(w) / (2.0 * q)


def peak(w: torch.Tensor, alpha: torch.Tensor, gain_db: torch.Tensor) -> Section:
    """A bell that lifts or lowers a band around ``w``."""
    amp, cos = 10.0 ** (gain_db / 40.0), torch.cos(w)
    return section((1 + alpha * amp, -2 * cos, 1 - alpha * amp), (1 + alpha / amp, -2 * cos, 1 - alpha / amp))


def low_shelf(w: torch.Tensor, alpha: torch.Tensor, gain_db: torch.Tensor) -> Section:
    """Lifts or lowers what is below ``w``."""
    amp, cos = 10.0 ** (gain_db / 40.0), torch.cos(w)
    up, down, root = amp + 1, amp - 1, 2 * torch.sqrt(amp) * alpha
    return section(
        (amp * (up - down * cos + root), 2 * amp * (down - up * cos), amp * (up - down * cos - root)),
        (up + down * cos + root, -2 * (down + up * cos), up + down * cos - root),
    )


def high_shelf(w: torch.Tensor, alpha: torch.Tensor, gain_db: torch.Tensor) -> Section:
    """Lifts or lowers what is above ``w``."""
    amp, cos = 10.0 ** (gain_db / 40.0), torch.cos(w)
    up, down, root = amp + 1, amp - 1, 2 * torch.sqrt(amp) * alpha
    return section(
        (amp * (up + down * cos + root), -2 * amp * (down + up * cos), amp * (up + down * cos - root)),
        (up - down * cos + root, 2 * (down - up * cos), up - down * cos - root),
    )


def low_pass(w: torch.Tensor, alpha: torch.Tensor) -> Section:
    """Two poles; lets pass what is below ``w``."""
    cos = torch.cos(w)
    return section(((1 - cos) / 2, 1 - cos, (1 - cos) / 2), (1 + alpha, -2 * cos, 1 - alpha))


def high_pass(w: torch.Tensor, alpha: torch.Tensor) -> Section:
    """Two poles; lets pass what is above ``w``."""
    cos = torch.cos(w)
    return section(((1 + cos) / 2, -1 - cos, (1 + cos) / 2), (1 + alpha, -2 * cos, 1 - alpha))


def band_pass(w: torch.Tensor, alpha: torch.Tensor) -> Section:
    """0 dB at ``w``."""
    return section((alpha, 0.0, -alpha), (1 + alpha, -2 * torch.cos(w), 1 - alpha))


def band_reject(w: torch.Tensor, alpha: torch.Tensor) -> Section:
    """Nothing at ``w``."""
    cos = torch.cos(w)
    return section((1.0, -2 * cos, 1.0), (1 + alpha, -2 * cos, 1 - alpha))


def all_pass(w: torch.Tensor, alpha: torch.Tensor) -> Section:
    """All frequencies as loud as before, the phase turned by 180 degrees at ``w``."""
    cos = torch.cos(w)
    return section((1 - alpha, -2 * cos, 1 + alpha), (1 + alpha, -2 * cos, 1 - alpha))


def response(sections: Sequence[Section], size: int) -> torch.Tensor:
    """Of all sections one after another, at the frequencies of a real FFT: (rows, size // 2 + 1), complex128."""
    delay = torch.exp(-2j * math.pi * torch.arange(size // 2 + 1, dtype=torch.float64) / size)
    powers = torch.stack([torch.ones_like(delay), delay, delay**2])
    found: torch.Tensor | float = 1.0
    for each in sections:
        found = found * ((each.b.to(powers.dtype) @ powers) / (each.a.to(powers.dtype) @ powers))
    assert isinstance(found, torch.Tensor)
    return found


def impulses(sections: Sequence[Section], size: int) -> torch.Tensor:
    """The impulse response of all sections one after another, (rows, size), float32; cut at ``size``."""
    return torch.fft.irfft(response(sections, size), n=size).float()


def minimum_phase(magnitude: torch.Tensor) -> torch.Tensor:
    """The impulse response (rows, size) that has a magnitude (rows, size // 2 + 1) and comes as early as it can.

    By the folded cepstrum (Oppenheim and Schafer, "Discrete-time signal processing", 3rd ed., section 13.5).
    """
    size = 2 * (magnitude.shape[-1] - 1)
    cepstrum = torch.fft.irfft(torch.log(magnitude.double().clamp(min=1e-6)), n=size)
    cepstrum[..., 1 : size // 2] *= 2.0
    cepstrum[..., size // 2 + 1 :] = 0.0
    return torch.fft.irfft(torch.exp(torch.fft.rfft(cepstrum)), n=size).float()


def convolved(samples: torch.Tensor, impulse: torch.Tensor, ahead: int = 0) -> torch.Tensor:
    """Rows through filters, as long as they were.

    Overlap-save: blocks are transformed that are some times as long as the filter and fit into the processor's cache.

    Parameters
    ----------
    samples : Tensor, shape (rows, n)
    impulse : Tensor, shape (rows, length) or (1, length)
    ahead : int
        The place of the impulse that is now: 0 for causal filters, the middle for those of linear phase.
    """
    n, length = samples.shape[1], impulse.shape[1]
    sizes = [fast_size(k * length) for k in (2, 4, 6, 8, 1 + n / length)]
    size = min(sizes, key=lambda each: _work(each, n, length))
    step = size - length + 1
    blocks = -(-n // step)

    def filtered(rows: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(rows, (length - 1 - ahead, blocks * step - n + ahead))
        spectra = torch.fft.rfft(padded.unfold(1, size, step))
        spectra *= torch.fft.rfft(filters, n=size)[:, None]
        found = torch.fft.irfft(spectra, n=size)[..., length - 1 :]
        return found.reshape(len(rows), -1)[:, :n]

    return in_groups(filtered, samples, impulse.expand(len(samples), length))


def fast_size(least: float) -> int:
    """The next length that FFTs are quick at: 2, 3 or 5 times a power of two."""
    power = 1 << math.ceil(math.log2(least))
    return min(each for each in (power, 3 * power // 4, 5 * power // 8) if each >= least)


def _work(size: int, n: int, length: int) -> float:
    """What ``n`` samples cost in blocks of ``size``, relatively; what does not fit into the cache is dearer."""
    return -(-n // (size - length + 1)) * size * (math.log2(size) + (4.0 if size > IN_CACHE else 0.0))
