"""Every data set in miniature, in the layout of its publishers, made from scratch.

``MINIATURES[name](root)`` makes the tree; names and labels are of the published form, sounds are 20 ms of a tone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import mido
import numpy as np
import soundfile
import yaml


def sound(path: Path, *, rate: int = 22_050, channels: int = 1) -> Path:
    """A short tone in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.1 * np.sin(np.arange(rate // 50) * 0.1)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
    return path


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    return text(path, header, *(",".join(map(str, row)) for row in rows))


def midi(
    path: Path, notes: Iterable[tuple[float, float, int, int]], pedal: tuple[float, float] | None = None
) -> Path:
    """Notes as (start, end, pitch, velocity) in seconds, and when the pedal is down."""
    changes = [
        change
        for start, end, pitch, velocity in notes
        for change in (
            (start, mido.Message("note_on", note=pitch, velocity=velocity)),
            (end, mido.Message("note_off", note=pitch)),
        )
    ]
    for time_s, value in zip(pedal or (), (127, 0), strict=False):
        changes.append((time_s, mido.Message("control_change", control=64, value=value)))
    file = mido.MidiFile(ticks_per_beat=500)  # At 120 beats a minute a tick is a millisecond.
    track, now = mido.MidiTrack(), 0
    for time_s, message in sorted(changes, key=lambda change: change[0]):
        ticks = round(time_s * 1000)
        track.append(message.copy(time=ticks - now))
        now = ticks
    file.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


def irmas(root: Path) -> None:
    training = root / "IRMAS-TrainingData"
    for name in (
        "cel/008__[cel][nod][cla]0058__1.wav",
        "cel/008__[cel][nod][cla]0058__2.wav",
        "cel/[cel][cla]0003__1.wav",
        "gel/[gel][pop_roc]0810__3.wav",
        "voi/118__[voi][dru][lat_sou]2288__1.wav",
    ):
        sound(training / name, rate=44_100, channels=2)
    part = root / "IRMAS-TestingData-Part1" / "Part1"
    for name, codes in (
        ("02 - And The Body Will Die-8", ["gel\t", "voi\t"]),
        ("(01) dont kill the whale-1", ["org"]),
    ):
        sound(part / f"{name}.wav", rate=44_100, channels=2)
        text(part / f"{name}.txt", *codes)
    sound(root / "IRMAS-TestingData-Part3" / "Part3" / "(01) dont kill the whale-11.wav")
    text(root / "IRMAS-TestingData-Part3" / "Part3" / "(01) dont kill the whale-11.txt", "org", "pia")


def openmic(root: Path) -> None:
    folder = root / "openmic-2018"
    table(
        folder / "openmic-2018-aggregated-labels.csv",
        "sample_key,instrument,relevance,num_responses",
        [
            ("000046_3840", "clarinet", 0.17105, 3),
            ("000046_3840", "flute", 0.0, 3),
            ("000046_3840", "trumpet", 0.93, 4),
            ("000135_483840", "guitar", 0.5, 3),
            ("000135_483840", "voice", 1.0, 4),
            ("155311_115200", "mallet_percussion", 0.6, 3),
        ],
    )
    text(folder / "partitions" / "split01_train.csv", "000046_3840", "155311_115200")
    text(folder / "partitions" / "split01_test.csv", "000135_483840")
    for key in ("000046_3840", "000135_483840", "155311_115200"):
        sound(folder / "audio" / key[:3] / f"{key}.ogg")


def nsynth(root: Path) -> None:
    for split, names in (
        (
            "train",
            [
                "keyboard_acoustic_004-060-025",
                "keyboard_acoustic_004-061-127",
                "synth_lead_synthetic_0-30-75",
            ],
        ),
        ("valid", ["organ_electronic_001-060-127"]),
        ("test", ["flute_acoustic_002-077-100"]),
    ):
        examples = {}
        for name in names:
            instrument, pitch, velocity = name.rsplit("-", 2)
            family = next(f for f in ("keyboard", "synth_lead", "organ", "flute") if name.startswith(f))
            examples[name] = {
                "note_str": name,
                "instrument_str": instrument,
                "instrument_family_str": family,
                "instrument_source_str": instrument.removeprefix(f"{family}_").split("_")[0],
                "pitch": int(pitch),
                "velocity": int(velocity),
                "sample_rate": 16_000,
                "qualities_str": ["dark", "reverb"] if "004" in name else [],
            }
            sound(root / f"nsynth-{split}" / "audio" / f"{name}.wav", rate=16_000)
        text(root / f"nsynth-{split}" / "examples.json", json.dumps(examples, indent=1))


def musicnet(root: Path) -> None:
    folder = root / "musicnet"
    header = "start_time,end_time,instrument,note,start_beat,end_beat,note_value"
    labels = {
        "train/1788": [
            (9182, 90078, 43, 53, 4.0, 1.5, "Dotted Quarter"),
            (9182, 33790, 42, 65, 4.0, 0.5, "Eighth"),
        ],
        "train/1792": [(44_100, 88_200, 41, 76, 0.0, 1.0, "Quarter")],
        "train/1727": [(4410, 22_050, 1, 60, 0.0, 1.0, "Quarter")],
        "test/2303": [(22_050, 66_150, 1, 55, 0.0, 1.0, "Quarter"), (0, 44_100, 1, 43, 0.0, 2.0, "Half")],
        "test/2191": [(100, 44_200, 41, 62, 0.0, 1.0, "Quarter")],
    }
    for name, rows in labels.items():
        split, number = name.split("/")
        sound(folder / f"{split}_data" / f"{number}.wav", rate=44_100)
        table(folder / f"{split}_labels" / f"{number}.csv", header, rows)
    table(
        root / "musicnet_metadata.csv",
        "id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds",
        [
            (1788, "Mozart", "String Quartet No 19", "1. Adagio", "String Quartet", "EA", "x", "K465", 600),
            (2303, "Bach", "WTK I", '"2. Fugue, a 3"', "Solo Piano", "EA", "x", "BWV850", 120),
        ],
    )


def maestro(root: Path) -> None:
    folder = root / "maestro-v3.0.0"
    rows = [
        ("Alban Berg", "Sonata Op. 1", "train", 2018, "2018/a.midi", "2018/a.wav", 698.66),
        ("Alban Berg", "Sonata Op. 1", "train", 2008, "2008/b.midi", "2008/b.wav", 759.5),
        ("Franz Liszt", '"Au bord, d\'une source"', "validation", 2006, "2006/c.midi", "2006/c.wav", 250.0),
        ("J.S. Bach", "Prelude and Fugue", "test", 2004, "2004/d.midi", "2004/d.wav", 300.0),
    ]
    table(
        folder / "maestro-v3.0.0.csv",
        "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration",
        rows,
    )
    for row in rows:
        sound(folder / row[5], rate=44_100, channels=2)
        midi(folder / row[4], [(0.5, 1.0, 60, 64), (1.0, 1.25, 64, 80)], pedal=(0.75, 2.0))


def guitarset(root: Path) -> None:
    for excerpt in ("00_BN1-129-Eb_comp", "00_BN1-129-Eb_solo", "03_SS3-98-C#_solo", "05_Jazz2-110-Bb_comp"):
        sound(root / "audio_mono-mic" / f"{excerpt}_mic.wav", rate=44_100)
        strings = [
            {
                "namespace": "note_midi",
                "annotation_metadata": {"data_source": str(number)},
                "data": [
                    {"time": 0.5 + number, "duration": 0.25, "value": 40.02 + 5 * number, "confidence": None}
                ],
            }
            for number in range(6)
        ]
        other = {
            "namespace": "beat_position",
            "data": [{"time": 0.0, "duration": 0.0, "value": {"position": 1}}],
        }
        text(root / "annotation" / f"{excerpt}.jams", json.dumps({"annotations": [*strings, other]}))
    sound(root / "audio_mono-pickup_mix" / "00_BN1-129-Eb_comp_mix.wav", rate=44_100)


def slakh(root: Path) -> None:
    folder = root / "slakh2100_flac_redux"
    for place, uuid in (
        ("train/Track00001", "1a81"),
        ("validation/Track01501", "77cc"),
        ("test/Track01876", "90ab"),
        ("omitted/Track00002", "1a81"),
    ):
        track = folder / place
        stems = {
            "S00": stem("Guitar", "Distortion Guitar", 30, rendered=True),
            "S01": stem("Drums", "Drums", 128, rendered=True, is_drum=True),
            "S02": stem("Strings (continued)", "Choir Aahs", 52, rendered=True),
            "S03": stem("Sound Effects", "FX 8 (sci-fi)", 103, rendered=False),
            "S04": stem("Guitar", "Electric Guitar (jazz)", 26, rendered=True),
        }
        text(track / "metadata.yaml", yaml.safe_dump({"UUID": uuid, "audio_dir": "stems", "stems": stems}))
        sound(track / "mix.flac", rate=44_100)
        for name, values in stems.items():
            if values["audio_rendered"]:
                sound(track / "stems" / f"{name}.flac", rate=44_100)
                midi(track / "MIDI" / f"{name}.mid", [(0.0, 0.5, 50, 90)])


def stem(kind: str, program: str, number: int, *, rendered: bool, is_drum: bool = False) -> dict:
    return {
        "audio_rendered": rendered,
        "inst_class": kind,
        "is_drum": is_drum,
        "midi_program_name": program,
        "midi_saved": rendered,
        "plugin_name": "x.nkm" if rendered else "None",
        "program_num": number,
    }


def medleydb(root: Path) -> None:
    for track, artist, bleed, instruments in (
        ("AimeeNorwich_Child", "Aimee Norwich", "no", ["drum set", "electric bass", "female singer"]),
        ("MusicDelta_Rock", "Music Delta", "yes", ["clean electric guitar", "Main System"]),
    ):
        folder = root / "Audio" / track
        stems = {
            f"S{number:02d}": {
                "component": "melody" if "singer" in name else "",
                "filename": f"{track}_STEM_{number:02d}.wav",
                "instrument": name,
                "raw": {},
            }
            for number, name in enumerate(instruments, start=1)
        }
        about = {"artist": artist, "genre": "Rock", "has_bleed": bleed, "excerpt": "no", "stems": stems}
        place = folder if bleed == "no" else root / "Metadata"
        text(place / f"{track}_METADATA.yaml", yaml.safe_dump(about))
        sound(folder / f"{track}_MIX.wav", rate=44_100, channels=2)
        for values in stems.values():
            sound(folder / f"{track}_STEMS" / values["filename"], rate=44_100, channels=2)
    table(
        root / "Annotations" / "Activation_Confidence" / "AimeeNorwich_Child_ACTIVATION_CONF.lab",
        "time,S01,S02,S03",
        [
            ("0.0000", "0.0474", "0.9000", "0.1"),
            ("0.0464", "0.6181", "0.7000", "0.1"),
            ("0.0929", "0.9757", "0.2000", "0.1"),
            ("0.1393", "0.1000", "0.6000", "0.1"),
            ("0.1858", "0.1000", "0.6000", "0.1"),
        ],
    )


def medley_solos(root: Path) -> None:
    rows = [
        ("training", "clarinet", 0, 0, "0e4371ac-1c6a-51ab-fdb7-f8abd5fbf1a3"),
        ("training", "distorted electric guitar", 1, 7, "2d7bc0f9-5bd4-5e4a-f7a5-2d6d3ebf8a6c"),
        ("validation", "flute", 3, 3, "d07b1fc0-567d-52c2-fef4-239f31c9d40e"),
        ("test", "violin", 7, 0, "ffd1f8c5-6a4b-5f0b-f8a1-d5fd5b9c4a10"),
    ]
    table(
        root / "annotation/Medley-solos-DB_metadata.csv",
        "subset,instrument,instrument_id,song_id,uuid4",
        rows,
    )
    for subset, _, number, _, uuid in rows:
        sound(root / "audio" / f"Medley-solos-DB_{subset}-{number}_{uuid}.wav")


def maps(root: Path) -> None:
    for place, name in (
        ("MAPS_ENSTDkCl_2/ENSTDkCl/MUS", "MAPS_MUS-alb_se2_ENSTDkCl"),
        ("MAPS_ENSTDkAm_2/ENSTDkAm/MUS", "MAPS_MUS-chpn-p14_ENSTDkAm"),
        ("MAPS_ENSTDkCl_2/ENSTDkCl/ISOL/NO", "MAPS_ISOL_NO_F_S0_M23_ENSTDkCl"),
        ("MAPS_AkPnBcht_2/AkPnBcht/MUS", "MAPS_MUS-chpn-p14_AkPnBcht"),
        ("MAPS_AkPnBcht_2/AkPnBcht/MUS", "MAPS_MUS-bach_846_AkPnBcht"),
        ("MAPS_StbgTGd2_2/StbgTGd2/MUS", "MAPS_MUS-bach_846_StbgTGd2"),
        ("MAPS_AkPnBcht_2/AkPnBcht/UCHO/C0-3-7", "MAPS_UCHO_C0-3-7_I60-68_S1_n1_AkPnBcht"),
    ):
        sound(root / place / f"{name}.wav", rate=44_100, channels=2)
        text(
            root / place / f"{name}.txt",
            "OnsetTime\tOffsetTime\tMidiPitch",
            "0.500004\t0.914\t65",
            "0.750000\t1.25\t62",
        )


def esc50(root: Path) -> None:
    folder = root / "ESC-50-master"
    rows = [
        ("1-100032-A-0.wav", 1, 0, "dog", True, 100032, "A"),
        ("1-100032-B-0.wav", 1, 0, "dog", True, 100032, "B"),
        ("2-102581-A-46.wav", 2, 46, "church_bells", False, 102581, "A"),
        ("5-9032-A-0.wav", 5, 0, "dog", True, 9032, "A"),
    ]
    table(folder / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", rows)
    for row in rows:
        sound(folder / "audio" / str(row[0]), rate=44_100)


def fsdkaggle2018(root: Path) -> None:
    meta = root / "FSDKaggle2018.meta"
    train = [
        ("00044347.wav", "Hi-hat", 0, 28739, "Attribution"),
        ("001ca53d.wav", "Saxophone", 1, 358827, "Attribution"),
    ]
    test = [("00326aa9.wav", "Oboe", "Private", 355125, "Creative Commons 0")]
    table(meta / "train_post_competition.csv", "fname,label,manually_verified,freesound_id,license", train)
    table(meta / "test_post_competition_scoring_clips.csv", "fname,label,usage,freesound_id,license", test)
    for part, rows in (("train", train), ("test", test)):
        for row in rows:
            sound(root / f"FSDKaggle2018.audio_{part}" / str(row[0]), rate=44_100)


def fsdkaggle2019(root: Path) -> None:
    meta = root / "FSDKaggle2019.meta"
    licence = "http://creativecommons.org/publicdomain/zero/1.0/"
    curated = [
        ("0006ae4e.wav", "Bark", 65187, licence),
        ("0019ef41.wav", '"Walk_and_footsteps,Slam"', 31537, licence),
        ("77b925c2.wav", "Bark", 165604, licence),
    ]
    noisy = [("00097e21.wav", "Bathtub_(filling_or_washing)", "https://www.flickr.com/photos/1/2", licence)]
    test = [("4260ebea.wav", '"Bark,Slam"', "Public", 2142, licence)]
    table(meta / "train_curated_post_competition.csv", "fname,labels,freesound_id,license", curated)
    table(meta / "train_noisy_post_competition.csv", "fname,labels,flickr_video_URL,license", noisy)
    table(meta / "test_post_competition.csv", "fname,labels,usage,freesound_id,license", test)
    text(
        meta / "vocabulary.csv",
        "0,Bark,/m/05tny_",
        "1,Bathtub_(filling_or_washing),/m/03dnzn",
        "2,Slam,/m/07rjzl8",
        "3,Walk_and_footsteps,/m/07pbtc8",
    )
    for part, rows in (("train_curated", curated), ("train_noisy", noisy), ("test", test)):
        for row in rows:
            sound(root / f"FSDKaggle2019.audio_{part}" / str(row[0]), rate=44_100)


def fsd50k(root: Path) -> None:
    truth = root / "FSD50K.ground_truth"
    dev = [
        (64760, '"Electric_guitar,Guitar,Music"', '"/m/02sgy,/m/0342h,/m/04rlf"', "train"),
        (16399, '"Crash_cymbal,Cymbal"', '"/m/0bm0k,/m/01qbl"', "val"),
    ]
    evaluation = [(37199, "Guitar", "/m/0342h")]
    table(truth / "dev.csv", "fname,labels,mids,split", dev)
    table(truth / "eval.csv", "fname,labels,mids", evaluation)
    words = ("Crash_cymbal", "Cymbal", "Electric_guitar", "Guitar", "Music")
    text(truth / "vocabulary.csv", *(f"{place},{word},/m/{place}" for place, word in enumerate(words)))
    clips = {"64760": {"title": "Guitar 1", "license": "CC0", "uploader": "someone", "tags": ["guitar"]}}
    text(root / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", json.dumps(clips))
    for part, rows in (("dev", dev), ("eval", evaluation)):
        for row in rows:
            sound(root / f"FSD50K.{part}_audio" / f"{row[0]}.wav", rate=44_100)


def buzzdetect(root: Path) -> None:
    place = root / "02_set" / "sets" / "medium"
    first, second, third = "JamesU/1_29/240903_1319", "Lily/53/230808_1208", "Luke/31/250805_1247"
    table(
        place / "annotations.csv",
        '"source","ident","start","end","label","duration","item"',
        [
            ('"Even Sample"', f'"{first}"', 10, 14, '"ins_buzz_low"', 4, 1),
            ('"Even Sample"', f'"{first}"', 12, 20, '"mech_plane"', 8, 2),
            ('"Even Sample"', f'"{first}"', 20, 22, '"mech_plane"', 2, 3),
            ('"Even Sample"', f'"{first}"', 21.5, 21.75, '"unclear"', 0.25, 4),
            ('"Even Sample"', f'"{first}"', 40, 41, '"ambient_odd"', 1, 5),
            ('"Even Sample"', f'"{second}"', 0, 5.5, '"ins_buzz_high"', 5.5, 6),
            ('"Even Sample"', f'"{third}"', 0, 5.5, '"mech_plane"', 5.5, 7),
        ],
    )
    table(
        place / "folds.csv",
        '"source","ident","fold","role"',
        [
            ('"Even Sample"', f'"{first}"', '"JamesU/1_29"', '"rotate"'),
            ('"Even Sample"', f'"{second}"', '"Lily/53"', '"train"'),
            ('"Even Sample"', f'"{third}"', '"Luke/31"', '"exclude"'),
        ],
    )
    table(
        place / "translations" / "general.csv",
        '"from","to"',
        [
            ('"ins_buzz_low"', '"ins_buzz"'),
            ('"ins_buzz_high"', '"ins_buzz"'),
            ('"mech_plane"', '"mech_plane"'),
            ('"unclear"', '"exclude"'),
            ('"ambient_odd"', '"ignore"'),
        ],
    )
    for ident, suffix in ((first, "mp3"), (second, "wav"), (third, "flac")):
        sound(root / "audio" / f"{ident}.{suffix}")


def folder(root: Path) -> None:
    for name in ("train/Violin/a.wav", "train/Violin,Piano/b.flac", "train/-Violin/c.wav", "train/Noise/d.wav",
                 "test/Piano/e.ogg", "test/background/f.wav"):  # fmt: skip
        sound(root / name)
    text(root / "train" / "Violin" / "notes.txt", "not a recording")
    text(root / "train" / "Violin" / "._a.wav", "what macOS leaves behind")


def annotated(root: Path) -> None:
    sound(root / "site1" / "a.wav")
    text(
        root / "site1" / "a.Table.1.selections.txt",
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies",
        "1\tSpectrogram 1\t1\t0.5\t1.25\t200.0\t4000.0\tinsect_buzz",
        "2\tSpectrogram 1\t1\t2.0\t3.0\t200.0\t4000.0\tbird",
    )
    sound(root / "site1" / "a.b.wav")
    text(root / "site1" / "a.b.txt", "0.100000\t0.200000\train", "1.000000\t1.000000\tbird")
    sound(root / "site2" / "c.flac")
    text(root / "site2" / "c.csv", "TIME,VALUE,DURATION,LABEL", "1.5,0,0.25,wind")
    sound(root / "site2" / "silent.wav")
    text(root / "site2" / "silent.wav.labels.txt")
    sound(root / "site2" / "unannotated.wav")


def collection(root: Path) -> None:
    rows = [
        ("clips/a.wav", "violin", "lib1", "A", "yes", "x", 0.02),
        ("clips/b.wav", "guitar|nylon", "lib2", "B", "no", "y", 0.02),
        ("clips/c.wav", "banjo", "lib3", "", "yes", "y", 0.02),
    ]
    table(root / "manifest.csv", "path,labels,origin,fold,trainable,source,duration_s", rows)
    for row in rows:
        sound(root / str(row[0]))


MINIATURES: dict[str, Callable[[Path], None]] = {
    "irmas": irmas,
    "openmic": openmic,
    "nsynth": nsynth,
    "musicnet": musicnet,
    "maestro": maestro,
    "guitarset": guitarset,
    "slakh": slakh,
    "medleydb": medleydb,
    "medley-solos": medley_solos,
    "maps": maps,
    "esc50": esc50,
    "esc50-negatives": esc50,
    "fsdkaggle2018": fsdkaggle2018,
    "fsdkaggle2019": fsdkaggle2019,
    "fsd50k": fsd50k,
    "buzzdetect-training": buzzdetect,
    "folder": folder,
    "annotated": annotated,
    "collection": collection,
}
