"""Single sounds into polyphony: what sounds together is drawn, where and how loud, and then added up.

    pool = Pool(manifest, sample_rate=24_000)
    mixed = mix(Recipe(), np.random.default_rng([seed, index]), pool)
    mixed.samples, mixed.labels, mixed.sources

The same call makes mixtures on disk (:mod:`~sonoscope.data.mix.mixtures`) and while training (:class:`Mixtures`). A
mixture depends on the recipe, the rows and the generator only: not on the order in which mixtures are made, nor on
who makes them.

**Levels.** The level of a sound is the mean square of its blocks of 50 ms that are within 20 dB of the loudest,
measured on the whole sound, so that a part that happens to be a decay stays one. The first sound keeps the level it was
recorded at; every further one is brought to a drawn level against it. Nothing is normalised; a sum that would exceed a
peak of 0.97 is turned down as a whole, and the gain is noted.

**Labels.** A label sounds if any of the rows has it; it is known not to sound if that is known of every row; otherwise
nobody knows. A part is heard: one that stays 28 dB under the level of its own sound is a rest, and another start is
drawn.

**Splits.** All rows of a mixture are of one split, which is the mixture's; its groups are those of all rows, with
``;`` between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from sonoscope.data.mix import combine, schedules
from sonoscope.data.mix.levels import AUDIBLE_DB, Levels, block_powers
from sonoscope.data.mix.pool import ANY, Pool, Sound, Unusable, groups_of
from sonoscope.data.mix.schedules import Schedule
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.errors import UsageError, one_of

#: What the levels of further sounds are relative to.
AGAINST = ("first", "recorded")
#: A sound is not turned up or down further than this to meet the first: what came up would be the noise of its
#: recording, and below a first one that is nearly silent nothing would be left of it.
MOST_GAIN_DB = 30.0
#: A part that begins within a sound rises, and every part falls at its end, over this time: cuts would click.
FADE_S = 0.005
#: Draws of one mixture, since sounds may be damaged, silent or too quiet.
TRIES = 30
#: Starts of one part that are drawn before the loudest is taken.
STARTS = 4


@dataclass(frozen=True)
class Recipe:
    """How mixtures are drawn. Every default is one of the founding description: 3 to 5 files, at most 4 labels.

    Attributes
    ----------
    files : tuple of float
        Probability of 1, 2, 3, … sounds.
    most_labels : int
        Labels that a mixture may have. Each sound brings another one as long as possible.
    alike : str
        What all sounds have in common: ``any`` (nothing), ``family`` (of their labels), or the value of a column
        such as ``genre`` or ``key``.
    duration_s : float
        Greatest length. A sum is as long as its longest sound, a concatenation as all together, cut to this.
    exact : bool
        Always the greatest length, with silence where nothing sounds.
    concat_share : float
        Probability that sounds follow one another instead of sounding together.
    levels : Levels
        Level of each sound after the first, in dB.
    against : {"first", "recorded"}
        What that is relative to: the level of the first sound, or that of the sound as it was recorded.
    labels_each : int
        Rows with more labels are left out: 1 for single-label sounds.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    files: tuple[float, ...] = schedules.uniform(3, 5)
    most_labels: int = 4
    alike: str = ANY
    duration_s: float = 10.0
    exact: bool = False
    concat_share: float = 0.0
    levels: Levels = field(default_factory=Levels)
    against: str = "first"
    labels_each: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", schedules.normalised(self.files, "files"))
        if self.most_labels < 1 or self.labels_each < 1:
            wrong = "most_labels" if self.most_labels < 1 else "labels_each"
            raise UsageError(f"{wrong}={getattr(self, wrong)} must be at least 1")
        if not 0.1 <= self.duration_s <= 3600.0:
            raise UsageError(f"duration_s={self.duration_s} must lie in 0.1..3600 seconds")
        if not 0.0 <= self.concat_share <= 1.0:
            raise UsageError(f"concat_share={self.concat_share} must lie in 0..1")
        one_of(AGAINST, self.against, "reference of levels")

    @property
    def fewest(self) -> int:
        """The least number of sounds that has a probability."""
        return 1 + next(k for k, share in enumerate(self.files) if share > 0)

    @property
    def labels_of_a_row(self) -> int:
        """Rows with more labels are of no use."""
        return min(self.labels_each, self.most_labels)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "files": list(self.files), "levels": str(self.levels)}


@dataclass(frozen=True)
class Part:
    """A sound in a mixture: samples ``[start, start + n)`` of a row, from ``onset`` on, ``gain_db`` louder.

    ``level_db`` is the level of the whole sound as it was recorded. All positions are samples at the pool's rate.
    """

    row: Row
    start: int
    n: int
    onset: int
    gain_db: float
    level_db: float


@dataclass(frozen=True, eq=False)
class Mixed:
    """A mixture: mono float32 ``samples`` of shape (n,), what is known about it, and what it was made of.

    ``gain_db`` is that of the whole, 0 or below; parts state theirs without it. ``how`` is ``sum`` or ``concat``.
    """

    samples: np.ndarray
    labels: tuple[str, ...]
    absent: tuple[str, ...]
    unknown: tuple[str, ...]
    group: str
    split: str
    how: str
    gain_db: float
    sources: tuple[Part, ...]


def mix(recipe: Recipe, rng: np.random.Generator, pool: Pool) -> Mixed:
    """Draw a mixture and make it.

    Raises
    ------
    UsageError
        If no rows have in common what the recipe asks for, or draw after draw meets sounds that cannot be used.
    """
    reason = ""
    for _ in range(TRIES):
        try:
            how, parts, sounds = _drawn(recipe, rng, pool)
        except Unusable as error:
            reason = str(error)
            continue
        samples, gain_db = render(parts, sounds, pool.sample_rate, length=_length(recipe, pool, parts))
        rows = [part.row for part in parts]
        labels, absent, unknown = united(pool.manifest, rows)
        groups = ";".join(sorted(frozenset().union(*map(groups_of, rows))))
        return Mixed(samples, labels, absent, unknown, groups, rows[0].split, how, gain_db, tuple(parts))
    raise UsageError(f"{TRIES} draws in a row could not be mixed; the last: {reason}")


def render(
    parts: Sequence[Part], sounds: Sequence[np.ndarray], sample_rate: int, *, length: int
) -> tuple[np.ndarray, float]:
    """Add parts up: samples, float32 of shape (length,), and the gain in dB that kept them under the peak.

    ``sounds`` are the samples of each part, (part.n,).
    """
    gains_db = np.array([part.gain_db for part in parts])
    samples, gain_db = combine.protect(
        combine.sum_n(placed(parts, sounds, sample_rate, length=length), gains_db)
    )
    return samples, round(float(gain_db), 2) + 0.0  # no -0.0


def placed(
    parts: Sequence[Part], sounds: Sequence[np.ndarray], sample_rate: int, *, length: int
) -> np.ndarray:
    """Each part alone where it is in the mixture, without its gain: float32 of shape (k, length)."""
    fade = round(FADE_S * sample_rate)
    lines = np.zeros((len(parts), length), dtype=np.float32)
    for line, part, samples in zip(lines, parts, sounds, strict=True):
        is_cut = part.start > 0 or part.row.start_s > 0
        line[part.onset : part.onset + part.n] = combine.faded(samples, fade, begin=is_cut, end=True)
    return lines


def united(
    manifest: Manifest, rows: Sequence[Row]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """``labels``, ``absent`` and ``unknown`` of a mixture of rows.

    What every row says of a label that none mentions is said without a word: it does not sound, or, if ``*`` is
    among the unknown (some row is partial), nobody knows.
    """
    order = dict.fromkeys((*manifest.labels(), *(label for row in rows for label in row.labels)))
    said = {label: [manifest.says(row, label) for row in rows] for label in order}
    labels = tuple(label for label in order if True in said[label])
    partial = any(EVERYTHING_ELSE in row.unknown for row in rows)
    unknown = tuple(label for label in order if label not in labels and None in said[label])
    named = {label for row in rows for label in row.absent}
    absent = tuple(
        label
        for label in order
        if not any(said[label]) and None not in said[label] and (partial or label in named)
    )
    return labels, absent, (EVERYTHING_ELSE,) if partial else unknown


# ---- drawing -----------------------------------------------------------------------------------------------


def _drawn(recipe: Recipe, rng: np.random.Generator, pool: Pool) -> tuple[str, list[Part], list[np.ndarray]]:
    """What sounds, where and how loud, with the samples of each part. Raises ``Unusable``."""
    count = 1 + int(rng.choice(len(recipe.files), p=recipe.files))
    stratum = pool.stratum(recipe.alike, recipe.labels_of_a_row, recipe.fewest, rng)
    numbers = stratum.pick(count, recipe.most_labels, rng)
    if len(numbers) < recipe.fewest:
        raise Unusable(f"no {recipe.fewest} rows have at most {recipe.most_labels} labels together")
    how = "concat" if rng.random() < recipe.concat_share else "sum"
    wanted_db = [0.0, *(recipe.levels.draw(rng) for _ in numbers[1:])]
    places = [pool.place(number, rng) for number in numbers]
    sounds = [pool.take(place) for place in places]
    gains_db = _gains(recipe, sounds, wanted_db)
    lengths, onsets = _lay_out(recipe, how, pool.sample_rate, [s.samples.size for s in sounds], rng)
    parts, cuts = [], []
    for place, sound, gain_db, n, onset in zip(places, sounds, gains_db, lengths, onsets, strict=True):
        start = _start(sound, n, pool.sample_rate, rng)
        cuts.append(sound.samples[start : start + n])
        level_db = round(sound.level_db, 2)
        parts.append(Part(pool.rows[place.row], sound.offset + start, n, onset, gain_db, level_db))
    return how, parts, cuts


def _length(recipe: Recipe, pool: Pool, parts: Sequence[Part]) -> int:
    heard = max(part.onset + part.n for part in parts)
    return max(heard, round(recipe.duration_s * pool.sample_rate)) if recipe.exact else heard


def _gains(recipe: Recipe, sounds: Sequence[Sound], wanted_db: Sequence[float]) -> list[float]:
    """Gain of each sound in dB, rounded to 0.01, so that what is noted gives the same samples again."""
    gains_db = [
        wanted + (sounds[0].level_db - sound.level_db if recipe.against == "first" else 0.0)
        for sound, wanted in zip(sounds, wanted_db, strict=True)
    ]
    furthest = max(gains_db, key=abs)
    if recipe.against == "first" and abs(furthest) > MOST_GAIN_DB:
        raise Unusable(
            f"a gain of {furthest:.0f} dB, beyond {MOST_GAIN_DB:.0f} dB, to bring a sound to the first"
        )
    return [round(gain_db, 2) for gain_db in gains_db]


def _lay_out(
    recipe: Recipe, how: str, sample_rate: int, sizes: Sequence[int], rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """How many samples of each sound are heard, and from where on in the mixture."""
    limit = round(recipe.duration_s * sample_rate)
    if how == "concat":
        lengths = shares(sizes, limit)
        return lengths, [sum(lengths[:k]) for k in range(len(lengths))]
    total = limit if recipe.exact else min(limit, max(sizes))
    lengths = [min(size, total) for size in sizes]
    return lengths, [int(rng.integers(total - length + 1)) for length in lengths]


def shares(sizes: Sequence[int], limit: int) -> list[int]:
    """How much each of several sounds may take of ``limit`` samples: all of it, or an equal share of what is left.

    >>> shares([100, 500, 900], 1000), shares([100, 100], 1000)
    ([100, 450, 450], [100, 100])
    """
    given = [0] * len(sizes)
    left = limit
    for position, k in enumerate(sorted(range(len(sizes)), key=lambda k: sizes[k])):
        given[k] = min(sizes[k], left // (len(sizes) - position))
        left -= given[k]
    return given


def _start(sound: Sound, n: int, sample_rate: int, rng: np.random.Generator) -> int:
    """Where a part of ``n`` samples begins, at random, so that it is heard; the loudest if chance finds only rests."""
    free = sound.samples.size - n
    if free == 0:
        return 0
    floor = 10.0 ** ((sound.level_db + AUDIBLE_DB) / 10.0)
    for _ in range(STARTS):
        start = int(rng.integers(free + 1))
        if block_powers(sound.samples[start : start + n], sample_rate).max() >= floor:
            return start
    loudest = int(np.argmax(np.abs(sound.samples)))
    return min(max(loudest - n // 2, 0), free)


# ---- many --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Mixtures by number, each a function of the seed and its number: a data set for training.

    With a schedule, ``total`` says after how many mixtures it is complete; the recipe's ``files`` do not count then.

    Examples
    --------
    ``Mixtures(Recipe(exact=True), pool, seed=1)[7].samples``
    """

    recipe: Recipe
    pool: Pool
    seed: int = 0
    schedule: Schedule | None = None
    total: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"seed={self.seed} must not be negative")
        if self.schedule is not None and self.total < 1:
            raise UsageError(
                f"total={self.total}: a schedule needs the number of mixtures after which it ends"
            )

    def recipe_at(self, number: int) -> Recipe:
        """The recipe of a mixture: where the schedule is by then."""
        if self.schedule is None:
            return self.recipe
        return replace(self.recipe, files=self.schedule.at(min(number / self.total, 1.0)))

    def __getitem__(self, number: int) -> Mixed:
        """The mixture ``number`` (0, 1, …): the same whenever and in whatever order it is asked for."""
        if number < 0:
            raise IndexError(f"mixture {number}: numbers begin at 0")
        return mix(self.recipe_at(number), np.random.default_rng([self.seed, number]), self.pool)

    def __iter__(self) -> Iterator[Mixed]:
        """All mixtures from 0 on, without end."""
        number = 0
        while True:
            yield self[number]
            number += 1
