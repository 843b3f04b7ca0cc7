"""Trainings that end in what is no number: told at once with what to do, never the best epoch, never a figure."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from lightning.pytorch.callbacks import Callback  # noqa: E402

from sonoscope.cli import main  # noqa: E402
from sonoscope.training import rundir, search  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.course import Begun  # noqa: E402
from sonoscope.training.engine import fit, task_of  # noqa: E402
from sonoscope.training.rundir import Diverged  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
#: Each step makes the weights some times as large.
WILD = (
    "training.optimizer=sgd",
    "training.learning_rate=10",
    "training.gradient_clip=null",
    "training.momentum=0.99",
)


class Breaks(Callback):
    """In its second epoch a network's weights, or only what it knows of its batches, become NaN."""

    def __init__(self, of: str) -> None:
        self._of = of

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        if trainer.current_epoch == 1:
            tensors = dict(getattr(module.network, f"named_{self._of}")())
            name = next(name for name in tensors if self._of == "parameters" or name.endswith("running_var"))
            tensors[name].data.fill_(float("nan"))


def broken(config: Config, folder: Path, of: str) -> None:
    begun = Begun(config, folder, resume=False, quick=False, say=lambda _: None)
    task = task_of(begun.setting)
    trainer = begun.trainer()
    trainer.callbacks.insert(0, Breaks(of))
    begun.fit(trainer, task, "")


@pytest.mark.parametrize(
    "of, told",
    [("parameters", "epoch 2: weights of the network are"), ("buffers", r"answers to \d clips \(the first")],
)
def test_it_ends_at_once_and_keeps_the_epochs_before(
    tones: Tones, tmp_path: Path, of: str, told: str
) -> None:
    with pytest.raises(Diverged, match=f"{told}.*no numbers.*training.learning_rate"):
        broken(tones(), tmp_path / "run", of)
    for name in (rundir.BEST, rundir.LAST):
        held = torch.load(tmp_path / "run" / name, weights_only=True)
        assert held["epoch"] == 0
        assert all(torch.isfinite(weights).all() for weights in held["state_dict"].values())


def test_the_loss_of_the_validation_is_no_number(tones: Tones, tmp_path: Path, monkeypatch) -> None:
    """Trainings without labels have nothing else to tell."""
    from sonoscope.training.task import Task

    whole = Task.validation_step

    def step(self: Any, batch: Any, number: int) -> None:
        whole(self, batch, number)
        if self.current_epoch == 1:
            self.log("val_loss", torch.tensor(float("nan")), batch_size=1)

    monkeypatch.setattr(Task, "validation_step", step)
    with pytest.raises(Diverged, match="epoch 2: answers to the validation part"):
        fit(tones("training.monitor=val_loss"), tmp_path / "run", say=lambda _: None)


def test_answers_that_are_no_numbers_have_no_figures(tones: Tones, tmp_path: Path) -> None:
    begun = Begun(tones("training.epochs=1"), tmp_path / "run", resume=False, quick=False, say=lambda _: None)
    task = task_of(begun.setting)
    said = np.array([[0.0, 1.0, 2.0], [0.0, np.nan, 2.0]])
    task._said.append((np.array([0, 3]), said, np.ones((2, 3)), np.ones((2, 3))))
    with pytest.raises(Diverged, match=r"answers to 1 clip \(the first: "):
        task.answers(logits=True)


@pytest.mark.slow
def test_a_wild_rate_in_a_sweep_costs_its_own_training_alone(
    sounds: Path, tones: Tones, tmp_path: Path, capsys
) -> None:
    config, place = tmp_path / "tones.yaml", tmp_path / "out"
    config.write_text(tones("training.epochs=8", *WILD).to_yaml())
    sweep = "training.learning_rate=10,0.001"
    assert main(["train", str(config), "-o", str(place), "--sweep", sweep]) == 1
    assert "the training diverged" in capsys.readouterr().err
    assert not rundir.finished(place / "learning_rate=10")
    assert rundir.finished(place / "learning_rate=0.001")


def test_a_search_goes_on_and_says_when_nothing_was_found(tones: Tones, tmp_path: Path, capsys) -> None:
    pytest.importorskip("optuna")
    config, place = tmp_path / "tones.yaml", tmp_path / "out"
    config.write_text(tones("training.epochs=8", *WILD).to_yaml())
    words = [
        "train",
        str(config),
        "-o",
        str(place),
        "--sweep",
        "training.learning_rate=8..10",
        "--search",
        "2",
    ]
    assert main(words) == 1
    rows = list(csv.DictReader((place / search.TABLE).open()))
    assert [row["state"] for row in rows] == ["given up", "given up"]
    assert not (place / search.BEST).exists()
