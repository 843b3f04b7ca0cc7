"""How well near-duplicates are found: real clips, copies of them that were worked on, and clips that are none.

    python recipes/duplicates/measure.py FOLDER [--clips 200] [--seed 0]

FOLDER is a data set in the layout ``collection`` or any manifest. Some clips are drawn, and of each a copy is made in
each way of :data:`WAYS`. All of them, and the originals, are compared as the command does it, and two tables are
printed in Markdown: the share of copies that are tied to their original, for several similarities; and how many pairs
of clips of *different classes*, which are certainly no copies, are taken for such among the drawn clips.
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
    options = parser.parse_args()
    known = Path(options.folder, "manifest.csv").is_file()
    source = sources.load(f"collection:{options.folder}" if known else options.folder)
    rng = np.random.default_rng(options.seed)
    drawn = sorted(rng.choice(len(source), min(options.clips, len(source)), replace=False))
    with tempfile.TemporaryDirectory() as folder:
        manifest, originals = _copies(source, [source.rows[i] for i in drawn], Path(folder), rng)
        begun = time.process_time()
        pairs = duplicates.find(manifest, similar=min(THRESHOLDS))
        took = time.process_time() - begun
    print(_recall(pairs, originals))
    print(_precision(pairs, manifest, originals))
    seconds = sum(row.duration_s or 0.0 for row in manifest.rows)
    print(f"{len(manifest)} clips, {seconds:.0f} s of sound: {took:.0f} s of CPU", file=sys.stderr)
    return 0


def _copies(
    source: Manifest, rows: list[Row], folder: Path, rng: np.random.Generator
) -> tuple[Manifest, list[tuple[int, str]]]:
    """Originals and copies on disk; for each row, which original it is of and the way it was made."""
    made, of = [], []
    for number, clip in enumerate(clips.each(source, RATE, rows=rows)):
        if not clip.samples.any():
            continue
        about = clip.row.extra.get("class", ";".join(clip.row.labels))
        for way in ("", *WAYS):
            samples, rate = WAYS[way](clip.samples, rng) if way else (clip.samples, RATE)
            name = f"{number}-{len(made)}.wav"
            soundfile.write(folder / name, samples, rate, subtype="FLOAT")
            made.append(Row(name, duration_s=samples.size / rate, labels=(about,)))
            of.append((number, way))
    return Manifest(tuple(made), folder), of


def _recall(pairs: list[duplicates.Pair], of: list[tuple[int, str]]) -> str:
    tied = {}
    for pair in pairs:
        (one, way), (other, second_way) = of[pair.first], of[pair.second]
        if one == other and "" in (way, second_way):
            tied[one, way or second_way] = pair.similarity
    lines = [
        "| copy | " + " | ".join(f"≥ {t:g}" for t in THRESHOLDS) + " |",
        "|---|" + "---|" * len(THRESHOLDS),
    ]
    for way in WAYS:
        found = [tied.get((number, way), 0.0) for number in sorted({n for n, _ in of})]
        shares = (f"{np.mean(np.array(found) >= t):.1%}" for t in THRESHOLDS)
        lines.append(f"| {way} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def _precision(pairs: list[duplicates.Pair], manifest: Manifest, of: list[tuple[int, str]]) -> str:
    """Among all originals and copies: pairs of one class may be takes of one note, those of two cannot be copies."""
    head = "| pairs | " + " | ".join(f"≥ {t:g}" for t in THRESHOLDS) + " |"
    lines = [head, "|---|" + "---|" * len(THRESHOLDS)]
    kinds: dict[str, list[float]] = {"a copy": [], "one class": [], "two classes": []}
    for pair in pairs:
        if of[pair.first][0] == of[pair.second][0]:
            kind = "a copy"
        else:
            same = manifest.rows[pair.first].labels == manifest.rows[pair.second].labels
            kind = "one class" if same else "two classes"
        kinds[kind].append(pair.similarity)
    for kind, found in kinds.items():
        counts = (str(int(np.sum(np.array(found) >= t))) for t in THRESHOLDS)
        lines.append(f"| {kind} | " + " | ".join(counts) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
