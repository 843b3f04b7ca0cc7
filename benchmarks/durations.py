"""A recording at every length, from a tenth of a second to an hour: time, memory, and what the model says of it.

    python benchmarks/durations.py a.wav b.flac -o durations.csv             each at eight lengths
    python benchmarks/durations.py a.wav --label violin --lengths 1,10,60    one label followed

A row for each recording and length: wall clock, CPU and peak memory of ``sonoscope analyze`` as a new process; the
label with the highest mean score, that score, and its presence: the share of windows that score 0.5 or more, the start
of the first and the end of the last of them. A recording shorter than a length is played again from its start. With
``--label`` it is that label's score and presence.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from measure import Figure, Settings, child, sonoscope, sound

LENGTHS_S = (0.1, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0)
QUICK_S = (0.1, 1.0, 5.0)
#: A window with this score has the label.
PRESENT = 0.5


@dataclass(frozen=True)
class Measured:
    """One recording at one length."""

    recording: str
    length_s: float
    wall_s: float
    cpu_s: float
    times_real_time: float
    peak_mib: float
    windows: int
    label: str
    score: float
    share: float
    first_s: float | None
    last_s: float | None


def measure(
    recording: Path, lengths_s: Sequence[float], model: str, folder: Path, label: str = ""
) -> Iterator[Measured]:
    """A row for each length; ``folder`` takes what is made on the way.

    Raises
    ------
    RuntimeError
        If the recording cannot be read or analysed; with what was said.
    """
    for seconds in lengths_s:
        piece, out = folder / f"{recording.stem}-{seconds:g}s.flac", folder / f"{recording.stem}-{seconds:g}s"
        # In a process of its own: what this one imports, Linux would count as the command's memory.
        child([sys.executable, Path(__file__), "--cut", recording, piece, str(seconds)])
        used = child(
            sonoscope("analyze", piece, "-o", out, "-m", model, "--scores", "--workers", "1", "--overwrite")
        )
        piece.unlink()
        with open(out / f"{piece.name}.scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        labels = [name for name in rows[0] if name not in ("start", "end")] if rows else []
        if label and label not in labels:
            raise RuntimeError(f"label {label!r} is not among {', '.join(labels)}")
        means = {name: sum(float(row[name]) for row in rows) / len(rows) for name in labels}
        name = label or max(means, key=lambda each: means[each])
        present = [row for row in rows if float(row[name]) >= PRESENT]
        yield Measured(
            recording.name, seconds, round(used.wall_s, 3), round(used.cpu_s, 3), round(seconds / used.wall_s, 1),
            round(used.peak_mib, 1), len(rows), name, round(means[name], 4), round(len(present) / len(rows), 4),
            float(present[0]["start"]) if present else None, float(present[-1]["end"]) if present else None,
        )  # fmt: skip


def cut(recording: str, target: str, seconds: float) -> None:
    """Write the first seconds of a recording, which begins again where it ends."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(recording) as source:
        left = max(round(seconds * source.samplerate), 1)
        with soundfile.SoundFile(target, "w", source.samplerate, source.channels, "PCM_16") as written:
            while left:
                block = source.read(min(left, 1 << 18), dtype="float32", always_2d=True)
                if not len(block):
                    if not source.tell():
                        raise SystemExit(f"{recording} holds no sound")
                    source.seek(0)
                    continue
                written.write(np.clip(block, -1.0, 1.0))
                left -= len(block)


def run(settings: Settings) -> list[Figure]:
    """The synthetic recording at every length."""
    recording = sound(settings, 0.1 if settings.quick else 1.0)
    lengths = QUICK_S if settings.quick else LENGTHS_S
    found = list(measure(recording, lengths, "instruments", settings.folder))
    figures = [
        Figure(
            f"{row.length_s:g} s: CPU of the command", row.cpu_s, "s", "",
            {"wall_s": row.wall_s, "peak_mib": row.peak_mib, "label": row.label, "score": row.score},
        )
        for row in found
    ]  # fmt: skip
    growth = found[-1].peak_mib / found[0].peak_mib
    title = f"peak memory, {found[-1].length_s:g} s / {found[0].length_s:g} s"
    return [*figures, Figure(title, growth, "x", "<= 1.3")]


def main(arguments: Sequence[str] | None = None) -> int:
    """The table of the recordings that are named."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--cut"]:
        cut(words[1], words[2], float(words[3]))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, help="the table (default: stdout)")
    parser.add_argument("-m", "--model", default="instruments")
    parser.add_argument(
        "--label", default="", help="follow this label (default: the one with the highest mean)"
    )
    parser.add_argument("--lengths", default=",".join(f"{s:g}" for s in LENGTHS_S), help="seconds")
    options = parser.parse_args(words)
    lengths = [float(part) for part in options.lengths.split(",")]
    if missing := [str(path) for path in options.recordings if not path.is_file()]:
        parser.error(f"no such recording: {', '.join(missing)}")
    if not all(0 < seconds <= 86_400 for seconds in lengths):
        parser.error(f"lengths={options.lengths} must lie in (0, 86400] seconds")
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="sonoscope-durations-") as scratch:
        for recording in options.recordings:
            for row in measure(recording, lengths, options.model, Path(scratch), options.label):
                rows.append(row)
                print(f"{row.recording} {row.length_s:g} s: {row.wall_s:g} s", file=sys.stderr, flush=True)
    file = open(options.out, "w", newline="") if options.out else sys.stdout  # noqa: SIM115
    try:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Measured))
        writer.writerows(astuple(row) for row in rows)
    finally:
        if options.out:
            file.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
