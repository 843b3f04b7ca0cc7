"""What sounds in a folder of recordings, from their names, from what lies beside them, or from a manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import sources
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import disjoint, truth


def sounds(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, np.zeros(800, dtype=np.float32), 8000)
    return root


def labels(root: Path, rule: str = "auto") -> tuple[dict[str, tuple[str, ...]], str]:
    found, told = truth.load(str(root), rule=rule)
    return {row.path: row.labels for row in found.rows}, told


def test_labels_in_brackets_are_irmas_codes(tmp_path):
    root = sounds(tmp_path, "008__[cel][nod][cla]0058__1.wav", "[gac]1.wav", "[kazoo]2.wav")
    assert labels(root) == (
        {
            "008__[cel][nod][cla]0058__1.wav": ("cello",),
            "[gac]1.wav": ("acoustic_guitar",),
            "[kazoo]2.wav": ("kazoo",),
        },
        "rule brackets",
    )


def test_a_text_beside_holds_a_label_a_line(tmp_path):
    """As IRMAS's test excerpts and Lumen's have it: codes, with a tab and Windows' line ends."""
    root = sounds(tmp_path, "a-1.wav", "a-2.wav")
    (root / "a-1.txt").write_bytes(b"gel\t\r\nvoi\t\r\n")
    (root / "a-2.txt").write_text("theremin\n")
    found, told = truth.load(str(root))
    assert told == "rule text" and [row.labels for row in found.rows] == [
        ("electric_guitar", "voice"),
        ("theremin",),
    ]
    assert {row.group for row in found.rows} == {"a"}, "excerpts of one song are one group"


def test_events_beside_say_what_sounds(tmp_path):
    root = sounds(tmp_path, "night/a.wav", "night/b.wav")
    (root / "night/a.labels.txt").write_text("0.0\t0.5\tbuzz\n0.2\t0.3\tbird\n")
    (root / "night/b.labels.txt").write_text("")
    assert labels(root) == ({"night/a.wav": ("bird", "buzz"), "night/b.wav": ()}, "rule events")


def test_folders_are_labels_where_nothing_else_says(tmp_path):
    root = sounds(tmp_path, "violin/1.wav", "violin,piano/2.wav", "noise/3.wav")
    found, told = labels(root)
    assert told == "rule folder"
    assert found == {
        "noise/3.wav": (),
        "violin/1.wav": ("violin",),
        "violin,piano/2.wav": ("violin", "piano"),
    }


def test_names_begin_with_labels_if_that_is_asked_for(tmp_path):
    root = sounds(tmp_path, "violin_03.wav", "acoustic_guitar-1.wav", "flute (2).wav")
    assert labels(root, "name")[0] == {
        "violin_03.wav": ("violin",), "acoustic_guitar-1.wav": ("acoustic_guitar",), "flute (2).wav": ("flute",),
    }  # fmt: skip
    with pytest.raises(
        UsageError, match=r"no rule says what sounds in every recording\. events: .*text: .*brackets: "
    ):
        truth.load(str(root))


def test_a_rule_that_does_not_fit_names_the_recording(tmp_path):
    root = sounds(tmp_path, "[cel]1.wav", "two.wav")
    with pytest.raises(UsageError, match=r"two\.wav: no label in brackets"):
        truth.load(str(root), rule="brackets")
    (root / "[cel]1.txt").write_text("cel\n")
    (root / "two.txt").write_text("0.0 1.0 x\n")
    with pytest.raises(UsageError, match=r"two\.txt, line 1: '0\.0 1\.0 x' is no label alone"):
        truth.load(str(root), rule="text")
    with pytest.raises(UnknownName, match=r"unknown rule for labels 'bracket'\. Did you mean 'brackets'"):
        truth.load(str(root), rule="bracket")


def test_data_with_labels_of_their_own_take_no_rule(recordings):
    with pytest.raises(UsageError, match="is for a folder without a manifest"):
        truth.load(str(recordings), rule="folder")


def test_splits_are_chosen_and_those_there_are_named(recordings):
    found, told = truth.load(str(recordings), split="val")
    assert told == "manifest" and len(found) == 3
    assert len(truth.load(str(recordings), split="test,val")[0]) == 7
    with pytest.raises(UsageError, match=r"no clip of the split 'train'\. Splits: test, val\."):
        truth.load(str(recordings), split="train")


def test_truth_is_the_manifests(recordings):
    found = truth.of(sources.load(str(recordings)))
    assert found.labels == ("flute", "piano", "voice") and found.sounds.sum() == 9 and found.known.all()
    assert found.names[0] == "a/one.wav" and found.groups[:2] == ("p1", "p1")
    assert set(found.parts) == {"split"}
    some = truth.of(sources.load(str(recordings)), ["voice"])
    assert some.sounds.shape == (7, 1)
    with pytest.raises(UnknownName, match=r"unknown label of the data 'voices'\. Did you mean 'voice'"):
        truth.of(sources.load(str(recordings)), ["voices"])


def test_clips_are_shared_if_their_sound_is(recordings, tmp_path):
    whole = sources.load(str(recordings))
    test, val = whole.where(split="test"), whole.where(split="val")
    assert disjoint.shared(test, val).line == "clips shared: 0, groups shared: 0, files shared: 0"
    assert disjoint.shared(test, whole).clips[0] == "a/one.wav@0"
    # The same files by another manifest, in another folder.
    rows = [f"{recordings}/a/one.wav,0,0.5,piano,p9", f"{recordings}/b/one.wav,1.7,1,piano,p2"]
    (tmp_path / "m.csv").write_text("\n".join(["path,start_s,duration_s,labels,group", *rows]))
    other = sources.load(str(tmp_path / "m.csv"))
    found = disjoint.shared(test, other)
    assert found.clips == ("a/one.wav@0",) and found.groups == ("p2",)
    assert found.files == ("a/one.wav", "b/one.wav")
    with pytest.raises(
        UsageError, match="thresholds would be fitted on what is reported: 1 clips of mine are in yours"
    ):
        disjoint.check(test, other, ("mine", "yours"))
