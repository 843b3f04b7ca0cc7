"""Scores to sound through TiMidity++ and its GUS patches: a second synthesizer, with sounds no soundfont has.

Debian's ``freepats`` are such patches; notes are validated on them and never trained on them. A process plays one
score (0.2 s to start). Labels are exact: without effects and with the leading silence kept, a note begins in the
sample at which it is written.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.data.rendering.music import Score
from sonoscope.data.rendering.synth import NoSynthesizer
from sonoscope.errors import SonoscopeError, UsageError

#: Where Debian's freepats describes its patches.
FREEPATS = Path("/etc/timidity/freepats.cfg")
_PPQ = 480
_TEMPO = 500_000
_CC = {"vibrato": 1, "expression": 11, "pedal": 64}
_BEND_CENTS = 200.0


def programs(patches: Path = FREEPATS) -> set[int]:
    """The programs of the first bank that there is a patch for.

    Raises
    ------
    NoSynthesizer
        If TiMidity++ or the patches are not on this machine.
    """
    if shutil.which("timidity") is None or not patches.is_file():
        raise NoSynthesizer(
            f"TiMidity++ with {patches} is not here. Install it (Debian, Ubuntu: apt install timidity freepats)"
        )
    found, bank = set(), ""
    for line in patches.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words and words[0] in ("bank", "drumset"):
            bank = " ".join(words[:2])
        elif bank == "bank 0" and len(words) > 1 and words[0].isdigit():
            found.add(int(words[0]))
    return found


def render(score: Score, program: int, sample_rate: int = 24_000, *, patches: Path = FREEPATS) -> np.ndarray:
    """Play a score on one program, dry: shape (round(duration_s * sample_rate),), float32, mono.

    Raises
    ------
    NoSynthesizer
        As :func:`programs` does.
    UsageError
        If there is no patch for the program.
    SonoscopeError
        If TiMidity++ fails.
    """
    here = programs(patches)
    if program not in here:
        raise UsageError(f"{patches} has no program {program}. It has: {', '.join(map(str, sorted(here)))}.")
    wanted = round(score.duration_s * sample_rate)
    with tempfile.TemporaryDirectory() as folder:
        midi, sound = Path(folder) / "score.mid", Path(folder) / "score.wav"
        _write(score, program, midi)
        done = subprocess.run(
            ["timidity", "-c", str(patches), "-Ow1sl", "-s", str(sample_rate), "--preserve-silence",
             "-EFreverb=d", "-EFchorus=d", "-EFdelay=d", "-o", str(sound), str(midi)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not sound.is_file():
            raise SonoscopeError(f"timidity failed on program {program}: {done.stderr.strip()[-300:]}")
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    out = np.zeros(wanted, dtype=np.float32)
    mono = samples.mean(axis=1)[:wanted]
    out[: mono.size] = mono
    return out


def _write(score: Score, program: int, file: Path) -> None:
    """The score as a MIDI file whose ticks are about a millisecond; note-offs before what begins with them."""
    import mido

    per_s = _PPQ * 1e6 / _TEMPO
    events: list[tuple[int, int, mido.Message]] = []
    for note in score.notes:
        on = round(note.onset_s * per_s)
        off = max(round(note.offset_s * per_s), on + 1)
        events.append((on, 2, mido.Message("note_on", note=note.pitch, velocity=note.velocity)))
        events.append((off, 0, mido.Message("note_off", note=note.pitch, velocity=0)))
    for control in score.controls:
        at = round(control.time_s * per_s)
        if control.kind == "bend":
            bend = int(np.clip(round(8191 * control.value / _BEND_CENTS), -8192, 8191))
            events.append((at, 1, mido.Message("pitchwheel", pitch=bend)))
        else:
            value = int(np.clip(round(control.value), 0, 127))
            events.append((at, 1, mido.Message("control_change", control=_CC[control.kind], value=value)))
    track = mido.MidiTrack(
        [mido.MetaMessage("set_tempo", tempo=_TEMPO), mido.Message("program_change", program=program)]
    )
    now = 0
    for at, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=at - now))
        now = at
    made = mido.MidiFile(ticks_per_beat=_PPQ)
    made.tracks.append(track)
    made.save(str(file))
