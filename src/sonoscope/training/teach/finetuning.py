"""Training the base itself on what was taught, through the training of networks (``training/engine.py``); needs torch.

The base's network goes on from its own weights, the new head first, then everything with smaller rates towards the
input. A share of the sites validates and another tests, so this model has learned from fewer sounds than the taught
one, and its figures are those of one draw of sites. It lies beside the taught one; which of them is better, judged
clips tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from sonoscope import features
from sonoscope.data import manifest
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.evaluation.metrics import average_precision
from sonoscope.models.bundle import Bundle
from sonoscope.training import rundir
from sonoscope.training.config import Config, compose
from sonoscope.training.start import fit
from sonoscope.training.teach import against, taught
from sonoscope.training.teach.examples import BUILT_IN, Examples
from sonoscope.training.teach.hearing import Listener

Say = Callable[[str], None]

#: Where it lies in the taught model's folder.
FOLDER = "finetune"
EPOCHS, HEAD_EPOCHS = 12, 3
#: Windows of a step, and steps of an epoch.
BATCH, STEPS = 32, 20


def check(base: Bundle) -> None:
    """Find that a base can be trained on.

    Raises
    ------
    UsageError
        If it has no network with weights beside its graph.
    """
    if "network" not in base.spec or not (base.path / "model.safetensors").is_file():
        raise UsageError(
            f"--finetune needs the weights of {base.name}, and its bundle has none (model.safetensors): teach without "
            "--finetune, or on field or instruments"
        )


def tune(
    rows: list[tuple[Manifest, Row]],
    kinds: list[str],
    examples: Examples,
    logits: np.ndarray,
    listener: Listener,
    folder: Path,
    *,
    seed: int,
    say: Say,
) -> list[str]:
    """Train, into ``folder/finetune``; lines that tell what came of it, beside the head alone on the same sounds."""
    place = folder / FOLDER
    place.mkdir()
    source = _manifest(rows, kinds, listener, place)
    outcome = fit(_config(listener.base, folder.name, source, seed), place / "run", say=say)
    return _told(outcome.folder, examples, logits)


def _manifest(rows: list[tuple[Manifest, Row]], kinds: list[str], listener: Listener, place: Path) -> Path:
    """What is learned from as one manifest: taught rows where they are, and built-in backgrounds as files."""
    found: Manifest | None = None
    for root in dict.fromkeys(each.root for each, _ in rows):
        part = Manifest(tuple(_plain(row, listener) for each, row in rows if each.root == root), root)
        found = part if found is None else manifest.merge(found, part)
    assert found is not None
    made = []
    for kind in kinds:
        for number in range(against.KINDS[kind]):
            file = place / "backgrounds" / kind / f"{number:02d}.flac"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, against.sound(kind, number, listener.sample_rate), listener.sample_rate)
            name = file.relative_to(place).as_posix()
            made.append(Row(name, duration_s=against.LASTS_S, group=f"{kind}-{number}", source=BUILT_IN))
    whole = manifest.merge(found, Manifest(tuple(made), place.absolute())) if made else found
    manifest.write(replace(whole, label_map=()), place / "manifest.csv")
    return place / "manifest.csv"


def _plain(row: Row, listener: Listener) -> Row:
    """A row without columns of one kind of source; of a judged clip, the window that was judged."""
    start, lasts = row.start_s, row.duration_s
    if taught.MIDDLE in row.extra:
        lasts = listener.window / listener.sample_rate
        start = max(float(row.extra[taught.MIDDLE]) - lasts / 2, 0.0)
    return replace(row, start_s=start, duration_s=lasts, annotation="", extra={}, split="")


def _config(base: Bundle, name: str, source: Path, seed: int) -> Config:
    network, feature = base.spec["network"], base.feature
    assert feature is not None
    return compose(
        {
            "name": name,
            "about": f"{base.name}, trained on",
            "data": {"train": [str(source)], "window_s": base.window_samples / base.sample_rate,
                     "sampler": "balanced", "split_seed": seed},
            "features": [features.to_dict(feature)],
            "augment": [{"name": "gain", "gain_db": [-12.0, 6.0]}, {"name": "mixup", "share": 0.3}],
            "network": {"backbone": network["backbone"], "head": network["head"], "init_from": str(base.path)},
            "losses": [{"name": "bce", "smoothing": 0.05}],
            "training": {
                "epochs": EPOCHS, "batch_size": BATCH, "epoch_batches": STEPS, "learning_rate": 3e-4, "seed": seed,
                "phases": [{"epochs": HEAD_EPOCHS, "train": "head", "learning_rate": 3e-3},
                           {"train": "all", "layer_decay": 0.8}],
            },
        }
    )  # fmt: skip


def _told(run: Path, examples: Examples, logits: np.ndarray) -> list[str]:
    """The average precision of both models on the test part, whose sounds neither learned from."""
    bundle = run / rundir.BUNDLE
    lines = [f"fine-tuned: {bundle}"]
    if not (run / "test.npz").is_file():
        return [*lines, "  nothing was left to test it: too few sites"]
    answers = rundir.read_answers(run / "test.npz")
    best = examples.best(logits)
    place = {_key(n, s): i for i, (n, s) in enumerate(zip(examples.names, examples.starts_s, strict=True))}
    # Paths of the merged manifest end with those of the sources.
    found = [_place_of(clip, place) for clip in answers.names]
    shared = [(row, i) for row, i in enumerate(found) if i is not None]
    for k, label in enumerate(answers.labels):
        both = [(row, i) for row, i in shared if answers.known[row, k] and not np.isnan(best[i, k])]
        truth = np.array([answers.truth[row, k] for row, _ in both])
        if len(both) < 2 or not truth.any() or truth.all():
            lines.append(f"  {label}: its test part has no such sounds, or nothing else")
            continue
        tuned = average_precision(truth, np.array([answers.scores[row, k] for row, _ in both]))
        alone = average_precision(truth, np.array([best[i, k] for _, i in both]))
        lines.append(
            f"  {label}: average precision {tuned:.2f}, taught without fine-tuning {alone:.2f}, on {len(both)} sounds "
            f"that neither learned from ({int(truth.sum())} of them {label})"
        )
    return lines


def _key(name: str, start_s: float) -> str:
    return f"{name}@{start_s:g}"


def _place_of(clip: str, place: dict[str, int]) -> int | None:
    """The sound whose name a clip's ends with."""
    while clip not in place:
        _, sign, clip = clip.partition("/")
        if not sign:
            return None
    return place[clip]
