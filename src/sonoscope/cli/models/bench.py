"""``sonoscope models bench``: what a model costs on this machine, and how late it is live."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.words import listed, number
from sonoscope.errors import UsageError, count
from sonoscope.values import columns

if TYPE_CHECKING:
    from sonoscope.speed import Speed

Model = Annotated[
    str, typer.Argument(metavar="BUNDLE", show_default=False, help="A model by name, or its folder.")
]
File = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", show_default=False, help="A recording (default: a minute of generated sound)."
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        metavar="N,...", show_default=False, help="Numbers of processes to try (default: 1 and all)."
    ),
]
Seconds = Annotated[
    float, typer.Option(metavar="SECONDS", parser=number, help="Length of the generated sound.")
]
On = Annotated[str, typer.Option("--on", metavar="cpu|cuda", help="Where the model runs.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def bench_command(
    model: Model,
    file: File = None,
    workers: Workers = None,
    seconds: Seconds = 60.0,
    on: On = "cpu",
    as_json: Json = False,
) -> int:
    """Measure a model: each stage, several workers, memory, and block by block as live.

    Times real time is seconds of sound per second. Compare figures of one machine only, and when it is idle.
    """
    from sonoscope import models, speed
    from sonoscope.models.devices import checked
    from sonoscope.values import Recording

    bundle = models.load(model)
    counts = _counts(workers)
    if not 1 <= seconds <= 3600:
        raise UsageError(f"--seconds {seconds:g} must lie in 1..3600")
    with tempfile.TemporaryDirectory(prefix="sonoscope-bench-") as scratch:
        path = file
        if path is None:
            path = Path(scratch) / "generated.flac"
            speed.made_sound(path, seconds)
        found = speed.measure(bundle, Recording(str(path), path.name), counts, on=checked(on))
    print(json.dumps(found.to_dict(), indent=2) if as_json else _text(found))
    return 0


def _counts(text: str | None) -> tuple[int, ...]:
    """Numbers of processes, smallest first."""
    from sonoscope.runs.cores import default_workers

    if text is None:
        return tuple(sorted({1, default_workers()}))
    words = listed(text)
    if not words or not all(word.isdigit() and 1 <= int(word) <= 256 for word in words):
        raise UsageError(f"--workers {text!r} must be whole numbers from 1 to 256, such as 1,2,4")
    return tuple(sorted({int(word) for word in words}))


def _text(found: Speed) -> str:
    """The figures as tables."""
    from sonoscope.cli import display

    def factor(seconds: float) -> str:
        return f"{found.audio_s / seconds:,.0f}" if seconds > 0 else ""

    rows = [("stage", "CPU ms per minute", "share", "times real time")]
    for name, taken in {**found.stages_s, "all": found.whole_s}.items():
        per_minute = 60_000 * taken / found.audio_s
        rows.append((name, f"{per_minute:,.1f}", f"{taken / found.whole_s:.0%}", factor(taken)))
    together = [("workers", "times real time", "each")]
    for workers, rate in found.workers.items():
        together.append((str(workers), f"{rate:,.0f}", f"{rate / workers:,.0f}"))
    live, ms = found.blocks, 1000.0
    late = f"; {count(live.told, 'beginning')} told"
    if live.late_s is not None:
        late += f", {ms * live.late_s:,.0f} ms late (median)"
    return "\n".join(
        (
            f"{found.model} {found.version} on {found.on}: {display.clock(found.audio_s)} of {found.file}\n",
            *columns(rows, right=(1, 2, 3)),
            "",
            *columns(together, right=(0, 1, 2)),
            f"\nmemory of a worker: {found.peak_mib:,.0f} MiB",
            f"live, a block of {ms * live.hop_s:g} ms: median {ms * live.p50_s:.2f} ms, 95 % {ms * live.p95_s:.2f}, "
            f"99 % {ms * live.p99_s:.2f}, longest {ms * live.longest_s:.2f}{late}",
            f"algorithmic delay: {found.delay.text()}",
        )
    )
