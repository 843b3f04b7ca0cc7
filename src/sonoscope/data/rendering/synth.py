"""Scores to sound: one soundfont kept open, one stem at a time, through FluidSynth.

Loading a soundfont is slow (148 MB: 0.3 s; 86 MB compressed: 5 s), so :class:`Synth` loads it once, whole.
Each stem is played by a new engine that borrows the open font: an engine that is reused, even after a system
reset, keeps the phases of its reverb and chorus modulators, and its next stem would depend on what it played
before. A new engine costs about a millisecond.

FluidSynth works in blocks of 64 samples; an event takes effect at a block boundary. :meth:`Synth.grid` gives
the times at which a score is really played, so that labels can be exact.

Needs the ``render`` extra (pyfluidsynth), the FluidSynth library and a soundfont; see :func:`soundfonts`.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sonoscope.data.rendering.music import NoteEvent, Score
from sonoscope.data.rendering.orchestra import KIT_BANK, Instrument
from sonoscope.errors import SonoscopeError, UsageError, lookup, optional

#: FluidSynth's FLUID_BUFSIZE: events take effect, and sound is computed, in blocks of this many samples.
BLOCK_SAMPLES = 64
#: A pitch bend of +-8191 is +-2 semitones (the General MIDI default).
_BEND_CENTS = 200.0
_CC = {"vibrato": 1, "expression": 11, "pedal": 64}
_CC_REVERB, _CC_CHORUS = 91, 93

#: Where distributions put soundfonts.
FOLDERS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/share/soundfonts"),
    Path("/usr/local/share/sounds/sf2"),
    Path("/usr/share/minuet/soundfonts"),
)


class NoSynthesizer(SonoscopeError):
    """The FluidSynth library or a soundfont is not on this machine."""

    exit_code = 2


@dataclass(frozen=True)
class KnownFont:
    """A soundfont known by name: files it may be in (first found wins), package, licence, origin."""

    files: tuple[str, ...]
    package: str
    licence: str
    url: str


#: TimGM6mb is for evaluation: its licence is the GPL, and a font left out of training shows what was learnt. So is
#: GeneralUser GS: no shipped model has heard it.
KNOWN_FONTS: dict[str, KnownFont] = {
    "fluidr3": KnownFont(
        ("FluidR3_GM.sf2", "FluidR3_GM2-2.sf2"), "fluid-soundfont-gm", "MIT",
        "https://packages.debian.org/fluid-soundfont-gm",
    ),
    "musescore": KnownFont(
        ("MuseScore_General_Full.sf3", "MuseScore_General.sf3", "MuseScore_General_Full.sf2",
         "MuseScore_General.sf2"),
        "musescore-general-soundfont", "MIT", "https://packages.debian.org/musescore-general-soundfont",
    ),
    "timgm6mb": KnownFont(
        ("TimGM6mb.sf2",), "timgm6mb-soundfont", "GPL-2.0", "https://packages.debian.org/timgm6mb-soundfont",
    ),
    "generaluser": KnownFont(
        ("GeneralUser-v1.47.sf2", "GeneralUser GS v1.471.sf2", "GeneralUser-GS.sf2", "GeneralUser_GS.sf2"),
        "minuet-data", "GeneralUser GS License 2.0", "https://packages.debian.org/minuet-data",
    ),
}  # fmt: skip


def soundfonts() -> dict[str, Path]:
    """The known soundfonts on this machine: name to file."""
    found = {}
    for name, font in KNOWN_FONTS.items():
        files = (folder / file for file in font.files for folder in FOLDERS)
        path = next((path for path in files if path.is_file()), None)
        if path is not None:
            found[name] = path
    return found


def soundfont(name: str | Path) -> tuple[str, Path]:
    """The short name and the file of a soundfont given by known name or by path.

    Raises
    ------
    UnknownName
        If ``name`` is neither a file nor a known name.
    NoSynthesizer
        If it is a known name whose file is not on this machine.
    """
    path = Path(name)
    if path.suffix.lower() in (".sf2", ".sf3"):
        if not path.is_file():
            raise UsageError(
                f"no soundfont at {path}; give a file, or a known name: {', '.join(KNOWN_FONTS)}"
            )
        return path.stem.lower(), path
    font = lookup(KNOWN_FONTS, str(name), "soundfont")
    here = soundfonts()
    if str(name) not in here:
        raise NoSynthesizer(
            f"soundfont {name!r} ({font.files[0]}) is not in {', '.join(map(str, FOLDERS))}. "
            f"Install it (Debian, Ubuntu: apt install {font.package}) or give an .sf2 or .sf3 file."
            f"{' Here: ' + ', '.join(here) + '.' if here else ''}"
        )
    return str(name), here[str(name)]


def _library() -> Any:
    """The pyfluidsynth module with the functions it does not declare declared on its library handle.

    Raises ``UsageError`` when the module is missing, ``NoSynthesizer`` when the library is.
    """
    try:
        c = optional("fluidsynth", "render", "rendering")._fl
    except (ImportError, OSError) as error:
        raise NoSynthesizer(
            f"rendering needs the FluidSynth library ({error}). "
            "Install it (Debian, Ubuntu: apt install libfluidsynth3)"
        ) from None
    pointer, whole, real = ctypes.c_void_p, ctypes.c_int, ctypes.c_double
    declared: dict[str, tuple[Any, list[Any]]] = {
        "fluid_synth_write_float": (whole, [pointer, whole, pointer, whole, whole, pointer, whole, whole]),
        "fluid_synth_add_sfont": (whole, [pointer, pointer]),
        "fluid_synth_remove_sfont": (whole, [pointer, pointer]),
        "fluid_synth_get_sfont_by_id": (pointer, [pointer, whole]),
        "fluid_sfont_get_preset": (pointer, [pointer, whole, whole]),
        "fluid_preset_get_name": (ctypes.c_char_p, [pointer]),
        "fluid_set_log_function": (pointer, [whole, pointer, pointer]),
        "new_fluid_settings": (pointer, []),
        "fluid_settings_setnum": (whole, [pointer, ctypes.c_char_p, real]),
        "fluid_settings_setint": (whole, [pointer, ctypes.c_char_p, whole]),
        "delete_fluid_settings": (None, [pointer]),
        "new_fluid_synth": (pointer, [pointer]),
        "delete_fluid_synth": (None, [pointer]),
        "fluid_synth_sfload": (whole, [pointer, ctypes.c_char_p, whole]),
        "fluid_synth_program_select": (whole, [pointer, whole, whole, whole, whole]),
        "fluid_synth_noteon": (whole, [pointer, whole, whole, whole]),
        "fluid_synth_noteoff": (whole, [pointer, whole, whole]),
        "fluid_synth_cc": (whole, [pointer, whole, whole, whole]),
        "fluid_synth_pitch_bend": (whole, [pointer, whole, whole]),
    }
    for name, (result, arguments) in declared.items():
        function = getattr(c, name)
        function.restype, function.argtypes = result, arguments
    for level in range(1, 5):  # below "panic": missing presets are reported as errors here, not on stderr
        c.fluid_set_log_function(level, None, None)
    return c


@dataclass(frozen=True)
class Reverb:
    """A room: ``size`` and ``damping`` 0..1, ``width`` 0..100, ``level`` 0..1, and what is sent, 0..127."""

    size: float
    damping: float
    width: float
    level: float
    send: int


@dataclass(frozen=True)
class Chorus:
    """``voices`` 0..99, ``level`` 0..10, ``speed_hz`` 0.1..5, ``depth_ms`` 0..21, what is sent 0..127."""

    voices: int
    level: float
    speed_hz: float
    depth_ms: float
    send: int


class Synth:
    """A soundfont held open, ready to play stems (see the module's text). Use it as a context manager.

    Parameters
    ----------
    font : str or Path
        A known name (:data:`KNOWN_FONTS`) or a file.
    sample_rate : int
        Of what is rendered; 8000 to 96000 Hz.

    Raises
    ------
    UsageError
        For a rate out of range, a file that is no soundfont, or if pyfluidsynth is not installed.
    NoSynthesizer
        If the FluidSynth library or the font is absent; the message says what to install.
    """

    def __init__(self, font: str | Path, sample_rate: int = 24_000) -> None:
        if not 8_000 <= sample_rate <= 96_000:
            raise UsageError(f"sample_rate={sample_rate} must lie in 8000..96000 Hz")
        self.name, self.path = soundfont(font)
        self.sample_rate = sample_rate
        self._c = _library()
        self._keeper: int | None
        self._settings, self._keeper = self._engine()
        self._font_id = self._c.fluid_synth_sfload(self._keeper, str(self.path).encode(), 0)
        if self._font_id < 0:
            self.close()
            raise UsageError(
                f"{self.path} is not a soundfont that FluidSynth can read; give an .sf2 or .sf3 file"
            )
        self._font = self._c.fluid_synth_get_sfont_by_id(self._keeper, self._font_id)

    def __enter__(self) -> Synth:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the font and its memory back. Calling it again does nothing."""
        if self._keeper:
            self._c.delete_fluid_synth(self._keeper)
            self._c.delete_fluid_settings(self._settings)
        self._keeper = None

    def program_name(self, program: int, bank: int = 0) -> str | None:
        """What the font calls a program, or None if it has none there."""
        preset = self._c.fluid_sfont_get_preset(self._font, bank, program)
        return self._c.fluid_preset_get_name(preset).decode("latin-1").strip() if preset else None

    def fitted(self, instrument: Instrument) -> Instrument:
        """The instrument with those of its programs that the font has. Raises ``UsageError`` if it has none."""
        here = tuple(
            p for p in instrument.programs if self.program_name(p.number, instrument.bank) is not None
        )
        if not here:
            numbers = ", ".join(str(program.number) for program in instrument.programs)
            raise UsageError(
                f"soundfont {self.name} has nothing for {instrument.name} (program {numbers} in bank "
                f"{instrument.bank}): leave it out of --instruments, or take another font"
            )
        return instrument if here == instrument.programs else replace(instrument, programs=here)

    def grid(self, score: Score) -> Score:
        """The same score with notes and controls at the block boundaries at which they take effect.

        No time moves by more than half a block (1.33 ms at 24 kHz), except that a note lasts one block at
        least.
        """
        step = BLOCK_SAMPLES / self.sample_rate

        def snap(time_s: float) -> float:
            return round(time_s / step) * step

        def on_grid(note: NoteEvent) -> NoteEvent:
            onset = snap(note.onset_s)
            return replace(note, onset_s=onset, offset_s=max(snap(note.offset_s), onset + step))

        return replace(
            score,
            notes=tuple(on_grid(note) for note in score.notes),
            controls=tuple(replace(control, time_s=snap(control.time_s)) for control in score.controls),
        )

    def render(
        self,
        score: Score,
        program: int,
        bank: int = 0,
        *,
        reverb: Reverb | None = None,
        chorus: Chorus | None = None,
        gain: float = 0.4,
    ) -> np.ndarray:
        """Play a score on one program.

        Parameters
        ----------
        score : Score
            Events are played at the block boundary nearest to their time (:meth:`grid`).
        program, bank : int
            0-based GM program; bank 128 holds the drum kits.
        reverb, chorus : optional
            None: without.
        gain : float
            FluidSynth's master gain, 0 < gain <= 10. Nothing is limited: loud scores may exceed 1.

        Returns
        -------
        np.ndarray, shape (round(duration_s * sample_rate),), float32
            Mean of both channels; a fresh array. The same arguments give the same bytes, whatever was played
            before.

        Raises
        ------
        UsageError
            If the font has no such program, or for a gain out of range.
        """
        if not 0 < gain <= 10:
            raise UsageError(f"gain={gain} must lie in (0, 10]")
        self._need(program, bank)
        settings, engine = self._engine(gain=gain, reverb=reverb, chorus=chorus)
        try:
            font_id = self._c.fluid_synth_add_sfont(engine, self._font)
            channel = 9 if bank == KIT_BANK else 0
            self._c.fluid_synth_program_select(engine, channel, font_id, bank, program)
            self._c.fluid_synth_cc(engine, channel, _CC_REVERB, reverb.send if reverb else 0)
            self._c.fluid_synth_cc(engine, channel, _CC_CHORUS, chorus.send if chorus else 0)
            samples = self._play(engine, channel, score)
        finally:
            self._c.fluid_synth_remove_sfont(engine, self._font)
            self._c.delete_fluid_synth(engine)
            self._c.delete_fluid_settings(settings)
        return samples

    def _play(self, engine: int, channel: int, score: Score) -> np.ndarray:
        """Apply the events in order of time and compute the sound between them."""
        wanted = round(score.duration_s * self.sample_rate)
        blocks = math.ceil(wanted / BLOCK_SAMPLES)
        stereo = np.zeros((2, blocks * BLOCK_SAMPLES), dtype=np.float32)
        left, right = (stereo[side].ctypes.data for side in (0, 1))
        done = 0

        def advance(block: int) -> None:
            nonlocal done
            count, at = (block - done) * BLOCK_SAMPLES, done * BLOCK_SAMPLES
            if count > 0:
                self._c.fluid_synth_write_float(engine, count, left, at, 1, right, at, 1)
                done = block

        for block, _, what, first, second in self._events(score):
            if block >= blocks:
                break
            advance(block)
            getattr(self._c, what)(engine, channel, first, *([] if second is None else [second]))
        advance(blocks)
        return ((stereo[0] + stereo[1]) * np.float32(0.5))[:wanted]

    def _events(self, score: Score) -> list[tuple[int, int, str, int, int | None]]:
        """``(block, rank, function, first, second)`` in the order of playing.

        Within a block: note-offs, then controllers, then note-ons, so that a repeated pitch is struck anew
        and a note starts with its controllers set.
        """
        rate = self.sample_rate / BLOCK_SAMPLES
        events: list[tuple[int, int, str, int, int | None]] = []
        for note in score.notes:
            on = round(note.onset_s * rate)
            off = max(round(note.offset_s * rate), on + 1)
            events.append((on, 2, "fluid_synth_noteon", note.pitch, note.velocity))
            events.append((off, 0, "fluid_synth_noteoff", note.pitch, None))
        for control in score.controls:
            block = round(control.time_s * rate)
            if control.kind == "bend":
                bend = 8192 + round(8191 * control.value / _BEND_CENTS)
                events.append((block, 1, "fluid_synth_pitch_bend", int(np.clip(bend, 0, 16383)), None))
            else:
                number = lookup(_CC, control.kind, "control")
                events.append(
                    (block, 1, "fluid_synth_cc", number, int(np.clip(round(control.value), 0, 127)))
                )
        return sorted(events, key=lambda event: event[:2])

    def _need(self, program: int, bank: int) -> None:
        """Raise ``UsageError`` if the font has no such program."""
        if self.program_name(program, bank) is None:
            known = [str(n) for n in range(128) if self.program_name(n, bank) is not None]
            raise UsageError(
                f"soundfont {self.name} has no program {program} in bank {bank}. "
                f"It has: {', '.join(known) or 'none'}."
            )

    def _engine(
        self, *, gain: float = 0.4, reverb: Reverb | None = None, chorus: Chorus | None = None
    ) -> tuple[int, int]:
        """New settings and an engine made from them. Raises ``UsageError`` for a value FluidSynth refuses."""
        values: dict[str, float] = {
            "synth.gain": gain,
            "synth.sample-rate": float(self.sample_rate),
            "synth.polyphony": 256,
            "synth.lock-memory": 0,
            "synth.reverb.active": int(reverb is not None),
            "synth.chorus.active": int(chorus is not None),
        }
        if reverb is not None:
            values["synth.reverb.room-size"] = float(reverb.size)
            values["synth.reverb.damp"] = float(reverb.damping)
            values["synth.reverb.width"] = float(reverb.width)
            values["synth.reverb.level"] = float(reverb.level)
        if chorus is not None:
            values["synth.chorus.nr"] = int(chorus.voices)
            values["synth.chorus.level"] = float(chorus.level)
            values["synth.chorus.speed"] = float(chorus.speed_hz)
            values["synth.chorus.depth"] = float(chorus.depth_ms)
        settings = self._c.new_fluid_settings()
        for name, value in values.items():
            kind = "int" if isinstance(value, int) else "num"
            if getattr(self._c, f"fluid_settings_set{kind}")(settings, name.encode(), value) != 0:
                self._c.delete_fluid_settings(settings)
                raise UsageError(f"{name}={value:g} is out of the range that FluidSynth allows")
        return settings, self._c.new_fluid_synth(settings)
