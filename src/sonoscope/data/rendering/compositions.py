"""Real compositions from MIDI files, played on the renderer's instruments, as stems with exact notes.

Random music (:mod:`sonoscope.data.rendering.music`) has every pitch and rhythm but no voice leading;
compositions have it.
An excerpt of a file becomes a :class:`Score` (all its tracks on one instrument: a piano reduction of whatever was
written), which is rendered as any stem is: in a random room, with a random tuning, and the pedal of the file or a
drawn one. The notes that are written beside it are those of the sound, pedal counted in.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sonoscope.data.rendering import music, render
from sonoscope.data.rendering.music import Control, NoteEvent, Score
from sonoscope.data.rendering.orchestra import Instrument
from sonoscope.data.rendering.style import SCALES, Style
from sonoscope.data.rendering.synth import Synth
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UsageError

#: General MIDI's percussion channel, from 0.
_DRUM_CHANNEL = 9
#: The controller of the sustain pedal.
_PEDAL = 64


def read_midi(file: str | Path) -> Score:
    """All pitched notes of a MIDI file as one score, in the file's own tempo.

    Raises
    ------
    BadManifest
        If the file cannot be read as MIDI, or holds no pitched notes.
    """
    import mido

    file = Path(file)
    try:
        messages = list(mido.MidiFile(str(file), clip=True))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise BadManifest(f"{file} cannot be read as MIDI ({error}): leave it out") from None
    now_s, notes, controls = 0.0, [], []
    held: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for message in messages:
        now_s += message.time
        if getattr(message, "channel", _DRUM_CHANNEL) == _DRUM_CHANNEL:
            continue
        if message.type == "note_on" and message.velocity:
            held[message.channel, message.note].append((now_s, message.velocity))
        elif message.type in ("note_on", "note_off") and held[message.channel, message.note]:
            onset_s, velocity = held[message.channel, message.note].pop(0)
            if now_s - onset_s >= music.SHORTEST_S:
                notes.append(NoteEvent(onset_s, now_s, message.note, velocity))
        elif message.type == "control_change" and message.control == _PEDAL:
            controls.append(Control(now_s, "pedal", float(message.value)))
    if not notes:
        raise BadManifest(f"{file} holds no pitched notes: leave it out")
    return as_score(apart(notes), sorted(controls), now_s)


def as_score(notes: Iterable[NoteEvent], controls: Iterable[Control], duration_s: float) -> Score:
    """A score of somebody else's: its style, what one of our own would have drawn, is asked for by nobody."""
    style = Style(120.0, 4, 1, 0, SCALES["major"], 21, 108, (0,), 0.0, 0.5)
    return Score(tuple(notes), tuple(controls), duration_s, style, 0.0, "composition")


def apart(notes: Iterable[NoteEvent]) -> tuple[NoteEvent, ...]:
    """Notes of one pitch that overlap are cut where the next begins; of two that begin together the longer stays."""
    kept: list[NoteEvent] = []
    last: dict[int, int] = {}
    for note in sorted(notes, key=lambda n: (n.onset_s, -n.offset_s)):
        before = last.get(note.pitch)
        if before is not None:
            end_s = note.onset_s - music.REPEAT_GAP_S
            if end_s - kept[before].onset_s < music.SHORTEST_S:
                continue
            kept[before] = replace(kept[before], offset_s=min(kept[before].offset_s, end_s))
        last[note.pitch] = len(kept)
        kept.append(note)
    return tuple(kept)


def arrange(
    score: Score, instrument: Instrument, program: int, rng: np.random.Generator, duration_s: float
) -> Score:
    """An excerpt of a composition as an instrument of the renderer plays it.

    Start, tempo (a fifth slower to a quarter faster), dynamics and tuning are drawn. Notes outside the program's range
    are left out; an instrument that has a pedal uses the file's, and half of the time, where the file has none, one
    that is changed every second or two.

    Raises
    ------
    UsageError
        If the composition has no note in the range.
    """
    chosen = instrument.program(program)
    playable = [note for note in score.notes if chosen.low <= note.pitch <= chosen.high]
    if not playable:
        raise UsageError(f"no note lies in the range {chosen.low}..{chosen.high} of {instrument.name}")
    pace = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
    first = playable[int(rng.integers(len(playable)))].onset_s
    start_s = max(0.0, min(first, score.duration_s - duration_s / pace) - 0.2)
    level, spread = float(rng.uniform(-25, 25)), float(rng.uniform(0, 8))
    notes = []
    for note in playable:
        onset_s, offset_s = ((t - start_s) * pace for t in (note.onset_s, note.offset_s))
        if 0 <= onset_s < duration_s - music.SHORTEST_S:
            velocity = int(np.clip(round(note.velocity + level + rng.normal(0, spread)), 12, 127))
            end_s = max(min(offset_s, duration_s), onset_s + music.SHORTEST_S)
            notes.append(NoteEvent(onset_s, end_s, note.pitch, velocity))
    controls = [Control(0.0, "bend", float(np.clip(rng.normal(0, 12), -30, 30)))]
    if instrument.pedal:
        written = [
            replace(c, time_s=(c.time_s - start_s) * pace)
            for c in score.controls
            if start_s <= c.time_s < start_s + duration_s / pace
        ]
        controls += written or (_pedalled(rng, duration_s) if rng.random() < 0.5 else [])
        controls.append(Control(duration_s, "pedal", 0.0))
    return replace(score, notes=apart(notes), controls=tuple(sorted(controls)), duration_s=duration_s)


def _pedalled(rng: np.random.Generator, duration_s: float) -> list[Control]:
    """A pedal that is down most of the time and changed every second or two."""
    controls, at = [], float(rng.uniform(0, 1))
    while at < duration_s - 0.3:
        length = float(rng.uniform(0.5, 2.5))
        controls += [Control(at, "pedal", 127.0), Control(min(at + length, duration_s), "pedal", 0.0)]
        at += length + float(rng.uniform(0.06, 0.2))
    return controls


def render_compositions(
    out: str | Path,
    files: Iterable[Path],
    instruments: Iterable[Instrument],
    *,
    soundfont: str | Path,
    duration_s: float = 30.0,
    seed: int = 0,
    sample_rate: int = 24_000,
) -> list[Path]:
    """Render an excerpt of each file, the instruments in turn, and return the sounds; what exists stays.

    Each sound ``NAME.flac`` has its notes beside it in ``NAME.notes.csv``. The same seed gives the same bytes.
    Files that no instrument can play are left out.

    Raises
    ------
    UsageError, NoSynthesizer
        As :class:`~sonoscope.data.rendering.synth.Synth` does.
    BadManifest
        If a file cannot be read.
    """
    out, players, made = Path(out), list(instruments), []
    render.check(duration_s, seed, "flac")
    out.mkdir(parents=True, exist_ok=True)
    with Synth(soundfont, sample_rate) as synth:
        players = [synth.fitted(player) for player in players]
        for number, file in enumerate(files):
            instrument = players[number % len(players)]
            program = instrument.program_for(number // len(players))
            sound = out / f"{file.stem}-{instrument.name}-p{program.number:03d}.flac"
            if not sound.is_file():
                rng = np.random.default_rng((seed, zlib.crc32(f"{synth.name}/{sound.name}".encode())))
                try:
                    score = arrange(read_midi(file), instrument, program.number, rng, duration_s)
                except UsageError:
                    continue
                score = synth.grid(score)
                reverb, chorus, gain = render.draw_room(rng)
                samples = synth.render(
                    score, program.number, instrument.bank, reverb=reverb, chorus=chorus, gain=gain
                )
                notes = render.note_rows(score, instrument.label)
                render.write_csv(sound.with_suffix(".notes.csv"), render.NOTE_COLUMNS, notes)
                render.write_sound(sound, samples, sample_rate)
            made.append(sound)
    return made
