"""Ten thousand files of a minute on four cards, by the model ``field``: peak memory and speed.

They are hard links to ten recordings, each of them decoded and scored. The peak is that of the largest process as the
system counted it; what ``run.json`` says of the run and its largest worker is in ``details``.
"""

from __future__ import annotations

import os

from day import analyze, figures, made
from measure import Figure, Settings, adopt_orphans

DISTINCT, CARDS = 10, 4


def run(settings: Settings) -> list[Figure]:
    """Files of a minute."""
    return linked(settings, "cards", *((12, 0.05) if settings.quick else (10_000, 1.0)))


def linked(settings: Settings, name: str, files: int, minutes: float) -> list[Figure]:
    """Files of so many minutes, with two workers."""
    adopt_orphans()
    folder = settings.folder / name
    sources = [made(settings.folder / f"{minutes:g} min", f"{n}.flac", minutes) for n in range(DISTINCT)]
    for number in range(files):
        link = folder / f"card{number % CARDS}" / f"{number:05}.flac"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            os.link(sources[number % DISTINCT], link)
    found = analyze(settings, name, [folder], 2, files * minutes / 60)
    return figures(f"{files} files of {minutes:g} min", found)
