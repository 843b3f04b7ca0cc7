"""What the readers make of the miniatures: labels, groups, splits and columns, compared with what was put in."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from sonoscope.data import annotation
from sonoscope.data.datasets import (
    DATASETS,
    LEFT_OUT,
    annotated,
    buzzdetect,
    esc50,
    fsdkaggle,
    maps,
    musicnet,
    read,
)
from sonoscope.data.rows import EVERYTHING_ELSE, Row

Make = Callable[[str], Path]


def by_name(name: str, root: Path) -> dict[str, Row]:
    return {Path(row.path).stem: row for row in DATASETS[name].rows(root)}


def test_irmas_codes_become_labels_and_tags_become_columns(miniature: Make) -> None:
    rows = by_name("irmas", miniature("irmas"))
    clip = rows["008__[cel][nod][cla]0058__1"]
    assert (clip.labels, clip.split, dict(clip.extra)) == (
        ("cello",),
        "train",
        {"drums": "no", "is_drum_known": "yes", "genre": "cla"},
    )
    assert clip.group == rows["008__[cel][nod][cla]0058__2"].group != rows["[cel][cla]0003__1"].group
    assert rows["[gel][pop_roc]0810__3"].extra == {"is_drum_known": "no", "genre": "pop_roc"}
    assert rows["118__[voi][dru][lat_sou]2288__1"].extra["drums"] == "yes"
    excerpt = rows["02 - And The Body Will Die-8"]
    assert (excerpt.labels, excerpt.split) == (("electric_guitar", "voice"), "test")
    # Excerpts of one song lie in different parts of the test set and share a group.
    assert rows["(01) dont kill the whale-1"].group == rows["(01) dont kill the whale-11"].group


def test_irmas_reads_a_training_set_alone_and_the_training_folder_itself(miniature: Make) -> None:
    root = miniature("irmas")
    alone = list(DATASETS["irmas"].rows(root / "IRMAS-TrainingData"))
    assert [row.split for row in alone] == ["train"] * 5
    assert alone[0].path == "cel/008__[cel][nod][cla]0058__1.wav"


def test_openmic_keeps_what_was_not_judged_apart(miniature: Make) -> None:
    whole = read("openmic", miniature("openmic"))
    first, second, third = whole.rows
    assert (first.labels, first.absent, first.unknown) == (
        ("trumpet",),
        ("clarinet", "flute"),
        (EVERYTHING_ELSE,),
    )
    assert [row.split for row in whole.rows] == ["train", "test", "train"]
    assert first.says("trumpet") is True and first.says("flute") is False and first.says("violin") is None
    assert second.absent == ("guitar",), "a relevance of exactly 0.5 is no presence, as published"
    assert third.labels == ("mallet_percussion",)
    _, known = whole.targets()
    assert known.sum(axis=1).tolist() == [3, 2, 1] and known.shape == (3, 20)


def test_nsynth_notes_have_pitch_and_share_their_instrument(miniature: Make) -> None:
    rows = by_name("nsynth", miniature("nsynth"))
    note = rows["keyboard_acoustic_004-060-025"]
    assert (note.labels, note.extra["pitch"], note.extra["velocity"]) == (("keyboard",), "60", "25")
    assert note.extra["qualities"] == "dark;reverb" and note.extra["production"] == "acoustic"
    assert note.group == rows["keyboard_acoustic_004-061-127"].group
    assert rows["organ_electronic_001-060-127"].split == "val"


def test_musicnet_versions_of_a_movement_share_a_group(miniature: Make) -> None:
    rows = by_name("musicnet", miniature("musicnet"))
    assert rows["1788"].group == rows["1792"].group == "musicnet-1788" != rows["1727"].group
    assert rows["1788"].labels == ("cello", "viola")
    assert rows["1788"].extra["movement"] == "1. Adagio" and rows["2303"].extra["movement"] == "2. Fugue, a 3"
    assert rows["2303"].extra["small_test"] == "yes" and "small_test" not in rows["2191"].extra
    assert [rows[n].split for n in ("1727", "2303", "2191")] == ["train", "test", "test"]


def test_musicnet_lists_are_those_of_the_publications() -> None:
    versions = [number for group in musicnet.VERSIONS for number in group]
    assert sum(len(group) - 1 for group in musicnet.VERSIONS) == 24
    assert len(set(versions)) == len(versions)
    assert len(musicnet.EXTENDED_TEST) == 10 and set(musicnet.SMALL_TEST) < set(musicnet.EXTENDED_TEST)
    assert not {*versions} & {*musicnet.EXTENDED_TEST}, "no official test recording has a twin"
    assert {*versions} & {*musicnet.USUAL_VALIDATION} == {1792, 2514}
    assert len(musicnet.INSTRUMENTS) == 11


def test_maestro_keeps_a_composition_together_and_reads_both_kinds_of_json(miniature: Make) -> None:
    root = miniature("maestro")
    rows = list(DATASETS["maestro"].rows(root))
    assert [row.split for row in rows] == ["train", "train", "val", "test"]
    assert rows[0].group == rows[1].group == "maestro-Alban Berg: Sonata Op. 1"
    assert rows[2].extra["title"] == "Au bord, d'une source"
    folder = root / "maestro-v3.0.0"
    table = folder / "maestro-v3.0.0.csv"
    with open(table, encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    table.unlink()
    columns = {name: {str(i): line[name] for i, line in enumerate(listed)} for name in listed[0]}
    for content in (listed, columns):
        (folder / "maestro-v3.0.0.json").write_text(json.dumps(content), encoding="utf-8")
        assert list(DATASETS["maestro"].rows(root)) == rows


def test_guitarset_recordings_of_an_excerpt_share_the_player(miniature: Make) -> None:
    rows = by_name("guitarset", miniature("guitarset"))
    mic, mix = rows["00_BN1-129-Eb_comp_mic"], rows["00_BN1-129-Eb_comp_mix"]
    assert mic.annotation == mix.annotation and mic.group == mix.group == "guitarset-player-00"
    assert dict(mic.extra) == {
        "player": "00", "style": "bossa_nova", "progression": "1", "tempo": "129", "key": "Eb", "mode": "comp",
        "recorded_by": "microphone",
    }  # fmt: skip
    assert rows["03_SS3-98-C#_solo_mic"].extra["key"] == "C#" and mix.extra["recorded_by"] == "pickup"


def test_slakh_has_the_mix_and_the_stems_that_were_rendered(miniature: Make) -> None:
    rows = [row for row in DATASETS["slakh"].rows(miniature("slakh")) if "Track00001" in row.path]
    assert [row.extra["stem"] for row in rows] == ["mix", "S00", "S01", "S02", "S04"]
    assert rows[0].labels == ("drums", "guitar", "strings_continued") and rows[0].split == "train"
    assert rows[2].labels == ("drums",) and rows[2].extra["gm_program"] == "128"
    assert rows[2].annotation.endswith("Track00001/MIDI/S01.mid")


def test_slakh_renderings_of_one_midi_file_share_a_group_and_the_omitted_are_in_no_split(
    miniature: Make,
) -> None:
    rows = list(DATASETS["slakh"].rows(miniature("slakh")))
    omitted = [row for row in rows if "omitted" in row.path]
    assert {row.split for row in omitted} == {""} and all(LEFT_OUT in row.extra for row in omitted)
    assert {row.group for row in omitted} == {row.group for row in rows if "Track00001" in row.path}
    assert {row.split for row in rows} == {"train", "val", "test", ""}


def test_medleydb_says_where_others_may_be_heard(miniature: Make) -> None:
    rows = by_name("medleydb", miniature("medleydb"))
    mix = rows["AimeeNorwich_Child_MIX"]
    assert (mix.labels, mix.unknown) == (("drum_set", "electric_bass", "female_singer"), ())
    assert rows["AimeeNorwich_Child_STEM_03"].labels == ("female_singer",)
    assert rows["AimeeNorwich_Child_STEM_03"].extra["component"] == "melody"
    guitar, room = rows["MusicDelta_Rock_STEM_01"], rows["MusicDelta_Rock_STEM_02"]
    assert (guitar.labels, guitar.unknown) == (("clean_electric_guitar",), (EVERYTHING_ELSE,)), "it has bleed"
    assert (room.labels, room.unknown) == ((), (EVERYTHING_ELSE,)), "Main System is no instrument"
    assert rows["MusicDelta_Rock_MIX"].unknown == (EVERYTHING_ELSE,)
    assert mix.group != guitar.group == room.group


def test_medleydb_activations_are_events_of_instruments(miniature: Make) -> None:
    whole = read("medleydb", miniature("medleydb"))
    mix = next(row for row in whole.rows if row.path.endswith("AimeeNorwich_Child_MIX.wav"))
    found = [(e.start_s, e.end_s, e.label, e.score) for e in annotation.of(whole, mix)]
    assert found == [
        (0.0, 0.0929, "electric_bass", 0.9),
        (0.0464, 0.1393, "drum_set", 0.9757),
        (0.1393, 0.1858, "electric_bass", 0.6),
    ]
    drums = next(row for row in whole.rows if row.path.endswith("STEM_01.wav") and "Child" in row.path)
    assert {e.label for e in annotation.of(whole, drums)} == {"drum_set"}


def test_medley_solos_songs_are_numbered_within_their_collection(miniature: Make) -> None:
    rows = list(DATASETS["medley-solos"].rows(miniature("medley-solos")))
    assert [(row.labels[0], row.split, row.group) for row in rows] == [
        ("clarinet", "train", "medleydb-song-0"),
        ("distorted_electric_guitar", "train", "medleydb-song-7"),
        ("flute", "val", "medleydb-song-3"),
        ("violin", "test", "solosdb-song-0"),
    ]


def test_maps_leaves_out_pieces_that_the_test_set_has(miniature: Make) -> None:
    rows = by_name("maps", miniature("maps"))
    assert {name: row.split for name, row in rows.items()} == {
        "MAPS_MUS-alb_se2_ENSTDkCl": "test",
        "MAPS_MUS-chpn-p14_ENSTDkAm": "test",
        "MAPS_ISOL_NO_F_S0_M23_ENSTDkCl": "test",
        "MAPS_MUS-chpn-p14_AkPnBcht": "",
        "MAPS_MUS-bach_846_AkPnBcht": "train",
        "MAPS_MUS-bach_846_StbgTGd2": "train",
        "MAPS_UCHO_C0-3-7_I60-68_S1_n1_AkPnBcht": "train",
    }
    assert "test set" in rows["MAPS_MUS-chpn-p14_AkPnBcht"].extra[LEFT_OUT]
    assert rows["MAPS_MUS-bach_846_AkPnBcht"].group == rows["MAPS_MUS-bach_846_StbgTGd2"].group
    assert rows["MAPS_ISOL_NO_F_S0_M23_ENSTDkCl"].extra["kind"] == "ISOL"
    assert set(maps.TEST_PIANOS) < set(maps.PIANOS) and len(maps.PIANOS) == 9


def test_esc50_is_read_as_classes_and_as_negatives(miniature: Make) -> None:
    root = miniature("esc50")
    positive, negative = (read(name, root) for name in ("esc50", "esc50-negatives"))
    assert [row.labels for row in positive.rows] == [("dog",), ("dog",), ("church_bells",), ("dog",)]
    assert positive.rows[0].group == positive.rows[1].group != positive.rows[3].group
    assert [row.split for row in positive.rows] == ["fold1", "fold1", "fold2", "fold5"]
    assert all(not row.labels and not row.unknown for row in negative.rows)
    sounds, known = negative.targets(["violin", "piano"])
    assert not sounds.any() and known.all()
    assert [row.extra["category"] for row in negative.rows] == ["dog", "dog", "church_bells", "dog"]
    assert negative.rows[2].extra["like_an_instrument"] == "yes"
    assert len(set(esc50.CLASSES)) == 50 and set(esc50.LIKE_AN_INSTRUMENT) < set(esc50.CLASSES)


def test_fsdkaggle_2018_keeps_what_was_verified_and_each_licence(miniature: Make) -> None:
    rows = by_name("fsdkaggle2018", miniature("fsdkaggle2018"))
    assert [rows[n].extra.get("verified") for n in ("00044347", "001ca53d", "00326aa9")] == [
        "no",
        "yes",
        None,
    ]
    assert rows["00326aa9"].licence == "Creative Commons 0" and rows["00326aa9"].split == "test"
    assert rows["001ca53d"].group == "freesound-358827" and len(fsdkaggle.LABELS_2018) == 41


def test_fsdkaggle_2019_has_several_labels_and_leaves_known_errors_out(miniature: Make) -> None:
    rows = by_name("fsdkaggle2019", miniature("fsdkaggle2019"))
    assert rows["0019ef41"].labels == ("Walk_and_footsteps", "Slam")
    assert (rows["77b925c2"].split, rows["77b925c2"].extra[LEFT_OUT]) == ("", "wrong label, by its authors")
    assert rows["00097e21"].extra["part"] == "noisy" and rows["00097e21"].group.startswith("flickr-https")
    assert rows["4260ebea"].split == "test"


def test_fsd50k_splits_the_development_set_as_published(miniature: Make) -> None:
    rows = by_name("fsd50k", miniature("fsd50k"))
    assert {name: row.split for name, row in rows.items()} == {
        "64760": "train",
        "16399": "val",
        "37199": "test",
    }
    assert rows["64760"].labels == ("Electric_guitar", "Guitar", "Music")
    assert (rows["64760"].extra["uploader"], rows["64760"].licence) == ("someone", "CC0")


def test_parts_that_were_not_fetched_are_left_out(miniature: Make) -> None:
    for name, part, splits in (
        ("fsd50k", "FSD50K.eval_audio", {"train", "val"}),
        ("nsynth", "nsynth-train", {"val", "test"}),
        ("fsdkaggle2018", "FSDKaggle2018.audio_test", {"train"}),
    ):
        root = miniature(name)
        shutil.rmtree(root / part)
        assert {row.split for row in DATASETS[name].rows(root)} == splits


def test_buzzdetect_stretches_are_united_translated_and_without_what_is_excluded(miniature: Make) -> None:
    rows = list(DATASETS["buzzdetect-training"].rows(miniature("buzzdetect-training")))
    assert [(Path(row.path).name, row.start_s, row.end_s, row.labels) for row in rows] == [
        ("240903_1319.mp3", 10.0, 12.0, ("ins_buzz",)),
        ("240903_1319.mp3", 12.0, 14.0, ("ins_buzz", "mech_plane")),
        ("240903_1319.mp3", 14.0, 21.5, ("mech_plane",)),
        ("240903_1319.mp3", 21.75, 22.0, ("mech_plane",)),
        ("230808_1208.wav", 0.0, 5.5, ("ins_buzz",)),
    ]
    assert [(row.group, row.split) for row in (rows[0], rows[-1])] == [
        ("JamesU/1_29", "rotate"),
        ("Lily/53", "train"),
    ]


def test_buzzdetect_reads_the_folder_of_a_set_too(miniature: Make) -> None:
    root = miniature("buzzdetect-training")
    expected = list(buzzdetect.rows(root))
    for entry in (root / "02_set" / "sets" / "medium").iterdir():
        entry.rename(root / entry.name)
    assert [(row.path, row.start_s, row.labels) for row in buzzdetect.rows(root)] == [
        (row.path, row.start_s, row.labels) for row in expected
    ]


def test_stretches_agree_with_looking_at_every_instant(rng) -> None:
    for _ in range(50):
        labels = ["a", "b", "ignore", "exclude"]
        spans = []
        for _ in range(12):
            start, end = sorted(rng.choice(40, size=2, replace=False).tolist())
            spans.append((float(start), float(end), str(rng.choice(labels, p=[0.4, 0.4, 0.12, 0.08]))))
        found = list(buzzdetect.stretches([buzzdetect._Span(*span) for span in spans]))
        for instant in [k + 0.5 for k in range(40)]:
            active = {label for start, end, label in spans if start <= instant < end}
            expected = () if "exclude" in active else tuple(sorted(active - {"ignore"}))
            here = [said for start, end, said in found if start <= instant < end]
            assert here == ([expected] if expected else [])
        assert all(a[1] <= b[0] for a, b in pairwise(found))


def test_folder_follows_the_grammar_of_birdnet(miniature: Make) -> None:
    rows = {row.path: row for row in DATASETS["folder"].rows(miniature("folder"))}
    assert {path: (row.labels, row.absent, row.split) for path, row in rows.items()} == {
        "train/-Violin/c.wav": ((), ("Violin",), "train"),
        "train/Noise/d.wav": ((), (), "train"),
        "train/Violin/a.wav": (("Violin",), (), "train"),
        "train/Violin,Piano/b.flac": (("Violin", "Piano"), (), "train"),
        "test/Piano/e.ogg": (("Piano",), (), "test"),
        "test/background/f.wav": ((), (), "test"),
    }


def test_folder_without_splits(miniature: Make) -> None:
    root = miniature("folder")
    rows = list(DATASETS["folder"].rows(root / "train"))
    assert {row.split for row in rows} == {""} and len(rows) == 4


def test_annotated_pairs_each_recording_with_its_own_annotation(miniature: Make) -> None:
    whole = read("annotated", miniature("annotated"))
    rows = {row.path: row for row in whole.rows}
    assert {path: (row.labels, row.annotation) for path, row in rows.items()} == {
        "site1/a.b.wav": (("bird", "rain"), "site1/a.b.txt"),
        "site1/a.wav": (("bird", "insect_buzz"), "site1/a.Table.1.selections.txt"),
        "site2/c.flac": (("wind",), "site2/c.csv"),
        "site2/silent.wav": ((), "site2/silent.wav.labels.txt"),
    }
    assert {row.site for row in rows.values()} == {"site1", "site2"}
    events = [annotation.of(whole, rows[path]) for path in sorted(rows)]
    assert [[(e.start_s, e.end_s, e.label) for e in found] for found in events] == [
        [(0.1, 0.2, "rain"), (1.0, 1.0, "bird")],
        [(0.5, 1.25, "insect_buzz"), (2.0, 3.0, "bird")],
        [(1.5, 1.75, "wind")],
        [],
    ]


def test_a_folder_of_thousands_is_paired_in_good_time() -> None:
    names = [f"{k:05d}.{end}" for k in range(5_000) for end in ("txt", "wav")]
    began = time.process_time()
    found = list(annotated._pairs(names))
    assert time.process_time() - began < 5.0  # comparing each with each took longer than a minute
    assert found[:2] == [("00000.wav", ["00000.txt"]), ("00001.wav", ["00001.txt"])] and len(found) == 5_000


def test_collection_rows_are_its_clips(miniature: Make) -> None:
    rows = by_name("collection", miniature("collection"))
    assert (rows["a"].labels, rows["a"].group, rows["a"].split) == (("violin",), "lib1", "A")
    assert (rows["b"].labels, rows["b"].unknown) == ((), ("acoustic_guitar", "electric_guitar"))
    assert (rows["c"].labels, rows["c"].extra["class"]) == (("other",), "banjo")


@pytest.mark.data
def test_the_labelled_recordings_read_as_a_data_set(data_dir: Path) -> None:
    whole = read("collection", data_dir)
    assert len(whole) > 1000 and {row.split for row in whole.rows} >= {"A", "B", "C", "D"}
    assert all((whole.root / row.path).is_file() for row in whole.rows[:50])
