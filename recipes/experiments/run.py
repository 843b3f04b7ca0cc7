"""Answer the questions of ``plan.yaml``: train, compare, and write the tables of docs/experiments.md.

    python recipes/experiments/run.py train --data collection:FOLDER --work FOLDER [--only A,B] [--seeds N]
    python recipes/experiments/run.py report --work FOLDER

``--plan tiny.yaml`` asks what is too large for a processor, in tiny; ``--pretrained RUN`` is what some of it begins
with. Trainings that are finished are left alone, so that an interrupted run goes on. A seed of all trainings comes
before the next seed of any, so that there is an answer early and a better one later.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from sonoscope.training import presets, rundir, runs
from sonoscope.training.config import compose

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
    for seed in range(arguments.seeds or plan["seeds"]):
        for each in asked:
            if each["name"] in wanted:
                train(plan, each, seed, arguments)


def train(plan: dict, asked: dict, seed: int, arguments: argparse.Namespace) -> None:
    """One training in a process of its own, unless it is finished; ``asked`` has a name, a preset and settings."""
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
    preset = asked.get("preset", name)
    settings = [
        f"{key}={'null' if value is None else value}" for key, value in {**plan["common"], **own}.items()
    ]
    config = compose(presets.load(preset), settings)
    first = config.features[0]
    rate = first.get("sample_rate", {"logmel": 24000, "samples": 16000}.get(first["name"], 22050))
    settings += [f"name={name}", f"training.seed={seed}", f"data.folder={work / f'prepared-{rate}'}"]
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


def report(plan: dict, work: Path) -> None:
    """Write results.json, and the tables into the document."""
    found = {name: runs.find([work / name]) for name in finished(work)}
    tables = [
        runs.table(runs.lines([run for each in found.values() for run in each]), FIGURES, "markdown"),
        "",
    ]
    answers = []
    for question in plan["questions"]:
        for first, second in question["pairs"]:
            if first in found and second in found:
                differences, _, _ = runs.compare(found[first], found[second], FIGURES[:2])
                seeds = min(len(found[first]), len(found[second]))
                for each in differences:
                    low, high = each.interval
                    answers.append(
                        f"| {question['asks']} | {first} – {second} | {each.figure} | {each.difference:+.3f} "
                        f"({low:+.3f} to {high:+.3f}) | {seeds} |"
                    )
    tables += ["| question | difference | figure | value (95 %) | seeds |", "|---|---|---|---|---|", *answers]
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


def finished(work: Path) -> list[str]:
    """The trainings that have at least one finished seed, in the order of the plan."""
    return [place.name for place in sorted(work.iterdir()) if any(place.glob(f"*/{rundir.METRICS}"))]


if __name__ == "__main__":
    main()
