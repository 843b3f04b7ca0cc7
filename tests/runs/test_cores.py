"""The share of the machine, on made-up trees of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sonoscope.runs import cores
from sonoscope.runs.cores import default_workers, quotas


@pytest.fixture
def tree(tmp_path):
    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def many_cores(monkeypatch):
    monkeypatch.setattr(cores, "_usable", lambda: 64)


GROUP = "sys/fs/cgroup"
V2 = {"proc/self/cgroup": "0::/user.slice/job.scope\n"}
V1 = {"proc/self/cgroup": "12:memory:/slurm/job\n4:cpu,cpuacct:/slurm/job\n1:name=systemd:/x\n"}


def first(folder: str, quota: str, period: str = "100000") -> dict[str, str]:
    """A group of version 1."""
    return {f"{folder}/cpu.cfs_quota_us": quota + "\n", f"{folder}/cpu.cfs_period_us": period + "\n"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        (V2, []),
        (V2 | {f"{GROUP}/user.slice/job.scope/cpu.max": "max 100000\n"}, []),
        (V2 | {f"{GROUP}/user.slice/job.scope/cpu.max": "250000 100000\n"}, [2.5]),
        (
            V2 | {f"{GROUP}/user.slice/cpu.max": "400000 100000", f"{GROUP}/cpu.max": "800000 100000"},
            [4.0, 8.0],
        ),
        # Inside a container: the path is the host's, what is mounted is the container's own group.
        ({"proc/self/cgroup": "0::/../../pod7\n", f"{GROUP}/cpu.max": "150000 50000\n"}, [3.0]),
        # Both versions mounted, the quota in the unified one.
        (
            {"proc/self/cgroup": "1:name=systemd:/a\n0::/a\n", f"{GROUP}/unified/a/cpu.max": "1000 1000\n"},
            [1.0],
        ),
        (V1 | first(f"{GROUP}/cpu/slurm/job", "-1"), []),
        (V1 | first(f"{GROUP}/cpu,cpuacct/slurm", "600000"), [6.0]),
        (V1 | first(f"{GROUP}/cpu/slurm/job", "300000", "200000"), [1.5]),
    ],
)
def test_quotas_of_control_groups(tree, files, found):
    assert list(quotas(tree(files))) == found


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 64),
        ({"SLURM_CPUS_PER_TASK": "8", "SLURM_CPUS_ON_NODE": "48"}, 8),
        ({"SLURM_CPUS_ON_NODE": "48"}, 48),
        ({"PBS_NP": "12"}, 12),
        ({"NCPUS": "6"}, 6),
        ({"LSB_DJOB_NUMPROC": "5"}, 5),
        ({"NSLOTS": "3"}, 3),
        ({"SLURM_CPUS_PER_TASK": "128"}, 64),
        ({"SLURM_CPUS_PER_TASK": "", "NSLOTS": "many"}, 64),
    ],
)
def test_grants_of_batch_systems(tree, many_cores, environ, expected):
    assert default_workers(environ=environ, root=tree({})) == expected


def test_the_smallest_limit_counts_and_there_is_always_one(tree, many_cores):
    root = tree(V2 | {"sys/fs/cgroup/user.slice/job.scope/cpu.max": "250000 100000\n"})
    assert default_workers(environ={"SLURM_CPUS_PER_TASK": "8"}, root=root) == 2
    root = tree({"sys/fs/cgroup/user.slice/job.scope/cpu.max": "50000 100000\n"})
    assert default_workers(environ={}, root=root) == 1


def test_here_it_is_what_this_process_may_use():
    assert 1 <= default_workers() <= len(os.sched_getaffinity(0))
    assert default_workers(environ={"NSLOTS": "1"}) == 1
