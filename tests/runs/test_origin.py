"""When and where recordings were made: names, headers, clocks, sites; and all of it in the tables of a run."""

from __future__ import annotations

import csv
import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonoscope import runs
from sonoscope.errors import UnknownName, UsageError
from sonoscope.runs.journal import Record
from sonoscope.runs.neighbours import Neighbours
from sonoscope.runs.origin import Origin, Origins

BERLIN = "Europe/Berlin"


def origin(
    name: str,
    told: dict[str, str] | None = None,
    *,
    start: str | None = None,
    zone: str | None = None,
    site: str | None = None,
    path: str = "",
) -> Origin:
    return Origins(start, zone, site).of(name, told or {}, path)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("20250601_060000.WAV", "2025-06-01T06:00:00+02:00"),  # AudioMoth
        ("20250601_060000T.WAV", "2025-06-01T06:00:00+02:00"),  # the same, triggered
        ("24F3190361CBDE2A_20250601_060000.WAV", "2025-06-01T06:00:00+02:00"),
        ("SMU01234_20250601_060000.wav", "2025-06-01T06:00:00+02:00"),  # SM4
        ("SM4BAT_0+1_20250601_060000_000.wav", "2025-06-01T06:00:00+02:00"),
        ("card/20250101-235959.flac", "2025-01-01T23:59:59+01:00"),
        ("20250601T060000+1000_REC.flac", "2025-06-01T06:00:00+10:00"),  # BAR-LT: its own offset
        ("20250601T060000Z.mp3", "2025-06-01T06:00:00+00:00"),
        ("20250631_060000.wav", ""),  # there is no such day
        ("20250601_0600001.wav", ""),
        ("120250601_060000.wav", ""),
        ("song.mp3", ""),
        ("20250601.wav", ""),  # a day is no moment
    ],
)
def test_names(name: str, start: str) -> None:
    assert origin(name, zone=BERLIN).start == start


def test_old_audiomoth_names_are_seconds_since_1970() -> None:
    moment = datetime(2019, 6, 24, 19, 17, 30, tzinfo=UTC)
    name = f"{int(moment.timestamp()):08X}.WAV"
    assert origin(name).start == "2019-06-24T19:17:30+00:00"
    for other in ("DEADBEEF.WAV", "12345678.wav", "5D111A2A1.WAV", "5d111a2a.wav"):
        assert origin(other).start == "", other


def test_a_clock_is_never_guessed() -> None:
    found = origin("20250601_060000.WAV")
    assert found.start == ""
    assert found.note == "its name says 2025-06-01T06:00:00, on a clock that is not known (--recorded-in)"
    assert origin("20250601_060000.WAV", zone="UTC").start == "2025-06-01T06:00:00+00:00"
    assert origin("20250601_060000.WAV", zone="-03:30").start == "2025-06-01T06:00:00-03:30"


def test_hours_that_do_not_exist_or_occur_twice_stay_unknown() -> None:
    gap, fold = origin("20250330_023000.wav", zone=BERLIN), origin("20251026_023000.wav", zone=BERLIN)
    assert gap.start == fold.start == ""
    assert "2025-03-30T02:30:00 did not exist in Europe/Berlin" in gap.note
    assert "2025-10-26T02:30:00 occurred twice in Europe/Berlin" in fold.note
    assert "+02:00 or +01:00" in fold.note
    assert origin("20251026_030000.wav", zone=BERLIN).start == "2025-10-26T03:00:00+01:00"
    assert origin("20251026_023000.wav", zone="+01:00").note == "", (
        "a clock that is not changed has each hour once"
    )


def test_patterns_of_ones_own() -> None:
    assert origin("2025-06-01/12.30.05.wav", start="%Y-%m-%d/%H.%M.%S", zone="UTC").start == (
        "2025-06-01T12:30:05+00:00"
    )
    assert (
        origin("x 1 Jun.wav", start="%Y %d %b %H", zone="UTC").note
        == "its name holds no time that fits %Y %d %b %H"
    )
    assert origin("SM1_20250704_210000.wav", start="%y%m%d_%H%M", zone="UTC").start == (
        "2025-07-04T21:00:00+00:00"
    ), "of another recorder"
    other_order = origin("20253112_060000.wav", start="%Y%m%d_%H%M%S", zone="UTC")
    assert other_order.start == "" and "no time that fits" in other_order.note
    assert origin("20251231_060000.wav", start="%Y%d%m_%H%M%S", zone="UTC").start == "", (
        "not read in another order"
    )
    assert origin("250704_0000.mp3", start="%y%m%d_%H%M", zone=BERLIN).start == "2025-07-04T00:00:00+02:00"
    assert origin("a_2025-152 06+0200.wav", start="%Y-%j %H%z").start == "2025-06-01T06:00:00+02:00"
    twice = origin("250704_0000-250705_0000.mp3", start="%y%m%d_%H%M", zone="UTC")
    assert (twice.start, twice.note) == ("", "its name holds 2 times that fit %y%m%d_%H%M: none is taken")
    for pattern, said in (
        ("%Y-%m-%d", "must hold year, month, day and hour"),
        ("%Y%m%d_%I%M", "must hold year"),
        ("%Y%m%d_%H%Q", "%Q is not understood; known are %Y"),
        ("%Y%m%d_%H%", "% is not understood"),
    ):
        with pytest.raises(UsageError, match=said):
            Origins(pattern, None, None)


def test_two_times_in_a_name_are_none() -> None:
    found = origin("20250601_060000_20250601_070000.wav", zone="UTC")
    assert found.start == ""
    assert "its name holds 2 times" in found.note


def test_a_given_time_needs_its_offset() -> None:
    assert origin("a.wav", start="2025-06-01T06:00:00+02:00").start == "2025-06-01T06:00:00+02:00"
    assert origin("a.wav", start="2025-06-01T06:00", zone=BERLIN).start == "2025-06-01T06:00:00+02:00"
    for text, zone, said in (
        (
            "2025-06-01T06:00:00",
            None,
            r"has no offset: write 2025-06-01T06:00:00\+02:00, or add --recorded-in",
        ),
        ("2025-10-26T02:30:00", BERLIN, "occurred twice"),
        ("at dawn", None, "must be a time like"),
    ):
        with pytest.raises(UsageError, match=said):
            Origins(text, zone, None)
    with pytest.raises(UnknownName, match="Did you mean 'Europe/Berlin'"):
        Origins(None, "Europe/Berlni", None)


def test_the_header_counts_and_contradictions_are_said() -> None:
    told = {"start": "2025-06-01T06:00:00+02:00", "start_in": "GUANO", "recorder": "S1"}
    assert origin("20250601_040000.WAV", told) == Origin("2025-06-01T06:00:00+02:00", "", "S1"), (
        "UTC in its name"
    )
    odd = origin("20250601_051200.WAV", told)
    assert odd.start == "2025-06-01T06:00:00+02:00"
    assert odd.note == "its name says 2025-06-01T05:12:00, GUANO 2025-06-01T06:00:00+02:00, which counts"
    local = told | {"start": "2025-06-01T06:00:00"}
    assert origin("a.wav", local, zone=BERLIN).start == "2025-06-01T06:00:00+02:00"
    assert "GUANO says 2025-06-01T06:00:00, on a clock" in origin("a.wav", local).note
    mine = origin("1-6-2025 5h.wav", told, start="%Y-%m-%d %Hh", zone="UTC")
    assert mine.start == told["start"], "a pattern that does not fit leaves the header"


@pytest.mark.parametrize("name", ["19700101_000312.WAV", "19800101_000000.wav", "20000101_120000.WAV"])
def test_clocks_that_had_been_reset(name: str) -> None:
    found = origin(name, zone="UTC")
    assert found.start == ""
    assert found.note.endswith("the recorder's clock had been reset")


@pytest.mark.parametrize(
    ("site_from", "site", "recorder"),
    [
        ("1", "oak", ""), ("2", "n1", ""), ("-1", "n1", ""), ("3", "", ""), ("0", "cards", ""),
        (r"/(n\d)/", "n1", ""), (r"o\w+", "oak", ""), ("pond", "", ""),
        (r"(?P<site>\w+)/(?P<recorder>\w+)/", "oak", "n1"),
    ],
)  # fmt: skip
def test_sites(site_from: str, site: str, recorder: str) -> None:
    found = origin("oak/n1/a.wav", site=site_from, path="/media/cards/oak/n1/a.wav")
    assert (found.site, found.recorder) == (site, recorder)


def test_sites_that_cannot_be_found_are_refused() -> None:
    for text, said in (("(", "neither a level of folders"), ("", "is empty")):
        with pytest.raises(UsageError, match=said):
            Origins(None, None, text)


def test_what_stands_before_the_time_is_the_recorder() -> None:
    names = ("SMU01234_20250601_060000.wav", "SM4_0+1_20250601_060000.wav", "20250601_060000.wav")
    assert [origin(name, zone="UTC").recorder for name in names] == ["SMU01234", "SM4", ""]
    assert origin(names[0], {"recorder": "S1"}, zone="UTC").recorder == "S1"


# ---- recordings beside each other --------------------------------------------------------------------------


def record(name: str, start: str, seconds: float = 600.0, site: str = "oak") -> Record:
    return Record(name, status="ok", start_datetime=start, duration_s=seconds, site=site)


def notes(*records: Record) -> list[str]:
    neighbours = Neighbours(records)
    return [neighbours.note(one) for one in records]


def test_the_same_start_twice_is_said_of_both() -> None:
    found = notes(
        record("a/1.wav", "2025-06-01T06:00:00+02:00"),
        record("b/1.wav", "2025-06-01T04:00:00+00:00"),
        record("c/1.wav", "2025-06-01T04:00:00+00:00", site="pond"),
        record("d/1.wav", ""),
    )
    assert [bool(note) for note in found] == [True, True, False, False]
    assert "another recording of this site and recorder has the same start" in found[0]


def test_a_clock_that_was_put_back_is_said() -> None:
    found = notes(
        record("a/REC0001.wav", "2025-06-01T06:00:00+00:00"),
        record("a/REC0002.wav", "2025-06-01T06:09:59+00:00"),  # a clock that drifts
        record("a/REC0003.wav", "2025-06-01T06:05:00+00:00"),
        record("a/other.wav", "2025-06-01T06:05:01+00:00"),  # nobody knows in which order these are
    )
    assert [bool(note) for note in found] == [False, False, True, False]
    assert found[2].startswith("begins 899 s before REC0002.wav ends: the recorder's clock was put back")


# ---- in a run ----------------------------------------------------------------------------------------------


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_all_of_it_is_in_the_tables_and_can_be_decided_again(make, run, tmp_path: Path) -> None:
    cards = make("oak/20250601_060000.wav", "pond/S1_20250601_063000.wav", seconds=1.0)
    (cards / "pond" / "S1_20250601_070000.wav").write_bytes(b"")
    with open(cards / "oak" / "20250601_060000.wav", "ab") as file:
        line = b"Timestamp: 2025-06-01T06:00:01+00:00"
        file.write(b"guan" + struct.pack("<I", len(line)) + line)
    summary = run(cards, site_from="1")
    assert any("1 recording states its start without an offset" in said for said in summary.remarks)
    run(cards, recorded_in=BERLIN, site_from="1")
    files = {row["file"]: row for row in rows(tmp_path / "out" / "files.csv")}
    assert [
        (row["start_datetime"], row["site"], row["recorder"], row["status"]) for row in files.values()
    ] == [
        ("2025-06-01T06:00:01+00:00", "oak", "", "ok"),
        ("2025-06-01T06:30:00+02:00", "pond", "S1", "ok"),
        ("2025-06-01T07:00:00+02:00", "pond", "S1", "failed"),
    ]
    events = rows(tmp_path / "out" / "events.csv")
    assert events
    for event in events:
        of = files[event["file"]]
        assert all(event[key] == of[key] for key in ("start_datetime", "site", "recorder"))
    (cards / "oak" / "20250601_060000.wav").unlink()
    again = runs.decide(tmp_path / "out", {"recorded_in": "UTC"})
    assert again.decided == 2
    starts = [row["start_datetime"] for row in rows(tmp_path / "out" / "files.csv")]
    assert starts[:2] == ["2025-06-01T06:00:01+00:00", "2025-06-01T06:30:00+00:00"], (
        "the header is remembered"
    )
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (settings["recorded_in"], settings["site_from"]) == ("UTC", "1")


def test_a_clock_without_a_time_is_remarked(make, run) -> None:
    cards = make("oak/250601_0600.wav", seconds=0.5)
    assert any(
        "--recorded-in changes nothing: --start-time" in said
        for said in run(cards, recorded_in=BERLIN).remarks
    )
    told = run(cards, out="told", recorded_in=BERLIN, start_time="%y%m%d_%H%M")
    assert not any("--recorded-in" in said for said in told.remarks)


def test_recorders_of_one_season_may_name_in_several_ways(make, run, tmp_path: Path) -> None:
    cards = make("oak/20250604_060000.wav", "pond/250604_0600.wav", "pond/dawn.wav", seconds=0.5)
    said = run(cards, recorded_in=BERLIN).remarks
    assert any(text.startswith("2 recordings do not say when recorded: --start-time") for text in said)
    said = run(cards, recorded_in=BERLIN, start_time="%y%m%d_%H%M").remarks
    starts = [row["start_datetime"] for row in rows(tmp_path / "out" / "files.csv")]
    assert starts == ["2025-06-04T06:00:00+02:00", "2025-06-04T06:00:00+02:00", ""]
    assert "the start of 1 recording is not known; why: files.csv, column note" in said


def test_one_time_is_for_one_recording(make, run) -> None:
    cards = make("a.wav", "b.wav", seconds=0.5)
    with pytest.raises(UsageError, match="is when one recording began, and there are more"):
        run(cards, start_time="2025-06-01T06:00:00+02:00")
    assert run(cards / "a.wav", start_time="2025-06-01T06:00:00+02:00").done == 1
