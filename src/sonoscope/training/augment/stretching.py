"""Time and pitch without each other: overlap-add of parts that fit, and resampling by any ratio, for whole batches.

The time is stretched as ``sox tempo`` does (W. Verhelst and M. Roelands, "An overlap-add technique based on waveform
similarity (WSOLA)", 1993): parts of 82 ms, each taken from where it best continues the one before, cross-faded over
12 ms. A loop goes over the parts, some 40 in three seconds, each step being done for all rows at once. Pitch is that
and resampling. Both go on at the beginning of the sound where it ends too early, so that no silence comes in.
"""

from __future__ import annotations

import math

import torch

from sonoscope.training.augment.filtering import fast_size
from sonoscope.training.augment.rolling import in_groups, looped, windows

#: Zeros behind a row that is resampled, into which its end rings.
EDGE = 64
#: Seconds of a part, of the search for its beginning, and of the cross-fade.
PART_S, SEARCH_S, FADE_S = 0.082, 0.01468, 0.012


def stretched(
    samples: torch.Tensor, real: torch.Tensor, rate: torch.Tensor, sample_rate: int, length: int | None = None
) -> torch.Tensor:
    """Rows faster by ``rate`` (rows,), their pitch unchanged.

    Parameters
    ----------
    samples : Tensor, shape (rows, n)
    real : Tensor, shape (rows,)
        Samples that are sound; after them the row begins again.
    rate : Tensor, shape (rows,)
        2 is twice as fast.
    length : int, optional
        Samples of the result; default: ``n``.

    Returns
    -------
    Tensor, shape (rows, length)
    """
    length = samples.shape[1] if length is None else length
    part, search, fade = (max(round(s * sample_rate), 2) for s in (PART_S, SEARCH_S, FADE_S))
    step = part - fade
    count = -(-length // step)
    # The last part begins at its time at the latest after the search, and the one before may fade out after it.
    reach = math.ceil(max(float(rate.max()), 1.0) * count * step) + search + 2 * part
    source = looped(samples, real, reach)
    starts = _starts(source, rate, count=count, sizes=(step, search, fade))
    parts = windows(source, starts, step)
    # Over the first samples of a part, the part before it fades out.
    leaving = windows(source, torch.cat([starts[:, :1], starts[:, :-1] + step], dim=1), fade)
    rise = torch.arange(1, fade + 1, device=samples.device, dtype=samples.dtype) / (fade + 1)
    parts[..., :fade] = torch.lerp(leaving, parts[..., :fade], rise)
    return parts.flatten(1)[:, :length]


def _starts(
    source: torch.Tensor, rate: torch.Tensor, *, count: int, sizes: tuple[int, int, int]
) -> torch.Tensor:
    """Where each part begins, (rows, count): up to ``search`` samples after its time, where it fits best."""
    step, search, fade = sizes
    size = 1 << (search + 2 * fade - 1).bit_length()
    places = [torch.zeros(len(source), dtype=torch.long, device=source.device)]
    times = torch.round(torch.arange(count, device=source.device) * step * rate.double()[:, None]).long()
    for k in range(1, count):
        heard = windows(source, times[:, k], search + fade)
        wanted = windows(source, places[-1] + step, fade)
        product = torch.fft.rfft(heard, n=size) * torch.fft.rfft(wanted, n=size).conj()
        likeness = torch.fft.irfft(product, n=size)[:, :search]
        energy = torch.nn.functional.pad(heard.square().cumsum(dim=1), (1, 0))
        energy = (energy[:, fade : fade + search] - energy[:, :search]).clamp(min=1e-9)
        places.append(times[:, k] + (likeness / energy.sqrt()).argmax(dim=1))
    return torch.stack(places, dim=1)


def resampled(samples: torch.Tensor, ratio: torch.Tensor, length: int) -> torch.Tensor:
    """Rows played faster by ``ratio`` (rows,), pitch and all: sample ``t`` is that at ``ratio * t``.

    What would fold over is cut first; then the rows are interpolated to twice the rate by FFT, and straight between.
    What that changes is 37 dB below a tone at an eighth of the rate, and 25 dB below one at a quarter.

    Parameters
    ----------
    samples : Tensor, shape (rows, n)
        ``n`` at least ``ratio * length``; what is heard at the last of them depends on neighbours that are not there.
    ratio : Tensor, shape (rows,)
    length : int
        Samples of the result.
    """
    size = fast_size(samples.shape[1] + EDGE)
    bins, now = (torch.arange(count, device=samples.device) for count in (size // 2 + 1, length))

    def played(rows: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        spectra = torch.fft.rfft(rows, n=size)
        kept = bins <= (size / 2) / ratios.clamp(min=1.0)[:, None]
        torch.view_as_real(spectra).mul_(kept[..., None] * 2.0)
        fine = torch.fft.irfft(spectra, n=2 * size)
        # Places with 32 bits after the point: exact where float32 would be a tenth of a sample off after a million.
        at = now * torch.round(ratios.double() * 2.0**33).long()[:, None]
        first = at >> 32
        share = at.bitwise_and_(0xFFFFFFFF).to(rows.dtype).mul_(2.0**-32)
        here = fine.gather(1, first)
        return here.lerp_(fine.gather(1, first.add_(1)), share)

    return in_groups(played, samples, ratio)
