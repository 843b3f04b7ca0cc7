"""What rooms, noise, overload and codecs cost: the bench's clips, spoilt, by the models that never heard their library.

    python recipes/instruments/damaged.py --data DATA --work WORK     # the fold models of build.py

At most ``--each`` clips of each of the eleven instruments from each library, the same for every kind of damage.
Rooms are drawn for each clip; the rest is fixed. Top-1 as in the bench: a class's recall is the mean over libraries.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import build
import card
import numpy as np
import wider

import sonoscope
from sonoscope.audio import decode
from sonoscope.data import damage, rooms
from sonoscope.data.damage import Damage
from sonoscope.data.datasets import collection

RATE = wider.RATE
KINDS: dict[str, Damage] = {
    "as it is": Damage(),
    "in a room": Damage(),
    "noise, 20 dB below": Damage(snr_db=20.0, noise_slope=-3.0),
    "noise, 10 dB below": Damage(snr_db=10.0, noise_slope=-3.0),
    "overload, 12 dB": Damage(drive_db=12.0),
    "MP3, 64 kbit/s": Damage(codec="mp3", sample_rate=44_100, bit_rate=64_000),
    "MP3, 32 kbit/s": Damage(codec="mp3", sample_rate=24_000, bit_rate=32_000),
    "Opus, 16 kbit/s": Damage(codec="opus", sample_rate=24_000, bit_rate=16_000),
    "telephone, 8 kHz": Damage(codec="telephone", sample_rate=8_000, bit_rate=64_000),
}


def chosen(data: Path, each: int, fold: str) -> Iterator[collection.Clip]:
    """The clips of a fold that are scored: an unbiased few of each instrument and library."""
    taken: dict[tuple[str, str], int] = defaultdict(int)
    clips = [c for c in collection.read(data) if c.fold == fold and c.label in build.ELEVEN and not c.unknown]
    for clip in sorted(clips, key=lambda clip: zlib.crc32(clip.key.encode())):
        if clip.source != "fluidr3_rendered" and taken[clip.label, clip.origin] < each:
            taken[clip.label, clip.origin] += 1
            yield clip


def spoilt(samples: np.ndarray, kind: str, key: str) -> np.ndarray:
    """The clip with one kind of damage; which room and which noise follow from its name."""
    seed = zlib.crc32(key.encode())
    done = replace(KINDS[kind], seed=seed)
    if kind == "in a room":
        done = replace(done, room=rooms.draw_room(np.random.default_rng(seed)))
    return damage.apply(samples, RATE, done)


def run(data: Path, work: Path, each: int) -> dict[str, dict[str, float]]:
    """Top-1 over the eleven and the share of clips whose own label has an event, for each kind of damage."""
    right: dict[str, dict[tuple[str, str], list[bool]]] = {kind: defaultdict(list) for kind in KINDS}
    found: dict[str, dict[tuple[str, str], list[bool]]] = {kind: defaultdict(list) for kind in KINDS}
    for fold in build.FOLDS:
        model = sonoscope.load(str(work / f"fold-{fold}" / "bundle"))
        for clip in chosen(data, each, fold):
            samples, _ = decode.read(clip.path, sample_rate=RATE)
            for kind in KINDS:
                result = model.analyze(spoilt(samples, kind, clip.key), sample_rate=RATE)
                scores, events = result.clip(), {event.label for event in result.events}
                best = max(build.ELEVEN, key=lambda label: scores[label])
                right[kind][clip.label, clip.origin].append(best == clip.label)
                found[kind][clip.label, clip.origin].append(clip.label in events)
        print(f"fold {fold}", flush=True)
    return {
        kind: {
            "clips": sum(map(len, right[kind].values())),
            "top1": round(_mean(right[kind], least=min(5, each)), 4),
            "found": round(_mean(found[kind], least=1), 4),
        }
        for kind in KINDS
    }


def _mean(hits: dict[tuple[str, str], list[bool]], least: int) -> float:
    """Mean over a class's libraries with at least so many clips, then over the classes."""
    of: dict[str, list[float]] = defaultdict(list)
    for (label, _), values in hits.items():
        if len(values) >= least:
            of[label].append(float(np.mean(values)))
    return float(np.mean([np.mean(values) for values in of.values()]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--each", type=int, default=12, help="clips of an instrument from a library at most")
    arguments = parser.parse_args()
    result = run(arguments.data, arguments.work, arguments.each)
    wider.write("damaged", result, card.damaged_table(result))


if __name__ == "__main__":
    main()
