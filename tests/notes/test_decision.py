"""Wishes about notes, and the notes that follow; instruments guessed for them."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope import scores as score_tables
from sonoscope.errors import UsageError
from sonoscope.labels import PITCHES, midi_of, pitch_name
from sonoscope.notes import tracks
from sonoscope.notes.decision import NoteDecision, decided, notes_of
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores
from sonoscope.values import Event, Scores

OWN = NoteRules(onset=0.4, onset_low=0.1, sustain=0.5, sustain_low=0.25)


def scores(*notes: tuple[int, int, int], n_frames: int = 60, chance: float = 0.9) -> NoteScores:
    """Notes as first frame, last frame and pitch."""
    onset, sustain = np.zeros((n_frames, 88), np.float32), np.zeros((n_frames, 88), np.float32)
    for first, last, pitch in notes:
        onset[first, pitch - 21], sustain[first:last, pitch - 21] = chance, chance
    return NoteScores(onset, sustain, 0.02)


def pitches(found: list[Event]) -> list[float | None]:
    return [note.pitch for note in found]


def test_without_wishes_the_models_own_rules_hold() -> None:
    assert decided(OWN) == NoteDecision(OWN, False)


def test_lower_thresholds_keep_their_ratio() -> None:
    rules = decided(OWN, onset=0.8, sustain=0.2).rules
    assert (rules.onset, rules.onset_low, rules.sustain, rules.sustain_low) == (0.8, 0.2, 0.2, 0.1)


def test_all_wishes() -> None:
    found = decided(OWN, min_length_s=0.2, lowest=40, highest=80, mono=True, pitch_classes=True)
    rules = found.rules
    assert (rules.min_length_s, rules.lowest, rules.highest, rules.mono) == (0.2, 40, 80, True)
    assert found.pitch_classes


def test_one_voice_slides_into_notes() -> None:
    strict = NoteRules(soft_length_s=None)
    assert decided(strict).rules.soft_length_s is None
    assert decided(strict, mono=True).rules.soft_length_s == 0.12
    assert decided(NoteRules(soft_length_s=0.3), mono=True).rules.soft_length_s == 0.3
    sung = scores((5, 30, 60))
    sung.sustain[30:50, 62 - 21] = 0.9  # a glide: nothing begins
    assert pitches(notes_of([sung], decided(strict), duration_s=1.2)) == [60.0]
    slid = notes_of([sung], decided(strict, mono=True), duration_s=1.2)
    assert pitches(slid) == [60.0, 62.0] and slid[1].flags == "soft"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"onset": 0.01}, r"onset=0\.01 must lie in 0\.02\.\.1"),
        ({"sustain": 1.5}, r"sustain=1\.5 must lie in"),
        ({"min_length_s": -1.0}, "min_length_s=-1.0 must be a number of seconds"),
        ({"lowest": 60, "highest": 50}, "pitches from 60 to 50"),
    ],
)
def test_wishes_out_of_range(wish: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decided(OWN, **wish)


def test_notes_have_the_range_of_their_key_and_the_channel() -> None:
    [note] = notes_of([scores((5, 30, 69))], NoteDecision(OWN), duration_s=1.2, channel=2)
    assert (note.pitch, note.channel, note.label, note.flags) == (69.0, 2, "note", "")
    assert (note.low_hz, note.high_hz) == (427.474, 452.893) == (PITCHES[69].low_hz, PITCHES[69].high_hz)
    [sharp] = notes_of([scores((5, 30, 69))], NoteDecision(OWN), duration_s=1.2, cents=50.0)
    assert (sharp.low_hz, sharp.high_hz) == (440.0, 466.164)


def test_blocks_and_duration() -> None:
    blocks = list(scores((5, 30, 69), (40, 60, 40)).blocks(7))
    found = notes_of(blocks, NoteDecision(OWN), duration_s=1.1)
    assert found == notes_of([scores((5, 30, 69), (40, 60, 40))], NoteDecision(OWN), duration_s=1.1)
    assert found[-1].end_s == 1.1
    assert notes_of([], NoteDecision(OWN), duration_s=0.0) == []


def test_pitch_classes_fold_what_is_in_range_only() -> None:
    held = [scores((5, 30, 36), (5, 30, 72), (5, 30, 93))]
    wish = decided(OWN, pitch_classes=True, highest=80)
    [note] = notes_of(held, wish, duration_s=1.2)
    assert (note.pitch, note.flags, note.low_hz) == (60.0, "pitch_class", None)
    assert pitches(notes_of(held, decided(OWN, pitch_classes=True), duration_s=1.2)) == [60.0, 69.0]
    assert notes_of(held, decided(OWN, pitch_classes=True, lowest=50, highest=60), duration_s=1.2) == []


def test_the_range_is_a_decision() -> None:
    held = [scores((5, 30, 36), (5, 30, 72))]
    assert pitches(notes_of(held, decided(OWN, lowest=midi_of("E2")), duration_s=1.2)) == [72.0]


# ---- pitch names ---------------------------------------------------------------------------------------------------


def test_every_name_comes_back() -> None:
    assert [midi_of(pitch_name(midi)) for midi in range(128)] == list(range(128))
    assert (
        midi_of("e2") == midi_of("Fb2") == midi_of(" 40 ") == 40
        and midi_of("B#3") == 60
        and midi_of("C-1") == 0
    )


@pytest.mark.parametrize("name", ["H2", "E", "", "2E", "E2.5", "-3"])
def test_what_is_no_pitch(name: str) -> None:
    with pytest.raises(UsageError, match="is no pitch"):
        midi_of(name)


@pytest.mark.parametrize("name", ["A9", "Cb-1", "128"])
def test_pitches_that_no_file_holds(name: str) -> None:
    with pytest.raises(UsageError, match=r"is MIDI number .*; those are 0 \(C-1\) to 127 \(G9\)"):
        midi_of(name)


# ---- tracks --------------------------------------------------------------------------------------------------------

PLAYERS = ("violin", "bass", "piano", "drums")


def instruments(rows: list[tuple[float, ...]]) -> Scores:
    """A second for each row of logits."""
    logits = np.array(rows, dtype=np.float32) * 1000
    return score_tables.assemble(
        logits.astype(np.int16), np.array([[1.0, 0.0]] * len(PLAYERS)), labels=PLAYERS, sample_rate=1000,
        window_samples=1000, hop_samples=1000, n_samples=1000 * len(rows),
    )  # fmt: skip


def line(*notes: tuple[float, float, float]) -> list[Event]:
    return [Event(start, end, "note", 0.9, pitch=pitch, velocity=80) for start, end, pitch in notes]


def test_a_phrase_is_given_to_the_likeliest_that_can_play_it() -> None:
    heard = instruments([(2.0, 3.0, 0.0, 9.0)] * 4)
    found = tracks.by_instrument(line((0.1, 0.5, 76), (0.5, 1.0, 74), (0.6, 1.0, 30)), heard)
    # Drums have no pitch; a bass reaches no E5, and a violin no F#1.
    assert [note.label for note in found] == ["violin", "violin", "bass"]
    assert all(note.flags == "guess" for note in found)
    assert [note.start_s for note in found] == [0.1, 0.5, 0.6]


def test_a_note_alone_is_heard_with_its_phrase() -> None:
    """In the third second a piano is likelier, but the phrase as a whole is a violin's."""
    heard = instruments(
        [(3.0, -5.0, -3.0, 0.0)] * 2 + [(-1.0, -5.0, 0.0, 0.0)] + [(3.0, -5.0, -3.0, 0.0)] * 2
    )
    melody = line(*((0.25 * k, 0.25 * k + 0.2, 70 + k % 3) for k in range(20)))
    assert {note.label for note in tracks.by_instrument(melody, heard)} == {"violin"}


def test_phrases_end_with_a_pause() -> None:
    heard = instruments([(3.0, -5.0, -3.0, 0.0)] * 4 + [(-3.0, -5.0, 3.0, 0.0)] * 4)
    found = tracks.by_instrument(line((0.5, 1.0, 70), (6.0, 6.5, 70)), heard)
    assert [note.label for note in found] == ["violin", "piano"]


def test_what_nobody_can_play_stays_a_note() -> None:
    heard = instruments([(3.0, 0.0, -3.0, 0.0)])
    [note] = tracks.by_instrument(line((0.1, 0.5, 120)), heard)
    assert (note.label, note.flags) == ("note", "")
    no_players = score_tables.assemble(
        np.zeros((1, 1), np.int16), np.array([[1.0, 0.0]]), labels=("drums",), sample_rate=1000,
        window_samples=1000, hop_samples=1000, n_samples=1000,
    )  # fmt: skip
    assert tracks.by_instrument(line((0.1, 0.5, 60)), no_players) == line((0.1, 0.5, 60))
    assert tracks.by_instrument([], heard) == []
