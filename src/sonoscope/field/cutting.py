"""The sound of clips: a stretch of each recording, as FLAC or WAV, at the recording's own rate.

A recording is decoded once, from its start to the end of its last clip. What was heard is what is cut: the mean of the
channels, or the one that was analysed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.audio.archives import is_archive
from sonoscope.audio.decode import Decoder
from sonoscope.errors import UnreadableAudio
from sonoscope.values import Recording
from sonoscope.writing import put

FORMATS = ("flac", "wav")
#: The highest rate that FLAC can state; above, WAV is written.
FLAC_RATE = 655_350


@dataclass(frozen=True)
class Stretch:
    """``[start_s, end_s)`` of a recording, and the file, without its ending, that it becomes."""

    start_s: float
    end_s: float
    file: Path


def located(path: str, name: str, root: str | Path | None) -> Recording:
    """The recording ``name``, in the folder ``root`` if there is one, else where it was: ``path``.

    Raises
    ------
    UnreadableAudio
        If it is not there.
    """
    place = Path(root) / name if root is not None else Path(path)
    for above in (place, *place.parents):
        if above.is_file():
            if above == place:
                return Recording(str(place), name)
            if is_archive(str(above)):
                return Recording(str(above), name, member=place.relative_to(above).as_posix())
            break
    raise UnreadableAudio(
        name,
        f"is not at {place}",
        "Connect the disk that holds it, or say with --recordings where the recordings are now.",
    )


def cut(
    recording: Recording, stretches: Sequence[Stretch], *, channel: int | None = None, form: str = "flac"
) -> dict[Stretch, Path]:
    """Write stretches of a recording; returns the file of each.

    A stretch is cut to the recording.

    Raises
    ------
    UnreadableAudio
        If the recording cannot be decoded, or ends before a stretch begins.
    OSError
        If the disk takes no more.
    """
    files = {}
    with Decoder(recording, channel=channel) as decoder:
        rate = decoder.info.sample_rate
        spans = [(max(math.floor(s.start_s * rate), 0), math.ceil(s.end_s * rate)) for s in stretches]
        parts: list[list[np.ndarray]] = [[] for _ in stretches]
        begin, last = 0, max(end for _, end in spans)
        for block in decoder.blocks():
            for place, (start, end) in enumerate(spans):
                if start < begin + len(block) and end > begin:
                    parts[place].append(block[max(start - begin, 0) : end - begin].copy())
            begin += len(block)
            if begin >= last:
                break
    ending = "wav" if form == "wav" or rate > FLAC_RATE else "flac"
    for stretch, part in zip(stretches, parts, strict=True):
        if not part:
            raise UnreadableAudio(
                recording.name,
                f"ends at {begin / rate:.1f} s, before a clip at {stretch.start_s:.1f} s",
                "It was longer when it was analysed: find that file again, or analyse this one.",
            )
        files[stretch] = stretch.file.with_name(f"{stretch.file.name}.{ending}")
        samples = np.clip(np.concatenate(part), -1.0, 1.0)
        sound = io.BytesIO()
        soundfile.write(sound, samples, rate, subtype="PCM_16", format=ending.upper())
        put(files[stretch], sound.getvalue())
    return files


def cut_all(
    wanted: Mapping[str, tuple[str, Sequence[Stretch]]],
    *,
    root: str | Path | None = None,
    channel: int | None = None,
    form: str = "flac",
    report: Callable[[int, int], None] | None = None,
) -> tuple[dict[Stretch, Path], list[UnreadableAudio]]:
    """Cut stretches of many recordings (name to path and stretches); those that cannot be read are listed."""
    files: dict[Stretch, Path] = {}
    failed = []
    for done, (name, (path, stretches)) in enumerate(wanted.items(), start=1):
        try:
            files |= cut(located(path, name, root), stretches, channel=channel, form=form)
        except UnreadableAudio as error:
            failed.append(error)
        if report is not None:
            report(done, len(wanted))
    return files, failed
