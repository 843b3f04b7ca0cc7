"""Does judging help? The loop of teaching, running, judging and teaching again, on simulated meadows.

    python recipes/field/loop.py [--runs 12] [--minutes 4] [--held 4] [--clips 200] [--snippets 12] [--kinds 3]
                                     [--fpr 0.02] [--folder FOLDER]

Each run is a meadow of its own, with three other things that hum (of an engine, a tool, a mosquito, cicadas ...) and
eight places; each place has its background, its loudness, and one or two of the three. Bees are taught by snippets from
two places, with unlabelled recordings from four (``train SNIPPETS --unlabelled``). The model is run over those four
(``analyze``), clips are drawn (``clips``) and judged by the truth, and the model is taught again (``--verdicts``). Both
models then score the other four places, of which nothing was ever heard: the share of seconds with a bee that is found,
at the threshold where the share given by ``--fpr`` of the seconds without any is reported. Printed in Markdown: each
meadow, and the mean gain with its 95 % interval over meadows. ``--folder`` keeps the sounds for the next time.

With ``--kinds 7`` places may hum with anything: at the four others sound things that nobody could have judged.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sonoscope import models, pipeline
from sonoscope.cli import main as sonoscope
from sonoscope.data.mix.levels import Levels
from sonoscope.data.scenes.compose import Draw, SceneSpec, compose
from sonoscope.data.scenes.insects import wing_beat
from sonoscope.data.scenes.noises import levelled
from sonoscope.models.runtime import Runtime
from sonoscope.training.teach import Wish, teach

RATE = 24_000
LABEL = "bee"
#: What hums in meadows; each has some of them (``--kinds``), and each of its places one or two of those.
OTHERS = ("engine", "tool", "cicada", "mosquito", "propeller", "bird_call", "cricket")
TAUGHT, HELD = ("A", "B", "C", "D"), ("E", "F", "G", "H")
#: Seconds of a recording.
RECORDING_S = 60.0
#: A window of which more than the first share is filled by bees has one, below the second it has none.
FILLED, EMPTY = 0.5, 0.05


@dataclass(frozen=True)
class Size:
    """Of a run: minutes at each place that is taught of, and at each other; clips to judge, snippets to begin with,
    how many things hum in the meadow, events an hour, the rate of mistakes."""

    minutes: int = 4
    held: int = 4
    clips: int = 200
    snippets: int = 12
    kinds: int = 3
    an_hour: float = 300.0
    fpr: float = 0.02


class Gain(NamedTuple):
    """Sensitivity at places that were not taught, before and after judging."""

    before: float
    after: float


#: Of recordings: when bees sound, in seconds.
Truth = dict[str, list[tuple[float, float]]]


def wings(kind: str) -> Draw:
    """What makes one insect of a kind."""
    return lambda seed, seconds, rate: levelled(
        wing_beat(np.random.default_rng(seed), seconds, rate, kind), rate
    )


FURTHER = {LABEL: (LABEL, wings("honey_bee")), "mosquito": ("", wings("mosquito"))}


def meadow(seed: int, size: Size) -> dict[str, SceneSpec]:
    """Its places."""
    rng = np.random.default_rng([seed, 11])
    kinds = rng.choice(OTHERS, size=size.kinds, replace=False)
    return {site: place(rng, size, [str(kind) for kind in kinds]) for site in (*TAUGHT, *HELD)}


def place(rng: np.random.Generator, size: Size, kinds: list[str]) -> SceneSpec:
    """What sounds at a place, and how loud bees are there."""
    others = rng.choice(kinds, size=int(rng.integers(1, 3)), replace=False)
    return SceneSpec(
        duration_s=RECORDING_S, sample_rate=RATE, event_s=(0.6, 2.5),
        events={LABEL: size.an_hour, **{str(name): size.an_hour * float(rng.uniform(0.3, 1.0)) for name in others}},
        snr_db=Levels("normal", (float(rng.uniform(2.0, 8.0)), 5.0)), background_db=(-50.0, -35.0),
    )  # fmt: skip


def record(folder: Path, specs: dict[str, SceneSpec], minutes: int, seed: int) -> Truth:
    """Recordings of places, a folder for each, and when bees sound in each; made unless they are there."""
    known = folder / "truth.json"
    if known.exists():
        return {name: [(a, b) for a, b in spans] for name, spans in json.loads(known.read_text()).items()}
    truth: Truth = {}
    for number, (site, spec) in enumerate(specs.items()):
        (folder / site).mkdir(parents=True, exist_ok=True)
        for minute in range(minutes):
            scene = compose(spec, seed * 10_000 + number * 100 + minute, further=FURTHER)
            name = f"{site}/{minute:02d}.flac"
            soundfile.write(folder / name, scene.samples, RATE)
            truth[name] = [(e.start_s, e.end_s) for e in scene.events if e.label == LABEL]
    known.write_text(json.dumps(truth))
    return truth


def snippets(folder: Path, specs: dict[str, SceneSpec], size: Size, seed: int) -> None:
    """Bees that somebody cut out at the first two places, where they were loud."""
    for site, number in ((site, n) for site in TAUGHT[:2] for n in range(size.snippets // 2)):
        place_of = folder / LABEL / site
        place_of.mkdir(parents=True, exist_ok=True)
        spec = specs[site]
        loud = SceneSpec(
            4.0, RATE, {LABEL: 3600.0}, (1.0, 2.5), Levels("uniform", (8.0, 18.0)), spec.background_db
        )
        for trial in range(100):
            scene = compose(
                loud, seed * 10_000 + 5000 + ord(site) * 50 + number + 7919 * trial, further=FURTHER
            )
            if scene.events:
                break
        first, last = (round(t * RATE) for t in (scene.events[0].start_s, scene.events[0].end_s))
        soundfile.write(place_of / f"{number:02d}.wav", scene.samples[first:last], RATE)


def share(spans: list[tuple[float, float]], start: float, end: float) -> float:
    """How much of a stretch bees fill."""
    covered = sum(max(0.0, min(end, last) - max(start, first)) for first, last in spans)
    return min(covered / (end - start), 1.0)


def judge(clips: Path, truth: Truth) -> None:
    """Verdicts of somebody who is right, and unsure where little of a bee is in the marked part."""
    with open(clips / "clips.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["clip,label,verdict"]
    for row in rows:
        filled = share(truth[row["file"]], float(row["start"]), float(row["end"]))
        verdict = "yes" if filled >= FILLED else "no" if filled <= EMPTY else "unsure"
        lines.append(f"{row['clip']},{row['label']},{verdict}")
    (clips / "verdicts-truth.csv").write_text("\n".join(lines) + "\n")


def sensitivity(model: Path, folder: Path, truth: Truth, fpr: float) -> float:
    """The share of windows with a bee that is found where ``fpr`` of those without are reported."""
    bundle = models.load(model)
    runtime = Runtime(bundle)
    inside, outside = list[float](), list[float]()
    for name, spans in truth.items():
        samples = soundfile.read(folder / name, dtype="float32")[0]
        scores = pipeline.score_samples(samples, RATE, bundle, runtime).scores
        for start, end, logit in zip(scores.starts, scores.ends, scores.logits[:, 0], strict=True):
            filled = share(spans, start / RATE, end / RATE)
            if filled >= FILLED:
                inside.append(float(logit))
            elif filled <= EMPTY:
                outside.append(float(logit))
    return float(np.mean(np.array(inside) > np.quantile(outside, 1 - fpr)))


def run(seed: int, size: Size, work: Path) -> Gain:
    """One meadow, from its sounds to the figures."""
    specs = meadow(seed, size)
    season, held = work / "season", work / "held"
    heard = record(season, {site: specs[site] for site in TAUGHT}, size.minutes, seed)
    never = record(held, {site: specs[site] for site in HELD}, size.held, seed + 500)
    for made in ("snippets", "first", "second", "out", "clips"):
        shutil.rmtree(work / made, ignore_errors=True)
    snippets(work / "snippets", specs, size, seed)
    wish = Wish((str(work / "snippets"),), unlabelled=(str(season),), seed=seed)
    teach(wish, work / "first", say=_silent)
    how = ("--site-from", "1", "-q", "--workers", 1)
    command(["analyze", season, "-m", work / "first", "-o", work / "out", *how])
    command(["clips", work / "out", "-o", work / "clips", "--count", size.clips, "--labels", LABEL])
    judge(work / "clips", heard)
    teach(replace(wish, verdicts=(work / "clips",)), work / "second", say=_silent)
    return Gain(*(sensitivity(work / name, held, never, size.fpr) for name in ("first", "second")))


def command(words: list[object]) -> None:
    """A command that must do all of its work."""
    if sonoscope([str(word) for word in words]):
        raise SystemExit(f"sonoscope {words[0]} failed")


def _silent(line: str) -> None:
    pass


def interval(gains: np.ndarray) -> tuple[float, float, float]:
    """Mean of paired differences, with Student's 95 % interval."""
    from scipy.stats import t

    mean = float(gains.mean())
    half = float(t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    return mean, mean - half, mean + half


def table(found: list[Gain]) -> str:
    """The runs and their mean in Markdown."""
    lines = ["| meadow | before | after | gain |", "|---|---|---|---|"]
    lines += [
        f"| {k} | {g.before:.2f} | {g.after:.2f} | {g.after - g.before:+.2f} |" for k, g in enumerate(found)
    ]
    if len(found) > 1:
        before, after = np.array(found).T
        mean, low, high = interval(after - before)
        lines.append(
            f"| mean | {before.mean():.2f} | {after.mean():.2f} | {mean:+.2f} [{low:+.2f}, {high:+.2f}] |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--minutes", type=int, default=Size.minutes)
    parser.add_argument("--held", type=int, default=Size.held)
    parser.add_argument("--clips", type=int, default=Size.clips)
    parser.add_argument("--snippets", type=int, default=Size.snippets)
    parser.add_argument("--kinds", type=int, default=Size.kinds, choices=range(2, len(OTHERS) + 1))
    parser.add_argument("--fpr", type=float, default=Size.fpr)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep sounds and models here, for the next time")
    asked = parser.parse_args()
    size = Size(asked.minutes, asked.held, asked.clips, asked.snippets, asked.kinds, fpr=asked.fpr)
    found = []
    for seed in range(asked.seed, asked.seed + asked.runs):
        with tempfile.TemporaryDirectory(prefix="loop-") as scratch:
            found.append(run(seed, size, asked.folder / str(seed) if asked.folder else Path(scratch)))
        before, after = found[-1]
        print(f"run {seed}: {before:.3f} -> {after:.3f}", file=sys.stderr, flush=True)
    print(table(found))


if __name__ == "__main__":
    main()
