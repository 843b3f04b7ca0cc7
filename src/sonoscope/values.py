"""The values that travel along the data path: small frozen records over NumPy arrays.

Conventions, used in the whole package: times are seconds from the start of the recording, intervals are
half-open ``[start, end)``; whatever must be exact is kept in **samples at the model's rate** (integers) and turned
into seconds only where it is written. Arrays state shape and dtype; ``n`` counts windows, ``c`` labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

#: Probabilities are rounded to this many decimals before they are written *and* before they meet a threshold,
#: logits to :data:`LOGIT_DECIMALS` before they become probabilities, so that a decision made again from kept
#: scores equals the first one.
SCORE_DECIMALS = 4
LOGIT_DECIMALS = 3


def as_array(given: Any) -> np.ndarray:
    """``np.asarray``, also of a tensor for which torch refuses that: with gradients, on a GPU, or of bfloat16."""
    if not hasattr(given, "detach"):
        return np.asarray(given)
    tensor = given.detach().cpu()
    try:
        return np.asarray(tensor)
    except TypeError:  # NumPy has no such type; float32 holds all numbers of it
        return np.asarray(tensor.float())


def format_seconds(seconds: float | None) -> str:
    """Seconds as every file of ours writes them: decimal, 3 to 6 digits, never ``hh:mm:ss`` nor an exponent.

    None, where there are none, is written as nothing.

    >>> format_seconds(0.96), format_seconds(100 / 3), format_seconds(86400), format_seconds(None)
    ('0.960', '33.333333', '86400.000', '')
    """
    if seconds is None:
        return ""
    text = f"{seconds:.6f}"
    while text[-1] == "0" and text[-4] != ".":
        text = text[:-1]
    return text


def columns(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = "") -> list[str]:
    """Rows of cells as lines of aligned columns for people, those in ``right`` to the right, two spaces between."""
    right = set(right)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent
        + "  ".join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


@dataclass(frozen=True)
class Recording:
    """One input: where its bytes are, and the name under which its results are filed.

    Attributes
    ----------
    path : str
        A file on this machine; for a member of an archive, the archive.
    name : str
        Relative POSIX path that keeps the extension (``site1/a.mp3``): the key of everything written about it.
    member : str, optional
        Name inside the zip or tar archive ``path``.
    size_bytes, modified_ns : int
        Identity of the content, for resuming: a file whose size or time changed is analysed again. -1: unknown.
    """

    path: str
    name: str
    member: str | None = None
    size_bytes: int = -1
    modified_ns: int = -1


@dataclass(frozen=True)
class Label:
    """What is known about a class (conventions: label metadata).

    ``kind`` is ``event`` (reported), ``background`` or ``reject`` (explicit "something else": scored, never an
    event by default).
    """

    id: str
    name: str = ""
    code: str = ""
    group: str = ""
    kind: str = "event"
    synonyms: tuple[str, ...] = ()
    gm_program: int | None = None
    audioset_mid: str = ""
    low_hz: float | None = None
    high_hz: float | None = None
    known_if: str = ""


class _Steps:
    """A table of a frozen record, held in 16-bit steps of its last decimal and given as float32.

    Rounded values need no more, and a table of ten hours is 2 MB so. Each reading makes a new array: read once,
    or a column at a time (``Scores.steps``). Set from int16, the steps are taken as they are.
    """

    def __init__(self, decimals: int) -> None:
        self.units = 10**decimals

    def __set_name__(self, owner: type, name: str) -> None:
        self.held = f"_{name}"

    def __get__(self, record: object, owner: type) -> np.ndarray:
        if record is None:
            raise AttributeError(self.held)  # so that the dataclass knows of no default
        steps = record.__dict__[self.held]
        values = np.empty(steps.shape, dtype=np.float32)
        for first in range(0, len(steps), _ROWS):
            rows = slice(first, first + _ROWS)
            values[rows] = steps[rows] / np.float64(self.units)
        return values

    def __set__(self, record: object, values: np.ndarray) -> None:
        values = np.asarray(values)
        if values.dtype == np.int16:  # steps already
            record.__dict__[self.held] = values
            return
        steps = np.empty(values.shape, dtype=np.int16)
        for first in range(0, len(values), _ROWS):
            rows = slice(first, first + _ROWS)
            steps[rows] = np.clip(np.rint(values[rows] * np.float64(self.units)), -_MOST, _MOST)
        record.__dict__[self.held] = steps


_ROWS = 4096  # converted at a time, in double precision
_MOST = 32_767


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """Scores of one recording: a row per window in order of time, a column per label.

    Attributes
    ----------
    labels : tuple of str, length c
    sample_rate : int
        Rate of ``starts`` and ``ends`` (the model's).
    window_samples, hop_samples : int
        The grid: window ``i`` nominally covers ``[i * hop, i * hop + window)``.
    starts, ends : np.ndarray, shape (n,), int64
        Samples; ``ends`` is cut to the audio, so no row ends after it.
    logits : np.ndarray, shape (n, c), float32
        Raw network output, rounded to ``LOGIT_DECIMALS``, within ±32.767.
    probabilities : np.ndarray, shape (n, c), float32
        Calibrated, rounded to ``SCORE_DECIMALS``.
    n_samples : int
        Length of the recording at ``sample_rate``.
    embeddings : np.ndarray, shape (n, d), float32, optional
    """

    labels: tuple[str, ...]
    sample_rate: int
    window_samples: int
    hop_samples: int
    starts: np.ndarray
    ends: np.ndarray
    logits: np.ndarray = _Steps(LOGIT_DECIMALS)  # type: ignore[assignment]
    probabilities: np.ndarray = _Steps(SCORE_DECIMALS)  # type: ignore[assignment]
    n_samples: int = 0
    embeddings: np.ndarray | None = None

    def __repr__(self) -> str:
        seconds = self.n_samples / self.sample_rate
        return f"Scores({len(self)} windows, {len(self.labels)} labels, {seconds:g} s)"

    def held(self, table: str) -> np.ndarray:
        """``logits`` in steps of 1e-3, or ``probabilities`` in steps of 1e-4, as they are held: int16, shape (n, c)."""
        return self.__dict__[f"_{table}"]

    def steps(self, table: str, column: int) -> np.ndarray:
        """A column of :meth:`held`, int64, shape (n,)."""
        return self.held(table)[:, column].astype(np.int64)

    @property
    def start_s(self) -> np.ndarray:
        """Window starts in seconds, float64, shape (n,)."""
        return self.starts / self.sample_rate

    @property
    def end_s(self) -> np.ndarray:
        """Window ends in seconds, float64, shape (n,)."""
        return self.ends / self.sample_rate

    @property
    def padded(self) -> np.ndarray:
        """Which windows reach past the audio and were filled with zeros, bool, shape (n,)."""
        return self.ends - self.starts < self.window_samples

    @property
    def cell_edges(self) -> np.ndarray:
        """Where each window's score begins to speak, int64 samples, shape (n + 1,); the last edge ends the last.

        With overlap a score speaks for the hop-long middle of its window; the first cell reaches back to the
        start of the first window and the last one on to the end of the last. Without overlap (hop = window)
        every cell is its window. Empty where there are no windows.
        """
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        edges = np.append(self.starts, self.ends[-1]).astype(np.int64)
        edges[1:-1] += max(self.window_samples - self.hop_samples, 0) // 2
        return edges

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, order=True, slots=True, repr=False)  # a night of insects is tens of thousands of them
class Event:
    """Something that sounds from ``start_s`` to ``end_s``. ``score`` is a calibrated probability, ``raw`` a logit.

    ``pitch`` (MIDI number) and ``velocity`` (1..127) are set for notes only; ``flags`` is a ``;``-joined list
    such as ``padded`` (the last window was filled with zeros to be scored).
    """

    start_s: float
    end_s: float
    label: str
    score: float = field(compare=False)
    raw: float | None = field(default=None, compare=False)
    channel: int | None = field(default=None, compare=False)
    low_hz: float | None = field(default=None, compare=False)
    high_hz: float | None = field(default=None, compare=False)
    pitch: float | None = field(default=None, compare=False)
    velocity: int | None = field(default=None, compare=False)
    flags: str = field(default="", compare=False)

    def __repr__(self) -> str:
        said = ((one.name, getattr(self, one.name), one.default) for one in fields(self))
        return f"Event({', '.join(f'{name}={value!r}' for name, value, default in said if value != default)})"


@dataclass(frozen=True, eq=False)
class FileResult:
    """All that is written about one recording: what the outputs get.

    ``duration_s`` is the counted length (decoded samples over the native rate), ``sample_rate`` and ``channels``
    are the recording's own. ``labels`` are the model's, in its order, with their metadata. ``start_datetime`` is
    ISO 8601 with offset or empty; ``note`` says in words what is special (cut short, silent, clipped).
    """

    file: str
    path: str
    model: str
    labels: tuple[Label, ...]
    duration_s: float
    sample_rate: int
    channels: int
    events: Sequence[Event]
    scores: Scores | None = None
    start_datetime: str = ""
    site: str = ""
    recorder: str = ""
    note: str = ""

    def in_order(self) -> Iterable[Event]:
        """The events sorted by (start, end, label); those of a decision are, and are not all made at once."""
        return self.events if getattr(self.events, "is_sorted", False) else sorted(self.events)
