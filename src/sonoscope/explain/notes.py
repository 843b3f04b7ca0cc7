"""Why a note was heard: which moments and pitches around its onset, or around any moment of it, spoke for it.

A model of notes answers for every frame and key; one answer is explained, by the rows that it depends on and some on
either side. A cell is a row and a pitch of the feature; what each of its spectra has there is taken away together, so
the map has one axis of frequency however many spectra a row holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sonoscope import transcription
from sonoscope.errors import UsageError, one_of
from sonoscope.explain import views
from sonoscope.explain.explainer import Sounding, Time, checked, network_of, piece_of, removed
from sonoscope.explain.protocol import Case, Method
from sonoscope.explain.result import Explanation
from sonoscope.features import Feature
from sonoscope.labels import midi_of
from sonoscope.models.bundle import Bundle
from sonoscope.models.notes import MOVABLE, tuned
from sonoscope.models.runtime import Runtime
from sonoscope.notes.scores import NoteScores

if TYPE_CHECKING:
    from sonoscope.explain.notenet import NoteNet

#: What is asked of a key: does a note begin, or does one sound.
ONSET, SUSTAIN = "onset", "sustain"
#: Rows on either side of what an answer depends on.
AROUND = 8
#: A note is looked for so far from the moment that is named.
NEAR_S = 0.05
#: Probabilities are as far from 0 and 1 before they become logits.
LEAST = 1e-7


@dataclass(frozen=True)
class Answer:
    """One of the model's answers: of a table (``onset`` or ``sustain``), a frame and a column, with its probability."""

    table: str
    frame: int
    column: int
    score: float


class NoteExplainer:
    """A model of notes and a method, ready for recordings.

    Parameters
    ----------
    bundle : Bundle
        A model of the task ``notes``.
    method, baseline, runtime
        As of :class:`~sonoscope.explain.explainer.Explainer`.

    Raises
    ------
    UsageError
        If the model's rows are no spectra, or the method needs the network and torch or the weights are missing.
    """

    def __init__(
        self,
        bundle: Bundle,
        method: Method,
        *,
        baseline: str = views.BASELINES[0],
        runtime: Runtime | None = None,
    ) -> None:
        one_of(views.BASELINES, baseline, "baseline")
        feature = bundle.feature
        hz = getattr(feature, "frequencies_hz", None)
        if feature is None or hz is None or feature.n_bins % len(hz):
            raise UsageError(f"the rows of {bundle.name!r} are no spectra: its notes cannot be explained")
        self.bundle, self.method = bundle, method
        self._feature: Feature = feature
        self._baseline, self._given = baseline, runtime
        self._module = network_of(bundle, method.name) if method.network else None

    @cached_property
    def _runtime(self) -> Runtime:
        return self._given or Runtime(self.bundle)

    def explain(self, sounding: Sounding, *, label: str | None = None, time: Time = None) -> Explanation:
        """Which part of a recording's sound spoke for a note.

        Parameters
        ----------
        sounding : Sounding
        label : str, optional
            A pitch, whose onset is meant (``A4``, ``69``), or ``A4.sustain``: that it sounds. Default: the likeliest
            onset.
        time : float or (float, float), optional
            A moment, or from when to when; what is likeliest there is explained. Default: the whole recording.

        Raises
        ------
        UnknownName
            If there is no such table.
        UsageError
            If the model has no such pitch, or the time is not in the recording.
        UnreadableAudio
            If it cannot be decoded.
        """
        column, table = self.asked(label)
        begin, end = time if isinstance(time, tuple) else (time, time)
        near = NEAR_S if begin == end else 0.0
        within = (-np.inf, np.inf) if begin is None or end is None else (begin - near, end + near)
        best: list[Answer] = []

        def keep(scores: NoteScores) -> None:
            answer = likeliest(scores, table, column, within)
            if answer is not None and (not best or answer.score > best[0].score):
                best[:] = [answer]

        analysis = self._scored(sounding, keep)
        if begin is not None and end is not None:
            checked(begin, end, analysis.duration_s)
        if not best:
            raise UsageError(f"{sounding.name} has no frame of sound to explain")
        return self._explained(sounding, best[0], analysis)

    def asked(self, label: str | None) -> tuple[int | None, str]:
        """The column of a pitch, None where none is named, and the table. Raises as :meth:`explain`."""
        if label is None:
            return None, ONSET
        pitch, _, table = label.partition(".")
        one_of((ONSET, SUSTAIN), table or ONSET, "answer about a pitch")
        column = midi_of(pitch) - self.bundle.lowest
        if not 0 <= column < len(self.bundle.labels):
            ids = self.bundle.label_ids
            raise UsageError(f"{pitch!r}: {self.bundle.name} hears {ids[0]} to {ids[-1]}")
        return column, table or ONSET

    def _scored(self, sounding: Sounding, keep: Callable[[NoteScores], None]) -> transcription.NoteAnalysis:
        if sounding.recording is not None:
            return transcription.note_recording(
                sounding.recording, self.bundle, self._runtime, keep, channel=sounding.channel
            )
        assert sounding.samples is not None and sounding.sample_rate is not None
        return transcription.note_samples(
            sounding.samples, sounding.sample_rate, self.bundle, self._runtime, keep
        )

    def _explained(
        self, sounding: Sounding, answer: Answer, analysis: transcription.NoteAnalysis
    ) -> Explanation:
        bundle, hop, rate = self.bundle, self._feature.hop_samples, self.bundle.sample_rate
        feature = (
            tuned(self._feature, analysis.cents) if isinstance(self._feature, MOVABLE) else self._feature
        )
        count = bundle.receptive_field + 2 * AROUND
        first = answer.frame - AROUND - (bundle.receptive_field - 1 - bundle.look_ahead_frames)
        begin = first * hop - feature.left_context
        end = (first + count - 1) * hop + feature.right_context
        piece = piece_of(sounding, rate, begin, end)
        rows = np.asarray(feature.valid(piece)[:count], dtype=np.float32)
        hertz = np.asarray(feature.frequencies_hz, dtype=np.float64)  # type: ignore[union-attr]
        window = NoteWindow(rows, views.level(bundle, rows, self._baseline), len(hertz))
        case = Case(window, 0, self._graph(answer), self._net(answer, window))
        found = self.method(case)
        there = (first + np.arange(count)) * hop
        kept = np.flatnonzero((there >= 0) & (there < analysis.duration_s * rate))
        start = int(there[kept[0]])
        stop = min(int(there[kept[-1]]) + hop, round(analysis.duration_s * rate))
        logit = float(case.ask(window.cells[None])[0])
        name = bundle.label_ids[answer.column] + ("" if answer.table == ONSET else f".{answer.table}")
        return Explanation(
            sounding.name, bundle.name, name, self.method.name, start / rate, stop / rate,
            found.values[kept].astype(np.float32), there[kept] / rate, hertz, window.picture[kept],
            1 / (1 + np.exp(-logit)), logit, removed([case], [found]), self.method.signed, found.time_only,
            {key: value[None] for key, value in found.details.items()},
            piece[start - begin : stop - begin], rate, moment=answer.frame * hop / rate,
        )  # fmt: skip

    def _graph(self, answer: Answer) -> Callable[[np.ndarray], np.ndarray]:
        which = (ONSET, SUSTAIN).index(answer.table)

        def ask(rows: np.ndarray) -> np.ndarray:
            # The rows on either side are in the map, but the answer does not depend on them.
            likely = self._runtime.notes(rows[:, AROUND:-AROUND])[which][:, 0, answer.column]
            likely = likely.astype(np.float64)
            likely = np.clip(likely, LEAST, 1 - LEAST)
            return np.log(likely / (1 - likely))[:, None]

        return ask

    def _net(self, answer: Answer, window: NoteWindow) -> NoteNet | None:
        if self._module is None:
            return None
        from sonoscope.explain.notenet import NoteNet

        return NoteNet(self._module, window, (ONSET, SUSTAIN).index(answer.table), answer.column, AROUND)


class NoteWindow:
    """Rows of one spectrum or several under gains: 1 as they are, 0 for what stands in their place (a ``Window``).

    Parameters
    ----------
    rows : np.ndarray, shape (t, p * f), float32
    level : float or np.ndarray
        What stands in the place of what is taken away.
    pitches : int
        f.
    """

    are_rows = True

    def __init__(self, rows: np.ndarray, level: Any, pitches: int) -> None:
        self.rows, self.times = rows, rows.shape[1] // pitches
        self.quiet = np.broadcast_to(level, rows.shape).astype(np.float32)
        self.picture = rows[:, :pitches]
        self.cells = np.ones((len(rows), pitches), dtype=np.float32)
        self.baseline = np.zeros_like(self.cells)

    def inputs(self, cells: np.ndarray) -> np.ndarray:
        gains = np.tile(cells, (1, 1, self.times))
        return np.asarray(self.quiet + gains * (self.rows - self.quiet), dtype=np.float32)

    def tensors(self, cells: Any) -> Any:
        return cells


def likeliest(
    scores: NoteScores, table: str, column: int | None, within: tuple[float, float]
) -> Answer | None:
    """The highest answer of a block of scores whose frame lies within these seconds; None where no frame does."""
    times = scores.first_s + np.arange(len(scores)) * scores.hop_s
    rows = np.flatnonzero((times >= within[0]) & (times <= within[1]))
    if not rows.size:
        return None
    values = getattr(scores, table)[rows[0] : rows[-1] + 1]
    if column is not None:
        values = values[:, column : column + 1]
    frame, place = np.unravel_index(int(values.argmax()), values.shape)
    return Answer(
        table,
        round(scores.first_s / scores.hop_s) + int(rows[0] + frame),
        int(place) if column is None else column,
        float(values[frame, place]),
    )
