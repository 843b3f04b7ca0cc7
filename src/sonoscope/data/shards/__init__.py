"""Prepared data: what a manifest's rows sound like, decoded once and kept where training can read it.

    built = shards.build(manifest, "features/audio", shards.audio(22_050))
    prepared = shards.open("features/audio")
    prepared.samples(3), prepared.rows[3].labels, prepared.mean, prepared.std

A folder holds either **samples** (``audio``: mono int16 at one rate, so that anything can still be computed and
augmented on the fly) or **frames** of one feature (float16). It is a folder of data that its user names, never a hidden
cache. ``shards/folder.py`` says what lies in it, ``feed.py`` cuts training batches from it, ``trees.py`` and
``bands.py`` write the trees of ``.npy`` files that other systems read.

Opening and reading import no decoder of sound.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonoscope.data.rows import Manifest
from sonoscope.data.shards.content import Content, audio, frames
from sonoscope.data.shards.read import Shards

if TYPE_CHECKING:
    from sonoscope.data.shards.making import Built

__all__ = ["Content", "Shards", "audio", "build", "frames", "open"]


def open(folder: str | Path) -> Shards:
    """A folder that :func:`build` made; files are mapped when they are first read.

    Raises
    ------
    UsageError
        If the folder is not finished, damaged, or of a schema that this version does not know.
    """
    return Shards(folder)


def build(manifest: Manifest, folder: str | Path, content: Content, **options: Any) -> Built:
    """Decode what the folder does not hold yet, and leave in it the rows of this manifest; see ``making.build``."""
    from sonoscope.data.shards import making  # Decoders are imported by those who build only.

    return making.build(manifest, folder, content, **options)
