"""Hundreds of hours through SLURM or dask, and the bytes of one process.

    python recipes/cluster/engines.py slurm --hours 500 --work FOLDER     # a SLURM of this machine; as root
    python recipes/cluster/engines.py dask --hours 50 --work FOLDER

A few distinct hours of generated sound are linked as often as it takes. They are analysed by one process, then by the
engine; every file of results and kept scores is compared. The model is a small random one, so that what is tried is the
engine (``--model field``: a shipped one). What came out is added to ``recipes/cluster/results.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import util
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE = 8000
DISTINCT = 10
#: What two runs with the same results do not share.
OWN = ("run.json", "settings.json", "guard", "journal-", "log-", "part-", "run.lock-")


def recordings(folder: Path, hours: int) -> Path:
    """``hours`` recordings of an hour, in folders of 50; all but ten are links."""
    for number in range(hours):
        file = folder / f"site{number // 50}" / f"{number:04d}.wav"
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        if number >= DISTINCT:
            os.link(folder / "site0" / f"{number % DISTINCT:04d}.wav", file)
            continue
        rng = np.random.default_rng(number)
        with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16") as out:
            for _ in range(60):
                seconds = np.arange(60 * RATE) / RATE
                on = np.sin(2 * np.pi * seconds / rng.uniform(3, 20)) > 0.3
                tone = 0.2 * np.sin(2 * np.pi * rng.uniform(200, 3000) * seconds) * on
                out.write((tone + 0.03 * rng.standard_normal(seconds.size)).astype(np.float32))
    return folder


def small_model(folder: Path) -> Path:
    """A random network with two labels, as a bundle."""
    if folder.is_dir():
        return folder
    import torch

    from sonoscope.features import LogMel
    from sonoscope.networks.build import Network
    from sonoscope.networks.export import write_bundle
    from sonoscope.values import Label

    feature = LogMel(sample_rate=RATE, n_fft=512, hop_samples=200, n_mels=16, f_min_hz=100.0, f_max_hz=3900.0)
    torch.manual_seed(0)
    network = Network(
        16, 2, backbone={"name": "valid_cnn", "width": 0.125, "dim": 8}, head={"name": "framewise_attention"}
    )
    network.set_normalisation(np.full(16, -40.0), np.full(16, 15.0))
    with torch.no_grad():
        network.head.logits.weight.mul_(20.0)
    labels = ("tone", "other")
    about = {
        "name": "small", "version": "1.0.0", "task": "tagging", "labels": [asdict(Label(name)) for name in labels],
        "window": 8000, "hop": 8000, "calibration": {name: {"slope": 1.0, "offset": 0.0} for name in labels},
        # In the middle of what it answers, so that there are events.
        "decision": {"labels": {name: {"threshold": 0.4108, "low_threshold": 0.4105} for name in labels}},
        "licence": "MIT", "provenance": {"command": "recipes/cluster/engines.py"},
    }  # fmt: skip
    write_bundle(folder, network.eval(), about, feature=feature, card="# Small, random\n")
    return folder


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "sonoscope", *map(str, words)]


def done(words: list[str], **options) -> float:
    """Run a command; its seconds. Inputs that failed are no reason to stop."""
    began = time.monotonic()
    code = subprocess.run(words, **options).returncode
    assert code in (0, 1), (words, code)
    return time.monotonic() - began


def by_slurm(folder: Path, out: Path, model: str, work: Path, hours_per_task: float) -> float:
    """``bash job.sh`` on a SLURM of this machine, until all tables are collected."""
    found = util.spec_from_file_location("slurm_of_tests", ROOT / "tests/cluster/slurm.py")
    slurm = util.module_from_spec(found)
    found.loader.exec_module(slurm)
    script = work / "job.sh"
    for file in (script, script.with_suffix(".json"), script.with_suffix(".inputs.jsonl")):
        file.unlink(missing_ok=True)
    done(command("analyze", folder, "-m", model, "-o", out, "--sbatch", script, "--hours-per-task", str(hours_per_task),
                 "--cpus-per-task", "1"))  # fmt: skip
    began = time.monotonic()
    with slurm.running(work / f"slurm-{int(time.time())}") as cluster:
        cluster.environment["PATH"] = (
            f"{Path(sys.executable).parent}{os.pathsep}{cluster.environment['PATH']}"
        )
        cluster.environment["OMP_NUM_THREADS"] = "1"
        said = subprocess.run(
            ["bash", script.name], cwd=work, env=cluster.environment, capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        number = said.stdout.split()[1]
        cluster.wait(number, {"COMPLETED"}, timeout_s=6 * 3600)
        while (
            not (out / "events.csv").is_file()
            or json.loads((out / "run.json").read_text())["status"] != "done"
        ):
            time.sleep(1)
    return time.monotonic() - began


def differences(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many files were compared, and the names of those that differ or are missing on one side."""

    def files(folder: Path) -> dict[str, Path]:
        found = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(OWN))
        return {file.relative_to(folder).as_posix(): file for file in found}

    ours, theirs = files(one), files(other)
    both = ours.keys() & theirs.keys()
    differ = sorted(ours.keys() ^ theirs.keys()) + [
        name for name in sorted(both) if ours[name].read_bytes() != theirs[name].read_bytes()
    ]
    return len(both), differ


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=("slurm", "dask"))
    parser.add_argument("--hours", type=int, default=50)
    parser.add_argument("--hours-per-task", type=float, default=50)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = recordings(work / f"recordings-{given.hours}", given.hours)
    model = given.model or str(small_model(work / "small"))
    one, out = work / f"one-{given.hours}", work / f"{given.engine}-{given.hours}"
    one_s = done(command("analyze", folder, "-m", model, "-o", one, "--workers", "1", "-q"))
    if given.engine == "slurm":
        engine_s = by_slurm(folder, out, model, work, given.hours_per_task)
    else:
        engine_s = done(
            command("analyze", folder, "-m", model, "-o", out, "--dask", "local", "--workers", "2", "-q")
        )
    compared, differ = differences(one, out)
    report, alone = (json.loads((place / "run.json").read_text()) for place in (out, one))
    found = {
        "engine": given.engine, "hours": given.hours, "model": given.model or "small",
        "files": compared, "differ": differ,
        "events": report["events"], "one_process_s": round(one_s, 1), "engine_s": round(engine_s, 1),
        "one_process_cpu_s": alone["cpu_s"], "cpu_s": report["cpu_s"], "parts": len(report.get("parts", [])) or 1,
    }  # fmt: skip
    results = Path(__file__).with_name("results.json")
    known = json.loads(results.read_text()) if results.is_file() else []
    kept = [row for row in known if (row["engine"], row["hours"]) != (given.engine, given.hours)]
    results.write_text(json.dumps([*kept, found], indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
