"""Rates drawn: one SVG, a panel for each class and site, against the time of day or the date.

Dots are events per hour, bars their 95 % intervals; where rates are corrected, they are minutes per hour with the sound
instead. The picture is complete in itself: it follows the reader's light or dark, and has a description for those who
hear it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from html import escape

from sonoscope.data.summary.charts import number, ticks
from sonoscope.errors import UsageError
from sonoscope.field.rates import Row

WIDE, TALL, LEFT, RIGHT, TOP, BOTTOM = 430, 220, 64, 26, 34, 44
#: Panels beside each other, and in all.
ACROSS, MOST = 2, 60

_STYLE = """
svg { font: 12px system-ui, "Segoe UI", Roboto, Arial, sans-serif; background: #fff; }
text { fill: #566066; } .title { font-size: 14px; font-weight: 600; fill: #1d2326; }
.rule { stroke: #dfe3e0; } .bar { stroke: #0b6e5f; stroke-width: 2; stroke-opacity: .45; } .dot { fill: #0b6e5f; }
@media (prefers-color-scheme: dark) {
  svg { background: #14181a; } text { fill: #a3adaa; } .title { fill: #e8ecea; }
  .rule { stroke: #2c3336; } .bar { stroke: #5cc8b2; } .dot { fill: #5cc8b2; }
}
"""


@dataclass(frozen=True)
class _Point:
    """Where a row is drawn: hour of the day or seconds since 1970, and its value with interval."""

    x: float
    value: float
    low: float
    high: float


def draw(rows: Sequence[Row]) -> str:
    """The picture of a table.

    Raises
    ------
    UsageError
        If the rows have neither hours nor bins of time, or there are too many panels.
    """
    corrected = any(row.corrected_share is not None for row in rows)
    by_hour = any(row.hour is not None for row in rows)
    panels: dict[tuple[str, str], list[_Point]] = {}
    for row in rows:
        x = _across(row, by_hour)
        values = _values(row, corrected)
        if x is not None and values is not None:
            title = " · ".join(filter(None, (row.label, row.site, row.recorder))) or "all classes"
            panels.setdefault((row.label, title), []).append(_Point(x, *values))
    if not panels:
        raise UsageError(
            "--plot needs rows with a time: --bin hour or day, or --by hour-of-day, of recordings whose start is known "
            "(analyze reads it from names: --start-time, --recorded-in)"
        )
    if len(panels) > MOST:
        raise UsageError(
            f"--plot would be {len(panels)} panels, more than {MOST}: name classes with --labels"
        )
    # One scale for all panels, so that they can be compared.
    top = max(point.high for points in panels.values() for point in points) or 1.0
    span = (0.0, 24.0)
    if not by_hour:
        dated = [row for row in rows if row.bin_start]
        span = (
            min(_moment(row.bin_start).timestamp() for row in dated),
            max(_moment(row.bin_end).timestamp() for row in dated),
        )
    # A class's sites stand together.
    order = list(dict.fromkeys(label for label, _ in panels))
    drawn = sorted(panels, key=lambda key: order.index(key[0]))
    zone = next((_moment(row.bin_start).tzinfo for row in rows if row.bin_start), None) or UTC
    across = min(ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    what = "minutes per hour with the sound, corrected" if corrected else "events per hour"
    parts = []
    for place, key in enumerate(drawn):
        body = _panel(key[1], panels[key], top, span, by_hour, zone, what)
        parts.append(f'<g transform="translate({place % across * WIDE} {place // across * TALL})">{body}</g>')
    titles = ", ".join(title for _, title in drawn)
    told = f"{what}, with 95 % intervals, by {'hour of the day' if by_hour else 'time'}: {titles}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across * WIDE} {down * TALL}" role="img" '
        f'width="{across * WIDE}" height="{down * TALL}" aria-label="{escape(told)}">'
        f"<title>{escape(told)}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _across(row: Row, by_hour: bool) -> float | None:
    if by_hour:
        return None if row.hour is None else row.hour + 0.5
    if not row.bin_start:
        return None
    return (_moment(row.bin_start).timestamp() + _moment(row.bin_end).timestamp()) / 2


def _values(row: Row, corrected: bool) -> tuple[float, float, float] | None:
    if not corrected:
        return row.events_per_hour, row.low, row.high
    if row.corrected_share is None or row.corrected_low is None or row.corrected_high is None:
        return None
    return 60 * row.corrected_share, 60 * row.corrected_low, 60 * row.corrected_high


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _panel(
    title: str,
    points: Sequence[_Point],
    top: float,
    span: tuple[float, float],
    by_hour: bool,
    zone: tzinfo,
    what: str,
) -> str:
    inner_wide, inner_tall = WIDE - LEFT - RIGHT, TALL - TOP - BOTTOM
    reach = max(span[1] - span[0], 1e-9)

    def x_of(x: float) -> float:
        return LEFT + (x - span[0]) / reach * inner_wide

    def y_of(value: float) -> float:
        return TOP + (1 - min(value / top, 1.0)) * inner_tall

    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>']
    for mark in ticks(0.0, top, 4):
        y = y_of(mark)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(round(mark, 9))}</text>'
        )
    for at, name in _hours() if by_hour else _dates(span, zone):
        if LEFT - 1 <= x_of(at) <= WIDE - RIGHT + 1:
            parts.append(
                f'<text x="{x_of(at):.1f}" y="{TALL - BOTTOM + 16}" text-anchor="middle">{name}</text>'
            )
    axis = "hour of the day" if by_hour else ""
    parts.append(f'<text x="{LEFT + inner_wide / 2}" y="{TALL - 10}" text-anchor="middle">{axis}</text>')
    parts.append(
        f'<text transform="translate(12 {TOP + inner_tall / 2}) rotate(-90)" text-anchor="middle">'
        f"{'min/h' if what.startswith('minutes') else 'events/h'}</text>"
    )
    for point in points:
        x = x_of(point.x)
        tip = f"{number(point.value)} [{number(point.low)}, {number(point.high)}] {what}"
        parts.append(
            f"<g><title>{escape(tip)}</title>"
            f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(point.low):.1f}" y2="{y_of(point.high):.1f}"/>'
            f'<circle class="dot" cx="{x:.1f}" cy="{y_of(point.value):.1f}" r="{3 if len(points) < 100 else 1.5}"/></g>'
        )
    return "".join(parts)


def _hours() -> list[tuple[float, str]]:
    return [(float(hour), f"{hour:02d}:00") for hour in range(0, 25, 6)]


def _dates(span: tuple[float, float], zone: tzinfo) -> list[tuple[float, str]]:
    """Round times between two moments: days, or hours where there are few."""
    first, last = (datetime.fromtimestamp(moment, zone) for moment in span)
    days = (span[1] - span[0]) / 86_400
    if days > 3:
        step, form = timedelta(days=max(math.ceil(days / 5), 1)), "%d %b"
        at = first.replace(hour=0, minute=0, second=0, microsecond=0)
    else:
        step, form = timedelta(hours=max(math.ceil(days * 24 / 5), 1)), "%H:%M"
        at = first.replace(minute=0, second=0, microsecond=0)
    found = []
    while at <= last:
        found.append((at.timestamp(), at.strftime(form)))
        at += step
    return found
