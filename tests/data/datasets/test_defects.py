"""Data sets that are incomplete or wrong: each defect is named with file, line where there is one, and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonoscope.data.datasets import DATASETS
from sonoscope.data.datasets.reading import home
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UsageError
from sonoscope.outputs import UnreadableTable

Defect = Callable[[Path], None]


def removed(pattern: str) -> Defect:
    """Remove the first file that fits."""

    def apply(root: Path) -> None:
        sorted(root.rglob(pattern))[0].unlink()

    return apply


def changed(pattern: str, old: str, new: str) -> Defect:
    """Replace text in the first file that fits and holds it."""

    def apply(root: Path) -> None:
        path = next(p for p in sorted(root.rglob(pattern)) if old in p.read_text(encoding="utf-8"))
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    return apply


def renamed(pattern: str, new: str) -> Defect:
    def apply(root: Path) -> None:
        path = sorted(root.rglob(pattern))[0]
        path.rename(path.with_name(new))

    return apply


def added(name: str) -> Defect:
    def apply(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")

    return apply


#: Data set, defect, and what the message must say: where, what, and what to do.
DEFECTS = [
    ("irmas", removed("02*-8.txt"), r"02 - And The Body Will Die-8\.wav: .*-8\.txt does not exist.*[Uu]npack"),
    ("irmas", changed("02*-8.txt", "voi", "vox"), r"-8\.txt, line 2: 'vox' is no label.*Did you mean 'voi'.*Correct"),
    ("irmas", changed("02*-8.txt", "gel\t\nvoi\t\n", "\n"), r"-8\.txt holds no label\. Write one code a line"),
    ("irmas", renamed("[[]cel]*", "[vio][cla]0003__1.wav"),
     r"the name says 'vio' and the folder 'cel'\. Move the clip"),
    ("irmas", renamed("[[]cel]*", "[cel][clx]0003__1.wav"), r"'clx' is no genre or drum tag.*Did you mean 'cla'"),
    ("openmic", removed("000135_483840.ogg"), r"labels\.csv, excerpt 000135_483840: .*\.ogg does not exist"),
    ("openmic", changed("*labels.csv", "trumpet", "trumpit"),
     r"line 4.*'trumpit' is no label.*Did you mean 'trumpet'"),
    ("openmic", changed("*labels.csv", "0.93", "93%"),
     r"line 4, column 'relevance': '93%' is not a number from 0 to 1"),
    ("openmic", changed("*labels.csv", "sample_key", "samplekey"), r"line 1: no column 'sample_key'.*'samplekey'"),
    ("openmic", removed("split01_test.csv"), r"split01_test\.csv does not exist.*Did you mean 'split01_train\.csv'"),
    ("nsynth", removed("organ*.wav"), r"examples\.json, note 'organ_electronic_001-060-127': .* does not exist"),
    ("nsynth", changed("examples.json", '"organ"', '"orgn"'), r"'orgn' is no label.*Did you mean 'organ'"),
    ("nsynth", changed("examples.json", '"pitch": 77', '"pitch": 300'), r"pitch=300 is no MIDI number \(0\.\.127\)"),
    ("nsynth", changed("examples.json", "{", "{,"), r"examples\.json, line 1: not JSON .*Fetch it again"),
    ("musicnet", removed("1792.csv"), r"1792\.wav: .*1792\.csv does not exist.*Did you mean '17\d\d\.csv'"),
    ("musicnet", changed("1788.csv", ",42,", ",142,"),
     r"1788\.csv, line 3, column 'instrument': '142' is no instrument"),
    ("musicnet", changed("1788.csv", "instrument", "program"), r"1788\.csv, line 1: no column 'instrument'"),
    ("musicnet", renamed("1727.wav", "bach.wav"), r"bach\.wav: .*bach\.csv does not exist"),
    ("maestro", removed("c.wav"), r"maestro-v3\.0\.0\.csv, line 4: .*c\.wav does not exist.*fetch 'audio'"),
    ("maestro", changed("*.csv", ",validation,", ",valdation,"),
     r"line 4: 'valdation' is no split.*Did you mean 'val"),
    ("maestro", changed("*.csv", "audio_filename", "audio"), r"line 1: no column 'audio_filename'.*another version"),
    ("maestro", added("maestro-v3.0.0/maestro-v2.0.0.csv"), r"several versions: maestro-v2.*Keep one"),
    ("guitarset", removed("03*.jams"), r"03_SS3-98-C#_solo_mic\.wav: .*\.jams does not exist"),
    ("guitarset", renamed("05*_mic.wav", "05_Jazzy2-110-Bb_comp_mic.wav"), r"'Jazzy' is no style|does not exist"),
    ("guitarset", renamed("05*_mic.wav", "solo.wav"),
     r"solo\.wav: not a name like 00_BN1-129-Eb_comp_mic\.wav\. Rename"),
    ("slakh", removed("S04.flac"), r"metadata\.yaml, stem S04: .*S04\.flac does not exist"),
    ("slakh", changed("metadata.yaml", "inst_class: Drums", "inst_class: ''"), r"stem S01: no inst_class\. Write"),
    ("slakh", changed("metadata.yaml", "stems:", "parts:"), r"metadata\.yaml: no 'stems'; found .*parts"),
    ("slakh", changed("metadata.yaml", "audio_dir: stems", "audio_dir: ["), r"metadata\.yaml, line \d+: not YAML"),
    ("medleydb", removed("AimeeNorwich_Child_STEM_02.wav"),
     r"METADATA\.yaml, stem S02: .*STEM_02\.wav does not exist"),
    ("medleydb", removed("MusicDelta_Rock_METADATA.yaml"),
     r"MusicDelta_Rock_MIX\.wav: .*METADATA\.yaml does not exist"),
    ("medleydb", changed("*.yaml", "instrument: drum set", "instrument: ''"),
     r"stem S01: instrument is empty\. Name it"),
    ("medleydb", changed("*.yaml", "has_bleed: 'no'", "has_bleed: some"), r"has_bleed='some' is neither yes nor no"),
    ("medley-solos", removed("*_validation-3*.wav"), r"metadata\.csv, line 4: .*validation-3_.* does not exist"),
    ("medley-solos", changed("*.csv", ",flute,", ",flut,"), r"line 4: 'flut' is no label.*Did you mean 'flute'"),
    ("medley-solos", changed("*.csv", "violin,7,", "violin,6,"),
     r"line 5, column 'instrument_id': '6' is not that of viol"),
    ("medley-solos", changed("*.csv", "validation,", "vaildation,"),
     r"'vaildation' is no subset.*Did you mean 'valid"),
    ("maps", removed("MAPS_MUS-alb_se2_ENSTDkCl.txt"), r"alb_se2_ENSTDkCl\.wav: .*\.txt does not exist"),
    ("maps", renamed("MAPS_MUS-alb*.wav", "MAPS_MUS-alb_se2_ENSTDkXX.wav"),
     r"'ENSTDkXX' is no piano.*Did you mean 'ENST"),
    ("maps", renamed("MAPS_MUS-alb*.wav", "MAPS_alb.wav"), r"MAPS_alb\.wav: not a name like MAPS_MUS-.*Rename"),
    ("esc50", removed("5-9032-A-0.wav"), r"esc50\.csv, line 5: .*5-9032-A-0\.wav does not exist"),
    ("esc50", changed("esc50.csv", "church_bells", "church_bell"),
     r"line 4: 'church_bell' is no label.*'church_bells'"),
    ("esc50", changed("esc50.csv", ".wav,5,", ".wav,6,"), r"line 5, column 'fold': '6' is not 1 to 5"),
    ("esc50", changed("esc50.csv", "src_file", "source"), r"line 1: no column 'src_file'"),
    ("esc50", changed("esc50.csv", ",dog,True,100032,B", ",dog"), r"line 3: 4 cells under 7 column names"),
    ("fsdkaggle2018", removed("001ca53d.wav"),
     r"train_post_competition\.csv, line 3: .*001ca53d\.wav does not exist"),
    ("fsdkaggle2018", changed("train*.csv", "Saxophone", "saxophone"),
     r"line 3: 'saxophone' is no label.*'Saxophone'"),
    ("fsdkaggle2018", removed("test_post*.csv"), r"test_post_competition_scoring_clips\.csv does not exist"),
    ("fsdkaggle2019", removed("0019ef41.wav"), r"train_curated_post_competition\.csv, line 3: .*does not exist"),
    ("fsdkaggle2019", changed("train_c*.csv", "Slam", "Slamm"), r"line 3: 'Slamm' is no label.*Did you mean 'Slam'"),
    ("fsdkaggle2019", removed("vocabulary.csv"), r"vocabulary\.csv does not exist"),
    ("fsd50k", removed("16399.wav"), r"dev\.csv, line 3: .*16399\.wav does not exist"),
    ("fsd50k", changed("dev.csv", "Electric_guitar", "Elektric_guitar"),
     r"line 2: 'Elektric_guitar'.*'Electric_guitar'"),
    ("fsd50k", changed("dev.csv", '"/m/0bm0k,/m/01qbl",val', '"/m/0bm0k",dev'), r"line 3: 'dev' is no split"),
    ("buzzdetect-training", removed("230808_1208.wav"),
     r"annotations\.csv, line 7: .*230808_1208\.\* does not exist"),
    ("buzzdetect-training", changed("annotations.csv", "mech_plane", "mech_plan"),
     r"annotations\.csv, line 3, column 'label': 'mech_plan' has no translation\. Did you mean 'mech_plane'\?"),
    ("buzzdetect-training", changed("annotations.csv", ",10,14,", ",14,10,"),
     r"line 2, column 'end': '10' is not after"),
    ("buzzdetect-training", changed("folds.csv", "JamesU/1_29/240903_1319", "JamesU/1_29/24"),
     r"is in no fold\. Add it"),
    ("buzzdetect-training", changed("folds.csv", '"rotate"', '"rotat"'),
     r"folds\.csv, line 2: 'rotat' is no role.*rotate"),
    ("buzzdetect-training", added("audio/Lily/53/230808_1208.mp3"),
     r"is ambiguous: 230808_1208\.mp3, 230808_1208\.wav"),
    ("buzzdetect-training", removed("general.csv"), r"translations.*general\.csv does not exist"),
    ("folder", renamed("Violin", "Violin,-Violin"), r"says of 'Violin' that it sounds and that it does not\. Rename"),
    ("folder", renamed("Noise", ","), r"the name holds no label\. Name it like violin"),
    ("folder", renamed("Violin", "*"), r"\*: the name holds no label\. Name it like violin"),
    ("annotated", changed("*.selections.txt", "insect_buzz", ""), r"the event at 0\.5 s has no label\. Name it"),
    ("annotated", changed("a.b.txt", "0.200000", "0.05"), r"a\.b\.txt, line 1, column 'end': ends at 0\.05, before"),
    ("annotated", added("site2/c.txt"), r"c\.flac: several annotations, c\.csv, c\.txt\. Keep one"),
    ("annotated", changed("c.csv", "TIME,VALUE,DURATION,LABEL", "a,b"),
     r"c\.csv, line 1: 'a,b' begins no annotation"),
    ("collection", removed("b.wav"), r"manifest\.csv, line 3: .*b\.wav does not exist"),
    ("collection", changed("manifest.csv", "origin", "library"), r"manifest\.csv lacks the column\(s\) origin"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "defect", "message"), DEFECTS, ids=[f"{d[0]}-{n}" for n, d in enumerate(DEFECTS)]
)
def test_a_defect_is_named_with_its_place_and_remedy(
    name: str, defect: Defect, message: str, miniature: Callable[[str], Path]
) -> None:
    root = miniature(name)
    defect(root)
    with pytest.raises((UsageError, UnreadableTable)) as found:
        list(DATASETS[name].rows(root))
    said = str(found.value)
    assert re.search(message, said), said
    assert "\n" not in said


def test_every_data_set_has_defects() -> None:
    counts = {name: sum(defect[0] == name for defect in DEFECTS) for name in DATASETS}
    assert {name for name, count in counts.items() if count < 2} == {"esc50-negatives"}


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(
        BadManifest, match=r"archive\.zip: there is no such folder\. Give the folder that holds meta"
    ):
        home(tmp_path / "archive.zip", "meta/esc50.csv")


def test_openmic_without_its_table_reads_the_arrays_but_never_a_pickle(
    miniature: Callable[[str], Path],
) -> None:
    root = miniature("openmic")
    expected = list(DATASETS["openmic"].rows(root))
    folder = root / "openmic-2018"
    (folder / "openmic-2018-aggregated-labels.csv").unlink()
    names = DATASETS["openmic"].labels
    keys = np.array(["000046_3840", "000135_483840", "155311_115200"])
    relevance, mask = np.full((3, 20), 0.5), np.zeros((3, 20), bool)
    for key, label, value in (
        (0, "clarinet", 0.17), (0, "flute", 0.0), (0, "trumpet", 0.93), (1, "guitar", 0.5), (1, "voice", 1.0),
        (2, "mallet_percussion", 0.6),
    ):  # fmt: skip
        relevance[key, names.index(label)], mask[key, names.index(label)] = value, True
    (folder / "class-map.json").write_text(str({name: i for i, name in enumerate(names)}).replace("'", '"'))
    np.savez(folder / "openmic-2018.npz", Y_true=relevance, Y_mask=mask, sample_key=keys)
    assert list(DATASETS["openmic"].rows(root)) == expected
    np.savez(folder / "openmic-2018.npz", Y_true=relevance, Y_mask=mask, sample_key=keys.astype(object))
    with pytest.raises(
        BadManifest, match=r"openmic-2018\.npz: cannot be read safely.*aggregated-labels\.csv beside it"
    ):
        list(DATASETS["openmic"].rows(root))
