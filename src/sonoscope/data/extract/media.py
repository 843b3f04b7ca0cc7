"""Where the recordings of a specification are: paths of any system, folders, and addresses whose files lie here.

Nothing is downloaded from video sites. What was got from there in some other way is found by the video's id, which
downloaders put into the name (``dQw4w9WgXcQ.m4a``, ``Title [dQw4w9WgXcQ].webm``). Files to which an address leads
directly can be fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sonoscope.audio.find import SUFFIXES, Unlisted, find
from sonoscope.data import download, paths
from sonoscope.data.datasets.description import Remote
from sonoscope.data.extract.spec import Entry
from sonoscope.errors import SonoscopeError, Stopped, UnreadableAudio
from sonoscope.values import Recording

_SAFE = re.compile(r"[\w.()+,=@ -]+")
#: Paths below which video sites keep the id.
_BEFORE_ID = ("shorts", "embed", "live", "video", "v", "watch")


@dataclass(frozen=True, slots=True)
class Found:
    """A recording of an entry: its name in the specification (portable), and where it is or why it is nowhere."""

    name: str
    path: Path | None
    problem: tuple[str, str] | None = None


class Media:
    """Finds the recordings of entries.

    Parameters
    ----------
    base : Path
        What relative paths are relative to, and where the files of addresses are looked for (all below it).
    clips : Path
        Where clips go: what lies there is no recording to cut, even if an entry's folder holds it.
    remap : sequence of (old, new)
        Beginnings of paths to be replaced (:func:`sonoscope.data.paths.remap`).
    """

    def __init__(self, base: Path, clips: Path, remap: Sequence[tuple[str, str]]) -> None:
        self._folder, self._remap = base.absolute(), remap
        self._clips = os.path.realpath(clips)
        self._tree = paths.Tree(base)

    def locate(self, entry: Entry) -> list[Found]:
        """The recording of an entry, or those of the folder that it names."""
        if not entry.file:
            return [self._by_address(entry.url)]
        name = paths.portable(entry.file)
        place = paths.remap(name, self._remap)
        if paths.is_windows(place) and os.name != "nt":
            above = name.rpartition("/")[0] or name
            return [
                Found(
                    name,
                    None,
                    ("is a path of another computer", f"Say where it is here: --remap {above}=FOLDER."),
                )
            ]
        if place.startswith("~/"):
            place = str(Path(place).expanduser())
        try:
            path = Path(place) if paths.is_absolute(place) else self._tree.locate(place)
        except UnreadableAudio as error:
            return [Found(name, None, (error.reason, error.remedy))]
        if path.is_dir():
            return self._within(name, path)
        if not path.exists():
            hint = "" if paths.is_absolute(place) else self._tree.suggestion(place).strip()
            where = (
                "there is no such file"
                if paths.is_absolute(place)
                else f"there is no such file below {self._folder}"
            )
            remedy = hint or "Correct the path, or say what lies where (--media FOLDER, --remap OLD=NEW)."
            return [Found(name, None, (where, remedy))]
        if self._is_clip(path):
            return [Found(name, None, ("lies among the clips", "Cut them into another folder (-o)."))]
        return [Found(name, path)]

    def _is_clip(self, path: Path | str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._clips)

    def _recordings(self, folder: Path) -> Iterator[Recording | Unlisted]:
        """What lies below a folder, without the clips that were cut."""
        for each in find([folder]):
            if isinstance(each, Unlisted) or not self._is_clip(each.path):
                yield each

    def _within(self, name: str, folder: Path) -> list[Found]:
        found: list[Found] = []
        for each in self._recordings(folder):
            inner = f"{name.rstrip('/')}/{each.name}" if name not in ("", ".") else each.name
            if isinstance(each, Unlisted):
                found.append(Found(inner, None, (each.reason, each.remedy)))
            elif each.member is None:
                found.append(Found(inner, Path(each.path)))
        return found or [Found(name, None, ("is a folder without recordings", "Name a recording."))]

    # ---- addresses -----------------------------------------------------------------------------------------

    def _by_address(self, url: str) -> Found:
        own = self.place_of(url)
        if own is not None and own.is_file():
            return Found(url, own)
        wanted = identity(url)
        fitting = [path for path in self._files if _fits(path, wanted)] if wanted else []
        if len(fitting) == 1:
            return Found(url, fitting[0])
        if fitting:
            names = ", ".join(sorted(path.name for path in fitting)[:3])
            return Found(
                url, None, (f"several files fit: {names}", "Remove all but one, or name one as 'file'.")
            )
        if own is not None:
            remedy = f"Fetch it (--fetch), or put it there as {Path(wanted).name}."
        else:
            remedy = (
                f"Get it with a downloader and put it there as {wanted or 'its id'}.m4a (or .mp4, .webm ...)."
            )
        what = (
            "no file of it lies"
            if own is not None
            else "sonoscope does not download from video sites, and no file of it lies"
        )
        return Found(url, None, (f"{what} below {self._folder}", remedy))

    def place_of(self, url: str) -> Path | None:
        """Where a fetched file of an address is put: below its host and path; None if it leads to no recording."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or Path(parts.path).suffix.lower() not in SUFFIXES:
            return None
        names = [unquote(name) for name in (parts.netloc.replace(":", "_"), *parts.path.split("/")) if name]
        if any(name in (".", "..") or not _SAFE.fullmatch(name) for name in names):
            return None
        return self._folder.joinpath(*names)

    @cached_property
    def _files(self) -> list[Path]:
        """The recordings below the media folder, listed once."""
        if not self._folder.is_dir():
            return []
        return [
            Path(each.path)
            for each in self._recordings(self._folder)
            if not isinstance(each, Unlisted) and each.member is None
        ]

    def fetch(
        self, urls: list[str], say: Callable[[str], None], progress: download.Progress
    ) -> dict[str, tuple[str, str]]:
        """Fetch what addresses lead to directly and is not there; reason and remedy for each that could not be got."""
        failed: dict[str, tuple[str, str]] = {}
        for url in dict.fromkeys(urls):
            place = self.place_of(url)
            if place is None or self._by_address(url).path is not None:
                continue
            say(f"fetching {url} into {place.parent}")
            try:
                file = Remote(url, place.name, "media")
                download.download(file, place, advice=f"put it there as {place}", say=say, progress=progress)
            except Stopped as error:
                failed[url] = (f"could not be fetched ({error})", "Call this again: it goes on from there.")
            except SonoscopeError as error:
                failed[url] = (f"could not be fetched ({error})", "Correct the address, or leave it out.")
        self.__dict__.pop("_files", None)
        return failed


def identity(url: str) -> str:
    """The name under which an address is known: a video's id, or the name of a file.

    >>> identity("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=4"), identity("https://youtu.be/dQw4w9WgXcQ")
    ('dQw4w9WgXcQ', 'dQw4w9WgXcQ')
    >>> identity("https://example.org/a/erhu%201.mp3"), identity("https://www.bilibili.com/video/BV1x/?p=2")
    ('erhu 1.mp3', 'BV1x')
    """
    parts = urlsplit(url)
    video = parse_qs(parts.query).get("v", [""])[0]
    if video:
        return video
    names = [unquote(name) for name in parts.path.split("/") if name and name not in _BEFORE_ID]
    return names[-1] if names else ""


def _fits(path: Path, wanted: str) -> bool:
    """Whether a file is called like an address's id, or ends in it as downloaders write it."""
    name, stem = paths.same_name(path.name), paths.same_name(path.stem)
    wanted = paths.same_name(wanted)
    return wanted in (name, stem) or stem.endswith((f"[{wanted}]", f"-{wanted}", f"_{wanted}"))
