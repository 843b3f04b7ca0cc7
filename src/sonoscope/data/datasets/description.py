"""What is known about a data set, and what its reader yields.

A reader is one module with ``rows(root)``, an iterator of :class:`Row` in a fixed order, and a ``DATASET`` that
describes it. Readers only read: labels keep the data set's own names in snake case, official splits are kept
(``train``, ``val``, ``test``; folds as ``fold1``), and ``group`` names what no split of one's own may cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sonoscope.data.rows import Row

#: Column of ``extra``: why a row is in no split although it belongs to a part of the data set that has one.
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class Remote:
    """A file that can be fetched.

    Attributes
    ----------
    url : str
    name : str
        Where it is put, relative to the root, ``/`` between the parts.
    part : str
        What ``--part`` calls it; several files may share one.
    into : str, optional
        The folder, relative to the root, into which its content is unpacked (empty: the root); None: it is no
        archive.
    bytes : int, optional
        Its size, if that is published.
    checksum : str
        ``md5:…`` or ``sha256:…`` as published; empty where none is.
    volume_of : str
        For a piece of a split zip archive: the name of the last piece, which is unpacked when all are there.
    """

    url: str
    name: str
    part: str
    into: str | None = None
    bytes: int | None = None
    checksum: str = ""
    volume_of: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes
    ----------
    name, title, what : str
        The key in ``DATASETS``, the published title, and one sentence.
    licence, citation, url : str
        Of the data set as a whole; rows carry their own where clips differ.
    layout, source : str
        What the reader expects below the root, and the published reader or description it was taken from.
    protocol : str
        How it is used in publications, with what spoils a comparison.
    rows : function
        ``rows(root)`` yields every row; raises ``BadManifest`` with file, line, value and remedy.
    splits : tuple of str
        The official ones; empty where there are none.
    labels : tuple of str
        The closed vocabulary; empty where the data themselves say which labels there are.
    files : tuple of Remote
        What ``data fetch`` gets; empty where nothing can be had without asking, which ``obtain`` explains.
    """

    name: str
    title: str
    what: str
    licence: str
    citation: str
    url: str
    layout: str
    source: str
    protocol: str
    rows: Callable[[Path], Iterator[Row]]
    splits: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    files: tuple[Remote, ...] = ()
    obtain: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names that ``--part`` takes, in order."""
        return tuple(dict.fromkeys(file.part for file in self.files))
