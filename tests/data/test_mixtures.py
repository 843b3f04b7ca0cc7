"""Folders of mixtures: the same bytes whoever makes them and however often it is interrupted, and made again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import annotation, badrows, manifest, sources
from sonoscope.data.mix import levels, mixrecords, mixtures
from sonoscope.data.mix.mixing import Mixtures, Recipe
from sonoscope.data.mix.pool import Pool, groups_of
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.errors import RunRefused, UnknownName, UsageError

RATE = 8000
LABELS = ("cello", "flute", "piano", "kazoo")
KEPT = Path(__file__).parents[2] / "recipes" / "mixing" / "polyphony"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Three clips for each of four labels in each of two splits; one of them is judged in part."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for number in range(24):
        n = round((0.4 + 0.1 * (number % 5)) * RATE)
        sound = (0.2 + 0.02 * (number % 4)) * np.sin(2 * np.pi * (150 + 60 * number) * np.arange(n) / RATE)
        soundfile.write(folder / f"{number:02d}.wav", sound, RATE)
        split = "train" if number % 2 else "val"
        about = {"unknown": ("*",)} if number == 5 else {}
        about |= {"split": split, "group": f"{split}{number % 3}", "source": "lab", "site": "attic"}
        about |= {"extra": {"year": "1999", "take": str(number)}}
        rows.append(Row(f"{number:02d}.wav", labels=(LABELS[number // 2 % 4],),
                        licence=("CC0", "CC-BY")[number % 3 == 0], **about))  # fmt: skip
    return Manifest(tuple(rows), folder, LABELS)


def pool(clips: Manifest) -> Pool:
    return Pool(clips, RATE)


RECIPE = Recipe(duration_s=0.5, concat_share=0.3)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def made(clips: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "mixtures"
    mixtures.write(folder, pool(clips), RECIPE, 12, seed=4)
    return folder


def test_manifest_and_labels_lie_beside_the_sound(made: Path, clips: Manifest) -> None:
    found = manifest.read(made / "manifest.csv")
    assert len(found) == 12 and found.label_map == LABELS and found.root == made
    labels = json.loads((made / "labels.json").read_text())["labels"]
    assert labels[0]["group"] == "strings" and labels[3] == {"id": "kazoo"}, (
        "what is known of a label is kept"
    )
    records = mixrecords.read(made / "mixtures.jsonl")
    assert sorted(records) == list(range(12))
    for row in found.rows:
        samples, rate = soundfile.read(found.path_of(row))
        record = records[int(row.extra["mixture"])]
        assert rate == RATE == record["sample_rate"] and samples.size == record["n"]
        assert row.duration_s == pytest.approx(samples.size / RATE, abs=1e-6)
        used = [next(r for r in clips.rows if r.path == source["path"]) for source in record["sources"]]
        assert set(row.labels) == {label for each in used for label in each.labels}
        assert row.split == used[0].split and {each.split for each in used} == {row.split}
        assert groups_of(row) == frozenset().union(*map(groups_of, used))
        assert (row.unknown == ("*",)) == any(each.path == "05.wav" for each in used)
        assert row.source == "lab" and set(row.licence.split(" + ")) == {each.licence for each in used}
        assert row.site == "attic" and row.extra["year"] == "1999" and "take" not in row.extra, (
            "what all agree on"
        )
        assert row.extra["how"] == record["how"] and int(row.extra["files"]) == len(used)
    groups = {
        split: set().union(*(groups_of(r) for r in found.where(split=split).rows))
        for split in ("train", "val")
    }
    assert all(groups.values()) and not groups["train"] & groups["val"], "no split leaks"


def test_a_label_track_says_which_label_sounds_when(made: Path) -> None:
    found = manifest.read(made / "manifest.csv")
    records = mixrecords.read(made / "mixtures.jsonl")
    for row in found.rows:
        record = records[int(row.extra["mixture"])]
        events = annotation.of(found, row)
        assert [e.label for e in events] == [e.label for e in mixrecords.events(record)]
        assert {event.label for event in events} == set(row.labels)
        stated = sorted((s["onset"] / RATE, (s["onset"] + s["n"]) / RATE) for s in record["sources"])
        np.testing.assert_allclose([(e.start_s, e.end_s) for e in events], stated, atol=1e-6)
        assert max(event.end_s for event in events) <= row.duration_s + 1e-6


def test_on_disk_is_what_is_mixed_on_the_fly(made: Path, clips: Manifest) -> None:
    mixtures_ = Mixtures(RECIPE, pool(clips), seed=4)
    for number in (0, 7, 11):
        samples, _ = soundfile.read(made / mixtures.sound_path(number, "flac"))
        np.testing.assert_allclose(samples, mixtures_[number].samples, atol=2.0**-15)


def test_workers_and_interruptions_change_nothing(made: Path, clips: Manifest, tmp_path: Path) -> None:
    expected = content(made)

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mixtures.write(tmp_path, pool(clips), RECIPE, 12, seed=4, progress=interrupt)
    assert len(manifest.read(tmp_path / "manifest.csv")) == 5, "what is done is whole"
    (tmp_path / "sound" / "000" / "000002.flac").unlink()
    with open(tmp_path / "mixtures.jsonl", "a") as file:
        file.write('{"index":5,"pa')
    told: list[tuple[int, int]] = []
    done = mixtures.write(
        tmp_path, pool(clips), RECIPE, 12, seed=4, workers=2, progress=lambda *a: told.append(a)
    )
    assert (done.made, done.kept, done.problems) == (8, 4, ()) and told[-1] == (12, 12)
    assert content(tmp_path) == expected
    again = mixtures.write(tmp_path, pool(clips), RECIPE, 12, seed=4)
    assert (again.made, again.kept) == (0, 12) and content(tmp_path) == expected


def test_a_larger_count_adds_and_a_smaller_one_takes_nothing_away(
    made: Path, clips: Manifest, tmp_path: Path
) -> None:
    mixtures.write(tmp_path, pool(clips), RECIPE, 3, seed=4)
    mixtures.write(tmp_path, pool(clips), RECIPE, 12, seed=4)
    assert content(tmp_path) == content(made)
    mixtures.write(tmp_path, pool(clips), RECIPE, 3, seed=4)
    assert content(tmp_path) == content(made)


def test_records_make_the_same_mixtures_without_drawing(made: Path, clips: Manifest, tmp_path: Path) -> None:
    done = mixtures.write_again(tmp_path, made / "mixtures.jsonl", clips)
    there, again = content(made), content(tmp_path)
    assert done.made == 12 and {k: v for k, v in again.items() if k != "mix.json"} == {
        k: v for k, v in there.items() if k != "mix.json"
    }
    with pytest.raises(
        BadManifest, match=r"mixture \d+: '\d\d\.wav' from 0 s is not among the 4 rows\. Give the"
    ):
        mixtures.write_again(tmp_path / "x", made / "mixtures.jsonl", Manifest(clips.rows[:4], clips.root))
    with pytest.raises(BadManifest, match="no mixtures in it"):
        mixtures.write_again(tmp_path / "x", tmp_path / "none.jsonl", clips)


def test_what_cannot_be_made_again_is_listed_and_the_others_are_made(
    made: Path, clips: Manifest, tmp_path: Path
) -> None:
    records = mixrecords.read(made / "mixtures.jsonl")
    gone, shorter = records[0]["sources"][0]["path"], records[1]["sources"][0]["path"]
    for row in clips.rows:
        (tmp_path / row.path).write_bytes(clips.path_of(row).read_bytes())
    (tmp_path / gone).unlink()
    soundfile.write(tmp_path / shorter, np.full(10, 0.1), RATE)
    done = mixtures.write_again(
        tmp_path / "out", made / "mixtures.jsonl", Manifest(clips.rows, tmp_path, LABELS)
    )
    lost = [r for r in records.values() if {gone, shorter} & {source["path"] for source in r["sources"]}]
    assert done.made == len(manifest.read(done.manifest)) == 12 - len(lost)
    reasons = {problem.path: problem.reason for problem in done.problems}
    assert set(reasons) == {gone, shorter} and "before the part that is in the mixture" in reasons[shorter]


def test_another_recipe_seed_or_set_of_rows_is_refused_with_the_difference(
    made: Path, clips: Manifest, tmp_path: Path
) -> None:
    before = content(made)
    with pytest.raises(
        RunRefused, match=r"holds other mixtures \(seed: 4 there, 5 now\)\. Give another folder"
    ):
        mixtures.write(made, pool(clips), RECIPE, 12, seed=5)
    with pytest.raises(RunRefused, match=r"\(duration_s: 0\.5 there, 0\.6 now\)"):
        mixtures.write(made, pool(clips), Recipe(duration_s=0.6, concat_share=0.3), 12, seed=4)
    fewer = Manifest(clips.rows[:-1], clips.root, LABELS)
    with pytest.raises(
        RunRefused, match=r"\(rows: 24 there, 23 now; rows_sha256: \w{12} there, \w{12} now\)"
    ):
        mixtures.write(made, pool(fewer), RECIPE, 12, seed=4)
    shuffled = Manifest(clips.rows[::-1], clips.root, LABELS)
    mixtures.write(made, pool(shuffled), RECIPE, 12, seed=4)
    assert content(made) == before, "the order of rows does not matter"
    with pytest.raises(RunRefused, match="again_sha256"):
        mixtures.write_again(made, made / "mixtures.jsonl", clips)


def test_rows_that_cannot_be_used_are_listed_and_stay_listed(clips: Manifest, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_text("this is text")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    for row in clips.rows[:6]:
        (tmp_path / row.path).write_bytes(clips.path_of(row).read_bytes())
    rows = [Row(path, labels=("flute",)) for path in ("broken.wav", "silent.wav", "missing.wav")]
    rows += [Row(row.path, labels=row.labels) for row in clips.rows[:6]]
    some = Manifest(tuple(rows), tmp_path)
    out = tmp_path / "out"
    done = mixtures.write(out, Pool(some, RATE), RECIPE, 15)
    listed = badrows.read(out / "manifest.bad_rows.csv")
    assert [problem.path for problem in listed] == [
        "broken.wav",
        "missing.wav",
        "silent.wav",
    ] and done.made == 15
    assert list(done.problems) == listed and all(problem.remedy for problem in listed)
    assert mixtures.write(out, Pool(some, RATE), RECIPE, 15).problems == done.problems
    two = mixtures.write(tmp_path / "two", Pool(some, RATE), RECIPE, 15, workers=2)
    assert {p.path for p in two.problems} == {p.path for p in listed} and content(
        tmp_path / "two"
    ) == content(out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count=0 must be at least 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"workers": 0}, "workers=0 must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_written(
    clips: Manifest, tmp_path: Path, options: dict, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        mixtures.write(tmp_path / "m", pool(clips), RECIPE, options.pop("count", 5), **options)
    with pytest.raises(UnknownName, match=r"unknown format 'mp3'.* Known: flac, wav"):
        mixtures.write(tmp_path / "m", pool(clips), RECIPE, 5, format="mp3")
    leaky = Manifest((*clips.rows, Row("x.wav", labels=("flute",), group="val0")), clips.root)
    with pytest.raises(UsageError, match="the group 'val0' is in the splits"):
        mixtures.write(tmp_path / "m", pool(leaky), RECIPE, 5)
    assert not (tmp_path / "m").exists()


def test_a_damaged_record_is_named_with_its_line(made: Path, tmp_path: Path) -> None:
    lines = (made / "mixtures.jsonl").read_text().splitlines(keepends=True)
    file = tmp_path / "mixtures.jsonl"
    file.write_text("".join([*lines[:2], "{}\n", *lines[2:]]))
    with pytest.raises(BadManifest, match=r"mixtures\.jsonl, line 3: no record of a mixture"):
        mixrecords.read(file)
    file.write_text("".join(lines[:2]) + lines[2][:20])
    assert sorted(mixrecords.read(file)) == [0, 1]
    assert mixrecords.read(tmp_path / "none.jsonl") == {}


def test_the_mixtures_that_are_kept_are_drawn_again_from_their_seed(data_dir: Path) -> None:
    """recipes/mixing/polyphony: what was drawn from the labelled recordings, and is drawn by this version."""
    stated = json.loads((KEPT / "mix.json").read_text())
    source = sources.load(f"collection:{data_dir}").where(trainable="yes")
    sounds = Pool(source, stated["sample_rate"])
    if mixtures.fingerprint(sounds.manifest) != stated["rows_sha256"]:
        pytest.skip("other labelled recordings than the mixtures were drawn from")
    records = mixrecords.read(KEPT / "mixtures.jsonl")
    assert sorted(records) == list(range(60))
    said = stated["recipe"]
    recipe = Recipe(**{**said, "files": tuple(said["files"]), "levels": levels.parse(said["levels"])})
    drawn = Mixtures(recipe, sounds, stated["seed"])
    rows = mixrecords.Rows(source)
    for number in (0, 17, 59):
        record, mixed = records[number], drawn[number]
        exact = ("path", "start", "n", "onset")
        assert mixrecords.record_of(mixed, number, record["path"], 24_000)["labels"] == record["labels"]
        found = mixrecords.record_of(mixed, number, record["path"], 24_000)["sources"]
        assert [[s[key] for key in exact] for s in found] == [
            [s[key] for key in exact] for s in record["sources"]
        ]
        gains = [[s["gain_db"] for s in these] for these in (found, record["sources"])]
        np.testing.assert_allclose(*gains, atol=0.02)  # decoders differ in the last bits
        samples, _ = mixrecords.again(record, rows)
        np.testing.assert_allclose(samples, mixed.samples, atol=3e-3)
