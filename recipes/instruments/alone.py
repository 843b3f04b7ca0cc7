"""Whole pieces for one instrument, through the shipped bundle or its twin: what else is told.

    python recipes/instruments/alone.py pianos --data DATA --work WORK    # recordings of pianos
    python recipes/instruments/alone.py solos --data DATA --work WORK     # every instrument, rendered
    python recipes/instruments/alone.py fonts --data DATA --work WORK     # the same by other fonts, and whole bands

``pianos``: 30 s each of piano pieces (``nc_maps``, software pianos that nothing was trained or fitted on).

``solos``: random music of 12 s for every instrument, and compositions that no model was trained on for those that play
chords, by the soundfont TimGM6mb, through the twin of the shipped bundle (``build.py … fold twin``), which never heard
any of its samples, and through the shipped one.

``fonts``: such pieces, and those of `wider.py bands`, by fonts that the shipped model never heard, through that model:
GeneralUser GS, or what ``--soundfont`` names (a name of `sonoscope data render`, or a file), one after the other.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import build
import card
import solos
import wider

import sonoscope
from sonoscope.data.datasets import collection
from sonoscope.data.rendering.synth import soundfont

FONT = "timgm6mb"
#: No network was trained on it, and on its samples only as far as other fonts have them too.
NEW_FONT = "generaluser"
#: Labels whose samples a font that was trained on has too (recipes/duplicates/fonts.py): they are not new.
HEARD_ELSEWHERE = {"generaluser": ("cello", "voice")}
#: Pieces of random music for each of the thirteen instruments; a tenth of it for each other one.
PER_CLASS = 20


@dataclass(frozen=True)
class Heard:
    """What was told of one piece: the label of the only player, seconds, seconds of events by label, highest label."""

    label: str
    duration_s: float
    told_s: dict[str, float]
    highest: str


def hear(model: Any, files: Iterable[tuple[Path, str]]) -> list[Heard]:
    """Have a model hear sounds of which the only label is known."""
    found = []
    for file, label in files:
        result = model.analyze(str(file))
        told: dict[str, float] = defaultdict(float)
        for event in result.events:
            told[event.label] += event.end_s - event.start_s
        scores = result.clip()
        highest = max(scores, key=lambda name: scores[name])
        found.append(Heard(label, result.duration, dict(told), highest))
    return found


def run_pianos(data: Path) -> dict[str, Any]:
    """Clips in which each label has an event, and the share of the time that its events take."""
    files = [(clip.path, "piano") for clip in collection.read(data) if clip.source == "nc_maps"]
    heard = hear(sonoscope.load(str(wider.SHIPPED)), files)
    whole = sum(one.duration_s for one in heard)
    told = Counter(label for one in heard for label in one.told_s)
    labels = {
        label: {
            "clips": round(count / len(heard), 4),
            "time": round(sum(one.told_s.get(label, 0.0) for one in heard) / whole, 4),
            "first": round(sum(one.highest == label for one in heard) / len(heard), 4),
        }
        for label, count in told.most_common()
    }
    result = {"pieces": len(heard), "minutes": round(whole / 60, 1), "labels": labels}
    wider.write("pianos", result, card.pianos_table(result))
    return result


def rendered(data: Path, folder: Path, seed: int, font: str) -> list[tuple[Path, str]]:
    """The pieces of a seed and their labels; two seeds share no composition."""
    words = ["--per-class", PER_CLASS, "--duration", solos.SECONDS, "--soundfont", font, "--seed", seed]
    command = [sys.executable, "-m", "sonoscope", "data", "render", *words, "-o", folder / "random"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    with open(folder / "random" / "manifest.csv", newline="", encoding="utf-8") as file:
        files = [(folder / "random" / row["path"], row["labels"]) for row in csv.DictReader(file)]
    half = solos.compositions_of(data, tests=True)[seed % 2 :: 2]
    made = solos.rendered(folder / "compositions", half, (font,), wider.RATE)
    return files + [(stem.path, stem.labels[0]) for stem in made]


def run_solos(recipe: build.Recipe, seed: int) -> dict[str, Any]:
    """For each label: pieces in which its player is found, and pieces of others in which it is told all the same."""
    files = rendered(recipe.data, recipe.work / f"alone-{seed}", seed, FONT)
    bundles = (build.write_twin(recipe), wider.SHIPPED)
    result, shipped = (summary(hear(sonoscope.load(str(bundle)), files)) for bundle in bundles)
    result["shipped"] = {key: shipped[key] for key in ("found", "nothing_false", "false_time")}
    wider.write("solos", result, card.solos_table(result))
    return result


def run_fonts(data: Path, work: Path, seed: int, fonts: Iterable[str]) -> dict[str, Any]:
    """What the shipped model finds of one instrument alone, and of whole bands, by each font."""
    model, result = sonoscope.load(str(wider.SHIPPED)), {}
    for font in fonts:
        name, _ = soundfont(font)
        folder, old = work / f"font-{name}-{seed}", HEARD_ELSEWHERE.get(name, ())
        files = [(file, label) for file, label in rendered(data, folder, seed, font) if label not in old]
        pieces = wider.rendered_bands(folder / "bands", font, seed)
        result[name] = {
            "solos": summary(hear(model, files), old),
            "bands": wider.find_in_bands(wider.SHIPPED, folder / "bands", pieces, old),
        }
    wider.write("fonts", result, "\n\n".join(card.font_table(name, one) for name, one in result.items()))
    return result


def summary(heard: list[Heard], without: Sequence[str] = ()) -> dict[str, Any]:
    """Shares of pieces and of time, for all labels but those ``without``."""
    labels = {}
    for label in (name for name in build.IDS if name not in ("other", *without)):
        own = [one for one in heard if one.label == label]
        others = [one for one in heard if one.label != label]
        false = [one for one in others if label in one.told_s]
        labels[label] = {
            "pieces": len(own),
            "found": _share(label in one.told_s for one in own),
            "time": round(_time(own, label), 4),
            "false": _share(label in one.told_s for one in others),
            "false_time": round(_time(others, label), 4),
            "taken_for_it": dict(Counter(one.label for one in false).most_common(3)),
        }
    clean = [set(one.told_s) - {"other"} <= {one.label} for one in heard]
    right = [one.label in one.told_s for one in heard if one.label != "other"]
    return {
        "pieces": len(heard),
        "minutes": round(sum(one.duration_s for one in heard) / 60, 1),
        "found": _share(right),
        "nothing_false": _share(clean),
        "false_time": round(
            sum(s for one in heard for name, s in one.told_s.items() if name not in (one.label, "other"))
            / sum(one.duration_s for one in heard),
            4,
        ),
        "labels": labels,
    }


def _share(yes: Iterable[bool]) -> float:
    answers = list(yes)
    return round(sum(answers) / len(answers), 4)


def _time(heard: list[Heard], label: str) -> float:
    return sum(one.told_s.get(label, 0.0) for one in heard) / sum(one.duration_s for one in heard)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("pianos", "solos", "fonts"))
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--work", type=Path, required=True)
    # Seed 1 was looked at when thresholds were set.
    parser.add_argument("--seed", type=int, default=2, help="of what is composed")
    parser.add_argument("--soundfont", default=NEW_FONT, help="for fonts: names or files, comma-separated")
    arguments = parser.parse_args()
    if arguments.step == "pianos":
        run_pianos(arguments.data)
    elif arguments.step == "fonts":
        run_fonts(arguments.data, arguments.work, arguments.seed, arguments.soundfont.split(","))
    else:
        recipe = build.Recipe(build.HERE / "recipe.yaml", arguments.work, arguments.data)
        run_solos(recipe, arguments.seed)


if __name__ == "__main__":
    main()
