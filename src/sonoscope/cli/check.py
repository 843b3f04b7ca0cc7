"""``sonoscope check``: a network, head or loss of one's own, put to the contracts of those that come with it."""

from __future__ import annotations

import typer


def check(
    part: str = typer.Argument(
        metavar="FILE.py[:NAME]",
        show_default=False,
        help="The file, and which part of it (default: all it defines).",
    ),
) -> int:
    """Check backbones, heads and losses of your own; exit code 1 if one breaks a promise. The file is run."""
    from sonoscope.training import start

    checking = start.room("sonoscope.training.checking", "checking")
    path, _, name = part.rpartition(":") if ".py:" in part else (part, "", "")
    broken = 0
    for verdict in checking.verdicts(checking.parts(path, name)):
        broken += bool(verdict.problem)
        said = verdict.check.replace("_", " ")
        print(f"{'BROKEN' if verdict.problem else 'ok':<7}{verdict.kind} {verdict.part}: {said}", flush=True)
        if verdict.problem:
            print(f"       {verdict.problem}")
    return 1 if broken else 0
