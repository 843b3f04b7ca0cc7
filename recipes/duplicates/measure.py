"""How well near-duplicates are found: real clips, copies of them that were worked on, and clips that are none.

    python recipes/duplicates/measure.py FOLDER [--clips 200] [--seed 0] [--all]

FOLDER is a data set in the layout ``collection``, or whatever a command takes for DATA. Some clips are drawn, and
copies of them are made in each way of :data:`WAYS`; originals and copies are compared as the command does it. Two
tables are printed in Markdown: the share of copies that are tied to their original, for several similarities; and,
with ``--all``, how many pairs of all clips are tied as they are. Those of two classes are certainly no copies, unless
a label is wrong; those of one class may be either.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sonoscope.data import clips, duplicates, sources
from sonoscope.data.rows import Manifest, Row

RATE = 44_100
THRESHOLDS = (0.7, 0.8, 0.9, 0.95)
Way = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, int]]


def _mp3(samples: np.ndarray, compression: float) -> np.ndarray:
    """Through MP3 at a constant rate: 0 is the best that the encoder has, 1 the smallest."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=compression)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def _later(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(round(0.137 * RATE), np.float32), samples])


def _end_cut(samples: np.ndarray) -> np.ndarray:
    return samples[: max(round(0.6 * samples.size), 1)]


def _noisy(samples: np.ndarray, rng: np.random.Generator, db: float) -> np.ndarray:
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-db / 20)
    return samples + level * rng.standard_normal(samples.size).astype(np.float32)


WAYS: Mapping[str, Way] = {
    "14 dB softer": lambda s, rng: (0.2 * s, RATE),
    "MP3, 0.5": lambda s, rng: (_mp3(s, 0.5), RATE),
    "MP3, 0.9": lambda s, rng: (_mp3(s, 0.9), RATE),
    "at 16 kHz": lambda s, rng: (soxr.resample(s, RATE, 16_000), 16_000),
    "0.137 s of silence in front": lambda s, rng: (_later(s), RATE),
    "first 60 %": lambda s, rng: (_end_cut(s), RATE),
    "from 25 % to 85 %": lambda s, rng: (s[round(0.25 * s.size) : round(0.85 * s.size)], RATE),
    "noise at -30 dB": lambda s, rng: (_noisy(s, rng, 30), RATE),
    "first 60 %, softer, later, MP3 0.5, 22.05 kHz": lambda s, rng: (
        soxr.resample(_mp3(_later(0.3 * _end_cut(s)), 0.5), RATE, 22_050),
        22_050,
    ),
}


def main() -> int:
    """Make the copies, compare, print."""
    parser = argparse.ArgumentParser(description="Measure the search for near-duplicates.")
    parser.add_argument("folder")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="compare all clips as they are, too")
    options = parser.parse_args()
    known = Path(options.folder, "manifest.csv").is_file()
    source = sources.load(f"collection:{options.folder}" if known else options.folder)
    rng = np.random.default_rng(options.seed)
    drawn = sorted(rng.choice(len(source), min(options.clips, len(source)), replace=False))
    rows = [source.rows[i] for i in drawn]
    head = " | ".join(f"≥ {t:g}" for t in THRESHOLDS)
    print(f"| copy | {head} |\n|---|{'---|' * len(THRESHOLDS)}")
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            similarities = _of_copies(source, rows, Path(folder), way, rng)
        print(f"| {name} | " + " | ".join(f"{np.mean(similarities >= t):.1%}" for t in THRESHOLDS) + " |")
    if options.all:
        _as_they_are(source, head)
    return 0


def _as_they_are(source: Manifest, head: str) -> None:
    """The second table."""
    print(f"\n| pairs of clips as they are | {head} |\n|---|{'---|' * len(THRESHOLDS)}")
    begun = time.process_time()
    pairs = duplicates.find(source, similar=min(THRESHOLDS))
    for kind, same in (("of one class", True), ("of two classes", False)):
        found = np.array(
            [p.similarity for p in pairs if (_class(source, p.first) == _class(source, p.second)) == same]
        )
        print(f"| {kind} | " + " | ".join(str(int(np.sum(found >= t))) for t in THRESHOLDS) + " |")
    print(f"{len(source)} clips: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr)


def _class(manifest: Manifest, place: int) -> str:
    row = manifest.rows[place]
    return row.extra.get("class", ";".join(row.labels))


def _of_copies(
    source: Manifest, rows: list[Row], folder: Path, way: Way, rng: np.random.Generator
) -> np.ndarray:
    """The similarity of each clip and its copy, 0 where they were not tied, shape (clips that are not silent,)."""
    made: list[Row] = []
    for number, clip in enumerate(clips.each(source, RATE, rows=rows)):
        if not clip.samples.any():
            continue
        for name, (samples, rate) in (("", (clip.samples, RATE)), ("-copy", way(clip.samples, rng))):
            soundfile.write(folder / f"{number}{name}.wav", samples, rate, subtype="FLOAT")
            made.append(Row(f"{number}{name}.wav", duration_s=samples.size / rate))
    found = np.zeros(len(made) // 2)
    for pair in duplicates.find(Manifest(tuple(made), folder), similar=min(THRESHOLDS)):
        if pair.first // 2 == pair.second // 2:
            found[pair.first // 2] = pair.similarity
    return found


if __name__ == "__main__":
    sys.exit(main())
