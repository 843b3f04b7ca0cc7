"""What reaches the steps of a training: chance, augmentation, weights, samplers; and which epoch is kept."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")
from safetensors.torch import load_file  # noqa: E402

from sonoscope.evaluation import tagging  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.training import augment, rundir  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.engine import fit  # noqa: E402
from sonoscope.training.loader import EpochLoader, Whole  # noqa: E402
from sonoscope.training.losses.objective import Objective  # noqa: E402
from sonoscope.training.prepare import TRAIN, VALIDATION  # noqa: E402
from sonoscope.training.setting import Setting  # noqa: E402
from sonoscope.training.task import Task  # noqa: E402
from sonoscope.training.watch import Keep  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
SHORT = ("training.epochs=2", "training.epoch_batches=3")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of prepared sound that the trainings here share."""
    return f"data.folder={tmp_path_factory.mktemp('prepared') / 'data'}"


def silent(_line: str) -> None:
    """Nobody listens."""


# ---- steps -------------------------------------------------------------------------------------------------


def test_every_step_draws_numbers_of_its_own_by_the_seed(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn: dict[tuple[int, str], list[int]] = {}
    for kind in (augment.Gain, augment.SpecAugment):
        original = kind.__call__

        def spied(self: Any, batch: Any, rng: torch.Generator, original: Any = original) -> Any:
            drawn.setdefault((run, type(self).__name__), []).append(rng.initial_seed())
            return original(self, batch, rng)

        monkeypatch.setattr(kind, "__call__", spied)
    for run, seed in enumerate((0, 0, 1)):
        words = ("augment=[{name: gain}, {name: spec_augment}]", f"training.seed={seed}", *SHORT, prepared)
        fit(tones(*words), tmp_path / str(run), say=silent, conclude=False)
    first, again, other = ([*drawn[run, "Gain"], *drawn[run, "SpecAugment"]] for run in range(3))
    assert len(first) == 2 * 2 * 3 and len(set(first)) == len(first)
    assert again == first and not set(other) & set(first)


def test_rows_are_masked_to_learn_from_and_whole_to_validate(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    flat: dict[bool, list[float]] = {True: [], False: []}
    original = Network.maps

    def spied(self: Any, rows: torch.Tensor) -> Any:
        # Silence behind a clip's end is flat as well, but nothing is lower.
        masked = (rows.std(dim=2) == 0) & (rows.mean(dim=2) > rows.amin() + 5.0)
        flat[self.training].append(float(masked.float().mean()))
        return original(self, rows)

    monkeypatch.setattr(Network, "maps", spied)
    masks = "augment=[{name: spec_augment, share: 1.0, time_masks: 4, time_share: 0.5, frequency_masks: 0}]"
    fit(tones(masks, *SHORT, prepared), tmp_path / "run", say=silent, conclude=False)
    assert min(flat[True]) > 0.2 and max(flat[False]) == 0.0


def test_weights_of_classes_reach_the_loss(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[bool, torch.Tensor | None]] = []
    original = Objective.forward

    def spied(self: Any, *parts: Any, weights: Any = None, **more: Any) -> Any:
        seen.append((self.training, weights))
        return original(self, *parts, weights=weights, **more)

    monkeypatch.setattr(Objective, "forward", spied)
    config = tones("training.class_weights=true", *SHORT, prepared)
    wanted = Setting(config, tmp_path / "again", quick=False, say=silent).class_weights()
    fit(config, tmp_path / "run", say=silent, conclude=False)
    assert {learning for learning, _ in seen} == {True, False}
    assert wanted is not None and all(torch.equal(given, wanted) for _, given in seen if given is not None)
    assert all(given is not None for _, given in seen)


def test_averaged_weights_follow_every_step_and_become_the_model(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps: list[dict[str, torch.Tensor]] = []
    asked: dict[bool, set[int]] = {True: set(), False: set()}
    original, answers = Task.optimizer_step, Network.answers

    def spied(self: Any, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        steps.append({name: value.detach().clone() for name, value in self.network.named_parameters()})

    def spied_answers(self: Any, *given: Any, **named: Any) -> Any:
        asked[self.training].add(id(self))
        return answers(self, *given, **named)

    monkeypatch.setattr(Task, "optimizer_step", spied)
    monkeypatch.setattr(Network, "answers", spied_answers)
    config = tones("training.average=0.9", "training.validate_every=2", *SHORT, prepared)
    done = fit(config, tmp_path / "run", say=silent)
    held = torch.load(done.folder / rundir.BEST, weights_only=True)["state_dict"]
    model = load_file(done.folder / "bundle" / "model.safetensors")
    assert len(steps) == 6
    assert len(asked[True]) == len(asked[False]) == 1 and asked[True] != asked[False]  # judged is the average
    for name, last in steps[-1].items():
        # The first step is taken as it is; then by the decay, or less while there are few.
        average = steps[0][name]
        for count, step in enumerate(steps[1:], start=1):
            decay = min(0.9, (1 + count) / (10 + count))
            average = decay * average + (1 - decay) * step[name]
        torch.testing.assert_close(held[f"averaged.module.{name}"], average, atol=1e-6, rtol=1e-5)
        assert torch.equal(model[name], held[f"averaged.module.{name}"].half()), name
        assert not torch.equal(model[name], last.half()), name


def test_one_class_of_many_is_a_share_of_one(
    tones: Tones, prepared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sums: list[np.ndarray] = []
    original = tagging.measured

    def spied(answers: Any, *more: Any) -> Any:
        sums.append(answers.scores.sum(axis=1))
        return original(answers, *more)

    monkeypatch.setattr(tagging, "measured", spied)
    for task, losses in (("multiclass", "cross_entropy"), ("multilabel", "bce")):
        words = (f"data.task={task}", f"losses={losses}", *SHORT, prepared)
        fit(tones(*words), tmp_path / task, say=silent, conclude=False)
        found = np.concatenate(sums)
        assert np.allclose(found, 1.0, atol=1e-6) == (task == "multiclass")
        sums.clear()


# ---- batches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window_s", ["1.0", "null"])
def test_every_epoch_has_batches_of_its_own_and_the_same_when_it_is_repeated(
    tones: Tones, prepared: str, tmp_path: Path, window_s: str
):
    words = (f"data.window_s={window_s}", "network.backbone=crnn", "training.batch_size=3", prepared)
    setting = Setting(tones(*words), tmp_path, quick=False, say=silent)
    batches = setting.train_loader()
    assert isinstance(batches, EpochLoader)
    first, second = ([batch.clips.tolist() for batch in batches] for _ in range(2))
    assert first != second
    later = setting.train_loader()
    later.epoch = 1
    assert [batch.clips.tolist() for batch in later] == second


def test_of_clips_that_are_too_long_a_part_is_shown_another_one_each_time(
    tones: Tones, prepared: str, tmp_path: Path
):
    shards = Setting(tones(prepared), tmp_path, quick=False, say=silent).data.shards

    def shown(seed: int | None, epoch: int) -> dict[int, np.ndarray]:
        clips = Whole(shards, ("low",), TRAIN, 4, seed=seed, longest=4000)
        clips.epoch = epoch
        return {
            int(clip): samples[: int(length)].numpy()
            for batch in clips
            for samples, length, clip in zip(batch.samples, batch.lengths, batch.clips, strict=True)
        }

    begun = shown(None, 0)
    assert {len(samples) for samples in begun.values()} == {4000}
    for clip, samples in begun.items():
        whole = np.empty(int(shards.lengths[clip]), dtype=np.float32)
        shards.read_into(whole, clip, 0)
        np.testing.assert_array_equal(samples, whole[:4000])
    drawn = [shown(0, 0), shown(0, 1), shown(1, 0), begun]
    for one in range(len(drawn)):
        for other in range(one):
            same = [np.array_equal(drawn[one][clip], drawn[other][clip]) for clip in begun]
            assert not any(same), (one, other)
    assert all(np.array_equal(samples, drawn[0][clip]) for clip, samples in shown(0, 0).items())


def test_samplers_draw_labels_and_groups_alike(sounds: Path, tones: Tones, tmp_path: Path):
    """Twelve clips of one label and three of the others; of the many, nine are one recordist's."""
    rows = [("low", n, "busy" if n < 9 else f"r{n}") for n in range(12)]
    rows += [(label, n, f"r{n}") for label in ("middle", "high") for n in range(3)]
    lines = [f"{label}/{n}.wav,{label},{group},train" for label, n, group in rows]
    lines += [f"{label}/11.wav,{label},other,val" for label in ("middle", "high")]
    (sounds / "uneven.csv").write_text("path,labels,group,split\n" + "\n".join(lines) + "\n")
    shares: dict[str, dict[str, float]] = {}
    for sampler in ("all", "balanced", "balanced-groups"):
        words = (f"data.train={sounds / 'uneven.csv'}", f"data.sampler={sampler}", "training.batch_size=50")
        setting = Setting(tones(*words, f"data.folder={tmp_path}"), tmp_path, quick=False, say=silent)
        held = setting.data.shards.rows
        drawn = [held[int(clip)] for n in range(24) for clip in setting.feed(TRAIN).batch(n).rows]
        low = [row for row in drawn if row.labels == ("low",)]
        shares[sampler] = {
            "low": len(low) / len(drawn),
            "busy": sum(row.group == "busy" for row in low) / len(low),
        }
        clips = [int(clip) for batch in setting.loader_of(VALIDATION) for clip in batch.clips]
        assert sorted(set(clips)) == [n for n, row in enumerate(held) if row.split == VALIDATION]
    assert shares["all"]["low"] == pytest.approx(12 / 18, abs=0.08)
    assert shares["balanced"]["low"] == shares["balanced-groups"]["low"] == pytest.approx(1 / 3, abs=0.02)
    assert shares["all"]["busy"] == pytest.approx(9 / 12, abs=0.08)
    assert shares["balanced"]["busy"] == pytest.approx(9 / 12, abs=0.08)
    assert shares["balanced-groups"]["busy"] == pytest.approx(1 / 4, abs=0.03)


def test_windows_of_validation_are_a_hop_apart(tones: Tones, prepared: str, tmp_path: Path):
    setting = Setting(tones("data.hop_s=0.25", prepared), tmp_path, quick=False, say=silent)
    window, hop = setting.rate, setting.rate // 4
    for part in (VALIDATION, "test"):
        wanted = [
            1 + -(-max(int(n) - window, 0) // hop)
            for n, row in zip(setting.data.shards.lengths, setting.data.shards.rows, strict=True)
            if row.split == part
        ]
        clips = torch.cat([batch.clips for batch in setting.loader_of(part)])
        assert sorted(torch.unique(clips, return_counts=True)[1].tolist()) == sorted(wanted)


# ---- which epoch is kept -----------------------------------------------------------------------------------


class Told(lightning.LightningModule):
    """One weight that counts its steps, and a figure of validation for each epoch."""

    def __init__(self, name: str, figures: list[float]) -> None:
        super().__init__()
        self.weight, self.name, self.told = torch.nn.Parameter(torch.zeros(1)), name, figures

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        return -self.weight.sum()

    def validation_step(self, batch: Any, _: int) -> None:
        self.log(self.name, self.told[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def kept(folder: Path, name: str, figures: list[float], *, epochs: int, patience: int | None = None) -> int:
    """The epochs after which the best and the last weights were, as steps of one weight; how many were made."""
    trainer = lightning.Trainer(
        max_epochs=epochs, logger=False, callbacks=[Keep(folder, name, patience)], enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, accelerator="cpu", num_sanity_val_steps=0,
    )  # fmt: skip
    data = torch.utils.data.DataLoader(torch.zeros(1, 1))
    last = folder / rundir.LAST
    path = str(last) if last.is_file() else None
    trainer.fit(Told(name, figures), data, data, ckpt_path=path, weights_only=True)
    assert float(torch.load(last, weights_only=True)["state_dict"]["weight"]) == trainer.current_epoch
    return int(torch.load(folder / rundir.BEST, weights_only=True)["state_dict"]["weight"])


@pytest.mark.parametrize(
    ("name", "figures", "best"),
    [
        ("val_map", [0.1, 0.7, 0.3, 0.2], 2),
        ("val_map", [0.1, 0.7, 0.7, 0.2], 3),
        ("val_loss", [3.0, 1.0, 2.0, 4.0], 2),
        ("val_loss", [3.0, 2.5, 2.0, 1.0], 4),
    ],
)
def test_the_best_epoch_is_kept_beside_the_last(tmp_path: Path, name: str, figures: list[float], best: int):
    assert kept(tmp_path, name, figures, epochs=4) == best


def test_what_goes_on_knows_the_best_before_and_how_long_it_waited(tmp_path: Path):
    figures = [0.9, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert kept(tmp_path, "val_map", figures, epochs=2, patience=3) == 1
    assert kept(tmp_path, "val_map", figures, epochs=6, patience=3) == 1
    assert float(torch.load(tmp_path / rundir.LAST, weights_only=True)["state_dict"]["weight"]) == 4


def test_the_figures_of_an_epoch_are_those_of_its_own_weights(tones: Tones, prepared: str, tmp_path: Path):
    """The history's best figure is that of the epoch whose weights are kept."""
    words = ("training.monitor=val_loss", "training.epochs=3", "training.epoch_batches=3", prepared)
    done = fit(tones(*words), tmp_path / "run", say=silent, conclude=False)
    with open(done.folder / "history.csv", newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    held = torch.load(done.folder / rundir.BEST, weights_only=True)
    assert held["epoch"] == int(np.argmin(losses))
