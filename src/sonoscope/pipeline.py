"""The path of the data, as code: recording, decode, features, windows, model, scores.

Nothing here ever holds a recording: blocks of samples go in, a row of logits per window comes out. Deciding
(events) and writing (outputs) start from the table of scores and live beside this module, since they are done
again whenever a threshold changes.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass

import numpy as np

from sonoscope import scores as score_tables
from sonoscope.audio.arrays import LOUDEST
from sonoscope.audio.decode import AudioInfo, Decoder
from sonoscope.audio.rates import at_rate
from sonoscope.errors import UsageError
from sonoscope.models.answers import answering
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.values import Recording, Scores
from sonoscope.windows import Grid, in_samples

#: Swing (of full scale) below which a channel is called silent: the last bit of 16.
SILENT_SWING = 1.0 / 32768.0
#: The note of a recording in which nothing was recorded begins so: no model can know it.
SILENT = "silent"
#: The note of a recording with one channel upside down begins so.
CANCEL = "its channels cancel each other in their mean"
#: Share of samples at full scale from which a recording is called clipped.
CLIPPED_SHARE = 1e-3
#: That nothing is recorded any more is said of a tenth of a recording, of a minute in any case, never of a pause.
STILL_SHARE, STILL_LONG_S, STILL_S = 0.1, 60.0, 10.0
#: Blocks that may wait between decoding and the model when they overlap.
QUEUED_BLOCKS = 8
#: Windows for which a table has room at first.
FIRST_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Analysis:
    """Scores of one recording and what was learnt about it while it was read.

    ``duration_s`` is counted, ``note`` says in plain words, ``;``-joined, what is special about the
    recording.
    """

    scores: Scores
    info: AudioInfo
    duration_s: float
    note: str


def score_recording(
    recording: Recording,
    bundle: Bundle,
    runtime: Runtime,
    *,
    hop_s: float | None = None,
    tail: str = "keep",
    channel: int | None = None,
    embeddings: bool = False,
    overlap: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Score a recording from its first sample to its last.

    Parameters
    ----------
    recording : Recording
    bundle, runtime : Bundle, Runtime
        The model and its loaded graph.
    hop_s : float, optional
        Distance between window starts in seconds, in (0, window]; default: the bundle's.
    tail : str
        ``keep``: the last window, filled with zeros, counts and its row is cut to the audio; ``drop``: rows
        that needed filling are left out. What is shorter than one window is filled as the bundle says, with zeros or
        by repetition.
    channel : int, optional
        1-based channel to analyse; default: the mean of all.
    embeddings : bool
        Also give each window's embedding.
    overlap : bool
        Decode in a second thread while the model runs; the result is the same.
    progress : callable, optional
        Called with the seconds done so far.

    Raises
    ------
    UnreadableAudio
        If the recording cannot be decoded, or the model has no numbers for it.
    UsageError
        If ``hop_s`` or ``tail`` is out of range.
    """
    with (
        answering(recording.name),
        Decoder(recording, sample_rate=bundle.sample_rate, channel=channel) as decoder,
    ):
        # The second thread must have stopped before the decoder closes, also when scoring fails.
        with closing(ahead(decoder.blocks())) if overlap else nullcontext(decoder.blocks()) as blocks:
            scores = score_blocks(
                blocks, bundle, runtime, hop_s=hop_s, tail=tail, embeddings=embeddings, progress=progress
            )
        remarks = sound_remarks(decoder) + _remarks(scores, bundle)
        return Analysis(scores, decoder.info, decoder.duration_s, "; ".join(remarks))


def score_samples(
    samples: np.ndarray,
    sample_rate: int,
    bundle: Bundle,
    runtime: Runtime,
    *,
    hop_s: float | None = None,
    tail: str = "keep",
    embeddings: bool = False,
) -> Analysis:
    """The same for a mono signal in memory, float, shape (n,), at any rate."""
    mono = np.asarray(samples, dtype=np.float32)
    if mono.ndim != 1:
        raise ValueError(f"samples must have shape (n,), got {mono.shape}")
    blocks = at_rate([mono], sample_rate, bundle.sample_rate)
    scores = score_blocks(blocks, bundle, runtime, hop_s=hop_s, tail=tail, embeddings=embeddings)
    info = AudioInfo(sample_rate, 1, "array", "memory", mono.size / sample_rate)
    return Analysis(scores, info, mono.size / sample_rate, "; ".join(_remarks(scores, bundle)))


def score_blocks(
    blocks: Iterable[np.ndarray],
    bundle: Bundle,
    runtime: Runtime,
    *,
    hop_s: float | None = None,
    tail: str = "keep",
    embeddings: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Scores:
    """Score mono float32 blocks at the model's rate; the arithmetic of windows and rounding lives here."""
    if tail not in ("keep", "drop"):
        raise UsageError(f"tail={tail!r} must be 'keep' or 'drop'")
    hop = bundle.hop_samples
    if hop_s is not None:
        hop = in_samples(hop_s, bundle.sample_rate, bundle.window_samples)
    scorer = runtime.scorer(hop, embeddings=embeddings)
    # Logits as they are kept: nothing after this needs them finer.
    all_logits, all_vectors = _Table(np.int16), _Table(np.float32)
    n_samples = 0
    for block in blocks:
        logits, vectors = scorer.push(block)
        all_logits.append(score_tables.quantise(logits))
        all_vectors.append(vectors)
        n_samples += block.size
        if progress is not None:
            progress(n_samples / bundle.sample_rate)
    logits, vectors = scorer.close()
    all_logits.append(score_tables.quantise(logits))
    all_vectors.append(vectors)
    logits, vectors = all_logits.rows(), all_vectors.rows()
    if tail == "drop":
        grid = Grid(bundle.window_samples, hop)
        whole = grid.ends(n_samples) - grid.starts(n_samples) == grid.window
        logits, vectors = logits[whole], vectors[whole]
    return score_tables.assemble(
        logits,
        bundle.calibration,
        labels=bundle.label_ids,
        sample_rate=bundle.sample_rate,
        window_samples=bundle.window_samples,
        hop_samples=hop,
        n_samples=n_samples,
        embeddings=vectors if embeddings else None,
    )


class _Table:
    """Rows that come a few at a time, in one array that doubles: thousands of small ones take more than they hold.

    The part that is not filled yet takes no memory, since nobody has written to it.
    """

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._held: np.ndarray | None = None
        self._count = 0

    def append(self, rows: np.ndarray) -> None:
        """Add rows of shape (k, ...), k >= 0."""
        if self._held is None:
            self._held = np.empty((FIRST_ROWS, *rows.shape[1:]), dtype=self._dtype)
        wanted = self._count + len(rows)
        if wanted > len(self._held):
            longer = np.empty((max(2 * len(self._held), wanted), *rows.shape[1:]), dtype=self._dtype)
            longer[: self._count] = self._held[: self._count]
            self._held = longer
        self._held[self._count : wanted] = rows
        self._count = wanted

    def rows(self) -> np.ndarray:
        """All of them, in order; at least one ``append`` has said what a row is."""
        assert self._held is not None
        return self._held[: self._count]


def sound_remarks(decoder: Decoder) -> list[str]:
    """What is special about the sound of a recording that was decoded to its end."""
    remarks = [decoder.problem] if decoder.problem else []
    silence = _silence(decoder)
    if silence:
        remarks.append(silence)
    if ending := _still_ending(decoder):
        remarks.append(ending)
    if decoder.peak > LOUDEST:
        remarks.append(f"reaches {decoder.peak:,.0f} times full scale: whole numbers that nobody divided?")
    elif decoder.clipped_share > CLIPPED_SHARE:
        remarks.append(f"clipped ({100 * decoder.clipped_share:.1f} % of samples at full scale)")
    if decoder.cancels:
        remarks.append(f"{CANCEL}: hear one of them (--channel 1)")
    return remarks


def _silence(decoder: Decoder) -> str:
    """In words, that nothing, or next to nothing, was recorded, in all channels or in some; else empty."""
    loudest = max(decoder.swings, default=math.inf)
    if loudest < SILENT_SWING:
        level = max(decoder.middles, key=abs)
        held = (
            f"a constant level of {level:.2g} of full scale"
            if abs(level) >= SILENT_SWING
            else "digital silence"
        )
        return f"{SILENT}: {held}, nothing was recorded (microphone, cable or plug?)"
    if loudest < math.inf:
        return (
            f"very quiet: nothing is louder than {20 * math.log10(loudest):.0f} dBFS (gain set low, or the microphone "
            "dead or covered?)"
        )
    dead = [number for number, swing in enumerate(decoder.swings, start=1) if swing < SILENT_SWING]
    if not dead:
        return ""
    which = f"channel {dead[0]} is" if len(dead) == 1 else f"channels {', '.join(map(str, dead))} are"
    alive = next(number for number in range(1, len(decoder.swings) + 1) if number not in dead)
    return (
        f"its {which} {SILENT} (microphone, cable or plug?), and the mean of all is quieter for it: hear one that "
        f"is not (--channel {alive})"
    )


def _still_ending(decoder: Decoder) -> str:
    """In words, that a recorder went on after its microphone had died; else empty."""
    from_s, to_s = decoder.still_from_s, decoder.duration_s
    if not from_s or to_s - from_s < max(STILL_S, min(STILL_LONG_S, STILL_SHARE * to_s)):
        return ""
    return (
        f"nothing was recorded from {from_s:.0f} s on, to its end at {to_s:.0f} s (did the microphone die, or is the "
        "end filled up?)"
    )


def is_silent(note: str) -> bool:
    """Whether the note of a recording says that nothing was recorded in it."""
    return any(remark.startswith(SILENT) for remark in note.split("; "))


def _remarks(scores: Scores, bundle: Bundle) -> list[str]:
    """What is special about the length."""
    if 0 < scores.n_samples < bundle.window_samples:
        filled = "repeated" if bundle.repeats_short else "padded"
        return [
            f"shorter than the model's window of {bundle.window_samples / bundle.sample_rate:g} s: {filled}"
        ]
    return []


def ahead(blocks: Iterator[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """The same blocks, made by a second thread a few blocks ahead; errors surface where they are consumed."""
    waiting: queue.Queue = queue.Queue(QUEUED_BLOCKS)
    stop = threading.Event()

    def hand_over(item: np.ndarray | BaseException | None) -> None:
        """Wait for room, but not for a consumer that has gone."""
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for block in blocks:
                # The decoder reuses its buffer.
                hand_over(block.copy())
                if stop.is_set():
                    return
            hand_over(None)
        except BaseException as error:
            hand_over(error)

    thread = threading.Thread(target=produce, name="decode", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
