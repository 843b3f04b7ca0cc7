"""Fitting a network as a configuration says, from DATA to a bundle, in a folder that can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import lightning
import torch

from sonoscope.errors import BadBundle
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.networks.backbones.frozen import Graph
from sonoscope.networks.build import Network
from sonoscope.networks.export import write_bundle
from sonoscope.training import adapters, augment, describe, rundir
from sonoscope.training.classical import baselines
from sonoscope.training.config import Config
from sonoscope.training.course import Begun, keep_best, tester
from sonoscope.training.losses.bce import with_positive_weights
from sonoscope.training.losses.family import with_families
from sonoscope.training.losses.objective import tried
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
from sonoscope.training.task import Task
from sonoscope.training.watch import Judge


def fit(
    config: Config,
    folder: Path,
    *,
    resume: bool = False,
    quick: bool = False,
    say: Say = print,
    judge: Judge | None = None,
    learn: bool = True,
    conclude: bool = True,
) -> Outcome:
    """Fit a network, test it, and write everything into ``folder``.

    Parameters
    ----------
    config : Config
    folder : Path
    resume : bool
        The folder may hold this very run, unfinished: it goes on after its last whole epoch.
    quick : bool
        A few clips of each part.
    say : callable
        Takes lines for a person.
    judge : callable, optional
        Told the monitored figure of each epoch; may give the training up.
    learn, conclude : bool
        Only one of two halves: without ``conclude`` nothing is tested and no bundle written; without ``learn`` that
        is done for what the folder holds.

    Raises
    ------
    UsageError
        If the configuration cannot be meant, or the folder holds another run.
    Stopped
        If it was interrupted twice.
    Abandoned
        If the judge gave it up, or (``Diverged``) weights or answers became what is no number.
    """
    begun = Begun(config, Path(folder), resume=resume, quick=quick, say=say)
    setting = begun.setting
    task = task_of(setting)
    trainer = begun.trainer(judge=judge)
    if learn:
        begun.fit(trainer, task, opening(setting, task))
    if not (begun.leads and conclude):
        return begun.left()
    keep_best(task, begun.folder)
    return begun.ended(concluded(setting, task, trainer))


def task_of(setting: Setting) -> Task:
    """The module that Lightning fits."""
    config, network = setting.config, setting.network
    if config.training.channels_last:
        cast(Any, network).to(memory_format=torch.channels_last)
    losses = with_positive_weights(with_families(config.losses, setting.data.labels), setting.learned)
    class_weights = setting.class_weights()
    objective = tried(
        losses, dim=network.backbone.dim, n_classes=len(setting.data.labels), weights=class_weights
    )
    on_samples, on_rows = augment.build(config.augment, setting.rate, setting.feature)
    rows = setting.data.shards.rows
    return Task(
        network, setting.frontend, objective, config,
        steps_per_epoch=setting.steps_per_epoch(), labels=setting.data.labels,
        groups=tuple(row.group or row.path for row in rows),
        names=tuple(f"{row.path}@{row.start_s:g}" for row in rows),
        augment=on_samples, augment_rows=on_rows, class_weights=class_weights,
        genres=setting.genres(), known=setting.known(), learning_frontend=setting.learning_frontend,
    )  # fmt: skip


def concluded(setting: Setting, task: Task, trainer: lightning.Trainer) -> dict[str, Any]:
    """Calibrate on validation, test, and write answers and bundle; return the figures."""
    folder = setting.folder
    validation = answers_of(setting, task, trainer, VALIDATION)
    scaling, _ = describe.calibrated(validation)
    scaled = describe.scaled(validation, scaling)
    thresholds = tagging.fitted_thresholds(scaled)
    rundir.write_answers(folder / "validation.npz", scaled)
    metrics: dict[str, Any] = {"validation": rundir.figures(scaled, thresholds, draws=0)["fitted"]}
    if setting.has(TEST):
        tested = describe.scaled(answers_of(setting, task, trainer, TEST), scaling)
        rundir.write_answers(folder / "test.npz", tested)
        metrics |= rundir.figures(tested, thresholds)
        metrics["dummies"] = rundir.numbers(baselines.figures(tested))
    metrics["parameters"] = sum(p.numel() for p in setting.network.parameters())
    metrics["certificate"] = setting.data.certificate.line
    bundled(setting, task, validation, metrics)
    return metrics


def answers_of(setting: Setting, task: Task, trainer: lightning.Trainer, part: str) -> Answers:
    """The mean logits of every clip of a part."""
    tester(trainer.precision).test(task, setting.loader_of(part), verbose=False)
    found = task.answers(logits=True)
    assert found is not None
    return found


def bundled(setting: Setting, task: Task, validation: Answers, metrics: dict[str, Any]) -> None:
    """Write the bundle, where the network can leave torch; else say why not."""
    window = setting.window
    network = adapters.merged(task.best)
    if window is None:
        setting.say(
            "no bundle: no window; to learn from whole clips and analyse windows, set data.shown=clips"
        )
        return
    hop = setting.config.data.hop_s
    learned = [i for i, row in enumerate(setting.data.shards.rows) if row.split == TRAIN]
    about = {
        "clips": len(learned),
        "hours": round(float(setting.data.shards.lengths[learned].sum()) / setting.rate / 3600, 2),
        "groups": len({setting.data.shards.rows[i].group for i in learned}),
    }
    found = describe.description(
        setting.config, sample_rate=setting.rate, window=window,
        hop=window // 2 if hop is None else round(hop * setting.rate),
        validation=validation, metrics=metrics, training_data=about,
    )  # fmt: skip
    beneath = network.backbone.origin() if isinstance(network.backbone, Graph) else None
    card = describe.card(found, setting.data.certificate.text(), beneath=beneath)
    try:
        write_bundle(setting.folder / rundir.BUNDLE, network, found, feature=setting.feature, card=card)
    except BadBundle as problem:  # what was learned and measured stays
        if network.backbone.exportable:  # of what is not, none is expected
            metrics[rundir.REFUSED] = str(problem)
        setting.say(f"no bundle: {problem}{_of_others(network)}")
        return
    if told := describe.of_own_features(setting.config):
        setting.say(told)


def _of_others(network: Network) -> str:
    """What else there is to say where a network cannot be written as a graph."""
    if network.backbone.exportable:
        return ""
    name = network.config["backbone"]["name"]
    return (
        f". {name!r} is code of others, which runs where torch is; the training's checkpoints hold the head"
    )


def opening(setting: Setting, task: Task) -> str:
    """What a person wants to know before it begins."""
    counts = {
        part: sum(row.split == part for row in setting.data.shards.rows) for part in (TRAIN, VALIDATION, TEST)
    }
    size = sum(p.numel() for p in setting.network.parameters())
    beneath = isinstance(setting.network.backbone, Graph)
    unknown = "\nwhat the model beneath the head learned from is not known here, nor counted in the split"
    return (
        f"{counts[TRAIN]} clips to learn from, {counts[VALIDATION]} to validate, {counts[TEST]} to test; "
        f"{len(setting.data.labels)} labels; {setting.data.certificate.line}\n"
        f"{setting.config.network.backbone['name']} with {size:,} parameters, "
        f"{task.plan.stretches[-1].end} epochs of {setting.steps_per_epoch()} batches"
        f"{unknown if beneath else ''}"
    )
