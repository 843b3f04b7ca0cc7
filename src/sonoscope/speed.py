"""What a model costs: time in each stage, with several workers, block by block as it comes, memory, and delay.

A run is the pipeline's own, with clocks between its stages: decoding (resampling included), features, network; what is
left is the rest. Times are CPU, which other programs disturb least; "times real time" is sound per CPU second. Workers
are processes that score the same recording at the same moment, so there it is wall clock. Live, a block of one hop is
pushed at a time, and what counts is the wall clock of each: the slowest decide whether it keeps up. The delay is what
the model waits for by its own make (``live``), computing apart.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import models, pipeline, transcription
from sonoscope.audio.decode import Decoder
from sonoscope.errors import UsageError
from sonoscope.events import Decision
from sonoscope.live.moments import Delay
from sonoscope.live.streams import Listener
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording

#: Runs of which the median counts.
RUNS = 3
#: Seconds that are streamed at most, and blocks at the beginning that do not count.
STREAMED_S, WARMING = 60.0, 3
#: How long each worker is kept busy at least.
BUSY_S = 1.0
STAGES = ("decode", "features", "network", "rest")


@dataclass(frozen=True)
class Blocks:
    """Live: seconds of wall clock for each block, and how late beginnings were told.

    Attributes
    ----------
    hop_s : float
        Of sound in a block.
    p50_s, p95_s, p99_s, longest_s : float
    told : int
        Beginnings that were told.
    late_s : float or None
        Median of how much sound was heard after each before it was told.
    """

    hop_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float
    told: int
    late_s: float | None


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes
    ----------
    model, version, on, file : str
    audio_s : float
    stages_s : dict
        CPU seconds of each of :data:`STAGES`.
    whole_s : float
        CPU seconds of all of it.
    workers : dict of int to float
        Processes to seconds of sound per second of wall clock, all together.
    peak_mib : float
        Of one worker, everything it loads included.
    blocks : Blocks
    delay : Delay
        Algorithmic, from the sound to its being told.
    """

    model: str
    version: str
    on: str
    file: str
    audio_s: float
    stages_s: dict[str, float]
    whole_s: float
    workers: dict[int, float]
    peak_mib: float
    blocks: Blocks
    delay: Delay

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        parts = {part.what: round(part.seconds, 4) for part in self.delay.parts}
        found["delay"] = {"seconds": round(self.delay.seconds, 4), "parts": parts}
        found["real_time"] = {
            name: round(self.audio_s / seconds, 1) if seconds else None
            for name, seconds in {**self.stages_s, "whole": self.whole_s}.items()
        }
        return found


def measure(
    bundle: Bundle, recording: Recording, workers: Sequence[int] = (1,), *, on: str = "cpu", runs: int = RUNS
) -> Speed:
    """Measure a model on a recording.

    Parameters
    ----------
    bundle : Bundle
    recording : Recording
    workers : sequence of int
        Numbers of processes to try.
    on : str
        ``cpu`` or ``cuda``.
    runs : int
        Of which the median counts.

    Raises
    ------
    UnreadableAudio
        If the recording cannot be decoded.
    UsageError
        If it holds no sound, or there is no GPU.
    """
    took = [staged(bundle, recording, on) for _ in range(runs)]
    audio_s, stages, whole = sorted(took, key=lambda each: each[2])[len(took) // 2]
    if not audio_s:
        raise UsageError(f"{recording.path} holds no sound")
    rates, peak_mib = {}, 0.0
    for count in workers:
        rates[count], memory = together(bundle, recording, count, audio_s, on)
        peak_mib = max(peak_mib, memory)
    blocks, delay = streamed(bundle, recording, on)
    return Speed(
        bundle.name,
        bundle.version,
        on,
        recording.name,
        audio_s,
        stages,
        whole,
        rates,
        peak_mib,
        blocks,
        delay,
    )


def staged(bundle: Bundle, recording: Recording, on: str) -> tuple[float, dict[str, float], float]:
    """One run with clocks: seconds of sound, CPU seconds of each stage, CPU seconds of all."""
    clocks = {name: _Clock() for name in STAGES}
    watched = Bundle(bundle.path, bundle.spec)
    if bundle.feature is not None:
        watched.__dict__["feature"] = _TimedFeature(bundle.feature, clocks["features"])
    runtime = Runtime(watched, on)
    runtime.session = _TimedSession(runtime.session, clocks["network"])
    began = time.process_time()
    with Decoder(recording, sample_rate=bundle.sample_rate) as decoder:
        _score(clocks["decode"].steps(decoder.blocks()), watched, runtime)
        audio_s = decoder.duration_s
    whole = time.process_time() - began
    stages = {name: clock.seconds for name, clock in clocks.items()}
    stages["rest"] = max(whole - sum(stages.values()), 0.0)
    return audio_s, stages, whole


def _score(blocks: Iterable[np.ndarray], bundle: Bundle, runtime: Runtime) -> None:
    if bundle.task == NOTES:
        transcription.note_blocks(blocks, bundle, runtime, lambda scores: None, cents=0.0)
    else:
        pipeline.score_blocks(blocks, bundle, runtime)


class _Clock:
    """Adds up CPU seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function on the clock."""

        def call(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.process_time() - began

        return call

    def steps(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks, the making of each on the clock."""
        take = self.timed(lambda: next(iterator, None))
        iterator = iter(blocks)
        while (block := take()) is not None:
            yield block


class _Through:
    """What it stands before, but for what a subclass puts a clock on."""

    def __init__(self, inner: Any, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _TimedSession(_Through):
    def run(self, *arguments: Any) -> Any:
        return self._clock.timed(self._inner.run)(*arguments)


class _TimedKernel(_Through):
    def __call__(self, out: np.ndarray) -> None:
        self._clock.timed(self._inner)(out)


class _TimedStream(_Through):
    def push(self, samples: np.ndarray) -> Any:
        return self._clock.timed(self._inner.push)(samples)

    def close(self, *arguments: Any) -> Any:
        return self._clock.timed(self._inner.close)(*arguments)


class _TimedFeature(_Through):
    def __call__(self, samples: np.ndarray) -> Any:
        return self._clock.timed(self._inner)(samples)

    def stream(self, *arguments: Any) -> Any:
        return _TimedStream(self._inner.stream(*arguments), self._clock)

    def kernel(self, n_frames: int) -> Any:
        return _TimedKernel(self._inner.kernel(n_frames), self._clock)


def together(
    bundle: Bundle, recording: Recording, count: int, audio_s: float, on: str
) -> tuple[float, float]:
    """Seconds of sound per second of wall clock of so many processes, and the memory of the largest in MiB."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    arguments = (barrier, str(bundle.path), recording, on)
    with ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=arguments) as pool:
        found = [task.result() for task in [pool.submit(_busy) for _ in range(count)]]
    return sum(times * audio_s / seconds for times, seconds, _ in found), max(peak for *_, peak in found)


_WORK: dict[str, Any] = {}


def _begin(barrier: Any, folder: str, recording: Recording, on: str) -> None:
    """In a worker: load, and score once."""
    bundle = models.load(folder)
    _WORK.update(barrier=barrier, bundle=bundle, runtime=Runtime(bundle, on), recording=recording)
    _once()


def _once() -> None:
    with Decoder(_WORK["recording"], sample_rate=_WORK["bundle"].sample_rate) as decoder:
        _score(decoder.blocks(), _WORK["bundle"], _WORK["runtime"])


def _busy() -> tuple[int, float, float]:
    """In a worker: score for a while beside the others; how often, in what time, and the largest memory."""
    _WORK["barrier"].wait()
    times, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < BUSY_S or not times:
        _once()
        times += 1
    return times, seconds, _peak_mib()


def _peak_mib() -> float:
    """The most memory that this process held; 0 where that is not known (Windows)."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def streamed(bundle: Bundle, recording: Recording, on: str) -> tuple[Blocks, Delay]:
    """Push a block of one hop at a time, as it would come live."""
    with Decoder(recording, sample_rate=bundle.sample_rate) as decoder:
        rate = decoder.info.sample_rate
    hop_s = bundle.note_hop_s if bundle.task == NOTES else bundle.hop_samples / bundle.sample_rate
    decision = None
    if bundle.task != NOTES:
        decision = Decision(bundle.thresholds, bundle.low_thresholds, bundle.min_duration_s, bundle.max_gap_s)
    stream = Listener(bundle, Runtime(bundle, on), decision).begin(rate)
    samples = _head(recording, rate)
    size = max(round(hop_s * rate), 1)
    seconds, late = [], []
    for first in range(0, samples.size, size):
        began = time.perf_counter()
        moments = stream.push(samples[first : first + size])
        seconds.append(time.perf_counter() - began)
        late += [moment.told_s - moment.time_s for moment in moments if moment.kind == "on"]
    counted = seconds[WARMING:] or seconds
    p50, p95, p99 = (float(value) for value in np.percentile(counted, (50, 95, 99)))
    median = statistics.median(late) if late else None
    return Blocks(hop_s, p50, p95, p99, max(counted), len(late), median), stream.delay


def _head(recording: Recording, rate: int) -> np.ndarray:
    """The beginning of a recording at its own rate."""
    held: list[np.ndarray] = []
    with Decoder(recording, sample_rate=rate) as decoder:
        for block in decoder.blocks():
            held.append(block.copy())
            if sum(part.size for part in held) >= STREAMED_S * rate:
                break
    return np.concatenate(held)[: round(STREAMED_S * rate)]


def made_sound(path: Path, seconds: float = 60.0, rate: int = 44_100) -> None:
    """Write notes over noise as FLAC, 16 bits, mono: something to measure on where no recording is given."""
    import soundfile

    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_16", format="FLAC") as file:
        for _ in range(round(2 * seconds)):
            since = np.arange(rate // 2) / rate
            pitch_hz = 55.0 * 2.0 ** rng.uniform(0.0, 4.0)
            note = sum(np.sin(2 * np.pi * k * pitch_hz * since) / k for k in range(1, 7))
            file.write(0.15 * np.exp(-4 * since) * note + 0.02 * rng.standard_normal(since.size))
