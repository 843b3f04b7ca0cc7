"""Two workers against one over eight recordings.

The ratio of wall clocks needs two processors that do nothing else. The growth of CPU does not: what two workers cost
more than one, for starting and for sharing caches, bounds the ratio from above at ``2 / growth``.
"""

from __future__ import annotations

import os
import shutil
import statistics

from measure import Child, Figure, Settings, adopt_orphans, child, sonoscope, sound

RECORDINGS = 8


def run(settings: Settings) -> list[Figure]:
    """Ratio of wall clocks and growth of CPU."""
    adopt_orphans()
    folder = settings.folder / "eight"
    folder.mkdir(exist_ok=True)
    source = sound(settings, 0.1 if settings.quick else 10.0)
    for number in range(RECORDINGS):
        copy = folder / f"{number}{source.suffix}"
        if not copy.exists():
            shutil.copy(source, copy)
    pairs = [
        (analyze(settings, folder, 1), analyze(settings, folder, 2))
        for _ in range(1 if settings.quick else 3)
    ]
    faster = statistics.median(one.wall_s / two.wall_s for one, two in pairs)
    growth = statistics.median(two.cpu_s / one.cpu_s for one, two in pairs)
    one, two = pairs[-1]
    details = {
        "wall_s": [round(one.wall_s, 2), round(two.wall_s, 2)],
        "cpu_s": [round(one.cpu_s, 2), round(two.cpu_s, 2)],
        "processors": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
    }
    return [
        Figure("wall clock, one worker / two", faster, "x", ">= 1.8 on two free processors", details),
        Figure("CPU, two workers / one", growth, "x", ""),
    ]


def analyze(settings: Settings, folder, workers: int) -> Child:
    """The folder through the command."""
    out = settings.folder / f"workers-{workers}"
    return child(sonoscope("analyze", folder, "-o", out, "--workers", str(workers), "--overwrite", "-q"))
