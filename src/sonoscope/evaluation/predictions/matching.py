"""Predictions and truth must be about the same: files, labels, lengths. What differs is listed, never guessed.

A prediction belongs to a recording whose path is the same; or ends in the same parts, since folders above may differ;
or is the same without the last suffix, since tables of other programs name recordings so. Two that could be meant are
refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np

from sonoscope import labels as label_sets
from sonoscope.data import paths
from sonoscope.errors import UsageError, nearest
from sonoscope.values import Label

#: Differences that a refusal lists.
SHOWN = 10


def listed(values: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more


class Names:
    """Finds the prediction of a recording by its path."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._by_path = {_key(name): name for name in self.names}
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            last = PurePosixPath(_key(name)).name
            for key in {last, _stem(last)}:
                self._by_last[key].append(name)

    def exact(self, path: str) -> str | None:
        """The prediction of that very name, None if there is none."""
        return self._by_path.get(_key(path))

    def of(self, path: str) -> str | None:
        """The name of the prediction that belongs to ``path``, None if there is none.

        Raises
        ------
        UsageError
            If there are several.
        """
        key = _key(path)
        if key in self._by_path:
            return self._by_path[key]
        last = PurePosixPath(key).name
        near = dict.fromkeys((*self._by_last.get(last, ()), *self._by_last.get(_stem(last), ())))
        ends = [name for name in near if _ends_alike(_key(name), key)]
        if len(ends) > 1:
            raise UsageError(
                f"{path}: several predictions could be meant: {listed(ends)}. Give them with their folders"
            )
        return ends[0] if ends else None


def _key(name: str) -> str:
    return paths.same_name(name.replace("\\", "/")).removeprefix("./")


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _ends_alike(one: str, other: str) -> bool:
    """Whether one's parts are the last parts of the other, with or without the last suffix."""
    first, second = one.strip("/").split("/"), other.strip("/").split("/")
    shared = min(len(first), len(second))
    if first[-shared:-1] != second[-shared:-1]:
        return False
    a, b = first[-1], second[-1]
    return a == b or _stem(a) == b or a == _stem(b) or _stem(a) == _stem(b)


def label_of(name: str) -> Label:
    """The label that a program names; BirdNET's ``Turdus merula_Common Blackbird`` is known by either name.

    >>> label_of("Turdus merula_Common Blackbird").synonyms, label_of("acoustic_guitar").synonyms
    (('Turdus merula', 'Common Blackbird'), ())
    """
    scientific, _, common = name.partition("_")
    return Label(name, synonyms=(scientific, common)) if common and " " in scientific else Label(name)


def columns(wanted: Sequence[str], given: Sequence[Label], *, partial: bool, what: str) -> np.ndarray:
    """Where each label of the truth is among those of the predictions, by id, code or synonym; (c,).

    ``partial``: one that is not there is -1, as long as one is.

    Raises
    ------
    UsageError
        If labels are missing, or two of the truth are one of the predictions.
    """
    places = label_sets.index(given)
    own = label_sets.index(label_sets.INSTRUMENTS)

    def place(label: str) -> int:
        if label in places:
            return places[label]
        # The other way round: a code in the predictions, an id in the truth.
        known = label_sets.INSTRUMENTS[own[label]] if label in own else None
        names = () if known is None else (known.id, known.code)
        return next((places[name] for name in names if name in places), -1)

    found = np.array([place(label) for label in wanted])
    missing = [label for label, at in zip(wanted, found, strict=True) if at < 0]
    if missing and (not partial or len(missing) == len(wanted)):
        ids = [label.id for label in given]
        raise UsageError(
            f"{what} lacks {len(missing)} of the {len(wanted)} labels of the data: {listed(missing)}."
            f"{nearest(missing[0], ids)} It has {listed(ids)}. --labels A,B judges some of them only"
        )
    for at in set(found.tolist()) - {-1}:
        same = [label for label, place in zip(wanted, found, strict=True) if place == at]
        if len(same) > 1:
            raise UsageError(
                f"{what} has one label, {given[at].id}, for {' and '.join(same)} of the data: map the data's labels "
                "first (sonoscope data manifest --schemes), or leave some out with --labels"
            )
    return found


def refuse_missing(missing: Sequence[str], total: int, what: str, there: Sequence[str]) -> None:
    """Raise ``UsageError`` if clips have no prediction."""
    if missing:
        some = f" It has predictions of {listed(there)}." if there else ""
        raise UsageError(
            f"{what} has no prediction of {len(missing):,} of {total:,} clips: {listed(list(missing))}.{some}"
        )


def refuse_strangers(named: Sequence[str], wanted: Sequence[str], what: str) -> None:
    """Raise ``UsageError``: events have labels, and none is one of the data."""
    raise UsageError(
        f"{what} names none of the {len(wanted)} labels of the data ({listed(list(wanted))}), but "
        f"{listed(list(named))}.{nearest(named[0], wanted)} Name them alike first"
    )


def refuse_lengths(wrong: Sequence[str], what: str) -> None:
    """Raise ``UsageError`` if predictions end before or after their clips."""
    if wrong:
        raise UsageError(
            f"{what}: {len(wrong):,} recordings are not as long as their predictions: {listed(list(wrong))}. They are "
            "of other recordings, or times were counted at another rate"
        )
