"""``sonoscope notes``: recordings in, notes out; ``analyze -m notes`` with the options that only notes have.

MIDI and a table of notes are written unless ``--format`` names others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sonoscope.cli import analyze as verb
from sonoscope.cli import options
from sonoscope.cli.words import number, option, pitch
from sonoscope.errors import UsageError

MODEL, WITH_TRACKS = ("notes",), ("notes", "instruments")
FORMATS = ("midi", "notes")
#: What takes an earlier wish back.
NONE = "none"

#: What only means something where files are written.
_NEEDS_OUT = {"--audio": "audio", "--piano-roll": "piano_roll", "--tempo": "tempo"}

#: What says of which kind a file is to be, and how names of such files end.
_KINDS = (("--piano-roll", "piano_roll", (".svg", ".png")), ("--audio", "audio", (".wav", ".flac", ".mp3")))


Models = Annotated[
    str | None,
    option(
        "-m", "--model", metavar="MODEL,...", help="Models: notes (default), instruments, field, or a folder."
    ),
]
Out = Annotated[
    str | None,
    option(
        "-o",
        "--out",
        metavar="OUT",
        help="song.mid, song.notes.csv or another file for one recording, - for a table on stdout, or a folder. "
        "Without it: a table and a piano roll on the screen.",
    ),
]
Formats = Annotated[
    str | None,
    option(
        "--format", metavar="NAME,...", help="midi,notes (default), jams, csv, and all others of analyze."
    ),
]
Onset = Annotated[
    float | None,
    option(
        "--onset",
        metavar="P",
        parser=number,
        help="Probability from which a note begins (default: the model's).",
    ),
]
Sustain = Annotated[
    float | None,
    option(
        "--sustain", metavar="P", parser=number, help="The same for going on: lower, and notes last longer."
    ),
]
MinLength = Annotated[
    float | None, option("--min-length", metavar="SECONDS", parser=number, help="Leave out shorter notes.")
]
Low = Annotated[
    str | None, option("--low", metavar="PITCH", help="The lowest pitch: E2, Eb3, or a MIDI number.")
]
High = Annotated[str | None, option("--high", metavar="PITCH", help="The highest pitch.")]
Mono = Annotated[
    bool | None,
    typer.Option("--mono/--poly", help="One note at a time (a voice, a flute).", show_default=False),
]
PitchClasses = Annotated[
    bool | None,
    typer.Option(
        "--pitch-classes/--octaves",
        help="Fold octaves: only the names of notes, as pitches 60 to 71.",
        show_default=False,
    ),
]
Tuning = Annotated[
    str | None,
    option(
        "--tuning",
        metavar="CENTS|auto",
        help="How far above A4 = 440 Hz the recording is tuned (default: auto, from its first minute).",
    ),
]
Tempo = Annotated[
    str | None,
    option(
        "--tempo",
        metavar="BPM|auto",
        help="Beats a minute that MIDI files state (default: 120); auto: the notes'.",
    ),
]
Audio = Annotated[
    str | None,
    option(
        "--audio",
        metavar="[stereo|mixed|notes|none]",
        help="Also write the notes as sound: right of the recording (stereo, the default), mixed with it, or by "
        "themselves (notes).",
    ),
]
PianoRoll = Annotated[
    str | None,
    option("--piano-roll", metavar="[svg|png|none]", help="Also draw the notes; alone: svg."),
]
Tracks = Annotated[
    str | None,
    option(
        "--tracks",
        metavar="[by-instrument|none]",
        help="A track for each instrument, as -m instruments hears it around a phrase: a guess, and marked so.",
    ),
]


def notes(
    inputs: options.Inputs = None,
    model: Models = None,
    out: Out = None,
    format: Formats = None,
    onset: Onset = None,
    sustain: Sustain = None,
    min_length: MinLength = None,
    low: Low = None,
    high: High = None,
    mono: Mono = None,
    pitch_classes: PitchClasses = None,
    tuning: Tuning = None,
    tempo: Tempo = None,
    audio: Audio = None,
    piano_roll: PianoRoll = None,
    tracks: Tracks = None,
    channel: options.Channel = None,
    no_scores: options.NoScores = False,
    from_scores: options.FromScores = None,
    workers: options.Workers = None,
    on: options.On = None,
    shard: options.Shard = None,
    overwrite: options.Overwrite = False,
    strict: options.Strict = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log: options.Log = None,
) -> int:
    """Turn recordings into notes: MIDI, tables, sound, pictures.

    Without -o: a table and a piano roll. With -o song.mid: one file. With -o FOLDER: a MIDI file and a table for
    each recording, and events.csv, files.csv, errors.csv and run.json; other rules later take seconds
    (--from-scores).
    """
    from sonoscope.cli import display

    verbosity = display.start_logging(verbose, quiet, log)
    wishes = verb.given_of(
        onset=onset, sustain=sustain, min_length_s=min_length, low=pitch(low), high=pitch(high), mono=mono,
        pitch_classes=pitch_classes, tuning=_tuning(tuning), tempo=tempo,
    ) | {
        name: None if value == NONE else value
        for name, value in (("audio", audio), ("piano_roll", piano_roll), ("tracks", tracks))
        if value is not None
    }  # fmt: skip
    if tuning == "auto":
        wishes["tuning"] = None
    _no_names(inputs or (), wishes)
    fresh = from_scores is None and config is None
    given = verb.given_of(
        inputs=tuple(inputs or ()) or None, out=out,
        models=verb.several(model) or ((WITH_TRACKS if wishes.get("tracks") else MODEL) if fresh else None),
        formats=verb.several(format), keep_scores=False if no_scores else None, channel=channel, workers=workers, on=on,
        shard=verb.shard_of(shard), overwrite=overwrite or None, strict=strict or None, notes=wishes,
    )  # fmt: skip
    if from_scores is not None:
        return verb.decide_again(from_scores, given, config, dry_run, verbosity)
    spec = verb.the_spec(given, config, verb="notes")
    if not spec.out:
        for wish, name in _NEEDS_OUT.items():
            if wishes.get(name):
                raise UsageError(f"{wish} needs a place for files: add -o OUT")
        return verb.to_screen(spec, given, {"aggregate": "mean", "top_k": None}, dry_run, verbosity)
    if fresh and "formats" not in given:
        spec = replace(spec, formats=FORMATS)
    return verb.to_files(spec, given, dry_run, verbosity, default=FORMATS)


def _no_names(inputs: Sequence[str], wishes: Mapping[str, Any]) -> None:
    """Refuse the name of a picture or sound that stands behind an option which names only its kind."""
    for wish, name, suffixes in _KINDS:
        for text in inputs if wishes.get(name) else ():
            if text.lower().endswith(suffixes) and not Path(text).exists():
                raise UsageError(
                    f"{wish} takes no file name: leave {text!r} out. The file lies beside what -o names, and is "
                    f"named like it"
                )


def _tuning(text: str | None) -> float | None:
    if text is None or text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--tuning {text} must be auto, or a number of cents from -50 to 50") from None
