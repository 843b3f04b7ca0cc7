"""Looking for good settings: trainings one after the other, each with values that the ones before suggest (optuna).

A folder of a search holds

=======================  ========================================================================================
``search.db``            all that is known, as optuna's SQLite: after an interruption the search goes on from it
``search.csv``           a line for each trial: its values, its figure, how many epochs it had, what became of it
``best.yaml``            the configuration of the best trial, to train from
``trial-000/`` …         a training each (``rundir.py``); only the best one is tested and has a bundle
=======================  ========================================================================================

What is sought is the best ``training.monitor`` on *validation*; the test part is heard by the best alone. Values are
drawn by a tree-structured Parzen estimator (Bergstra et al. 2011), the first ten at random. A training that does worse
at some epoch than the median of those before it is given up there.

Every trial's draw depends on the seed and the trials before it alone, so a search that was interrupted tries what it
would have tried.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sonoscope.data.table import csv_text, put
from sonoscope.errors import UnknownName, UsageError, nearest, optional
from sonoscope.training import config as configs
from sonoscope.training import rundir, start
from sonoscope.training.config import Config
from sonoscope.training.plans import Asked
from sonoscope.training.rundir import Abandoned
from sonoscope.training.space import Axis, Choices
from sonoscope.values import columns

DATABASE, TABLE, BEST = "search.db", "search.csv", "best.yaml"
#: Trials that run to their end whatever they come to, so that there is a median.
WHOLE_TRIALS = 4
#: Epochs that every trial gets.
LEAST_EPOCHS = 2
#: So many trials that cannot be trained at all, and no other, end the search.
MOST_REFUSED = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """A trial: its folder, the words it was trained with, what became of it, and its figure if it has one."""

    folder: str
    words: tuple[str, ...]
    state: str
    value: float | None
    epochs: int


@dataclass(frozen=True)
class Found:
    """What a search came to: all trials, the best first."""

    place: Path
    monitor: str
    trials: tuple[Tried, ...]
    interrupted: bool = False

    @property
    def best(self) -> Tried | None:
        return next((trial for trial in self.trials if trial.value is not None), None)


def search(
    asked: Asked,
    axes: Sequence[Axis],
    count: int,
    place: Path,
    *,
    resume: bool = False,
    quick: bool = False,
    say: Say = print,
) -> Found:
    """Train until ``count`` trials are done, those of an earlier call counted, and keep the best.

    Raises
    ------
    UsageError
        If optuna is not installed, there is nothing to search through, the folder holds another search, or no
        training can be done.
    """
    optuna = optional("optuna", "search", "--search")
    if count < 1:
        raise UsageError(f"--search {count} must be at least 1")
    if not axes:
        raise UsageError("--search needs something to search through: --sweep learning_rate=1e-4..1e-2:log")
    first = configs.compose(asked.values, asked.words)
    going = _Search(optuna, asked, axes, place, first, quick=quick, say=say)
    going.open(resume=resume)
    interrupted = False
    while going.done < count and not interrupted:
        interrupted = going.once(count)
    found = going.written(interrupted)
    if not interrupted:
        going.conclude(found)
    return found


class _Search:
    """A search under way."""

    def __init__(
        self,
        optuna: Any,
        asked: Asked,
        axes: Sequence[Axis],
        place: Path,
        first: Config,
        *,
        quick: bool,
        say: Say,
    ) -> None:
        self.optuna, self.asked, self.axes, self.place = optuna, asked, tuple(axes), Path(place)
        self.first, self.quick, self.say = first, quick, say
        self.monitor = start.monitored(first)
        self.study: Any = None

    # ---- the folder ----------------------------------------------------------------------------------------

    def open(self, *, resume: bool) -> None:
        """Open or make the folder's study."""
        database = self.place / DATABASE
        if database.is_file() and not resume:
            raise UsageError(
                f"{self.place} holds a search already: --resume goes on with it, -o names another folder"
            )
        self.place.mkdir(parents=True, exist_ok=True)
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.study = self.optuna.create_study(
            storage=f"sqlite:///{database.resolve()}",
            study_name="search",
            direction="minimize" if self.monitor.endswith("loss") else "maximize",
            pruner=self.optuna.pruners.MedianPruner(
                n_startup_trials=WHOLE_TRIALS, n_warmup_steps=LEAST_EPOCHS - 1
            ),
            load_if_exists=True,
        )
        asked = {"config": self.first.to_yaml(), "space": [repr(axis) for axis in self.axes]}
        held = self.study.user_attrs.get("asked")
        if held is None:
            self.study.set_user_attr("asked", asked)
        elif held != asked:
            other = "configuration" if held["config"] != asked["config"] else "space"
            raise UsageError(f"{self.place} holds a search with another {other}: -o names another folder")
        self._take_up()

    def _take_up(self) -> None:
        """A trial that was under way when the search ended is the next one, with its values and in its folder."""
        states = self.optuna.trial.TrialState
        for trial in self.study.get_trials(states=(states.RUNNING,)):
            self.study.tell(trial.number, state=states.FAIL)
            self.study.enqueue_trial(trial.params)

    @property
    def done(self) -> int:
        """Trials that came to an end: trained, given up, or refused."""
        return len(self._ended())

    def _ended(self) -> list[Any]:
        states = self.optuna.trial.TrialState
        ended = self.study.get_trials(states=(states.COMPLETE, states.PRUNED, states.FAIL))
        return [trial for trial in ended if trial.state != states.FAIL or "refused" in trial.user_attrs]

    # ---- a trial -------------------------------------------------------------------------------------------

    def once(self, count: int) -> bool:
        """Try once; return whether somebody interrupted."""
        states = self.optuna.trial.TrialState
        number = self.done
        # A sampler of its own for every trial: what it draws then does not depend on interruptions.
        self.study.sampler = self.optuna.samplers.TPESampler(seed=self.first.training.seed + number)
        trial = self.study.ask()
        words = tuple(_suggested(trial, axis) for axis in self.axes)
        folder = f"trial-{number:03d}"
        trial.set_user_attr("folder", folder)
        trial.set_user_attr("words", list(words))
        self.say(f"[{number + 1}/{count}] {folder}: {' '.join(words)}")
        try:
            config = self._config(words)
            outcome = self._fitted(config, self.place / folder, trial)
        except Abandoned as reason:
            self.say(str(reason))
            self.study.tell(trial, state=states.PRUNED)
            return False
        except UsageError as problem:
            self._refused(trial, problem)
            return False
        if outcome.interrupted:
            return True
        value = figure_of(outcome.folder, outcome.metrics, self.monitor)
        if not math.isfinite(value):
            self._refused(trial, UsageError(f"{self.monitor} is {value}"))
            return False
        self.study.tell(trial, value)
        self.say(f"{self.monitor} {value:.4f}")
        return False

    def _config(self, words: Sequence[str]) -> Config:
        config = configs.compose(self.asked.values, [*self.asked.words, *words])
        if config.data.folder is not None:
            return config
        # What is prepared for one serves all of them.
        return replace(config, data=replace(config.data, folder=str(self.place / "data")))

    def _fitted(self, config: Config, folder: Path, trial: Any) -> Any:
        watched: dict[str, Any] = {}
        if config.kind in ("network", "pretrain", "notes"):
            before = dict(_history(folder, self.monitor))
            for epoch, value in before.items():
                trial.report(value, epoch)

            def judge(epoch: int, value: float) -> bool:
                if (
                    epoch not in before
                ):  # its line was written, its checkpoint was not: it came to the same again
                    trial.report(value, epoch)
                return bool(trial.should_prune())

            watched = {"judge": judge, "conclude": False}
        return start.fit(config, folder, resume=True, quick=self.quick, say=_quiet, **watched)

    def _refused(self, trial: Any, problem: UsageError) -> None:
        """Some values do not go together: the search goes on, unless nothing goes together."""
        trial.set_user_attr("refused", str(problem))
        self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
        self.say(f"cannot be trained: {problem}")
        ended = self._ended()
        if len(ended) >= MOST_REFUSED and all("refused" in each.user_attrs for each in ended):
            raise UsageError(f"none of {len(ended)} trials could be trained; the last: {problem}")

    def conclude(self, found: Found) -> None:
        """Test the best trial, and write its bundle."""
        if found.best is None:
            return
        folder = self.place / found.best.folder
        if not rundir.finished(folder):
            config = self._config(found.best.words)
            start.fit(config, folder, resume=True, quick=self.quick, say=_quiet, learn=False)

    # ---- what came of it -----------------------------------------------------------------------------------

    def written(self, interrupted: bool) -> Found:
        """Write table and best configuration, and return what there is."""
        trials = [
            Tried(
                trial.user_attrs["folder"],
                tuple(trial.user_attrs["words"]),
                _state(trial),
                trial.value if _state(trial) == "trained" else None,
                len(_history(self.place / trial.user_attrs["folder"], self.monitor)),
            )
            for trial in self._ended()
        ]
        sign = 1.0 if self.monitor.endswith("loss") else -1.0
        trials.sort(key=lambda each: (each.value is None, sign * (each.value or 0.0), each.folder))
        found = Found(self.place, self.monitor, tuple(trials), interrupted)
        keys = [axis.key for axis in self.axes]
        rows = [
            [each.folder, each.state, "" if each.value is None else f"{each.value:.6g}", str(each.epochs),
             *(_values(each.words)[key] for key in keys)]
            for each in trials
        ]  # fmt: skip
        put(self.place / TABLE, csv_text([["trial", "state", self.monitor, "epochs", *keys], *rows]).encode())
        if found.best is not None:
            config = configs.compose(self.asked.values, [*self.asked.words, *found.best.words])
            about = f"# The best of {len(trials)} trials: {self.monitor} {found.best.value:.4f} ({found.best.folder})\n"
            put(self.place / BEST, (about + config.to_yaml()).encode())
        return found


def table(found: Found) -> str:
    """A line for each trial, the best first."""
    head = ["trial", found.monitor, "epochs", ""]
    rows = [
        [
            each.folder,
            each.state if each.value is None else f"{each.value:.4f}",
            str(each.epochs),
            " ".join(each.words),
        ]
        for each in found.trials
    ]
    return "\n".join(columns([head, *rows]))


def _suggested(trial: Any, axis: Axis) -> str:
    """The word that a trial is to be trained with."""
    if isinstance(axis, Choices):
        return f"{axis.key}={trial.suggest_categorical(axis.key, axis.values)}"
    step: dict[str, Any] = {"step": int(axis.step) if axis.whole else axis.step} if axis.step else {}
    if axis.whole:
        return axis.word(trial.suggest_int(axis.key, int(axis.low), int(axis.high), log=axis.log, **step))
    return axis.word(trial.suggest_float(axis.key, axis.low, axis.high, log=axis.log, **step))


def figure_of(folder: Path, metrics: Mapping[str, Any], monitor: str) -> float:
    """What a finished training came to on validation: at its best epoch, or what a model without epochs answers.

    Raises
    ------
    UnknownName
        If that figure was not measured.
    """
    measured = [value for _, value in _history(folder, monitor)]
    if measured:
        return min(measured) if monitor.endswith("loss") else max(measured)
    known = metrics.get("validation", {})
    value = known.get(monitor.removeprefix("val_"))
    if value is None:
        names = [f"val_{name}" for name in known]
        raise UnknownName(
            f"training.monitor={monitor!r} was not measured.{nearest(monitor, names)} Measured: {', '.join(names)}."
        )
    return float(value)


def _history(folder: Path, monitor: str) -> list[tuple[int, float]]:
    """(epoch, figure) of every epoch that a training has had; none for one without epochs."""
    path = folder / rundir.HISTORY
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            (int(line["epoch"]) - 1, float(line[monitor]))
            for line in csv.DictReader(file)
            if line.get(monitor)
        ]


def _state(trial: Any) -> str:
    return {"COMPLETE": "trained", "PRUNED": "given up"}.get(trial.state.name, "refused")


def _values(words: Sequence[str]) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _quiet(_line: str) -> None:
    """Single epochs of trials are not told."""
