"""The same sound twice: known from tables, or found by listening.

**Known**: performances of one movement in MusicNet (:data:`KNOWN`). They do not sound the same, sample by sample, and
yet a model that was trained on one has heard the other's notes.

**Found**: copies at another level, rate, codec, with another beginning, or overlapping in part. Hashes of peaks
(:mod:`~sonoscope.data.fingerprint`) stand in one inverted index, so the work grows with the number of clips and of
coincidences, not of pairs; clips that share hashes at one offset are candidates, and their waveforms are compared
there. The *similarity* of two clips is the highest correlation coefficient of their waveforms at 8 kHz, within 32 ms of
that offset, over all of the time that both would share: 1 for a copy, above 0.9 for one that went through MP3. The
same note played again has the same peaks, but its phases run apart.

What is not found: sound that is stretched or transposed, recorded anew from a loudspeaker, mixed with something as
loud, or the mere decay of a note whose attack was cut away.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from sonoscope.data import clips
from sonoscope.data.datasets import musicnet
from sonoscope.data.fingerprint import HOP, SAMPLE_RATE, hashes
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UnreadableAudio, UsageError

#: Two clips are near-duplicates from this similarity on: the figures are in docs/splits.md.
SIMILAR = 0.9
#: Below this at whole samples, a similarity is not worth being told (between samples it may be a tenth higher).
PROMISING = 0.4
#: Hashes at one offset that make two clips candidates.
LEAST_VOTES = 4
#: Two clips must share at least this much time, or this part of the shorter one, whichever is less.
LEAST_SHARED_S, LEAST_SHARED_PART = 0.5, 0.8
#: Hashes that the index holds; with more, the same random half of all of them is let go.
MOST_HASHES = 40_000_000
#: Coincidences that are counted: those of the rarest hashes first, which say the most.
MOST_COINCIDENCES = 60_000_000
#: Candidates that are listened to for one clip, those with most votes.
MOST_CANDIDATES = 10
#: Of shared time, what is compared at most: the middle.
_COMPARED_S = 20.0
#: Seconds of sound that wait for being compared again, in half precision: 128 MB.
_KEPT_S = 8_000.0
_ROW_BITS, _TIME_BITS = 20, 23

#: Source of the rows -> groups of file names (without suffix) that are versions of one piece.
KNOWN: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "musicnet": tuple(tuple(map(str, versions)) for versions in musicnet.VERSIONS)
}


@dataclass(frozen=True)
class Pair:
    """Two rows of a manifest that hold the same sound; ``first < second`` are their places.

    Attributes
    ----------
    offset_s : float
        What sounds at the start of the second sounds this long after the start of the first.
    shared_s : float
        Seconds that both have.
    similarity : float
        See above.
    votes : int
        Hashes that agree.
    """

    first: int
    second: int
    offset_s: float
    shared_s: float
    similarity: float
    votes: int


# ---- known -------------------------------------------------------------------------------------------------


def known(manifest: Manifest) -> list[tuple[int, ...]]:
    """Places of rows that are known to be versions of one piece, a tuple for each piece that has several here."""
    versions: dict[tuple[str, str], tuple[str, int]] = {
        (source, name): (source, number)
        for source, pieces in KNOWN.items()
        for number, names in enumerate(pieces)
        for name in names
    }
    found: dict[tuple[str, int], list[int]] = {}
    files: dict[tuple[str, int], set[str]] = {}
    for place, row in enumerate(manifest.rows):
        piece = versions.get((row.source.lower(), PurePosixPath(row.path).stem))
        if piece is not None:
            found.setdefault(piece, []).append(place)
            files.setdefault(piece, set()).add(row.path)
    return [tuple(places) for piece, places in found.items() if len(files[piece]) > 1]


# ---- found -------------------------------------------------------------------------------------------------


def find(
    manifest: Manifest,
    *,
    apart: Sequence[Hashable] | None = None,
    similar: float = SIMILAR,
    report: Callable[[Problem], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Pair]:
    """The pairs of rows that hold the same sound, by first and second.

    Parameters
    ----------
    manifest : Manifest
    apart : sequence, one for each row, optional
        Rows with the same value are not compared, since they stay together anyway; default: the file.
    similar : float
        In (0, 1].
    report : callable, optional
        Takes a ``Problem`` for each row that cannot be heard; without it the first one raises.
    progress : function (clips heard, clips in all), optional

    Raises
    ------
    UsageError
        If ``similar`` is out of range, or there are more than a million rows.
    UnreadableAudio
        If a row cannot be decoded and nothing takes the report.
    """
    if not 0 < similar <= 1:
        raise UsageError(f"similar={similar} must lie in (0, 1]")
    if len(manifest) >= 1 << _ROW_BITS:
        raise UsageError(
            f"{len(manifest):,} rows are more than the {1 << _ROW_BITS:,} that can be compared at once"
        )
    index = Index()
    for heard, clip in enumerate(clips.each(manifest, SAMPLE_RATE, report=report), start=1):
        index.add(clip.index, clip.samples)
        if progress is not None:
            progress(heard, len(manifest))
    sounds = _Sounds(manifest)
    apart = [row.path for row in manifest.rows] if apart is None else apart
    found = (_compared(sounds, *candidate) for candidate in index.candidates(apart))
    return sorted(
        (pair for pair in found if pair is not None and pair.similarity >= similar),
        key=lambda pair: (pair.first, pair.second),
    )


#: Hashes, the rows that have them, and when.
_Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


class Index:
    """Hashes of many sounds, and which sounds share them."""

    def __init__(self, *, most: int = MOST_HASHES) -> None:
        self._parts: list[_Columns] = []
        self._held, self._most, self._thinning = 0, most, 0

    def add(self, place: int, samples: np.ndarray) -> None:
        """Take the sound of row ``place``, mono at 8 kHz."""
        hashed, times = hashes(samples)
        owners = np.full(hashed.size, place, dtype=np.int32)
        self._parts.append(_thinned((hashed, owners, times), self._thinning))
        self._held += self._parts[-1][0].size
        while self._held > self._most:
            self._thinning += 1
            self._parts = [_thinned(part, self._thinning) for part in self._parts]
            self._held = sum(part[0].size for part in self._parts)

    def candidates(self, apart: Sequence[Hashable]) -> list[tuple[int, int, int, int]]:
        """First row, second row, offset in hops and votes of those that may be the same, by first and second."""
        if not self._held:
            return []
        hashed, owners, times = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        numbers: dict[Hashable, int] = {}
        codes = np.array([numbers.setdefault(value, len(numbers)) for value in apart], dtype=np.int32)
        order = np.lexsort((times, owners, hashed))
        hashed, owners, times = hashed[order], owners[order], times[order]
        keys = list(_coincidences(hashed, owners, times, codes))
        if not keys:
            return []
        votes = _counted(np.concatenate(keys))
        return _strongest(votes)


def _thinned(part: _Columns, times: int) -> _Columns:
    """The hashes that stay after halving so often: the same ones in every clip."""
    if not times:
        return part
    # Knuth's multiplicative hash, whose upper bits are mixed well.
    mixed = (part[0] * np.uint32(2_654_435_761)) >> np.uint32(32 - times)
    kept = mixed == 0
    return part[0][kept], part[1][kept], part[2][kept]


def _coincidences(
    hashed: np.ndarray, owners: np.ndarray, times: np.ndarray, codes: np.ndarray
) -> Iterator[np.ndarray]:
    """Packed (first, second, offset) for two occurrences of one hash, the rarest hashes first.

    Occurrences are sorted by hash and owner, so ``step`` places on is another occurrence of the same hash, or the
    hash has none left. A hash with m occurrences gives m (m - 1) / 2.
    """
    starts = np.flatnonzero(np.r_[True, hashed[1:] != hashed[:-1]])
    sizes = np.diff(np.r_[starts, hashed.size])
    of_size = np.bincount(sizes)
    each = np.arange(of_size.size, dtype=np.int64)
    total = np.cumsum(of_size * each * (each - 1) // 2)
    largest = int(np.searchsorted(total, MOST_COINCIDENCES, side="right")) - 1
    alike = np.repeat(sizes, sizes)
    for step in range(1, largest):
        if step & (step - 1) == 0:
            # Without those that have none left: one hash of ten thousand must not make as many rounds of all.
            kept = (alike > step) & (alike <= largest)
            hashed, owners, times, alike = (a[kept] for a in (hashed, owners, times, alike))
        same = hashed[step:] == hashed[:-step]
        first, second = owners[:-step][same], owners[step:][same]
        delay = times[:-step][same] - times[step:][same]
        wanted = codes[first] != codes[second]
        first, second, delay = (a[wanted].astype(np.int64) for a in (first, second, delay))
        offset = delay + (1 << (_TIME_BITS - 1))
        yield (first << (_ROW_BITS + _TIME_BITS)) | (second << _TIME_BITS) | offset


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each key once, and how often it or its neighbours in offset occur (a boundary of frames may lie between)."""
    unique, counts = np.unique(keys, return_counts=True)
    votes = counts.copy()
    beside = np.flatnonzero(np.diff(unique) == 1)
    votes[beside] += counts[beside + 1]
    votes[beside + 1] += counts[beside]
    return unique, votes


def _strongest(counted: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, int, int, int]]:
    """The best offset of each pair with enough votes; of each row, the pairs with most."""
    keys, votes = (column[counted[1] >= LEAST_VOTES] for column in counted)
    pairs = keys >> _TIME_BITS
    order = np.lexsort((keys, -votes, pairs))
    order = order[np.r_[True, np.diff(pairs[order]) != 0]] if order.size else order
    found = [
        (
            int(pairs[i] >> _ROW_BITS),
            int(pairs[i] & ((1 << _ROW_BITS) - 1)),
            int(keys[i] & ((1 << _TIME_BITS) - 1)) - (1 << (_TIME_BITS - 1)),
            int(votes[i]),
        )
        for i in order
    ]
    taken: dict[int, int] = {}
    chosen = []
    for pair in sorted(found, key=lambda pair: (-pair[3], pair)):
        first, second = pair[:2]
        # Kept if it is among the strongest of either row: a much copied sound must not hide the others' copies.
        if min(taken.get(first, 0), taken.get(second, 0)) < MOST_CANDIDATES:
            chosen.append(pair)
            taken[first], taken[second] = taken.get(first, 0) + 1, taken.get(second, 0) + 1
    return sorted(chosen)


# ---- compared ----------------------------------------------------------------------------------------------


class _Sounds:
    """Samples of rows by place; the latest are kept, the others decoded again."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._held = 0

    def __getitem__(self, place: int) -> np.ndarray:
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        samples = clips.read(self._manifest, self._manifest.rows[place], SAMPLE_RATE).astype(np.float16)
        self._kept[place] = samples
        self._held += samples.size
        while self._held > _KEPT_S * SAMPLE_RATE and len(self._kept) > 1:
            self._held -= self._kept.popitem(last=False)[1].size
        return samples


def _compared(sounds: _Sounds, first: int, second: int, hops: int, votes: int) -> Pair | None:
    """The similarity of two candidates, or None if they share too little time or cannot be read again."""
    try:
        found = similarity(sounds[first], sounds[second], hops * HOP)
    except UnreadableAudio:
        return None
    if found is None:
        return None
    value, offset, shared = found
    return Pair(first, second, offset / SAMPLE_RATE, shared / SAMPLE_RATE, value, votes)


def similarity(first: np.ndarray, second: np.ndarray, offset: int) -> tuple[float, float, int] | None:
    """How much two sounds are the same where the second begins ``offset`` samples after the first.

    Returns
    -------
    similarity, offset, shared : float, float, int
        The highest correlation coefficient of their differences (which weighs high frequencies as much as low
        ones) within two hops of ``offset``; the offset where it is, to a quarter of a sample; samples shared. None
        if they share too little time, or are nothing alike (:data:`PROMISING`).
    """
    begin, stop = max(offset, 0), min(first.size, second.size + offset)
    shared = stop - begin
    shorter = min(first.size, second.size)
    if shared < max(min(LEAST_SHARED_S * SAMPLE_RATE, LEAST_SHARED_PART * shorter), 4 * HOP):
        return None
    spare = max(shared - round(_COMPARED_S * SAMPLE_RATE), 0) // 2
    a = np.diff(first[begin + spare : stop - spare].astype(np.float64), append=0.0)
    b = np.diff(second[begin + spare - offset : stop - spare - offset].astype(np.float64), append=0.0)
    return _correlation(a, b, offset, shared)


def _correlation(a: np.ndarray, b: np.ndarray, offset: int, shared: int) -> tuple[float, float, int] | None:
    reach, finer = 2 * HOP, 4
    n = 1 << (a.size + reach - 1).bit_length()
    # Of a lag between samples, no more than the band that resampling leaves alone.
    kept = int(0.85 * (n // 2 + 1))
    one, two = np.fft.rfft(a, n)[:kept], np.fft.rfft(b, n)[:kept]
    # Parseval, with the bins that a real signal has twice: the value at lag 0 of the correlation of a with itself.
    power = [(2 * np.vdot(s, s).real - abs(s[0]) ** 2) / n for s in (one, two)]
    norm = float(np.sqrt(power[0] * power[1]))
    if norm == 0:
        return None
    spectrum = np.zeros(n // 2 + 1, dtype=np.complex128)
    spectrum[:kept] = one * np.conj(two)
    coarse = np.fft.irfft(spectrum, n)
    if max(coarse[: reach + 1].max(), coarse[-reach:].max()) < PROMISING * norm:
        return None
    fine = np.fft.irfft(spectrum, finer * n) * finer
    lags = np.r_[0 : reach * finer, -reach * finer : 0]
    best = int(lags[np.argmax(fine[lags])])
    return float(min(fine[best] / norm, 1.0)), offset + best / finer, shared
