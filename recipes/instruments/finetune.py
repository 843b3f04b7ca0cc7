"""Instruments outside the eleven on the trunk of `instruments`: how well a new head holds across libraries.

    python recipes/instruments/finetune.py --data DATA --work WORK     # the fold models and the bank of build.py

Every class of the labelled recordings that is none of the model's own, with at least five clips from each of at least
two libraries in different folds. For each fold the trunk is that of the model that never heard the fold; a logistic
regression learns from the embeddings of the clips of other folds and is tested on the fold's. A class's recall is the
mean over its tested libraries, balanced accuracy the mean over classes. An SVM on MFCC of the same clips stands beside.
The label map is checked: no class may be one that the model names.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import build
import card
import numpy as np
import torch

from sonoscope import features
from sonoscope.audio import decode
from sonoscope.data.datasets import collection

MIN_CLIPS = 5
MFCC = features.from_dict({"name": "mfcc"})


def classes(clips: list[collection.Clip]) -> dict[str, dict[str, list[collection.Clip]]]:
    """Class, library, clips: what can be learnt from one library and tested on another."""
    found: dict[str, dict[str, list[collection.Clip]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        if (
            clip.fold
            and clip.trainable
            and clip.label == "other"
            and clip.name != "other"
            and not clip.unknown
        ):
            found[clip.name][clip.origin].append(clip)
    kept = {
        name: {origin: rows for origin, rows in sorted(origins.items()) if len(rows) >= MIN_CLIPS}
        for name, origins in sorted(found.items())
    }
    kept = {
        name: origins
        for name, origins in kept.items()
        if len({rows[0].fold for rows in origins.values()}) >= 2
    }
    assert not set(kept) & set(build.IDS), "a class of the model is no new instrument"
    return kept


def mfcc(path: Path) -> np.ndarray:
    """Mean and spread of the coefficients and of their steps."""
    samples, rate = decode.read(path, sample_rate=24_000)
    rows = MFCC(np.pad(samples, (0, max(rate // 4 - samples.size, 0))))
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0), np.diff(rows, axis=0).std(axis=0)])


def embeddings(recipe: build.Recipe, fold: str, keys: set[str]) -> dict[str, np.ndarray]:
    """Mean embedding of each clip by the network that never heard the fold."""
    network, bank = build.trained(recipe, f"fold-{fold}"), recipe.bank
    found = {}
    for index, row in enumerate(bank.rows):
        if row["key"] in keys and row["variant"] == "0":
            frames = bank.item(index).astype(np.float32)
            short = max(41 - len(frames), 0)
            frames = np.pad(frames, ((0, short), (0, 0)), constant_values=np.float32(-100.0))
            with torch.no_grad():
                found[row["key"]] = network.answers(torch.from_numpy(frames)[None])[1][0].numpy()
    return found


def measure(recipe: build.Recipe) -> dict[str, Any]:
    """Recall of each class in each library, by both."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    table = classes(collection.read(recipe.data))
    clips = [clip for origins in table.values() for rows in origins.values() for clip in rows]
    plain = {clip.key: mfcc(clip.path) for clip in clips}
    recalls: dict[str, dict[str, dict[str, float]]] = {
        kind: defaultdict(dict) for kind in ("embedding + logistic", "mfcc + svm")
    }
    for fold in build.FOLDS:
        learnt = [clip for clip in clips if clip.fold != fold]
        known = {clip.name for clip in learnt}
        tested = [clip for clip in clips if clip.fold == fold and clip.name in known]
        if not tested:
            continue
        embedded = embeddings(recipe, fold, {clip.key for clip in clips})
        for kind, vectors, head in (
            (
                "embedding + logistic",
                embedded,
                LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced"),
            ),
            ("mfcc + svm", plain, SVC(C=10.0, class_weight="balanced")),
        ):
            model = make_pipeline(StandardScaler(), head)
            model.fit(np.stack([vectors[c.key] for c in learnt]), [c.name for c in learnt])
            said = model.predict(np.stack([vectors[c.key] for c in tested]))
            hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
            for clip, answer in zip(tested, said, strict=True):
                hits[clip.name, clip.origin].append(answer == clip.name)
            for (name, origin), values in hits.items():
                recalls[kind][name][origin] = round(float(np.mean(values)), 3)
    return {
        "classes": {name: {o: len(rows) for o, rows in origins.items()} for name, origins in table.items()},
        "recall": recalls,
        "balanced_accuracy": {
            kind: round(float(np.mean([np.mean(list(v.values())) for v in found.values()])), 4)
            for kind, found in recalls.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = measure(build.Recipe(build.HERE / "recipe.yaml", arguments.work, arguments.data))
    (build.RESULTS / "finetune.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    table = card.finetune_table(result)
    card.put(build.DOCUMENT, "finetune", table)
    print(table)


if __name__ == "__main__":
    main()
