"""Fitted thresholds as a file that ``analyze --threshold`` takes, and in a copy of a bundle, with their origin.

The file is JSON: ``thresholds`` (label to number), ``origin`` (data, digest of each clip, wish, model) and ``labels``
(what each came to on the clips it was fitted on). ``evaluate`` refuses to report the clips that are in ``origin``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sonoscope import __version__
from sonoscope.data.rows import Manifest
from sonoscope.data.table import put
from sonoscope.errors import UsageError
from sonoscope.evaluation import disjoint
from sonoscope.evaluation.fitting import Fitted, Point
from sonoscope.evaluation.result import Figure, Table, plain
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.writing import copy_folder, place_beside

#: Decimals of a threshold: scores are compared at four.
DECIMALS = 6


def origin(
    fitted: Fitted, manifest: Manifest, data: str, model: Mapping[str, Any], aggregate: str
) -> dict[str, Any]:
    """Where thresholds come from: what a file and a bundle remember."""
    return {
        "data": data,
        "digest": disjoint.digest(manifest),
        "clips": sorted(set(disjoint.digests_of(manifest))),
        "groups": len({row.group or row.path for row in manifest.rows}),
        "by": str(fitted.wish),
        "scope": fitted.scope,
        "aggregate": aggregate,
        "prior": dict(fitted.shares),
        "model": dict(model),
        "sonoscope": __version__,
    }


def to_dict(fitted: Fitted, where: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the file."""
    return {
        "thresholds": {label: round(value, DECIMALS) for label, value in fitted.thresholds.items()},
        "origin": dict(where),
        "labels": {label: plain(vars(point)) for label, point in fitted.points.items()},
    }


def table(fitted: Fitted) -> Table:
    """What each threshold came to, for a terminal."""
    columns = ("label", "threshold", "precision", "recall", "FPR", "F1", "positives", "negatives", "remark")
    rows = tuple((label, *_cells(point)) for label, point in fitted.points.items())
    caption = ""
    if fitted.shares:
        shares = ", ".join(f"{label} {share:g}" for label, share in fitted.shares.items())
        caption = f"as if labels sounded in these shares of clips: {shares}"
    return Table("thresholds", f"Thresholds by {fitted.wish}, {fitted.scope}", columns, rows, caption)


def _cells(point: Point) -> tuple[object, ...]:
    silent = "nothing is said" if point.precision is None else ""
    return (
        point.threshold,
        Figure(point.precision, why=silent),
        *(Figure(value) for value in (point.recall, point.fpr, point.f1)),
        point.positives,
        point.negatives,
        point.why,
    )


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file, beside and moved into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def store(bundle: Bundle, content: Mapping[str, Any], out: Path) -> Bundle:
    """A copy of a bundle with these thresholds; lower thresholds keep their ratio to them. The graph is the same.

    Raises
    ------
    UsageError
        If ``out`` exists, or a threshold is of a label that the bundle does not have.
    """
    if out.exists():
        raise UsageError(f"{out} exists already: name another folder for the copy of the bundle")
    spec = json.loads((bundle.path / "bundle.json").read_text(encoding="utf-8"))
    labels = spec["decision"]["labels"]
    where = content["origin"]
    how = f"{where['by']} ({where['scope']}, {where['aggregate']} of windows)"
    said = f"{how} on {len(where['clips'])} clips of {where['data']}"
    for label, value in content["thresholds"].items():
        if label not in labels:
            raise UsageError(f"{bundle.name} has no label {label!r}: these thresholds are of another model")
        entry = labels[label]
        ratio = min(entry["low_threshold"] / entry["threshold"], 1.0) if entry["threshold"] > 0 else 1.0
        on = min(max(value, 0.0), 1.0)
        entry |= {"threshold": on, "low_threshold": round(on * ratio, DECIMALS), "origin": said}
    spec["thresholds_from"] = {key: value for key, value in where.items() if key != "clips"}
    with place_beside(out) as made:
        copy_folder(bundle.path, made)
        (made / "bundle.json").write_text(
            json.dumps(spec, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        card = made / "README.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {bundle.name}\n"
        card.write_text(f"{text.rstrip()}\n\n## Thresholds\n\nFitted again: {said}.\n", encoding="utf-8")
        open_bundle(made)
    return open_bundle(out)
