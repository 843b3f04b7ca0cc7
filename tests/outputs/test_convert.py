"""From format to format, by function and by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonoscope import cli
from sonoscope.errors import UsageError
from sonoscope.outputs import WRITERS, UnreadableTable
from sonoscope.outputs.convert import convert
from sonoscope.outputs.tables import FilesRow, write_files
from sonoscope.values import Event

EVENTS = (Event(0.5, 1.25, "violin", 0.75, low_hz=200.0, high_hz=3000.0), Event(2.0, 4.0, "voice", 0.5))
FROM_EVENTS = [name for name, form in WRITERS.items() if not form.needs_scores]


@pytest.fixture
def one(tmp_path, make, write) -> Path:
    """The canonical table of one recording, ``a.wav``."""
    path = tmp_path / "a.wav.events.csv"
    path.write_bytes(write("csv", make(EVENTS, file="a.wav", path="/d/a.wav")).encode())
    return path


@pytest.fixture
def two(tmp_path, make, write) -> Path:
    """The canonical table of two recordings, in two folders."""
    path = tmp_path / "events.csv"
    results = (make(EVENTS, file="n2/b.wav"), make(EVENTS[:1], file="n1/a.wav"))
    path.write_bytes(write("csv", *results).encode())
    return path


def times(path: Path, **options) -> list[tuple[float, float, str]]:
    """Times and labels in a file, by way of the canonical table."""
    target = path.with_name("check.events.csv")
    convert(path, target, overwrite=True, **options)
    return [tuple(line.split(",")[1:4]) for line in target.read_text().splitlines()[1:]]


EXPECTED = [("0.500", "1.250", "violin"), ("2.000", "4.000", "voice")]


@pytest.mark.parametrize("first", FROM_EVENTS)
@pytest.mark.parametrize("second", FROM_EVENTS)
def test_from_every_format_to_every_other(first, second, one, tmp_path):
    there = tmp_path / f"a.wav{WRITERS[first].suffix}"
    convert(one, there, overwrite=True)
    back = tmp_path / "sub" / f"a.wav{WRITERS[second].suffix}"
    back.parent.mkdir()
    done = convert(there, back)
    assert (done.recordings, done.events, done.files) == (1, 2, (back,))
    assert times(back) == EXPECTED
    left = {path.name for path in back.parent.iterdir()}
    assert left == {back.name, "check.events.csv"}  # nothing half-written stays


def test_a_conversion_there_and_back_is_the_same_file(one, tmp_path):
    for suffix in (".events.parquet", ".events.jsonl"):
        convert(one, tmp_path / f"x{suffix}")
        convert(tmp_path / f"x{suffix}", tmp_path / "back.events.csv", overwrite=True)
        assert (tmp_path / "back.events.csv").read_bytes() == one.read_bytes()


def test_names_of_formats_go_before_endings(one, tmp_path):
    convert(one, tmp_path / "song.txt", to_format="audacity")
    assert (tmp_path / "song.txt").read_text().startswith("0.500000\t1.250000\tviolin 0.75\n")
    assert times(tmp_path / "song.txt", from_format="audacity") == EXPECTED


def test_a_folder_gets_a_file_for_each_recording(two, tmp_path):
    done = convert(two, tmp_path / "tracks", to_format="audacity")
    assert done.files == (tmp_path / "tracks/n1/a.wav.labels.txt", tmp_path / "tracks/n2/b.wav.labels.txt")
    assert done.files[0].read_text() == "0.500000\t1.250000\tviolin 0.75\n"
    assert convert(two, f"{tmp_path}/other/", to_format="jams").files[1] == tmp_path / "other/n2/b.wav.jams"


def test_recordings_stay_inside_the_folder(tmp_path):
    source = tmp_path / "events.csv"
    source.write_text("file,start,end,label\n../../up.wav,0,1,x\n/etc/abs.wav,0,1,x\nC:\\w\\c.wav,0,1,x\n")
    done = convert(source, tmp_path / "out", to_format="audacity")
    inside = {str(path.relative_to(tmp_path / "out")) for path in done.files}
    assert inside == {"up.wav.labels.txt", "etc/abs.wav.labels.txt", "C/w/c.wav.labels.txt"}
    source.write_text("file,start,end,label\n../a.wav,0,1,x\na.wav,0,1,x\n")
    with pytest.raises(UsageError, match=r"two recordings would both be written to .*a\.wav\.labels\.txt"):
        convert(source, tmp_path / "more", to_format="audacity")


def test_one_file_for_several_recordings_where_the_format_can(two, tmp_path):
    convert(two, tmp_path / "all.birdnet.csv")
    lines = (tmp_path / "all.birdnet.csv").read_text().splitlines()[1:]
    assert [line.rpartition(",")[2] for line in lines] == ["n1/a.wav", "n2/b.wav", "n2/b.wav"]
    with pytest.raises(UsageError, match="audacity holds one recording"):
        convert(two, tmp_path / "all.labels.txt")
    assert not (tmp_path / "all.labels.txt").exists()
    assert not list(tmp_path.glob(".sonoscope-*"))


def test_a_combined_raven_table_takes_lengths_from_files_csv(two, tmp_path):
    with pytest.raises(UsageError, match=r"the length of 'n1/a\.wav' is unknown"):
        convert(two, tmp_path / "all.selections.txt")
    rows = [
        FilesRow(f, "ok", duration=100.0, sample_rate=8000) for f in ("n1/a.wav", "n1/silent.wav", "n2/b.wav")
    ]
    with open(tmp_path / "files.csv", "w", newline="") as file:
        write_files([*rows, FilesRow("n3/bad.wav", "failed")], file)
    done = convert(two, tmp_path / "all.selections.txt", files=tmp_path / "files.csv")
    assert done.recordings == 3
    table = [line.split("\t") for line in (tmp_path / "all.selections.txt").read_text().splitlines()[1:]]
    assert [row[3] for row in table] == ["0.500", "200.500", "202.000"]
    assert [row[6] for row in table] == ["3000.0", "3000.0", "4000.0"]


def test_files_csv_of_another_run(two, tmp_path):
    (tmp_path / "files.csv").write_text("file,status\nx.wav,ok\n")
    with pytest.raises(UsageError, match=r"'n1/a\.wav' is not among the 1 recordings of --files"):
        convert(two, tmp_path / "all.selections.txt", files=tmp_path / "files.csv")


def test_an_empty_table_becomes_an_empty_file_of_its_recording(tmp_path, write):
    source = tmp_path / "a.wav.events.csv"
    source.write_bytes(write("csv").encode())
    for name in FROM_EVENTS:
        target = tmp_path / "empty" / f"a.wav{WRITERS[name].suffix}"
        target.parent.mkdir(exist_ok=True)
        assert convert(source, target).events == 0
        assert times(target) == []
    assert '"title": "a.wav"' in (tmp_path / "empty/a.wav.jams").read_text()


def test_windows_files(tmp_path):
    source = tmp_path / "w.selections.txt"
    source.write_bytes(
        b"\xef\xbb\xbfBegin Time (s)\tEnd Time (s)\tSpecies\r\n0.5\t1.25\tviolin\r\n2\t4\tvoice\r\n"
    )
    assert times(source, label_column="Species") == EXPECTED


def test_nothing_is_overwritten_unasked(one, tmp_path):
    target = tmp_path / "a.jams"
    target.write_text("precious")
    with pytest.raises(UsageError, match=r"a\.jams exists; --overwrite replaces it"):
        convert(one, target)
    assert target.read_text() == "precious"
    convert(one, target, overwrite=True)
    assert target.read_text() != "precious"
    convert(one, one, overwrite=True)  # onto itself
    assert times(one) == EXPECTED


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        ("none.csv", "x.jams", {}, r"none\.csv: No such file"),
        (".", "x.jams", {"from_format": "csv"}, "Is a directory; convert reads one file"),
        ("a.wav.events.csv", "x.txt", {}, r"\.txt could be several formats"),
        ("a.wav.events.csv", "x.xyz", {}, "has the ending of no known format"),
        ("a.wav.events.csv", "-", {}, "-o - needs the format: name it with --to"),
        ("a.wav.events.csv", ".", {}, "is a folder; name the format of the files in it with --to"),
        ("a.wav.events.csv", "x", {"to_format": "ravn"}, r"unknown format 'ravn'\. Did you mean 'raven'"),
        (
            "a.wav.events.csv",
            "x.jams",
            {"label_column": "A"},
            "--label-column means nothing for csv; it is for raven",
        ),
        (
            "a.wav.events.csv",
            "x.jams",
            {"threshold": 0.5},
            "--threshold means nothing for csv; it is for buzzdetect",
        ),
        (
            "a.wav.events.csv",
            "x.jams",
            {"frequencies": True},
            "--audacity-frequencies means nothing for jams",
        ),
        ("a.wav.events.csv", "x.buzzdetect.csv", {}, "comes without scores"),
    ],
)
def test_refused(source, target, options, message, one, tmp_path):
    with pytest.raises(UsageError, match=message):
        convert(tmp_path / source, target if target == "-" else tmp_path / target, **options)
    assert not list(tmp_path.glob("x*"))


def test_text_that_is_not_utf_8(tmp_path):
    (tmp_path / "latin.csv").write_bytes("file,start,end,label\na,0,1,caf\xe9\n".encode("latin-1"))
    with pytest.raises(UnreadableTable, match=r"byte 0xe9 is not UTF-8 text\. Save the file as UTF-8"):
        convert(tmp_path / "latin.csv", tmp_path / "x.jams")


# --- the command ---


def test_command(one, tmp_path, capsys):
    target = tmp_path / "a.labels.txt"
    assert cli.main(["convert", str(one), "-o", str(target), "--audacity-frequencies"]) == 0
    assert target.read_text().splitlines()[1] == "\\\t200.000000\t3000.000000"
    assert capsys.readouterr() == ("", f"2 events of 1 recording in {target}\n")
    assert cli.main(["convert", str(one), "-o", str(target)]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert cli.main(["convert", str(one), "-o", str(target), "--overwrite"]) == 0


def test_command_to_stdout(one, capsys):
    assert cli.main(["convert", str(one), "-o", "-", "--to", "dcase"]) == 0
    assert capsys.readouterr().out == (
        "filename\tonset\toffset\tevent_label\na.wav\t0.500\t1.250\tviolin\na.wav\t2.000\t4.000\tvoice\n"
    )


def test_command_with_all_its_options(tmp_path, capsys):
    (tmp_path / "r.txt").write_text("Begin Time (s)\tEnd Time (s)\tNote\n0\t1\thoot\n")
    words = ["convert", str(tmp_path / "r.txt"), "--from", "raven", "--label-column", "Note"]
    assert cli.main([*words, "--to", "audacity", "-o", str(tmp_path / "tracks")]) == 0
    assert (tmp_path / "tracks/r.labels.txt").read_text() == "0.000000\t1.000000\thoot\n"
    (tmp_path / "b_buzzdetect.csv").write_text("start,activation_bee\n0,-1\n0.96,-2\n")
    assert (
        cli.main(
            ["convert", str(tmp_path / "b_buzzdetect.csv"), "--threshold", "-1.2", "-o", "-", "--to", "csv"]
        )
        == 0
    )
    assert "b,0.000,0.960,bee" in capsys.readouterr().out


def test_command_on_a_broken_table_exits_1(tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("file,start,end,label\na,zero,1,x\n")
    assert cli.main(["convert", str(tmp_path / "bad.csv"), "-o", str(tmp_path / "x.jams")]) == 1
    assert "bad.csv, line 2, column 'start': is 'zero', not a number" in capsys.readouterr().err


#: Tables as other programs name and write them: the file's name, its text, the recording, the event.
OF_OTHERS = {
    "a.txt": ("0.500000\t1.250000\tviolin\n", "a", ("0.500", "1.250", "violin")),
    "b.txt": (
        "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0.5\t1.25\tviolin\n", "b", ("0.500", "1.250", "violin"),
    ),
    "c.Table.1.selections.txt": (
        "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0.5\t1.25\tviolin\n", "c", ("0.500", "1.250", "violin"),
    ),
    "d.csv": (
        "Start (s),End (s),Scientific name,Common name,Confidence\n0,3,Turdus merula,Blackbird,0.81\n",
        "d", ("0.000", "3.000", "Turdus merula_Blackbird"),
    ),
    "e.BirdNET.results.csv": (
        "Start (s),End (s),Scientific name,Common name,Confidence\n0,3,Turdus merula,Blackbird,0.81\n",
        "e", ("0.000", "3.000", "Turdus merula_Blackbird"),
    ),
    "f.BirdNET.selection.table.txt": (
        "Selection\tBegin Time (s)\tEnd Time (s)\tCommon Name\n1\t0\t3\tBlackbird\n",
        "f", ("0.000", "3.000", "Blackbird"),
    ),
    "g.csv": (
        "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,TOP1MATCH\n/d,,g.wav,0,1,2,EPTSER\n",
        "g.wav", ("1.000", "3.000", "EPTSER"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_OTHERS)
def test_tables_of_other_programs_are_known_by_their_first_line(name, tmp_path):
    text, recording, event = OF_OTHERS[name]
    (tmp_path / name).write_text(text)
    assert times(tmp_path / name) == [event]
    assert (tmp_path / "check.events.csv").read_text().splitlines()[1].startswith(f"{recording},")


def test_a_text_that_is_no_table_stays_unclear(tmp_path):
    (tmp_path / "a.txt").write_text("notes on batteries\n")
    with pytest.raises(UsageError, match=r"\.txt could be several formats"):
        convert(tmp_path / "a.txt", tmp_path / "x.jams")
