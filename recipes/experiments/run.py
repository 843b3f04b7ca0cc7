"""Answer the questions of ``plan.yaml``: train, compare, and write the tables of docs/experiments.md.

    python recipes/experiments/run.py train --data collection:FOLDER --work FOLDER [--only A,B] [--seeds N]
    python recipes/experiments/run.py report --work FOLDER

``--plan tiny.yaml`` asks what is too large for a processor, in tiny, ``--plan notes.yaml`` about networks of notes;
``--pretrained RUN`` is what some trainings begin with. Those that are finished are left alone, so that an interrupted
run goes on. A seed of all trainings comes before the next seed of any, so that there is an answer early and a better
one later; with ``--together`` all seeds of a training come one after the other: the first questions are answered whole.

``report`` keeps what stands (the results beside this file) of trainings that WORK has not, so that a part of the plan
can be run again. A difference needs the scores of both trainings: it is taken anew where WORK has both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sonoscope.training import presets, rundir, runs
from sonoscope.training.config import Config, compose
from sonoscope.training.setting import feature_of, rate_of

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "experiments.md"
#: Of a plan that names none.
FIGURES = ("map", "macro_f1", "macro_top1")
#: Of a plan's settings: what ``--pretrained`` names.
PRETRAINED = "PRETRAINED"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("train", "report"))
    parser.add_argument("--data", nargs="+", help="labelled recordings, as DATA")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", help="these trainings")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--together", action="store_true", help="all seeds of a training before the next")
    parser.add_argument("--plan", default="plan.yaml", help="beside this file (default: plan.yaml)")
    parser.add_argument("--pretrained", type=Path, help="a pre-training, for trainings that begin with one")
    arguments = parser.parse_args()
    plan = yaml.safe_load((HERE / arguments.plan).read_text(encoding="utf-8"))
    if arguments.step == "report":
        report(plan, arguments.work)
        return
    if arguments.data is None:
        parser.error("train needs --data")
    asked = [each if isinstance(each, dict) else {"name": each} for each in plan["trainings"]]
    wanted = arguments.only.split(",") if arguments.only else [each["name"] for each in asked]
    asked, seeds = [each for each in asked if each["name"] in wanted], range(arguments.seeds or plan["seeds"])
    order = [(each, seed) for seed in seeds for each in asked]
    if arguments.together:
        order = [(each, seed) for each in asked for seed in seeds]
    for each, seed in order:
        train(plan, each, seed, arguments)


def train(plan: dict, asked: dict, seed: int, arguments: argparse.Namespace) -> None:
    """One training in a process of its own, unless it is finished.

    ``asked`` has a name, a preset, settings, and ``after``: the training whose weights of the same seed it begins with.
    """
    name, work, data = asked["name"], arguments.work, arguments.data
    folder = work / name / f"seed-{seed}"
    if (folder / rundir.METRICS).is_file():
        return
    own = dict(asked.get("settings", {}))
    if own.get("network.init_from") == PRETRAINED:
        if arguments.pretrained is None:
            print(f"{name} begins with a pre-training: --pretrained RUN", flush=True)
            return
        own["network.init_from"] = arguments.pretrained
    if "after" in asked:
        own["network.init_from"] = work / asked["after"] / f"seed-{seed}"
    preset = asked.get("preset", name)
    settings = [
        f"{key}={'null' if value is None else value}" for key, value in {**plan["common"], **own}.items()
    ]
    config = compose(presets.load(preset), settings)
    settings += [f"name={name}", f"training.seed={seed}", f"data.folder={work / prepared(config)}"]
    print(f"{name} seed {seed}", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "sonoscope",
        "train",
        preset,
        *data,
        *settings,
        "-o",
        str(folder),
        "--resume",
    ]
    with open(work / "log.txt", "a") as log:
        if subprocess.run(command, stdout=log, stderr=log).returncode:
            print(f"{name} seed {seed} failed: see {work / 'log.txt'}", flush=True)


def prepared(config: Config) -> str:
    """The folder that all trainings share which read the same: samples at one rate, or frames of the same features."""
    if config.data.cache == "features":
        return f"features-{hashlib.sha256(json.dumps(config.features).encode()).hexdigest()[:8]}"
    return f"prepared-{rate_of(config, feature_of(config))}"


def report(plan: dict, work: Path) -> None:
    """Write the results, and the tables into the document; what ``work`` has not stays as it was."""
    place = HERE / plan.get("results", "results.json")
    held = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    found = {name: runs.find([work / name]) for name in finished(plan, work)}
    trainings = figures_of(plan, held.get("trainings", {}), found)
    questions = answers_of(plan, held.get("questions", []), found)
    place.write_text(json.dumps({"trainings": trainings, "questions": questions}, indent=1) + "\n")
    lines = [
        runs.Line(name, tuple(runs.Run(Path(seed), {}, metrics) for seed, metrics in seeds.items()))
        for name, seeds in trainings.items()
    ]
    answers = ["", *rows_of(questions)] if questions else []
    block = "\n".join([runs.table(lines, plan.get("figures", FIGURES), "markdown"), *answers])
    text = DOCUMENT.read_text(encoding="utf-8")
    marker = plan.get("marker", "tables")
    marked = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    DOCUMENT.write_text(marked.sub(lambda m: f"{m[1]}\n{block}\n\n{m[2]}", text), encoding="utf-8")
    print(block)


def figures_of(plan: dict, held: dict, found: dict[str, list[runs.Run]]) -> dict[str, dict[str, Any]]:
    """The figures of each training of the plan by seed: those that are found, in the place of those that were held."""
    merged = {
        name: held.get(name, {}) | {run.folder.name: run.metrics for run in found.get(name, ())}
        for name in names_of(plan)
    }
    return {name: dict(sorted(seeds.items())) for name, seeds in merged.items() if seeds}


def answers_of(plan: dict, held: list[dict], found: dict[str, list[runs.Run]]) -> list[dict[str, Any]]:
    """What is said of each pair of each question.

    It is asked anew where both trainings are found with at least as many common seeds as what was held rests on.
    """
    before = {(each["first"], each["second"]): each for each in held}
    said = []
    for question in plan["questions"]:
        for first, second in question["pairs"]:
            stands = before.get((first, second))
            both = found.get(first, []), found.get(second, [])
            seeds = sorted(set.intersection(*({run.folder.name for run in each} for each in both)))
            if seeds and (stands is None or len(seeds) >= len(stands["seeds"])):
                stands = {"first": first, "second": second, "seeds": seeds, "figures": compared(*both)}
            if stands is not None:
                said.append({"asks": question["asks"], **stands})
    return said


def compared(first: list[runs.Run], second: list[runs.Run]) -> dict[str, dict[str, Any]]:
    """Of each figure the first less the second, its interval, and in how many seeds the first is ahead."""
    differences, _, _ = runs.compare(first, second, FIGURES[:2])
    return {
        each.figure: {
            "difference": round(each.difference, 4),
            "interval_95": [round(end, 4) for end in each.interval],
            "ahead": ahead(first, second, each.figure),
        }
        for each in differences
    }


def ahead(first: list[runs.Run], second: list[runs.Run], figure: str) -> int:
    """In how many seeds the first is ahead of the second, of those that both have."""
    ours, theirs = (
        {run.folder.name: run.metrics["fitted"][figure] for run in each} for each in (first, second)
    )
    return sum(ours[seed] > theirs[seed] for seed in ours.keys() & theirs.keys())


def rows_of(questions: list[dict]) -> list[str]:
    """The answers as lines of a Markdown table."""
    rows = ["| question | difference | figure | value (95 %) | seeds ahead |", "|---|---|---|---|---|"]
    for each in questions:
        for figure, value in each["figures"].items():
            low, high = value["interval_95"]
            rows.append(
                f"| {each['asks']} | {each['first']} – {each['second']} | {figure} | {value['difference']:+.3f} "
                f"({low:+.3f} to {high:+.3f}) | {value['ahead']} of {len(each['seeds'])} |"
            )
    return rows


def names_of(plan: dict) -> list[str]:
    """The trainings with labels, in the order of the plan."""
    asked = [each if isinstance(each, dict) else {"name": each} for each in plan["trainings"]]
    return [each["name"] for each in asked if each.get("settings", {}).get("kind") != "pretrain"]


def finished(plan: dict, work: Path) -> list[str]:
    """Those that have at least one finished seed."""
    return [name for name in names_of(plan) if any((work / name).glob(f"*/{rundir.METRICS}"))]


if __name__ == "__main__":
    main()
