"""When and where a recording was made: ``start_datetime``, ``site`` and ``recorder`` of every table.

A start is a moment: ISO 8601 with an offset, or nothing. It is read, in this order, from

1. ``--start-time``: a moment for a single recording, or a pattern of strftime that is looked for in every name;
2. what the recorder wrote into the file (:mod:`sonoscope.audio.recorders`);
3. the name: ``20250601_060000`` (AudioMoth, Song Meter and others, with anything around it; an offset as in
   ``20250601T060000+0200`` counts), or AudioMoth's old eight hexadecimal digits, seconds since 1970.

A time without an offset becomes a moment by ``--recorded-in``, and stays unknown without it. What cannot be is not
repaired: what has the pattern's form and is no time, a time that does not exist or occurs twice where clocks are
changed, or that of a clock that lost its power, leaves the start empty and is said in the note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import PurePosixPath

from sonoscope.audio.recorders import offset_of
from sonoscope.errors import UsageError
from sonoscope.runs.spec import RunSpec
from sonoscope.runs.zones import moments, zone_named

#: Seconds since 1970 that an AudioMoth's old names can mean: 2016 to 2030. Other names of eight digits are no times.
HEX_FROM, HEX_TO = 0x5685_C180, 0x70DB_D880
#: The note of a start without an offset ends so.
CLOCK_UNKNOWN = "on a clock that is not known (--recorded-in)"
#: Name and header may differ by this much before it is said, in seconds.
APART_S = 60.0

_IN_NAME = re.compile(
    r"(?<!\d)(\d{8})(?:[_-](\d{6})|T(\d{6})(Z|[+-]\d\d:?\d\d)?)(?!\d)",
    re.ASCII,
)
_HEX = re.compile(r"[0-9A-F]{8}")
#: What strftime's directives match; the date and the hour are needed.
_DIRECTIVES = {
    "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{2}", "%d": r"\d{2}", "%j": r"\d{3}", "%H": r"\d{2}",
    "%I": r"\d{2}", "%M": r"\d{2}", "%S": r"\d{2}", "%f": r"\d{1,6}", "%p": r"[AaPp][Mm]",
    "%b": r"[A-Za-z]{3}", "%B": r"[A-Za-z]{3,9}", "%z": r"(?:Z|[+-]\d\d:?\d\d)",
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """``start`` is ISO 8601 with offset, or empty; ``note`` says what is odd about it."""

    start: str = ""
    site: str = ""
    recorder: str = ""
    note: str = ""


class Origins:
    """Reads origins as a run's options say.

    Raises
    ------
    UsageError, UnknownName
        If an option cannot be understood.
    """

    def __init__(self, start_time: str | None, recorded_in: str | None, site_from: str | None) -> None:
        self._zone = zone_named(recorded_in) if recorded_in is not None else None
        self._pattern: tuple[re.Pattern[str], str] | None = None
        self._fixed: datetime | None = None
        if start_time is not None and "%" in start_time:
            self._pattern = _pattern(start_time)
        elif start_time is not None:
            self._fixed = _moment(start_time, self._zone)
        self._level, self._search = _place(site_from)

    @classmethod
    def of_spec(cls, spec: RunSpec) -> Origins:
        """As the options of a run say."""
        return cls(spec.start_time, spec.recorded_in, spec.site_from)

    @property
    def is_fixed(self) -> bool:
        """Whether the start is given, which only one recording can have."""
        return self._fixed is not None

    def of(self, name: str, told: Mapping[str, str], path: str = "") -> Origin:
        """The origin of a recording.

        Parameters
        ----------
        name : str
            As in the column ``file``.
        told : mapping
            What its file says (:func:`sonoscope.audio.recorders.told`).
        path : str
            Where it is, for ``--site-from 0``.
        """
        site, recorder = self._site(name, path)
        before, in_name = _in_name(name)
        recorder = recorder or told.get("recorder", "") or before
        if self._fixed is not None:
            return Origin(_iso(self._fixed), site, recorder)
        stated = self._stated(name, told, in_name)
        if isinstance(stated, str):
            return Origin("", site, recorder, stated)
        if stated is None:
            return Origin("", site, recorder)
        time, source = stated
        if _was_reset(time):
            return Origin(
                "", site, recorder, f"{source} says {time.isoformat()}: the recorder's clock had been reset"
            )
        note = _contradiction(told, in_name) if source == told.get("start_in") else ""
        if time.tzinfo is not None:
            return Origin(_iso(time), site, recorder, note)
        if self._zone is None:
            return Origin("", site, recorder, f"{source} says {time.isoformat()}, {CLOCK_UNKNOWN}")
        found = moments(time, self._zone)
        if len(found) != 1:
            return Origin("", site, recorder, _changed_clock(time, self._zone, found))
        return Origin(_iso(found[0]), site, recorder, note)

    def _stated(
        self, name: str, told: Mapping[str, str], in_name: datetime | str | None
    ) -> tuple[datetime, str] | str | None:
        """The time and what states it; or what is wrong with it; or None if nothing does."""
        if self._pattern is not None:
            regex, form = self._pattern
            found = [match[0] for match in regex.finditer(name)]
            try:
                times = {datetime.strptime(text, form) for text in found}
            except ValueError:
                times = set()
            if len(times) == 1:
                return times.pop(), "its name"
            if times:
                return f"its name holds {len(times)} times that fit {form}: none is taken"
        if "start" in told:
            return datetime.fromisoformat(told["start"]), told["start_in"]
        # Recorders of one season name in several ways. But what has the pattern's form is not read in another order.
        if self._pattern is not None and (found or in_name is None):
            return f"its name holds no time that fits {self._pattern[1]}"
        return in_name if isinstance(in_name, str) or in_name is None else (in_name, "its name")

    def _site(self, name: str, path: str) -> tuple[str, str]:
        """Site and, if the expression has such a group, recorder."""
        if self._search is not None:
            match = self._search.search(name)
            if match is None:
                return "", ""
            groups = match.groupdict()
            if "site" in groups or "recorder" in groups:
                return groups.get("site") or "", groups.get("recorder") or ""
            return (match[1] or "") if match.re.groups else match[0], ""
        if self._level is None:
            return "", ""
        if self._level == 0:
            root = path.removesuffix(name).replace("\\", "/").rstrip("/")
            return root.rpartition("/")[2] if path.endswith(name) else "", ""
        folders = PurePosixPath(name).parts[:-1]
        position = self._level - 1 if self._level > 0 else self._level
        return (folders[position] if -len(folders) <= position < len(folders) else ""), ""


def _in_name(name: str) -> tuple[str, datetime | str | None]:
    """What stands before the time in a name, and the time; a text if several are there."""
    stem = PurePosixPath(name).stem
    found = []
    for match in _IN_NAME.finditer(stem):
        try:
            time = datetime.strptime(match[1] + (match[2] or match[3]), "%Y%m%d%H%M%S")
        except ValueError:
            continue
        found.append((match.start(), time.replace(tzinfo=offset_of(match[4]) if match[4] else None)))
    if len({time for _, time in found}) > 1:
        return "", f"its name holds {len(found)} times: none is taken (--start-time takes a pattern)"
    if found:
        # Song Meters with several channels put 0+1, 0 or 1 between prefix and time.
        before = re.sub(r"(_(0\+1|[01AB]))?[_ -]*$", "", stem[: found[0][0]])
        return before, found[0][1]
    if _HEX.fullmatch(stem) and HEX_FROM <= int(stem, 16) < HEX_TO:
        return "", datetime.fromtimestamp(int(stem, 16), UTC)
    return "", None


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _was_reset(time: datetime) -> bool:
    """Whether a clock that lost its power shows such a time: they begin at 1970, 1980 or 2000."""
    return time.year in (1970, 1980) or (time.year, time.month) == (2000, 1)


def _contradiction(told: Mapping[str, str], in_name: datetime | str | None) -> str:
    """What is to be said if name and header mean different times; unknown clocks may be quarters of an hour apart."""
    if not isinstance(in_name, datetime):
        return ""
    header = datetime.fromisoformat(told["start"])
    both = header.tzinfo is not None and in_name.tzinfo is not None
    if both:
        apart = abs((header - in_name).total_seconds())
    else:
        apart = abs((header.replace(tzinfo=None) - in_name.replace(tzinfo=None)).total_seconds())
        if apart <= 14 * 3600 + APART_S:
            apart = min(apart % 900, 900 - apart % 900)
    if apart <= APART_S:
        return ""
    return f"its name says {in_name.isoformat()}, {told['start_in']} {header.isoformat()}, which counts"


def _changed_clock(time: datetime, zone: tzinfo, found: tuple[datetime, ...]) -> str:
    """Why a local time is no moment."""
    if found:
        offsets = " or ".join(_iso(moment)[-6:] for moment in found)
        return (
            f"{time.isoformat()} occurred twice in {zone} when clocks were put back: its start is {offsets} and not "
            "known; a clock that was not put back is --recorded-in with an offset"
        )
    return (
        f"{time.isoformat()} did not exist in {zone} when clocks were put forward: its start is not known; a clock "
        "that was not put forward is --recorded-in with an offset"
    )


# ---- options -----------------------------------------------------------------------------------------------


def _pattern(form: str) -> tuple[re.Pattern[str], str]:
    """A pattern of strftime as a regular expression."""
    parts = re.split(r"(%.)", form)
    unknown = [part for part in parts if part[:1] == "%" and part != "%%" and part not in _DIRECTIVES]
    if unknown or (form.endswith("%") and not form.endswith("%%")):
        raise UsageError(
            f"--start-time {form!r}: {(unknown or ['%'])[0]} is not understood; known are {' '.join(_DIRECTIVES)}"
        )
    has = set(parts)
    dated = has & {"%Y", "%y"} and (has & {"%j"} or (has & {"%m", "%b", "%B"} and "%d" in has))
    if not dated or not has & {"%H", "%I"} or ("%I" in has and "%p" not in has):
        raise UsageError(
            f"--start-time {form!r} must hold year, month, day and hour, for example %Y-%m-%d_%H-%M-%S"
        )
    text = "".join(_DIRECTIVES.get(part) or re.escape(part.replace("%%", "%")) for part in parts)
    return re.compile(rf"(?<!\d){text}(?!\d)", re.ASCII), form


def _moment(text: str, zone: tzinfo | None) -> datetime:
    """``--start-time`` with a time."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--start-time {text!r} must be a time like 2025-06-01T06:00:00+02:00, or a pattern like %Y%m%d_%H%M%S"
        ) from None
    if time.tzinfo is not None:
        return time
    if zone is None:
        raise UsageError(
            f"--start-time {text} has no offset: write {text}+02:00, or add --recorded-in Europe/Berlin"
        )
    found = moments(time, zone)
    if len(found) != 1:
        raise UsageError(f"--start-time {text}: {_changed_clock(time, zone, found)}")
    return found[0]


def _place(text: str | None) -> tuple[int | None, re.Pattern[str] | None]:
    """``--site-from``: a level of folders, or an expression."""
    if text is None:
        return None, None
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text), None
    try:
        found = re.compile(text)
    except re.error as error:
        raise UsageError(
            f"--site-from {text!r} is neither a level of folders (1, 2, -1) nor a regular expression ({error})"
        ) from None
    if not text:
        raise UsageError("--site-from '' is empty: name a level of folders (1) or a regular expression")
    return None, found
