"""``sonoscope check``: parts of one's own, put to the contracts of those that come with the package."""

from __future__ import annotations

from pathlib import Path

import typer


def check(
    part: str = typer.Argument(
        metavar="FILE.py[:NAME]",
        show_default=False,
        help="The file, and which part of it (default: all it defines).",
    ),
    root: Path | None = typer.Option(
        None, "--root", metavar="FOLDER", show_default=False, help="What a data set is checked on."
    ),
) -> int:
    """Check features, backbones, heads, losses, augmentations and data sets of your own; the file is run.

    Exit code 1 if one breaks a promise.
    """
    from sonoscope.errors import UsageError
    from sonoscope.training import start

    path, _, name = part.rpartition(":") if ".py:" in part else (part, "", "")
    if not Path(path).is_file():  # known at once; the checks themselves need torch
        raise UsageError(f"{path}: no such file")
    checking = start.room("sonoscope.training.checking", "checking")
    broken = 0
    for verdict in checking.verdicts(checking.parts(path, name, root=root)):
        broken += bool(verdict.problem)
        said = verdict.check.replace("_", " ")
        print(f"{'BROKEN' if verdict.problem else 'ok':<7}{verdict.kind} {verdict.part}: {said}", flush=True)
        if verdict.problem:
            print(f"       {verdict.problem}")
    return 1 if broken else 0
