"""A run's folder: what a training leaves behind, written and read without torch.

=======================  ========================================================================================
``config.yaml``          the whole configuration as it was resolved
``manifest.csv``         every row, its part and its labels (with ``labels.json``); ``split.json`` the certificate
``history.csv``          an epoch a line
``metrics.json``         figures of the test part with 95 % intervals, of each label, and what the run cost
``validation.npz``,
``test.npz``             truth and scores of each clip
``best.ckpt``, ``last.ckpt``
                         to go on from
``bundle/``              the model
``bad_rows.csv``         rows that could not be used
=======================  ========================================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.table import put
from sonoscope.errors import SonoscopeError, UsageError
from sonoscope.evaluation import bootstrap, resampling, tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.training import config as configs
from sonoscope.training.config import Config
from sonoscope.training.sections import plain

CONFIG, HISTORY, METRICS, MANIFEST, SPLIT = (
    "config.yaml",
    "history.csv",
    "metrics.json",
    "manifest.csv",
    "split.json",
)
BUNDLE, BEST, LAST = "bundle", "best.ckpt", "last.ckpt"
#: Key of the metrics: why the network was not written as a bundle, where one was expected.
REFUSED = "bundle_refused"
#: What a training has written once something was learned.
LEARNED = (LAST, BEST, METRICS, "model.npz")
#: Draws of the bootstrap for figures that rank all clips.
DRAWS = 400


@dataclass(frozen=True)
class Outcome:
    """What a training came to: its folder, the figures of its test part, and whether it was cut short."""

    folder: Path
    metrics: dict[str, Any]
    interrupted: bool = False


def open_for(folder: Path, config: Config, *, resume: bool) -> None:
    """Make the folder of a training and write its configuration, or check that it holds this very run.

    One in which nothing was learned yet (a file or a package was missing) is begun again.

    Raises
    ------
    UsageError
        If it holds another run, or this one and ``resume`` was not said.
    """
    if (folder / CONFIG).is_file() and any((folder / name).exists() for name in LEARNED):
        if not resume:
            raise UsageError(
                f"{folder} holds a training already: --resume goes on with it, -o names another folder"
            )
        if read_config(folder) != config:
            raise UsageError(f"{folder} holds a training with another configuration: see its {CONFIG}")
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)


@contextmanager
def nothing_if_refused(folder: Path) -> Iterator[None]:
    """Take back folder and configuration where what follows is refused before anything else was written."""
    stood, configured = folder.exists(), (folder / CONFIG).exists()
    try:
        yield
    except SonoscopeError:
        if not configured and folder.is_dir() and [file.name for file in folder.iterdir()] == [CONFIG]:
            (folder / CONFIG).unlink()
            if not stood:
                folder.rmdir()
        raise


class Abandoned(SonoscopeError):
    """A training that was given up by whoever watched its figures; what it wrote until then is whole."""


class Diverged(Abandoned):
    """A training whose weights or answers became what is no number; what it wrote until then is whole."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} no numbers (NaN or infinity): the training diverged. A smaller training.learning_rate helps, a "
            "smaller training.gradient_clip, or training.precision=32"
        )


def write_config(folder: Path, config: Config) -> None:
    put(folder / CONFIG, config.to_yaml().encode())


def read_config(folder: Path) -> Config:
    """The configuration of a run. Raises ``UsageError`` if the folder is none."""
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} is no folder of a training: it holds no {CONFIG}")
    return configs.from_dict(plain(folder / CONFIG))


def write_answers(path: Path, answers: Answers) -> None:
    """Truth and scores of clips, compressed."""
    np.savez_compressed(
        path,
        truth=answers.truth.astype(np.float32),
        known=answers.known,
        scores=answers.scores.astype(np.float32),
        labels=np.array(answers.labels),
        groups=np.array(answers.groups),
        names=np.array(answers.names),
    )


def read_answers(path: Path) -> Answers:
    """What :func:`write_answers` wrote. Raises ``UsageError`` if it is not there."""
    if not path.is_file():
        raise UsageError(f"{path} is not there: has the run finished?")
    with np.load(path, allow_pickle=False) as held:
        return Answers(
            held["truth"], held["known"], held["scores"],
            *(tuple(str(v) for v in held[key]) for key in ("labels", "groups", "names")),
        )  # fmt: skip


def figures(answers: Answers, thresholds: np.ndarray, *, draws: int = DRAWS) -> dict[str, Any]:
    """All figures of a set of clips: at 0.5, at ``thresholds`` fitted elsewhere, intervals, and for each label."""
    found: dict[str, Any] = {"fixed": numbers(tagging.measured(answers, 0.5))}
    found["fitted"] = numbers(tagging.measured(answers, thresholds))
    drawn = resampling.of_draws(answers, thresholds, draws=draws)
    found["interval_95"] = {name: numbers(bootstrap.interval(values)) for name, values in drawn.items()}
    found["labels"] = {name: numbers(row) for name, row in tagging.per_label(answers, thresholds).items()}
    found["groups"] = len(set(answers.groups))
    return found


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    put(folder / METRICS, (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode())


def read_metrics(folder: Path) -> dict[str, Any]:
    """The figures of a run. Raises ``UsageError`` if it has not finished."""
    path = folder / METRICS
    if not path.is_file():
        raise UsageError(f"{folder} holds no {METRICS}: the run has not finished. Go on with --resume.")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def finished(folder: Path) -> bool:
    """Whether a training came to its end: it has figures, and nobody cut it short."""
    return (folder / METRICS).is_file() and not read_metrics(folder).get("interrupted", False)


def numbers(values: Any) -> Any:
    """Figures of any shape to four decimals; what could not be measured is null, since JSON knows no NaN."""
    if isinstance(values, Mapping):
        return {name: numbers(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [numbers(value) for value in values]
    return None if not math.isfinite(values) else round(float(values), 4)
