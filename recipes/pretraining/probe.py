"""What pre-training is worth: linear probes of frozen backbones, and training at equal CPU time (docs/pretraining.md).

    python recipes/pretraining/probe.py collection:DATA --runs FOLDER
    python recipes/pretraining/probe.py collection:DATA --runs FOLDER --fine-tune    # the second question too

DATA is the folder of labelled recordings with its manifest.csv. Every pretext is fitted on the training clips, whose
labels it does not see, with each of the seeds. Then the backbone is frozen, a logistic regression learns to tell the
classes by the embedding of each training clip, and is tested on clips of one fold of origins, which nothing was
fitted on. The same is done with the same backbone as it was initialised (its batch normalisation with statistics of
the data, so that it is not put at a disadvantage).

With ``--fine-tune``, a few labelled clips are trained on, from the pre-trained weights and from scratch; from scratch
for as many epochs more as the pre-training took CPU time. A run that is finished is not done again. Exit code 1 if a
pretext is no better than its trivial answer, or its probe no better than that of random weights on the mean of the
seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from sonoscope.data import lengths, manifest
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.networks.backbones.vit import ViT
from sonoscope.networks.build import Network
from sonoscope.training import engine, prepare, pretrain, rundir
from sonoscope.training.begin import begin_with
from sonoscope.training.config import Config, Data, compose
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.setting import Setting

RESULTS = Path(__file__).parent / "results" / "probe.json"
BACKBONES: dict[str, dict[str, Any]] = {
    "vit": {"name": "vit", "patch": [8, 8], "dim": 96, "depth": 4},
    "vit of large patches": {"name": "vit", "patch": [16, 16], "dim": 96, "depth": 4},
    "small_cnn": {"name": "small_cnn"},
}
#: Of masked patches: as narrow as the backbone is small.
DECODER = {"dim": 48, "depth": 1}


class Case(NamedTuple):
    """A pretext, the backbone that it teaches, and for how many epochs."""

    pretext: dict[str, Any]
    backbone: str
    epochs: int


#: What is compared; how was chosen on validation clips (docs/pretraining.md).
CASES = {
    "masked": Case({"name": "masked", **DECODER, "share": 0.9}, "vit", 8),
    "masked, levels": Case({"name": "masked", **DECODER, "standardise": False}, "vit of large patches", 24),
    "masked_convolution": Case({"name": "masked_convolution"}, "small_cnn", 2),
    "masked_convolution, standardised": Case(
        {"name": "masked_convolution", "standardise": True}, "small_cnn", 2
    ),
    "shuffled": Case({"name": "shuffled", "grid": [12, 8]}, "vit", 4),
    "shuffled, convolution": Case({"name": "shuffled"}, "small_cnn", 4),
    "contrastive": Case({"name": "contrastive"}, "small_cnn", 2),
    "contrastive, bilinear": Case({"name": "contrastive", "compare": "bilinear"}, "small_cnn", 2),
}
#: What the probe gets of a transformer's patches: mean and standard deviation, or the mean alone.
POOLS = ("both", "mean")
#: One of each pretext.
MAIN = ("masked", "masked_convolution", "shuffled", "contrastive")
#: Inverse strengths of the probe's regularisation that validation chooses from.
STRENGTHS = (0.01, 0.1, 1.0)
#: The clips that are used, in the folder of the runs.
CLIPS = "clips.csv"
#: Labelled clips of a fine-tuning, and its epochs (which are of that few clips' windows).
FEW_CLIPS, FEW_EPOCHS = 150, 2
#: Labelled clips of each class in the probe with few labels.
FEW = 10
#: Batches in training mode that give random weights their statistics.
SETTLING = 20


def main() -> int:
    """Fit, probe, write the figures, print them as a table."""
    parser = argparse.ArgumentParser(
        description="Linear probes of pre-trained backbones against random ones."
    )
    parser.add_argument("data", nargs="+", help="labelled recordings whose splits are folds of origins")
    parser.add_argument("--runs", type=Path, required=True, help="where runs and prepared sound are kept")
    parser.add_argument("--fold", default="D", help="of origins, to test on (default: D)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=list(MAIN), choices=list(CASES))
    parser.add_argument("--batches", type=int, default=100, help="of 32 windows, in an epoch")
    parser.add_argument("--clips", type=int, default=2000, help="to learn from (default: 2000)")
    parser.add_argument(
        "--test-clips", type=int, default=800, help="to validate and to test on, at most (default: 800)"
    )
    parser.add_argument(
        "--pool", choices=POOLS, default=POOLS[0], help="of a transformer's patches (default: both)"
    )
    parser.add_argument("--fine-tune", action="store_true", help="train from them and from scratch, too")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    listed(options)
    found = read(options.out, options)
    for seed in range(options.seeds):
        done = {
            name for name in found["cases"] if finished(found["cases"], name, str(seed), options.fine_tune)
        }
        for name, about in one_seed(options, seed, done):
            found["cases"].setdefault(name, {})[str(seed)] = about
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found["cases"]))
    return 0 if holds(found["cases"]) else 1


def finished(cases: dict[str, Any], name: str, seed: str, fine_tune: bool) -> bool:
    """Whether nothing is left to be found of a seed of a case."""
    about = cases[name].get(seed)
    return about is not None and (not fine_tune or name.startswith("random") or "fine_tuned" in about)


def read(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Figures that a run like this one left, or none."""
    about = {name: getattr(options, name) for name in ("fold", "batches", "clips", "test_clips", "pool")}
    if path.is_file():
        held: dict[str, Any] = json.loads(path.read_text())
        if held["about"] == about:
            return held
    return {"about": about, "cases": {}}


def listed(options: argparse.Namespace) -> None:
    """Write the clips that are used, each with its part and its length, so that no run has to count them again."""
    path = options.runs / CLIPS
    if path.is_file():
        return
    data = Data(
        train=tuple(options.data), train_where="trainable=yes", test_where=f"split={options.fold}",
        validation_share=0.15, max_samples=options.clips, max_test_samples=options.test_clips,
    )  # fmt: skip
    found = prepare.limited(prepare.divided(data), data, quick=False)
    known = zip(found.rows, lengths.seconds(found), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(replace(found, rows=tuple(replace(row, duration_s=length) for row, length in known)), path)


def one_seed(options: argparse.Namespace, seed: int, done: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case of a seed that is not done: its name and its figures."""
    for backbone in BACKBONES:
        cases = [name for name in options.cases if CASES[name].backbone == backbone]
        random = f"random {backbone}"
        if cases and random not in done:
            yield random, probed(config_of(options, seed, backbone), options, None)
        for name in (name for name in cases if name not in done):
            config = config_of(options, seed, backbone, case=CASES[name])
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            if not (folder / rundir.METRICS).is_file():
                pretrain.fit(config, folder, resume=folder.is_dir(), say=tell)
            metrics = rundir.read_metrics(folder)
            about = probed(config_of(options, seed, backbone), options, folder)
            about |= {key: metrics[key] for key in ("validation", "test", "cost")}
            if options.fine_tune:
                about["fine_tuned"] = fine_tuned(options, seed, backbone, folder, metrics["cost"]["cpu_s"])
            yield name, about


def config_of(
    options: argparse.Namespace,
    seed: int,
    backbone: str,
    *,
    case: Case | None = None,
    few: bool = False,
) -> Config:
    """The configuration of a pre-training, or without ``case`` of a training with labels."""
    data = {
        "train": str(options.runs / CLIPS), "task": "multiclass", "window_s": 1.536,
        "max_samples": FEW_CLIPS if few else None, "folder": str(options.runs / ("few" if few else "data")),
        "cache": "features",
    }  # fmt: skip
    values: dict[str, Any] = {
        "kind": "pretrain" if case else "network",
        "data": data,
        "features": [{"name": "logmel", "sample_rate": 16_000, "n_fft": 1024, "hop_samples": 256, "n_mels": 64,
                      "f_min_hz": 40.0, "f_max_hz": 8000.0}],
        "network": {"backbone": BACKBONES[backbone], "head": "linear"},
        "losses": [{"name": "cross_entropy"}],
        "training": {"epoch_batches": options.batches, "batch_size": 32, "seed": seed},
    }  # fmt: skip
    if case:  # validated once, at its end: the last epoch is probed
        values["training"] |= {"epochs": case.epochs, "validate_every": case.epochs}
        values["pretext"] = case.pretext
    return compose(values)


# ---- the probe ---------------------------------------------------------------------------------------------


def probed(config: Config, options: argparse.Namespace, run: Path | None) -> dict[str, Any]:
    """Figures of a logistic regression on embeddings of the test fold, with all labels and with few."""
    began = time.process_time()
    setting = Setting(config, options.runs, quick=False, say=tell)
    setting.normalise()
    if run is None:
        settle(setting)
    else:
        begin_with(setting.network, str(run), tell)
    parts = {part: embeddings(setting, part, options.pool) for part in (TRAIN, VALIDATION, TEST)}
    everything = np.arange(len(parts[TRAIN][1]))
    few = few_of(parts[TRAIN][1], np.random.default_rng(config.training.seed))
    found: dict[str, Any] = {"all": regressed(parts, everything), f"{FEW} of each": regressed(parts, few)}
    return {**found, "probe_cpu_s": round(time.process_time() - began, 1)}


@torch.no_grad()
def settle(setting: Setting) -> None:
    """Give batch normalisation the statistics of the data."""
    setting.network.train()
    for number, batch in enumerate(setting.train_loader()):
        if number == SETTLING:
            break
        setting.network(setting.frontend(batch.samples)[0])


@torch.no_grad()
def embeddings(setting: Setting, part: str, pool: str) -> tuple[np.ndarray, np.ndarray]:
    """What is held of each clip with one label, the mean over its windows, (clips, n), and the number of its label."""
    setting.network.eval()
    sums: dict[int, list[Any]] = {}
    for batch in setting.loader_of(part):
        found = embedded(setting.network, setting.frontend(batch.samples)[0], pool)
        for clip, target, row in zip(batch.clips.tolist(), batch.targets, found.numpy(), strict=True):
            if target.sum() == 1:
                held = sums.setdefault(clip, [0.0, 0, int(target.argmax())])
                held[0], held[1] = held[0] + row, held[1] + 1
    rows = np.array([total / count for total, count, _ in sums.values()])
    return rows, np.array([label for _, _, label in sums.values()])


def embedded(network: Network, rows: torch.Tensor, pool: str) -> torch.Tensor:
    """The embedding of each window, (batch, n).

    Of a transformer mean and standard deviation over all patches (``pool="both"``): the mean alone says nothing of how
    they differ along frequency. Of convolutions the mean over frames, in which mean and maximum along frequency are
    joined already.
    """
    maps, backbone = network.maps(rows), network.backbone
    if pool == "mean" or not isinstance(backbone, ViT):
        return backbone.forward_features(maps).mean(dim=1)
    patches = backbone.encode(backbone.tokens(maps))
    return torch.cat([patches.mean(dim=1), patches.std(dim=1)], dim=1)


def few_of(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places of at most :data:`FEW` clips of each label."""
    chosen = [rng.permutation(np.flatnonzero(labels == label))[:FEW] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def regressed(parts: dict[str, tuple[np.ndarray, np.ndarray]], rows: np.ndarray) -> dict[str, float]:
    """Accuracy, its mean over classes, and mean average precision on the test part, of the best on validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, labels = parts[TRAIN][0][rows], parts[TRAIN][1][rows]
    fitted = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000, class_weight="balanced")).fit(
            inputs, labels
        )
        for c in STRENGTHS
    ]
    best = max(fitted, key=lambda model: model.score(*parts[VALIDATION]))
    inputs, labels = parts[TEST]
    known = np.isin(labels, best.classes_)
    inputs, labels = inputs[known], labels[known]
    scores, truth = best.predict_proba(inputs), (labels[:, None] == best.classes_[None]).astype(np.float32)
    heard = truth.any(axis=0)
    right = best.predict(inputs) == labels
    names = tuple(str(number) for number in best.classes_[heard])
    numbers = tuple(str(number) for number in range(len(labels)))
    answers = Answers(
        truth[:, heard], np.ones_like(truth[:, heard], dtype=bool), scores[:, heard], names, numbers, numbers
    )
    return {
        "accuracy": round(float(right.mean()), 4),
        "class_accuracy": round(
            float(np.mean([right[labels == label].mean() for label in np.unique(labels)])), 4
        ),
        "map": round(tagging.measured(answers, 0.5)["map"], 4),
        "clips": len(rows),
        "test_clips": len(labels),
    }


# ---- training at equal CPU time ----------------------------------------------------------------------------


def fine_tuned(
    options: argparse.Namespace, seed: int, backbone: str, run: Path, spent_s: float
) -> dict[str, Any]:
    """Mean average precision and CPU seconds of a training from ``run`` and of one from scratch that lasts as long."""
    found: dict[str, Any] = {}
    epochs = FEW_EPOCHS
    for name, init, last in (("pretrained", str(run), epochs), ("scratch", None, 0)):
        if not last:  # as many epochs as the CPU time of both allows
            each = found["pretrained"]["cpu_s"] / epochs
            last = epochs + max(round(spent_s / each), 1)
        words = [f"training.epochs={last}", *([f"network.init_from={init}"] if init else [])]
        plain = config_of(options, seed, backbone, few=True).to_dict()
        folder = run.parent / f"{run.name}-{name}"
        if not (folder / rundir.METRICS).is_file():
            engine.fit(compose(plain, words), folder, resume=folder.is_dir(), say=tell)
        metrics = rundir.read_metrics(folder)
        found[name] = {"map": metrics["fixed"]["map"], "epochs": last, "cpu_s": metrics["cost"]["cpu_s"]}
    return found


# ---- telling -----------------------------------------------------------------------------------------------


def tell(line: str) -> None:
    """Progress goes to stderr."""
    print(line, file=sys.stderr, flush=True)


def mean_of(seeds: dict[str, Any], *path: str) -> list[float]:
    """One figure of every seed."""
    values = []
    for about in seeds.values():
        for key in path:
            about = about[key]
        values.append(float(about))
    return values


def table(cases: dict[str, Any]) -> str:
    """Means and standard deviations over the seeds, as Markdown."""
    lines = [
        f"| backbone | pretext loss, of trivial | accuracy, all labels | mAP | accuracy, {FEW} of each | mAP | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, seeds in cases.items():
        loss = cost = "–"
        if not name.startswith("random"):
            pairs = zip(mean_of(seeds, "test", "loss"), mean_of(seeds, "test", "trivial"), strict=True)
            loss = f"{np.mean([one / other for one, other in pairs]):.3f}"
            cost = f"{np.mean(mean_of(seeds, 'cost', 'cpu_s')):.0f}"
        figures = [
            f"{np.mean(values):.3f} ± {np.std(values):.3f}"
            for labels in ("all", f"{FEW} of each")
            for values in (mean_of(seeds, labels, "accuracy"), mean_of(seeds, labels, "map"))
        ]
        lines.append(f"| {name} | {loss} | {' | '.join(figures)} | {cost} |")
    tuned = {
        name: {seed: about for seed, about in seeds.items() if "fine_tuned" in about}
        for name, seeds in cases.items()
    }
    if any(tuned.values()):
        lines += ["", "| fine-tuned from | seeds | mAP | from scratch, equal CPU time |", "|---|---|---|---|"]
    for name, seeds in ((name, seeds) for name, seeds in tuned.items() if seeds):
        ours, scratch = (mean_of(seeds, "fine_tuned", which, "map") for which in ("pretrained", "scratch"))
        both = " | ".join(f"{np.mean(each):.3f} ± {np.std(each):.3f}" for each in (ours, scratch))
        lines.append(f"| {name} | {len(seeds)} | {both} |")
    return "\n".join(lines)


def holds(cases: dict[str, Any]) -> bool:
    """Whether each pretext beats its trivial answer, and its probe that of random weights, on the mean."""
    wrong = []
    for name, seeds in cases.items():
        if name.startswith("random"):
            continue
        random = cases[f"random {CASES[name].backbone}"]
        if np.mean(mean_of(seeds, "test", "loss")) >= np.mean(mean_of(seeds, "test", "trivial")):
            wrong.append(f"{name}: the pretext is not solved better than by its trivial answer")
        if np.mean(mean_of(seeds, "all", "map")) <= np.mean(mean_of(random, "all", "map")):
            wrong.append(f"{name}: the probe is no better than that of random weights")
    for line in wrong:
        tell(line)
    return not wrong


if __name__ == "__main__":
    sys.exit(main())
