"""What a protocol is: a way of comparing predictions with truth that a paper can name.

A protocol is one file that ends in ``PROTOCOL = Protocol(…)`` and one line in ``PROTOCOLS``. It has two doors:
``measure``, on plain arrays, notes or events, for Python; and ``judge``, on the words of the command
(:class:`Request`), which gets predictions and truth from models and data sets and calls ``measure``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints

from sonoscope.data.rows import Manifest
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.evaluation.result import Result
from sonoscope.signatures import expect

Kind = Literal["clip", "pitch", "notes", "events"]


def _silent(_: Any) -> None:
    """For what nobody follows."""


@dataclass(frozen=True)
class Request:
    """What ``sonoscope evaluate`` was asked.

    Attributes
    ----------
    models : tuple of str
        Models or predictions, as given; each is judged, side by side.
    data : Manifest
        What to judge them on.
    data_name : str
        How ``data`` was called.
    validation : Manifest, optional
        What to fit thresholds on: never the data that is reported.
    validation_name : str
    options : object
        The protocol's ``options``, filled.
    tell : function
        Gets lines of progress (running figures while models predict).
    settings : mapping
        Whatever the command took besides: ``labels``, ``threshold``, ``seeds``, ``export``.
    problem : function
        Takes a :class:`~sonoscope.data.survey.Problem` for each clip that cannot be heard.
    """

    models: tuple[str, ...]
    data: Manifest
    data_name: str
    options: Any
    validation: Manifest | None = None
    validation_name: str = ""
    tell: Callable[[str], None] = _silent
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: Callable[[Any], None] = _silent


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes
    ----------
    name, title, version : str
        ``version`` changes whenever a figure can.
    kind : str
        What is compared: scores of clips, pitches of frames, notes, or events.
    options : type
        A frozen dataclass whose defaults are the protocol as published.
    measure : function
        Plain truth and predictions to a :class:`Result`; its own signature.
    judge : function
        ``judge(request) -> Result``.
    datasets : tuple of str
        Names of ``data.datasets.DATASETS`` that are judged so unless another is asked for.
    reference : str
        Where the protocol is described.
    """

    name: str
    title: str
    version: str
    kind: Kind
    options: type
    measure: Callable[..., Result]
    judge: Callable[[Request], Result]
    datasets: tuple[str, ...] = ()
    reference: str = ""

    def filled(self, given: Mapping[str, Any]) -> Any:
        """The options with these values, which may be text (``stride=512``), the others as published.

        Raises
        ------
        UnknownName
            For an option that the protocol does not have.
        UsageError
            If a value is not of the option's kind, or out of its range.
        """
        kinds = get_type_hints(self.options)
        known = {entry.name for entry in fields(self.options) if entry.init}
        values = {}
        for name, value in given.items():
            key = name.replace("-", "_")
            if key not in known:
                raise UnknownName(
                    f"protocol {self.name}: unknown option {name!r}.{nearest(key, known)} "
                    f"Known: {', '.join(sorted(known))}."
                )
            values[key] = _typed(f"{self.name}: {name}", value, kinds[key])
        try:
            return self.options(**values)
        except ValueError as error:
            raise UsageError(f"protocol {self.name}: {error}") from None


def _typed(name: str, value: Any, kind: Any) -> Any:
    """Text as the kind that an option is annotated with; other values, if they are of it, as they are."""
    if not isinstance(value, str):
        expect(kind, **{f"protocol {name}": value})
        return value
    text = str(kind).replace(" ", "")
    if value == "" and "None" in text:
        return None
    try:
        if "tuple[" in text:
            inner = float if "float" in text else int if "int" in text else str
            return tuple(inner(part) for part in value.split(",") if part)
        if "bool" in text:
            return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[
                value.lower()
            ]
        if "int" in text and "float" not in text:
            return int(value)
        return float(value) if "float" in text else value
    except (ValueError, KeyError):
        raise UsageError(f"protocol {name}={value!r} cannot be read as {_called(text)}") from None


def _called(text: str) -> str:
    if "tuple[" in text:
        return "a list of numbers (0.1,0.2)"
    if "bool" in text:
        return "yes or no"
    return "a whole number" if "int" in text and "float" not in text else "a number"
