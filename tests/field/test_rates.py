"""Rates: the denominator is what was analysed, clocks are those of a place, intervals are those of the books."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy import stats

from sonoscope.errors import UnknownName, UsageError
from sonoscope.field import charts, clock, counting, intervals, rates
from sonoscope.field.clock import Clock
from sonoscope.field.counting import Found
from sonoscope.outputs.tables import FilesRow
from sonoscope.runs.zones import zone_named

BERLIN = ZoneInfo("Europe/Berlin")


def recording(name: str, start: str, seconds: float, site: str = "", **more: str) -> FilesRow:
    return FilesRow(name, "ok", start, site, more.get("recorder", ""), seconds, seconds, 16_000, 0)


def rows_of(counts: counting.Counts, by: str, **options: object) -> list[rates.Row]:
    return rates.table(counts, rates.by_what(by), **options)


# ---- clocks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", clock.BINS)
@pytest.mark.parametrize(
    "zone", [None, UTC, BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")]
)
def test_pieces_tile_a_recording_and_lie_in_their_bins(name: str, zone: object) -> None:
    start = datetime(2025, 10, 25, 21, 17, 3, 500_000, tzinfo=BERLIN)
    seconds = 12 * 3600 + 17.25
    pieces = list(Clock(name, zone).pieces(start, seconds))
    assert pieces[0].from_s == 0 and pieces[-1].to_s == pytest.approx(seconds)
    for one, two in itertools.pairwise(pieces):
        assert one.to_s == pytest.approx(two.from_s)
    for piece in pieces:
        middle = start.timestamp() + (piece.from_s + piece.to_s) / 2
        assert piece.bin_start <= middle < piece.bin_end
        assert piece.hour == datetime.fromtimestamp(middle, zone or start.tzinfo).hour


def test_the_day_on_which_clocks_are_put_back_has_25_hours() -> None:
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)  # midnight in Berlin
    pieces = list(Clock("hour", BERLIN).pieces(start, 25 * 3600))
    assert len(pieces) == 25 and {piece.to_s - piece.from_s for piece in pieces} == {3600.0}
    names = [clock.iso(piece.bin_start, BERLIN)[11:] for piece in pieces]
    assert names[1:5] == ["01:00:00+02:00", "02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00"]
    assert Counter(piece.hour for piece in pieces)[2] == 2
    days = {(piece.bin_start, piece.bin_end) for piece in Clock("day", BERLIN).pieces(start, 25 * 3600)}
    assert [end - begin for begin, end in days] == [25 * 3600]
    spring = datetime(2025, 3, 29, 23, tzinfo=UTC)
    [(begin, end)] = {(p.bin_start, p.bin_end) for p in Clock("day", BERLIN).pieces(spring, 3600)}
    assert end - begin == 23 * 3600


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (  # 02:00 of +11:00 becomes 01:30 of +10:30
            datetime(2025, 4, 5, 15, tzinfo=UTC),
            ["00:00:00+11:00", "01:00:00+11:00", "01:30:00+10:30", "02:00:00+10:30"],
        ),
        (  # 02:00 of +10:30 becomes 02:30 of +11:00
            datetime(2025, 10, 4, 15, 30, tzinfo=UTC),
            ["00:00:00+10:30", "01:00:00+10:30", "02:30:00+11:00", "03:00:00+11:00"],
        ),
    ],
)
def test_where_clocks_are_changed_by_half_an_hour_no_bin_reaches_into_another(
    change: datetime, names: list[str]
) -> None:
    howe = ZoneInfo("Australia/Lord_Howe")
    pieces = list(Clock("hour", howe).pieces(change - timedelta(hours=2), 3.5 * 3600))
    assert [clock.iso(piece.bin_start, howe)[11:] for piece in pieces] == names
    assert [piece.bin_end - piece.bin_start for piece in pieces] == [3600.0, 3600.0, 1800.0, 3600.0]
    assert all(one.bin_end == two.bin_start for one, two in itertools.pairwise(pieces))


def test_without_a_zone_each_recording_keeps_its_own_clock() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    [piece] = Clock("hour").pieces(datetime(2025, 6, 1, 8, 5, tzinfo=nepal), 600)
    assert clock.iso(piece.bin_start, nepal) == "2025-06-01T08:00:00+05:45" and piece.hour == 8


def test_times_without_an_offset_are_not_guessed() -> None:
    assert clock.start_of("", "a.wav") is None
    for text in ("2025-06-01T08:00:00", "yesterday"):
        with pytest.raises(
            UsageError, match=f"a.wav: start_datetime '{text}' must be a time with its offset"
        ):
            clock.start_of(text, "a.wav")
    with pytest.raises(
        UnknownName, match=r"unknown time zone 'Europe/Berlni'\. Did you mean 'Europe/Berlin'"
    ):
        zone_named("Europe/Berlni")


# ---- counting ----------------------------------------------------------------------------------------------


def test_counts_are_those_of_a_slow_count_second_by_second(rng: np.random.Generator) -> None:
    files, events = [], []
    for place in range(12):
        start = datetime(2025, 6, 1, tzinfo=BERLIN) + timedelta(seconds=float(rng.integers(0, 40_000)))
        files.append(recording(f"{place}.wav", start.isoformat(), 900.0 * (1 + place % 5), f"s{place % 2}"))
        for at in rng.uniform(0, 900, 6).round(1).tolist():
            events.append(Found(f"{place}.wav", at, round(at + 80.0, 1), "ab"[int(rng.integers(2))]))
    counts = counting.count(files, events, ["a", "b"], Clock("15min", BERLIN))
    found = {(row.bin_start, row.site, row.label): row for row in rows_of(counts, "site,class")}
    slow: dict[tuple[str, str, str], list[float]] = {}
    for row in files:
        start = datetime.fromisoformat(row.start_datetime).timestamp()
        mine = [event for event in events if event.file == row.file]
        for tenth in range(round(row.analysed * 10)):
            at = start + tenth / 10
            name = clock.iso(at // 900 * 900, BERLIN)
            for label in "ab":
                cell = slow.setdefault((name, row.site, label), [0.0, 0.0, 0.0])
                cell[0] += 0.1
                for event in mine:
                    if event.label == label:
                        cell[1] += round(event.start_s * 10) == tenth
                        cell[2] += 0.1 * (round(event.start_s * 10) <= tenth < round(event.end_s * 10))
    assert set(found) == set(slow)
    for key, (seconds, starting, lasting) in slow.items():
        row = found[key]
        assert (row.analysed_s, row.events, row.found_s) == pytest.approx(
            (seconds, starting, lasting), abs=0.21
        ), key


def test_time_without_events_and_failures_count_as_they_should() -> None:
    files = [
        recording("quiet.wav", "2025-06-01T08:00:00+00:00", 3600),
        recording("loud.wav", "2025-06-01T09:00:00+00:00", 1800),
        FilesRow("broken.wav", "failed", note="is empty"),
        FilesRow("tail.wav", "ok", "2025-06-01T10:00:00+00:00", "", "", 100.0, 60.0, 16_000, 0),
    ]
    events = [
        Found("loud.wav", 10, 40, "buzz"), Found("tail.wav", 50, 90, "buzz"), Found("tail.wav", 70, 80, "buzz"),
        Found("loud.wav", 1, 2, "other"),
    ]  # fmt: skip
    counts = counting.count(files, events, ["buzz", "bird"], Clock("season"))
    buzz, bird = rows_of(counts, "class")
    assert (buzz.analysed_s, buzz.events, buzz.found_s, buzz.files) == (5460, 2, 40, 3)
    assert buzz.events_per_hour == pytest.approx(2 / (5460 / 3600))
    assert (bird.label, bird.events, bird.analysed_s) == ("bird", 0, 5460)
    hours = rows_of(counting.count(files, events, ["buzz"], Clock("hour")), "site,class")
    assert [(row.bin_start[11:13], row.analysed_s, row.events) for row in hours] == [
        ("08", 3600, 0), ("09", 1800, 1), ("10", 60, 1),
    ]  # fmt: skip
    [together] = rows_of(counts, "")
    assert together.label == "" and together.events == 2


def test_recordings_without_a_start_are_counted_apart_and_overlaps_are_noticed() -> None:
    files = [
        recording("a.wav", "2025-06-01T08:00:00+00:00", 3600, "n"),
        recording("b.wav", "2025-06-01T08:30:00+00:00", 3600, "n"),
        recording("c.wav", "2025-06-01T08:30:00+00:00", 3600, "n", recorder="second"),
        recording("d.wav", "", 600, "n"),
    ]
    counts = counting.count(files, [Found("d.wav", 1, 2, "buzz")], ["buzz"], Clock("hour"))
    assert counts.undated == 1 and counts.overlapping == 1
    rows = rows_of(counts, "site,class")
    assert [(row.bin_start[:13], row.analysed_s, row.events) for row in rows] == [
        ("", 600, 1), ("2025-06-01T08", 3600 + 1800 + 1800, 0), ("2025-06-01T09", 1800 + 1800, 0),
    ]  # fmt: skip
    assert sum(row.analysed_s for row in rows_of(counts, "recorder,class,hour-of-day")) == 3 * 3600 + 600


def test_events_of_no_file_are_refused() -> None:
    with pytest.raises(UsageError, match=r"events of x\.wav, which files\.csv does not have"):
        counting.count(
            [recording("a.wav", "", 10)], [Found("x.wav", 1, 2, "buzz")], ["buzz"], Clock("season")
        )


# ---- intervals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3, 20, 400])
def test_poisson_intervals_are_garwoods(count: int) -> None:
    low, high = intervals.garwood(count)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2)


def test_bouts_widen_the_interval_as_much_as_they_vary(rng: np.random.Generator) -> None:
    seconds = np.full(400, 3600.0)
    steady = intervals.rate(rng.poisson(10.0, 400).astype(float), seconds)
    # Bouts of nine: nine times the variance of single events.
    bouts = intervals.rate(9.0 * rng.poisson(10 / 9, 400), seconds)
    assert steady.kind == bouts.kind == "overdispersed"
    assert steady.dispersion == pytest.approx(1, abs=0.2) and bouts.dispersion == pytest.approx(9, rel=0.2)
    assert (bouts.high - bouts.low) / (steady.high - steady.low) == pytest.approx(3, rel=0.15)
    plain = intervals.rate(9.0 * rng.poisson(10 / 9, 400), seconds, kind="poisson")
    assert plain.kind == "poisson" and plain.high - plain.low < 0.5 * (bouts.high - bouts.low)
    assert intervals.rate(np.array([0.0, 20.0]), np.full(2, 3600.0)).kind == "poisson"
    with pytest.raises(UsageError, match="--interval bayes must be one of overdispersed, poisson"):
        intervals.check_kind("bayes")


def test_what_changes_slowly_or_between_sites_is_no_chance(rng: np.random.Generator) -> None:
    seconds = np.full(200, 3600.0)
    slow = rng.poisson(np.linspace(2, 60, 200)).astype(float)
    assert intervals.rate(slow, seconds).dispersion < 1.4
    sites = np.repeat([0, 1], 100)
    counts = rng.poisson(np.where(sites == 0, 2, 50)).astype(float)
    assert intervals.rate(counts, seconds, sites).dispersion < 1.4
    # Stretches of unlike length have unlike counts.
    lengths = np.tile([600.0, 6000.0], 100)
    assert intervals.rate(rng.poisson(lengths / 120).astype(float), lengths).dispersion < 1.4


def test_overdispersed_intervals_cover_a_rate_that_varies_from_day_to_day(rng: np.random.Generator) -> None:
    """Twelve days of counts around 15 whose mean varies by a factor: 95 % of intervals hold 15; Poisson's do not."""
    covered = Counter[str]()
    for _ in range(600):
        days = rng.poisson(15 * rng.gamma(3, 1 / 3, 12)).astype(float)
        for kind in intervals.KINDS:
            found = intervals.rate(days, np.full(12, 3600.0), kind=kind)
            covered[kind] += found.low <= 15 <= found.high
    assert 0.90 <= covered["overdispersed"] / 600 <= 0.98
    assert covered["poisson"] / 600 < 0.75


# ---- corrected ---------------------------------------------------------------------------------------------


def test_over_the_season_the_correction_is_precision_over_recall(
    seasons: ModuleType, coverage: ModuleType
) -> None:
    from sonoscope.field import evidence
    from sonoscope.field.correction import Corrector

    rng = np.random.default_rng(4)
    season = seasons.SimulatedSeason(
        seasons.Nature(sites=2, days=3, hours=6, prevalence=0.05, loudness=3.0), rng
    )
    frame, clips, verdicts = coverage.judged(season, 4000, rng)
    corrector = Corrector({"buzz": evidence.gather(clips, frame, verdicts)})
    events = [Found(file, event.start_s, event.end_s, event.label) for file, event in season.events()]
    counts = counting.count(season.files.values(), events, ["buzz"], Clock("season"))
    [row] = rows_of(counts, "class", corrector=corrector)
    assert row.corrected_share == pytest.approx(row.found_share * row.precision / row.recall, rel=0.02)
    truth = np.concatenate(list(season.truth.values())).mean()
    assert row.corrected_low < truth < row.corrected_high and row.corrected_share == pytest.approx(
        truth, rel=0.15
    )
    assert row.verdicts == 4000
    # Within: hours that find as much as false alarms give are near nothing, and the whole is the sum of its parts.
    hours = rows_of(counts, "class,hour-of-day", corrector=corrector)
    assert sum(each.corrected_s for each in hours) == pytest.approx(row.corrected_s, rel=0.05)
    assert hours[0].corrected_share < 0.3 * max(each.corrected_share for each in hours)
    sited = rows_of(counts, "site,class", corrector=corrector)
    assert {each.verdicts for each in sited} != {4000} and len(sited) == 2


# ---- the table and the picture -----------------------------------------------------------------------------


def counted() -> counting.Counts:
    files = [
        recording(f"{site}{day}.wav", f"2025-06-{day + 1:02d}T06:00:00+02:00", 4 * 3600, site)
        for site in ("north", 'the "south"')
        for day in range(7)
    ]
    events = [Found(row.file, 600.0 * k, 600.0 * k + 9, "buzz") for row in files for k in range(0, 24, 3)]
    return counting.count(files, events, ["buzz", "bird"], Clock("season"))


def test_the_table_has_every_column_in_order_and_is_tidy() -> None:
    rows = rows_of(counted(), "site,class,hour-of-day")
    table = list(csv.DictReader(io.StringIO(rates.text(rows))))
    assert tuple(table[0]) == rates.COLUMNS and len(table) == 2 * 2 * 4
    assert [row["hour"] for row in table[:4]] == ["6", "6", "6", "6"]
    assert table[0] == {
        **dict.fromkeys(rates.COLUMNS, ""), "hour": "6", "site": "north", "label": "buzz", "files": "7",
        "analysed_s": "25200", "events": "14", "events_per_hour": "2", "low": table[0]["low"],
        "high": table[0]["high"], "interval": "overdispersed", "dispersion": "1", "found_s": "126",
        "found_share": "0.005",
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"--by 'sites' is unknown\. Did you mean 'site'"):
        rates.by_what("sites,class")


def test_the_picture_has_a_panel_for_each_class_and_site_and_says_what_it_shows() -> None:
    from xml.etree import ElementTree

    rows = rows_of(counted(), "site,class,hour-of-day")
    root = ElementTree.fromstring(charts.draw(rows))
    space = "{http://www.w3.org/2000/svg}"
    titles = [text.text for text in root.iter(f"{space}text") if text.get("class") == "title"]
    assert titles == ["buzz · north", 'buzz · the "south"', "bird · north", 'bird · the "south"']
    assert len(list(root.iter(f"{space}circle"))) == 16
    assert "events per hour, with 95 % intervals, by hour of the day" in str(root.get("aria-label"))
    labels = {text.text for text in root.iter(f"{space}text")}
    assert {"00:00", "06:00", "12:00", "18:00", "24:00"} <= labels
    # Higher values are drawn higher.
    dots = [float(circle.get("cy", 0)) for circle in root.iter(f"{space}circle")]
    assert dots[0] < dots[-1]


def test_dates_are_on_the_clock_of_the_rows() -> None:
    files = [recording("a.wav", "2025-06-01T22:00:00+10:00", 6 * 3600)]
    counts = counting.count(files, [], ["buzz"], Clock("hour"))
    picture = charts.draw(rows_of(counts, "class"))
    assert ">22:00<" in picture and ">00:00<" in picture
    with pytest.raises(UsageError, match="--plot needs rows with a time"):
        charts.draw(rows_of(counting.count(files, [], ["buzz"], Clock("season")), "class"))
