"""What a data set is found to hold: counts against counts by hand, findings, measurements of known sounds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import summary, table
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.summary import feature_table, findings, relations, sound, text
from sonoscope.data.summary.counts import NO_SPLIT, count
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.features.statistics import COLUMNS

RATE = 22_050

ROWS = (
    Row("a.wav", 0, 2.0, ("flute",), group="g1", split="train", source="s1", licence="CC0"),
    Row("a.wav", 2, 1.0, ("flute", "drums"), group="g1", split="test", source="s1", licence="CC0"),
    Row(
        "b.wav",
        0,
        4.0,
        ("drums",),
        unknown=("flute",),
        group="g2",
        split="train",
        source="s2",
        licence="CC-BY-NC",
    ),
    Row("c.wav", labels=("flute",), absent=("drums",), group="g3", source="s1"),
    Row("d.wav", 0, 1.5, (), unknown=("*",), group="g4", split="test", source="s1", licence="CC0"),
)
MANIFEST = Manifest(ROWS, Path("nowhere"), ("flute", "drums", "organ"))


def test_counts_are_those_by_hand() -> None:
    found = count(MANIFEST)
    assert (found.rows, found.files, found.open_rows, found.seconds) == (5, 4, 1, 8.5)
    flute, drums, organ = found.labels
    assert (flute.rows, flute.absent, flute.unknown, flute.seconds) == (3, 0, 2, 3.0)
    assert (flute.alone, flute.groups, flute.sources) == (2, 2, 1)
    assert flute.by_split == {"train": 1, "test": 1, NO_SPLIT: 1}
    assert (drums.rows, drums.absent, drums.unknown, drums.seconds, drums.alone) == (2, 2, 1, 5.0, 1)
    assert (organ.rows, organ.absent, organ.unknown) == (0, 4, 1)
    np.testing.assert_array_equal(found.together, [[3, 1, 0], [1, 2, 0], [0, 0, 0]])
    assert found.labels_per_row == {0: 1, 1: 3, 2: 1}
    assert [(s.split, s.rows, s.seconds, s.files, s.groups) for s in found.splits] == [
        ("train", 2, 6.0, 2, 2), ("test", 2, 2.5, 2, 2), (NO_SPLIT, 1, 0.0, 1, 1),
    ]  # fmt: skip
    assert found.shared_groups == {"g1": {"train": 1, "test": 1}} and list(found.shared_files) == ["a.wav"]
    assert found.origins["licence"] == {"CC0": 3, "": 1, "CC-BY-NC": 1} and "site" not in found.origins
    np.testing.assert_array_equal(found.durations_s, [2, 1, 4, 1.5])


def test_everything_adds_up() -> None:
    found = count(MANIFEST)
    for label in found.labels:
        assert label.rows + label.absent + label.unknown == found.rows
        assert (
            sum(label.by_split.values()) == label.rows == found.together.diagonal()[found.labels.index(label)]
        )
    assert sum(found.labels_per_row.values()) == sum(split.rows for split in found.splits) == found.rows


def test_what_stands_out_is_said() -> None:
    said = " | ".join(
        f"{each.level}: {each.text}" for each in findings.find(MANIFEST, count(MANIFEST), None, ())
    )
    for part in (
        "warning: 1 group with 2 rows in more than one split: g1",
        "warning: 1 file with 2 rows in more than one split: a.wav",
        "warning: 1 label of the label map never sounds: organ",
        "warning: 2 labels with fewer than 20 rows: flute (3), drums (2)",
        "warning: All rows of flute come from one source each",
        "note: 1 row (20.0%) without a label that sounds",
        "note: 26.7% of all answers are unknown",
        "note: 1 row without a licence",
        "CC-BY-NC",
    ):
        assert part in said, part
    clean = Manifest(
        tuple(Row(f"{k}.wav", 0, 1, ("x",), group=str(k), split="train") for k in range(30)), Path()
    )
    assert [each.level for each in findings.find(clean, count(clean), None, ())] == ["good"]


def test_the_sample_is_the_same_every_time_and_grows_with_the_set() -> None:
    rows = [Row(f"{k}.wav", k % 3) for k in range(1000)]
    chosen = sound.sample(rows, 100)
    assert chosen == sorted(chosen) == sound.sample(rows, 100) and len(set(chosen)) == 100
    there = {rows[place] for place in chosen}
    # What is kept when the set doubles is chosen by the same draw: half of it, but for chance.
    later = [*rows, *(Row(f"{k}.wav") for k in range(1000, 2000))]
    again = {later[place] for place in sound.sample(later, 100)}
    assert {row for row in again if row in set(rows)} <= there
    assert sound.sample(rows, None) == sound.sample(rows, 5000) == list(range(1000))
    assert all(sum(place < half for place in chosen) > 25 for half in (500,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone, noise, silence, a clipped tone, a copy of the tone, a file that is no sound and one cut short."""
    root, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    t = np.arange(5 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 440 * t)
    for name, samples, rate in (
        ("tone.wav", tone, RATE),
        ("copy.wav", tone, RATE),
        ("noise.flac", 0.1 * rng.standard_normal(3 * RATE), RATE),
        ("silence.wav", np.zeros(RATE), RATE),
        ("loud.wav", np.clip(4 * np.sin(2 * np.pi * 220 * t), -1, 1), RATE),
        ("low.wav", 0.1 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 8000), 8000),
    ):
        soundfile.write(root / name, samples, rate)
    (root / "text.wav").write_text("no sound")
    return root


@pytest.fixture(scope="module")
def looked(folder: Path) -> summary.Summary:
    rows = (
        Row("tone.wav", labels=("tone",), group="a", split="train"),
        Row("copy.wav", labels=("tone",), group="b", split="test"),
        Row("noise.flac", 1.0, 1.5, ("noise",), group="c", split="train"),
        Row("silence.wav", 0, 1.0, unknown=("tone",), group="d", split="test"),
        Row("loud.wav", labels=("tone",), group="e", split="train"),
        Row("low.wav", labels=("tone", "noise"), group="f", split="test"),
        Row("text.wav", labels=("tone",), group="g", split="test"),
        Row("gone.wav", labels=("noise",), group="h", split="test"),
        Row("tone.wav", 4.0, 3.0, ("tone",), group="a", split="train"),
    )
    return summary.summarise(Manifest(rows, folder, ("tone", "noise")))


def test_sounds_are_measured(looked: summary.Summary) -> None:
    heard = looked.heard
    assert heard is not None and heard.rows.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(heard.duration_s, [5, 5, 1.5, 1, 5, 2], atol=0.01)
    assert heard.level_db[0] == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.05)
    assert heard.level_db[2] == pytest.approx(-20, abs=0.3) and heard.level_db[3] == sound.NOTHING_DB
    assert heard.clipped[4] > 0.5 > heard.clipped[[0, 1, 2, 3, 5]].max() == 0
    assert heard.silent.tolist() == [0, 0, 0, 1, 0, 0]
    assert heard.column("spectral_centroid")[0] == pytest.approx(440, rel=0.15)
    assert heard.tones[0] == "A" and heard.keys[2] is None, "too short to ask"
    assert [info.sample_rate for info in heard.formats if info is not None] == [RATE] * 5 + [8000]
    assert looked.counts.open_rows == 2 and looked.counts.labels[0].seconds == pytest.approx(
        5 + 5 + 5 + 2 + 3, abs=0.1
    )


def test_what_cannot_be_heard_is_told_with_the_reason(looked: summary.Summary) -> None:
    told = {each.path: each.reason for each in looked.problems}
    assert set(told) == {"text.wav", "gone.wav", "tone.wav"}
    assert "ends at 7 s" in told["tone.wav"]
    said = " | ".join(each.text for each in looked.findings)
    assert "3 rows cannot be used" in said
    assert (
        "1 row sounds exactly like another one, such as tone.wav and copy.wav; 1 such sound in more than one split"
        in said
    )
    assert "1 row with hardly any sound in it; the first: silence.wav" in said
    assert "1 row with more than 0.1% of samples at full scale" in said


def test_long_rows_are_heard_in_part_and_counted_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound, "HEARD_S", 2.0)
    monkeypatch.setattr(sound, "HELD_S", 4.0)
    rows = (Row("tone.wav"), Row("tone.wav", 1.0), Row("loud.wav", 0.5, 4.0))
    heard = sound.hear(Manifest(rows, folder), [0, 1, 2], report=lambda problem: pytest.fail(str(problem)))
    np.testing.assert_allclose(heard.duration_s, [5, 4, 4], atol=0.01)
    assert all(key is None for key in heard.keys), "two seconds were measured"
    told: list[Problem] = []
    beyond = Manifest((Row("tone.wav", 9.0, 30.0),), folder)
    assert not len(sound.hear(beyond, [0], report=told.append))
    assert [(each.start_s, each.duration_s) for each in told] == [(9.0, 30.0)]
    told.clear()
    assert not len(sound.hear(Manifest((Row("tone.wav", 4.0, 30.0),), folder), [0], report=told.append))
    assert [each.reason for each in told] == ["ends at 34 s, the file at 5.000 s"]


def test_the_table_has_labels_masks_and_the_promised_columns(looked: summary.Summary, tmp_path: Path) -> None:
    assert looked.heard is not None
    feature_table.write(looked.manifest, looked.heard, tmp_path / "f.csv")
    with open(tmp_path / "f.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0])[8:11] == ("tone", "is_tone_known", "noise") and tuple(rows[0])[11:] == COLUMNS
    assert [row["tone"] for row in rows] == ["1", "1", "0", "0", "1", "1"]
    assert [row["is_tone_known"] for row in rows] == ["1", "1", "1", "0", "1", "1"]
    assert rows[0]["most_frequent_tone"] == "A" and rows[2]["tonality"] == "" and rows[2]["tempo"] == ""
    np.testing.assert_allclose(
        [[float(row[name]) for name in COLUMNS] for row in rows], looked.heard.features, rtol=1e-6
    )
    pytest.importorskip("pyarrow")
    feature_table.write(looked.manifest, looked.heard, tmp_path / "f.parquet")
    assert [line.cells["path"] for line in table.read(tmp_path / "f.parquet").lines] == [
        row["path"] for row in rows
    ]


def test_drums_have_lumens_mask() -> None:
    rows = (Row("a.wav", labels=("drums",)), Row("b.wav", unknown=("drums",)))
    heard = sound._collected(
        [
            sound._Measured(k, 1.0, -20, -10, 0, 0, (0.0,) * len(COLUMNS), None, "", None, None)
            for k in range(2)
        ]
    )
    header, lines = feature_table.cells(Manifest(rows, Path(), ("guitar", "drums")), heard)
    assert header[8:12] == ("guitar", "drums", "is_drum_known", "spectral_centroid")
    assert [line[8:11] for line in lines] == [("0", "1", "1"), ("0", "0", "0")]


def test_labels_explain_what_they_should(rng: np.random.Generator) -> None:
    classes = np.repeat(np.arange(4), 50)
    sounds = np.eye(4)[classes]
    features = np.column_stack(
        [classes**2 + 0.01 * rng.standard_normal(200), rng.standard_normal(200), np.ones(200)]
    )
    found = relations.explained(features, sounds)
    assert found[0] > 0.99 and found[1] < 0.05 and found[2] == 0
    # One-way analysis of variance: the adjusted share of variance between classes.
    mixed = classes + rng.standard_normal(200)
    between = sum(50 * (mixed[classes == k].mean() - mixed.mean()) ** 2 for k in range(4))
    share = 1 - (1 - between / np.square(mixed - mixed.mean()).sum()) * 199 / 196
    assert relations.explained(mixed[:, None], sounds)[0] == pytest.approx(share, abs=1e-6)
    assert not relations.explained(features, np.zeros((200, 0))).any()


def test_correlations_put_alike_features_side_by_side(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 3))
    features = np.column_stack(
        [x[:, 0], x[:, 1], -x[:, 0] + 0.1 * x[:, 2], np.full(300, 2.0), x[:, 1] + 0.1 * x[:, 2]]
    )
    found = relations.correlations(features, ("a", "b", "minus_a", "constant", "b_too"))
    assert found is not None and set(found.names) == {"a", "b", "minus_a", "b_too"}
    place = found.names.index
    assert abs(place("a") - place("minus_a")) == abs(place("b") - place("b_too")) == 1
    assert found.values[place("a"), place("minus_a")] == pytest.approx(
        np.corrcoef(features[:, 0], features[:, 2])[0, 1]
    )
    assert relations.correlations(features[:5], tuple("abcde")) is None


def test_maps_keep_apart_what_is_apart_and_are_repeatable(rng: np.random.Generator) -> None:
    pytest.importorskip("sklearn")
    features = rng.standard_normal((60, 6))
    features[30:] += 8
    for draw in (
        lambda: relations.principal(features, tuple("abcdef")),
        lambda: relations.neighbours(features),
    ):
        one, two = draw(), draw()
        assert isinstance(one, relations.Map) and isinstance(two, relations.Map)
        np.testing.assert_array_equal(one.points, two.points)
        first, second = one.points[:30], one.points[30:]
        apart = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
        assert apart > 2 * max(first.std(axis=0).max(), second.std(axis=0).max())
    assert "at least 8 rows" in str(relations.neighbours(features[:4]))


def test_without_scikit_learn_the_map_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    told = relations.neighbours(np.random.default_rng(0).standard_normal((20, 4)))
    assert isinstance(told, str) and "pip install 'sonoscope[data]'" in told


def test_figures_survive_json_and_lines_say_the_same(looked: summary.Summary) -> None:
    figures = json.loads(json.dumps(text.to_dict(looked)))
    assert figures["labels"]["tone"]["rows"] == 6 and figures["sound"]["rows"] == 6
    assert figures["splits"]["train"]["rows"] == 4 and len(figures["problems"]) == 3
    lines = text.lines(looked)
    assert lines[0].startswith("9 rows, 8 files, ") and any(
        line.split()[:2] == ["tone", "6"] for line in lines
    )


def test_nothing_and_nonsense_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="no rows"):
        summary.summarise(Manifest((), folder))
    with pytest.raises(UsageError, match="rows=0 must be at least 1"):
        summary.summarise(MANIFEST, rows=0)
    assert summary.summarise(MANIFEST, audio=False).heard is None
