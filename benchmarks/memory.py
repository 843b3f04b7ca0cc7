"""Peak memory of the command for ten hours against ten minutes of the same sound.

``ru_maxrss`` of the whole child process, imports and writing included.
"""

from __future__ import annotations

from measure import Child, Figure, Settings, child, sonoscope, sound


def run(settings: Settings) -> list[Figure]:
    """Peaks, their ratio, and the speed of the long run."""
    short_min, long_min = (0.5, 2.0) if settings.quick else (10.0, 600.0)
    short, long = analyze(settings, short_min), analyze(settings, long_min)
    details = {f"{short_min:g}min_mib": round(short.peak_mib), f"{long_min:g}min_mib": round(long.peak_mib)}
    return [
        Figure(
            f"peak memory, {long_min:g} min / {short_min:g} min",
            long.peak_mib / short.peak_mib,
            "x",
            "<= 1.1",
        ),
        Figure(f"peak memory, {long_min:g} min", long.peak_mib, "MiB", "<= 250", details),
        Figure(
            f"{long_min:g} min, times real time", 60 * long_min / long.cpu_s, "x", "", {"cpu_s": long.cpu_s}
        ),
    ]


def analyze(settings: Settings, minutes: float) -> Child:
    """One recording through the command, into a folder."""
    out = settings.folder / f"memory-{minutes:g}"
    return child(sonoscope("analyze", sound(settings, minutes), "-o", out, "--workers", "1", "--overwrite"))
