"""A day in one file, by the model ``field``: peak memory, speed, and the bytes of the scores that are kept.

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
#: A table of buzzdetect's for a day and four classes, in MB (90,000 rows of 0.96 s).
TABLE_MB, TABLE_CLASSES, TABLE_HOP_S = 2.49, 4, 0.96


@dataclass(frozen=True)
class Cards:
    """What was analysed: its hours, what the command used, what ``run.json`` says, and the bytes of kept scores."""

    hours: float
    used: Child
    said: dict
    kept_bytes: int


def run(settings: Settings) -> list[Figure]:
    """Peak and speed with one worker; what is kept beside buzzdetect's table."""
    minutes = 0.5 if settings.quick else 1440.0
    cards = analyze(settings, "day", [made(settings.folder / "day", "day.flac", minutes)], 1, minutes / 60)
    return [*figures(f"{round(minutes / 60, 3):g} h in one file", cards), kept(settings, cards)]


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
    kept = sum(path.stat().st_size for path in (out / ".sonoscope").rglob("*.npz"))
    return Cards(hours, used, {f"{key}_mib": mib for key, mib in said["peak_rss_mib"].items()}, kept)


def kept(settings: Settings, day: Cards) -> Figure:
    """The scores kept of the day, for as many rows and classes as buzzdetect's table has, beside that."""
    spec = json.loads((settings.folder / "analysed-day" / "run.json").read_text(encoding="utf-8"))
    values = 3600 * day.hours / spec["settings"]["hop_s"] * len(spec["models"][0]["thresholds"])
    ours = day.kept_bytes / values * 24 * 3600 / TABLE_HOP_S * TABLE_CLASSES / 1e6
    details = {
        "mb": round(ours, 2),
        "buzzdetect_mb": TABLE_MB,
        "bytes_a_score": round(day.kept_bytes / values, 2),
    }
    return Figure(
        "scores of a day and 4 classes / buzzdetect's table", ours / TABLE_MB, "x", "<= 0.5", details
    )
