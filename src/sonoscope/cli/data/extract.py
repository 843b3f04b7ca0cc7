"""``sonoscope data extract``: clips from videos and recordings by a specification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.data.options import Labels, Remap
from sonoscope.cli.telling import left_out, say, told
from sonoscope.errors import UsageError

if TYPE_CHECKING:
    from sonoscope.data.extract import Extracted, Planned

#: The word for a recording's own rate.
OWN = "own"

Specification = Annotated[
    Path,
    typer.Argument(
        metavar="SPEC",
        show_default=False,
        help="A .json or .yaml list of entries: file or url, labels, ranges of time, description.",
    ),
]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", metavar="FOLDER", show_default=False, help="Where clips and manifest go."),
]
MediaFolder = Annotated[
    Path | None,
    typer.Option(
        "--media",
        metavar="FOLDER",
        show_default=False,
        help="Where the recordings are, those of addresses under their id (default: the folder of SPEC).",
    ),
]
Length = Annotated[float, typer.Option(metavar="SECONDS", help="Length of a clip.")]
Hop = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        show_default=False,
        help="From one clip's start to the next one's (default: --length).",
    ),
]
Tail = Annotated[
    str,
    typer.Option(
        metavar="drop|keep|pad",
        help="The end of a range that fills no clip: left out, a shorter clip, or filled up with zeros.",
    ),
]
SampleRate = Annotated[str, typer.Option(metavar="HZ|own", help="Of the clips; own: as the recording.")]
Channel = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default=False, help="The channel to take, from 1 (default: the mean of all)."
    ),
]
Format = Annotated[str, typer.Option("--format", metavar="wav|flac", help="Of the clips, 16 bit.")]
Target = Annotated[int, typer.Option(metavar="CLIPS", help="How many clips each label should have.")]
Cap = Annotated[
    int | None,
    typer.Option(
        metavar="CLIPS",
        show_default=False,
        help="List at most so many clips of each label in capped.csv, from as many recordings as possible.",
    ),
]
Decimals = Annotated[
    str | None,
    typer.Option(
        metavar="seconds|minutes",
        show_default=False,
        help="What a time such as 2.30 means: 2.3 s, or 2 min 30 s (default: it is refused).",
    ),
]
Fetch = Annotated[bool, typer.Option("--fetch", help="Fetch addresses that lead to a recording directly.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Make anew what another specification or other settings made.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only check SPEC and show what would be cut from which recording.")
]


def extract_command(
    specification: Specification,
    out: Out,
    media: MediaFolder = None,
    remap: Remap = None,
    labels: Labels = None,
    length: Length = 3.0,
    hop: Hop = None,
    tail: Tail = "drop",
    sample_rate: SampleRate = "44100",
    channel: Channel = None,
    format: Format = "wav",
    target: Target = 700,
    cap: Cap = None,
    decimals: Decimals = None,
    fetch: Fetch = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> int:
    """Cut clips from videos and recordings by a specification, with a manifest of them beside.

    What is interrupted goes on in the next call; a specification that has grown adds to what is there. Recordings that
    cannot be cut are listed in manifest.bad_rows.csv; the exit code is then 1.
    """
    from sonoscope.data import paths
    from sonoscope.data.extract import Settings, extract, preview

    settings = Settings(
        length_s=length,
        hop_s=hop,
        tail=tail,
        sample_rate=_rate(sample_rate),
        channel=channel,
        format=format,
    )
    remaps = paths.parse_remaps(remap or ())
    if dry_run:
        return _show(
            preview(
                specification,
                out,
                settings,
                media=media,
                remap=remaps,
                labels=labels,
                decimals=decimals,
                overwrite=overwrite,
            )
        )
    done = extract(
        specification,
        out,
        settings,
        media=media,
        remap=remaps,
        labels=labels,
        decimals=decimals,
        target=target,
        cap=cap,
        fetch=fetch,
        overwrite=overwrite,
        progress=told(lambda _, done, total, name: f"{done:,} of {total:,}: {name}"[:100]),
        say=say,
    )
    print(done.manifest)
    _tell(done, target)
    return 1 if done.problems else 0


def _rate(text: str) -> int | None:
    if text == OWN:
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--sample-rate {text!r} must be a number of Hz, such as 44100, or {OWN}") from None


def _show(planned: Sequence[Planned]) -> int:
    """What would be done, on stdout; 1 if something cannot be."""
    from sonoscope.cli.display import clock, printable
    from sonoscope.values import columns

    rows = [("recording", "ranges", "length", "clips", "labels", "state")]
    for one in planned:
        length, clips = ("to its end", "?") if one.seconds is None else (clock(one.seconds), f"{one.clips:,}")
        rows.append((one.recording, str(one.ranges), length, clips, ";".join(one.labels), one.state))
    for line in columns(rows, right=(1, 2, 3)):
        print(printable(line))
    return int(any(one.state not in ("cut", "done") for one in planned))


def _tell(done: Extracted, target: int) -> None:
    """How much there is of each label, what is missing, and what went wrong; on stderr."""
    from sonoscope.cli.display import clock
    from sonoscope.data import badrows
    from sonoscope.data.extract.cap import NAME as CAPPED
    from sonoscope.errors import count
    from sonoscope.values import columns

    say(f"{count(done.clips, 'clip')}; {count(done.cut, 'recording')} cut now, {done.kept:,} before")
    if done.counts:
        rows = [("label", "clips", "length", "groups", f"to {target:,}")]
        for one in done.counts:
            missing = (
                f"{one.missing_clips:,} clips ({clock(one.missing_s)}) missing"
                if one.missing_clips
                else "reached"
            )
            rows.append((one.label, f"{one.clips:,}", clock(one.seconds), f"{one.groups:,}", missing))
        for line in columns(rows, right=(1, 2, 3), indent="  "):
            say(line)
    if done.capped:
        listed = ", ".join(f"{one.label} {one.clips:,}" for one in done.capped)
        say(f"at most {done.capped[0].target:,} of each in {done.manifest.with_name(CAPPED)}: {listed}")
    for note in done.notes:
        say(f"note: {note}")
    left_out(
        done.problems,
        f"left out, listed in {badrows.beside(done.manifest)}",
        "recording or range",
        "recordings or ranges",
    )
