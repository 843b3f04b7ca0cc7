"""Pre-training as a configuration says: from DATA without labels to the weights of a backbone, in a resumable folder.

What is left is what a training leaves (``rundir.py``), without answers: nothing can be named yet. The bundle gives
embeddings only (``bundling.py``), and beside it is ``backbone.safetensors``: the backbone in full precision, and mean
and standard deviation of its rows, under the names that they have in a network.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file

from sonoscope.errors import UsageError
from sonoscope.training import pretrain, start
from sonoscope.training.begin import BACKBONE
from sonoscope.training.config import Config
from sonoscope.training.course import Begun, keep_best, tester
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.pretrain.bundling import bundled
from sonoscope.training.pretrain.task import PretextTask
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
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
    """Pre-train a backbone, measure its pretext on what it never heard, and write everything into ``folder``.

    Parameters are those of :func:`sonoscope.training.engine.fit`.

    Raises
    ------
    UsageError
        If the configuration cannot be meant, or the folder holds another run.
    Stopped
        If it was interrupted twice.
    Abandoned
        If the judge gave it up.
    """
    _check(config)
    begun = Begun(
        config, Path(folder), resume=resume, quick=quick, say=say, learns_from=_without_labels(config),
        check=_tried,
    )  # fmt: skip
    setting = begun.setting
    task = task_of(setting)
    trainer = begun.trainer(start.monitored(config), judge)
    if learn:
        begun.fit(trainer, task, _opening(setting, task))
    if not (begun.leads and conclude):
        return begun.left()
    keep_best(task, begun.folder)
    write_backbone(begun.folder / BACKBONE, setting)
    figures = _measured(setting, task)
    bundled(setting, figures)
    return begun.ended(figures)


def _check(config: Config) -> None:
    if config.pretext is None:
        raise UsageError(
            f"pre-training needs a pretext, such as pretext=masked. Known: {', '.join(pretrain.PRETEXTS)}."
        )
    pretrain.named(config.pretext)
    if config.data.window_s is None:
        raise UsageError("pre-training is shown windows: set data.window_s, such as data.window_s=3")
    if config.network.adapters:
        raise UsageError("network.adapters adapt a pre-trained backbone: leave them out of kind=pretrain")


def _without_labels(config: Config) -> Config:
    """The configuration with nothing in it that asks for labels."""
    return replace(
        config,
        data=replace(config.data, sampler="all", labels=None),
        training=replace(config.training, class_weights=False),
        augment=(),
    )


def _tried(setting: Setting) -> None:
    """See that there is something to learn, and that the pretext fits the network and the window."""
    if not any(True for _ in setting.network.backbone.parameters()):
        raise UsageError(
            f"the backbone {setting.config.network.backbone['name']!r} is finished: nothing in it can be pre-trained"
        )
    with torch.random.fork_rng(devices=[]):  # what is made for the training begins with the same numbers
        _pretext(setting)


def _pretext(setting: Setting) -> Any:
    config, frames = setting.config, setting.frames
    assert config.pretext is not None
    if frames is None:
        raise UsageError(
            "pretexts are tasks about rows of a feature: choose one (features=logmel), not samples"
        )
    return pretrain.build(config.pretext, setting.network, frames)


def task_of(setting: Setting) -> PretextTask:
    """The module that Lightning fits."""
    config, network = setting.config, setting.network
    if config.training.channels_last:
        cast(Any, network).to(memory_format=torch.channels_last)
    made = _pretext(setting)
    return PretextTask(network, setting.frontend, made, config, steps_per_epoch=setting.steps_per_epoch())


def write_backbone(path: Path, setting: Setting) -> None:
    """The backbone and the statistics of its rows, in full precision; the head, which learned nothing, stays out."""
    kept = {
        name: value.detach().cpu().contiguous().clone()
        for name, value in setting.network.state_dict().items()
        if not name.startswith("head.")
    }
    save_file(kept, path)
    path.chmod(0o644)


def _measured(setting: Setting, task: PretextTask) -> dict[str, Any]:
    """The pretext's figures on validation and test: its loss, that of a trivial answer, and others."""
    found: dict[str, Any] = {
        "pretext": (setting.config.pretext or {})["name"],
        "parameters": sum(p.numel() for p in setting.network.backbone.parameters()),
        "certificate": setting.data.certificate.line,
    }
    for part in (VALIDATION, TEST):
        if setting.has(part):
            told = tester().test(task, setting.loader_of(part), verbose=False)
            figures = {name.removeprefix("val_"): round(float(value), 5) for name, value in told[0].items()}
            found["validation" if part == VALIDATION else part] = figures
    return found


def _opening(setting: Setting, task: PretextTask) -> str:
    """What a person wants to know before it begins."""
    rows = setting.data.shards.rows
    counts = {part: sum(row.split == part for row in rows) for part in (TRAIN, VALIDATION, TEST)}
    backbone, pretext = (
        sum(p.numel() for p in part.parameters()) for part in (setting.network.backbone, task.pretext)
    )
    config = setting.config
    return (
        f"{counts[TRAIN]} clips to learn from, {counts[VALIDATION]} to validate, {counts[TEST]} to test, "
        f"labels are not looked at; {setting.data.certificate.line}\n"
        f"{config.network.backbone['name']} with {backbone:,} parameters by {(config.pretext or {})['name']} "
        f"({pretext:,} more), {task.plan.stretches[-1].end} epochs of {setting.steps_per_epoch()} batches"
    )
