"""Notes: how long they take to make from scores, and how good they are beside basic-pitch's.

    python benchmarks/run.py --only notes
    python benchmarks/notes.py --bundle NAME_OR_FOLDER --data DATA --peer PYTHON [--docs docs/notes.md]

The first measures the decoder on the scores of dense music, twenty notes a second on 88 pitches over a floor of noise,
86 frames a second: the decoder, the decoder in blocks of a second as they come live, and both files (scores kept in 16
bits, and notes written as MIDI).

The second transcribes the same recordings with a model of ours and with basic-pitch, scores both alike, and writes
``results-notes.json`` and, between the markers of a document, its table (``transcription/`` says what is compared and
how). DATA is the folder of labelled recordings with ``manifest.csv`` and ``nc_maps``; PYTHON is that of an environment
that has basic-pitch:

    python -m venv PEER
    PEER/bin/pip install --no-deps basic-pitch==0.4.0
    PEER/bin/pip install onnxruntime librosa "resampy<0.4.3" scipy scikit-learn pretty_midi mir_eval "setuptools<81"

With ``--only-speed`` it measures speed alone, and what was found in the recordings stays. With ``--soundfont NAME`` it
is asked about that font's pieces alone, and the figures go into a file and a table of their own.

FluidSynth and TimGM6mb are needed too (`apt install libfluidsynth3 timgm6mb-soundfont`, the ``render`` extra).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from measure import ENVIRONMENT, HERE, Figure, Settings, interleaved

if TYPE_CHECKING:
    from transcription.recordings import Recording

HOP_S = 256 / 22_050
NOTES_PER_S = 20
RESULTS = HERE / "results-notes.json"
#: The sound font that is asked about beside all else.
FONT = "timgm6mb"
#: Between these lines of a document the table is written.
MARKERS = ("<!-- notes compared: begin -->", "<!-- notes compared: end -->")
PEER = "basic-pitch"


def run(settings: Settings) -> list[Figure]:
    """Times at 10 and 60 minutes, and their growth."""
    from sonoscope.notes.decode import decode
    from sonoscope.notes.live import Live
    from sonoscope.notes.scores import concatenate, save

    short_minutes, long_blocks = (0.5, 2) if settings.quick else (10.0, 6)
    short = dense(short_minutes)
    long = concatenate([short] * long_blocks)
    notes = decode(short)
    kept = settings.folder / "notes-scores.npz"

    def live() -> None:
        stream = Live(short)
        for block in short.blocks(round(1 / HOP_S)):
            stream.push(block)
        stream.close()

    seconds = {
        name: statistics.median(times)
        for name, times in interleaved(
            {
                "short": lambda: decode(short),
                "long": lambda: decode(long),
                "live": live,
                "midi": lambda: as_midi(notes, short_minutes * 60),
                "kept": lambda: save(short, kept),
            },
            settings.repeats,
        ).items()
    }
    minutes, many = f"{short_minutes:g} min", f"{short_minutes * long_blocks:g} min"
    size = kept.stat().st_size / 2**20
    return [
        Figure(f"notes of {minutes} of dense scores", seconds["short"], "s", "", {"notes": len(notes)}),
        Figure(f"notes of {many}", seconds["long"], "s", ""),
        Figure(
            f"{many} / {minutes}, per frame", seconds["long"] / long_blocks / seconds["short"], "x", "<= 1.2"
        ),
        Figure(f"{minutes} live, a second at a time", seconds["live"], "s", ""),
        Figure(f"{minutes}, notes to MIDI", seconds["midi"], "s", ""),
        Figure(f"{minutes}, scores kept in 16 bits", seconds["kept"], "s", "", {"mib": round(size, 1)}),
    ]


def dense(minutes: float):
    """Scores of dense music, the same every time."""
    from sonoscope.notes.scores import NoteScores

    rng = np.random.default_rng(0)
    n_frames = int(minutes * 60 / HOP_S)
    onset = rng.random((n_frames, 88), dtype=np.float32) * np.float32(0.1)
    sustain = rng.random((n_frames, 88), dtype=np.float32) * np.float32(0.2)
    for _ in range(int(minutes * 60 * NOTES_PER_S)):
        first, pitch, length = rng.integers(1, n_frames - 130), rng.integers(88), rng.integers(5, 120)
        sustain[first : first + length, pitch] = np.linspace(0.95, 0.4, length)
        onset[first - 1 : first + 2, pitch] = 0.4, 0.9, 0.5
    return NoteScores(onset, sustain, HOP_S)


def as_midi(notes: list, duration_s: float) -> None:
    """Write notes as MIDI, to memory."""
    from sonoscope.outputs import WRITERS
    from sonoscope.values import FileResult, Label

    result = FileResult("a.wav", "a.wav", "notes", (Label("note"),), duration_s, 22_050, 1, tuple(notes))
    WRITERS["midi"].write(result, io.BytesIO())


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Transcribe and score everything; measure speed unless told not to."""
    from transcription import figures, ours, recordings

    folder = options.folder
    musical, quiet = kept_recordings(options)
    model = ours.load(options.bundle, options.rules)
    name = f"sonoscope ({model.name})"
    everything = [*musical, *quiet]
    estimates = {name: [model.notes(recording.path) for recording in everything]}
    if options.peer is not None:
        for variant, notes in peer_notes(options.peer, folder, [r.path for r in everything]).items():
            estimates[PEER if variant == "default" else f"{PEER}, {variant}"] = [
                figures.notes_of(n) for n in notes
            ]
    twice = recordings.again(musical)
    asked = [*musical, *(recording for _, recording in twice)]
    rows = [*range(len(musical)), *(number for number, _ in twice)]
    result: dict[str, Any] = {
        "ours": name,
        "systems": list(estimates),
        "rules": asdict(model.rules),
        "groups": figures.compared(
            asked, {s: [notes[k] for k in rows] for s, notes in estimates.items()}, name
        ),
        "false": figures.false_notes(
            quiet,
            {s: notes[len(musical) :] for s, notes in estimates.items()},
            [seconds_of(r.path) for r in quiet],
        ),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            **{library: importlib.metadata.version(library) for library in ("numpy", "onnxruntime")},
        },
    }
    if options.peer is not None and options.minutes:
        result["speed"] = speeds(options)
    elif options.keep and "speed" in options.earlier:
        result["speed"] = options.earlier["speed"]
    return result


def speeds(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What both cost, on the mixtures one after another."""
    from transcription import recordings, speed

    lengths = [options.minutes, *([options.long] if options.long else [])]
    long = {minutes: recordings.long_mixture(options.folder / FONT, minutes) for minutes in lengths}
    kept = {row["what"]: row["peer"] for row in options.earlier.get("speed", ())} if options.keep else {}
    return speed.table(
        options.bundle, options.rules, options.peer, long, options.folder, options.repeats, kept
    )


def kept_recordings(options: argparse.Namespace) -> tuple[list[Recording], list[Recording]]:
    """What holds notes, and what holds none. Kept in ``--folder`` with what was asked for, so that the next model is
    asked about the same without all of it being rendered again."""
    from transcription import recordings

    folder = options.folder
    program = hashlib.sha256(Path(recordings.__file__).read_bytes()).hexdigest()
    font = options.soundfont
    asked = [options.each, options.mixtures, options.phrases, str(options.data), font, program]
    kept = folder / "recordings.json"
    held = json.loads(kept.read_text()) if kept.is_file() else {}
    if held.get("asked") == asked:
        found = [recordings.restored(entry) for entry in held["recordings"]]
    else:
        for name in (font, "phrases", "unmusical"):  # sounds of another version hold other notes
            shutil.rmtree(folder / name, ignore_errors=True)
        found = [*recordings.rendered(folder / font, options.each, options.mixtures, font)]
        if options.data is not None:
            found = [*recordings.pianos(options.data), *found]
            found += recordings.phrases(options.data, folder / "phrases", options.phrases)
            found += recordings.unmusical(options.data, folder / "unmusical")
        told = [recordings.told(one) for one in found]
        kept.write_text(json.dumps({"asked": asked, "recordings": told}))
    without = (recordings.NOISE, recordings.SPEECH)
    return [one for one in found if one.group not in without], [one for one in found if one.group in without]


def peer_notes(python: str, folder: Path, files: list[Path]) -> dict[str, list[list[list[float]]]]:
    """basic-pitch's notes of the files, by variant; what it said before about the same sound is kept in ``folder``."""
    kept = folder / "peer.json"
    known = json.loads(kept.read_text()) if kept.is_file() else {}
    keys = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    asked = {key: str(file.resolve()) for key, file in zip(keys, files, strict=True) if key not in known}
    if asked:
        listed, said = folder / "files.json", folder / "said.json"
        listed.write_text(json.dumps(list(asked.values())))
        script = HERE / "transcription" / "peer.py"
        subprocess.run(
            [python, script, "transcribe", listed, said], check=True, stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )  # fmt: skip
        known.update(zip(asked, json.loads(said.read_text()), strict=True))
        kept.write_text(json.dumps(known))
    return {variant: [known[key][variant] for key in keys] for variant in known[keys[0]]}


def seconds_of(path: Path) -> float:
    """How long a recording is."""
    import soundfile

    return float(soundfile.info(str(path)).duration)


def of_font(name: str) -> tuple[Path, tuple[str, str]]:
    """The results of a sound font, and the lines that its table is written between."""
    if name == FONT:
        return RESULTS, MARKERS
    return HERE / f"results-notes-{name}.json", (
        f"<!-- notes by {name}: begin -->",
        f"<!-- notes by {name}: end -->",
    )


def write_table(document: Path, table: str, markers: tuple[str, str] = MARKERS) -> None:
    """Put the table between the document's markers. Raises ``SystemExit`` if they are not there."""
    text = document.read_text(encoding="utf-8")
    if any(text.count(marker) != 1 for marker in markers):
        raise SystemExit(f"{document} has no lines {' and '.join(markers)}: add them where the table belongs")
    head, rest = text.split(markers[0])
    _, tail = rest.split(markers[1])
    document.write_text(f"{head}{markers[0]}\n{table}\n{markers[1]}{tail}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="notes", help="a bundle's name or folder, or what training left")
    parser.add_argument("--rules", type=Path, metavar="JSON", help="rules instead of the model's own")
    parser.add_argument("--data", type=Path, help="labelled recordings: nc_maps, single notes, speech")
    parser.add_argument("--peer", metavar="PYTHON", help="of an environment with basic-pitch")
    parser.add_argument("--folder", type=Path, help="keep what is rendered, for the next time")
    parser.add_argument("--each", type=int, default=10, help="pieces of each instrument of the sound font")
    parser.add_argument("--mixtures", type=int, default=40, help="mixtures of three")
    parser.add_argument("--phrases", type=int, default=6, help="phrases of each instrument of real notes")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the recording for speed; 0: no speed")
    parser.add_argument("--long", type=float, default=60.0, help="minutes of a longer one, once; 0: none")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="what --json says of basic-pitch's speed with the longer one stays",
    )
    parser.add_argument("--repeats", type=int, default=3, help="how often speed is measured")
    parser.add_argument(
        "--json", type=Path, help=f"default: {RESULTS.name} (results-notes-NAME.json) beside this file"
    )
    parser.add_argument(
        "--soundfont", metavar="NAME", default=FONT, help="pieces of this sound font, and nothing else"
    )
    parser.add_argument("--docs", type=Path, help="a document with the markers, to write the table into")
    parser.add_argument(
        "--only-speed", action="store_true", help="measure speed alone: what --json says of recordings stays"
    )
    parser.add_argument("--show", action="store_true", help="measure nothing: the table of what --json holds")
    options = parser.parse_args()
    markers = MARKERS
    options.json = options.json or of_font(options.soundfont)[0]
    if options.soundfont != FONT:
        if options.data or options.only_speed:
            parser.error(
                "--soundfont asks about pieces of that font alone: leave out --data and --only-speed"
            )
        options.minutes, markers = 0.0, of_font(options.soundfont)[1]
    if options.only_speed and (options.peer is None or not options.minutes or not options.json.is_file()):
        parser.error("--only-speed needs --peer, --minutes and an earlier --json")
    options.earlier = json.loads(options.json.read_text()) if options.json.is_file() else {}
    from transcription import figures

    if options.show:
        result = json.loads(options.json.read_text())
    else:
        with tempfile.TemporaryDirectory(prefix="sonoscope-notes-") as scratch:
            options.folder = options.folder or Path(scratch)
            options.folder.mkdir(parents=True, exist_ok=True)
            if options.only_speed:
                kept_recordings(options)  # whose mixtures are what speed is measured on
                result = {**options.earlier, "speed": speeds(options)}
            else:
                result = compare(options)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    table = figures.markdown(result)
    print(table)
    if options.docs is not None:
        write_table(options.docs, table, markers)


if __name__ == "__main__":
    main()
