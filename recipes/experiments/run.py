"""Answer the questions of ``plan.yaml``: train, compare, and write the tables of docs/experiments.md.

    python recipes/experiments/run.py train --data collection:FOLDER --work FOLDER [--only A,B] [--seeds N]
    python recipes/experiments/run.py report --work FOLDER

``--plan tiny.yaml`` asks what is too large for a processor, in tiny; ``--pretrained RUN`` is what some of it begins
with. Trainings that are finished are left alone, so that an interrupted run goes on. A seed of all trainings comes
before the next seed of any, so that there is an answer early and a better one later; with ``--together`` all seeds of a
training come one after the other, so that the first questions are answered whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from sonoscope.training import presets, rundir, runs
from sonoscope.training.config import Config, compose

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "experiments.md"
FIGURES = ("map", "macro_f1", "macro_top1")
#: Of a plan's settings: what ``--pretrained`` names.
PRETRAINED = "PRETRAINED"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("train", "report"))
    parser.add_argument("--data", help="labelled recordings, as DATA")
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
        data,
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
    first = config.features[0]
    rate = first.get("sample_rate", {"logmel": 24000, "samples": 16000}.get(first["name"], 22050))
    return f"prepared-{rate}"


def report(plan: dict, work: Path) -> None:
    """Write results.json, and the tables into the document."""
    found = {name: runs.find([work / name]) for name in finished(plan, work)}
    lines = [runs.Line(name, tuple(each)) for name, each in found.items()]
    tables = [runs.table(lines, FIGURES, "markdown"), ""]
    answers = []
    for question in plan["questions"]:
        for first, second in question["pairs"]:
            if first in found and second in found:
                differences, _, _ = runs.compare(found[first], found[second], FIGURES[:2])
                for each in differences:
                    low, high = each.interval
                    answers.append(
                        f"| {question['asks']} | {first} – {second} | {each.figure} | {each.difference:+.3f} "
                        f"({low:+.3f} to {high:+.3f}) | {ahead(found[first], found[second], each.figure)} |"
                    )
    tables += [
        "| question | difference | figure | value (95 %) | seeds ahead |",
        "|---|---|---|---|---|",
        *answers,
    ]
    (HERE / plan.get("results", "results.json")).write_text(
        json.dumps(
            {name: {run.folder.name: run.metrics for run in each} for name, each in found.items()}, indent=1
        )
        + "\n"
    )
    text = DOCUMENT.read_text(encoding="utf-8")
    block = "\n".join(tables)
    marker = plan.get("marker", "tables")
    marked = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    DOCUMENT.write_text(marked.sub(lambda m: f"{m[1]}\n{block}\n\n{m[2]}", text), encoding="utf-8")
    print(block)


def ahead(first: list[runs.Run], second: list[runs.Run], figure: str) -> str:
    """In how many seeds the first is ahead of the second, of those that both have."""
    ours, theirs = (
        {run.folder.name: run.metrics["fitted"][figure] for run in each} for each in (first, second)
    )
    both = sorted(ours.keys() & theirs.keys())
    return f"{sum(ours[seed] > theirs[seed] for seed in both)} of {len(both)}"


def finished(plan: dict, work: Path) -> list[str]:
    """The trainings with labels that have at least one finished seed, in the order of the plan."""
    asked = [each if isinstance(each, dict) else {"name": each} for each in plan["trainings"]]
    return [
        each["name"]
        for each in asked
        if each.get("settings", {}).get("kind") != "pretrain"
        and any((work / each["name"]).glob(f"*/{rundir.METRICS}"))
    ]


if __name__ == "__main__":
    main()
