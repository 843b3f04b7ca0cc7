"""Answer the questions of ``plan.yaml``: train, compare, and write the tables of docs/experiments.md.

    python recipes/experiments/run.py train --data collection:FOLDER --work FOLDER [--only A,B] [--seeds N]
    python recipes/experiments/run.py report --work FOLDER

Trainings that are finished are left alone, so that an interrupted run goes on. A seed of all trainings comes before
the next seed of any, so that there is an answer early and a better one later.
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
RESULTS = HERE / "results.json"
FIGURES = ("map", "macro_f1", "macro_top1")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("train", "report"))
    parser.add_argument("--data", help="labelled recordings, as DATA")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", help="these trainings")
    parser.add_argument("--seeds", type=int)
    arguments = parser.parse_args()
    plan = yaml.safe_load((HERE / "plan.yaml").read_text(encoding="utf-8"))
    if arguments.step == "report":
        report(plan, arguments.work)
        return
    if arguments.data is None:
        parser.error("train needs --data")
    names = arguments.only.split(",") if arguments.only else plan["trainings"]
    for seed in range(arguments.seeds or plan["seeds"]):
        for name in names:
            train(plan, name, seed, arguments.data, arguments.work)


def train(plan: dict, name: str, seed: int, data: str, work: Path) -> None:
    """One training in a process of its own, unless it is finished."""
    folder = work / name / f"seed-{seed}"
    if (folder / rundir.METRICS).is_file():
        return
    settings = [f"{key}={'null' if value is None else value}" for key, value in plan["common"].items()]
    config = compose(presets.load(name), settings)
    first = config.features[0]
    rate = first.get("sample_rate", 22050 if first["name"] != "logmel" else 24000)
    settings += [f"training.seed={seed}", f"data.folder={work / f'prepared-{rate}'}"]
    print(f"{name} seed {seed}", flush=True)
    command = [
        sys.executable,
        "-m",
        "sonoscope",
        "train",
        name,
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
    RESULTS.write_text(
        json.dumps(
            {name: {run.folder.name: run.metrics for run in each} for name, each in found.items()}, indent=1
        )
        + "\n"
    )
    text = DOCUMENT.read_text(encoding="utf-8")
    block = "\n".join(tables)
    marked = re.compile(r"(<!-- tables -->\n).*?(<!-- /tables -->)", re.DOTALL)
    DOCUMENT.write_text(marked.sub(lambda m: f"{m[1]}\n{block}\n\n{m[2]}", text), encoding="utf-8")
    print(block)


def finished(work: Path) -> list[str]:
    """The trainings that have at least one finished seed, in the order of the plan."""
    return [place.name for place in sorted(work.iterdir()) if any(place.glob(f"*/{rundir.METRICS}"))]


if __name__ == "__main__":
    main()
