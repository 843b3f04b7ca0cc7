"""Mixtures hold what they say: each sound at its place and level, the labels of all of them, of one split only."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.mix import mixing, pool, schedules
from sonoscope.data.mix.levels import Levels, block_powers, loudness_db, parse
from sonoscope.data.mix.mixing import Mixed, Mixtures, Recipe, mix, united
from sonoscope.data.mix.pool import Pool, groups_of
from sonoscope.data.mix.schedules import uniform
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio, UsageError

RATE = 8000
LABELS = ("cello", "violin", "flute", "clarinet", "piano", "organ", "drums")


def tone(number: int) -> np.ndarray:
    """Row ``number``'s sound: a tone of its own pitch, level and length."""
    n = round((0.5 + number % 7 * 0.3) * RATE)
    amplitude = 0.05 + 0.01 * (number % 11)
    return (amplitude * np.sin(2 * np.pi * (200 + 31 * number) * np.arange(n) / RATE)).astype(np.float32)


def row(number: int, **other) -> Row:
    label = LABELS[number % len(LABELS)]
    split = "val" if number % 5 == 0 else "train"
    about = {
        "path": f"{number:03d}.wav", "labels": (label,),
        "group": f"{split}{number % 4}", "split": split, "duration_s": tone(number).size / RATE,
        "licence": "CC0 1.0", "extra": {"genre": "jazz" if number % 2 else "folk", "key": "A" if number % 3 else ""},
    }  # fmt: skip
    return Row(**(about | other))


ROWS = tuple(row(number) for number in range(70))
SOUNDS = {each.path: tone(number) for number, each in enumerate(ROWS)}


def reader(sounds: dict[str, np.ndarray], asked: Counter | None = None):
    """Reads rows, or parts of them, from arrays."""

    def read(wanted: Row) -> np.ndarray:
        if asked is not None:
            asked[wanted.path] += 1
        if wanted.path not in sounds:
            raise UnreadableAudio(wanted.path, "damaged", "Copy it again.")
        start = round(wanted.start_s * RATE)
        stop = None if wanted.end_s is None else round(wanted.end_s * RATE)
        return sounds[wanted.path][start:stop].copy()

    return read


def a_pool(rows=ROWS, sounds=SOUNDS, *, labels=LABELS, **options) -> Pool:
    options.setdefault("read", reader(sounds))
    return Pool(Manifest(tuple(rows), Path(), labels), RATE, **options)


def drawn(recipe: Recipe, count: int = 60, of: Pool | None = None, seed: int = 0) -> list[Mixed]:
    mixtures = Mixtures(recipe, of or a_pool(), seed)
    return [mixtures[number] for number in range(count)]


def naive(mixed: Mixed) -> np.ndarray:
    """A mixture from what it says of its sources, sample by sample."""
    out = np.zeros(mixed.samples.size)
    for part in mixed.sources:
        sound = SOUNDS[part.row.path][part.start : part.start + part.n] * 10 ** (part.gain_db / 20)
        ramp = np.sin(np.pi / 2 * (np.arange(40) + 0.5) / 40) ** 2  # 5 ms
        sound = sound.astype(float)
        sound[-40:] *= ramp[::-1]
        if part.start:
            sound[:40] *= ramp
        out[part.onset : part.onset + part.n] += sound
    return out * 10 ** (mixed.gain_db / 20)


RECIPES = {
    "default": Recipe(),
    "short": Recipe(duration_s=0.7),
    "exact": Recipe(duration_s=1.5, exact=True),
    "concat": Recipe(duration_s=1.5, concat_share=1.0),
    "both": Recipe(files=(0.2, 0.3, 0.5), concat_share=0.5, levels=parse("normal:-3,4")),
    "recorded": Recipe(against="recorded", levels=parse("12")),
    "genre": Recipe(alike="genre"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_mixture_is_the_sum_of_what_it_names_and_has_their_labels(recipe: Recipe) -> None:
    for mixed in drawn(recipe, 30):
        assert mixed.samples.dtype == np.float32
        np.testing.assert_allclose(mixed.samples, naive(mixed), atol=1e-5)
        rows = [part.row for part in mixed.sources]
        assert set(mixed.labels) == {label for each in rows for label in each.labels}
        assert list(mixed.labels) == [label for label in LABELS if label in mixed.labels], (
            "in the map's order"
        )
        assert not mixed.absent and not mixed.unknown
        assert {each.split for each in rows} == {mixed.split}
        assert frozenset(mixed.group.split(";")) == frozenset().union(*map(groups_of, rows))
        assert len({each.path for each in rows}) == len(rows), "no sound twice"
        assert len(mixed.labels) <= recipe.most_labels


def test_mixtures_have_3_to_5_files_and_at_most_4_labels() -> None:
    mixtures = drawn(Recipe(), 300)
    counts = Counter(len(mixed.sources) for mixed in mixtures)
    assert set(counts) == {3, 4, 5} and min(counts.values()) > 70
    for mixed in mixtures:
        assert len(mixed.labels) == min(len(mixed.sources), 4), "as many different ones as may be"
    heard = Counter(label for mixed in mixtures for label in mixed.labels)
    assert max(heard.values()) < 1.4 * min(heard.values()), "labels are balanced"


def test_one_library_does_not_speak_for_a_label_alone() -> None:
    rows = [row(k, labels=("piano",), group="large" if k < 60 else "small", split="") for k in range(64)]
    groups = Counter(mixed.group for mixed in drawn(Recipe(files=(1.0,)), 400, a_pool(rows)))
    expected = np.sqrt(4) / (np.sqrt(60) + np.sqrt(4))
    assert groups["small"] / 400 == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("column", ["genre", "key"])
def test_sounds_have_a_column_in_common(column: str) -> None:
    for mixed in drawn(Recipe(alike=column), 60):
        values = {part.row.extra[column] for part in mixed.sources}
        assert len(values) == 1 and values != {""}, "an empty cell is nothing in common"


def test_sounds_are_of_one_family() -> None:
    family = {
        "cello": "strings", "violin": "strings", "flute": "winds", "clarinet": "winds", "piano": "keys",
        "organ": "keys", "drums": "drums",
    }  # fmt: skip
    found = Counter()
    for mixed in drawn(Recipe(alike="family"), 80):
        (one,) = {family[label] for label in mixed.labels}
        found[one] += 1
    assert set(found) == set(family.values())
    low = {"cello": "low", "organ": "low"}
    together = drawn(Recipe(alike="family", files=(0, 1.0)), 80, a_pool(families=low))
    assert {frozenset(m.labels) for m in together if {"cello", "organ"} & set(m.labels)} == {
        frozenset(("cello", "organ"))
    }


def test_starts_and_onsets_are_random_and_nothing_is_longer_than_it_may_be() -> None:
    mixtures = drawn(Recipe(duration_s=1.0), 100)
    parts = [part for mixed in mixtures for part in mixed.sources]
    assert max(mixed.samples.size for mixed in mixtures) == RATE
    cut = np.array([part.start / (SOUNDS[part.row.path].size - part.n) for part in parts if part.n == RATE
                    and SOUNDS[part.row.path].size > RATE])  # fmt: skip
    assert cut.min() < 0.05 and cut.max() > 0.95 and cut.mean() == pytest.approx(0.5, abs=0.08)
    onsets = [part.onset for part in parts if part.n < RATE]
    assert min(onsets) < 200 and len(set(onsets)) > 50
    assert all(part.onset + part.n <= RATE for part in parts)


def test_a_sum_is_as_long_as_its_longest_sound_or_exactly_as_asked() -> None:
    for mixed in drawn(Recipe(), 20):
        assert mixed.samples.size == max(SOUNDS[part.row.path].size for part in mixed.sources)
    assert {mixed.samples.size for mixed in drawn(Recipe(exact=True, duration_s=4.0), 20)} == {4 * RATE}


def test_concatenated_sounds_follow_one_another_and_all_are_heard() -> None:
    for mixed in drawn(Recipe(concat_share=1.0, duration_s=2.0), 40):
        assert mixed.how == "concat" and mixed.samples.size <= 2 * RATE
        end = 0
        for part in mixed.sources:
            assert part.onset == end and part.n >= min(SOUNDS[part.row.path].size, 2 * RATE // 5)
            end += part.n
        assert end == mixed.samples.size
    assert Counter(mixed.how for mixed in drawn(Recipe(concat_share=0.5), 200))["sum"] == pytest.approx(
        100, abs=25
    )


@pytest.mark.parametrize(("sizes", "limit"), [([5, 50, 90], 100), ([10, 10], 100), ([90] * 7, 100), ([1], 1)])
def test_shares_fill_the_limit_and_take_nothing_that_is_not_there(sizes: list[int], limit: int) -> None:
    found = mixing.shares(sizes, limit)
    assert all(0 < share <= size for share, size in zip(found, sizes, strict=True))
    assert min(limit, sum(sizes)) - len(sizes) < sum(found) <= limit


def test_levels_are_those_drawn_against_the_first_sound() -> None:
    levels = []
    for mixed in drawn(Recipe(levels=Levels("uniform", (-6, 6))), 100):
        heard = [loudness_db(SOUNDS[p.row.path], RATE) + p.gain_db for p in mixed.sources]
        assert mixed.sources[0].gain_db == 0.0, "the first stays as it was recorded"
        levels += [level - heard[0] for level in heard[1:]]
    assert -6.01 < min(levels) < -5.5 and 5.5 < max(levels) < 6.01 and abs(np.mean(levels)) < 0.6


def test_levels_against_the_recording_are_gains() -> None:
    for mixed in drawn(Recipe(levels=parse("-3"), against="recorded"), 20):
        assert [part.gain_db for part in mixed.sources] == [0.0] + [-3.0] * (len(mixed.sources) - 1)


def test_peaks_are_protected_by_turning_all_of_it_down_and_nothing_is_turned_up() -> None:
    loud = drawn(Recipe(levels=parse("20")), 40)
    assert any(mixed.gain_db < 0 for mixed in loud)
    assert all(np.abs(mixed.samples).max() <= 0.97 for mixed in loud)
    quiet = drawn(Recipe(levels=parse("-20")), 40)
    assert all(mixed.gain_db == 0 for mixed in quiet)
    assert max(np.abs(mixed.samples).max() for mixed in quiet) < 0.3


# ---- whatever the order ----------------------------------------------------------------------------------------


def as_values(mixed: Mixed) -> tuple:
    return mixed.samples.tobytes(), mixed.labels, mixed.group, mixed.gain_db, mixed.sources


def test_a_mixture_depends_on_seed_and_number_only() -> None:
    expected = [as_values(mixed) for mixed in drawn(Recipe(), 12)]
    backwards = Mixtures(Recipe(), a_pool(ROWS[::-1]), 0)
    assert [as_values(backwards[number]) for number in range(11, -1, -1)] == expected[::-1]
    cramped = a_pool(memory_bytes=1)
    assert [as_values(mixed) for mixed in drawn(Recipe(), 12, cramped)] == expected
    assert [
        as_values(mixed) for mixed, _ in zip(Mixtures(Recipe(), a_pool(), 0), range(12), strict=False)
    ] == expected
    others = [as_values(mixed) for mixed in drawn(Recipe(), 12, seed=1)]
    assert not set(others) & set(expected)


def test_memory_is_bounded_and_sounds_are_decoded_when_wanted() -> None:
    asked: Counter[str] = Counter()
    budget = 40_000
    sounds = a_pool(read=reader(SOUNDS, asked), memory_bytes=budget)
    assert not asked
    for number in range(60):
        mix(Recipe(), np.random.default_rng(number), sounds)
        assert 0 < sounds.held_bytes <= max(budget, max(s.nbytes for s in SOUNDS.values()))
    assert max(asked.values()) > 1, "what was let go of is decoded again"
    asked.clear()
    roomy = a_pool(read=reader(SOUNDS, asked))
    drawn(Recipe(), 100, roomy)
    assert set(asked.values()) == {1}
    assert roomy.held_bytes == sum(SOUNDS[path].nbytes for path in asked)


def test_long_recordings_are_used_in_parts() -> None:
    length = 150.0
    long = np.concatenate(
        [np.full(round(pool.SEGMENT_S * RATE), 0.1 * (k + 1), np.float32) for k in range(3)]
    )
    long = long[: round(length * RATE)]
    rows = [
        row(0, path="long.wav", start_s=2.0, duration_s=length - 2, split=""),
        *(row(k, split="") for k in (1, 2)),
    ]
    sounds = a_pool(rows, SOUNDS | {"long.wav": long})
    starts = []
    for mixed in drawn(Recipe(files=(1.0,), duration_s=1.0), 60, sounds):
        (part,) = mixed.sources
        if part.row.path == "long.wav":
            starts.append(part.start)
            first = round(2.0 * RATE) + part.start
            np.testing.assert_array_equal(mixed.samples[100:-100], long[first + 100 : first + part.n - 100])
            assert mixed.samples[0] < 0.01, "it was cut, so it rises"
    assert min(starts) < 60 * RATE < max(starts) and max(starts) + RATE <= 120 * RATE
    assert max(s.samples.nbytes for s in sounds._held.values()) == 4 * round(pool.SEGMENT_S * RATE)


def test_starts_are_where_something_sounds() -> None:
    sound = np.zeros(60 * RATE, dtype=np.float32)
    sound[31 * RATE : 33 * RATE] = tone(3)[:1].sum() + 0.2 * np.sin(np.arange(2 * RATE))
    rows = [row(k, path=f"rest{k}.wav", duration_s=59.0, split="") for k in range(3)]
    sounds = a_pool(rows, {each.path: sound for each in rows})
    for mixed in drawn(Recipe(duration_s=1.0), 30, sounds):
        for part in mixed.sources:
            heard = block_powers(sound[part.start : part.start + part.n], RATE).max()
            assert 10 * np.log10(heard) > part.level_db - 28.1


# ---- what is not good ------------------------------------------------------------------------------------------


def test_damaged_and_silent_rows_are_told_and_never_heard() -> None:
    sounds = dict(SOUNDS)
    del sounds["001.wav"]
    sounds["002.wav"] = np.zeros(RATE, np.float32)
    some = a_pool(ROWS[:20], sounds)
    mixtures = drawn(Recipe(), 60, some)
    used = {part.row.path for mixed in mixtures for part in mixed.sources}
    assert not used & {"001.wav", "002.wav"} and len(used) == 18
    assert [(problem.path, problem.reason) for problem in some.problems] == [
        ("001.wav", "damaged"), ("002.wav", "silent: its level is -200 dB, under -80 dB"),
    ]  # fmt: skip
    assert all(problem.remedy for problem in some.problems)
    with pytest.raises(UsageError, match=r"30 draws in a row could not be mixed; the last: .*damaged"):
        drawn(Recipe(), 1, a_pool(ROWS[:6], {}))


def test_a_sound_is_not_turned_up_until_its_noise_is_heard() -> None:
    sounds = {path: samples * (1e-2 if path == "001.wav" else 1) for path, samples in SOUNDS.items()}
    mixtures = drawn(Recipe(levels=parse("6")), 60, a_pool(ROWS[1:8], sounds))
    gains_db = [part.gain_db for mixed in mixtures for part in mixed.sources]
    assert max(np.abs(gains_db)) <= mixing.MOST_GAIN_DB
    with pytest.raises(UsageError, match="a gain of 50 dB, beyond 30 dB, to bring a sound to the first"):
        drawn(Recipe(levels=parse("50"), files=(0, 1)), 1, a_pool([row(k, split="") for k in (11, 22)]))


def test_rows_are_left_out_that_have_no_label_or_too_many() -> None:
    rows = [row(1, labels=()), row(2, labels=("cello", "flute")), *(row(k, split="train") for k in (3, 4, 6))]
    used = {p.row.path for m in drawn(Recipe(), 20, a_pool(rows)) for p in m.sources}
    assert used == {"003.wav", "004.wav", "006.wav"}
    mixtures = drawn(Recipe(labels_each=2, most_labels=3, files=(0, 1)), 40, a_pool(rows))
    assert {p.row.path for m in mixtures for p in m.sources} == {"002.wav", "003.wav", "004.wav", "006.wav"}
    assert all(len(mixed.labels) <= 3 for mixed in mixtures)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": (0.5, 0.4)}, "add up to 0.9, not to 1"),
        ({"most_labels": 0}, "most_labels=0 must be at least 1"),
        ({"labels_each": 0}, "labels_each=0 must be at least 1"),
        ({"duration_s": 0.0}, r"duration_s=0\.0 must lie in 0\.1\.\.3600 seconds"),
        ({"concat_share": 1.5}, r"concat_share=1\.5 must lie in 0\.\.1"),
        ({"against": "frist"}, r"unknown reference of levels 'frist'\. Did you mean 'first'"),
    ],
)
def test_recipes_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe(**options)


def test_a_recipe_is_data() -> None:
    recipe = Recipe(files=uniform(1, 3), levels=parse("normal:-3,4"), alike="genre", concat_share=0.25)
    said = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe(**{**said, "files": tuple(said["files"]), "levels": parse(said["levels"])}) == recipe


def test_sets_that_are_too_small_or_do_not_exist_say_so() -> None:
    with pytest.raises(UsageError, match=r"the same 'gnre': no column of that name .*Did you mean 'genre'"):
        drawn(Recipe(alike="gnre"), 1)
    with pytest.raises(
        UsageError, match=r"no split has the 3 rows with at most 1 label\(s\).*the largest has 2"
    ):
        drawn(Recipe(), 1, a_pool(ROWS[1:3]))
    with pytest.raises(UsageError, match="none of the 1 rows has a label"):
        a_pool([row(1, labels=())])
    with pytest.raises(IndexError, match="mixture -1"):
        Mixtures(Recipe(), a_pool())[-1]
    with pytest.raises(UsageError, match="seed=-1 must not be negative"):
        Mixtures(Recipe(), a_pool(), -1)


def test_splits_that_share_a_group_are_refused() -> None:
    pool.check_splits(Manifest(ROWS, Path()))
    leaky = [row(1), row(5, group="train1")]
    with pytest.raises(
        UsageError, match=r"the group 'train1' is in the splits 'train' and 'val'.*--where split=NAME"
    ):
        pool.check_splits(Manifest(tuple(leaky), Path()))
    halves = [row(1, group="", path="a.wav"), row(5, group="", path="a.wav", start_s=3.0)]
    with pytest.raises(UsageError, match=r"the file 'a\.wav' is in the splits"):
        pool.check_splits(Manifest(tuple(halves), Path()))
    grouped = [row(1, path="a.wav"), row(5, path="a.wav", start_s=3.0)]
    with pytest.raises(UsageError, match=r"the file 'a\.wav' is in the splits 'train' and 'val'"):
        pool.check_splits(Manifest(tuple(grouped), Path()))
    mixtures = [row(1, group="a;b"), row(5, group="b;c")]
    with pytest.raises(UsageError, match="the group 'b'"):
        pool.check_splits(Manifest(tuple(mixtures), Path()))


# ---- what nobody judged ----------------------------------------------------------------------------------------

WHOLE = Row("w", labels=("cello",))
JUDGED = Row("j", labels=("violin",), absent=("piano", "cello"), unknown=("organ",))
PARTIAL = Row("p", labels=("flute",), absent=("piano", "drums"), unknown=("*",))


@pytest.mark.parametrize(
    "rows", [(WHOLE, WHOLE), (WHOLE, JUDGED), (WHOLE, PARTIAL), (JUDGED, PARTIAL), (PARTIAL, PARTIAL), (JUDGED,)]
)  # fmt: skip
@pytest.mark.parametrize("label_map", [LABELS, ()])
def test_labels_that_nobody_judged_stay_unknown_unless_something_has_them(rows, label_map) -> None:
    """Three values of logic: true if any, false if all, else unknown; for every label, whatever the rows say."""
    manifest = Manifest((WHOLE, JUDGED, PARTIAL), Path(), label_map)
    labels, absent, unknown = united(manifest, rows)
    mixture = Row("m", labels=labels, absent=absent, unknown=unknown)
    for label in manifest.labels():
        said = [manifest.says(each, label) for each in rows]
        expected = True if True in said else None if None in said else False
        assert manifest.says(mixture, label) is expected, label
    assert not set(labels) & set(absent) and not set(labels) & set(unknown)


def test_partial_rows_make_partial_mixtures() -> None:
    manifest = Manifest((WHOLE, PARTIAL), Path(), LABELS)
    assert united(manifest, [WHOLE, PARTIAL]) == (("cello", "flute"), ("piano", "drums"), ("*",))
    assert united(manifest, [WHOLE, JUDGED]) == (("cello", "violin"), ("piano",), ("organ",))


# ---- while training --------------------------------------------------------------------------------------------


def test_a_schedule_leads_from_single_sounds_to_combinations() -> None:
    mixtures = Mixtures(Recipe(), a_pool(), 3, schedules.load("progressive"), total=200)
    counts = [len(mixtures[number].sources) for number in range(0, 240, 4)]
    assert set(counts[:15]) == {1} and np.mean(counts[50:]) > 1.8 and max(counts) > 2
    with pytest.raises(UsageError, match="total=0: a schedule needs the number of mixtures"):
        Mixtures(Recipe(), a_pool(), 0, schedules.load("pairs"))


def test_files_are_decoded_as_everywhere(tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, tone(number), RATE, subtype="FLOAT")
        rows.append(row(number, path=path.name, split="", duration_s=None))
    soundfile.write(
        tmp_path / "2.wav", np.column_stack([tone(2), np.zeros_like(tone(2))]), RATE, subtype="FLOAT"
    )
    sounds = Pool(Manifest(tuple(rows), tmp_path), RATE)
    mixed = mix(Recipe(files=(0, 0, 0, 1.0)), np.random.default_rng(1), sounds)
    assert {part.row.path for part in mixed.sources} == {f"{k}.wav" for k in range(4)}
    halved = next(part for part in mixed.sources if part.row.path == "2.wav")
    assert halved.level_db == pytest.approx(loudness_db(tone(2), RATE) - 6.02, abs=0.02)
