"""Recordings with events, and writing and reading without a disk."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from sonoscope.outputs import READERS, WRITERS
from sonoscope.outputs.format import WriteOptions
from sonoscope.values import Event, FileResult, Label, Scores

LABELS = (Label("violin"), Label("wind"), Label("other", kind="reject"))


def make_result(events: tuple[Event, ...] = (), **changes) -> FileResult:
    """A recording of 10 s at 44.1 kHz, analysed at 16 kHz in windows of 2.5 s."""
    starts = np.arange(4, dtype=np.int64) * 40_000
    logits = np.array(
        [[1.5, -2.25, 0.0], [3.0, -2.0, -0.0], [-7.125, 0.5, 1.0], [-1.0, 2.0, -3.0]], np.float32
    )
    scores = Scores(
        labels=("violin", "wind", "other"), sample_rate=16_000, window_samples=40_000, hop_samples=40_000,
        starts=starts, ends=starts + 40_000, logits=logits, probabilities=1 / (1 + np.exp(-logits)),
        n_samples=160_000,
    )  # fmt: skip
    given = {
        "file": "night1/a.wav", "path": "/data/field/night1/a.wav", "model": "instruments", "labels": LABELS,
        "duration_s": 10.0, "sample_rate": 44_100, "channels": 2, "events": events, "scores": scores,
        "start_datetime": "2026-05-01T21:30:00+02:00", "site": "meadow", "recorder": "AM7",
    } | changes  # fmt: skip
    return FileResult(**given)


TWO_EVENTS = (
    Event(0.0, 2.5, "violin", 0.8176, raw=1.5, low_hz=196.0, high_hz=3520.5, flags="padded"),
    Event(7.5, 10.0, "wind", 0.88, raw=2.0, channel=2),
)


@pytest.fixture
def result() -> FileResult:
    """Two events; the second has no band."""
    return make_result(TWO_EVENTS)


@pytest.fixture
def make() -> Callable[..., FileResult]:
    return make_result


@pytest.fixture
def write() -> Callable[..., str | bytes]:
    """``write(format, *results, **options)``: what the file then holds."""

    def written(form: str, *results: FileResult, **options) -> str | bytes:
        file = io.BytesIO() if WRITERS[form].binary else io.StringIO(newline="")
        WRITERS[form].write_many(results, file, WriteOptions(**options))
        return file.getvalue()

    return written


@pytest.fixture
def read() -> Callable[..., list[FileResult]]:
    """``read(format, content, **options)``: the recordings in it."""

    def found(form: str, content: str | bytes, **options) -> list[FileResult]:
        file = io.BytesIO(content) if isinstance(content, bytes) else io.StringIO(content, newline="")
        return READERS[form].read(file, **({"name": "x.txt"} | options))

    return found
