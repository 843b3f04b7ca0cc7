"""Builds the bundle `field`: synthesised sounds, bank of stems, a model that is judged, the final model, its card.

    python recipes/instruments/build.py --data DATA --work MUSIC --stems STEMS bank
    python recipes/field/build.py --data DATA --work WORK --music MUSIC bank
    python recipes/field/build.py --data DATA --work WORK --music MUSIC held     # never hears what is held; judges
    python recipes/field/build.py --data DATA --work WORK --music MUSIC fewshot  # never hears some classes
    python recipes/field/build.py --data DATA --work WORK --music MUSIC final    # hears everything; writes the bundle

DATA is the folder of labelled recordings with its manifest.csv; MUSIC holds the bank of the model `instruments`,
recorded and rendered notes. One network learns the classes of `field` and, beside them, some ninety finer ones
(instruments, animals, tools, kinds of synthesised sounds): the embedding has to tell all of them apart, the bundle
scores the classes of `field` only. Every step leaves its result in WORK.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import card
import numpy as np
import stems
import torch
import yaml

from sonoscope import features
from sonoscope.data.datasets import collection
from sonoscope.data.mix.bank import Bank, Joined, build
from sonoscope.data.mix.powermix import MixSpec, PowerMix
from sonoscope.evaluation import calibration
from sonoscope.labels import FIELD
from sonoscope.networks.build import Network
from sonoscope.networks.export import write_bundle
from sonoscope.training.loop import TrainSpec, fit, statistics

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
IDS = tuple(label.id for label in FIELD)
#: Classes, and kinds of synthesised insects, that few examples shall teach: ``fewshot`` trains without them.
NEW = (
    "bass_drum", "bassoon", "cor_anglais", "cymbal", "double_bass", "french_horn", "glockenspiel", "harp", "hi_hat",
    "marimba", "snare_drum", "trombone", "tuba", "vibraphone", "viola", "xylophone",
)  # fmt: skip
#: A part of them sounds in these as well.
NEW_WITHIN = ("drum_kit",)
NEW_INSECTS = ("cicada", "cricket", "swarm", "wing_beat")
#: Windows drawn from what the judged model never heard.
HELD_WINDOWS = 4000


class Recipe:
    """The settings and where things lie."""

    def __init__(self, settings: Path, work: Path, data: Path, music: Path) -> None:
        self.settings = yaml.safe_load(settings.read_text())
        self.work, self.data, self.music = work, data, music
        self.feature = features.from_dict(self.settings["feature"])
        mix = dict(self.settings["mix"])
        self.mix = MixSpec(**{**mix, **{k: tuple(v) for k, v in mix.items() if isinstance(v, list)}})

    @cached_property
    def bank(self) -> Bank:
        """All stems: those made for `field`, and the notes of the instruments' bank in place of its own few."""
        notes = Bank(self.music / "bank")
        heard = stems.music(self.data)
        kept = {row["key"] for row in notes.rows if heard(row)}
        own = Bank(self.work / "bank")
        return Joined([(own, lambda row: None if row["key"] in kept else row), (notes, heard)])

    def labels(self) -> tuple[str, ...]:
        """The classes of `field`, then the finer ones."""
        fine = {label for row in self.bank.rows for label in row["labels"] if label.startswith("=")}
        return (*IDS, *sorted(fine))

    def network(self, n_classes: int) -> Network:
        """A fresh, untrained network."""
        torch.manual_seed(self.settings["train"]["seed"])
        return Network(self.feature.n_bins, n_classes, **self.settings["network"])

    def drawing(self, keep: Callable[[dict], bool], **changes: object) -> PowerMix:
        """Windows of the stems that ``keep`` lets in."""
        return PowerMix(self.bank, self.labels(), replace(self.mix, **changes), keep=keep)


def make_bank(recipe: Recipe) -> None:
    """Synthesise, then compute every stem's mel powers."""

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"bank: {done}/{total} stems", flush=True)

    sounds = recipe.work / "sounds"
    stems.synthesise(recipe.settings["synthetic"], sounds, recipe.feature.sample_rate)
    listed = [stem for _, stem in stems.recordings(recipe.settings, recipe.data)]
    build(
        recipe.work / "bank",
        [*listed, *stems.synthetic(recipe.settings, sounds)],
        recipe.feature,
        progress=show,
    )


def train(recipe: Recipe, folder: Path, keep: Callable[[dict], bool], steps: int | None = None) -> Network:
    """Fit a network on the stems that ``keep`` lets in."""
    changes = {"steps": steps} if steps else {}
    spec = TrainSpec(**{**recipe.settings["train"], **changes})
    mix = recipe.drawing(keep)
    network = recipe.network(len(recipe.labels()))
    network.set_normalisation(*statistics(mix))
    return fit(network, mix, spec, folder)


def narrowed(recipe: Recipe, folder: Path) -> Network:
    """The averaged network of a folder, its head cut down to the classes of `field`, which come first."""
    whole = recipe.network(len(recipe.labels()))
    whole.load_state_dict(torch.load(folder / "averaged.pt", weights_only=True))
    network = recipe.network(len(IDS))
    network.load_state_dict(
        {
            name: value[: len(IDS)] if name.startswith("head.") else value
            for name, value in whole.state_dict().items()
        }
    )
    return network.eval()


def unheard(recipe: Recipe, network: Network, *, real: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, targets and what is judged, (n, classes) each, of windows mixed from held stems of one kind."""
    frames = round(recipe.settings["window_s"] * recipe.feature.sample_rate / recipe.feature.hop_samples)
    # What is made goes on recorded backgrounds nowhere: the two are told apart.
    mix = recipe.drawing(
        lambda row: row["fold"] == "held" and row["variant"] == "0" and (row["real"] == "1") == real,
        frames=frames,
    )
    drawn, targets, judged = next(mix.batches(17, HELD_WINDOWS))
    with torch.no_grad():
        logits = torch.cat(
            [network.window_logits(part) for part in torch.from_numpy(drawn).split(64)]
        ).numpy()
    judged = judged[:, : len(IDS)].copy()
    heard = {*mix.drawable, recipe.mix.quiet_label}  # windows of noise alone are drawn too
    judged[:, [k for k, label in enumerate(IDS) if label not in heard]] = 0.0
    return logits, targets[:, : len(IDS)], judged


def calibrate(tables: list[tuple[np.ndarray, ...]], settings: dict) -> tuple[dict, dict]:
    """Calibration and decisions per label; a class without held recordings is calibrated on synthesised ones."""
    scaling, decisions = {}, {}
    for k, label in enumerate(IDS):
        known = [(lo[:, k][ju[:, k] > 0], ta[:, k][ju[:, k] > 0]) for lo, ta, ju in tables]
        logits, truth = (np.concatenate(column) for column in zip(*known, strict=True))
        slope, offset = calibration.fit_platt(logits, truth)
        scaling[label] = {"slope": round(slope, 5), "offset": round(offset, 5)}
        probabilities = 1.0 / (1.0 + np.exp(-(slope * logits + offset)))
        best = calibration.best_threshold(probabilities, truth, beta=settings["beta"])
        threshold = max(best, settings["lowest"])
        decisions[label] = {
            "threshold": threshold,
            "low_threshold": round(threshold * settings["low_ratio"], 3),
            "origin": f"best F{settings['beta']:g}, at least {settings['lowest']:g}: windows of held sounds",
            "ece": round(calibration.expected_calibration_error(probabilities, truth), 4),
            "operating_points": calibration.operating_points(probabilities, truth),
        }
    return scaling, decisions


def judge(
    table: tuple[np.ndarray, ...], scaling: dict, decisions: dict
) -> dict[str, dict[str, float | int | None]]:
    """Per class: how many windows have it, average precision, and precision and recall at the threshold."""
    from sklearn.metrics import average_precision_score

    logits, targets, judged = table
    found: dict[str, dict[str, float | int | None]] = {}
    for k, label in enumerate(IDS):
        rows = judged[:, k] > 0
        truth = targets[rows, k] > 0
        if not truth.any():
            found[label] = {"windows": 0, "average_precision": None, "precision": None, "recall": None}
            continue
        scores = 1.0 / (1.0 + np.exp(-(scaling[label]["slope"] * logits[rows, k] + scaling[label]["offset"])))
        said = scores >= decisions[label]["threshold"]
        found[label] = {
            "windows": int(truth.sum()),
            "average_precision": round(float(average_precision_score(truth, scores)), 4),
            "precision": round(float((said & truth).sum() / said.sum()), 4) if said.any() else None,
            "recall": round(float((said & truth).sum() / truth.sum()), 4),
        }
    return found


def run_held(recipe: Recipe) -> None:
    """Train without what is held, calibrate on it, and say how well it is found, recordings and synthesis apart."""
    folder = recipe.work / "held"
    if not (folder / "averaged.pt").is_file():
        train(recipe, folder, lambda row: row["fold"] != "held", recipe.settings["held"]["steps"])
    network = narrowed(recipe, folder)
    tables = {
        "recorded": unheard(recipe, network, real=True),
        "synthesised": unheard(recipe, network, real=False),
    }
    scaling, decisions = calibrate(list(tables.values()), recipe.settings["decision"])
    figures = {name: judge(table, scaling, decisions) for name, table in tables.items()}
    result = {"calibration": scaling, "decisions": decisions, "figures": figures, "windows": HELD_WINDOWS}
    RESULTS.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    print(card.figures_table(figures))


def run_fewshot(recipe: Recipe) -> None:
    """Train without the classes that ``fewshot.py`` teaches from a few examples."""
    barred = {f"={name}" for name in (*NEW, *NEW_WITHIN, *NEW_INSECTS)}
    names = {clip.key for clip in collection.read(recipe.data) if clip.name in NEW}
    train(
        recipe,
        recipe.work / "fewshot",
        lambda row: row["key"] not in names and not barred & set(row["labels"]),
        recipe.settings["held"]["steps"],
    )


def make_final(recipe: Recipe, out: Path) -> None:
    """Train on everything and write the bundle, with the judged model's calibration and figures."""
    folder = recipe.work / "final"
    if not (folder / "averaged.pt").is_file():
        train(recipe, folder, lambda row: True)
    result = json.loads(RESULTS.read_text())
    rows = [row for row in recipe.bank.rows if row["variant"] == "0"]
    frame_s = recipe.feature.hop_samples / recipe.feature.sample_rate
    counts = {
        kind: dict(Counter(row["labels"][0] for row in rows if (row["real"] == "1") == real).most_common())
        for kind, real in (("recorded", True), ("synthesised", False))
    }
    rate, settings = recipe.feature.sample_rate, recipe.settings["decision"]
    description = {
        "name": "field",
        "version": "0.2.0",
        "task": "tagging",
        "labels": [asdict(label) for label in FIELD],
        "window": round(recipe.settings["window_s"] * rate),
        "hop": round(recipe.settings["hop_s"] * rate),
        "calibration": result["calibration"],
        "decision": {
            "min_duration_s": settings["min_duration_s"],
            "max_gap_s": settings["max_gap_s"],
            "labels": result["decisions"],
        },
        "metrics": {"held": result["figures"]},
        "training_data": {
            "clips": counts,
            "fine_classes": [label.lstrip("=") for label in recipe.labels()[len(IDS) :]],
            "hours": round(sum(int(row["count"]) for row in rows) * frame_s / 3600, 2),
            "origins": sorted({row["group"] for row in rows if row["real"] == "1"}),
        },
        "licence": "MIT",
        "provenance": {"command": "recipes/field/build.py", "recipe": recipe.settings},
    }
    write_bundle(
        out, narrowed(recipe, folder), description, feature=recipe.feature, card=card.field_card(description)
    )
    print(f"wrote {out}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank", "held", "fewshot", "final"))
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--music", type=Path, required=True, help="where recipes/instruments/build.py worked")
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument(
        "-o", "--out", type=Path, default=HERE.parents[1] / "src" / "sonoscope" / "bundles" / "field"
    )
    arguments = parser.parse_args()
    recipe = Recipe(arguments.recipe, arguments.work, arguments.data, arguments.music)
    if arguments.step == "bank":
        make_bank(recipe)
    elif arguments.step == "held":
        run_held(recipe)
    elif arguments.step == "fewshot":
        run_fewshot(recipe)
    else:
        make_final(recipe, arguments.out)


if __name__ == "__main__":
    main()
