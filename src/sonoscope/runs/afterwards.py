"""``--then COMMAND``: what follows a run, such as sending its results somewhere.

The command is split into words as a shell would, and started without one: nothing in the name of a folder or a
recording is ever taken for a command. ``{out}`` in a word becomes the folder of results. It runs when all tables are
written, also if some inputs failed; with ``--watch`` each time they are. Its environment says ``SONOSCOPE_OUT``,
``SONOSCOPE_DONE``, ``SONOSCOPE_FAILED`` and ``SONOSCOPE_EVENTS``; what it prints goes to stderr.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys

from sonoscope.errors import Stopped, UsageError
from sonoscope.runs.spec import RunSummary

log = logging.getLogger("sonoscope")


def words(command: str) -> list[str]:
    """The words of a command that can be started.

    Raises
    ------
    UsageError
        If it is empty, has an open quote, or there is no such program.
    """
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--then {command!r}: {error}") from None
    if not found:
        raise UsageError(
            "--then '' is empty: name a command, for example --then 'rclone copy {out} lab:results'"
        )
    if shutil.which(found[0]) is None:
        raise UsageError(
            f"--then {command!r}: there is no program {found[0]!r}. It is started without a shell: for pipes and "
            "variables write --then \"sh -c '...'\", or a script"
        )
    return found


def follow(command: str, summary: RunSummary) -> None:
    """Run the command for what ``summary`` says.

    Raises
    ------
    Stopped
        If it cannot be started, or does not end with 0. The results are complete all the same.
    """
    told = {"OUT": summary.out, "DONE": summary.done, "FAILED": summary.failed, "EVENTS": summary.events}
    environment = os.environ | {f"SONOSCOPE_{key}": str(value) for key, value in told.items()}
    argv = [word.replace("{out}", summary.out) for word in words(command)]
    log.info("then: %s", shlex.join(argv))
    sys.stderr.flush()
    try:
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=2, check=False)
    except OSError as error:
        raise Stopped(
            _failed(summary, command, f"could not be started ({error.strerror or error})")
        ) from None
    if done.returncode:
        raise Stopped(_failed(summary, command, f"ended with {done.returncode}"))


def _failed(summary: RunSummary, command: str, how: str) -> str:
    return (
        f"{summary.out} is complete, but --then {command!r} {how}; the same command again does nothing but what "
        "follows"
    )
