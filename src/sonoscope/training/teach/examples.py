"""Everything that is learned from and judged, as arrays: sounds, and windows of them.

A *sound* is what is judged as one: a snippet, a marked event, a judged clip, a stretch in which nothing is marked, a
built-in background, a stretch of unlabelled sound. Its *windows* have vectors; copies are learned from, never judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sonoscope.data.rows import Row

#: Where sounds come from that are no rows.
BUILT_IN, UNLABELLED = "built-in", "unlabelled"


@dataclass(frozen=True, eq=False)
class Examples:
    """Sounds, ``s`` of them, and their ``n`` windows, of ``c`` classes and ``d`` values.

    Attributes
    ----------
    labels : tuple of str, length c
    truth, known : np.ndarray, shape (s, c), bool
        What sounds in a sound, and where that was judged. Unlabelled sound is taken to hold none of the classes.
    roles : np.ndarray of str, shape (s,)
        ``Row.source``, ``built-in`` or ``unlabelled``.
    groups : np.ndarray of str, shape (s,)
        Sites; empty for what has none.
    names : tuple of str
    vectors : np.ndarray, shape (n, d), float32
    owner : np.ndarray, shape (n,)
        Which sound a window is of.
    copy : np.ndarray, shape (n,), bool
    starts_s, lasts_s : tuple of float
        Of sounds: where each begins in its file, and how long it is.
    """

    labels: tuple[str, ...]
    truth: np.ndarray
    known: np.ndarray
    roles: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]
    vectors: np.ndarray
    owner: np.ndarray
    copy: np.ndarray
    starts_s: tuple[float, ...] = ()
    lasts_s: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.roles)

    @property
    def taught(self) -> np.ndarray:
        """The sounds that somebody gave or judged, shape (s,), bool."""
        return ~np.isin(self.roles, (BUILT_IN, UNLABELLED))

    def positives(self, label: str) -> np.ndarray:
        """The sounds in which a class is, shape (s,), bool."""
        k = self.labels.index(label)
        return self.truth[:, k] & self.known[:, k] & self.taught

    def best(self, logits: np.ndarray) -> np.ndarray:
        """The highest logit of each sound's own windows, (n, c) to (s, c); nan where there is none."""
        found = np.full((len(self), logits.shape[1]), -np.inf)
        own = ~self.copy & ~np.isnan(logits).any(axis=1)
        np.maximum.at(found, self.owner[own], logits[own])
        return np.where(np.isinf(found), np.nan, found)


@dataclass
class Gathering:
    """Sounds as they come, until :meth:`examples` makes arrays of them."""

    labels: tuple[str, ...]
    _truth: list[list[bool]] = field(default_factory=list)
    _known: list[list[bool]] = field(default_factory=list)
    _sounds: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    _windows: list[tuple[np.ndarray, bool]] = field(default_factory=list)
    _owner: list[int] = field(default_factory=list)

    def row(self, row: Row, vectors: np.ndarray, copies: np.ndarray | None = None) -> None:
        """Add a sound that a row describes."""
        says = [row.says(label) for label in self.labels]
        self._add(
            [value is True for value in says], [value is not None for value in says],
            (row.source, row.group, row.path, row.start_s, row.duration_s or 0.0), vectors, copies,
        )  # fmt: skip

    def background(self, role: str, name: str, vectors: np.ndarray, start_s: float = 0.0) -> None:
        """Add a sound that is taken to hold none of the classes."""
        nothing = [False] * len(self.labels)
        self._add(nothing, [True] * len(self.labels), (role, "", name, start_s, 0.0), vectors, None)

    def _add(
        self,
        truth: list[bool],
        known: list[bool],
        about: tuple[str, str, str, float, float],
        vectors: np.ndarray,
        copies: np.ndarray | None,
    ) -> None:
        self._truth.append(truth)
        self._known.append(known)
        for table, copy in ((vectors, False), (copies, True)):
            if table is not None and len(table):
                self._windows.append((table, copy))
                self._owner.append(len(self._sounds))
        self._sounds.append(about)

    def examples(self) -> Examples:
        """All of them."""
        columns: Sequence[tuple] = list(zip(*self._sounds, strict=True)) or [()] * 5
        sizes = [len(table) for table, _ in self._windows]
        return Examples(
            self.labels, np.array(self._truth, dtype=bool), np.array(self._known, dtype=bool),
            np.array(columns[0], dtype=object), np.array(columns[1], dtype=object), tuple(columns[2]),
            np.concatenate([table for table, _ in self._windows]).astype(np.float32),
            np.repeat(self._owner, sizes), np.repeat([copy for _, copy in self._windows], sizes),
            tuple(columns[3]), tuple(columns[4]),
        )  # fmt: skip
