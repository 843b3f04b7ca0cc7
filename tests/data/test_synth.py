"""FluidSynth held to physics (pitch, onset, release, loudness) and to repeating itself exactly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sonoscope.data.rendering import music
from sonoscope.data.rendering import synth as synth_module
from sonoscope.data.rendering.music import Control, NoteEvent, Score
from sonoscope.data.rendering.orchestra import KIT_BANK, ORCHESTRA, Program
from sonoscope.data.rendering.style import SCALES, Style
from sonoscope.data.rendering.synth import (
    BLOCK_SAMPLES,
    Chorus,
    NoSynthesizer,
    Reverb,
    Synth,
    soundfont,
    soundfonts,
)
from sonoscope.errors import UnknownName, UsageError

RATE = 24_000
ROOM = Reverb(size=0.7, damping=0.3, width=60, level=0.8, send=90)
CHORUS = Chorus(voices=3, level=2.0, speed_hz=0.6, depth_ms=6.0, send=90)
STYLE = Style(120, 4, 4, 0, SCALES["major"], 48, 72, (0, 3, 4, 0), 0.0, 0.5)
PIANO, ORGAN, FLUTE = 0, 16, 73


@pytest.fixture(scope="module")
def synth() -> Iterator[Synth]:
    with Synth(font_or_skip(), RATE) as opened:
        yield opened


def font_or_skip() -> str:
    """The smallest soundfont here, or a skip that says what is missing."""
    try:
        import fluidsynth  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rendering is not possible here: {error}")
    here = soundfonts()
    if not here:
        pytest.skip("no General MIDI soundfont on this machine")
    return min(here, key=lambda name: here[name].stat().st_size)


def playing(*notes: NoteEvent, controls: tuple[Control, ...] = (), duration_s: float = 2.0) -> Score:
    return Score(notes, controls, duration_s, STYLE, 0.0, "melody")


def frequency_hz(samples: np.ndarray, near_hz: float) -> float:
    """The strongest frequency within a semitone of ``near_hz``: parabola through a zero-padded spectrum."""
    size = 1 << 18
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size), size))
    low, high = (int(near_hz * 2 ** (s / 12) * size / RATE) for s in (-1, 1))
    k = low + int(np.argmax(power[low:high]))
    a, b, c = np.log(power[k - 1 : k + 2])
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / size


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize(("program", "pitch"), [(FLUTE, 69), (PIANO, 57), (42, 48)])
def test_a_note_has_the_pitch_it_is_labelled_with(synth, program, pitch):
    sound = synth.render(playing(NoteEvent(0.1, 1.9, pitch, 90)), program)
    wanted = 440.0 * 2 ** ((pitch - 69) / 12)
    cents = 1200 * np.log2(frequency_hz(sound[RATE // 2 : 3 * RATE // 2], wanted) / wanted)
    assert abs(cents) < 15  # soundfonts are tuned by ear


@pytest.mark.parametrize("bend", [-30.0, 12.0, 30.0])
def test_a_detuned_piece_is_off_by_the_cents_asked_for(synth, bend):
    note = NoteEvent(0.1, 1.9, 69, 90)
    straight, bent = (
        frequency_hz(synth.render(playing(note, controls=controls), PIANO)[RATE // 2 :], 440.0)
        for controls in ((), (Control(0.0, "bend", bend),))
    )
    # FluidSynth's pitch has steps of one cent.
    assert 1200 * np.log2(bent / straight) == pytest.approx(bend, abs=1.2)


@pytest.mark.parametrize("onset_s", [0.1, 0.1234, 0.5011])
def test_sound_begins_at_the_block_of_the_onset_and_not_before(synth, onset_s):
    score = synth.grid(playing(NoteEvent(onset_s, 1.5, 60, 100)))
    at = score.notes[0].onset_s * RATE
    assert at == pytest.approx(round(at), abs=1e-6)
    assert round(at) % BLOCK_SAMPLES == 0
    assert abs(score.notes[0].onset_s - onset_s) <= BLOCK_SAMPLES / RATE / 2
    sound = synth.render(playing(NoteEvent(onset_s, 1.5, 60, 100)), ORGAN)
    first = np.flatnonzero(sound)[0]
    assert round(at) <= first < round(at) + 0.005 * RATE


def test_release_pedal_loudness_and_expression_are_heard(synth):
    late = slice(round(1.2 * RATE), None)
    short = NoteEvent(0.1, 0.4, 60, 100)
    pedal = (Control(0.0, "pedal", 127.0),)
    released = synth.render(playing(short), PIANO)
    held = synth.render(playing(short, controls=pedal), PIANO)
    assert rms(held[late]) > 10 * rms(released[late])
    soft = synth.render(playing(NoteEvent(0.1, 0.4, 60, 40)), PIANO)
    assert rms(released) > 2 * rms(soft)
    quiet = (Control(0.0, "expression", 40.0),)
    organ = playing(NoteEvent(0.1, 1.9, 60, 100))
    assert rms(synth.render(organ, ORGAN)) > 2 * rms(
        synth.render(playing(*organ.notes, controls=quiet), ORGAN)
    )


def test_a_repeated_pitch_is_struck_again(synth):
    once = synth.render(playing(NoteEvent(0.1, 1.9, 60, 100)), PIANO)
    twice = synth.render(playing(NoteEvent(0.1, 1.0, 60, 100), NoteEvent(1.0, 1.9, 60, 100)), PIANO)
    after = slice(RATE, round(1.2 * RATE))
    assert rms(twice[after]) > 1.3 * rms(once[after])


def test_a_stem_does_not_depend_on_what_was_rendered_before(synth):
    a, b = (music.compose(ORCHESTRA["violin"], np.random.default_rng(seed), 4.0) for seed in (1, 2))
    first = synth.render(a, 40, reverb=ROOM, chorus=CHORUS)
    synth.render(b, 52, reverb=ROOM, chorus=CHORUS, gain=1.0)
    synth.render(music.compose(ORCHESTRA["drums"], np.random.default_rng(3), 4.0), 0, KIT_BANK)
    np.testing.assert_array_equal(synth.render(a, 40, reverb=ROOM, chorus=CHORUS), first)
    with Synth(synth.path, RATE) as fresh:
        np.testing.assert_array_equal(fresh.render(a, 40, reverb=ROOM, chorus=CHORUS), first)
    assert rms(first) > 0.001


def test_rooms_ring_on_and_differ(synth):
    score = playing(NoteEvent(0.1, 0.3, 72, 110))
    dry, wet = synth.render(score, ORGAN), synth.render(score, ORGAN, reverb=ROOM)
    late = slice(round(0.8 * RATE), RATE)
    assert rms(wet[late]) > 10 * rms(dry[late])
    assert not np.array_equal(synth.render(score, ORGAN, chorus=CHORUS), dry)


@pytest.mark.parametrize(("rate", "duration_s"), [(8_000, 1.0), (22_050, 1.2345), (48_000, 1.00001)])
def test_the_length_is_exact_at_any_rate(rate, duration_s):
    with Synth(font_or_skip(), rate) as opened:
        sound = opened.render(playing(NoteEvent(0.1, 0.9, 60, 90), duration_s=duration_s), FLUTE)
    assert sound.shape == (round(duration_s * rate),)
    assert sound.dtype == np.float32
    assert rms(sound) > 0.001


def test_gain_scales_and_nothing_is_clipped(synth):
    score = playing(*(NoteEvent(0.1, 1.9, pitch, 127) for pitch in range(48, 72)))
    low, high = synth.render(score, ORGAN, gain=0.4), synth.render(score, ORGAN, gain=4.0)
    np.testing.assert_allclose(high, 10 * low, rtol=1e-3, atol=1e-4)
    assert np.abs(high).max() > 1.0


def test_wrong_values_are_refused(synth):
    score = playing(NoteEvent(0.1, 0.9, 60, 90))
    with pytest.raises(UsageError, match=r"gain=0 must lie in \(0, 10\]"):
        synth.render(score, PIANO, gain=0)
    with pytest.raises(UsageError, match=r"no program 200 in bank 0. It has: 0, 1"):
        synth.render(score, 200)
    with pytest.raises(UsageError, match=r"synth\.reverb\.level=7 is out of the range"):
        synth.render(score, PIANO, reverb=Reverb(0.5, 0.5, 50, 7.0, 60))
    with pytest.raises(UsageError, match=r"sample_rate=100 must lie in 8000\.\.96000"):
        Synth(synth.path, 100)
    with pytest.raises(UnknownName, match="unknown control 'wobble'"):
        synth.render(playing(controls=(Control(0.0, "wobble", 1.0),)), PIANO)


def test_an_instrument_keeps_the_programs_that_the_font_has(synth):
    drums = ORCHESTRA["drums"]
    assert synth.fitted(drums) is drums
    lacking = Program(99, 1.0, 35, 81)
    assert synth.program_name(lacking.number, drums.bank) is None
    assert synth.fitted(replace(drums, programs=(lacking, *drums.programs))) == drums
    with pytest.raises(
        UsageError, match=r"has nothing for drums \(program 99 in bank 128\): leave it out of"
    ):
        synth.fitted(replace(drums, programs=(lacking,)))


def test_fonts_that_are_not_here_say_what_to_install(tmp_path, monkeypatch):
    with pytest.raises(UnknownName, match=r"unknown soundfont 'fluid'\. Did you mean 'fluidr3'"):
        soundfont("fluid")
    with pytest.raises(UsageError, match=r"no soundfont at .*nowhere\.sf2"):
        soundfont(tmp_path / "nowhere.sf2")
    monkeypatch.setattr(synth_module, "FOLDERS", (tmp_path,))
    assert soundfonts() == {}
    with pytest.raises(NoSynthesizer, match="apt install fluid-soundfont-gm"):
        soundfont("fluidr3")
    (tmp_path / "FluidR3_GM.sf2").write_bytes(b"")
    assert soundfont("fluidr3") == ("fluidr3", tmp_path / "FluidR3_GM.sf2")


def test_a_file_that_is_no_soundfont_is_refused(tmp_path):
    font_or_skip()
    (tmp_path / "text.sf2").write_text("not a soundfont")
    with pytest.raises(UsageError, match=r"text\.sf2 is not a soundfont"):
        Synth(tmp_path / "text.sf2")


def test_a_missing_package_and_a_missing_library_say_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "any.sf2").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(UsageError, match=r"rendering needs .*pip install 'sonoscope\[render\]'"):
        Synth(tmp_path / "any.sf2")
    monkeypatch.delitem(sys.modules, "fluidsynth")
    (tmp_path / "fluidsynth.py").write_text('raise ImportError("Couldn\'t find the FluidSynth library.")')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoSynthesizer, match=r"FluidSynth library.*apt install libfluidsynth3"):
        Synth(tmp_path / "any.sf2")
