"""Data sets that other libraries read: ``mirdata:<name>`` and ``soundata:<name>``.

Both hand out tracks (clips) with attributes of their own. What can be taken over without knowing the data set is:
the sound (``audio_path``, else the first attribute ``audio_…_path`` that is set), labels (``tags``, ``instruments``,
``instrument``, ``predominant_instrument``), the split, and the track's identity as group. Where nothing of that says
what sounds, the row says that nothing was judged.

Attributes after mir-dataset-loaders/mirdata (mirdata/initialize.py, mirdata/core.py) and soundata/soundata
(soundata/datasets/esc50.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import relative, slug
from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest, Row
from sonoscope.errors import UsageError, nearest

#: The libraries, and how each calls what it hands out.
LIBRARIES = {"mirdata": "load_tracks", "soundata": "load_clips"}


def dataset(library: str, name: str) -> Dataset:
    """The description of a data set that ``library`` reads.

    Raises
    ------
    UsageError
        If the library is not installed, or has no such data set.
    """
    package = _package(library, name)
    known = package.list_datasets()
    if name not in known:
        raise UsageError(
            f"{library} has no data set {name!r}.{nearest(name, known)} Known: {', '.join(known)}."
        )
    return Dataset(
        name=f"{library}:{name}",
        title=name,
        what=f"read by {library}",
        licence=f"as {library} states it",
        citation=f"print({library}.initialize({name!r}).cite())",
        url="",
        layout=f"as {library} downloads it",
        source=library,
        protocol="Labels and splits as far as the library states them; every track is a group of its own.",
        rows=partial(rows, library, name),
        obtain=_how(library, name),
    )


def rows(library: str, name: str, root: Path) -> Iterator[Row]:
    """A row for each track whose sound is there."""
    package = _package(library, name)
    try:
        loader = package.initialize(name, data_home=str(root))
        tracks: Mapping[str, Any] = getattr(loader, LIBRARIES[library])()
    except (ImportError, OSError) as error:
        raise BadManifest(
            f"{library}:{name} cannot be read: {' '.join(str(error).split())}. {_how(library, name)}"
        ) from None
    for key, track in sorted(tracks.items()):
        path = _sound(key, track, f"{library}:{name}")
        labels = _labels(track)
        yield Row(
            path=relative(root.absolute(), path.absolute()),
            labels=labels,
            unknown=() if labels else (EVERYTHING_ELSE,),
            group=f"{name}-{key}",
            split=_split(track),
            source=f"{library}:{name}",
        )


def _how(library: str, name: str) -> str:
    call = f"{library}.initialize('{name}', data_home='ROOT').download()"
    return f'{library} fetches it: python -c "import {library}; {call}"'


def _package(library: str, name: str) -> Any:
    try:
        return import_module(library)
    except ModuleNotFoundError:
        raise UsageError(
            f"the data set {library}:{name} needs the package {library}, which is not installed: pip install {library}"
        ) from None


def _sound(key: str, track: Any, name: str) -> Path:
    path = getattr(track, "audio_path", None)
    if path is None:
        paths = [
            getattr(track, a, None) for a in sorted(dir(track)) if a.endswith("audio_path") or _is_audio(a)
        ]
        path = next((value for value in paths if isinstance(value, str)), None)
    if path is None or not Path(path).is_file():
        raise BadManifest(
            f"{name}, track {key}: {path or 'its sound'} does not exist. Download the data set first."
        )
    return Path(path)


def _is_audio(attribute: str) -> bool:
    return attribute.startswith("audio_") and attribute.endswith("_path")


def _labels(track: Any) -> tuple[str, ...]:
    tags = getattr(track, "tags", None)
    for value in (
        getattr(tags, "labels", tags),
        getattr(track, "instruments", None),
        getattr(track, "instrument", None),
        getattr(track, "predominant_instrument", None),
    ):
        found = (
            [value]
            if isinstance(value, str)
            else list(value)
            if isinstance(value, list | tuple | dict)
            else []
        )
        if found:
            return tuple(dict.fromkeys(slug(str(label)) for label in found))
    return ()


def _split(track: Any) -> str:
    split = str(getattr(track, "split", None) or getattr(track, "subset", None) or "")
    return {"training": "train", "validation": "val", "valid": "val"}.get(split, split)
