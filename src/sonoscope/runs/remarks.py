"""What is said at the end of a run: one line that sums it up, and what else the user should know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sonoscope.errors import SonoscopeError, count
from sonoscope.runs.report import Tally
from sonoscope.runs.spec import RunSpec

#: The decision settings by field of :class:`RunSpec`: how the command calls each, and what ``None`` means there.
_DECISIONS = {
    "threshold": ("threshold", "the model's own"),
    "min_duration_s": ("min-duration", "the model's own"),
    "max_gap_s": ("max-gap", "the model's own"),
    "tail": ("tail", ""),
    "formats": ("format", ""),
    "scores": ("scores", "none"),
    "raw": ("raw", ""),
    "start_time": ("start-time", "none"),
    "recorded_in": ("recorded-in", "none"),
    "site_from": ("site-from", "none"),
}


def message(tally: Tally, out: Path, *, changes: list[str], missing: int, counted: str = "event") -> str:
    """One line: how many inputs, what became of them, and where it is.

    Parameters
    ----------
    changes : list of str
        The decision settings that are not those of the run before.
    missing : int
        Parts of the run that are not finished.
    counted : str
        What events are called: ``note`` where there are only those.
    """
    counts = [f"{count(tally.done, 'input')} done"]
    if tally.skipped:
        counts.append(f"{tally.skipped} of them complete before")
    if tally.decided:
        because = f" ({'; '.join(changes)})" if changes else ""
        counts.append(f"{tally.decided} decided again from kept scores{because}")
    if tally.failed:
        counts.append(f"{tally.failed} failed")
    text = f"{', '.join(counts)}; {count(tally.events, counted)} in {out}"
    if missing:
        return f"{text}; {count(missing, 'part')} to come, the last one writes events.csv and files.csv"
    if tally.failed:
        return f"{text}; what failed, and why: {out / 'errors.csv'}"
    return text


def earlier(out: Path) -> RunSpec | None:
    """What the run before was asked, from its ``run.json``; None if there was none, or it cannot be read."""
    try:
        return RunSpec.from_run_json(out / "run.json")
    except SonoscopeError:
        return None


def changes(before: RunSpec, after: RunSpec) -> list[str]:
    """The decision settings that differ, each as ``threshold: 0.6 -> the model's own``."""
    found = []
    for field, (option, own) in _DECISIONS.items():
        was, now = getattr(before, field), getattr(after, field)
        if (sorted(was) != sorted(now)) if field == "formats" else was != now:
            found.append(f"{option}: {_in_words(was, own)} -> {_in_words(now, own)}")
    return found + before.notes.differences(after.notes)


def _in_words(value: Any, own: str) -> str:
    if value is None:
        return own
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g} s" if isinstance(value, float) else str(value)


def about_absent(number: int) -> list[str]:
    """That recordings of earlier runs are no longer among the inputs, if so."""
    if not number:
        return []
    if number == 1:
        return ["1 earlier recording is no longer among the inputs; its results stay"]
    return [f"{number:,} earlier recordings are no longer among the inputs; their results stay"]


def about_special(tally: Tally) -> list[str]:
    """What is special about the first recordings, and how many more there are."""
    more = tally.n_remarked - len(tally.remarked)
    rest = [f"{count(more, 'more recording')} with remarks: files.csv, column note"] if more else []
    return tally.remarked + rest


def about_damaged(tally: Tally) -> list[str]:
    """How many recordings were heard in part only, or hardly at all, where that is not said of each."""
    said = []
    if tally.damaged and not tally.n_remarked:
        verb = "is" if tally.damaged == 1 else "are"
        said.append(
            f"{count(tally.damaged, 'recording')} {verb} cut short or damaged, and analysed as far as can be "
            "decoded: files.csv, column note"
        )
    if tally.cancelled and not tally.n_remarked:
        verb = "has" if tally.cancelled == 1 else "have"
        said.append(
            f"{count(tally.cancelled, 'recording')} {verb} channels that cancel each other in their mean: "
            "hear one of them (--channel 1)"
        )
    if tally.silent and not tally.n_remarked:
        verb = "is" if tally.silent == 1 else "are"
        said.append(
            f"{count(tally.silent, 'recording')} {verb} silent, or dead in some channel (microphone, cable or plug?): "
            "files.csv, column note"
        )
    return said


def about_origins(tally: Tally, site_from: str | None, recorded_in: str | None = None) -> list[str]:
    """That starts or sites are not known, and that recordings of one season differ in their rates."""
    said = []
    if tally.undated:
        verb = "states its start" if tally.undated == 1 else "state their start"
        said.append(
            f"{count(tally.undated, 'recording')} {verb} without an offset, so it is not known: --recorded-in "
            "UTC (or Europe/Berlin, +02:00) says on which clock"
        )
    if tally.oddly_dated:
        said.append(
            f"the start of {count(tally.oddly_dated, 'recording')} is not known; why: files.csv, column note"
        )
    silent = tally.rates.total() - tally.dated - tally.undated - tally.oddly_dated
    if recorded_in is not None and silent and not (tally.dated or tally.oddly_dated):
        said.append(
            "no recording says when it began, so --recorded-in changes nothing: --start-time says how names tell it "
            "(%y%m%d_%H%M)"
        )
    elif recorded_in is not None and silent:
        verb = "does" if silent == 1 else "do"
        said.append(
            f"{count(silent, 'recording')} {verb} not say when recorded: --start-time says how those names tell it "
            "(%y%m%d_%H%M); the others stay as they are"
        )
    if site_from is not None and tally.without_site:
        verb = "has" if tally.without_site == 1 else "have"
        said.append(f"{count(tally.without_site, 'recording')} {verb} no site by --site-from {site_from}")
    if tally.dated and len(tally.rates) > 1:
        rates = ", ".join(f"{rate} Hz ({files})" for rate, files in tally.rates.most_common())
        said.append(f"recordings differ in sample rate: {rates}")
    return said


def about_unknown(unknown: int, models: tuple[list[str], list[str]], *, table: bool = True) -> list[str]:
    """That most of some recordings is nothing that the models know, and which others there are.

    Parameters
    ----------
    unknown : int
        How many recordings.
    models : (list of str, list of str)
        Those that ran, and the others that can be named.
    table : bool
        Whether there is a table that names the recordings.
    """
    if not unknown:
        return []
    ran, others = models
    known_to = f"the model {ran[0]}" if len(ran) == 1 else f"the models {', '.join(ran)}"
    if others:
        rest = f"others: {', '.join(others)} (-m NAME; sonoscope models list)"
    else:
        rest = "no other model comes with sonoscope (-m FOLDER takes one from elsewhere)"
    verb = "is" if unknown == 1 else "are"
    known_to += " (files.csv, column note)" if table else ""
    return [f"{count(unknown, 'recording')} {verb} mostly unknown to {known_to}; {rest}"]
