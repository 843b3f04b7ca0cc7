"""Each of SoX's 58 effects: what it is here, or why it is not.

The names are those of SoX 14.4.2 that torchaudio lists as ``sox_effects.effect_names()``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from sonoscope.errors import UsageError
from sonoscope.training.augment import filtering
from sonoscope.training.augment.pitch_shift import pitched
from sonoscope.training.augment.protocol import Draws, EachRow
from sonoscope.training.augment.reverb import Reverb
from sonoscope.training.augment.sox import filters, shapes
from sonoscope.training.augment.sox.words import Given, Number, drawn
from sonoscope.training.augment.time_inversion import TimeInversion

#: Makes an effect of the numbers, the mode, and the sampling rate.
Make = Callable[[Given, str, int], EachRow]


@dataclass(frozen=True)
class Kind:
    """An effect: the words that it takes (``words.given``), how it is made, and the modes that may stand among them."""

    usage: str
    make: Make
    modes: tuple[str, ...] = ()


class OfNumbers(EachRow):
    """An effect of numbers that every row draws."""

    def __init__(self, numbers: Given, mode: str, sample_rate: int) -> None:
        super().__init__(sample_rate=sample_rate, share=1.0)
        self.numbers, self.mode = numbers, mode
        self.units = {name: said.unit for name, said in numbers.items() if isinstance(said, Number)}

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        return drawn(self.numbers, rows, rng)


class Filter(OfNumbers):
    """A filter of ``filters``."""

    def __init__(self, design: filters.Design, numbers: Given, mode: str, sample_rate: int) -> None:
        super().__init__(numbers, mode, sample_rate)
        self.design = design

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        impulse, ahead = self.design(super().draw(rows, n, rng), self.units, self.mode, self.sample_rate)
        return {"impulse": impulse.expand(rows, -1), "ahead": torch.full((rows,), ahead)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return filtering.convolved(samples, drawn["impulse"], int(drawn["ahead"][0]))


class Change(OfNumbers):
    """An effect of ``shapes``."""

    def __init__(self, shape: shapes.Shape, numbers: Given, mode: str, sample_rate: int) -> None:
        super().__init__(numbers, mode, sample_rate)
        self.shape = shape

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        return self.shape(samples, real, drawn, self.mode, self.sample_rate)


class Dither(OfNumbers):
    """Rounded to ``bits``, with triangular noise that hides the steps."""

    def draw(self, rows: int, n: int, rng: torch.Generator) -> Draws:
        noise = torch.rand(rows, n, generator=rng) - torch.rand(rows, n, generator=rng)
        return {"noise": noise, **super().draw(rows, n, rng)}

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        steps = 2.0 ** (drawn["bits"].to(samples.dtype)[:, None] - 1.0)
        return torch.round(samples * steps + drawn["noise"]) / steps


class Pitch(OfNumbers):
    """Higher by hundredths of a semitone at the same tempo."""

    def change(self, samples: torch.Tensor, real: torch.Tensor, drawn: Draws) -> torch.Tensor:
        cents = self.numbers["cents"]
        assert isinstance(cents, Number)
        highest = 2.0 ** (cents.high / 1200.0)
        return pitched(samples, real, drawn["cents"] / 100.0, self.sample_rate, highest)


def _room(numbers: Given, mode: str, sample_rate: int) -> EachRow:
    """Our reverberation with the time that SoX's (Freeverb) has at these words.

    Freeverb's combs feed back ``g = 1 - exp((r - b) / (a b))`` of what they hold, r in per cent, and are 30.6 ms long
    on average at full scale; the sound falls by 60 dB in ``3 * length / -log10(g)``.
    """

    def ends(name: str) -> tuple[float, float]:
        said = numbers[name]
        assert isinstance(said, Number)
        return said.low, said.high

    a = -1.0 / math.log(1.0 - 0.3)
    b = 100.0 / (math.log(1.0 - 0.98) * a + 1.0)

    def seconds(percent: float, size: float) -> float:
        fed_back = 1.0 - math.exp((percent - b) / (a * b))
        return 3.0 * 0.0306 * (size / 100.0 * 0.9 + 0.1) / -math.log10(fed_back)

    for name in ("reverberance", "damping", "room"):
        low, high = ends(name)
        if low < 0 or high > 100:
            raise UsageError(f"sox: reverb: {name}={low:g}..{high:g} must lie in 0..100 per cent")
    (dry, wet), (soft, damp), (small, large) = ends("reverberance"), ends("damping"), ends("room")
    gap, level = ends("pre_delay"), ends("wet_gain")
    return Reverb(
        sample_rate=sample_rate, share=1.0, rt60_s=(seconds(dry, small), seconds(wet, large)),
        damping=(1.0 - 0.009 * damp, 1.0 - 0.009 * soft), gap_s=(gap[0] / 1000.0, gap[1] / 1000.0),
        ratio_db=(3.0 - level[1], 3.0 - level[0]),
    )  # fmt: skip


def _reverse(numbers: Given, mode: str, sample_rate: int) -> EachRow:
    return TimeInversion(sample_rate=sample_rate, share=1.0)


def _filter(usage: str, design: filters.Design, *modes: str) -> Kind:
    return Kind(usage, lambda numbers, mode, rate: Filter(design, numbers, mode, rate), modes)


def _change(usage: str, shape: shapes.Shape, *modes: str) -> Kind:
    return Kind(usage, lambda numbers, mode, rate: Change(shape, numbers, mode, rate), modes)


EFFECTS: dict[str, Kind] = {
    "allpass": _filter("frequency width", filters.of_band(filtering.all_pass, "h")),
    "band": _filter("frequency width=0", filters.resonance, "-n"),
    "bandpass": _filter("frequency width", filters.band_pass, "-c"),
    "bandreject": _filter("frequency width", filters.of_band(filtering.band_reject, "h")),
    "bass": _filter("gain frequency=100 width=0.5s", filters.of_gain(filtering.low_shelf, "s")),
    "biquad": _filter("b0 b1 b2 a0 a1 a2", filters.biquad),
    "chorus": _change("gain_in gain_out delay... decay... speed... depth...", shapes.chorus, "-s"),
    "contrast": _change("amount=75", shapes.contrast),
    "dcshift": _change("shift", shapes.dcshift),
    "deemph": _filter("", filters.deemph),
    "delay": _change("seconds", shapes.delay),
    "dither": Kind("bits=16", Dither),
    "echo": _filter("gain_in gain_out delay... decay...", filters.echo),
    "echos": _filter("gain_in gain_out delay... decay...", filters.echos),
    "equalizer": _filter("frequency width gain", filters.of_gain(filtering.peak, "h")),
    "fade": _change("in stop=0 out=0", shapes.fade, *shapes.CURVES),
    "fir": _filter("coefficient...", filters.fir),
    "firfit": _filter("knot... gain...", filters.firfit),
    "flanger": _change("delay=0 depth=2 regen=0 width=71 speed=0.5", shapes.flanger),
    "gain": _change("gain", shapes.gain),
    "highpass": _filter("frequency width=0.70711q", filters.of_band(filtering.high_pass)),
    "hilbert": _filter("", filters.hilbert),
    "lowpass": _filter("frequency width=0.70711q", filters.of_band(filtering.low_pass)),
    "norm": _change("level=0", shapes.norm),
    "overdrive": _change("gain=20 colour=20", shapes.overdrive),
    "pitch": Kind("cents", Pitch),
    "reverb": Kind("reverberance=50 damping=50 room=100 stereo=100 pre_delay=0 wet_gain=0", _room),
    "reverse": Kind("", _reverse),
    "riaa": _filter("", filters.riaa),
    "sinc": _filter("low high", filters.sinc),
    "speed": _change("factor", shapes.speed),
    "stretch": _change("factor", shapes.stretch),
    "tempo": _change("factor", shapes.tempo),
    "treble": _filter("gain frequency=3000 width=0.5s", filters.of_gain(filtering.high_shelf, "s")),
    "tremolo": _change("speed depth=40", shapes.tremolo),
    "vol": _change("gain", shapes.vol, "amplitude", "power", "dB"),
}

_STEREO = "needs two channels or more, and windows have one"
_LENGTH = "changes the length, and a window keeps its own"
_REPORTS = "reports figures and changes nothing: see `data summary`"
_RATE = "changes the sampling rate, and a batch has one; low_pass and codec give what a lower rate leaves"

#: Effects of SoX that there are not here, and why.
REASONS: dict[str, str] = {
    "bend": "bends pitch at stated times, which windows that are drawn do not have; pitch moves a whole window",
    "channels": _STEREO,
    "compand": "follows the level from sample to sample, which has no form for a batch; clipping (soft) is nearest",
    "divide": _STEREO,
    "downsample": _RATE,
    "earwax": _STEREO,
    "loudness": "needs the curves of the ear (ISO 226), for one level; equalizer, bass and treble bend as much",
    "mcompand": "is compand in bands, and that is not here",
    "oops": _STEREO,
    "pad": f"{_LENGTH}; delay and time_shift move the sound in it",
    "phaser": "feeds a swinging delay back, sample by sample, which has no form for a batch; flanger is nearest",
    "rate": _RATE,
    "remix": _STEREO,
    "repeat": f"{_LENGTH}; what is too short goes round anyway",
    "silence": f"{_LENGTH}; `data extract` leaves silence out",
    "stat": _REPORTS,
    "stats": _REPORTS,
    "swap": _STEREO,
    "synth": "makes sound instead of changing it; noise and background add some",
    "trim": f"{_LENGTH}; windows are drawn from all of a recording",
    "upsample": _RATE,
    "vad": f"{_LENGTH}; `data extract` leaves silence out",
}
