"""The feature table: a row for each row that was heard, labels as 0 and 1 with what is known of them, and features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sonoscope.data import table
from sonoscope.data.marks import known_column
from sonoscope.data.rows import Manifest
from sonoscope.data.summary.sound import Heard
from sonoscope.features.statistics import COLUMNS
from sonoscope.values import format_seconds

#: Columns before those of the labels.
ABOUT = ("path", "start_s", "duration_s", "group", "split", "tonality", "most_frequent_tone", "tempo")


def write(manifest: Manifest, heard: Heard, path: str | Path) -> None:
    """Write the table as ``.csv`` or ``.parquet``.

    A label is 1 where it sounds, else 0; for one that some row does not know there is ``is_LABEL_known`` (of
    ``drums``: ``is_drum_known``), 0 where nobody judged it. Then come the features, ``spectral_centroid`` to
    ``mfcc_10``.

    Raises
    ------
    UsageError
        If the ending is another one, the folder does not exist, or a label is called like another column.
    """
    header, rows = cells(manifest, heard)
    numbers = set(header) - {"path", "group", "split", "tonality", "most_frequent_tone"}
    table.write(path, header, rows, numbers)


def cells(manifest: Manifest, heard: Heard) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the table as text."""
    labels = manifest.labels()
    kept = replace(manifest, rows=tuple(manifest.rows[place] for place in heard.rows.tolist()))
    sounds, known = kept.targets(labels)
    masked = [place for place in range(len(labels)) if not known[:, place].all()]
    marks = [
        column
        for place, label in enumerate(labels)
        for column in ([label, known_column(label)] if place in masked else [label])
    ]
    lines = []
    for number, row in enumerate(kept.rows):
        key, beat = heard.keys[number], heard.tempos[number]
        said = [
            str(int(value[number, place]))
            for place in range(len(labels))
            for value in ([sounds, known] if place in masked else [sounds])
        ]
        lines.append(
            (
                row.path,
                format_seconds(row.start_s),
                format_seconds(float(heard.duration_s[number])),
                row.group,
                row.split,
                "" if key is None else str(key),
                heard.tones[number],
                "" if beat is None else f"{beat.beats_per_minute:.2f}",
                *said,
                *(f"{value:.7g}" for value in heard.features[number]),
            )
        )
    return (*ABOUT, *marks, *COLUMNS), lines
