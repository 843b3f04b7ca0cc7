"""A training step of the small CNN, as the trainer makes it, against the loop that one would write first.

The plain loop: float32 in the default layout, ``zero_grad``, forward, loss, backward, clipping, AdamW, ``loss.item()``.
Beside it the same with what makes a step cheaper on a CPU, one thing after the other, and what ``sonoscope train`` does
in the end: Lightning, its callbacks and the logged loss included. All of them take turns between the trainer's batches.
Then what a batch costs before it gets there: reading its samples, and computing its features.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from measure import Figure, Settings, ratio

#: Rows of log-mel of three seconds in a batch, and bins and classes.
ROWS, FRAMES, BINS, CLASSES = 32, 121, 96, 14
BACKBONE = {"name": "small_cnn"}


def run(settings: Settings) -> list[Figure]:
    """CPU of a plain step over that of each other."""
    import torch

    torch.set_num_threads(1)
    frames, steps = (41, 2) if settings.quick else (FRAMES, 2 * settings.repeats + 1)
    chance = torch.Generator().manual_seed(0)
    rows = torch.randn(ROWS, frames, BINS, generator=chance) * 15 - 40
    targets = (torch.rand(ROWS, CLASSES, generator=chance) < 0.2).float()
    variants = {
        "plain": loop(rows, targets),
        "channels last": loop(rows, targets, channels_last=True),
        "channels last, fused AdamW, nothing read back": loop(rows, targets, channels_last=True, lean=True),
        "the same in bf16": loop(rows, targets, channels_last=True, lean=True, bf16=True),
    }
    seconds = beside_the_trainer(rows, targets, variants, steps)
    figures = []
    for name, taken in seconds.items():
        if name != "plain":
            value, details = ratio(seconds["plain"], taken)
            goal = ">= 1.25" if name == "the trainer" else ""
            figures.append(Figure(f"plain step / {name}", value, "x", goal, details))
    for name, taken in feeding(settings.quick, steps).items():
        value, details = ratio(taken, seconds["the trainer"])
        figures.append(Figure(f"{name} / the trainer's step", value, "x", "", details))
    return figures


def feeding(quick: bool, batches: int) -> dict[str, list[float]]:
    """CPU seconds of reading a batch of windows from a prepared folder, and of its log-mel."""
    import tempfile
    from pathlib import Path

    import numpy as np
    import soundfile

    from sonoscope.training.config import compose
    from sonoscope.training.setting import Setting

    seconds: dict[str, list[float]] = {"reading windows": [], "log-mel of them": []}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(6 if quick else 60):
            place = Path(folder) / "clips" / f"{'ab'[number % 2]}" / f"{number}.wav"
            place.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(place, 0.1 * rng.standard_normal(22_050 * 8), 22_050)
        words = [f"training.batch_size={ROWS}", f"training.epoch_batches={batches}", "data.by=path"]
        config = compose(
            {"data": {"train": [str(place.parents[1])]}, "network": {"backbone": BACKBONE}}, words
        )
        setting = Setting(config, Path(folder) / "run", quick=False, say=lambda _: None)
        loaded, before = iter(setting.train_loader()), time.process_time()
        for batch in loaded:
            read = time.process_time()
            setting.frontend(batch.samples)
            seconds["reading windows"].append(read - before)
            before = time.process_time()
            seconds["log-mel of them"].append(before - read)
    return seconds


def network() -> Any:
    """The small CNN, always the same."""
    import torch

    from sonoscope.networks.build import Network

    torch.manual_seed(0)
    return Network(BINS, CLASSES, backbone=BACKBONE, head={"name": "framewise_attention"})


def loop(
    rows: Any, targets: Any, *, channels_last: bool = False, lean: bool = False, bf16: bool = False
) -> Callable[[], object]:
    """A function that makes one step."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as loss_of

    net = network().train()
    if channels_last:
        net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=lean)

    def step() -> object:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = net.window_logits(rows)
        loss = loss_of(logits.float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        return None if lean else loss.item()

    return step


def beside_the_trainer(
    rows: Any, targets: Any, variants: dict[str, Callable[[], object]], steps: int
) -> dict[str, list[float]]:
    """CPU seconds of each variant and of the trainer's own step, taking turns."""
    import lightning
    import torch
    from lightning.pytorch.callbacks import Callback
    from torch.utils.data import DataLoader, IterableDataset

    from sonoscope.training.batch import Batch
    from sonoscope.training.config import Config
    from sonoscope.training.frontend import Frontend
    from sonoscope.training.losses.objective import Objective
    from sonoscope.training.task import Task

    class Same(IterableDataset):
        def __iter__(self) -> Iterator[Batch]:
            lengths, clips = torch.full((len(rows),), rows.shape[1]), torch.arange(len(rows))
            while True:
                yield Batch(rows, lengths, targets, torch.ones_like(targets), clips)

    seconds: dict[str, list[float]] = {name: [] for name in (*variants, "the trainer")}

    class Between(Callback):
        began = 0.0

        def on_train_start(self, *_: Any) -> None:
            self.began = time.process_time()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            taken = {"the trainer": time.process_time() - self.began}
            for name, step in variants.items():
                before = time.process_time()
                step()
                taken[name] = time.process_time() - before
            if trainer.global_step > 1:  # the first step allocates
                for name, value in taken.items():
                    seconds[name].append(value)
            self.began = time.process_time()

    config, net = Config(), network()
    net.to(memory_format=torch.channels_last)
    labels = tuple(map(str, range(CLASSES)))
    task = Task(
        net, Frontend(None), Objective(["bce"], dim=net.backbone.dim, n_classes=CLASSES), config,
        steps_per_epoch=steps + 1, labels=labels, groups=(), names=(),
    )  # fmt: skip
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_steps=steps + 1, accelerator="cpu", devices=1, logger=False, callbacks=[Between()],
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
            gradient_clip_val=config.training.gradient_clip,
        )  # fmt: skip
        trainer.fit(task, DataLoader(Same(), batch_size=None))
    return seconds
