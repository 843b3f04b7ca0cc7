"""Runs: the path of the data for many inputs, into a folder, so that it can stop and go on at any moment.

``run`` analyses (engine.py), ``decide`` decides again from kept scores, ``plan`` (dry_run.py) says what a run
would do. A run is described by a ``RunSpec`` (spec.py) and tells how it goes to a ``Reporter`` (progress.py).
Underneath: what a request means (setup.py), the folder and what lies where (folder.py), who writes it
(lock.py), what is complete (journal.py), the inputs as they are listed (listing.py), what is left to do for
one (standing.py) and doing it (job.py), here or in other processes (workers.py, cores.py), all of that in
order (underway.py), and the tables and words at the end (combine.py, report.py, remarks.py).
"""

from sonoscope.runs.cores import default_workers
from sonoscope.runs.dry_run import Plan, plan
from sonoscope.runs.engine import decide, run
from sonoscope.runs.progress import FileDone, Reporter, Silent, Terminal
from sonoscope.runs.spec import RunSpec, RunSummary, parse_shard

__all__ = [
    "FileDone",
    "Plan",
    "Reporter",
    "RunSpec",
    "RunSummary",
    "Silent",
    "Terminal",
    "decide",
    "default_workers",
    "parse_shard",
    "plan",
    "run",
]
