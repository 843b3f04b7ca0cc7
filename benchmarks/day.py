"""A day in one file, by the model ``field``: peak memory and speed.

The peak is that of the largest process as the system counted it, imports and writing included; what ``run.json`` says
of the run and its largest worker is in ``details``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import HERE, Child, Figure, Settings, child, sonoscope

RATE_HZ = 22_050
LIMIT_MIB = 400


@dataclass(frozen=True)
class Cards:
    """What was analysed: its hours, what the command used, and what ``run.json`` says."""

    hours: float
    used: Child
    said: dict


def run(settings: Settings) -> list[Figure]:
    """With one worker."""
    minutes = 0.5 if settings.quick else 1440.0
    cards = analyze(settings, "day", [made(settings.folder / "day", "day.flac", minutes)], 1, minutes / 60)
    return figures(f"{round(minutes / 60, 3):g} h in one file", cards)


def figures(what: str, cards: Cards) -> list[Figure]:
    """Peak and speed."""
    details = {**cards.said, "cpu_s": round(cards.used.cpu_s, 1), "wall_s": round(cards.used.wall_s, 1)}
    return [
        Figure(f"{what}: peak memory", cards.used.peak_mib, "MiB", f"<= {LIMIT_MIB}", details),
        Figure(f"{what}: CPU, times real time", 3600 * cards.hours / cards.used.cpu_s, "x", ""),
    ]


def made(folder: Path, name: str, minutes: float) -> Path:
    """A synthetic recording (sound.py), made once, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).exists():
        child([sys.executable, HERE / "sound.py", folder / name, str(minutes), str(RATE_HZ)])
    return folder / name


def analyze(settings: Settings, name: str, inputs: list[Path], workers: int, hours: float) -> Cards:
    """The inputs through the command, into a folder."""
    out = settings.folder / f"analysed-{name}"
    words = ("-m", "field", "-o", out, "--workers", str(workers), "--overwrite", "-q")
    used = child(sonoscope("analyze", *inputs, *words))
    said = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return Cards(hours, used, {f"{key}_mib": mib for key, mib in said["peak_rss_mib"].items()})
