"""``sonoscope live``: what sounds now, told as soon as it is certain.

Parses, opens the source, lets :class:`sonoscope.live.session.Session` listen. What is heard goes to stdout; the first
line, and what came of it in the end, to stderr.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.cli.notes import Models
from sonoscope.cli.words import number, option, pitch, whole
from sonoscope.errors import UsageError, one_of

if TYPE_CHECKING:
    from sonoscope.live.moments import Delay
    from sonoscope.live.session import Session, Summary
    from sonoscope.live.sinks import Sink
    from sonoscope.live.sources import Source
    from sonoscope.live.streams import Listener

_DEFAULT_MODEL = "notes"
FORMATS = ("text", "jsonl")


Where = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE", show_default=False,
        help="- for samples on stdin, or a recording, played as it would sound (default: the microphone).",
    ),
]  # fmt: skip
Device = Annotated[
    str | None,
    option(
        "--device", metavar="NAME", help="The microphone: its number or part of its name; also - or a file."
    ),
]
ListDevices = Annotated[
    bool, option("--list-devices", help="Show the microphones and MIDI ports that there are, and stop.")
]
Rate = Annotated[
    int | None,
    option(
        "--rate", metavar="HZ", parser=whole, help="Samples a second of stdin, or asked of the microphone."
    ),
]
Channels = Annotated[
    int | None,
    option(
        "--channels",
        metavar="N",
        parser=whole,
        help="The same for channels (default: 1). All are heard, as their mean.",
    ),
]
SampleFormat = Annotated[
    str | None,
    option(
        "--sample-format",
        metavar="NAME",
        help="How samples lie on stdin: s16le (default), s24le, s32le, f32le, u8, s16be.",
    ),
]
Fast = Annotated[bool, option("--fast", help="Do not play a file in real time, but as fast as it goes.")]
Form = Annotated[
    str | None,
    option("--format", metavar="text|jsonl", help="Lines to read (default), or one JSON object a line."),
]
MidiOut = Annotated[
    str | None,
    option("--midi-out", metavar="PORT", help="Play the notes on a MIDI port; virtual:NAME makes one."),
]
Record = Annotated[str | None, option("--record", metavar="FILE", help="Keep what is heard as a WAV file.")]
Overwrite = Annotated[bool, option("--overwrite", help="Replace what --record names.")]
DelayWish = Annotated[
    float | None,
    option(
        "--delay", metavar="SECONDS", parser=number,
        help="How late a note may be told, source and computing apart (default: 0.2).",
    ),
]  # fmt: skip
Threshold = Annotated[
    str | None,
    option(
        "--threshold",
        metavar="WISH",
        help="For labels: as for analyze (default: the model's own, one for each).",
    ),
]
Hop = Annotated[
    float | None, option("--hop", metavar="SECONDS", parser=number, help="For labels: time between windows.")
]
MinDuration = Annotated[
    float | None,
    option("--min-duration", metavar="SECONDS", parser=number, help="For labels: leave shorter events out."),
]
MaxGap = Annotated[
    float | None,
    option("--max-gap", metavar="SECONDS", parser=number, help="For labels: join events no further apart."),
]
Onset = Annotated[
    float | None,
    option("--onset", metavar="P", parser=number, help="For notes: how likely a beginning has to be."),
]
Sustain = Annotated[
    float | None, option("--sustain", metavar="P", parser=number, help="For notes: how likely a sounding.")
]
Low = Annotated[str | None, option("--low", metavar="PITCH", help="The lowest note, as E2 or 40.")]
High = Annotated[str | None, option("--high", metavar="PITCH", help="The highest note.")]
Mono = Annotated[bool, option("--mono", help="One note at a time.")]
Tuning = Annotated[
    float | None,
    option("--tuning", metavar="CENTS", parser=number, help="How far the instrument is above A4 = 440 Hz."),
]
Quiet = Annotated[bool, option("-q", "--quiet", help="Nothing on stderr but errors.")]


def live(
    source: Where = None,
    model: Models = None,
    device: Device = None,
    list_devices: ListDevices = False,
    rate: Rate = None,
    channels: Channels = None,
    sample_format: SampleFormat = None,
    fast: Fast = False,
    format: Form = None,
    midi_out: MidiOut = None,
    record: Record = None,
    overwrite: Overwrite = False,
    delay: DelayWish = None,
    threshold: Threshold = None,
    hop: Hop = None,
    min_duration: MinDuration = None,
    max_gap: MaxGap = None,
    onset: Onset = None,
    sustain: Sustain = None,
    low: Low = None,
    high: High = None,
    mono: Mono = False,
    tuning: Tuning = None,
    quiet: Quiet = False,
) -> int:
    """Say what sounds now: notes, instruments, events, as soon as each is certain.

    From the microphone, from another program (arecord -t raw -f S16_LE -r 48000 | sonoscope live - --rate 48000),
    or from a recording as if it were played. Ctrl-C ends it.
    """
    from sonoscope.cli.display import complain
    from sonoscope.live.record import Recorder
    from sonoscope.live.session import Session

    if list_devices:
        return _show_devices()
    if source is not None and device is not None:
        raise UsageError(f"{source} and --device {device} both say where the sound comes from: give one")
    form = one_of(FORMATS, format or "text", "format")
    listeners = _listeners(
        model or _DEFAULT_MODEL,
        {"threshold": threshold, "min_duration": min_duration, "max_gap": max_gap},
        {"onset": onset, "sustain": sustain, "lowest": pitch(low), "highest": pitch(high), "mono": mono},
        {"hop_s": hop, "delay_s": delay, "cents": tuning},
    )
    heard = _source(source if source is not None else device, rate, channels, sample_format, fast)
    sinks = _sinks(form, midi_out)
    # The session is made first: what cannot be asked for is said before a file is begun.
    session = Session(heard, listeners, sinks)
    if record is not None:
        session.recorder = Recorder(record, heard, overwrite=overwrite, say=complain)
    elif overwrite:
        raise UsageError("--overwrite is for --record: name its file")
    if not quiet:
        print(_first_line(session, listeners, heard), file=sys.stderr, flush=True)
    summary = session.run()
    if not quiet:
        print(_last_line(summary, heard, listeners, record), file=sys.stderr, flush=True)
    if session.recorder is not None and session.recorder.refused:
        return 1
    return 3 if summary.interrupted and not heard.endless else 0


def _source(
    wish: str | None, rate: int | None, channels: int | None, sample_format: str | None, fast: bool
) -> Source:
    """Where the sound comes from; options that mean nothing there are refused."""
    from sonoscope.live.sources import Microphone, Pcm, Played

    is_file = wish is not None and wish != "-" and _is_file(wish)
    for name, given, fits in (
        ("--fast", fast, is_file),
        ("--sample-format", sample_format, wish == "-"),
        ("--rate", rate, not is_file),
        ("--channels", channels, not is_file),
    ):
        if given and not fits:
            what = (
                "a recording states its own"
                if is_file
                else "it is for - (stdin)"
                if name != "--fast"
                else "it is for files"
            )
            raise UsageError(f"{name} does not go with {wish or 'the microphone'}: {what}")
    if wish == "-":
        if rate is None:
            raise UsageError("- needs --rate HZ: samples on stdin do not say their own")
        form = sample_format or "s16le"
        n = 1 if channels is None else channels
        return Pcm(sys.stdin.buffer, sample_rate=rate, channels=n, sample_format=form)
    if is_file:
        from sonoscope.api import one_recording

        assert wish is not None
        return Played(one_recording(wish), paced=not fast)
    return Microphone(wish, sample_rate=rate, channels=channels)


def _is_file(wish: str) -> bool:
    """Whether ``wish`` is a recording rather than a part of a microphone's name."""
    from pathlib import Path

    from sonoscope.audio.find import SUFFIXES

    return Path(wish).exists() or Path(wish).suffix.lower() in SUFFIXES or "/" in wish


def _listeners(
    names: str, for_labels: dict[str, Any], for_notes: dict[str, Any], for_streams: dict[str, Any]
) -> list[Listener]:
    """Every model, ready; options that none of them heeds are refused."""
    from sonoscope import api, models
    from sonoscope.live.streams import Listener
    from sonoscope.models.runtime import Runtime
    from sonoscope.notes.decision import decided

    bundles = [models.load(name) for name in names.split(",") if name]
    if len({bundle.name for bundle in bundles}) < len(bundles) or not bundles:
        raise UsageError(f"-m {names}: name each model once")
    tasks = {"notes" if bundle.task == "notes" else "labels" for bundle in bundles}
    own = {"labels": {**for_labels, "hop": for_streams["hop_s"]}}
    own["notes"] = {**for_notes, "delay": for_streams["delay_s"], "tuning": for_streams["cents"]}
    for task, options in own.items():
        given = [name for name, value in options.items() if value not in (None, False)]
        if given and task not in tasks:
            shown = {"lowest": "low", "highest": "high"}.get(given[0], given[0]).replace("_", "-")
            raise UsageError(f"--{shown} is for {task}, and {names} tells none")
    listening = {name: value for name, value in for_streams.items() if value is not None}
    found = []
    for bundle in bundles:
        if bundle.task == "notes":
            rules = decided(bundle.rules, **for_notes).rules
            found.append(Listener(bundle, Runtime(bundle), rules=rules, **listening))
        else:
            decision = api.Model(bundle).decision(**for_labels)
            found.append(Listener(bundle, Runtime(bundle), decision=decision, **listening))
    return found


def _sinks(form: str, midi_out: str | None) -> list[Sink]:
    from sonoscope.live.sinks import JsonLines, MidiPort, Text

    found: list[Sink] = [JsonLines(sys.stdout) if form == "jsonl" else Text(sys.stdout)]
    if midi_out is not None:
        found.append(MidiPort(midi_out))
    return found


def _first_line(session: Session, listeners: list[Listener], source: Source) -> str:
    """Device, rate and expected delay."""
    from sonoscope.cli.display import printable
    from sonoscope.errors import count

    def told(name: str, delay: Delay) -> str:
        parts = ", ".join(f"{p.what} {1000 * p.seconds:.0f}" for p in delay.parts if round(1000 * p.seconds))
        source_ms = f", source {1000 * source.delay_s:.0f}" if source.delay_s else ""
        return f"{name} {1000 * (delay.seconds + source.delay_s):.0f} ms ({parts}{source_ms})"

    delays = "; ".join(
        told(one.bundle.name, delay) for one, delay in zip(listeners, session.delays, strict=True)
    )
    about = f"{source.sample_rate:,} Hz, {count(source.channels, 'channel')}"
    return f"{printable(source.name)}, {about}; expected delay: {delays}"


def _last_line(summary: Summary, source: Source, listeners: list[Listener], record: str | None) -> str:
    from sonoscope.cli.display import clock
    from sonoscope.errors import count

    lost = f", {source.lost / source.sample_rate:.2f} s not heard" if source.lost else ""
    dropouts = count(source.dropouts, "drop-out")
    kept = f"; recorded in {record}" if record else ""
    told = "note" if all(one.bundle.task == "notes" for one in listeners) else "event"
    strange = ""
    if summary.strange:
        were = count(summary.strange, "sample was", "samples were")
        strange = (
            f"; {were} no sound (NaN, or far beyond full scale) and taken as 0: is --sample-format right?"
        )
    return f"{clock(summary.heard_s)} heard: {count(summary.events, told)}, {dropouts}{lost}{kept}{strange}"


def _show_devices() -> int:
    """Microphones and MIDI ports on stdout; what is missing to see them, on stderr.

    A machine without MIDI is no failure.
    """
    from sonoscope.cli.display import complain
    from sonoscope.live import sinks, sources
    from sonoscope.values import columns

    code = 0
    try:
        rows = [("number", "microphone", "channels", "rate")]
        rows += [(str(n), name, str(most), f"{rate} Hz") for n, name, most, rate in sources.devices()]
        print("\n".join(columns(rows, right=(0, 2, 3))) if len(rows) > 1 else "no microphone")
    except UsageError as error:
        complain(str(error))
        code = error.exit_code
    try:
        ports = sinks.midi_ports()
        print("MIDI ports: " + (", ".join(ports) or "none"))
    except UsageError as error:
        print("MIDI ports: none")
        complain(str(error))
    return code
