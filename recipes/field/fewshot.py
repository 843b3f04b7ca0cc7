"""What a few examples teach: the embedding of `field` against MFCC + SVM and the embedding of `instruments`.

    python recipes/field/build.py --data DATA --work WORK fewshot            # a `field` that never heard these classes
    python recipes/field/fewshot.py --data DATA --work WORK --instruments FOLDS

Classes that the judged `field` never heard, from any library, are learnt from 5, 10 and 20 recordings of each. For each
class one library at a time is kept for testing and the examples come from the others (``libraries``: what is new is
recorded elsewhere), or both come from anywhere (``clips``: what is new is recorded with the same microphone). Balanced
accuracy, mean over draws. Synthesised insects are told apart. ``instruments``: the model of fold D, which heard these
classes as `other`, drums or bass; FOLDS is the folder in which recipes/instruments/build.py worked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import numpy as np
import torch

from sonoscope import features
from sonoscope.audio import decode
from sonoscope.data import scenes
from sonoscope.data.datasets import collection

HERE = Path(__file__).parent
RESULTS = HERE / "fewshot.json"
DOCUMENT = HERE.parents[1] / "docs" / "models.md"
SHOTS = (5, 10, 20)
DRAWS = 30
#: A library counts for a class from so many clips on; so many of each are tested in a draw.
MIN_CLIPS, MOST_TESTED = 5, 40
RATE = 24_000
INSECTS_EACH = 50
MEAN, MAXIMA = "mean", "maxima"
MFCC = features.from_dict({"name": "mfcc"})

Vectors = dict[str, dict[str, np.ndarray]]
"""Class, then library: (clips, values)."""


def vectors(data: Path, describe: dict[str, Callable[[np.ndarray], np.ndarray]]) -> dict[str, Vectors]:
    """Of every clip of the new classes, by each description."""
    found: dict[str, dict[str, dict[str, list]]] = {
        name: defaultdict(lambda: defaultdict(list)) for name in describe
    }
    for clip in collection.read(data):
        if clip.name in build.NEW and clip.trainable and clip.source != "fluidr3_rendered":
            samples, _ = decode.read(clip.path, sample_rate=RATE)
            for name, of in describe.items():
                found[name][clip.name][clip.origin].append(of(samples))
    for kind in build.NEW_INSECTS:
        for number in range(INSECTS_EACH):
            samples = scenes.make(kind, 9_000_000 + number, 4.0, RATE)
            for name, of in describe.items():
                found[name][kind]["synthesised"].append(of(samples))
    return {
        name: {
            label: {o: np.stack(rows) for o, rows in origins.items() if len(rows) >= MIN_CLIPS}
            for label, origins in labels.items()
        }
        for name, labels in found.items()
    }


def by_embedding(network: Any, feature: Any, pool: str) -> Callable[[np.ndarray], np.ndarray]:
    """The embedding of a sound: its mean over time, or its maxima as a vector of length 1.

    What is shorter than the network's view is filled with silence.
    """
    network.eval()

    def of(samples: np.ndarray) -> np.ndarray:
        rows = feature(np.pad(samples, (0, max(RATE + 600 - samples.size, 0))))
        with torch.no_grad():
            frames = network(torch.from_numpy(np.asarray(rows, dtype=np.float32))[None])[2][0].numpy()
        if pool == MEAN:
            return frames.mean(axis=0)
        highest = frames.max(axis=0)
        return highest / np.linalg.norm(highest)

    return of


def by_mfcc(samples: np.ndarray) -> np.ndarray:
    """Mean and spread of the coefficients and of their steps."""
    rows = MFCC(np.pad(samples, (0, max(RATE // 4 - samples.size, 0))))
    steps = np.diff(rows, axis=0)
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0), steps.std(axis=0)])


def heads() -> dict[str, Any]:
    """What learns from the vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return {
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
        # As the preset `few-examples`: vectors of length 1 as they are.
        "logistic on maxima": lambda: LogisticRegression(C=30.0, max_iter=1000),
        "svm": lambda: make_pipeline(StandardScaler(), SVC(C=10.0)),
    }


def draw(
    table: dict[str, dict[str, int]], shots: int, rng: np.random.Generator, *, apart: bool
) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int]]]:
    """Which clips (class, library, number) are learnt from and which are tested."""
    learnt, tested = [], []
    for label, origins in sorted(table.items()):
        everything = [(label, origin, k) for origin, count in sorted(origins.items()) for k in range(count)]
        if apart:
            kept = str(rng.choice(sorted(origins)))
            ours = [item for item in everything if item[1] != kept]
            test = [item for item in everything if item[1] == kept]
        else:
            order = rng.permutation(len(everything))
            ours = [everything[k] for k in order[:shots]]
            test = [everything[k] for k in order[shots:]]
        learnt += [ours[k] for k in rng.permutation(len(ours))[:shots]]
        tested += [test[k] for k in rng.permutation(len(test))[:MOST_TESTED]]
    return learnt, tested


def accuracy(
    found: dict[str, Vectors], labels: list[str], *, apart: bool, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Balanced accuracy of each description and head at each number of examples: mean over draws, and per class."""
    made = heads()
    answer: dict[str, dict[str, Any]] = {}
    for shots in SHOTS:
        recalls: dict[str, list[dict[str, float]]] = defaultdict(list)
        for number in range(DRAWS):
            rng = np.random.default_rng((seed, shots, number))
            first = next(iter(found.values()))
            table = {label: {o: len(v) for o, v in first[label].items()} for label in labels}
            learnt, tested = draw(table, shots, rng, apart=apart)
            for name, values in found.items():
                x, x_test = (np.stack([values[c][o][k] for c, o, k in part]) for part in (learnt, tested))
                truth = np.array([c for c, _, _ in tested])
                said = made[name.split(" + ")[1]]().fit(x, [c for c, _, _ in learnt]).predict(x_test)
                recalls[name].append(
                    {label: float(np.mean(said[truth == label] == label)) for label in labels}
                )
        for name, draws in recalls.items():
            means = np.array([np.mean(list(d.values())) for d in draws])
            answer.setdefault(name, {})[str(shots)] = {
                "balanced_accuracy": round(float(means.mean()), 4),
                "spread": round(float(means.std()), 4),
                "recall": {label: round(float(np.mean([d[label] for d in draws])), 3) for label in labels},
            }
    return answer


def table(result: dict[str, Any]) -> str:
    """Markdown: a row for each description, columns for what is kept apart and how many examples."""
    names = list(next(iter(result["figures"].values())))
    lines = [
        "| examples of each class | "
        + " | ".join(f"{kind}, {shots}" for kind in result["figures"] for shots in SHOTS)
        + " |",
        "|---" * (1 + len(result["figures"]) * len(SHOTS)) + "|",
    ]
    for name in names:
        cells = [
            f"{result['figures'][kind][name][str(shots)]['balanced_accuracy']:.3f}"
            for kind in result["figures"]
            for shots in SHOTS
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--instruments", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = build.Recipe(HERE / "recipe.yaml", arguments.work, arguments.data, arguments.instruments)
    field = recipe.network(len(recipe.labels()))
    field.load_state_dict(torch.load(arguments.work / "fewshot" / "averaged.pt", weights_only=True))
    sys.path.insert(0, str(HERE.parent / "instruments"))
    found = vectors(
        arguments.data,
        {
            f"{name} + {head}": by_embedding(network, recipe.feature, pool)
            for name, network in (("field", field), ("instruments", instruments(arguments.instruments)))
            for pool, head in ((MAXIMA, "logistic on maxima"), (MEAN, "logistic"))
        }
        | {"mfcc + svm": by_mfcc},
    )
    first = next(iter(found.values()))
    recorded = sorted(c for c in build.NEW if sum(map(len, first.get(c, {}).values())) >= SHOTS[-1] + 5)
    several = [c for c in recorded if len(first[c]) >= 2]
    result = {
        "classes": {"clips": recorded, "libraries": several, "insects": list(build.NEW_INSECTS)},
        "draws": DRAWS,
        "figures": {
            "libraries": accuracy(found, several, apart=True),
            "clips": accuracy(found, recorded, apart=False),
            "insects": accuracy(found, list(build.NEW_INSECTS), apart=False),
        },
    }
    RESULTS.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    page = DOCUMENT.read_text(encoding="utf-8")
    before, after = page.split("<!-- fewshot -->")[0], page.split("<!-- /fewshot -->")[1]
    marked = f"{before}<!-- fewshot -->\n\n{table(result)}\n\n<!-- /fewshot -->{after}"
    DOCUMENT.write_text(marked, encoding="utf-8")
    print(table(result))


def instruments(folds: Path) -> Any:
    """The network of fold D of `instruments`."""
    from safetensors.torch import load_file

    from sonoscope.networks.build import Network

    bundle = folds / "fold-D" / "bundle"
    network = Network(**json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))["network"])
    network.load_state_dict(load_file(bundle / "model.safetensors"), strict=False)
    return network.eval()


if __name__ == "__main__":
    main()
