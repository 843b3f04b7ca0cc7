"""Live: does the computing fit into a hop, how long after a note is it told, is sound lost, what does sooner cost?

The model `notes` must be known (it comes with the package, or lies in a folder of ``$SONOSCOPE_MODELS``). Computing is
measured hop by hop in CPU time of the thread, so that other programs spoil it least. Click to event is measured by the
clock, through a whole session: a file paced in real time, in which plucked notes begin at known moments. What sooner
costs is counted on recordings with known notes, where ``$SONOSCOPE_DATA`` has ``nc_maps``.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from measure import Figure, Settings

if TYPE_CHECKING:
    from sonoscope.live.moments import Moment
    from sonoscope.live.streams import Listener
    from sonoscope.values import Event

RATE = 48_000
DELAYS_S = (0.2, 0.1)
#: Recordings with known notes: every so many of them, and so much of each.
EVERY, PIECE_S = 4, 30.0


def run(settings: Settings) -> list[Figure]:
    """Computing per hop, click to event, drop-outs under load, and onset F1 by delay."""
    from sonoscope import models
    from sonoscope.models.runtime import Runtime

    bundle = models.load("notes")
    runtime = Runtime(bundle)
    seconds = 3.0 if settings.quick else 60.0
    sound, begun = plucked(seconds)
    file = settings.folder / f"plucked-{seconds:g}.wav"
    soundfile.write(file, sound, RATE)
    figures = []
    for delay_s in DELAYS_S:
        figures += [
            *computing(bundle, runtime, sound, delay_s),
            *click_to_event(bundle, runtime, file, begun, delay_s),
        ]
    figures += under_load(bundle, runtime, file)
    data = Path(os.environ.get("SONOSCOPE_DATA", ""))
    if not settings.quick and (pieces := sorted((data / "nc_maps").glob("*.csv"))[::EVERY]):
        figures += by_delay(bundle, runtime, pieces)
    return figures


def plucked(seconds: float) -> tuple[np.ndarray, list[tuple[float, int]]]:
    """Sound of plucked strings over a little noise, 48 kHz, and (moment, pitch) of each; the same every time."""
    rng = np.random.default_rng(5)
    sound = rng.standard_normal(round(seconds * RATE)) * 1e-4
    begun, now_s = [], 0.5
    while now_s < seconds - 0.8:
        pitch = int(rng.integers(48, 85))
        length = rng.uniform(0.3, 0.7)
        t = np.arange(round(length * RATE)) / RATE
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(np.sin(2 * np.pi * hertz * h * t) * np.exp(-t * 2.5 * h) / h**1.2 for h in range(1, 9))
        tone *= np.minimum(1.0, (length - t) / 0.02)
        first = round(now_s * RATE)
        sound[first : first + t.size] += 0.12 * tone
        begun.append((first / RATE, pitch))
        now_s += rng.uniform(0.12, 0.4)
    return np.clip(sound, -1, 1).astype(np.float32), begun


def computing(bundle, runtime, sound: np.ndarray, delay_s: float) -> list[Figure]:
    """Milliseconds of CPU for each hop of sound."""
    from sonoscope.live.notes import NoteStream

    stream = NoteStream(bundle, runtime, RATE, bundle.rules, delay_s=delay_s)
    hop = round(bundle.note_hop_s * RATE)
    cpu_ms, wall_ms = [], []
    for at in range(0, sound.size - hop, hop):
        cpu, wall = time.thread_time(), time.perf_counter()
        stream.push(sound[at : at + hop])
        cpu_ms.append(1000 * (time.thread_time() - cpu))
        wall_ms.append(1000 * (time.perf_counter() - wall))
    p50, p95, p99 = np.percentile(cpu_ms, [50, 95, 99])
    half_ms = 500 * bundle.note_hop_s
    details = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "hops": len(cpu_ms)}
    details |= {f"wall_p{q}_ms": round(float(np.percentile(wall_ms, q)), 2) for q in (50, 95, 99)}
    what = f"computing for a hop of {2 * half_ms:g} ms, delay {delay_s:g} s, 95 % within"
    return [Figure(what, float(p95), "ms", f"<= {half_ms:g}", details)]


class Clocked:
    """Notes when something was told, by the clock."""

    def __init__(self) -> None:
        self.told: list[tuple[float, Moment]] = []

    def begin(self, *_: object) -> None:
        self.began = time.monotonic()

    def tell(self, moment: Moment) -> None:
        self.told.append((time.monotonic() - self.began, moment))

    def end(self, *_: object) -> None:
        """Nothing more."""


def listening(file: Path, listener: Listener) -> tuple[Clocked, int, float]:
    """Listen to a file in real time; what was told when, drop-outs, and the delay that is stated."""
    from sonoscope.live.session import Session
    from sonoscope.live.sources import Played
    from sonoscope.values import Recording

    clocked, source = Clocked(), Played(Recording(str(file), file.name))
    session = Session(source, [listener], [clocked])
    session.run()
    return clocked, source.dropouts, session.delays[0].seconds + source.delay_s


def click_to_event(
    bundle, runtime, file: Path, begun: Sequence[tuple[float, int]], delay_s: float
) -> list[Figure]:
    """Milliseconds from the sample in which a note begins to its message, by the clock."""
    from sonoscope.live.streams import Listener

    clocked, dropouts, stated_s = listening(file, Listener(bundle, runtime, delay_s=delay_s))
    late_ms = []
    waiting = [(wall, m) for wall, m in clocked.told if m.kind == "on" and m.score is not None]
    for start_s, pitch in begun:
        found = [one for one in waiting if one[1].pitch == pitch and abs(one[1].time_s - start_s) < 0.05]
        if found:
            late_ms.append(1000 * (found[0][0] - start_s))
    if not late_ms:
        return [Figure(f"click to event, delay {delay_s:g} s", float("inf"), "ms")]
    p50, p95, p99 = np.percentile(late_ms, [50, 95, 99])
    details = {
        "p95_ms": round(p95), "p99_ms": round(p99), "stated_ms": round(1000 * stated_s), "dropouts": dropouts,
        "found": len(late_ms), "notes": len(begun),
    }  # fmt: skip
    return [Figure(f"click to event, delay {delay_s:g} s, median", float(p50), "ms", "", details)]


def under_load(bundle, runtime, file: Path) -> list[Figure]:
    """Drop-outs while another process computes on the same processor."""
    from sonoscope.live.streams import Listener

    busy = multiprocessing.get_context("spawn").Process(target=busily, daemon=True)
    busy.start()
    try:
        clocked, dropouts, _ = listening(file, Listener(bundle, runtime))
    finally:
        busy.terminate()
        busy.join()
    return [
        Figure(
            "drop-outs with another program on the same processor",
            dropouts,
            "",
            "0",
            {"told": len(clocked.told)},
        )
    ]


def busily() -> None:
    """Compute until somebody ends it."""
    while True:
        sum(range(10_000))


def by_delay(bundle, runtime, pieces: Sequence[Path]) -> Iterator[Figure]:
    """Onset F1 of the whole recording, and live by delay, on the same files."""
    from sonoscope import transcription
    from sonoscope.audio import decode
    from sonoscope.evaluation import notes as counted
    from sonoscope.live.notes import NoteStream
    from sonoscope.notes.decision import NoteDecision, notes_of

    rate = bundle.sample_rate
    found: dict[str, list] = {}
    for piece in pieces:
        samples, _ = decode.read(piece.with_suffix(".ogg"), sample_rate=rate)
        samples = samples[: round(PIECE_S * rate)]
        length_s = samples.size / rate
        truth = known(piece, length_s)
        kept: list = []
        transcription.note_samples(samples, rate, bundle, runtime, kept.append, cents=0.0)
        whole = notes_of(kept, NoteDecision(bundle.rules), duration_s=length_s)
        found.setdefault("the whole recording", []).append(counted.measure(truth, whole))
        for delay_s in (*DELAYS_S, 0.08):
            stream = NoteStream(bundle, runtime, rate, bundle.rules, delay_s=delay_s)
            told = [m for at in range(0, samples.size, rate) for m in stream.push(samples[at : at + rate])]
            events = [m.event for m in (*told, *stream.close()) if m.event is not None]
            found.setdefault(f"live, delay {delay_s:g} s", []).append(counted.measure(truth, events))
    for name, measured in found.items():
        summary = counted.summary(measured)["onset_f1"]
        details = {"low": round(summary.low, 3), "high": round(summary.high, 3), "files": len(measured)}
        yield Figure(f"onset F1, {name}", summary.value, "", "", details)


def known(file: Path, length_s: float) -> list[Event]:
    """The notes of a recording that begin in its first seconds; those that sound at the start begin at 0."""
    from sonoscope.values import Event

    with open(file, newline="", encoding="utf-8") as opened:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(opened)]
    return [
        Event(row["onset_s"], row["offset_s"], "note", 1.0, pitch=row["midi"])
        for row in rows
        if row["onset_s"] < length_s - 0.1
    ]
