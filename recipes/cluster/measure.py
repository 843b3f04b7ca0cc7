"""What engines cost beside the work, and how busy two workers stay when recordings lie in a store.

    python recipes/cluster/measure.py [overhead] [files] [feeding] [store] --work FOLDER

Costs are seconds of CPU, which a machine that others use does not change much; how busy workers stay is by the clock,
and the load of the machine is written beside it. The figures go to ``recipes/cluster/measured.json``, from which
``plan.py`` reckons and docs/cluster.md quotes.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from importlib import util
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE = 24_000
MODEL = "field"
LATENCY_S = 0.005
#: Of Linux' prctl: what is orphaned below becomes our child, so that its CPU is told us.
PR_SET_CHILD_SUBREAPER = 36


def hour(folder: Path, number: int, seconds: int = 3600) -> Path:
    """Noise and a tone, 24 kHz FLAC: what a recorder writes, without silence that packs well."""
    file = folder / f"{number}.flac"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16", format="FLAC") as out:
            for start in range(0, seconds, 60):
                at = np.arange(min(60, seconds - start) * RATE) / RATE
                tone = 0.2 * np.sin(2 * np.pi * rng.uniform(200, 3000) * at) * (np.sin(at) > 0.3)
                out.write((tone + 0.02 * rng.standard_normal(at.size)).astype(np.float32))
    return file


def cpu_of(*words: str | Path) -> float:
    """Seconds of CPU of a command and of all that it started, also of what its end left without a parent (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run(
        [sys.executable, "-m", "sonoscope", *map(str, words)], stderr=subprocess.DEVNULL
    ).returncode
    assert code in (0, 1), words
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def worked(files: list[str], out: str) -> None:
    """The bare work of some recordings: decode, score, decide, write; prints its CPU, that of imports left out."""
    from sonoscope import load

    model = load(MODEL)
    model.analyze(files[0]) if len(files) > 1 and Path(files[0]).stat().st_size < 1 << 20 else None
    began = time.process_time()
    for file in files:
        model.analyze(file).to_csv(f"{out}/{Path(file).name}.csv")
    print(time.process_time() - began)


def work_of(files: list[Path], out: Path, at_once: int) -> float:
    """Seconds of CPU of the bare work, done by so many processes at once that know nothing of each other."""
    out.mkdir(parents=True, exist_ok=True)
    processes = []
    for first in range(at_once):
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import measure; "
        code += f"measure.worked({[str(file) for file in files[first::at_once]]!r}, {str(out)!r})"
        processes.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
    return sum(float(process.communicate()[0]) for process in processes)


#: What is run beside the bare work: one command in three ways, and how many recordings are heard at once. Cores that
#: work together take more seconds than one alone, whoever shares out the work.
WAYS = {
    "one process": (["--workers", "1"], 1),
    "two workers": (["--workers", "2"], 2),
    "dask, two workers": (["--dask", "local", "--workers", "2"], 2),
}
ROUNDS = 3
#: Recordings of an hour, all but two links: enough that starting is told apart from the work.
HOURS = 6


def overhead(work: Path) -> dict[str, object]:
    """CPU of a command over recordings of an hour, as a share of their bare work: medians of rounds, each of which runs
    everything once, so that what else the machine does falls on all alike."""
    files = [work / "hours" / f"{number}.flac" for number in range(HOURS)]
    for number, file in enumerate(files):
        source = hour(work / "hours", number % 2)
        if not file.exists():
            os.link(source, file)
    short = work / "short"
    for number in range(2):
        hour(short, number, 2)

    def command(folder: Path, words: list[str]) -> float:
        shutil.rmtree(work / "out", ignore_errors=True)
        return cpu_of("analyze", folder, "-m", MODEL, "-o", work / "out", "-q", *words)

    bare: dict[int, list[float]] = {1: [], 2: []}
    whole, once = {name: [] for name in WAYS}, {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for at_once, costs in bare.items():
            costs.append(work_of(files, work / "bare", at_once))
        for name, (words, _) in WAYS.items():
            whole[name].append(command(work / "hours", words))
            # The same command with nothing to hear: what starting and ending costs, once for each run.
            once[name].append(command(short, words))
    bare_s = {at_once: statistics.median(costs) for at_once, costs in bare.items()}
    found: dict[str, object] = {
        "hours": len(files), "rounds": ROUNDS, "work_cpu_s_per_hour": round(bare_s[1] / len(files), 3),
        "two_at_once_cpu_s_per_hour": round(bare_s[2] / len(files), 3),
        "load_average": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    for name, (_, at_once) in WAYS.items():
        cpu_s, once_s = statistics.median(whole[name]), statistics.median(once[name])
        found[name] = {
            "cpu_s": round(cpu_s, 3),
            "once_cpu_s": round(once_s, 3),
            "share_of_work": round((cpu_s - once_s) / bare_s[at_once] - 1, 4),
            "share_with_start": round(cpu_s / bare_s[at_once] - 1, 4),
        }
    return found


def files(work: Path) -> dict[str, object]:
    """CPU of one more recording, however short: listing, opening, journal, tables."""
    few, many = 20, 420
    folder = work / "many"
    source = hour(work / "second", 0, 1)
    for number in range(many):
        file = folder / f"{number}.flac"
        file.parent.mkdir(exist_ok=True)
        if not file.exists():
            os.link(source, file)
    costs = []
    for count in (few, many):
        some = work / f"some{count}"
        some.mkdir(exist_ok=True)
        for number in range(count):
            if not (some / f"{number}.flac").exists():
                os.link(source, some / f"{number}.flac")
        shutil.rmtree(work / "out", ignore_errors=True)
        costs.append(cpu_of("analyze", some, "-m", MODEL, "-o", work / "out", "-q", "--workers", "1"))
    return {"cpu_s_per_file_of_1_s": round((costs[1] - costs[0]) / (many - few), 5)}


def heard(url: str, told) -> None:
    """One worker: seconds of the clock, of CPU, and of waiting for bytes."""
    from sonoscope import models, pipeline
    from sonoscope.audio.ranges import Waiting
    from sonoscope.models.runtime import Runtime
    from sonoscope.values import Recording

    bundle = models.load(MODEL)
    runtime = Runtime(bundle)
    began, cpu = time.monotonic(), time.process_time()
    pipeline.score_recording(Recording(url, "a.flac"), bundle, runtime)
    told.put((time.monotonic() - began, time.process_time() - cpu, Waiting.seconds, Waiting.n_bytes))


def store(work: Path, minutes: int = 60) -> dict[str, object]:
    """Two workers at once, a recording each, from disk and from a web server that answers after 5 ms."""
    spec = util.spec_from_file_location("web_of_tests", ROOT / "tests/stores/conftest.py")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = work / f"minutes{minutes}"
    recordings = [hour(folder, number, 60 * minutes) for number in range(2)]
    web = module.Web(folder)
    web.latency_s = LATENCY_S
    context = multiprocessing.get_context("spawn")
    found: dict[str, object] = {
        "latency_ms": 1000 * LATENCY_S,
        "minutes": minutes,
        "load_average": round(os.getloadavg()[0], 1),
    }
    for name, places in {
        "disk": [str(file) for file in recordings],
        "store": [f"{web.url}/{file.name}" for file in recordings],
    }.items():
        told = context.Queue()
        workers = [context.Process(target=heard, args=(place, told)) for place in places]
        for worker in workers:
            worker.start()
        rows = [told.get(timeout=1800) for _ in workers]
        for worker in workers:
            worker.join()
        wall, cpu, waited, n_bytes = (sum(row[k] for row in rows) for k in range(4))
        found[name] = {
            "busy": round(1 - waited / wall, 4),
            "cpu_s": round(cpu, 2),
            "wall_s": round(wall, 2),
            "MB": round(n_bytes / 1e6, 1),
        }
    web.close()
    found["cpu_store_over_disk"] = round(found["store"]["cpu_s"] / found["disk"]["cpu_s"], 3)  # type: ignore[index]
    return found


def processor(graph: Path):
    """What stands for a GPU."""
    from sonoscope.models import devices

    return devices.cpu_session(graph), "processor"


def feeding(work: Path) -> dict[str, object]:
    """CPU of sending an hour to the process of a GPU, a minute at a time, and its answers back."""
    import onnx
    from onnx import TensorProto, helper

    from sonoscope import models, runs
    from sonoscope.models import devices
    from sonoscope.runs.feeding import Door, Gpus
    from sonoscope.runs.job import Task

    # Nearly nothing is reckoned: what is left is the way there and back.
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("samples", "peak")]
    node = helper.make_node("ReduceMax", ["samples"], ["peak"], keepdims=1)
    graph = helper.make_graph([node], "peak", ends[:1], ends[1:])
    file = work / "peak.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), file)
    devices.ENGINES = {"processor": processor}
    bundle = models.load(MODEL)
    spec = runs.RunSpec(("none",), str(work), on="cuda")
    task = Task(spec, (bundle,), (), "", work, work, work / "log")
    minute = np.zeros(60 * RATE, np.float32)
    costs = []
    for minutes in (60, 660):
        before, own = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
        with Gpus(task, 1) as gpus:
            there = Door(gpus.places[0], bundle).open(file)
            for _ in range(minutes):
                there.run(None, {"samples": minute})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        there_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        costs.append(there_s + time.process_time() - own)
    here, began = devices.cpu_session(file), time.process_time()
    for _ in range(600):
        here.run(None, {"samples": minute})
    alone_s = time.process_time() - began
    return {"cpu_s_per_hour": round((costs[1] - costs[0] - alone_s) / 10, 4), "sample_rate": RATE}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["overhead", "files", "feeding", "store"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=int, default=60, help="of a recording read from the store")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    place = Path(__file__).with_name("measured.json")
    figures = json.loads(place.read_text()) if place.is_file() else {}
    for part in given.parts:
        work = given.work.resolve()
        figures[part] = (
            store(work, given.minutes)
            if part == "store"
            else {"overhead": overhead, "files": files, "feeding": feeding}[part](work)
        )
        place.write_text(json.dumps(figures, indent=1) + "\n")
        print(part, json.dumps(figures[part], indent=1), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
