"""A real SLURM of one node, its state in one folder: started by the tests that need one, and stopped by them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol")
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ctld}
SlurmdPort={d}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=600
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
BatchStartTimeout=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def absent() -> str:
    """What is missing to start one; empty if nothing is."""
    missing = [name for name in PROGRAMS if not _program(name)]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "SLURM's daemons are started by root"


class Slurm:
    """What its commands say."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __call__(self, *words: str | Path, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [_program(str(words[0])), *map(str, words[1:])],
            env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def states(self, job: str) -> dict[str, str]:
        """The state of every task of an array (``3`` → ``COMPLETED``), or of a job (under its own number)."""
        found = {}
        for line in self(
            "squeue", "--states=all", "--array", "--noheader", "--format=%i %T", f"--jobs={job}"
        ).splitlines():
            number, state = line.split()
            found[number.partition("_")[2] or number] = state
        return found

    def wait(self, job: str, states: set[str], timeout_s: float = 240) -> dict[str, str]:
        """The states once all are among ``states``."""
        until = time.monotonic() + timeout_s
        while True:
            found = self.states(job)
            if found and set(found.values()) <= states:
                return found
            assert time.monotonic() < until, found
            time.sleep(0.3)


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """Start the daemons in ``folder``, wait for the node, and end them afterwards."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    conf = CONF.format(folder=folder, host=host, cpus=os.cpu_count(), ctld=_free_port(), d=_free_port())
    (folder / "slurm.conf").write_text(conf)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    folder.chmod(0o755)
    slurm = Slurm(folder)
    daemons = [
        [_program("munged"), "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}",
         f"--log-file={folder}/munged.log", f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munged.seed"],
        [_program("slurmctld"), "-D", "-f", str(folder / "slurm.conf")],
        [_program("slurmd"), "-D", "-N", host, "-f", str(folder / "slurm.conf")],
    ]  # fmt: skip
    processes = []
    try:
        for words in daemons:
            processes.append(
                subprocess.Popen(
                    words, env=slurm.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            time.sleep(0.5)
        until = time.monotonic() + 60
        while "idle" not in _said(slurm, "sinfo", "--noheader", "--format=%T"):
            assert time.monotonic() < until, (folder / "slurmctld.log").read_text()[-2000:]
            time.sleep(0.3)
        yield slurm
    finally:
        if len(processes) == len(daemons):
            _empty(slurm)
        # One after the other: a node asks its controller, and both ask munge, until they have ended.
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=20)


def _empty(slurm: Slurm, timeout_s: float = 60) -> None:
    """Cancel what is in the queue and wait until it is gone: a node that still has a job to tell of does not end."""
    _said(slurm, "scancel", "--user=root")
    until = time.monotonic() + timeout_s
    while _said(slurm, "squeue", "--noheader") and time.monotonic() < until:
        time.sleep(0.2)


def _said(slurm: Slurm, *words: str) -> str:
    done = subprocess.run(
        [_program(words[0]), *words[1:]], env=slurm.environment, capture_output=True, text=True, timeout=30
    )
    return done.stdout


def _program(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
