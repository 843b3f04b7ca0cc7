"""Everything of `instruments` from nothing, one command: stems, bank, folds, final model, every table of its page.

    python recipes/instruments/rebuild.py --data DATA --stems STEMS --work WORK --workers 2

Steps wait for what they need and run side by side, one thread each; their words are in WORK/log. A step that ended well
is not run again: `WORK/done` has a file for each, remove it (or all of them) to repeat. What a step writes besides
is the step's own business (build.py, wider.py, alone.py, damaged.py, finetune.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import yaml

HERE = Path(__file__).parent
FOLDS = ("A", "B", "C", "D")
GMBANK = "/usr/share/sounds/sf2/sf_GMbank.sf2"


@dataclass(frozen=True)
class Step:
    """A command, and the steps that it waits for."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()


def steps(
    data: str, stems: str, work: str, workers: int, seeds: int, fonts: str = "generaluser"
) -> list[Step]:
    """All steps; those that take longest first, where there is a choice."""

    def program(name: str, *words: str) -> tuple[str, ...]:
        return (sys.executable, str(HERE / f"{name}.py"), "--data", data, "--work", work, *words)

    def render(*words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "sonoscope", "data", "render", *words)

    def network(seed: int, what: str, after: tuple[str, ...]) -> Step:
        """Train the network of one seed."""
        return Step(of(what, seed), program("build", "--seed", str(seed), "fold", what), after)

    def benches(compared: list[tuple[int, ...]]) -> list[Step]:
        """The bench of networks that answer together, or of one alone; in turn, since all add to one file."""
        found: list[Step] = []
        for members in compared:
            named = ",".join(map(str, members))
            after = tuple(of(fold, seed) for seed in members for fold in FOLDS)
            before = found[-1].name if found else "bench"
            found.append(
                Step(f"bench {named}", program("build", "--members", named, "bench"), (*after, before))
            )
        return found

    members = tuple(yaml.safe_load((HERE / "recipe.yaml").read_text())["members"])
    others = tuple(seed for seed in range(seeds) if seed not in members)
    compared = [(seed,) for seed in range(seeds)] + list(combinations(range(seeds), 2)) if others else []
    return [
        Step("stems", render("-o", stems, "--soundfont", "fluidr3,musescore", "--per-class", "130")),
        Step("gmbank", render("-o", f"{stems}/gmbank", "--soundfont", GMBANK, "--per-class", "70")),
        Step(
            "bank", program("build", "--stems", stems, "--workers", str(workers), "bank"), ("stems", "gmbank")
        ),
        Step("solo bank", program("build", "solos"), ("bank",)),
        Step("mine", program("build", "mine"), ("bank",)),
        *(Step(f"begin {fold}", program("build", "begin", fold), ("bank",)) for fold in FOLDS),
        *(network(0, fold, (f"begin {fold}", "mine", "solo bank")) for fold in FOLDS),
        *(network(seed, fold, ("mine", "solo bank")) for seed in members[1:] for fold in FOLDS),
        *(
            network(seed, what, ("mine", "solo bank"))
            for seed in members
            for what in ("unheard", "twin", "final")
        ),
        *(
            Step(f"score {fold}", program("build", "score", fold), tuple(of(fold, seed) for seed in members))
            for fold in FOLDS
        ),
        Step("bench", program("build", "bench"), tuple(f"score {fold}" for fold in FOLDS)),
        *(Step(name, program("wider", name), ("bench",)) for name in ("pairs", "scaling")),
        Step("damaged", program("damaged"), ("bench",)),
        Step("finetune", program("finetune"), ("bench",)),
        Step("final", program("build", "final"), ("bench", *(of("final", seed) for seed in members))),
        *(
            Step(name, program("wider", name), ("final", *(of("unheard", seed) for seed in members)))
            for name in ("alarms", "found")
        ),
        Step("pianos", program("alone", "pianos"), ("final",)),
        Step("fonts", program("alone", "fonts", "--soundfont", fonts), ("final",)),
        *(
            Step(name, program(script, name), ("final", *(of("twin", seed) for seed in members)))
            for script, name in (("wider", "bands"), ("alone", "solos"))
        ),
        Step("card", program("build", "final"), ("pairs", "damaged", "bands", "pianos", "solos", "alarms")),
        *(network(seed, fold, ("bench",)) for seed in others for fold in FOLDS),
        *benches([each for each in compared if each != members]),
    ]


def of(what: str, seed: int) -> str:
    """The name of a training."""
    return f"{what} seed {seed}"


def run(step: Step, work: Path) -> int:
    """Run a step on one thread; its exit code."""
    began = time.monotonic()
    print(f"{time.strftime('%H:%M:%S')} {step.name}", flush=True)
    with open(work / "log" / f"{step.name}.txt", "w") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        code = subprocess.run(
            step.command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    if code == 0:
        (work / "done" / step.name).touch()
    minutes = (time.monotonic() - began) / 60.0
    print(
        f"{time.strftime('%H:%M:%S')} {step.name}: {'done' if code == 0 else f'exit {code}'}, {minutes:.1f} min",
        flush=True,
    )
    return code


def run_all(wanted: list[Step], work: Path, workers: int) -> int:
    """Run what is not done, so many at a time, in the order of the list where steps need not wait; 1 if one failed."""
    for folder in ("log", "done"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    done = {step.name for step in wanted if (work / "done" / step.name).is_file()}
    left = [step for step in wanted if step.name not in done]
    running: dict[Future[int], Step] = {}
    failed = False
    with ThreadPoolExecutor(workers) as pool:
        while left or running:
            ready = [step for step in left if done.issuperset(step.after)]
            for step in ready[: workers - len(running)]:
                left.remove(step)
                running[pool.submit(run, step, work)] = step
            if not running:
                break  # what is left waits for what failed
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                if future.result() == 0:
                    done.add(step.name)
                else:
                    failed = True
    return int(failed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="labelled recordings with manifest.csv")
    parser.add_argument("--stems", required=True, help="where rendered stems lie, or shall lie")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2, help="steps at a time")
    parser.add_argument(
        "--seeds", type=int, default=1, help="trainings of each fold; more than the shipped ones are compared"
    )
    parser.add_argument(
        "--fonts", default="generaluser", help="sound fonts that nothing is trained on, comma-separated"
    )
    parser.add_argument("--only", help="names of steps, comma-separated, whatever they wait for")
    arguments = parser.parse_args()
    words = (arguments.data, arguments.stems, str(arguments.work), arguments.workers, arguments.seeds)
    wanted = steps(*words, arguments.fonts)
    if arguments.only:
        names = arguments.only.split(",")
        wanted = [Step(step.name, step.command) for step in wanted if step.name in names]
    sys.exit(run_all(wanted, arguments.work, arguments.workers))


if __name__ == "__main__":
    main()
