"""A table of events is DATA: a row for each recording, with the table as its annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import main
from sonoscope.data import annotation, manifest
from sonoscope.errors import UsageError

EVENTS = "file,start,end,label,score\na.wav,0.5,1.5,bird,\nsite/b.wav,0,1,bird,\na.wav,2,3,wind,\na.wav,0,1,rain,\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    for name in ("a.wav", "site/b.wav"):
        soundfile.write(tmp_path / name, np.zeros(4 * 8000), 8000)
    path = tmp_path / "truth.csv"
    path.write_text(EVENTS)
    return path


def test_each_recording_is_a_row_with_its_labels_and_events(table: Path) -> None:
    found = manifest.read(table)
    assert [(row.path, row.labels) for row in found.rows] == [
        ("a.wav", ("bird", "wind", "rain")),
        ("site/b.wav", ("bird",)),
    ]
    events = annotation.of(found, found.rows[0])
    assert [(event.start_s, event.label) for event in events] == [
        (0.0, "rain"), (0.5, "bird"), (2.0, "wind"),
    ]  # fmt: skip
    assert len(annotation.of(found, found.rows[1])) == 1


def test_the_column_with_the_file_may_be_called_a_path(table: Path) -> None:
    table.write_text(EVENTS.replace("file,", "path,", 1))
    found = manifest.read(table)
    assert [len(annotation.of(found, row)) for row in found.rows] == [3, 1]


def test_recordings_may_lie_elsewhere(table: Path, tmp_path: Path) -> None:
    apart = tmp_path / "tables" / "truth.csv"
    apart.parent.mkdir()
    table.rename(apart)
    found = manifest.read(apart, root=tmp_path)
    assert found.root / found.rows[1].path == tmp_path / "site" / "b.wav"
    assert len(annotation.of(found, found.rows[0])) == 3


def test_a_table_that_changed_is_read_again(table: Path) -> None:
    assert len(annotation.read(table, recording="a.wav")) == 3
    table.write_text(EVENTS + "a.wav,3,3.5,bird,\n")
    assert len(annotation.read(table, recording="a.wav")) == 4


def test_a_table_of_many_recordings_is_read_once(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else judging ten thousand recordings by one table would read it ten thousand times."""
    read: list[Path] = []
    decoded = annotation.table.decoded
    monkeypatch.setattr(annotation.table, "decoded", lambda path: read.append(path) or decoded(path))
    lines = [f"{number}.wav,0,1,bird," for number in range(500)]
    table.write_text("\n".join([EVENTS.partition("\n")[0], *lines, ""]))
    found = [annotation.read(table, recording=f"{number}.wav") for number in range(500)]
    assert [len(events) for events in found] == [1] * 500
    assert len(read) <= 2, "its first line, and all of it"


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    for ask in (annotation.read, annotation.results, annotation.recordings):
        with pytest.raises(UsageError, match="there is no such file"):
            ask(tmp_path / "truth.jams")


def test_recordings_that_no_model_can_hear_are_told_with_the_reason(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.csv").write_text("path,start_s,duration_s,annotation\ngone.wav,0,4,truth.csv\n")
    assert main(["evaluate", "field", str(tmp_path / "manifest.csv"), "--protocol", "events"]) == 2
    assert "The first, gone.wav: " in capsys.readouterr().err


def test_a_label_that_a_manifest_cannot_hold_is_refused(table: Path) -> None:
    table.write_text(EVENTS.replace("wind", "wind;rain"))
    with pytest.raises(UsageError, match="'wind;rain' cannot be a label"):
        manifest.read(table)


def test_a_manifest_with_such_columns_stays_one(table: Path) -> None:
    table.write_text("file,start,end,label,annotation\na.wav,0,1,bird,\nsite/b.wav,0,1,rain,\n")
    assert [row.annotation for row in manifest.read(table).rows] == ["", ""]


def test_detections_are_judged_by_it(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = tmp_path / "said.csv"
    said.write_text(EVENTS.replace("a.wav,2,3,wind,\n", "a.wav,2,3,bird,\n"))
    assert main(["evaluate", str(said), str(table), "--protocol", "events"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "event_precision 0.750" in told
    assert "event_recall 0.750" in told
    (tmp_path / "a.wav").unlink()
    (tmp_path / "site" / "b.wav").unlink()
    assert main(["evaluate", str(said), str(table), "--protocol", "events"]) == 2
    assert "none of 2 recordings can be read. The first, a.wav: " in capsys.readouterr().err
