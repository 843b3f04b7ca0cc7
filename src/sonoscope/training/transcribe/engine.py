"""Fitting a network of notes as a configuration says: from DATA with notes to a bundle, in a resumable folder.

Everything but the truth, the loss and the bundle is that of any training: parts by origin, prepared sound, features on
the device, phases, schedules, checkpoints, history. The loss is that of the model ``notes``
(:func:`sonoscope.training.notes.note_loss`). The best epoch is chosen by ``val_ap``, the average precision of what
sounds over all pairs of a frame and a key; thresholds for the decoder are those with the best F1 on validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from sonoscope.errors import BadBundle, UsageError
from sonoscope.networks.framenotes import FrameNotes
from sonoscope.networks.noteexport import write_note_bundle
from sonoscope.training import rundir, start
from sonoscope.training.config import Config
from sonoscope.training.course import Begun, keep_best, tester
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION
from sonoscope.training.rundir import Outcome
from sonoscope.training.setting import Say, Setting
from sonoscope.training.transcribe.counted import Figures, f1_at
from sonoscope.training.transcribe.task import ONSET, SUSTAIN, NoteTask
from sonoscope.training.watch import Judge

#: Share of a threshold down to which a note goes on, or has to fall before it begins again.
LOWER = 0.6


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
    """Fit a network of notes, test it, and write everything into ``folder``.

    Parameters are those of :func:`sonoscope.training.engine.fit`.

    Raises
    ------
    UsageError
        If the configuration cannot be meant, or the folder holds another run.
    BadManifest
        If a row has no notes.
    Stopped
        If it was interrupted twice.
    Abandoned
        If the judge gave it up.
    """
    _check(config)
    begun = Begun(config, Path(folder), resume=resume, quick=quick, say=say)
    setting = begun.setting
    task = task_of(setting)
    trainer = begun.trainer(start.monitored(config), judge)
    if learn:
        begun.fit(trainer, task, _opening(setting, task))
    if not (begun.leads and conclude):
        return begun.left()
    keep_best(task, begun.folder)
    return begun.ended(_concluded(setting, task))


def _check(config: Config) -> None:
    """Refuse what would be silently without effect."""
    if config.data.window_s is None:
        raise UsageError("notes are learned from windows: set data.window_s, such as data.window_s=2")
    if [dict(loss) for loss in config.losses] != [{"name": "bce"}]:
        raise UsageError("kind=notes has a loss of its own (onset, sustain, velocity): leave losses out")
    for key, given in (("augment", config.augment), ("network.adapters", config.network.adapters),
                       ("training.average", config.training.average)):  # fmt: skip
        if given:
            raise UsageError(f"{key} does nothing for kind=notes: leave it out")


def task_of(setting: Setting) -> NoteTask:
    """The module that Lightning fits."""
    notes = FrameNotes(setting.network)
    if setting.config.network.init_from is None:
        notes.begin_modestly()
    if setting.config.training.channels_last:
        import torch

        cast(Any, notes).to(memory_format=torch.channels_last)
    return NoteTask(notes, setting.frontend, setting.config, steps_per_epoch=setting.steps_per_epoch())


def _concluded(setting: Setting, task: NoteTask) -> dict[str, Any]:
    """Fit thresholds on validation, test with them, and write the bundle; return the figures."""
    counts = _counts(setting, task, VALIDATION)
    onset, sustain = Figures.of(counts[ONSET]), Figures.of(counts[SUSTAIN])
    metrics: dict[str, Any] = {"validation": _told(counts, onset, sustain)}
    if setting.has(TEST):
        metrics["test"] = _told(_counts(setting, task, TEST), onset, sustain)
    metrics["parameters"] = sum(p.numel() for p in setting.network.parameters())
    metrics["certificate"] = setting.data.certificate.line
    _bundled(setting, task, _rules(onset, sustain), metrics)
    return metrics


def _counts(setting: Setting, task: NoteTask, part: str) -> Any:
    tester().test(task, setting.loader_of(part), verbose=False)
    return task.counts_now()


def _told(counts: Any, onset: Figures, sustain: Figures) -> dict[str, float]:
    """Figures of a part, F1 at the thresholds of validation."""
    own = {name: Figures.of(counts[k]) for name, k in (("onset_", ONSET), ("", SUSTAIN))}
    found = {f"{name}ap": figures.average_precision for name, figures in own.items()}
    found |= {
        "onset_f1": f1_at(counts[ONSET], onset.threshold),
        "f1": f1_at(counts[SUSTAIN], sustain.threshold),
    }
    return cast(dict[str, float], rundir.numbers(found))


def _rules(onset: Figures, sustain: Figures) -> dict[str, float | None]:
    """What the decoder is told (:class:`sonoscope.notes.rules.NoteRules`)."""
    high = {
        name: min(max(round(f.threshold, 3), 0.01), 0.99)
        for name, f in (("onset", onset), ("sustain", sustain))
    }
    low = {f"{name}_low": round(LOWER * value, 3) for name, value in high.items()}
    return {**high, **low, "soft_length_s": None}


def _bundled(
    setting: Setting, task: NoteTask, rules: dict[str, float | None], metrics: dict[str, Any]
) -> None:
    """Write the bundle, with a card that says what it was trained on and how right it is."""
    config, feature = setting.config, setting.feature
    assert feature is not None
    name = config.name or setting.folder.name
    counts = _rows(setting)
    description = {
        "name": name,
        "version": "0.1.0",
        "licence": "",
        "decision": {
            "rules": rules,
            "origin": f"best F1 of frames and keys on {counts[VALIDATION]} recordings of the validation",
        },
        "metrics": metrics,
        "training_data": {"recordings": counts[TRAIN], "data": list(config.data.train)},
        "provenance": {"command": "sonoscope train", "config": config.to_dict()},
    }
    part = "test" if "test" in metrics else "validation"
    told = metrics[part]
    card = (
        f"# {name}\n\n{config.about or 'A network of notes.'}\n\nTrained on {counts[TRAIN]} recordings with notes "
        f"({', '.join(config.data.train)}); {metrics['parameters']:,} parameters. On {part} recordings: average "
        f"precision of frames and keys {told['ap']:.3f}, F1 {told['f1']:.3f}; onsets {told['onset_ap']:.3f} and "
        f"{told['onset_f1']:.3f}. {metrics['certificate']}.\n\n"
        f"    sonoscope notes RECORDINGS -m {setting.folder / rundir.BUNDLE}\n"
    )
    try:
        write_note_bundle(task.notes, setting.folder / rundir.BUNDLE, description, feature=feature, card=card)
    except BadBundle as problem:  # what was learned and measured stays
        metrics[rundir.REFUSED] = str(problem)
        setting.say(f"no bundle: {problem}")


def _rows(setting: Setting) -> dict[str, int]:
    rows = setting.data.shards.rows
    return {part: sum(row.split == part for row in rows) for part in (TRAIN, VALIDATION, TEST)}


def _opening(setting: Setting, task: NoteTask) -> str:
    """What a person wants to know before it begins."""
    counts, parameters = _rows(setting), sum(p.numel() for p in setting.network.parameters())
    return (
        f"{counts[TRAIN]} clips to learn from, {counts[VALIDATION]} to validate, {counts[TEST]} to test; "
        f"{setting.data.certificate.line}\n"
        f"{setting.config.network.backbone['name']} with {parameters:,} parameters, "
        f"{task.plan.stretches[-1].end} epochs of {setting.steps_per_epoch()} batches; a frame sees "
        f"{task.notes.receptive_field} rows"
    )
