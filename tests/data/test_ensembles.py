"""Scores for several players: parts stay together, labels are where the sound is."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from sonoscope.data.mix.notemix import read_notes
from sonoscope.data.rendering import compositions, ensembles, octaves, orchestra
from sonoscope.data.rendering.synth import Synth, soundfonts

fonts = pytest.mark.skipif("fluidr3" not in soundfonts(), reason="needs FluidSynth and fluid-soundfont-gm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts, a third apart, a note every half second."""
    made = tmp_path_factory.mktemp("corpus") / "piece"
    made.mkdir()
    for number, lowest in enumerate((72, 48)):
        track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
        for k in range(40):
            pitch = lowest + (0, 2, 4, 5, 7)[k % 5]
            track.append(mido.Message("note_on", note=pitch, velocity=80, time=0))
            track.append(mido.Message("note_off", note=pitch, velocity=0, time=480))
        file = mido.MidiFile(ticks_per_beat=480)
        file.tracks.append(track)
        file.save(str(made / f"piece-{number}.mid"))
    return made


def test_parts_of_an_excerpt_stay_together(folder: Path) -> None:
    parts = [compositions.read_midi(file) for file in sorted(folder.glob("*.mid"))]
    for seed in range(5):
        high, low = ensembles.excerpt(parts, np.random.default_rng(seed), 5.0)
        starts = np.array([n.onset_s for n in high.notes])
        assert len(starts) >= 4
        for note in low.notes:
            nearest = high.notes[int(np.argmin(np.abs(starts - note.onset_s)))]
            if abs(nearest.onset_s - note.onset_s) < 0.1:
                assert nearest.pitch - note.pitch == 24
        # Where an excerpt is cut, one of the two may lie just outside.
        inner = starts[(starts > 0.1) & (starts < 4.8)]
        assert np.abs(inner[:, None] - [n.onset_s for n in low.notes]).min(axis=1).max() < 0.09
        assert all(0 <= n.onset_s < n.offset_s <= 5.0 for n in (*high.notes, *low.notes))


@fonts
def test_an_ensemble_is_rendered_once_with_its_notes(folder: Path, tmp_path: Path) -> None:
    palettes = {"pair": [orchestra.find("flute"), orchestra.find("cello")]}
    (sound,) = ensembles.render_ensembles(tmp_path, [folder], palettes, soundfont="fluidr3", duration_s=4.0)
    notes = read_notes(sound.with_suffix(".notes.csv"))
    assert {48, 72} & set(notes[:, 2].astype(int))
    assert sound.name == "piece-pair.flac"
    before = sound.stat().st_mtime_ns
    again = ensembles.render_ensembles(tmp_path, [folder], palettes, soundfont="fluidr3", duration_s=4.0)
    assert again == [sound]
    assert sound.stat().st_mtime_ns == before


@fonts
def test_drawbar_organs_of_the_font_are_heard_an_octave_below_their_keys() -> None:
    with Synth("fluidr3") as synth:
        assert octaves.heard(synth, 16, 60) == -12
        assert octaves.heard(synth, 19, 60) == 0
        assert octaves.heard(synth, 31, 60) == 24  # guitar harmonics
        assert octaves.heard(synth, 0, 60) == 0
