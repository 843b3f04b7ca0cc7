"""Notes live: the scores of a bundle of notes, and its notes, while the sound comes.

A note is told when four waits are over: for the resampler's filter (4 ms), for the feature's window after the frame,
for the rows that the network looks ahead, and for as many frames as the decoder needs to see a peak and a shortest
length. ``delay_s`` is shared out among them: the decoder gets what is left of it; where nothing is, the network answers
from windows that end early (``early.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.live.early import SHORTEST_FALL, EarlyScorer
from sonoscope.live.moments import Delay, Moment, Part
from sonoscope.live.resample import resampler
from sonoscope.models.bundle import Bundle
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.notes.decision import NOTE, placed
from sonoscope.notes.decode import SOFT
from sonoscope.notes.live import Live, Message
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores
from sonoscope.values import Event

#: How late a note may be told, blocks and computing apart.
DELAY_S = 0.2


class NoteScoreStream:
    """Blocks of mono sound at ``sample_rate`` to note scores, frame by frame.

    Parameters
    ----------
    after_s : float, optional
        Answer for a frame no later than so long after its centre, in the sound, resampling apart; default: when all
        that the network looks at has come. Then, and with more, scores are those of the whole recording.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        sample_rate: int,
        *,
        after_s: float | None = None,
        cents: float = 0.0,
    ) -> None:
        feature = bundle.feature
        assert feature is not None
        self.rate = bundle.sample_rate
        self.resampler = resampler(sample_rate, bundle.sample_rate, prompt=True)
        #: So many samples past its centre a frame is answered, at the model's rate.
        self.after = bundle.look_ahead_frames * feature.hop_samples + feature.right_context
        early = self.after if after_s is None else int(after_s * self.rate + 1e-6)
        self.is_exact = early >= self.after
        self._scorer: NoteScorer
        if self.is_exact:
            self._scorer = NoteScorer(runtime, frames=1, cents=cents, source_rate=sample_rate)
        else:
            self.after = early
            self._scorer = EarlyScorer(runtime, early, cents=cents, source_rate=sample_rate)

    def push(self, samples: np.ndarray) -> list[NoteScores]:
        """Take samples, (n,) float32; the scores that became ready."""
        return self._scorer.push(self.resampler.push(samples))

    def close(self) -> list[NoteScores]:
        """The sound is over: what is left."""
        return [*self._scorer.push(self.resampler.close()), *self._scorer.close()]


class NoteStream:
    """Blocks of mono sound to moments at which notes begin and end.

    Parameters
    ----------
    rules : NoteRules
        Its shortest length and the width of a peak are lowered as far as ``delay_s`` asks; ``self.rules`` are those
        that hold. The notes are exactly those that ``decode`` finds with them in ``self.scores``' scores.
    delay_s : float
        How late a note with an onset may be told, blocks and computing apart.
    cents : float
        How far the instruments are tuned above A4 = 440 Hz.
    start_s : float
        When the first sample is, in seconds of the sound; added to all times.

    Attributes
    ----------
    scored : callable, optional
        May be set: gets the scores of new frames; their times count from the stream's own beginning.

    Raises
    ------
    UsageError
        If ``delay_s`` is less than the least that is possible.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        sample_rate: int,
        rules: NoteRules,
        *,
        delay_s: float = DELAY_S,
        cents: float = 0.0,
        start_s: float = 0.0,
    ) -> None:
        feature, hop_s = bundle.feature, bundle.note_hop_s
        assert feature is not None
        prompt = resampler(sample_rate, bundle.sample_rate, prompt=True).delay_s
        exact_s = (
            bundle.look_ahead_frames * feature.hop_samples + feature.right_context
        ) / bundle.sample_rate
        # A frame after the onset is what the decoder needs at least.
        after_s = min(delay_s - prompt - hop_s, exact_s)
        least = prompt + hop_s + SHORTEST_FALL / bundle.sample_rate
        if not delay_s >= least:
            raise UsageError(
                f"delay={delay_s:g} s is less than {bundle.name} can do at {sample_rate:,} Hz: at least "
                f"{np.ceil(1000 * least) / 1000:g} s"
            )
        self.scores = NoteScoreStream(bundle, runtime, sample_rate, after_s=after_s, cents=cents)
        self._bundle, self._start_s, self._source_rate, self._cents = bundle, start_s, sample_rate, cents
        empty = np.zeros((0, len(bundle.labels)), np.float32)
        self._live = Live(
            NoteScores(empty, empty, hop_s, 0.0, empty, bundle.lowest),
            rules,
            look_ahead_s=max(delay_s - prompt - self.scores.after / self.scores.rate, hop_s),
        )
        self.rules = self._live.rules
        self._n_source = 0
        self._begun: dict[int, Message] = {}
        self.scored: Callable[[NoteScores], None] | None = None

    @property
    def delay(self) -> Delay:
        """From the frame of an onset to its being told; it is at most half a hop away from the sound's."""
        feature, scores = self._bundle.feature, self.scores
        assert feature is not None
        window = min(feature.right_context, scores.after) / scores.rate
        return Delay(
            (
                Part("resampler", scores.resampler.delay_s),
                Part("window", window),
                Part("network", scores.after / scores.rate - window),
                Part("decoder", self._live.latency_s),
            )
        )

    def push(self, samples: np.ndarray) -> list[Moment]:
        """Take samples, (n,) float32; returns what has become certain."""
        self._n_source += samples.size
        return list(self._moments(self.scores.push(samples)))

    def close(self) -> list[Moment]:
        """The sound is over: every note that sounds ends with it."""
        found = list(self._moments(self.scores.close()))
        return found + [self._moment(message) for message in self._live.close()]

    def _moments(self, blocks: list[NoteScores]) -> Iterator[Moment]:
        for block in blocks:
            if self.scored is not None:
                self.scored(block)
            for message in self._live.push(block):
                yield self._moment(message)

    def _moment(self, message: Message) -> Moment:
        duration_s = self._n_source / self._source_rate
        heard_s = message.told_s + self.scores.after / self.scores.rate + self.scores.resampler.delay_s
        time_s, event = min(message.time_s, duration_s), None
        if message.kind == "on":
            self._begun[message.pitch] = message
        else:
            event = self._event(self._begun.pop(message.pitch), message, time_s)
        return Moment(
            message.kind,
            self._bundle.name,
            NOTE.id,
            round(self._start_s + time_s, 6),
            round(self._start_s + min(heard_s, duration_s), 6),
            message.score,
            message.pitch,
            message.velocity,
            event,
        )

    def _event(self, begun: Message, ended: Message, end_s: float) -> Event | None:
        """The whole note, as the decoder gives it."""
        if end_s <= begun.time_s:
            return None
        assert ended.score is not None
        note = Event(
            self._start_s + begun.time_s,
            self._start_s + end_s,
            NOTE.id,
            ended.score,
            pitch=float(ended.pitch),
            velocity=ended.velocity,
            flags=SOFT if begun.score is None else "",
        )
        return placed(note, self._cents)
