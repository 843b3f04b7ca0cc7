"""The audit of a labelling: embeddings, scores of heads that met no row of the group, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.data.audit import head, presence, suspects
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.folds import groups_of
from sonoscope.data.audit.head import Targets, Unheard
from sonoscope.data.audit.overrides import REVIEWED
from sonoscope.data.audit.presence import Presence
from sonoscope.data.audit.suspects import Judgement
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError

#: Probabilities that an issue tells.
SHOWN = 3


@dataclass(frozen=True)
class Issue:
    """A row whose labels are doubtful: what it says, what it might better say, and how credible it is (0..1).

    ``place`` is the row's in the manifest. ``probabilities`` are the highest ones, and those of the given labels.
    """

    place: int
    row: Row
    given: tuple[str, ...]
    suggested: tuple[str, ...]
    score: float
    probabilities: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class OfLabel:
    """What was found about a label.

    ``rows`` and ``groups`` have it; ``judged`` of these rows could be judged; of them ``wrong`` should not have it,
    and ``missing`` rows without it should. ``present`` is the mean share of a row in which it is heard, ``patchy`` the
    number of rows in which it is heard in less than was asked for.
    """

    label: str
    rows: int
    groups: int
    judged: int
    wrong: int
    missing: int
    present: float
    patchy: int


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything that one audit found; arrays are in the order of ``embeddings.rows``."""

    manifest: Manifest
    embeddings: Embeddings
    targets: Targets
    unheard: Unheard
    judgement: Judgement
    presences: tuple[Presence, ...]
    issues: tuple[Issue, ...]
    labels: tuple[OfLabel, ...]
    reviewed: int
    at_least: float

    def row(self, place: int) -> Row:
        """The row of the manifest at a place among the embedded ones."""
        return self.manifest.rows[self.embeddings.rows[place]]

    @property
    def judged(self) -> int:
        """Rows with a label that could be judged."""
        return int((~np.isnan(self.judgement.score)).sum())


def targets_of(
    manifest: Manifest,
    embeddings: Embeddings,
    *,
    labels: Sequence[str] | None = None,
    by: str = "group",
) -> Targets:
    """What a manifest says about the rows that were embedded.

    Parameters
    ----------
    labels : sequence of str, optional
        Default: those that any of these rows has.
    by : str
        The column that says what belongs together.
    """
    rows = [manifest.rows[index] for index in embeddings.rows]
    if labels is None:
        had = {label for row in rows for label in row.labels}
        labels = [label for label in manifest.labels() if label in had]
    sounds, known = replace(manifest, rows=tuple(rows)).targets(labels)
    return Targets(tuple(labels), sounds.astype(bool), known, groups_of(rows, by))


def audit(
    manifest: Manifest,
    embeddings: Embeddings,
    *,
    by: str = "group",
    folds: int = head.FOLDS,
    at_least: float = presence.AT_LEAST,
    seed: int = 0,
) -> Audit:
    """Audit the labels of a manifest.

    Parameters
    ----------
    manifest : Manifest
    embeddings : Embeddings
        Of its rows (:func:`sonoscope.data.audit.embed.embed`).
    by : str
        The column of what belongs together: no head is asked about a group that it learnt from.
    folds : int
    at_least : float
        Share of a row, in 0..1, in which a label must be heard.

    Raises
    ------
    UsageError
        If there is nothing to learn from: fewer than two labels or groups; or a value is out of range.
    """
    if not 0.0 <= at_least <= 1.0:
        raise UsageError(f"present={at_least:g} must lie in 0..1")
    targets = targets_of(manifest, embeddings, by=by)
    unheard = head.unheard(
        embeddings.of_rows(),
        targets,
        windows=embeddings.vectors,
        owner=embeddings.owner,
        folds=folds,
        seed=seed,
    )
    judgement = suspects.judge(targets, unheard)
    rows = [manifest.rows[index] for index in embeddings.rows]
    decided = np.array([bool(row.extra.get(REVIEWED, "")) for row in rows], dtype=bool)
    judgement = replace(judgement, doubtful=judgement.doubtful & ~decided[:, None])
    presences = tuple(presence.measure(embeddings, targets, unheard))
    issues = tuple(
        _issue(int(place), rows[place], embeddings, targets, unheard, judgement)
        for place in judgement.ranked()
    )
    return Audit(
        manifest,
        embeddings,
        targets,
        unheard,
        judgement,
        presences,
        issues,
        _by_label(targets, judgement, presences, at_least),
        int(decided.sum()),
        at_least,
    )


def _issue(
    place: int, row: Row, embeddings: Embeddings, targets: Targets, unheard: Unheard, judgement: Judgement
) -> Issue:
    scores = unheard.probabilities[place]
    highest = [int(k) for k in np.argsort(-np.nan_to_num(scores, nan=-1.0))[:SHOWN]]
    shown = dict.fromkeys([*highest, *np.flatnonzero(targets.sounds[place]).tolist()])
    return Issue(
        embeddings.rows[place],
        row,
        row.labels,
        judgement.suggested(targets, place),
        float(judgement.score[place]),
        tuple((targets.labels[k], float(scores[k])) for k in shown if not np.isnan(scores[k])),
    )


def _by_label(
    targets: Targets, judgement: Judgement, presences: Sequence[Presence], at_least: float
) -> tuple[OfLabel, ...]:
    found = []
    for k, label in enumerate(targets.labels):
        has = targets.sounds[:, k]
        shares = np.array([each.share for each in presences if each.label == label])
        found.append(
            OfLabel(
                label,
                int(has.sum()),
                len(set(targets.groups[has].tolist())),
                int((has & ~np.isnan(judgement.credible[:, k])).sum()),
                int((has & judgement.doubtful[:, k]).sum()),
                int((~has & judgement.doubtful[:, k]).sum()),
                float(shares.mean()) if shares.size else float("nan"),
                int((shares < at_least).sum()),
            )
        )
    return tuple(found)
