"""A recording to a table of window scores: the naive script (naive.py) against sonoscope, the same network.

In one process after a warm-up, so imports and librosa's compilation are left out; then as two commands, with all that
starting them costs.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from measure import HERE, Figure, Settings, child, interleaved, ratio, sonoscope, sound

#: Overlap of the windows and the ratio that is owed.
GOALS = {0.0: 2.5, 0.5: 4.0, 0.75: 6.0}


def run(settings: Settings) -> list[Figure]:
    """Ratios of user CPU at several overlaps, without and with imports."""
    # The commands first: see `child` on the memory of who starts them.
    with_imports = commands(settings)
    return steady(settings) + with_imports


def steady(settings: Settings) -> list[Figure]:
    """In one process, imports left out."""
    import torch

    import naive
    from sonoscope import models, pipeline
    from sonoscope.models.runtime import Runtime
    from sonoscope.outputs import scoretable
    from sonoscope.values import Recording

    torch.set_num_threads(1)
    bundle = models.load("instruments")
    network, spec = naive.load(bundle.path)
    runtime = Runtime(bundle)
    recording, short = (
        sound(settings, minutes) for minutes in ((0.1, 0.05) if settings.quick else (10.0, 0.2))
    )
    table = settings.folder / "scores.csv"
    window_s = bundle.window_samples / bundle.sample_rate

    def ours(path: Path, hop_s: float) -> None:
        analysis = pipeline.score_recording(Recording(str(path), path.name), bundle, runtime, hop_s=hop_s)
        with open(table, "w", newline="") as file:
            scoretable.write_table(analysis.scores, file, duration_s=analysis.duration_s)

    naive.score(short, network, spec, window_s, table)
    ours(short, window_s)
    figures = []
    for overlap, goal in GOALS.items():
        hop_s = window_s * (1 - overlap)
        seconds = interleaved(
            {
                "naive": lambda hop_s=hop_s: naive.score(recording, network, spec, hop_s, table),
                "ours": lambda hop_s=hop_s: ours(recording, hop_s),
            },
            settings.repeats,
        )
        value, details = ratio(seconds["naive"], seconds["ours"])
        figures.append(
            Figure(
                f"librosa + eager torch / sonoscope, overlap {overlap:.0%}",
                value,
                "x",
                f">= {goal:g}",
                details,
            )
        )
    return figures


def commands(settings: Settings) -> list[Figure]:
    """As two commands at the model's own hop: imports, model loading and all files of a run included."""
    from sonoscope import models

    bundle = models.load("instruments")
    recording = sound(settings, 0.1 if settings.quick else 10.0)
    hop_s = bundle.hop_samples / bundle.sample_rate
    table = settings.folder / "naive.csv"
    script = [sys.executable, HERE / "naive.py", bundle.path, recording, str(hop_s), table]
    out = settings.folder / "commands"
    command = sonoscope("analyze", recording, "-o", out, "--workers", "1", "--scores", "--overwrite")
    pairs = [(child(script), child(command)) for _ in range(1 if settings.quick else 3)]
    value, details = ratio([slow.user_s for slow, _ in pairs], [fast.user_s for _, fast in pairs])
    memory = [slow.peak_mib / fast.peak_mib for slow, fast in pairs]
    peaks = {
        "naive_mib": round(max(slow.peak_mib for slow, _ in pairs)),
        "ours_mib": round(max(fast.peak_mib for _, fast in pairs)),
    }
    what = f"imports included, hop {hop_s:g} s"
    return [
        Figure(f"script / command, {what}", value, "x", "", details),
        Figure(f"peak memory, script / command, {what}", statistics.median(memory), "x", "", peaks),
    ]
