"""``sonoscope data render``: sound from MIDI files or random scores, and a soundfont: songs, stems or whole pieces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.data.options import Rate, SoundFormat
from sonoscope.cli.words import named
from sonoscope.errors import UsageError

Midi = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[MIDI]...",
        help="MIDI files, and folders of them, to play as they are; without any, music is composed.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="Folder for the sound and its manifest.csv; a second call with larger numbers or more files adds to it.",
        show_default=False,
    ),
]
Fonts = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help="fluidr3, musescore, timgm6mb, generaluser, or an .sf2 or .sf3 file. "
        "With several, each gets a folder of its own in OUT.",
    ),
]
Instruments = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help="Instruments or labels (violin,drums,other), or all. They play the parts of MIDI files in turn; all: "
        "what the files say.",
    ),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Stems for each named class (default 120); a tenth of it for each program labelled other.",
        show_default=False,
    ),
]
Pieces = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Render N pieces for several instruments instead of stems.", show_default=False
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Length of each stem (default 11) or piece (default 20); of MIDI files only so much (default: all).",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="The same seed (default 0) gives the same bytes.", show_default=False),
]


def render_command(
    out: Out,
    midi: Midi = None,
    soundfont: Fonts = "fluidr3",
    instruments: Instruments = "all",
    per_class: PerClass = None,
    pieces: Pieces = None,
    duration: Duration = None,
    seed: Seed = None,
    rate: Rate = 24_000,
    format: SoundFormat = "flac",
) -> int:
    """Render music with exact labels: MIDI files as they are, or random stems of one instrument, or pieces for several.

    Needs the render extra, FluidSynth and a soundfont (Debian, Ubuntu: apt install libfluidsynth3
    fluid-soundfont-gm).
    """
    from sonoscope.data.rendering.pieces import render_pieces
    from sonoscope.data.rendering.render import default_counts, render_stems
    from sonoscope.data.rendering.songs import render_songs

    if pieces is not None and per_class is not None:
        raise UsageError("--pieces and --per-class exclude each other: pieces are counted as a whole")
    fonts = named(soundfont, "--soundfont")
    names = _instruments(instruments)
    files = _midi_files(midi or [])
    for value, option in ((per_class, "--per-class"), (pieces, "--pieces"), (seed, "--seed")):
        if files and value is not None:
            raise UsageError(f"{option} is for music that is composed, and {files[0]} is not: leave one out")
    seed = seed or 0
    for font in fonts:
        folder = out / Path(font).stem.lower() if len(fonts) > 1 else out
        if files:
            manifest = render_songs(
                folder,
                files,
                soundfont=font,
                instruments=() if instruments == "all" else names,
                duration_s=duration,
                sample_rate=rate,
                format=format,
                progress=_progress(font),
            )
        elif pieces is not None:
            manifest = render_pieces(
                folder,
                soundfont=font,
                count=pieces,
                instruments=names,
                duration_s=20.0 if duration is None else duration,
                seed=seed,
                sample_rate=rate,
                format=format,
                progress=_progress(font),
            )
        else:
            manifest = render_stems(
                folder,
                soundfont=font,
                counts=default_counts(120 if per_class is None else per_class, names),
                duration_s=11.0 if duration is None else duration,
                seed=seed,
                sample_rate=rate,
                format=format,
                progress=_progress(font),
            )
        print(manifest)
    return 0


def _midi_files(given: list[Path]) -> list[Path]:
    """The MIDI files among paths and in folders, sorted within each. Raises ``UsageError`` for what is none."""
    from sonoscope.data.rendering.songs import SUFFIXES

    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise UsageError(f"{path} holds no MIDI files ({', '.join(SUFFIXES)})")
            found += inside
        elif not path.is_file():
            raise UsageError(f"{path} does not exist: name a MIDI file, or a folder of them")
        elif path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{path} is no MIDI file ({', '.join(SUFFIXES)}): those can be rendered")
        else:
            found.append(path)
    return found


def _instruments(text: str) -> list[str]:
    """Instrument names from names, labels and label codes; ``all`` is every one. Raises ``UnknownName``."""
    from sonoscope import labels
    from sonoscope.data.rendering import orchestra

    known = labels.index(labels.INSTRUMENTS)
    names: dict[str, None] = {}
    for word in named(text, "--instruments"):
        if word == "all":
            names |= dict.fromkeys(orchestra.ORCHESTRA)
        elif word in orchestra.ORCHESTRA or word not in known:
            names[orchestra.find(word).name] = None
        else:
            label = labels.INSTRUMENTS[known[word]]
            names |= dict.fromkeys(instrument.name for instrument in orchestra.labelled(label.id))
    return list(names)


def _progress(font: str) -> Callable[[int, int], None]:
    """Say on stderr how many are done: one line rewritten on a terminal, every tenth elsewhere."""
    terminal = sys.stderr.isatty()

    def report(done: int, total: int) -> None:
        if terminal:
            print(f"\r{font}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done == total or done * 10 // total > (done - 1) * 10 // total:
            print(f"{font}: {done}/{total}", file=sys.stderr, flush=True)

    return report
