"""Compositions from MIDI files: what is read, what an excerpt keeps, and that the sound has the notes."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from sonoscope.data.rendering import compositions, music, orchestra
from sonoscope.data.rows import BadManifest
from sonoscope.errors import UsageError


@pytest.fixture
def scale(tmp_path: Path) -> Path:
    """Forty quarter notes at 120 a minute, a pedal, a drum, and a note that is struck again while held."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    track.append(mido.Message("control_change", control=64, value=127))
    track.append(mido.Message("note_on", channel=9, note=38, velocity=100))
    for k in range(40):
        track.append(mido.Message("note_on", note=60 + k % 12, velocity=80))
        track.append(mido.Message("note_off", note=60 + k % 12, time=480))
    track.append(mido.Message("control_change", control=64, value=0))
    track += [
        mido.Message("note_on", note=50, velocity=70),
        mido.Message("note_on", note=50, velocity=75, time=480),
        mido.Message("note_on", note=50, velocity=0, time=480),
        mido.Message("note_on", note=50, velocity=0, time=480),
    ]
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(tmp_path / "scale.mid")
    return tmp_path / "scale.mid"


def test_notes_are_read_at_the_file_s_tempo_without_drums(scale: Path) -> None:
    score = compositions.read_midi(scale)
    assert [n.pitch for n in score.notes[:13]] == [*range(60, 72), 60]
    np.testing.assert_allclose([n.onset_s for n in score.notes[:40]], np.arange(40) * 0.5)
    assert 38 not in {n.pitch for n in score.notes}
    assert [(c.time_s, c.value) for c in score.controls] == [(0.0, 127.0), (20.0, 0.0)]


def test_a_note_that_is_struck_again_ends_before(scale: Path) -> None:
    first, second = [n for n in compositions.read_midi(scale).notes if n.pitch == 50]
    assert first.offset_s == pytest.approx(second.onset_s - music.REPEAT_GAP_S)
    assert (first.onset_s, second.onset_s, second.offset_s) == (20.0, 20.5, 21.5)


def test_an_excerpt_is_the_composition_at_another_pace(scale: Path) -> None:
    score, piano = compositions.read_midi(scale), orchestra.find("piano")
    for seed in range(8):
        part = compositions.arrange(score, piano, 0, np.random.default_rng(seed), 8.0)
        assert part.duration_s == 8.0 and part.notes
        assert all(0 <= n.onset_s < n.offset_s <= 8.0 + 1e-9 and 12 <= n.velocity <= 127 for n in part.notes)
        steps = np.diff([n.onset_s for n in part.notes if n.pitch != 50])
        assert steps.min() >= 0.8 * 0.5 - 1e-6 and steps.max() <= 1.25 * 0.5 + 1e-6
        pitches = [n.pitch for n in part.notes if n.pitch != 50]
        assert set(np.diff(pitches).tolist()) <= {1, -11}
        assert part.controls[-1].value == 0.0 or part.controls[-1].kind != "pedal"


def test_what_an_instrument_cannot_play_is_left_out(scale: Path) -> None:
    score, tuba = compositions.read_midi(scale), orchestra.find("tuba")
    part = compositions.arrange(score, tuba, 58, np.random.default_rng(0), 30.0)
    assert {n.pitch for n in part.notes} <= set(range(28, 59))
    with pytest.raises(UsageError, match="no note lies in the range 79"):
        compositions.arrange(score, orchestra.find("glockenspiel"), 9, np.random.default_rng(0), 8.0)


def test_files_that_cannot_be_played_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_bytes(b"no midi")
    with pytest.raises(BadManifest, match=r"bad\.mid cannot be read as MIDI"):
        compositions.read_midi(tmp_path / "bad.mid")
    empty = mido.MidiFile()
    empty.save(tmp_path / "empty.mid")
    with pytest.raises(BadManifest, match="no pitched notes"):
        compositions.read_midi(tmp_path / "empty.mid")
