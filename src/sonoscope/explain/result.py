"""What an explanation is: a map in seconds and Hz, and what can be seen, heard and counted of it."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonoscope.errors import UnknownName, nearest
from sonoscope.explain import transform
from sonoscope.values import format_seconds
from sonoscope.writing import put

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What can be written, by ending.
ENDINGS = (".png", ".svg", ".npz", ".csv", ".json", ".wav")
#: Lengths of the transform for sound under a map: about so many seconds, and overlapping so many times.
WINDOW_S, OVERLAP = 0.04, 4
#: Sound is let through whole where the map has this quantile of its positive values, so that one cell does not decide.
WHOLE = 0.98


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Which part of a stretch of sound spoke for a label.

    Attributes
    ----------
    file, model, label, method : str
    start, end : float
        The stretch, in seconds of the recording.
    map : np.ndarray, shape (t, f)
        The part of each cell; negative where it spoke against the label, if ``signed``.
    times, frequencies : np.ndarray
        Centres of cells: seconds of the recording (t,) and Hz (f,).
    spectrogram : np.ndarray, shape (t, f)
        What the model saw, in dB (or the feature's unit).
    score, logit : float
        Mean over the stretch's windows of the label's probability and logit.
    removed : dict of str to float
        The mean logit when the most important tenth of the cells is taken away (``important``), and when as many
        others are, drawn at random (``random``).
    signed, time_only : bool
        Whether values may be negative, and whether the method says nothing of frequency.
    details : dict of str to np.ndarray
        What else a method gave, of each window in turn.
    samples : np.ndarray, shape (n,)
        The sound of the stretch, at ``sample_rate``.
    moment : float, optional
        Of a note, when it is said: the score and the logit are of that moment.
    """

    file: str
    model: str
    label: str
    method: str
    start: float
    end: float
    map: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray
    spectrogram: np.ndarray
    score: float
    logit: float
    removed: dict[str, float]
    signed: bool
    time_only: bool
    details: dict[str, np.ndarray]
    samples: np.ndarray
    sample_rate: int
    moment: float | None = None

    def __repr__(self) -> str:
        when = f"{self.start:.2f} to {self.end:.2f} s"
        return (
            f"Explanation({self.file!r}, {self.label!r} at {when}, score {self.score:.2f}, by {self.method})"
        )

    def plot(self) -> Figure:
        """The picture: the spectrogram, the map over it, and its sums by time and frequency.

        Raises
        ------
        UsageError
            If matplotlib is not installed (the ``eval`` extra).
        """
        from sonoscope.explain.picture import figure

        return figure(self)

    def masked(self) -> np.ndarray:
        """The sound that spoke for the label: the spectrogram times the map (0 to 1), with the phase it has.

        Returns
        -------
        np.ndarray
            (n,), float32, at ``sample_rate``.
        """
        hop = max(round(WINDOW_S * self.sample_rate / OVERLAP), 1)
        n = len(self.samples)
        padded = np.pad(self.samples, (0, -n % hop))
        spectrum = transform.forward(padded, OVERLAP * hop, hop)
        at = self.start + np.arange(len(spectrum)) * hop / self.sample_rate
        hz = np.fft.rfftfreq(OVERLAP * hop, 1 / self.sample_rate)
        gains = self.gains()
        along = np.stack([np.interp(at, self.times, column) for column in gains.T], axis=1)
        mask = np.stack([np.interp(hz, self.frequencies, row, left=0, right=0) for row in along])
        return transform.backward(spectrum * mask.astype(np.float32), OVERLAP * hop, hop)[:n]

    def gains(self) -> np.ndarray:
        """The map from 0 (nothing, or against the label) to 1, (t, f)."""
        positive = np.maximum(self.map, 0)
        whole = np.quantile(positive[positive > 0], WHOLE) if (positive > 0).any() else 1.0
        return np.clip(positive / whole, 0, 1)

    def summary(self) -> dict[str, Any]:
        """What mattered, in numbers, ready for JSON: the seconds and the band that hold half of it, and shares.

        ``seconds`` and ``hz`` are the shortest stretch and the narrowest band with half of what spoke for the label;
        ``octaves`` are shares of octaves, ``tenths`` of tenths of the stretch. No band where the method has none.
        """
        found: dict[str, Any] = {
            "file": self.file, "model": self.model, "label": self.label, "method": self.method,
            "start": round(self.start, 6), "end": round(self.end, 6), "score": round(self.score, 4),
            "logit": round(self.logit, 4), "removed": {k: round(v, 4) for k, v in self.removed.items()},
        }  # fmt: skip
        if self.moment is not None:
            found["moment"] = round(self.moment, 6)
        positive = np.maximum(self.map, 0)
        total = positive.sum()
        if not total > 0:
            return {**found, "seconds": None, "hz": None, "tenths": [], "octaves": []}
        along, up = positive.sum(axis=1) / total, positive.sum(axis=0) / total
        tenths = np.minimum(np.arange(len(along)) * 10 // len(along), 9)
        found["seconds"] = [round(v, 3) for v in half(along, self.times)]
        found["tenths"] = [round(float(along[tenths == k].sum()), 4) for k in range(10)]
        if self.time_only:
            return {**found, "hz": None, "octaves": []}
        found["hz"] = [round(v, 1) for v in half(up, self.frequencies)]
        octave = np.floor(np.log2(np.maximum(self.frequencies, 1) / 62.5)).astype(int)
        found["octaves"] = [
            {"low": 62.5 * 2.0**k, "high": 125 * 2.0**k, "share": round(float(up[octave == k].sum()), 4)}
            for k in np.unique(octave).tolist()
        ]
        return found

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write ``.png`` or ``.svg`` (the picture), ``.npz`` or ``.csv`` (the map), ``.json`` or ``.wav``.

        Raises
        ------
        UnknownName
            If it ends otherwise.
        UsageError
            If a picture is asked for and matplotlib is not installed.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in ENDINGS:
            raise UnknownName(
                f"unknown ending {kind!r} of {path}.{nearest(kind, ENDINGS)} Known: {', '.join(ENDINGS)}."
            )
        content = io.BytesIO()
        if kind in (".png", ".svg"):
            from sonoscope.explain.picture import write

            write(self, content, kind[1:])
        elif kind == ".npz":
            np.savez_compressed(content, **self._arrays())
        elif kind == ".csv":
            content.write(self._table().encode())
        elif kind == ".json":
            lines = [
                f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in self.summary().items()
            ]
            content.write(("{\n" + ",\n".join(lines) + "\n}\n").encode())
        else:
            import soundfile

            soundfile.write(content, self.masked(), self.sample_rate, format="WAV", subtype="PCM_16")
        put(path, content.getvalue())

    def _arrays(self) -> dict[str, Any]:
        names = {key: np.array(getattr(self, key)) for key in ("model", "label", "method")}
        names["recording"] = np.array(self.file)
        axes = {"times": self.times, "frequencies": self.frequencies, "spectrogram": self.spectrogram}
        return {"map": self.map, **axes, **names, **{f"detail_{k}": v for k, v in self.details.items()}}

    def _table(self) -> str:
        """A row for each time, a column for each frequency, Hz in the header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["time", *(f"{hz:.1f}" for hz in self.frequencies)])
        for time, row in zip(self.times, self.map, strict=True):
            writer.writerow([format_seconds(float(time)), *(f"{value:.6g}" for value in row)])
        return text.getvalue()


def half(shares: np.ndarray, axis: np.ndarray) -> tuple[float, float]:
    """From where to where the fewest neighbouring cells lie that hold half of all, by their borders on the axis."""
    sums = np.concatenate([[0.0], np.cumsum(shares)])
    ends = np.searchsorted(sums, sums + 0.5 * sums[-1] - 1e-12)
    starts = np.flatnonzero(ends < len(sums))
    first = int(starts[np.argmin(ends[starts] - starts)])
    edges = borders(axis)
    return float(edges[first]), float(edges[ends[first]])


def borders(axis: np.ndarray) -> np.ndarray:
    """Borders of cells with these centres, one more than them; the outer ones as far out as the next ones are in."""
    if len(axis) == 1:
        return np.array([axis[0], axis[0]], dtype=np.float64)
    middle = (axis[1:] + axis[:-1]) / 2
    return np.concatenate([[2 * axis[0] - middle[0]], middle, [2 * axis[-1] - middle[-1]]])
