"""Builds the bundle `instruments`: bank of stems, one model per left-out fold, calibration, bench, final model, card.

    python recipes/instruments/build.py --data DATA --stems STEMS --work WORK bank
    python recipes/instruments/build.py --data DATA --work WORK fold A        # … B, C, D
    python recipes/instruments/build.py --data DATA --work WORK bench         # calibrates and measures
    python recipes/instruments/build.py --data DATA --work WORK final         # trains on everything, writes the bundle

DATA is the folder of labelled recordings with its manifest.csv, STEMS what `sonoscope data render` wrote (one folder
for each sound font). Every step leaves its result in WORK and can be interrupted; the folds are independent.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import card
import numpy as np
import torch
import yaml

from sonoscope import features, pipeline
from sonoscope.data.bank import Bank, Stem, build
from sonoscope.data.datasets import collection
from sonoscope.data.powermix import MixSpec, PowerMix
from sonoscope.evaluation import bench, calibration
from sonoscope.labels import INSTRUMENTS, IRMAS
from sonoscope.models.bundle import open_bundle
from sonoscope.models.runtime import Runtime
from sonoscope.networks.build import Network
from sonoscope.networks.export import write_bundle
from sonoscope.training.loop import TrainSpec, fit, statistics
from sonoscope.values import Recording

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENT = HERE.parents[1] / "docs" / "models.md"
FOLDS = ("A", "B", "C", "D")
IDS = tuple(label.id for label in INSTRUMENTS)
ELEVEN = tuple(label.id for label in IRMAS)
#: Windows drawn from each left-out fold to calibrate on: its recordings alone and mixed.
CALIBRATION_WINDOWS = 4000


class Recipe:
    """The settings and where things lie."""

    def __init__(self, settings: Path, work: Path, data: Path) -> None:
        self.settings = yaml.safe_load(settings.read_text())
        self.work, self.data = work, data
        self.feature = features.from_dict(self.settings["feature"])
        self.mix = MixSpec(**self.settings["mix"])

    def network(self) -> Network:
        """A fresh, untrained network."""
        torch.manual_seed(self.settings["train"]["seed"])
        return Network(self.feature.n_bins, len(IDS), **self.settings["network"])

    def train_spec(self, **changes: int) -> TrainSpec:
        """Training settings, with changes."""
        return TrainSpec(**{**self.settings["train"], **changes})

    @property
    def bank(self) -> Bank:
        """All stems."""
        return Bank(self.work / "bank")


def collection_stems(recipe: Recipe) -> Iterator[Stem]:
    """The labelled clips; what is scarce gets more variants."""
    clips = collection.read(recipe.data)
    wanted = recipe.settings["variants"]
    count = Counter((clip.label, clip.origin) for clip in clips)
    for clip in clips:
        scarce = clip.label not in ("other", "") and count[clip.label, clip.origin] < wanted["scarce_below"]
        variants = (wanted["scarce"] if scarce else wanted["plain"]) if clip.trainable else 0
        yield Stem(
            clip.path, clip.key, (clip.label,) if clip.label else (), clip.unknown, clip.name, clip.origin, clip.fold,
            clip.source != "fluidr3_rendered", variants,
        )  # fmt: skip


def rendered_stems(recipe: Recipe, root: Path) -> Iterator[Stem]:
    """The rendered stems of the recipe's sound fonts."""
    for soundfont in recipe.settings["stems"]["soundfonts"]:
        with open(root / soundfont / "manifest.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield Stem(
                    root / soundfont / row["path"], f"{soundfont}/{row['path']}", tuple(row["labels"].split(";")), (),
                    row["instrument"], row["group"], "", False, recipe.settings["variants"]["rendered"],
                )  # fmt: skip


def make_bank(recipe: Recipe, stems: Path) -> None:
    """Compute every stem's mel powers."""

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"bank: {done}/{total} stems", flush=True)

    build(
        recipe.work / "bank",
        [*collection_stems(recipe), *rendered_stems(recipe, stems)],
        recipe.feature,
        overdrive=lambda stem: 0.5 if "electric_guitar" in stem.labels else 0.05,
        progress=show,
    )


def train(recipe: Recipe, folder: Path, keep: Callable[[dict], bool], spec: TrainSpec) -> Network:
    """Fit a network on the stems that ``keep`` lets in."""
    mix = PowerMix(recipe.bank, IDS, recipe.mix, keep=keep)
    network = recipe.network()
    network.set_normalisation(*statistics(mix))
    return fit(network, mix, spec, folder)


def trainable(recipe: Recipe) -> Callable[[dict], bool]:
    """Which rows of the bank may be trained on by licence."""
    barred = {clip.key for clip in collection.read(recipe.data) if not clip.trainable}
    return lambda row: row["key"] not in barred


def train_fold(recipe: Recipe, fold: str) -> None:
    """A model that never saw one fold."""
    allowed = trainable(recipe)
    train(
        recipe,
        recipe.work / f"fold-{fold}",
        lambda row: allowed(row) and row["fold"] != fold,
        recipe.train_spec(),
    )


def unheard(recipe: Recipe, fold: str) -> dict[str, np.ndarray]:
    """Logits of a fold's model on windows drawn from that fold's recordings, with targets and what was judged."""
    feature = recipe.feature
    window = round(recipe.settings["window_s"] * feature.sample_rate / feature.hop_samples)
    stored = recipe.work / f"fold-{fold}" / f"unheard-{window}.npz"
    if not stored.is_file():
        mix = PowerMix(
            recipe.bank,
            IDS,
            replace(recipe.mix, frames=window),
            keep=lambda row: row["fold"] == fold and row["variant"] == "0",
        )
        frames, targets, judged = next(mix.batches(17, CALIBRATION_WINDOWS))
        network = trained(recipe, recipe.work / f"fold-{fold}")
        with torch.no_grad():
            logits = torch.cat(
                [network.window_logits(part) for part in torch.from_numpy(frames).split(64)]
            ).numpy()
        present = np.array([label in mix.drawable for label in IDS])
        np.savez_compressed(stored, logits=logits, targets=targets, judged=judged, present=present)
    return dict(np.load(stored))


def trained(recipe: Recipe, folder: Path) -> Network:
    """The averaged network that ``fit`` left in a folder."""
    network = recipe.network()
    network.load_state_dict(torch.load(folder / "averaged.pt", weights_only=True))
    return network.eval()


def calibrate(recipe: Recipe, folds: tuple[str, ...]) -> tuple[dict, dict]:
    """Calibration and decisions per label from the unheard windows of the ``folds`` that have the label."""
    tables = [unheard(recipe, fold) for fold in folds]
    ratio, beta, lowest = (recipe.settings["decision"][key] for key in ("low_ratio", "beta", "lowest"))
    scaling, decisions = {}, {}
    for k, label in enumerate(IDS):
        rows = [
            (t["logits"][:, k], t["targets"][:, k], t["judged"][:, k] > 0) for t in tables if t["present"][k]
        ]
        logits = np.concatenate([logit[known] for logit, _, known in rows])
        truth = np.concatenate([target[known] for _, target, known in rows])
        slope, offset = calibration.fit_platt(logits, truth)
        scaling[label] = {"slope": round(slope, 5), "offset": round(offset, 5)}
        probabilities = 1.0 / (1.0 + np.exp(-(slope * logits + offset)))
        # Where even the best threshold is poor, saying nothing is better than saying anything.
        threshold = max(calibration.best_threshold(probabilities, truth, beta=beta), lowest)
        decisions[label] = {
            "threshold": threshold,
            "low_threshold": round(threshold * ratio, 3),
            "origin": f"best F{beta:g}, at least {lowest:g}: windows of left-out origins, folds {''.join(folds)}",
            "ece": round(calibration.expected_calibration_error(probabilities, truth), 4),
            "operating_points": calibration.operating_points(probabilities, truth),
        }
    return scaling, decisions


def describe(recipe: Recipe, name: str, scaling: dict, decisions: dict, metrics: dict, summary: dict) -> dict:
    """The keys of bundle.json that this recipe knows."""
    rate = recipe.feature.sample_rate
    settings = recipe.settings["decision"]
    return {
        "name": name,
        "version": "1.0.0",
        "task": "tagging",
        "labels": [asdict(label) for label in INSTRUMENTS],
        "window": round(recipe.settings["window_s"] * rate),
        "hop": round(recipe.settings["hop_s"] * rate),
        "calibration": scaling,
        "decision": {
            "min_duration_s": settings["min_duration_s"],
            "max_gap_s": settings["max_gap_s"],
            "labels": decisions,
        },
        "metrics": metrics,
        "training_data": summary,
        "licence": "MIT",
        "provenance": {"command": "recipes/instruments/build.py", "recipe": recipe.settings},
    }


def run_bench(recipe: Recipe) -> dict:
    """Score every clip of the folds by the model that never saw its fold, through the pipeline that users run."""
    clips = [clip for clip in collection.read(recipe.data) if clip.fold and clip.source != "fluidr3_rendered"]
    scores, truth, origins, folds, rows = [], [], [], [], []
    columns = [IDS.index(name) for name in ELEVEN]
    for fold in FOLDS:
        scaling, decisions = calibrate(recipe, tuple(f for f in FOLDS if f != fold))
        folder = recipe.work / f"fold-{fold}"
        write_bundle(
            folder / "bundle", trained(recipe, folder), describe(recipe, f"fold-{fold}", scaling, decisions, {}, {}),
            feature=recipe.feature, card=f"# A model that never heard fold {fold}\n",
        )  # fmt: skip
        model = open_bundle(folder / "bundle")
        runtime = Runtime(model)
        for clip in clips:
            if clip.fold == fold and not clip.unknown:
                table = pipeline.score_recording(Recording(str(clip.path), clip.key), model, runtime).scores
                mean = table.probabilities.mean(axis=0, dtype=np.float64)
                scores.append(mean[columns])
                truth.append(ELEVEN.index(clip.label) if clip.label in ELEVEN else -1)
                origins.append(clip.origin)
                folds.append(fold)
                rows.append([clip.key, clip.label, clip.name, clip.origin, fold, *(f"{p:.4f}" for p in mean)])
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / "bench.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "name", "origin", "fold", *IDS])
        writer.writerows(rows)
    result = bench.summary(bench.BenchScores(np.array(scores), np.array(truth), origins, folds, ELEVEN))
    (RESULTS / "bench.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    tables = f"{card.bench_table(result)}\n\n{card.confusion_table(result)}"
    text = DOCUMENT.read_text(encoding="utf-8")
    marked = re.sub(r"(<!-- bench -->\n).*?(<!-- /bench -->)", rf"\1\n{tables}\n\n\2", text, flags=re.DOTALL)
    DOCUMENT.write_text(marked, encoding="utf-8")
    print(tables)
    return result


def make_final(recipe: Recipe, out: Path) -> None:
    """Train on everything that may be trained on and write the shipped bundle, with the folds' figures on its card."""
    folder = recipe.work / "final"
    if not (folder / "averaged.pt").is_file():
        train(recipe, folder, trainable(recipe), recipe.train_spec(**recipe.settings["final"]))
    scaling, decisions = calibrate(recipe, FOLDS)
    metrics = {"bench": json.loads((RESULTS / "bench.json").read_text())}
    allowed = trainable(recipe)
    used = [row for row in recipe.bank.rows if allowed(row) and row["variant"] == "0"]
    frame_s = recipe.feature.hop_samples / recipe.feature.sample_rate
    summary = {
        "clips": dict(Counter(label for row in used for label in row["labels"]).most_common()),
        "recordings": sum(row["real"] == "1" for row in used),
        "renders": sum(row["real"] != "1" for row in used),
        "hours": round(sum(int(row["count"]) for row in used) * frame_s / 3600, 2),
        "origins": sorted({row["group"] for row in used if row["real"] == "1"}),
        "soundfonts": recipe.settings["stems"]["soundfonts"],
    }
    description = describe(recipe, "instruments", scaling, decisions, metrics, summary)
    write_bundle(
        out,
        trained(recipe, folder),
        description,
        feature=recipe.feature,
        card=card.instruments_card(description),
    )
    print(f"wrote {out}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank", "fold", "bench", "final"))
    parser.add_argument("fold", nargs="?", choices=FOLDS)
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--stems", type=Path, help="rendered stems, a folder for each sound font")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument(
        "-o", "--out", type=Path, default=HERE.parents[1] / "src" / "sonoscope" / "bundles" / "instruments"
    )
    arguments = parser.parse_args()
    recipe = Recipe(arguments.recipe, arguments.work, arguments.data)
    if arguments.step == "bank":
        if arguments.stems is None:
            parser.error("bank needs --stems")
        make_bank(recipe, arguments.stems)
    elif arguments.step == "fold":
        if arguments.fold is None:
            parser.error("fold needs one of A B C D")
        train_fold(recipe, arguments.fold)
    elif arguments.step == "bench":
        run_bench(recipe)
    else:
        make_final(recipe, arguments.out)


if __name__ == "__main__":
    main()
