"""Measure sonoscope: one Markdown table on stdout, the same with details as JSON.

    python benchmarks/run.py                        all of it, an hour on a slow core
    python benchmarks/run.py --only stages,startup  some
    python benchmarks/run.py --quick                seconds of sound, to see that figures come out
    python benchmarks/run.py --show                 the table of the last figures

Each benchmark is a file here with ``run(settings) -> list[Figure]`` and runs in a process of its own, on one core
(``workers`` and ``cards`` on all). README.md says how to read what comes out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from measure import ENVIRONMENT, HERE, Figure, Settings

#: In the order of the table; those that need librosa and torch are marked.
BENCHMARKS = {
    "end_to_end": "a recording to window scores, against librosa + eager torch (needs both)",
    "stages": "the whole path against its stages alone",
    "logmel": "log-mel once, against librosa per window (needs librosa and torch)",
    "features": "every feature against log-mel, and against librosa's where that is installed",
    "wavelets": "the Morlet scalogram against PyWavelets' (needs PyWavelets)",
    "feed": "training batches from prepared folders, against librosa for each clip (needs librosa and torch)",
    "training_step": "a training step against the plain loop (needs torch)",
    "augment": "every augmentation of a batch against its log-mel (needs torch)",
    "notes": "notes from scores, an hour against ten minutes",
    "live": "notes while they sound: computing per hop, click to event, drop-outs (needs the model notes)",
    "listeners": "live streams to one service: computing per hop, sound to message (needs the model notes)",
    "page": "an hour in the page: first picture, zooms, memory of the tab (needs Playwright and Chromium)",
    "durations": "a recording at every length, from a tenth of a second to an hour (writes 500 MB)",
    "listing": "a hundred thousand files, the first against the last",
    "search": "the nearest of a million embeddings (writes 1 GB)",
    "trunk": "the network once, against window by window",
    "startup": "--help and the first window",
    "workers": "two workers against one, on all processors",
    "memory": "ten hours against ten minutes (writes 3 GB)",
    "day": "a day in one file (writes 3 GB)",
    "cards": "ten thousand files of a minute",
    "many": "ten thousand files of three seconds: peak memory",
}
RESULTS = HERE / "results.json"
#: Several processes at a time: what they are for needs every processor.
ALL_CORES = ("workers", "cards", "many", "listeners", "page")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen benchmarks; 1 if one of them failed."""
    options = parse(arguments)
    if options.one:
        return print_figures(options.one, Settings(options.folder, options.repeats, options.quick))
    if options.show:
        print(table(read_json(options.json or RESULTS)))
        return 0
    with tempfile.TemporaryDirectory(prefix="sonoscope-bench-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, list[Figure]] = {}
        for name in options.only:
            print(f"{name} …", file=sys.stderr, flush=True)
            figures = in_own_process(name, folder, options)
            if figures is not None:
                found[name] = figures
    print(table(found))
    file = options.json or (None if options.quick else RESULTS)
    if file is not None:
        write_json(file, found)
    return 0 if len(found) == len(options.only) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked."""
    listed = "\n".join(f"  {name:<15}{what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        description="Measure sonoscope.", epilog=listed, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(BENCHMARKS), metavar="NAME,…", help="run these only")
    parser.add_argument("--quick", action="store_true", help="seconds of sound, once: figures mean nothing")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each variant runs (default: 5)")
    parser.add_argument("--core", type=int, metavar="N", help="the processor to run on (default: the last)")
    parser.add_argument("--folder", type=Path, help="keep the synthetic recordings here, for the next time")
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"default: {RESULTS.name} beside this file")
    parser.add_argument("--show", action="store_true", help="measure nothing: the table of what --json holds")
    parser.add_argument("--one", choices=BENCHMARKS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.only = [name.strip() for name in options.only.split(",")]
    if unknown := set(options.only) - set(BENCHMARKS):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    options.repeats = options.repeats or (1 if options.quick else 5)
    return options


def in_own_process(name: str, folder: Path, options: argparse.Namespace) -> list[Figure] | None:
    """The figures of one benchmark, or None if it failed (its traceback is on stderr)."""
    command = [sys.executable, str(HERE / "run.py"), "--one", name, "--folder", str(folder)]
    command += ["--repeats", str(options.repeats)] + ["--quick"] * options.quick
    usable = os.sched_getaffinity(0)
    core = max(usable) if options.core is None else options.core
    os.sched_setaffinity(0, usable if name in ALL_CORES else {core})
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    finally:
        os.sched_setaffinity(0, usable)
    return None if done.returncode else [Figure(**entry) for entry in json.loads(done.stdout)]


def print_figures(name: str, settings: Settings) -> int:
    """Run one benchmark here and print its figures as JSON."""
    figures = importlib.import_module(name).run(settings)
    print(json.dumps([asdict(figure) for figure in figures]))
    return 0


def table(found: dict[str, list[Figure]]) -> str:
    """All figures as Markdown."""
    lines = ["| benchmark | figure | measured | goal |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {figure.what} | {shown(figure)} | {figure.goal} |"
        for name, figures in found.items()
        for figure in figures
    ]
    return "\n".join(lines)


def shown(figure: Figure) -> str:
    """Value and unit, three digits."""
    number = f"{figure.value:.0f}" if figure.value >= 100 else f"{figure.value:.3g}"
    return f"{number} {figure.unit}".strip()


def read_json(file: Path) -> dict[str, list[Figure]]:
    """The figures that :func:`write_json` wrote."""
    entries = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    return {name: [Figure(**figure) for figure in entry["figures"]] for name, entry in entries.items()}


def write_json(file: Path, found: dict[str, list[Figure]]) -> None:
    """Add the figures to ``file``: benchmarks that were not run this time keep what is there."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    except FileNotFoundError:
        kept = {}
    measured = {
        name: {"machine": machine(), "figures": [asdict(figure) for figure in figures]}
        for name, figures in found.items()
    }
    merged = {name: entry for name in BENCHMARKS if (entry := measured.get(name, kept.get(name)))}
    text = json.dumps({"benchmarks": merged}, indent=1, ensure_ascii=False)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(file)


def machine() -> dict[str, object]:
    """What the figures depend on, in general terms."""
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    widest = next((name for name in ("avx512f", "avx2", "asimd") if name in flags), "")
    versions = {}
    for package in ("numpy", "scipy", "onnxruntime", "soundfile", "soxr", "librosa", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "vectors": widest,
        "python": platform.python_version(),
        "packages": versions,
    }


if __name__ == "__main__":
    sys.exit(main())
