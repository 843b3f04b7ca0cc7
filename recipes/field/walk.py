"""From snippets and recorder cards to rates: a simulated season, walked through with the commands of its owner.

    python recipes/field/walk.py FOLDER [--hours 200] [--minutes 10] [--scenes 24] [--sites 4] [--snippets 40]
                                        [--clips 200] [--seed 0] [--model MODEL]

FOLDER gets snippets of insects from three places that are none of the sites, and the cards of one recorder a site, as
they come out of the field: files named by their start, one that the battery cut off, an empty one, one of a clock that
had lost its power, and what macOS leaves behind. Their sound is synthesised (:mod:`sonoscope.data.scenes`), so what is
true is known. A few scenes are made, and hard links give them their places: 200 hours are 0.7 GB on disk, and every
hour is decoded and scored. Sites and hours of the day differ in how often insects pass.

A detector is taught from the snippets, unless ``--model`` names one that is there. The commands are printed with the
seconds each takes, ``analyze`` with the memory that it held. The listener is simulated: clips are judged by the truth.
At the end stand, for the season and for each site, the share of time that is estimated, with its interval, and the true
one. The same command goes on with a walk that was interrupted after its cards were made.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.data.mix.levels import Levels
from sonoscope.data.scenes.compose import SceneSpec, compose

#: The class of the sound in scenes and in the model ``field``; what the owner calls it.
LABEL, TAUGHT = "insect_buzz", "buzz"
RATE = 24_000
PLACES = ("garden", "orchard", "roof")
ZONE = "Europe/Berlin"
START = datetime(2025, 6, 1, 5)
#: Hours of the day at which recorders run.
HOURS_A_DAY = 10
#: Insects that pass in an hour of a scene, and how likely each kind of scene is in the morning, and at noon.
KINDS = {"quiet": 10.0, "middle": 80.0, "busy": 240.0}
MORNING, NOON = (0.8, 0.18, 0.02), (0.2, 0.5, 0.3)


@dataclass(frozen=True)
class Made:
    """A scene on disk: ``sounds`` are the stretches with an insect, in seconds."""

    path: Path
    sounds: tuple[tuple[float, float], ...]
    seconds: float

    def has(self, start: float, end: float) -> bool:
        """Whether an insect sounds for half of a stretch, or more."""
        heard = sum(max(0.0, min(end, b) - max(start, a)) for a, b in self.sounds)
        return heard >= (end - start) / 2

    def share(self, window: float = 1.0) -> float:
        """The share of windows of which that is so."""
        count = int(self.seconds / window)
        return sum(self.has(i * window, (i + 1) * window) for i in range(count)) / count


def make_scenes(folder: Path, count: int, minutes: float, seed: int) -> dict[str, list[Made]]:
    """``count`` scenes, the same number of each kind."""
    found: dict[str, list[Made]] = {kind: [] for kind in KINDS}
    folder.mkdir(parents=True)
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        spec = SceneSpec(
            duration_s=60 * minutes, sample_rate=RATE,
            events={"wing_beat": KINDS[kind], "bird_song": 60.0, "engine": 6.0},
            snr_db=Levels("uniform", (3.0, 20.0)),
        )  # fmt: skip
        scene = compose(spec, seed * 1000 + number)
        path = folder / f"{kind}-{number}.wav"
        soundfile.write(path, scene.samples, RATE, subtype="PCM_16")
        sounds = tuple((e.start_s, e.end_s) for e in scene.events if e.label == LABEL)
        found[kind].append(Made(path, sounds, 60 * minutes))
    return found


def cut_snippets(folder: Path, count: int, minutes: float, seed: int) -> None:
    """``count`` stretches with an insect, cut out of scenes of other places."""
    for number, place in enumerate(PLACES):
        spec = SceneSpec(
            duration_s=60 * minutes, sample_rate=RATE, events={"wing_beat": 300.0, "bird_song": 60.0},
            snr_db=Levels("uniform", (6.0, 20.0)),
        )  # fmt: skip
        scene = compose(spec, seed * 1000 + 900 + number)
        (folder / TAUGHT / place).mkdir(parents=True)
        mine = [event for event in scene.events if event.label == LABEL][: -(-count // len(PLACES))]
        for position, event in enumerate(mine):
            first, last = round(event.start_s * RATE), round(event.end_s * RATE)
            soundfile.write(folder / TAUGHT / place / f"{position:02}.flac", scene.samples[first:last], RATE)


def fill_cards(
    cards: Path,
    scenes: dict[str, list[Made]],
    hours: float,
    minutes: float,
    sites: int,
    rng: np.random.Generator,
) -> dict[str, Made]:
    """Hard links under the names that recorders give; which scene each recording is."""
    per_hour = round(60 / minutes)
    wanted = round(hours * per_hour / sites)
    truth: dict[str, Made] = {}
    for site in range(1, sites + 1):
        card = cards / f"site{site}"
        card.mkdir(parents=True)
        for number in range(wanted):
            hour, part = divmod(number, per_hour)
            day, hour = divmod(hour, HOURS_A_DAY)
            start = START + timedelta(days=day, hours=hour, minutes=part * minutes)
            chances = np.array(NOON if 4 <= hour <= 8 else MORNING)
            # Sites differ: the first is the poorest.
            chances = chances * np.array([1.0, 1.0, site / sites])
            kind = str(rng.choice(list(KINDS), p=chances / chances.sum()))
            made = scenes[kind][int(rng.integers(len(scenes[kind])))]
            name = f"site{site}/{start:%Y%m%d_%H%M%S}.WAV"
            os.link(made.path, cards / name)
            truth[name] = made
    return truth


def spoil(cards: Path, scenes: dict[str, list[Made]], truth: dict[str, Made]) -> None:
    """What cards bring along beside whole recordings; one of it, the empty file, cannot be analysed."""
    made = scenes["quiet"][0]
    whole = made.path.read_bytes()
    (cards / "site1" / "20250701_050000.WAV").write_bytes(whole[: len(whole) // 3])  # the battery died
    truth["site1/20250701_050000.WAV"] = replace(made, seconds=made.seconds / 3)
    os.link(made.path, cards / "site1" / "19700101_000312.WAV")  # so did the clock's
    truth["site1/19700101_000312.WAV"] = made
    (cards / "site1" / "20250701_060000.WAV").write_bytes(b"")
    (cards / "site1" / "._20250601_050000.WAV").write_bytes(b"\0\5\x16\7" + bytes(4092))
    (cards / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def keep_truth(file: Path, truth: dict[str, Made]) -> None:
    """Write which scene each recording is, for a walk that goes on; the last thing of what is made."""
    scenes = {made.path.name: made.sounds for made in truth.values()}
    recordings = {name: [made.path.name, made.seconds] for name, made in truth.items()}
    file.write_text(json.dumps({"scenes": scenes, "recordings": recordings}), encoding="utf-8")


def kept_truth(file: Path) -> dict[str, Made]:
    """What :func:`keep_truth` wrote."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    scenes = {name: tuple(tuple(span) for span in spans) for name, spans in kept["scenes"].items()}
    return {
        name: Made(file.parent / "scenes" / scene, scenes[scene], seconds)
        for name, (scene, seconds) in kept["recordings"].items()
    }


def memory(out: Path) -> str:
    """What a run says of the memory that it held."""
    held = json.loads((out / "run.json").read_text(encoding="utf-8"))["peak_rss_mib"]
    return ", ".join(f"{name} {mib:g}" for name, mib in held.items()) + " MiB"


def sonoscope(*words: str, code: int = 0) -> str:
    """Run a command as its owner would; its output. Anything but the expected exit code ends the walk."""
    print(f"$ sonoscope {' '.join(words)}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "sonoscope", *words], capture_output=True, text=True, check=False
    )
    last = [line for line in done.stderr.splitlines() if line.strip()][-4:]
    print("".join(f"  {line}\n" for line in last) + f"  ({time.monotonic() - began:.1f} s)", flush=True)
    if done.returncode != code:
        raise SystemExit(f"ended with {done.returncode}, not {code}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def judge(clips: Path, truth: dict[str, Made]) -> int:
    """Verdicts as somebody would give them who is always right; how many."""
    with open(clips / "clips.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(clips / "verdicts-anna.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("clip", "label", "verdict"))
        for row in rows:
            heard = truth[row["file"]].has(float(row["start"]), float(row["end"]))
            writer.writerow((row["clip"], row["label"], "yes" if heard else "no"))
    return len(rows)


def compare(rates: Path, truth: dict[str, Made]) -> tuple[int, int]:
    """Print estimates beside the truth; how many intervals hold it, of how many."""
    print("\n| site | analysed | events per hour | share found | share estimated | true share |")
    print("|---|---|---|---|---|---|")
    held = total = 0
    with open(rates, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            mine = [
                made for name, made in truth.items() if not row["site"] or name.startswith(f"{row['site']}/")
            ]
            true = float(np.average([made.share() for made in mine], weights=[made.seconds for made in mine]))
            estimate = "nothing: no verdict heard it"
            if row["corrected_low"]:
                low, high = float(row["corrected_low"]), float(row["corrected_high"])
                held, total = held + (low <= true <= high), total + 1
                estimate = f"{100 * float(row['corrected_share']):.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
            print(
                f"| {row['site'] or 'all'} | {float(row['analysed_s']) / 3600:.1f} h "
                f"| {float(row['events_per_hour']):.1f} | {100 * float(row['found_share']):.2f} % "
                f"| {estimate} | {100 * true:.2f} % |"
            )
    print(f"\n{held} of {total} intervals hold the truth")
    return held, total


def walk(
    folder: Path,
    *,
    hours: float,
    minutes: float,
    scenes: int,
    sites: int,
    snippets: int,
    clips: int,
    seed: int,
    model: str | None = None,
) -> tuple[int, int]:
    """All of it, in ``folder``; how many intervals hold the truth, of how many."""
    cards, out, judged, known = (folder / name for name in ("cards", "results", "clips", "truth.json"))
    if known.exists():
        truth = kept_truth(known)
    else:
        rng = np.random.default_rng(seed)
        began = time.monotonic()
        made = make_scenes(folder / "scenes", scenes, minutes, seed)
        truth = fill_cards(cards, made, hours, minutes, sites, rng)
        spoil(cards, made, truth)
        if model is None:
            cut_snippets(folder / "snippets", snippets, minutes, seed)
        keep_truth(known, truth)
        seconds = time.monotonic() - began
        print(f"{len(truth)} recordings of {minutes:g} min at {sites} sites in {seconds:.0f} s", flush=True)
    label = LABEL if model else TAUGHT
    if model is None:
        model = str(folder / TAUGHT)
        if not Path(model).exists():
            print(
                sonoscope(
                    "train", str(folder / "snippets"), "--unlabelled", str(cards / "site1"), "-o", model
                )
            )
    place = ("--recorded-in", ZONE, "--site-from", "1", "--max-memory", "1G")
    # The empty recording is the one that fails.
    sonoscope("analyze", str(cards), "-o", str(out), "-m", model, *place, code=1)
    print(f"  memory held: {memory(out)}", flush=True)
    if not judged.exists():
        sonoscope("clips", str(out), "-o", str(judged), "--labels", label, "--count", str(clips))
    print(f"  {judge(judged, truth)} clips judged", flush=True)
    print(sonoscope("thresholds", "verdicts", str(judged)))
    correct = ("--labels", label, "--correct", str(judged), "--overwrite")
    hours_of_day = ("--by", "site,class,hour-of-day", "-o", str(folder / "hours.csv"))
    sonoscope("rates", str(out), *correct, *hours_of_day, "--plot", str(folder / "hours.svg"))
    held = total = 0
    for by, name in (("class", "season.csv"), ("site,class", "sites.csv")):
        sonoscope("rates", str(out), *correct, "--bin", "season", "--by", by, "-o", str(folder / name))
        mine, of = compare(folder / name, truth)
        held, total = held + mine, total + of
    return held, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=200.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--snippets", type=int, default=40)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=0)
    wishes = vars(parser.parse_args())
    folder = wishes["folder"]
    if folder.exists() and not (folder / "truth.json").exists():
        raise SystemExit(f"{folder} exists and holds no walk that could go on: name a folder that does not")
    walk(**wishes)


if __name__ == "__main__":
    main()
