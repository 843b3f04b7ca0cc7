"""A job array: its script, its list of inputs, and what a real SLURM makes of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import util
from pathlib import Path

import pytest

from sonoscope import runs
from sonoscope.cli import main
from sonoscope.cluster import job
from sonoscope.cluster.lengths import Lengths
from sonoscope.cluster.slurm import Wish
from sonoscope.errors import UsageError
from sonoscope.runs import parts
from sonoscope.runs.collect import collect
from sonoscope.values import Recording

_found = util.spec_from_file_location("slurm_of_tests", Path(__file__).with_name("slurm.py"))
assert _found is not None and _found.loader is not None
slurm = util.module_from_spec(_found)
_found.loader.exec_module(slurm)

THRESHOLD = "0.05"
#: States of SLURM's tasks.
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}


def spec_of(recordings: Path, out: Path, **options: object) -> runs.RunSpec:
    return runs.RunSpec((str(recordings),), str(out), **({"threshold": THRESHOLD, "workers": 1} | options))


def test_parts_share_the_recorded_time(tmp_path: Path) -> None:
    """No part is longer than the mean by more than the longest input, and every input has one part."""
    found = [Recording(f"/r/{n}", f"{n}", size_bytes=1 + n * n % 97) for n in range(500)]
    made = parts.write(tmp_path / "list", found, lambda recording: float(recording.size_bytes), 1000.0)
    shares = [list(parts.read(tmp_path / "list", (part, made.count))) for part in range(1, made.count + 1)]
    lengths = [sum(entry.size_bytes for entry in share) for share in shares]
    assert made.count == -(-sum(lengths) // 1000) and made.entries == 500
    assert max(lengths) - sum(lengths) / made.count <= 97
    assert sorted(entry.name for share in shares for entry in share) == sorted(entry.name for entry in found)
    assert list(parts.read(tmp_path / "list", None)) == found
    with pytest.raises(UsageError, match=f"to {made.count} parts"):
        list(parts.read(tmp_path / "list", (1, made.count + 1)))


def test_lengths_are_those_of_headers_and_then_of_sizes(recordings: Path) -> None:
    lengths = Lengths()
    file = recordings / "s0/2.wav"
    assert lengths.of(Recording(str(file), "2.wav", size_bytes=file.stat().st_size)) == pytest.approx(3.0)
    assert lengths.of(Recording("/gone/a.wav", "a.wav", size_bytes=441_000)) == pytest.approx(10.0, rel=0.01)
    assert lengths.of(Recording("/gone/b.wav", "b.wav", size_bytes=0)) == 0.0


def test_the_tasks_of_a_job_make_the_run(recordings, whole, contents, tmp_path, monkeypatch) -> None:
    """The script's command, task by task as SLURM would set it; the same bytes as one process. The disk of the node is
    where the task says it is, and not here."""
    made = job.write(spec_of(recordings, tmp_path / "out", stage="$NODE_DISK"), tmp_path / "job.sh",
                     Wish(cpus_per_task=1), hours_per_task=8 / 3600)  # fmt: skip
    assert made.parts.count == 3 and made.parts.entries == 11
    text = made.script.read_text()
    assert subprocess.run(["bash", "-n", str(made.script)]).returncode == 0
    assert "#SBATCH --array=1-3\n" in text and "#SBATCH --time=0:30:00\n" in text and "--requeue" in text
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    for task in ("2", "3"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        assert main(["analyze", "--config", str(made.options), "--shard", "auto", "-q"]) in (0, 1)
    summary = collect(tmp_path / "out")
    assert summary.exit_code == 1 and summary.message.endswith("1 part of 3 not finished: 1")
    assert json.loads((tmp_path / "out/run.json").read_text())["missing_parts"] == [1]
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert main(["analyze", "--config", str(made.options), "--shard", "auto", "-q"]) in (0, 1)
    assert contents(tmp_path / "out") == whole
    assert list((tmp_path / "disk").iterdir()) == []
    assert collect(tmp_path / "out").message.startswith("10 inputs done, 1 failed")
    assert contents(tmp_path / "out") == whole


def test_a_job_on_gpus_asks_for_one(recordings, tmp_path) -> None:
    spec = replace(spec_of(recordings, tmp_path / "out"), on="cuda")
    text = job.write(spec, tmp_path / "job.sh", Wish(cpus_per_task=8)).script.read_text()
    assert "#SBATCH --gpus-per-node=1\n" in text and "#SBATCH --ntasks-per-node=1\n" in text
    assert json.loads((tmp_path / "job.json").read_text())["settings"]["on"] == "cuda"


def test_what_cannot_be_submitted_or_is_there_is_said(recordings, tmp_path) -> None:
    made = job.write(spec_of(recordings, tmp_path / "out"), tmp_path / "job.sh", Wish())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text(
        "#!/bin/sh\necho called >>calls\necho no such partition >&2\nexit 1\n"
    )
    (tmp_path / "bin/sbatch").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", made.script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "") and "nothing was submitted" in done.stderr
    assert (tmp_path / "calls").read_text() == "called\n"
    made.script.unlink()
    with pytest.raises(
        UsageError, match=r"job\.json \S+job\.inputs\.jsonl exist already: .* remove them: rm "
    ):
        job.write(spec_of(recordings, tmp_path / "out"), tmp_path / "job.sh", Wish())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hours-per-task", "0"], "--hours-per-task 0 must be more than 0"),
        (["--time", "soon"], "--time 'soon'"),
        (["--shard", "1/2"], "--shard and --sbatch"),
        (["--watch"], "--watch and --sbatch"),
    ],
)
def test_what_makes_no_job_is_refused(words, message, recordings, tmp_path, capsys) -> None:
    code = main(
        ["analyze", str(recordings), "-o", str(tmp_path / "o"), "--sbatch", str(tmp_path / "j.sh"), *words]
    )
    assert code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.glob("j.*"))


def test_options_of_a_job_need_one(recordings, tmp_path, capsys) -> None:
    assert main(["analyze", str(recordings), "-o", str(tmp_path / "o"), "--partition", "x"]) == 2
    assert "--partition describes a job: add --sbatch JOB.sh" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.absent()), reason=slurm.absent() or "-")
def test_a_real_slurm(recordings, whole, contents, tmp_path) -> None:
    """``bash job.sh``: an array; a task put back into the queue while it runs, another killed and submitted again; a
    job that collects; the same bytes."""
    for copy in range(3):
        os.link(recordings / "s0/2.wav", recordings / f"s0/copy{copy}.wav")
    alone = spec_of(recordings, tmp_path / "alone")
    runs.run(alone)
    bin_folder = str(Path(sys.executable).parent)
    with slurm.running(tmp_path / "slurm") as cluster:
        cluster.environment["PATH"] = bin_folder + os.pathsep + cluster.environment["PATH"]
        made = job.write(spec_of(recordings, tmp_path / "out"), tmp_path / "job.sh", Wish(cpus_per_task=1),
                         hours_per_task=8 / 3600)  # fmt: skip
        done = subprocess.run(
            ["bash", made.script.name], cwd=tmp_path, env=cluster.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        number = done.stdout.split()[1]
        until = time.monotonic() + 60
        while "RUNNING" not in cluster.states(number).values():
            assert time.monotonic() < until
            time.sleep(0.1)
        cluster("scontrol", "requeue", f"{number}_1")
        while cluster.states(number)["2"] == "PENDING":
            time.sleep(0.05)
        with contextlib.suppress(AssertionError):  # it may have ended a moment ago
            cluster("scancel", "--signal=KILL", "--full", f"{number}_2")
        # Done again while the first waits to be put back, which SLURM lets it for two minutes: the job that collects
        # comes after both.
        if cluster.wait(f"{number}_2", ENDED) != {"2": "COMPLETED"}:
            again = cluster("sbatch", "--parsable", "--array=2", made.script.name, cwd=tmp_path)
            cluster.wait(again, {"COMPLETED"})
        cluster.wait(number, ENDED)
        logs = "".join(file.read_text() for file in tmp_path.glob("job-*.log"))
        assert "some inputs could not be analysed" in logs
        until = time.monotonic() + 120
        while not [file for file in tmp_path.glob("job-collect-*.log") if "inputs done" in file.read_text()]:
            assert time.monotonic() < until, cluster("squeue", "--states=all")
            time.sleep(0.3)
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.absent()), reason=slurm.absent() or "-")
def test_workers_of_dask_that_a_queue_starts(recordings, whole, contents, tmp_path) -> None:
    """``--dask queue.yaml``: dask-jobqueue submits workers to a real SLURM, and takes them back."""
    pytest.importorskip("dask_jobqueue")
    settings = 'slurm: {cores: 1, processes: 1, memory: 900MiB, walltime: "00:20:00", interface: lo}\n'
    (tmp_path / "queue.yaml").write_text(settings)
    spec = spec_of(recordings, tmp_path / "out")
    words = [
        "analyze",
        str(recordings),
        "-o",
        spec.out,
        "--threshold",
        str(spec.threshold),
        "--dask",
        "queue.yaml",
    ]
    with slurm.running(tmp_path / "slurm") as cluster:
        done = subprocess.run(
            [sys.executable, "-m", "sonoscope", *words, "--workers", "2"],
            cwd=tmp_path, env=cluster.environment, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 1 and "1 failed" in done.stderr, done.stderr
        submitted = cluster("squeue", "--states=all", "--noheader", "--format=%j")
        assert "dask-worker" in submitted
    assert contents(tmp_path / "out") == whole
