"""What rows sound like: level, clipping, silence, classical features, key and tempo, a row of numbers for each.

Everything is measured on mono at 22,050 Hz. Of a row longer than :data:`HEARD_S` only its beginning is measured;
its length is counted all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.audio.reader import AudioInfo
from sonoscope.data import clips, survey
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio
from sonoscope.features import statistics, tempo, timbre, tonality
from sonoscope.features.statistics import COLUMNS, SAMPLE_RATE
from sonoscope.features.tempo import Tempo
from sonoscope.features.tonality import Key

#: So much of a row is measured, from its start, in seconds.
HEARD_S = 60.0
#: A file whose header promises more than this is counted before it is heard, so that it never lies in memory whole.
HELD_S = 600.0
#: From this absolute value on a sample counts as clipped. Resampling moves full scale a little.
CLIPPED = 0.99
#: A frame below this level is silent, dB of full scale; so is a level of no sound at all.
SILENCE_DB = -60.0
NOTHING_DB = -120.0
#: Shortest row, in seconds, that is asked for its key.
KEY_S = 3.0
#: A key counts as heard from this correlation on, a tempo from this strength on: noise reaches neither.
SURE_KEY, SURE_TEMPO = 0.7, 0.25


@dataclass(frozen=True)
class Heard:
    """Measurements of rows that were heard, arrays of shape (n,) in the order of the rows.

    Attributes
    ----------
    rows : np.ndarray of int
        Places of the rows in the manifest.
    duration_s : np.ndarray
        Length of the whole row.
    level_db, peak_db : np.ndarray
        Root mean square and largest sample, dB of full scale.
    clipped, silent : np.ndarray
        Share of samples at full scale, share of frames (93 ms) below -60 dB.
    features : np.ndarray, shape (n, columns)
        The columns of :data:`sonoscope.features.statistics.COLUMNS`.
    keys, tempos : tuple
        None where the row is too short or says nothing about it.
    tones : tuple of str
        The pitch class that sounds most; empty with no key.
    formats : tuple of AudioInfo or None
        What the files say of themselves.
    """

    rows: np.ndarray
    duration_s: np.ndarray
    level_db: np.ndarray
    peak_db: np.ndarray
    clipped: np.ndarray
    silent: np.ndarray
    features: np.ndarray
    keys: tuple[Key | None, ...]
    tones: tuple[str, ...]
    tempos: tuple[Tempo | None, ...]
    formats: tuple[AudioInfo | None, ...]

    def __len__(self) -> int:
        return self.rows.size

    def column(self, name: str) -> np.ndarray:
        """One feature of all rows."""
        return np.asarray(self.features[:, COLUMNS.index(name)])

    def sure_keys(self) -> list[Key]:
        """The keys that are more than a guess."""
        return [key for key in self.keys if key is not None and key.correlation >= SURE_KEY]

    def sure_tempos(self) -> list[Tempo]:
        """The tempos that are more than a guess."""
        return [found for found in self.tempos if found is not None and found.strength >= SURE_TEMPO]


@dataclass(frozen=True)
class _Measured:
    row: int
    duration_s: float
    level_db: float
    peak_db: float
    clipped: float
    silent: float
    features: tuple[float, ...]
    key: Key | None
    tone: str
    tempo: Tempo | None
    format: AudioInfo | None


def sample(rows: Sequence[Row], n: int | None) -> list[int]:
    """Places of ``n`` rows, or of all, in their order.

    The choice follows from path and start of each row alone: the same rows are chosen every time, and in a set that
    has grown nearly the same.
    """
    if n is None or n >= len(rows):
        return list(range(len(rows)))

    def draw(place: int) -> bytes:
        row = rows[place]
        return hashlib.blake2b(f"{row.path}\0{row.start_s:.3f}".encode(), digest_size=8).digest()

    return sorted(sorted(range(len(rows)), key=lambda place: (draw(place), place))[:n])


def hear(
    manifest: Manifest,
    places: Sequence[int],
    *,
    report: Callable[[Problem], None],
    progress: Callable[[int, int], None] | None = None,
) -> Heard:
    """Measure rows.

    Parameters
    ----------
    manifest : Manifest
    places : sequence of int
        Which rows; see :func:`sample`.
    report : callable
        Told of each row that cannot be used, which is left out.
    progress : callable (rows done, rows in all), optional
    """
    files: dict[str, list[int]] = {}
    for place in places:
        files.setdefault(manifest.rows[place].path, []).append(place)
    measured: list[_Measured] = []
    done = 0
    for mine in files.values():
        for found in _of_file(manifest, mine):
            if isinstance(found, _Measured):
                measured.append(found)
            else:
                report(found)
            done += 1
            if progress is not None:
                progress(done, len(places))
    return _collected(sorted(measured, key=lambda each: each.row))


def _of_file(manifest: Manifest, places: Sequence[int]) -> Iterator[_Measured | Problem]:
    """What is measured of the rows of one file, or why it cannot be, one for each row."""
    info = _info(manifest, manifest.rows[places[0]])
    parts: list[Row] = []
    lengths: list[float | None] = []
    for place in places:
        row = manifest.rows[place]
        try:
            part, length_s = _bounded(manifest, row, info)
        except UnreadableAudio as error:
            for each in (manifest.rows[other] for other in places):
                yield Problem(each.path, each.start_s, each.duration_s, error.reason, error.remedy)
            return
        parts.append(part)
        lengths.append(length_s)
    problems: list[Problem] = []
    whole = [manifest.rows[place] for place in places]
    for clip in clips.each(manifest, SAMPLE_RATE, rows=parts, whole=whole, report=problems.append):
        if clip.samples.size:
            yield _measure(places[clip.index], clip.samples, lengths[clip.index], info)
        else:
            row = whole[clip.index]
            yield Problem(row.path, row.start_s, row.duration_s, "holds no sound", "Leave it out.")
    yield from problems


def _info(manifest: Manifest, row: Row) -> AudioInfo | None:
    """What a file says of itself; None if it cannot be opened, of which decoding will tell."""
    try:
        if not Path(manifest.path_of(row)).exists():
            return None
        with Decoder(manifest.recording_of(row)) as decoder:
            return decoder.info
    except UnreadableAudio:
        return None


def _bounded(manifest: Manifest, row: Row, info: AudioInfo | None) -> tuple[Row, float | None]:
    """The part of a row to hear, and how long the row is; None: as long as what is heard."""
    length_s = row.duration_s
    if length_s is None and info is not None and not (info.duration_hint_s or np.inf) <= HELD_S:
        length_s = survey.counted(manifest.recording_of(row)) - row.start_s
    if length_s is None or length_s <= HEARD_S:
        return row, length_s
    return replace(row, duration_s=HEARD_S), length_s


def _measure(place: int, samples: np.ndarray, length_s: float | None, info: AudioInfo | None) -> _Measured:
    duration_s = samples.size / SAMPLE_RATE if length_s is None else length_s
    heard = samples[: int(HEARD_S * SAMPLE_RATE)]
    magnitude = timbre.magnitudes(heard)
    levels = statistics.rms(heard)
    features = statistics.describe(heard, SAMPLE_RATE, magnitude=magnitude)
    key, tone = None, ""
    if heard.size >= KEY_S * SAMPLE_RATE:
        classes = tonality.pitch_classes(heard, SAMPLE_RATE)
        key = tonality.key_of(classes)
        tone = tonality.TONES[int(np.argmax(classes))] if key is not None else ""
    size = np.abs(heard)
    return _Measured(
        row=place,
        duration_s=duration_s,
        level_db=_db(float(np.sqrt(np.mean(np.square(heard, dtype=np.float64))))),
        peak_db=_db(float(size.max())),
        clipped=float(np.mean(size >= CLIPPED)),
        silent=float(np.mean(levels < 10 ** (SILENCE_DB / 20))),
        features=tuple(features.values()),
        key=key,
        tone=tone,
        tempo=tempo.tempo(heard, SAMPLE_RATE),
        format=info,
    )


def _db(amplitude: float) -> float:
    return max(20.0 * float(np.log10(max(amplitude, 1e-12))), NOTHING_DB)


def _collected(measured: Sequence[_Measured]) -> Heard:
    def numbers(name: str) -> np.ndarray:
        return np.array([getattr(each, name) for each in measured], dtype=np.float64)

    return Heard(
        rows=np.array([each.row for each in measured], dtype=np.int64),
        duration_s=numbers("duration_s"),
        level_db=numbers("level_db"),
        peak_db=numbers("peak_db"),
        clipped=numbers("clipped"),
        silent=numbers("silent"),
        features=np.array([each.features for each in measured], dtype=np.float64).reshape(-1, len(COLUMNS)),
        keys=tuple(each.key for each in measured),
        tones=tuple(each.tone for each in measured),
        tempos=tuple(each.tempo for each in measured),
        formats=tuple(each.format for each in measured),
    )


def with_lengths(manifest: Manifest, heard: Heard) -> Manifest:
    """The manifest with the length of every row that was heard and did not state one."""
    rows = list(manifest.rows)
    for place, duration_s in zip(heard.rows.tolist(), heard.duration_s.tolist(), strict=True):
        if rows[place].duration_s is None:
            rows[place] = replace(rows[place], duration_s=duration_s)
    return replace(manifest, rows=tuple(rows))
