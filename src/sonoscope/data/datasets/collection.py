"""A collection of labelled clips from many libraries, and the folds of origins that test on recordings from
elsewhere.

The manifest is a CSV with the columns ``path, labels, origin, fold, trainable, source, duration_s``, and
``licence`` if anybody knows it (others are kept out of the way). The first of the ``|``-separated labels is
the class, further ones are detail. ``origin`` is the library a clip really comes from, the group that no
split may cut; ``fold`` (A–D) holds whole origins, and is empty for what is never tested; ``trainable`` =
``no`` marks clips whose licence allows evaluation only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import filled
from sonoscope.data.rows import BadManifest, Row
from sonoscope.errors import UsageError

COLUMNS = ("path", "labels", "origin", "fold", "trainable", "source", "duration_s")

_DRUMS = (
    "bass_drum",
    "snare_drum",
    "hi_hat",
    "cymbal",
    "tom",
    "drums",
    "percussion",
    "cowbell",
    "tabla",
    "mridangam",
)
_BASS = ("double_bass", "electric_bass")
#: Clips that cannot serve as evidence for or against single classes.
_LEFT_OUT = ("orchestra", "string_section")

#: Class of the collection to label id of the ``instruments`` set; what is not named is ``other``.
TO_INSTRUMENTS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "cello", "clarinet", "flute", "acoustic_guitar", "electric_guitar", "organ", "piano", "saxophone",
            "trumpet", "violin", "voice",
        )
    },
    **dict.fromkeys(_DRUMS, "drums"),
    **dict.fromkeys(_BASS, "bass"),
}  # fmt: skip
#: A guitar whose kind nobody stated: some guitar, so it teaches neither kind and contradicts neither.
UNSTATED: Mapping[str, tuple[str, ...]] = {"guitar": ("acoustic_guitar", "electric_guitar")}


@dataclass(frozen=True)
class Clip:
    """One labelled clip.

    ``label`` is an id of the ``instruments`` set, or empty when only ``unknown`` labels could sound; ``name``
    is the collection's own class (``banjo``), ``detail`` its further labels.
    """

    path: Path
    key: str
    label: str
    unknown: tuple[str, ...]
    name: str
    detail: tuple[str, ...]
    origin: str
    fold: str
    trainable: bool
    source: str
    duration_s: float
    licence: str = ""


def read(root: str | Path) -> list[Clip]:
    """All clips of the collection at ``root`` (a folder with ``manifest.csv``) that can serve the instruments
    task.

    Raises
    ------
    UsageError
        If the manifest is missing, lacks a column or a cell, names a file that does not exist, states a length that is
        no number, or puts an origin into two folds.
    """
    root = Path(root)
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        raise UsageError(f"{manifest} does not exist: give the folder that holds manifest.csv")
    clips = []
    folds: dict[str, str] = {}
    with open(manifest, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise UsageError(f"{manifest} lacks the column(s) {', '.join(missing)}")
        for row in reader:
            if None in row.values():
                raise UsageError(f"{manifest}, line {reader.line_num}: fewer cells than columns")
            name, *detail = row["labels"].split("|")
            if name in _LEFT_OUT:
                continue
            path = root / row["path"]
            if not path.is_file():
                raise UsageError(f"{manifest}, line {reader.line_num}: {path} does not exist")
            if folds.setdefault(row["origin"], row["fold"]) != row["fold"]:
                raise UsageError(
                    f"{manifest}, line {reader.line_num}: the origin {row['origin']} is in fold {row['fold']!r} and "
                    f"in fold {folds[row['origin']]!r}: a model would be tested on what it was trained on"
                )
            unknown = UNSTATED.get(name, ())
            clips.append(
                Clip(
                    path=path,
                    key=row["path"],
                    label="" if unknown else TO_INSTRUMENTS.get(name, "other"),
                    unknown=unknown,
                    name=name,
                    detail=tuple(detail),
                    origin=row["origin"],
                    fold=row["fold"],
                    trainable=row["trainable"] == "yes",
                    source=row["source"],
                    duration_s=_seconds(row["duration_s"], f"{manifest}, line {reader.line_num}"),
                    licence=(row.get("licence") or "").strip(),
                )
            )
    return clips


def _seconds(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: duration_s {text!r} is not a number of seconds") from None


def rows(root: Path) -> Iterator[Row]:
    """The clips as rows of a manifest: origins are groups, folds are splits, the own class is in ``class``.

    A row is a whole file, whose length as the collection states it, rounded, is in ``length_s``.
    """
    try:
        clips = read(root)
    except UnicodeDecodeError:
        raise BadManifest(f"{root / 'manifest.csv'}: not UTF-8. Save the table as CSV in UTF-8.") from None
    for clip in clips:
        yield Row(
            path=clip.key,
            labels=(clip.label,) if clip.label else (),
            unknown=clip.unknown,
            group=clip.origin,
            split=clip.fold,
            source=clip.source,
            licence=clip.licence,
            extra=filled(
                **{"class": clip.name},
                detail=";".join(clip.detail),
                trainable="yes" if clip.trainable else "no",
                length_s=f"{clip.duration_s:g}",
            ),
        )


DATASET = Dataset(
    name="collection",
    title="A collection of labelled clips from many libraries",
    what="a folder with manifest.csv: clips of instruments by class, with the library each comes from",
    licence="each library's own",
    citation="",
    url="",
    layout="manifest.csv (path, labels, origin, fold, trainable, source, duration_s) and the clips it names",
    source="this package",
    protocol="Test on origins that training never heard: leave one fold (A to D) out in turn.",
    rows=rows,
    labels=tuple(dict.fromkeys((*TO_INSTRUMENTS.values(), "other"))),
    obtain="This is your own folder; nothing is fetched.",
)
