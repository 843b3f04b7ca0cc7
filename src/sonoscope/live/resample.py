"""Another rate, block by block, with as little delay as the filter itself has.

soxr's stream gives what it gives for a whole signal, but 39 ms late: it computes by FFT, in blocks. The filter sees
only 4 ms ahead. :class:`Direct` reads that filter off soxr (the answers to impulses at all phases) and applies it
sample by sample: the same numbers to 5e-7 of full scale, 35 ms earlier. Two rates without a short common period (44,100
and 11,127 Hz) have too many phases for that and go through soxr's stream; so do streams that look at a second and
more anyway, which then get the very bits of a recording.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd
from typing import NamedTuple, Protocol

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from sonoscope.audio.rates import QUALITY

#: What is below this, of the filter's largest value, is rounding of soxr's.
SMALLEST = 1e-7
#: The filter's reach on either side is sought within so many periods of the lower rate; it is about 100.
REACH_PERIODS = 130
#: Samples of impulses up to which the filter is read off; reading takes 0.1 s then.
MOST_IMPULSES = 2_000_000
#: Where a signal begins, soxr leaves out what its stages would have made of the silence before; so long, in seconds
#: times the lower rate, its own answer is taken.
HEAD_PERIODS = 200
#: Output samples computed together.
TOGETHER = 1024


class Resampler(Protocol):
    """Takes and gives mono float32, shape (n,). An output at time t is given once t + ``delay_s`` has been pushed."""

    delay_s: float

    def push(self, samples: np.ndarray) -> np.ndarray: ...
    def close(self) -> np.ndarray: ...


def resampler(from_rate: int, to_rate: int, *, prompt: bool) -> Resampler:
    """What brings ``from_rate`` to ``to_rate``; ``prompt``: with the least delay, else with soxr's own bits.

    Raises
    ------
    ValueError
        If a rate is not positive.
    """
    if min(from_rate, to_rate) < 1:
        raise ValueError(f"rates of {from_rate} and {to_rate} Hz: both must be at least 1")
    if from_rate == to_rate:
        return Same()
    periods = Periods.of(from_rate, to_rate)
    if prompt and periods.impulses * periods.inputs <= MOST_IMPULSES:
        return Direct(from_rate, to_rate)
    return Soxr(from_rate, to_rate)


class Same:
    """Nothing to do."""

    delay_s = 0.0

    def push(self, samples: np.ndarray) -> np.ndarray:
        return samples

    def close(self) -> np.ndarray:
        return np.empty(0, np.float32)


class Soxr:
    """soxr's stream."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality=QUALITY)
        self.delay_s = _delay_of_soxr(from_rate, to_rate)

    def push(self, samples: np.ndarray) -> np.ndarray:
        return self._stream.resample_chunk(np.ascontiguousarray(samples, dtype=np.float32))

    def close(self) -> np.ndarray:
        return self._stream.resample_chunk(np.empty(0, np.float32), last=True)


@lru_cache(maxsize=16)
def _delay_of_soxr(from_rate: int, to_rate: int) -> float:
    """How late its stream is at most, in seconds: it gives pieces, and is latest just before one."""
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality=QUALITY)
    step = max(from_rate // 2000, 1)
    block, given, latest = np.zeros(step, np.float32), 0, 0.0
    for count in range(step, 2 * from_rate, step):
        # Before this block the first output not given yet was that much behind the end of the sound.
        latest = max(latest, (count - 1) / from_rate - given / to_rate)
        given += len(stream.resample_chunk(block))
    return latest


class Periods(NamedTuple):
    """``outputs`` samples of one rate last as long as ``inputs`` of the other; the filter is sought within ``reach``
    inputs on either side, by ``impulses`` samples that hold an impulse for each input of a period."""

    outputs: int
    inputs: int
    reach: int
    impulses: int

    @classmethod
    def of(cls, from_rate: int, to_rate: int) -> Periods:
        common = gcd(from_rate, to_rate)
        inputs = from_rate // common
        reach = ceil(REACH_PERIODS * from_rate / min(from_rate, to_rate))
        # A multiple of the period and one: impulse after impulse falls on another phase.
        return cls(to_rate // common, inputs, reach, ceil((2 * reach + 2) / inputs) * inputs + 1)


class Filter(NamedTuple):
    """``taps[r]`` weighs ``taps.shape[1]`` inputs from ``first[r]`` on for output ``r`` of a period, float32; later
    periods read ``inputs`` further on each. ``ahead_s``: how far an output sees beyond itself."""

    taps: np.ndarray
    first: np.ndarray
    ahead_s: float


@lru_cache(maxsize=16)
def read_off(from_rate: int, to_rate: int) -> Filter:
    """soxr's filter between two rates."""
    outputs, inputs, reach, distance = Periods.of(from_rate, to_rate)
    places = distance // 2 + distance * np.arange(inputs)
    signal = np.zeros((inputs + 1) * distance, np.float32)
    signal[places] = 1.0
    answer = soxr.resample(signal, from_rate, to_rate, quality=QUALITY).astype(np.float64)
    # One fine grid for all phases: ``outputs`` steps in an input sample, its middle at ``reach`` samples.
    fine = np.zeros(2 * reach * outputs + 1)
    for place in places:
        m = np.arange(-(-(place - reach) * outputs // inputs), (place + reach) * outputs // inputs + 1)
        fine[m * inputs - place * outputs + reach * outputs] = answer[m]
    used = np.flatnonzero(np.abs(fine) > SMALLEST * np.abs(fine).max())
    # Output m is the sum of x[j] fine[m * inputs - j * outputs]: the latest input has the smallest index.
    ahead, behind = reach * outputs - int(used[0]), int(used[-1]) - reach * outputs
    m = np.arange(outputs)
    first = -(-(m * inputs - behind) // outputs)
    count = int(((m * inputs + ahead) // outputs - first).max()) + 1
    index = m[:, None] * inputs - (first[:, None] + np.arange(count)) * outputs + reach * outputs
    taps = np.where((index >= 0) & (index < fine.size), fine[np.clip(index, 0, fine.size - 1)], 0.0)
    taps[(index < used[0]) | (index > used[-1])] = 0.0
    return Filter(taps.astype(np.float32), first, ahead / outputs / from_rate)


class Direct:
    """soxr's filter, each output as soon as its inputs are there."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._rates = from_rate, to_rate
        self._outputs, self._inputs, *_ = Periods.of(from_rate, to_rate)
        self._taps, self._first, ahead_s = read_off(from_rate, to_rate)
        # The last input of an output comes with the sample after which its time plus the reach is over.
        self.delay_s = ahead_s + 1 / from_rate
        width = self._taps.shape[1]
        self._before = -int(self._first.min())  # zeros before the signal
        self._held = np.zeros(self._before, np.float32)
        self._start = -self._before  # where ``_held`` begins
        self._reach = int(
            (self._first + width - np.arange(self._outputs) * self._inputs // self._outputs).max()
        )
        self._n = self._given = 0
        self._head: list[np.ndarray] = []
        self._head_outputs = ceil(HEAD_PERIODS * to_rate / min(self._rates))

    def push(self, samples: np.ndarray) -> np.ndarray:
        return self._take(np.asarray(samples, np.float32), self._known(self._n + samples.size))

    def close(self) -> np.ndarray:
        from_rate, to_rate = self._rates
        total = (2 * self._n * to_rate + from_rate) // (2 * from_rate)  # soxr's count
        return self._take(np.zeros(self._reach + self._inputs, np.float32), total, last=True)

    def _known(self, n: int) -> int:
        """How many outputs ``n`` inputs decide: the outputs whose inputs all are among them."""
        # Output q * outputs + r reads up to first[r] + q * inputs + width - 1.
        last = self._first + self._taps.shape[1] - 1
        whole = (n - 1 - last) // self._inputs  # the last period in which it is known, for each r
        counts = whole * self._outputs + np.arange(self._outputs)
        # They come in order: the first that is not known ends them.
        return max(int((counts + self._outputs).min()), 0)

    def _take(self, samples: np.ndarray, until: int, *, last: bool = False) -> np.ndarray:
        self._held = np.concatenate([self._held, samples])
        if not last:
            self._n += samples.size
        out = np.empty(max(until - self._given, 0), np.float32)
        begun = self._given
        for at in range(begun, until, TOGETHER):
            out[at - begun :][:TOGETHER] = self._outputs_from(at, min(at + TOGETHER, until))
        if begun < self._head_outputs:
            self._mend_head(samples if not last else samples[:0], begun, out)
        self._given = max(until, begun)
        keep = int(self._first[self._given % self._outputs]) + self._given // self._outputs * self._inputs
        # Neighbouring outputs begin to read within an input of each other.
        drop = min(max(keep - 1 - self._start, 0), self._held.size)
        self._held, self._start = self._held[drop:], self._start + drop
        return out

    def _outputs_from(self, begin: int, end: int) -> np.ndarray:
        m = np.arange(begin, end)
        phase, period = m % self._outputs, m // self._outputs
        starts = self._first[phase] + period * self._inputs - self._start
        inputs = sliding_window_view(self._held, self._taps.shape[1])[starts]
        return np.einsum("ij,ij->i", inputs, self._taps[phase])

    def _mend_head(self, samples: np.ndarray, begun: int, out: np.ndarray) -> None:
        """Put soxr's own answer where the signal begins."""
        self._head.append(samples)
        if not out.size:
            return
        from_rate, to_rate = self._rates
        silence = np.zeros(2 * self._reach + from_rate // 50, np.float32)
        answer = soxr.resample(np.concatenate([*self._head, silence]), from_rate, to_rate, quality=QUALITY)
        end = min(begun + len(out), self._head_outputs, len(answer))
        out[: max(end - begun, 0)] = answer[begun:end]
