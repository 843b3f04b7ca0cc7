"""MIDI files of the user's own to sound, whole, with exact notes: what each file says, played on a soundfont.

Every (track, channel, program) of a file is a part, played with the file's tempo, velocities, pedal, volume,
expression, modulation and pitch bend (of two semitones), all in one room; channel 10 is drums. ``render_songs``
writes::

    out/song.flac             mono, 16 bit
    out/song.notes.csv        onset,offset,pitch,velocity,label,score: as heard, the pedal counted in
    out/song.timeline.csv     start,end,label: where each label is heard
    out/manifest.csv, out/render.json

:mod:`sonoscope.data.rendering.compositions` takes excerpts at random pace for training; here nothing is drawn.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.rendering import compositions, music, orchestra, pieces, render
from sonoscope.data.rendering.music import Control, NoteEvent, Score
from sonoscope.data.rendering.orchestra import KIT_BANK, Instrument, Program
from sonoscope.data.rendering.synth import Reverb, Synth
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UsageError, optional

#: Where all parts are played.
ROOM = Reverb(size=0.4, damping=0.3, width=50.0, level=0.5, send=40)
#: What is heard after the last note ends.
TAIL_S = 1.5
SUFFIXES = (".mid", ".midi")
_DRUMS = 9
_VOLUME, _EXPRESSION, _PEDAL, _MODULATION = 7, 11, 64, 1
#: A channel's volume until the file says another.
_USUAL_VOLUME = 100
_BEND_CENTS = 200.0 / 8192


@dataclass
class Part:
    """What one player of a file does; ``controls`` are its channel's, ``held`` the notes that sound, by pitch."""

    program: int
    is_kit: bool
    controls: list[Control]
    notes: list[NoteEvent] = field(default_factory=list)
    held: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))


def read_parts(file: str | Path) -> tuple[list[Part], float]:
    """The parts of a MIDI file that have notes, in order of track, channel and program, and when the last one ends.

    Raises
    ------
    UsageError
        If mido is not installed.
    BadManifest
        If the file cannot be read as MIDI, or holds no notes.
    """
    mido = optional("mido", "render", "reading MIDI")
    file = Path(file)
    try:
        whole = mido.MidiFile(str(file), clip=True)
        messages = list(_in_seconds(whole, mido))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise BadManifest(f"{file} cannot be read as MIDI ({error}): leave it out") from None
    found: dict[tuple[int, int, int], Part] = {}
    programs, levels = Counter[int](), defaultdict[int, list[int]](lambda: [_USUAL_VOLUME, 127])
    controls = defaultdict[int, list[Control]](list)
    for time_s, track, message in messages:
        channel = message.channel
        if message.type == "program_change":
            programs[channel] = message.program
            continue
        if message.type == "note_on" and message.velocity:
            key = (track, channel, programs[channel])
            part = found.setdefault(key, Part(programs[channel], channel == _DRUMS, controls[channel]))
            part.held[message.note].append((time_s, message.velocity))
        elif message.type in ("note_on", "note_off"):
            _release([p for key, p in found.items() if key[:2] == (track, channel)], message.note, time_s)
        elif (control := _control(time_s, message, levels[channel])) is not None:
            controls[channel].append(control)  # whichever track says it
    end_s = max((time_s for time_s, _, _ in messages), default=0.0)
    for part in found.values():
        for pitch in list(part.held):
            while part.held[pitch]:
                _release([part], pitch, end_s)
    parts = [found[key] for key in sorted(found) if found[key].notes]
    if not parts:
        raise BadManifest(f"{file} holds no notes: leave it out")
    return parts, max(note.offset_s for part in parts for note in part.notes)


def _in_seconds(whole: Any, mido: Any) -> Iterator[tuple[float, int, Any]]:
    """Seconds, track and message of all that a channel says, in order of time."""
    every = []
    for number, track in enumerate(whole.tracks):
        tick = 0
        for message in track:
            tick += message.time
            every.append((tick, number, message))
    every.sort(key=lambda one: one[0])
    before, now_s, tempo = 0, 0.0, 500_000
    for tick, number, message in every:
        now_s += mido.tick2second(tick - before, whole.ticks_per_beat, tempo)
        before = tick
        if message.type == "set_tempo":
            tempo = message.tempo
        elif hasattr(message, "channel"):
            yield now_s, number, message


def _release(parts: list[Part], pitch: int, time_s: float) -> None:
    """End the oldest note of a pitch in the first of the parts that holds one."""
    for part in parts:
        if part.held[pitch]:
            onset_s, velocity = part.held[pitch].pop(0)
            part.notes.append(NoteEvent(onset_s, max(time_s, onset_s + music.SHORTEST_S), pitch, velocity))
            return


def _control(time_s: float, message: Any, level: list[int]) -> Control | None:
    """What a message changes; ``level`` holds the channel's volume and expression, which are one to the renderer."""
    if message.type == "pitchwheel":
        return Control(time_s, "bend", message.pitch * _BEND_CENTS)
    if message.type != "control_change":
        return None
    if message.control in (_VOLUME, _EXPRESSION):
        level[message.control == _EXPRESSION] = message.value
        return Control(time_s, "expression", min(level[0] * level[1] / _USUAL_VOLUME, 127.0))
    kind = {_PEDAL: "pedal", _MODULATION: "vibrato"}.get(message.control)
    return Control(time_s, kind, float(message.value)) if kind else None


def player_of(program: int, *, is_kit: bool) -> Instrument:
    """The renderer's instrument that has this program; ``other`` for those that are none of them."""
    for instrument in orchestra.ORCHESTRA.values():
        if instrument.is_kit == is_kit and (is_kit or any(p.number == program for p in instrument.programs)):
            return instrument
    return Instrument(f"program_{program}", "other", "keys", (Program(program, 1.0, 0, 127),))


def scores(
    file: str | Path, players: Sequence[Instrument] = (), duration_s: float | None = None
) -> list[tuple[Instrument, int, Score]]:
    """Who plays what in a MIDI file: instrument, program and score of each part.

    Parameters
    ----------
    players : sequence of Instrument
        These play the pitched parts in turn; none: those that the file names.
    duration_s : float, optional
        Only so much from the start.
    """
    parts, end_s = read_parts(file)
    length_s = end_s + TAIL_S if duration_s is None else min(duration_s, end_s + TAIL_S)
    if length_s > render.MAX_DURATION_S:
        raise UsageError(f"{file} lasts {length_s:.0f} s: give a duration up to {render.MAX_DURATION_S} s")
    made, count = [], 0
    for part in parts:
        notes = compositions.apart(
            replace(note, offset_s=min(note.offset_s, length_s))
            for note in part.notes
            if note.onset_s < length_s - music.SHORTEST_S
        )
        if not notes:
            continue
        instrument, program = player_of(part.program, is_kit=part.is_kit), part.program
        if players and not part.is_kit:
            instrument = players[count % len(players)]
            program = instrument.programs[0].number
            count += 1
        controls = sorted(control for control in part.controls if control.time_s < length_s)
        made.append((instrument, program, compositions.as_score(notes, controls, length_s)))
    return made


def perform(synth: Synth, parts: Sequence[tuple[Instrument, int, Score]]) -> pieces.Piece:
    """Play all parts in one room as loud as the file says; a kit that the font lacks is its first."""
    total, spans, notes = np.zeros(0, np.float32), [], []
    for instrument, wanted, plain in parts:
        program = wanted
        if instrument.bank == KIT_BANK and synth.program_name(program, KIT_BANK) is None:
            program = 0
        score = synth.grid(plain)
        stem = synth.render(score, program, instrument.bank, reverb=ROOM)
        heard = pieces.sounding_times(stem, synth.sample_rate)
        if not heard:
            continue
        total = stem if not total.size else total + stem
        spans += [(start, end, instrument.label) for start, end in heard]
        notes += render.note_rows(score, instrument.label)
    return pieces.Piece(
        total, pieces.union(spans), tuple(sorted(notes, key=lambda row: (float(row[0]), row[2])))
    )


def render_songs(
    out: str | Path,
    files: Sequence[str | Path],
    *,
    soundfont: str | Path,
    instruments: Sequence[str] = (),
    duration_s: float | None = None,
    sample_rate: int = 24_000,
    format: str = "flac",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render MIDI files into the folder ``out`` and return its manifest; what exists stays.

    Parameters
    ----------
    files : sequence of path
        Of different names.
    instruments : sequence of str
        Names of :data:`sonoscope.data.rendering.orchestra.ORCHESTRA`: they take the pitched parts in turn; none: the
        file's own.
    duration_s : float, optional
        Only so much of each, 1 s to an hour; default: all.

    The other parameters and the errors are those of :func:`sonoscope.data.rendering.render.render_stems`, and

    Raises
    ------
    BadManifest
        If a file cannot be read as MIDI, or holds no notes.
    UsageError
        If two files have one name.
    """
    out, paths = Path(out), [Path(file) for file in files]
    render.check(10.0 if duration_s is None else duration_s, 0, format)
    stems = Counter(path.stem for path in paths)
    if (twice := stems.most_common(1)) and twice[0][1] > 1:
        raise UsageError(
            f"{twice[0][1]} files are called {twice[0][0]}: render them into folders of their own"
        )
    with Synth(soundfont, sample_rate) as synth:
        players = [synth.fitted(orchestra.find(name)) for name in instruments]
        settings = {"soundfont": synth.name, "duration_s": duration_s, "sample_rate": sample_rate, "format": format,
                    "instruments": [player.name for player in players], "what": "songs"}  # fmt: skip
        render.merge_settings(out, settings, dict.fromkeys(stems, 1))
        rows = {row["path"]: row for row in _earlier(out)}
        for done, path in enumerate(paths, start=1):
            stem = out / path.stem
            sound = Path(f"{stem}.{format}")
            if sound.name not in rows or not sound.is_file():
                parts = scores(path, players, duration_s)
                rows[sound.name] = _written(stem, sound, parts, synth)
                table = [tuple(row.get(c, "") for c in render.MANIFEST_COLUMNS) for row in rows.values()]
                render.write_csv(out / "manifest.csv", render.MANIFEST_COLUMNS, table)
            if progress is not None:
                progress(done, len(paths))
    return out / "manifest.csv"


def _earlier(out: Path) -> list[dict[str, str]]:
    file = out / "manifest.csv"
    return render.read_csv(file) if file.is_file() else []


def _written(
    stem: Path, sound: Path, parts: Sequence[tuple[Instrument, int, Score]], synth: Synth
) -> dict[str, str]:
    """Play and write one song; its row of the manifest."""
    piece = perform(synth, parts)
    timeline, notes = Path(f"{stem}.timeline.csv"), Path(f"{stem}.notes.csv")
    render.write_csv(timeline, pieces.TIMELINE_COLUMNS, pieces.timeline_rows(piece))
    render.write_csv(notes, render.NOTE_COLUMNS, list(piece.notes))
    render.write_sound(sound, piece.samples, synth.sample_rate)
    return {
        "path": sound.name,
        "start_s": "0",
        "duration_s": f"{piece.samples.size / synth.sample_rate:.3f}",
        **render.label_columns({label for _, _, label in piece.timeline}),
        "group": stem.name,
        "source": "rendered",
        "annotation": notes.name,
        "instrument": ";".join(instrument.name for instrument, _, _ in parts),
        "program": ";".join(str(program) for _, program, _ in parts),
        "soundfont": synth.name,
    }
