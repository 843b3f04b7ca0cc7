"""The path of the data for notes, as code: recording, decode, tuning, features, graph, scores.

As in ``pipeline.py`` nothing here holds a recording: blocks of samples go in, blocks of note scores come out, to
whoever keeps them. Deciding starts from the scores and lives in ``notes/``.

A recording may be tuned away from A4 = 440 Hz. Its first minute says by how much (``features.tonality``), and the
pitches that the feature looks at are moved there; notes are then named in the recording's own tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass

import numpy as np

from sonoscope import pipeline
from sonoscope.audio.decode import AudioInfo, Decoder
from sonoscope.audio.rates import at_rate
from sonoscope.errors import UsageError
from sonoscope.features import tempo, tonality
from sonoscope.labels import pitch_hz, pitch_name
from sonoscope.models.answers import answering
from sonoscope.models.bundle import Bundle
from sonoscope.models.notes import NoteScorer
from sonoscope.models.runtime import Runtime
from sonoscope.notes.scores import NoteScores, concatenate
from sonoscope.notes.tempo import STEP_S, octave, strength
from sonoscope.values import Event, Recording

#: The tuning is measured in so many seconds from the start, which wait for it: 6 MB at 24 kHz.
TUNING_S = 60.0
#: A tuning counts if the peaks agree on one (music: 0.4 to 1; speech, noise, drums: below 0.25), and if it is
#: farther off than what a network hears as in tune. It is followed in whole steps, each a set of windows to prepare.
LEAST_AGREEMENT, LEAST_CENTS, STEP_CENTS = 0.3, 15.0, 5.0
#: Frames in a block of scores: what is decided, kept and read at a time.
BLOCK_FRAMES = 2048


#: Takes the scores as they come, block by block.
Keep = Callable[[NoteScores], None]


@dataclass(frozen=True, eq=False)
class NoteAnalysis:
    """What was learnt about a recording while its notes were scored.

    ``duration_s`` is counted, ``note`` says in plain words, ``;``-joined, what is special; ``cents`` is the tuning that
    was followed.
    """

    info: AudioInfo
    duration_s: float
    note: str
    cents: float


def note_recording(
    recording: Recording,
    bundle: Bundle,
    runtime: Runtime,
    keep: Keep,
    *,
    channel: int | None = None,
    cents: float | None = None,
    overlap: bool = False,
    progress: Callable[[float], None] | None = None,
) -> NoteAnalysis:
    """Score the notes of a recording from its first sample to its last.

    Parameters
    ----------
    recording : Recording
    bundle, runtime : Bundle, Runtime
        A model of the task ``notes`` and its loaded graph.
    keep : function
        Called with each block of scores, in order.
    channel : int, optional
        1-based channel to analyse; default: the mean of all.
    cents : float, optional
        How far the recording is tuned above A4 = 440 Hz, -50..50; default: what its first minute says.
    overlap : bool
        Decode in a second thread while the model runs; the result is the same.
    progress : callable, optional
        Called with the seconds done so far.

    Raises
    ------
    UnreadableAudio
        If the recording cannot be decoded, or the model has no numbers for it.
    UsageError
        If ``cents`` is out of range.
    """
    with (
        answering(recording.name),
        Decoder(recording, sample_rate=bundle.sample_rate, channel=channel) as decoder,
    ):
        # The second thread must have stopped before the decoder closes, also when scoring fails.
        with (
            closing(pipeline.ahead(decoder.blocks())) if overlap else nullcontext(decoder.blocks()) as blocks
        ):
            told = _told(blocks, bundle.sample_rate, progress)
            rate = decoder.info.sample_rate
            cents = note_blocks(told, bundle, runtime, keep, cents=cents, source_rate=rate)
        remarks = [*pipeline.sound_remarks(decoder), *_remarks(bundle, rate, cents)]
        return NoteAnalysis(decoder.info, decoder.duration_s, "; ".join(remarks), cents)


def note_samples(
    samples: np.ndarray,
    sample_rate: int,
    bundle: Bundle,
    runtime: Runtime,
    keep: Keep,
    *,
    cents: float | None = None,
) -> NoteAnalysis:
    """The same for a mono signal in memory, float, shape (n,), at any rate."""
    mono = np.asarray(samples, dtype=np.float32)
    if mono.ndim != 1:
        raise ValueError(f"samples must have shape (n,), got {mono.shape}")
    blocks = at_rate([mono], sample_rate, bundle.sample_rate)
    cents = note_blocks(blocks, bundle, runtime, keep, cents=cents, source_rate=sample_rate)
    info = AudioInfo(sample_rate, 1, "array", "memory", mono.size / sample_rate)
    note = "; ".join(_remarks(bundle, sample_rate, cents))
    return NoteAnalysis(info, mono.size / sample_rate, note, cents)


def note_blocks(
    blocks: Iterable[np.ndarray],
    bundle: Bundle,
    runtime: Runtime,
    keep: Keep,
    *,
    cents: float | None = None,
    source_rate: int | None = None,
) -> float:
    """Score mono float32 blocks at the model's rate; the tuning that was followed, in cents."""
    if cents is not None and not -50 <= cents <= 50:
        raise UsageError(f"tuning={cents:g} must lie in -50..50 cents from A4 = 440 Hz, or be auto")
    blocks = iter(blocks)
    first: list[np.ndarray] = []
    if cents is None:
        first, cents = _tuned(blocks, bundle.sample_rate)
    scorer = NoteScorer(runtime, cents=cents, source_rate=source_rate)
    regroup = _Regroup(keep)
    while first:
        regroup.add(scorer.push(first.pop(0)))
    for block in blocks:
        regroup.add(scorer.push(block))
    regroup.add(scorer.close())
    regroup.close()
    return cents


class _Regroup:
    """Passes scores on in blocks of one size, so that what is kept is the same however the sound came."""

    def __init__(self, keep: Keep) -> None:
        self._keep, self._waiting, self._count = keep, list[NoteScores](), 0

    def add(self, scores: list[NoteScores]) -> None:
        for part in scores:
            self._waiting.append(part)
            self._count += len(part)
            if self._count >= BLOCK_FRAMES:
                whole = concatenate(self._waiting)
                self._keep(whole.rows(0, BLOCK_FRAMES))
                self._waiting = [whole.rows(BLOCK_FRAMES, self._count)]
                self._count -= BLOCK_FRAMES

    def close(self) -> None:
        if self._count:
            self._keep(concatenate(self._waiting))


def _tuned(blocks: Iterator[np.ndarray], sample_rate: int) -> tuple[list[np.ndarray], float]:
    """The blocks of the first minute, and the tuning to follow in cents."""
    held: list[np.ndarray] = []
    wanted = round(TUNING_S * sample_rate)
    for block in blocks:
        held.append(block.copy())  # the decoder uses its buffer again
        if sum(part.size for part in held) >= wanted:
            break
    found = tonality.tuning(np.concatenate(held)[:wanted], sample_rate) if held else None
    if found is None or found.agreement < LEAST_AGREEMENT or abs(found.cents) < LEAST_CENTS:
        return held, 0.0
    return held, STEP_CENTS * round(found.cents / STEP_CENTS)


def _told(
    blocks: Iterable[np.ndarray], sample_rate: int, progress: Callable[[float], None] | None
) -> Generator[np.ndarray, None, None]:
    """The same blocks; each is told when the next is asked for."""
    n_samples = 0
    for block in blocks:
        yield block
        n_samples += block.size
        if progress is not None:
            progress(n_samples / sample_rate)


def _remarks(bundle: Bundle, source_rate: int, cents: float) -> list[str]:
    """What is special about tuning and rate."""
    found = []
    if cents:
        found.append(f"tuned {abs(cents):g} cents {'above' if cents > 0 else 'below'} A4 = 440 Hz: followed")
    highest = bundle.lowest + len(bundle.labels) - 1
    heard = [m for m in range(bundle.lowest, highest + 1) if pitch_hz(m + cents / 100) < source_rate / 2]
    if heard and heard[-1] < highest:
        top = pitch_name(heard[-1])
        found.append(
            f"sampled at {source_rate:,} Hz: nothing above {source_rate / 2:,.0f} Hz, no note above {top}"
        )
    elif not heard:
        found.append(f"sampled at {source_rate:,} Hz: no note can be heard in it")
    return found


def tempo_of(notes: Iterable[Event]) -> float | None:
    """The tempo in beats a minute that notes keep, to a hundredth; None if they keep none.

    Heard in when they begin, the loud ones more (``features.tempo``); which octave of it is the beat is told from how
    many begin in it, and from the low ones (``notes.tempo``).
    """
    notes = list(notes)
    heard = heard_tempo(notes)
    return None if heard is None else round(float(octave(notes, heard)), 2)


def heard_tempo(notes: Sequence[Event]) -> float | None:
    """How far apart notes like to begin, in beats a minute, which may be twice or half the beat; or None."""
    if not notes:
        return None
    start_s = np.array([note.start_s for note in notes])
    weight = np.array([(64 if note.velocity is None else note.velocity) / 127 for note in notes])
    counted = strength(start_s, weight)
    if len(counted) * STEP_S < tempo.SHORTEST_S:
        return None
    found = tempo.tempo_of(counted, 1 / STEP_S)
    return None if found is None else found.beats_per_minute
