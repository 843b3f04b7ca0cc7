"""What every reader of a data set promises, as checks for ours and for anybody's own (:mod:`sonoscope.promises`).

A reader is checked on a folder that holds the data set, or a miniature of it in its layout.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sonoscope.audio.decode import Decoder
from sonoscope.data import manifest
from sonoscope.data.datasets.description import Dataset
from sonoscope.data.rows import EVERYTHING_ELSE, Manifest, Row
from sonoscope.errors import SonoscopeError
from sonoscope.promises import BrokenContract, expect
from sonoscope.values import Recording

#: Rows whose sound is opened: all of a miniature, some of a large data set.
OPENED = 200


class DatasetChecks:
    """The checks of a reader; each public method is one.

    Parameters
    ----------
    dataset : Dataset
    root : Path
        A folder that holds it.
    """

    def __init__(self, dataset: Dataset, root: Path) -> None:
        self.dataset, self.root = dataset, Path(root)

    @cached_property
    def _rows(self) -> list[Row]:
        return list(self.dataset.rows(self.root))

    def every_row_names_sound_by_a_relative_path(self) -> None:
        """Files are there and hold sound, paths are relative to the root, no row is there twice."""
        expect(self._rows, f"{self.root} gives no row")
        for row in self._rows:
            relative = (
                not row.path.startswith("/") and "\\" not in row.path and ".." not in row.path.split("/")
            )
            expect(relative, f"{row.path!r} must be relative to the root, with '/' between its parts")
            expect((self.root / row.path).is_file(), f"{row.path} is not there")
            annotated = not row.annotation or (self.root / row.annotation).is_file()
            expect(annotated, f"the annotation {row.annotation} is not there")
            expect(row.source, f"{row.path}: source is empty: say which data set it is of")
        for (path, start_s), count in Counter((row.path, row.start_s) for row in self._rows).items():
            expect(count == 1, f"{count} rows are {path} from {start_s:g} s on")
        self._opened(self._rows[:: max(len(self._rows) // OPENED, 1)])

    def _opened(self, rows: Iterable[Row]) -> None:
        for row in rows:
            try:
                with Decoder(Recording(str(self.root / row.path), row.path)) as decoder:
                    heard = next(decoder.blocks(), None)
            except SonoscopeError as problem:
                raise BrokenContract(f"{row.path} cannot be heard: {problem}") from None
            expect(heard is not None and len(heard) > 0, f"{row.path} holds no sound")

    def labels_are_of_the_vocabulary_and_say_one_thing(self) -> None:
        """No label is there and absent at once; names are bare; a closed vocabulary holds them all."""
        for row in self._rows:
            both = {*row.labels} & {*row.absent}
            expect(not both, f"{row.path}: {', '.join(sorted(both))} is both there and absent")
            named = {*row.labels, *row.absent, *row.unknown} - {EVERYTHING_ELSE}
            odd = [label for label in named if not label or label.strip() != label]
            expect(not odd, f"{row.path}: the label {odd and odd[0]!r} is empty or has spaces around it")
            if self.dataset.labels:
                beyond = sorted(named - {*self.dataset.labels})
                expect(not beyond, f"{row.path}: {', '.join(beyond)} is not among the data set's labels")

    def no_group_is_in_two_splits(self) -> None:
        """Rows that belong together are in one split, and splits are the declared ones."""
        splits: dict[str, set[str]] = {}
        for row in self._rows:
            if row.group and row.split:
                splits.setdefault(row.group, set()).add(row.split)
        for group, found in splits.items():
            expect(len(found) == 1, f"group {group!r} is in the splits {', '.join(sorted(found))}")
        if self.dataset.splits:
            beyond = sorted({row.split for row in self._rows} - {"", *self.dataset.splits})
            expect(not beyond, f"split {', '.join(beyond)} is not declared: {', '.join(self.dataset.splits)}")

    def a_second_reading_gives_the_same(self) -> None:
        """In the same order."""
        expect(
            list(self.dataset.rows(self.root)) == self._rows,
            "a second reading gives other rows, or another order",
        )

    def the_manifest_reads_back(self) -> None:
        """What is written of it is read again as it was, and targets say nothing of what nobody judged."""
        whole = Manifest(tuple(self._rows), self.root.absolute(), self.dataset.labels)
        with tempfile.TemporaryDirectory() as folder:
            manifest.write(whole, Path(folder) / "manifest.csv")
            back = manifest.read(Path(folder) / "manifest.csv").rows
        for row, again in zip(self._rows, back, strict=True):
            again = replace(again, extra={key: value for key, value in again.extra.items() if value})
            expect(again == row, f"{row.path}: written and read again, the row is {again}, not {row}")
        sounds, known = whole.targets()
        expect(
            sounds.shape == (len(whole), len(whole.labels())),
            "targets have another shape than rows and labels",
        )
        expect(not (sounds.astype(bool) & ~known).any(), "a target is set where nobody judged")

    def a_missing_or_an_empty_root_is_an_error(self) -> None:
        """With the folder in its message."""
        with tempfile.TemporaryDirectory() as folder:
            for root in (Path(folder) / "nowhere", Path(folder)):
                try:
                    list(self.dataset.rows(root))
                except SonoscopeError as error:
                    expect(str(root) in str(error), f"the message does not name {root}: {error}")
                    continue
                raise BrokenContract(f"{'an empty' if root.exists() else 'a missing'} folder is not refused")

    def the_description_is_complete(self) -> None:
        """Title, what it is, licence, layout and source are said."""
        for name in ("title", "what", "licence", "layout", "source"):
            expect(getattr(self.dataset, name), f"{name} is empty")
