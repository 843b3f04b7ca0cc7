"""Pieces for several instruments, with the truth of who sounds when.

A piece has one to four pitched instruments and, half the time each, drums and bass. All share tempo, metre,
key and harmony; some enter late or leave early. ``render_pieces`` writes::

    out/piece-00000.flac             mono, 16 bit
    out/piece-00000.timeline.csv     start,end,label: where each label is heard
    out/piece-00000.notes.csv        onset,offset,pitch,velocity,label,score
    out/manifest.csv, out/render.json

The timeline is taken from the sound of each stem, not from its score: a cymbal rings on after its note, a
held flute does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope.data.rendering import music, orchestra, render
from sonoscope.data.rendering.music import Control, Score
from sonoscope.data.rendering.orchestra import Instrument, Program
from sonoscope.data.rendering.synth import KNOWN_FONTS, Chorus, Reverb, Synth
from sonoscope.errors import SonoscopeError, UsageError

TIMELINE_COLUMNS = ("start", "end", "label")

#: An instrument is heard while its level over ``_FRAME_S`` is within this of its loudest.
_AUDIBLE_DB = 42.0
_FRAME_S = 0.05
#: Silences shorter than this do not interrupt an instrument.
_GAP_S = 0.3
#: What sounds more briefly than this does not count.
_SHORTEST_S = 0.1
#: Root mean square of a stem before its gain, while it is heard.
_LEVEL = 0.08
_TRIES = 20


@dataclass(frozen=True)
class Part:
    """What one player of a piece does. ``gain_db`` is relative to the other players."""

    instrument: Instrument
    program: Program
    score: Score
    gain_db: float = 0.0


@dataclass(frozen=True, eq=False)
class Piece:
    """A rendered piece.

    Attributes
    ----------
    samples : np.ndarray, shape (n,), float32
        Mono; peak at most ``render.PEAK``.
    timeline : tuple of (start_s, end_s, label)
        Where each label is heard, in order of time; intervals of one label do not touch.
    notes : tuple of rows
        As in a note CSV, in order of onset.
    """

    samples: np.ndarray
    timeline: tuple[tuple[float, float, str], ...]
    notes: tuple[tuple, ...]


def sounding_times(samples: np.ndarray, sample_rate: int) -> list[tuple[float, float]]:
    """Intervals in seconds in which a stem, shape (n,), is heard: within 42 dB of its loudest 50 ms.

    Gaps under 0.3 s are bridged, what is left shorter than 0.1 s is dropped. Digital silence gives none.
    Interval ends are multiples of 50 ms, cut to the length of the stem.
    """
    step = round(_FRAME_S * sample_rate)
    frames = np.zeros(-(-samples.size // step) * step, dtype=np.float64)
    frames[: samples.size] = samples
    power = np.mean(frames.reshape(-1, step) ** 2, axis=1)
    if not power.size or power.max() <= 0.0:
        return []
    heard = np.concatenate([[False], power > power.max() * 10 ** (-_AUDIBLE_DB / 10), [False]])
    edges = np.flatnonzero(heard[1:] != heard[:-1]).reshape(-1, 2) * step / sample_rate
    joined: list[list[float]] = []
    for start, end in edges:
        if joined and start - joined[-1][1] < _GAP_S:
            joined[-1][1] = float(end)
        else:
            joined.append([float(start), float(end)])
    length = samples.size / sample_rate
    return [(start, min(end, length)) for start, end in joined if end - start >= _SHORTEST_S]


def perform(
    synth: Synth, parts: Sequence[Part], *, reverb: Reverb | None = None, chorus: Chorus | None = None
) -> Piece:
    """Play the parts in one room and mix them.

    Every stem is brought to the same level (while it is heard) before its gain. Scores of different lengths
    are mixed from the start; the longest gives the length.
    """
    stems, spans, notes = [], [], []
    for part in parts:
        score = synth.grid(part.score)
        stem = synth.render(score, part.program.number, part.instrument.bank, reverb=reverb, chorus=chorus)
        heard = sounding_times(stem, synth.sample_rate)
        if not heard:
            continue
        stems.append(stem * _gain(stem, heard, synth.sample_rate, part.gain_db))
        spans += [(start, end, part.instrument.label) for start, end in heard]
        notes += render.note_rows(score, part.instrument.label)
    mixture = np.zeros(max((stem.size for stem in stems), default=0), dtype=np.float32)
    for stem in stems:
        mixture[: stem.size] += stem
    peak = float(np.abs(mixture).max(initial=0.0))
    if peak > render.PEAK:
        mixture *= np.float32(render.PEAK / peak)
    return Piece(mixture, union(spans), tuple(sorted(notes, key=lambda row: (float(row[0]), row[2]))))


def _gain(stem: np.ndarray, heard: list[tuple[float, float]], sample_rate: int, gain_db: float) -> np.float32:
    """What brings a stem's level while it is heard to the common one, and then to its own."""
    active = np.concatenate([stem[round(a * sample_rate) : round(b * sample_rate)] for a, b in heard])
    level = float(np.sqrt(np.mean(active.astype(np.float64) ** 2)))
    return np.float32(_LEVEL / level * 10 ** (gain_db / 20))


def union(spans: Iterable[tuple[float, float, str]]) -> tuple[tuple[float, float, str], ...]:
    """Intervals of the same label joined where they overlap or nearly touch, in order of time."""
    joined: dict[str, list[list[float]]] = {}
    for start, end, label in sorted(spans):
        own = joined.setdefault(label, [])
        if own and start - own[-1][1] < _GAP_S:
            own[-1][1] = max(own[-1][1], end)
        else:
            own.append([start, end])
    return tuple(sorted((start, end, label) for label, own in joined.items() for start, end in own))


def draw_parts(rng: np.random.Generator, instruments: Sequence[Instrument], duration_s: float) -> list[Part]:
    """Draw who plays and what. Classes are drawn evenly, then instruments within them.

    Drums and bass, where they are among ``instruments``, accompany; they also play alone where nothing else
    is given.
    """
    rhythm = [i for i in instruments if i.label in ("drums", "bass")]
    by_label: dict[str, list[Instrument]] = {}
    for instrument in instruments:
        if instrument not in rhythm:
            by_label.setdefault(instrument.label, []).append(instrument)
    count = min(len(by_label), int(rng.choice([1, 2, 3, 4], p=[0.25, 0.35, 0.25, 0.15])))
    chosen = [str(label) for label in rng.choice(list(by_label), count, replace=False)] if by_label else []
    players = [by_label[label][int(rng.integers(len(by_label[label])))] for label in chosen]
    players += [instrument for instrument in rhythm if not by_label or rng.random() < 0.5]
    parts: list[Part] = []
    for player in players:
        program = player.program_for(int(rng.integers(64)))
        along = parts[0].score if parts else None
        score = music.compose(player, rng, duration_s, program=program, along=along)
        parts.append(Part(player, program, score, gain_db=float(rng.uniform(-9, 0))))
    # The first plays throughout, so that no piece is empty.
    return [parts[0], *(replace(part, score=_late_or_early(part.score, rng)) for part in parts[1:])]


def excerpt(score: Score, start_s: float, end_s: float) -> Score:
    """The score with only the notes that begin in ``[start_s, end_s)``, ended there, and the pedal up after
    it.

    Raises
    ------
    ValueError
        If the interval is empty or not within the piece.
    """
    if not 0 <= start_s < end_s <= score.duration_s:
        raise ValueError(
            f"start_s={start_s}, end_s={end_s} must lie in 0..{score.duration_s}, the first below"
        )
    kept = tuple(
        replace(note, offset_s=min(note.offset_s, end_s))
        for note in score.notes
        if start_s <= note.onset_s < end_s - music.SHORTEST_S
    )
    controls = [c for c in score.controls if c.kind != "pedal" or c.time_s < end_s]
    if any(c.kind == "pedal" for c in controls):
        controls.append(Control(end_s, "pedal", 0.0))
    return replace(score, notes=kept, controls=tuple(sorted(controls)))


def _late_or_early(score: Score, rng: np.random.Generator) -> Score:
    """All of a score, or (half of the time) only what lies between a late entry and an early end."""
    if rng.random() < 0.5:
        return score
    length = score.duration_s * float(rng.uniform(0.35, 0.8))
    start = float(rng.uniform(0.0, score.duration_s - length))
    part = excerpt(score, start, start + length)
    return part if part.notes else score


def render_pieces(
    out: str | Path,
    *,
    soundfont: str | Path,
    count: int,
    instruments: Sequence[str] | None = None,
    duration_s: float = 20.0,
    seed: int = 0,
    sample_rate: int = 24_000,
    format: str = "flac",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render ``count`` pieces into the folder ``out`` and return its manifest.

    ``instruments`` are names of :data:`sonoscope.data.rendering.orchestra.ORCHESTRA` (default: all). The other
    parameters and the errors are those of :func:`sonoscope.data.rendering.render.render_stems`: the same seed gives the
    same bytes, what exists is not rendered again, no two pieces share a bar.
    """
    out = Path(out)
    render.check(duration_s, seed, format)
    if count < 1:
        raise UsageError(f"count={count} must be at least 1")
    players = [orchestra.find(name) for name in instruments or orchestra.ORCHESTRA]
    names = sorted(player.name for player in players)
    with Synth(soundfont, sample_rate) as synth:
        players = [synth.fitted(player) for player in players]
        settings = {"soundfont": synth.name, "duration_s": float(duration_s), "seed": seed,
                    "sample_rate": sample_rate, "format": format, "instruments": names}  # fmt: skip
        total = render.merge_settings(out, settings, {"pieces": count})["pieces"]
        rows = []
        seen: set[str] = set()
        for index in range(total):
            own, parts = _draw_new(players, duration_s, (seed, 2, index), seen)
            name = f"piece-{index:05d}"
            if not (out / f"{name}.{format}").is_file():
                _write_piece(out / name, parts, own, synth, format)
            rows.append(_row(out / name, parts, own, synth.name, duration_s, format))
            if progress is not None:
                progress(index + 1, total)
    manifest = out / "manifest.csv"
    render.write_csv(manifest, render.MANIFEST_COLUMNS, rows)
    return manifest


def _draw_new(
    players: Sequence[Instrument], duration_s: float, keys: tuple[int, ...], seen: set[str]
) -> tuple[int, list[Part]]:
    """A seed and the parts drawn from it that share no bar with what was ``seen``, which grows."""
    first = int(np.random.SeedSequence(keys).generate_state(1)[0])
    for attempt in range(_TRIES):
        seed = (first + attempt) % 2**32
        parts = draw_parts(np.random.default_rng(seed), players, duration_s)
        bars = frozenset().union(*(music.bars(part.score) for part in parts))
        if seen.isdisjoint(bars):
            seen |= bars
            return seed, parts
    raise SonoscopeError(
        f"{_TRIES} pieces in a row share a bar with an earlier one; ask for longer or fewer pieces"
    )


def _write_piece(stem: Path, parts: list[Part], seed: int, synth: Synth, format: str) -> None:
    """Play one piece; the sound is written last, so that a sound that exists has its truth."""
    reverb, chorus, _ = render.draw_room(np.random.default_rng((seed, 1)))
    piece = perform(synth, parts, reverb=reverb, chorus=chorus)
    render.write_csv(stem.with_suffix(".timeline.csv"), TIMELINE_COLUMNS, timeline_rows(piece))
    render.write_csv(stem.with_suffix(".notes.csv"), render.NOTE_COLUMNS, list(piece.notes))
    render.write_sound(stem.with_suffix(f".{format}"), piece.samples, synth.sample_rate)


def timeline_rows(piece: Piece) -> list[tuple]:
    """The timeline with times to the millisecond."""
    return [(f"{start:.3f}", f"{end:.3f}", label) for start, end, label in piece.timeline]


def _row(stem: Path, parts: list[Part], seed: int, font: str, duration_s: float, format: str) -> tuple:
    """A piece's row in the manifest, with the labels of its timeline."""
    timeline = stem.with_suffix(".timeline.csv")
    values = {
        "path": f"{stem.name}.{format}",
        "start_s": 0,
        "duration_s": f"{duration_s:g}",
        **render.label_columns({row["label"] for row in render.read_csv(timeline)}),
        "group": font,
        "source": "rendered",
        "licence": KNOWN_FONTS[font].licence if font in KNOWN_FONTS else "",
        "annotation": timeline.name,
        "instrument": ";".join(part.instrument.name for part in parts),
        "program": ";".join(str(part.program.number) for part in parts),
        "soundfont": font,
        "seed": seed,
    }
    return tuple(values.get(column, "") for column in render.MANIFEST_COLUMNS)
