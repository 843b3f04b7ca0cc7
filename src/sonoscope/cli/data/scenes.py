"""``sonoscope data scenes``: synthesised field sounds, alone or as events on backgrounds, with their truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.data.options import Rate
from sonoscope.cli.words import listed, named
from sonoscope.errors import UsageError

Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="OUT", help="Folder for sound and manifest.csv.", show_default=False),
]
Count = Annotated[int, typer.Option(metavar="N", help="Scenes, or with --sounds, sounds of each kind.")]
Duration = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS", help="Length of each scene (default 60) or sound (default 4).", show_default=False
    ),
]
Events = Annotated[
    str,
    typer.Option(metavar="KIND=N,...", help="How many of each kind an hour holds; --list names the kinds."),
]
Snr = Annotated[
    str,
    typer.Option(
        metavar="LEVELS", help="Loudness of events against what lies under them, dB: 0..20, normal:6,4, …"
    ),
]
Background = Annotated[
    str, typer.Option(metavar="LOW..HIGH", help="Loudness of backgrounds, dB re full scale.")
]
Sounds = Annotated[
    str | None,
    typer.Option(
        metavar="KIND,...",
        help="Single sounds of these kinds, no scenes; all is every kind.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bytes.")]
Listed = Annotated[
    bool, typer.Option("--list", help="Name the kinds of sounds and the classes they belong to.")
]


def scenes_command(
    out: Out = Path("scenes"),
    count: Count = 10,
    duration: Duration = None,
    events: Events = "wing_beat=120,bird_song=60,engine=20",
    snr: Snr = "0..20",
    background: Background = "-60..-35",
    sounds: Sounds = None,
    seed: Seed = 0,
    rate: Rate = 24_000,
    list: Listed = False,
) -> int:
    """Synthesise field sounds: scenes of insects, birds, machines and weather with the truth of when each sounds.

    What comes out is made, not recorded; its manifest says so.
    """
    from sonoscope.data.mix import levels
    from sonoscope.data.scenes import SOUNDS, compose, writing

    if list:
        for kind, sound in SOUNDS.items():
            print(f"{kind}\t{sound.label}")
        return 0
    if sounds is not None:
        kinds = [*SOUNDS] if sounds == "all" else named(sounds, "--sounds")
        path = writing.write_sounds(
            out, kinds, count, duration_s=4.0 if duration is None else duration, sample_rate=rate, seed=seed
        )
    else:
        low_high = levels.parse(background)
        if low_high.kind != "uniform":
            raise UsageError(f"--background {background!r} must be a range of dB, such as -60..-35")
        spec = compose.SceneSpec(
            duration_s=60.0 if duration is None else duration,
            sample_rate=rate,
            events=_rates(events),
            snr_db=levels.parse(snr),
            background_db=(low_high.values[0], low_high.values[1]),
        )
        path = writing.write_scenes(out, spec, count, seed=seed)
    print(path)
    return 0


def _rates(text: str) -> dict[str, float]:
    """``wing_beat=120,bird_song=60`` as numbers; nothing at all is a scene of backgrounds only."""
    found = {}
    for word in listed(text):
        kind, _, number = word.partition("=")
        try:
            found[kind.strip()] = float(number)
        except ValueError:
            raise UsageError(f"--events {word!r}: write KIND=N, N being how many an hour") from None
    return found
