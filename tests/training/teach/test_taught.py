"""What folders, annotations and verdicts say: every stated rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.training.teach import against, taught

RATE = 8000


def sound(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE)) * 0.1
    soundfile.write(path, noise, RATE)
    return path


def test_a_folder_is_a_class_and_folders_in_it_are_sites(tmp_path: Path) -> None:
    for name in (
        "buzz/A/1.wav",
        "buzz/B/2.wav",
        "buzz/3.wav",
        "buzz,bird/A/4.wav",
        "noise/A/5.wav",
        "loose.wav",
    ):
        sound(tmp_path / name)
    (tmp_path / "notes").mkdir()
    found = taught.read([str(tmp_path)], None)
    said = {row.path: (row.labels, row.group) for row in found.rows}
    assert said == {
        "buzz/A/1.wav": (("buzz",), "A"),
        "buzz/B/2.wav": (("buzz",), "B"),
        "buzz/3.wav": (("buzz",), "(no folder)"),
        "buzz,bird/A/4.wav": (("buzz", "bird"), "A"),
        "noise/A/5.wav": ((), "A"),
    }
    assert found.labels() == ("bird", "buzz")
    (remark,) = found.remarks
    assert "1 sounds lie beside the folders of classes and were not used, such as loose.wav" in remark


def test_folders_that_all_have_a_manifest_are_sets_and_no_classes(tmp_path: Path) -> None:
    for name, label in (("loud", "cello"), ("soft", "flute")):
        sound(tmp_path / name / "a.wav")
        (tmp_path / name / "manifest.csv").write_text(f"path,labels\na.wav,{label}\n")
    found = taught.read([str(tmp_path)], None)
    assert {row.path: row.labels for row in found.rows} == {
        "loud/a.wav": ("cello",),
        "soft/a.wav": ("flute",),
    }
    assert found.labels() == ("cello", "flute")


def test_a_folder_without_folders_is_one_class(tmp_path: Path) -> None:
    for number in range(3):
        sound(tmp_path / "buzz" / f"{number}.wav")
    found = taught.read([str(tmp_path / "buzz")], None)
    assert [row.labels for row in found.rows] == [("buzz",)] * 3
    assert len({row.group for row in found.rows}) == 3, "each file is a site of its own"
    assert "all 3 sounds are taken for one class, buzz" in found.remarks[0]


def test_sites_by_expression(tmp_path: Path) -> None:
    for name in ("buzz/rec_S1_a.wav", "buzz/rec_S2_a.wav", "noise/rec_S1_b.wav"):
        sound(tmp_path / name)
    found = taught.read([str(tmp_path)], r"_(S\d)_")
    assert [row.group for row in found.rows] == ["S1", "S2", "S1"]
    sound(tmp_path / "buzz" / "other.wav")
    with pytest.raises(UsageError, match=r"finds no site in 'buzz/other.wav'"):
        taught.read([str(tmp_path)], r"_(S\d)_")
    with pytest.raises(UsageError, match="neither folder nor a regular expression"):
        taught.read([str(tmp_path)], "(")
    with pytest.raises(UsageError, match="there are no folders of sites"):
        taught.read([str(tmp_path)], "folder")


def test_what_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sound in it"):
        taught.read([str(tmp_path)], None)
    with pytest.raises(UsageError, match="no such file or folder"):
        taught.read([str(tmp_path / "gone")], None)
    sound(tmp_path / "noise" / "1.wav")
    with pytest.raises(UsageError, match="no class is named"):
        taught.read([str(tmp_path)], None)


def test_annotations_name_their_recordings_or_lie_beside_them(tmp_path: Path) -> None:
    sound(tmp_path / "A" / "day.wav", 4.0)
    (tmp_path / "A" / "day.txt").write_text("1.0\t1.5\tbuzz\n")
    beside = taught.read([str(tmp_path)], None)
    assert [(row.path, row.group, row.source) for row in beside.rows] == [("A/day.wav", "A", taught.MARKED)]
    alone = taught.read([str(tmp_path / "A" / "day.txt")], None)
    assert [(row.path, row.group) for row in alone.rows] == [("day.wav", "day")]
    table = tmp_path / "calls.csv"
    table.write_text("file,start,end,label\nA/day.wav,1.0,1.5,buzz\nA/gone.wav,1,2,buzz\n")
    with pytest.raises(UsageError, match=r"calls.csv: its recording 'A/gone.wav' is not beside it"):
        taught.read([str(table)], None)
    table.write_text("file,start,end,label\nA/day.wav,1.0,1.5,buzz\n")
    (row,) = taught.read([str(table)], None).rows
    assert (row.path, row.group, row.annotation) == ("A/day.wav", "A", "calls.csv")


def stretches(tmp_path: Path, lines: str, **options: bool) -> list[Row]:
    (tmp_path / "day.txt").write_text(lines)
    row = Row("day.wav", annotation="day.txt", source=taught.MARKED, group="A")
    return taught.stretches(
        Manifest((row,), tmp_path),
        row,
        window_s=1.0,
        length_s=10.0,
        only_marked=options.get("only_marked", False),
    )


def test_events_are_heard_in_the_middle_of_a_window_and_the_rest_holds_none(tmp_path: Path) -> None:
    made = stretches(tmp_path, "2.0\t2.4\tbuzz\n5.0\t8.0\tbird\n")
    assert [(row.start_s, row.duration_s, row.labels) for row in made if row.source == taught.MARKED] == [
        (pytest.approx(1.7), pytest.approx(1.0), ("buzz",)),
        (pytest.approx(5.0), pytest.approx(3.0), ("bird",)),
    ]
    rest = [(row.start_s, row.end_s, row.labels) for row in made if row.source == taught.UNMARKED]
    assert rest == [(0.0, 2.0, ()), (2.4, 5.0, ()), (8.0, 10.0, ())]
    assert all(row.source == taught.MARKED for row in stretches(tmp_path, "2\t3\tbuzz\n", only_marked=True))


def test_at_the_ends_windows_stay_inside(tmp_path: Path) -> None:
    first, last = (row for row in stretches(tmp_path, "0.0\t0.2\tbuzz\n9.9\t10.0\tbuzz\n") if row.labels)
    assert (first.start_s, first.duration_s) == (0.0, 1.0)
    assert (last.start_s, last.end_s) == (9.0, 10.0)


def test_events_that_overlap_sound_both_by_half_and_are_unknown_by_less(tmp_path: Path) -> None:
    buzz, bird = (
        row for row in stretches(tmp_path, "2.0\t3.0\tbuzz\n2.8\t4.2\tbird\n") if row.source == taught.MARKED
    )
    assert (buzz.labels, buzz.unknown) == (("buzz",), ("bird",))
    assert (bird.labels, bird.unknown) == (("bird",), ("buzz",))
    both = stretches(tmp_path, "2.0\t3.0\tbuzz\n2.2\t2.8\tbird\n")
    assert all(row.labels == ("bird", "buzz") for row in both if row.source == taught.MARKED)


def test_what_was_judged_is_not_guessed_any_more() -> None:
    """Windows of unlabelled sound that a judged clip touches are left out, whichever folder the names begin at."""
    extra = {taught.RECORDING: "north/day.wav", taught.JUDGED: "62.000000 63.000000"}
    judged = taught.judged([Row("audio/1.flac", extra=extra), Row("buzz/A/1.wav")])
    assert judged == {"north/day.wav": [(62.0, 63.0)]}
    vectors = np.arange(5.0, dtype=np.float32)[:, None]
    for name in ("day.wav", "north/day.wav", "cards/north/day.wav"):
        left = against.unjudged(against.Piece(name, 60.0, vectors, 5.0), judged, 1.0)
        assert left is not None and left.vectors[:, 0].tolist() == [0, 1, 3, 4]
    for name, start in (("otherday.wav", 60.0), ("south/day.wav", 60.0), ("day.wav", 63.0)):
        left = against.unjudged(against.Piece(name, start, vectors, 5.0), judged, 1.0)
        assert left is not None and len(left.vectors) == 5
    assert against.unjudged(against.Piece("day.wav", 62.5, vectors[:1], 1.0), judged, 1.0) is None
