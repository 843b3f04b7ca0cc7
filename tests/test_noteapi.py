"""Notes in Python: the numbers of the command, other rules without the sound, and every way of writing them."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope.errors import UnreadableAudio, UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.noteapi import NoteModel, NoteResult

RATE = 24_000
MELODY = [(0.3, 0.9, 60), (0.9, 1.5, 64), (1.5, 2.4, 67), (1.5, 2.4, 79)]


@pytest.fixture(scope="module")
def model(notes: Bundle) -> NoteModel:
    return sonoscope.load(notes.path)


@pytest.fixture(scope="module")
def samples(tones: Callable[..., np.ndarray]) -> np.ndarray:
    return tones(MELODY, 2.6, RATE)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    file = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(file, samples, RATE, subtype="FLOAT")
    return file


@pytest.fixture(scope="module")
def result(model: NoteModel, song: Path) -> NoteResult:
    return model.analyze(song)


def pitches(result: NoteResult) -> list[float | None]:
    return [note.pitch for note in result.notes]


def test_a_model_of_notes(model):
    assert isinstance(model, NoteModel) and repr(model) == "NoteModel('notes', A0..C8, hop=0.02 s)"
    assert (model.sample_rate, model.hop, len(model.labels)) == (RATE, 0.02, 88)


def test_the_notes_of_a_file(result, song):
    assert sorted(pitches(result)) == [60, 64, 67, 79] and result.events == result.notes
    assert (result.file, result.path, result.duration) == ("song.wav", str(song), 2.6)
    assert (result.source_rate, result.channels, result.note, result.cents) == (RATE, 1, "", 0.0)
    assert repr(result) == "NoteResult('song.wav', 4 notes in 2.6 s)"


def test_an_array_gives_the_same(model, samples, result):
    assert model.analyze(samples, sample_rate=RATE).notes == result.notes
    stereo = np.column_stack([np.zeros_like(samples), samples])
    second = model.analyze(stereo, sample_rate=RATE, channel=2)
    assert pitches(second) == pitches(result) and {note.channel for note in second.notes} == {2}
    assert sonoscope.analyze(samples, str(model.bundle.path), sample_rate=RATE).notes == result.notes


def test_the_command_writes_the_same(model, result, song, tmp_path):
    from sonoscope import runs

    spec = runs.RunSpec(
        (str(song),), str(tmp_path / "out"), (str(model.bundle.path),), ("csv", "midi", "notes", "jams")
    )
    runs.run(spec)
    for name, ending in (("csv", "events.csv"), ("midi", "mid"), ("notes", "notes.csv"), ("jams", "jams")):
        result.write(tmp_path / "one", name)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "out" / f"song.wav.{ending}").read_bytes()


def test_deciding_again_needs_no_sound(model, result, song):
    assert pitches(result.decide(low="E4", high=70)) == [64, 67]
    assert pitches(result.decide(mono=True)) != pitches(result)
    assert pitches(result.decide(pitch_classes=True)) == [60, 64, 67]
    assert (
        result.decide(onset=0.6, min_length=0.2).notes == model.analyze(song, onset=0.6, min_length=0.2).notes
    )
    assert result.decide().notes == result.notes
    with pytest.raises(UsageError, match="onset=0 must lie in"):
        result.decide(onset=0.0)


def test_a_result_that_nobody_has_any_more_is_closed(model, samples):
    result = model.analyze(samples, sample_rate=RATE)
    again = result.decide(onset=0.9)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del result
        gc.collect()
        assert again.scores is not None, "what was made of it still needs it"
        del again
        gc.collect()
    assert not [str(each.message) for each in told if issubclass(each.category, ResourceWarning)]


def test_scores(result):
    scores = result.scores
    assert scores.onset.shape == (130, 88) and scores.velocity is not None and scores.lowest == 21
    assert sum(len(block) for block in result.score_blocks()) == 130
    assert scores.sustain[:, 67 - 21].max() > 0.5


def test_nothing_was_played(model):
    nothing = model.analyze(np.zeros(0, np.float32), sample_rate=RATE)
    assert nothing.notes == () and nothing.scores.onset.shape == (0, 88) and nothing.tempo() is None


def test_writing(result, tmp_path):
    result.to_midi(tmp_path / "a.mid", tempo=90)
    midi = mido.MidiFile(tmp_path / "a.mid")
    assert midi.length == pytest.approx(2.4, abs=0.1)
    result.to_csv(tmp_path / "a.csv")
    result.to_csv(tmp_path / "a.notes.csv")
    assert (tmp_path / "a.csv").read_text().startswith("file,start,end,label,score,channel,low_hz")
    assert (tmp_path / "a.notes.csv").read_text().startswith("onset,offset,pitch")
    result.write(tmp_path / "b.midi", tempo="auto")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.csv", "a.mid", "a.notes.csv", "b.midi"]
    with pytest.raises(UsageError, match="tempo 2 must lie in"):
        result.to_midi(tmp_path / "c.mid", tempo=2)
    assert not (tmp_path / "c.mid").exists()


def test_sound(model, samples, result, tmp_path):
    for how, channels in (("stereo", 2), ("mixed", 1), ("notes", 1)):
        result.to_wav(tmp_path / "a.wav", how)
        info = soundfile.info(tmp_path / "a.wav")
        assert (info.channels, info.frames, info.samplerate) == (channels, round(2.6 * RATE), RATE)
    of_array = model.analyze(samples, sample_rate=RATE)
    with pytest.raises(UsageError, match="this was an array: how='notes'"):
        of_array.to_wav(tmp_path / "b.wav")
    of_array.to_wav(tmp_path / "b.wav", "notes")


def test_pictures(result, tmp_path):
    drawn = result.plot(tmp_path / "a.svg")
    assert drawn._repr_svg_().startswith("<svg") and (tmp_path / "a.svg").read_text() == drawn
    assert "characters of SVG" in repr(result.plot())
    with pytest.raises(UsageError, match=r"written as \.svg or \.png"):
        result.plot(tmp_path / "a.pdf")
    pytest.importorskip("matplotlib")
    result.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_tables(result):
    pytest.importorskip("pandas")
    table = result.to_dataframe()
    assert sorted(table["pitch"]) == [60, 64, 67, 79] and table.columns[0] == "start"


def test_instruments_are_guessed(result, song):
    heard = sonoscope.load("instruments").analyze(song)
    guessed = result.by_instrument(heard)
    assert pitches(guessed) == pitches(result) and all(note.flags == "guess" for note in guessed.notes)
    assert {note.label for note in guessed.notes} <= set(heard.scores.labels)


def test_what_is_refused(model, samples, song, tmp_path):
    with pytest.raises(ValueError, match="an array needs sample_rate"):
        model.analyze(samples)
    with pytest.raises(ValueError, match="is for arrays"):
        model.analyze(song, sample_rate=RATE)
    with pytest.raises(UsageError, match="tuning=99 must lie in"):
        model.analyze(song, tuning=99)
    (tmp_path / "bad.wav").write_text("text")
    with pytest.raises(UnreadableAudio):
        model.analyze(tmp_path / "bad.wav")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"onset": "0.5"}, "onset='0.5' must be a number$"),
        ({"min_length": "1"}, "min_length='1' must be a number$"),
        ({"low": 40.5}, "low=40.5 must be a whole number or text$"),
        ({"mono": "no"}, "mono='no' must be true or false$"),
        ({"tuning": "flat"}, "tuning='flat' must be a number or auto$"),
        ({"tuning": None}, "tuning=None must be a number or auto$"),
        ({"channel": "1"}, "channel='1' must be a whole number$"),
    ],
)
def test_options_of_another_kind_are_refused_before_the_sound_is_looked_at(model, options, message):
    with pytest.raises(UsageError, match=message):
        model.analyze("nowhere.wav", **options)


def test_other_calls_refuse_them_too(model, result, tmp_path):
    with pytest.raises(UsageError, match="onset='x' must be a number"):
        result.decide(onset="x")
    with pytest.raises(UsageError, match="tempo='fast' must be a number or auto"):
        result.to_midi(tmp_path / "a.mid", tempo="fast")
    with pytest.raises(UsageError, match="delay='1' must be a number"):
        model.stream(iter([]), sample_rate=RATE, delay="1")


def test_what_a_prompt_shows_of_scores_is_one_line(result):
    frames = len(result.scores.onset)
    assert (
        repr(result.scores) == f"NoteScores({frames} frames, 88 pitches, {frames * result.scores.hop_s:g} s)"
    )
