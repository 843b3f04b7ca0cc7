"""What a very large run would take: arithmetic from measured costs, and a simulation of its tasks.

    python recipes/cluster/plan.py                                    # a million hours on 1,000 cores
    python recipes/cluster/plan.py --hours 3000 --cores 16 --file-minutes 10 --store 200
    python recipes/cluster/plan.py --sweep                            # the tables of docs/planning.md

Costs of the stages are those of ``benchmarks/results.json``, those of starting and of a file those of
``recipes/cluster/measured.json``. The store is a bandwidth that all cores share, and a latency. A task begins, reads
and works at the same time, so it goes as fast as the slower of both; some tasks are lost on the way and begin again
with the recording that was under way.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("decode_s", "resample_s", "features_s", "network_s")
#: Requests for a recording in a store: its size, one for each MiB, and what is written of it.
PUTS = 3
#: Bytes that are written for a recorded hour: events and kept scores.
RESULT_BYTES = 80_000


@dataclass(frozen=True)
class Costs:
    """Seconds of a core: ``hour`` for a recorded hour, ``start`` for a process, ``file`` for a recording besides."""

    hour: float
    decode: float
    start: float
    file: float


@dataclass(frozen=True)
class Plan:
    """What is to be done, and with what. Rates of the store in bytes a second, of all cores together and of one."""

    hours: float = 1e6
    file_minutes: float = 60.0
    bytes_per_hour: float = 150e6
    cores: int = 1000
    hours_per_task: float = 100.0
    store: float = 10e9
    core_rate: float = 80e6
    latency: float = 0.030
    lost: float = 0.01
    price: float = 0.03


@dataclass(frozen=True)
class Outcome:
    """``seconds`` from the first task to the last, ``busy`` the share of core time that is work, and what it cost."""

    seconds: float
    work_hours: float
    core_hours: float
    busy: float
    requests: float
    tasks: int
    lost: int

    def cost(self, plan: Plan) -> float:
        return self.core_hours * plan.price


def measured() -> Costs:
    """Of this project's model on the machine of the benchmarks."""
    results = json.loads((ROOT / "benchmarks/results.json").read_text())["benchmarks"]["stages"]["figures"]
    found = next(figure["details"] for figure in results if "whole_s" in figure["details"])
    minutes = next(figure["details"]["minutes"] for figure in results if "minutes" in figure["details"])
    file = Path(__file__).with_name("measured.json")
    ours = json.loads(file.read_text()) if file.is_file() else {}
    return Costs(
        hour=found["whole_s"] * 60 / minutes,
        decode=found["decode_s"] * 60 / minutes,
        start=ours.get("overhead", {}).get("one process", {}).get("once_cpu_s", 1.5),
        file=ours.get("files", {}).get("cpu_s_per_file_of_1_s", 0.01),
    )


def alone(plan: Plan, costs: Costs) -> tuple[float, float]:
    """Core seconds of a recording that no store slows down, and those of them that are work on its sound."""
    work = costs.hour * plan.file_minutes / 60
    # Its size, and its first block; later blocks are asked for ahead, and results are sent by a thread.
    return work + costs.file + 2 * plan.latency, work


def bound(plan: Plan, costs: Costs) -> tuple[str, float]:
    """What limits the whole, and its recorded hours a second: cores, the store, or what a core can read."""
    per_file, _ = alone(plan, costs)
    per_hour = per_file * 60 / plan.file_minutes + costs.start / plan.hours_per_task
    limits = {
        "cores": plan.cores / per_hour,
        "store": plan.store / plan.bytes_per_hour,
        "one core's reading": plan.cores * plan.core_rate / plan.bytes_per_hour,
    }
    name = min(limits, key=lambda key: limits[key])
    return name, limits[name]


def simulate(plan: Plan, costs: Costs, seed: int = 0) -> Outcome:
    """Every task of the run on every core.

    All active tasks go at one speed, since they share the store evenly: ``v = min(1, what the store gives / what they
    would read)``. So their progress is one clock that runs at ``v``, and a task ends when that clock has gone on by its
    seconds: exact, and a step for each task.
    """
    draw = random.Random(seed)
    per_file, work_of_file = alone(plan, costs)
    files_left = round(plan.hours * 60 / plan.file_minutes)
    files_per_task = max(round(plan.hours_per_task * 60 / plan.file_minutes), 1)
    need = min(plan.bytes_per_hour * plan.file_minutes / 60 / per_file, plan.core_rate)
    slow = max(plan.bytes_per_hour * plan.file_minutes / 60 / plan.core_rate / per_file, 1.0)
    queue: list[int] = []
    while files_left > 0:
        queue.append(min(files_per_task, files_left))
        files_left -= queue[-1]
    tasks, lost, now, clock, active, held = len(queue), 0, 0.0, 0.0, 0, 0.0
    starting: list[tuple[float, int]] = []
    running: list[tuple[float, int, int]] = []
    free = plan.cores
    work = sum(queue) * work_of_file
    while queue or starting or running:
        while queue and free:
            free -= 1
            heapq.heappush(starting, (now + costs.start, queue.pop()))
        speed = min(1.0, plan.store / (active * need)) if active else 1.0
        ends = now + (running[0][0] - clock) / speed if running else float("inf")
        begins = starting[0][0] if starting else float("inf")
        moment = min(ends, begins)
        held += (moment - now) * (plan.cores - free)
        clock += (moment - now) * speed
        now = moment
        if begins <= ends:
            _, count = heapq.heappop(starting)
            done, again = count, 0
            if draw.random() < plan.lost:
                # Killed somewhere: what was complete stays, the recording under way is done again.
                done = draw.randrange(count)
                again, lost = count - done, lost + 1
            seconds = (done + 0.5 * bool(again)) * per_file * slow
            heapq.heappush(running, (clock + seconds, again, len(running)))
            active += 1
        else:
            _, again, _ = heapq.heappop(running)
            active, free = active - 1, free + 1
            if again:
                queue.append(again)
    blocks = plan.bytes_per_hour * plan.hours / 2**20
    n_files = plan.hours * 60 / plan.file_minutes
    return Outcome(now, work / 3600, held / 3600, work / held, n_files * (2 + PUTS) + blocks, tasks, lost)


def told(plan: Plan, costs: Costs) -> str:
    """A plan in words."""
    name, rate = bound(plan, costs)
    found = simulate(plan, costs)
    read = plan.bytes_per_hour * plan.hours
    return "\n".join(
        [
            f"{plan.hours:,.0f} h in {plan.hours * 60 / plan.file_minutes:,.0f} recordings, {read / 1e12:,.1f} TB; "
            f"{plan.cores:,} cores, tasks of {plan.hours_per_task:g} h",
            f"  a recorded hour: {costs.hour:.1f} core seconds ({costs.decode:.1f} of them decoding)",
            f"  limit: {name}, {rate:,.1f} recorded hours a second, so at least {plan.hours / rate / 3600:,.1f} h",
            f"  simulated: {found.seconds / 3600:,.1f} h, {found.core_hours:,.0f} core hours, "
            f"{100 * found.busy:.0f} % of them work; "
            f"{found.tasks:,} tasks, {found.lost:,} lost; {found.requests / 1e6:,.1f} million requests",
            f"  cost at {plan.price:g} a core hour: {found.cost(plan):,.0f}, "
            f"{1000 * found.cost(plan) / plan.hours:.2f} for 1,000 h",
            f"  results: {plan.hours * RESULT_BYTES / 1e9:,.0f} GB",
        ]
    )


def sweep(costs: Costs) -> str:
    """Tables in Markdown: cores and the store; shards; small files."""
    base = Plan()

    def row(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def cells(plan: Plan) -> list[str]:
        found = simulate(plan, costs)
        return [
            f"{found.seconds / 3600:,.1f}", f"{found.core_hours:,.0f}", f"{100 * found.busy:.0f} %",
            bound(plan, costs)[0],
        ]  # fmt: skip

    head = ["hours by the clock", "core hours", "work", "limit"]
    lines = [row(["cores", "store, GB/s", *head]), row(["---"] * 6)]
    for cores in (100, 1000, 5000):
        for store in (1e9, 10e9, 50e9):
            plan = replace(base, cores=cores, store=store)
            lines.append(row([f"{cores:,}", f"{store / 1e9:g}", *cells(plan)]))
    lines += ["", row(["hours in a task", "tasks", *head]), row(["---"] * 6)]
    for hours in (10, 100, 500, 2000):
        plan = replace(base, hours_per_task=float(hours), store=50e9)
        lines.append(row([f"{hours:,}", f"{1e6 / hours:,.0f}", *cells(plan)]))
    lines += ["", row(["length of a recording", "recordings", *head]), row(["---"] * 6)]
    for minutes, name in ((1 / 6, "10 s"), (1.0, "1 min"), (10.0, "10 min"), (60.0, "1 h")):
        plan = replace(base, file_minutes=minutes, store=50e9)
        lines.append(row([name, f"{base.hours * 60 / minutes:,.0f}", *cells(plan)]))
    return "\n".join(lines)


def main() -> int:
    base = Plan()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=base.hours)
    parser.add_argument("--file-minutes", type=float, default=base.file_minutes)
    parser.add_argument("--mb-per-hour", type=float, default=base.bytes_per_hour / 1e6)
    parser.add_argument("--cores", type=int, default=base.cores)
    parser.add_argument("--hours-per-task", type=float, default=base.hours_per_task)
    parser.add_argument("--store", type=float, default=base.store / 1e6, help="MB/s of all cores together")
    parser.add_argument(
        "--core-rate", type=float, default=base.core_rate / 1e6, help="MB/s that one core can read"
    )
    parser.add_argument("--latency", type=float, default=base.latency * 1000, help="ms of a request")
    parser.add_argument(
        "--lost", type=float, default=base.lost, help="share of tasks that are killed on the way"
    )
    parser.add_argument("--price", type=float, default=base.price, help="of a core hour")
    parser.add_argument(
        "--core-seconds", type=float, help="for a recorded hour, instead of what was measured here"
    )
    parser.add_argument("--sweep", action="store_true", help="the tables of docs/planning.md")
    given = parser.parse_args()
    costs = measured()
    if given.core_seconds:
        costs = replace(costs, hour=given.core_seconds, decode=costs.decode * given.core_seconds / costs.hour)
    if given.sweep:
        print(sweep(costs))
        return 0
    plan = Plan(
        given.hours, given.file_minutes, given.mb_per_hour * 1e6, given.cores, given.hours_per_task, given.store * 1e6,
        given.core_rate * 1e6, given.latency / 1000, given.lost, given.price,
    )  # fmt: skip
    print(told(plan, costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
