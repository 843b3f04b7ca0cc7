"""SoX's filters: what their numbers mean, as impulse responses for each row.

A function takes the drawn numbers, the units they were written in, the mode and the sampling rate, and gives
``(impulse, ahead)``: responses (rows, length) and the place in them that is now. Sections and widths as in SoX 14.4.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import scipy.interpolate
import scipy.signal
import torch

from sonoscope.training.augment import filtering
from sonoscope.training.augment.filtering import Section
from sonoscope.training.augment.sox.words import Values

#: Seconds after which the responses of recursive filters are cut: those of a width of 20 Hz have fallen by 180 dB.
RING_S = 0.34
#: Taps of filters that are designed from a wish for frequencies: SoX's number for ``firfit``.
TAPS = 2047

Units = Mapping[str, str]
Impulse = tuple[torch.Tensor, int]
Design = Callable[[Values, Units, str, int], Impulse]


def recursive(sections: list[Section], sample_rate: int) -> Impulse:
    """The impulse response of sections."""
    return filtering.impulses(sections, filtering.ring(sample_rate, RING_S)), 0


def angle(values: Values, sample_rate: int) -> torch.Tensor:
    """The drawn frequency in radians a sample; at most just below half the rate."""
    return 2 * math.pi * (values["frequency"] / sample_rate).clamp(1e-5, 0.499)


def alpha(w: torch.Tensor, values: Values, unit: str, sample_rate: int) -> torch.Tensor:
    """The cookbook's ``alpha`` of a width in a unit: quality by default, octaves, Hz, or the slope of a shelf."""
    width, sin = values["width"], torch.sin(w)
    if unit == "s":
        amp = 10.0 ** (values["gain"] / 40.0)
        return sin / 2 * torch.sqrt((amp + 1 / amp) * (1 / width - 1) + 2)
    if unit == "o":
        return sin * torch.sinh(math.log(2) / 2 * width * w / sin)
    if unit == "h":
        return sin * width / (2 * w * sample_rate / (2 * math.pi))
    return sin / (2 * width)


def of_band(make: Callable[[torch.Tensor, torch.Tensor], Section], default_unit: str = "q") -> Design:
    """A filter of a frequency and a width. Without a unit SoX takes the width of some for Hz."""

    def design(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
        w = angle(values, sample_rate)
        return recursive(
            [make(w, alpha(w, values, units["width"] or default_unit, sample_rate))], sample_rate
        )

    return design


def of_gain(make: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Section], default_unit: str) -> Design:
    """A filter of a frequency, a width and a gain."""

    def design(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
        w = angle(values, sample_rate)
        width = alpha(w, values, units["width"] or default_unit, sample_rate)
        return recursive([make(w, width, values["gain"])], sample_rate)

    return design


def band_pass(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """0 dB in the middle; with ``-c`` skirts of constant gain."""
    w = angle(values, sample_rate)
    width = alpha(w, values, units["width"] or "h", sample_rate)
    found = filtering.band_pass(w, width)
    if mode == "-c":
        found = Section(found.b / width[:, None] * torch.sin(w)[:, None] / 2, found.a)
    return recursive([found], sample_rate)


def resonance(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """``band``: a resonator that rings at a frequency; with ``-n`` for sounds that are noise."""
    w = angle(values, sample_rate)
    hz = values["frequency"]
    width = torch.where(values["width"] > 0, values["width"], hz / 2)
    unit = units["width"]
    if unit == "q":
        width = hz / width
    elif unit == "o":
        width = hz * (2.0**width - 1) * 2.0 ** (-width / 2)
    a2 = torch.exp(-2 * math.pi * width / sample_rate)
    a1 = -4 * a2 / (1 + a2) * torch.cos(w)
    b0 = torch.sqrt(1 - a1**2 / (4 * a2)) * (1 - a2)
    if mode == "-n":
        b0 = torch.sqrt(((1 + a2) ** 2 - a1**2) * (1 - a2) / (1 + a2))
    return recursive([filtering.section((b0, 0.0, 0.0), (1.0, a1, a2))], sample_rate)


def biquad(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """Coefficients as they are."""
    b, a = ([values[f"{name}{k}"] for k in range(3)] for name in "ba")
    return recursive([filtering.section(b, a)], sample_rate)


def _analog(sample_rate: int, magnitude: Callable[[torch.Tensor], torch.Tensor]) -> Impulse:
    """The filter that has an analog circuit's magnitude at every frequency, as early as it can."""
    size = filtering.ring(sample_rate, RING_S)
    hz = torch.arange(size // 2 + 1, dtype=torch.float64) * (sample_rate / size)
    return filtering.minimum_phase(magnitude(2j * math.pi * hz).abs()[None]), 0


def deemph(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """The de-emphasis of compact discs: 50 and 15 microseconds (IEC 60908)."""
    return _analog(sample_rate, lambda s: (1 + 15e-6 * s) / (1 + 50e-6 * s))


def riaa(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """The playback curve of records: 3180, 318 and 75 microseconds, 0 dB at 1 kHz."""

    def circuit(s: torch.Tensor) -> torch.Tensor:
        return (1 + 318e-6 * s) / ((1 + 3180e-6 * s) * (1 + 75e-6 * s))

    reference = circuit(torch.tensor([2j * math.pi * 1000.0], dtype=torch.complex128)).abs()
    return _analog(sample_rate, lambda s: circuit(s) / reference)


def hilbert(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """All frequencies above some 75 Hz turned by 90 degrees."""
    taps = max(3, 2 * (sample_rate // 76 // 2) + 1)
    k = np.arange(taps) - taps // 2
    odd = k % 2 == 1
    impulse = np.zeros(taps)
    impulse[odd] = 2.0 / (np.pi * k[odd])
    return _linear(impulse * np.blackman(taps + 2)[1:-1])


def fir(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """Coefficients as they are; the middle one is now."""
    impulse = values["coefficient"].float()
    return impulse, impulse.shape[1] // 2


def firfit(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """A filter of linear phase through two knots or more of frequency (Hz, ascending) and gain (dB).

    Between them it is a natural cubic spline over the logarithm of the frequency, outside them as at the outer ones.
    """
    size = 2 * (TAPS + 1)
    hz = np.arange(size // 2 + 1) * (sample_rate / size)
    rows = []
    for knots, gains in zip(values["knot"].numpy(), values["gain"].numpy(), strict=True):
        curve = scipy.interpolate.CubicSpline(np.log(knots), gains, bc_type="natural")
        rows.append(curve(np.log(np.clip(hz, knots[0], knots[-1]))))
    wanted = 10.0 ** (np.stack(rows) / 20.0)
    centred = np.fft.fftshift(np.fft.irfft(wanted, n=size), axes=1)
    middle = size // 2
    cut = centred[:, middle - TAPS // 2 : middle + TAPS // 2 + 1] * np.hamming(TAPS)
    return torch.from_numpy(cut).float(), TAPS // 2


def sinc(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """A steep filter of linear phase, 120 dB deep: what is between two frequencies passes; 0 is no bound."""
    half = 0.5 * sample_rate
    rows = []
    for low, high in zip(values["low"].tolist(), values["high"].tolist(), strict=True):
        edges = [edge for edge in (low, high) if 0 < edge < 0.99 * half]
        passes = "highpass" if low > 0 and len(edges) == 1 else "bandpass" if len(edges) == 2 else "lowpass"
        if not edges:
            rows.append(np.eye(1, TAPS, TAPS // 2)[0])
        else:
            rows.append(
                scipy.signal.firwin(TAPS, edges, pass_zero=passes, window=("kaiser", 12.26), fs=sample_rate)
            )
    return torch.from_numpy(np.stack(rows)).float(), TAPS // 2


def echo(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """Echoes of the sound, each of its own delay (ms) and decay."""
    delays = torch.round(values["delay"] / 1000.0 * sample_rate).long()
    impulse = torch.zeros(len(delays), int(delays.max()) + 1, dtype=torch.float64)
    impulse[:, 0] = values["gain_in"]
    impulse.scatter_add_(1, delays, values["decay"])
    return (impulse * values["gain_out"][:, None]).float(), 0


def echos(values: Values, units: Units, mode: str, sample_rate: int) -> Impulse:
    """Echoes in sequence: each is of the sound and of the echo before it, as SoX's manual says.

    SoX 14.4.2 itself lets them begin at the same time, so that an echo of an echo is as late as the echo alone.
    """
    delays = torch.round(values["delay"] / 1000.0 * sample_rate).long()
    rows, count = delays.shape
    impulse = torch.zeros(rows, int(delays.sum(dim=1).max()) + 1, dtype=torch.float64)
    impulse[:, 0] = values["gain_in"]
    for k in range(count):
        # What comes out of line k went through lines j..k, for every j that it can have entered at.
        for j in range(k + 1):
            time = delays[:, j : k + 1].sum(dim=1, keepdim=True)
            impulse.scatter_add_(1, time, values["decay"][:, k : k + 1])
    return (impulse * values["gain_out"][:, None]).float(), 0


def _linear(impulse: np.ndarray) -> Impulse:
    return torch.from_numpy(impulse)[None].float(), len(impulse) // 2
