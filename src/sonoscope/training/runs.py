"""Trainings side by side: a table with means over seeds, and paired comparisons.

Reads what ``rundir`` wrote, without torch. Trainings that differ in nothing but their seed are one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UnknownName, UsageError, count, nearest
from sonoscope.evaluation import bootstrap, resampling, tagging
from sonoscope.evaluation.tagging import Answers
from sonoscope.training import rundir
from sonoscope.values import columns

#: Figures of a table where nobody says which.
FIGURES = ("map", "macro_f1", "micro_f1", "macro_top1")
STYLES = ("text", "markdown", "latex", "csv")
#: Of fewer test clips a share is not known to a tenth of it: at 0.9, 95 % intervals of 50 reach from 0.78 to 0.97.
ENOUGH_CLIPS = 50


@dataclass(frozen=True)
class Run:
    """A finished training: its folder, its configuration without seed and place, and its figures."""

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    seed: int = 0

    @property
    def key(self) -> str:
        return json.dumps(self.config, sort_keys=True)


@dataclass(frozen=True)
class Line:
    """Trainings that differ in their seed only."""

    name: str
    runs: tuple[Run, ...]

    def figures(self, name: str) -> np.ndarray:
        """A figure of each training, (n,)."""
        values = [_tested(run).get(name, run.metrics.get(name)) for run in self.runs]
        return np.array([np.nan if value is None else float(value) for value in values])


def _tested(run: Run) -> Mapping[str, Any]:
    """Figures of the test part: at fitted thresholds, or those of a pretext."""
    found: Mapping[str, Any] = run.metrics.get("fitted") or run.metrics.get("test", {})
    return found


def about_clips(line: Line) -> str:
    """Of how few clips the figures of trainings are; empty where they are enough, or no clips."""
    clips = min((int(_tested(run).get("clips", ENOUGH_CLIPS)) for run in line.runs), default=ENOUGH_CLIPS)
    if clips >= ENOUGH_CLIPS:
        return ""
    tested = f"{line.name}: the figures are of {count(clips, 'test clip')}"
    return f"{tested}: they say little (sonoscope evaluate judges on other recordings)"


def find(places: Sequence[str | Path]) -> list[Run]:
    """The finished trainings in folders and below them, by path.

    Raises
    ------
    UsageError
        If there is none.
    """
    folders = sorted({folder for place in places for folder in _runs_below(Path(place))})
    runs = [_read(folder) for folder in folders if (folder / rundir.METRICS).is_file()]
    if not runs:
        raise UsageError(f"no finished training in {', '.join(map(str, places))}")
    return runs


def seeds_of(place: str | Path) -> list[Run]:
    """The finished trainings in a folder, which must be one but for their seeds.

    Raises
    ------
    UsageError
        If there is none, or several that differ in more; names their folders.
    """
    found = find([place])
    several = lines(found)
    if len(several) > 1:
        folders = ", ".join(str(line.runs[0].folder) for line in several)
        raise UsageError(f"{place} holds {len(several)} trainings, of which one can be compared: {folders}")
    return found


def _runs_below(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        raise UsageError(f"{place} is no folder")
    yield from (found.parent for found in place.rglob(rundir.CONFIG))


def _read(folder: Path) -> Run:
    config = rundir.read_config(folder).to_dict()
    seed = config["training"].pop("seed")
    config["data"].pop("folder")
    begins = config["network"]["init_from"]
    if begins and Path(begins).name == f"seed-{seed}":  # each seed with the pre-training of the same seed
        config["network"]["init_from"] = str(Path(begins).parent)
    return Run(folder, config, rundir.read_metrics(folder), seed)


def lines(runs: Sequence[Run]) -> list[Line]:
    """Trainings grouped by everything but the seed, named by what differs between them.

    A seed counts once: of trainings that do not even differ in it, the first.
    """
    seeds: dict[str, dict[int, Run]] = {}
    for run in runs:
        seeds.setdefault(run.key, {}).setdefault(run.seed, run)
    groups = {key: list(members.values()) for key, members in seeds.items()}
    flat = {key: _flat(members[0].config) for key, members in groups.items()}
    names = [
        name for name in next(iter(flat.values())) if len({repr(f.get(name)) for f in flat.values()}) > 1
    ]
    return [Line(_name(flat[key], names, members[0]), tuple(members)) for key, members in groups.items()]


def _name(flat: dict[str, Any], differing: Sequence[str], run: Run) -> str:
    name = str(flat["name"] or run.folder.name)
    rest = [f"{_short(key)}={_said(flat.get(key))}" for key in differing if key not in ("name", "about")]
    presets_differ = "name" in differing
    return name if presets_differ or not rest else " ".join(rest)


def _short(key: str) -> str:
    """A key without its sections: a part is called by what it is of (``network.head.name`` is ``head``)."""
    return key.removesuffix(".name").rpartition(".")[2]


def _said(value: Any) -> Any:
    """A value as a name holds it: of parts their names and what else they say."""
    if isinstance(value, list):
        return "+".join(str(_said(each)) for each in value)
    if isinstance(value, Mapping) and "name" in value:
        more = ",".join(f"{key}={each}" for key, each in value.items() if key != "name")
        return f"{value['name']}({more})" if more else value["name"]
    return value


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def table(found: Sequence[Line], figures: Sequence[str] = FIGURES, style: str = "text") -> str:
    """A line for each training with mean ± standard deviation over seeds (n - 1), in a style of ``STYLES``.

    Raises
    ------
    UnknownName
        If a figure was not measured in any of them, or there is no such style.
    """
    _check_style(style)
    known = {key for line in found for run in line.runs for key in (*_tested(run), "parameters")}
    if tuple(figures) == FIGURES and not known & set(FIGURES):  # pre-trainings have figures of their own
        figures = sorted(known)
    for name in figures:
        if name not in known:
            raise UnknownName(
                f"no training measured {name!r}.{nearest(name, known)} Known: {', '.join(sorted(known))}."
            )
    head = ["training", "seeds", *figures]
    rows = [
        [line.name, str(len(line.runs)), *(_cell(line.figures(name), style) for name in figures)]
        for line in found
    ]
    return _LAID_OUT[style](head, rows)


def _cell(values: np.ndarray, style: str) -> str:
    several, values = values.size, values[np.isfinite(values)]
    if not values.size:
        return "-"
    if values.size < several and style != "csv":  # the others have no such figure: a mean of fewer says so
        return f"{_cell(values, style)} ({values.size} of {several})"
    if (values >= 10).all() and (values == values[0].round()).all():  # a count that does not vary
        return str(int(values[0]))
    if values.size == 1 or style == "csv":
        return f"{values.mean():.4g}" if abs(values.mean()) >= 10 else f"{values.mean():.3f}"
    sign = r"$\pm$" if style == "latex" else "±"
    return f"{values.mean():.3f} {sign} {values.std(ddof=1):.3f}"


def _text(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(columns([head, *rows]))


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _latex(head: list[str], rows: list[list[str]]) -> str:
    escaped = [[cell.replace("_", r"\_").replace("%", r"\%") for cell in row] for row in [head, *rows]]
    body = " \\\\\n".join(" & ".join(row) for row in escaped)
    first, _, rest = body.partition("\n")
    return "\n".join(
        [rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule", first, r"\midrule", rest + r" \\",
         r"\bottomrule", r"\end{tabular}"]
    )  # fmt: skip


def _csv(head: list[str], rows: list[list[str]]) -> str:
    from sonoscope.data.table import csv_text

    return csv_text([head, *rows]).rstrip("\n")


_LAID_OUT = {"text": _text, "markdown": _markdown, "latex": _latex, "csv": _csv}


@dataclass(frozen=True)
class Difference:
    """First minus second: a figure of each, their difference with its 95 % interval, and the draws above zero."""

    figure: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    above: float


def compare(
    first: Sequence[Run],
    second: Sequence[Run],
    figures: Sequence[str] = ("map", "macro_f1"),
    *,
    draws: int = 1000,
) -> tuple[list[Difference], int, int]:
    """Two trainings (each the mean of its seeds' scores) on the test clips that both answered.

    Only seeds that both have count (:func:`of_same_seeds`): a mean of three would be ahead of one for that alone.
    Returns the differences, and how many clips and groups they rest on.

    Raises
    ------
    UsageError
        If they share no test clip, or judge different labels.
    UnknownName
        If there is no such figure.
    """
    known = resampling.FIGURES
    for name in figures:
        if name not in known:
            raise UnknownName(
                f"no figure {name!r} to compare.{nearest(name, known)} Known: {', '.join(known)}."
            )
    first, second = of_same_seeds(first, second)
    one, other = _together(_mean(first), _mean(second))
    thresholds = [tagging.fitted_thresholds(_mean(runs, "validation.npz")) for runs in (first, second)]
    found = []
    # Draws take the same groups for both: those of the one, whatever the other calls them.
    both = (one, replace(other, groups=one.groups))
    ours, theirs = (tagging.measured(answers, limit) for answers, limit in zip(both, thresholds, strict=True))
    drawn, others = (
        resampling.of_draws(answers, limit, draws=draws)
        for answers, limit in zip(both, thresholds, strict=True)
    )
    for name in figures:
        interval, above = bootstrap.of_difference(drawn[name], others[name])
        difference = ours[name] - theirs[name]
        found.append(Difference(name, ours[name], theirs[name], difference, interval, above))
    return found, len(one.groups), len(set(one.groups))


def of_same_seeds(first: Sequence[Run], second: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Those of both whose seed the other has too, in order of the seeds; where none is shared, as many of each."""
    by_seed = [{run.seed: run for run in runs} for runs in (first, second)]
    if any(len(found) < len(runs) for found, runs in zip(by_seed, (first, second), strict=True)):
        return list(first), list(second)  # not the seeds of one training
    shared = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not shared:
        count = min(len(first), len(second))
        return list(first[:count]), list(second[:count])
    return [by_seed[0][seed] for seed in shared], [by_seed[1][seed] for seed in shared]


def differences(found: Sequence[Difference], names: tuple[str, str], style: str) -> str:
    """A line for each difference, in a style of ``STYLES`` but ``text``, which is for a person.

    Raises
    ------
    UnknownName
        If there is no such style.
    """
    _check_style(style)
    head = ["figure", *names, "difference", "95 % from", "to"]
    rows = [
        [each.figure, f"{each.first:.3f}", f"{each.second:.3f}"]
        + [f"{value:+.3f}" for value in (each.difference, *each.interval)]
        for each in found
    ]
    return _LAID_OUT[style](head, rows)


def _check_style(style: str) -> None:
    if style not in STYLES:
        raise UnknownName(f"style {style!r} is unknown.{nearest(style, STYLES)} Known: {', '.join(STYLES)}.")


def _mean(runs: Sequence[Run], file: str = "test.npz") -> Answers:
    """The mean of several trainings' scores of the same clips."""
    answers = [rundir.read_answers(run.folder / file) for run in runs]
    first = answers[0]
    for each in answers[1:]:
        if each.names != first.names or each.labels != first.labels:
            raise UsageError(
                f"{runs[0].folder} and its fellows were tested on different clips: they are not seeds of one"
            )
    scores = np.mean([each.scores for each in answers], axis=0)
    return Answers(first.truth, first.known, scores, first.labels, first.groups, first.names)


def _together(one: Answers, other: Answers) -> tuple[Answers, Answers]:
    """Both on the clips that they share, in one order."""
    if one.labels != other.labels:
        raise UsageError(
            f"they judge different labels: {', '.join(one.labels)} and {', '.join(other.labels)}"
        )
    place = {name: row for row, name in enumerate(other.names)}
    shared = [(row, place[name]) for row, name in enumerate(one.names) if name in place]
    if not shared:
        raise UsageError(
            "they share no test clip: a comparison needs the same test part (data.split_seed, data.test_where)"
        )
    rows, others = (np.array(column) for column in zip(*shared, strict=True))
    return one.take(rows), other.take(others)
