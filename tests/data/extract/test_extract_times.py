"""Times as people write them, and those that could be two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonoscope.data.extract import times
from sonoscope.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:18", 18.0),
        ("2:05", 125.0),
        ("02:05.5", 125.5),
        ("90:00", 5400.0),
        ("1:02:05", 3725.0),
        ("1:02:05.250", 3725.25),
        ("125", 125.0),
        (" 125 s ", 125.0),
        ("2.30 s", 2.3),
        ("2.300", 2.3),
        ("12.345", 12.345),
        ("2.75", 2.75),  # 75 seconds are no part of m.ss
        ("2.6", 2.6),
        ("0", 0.0),
    ],
)
def test_times_are_seconds(text: str, seconds: float) -> None:
    assert times.seconds(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "clock"),
    [("2.30", "2:30"), ("0.18", "0:18"), ("2.3", "2:30"), ("2.0", "2:00"), ("12.05", "12:05")],
)
def test_what_may_be_minutes_or_seconds_is_refused_with_both_readings(text: str, clock: str) -> None:
    with pytest.raises(ValueError, match=f"Write {clock} or '{float(text):g} s'.*--decimals"):
        times.seconds(text)
    assert times.seconds(text, "seconds") == float(text)
    assert times.seconds(text, "minutes") == times.seconds(clock)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2:5", "seconds have two digits"),
        ("2:60", "60 seconds are no time"),
        ("1:60:00", "minutes have two digits and go up to 59"),
        ("1:2:03", "minutes have two digits"),
        ("-5", "before the start"),
        ("two", "is no time. Write MM:SS"),
        ("", "is no time"),
        ("1e3", "is no time"),
        ("nan", "is no time"),
        ("2,30", "is no time"),
    ],
)
def test_what_is_no_time_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        times.seconds(text)


def test_m_ss_has_no_more_than_59_seconds() -> None:
    with pytest.raises(ValueError, match="75 seconds are more than a minute"):
        times.seconds("2.75", "minutes")


def test_an_unknown_reading_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean 'minutes'"):
        times.check_decimals("minute")


@given(st.integers(0, 10**9))
def test_a_clock_is_read_as_the_time_that_it_shows(thousandths: int) -> None:
    shown = times.clock(thousandths / 1000)
    assert times.seconds(shown) == pytest.approx(thousandths / 1000, abs=1e-9)
