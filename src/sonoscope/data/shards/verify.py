"""Is a prepared folder what it says? Every byte is read; nothing is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sonoscope.data import manifest as manifests
from sonoscope.data.rows import Manifest
from sonoscope.data.shards import folder as files
from sonoscope.data.shards.bands import BandContent, Bands
from sonoscope.data.shards.content import Content
from sonoscope.data.shards.making import is_same, source_of
from sonoscope.data.shards.read import Shards
from sonoscope.data.shards.trees import RECORD, Layout, Npy
from sonoscope.data.shards.write import data_sha256
from sonoscope.data.survey import Problem

AGAIN = "Prepare it again."


def shards(folder: str | Path) -> list[Problem]:
    """What is wrong with a folder of shards: digests, places, numbers that are none.

    Raises
    ------
    UsageError
        If it cannot be opened at all.
    """
    opened = Shards(folder)
    problems = []
    index = np.load(opened.folder / files.INDEX)
    rows = opened.rows
    for number, path in enumerate(opened.shard_paths):
        shard, made = files.read_shard(path)
        mine = np.flatnonzero(index["shard"] == number)
        ends = index["first"][mine] + index["stored"][mine]
        if data_sha256(path) != shard.sha256:
            wrong = "its bytes are not those that were written"
        elif made != files.made_of(opened.content):
            wrong = "it was made otherwise than the folder says"
        elif len(mine) and (
            ends.max() > shard.n_rows or len(files.map_npy(path, opened.content)) != shard.n_rows
        ):
            wrong = "it is shorter than the index says"
        else:
            continue
        lost = len(mine)
        problems.append(
            Problem(
                path.name, 0.0, None, f"{wrong}; {lost} rows are in it", "Remove it, and " + AGAIN.lower()
            )
        )
    if len(rows) != len(opened):
        problems.append(
            Problem(files.MANIFEST, 0.0, None, f"{len(rows)} rows, {len(opened)} in the index", AGAIN)
        )
    return problems


def layout_of(folder: Path) -> Layout:
    """The layout that a tree was made in. Raises ``UsageError`` if nothing says so."""
    made = files.read_json(folder / RECORD)["made"]
    if made["layout"] == "bands":
        return Bands(BandContent.from_dict(made))
    return Npy(Content.from_dict(made))


def tree(folder: str | Path) -> list[Problem]:
    """What is wrong with the arrays that the manifest of a tree names.

    Raises
    ------
    BadManifest, UsageError
        If there is no manifest, or nothing says how the tree was made.
    """
    folder = Path(folder)
    layout = layout_of(folder)
    found = manifests.read(folder / files.MANIFEST)
    problems = []
    for row in found.rows:
        array = found.root / row.extra["mel_path"]
        base = array.relative_to(folder.absolute()).as_posix()
        wrong = layout.wrong(folder, base)
        if not wrong:
            frames = len(next(iter(layout.read(folder, base).values())))
            told = int(row.extra["n_frames"])
            wrong = "" if frames == told else f"has {frames} frames, the manifest says {told}"
        if wrong:
            problems.append(Problem(base, row.start_s, row.duration_s, wrong, AGAIN))
    return problems


def against(manifest: Manifest, folder: str | Path) -> list[Problem]:
    """Rows of a manifest that a folder of shards does not hold, or whose recordings changed since."""
    folder = Path(folder)
    opened = Shards(folder)
    held = {item.part: item.source for path in opened.shard_paths for item in files.read_shard(path)[0].items}
    problems = []
    for row in manifest.rows:
        source = source_of(manifest, row, folder, False)
        before = held.get((source.file, row.start_s, row.duration_s))
        if before is None:
            problems.append(Problem(row.path, row.start_s, row.duration_s, "is not in the folder", AGAIN))
        elif not is_same(before, source):
            reason = "the recording was changed since it was prepared"
            problems.append(Problem(row.path, row.start_s, row.duration_s, reason, AGAIN))
    return problems
