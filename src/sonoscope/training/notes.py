"""Fitting the note network on mixed segments: AdamW, one cycle, averaged weights, checkpoints that resume.

The loss is ``3 BCE(onset) + BCE(sustain) + ½ BCE(velocity)``: onsets are few, so they weigh three times and their
positives twice; velocity counts where there is an onset, by its target, and about as much as if its mean were over all
cells. Networks that measure velocity (``networks.loudness``) have nothing to learn from that part.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from sonoscope.data.mix.notemix import NoteMix
from sonoscope.networks.notes import HEADS, NoteNetwork
from sonoscope.training.averaging import averaged_copy


@dataclass(frozen=True)
class NoteTrainSpec:
    """How a note network is fitted.

    Attributes
    ----------
    steps, batch_size : int
    learning_rate, weight_decay : float
        Of AdamW; the rate is the peak of the cycle.
    onset_weight, onset_positive, velocity_weight : float
        See the module's text.
    average : float
        Decay of the moving average of the weights per step.
    checkpoint_every : int
        Steps.
    half : bool
        Answer in bfloat16, the loss in single precision: half the time on processors that compute in it.
    heads : bool
        Only the heads learn: what the trunk makes of sound stays as it is, its norms too.
    seed : int
    """

    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    onset_weight: float = 3.0
    onset_positive: float = 2.0
    velocity_weight: float = 0.5
    average: float = 0.995
    checkpoint_every: int = 200
    half: bool = False
    heads: bool = False
    seed: int = 0


def note_loss(logits: tuple[torch.Tensor, ...], found: torch.Tensor, spec: NoteTrainSpec) -> torch.Tensor:
    """Loss of logits of onset, sustain, velocity, each (batch, time, 88), against targets (batch, 3, time, 88)."""
    bce = functional.binary_cross_entropy_with_logits
    onset, sustain, velocity = found.unbind(dim=1)
    positive = torch.tensor(spec.onset_positive, device=onset.device)
    loudness = bce(logits[2], velocity, weight=onset, reduction="sum") / onset.sum().clamp(min=1.0)
    return (
        spec.onset_weight * bce(logits[0], onset, pos_weight=positive)
        + bce(logits[1], sustain)
        # A mean over onsets is a hundred times that over all keys and frames.
        + 0.01 * spec.velocity_weight * loudness
    )


def fit_notes(
    network: NoteNetwork,
    mix: NoteMix,
    spec: NoteTrainSpec,
    folder: str | Path,
    *,
    device: str = "cpu",
    tell: Callable[[int, float], None] = lambda step, loss: None,
) -> NoteNetwork:
    """Fit ``network`` in place and return its averaged copy on the CPU.

    ``folder`` gets ``history.csv`` (step, mean loss since the row before, learning rate, CPU seconds), ``last.pt``,
    from which the same call goes on, and ``averaged.pt``, the averaged weights at every checkpoint.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(spec.seed)
    cast(Any, network).to(device, memory_format=torch.channels_last).train(not spec.heads)
    if spec.heads:
        for name, part in network.named_children():
            part.requires_grad_(name in HEADS)
    averaged = averaged_copy(network, spec.average)
    optimizer = torch.optim.AdamW(_groups(network, spec), lr=spec.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, spec.learning_rate, total_steps=spec.steps + 1, pct_start=0.1
    )
    state: dict[str, Any] = {
        "network": network,
        "averaged": averaged,
        "optimizer": optimizer,
        "schedule": schedule,
    }
    last, done = folder / "last.pt", 0
    if last.is_file():
        held = torch.load(last, weights_only=True)
        done = held.pop("done")
        for name, part in state.items():
            part.load_state_dict(held[name])
    losses: list[float] = []
    batches = mix.batches(spec.seed, spec.batch_size, first=done)
    for step in range(done + 1, spec.steps + 1):
        rows, found = (torch.from_numpy(array).to(device) for array in next(batches))
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=spec.half):
            logits = network(rows)
        loss = note_loss(tuple(answer.float() for answer in logits), found, spec)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if step % 25 == 0 or step == spec.steps:
            _note_history(folder / "history.csv", step, losses, float(schedule.get_last_lr()[0]))
            tell(step, float(np.mean(losses)))
            losses.clear()
        if step % spec.checkpoint_every == 0 or step == spec.steps:
            _put({"done": step, **{k: part.state_dict() for k, part in state.items()}}, last)
            _put(averaged.module.state_dict(), folder / "averaged.pt")
    return cast(NoteNetwork, averaged.module.cpu().eval())


def statistics(mix: NoteMix, seed: int = 0, segments: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each part of the rows over drawn segments, (n_bins,) float32 each.

    One value for a whole part: an equaliser, a microphone or a font must not be normalised away bin by bin.
    """
    rows, _ = next(mix.batches(seed, segments))
    parts = rows.reshape(-1, 2, rows.shape[-1] // 2)
    width = parts.shape[-1]
    return np.repeat(parts.mean(axis=(0, 2)), width), np.repeat(parts.std(axis=(0, 2)), width)


def _groups(network: NoteNetwork, spec: NoteTrainSpec) -> list[dict[str, Any]]:
    """Weights that decay, and biases and normalisation, which do not."""
    learnt = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in learnt if p.ndim > 1]
    plain = [p for p in learnt if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": spec.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _note_history(file: Path, step: int, losses: list[float], rate: float) -> None:
    """Add a row to the history; rows of steps that are done again are replaced."""
    rows = file.read_text().splitlines()[1:] if file.is_file() else []
    kept = [row for row in rows if int(row.split(",")[0]) < step]
    with open(file, "w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(("step", "loss", "learning_rate", "cpu_s"))
        writer.writerows(row.split(",") for row in kept)
        writer.writerow((step, f"{np.mean(losses):.5f}", f"{rate:.6f}", f"{time.process_time():.1f}"))


def _put(content: Any, file: Path) -> None:
    """Save beside and move into place: an interruption leaves the file before."""
    part = file.with_suffix(".part")
    torch.save(content, part)
    part.replace(file)
