"""What ``data audit`` does, from labelled recordings to files in a folder: one function for each task.

Each listens (or takes what was saved), computes, writes, and gives back what it found for the command to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope.data import badrows, manifest, table
from sonoscope.data.audit import (
    auditing,
    compare,
    division,
    embed,
    head,
    overrides,
    players,
    presence,
    rehearsal,
    report,
    results,
)
from sonoscope.data.audit.auditing import Audit
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.folds import groups_of
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError, optional
from sonoscope.models.bundle import Bundle

#: Doubtful rows that get a player.
TOP = 200
EMBEDDINGS, BAD_ROWS = "embeddings.npz", "bad_rows.csv"
Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Listening:
    """How rows become embeddings: the model, what an earlier audit saved, and who is told.

    ``saved`` is an ``embeddings.npz`` or the folder that holds it. ``folder`` is where embeddings and the rows that
    cannot be used are kept; None: nowhere.
    """

    bundle: Bundle
    folder: Path | None = None
    saved: Path | None = None
    progress: Progress | None = None

    def embeddings(self, rows: Manifest) -> tuple[Embeddings, tuple[Problem, ...]]:
        """Embeddings of all rows that can be used, and what is wrong with the others.

        Raises
        ------
        UsageError
            If no row can be used, or ``saved`` does not exist.
        """
        problems: list[Problem] = []
        folder = self.folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        keep = None if folder is None else lambda found: embed.save(found, rows, folder / EMBEDDINGS)
        found = embed.embed(
            rows,
            self.bundle,
            saved=self._saved(),
            report=problems.append,
            progress=self.progress,
            keep=keep,
        )
        if folder is not None and keep is not None:
            badrows.keep(problems, folder / BAD_ROWS)
            keep(found)
        if not len(found):
            first = f" The first: {problems[0].path}: {problems[0].reason}." if problems else ""
            raise UsageError(f"none of {len(rows)} rows can be listened to.{first}")
        return found, tuple(problems)

    def _saved(self) -> Path | None:
        if self.saved is None:
            return None if self.folder is None else self.folder / EMBEDDINGS
        path = self.saved / EMBEDDINGS if self.saved.is_dir() else self.saved
        if not path.is_file():
            raise UsageError(f"{path}: there are no embeddings. Give the folder of an earlier audit.")
        return path


def need_packages() -> None:
    """Raise ``UsageError`` if what the audit needs is not installed, before anything is listened to."""
    for module in ("sklearn.linear_model", "cleanlab.filter"):
        optional(module, "data", "the audit of labels")


# ---- wrong labels --------------------------------------------------------------------------------------------


def find_issues(
    rows: Manifest,
    listening: Listening,
    *,
    title: str,
    by: str = "group",
    folds: int = head.FOLDS,
    top: int = TOP,
    at_least: float = presence.AT_LEAST,
) -> tuple[Audit, tuple[Problem, ...]]:
    """Audit, and write ``audit.html``, ``audit-sounds/``, ``issues.csv``, ``rows.csv`` and ``presence.csv``.

    Raises
    ------
    UsageError
        If there is nothing to audit, or a value is out of range.
    """
    need_packages()
    if top < 0:
        raise UsageError(f"top={top} must be at least 0")
    folder = listening.folder
    assert folder is not None
    groups_of(rows.rows, by)  # a column that is not there is told before an hour of listening
    embeddings, problems = listening.embeddings(rows)
    audit = auditing.audit(rows, embeddings, by=by, folds=folds, at_least=at_least)
    results.write_issues(audit.issues, folder / "issues.csv")
    results.write_rows(audit, folder / "rows.csv")
    results.write_presence(audit, folder / "presence.csv")
    clips = folder / report.CLIPS
    for old in clips.glob("[0-9][0-9][0-9][0-9].*"):
        old.unlink()
    sounds = players.write(rows, [issue.row for issue in audit.issues[:top]], clips, report=lambda _: None)
    report.write(audit, folder / "audit.html", sounds, title=title)
    return audit, problems


def rehearse(
    rows: Manifest,
    listening: Listening,
    *,
    share: float,
    by: str = "group",
    folds: int = head.FOLDS,
) -> tuple[rehearsal.Rehearsal, tuple[Problem, ...]]:
    """Exchange a share of labels, look for them, and write ``rehearsal.csv``.

    Raises
    ------
    UsageError
        As :func:`sonoscope.data.audit.rehearsal.rehearse`.
    """
    need_packages()
    embeddings, problems = listening.embeddings(rows)
    targets = auditing.targets_of(rows, embeddings, by=by)
    found = rehearsal.rehearse(embeddings.of_rows(), targets, share=share, folds=folds)
    if listening.folder is not None:
        table.write(
            listening.folder / "rehearsal.csv",
            ("figure", "value", "low", "high"),
            [
                (each.name, *map(results.decimals, (each.value, each.low, each.high)))
                for each in found.figures
            ],
        )
    return found, problems


# ---- decisions -----------------------------------------------------------------------------------------------


def apply(rows: Manifest, file: str | Path, out: Path) -> overrides.Applied:
    """Carry out the decisions in ``file`` and write the manifest ``out``.

    Raises
    ------
    BadManifest
        If a decision cannot be read, or is about no row.
    """
    applied = overrides.apply(rows, overrides.read(file))
    out.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(applied.manifest, out)
    return applied


def compare_labels(
    rows: Manifest,
    applied: overrides.Applied,
    listening: Listening,
    *,
    by: str = "group",
    folds: int = head.FOLDS,
) -> tuple[list[compare.Figure], tuple[Problem, ...]]:
    """A head that learns from ``rows`` against one that learns from them as corrected; writes ``comparison.csv``.

    Raises
    ------
    UsageError
        As :func:`sonoscope.data.audit.compare.compare`.
    """
    need_packages()
    embeddings, problems = listening.embeddings(rows)
    later = dict(zip(applied.of, applied.manifest.rows, strict=True))
    afterwards = replace(applied.manifest, rows=tuple(later.get(k, row) for k, row in enumerate(rows.rows)))
    labels = [
        label
        for label in dict.fromkeys((*rows.labels(), *applied.manifest.labels()))
        if any(label in row.labels for row in (*rows.rows, *afterwards.rows))
    ]
    before = auditing.targets_of(rows, embeddings, labels=labels, by=by)
    after = auditing.targets_of(afterwards, embeddings, labels=labels, by=by)
    kept = np.array([index in later for index in embeddings.rows], dtype=bool)
    # Groups are those of before: an override says nothing about what belongs together.
    after = replace(after, groups=before.groups)
    found = compare.compare(embeddings.of_rows(), before, after, kept, folds=folds)
    if listening.folder is not None:
        columns = ("figure", "truth", "before", "after", "difference", "low", "high", "rows", "groups")
        table.write(
            listening.folder / "comparison.csv",
            columns,
            [
                (
                    each.name,
                    each.truth,
                    *map(results.decimals, (each.before, each.after, each.difference, each.low, each.high)),
                    str(each.n),
                    str(each.groups),
                )
                for each in found
            ],
        )
    return found, problems


# ---- a coarse class ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Divided:
    """The manifest with the class split, how right that is on labelled rows, and how many rows got each label."""

    manifest: Manifest
    accuracy: list[division.Accuracy]
    coarse: int
    counts: dict[str, int]


def divide(
    rows: Manifest,
    plan: division.Plan,
    labelled: Manifest,
    listening: Listening,
    out: Path,
    *,
    keep_share: float = division.KEEP_SHARE,
    by: str = "group",
    folds: int = head.FOLDS,
) -> tuple[Divided, tuple[Problem, ...]]:
    """Split the rows of the coarse class and write the manifest ``out``; ``labelled`` has rows of the fine ones.

    Raises
    ------
    UsageError
        If no row has the coarse class, or a fine one has no labelled row.
    """
    need_packages()
    coarse = [index for index, row in enumerate(rows.rows) if division.is_coarse(row, plan)]
    if not coarse:
        raise UsageError(f"no row has the label {plan.coarse!r} without one of {', '.join(plan.fine)}")
    classes = division.classes_of(labelled.rows, plan)
    for k, label in enumerate(plan.fine):
        if not (classes == k).any():
            raise UsageError(f"no labelled row has {label!r} alone: give rows that have (--pairs)")
    if not 0.0 < keep_share <= 1.0:
        raise UsageError(f"keep-share={keep_share:g} must lie in (0, 1]")
    # What is learnt from is not kept as this folder's embeddings: these are of the rows that are split.
    pairs = replace(
        labelled, rows=tuple(row for row, k in zip(labelled.rows, classes, strict=True) if k >= 0)
    )
    learnt, bad_pairs = replace(listening, folder=None).embeddings(pairs)
    heard, problems = listening.embeddings(replace(rows, rows=tuple(rows.rows[k] for k in coarse)))
    problems = (*bad_pairs, *problems)
    if listening.folder is not None:
        badrows.keep(problems, listening.folder / BAD_ROWS)
    of_pairs = [pairs.rows[index] for index in learnt.rows]
    vectors, classes = learnt.of_rows(), division.classes_of(of_pairs, plan)
    shares = (1.0, keep_share) if keep_share < 1.0 else (1.0,)
    accuracy = division.measure(vectors, classes, groups_of(of_pairs, by), shares=shares, folds=folds)
    said, confidence = division.fit(vectors, classes)(heard.of_rows())
    places = [coarse[index] for index in heard.rows]
    made = division.relabelled(rows, plan, places, said, confidence, keep_share=keep_share)
    out.parent.mkdir(parents=True, exist_ok=True)
    manifest.write(made, out)
    counts = {label: sum(label in made.rows[place].labels for place in places) for label in plan.fine}
    return Divided(made, accuracy, len(coarse), counts), problems
