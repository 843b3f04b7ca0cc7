"""Labelled clips out of a prepared recording, as a zip of the folders that ``sonoscope train`` reads."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.data.rows import COLUMNS
from sonoscope.errors import UsageError
from sonoscope.service.places import clean_name
from sonoscope.values import format_seconds

#: Clips of one request, and seconds of all of them together.
MOST_CLIPS, MOST_SECONDS = 2000, 4 * 3600.0


def write(
    file: Path, samples: np.ndarray, rate: int, name: str, clips: list[tuple[float, float, str]]
) -> None:
    """Write a zip with ``LABEL/NAME_START_END.wav`` for every clip (start, end, label), and ``manifest.csv``.

    Raises
    ------
    UsageError
        If a clip does not lie in the recording, or there are too many.
    """
    duration_s = len(samples) / rate
    if not 0 < len(clips) <= MOST_CLIPS or sum(end - start for start, end, _ in clips) > MOST_SECONDS:
        raise UsageError(
            f"{len(clips)} clips: 1 to {MOST_CLIPS}, and {MOST_SECONDS / 3600:g} hours in all, are possible"
        )
    rows = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for start, end, label in clips:
            if not 0 <= start < end <= duration_s + 0.001:
                raise UsageError(
                    f"clip {start:g} to {end:g} s: 0 <= start < end <= {duration_s:g} is needed, in seconds"
                )
            path = f"{_folder(label)}/{_stem(name)}_{start:08.3f}_{end:08.3f}.wav"
            if path in archive.NameToInfo:
                continue
            part = samples[round(start * rate) : max(round(end * rate), round(start * rate) + 1)]
            sound = io.BytesIO()
            soundfile.write(sound, part, rate, format="WAV", subtype="PCM_16")
            archive.writestr(path, sound.getvalue())
            values = {"path": path, "start_s": "0", "duration_s": format_seconds(len(part) / rate)}
            rows.append(values | {"labels": label, "group": name, "source": name})
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        archive.writestr("manifest.csv", table.getvalue())


def _folder(label: str) -> str:
    """A label as the name of a folder."""
    plain = re.sub(r'[<>:"/\\|?*;]+', "_", clean_name(label.replace("/", "_"), "clips")).strip(". ")
    return plain[:80] or "clips"


def _stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", Path(clean_name(name)).stem)[:80] or "clip"
