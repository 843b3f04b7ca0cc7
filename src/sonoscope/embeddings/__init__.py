"""Embeddings of windows, kept as tables, and the sounds nearest to one.

``vectors.py`` makes them while a recording is read, ``rows.py`` holds a growing table on disk, ``files.py`` writes
it as npz or Parquet, ``index.py`` keeps one that is searched.
"""

from __future__ import annotations

from sonoscope.embeddings.files import Folder, OneFile
from sonoscope.embeddings.index import Hit, Index
from sonoscope.embeddings.vectors import Embedder, Piece

__all__ = ["Embedder", "Folder", "Hit", "Index", "OneFile", "Piece"]
