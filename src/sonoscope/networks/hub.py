"""Models of transformers from a folder or a name, with an account of what was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sonoscope.networks.checkpoints import BadCheckpoint, LoadReport


def from_pretrained(kind: Any, weights: str | Path) -> tuple[Any, LoadReport]:
    """A model of the class ``kind`` from ``weights``, and what became of each name.

    Classifiers that the class has no place for are reported as unexpected; parts that the class has and the
    file lacks are refused, so that nothing is random by accident.

    Raises
    ------
    BadCheckpoint
        If there is no such model, or it lacks weights that the class needs.
    """
    try:
        # Shapes that differ are collected and refused below, with all of their names.
        model, told = kind.from_pretrained(
            str(weights), output_loading_info=True, ignore_mismatched_sizes=True
        )
    except (OSError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise BadCheckpoint(
            f"{weights}: cannot be loaded as {kind.__name__} ({reason}). Give a folder with config.json and "
            "model.safetensors, or a name that this machine can fetch"
        ) from None
    missing = tuple(sorted(told["missing_keys"]))
    mismatched = tuple(
        sorted((name, tuple(there), tuple(here)) for name, there, here in told["mismatched_keys"])
    )
    bad = {*missing, *(name for name, _, _ in mismatched)}
    report = LoadReport(
        source=str(weights),
        loaded=tuple(name for name in model.state_dict() if name not in bad),
        missing=missing,
        mismatched=mismatched,
        unexpected=tuple(sorted(told["unexpected_keys"])),
        left_out=(),
    )
    if not report.complete:
        raise BadCheckpoint(f"the checkpoint does not fit {kind.__name__}.\n{report.text()}")
    return model, report
