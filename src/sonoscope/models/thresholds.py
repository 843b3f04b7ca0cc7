"""Thresholds from what a user wishes: a number, numbers by label, a precision, a false-positive rate, or a
file.

A bundle states for each label the threshold at which an event begins, a lower one down to which it goes on,
and its *operating points*: precision, recall and false-positive rate measured at a series of thresholds on
recordings left out of training. A wish replaces the first; the lower threshold keeps its ratio to it.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sonoscope import delimited
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.labels import index
from sonoscope.signatures import expect
from sonoscope.values import SCORE_DECIMALS, Label

#: The wish for the model's own thresholds, in words: where an earlier wish is to be taken back.
OWN = "model"
FORMS = (
    "a number (0.5), labels (violin=0.4,cello=0.6), precision=0.95, fpr=0.005, a file (.json, .yaml, .csv), or "
    "model (the model's own)"
)
#: Keys of a file that says more than thresholds.
HELD, ORIGIN = "thresholds", "origin"
_FILES = (".json", ".yaml", ".yml", ".csv")


class Calibrated(Protocol):
    """What of a bundle is needed here."""

    @property
    def labels(self) -> tuple[Label, ...]: ...
    @property
    def thresholds(self) -> dict[str, float]: ...
    @property
    def low_thresholds(self) -> dict[str, float]: ...
    @property
    def operating_points(self) -> dict[str, list[dict[str, float]]]: ...


def resolve(wish: str | None, bundle: Calibrated) -> tuple[dict[str, float], dict[str, float]]:
    """The thresholds at which events begin, and down to which they go on, for every label of ``bundle``.

    Parameters
    ----------
    wish : str, optional
        ``None`` or ``model``: the bundle's own. ``0.5``: the same for all labels. ``violin=0.4,cello=0.6``:
        for these (by id, code or synonym), the bundle's own for the others. ``precision=0.95``,
        ``fpr=0.005``: for each label that is reported, the lowest threshold at which the measured precision
        (false-positive rate) was at least (at most) that, so that recall is as high as can be. A path: a JSON
        or YAML mapping of label to threshold (or one that holds such a mapping as ``thresholds`` and says
        where they come from: what ``thresholds fit`` writes), or a CSV table with the columns ``label`` and
        ``threshold``.

    Raises
    ------
    UnknownName
        For a label that the bundle does not have, naming the nearest.
    UsageError
        If the wish cannot be understood, a threshold is not in 0..1, or no operating point meets a wish; the
        message then names each such label and the nearest value that can be had.
    """
    own = dict(bundle.thresholds)
    on = own | _wished(wish.strip(), bundle) if wish is not None else own
    low = {}
    for label, threshold in on.items():
        own_low = bundle.low_thresholds.get(label, own[label])
        ratio = min(own_low / own[label], 1.0) if own[label] > 0 else 1.0
        scaled = min(round(threshold * ratio, SCORE_DECIMALS), threshold)  # rounded up, it would be above
        low[label] = own_low if threshold == own[label] else scaled
    return on, low


def in_words(wish: Any) -> str | None:
    """A wish as Python gives it, in the command's words; an empty mapping changes nothing. Raises ``UsageError``."""
    if isinstance(wish, Mapping):
        for label, value in wish.items():
            expect(float, **{f"threshold[{label!r}]": value})
        return ",".join(f"{label}={float(value)!r}" for label, value in wish.items()) or None
    expect(float | str | Path | Mapping | None, threshold=wish)
    if wish is None or isinstance(wish, str | Path):
        return wish if wish is None else str(wish)
    return repr(float(wish))


def inline(wish: str | None, bundle: Calibrated) -> str | None:
    """``wish`` in a form that needs no file: a file's content as ``label=threshold,…``, everything else as it
    is. The bundle's own are ``None``.
    """
    if wish is None or wish.strip() == OWN:
        return None
    if not Path(wish.strip()).is_file():
        return wish
    return ",".join(f"{label}={value!r}" for label, value in _wished(wish.strip(), bundle).items())


def origin(wish: str | None) -> Mapping[str, Any] | None:
    """Where the thresholds of a file come from, if it says so; None for every other wish.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    file = Path(wish.strip()) if wish else None
    if file is None or not _is_file(file) or file.suffix.lower() == ".csv":
        return None
    held = _mapping(file).get(ORIGIN)
    return held if isinstance(held, dict) else None


def _is_file(file: Path) -> bool:
    """Whether there is such a file; thresholds of many labels make a name that no file can have."""
    try:
        return file.is_file()
    except OSError:
        return False


def _wished(wish: str, bundle: Calibrated) -> dict[str, float]:
    """The labels that ``wish`` changes, and their new thresholds."""
    if wish == OWN:
        return {}
    file = Path(wish)
    if wish and _is_file(file):
        return _of_labels(_read(file), bundle, where=f"{wish}: ")
    number = _number(wish)
    if number is not None:
        return dict.fromkeys(bundle.thresholds, _checked("", number))
    pairs = [part.partition("=") for part in wish.split(",")]
    if wish and all(sign and value.strip() for _, sign, value in pairs):
        given = {name.strip(): value.strip() for name, _, value in pairs}
        if len(given) < len(pairs):
            raise UsageError(f"threshold={wish!r} names a label twice")
        measured = set(given) & {"precision", "fpr"}
        if measured and len(given) == 1:
            return _at_operating_points(measured.pop(), next(iter(given.values())), bundle)
        if measured:
            raise UsageError(f"threshold={wish!r}: {measured.pop()}=… is for all labels and stands alone")
        return _of_labels(given, bundle)
    if file.suffix.lower() in _FILES:
        raise UsageError(f"threshold={wish!r}: there is no such file")
    if re.fullmatch(r"\d*,\d+", wish):
        raise UsageError(f"threshold={wish!r}: decimals have a point here, {wish.replace(',', '.')}")
    raise UsageError(f"threshold={wish!r} is not understood. It may be {FORMS}.")


def _of_labels(given: Mapping[str, Any], bundle: Calibrated, where: str = "") -> dict[str, float]:
    """Thresholds by label id, from names that may be codes or synonyms and values that may be text."""
    places = index(bundle.labels)
    found: dict[str, float] = {}
    for name, value in given.items():
        if name not in places:
            known = ", ".join(label.id for label in bundle.labels)
            raise UnknownName(f"{where}unknown label {name!r}.{nearest(name, places)} Known: {known}.")
        label = bundle.labels[places[name]].id
        number = _number(value)
        if number is None:
            raise UsageError(f"{where}threshold {name}={value!r} is not a number")
        if label in found:
            raise UsageError(
                f"{where}threshold {name}={value!r}: {label} was named before, under another name"
            )
        found[label] = _checked(f"{where}{name}=", number)
    return found


def _at_operating_points(measure: str, text: str, bundle: Calibrated) -> dict[str, float]:
    """For every reported label, the lowest threshold at which the measure was good enough."""
    wanted = _number(text)
    if wanted is None or not 0 <= wanted <= 1:
        raise UsageError(f"threshold {measure}={text} must lie in 0..1")
    found: dict[str, float] = {}
    missed: list[str] = []
    for label in bundle.labels:
        if label.kind != "event":
            continue
        points = bundle.operating_points.get(label.id, [])
        good = [
            p for p in points if (p[measure] >= wanted if measure == "precision" else p[measure] <= wanted)
        ]
        if good:
            found[label.id] = float(min(point["threshold"] for point in good))
        elif points:
            best = (max if measure == "precision" else min)(point[measure] for point in points)
            missed.append(f"{label.id} (nearest: {measure}={best:g})")
        else:
            missed.append(f"{label.id} (nothing measured)")
    if missed:
        raise UsageError(
            f"threshold {measure}={text} cannot be met for {', '.join(missed)}: "
            f"wish for less, or give thresholds by label"
        )
    return found


def _read(file: Path) -> dict[str, Any]:
    """A file of thresholds as a mapping of label to value."""
    values = _mapping(file)
    if isinstance(values.get(HELD), dict):
        values = values[HELD]
    if not values:
        raise UsageError(f"threshold={str(file)!r} must hold a mapping of labels to thresholds")
    return values


def _mapping(file: Path) -> dict[str, Any]:
    """The mapping that a file holds, whatever is in it."""
    try:
        if file.suffix.lower() == ".csv":
            return _read_csv(file)
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            values = json.loads(text, object_pairs_hook=_once)
        else:
            values = _read_yaml(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"threshold={str(file)!r} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"threshold={str(file)!r} must hold a mapping of labels to thresholds")
    return values


def _read_yaml(text: str) -> Any:
    """What YAML says; the names of a mapping are text, also ``1`` and ``no``. Raises ``ValueError``."""
    import yaml

    class TextSafeLoader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            return _once([(key.value, self.construct_object(value, deep=True)) for key, value in node.value])

    try:
        return yaml.load(text, Loader=TextSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A mapping in which no name stands twice. Raises ``ValueError``."""
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if not isinstance(name, str):
            raise ValueError("a name is no text")
        if name in found:
            raise ValueError(f"it names {name!r} twice")
        found[name] = value
    return found


def _read_csv(file: Path) -> dict[str, Any]:
    text = io.StringIO(delimited.decoded(file, UsageError), newline="")
    rows = delimited.rows(text, str(file), UsageError)
    _, columns = next(rows.lines, (1, []))
    held = [dict(zip(columns, cells, strict=False)) for _, cells in rows.lines if any(map(str.strip, cells))]
    if not held or not {"label", "threshold"} <= set(columns):
        raise UsageError(f"threshold={str(file)!r} must have the columns label and threshold, and a row")
    found: dict[str, Any] = {}
    for row in held:
        label, cell = row["label"], row.get("threshold")
        if label in found:
            raise UsageError(f"threshold={str(file)!r} names the label {label!r} twice")
        value = delimited.number(cell or "", rows.decimal)
        found[label] = cell if math.isnan(value) else value
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _checked(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise UsageError(f"threshold {name}{value:g} must lie in 0..1")
    return value
