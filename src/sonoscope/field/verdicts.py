"""What people said about clips: ``verdicts-NAME.csv``, a line for each answer, only ever appended to.

Columns: ``clip,label,verdict,reviewer,at``. The last line about a clip counts; an empty verdict takes the earlier one
back. Every line reaches the disk before the page hears of it, and half a line, which a power failure can leave, is cut
off when the file is opened again.

Verdicts: ``yes``, the label sounds in the marked part; ``no``; ``other``, something else sounds there that is worth a
note, which counts as no; ``unsure``, which counts as not judged.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sonoscope import delimited
from sonoscope.errors import UsageError
from sonoscope.outputs.format import UnreadableTable
from sonoscope.outputs.rows import comma_line, read_comma
from sonoscope.writing import told_of

COLUMNS = ("clip", "label", "verdict", "reviewer", "at")
VERDICTS = ("yes", "no", "other", "unsure")
#: What may be asked of clips of which nobody was sure.
UNSURE = ("out", "yes", "no")
#: Of a clip's number.
DIGITS = 5
_NAME = re.compile(r"[\w.-]{1,40}")


def file_of(folder: str | Path, reviewer: str) -> Path:
    """Where a reviewer's verdicts are.

    Raises
    ------
    UsageError
        If the name cannot be part of a file's name.
    """
    if not _NAME.fullmatch(reviewer) or reviewer.startswith("."):
        raise UsageError(
            f"--reviewer {reviewer!r} must be letters, digits, dots and dashes, at most 40: it names a file"
        )
    return Path(folder) / f"verdicts-{reviewer}.csv"


class Notebook:
    """The verdicts of one reviewer, kept in a file.

    Parameters
    ----------
    file : path
    reviewer : str
    labels : mapping, clip to label
        All clips there are.

    Raises
    ------
    UsageError
        If the file has other columns, or other separators.
    """

    def __init__(self, file: str | Path, reviewer: str, labels: Mapping[str, str]) -> None:
        self.file, self.reviewer, self._labels = Path(file), reviewer, labels
        self._lock = threading.Lock()
        if not self.file.exists() or not self.file.stat().st_size:
            self._append(comma_line(COLUMNS))
        self._cut_half_a_line()
        with open(self.file, "rb") as handle:
            if handle.readline().removeprefix(codecs.BOM_UTF8).strip() != ",".join(COLUMNS).encode():
                raise UsageError(
                    f"{self.file}: not as this page writes it (a spreadsheet may have saved it), so nothing can be "
                    "added to it. It counts as it is; judge on under another --reviewer"
                )
        self.current = {clip: given for clip, given in read(self.file).items() if clip in labels}

    def _cut_half_a_line(self) -> None:
        content = self.file.read_bytes()
        if not content.endswith(b"\n"):
            with open(self.file, "rb+") as file:
                file.truncate(content.rfind(b"\n") + 1)

    def _append(self, line: str) -> None:
        """Add a line and wait for the disk. What it takes of a line that has no room is taken back."""
        with told_of(self.file), open(self.file, "ab", buffering=0) as file:
            before, left = file.tell(), line.encode("utf-8")
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def judge(self, clip: str, verdict: str) -> None:
        """Note a verdict, or, with an empty one, take back what was said.

        Raises
        ------
        UsageError
            If there is no such clip or verdict.
        """
        if clip not in self._labels:
            raise UsageError(f"there is no clip {clip!r}")
        if verdict and verdict not in VERDICTS:
            raise UsageError(
                f"verdict {verdict!r} must be one of {', '.join(VERDICTS)}, or empty to take it back"
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            self._append(comma_line((clip, self._labels[clip], verdict, self.reviewer, now)))
            if verdict:
                self.current[clip] = verdict
            else:
                self.current.pop(clip, None)


def read(file: str | Path) -> dict[str, str]:
    """The verdicts in a file by clip: the last line about each counts, and an empty verdict takes it away.

    Raises
    ------
    UnreadableTable
        If it is no such table, or a verdict is unknown.
    """
    found: dict[str, str] = {}
    text = delimited.decoded(Path(file), UnreadableTable)
    for row in read_comma(
        io.StringIO(text, newline=""),
        str(file),
        ("clip", "verdict"),
        remedy="A file of verdicts has a clip and its verdict in each row.",
    ):
        # Spreadsheets make 7 of 00007.
        clip = row.get("clip").strip().zfill(DIGITS)
        verdict = row.get("verdict").strip().casefold()
        if verdict and verdict not in VERDICTS:
            raise row.problem("verdict", f"is {verdict!r}", f"Known: {', '.join(VERDICTS)}.")
        if verdict:
            found[clip] = verdict
        else:
            found.pop(clip, None)
    return found


def files_in(folder: str | Path) -> list[Path]:
    """The files of verdicts in a folder of clips, by name."""
    return sorted(Path(folder).glob("verdicts-*.csv"))


def read_all(folder: str | Path, files: Sequence[str | Path] = ()) -> dict[str, dict[str, str]]:
    """Verdicts by reviewer: those in the files named, or in all of the folder.

    Raises
    ------
    UsageError
        If there are none.
    """
    found = {}
    for file in files or files_in(folder):
        path = Path(file)
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file of verdicts")
        name = path.stem.removeprefix("verdicts-")
        if name in found:
            raise UsageError(f"{path}: a second file of verdicts by {name!r}: rename one")
        found[name] = read(path)
    if not found:
        raise UsageError(f"{folder} holds no verdicts yet: sonoscope review {folder} --reviewer NAME")
    return found


def together(reviewers: Iterable[Mapping[str, str]], unsure: str = "out") -> dict[str, bool]:
    """Whether the sound is in each clip, by the majority of those who are sure; where they are even, nobody is.

    ``unsure`` says what a clip counts as of which nobody is sure: left ``out``, ``yes`` or ``no``.

    Raises
    ------
    UsageError
        If ``unsure`` is something else.
    """
    if unsure not in UNSURE:
        raise UsageError(f"--unsure {unsure} must be one of {', '.join(UNSURE)}")
    votes: dict[str, Counter[bool]] = {}
    for verdicts in reviewers:
        for clip, verdict in verdicts.items():
            count = votes.setdefault(clip, Counter())
            if verdict != "unsure":
                count[verdict == "yes"] += 1
    found = {}
    for clip, count in votes.items():
        if count[True] != count[False]:
            found[clip] = count[True] > count[False]
        elif unsure != "out":
            found[clip] = unsure == "yes"
    return found


def check_clips(reviewers: Mapping[str, Mapping[str, str]], clips: Iterable[str]) -> None:
    """Find that all verdicts are on clips that there are.

    Raises
    ------
    UnreadableTable
        If not.
    """
    known = set(clips)
    for reviewer, given in reviewers.items():
        strange = sorted(set(given) - known)
        if strange:
            raise UnreadableTable(
                f"verdicts of {reviewer}: {len(strange)} are on clips that this folder does not have "
                f"({strange[0]}, …): do they belong to another folder?"
            )
