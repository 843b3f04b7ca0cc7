"""Processes that train together: how many there are, which of them this is, and waiting for the first one.

One process for each device. The first, rank 0, prepares the data and writes everything; the others only compute. Who
starts them:

* Lightning, on one node: the first process comes to the fitting and starts the others, which run the same command
  again and find everything prepared;
* a scheduler (``srun``, ``torchrun``), on any number of nodes: all begin at once, and the others wait for the first
  (:func:`announce`, :func:`wait`).
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import StrategyRegistry
from torch.distributed import TCPStore

from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.training.config import Training

#: As many as there are, in the words of Lightning.
ALL_DEVICES = ("auto", "-1")
#: Strategies that copy a running process instead of running the command again; they cannot carry mapped files.
COPYING = ("spawn", "fork", "notebook")
#: How long the others wait for the data, which may have to be decoded first.
PATIENCE = timedelta(hours=12)
_PREPARED = "prepared"


def per_node(training: Training) -> int:
    """Processes on each node: one for each device."""
    devices = training.devices.strip()
    if devices in ALL_DEVICES:
        return max(torch.cuda.device_count(), 1)
    if devices.isdigit():
        return int(devices)
    return len([number for number in devices.strip("[]").split(",") if number.strip()])


def processes(training: Training) -> int:
    """How many train together."""
    return per_node(training) * training.nodes


def rank(training: Training) -> int:
    """Which of them this is."""
    if processes(training) == 1:
        return 0
    scheduler = scheduled()
    if scheduler is not None:
        return scheduler.global_rank()
    return int(os.environ.get("NODE_RANK", 0)) * per_node(training) + int(os.environ.get("LOCAL_RANK", 0))


def scheduled() -> ClusterEnvironment | None:
    """What has started all processes at once, if something has (a script's job queues itself again, not Lightning)."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    return SLURMEnvironment(auto_requeue=False) if SLURMEnvironment.detect() else None


def strategy(training: Training) -> str:
    """Lightning's name of how processes work together.

    ``auto`` is ``ddp``, every step of which looks for weights that had no part in it: in phases and behind adapters
    there are some.

    Raises
    ------
    UsageError
        If there is no such strategy, or it copies a running process.
    """
    if any(word in training.strategy for word in COPYING):
        raise UsageError(
            f"training.strategy={training.strategy!r} copies a running process, which prepared data do not survive: "
            "auto, ddp, fsdp or deepspeed run the command again"
        )
    known = ("auto", *StrategyRegistry.available_strategies())
    if training.strategy not in known:
        raise UnknownName(
            f"training.strategy={training.strategy!r} is unknown.{nearest(training.strategy, known)} Lightning has "
            "auto, ddp, fsdp, deepspeed and more"
        )
    if training.strategy == "auto" and processes(training) > 1:
        return "ddp_find_unused_parameters_true"
    return training.strategy


def announce(training: Training) -> TCPStore | None:
    """By the first process: everything is prepared. What is returned must live as long as the others may wait."""
    store = _store(training, leads=True)
    if store is not None:
        store.set(_PREPARED, "yes")
    return store


def wait(training: Training) -> None:
    """By the others: until everything is prepared."""
    store = _store(training, leads=False)
    if store is not None:
        store.wait([_PREPARED])


def _store(training: Training, *, leads: bool) -> TCPStore | None:
    """Where processes of a scheduler leave each other words, beside the port that training itself will use."""
    scheduler = scheduled()
    if scheduler is None or processes(training) == 1:
        return None
    return TCPStore(
        scheduler.main_address, scheduler.main_port + 1, processes(training), is_master=leads, timeout=PATIENCE,
        wait_for_workers=False,
    )  # fmt: skip
