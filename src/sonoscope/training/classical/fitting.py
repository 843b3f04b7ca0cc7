"""Fitting a classical model or a dummy as a configuration says, from DATA to a bundle.

The same data, split, figures and files as the training of a network (``training/engine.py``), without torch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope import plugins
from sonoscope.data import badrows, certificate, manifest
from sonoscope.errors import UsageError, optional
from sonoscope.evaluation import tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.training import describe, prepare, rundir
from sonoscope.training.classical import baselines, bundling, plots, sources, store, vectors
from sonoscope.training.classical.averaged import Mean
from sonoscope.training.classical.dummy import Ones, Prior, Random, Zeros
from sonoscope.training.classical.knn import Knn
from sonoscope.training.classical.logistic import Logistic
from sonoscope.training.classical.protocol import Answerer, Examples, Model, Say
from sonoscope.training.classical.sources import Listening
from sonoscope.training.classical.svm import Svm
from sonoscope.training.config import Config
from sonoscope.training.prepare import TEST, TRAIN, VALIDATION, Prepared
from sonoscope.training.rundir import Outcome

#: What can be fitted: ``kind: classical`` takes those that listen, ``kind: dummy`` the others.
MODELS: dict[str, type[Model]] = {
    "svm": Svm,
    "logistic": Logistic,
    "knn": Knn,
    "mean": Mean,
    "zeros": Zeros,
    "ones": Ones,
    "prior": Prior,
    "random": Random,
}

#: Where a score begins to count for a dummy, whose answers are not calibrated.
DUMMY_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Heard:
    """Everything that a model is fitted to and judged by."""

    config: Config
    folder: Path
    model: Model
    listening: Listening
    hop: int
    data: Prepared
    parts: Mapping[str, tuple[Examples, np.ndarray]]

    def answers(self, answerer: Answerer, part: str) -> Answers:
        """The mean logits of every clip of a part."""
        examples, rows = self.parts[part]
        first = examples.first()
        held = [self.data.shards.rows[i] for i in rows]
        return Answers(
            examples.truth[first], examples.known[first], examples.of_clips(answerer.logits(examples.vectors)),
            self.data.labels, tuple(row.group or row.path for row in held),
            tuple(f"{row.path}@{row.start_s:g}" for row in held),
        )  # fmt: skip


def fit(
    config: Config,
    folder: Path,
    *,
    resume: bool = False,
    quick: bool = False,
    say: Say = print,
    pictures: bool = True,
) -> Outcome:
    """Fit a classical model, test it, and write everything into ``folder``.

    Parameters
    ----------
    config : Config
        Of kind ``classical`` or ``dummy``; its ``model`` is a name of ``MODELS`` with parameters.
    folder : Path
    resume : bool
        The folder may hold this very run, unfinished: it is begun again on the sound that is prepared there.
    quick : bool
        Five examples of each part.
    say : callable
        Takes lines for a person.
    pictures : bool
        Draw what was decided, where Matplotlib is installed (:mod:`~sonoscope.training.classical.plots`).

    Raises
    ------
    UsageError
        If the configuration cannot be meant, the folder holds a run already, or what writes a bundle is not
        installed.
    """
    folder = Path(folder)
    for package in ("sklearn", "onnx"):
        optional(package, "teach", "training")  # before hours are spent
    model = model_of(config)
    listening = sources.of(config, listens=model.listens)
    rundir.open_for(folder, config, resume=resume)
    began, cpu = time.monotonic(), time.process_time()
    heard = listened(config, folder, model, listening, quick=quick, say=say)
    learned, checked = heard.parts[TRAIN][0], heard.parts[VALIDATION][0]
    say(
        f"{config.model and config.model['name']} on {len(listening.columns)} columns; "
        f"{learned.clips} clips ({len(learned.vectors)} windows) to learn from, {checked.clips} to validate; "
        f"{len(heard.data.labels)} labels; {heard.data.certificate.line}"
    )
    answerer = model.fit(learned, checked, seed=config.training.seed, say=say)
    store.write(
        folder, answerer,
        {"model": config.model, "labels": list(heard.data.labels), "columns": list(listening.columns),
         "features": sources.stated(config)},
    )  # fmt: skip
    metrics = concluded(heard, answerer, say)
    metrics["cost"] = {
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    rundir.write_metrics(folder, metrics)
    if pictures and model.listens:
        plots.draw(folder / plots.FOLDER, learned, checked, answerer, seed=config.training.seed, say=say)
    return Outcome(folder, metrics)


def model_of(config: Config) -> Model:
    """The model of a configuration.

    Raises
    ------
    UnknownName, UsageError
        If there is none of that name, a parameter is unknown or out of range, or it is of the other kind.
    """
    spec = dict(config.model or {})
    name = str(spec.pop("name", ""))
    kind = plugins.resolve(MODELS, name, "model")
    plugins.check_parameters(kind, spec, f"model {name!r}")
    try:
        model: Model = kind(**{key: tuple(v) if isinstance(v, list) else v for key, v in spec.items()})
    except TypeError as error:
        raise UsageError(f"model {name!r}: a parameter is of the wrong type ({error})") from None
    wanted = "classical" if model.listens else "dummy"
    if config.kind != wanted:
        raise UsageError(f"model {name!r} is of kind={wanted}, got kind={config.kind}")
    return model


def listened(
    config: Config, folder: Path, model: Model, listening: Listening, *, quick: bool, say: Say
) -> Heard:
    """Prepare the data, and compute the vectors of all windows."""
    place = Path(config.data.folder) if config.data.folder else folder / "data"
    data = prepare.prepare(config.data, place, listening.sample_rate, quick=quick, say=say)
    manifest.copy_into(data.shards.manifest, folder, name=rundir.MANIFEST)
    certificate.write(data.certificate, folder / rundir.SPLIT)
    if data.problems:
        badrows.write(data.problems, folder / "bad_rows.csv")
        say(f"{len(data.problems)} rows cannot be used and were left out: {folder / 'bad_rows.csv'}")
    wish = config.data.hop_s
    hop = listening.window if wish is None else round(wish * listening.sample_rate)
    kept = place.with_name(f"{place.name}-vectors") if config.data.folder else None
    found, owner = vectors.of_rows(
        data.shards, listening, hop, kept_in=kept, first_only=not model.listens, say=say
    )
    parts = {
        part: vectors.examples(data.shards, data.labels, part, found, owner, listening.columns)
        for part in (TRAIN, VALIDATION, TEST)
    }
    return Heard(config, folder, model, listening, hop, data, parts)


def concluded(heard: Heard, answerer: Answerer, say: Say) -> dict[str, Any]:
    """Calibrate on validation, test, and write answers and bundle; return the figures."""
    folder = heard.folder
    validation = heard.answers(answerer, VALIDATION)
    scaling, decisions = decided(heard, validation)
    scaled = describe.scaled(validation, scaling)
    thresholds = (
        tagging.fitted_thresholds(scaled)
        if heard.model.listens
        else np.full(len(validation.labels), DUMMY_THRESHOLD)
    )
    rundir.write_answers(folder / "validation.npz", scaled)
    metrics: dict[str, Any] = {"validation": rundir.figures(scaled, thresholds, draws=0)["fitted"]}
    if heard.parts[TEST][0].clips:
        tested = describe.scaled(heard.answers(answerer, TEST), scaling)
        rundir.write_answers(folder / "test.npz", tested)
        metrics |= rundir.figures(tested, thresholds)
        metrics["dummies"] = {
            name: {key: round(value, 4) for key, value in values.items() if np.isfinite(value)}
            for name, values in baselines.figures(tested).items()
        }
    metrics["parameters"] = int(sum(array.size for array in answerer.arrays().values()))
    metrics["hyperparameters"] = dict(answerer.settings)
    metrics["certificate"] = heard.data.certificate.line
    bundled(heard, answerer, validation, scaling, decisions, metrics)
    return metrics


def decided(heard: Heard, validation: Answers) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibration and decision of each label; a dummy's answers stay as they are."""
    if heard.model.listens:
        return describe.calibrated(validation)
    entry = {
        "threshold": DUMMY_THRESHOLD, "low_threshold": DUMMY_THRESHOLD, "origin": "a dummy: not fitted",
    }  # fmt: skip
    return (
        {label: {"slope": 1.0, "offset": 0.0} for label in validation.labels},
        {label: dict(entry) for label in validation.labels},
    )


def bundled(
    heard: Heard,
    answerer: Answerer,
    validation: Answers,
    scaling: Mapping[str, Any],
    decisions: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write the bundle."""
    shards, window, listening = heard.data.shards, heard.listening.window, heard.listening
    rows = heard.parts[TRAIN][1]
    about = {
        "clips": len(rows),
        "hours": round(float(shards.lengths[rows].sum()) / listening.sample_rate / 3600, 2),
        "groups": len({shards.rows[i].group for i in rows}),
    }
    found = describe.description(
        heard.config, sample_rate=listening.sample_rate, window=window,
        hop=heard.hop if heard.config.data.hop_s else max(window // 2, 1),
        validation=validation, metrics=metrics, training_data=about,
    )  # fmt: skip
    found["calibration"] = dict(scaling)
    found["decision"] = {**found["decision"], "labels": dict(decisions)}
    if asked := sources.described(listening):
        found["built_on"] = list(asked)
    bundling.write_bundle(
        heard.folder / rundir.BUNDLE, listening, answerer, found,
        shown=heard.parts[VALIDATION][0].vectors, card=describe.card(found, heard.data.certificate.text()),
    )  # fmt: skip
