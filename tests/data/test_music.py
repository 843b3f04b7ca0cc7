"""Scores: what a player could play, drawn reproducibly, and never the same bar twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sonoscope import labels
from sonoscope.data.rendering import music, orchestra
from sonoscope.data.rendering.drumming import DRUMMING
from sonoscope.data.rendering.music import Control, NoteEvent, Score
from sonoscope.data.rendering.orchestra import ORCHESTRA, TEXTURES
from sonoscope.data.rendering.style import CELLS, SCALES, Style, rhythm
from sonoscope.data.rendering.textures import PITCHED
from sonoscope.errors import UnknownName

FLUTE = ORCHESTRA["flute"]
STYLE = Style(
    tempo=120, beats_per_bar=4, bars=4, root=0, scale=SCALES["major"], low=48, high=72, harmony=(0, 3, 4, 0),
    rest=0.0, busy=0.5,
)  # fmt: skip


def score_of(*notes: tuple[float, float, int], controls: tuple[Control, ...] = ()) -> Score:
    """Ten seconds with these notes (onset, offset, pitch)."""
    return Score(tuple(NoteEvent(a, b, p, 80) for a, b, p in notes), controls, 10.0, STYLE, 0.0, "melody")


def test_the_same_seed_gives_the_same_score_and_another_seed_another():
    for name in ("piano", "violin", "drums"):
        first, again, other = (
            music.compose(ORCHESTRA[name], np.random.default_rng(seed), 11.0) for seed in (3, 3, 4)
        )
        assert first == again
        assert first.notes != other.notes


@pytest.mark.parametrize("name", ORCHESTRA)
def test_every_texture_of_every_instrument_can_be_played(name):
    instrument = ORCHESTRA[name]
    for seed, texture in enumerate([*TEXTURES[instrument.family]] * 2):
        program = instrument.program_for(seed)
        rng = np.random.default_rng([seed, 9])
        score = music.compose(instrument, rng, 8.0, program=program, texture=texture)
        assert score.notes, f"an empty piece: {texture}"
        assert list(score.controls) == sorted(score.controls)
        before, until = 0.0, dict[int, float]()
        for note in score.notes:
            assert before <= note.onset_s < note.offset_s <= 8.0
            assert program.low <= note.pitch <= program.high
            assert 1 <= note.velocity <= 127
            assert note.onset_s >= until.get(note.pitch, 0.0), "a pitch struck while it sounds"
            before, until[note.pitch] = note.onset_s, note.offset_s


def test_controls_are_in_their_ranges_and_only_where_they_are_heard():
    kinds: dict[str, Counter] = {name: Counter() for name in ("piano", "violin", "marimba", "drums")}
    for name, seen in kinds.items():
        for seed in range(40):
            score = music.compose(ORCHESTRA[name], np.random.default_rng(seed), 6.0)
            for control in score.controls:
                seen[control.kind] += 1
                low, high = (-30, 30) if control.kind == "bend" else (0, 127)
                assert low <= control.value <= high
    assert set(kinds["violin"]) == {"bend", "vibrato", "expression"}
    assert set(kinds["piano"]) == {"bend", "pedal"}
    assert set(kinds["marimba"]) == {"bend"}
    assert not kinds["drums"]


def test_no_two_of_600_pieces_share_a_bar():
    seen: dict[str, str] = {}
    names = list(ORCHESTRA)
    for index in range(600):
        name = names[index % len(names)]
        rng = np.random.default_rng([11, index])
        for bar in music.bars(music.compose(ORCHESTRA[name], rng, 11.0)):
            assert bar not in seen, f"{name} {index} plays a bar of {seen[bar]}"
            seen[bar] = f"{name} {index}"
    assert len(seen) > 2400


def test_bars_tells_equal_bars_from_different_ones():
    # 120 beats a minute in 4/4: a bar lasts 2 s.
    one = score_of((0.0, 0.5, 60), (1.0, 1.5, 64))
    assert len(music.bars(one)) == 1
    assert music.bars(score_of((2.0, 2.5, 60), (3.0, 3.5, 64))) == music.bars(one), "the same bar, one later"
    louder = replace(one, notes=tuple(replace(note, velocity=120) for note in one.notes))
    assert music.bars(louder) == music.bars(one), "the same bar, louder"
    for other in (
        score_of((0.0, 0.5, 60), (1.0, 1.5, 65)),
        score_of((0.0, 0.5, 60), (1.05, 1.5, 64)),
        score_of((0.0, 0.7, 60), (1.0, 1.5, 64)),
        score_of((0.0, 0.5, 60)),
    ):
        assert music.bars(other).isdisjoint(music.bars(one))
    assert len(music.bars(score_of((0.0, 0.5, 60), (2.0, 2.5, 60)))) == 1, "one bar played twice"
    assert music.bars(score_of()) == frozenset()


def test_the_pedal_prolongs_until_it_rises_or_the_pitch_is_struck_again():
    pedal = (Control(0.5, "pedal", 127), Control(2.0, "pedal", 0), Control(8.0, "pedal", 127))
    score = score_of(
        (0.1, 0.3, 50),  # released before the pedal goes down
        (0.4, 1.0, 60),  # released under the pedal
        (1.2, 1.4, 64), (1.6, 2.5, 64),  # struck again under the pedal; then held longer than it
        (9.0, 9.5, 70),  # the pedal stays down
        controls=pedal,
    )  # fmt: skip
    heard = [note.offset_s for note in music.sounding(score)]
    assert heard == pytest.approx([0.3, 2.0, 1.6 - music.REPEAT_GAP_S, 2.5, 10.0])
    assert [note.onset_s for note in music.sounding(score)] == [0.1, 0.4, 1.2, 1.6, 9.0]
    assert music.sounding(replace(score, controls=())) == score.notes


def test_melodies_stay_in_their_scale():
    for seed in range(20):
        score = music.compose(ORCHESTRA["flute"], np.random.default_rng(seed), 11.0, texture="melody")
        used = {(note.pitch - score.style.root) % 12 for note in score.notes}
        assert used <= set(score.style.scale)


def test_tempo_metre_and_legato_vary_over_the_whole_range():
    scores = [
        music.compose(ORCHESTRA["violin"], np.random.default_rng(seed), 11.0, texture="melody")
        for seed in range(200)
    ]
    tempos = np.array([score.style.tempo for score in scores])
    assert tempos.min() >= 60
    assert tempos.max() <= 180
    assert np.ptp(tempos) > 100
    assert {score.style.beats_per_bar for score in scores} == {2, 3, 4, 5}
    assert {score.style.scale for score in scores} == set(SCALES.values())
    assert len(SCALES) == 8


def test_players_of_one_piece_share_tempo_key_and_harmony():
    rng = np.random.default_rng(5)
    first = music.compose(ORCHESTRA["piano"], rng, 11.0, tempo=100.0)
    second = music.compose(ORCHESTRA["bass"], rng, 11.0, along=first, texture="walking")
    assert first.style.tempo == 100.0
    for name in ("tempo", "beats_per_bar", "bars", "root", "scale", "harmony"):
        assert getattr(second.style, name) == getattr(first.style, name)
    assert second.start_s == first.start_s
    beat = 60 / 100.0
    late = [(note.onset_s - first.start_s) / beat % 1 for note in second.notes]
    # Walking: on the beat, or a triplet before it, give or take a player's jitter.
    assert all(min(x, 1 - x, abs(x - 2 / 3)) < 0.12 for x in late)


def test_strummed_strings_sound_one_after_another():
    score = music.compose(ORCHESTRA["acoustic_guitar"], np.random.default_rng(1), 11.0, texture="strum")
    onsets = [note.onset_s for note in score.notes]
    gaps = np.diff(onsets)
    within = gaps[gaps < 0.06]
    assert within.size > len(onsets) / 3
    assert np.median(within) > 0.003


def test_a_drummer_plays_more_than_one_voice_and_repeats_a_groove():
    score = music.compose(ORCHESTRA["drums"], np.random.default_rng(2), 11.0, texture="groove")
    counts = Counter(note.pitch for note in score.notes)
    assert counts[42] > 8, "the hi-hat"
    assert len(counts) >= 4
    hand = music.compose(ORCHESTRA["drums"], np.random.default_rng(2), 11.0, texture="percussion")
    assert not {35, 36, 38, 40, 42} & {note.pitch for note in hand.notes}


def test_rhythm_fills_what_it_is_given():
    assert len(CELLS) >= 14
    for cell, _ in CELLS:
        assert sum(cell) == pytest.approx(1.0) or sum(cell) == pytest.approx(2.0)
    for seed in range(50):
        cells = list(rhythm(STYLE, np.random.default_rng(seed), 5))
        assert cells[0][0] == 0.0
        ends = [at + length for at, length in cells]
        np.testing.assert_allclose([at for at, _ in cells[1:]], ends[:-1], atol=1e-9)
        assert ends[-1] == pytest.approx(5.0)


def test_every_class_has_players_and_no_program_two_of_them():
    taught = {instrument.label for instrument in ORCHESTRA.values()}
    assert taught == {label.id for label in labels.INSTRUMENTS}
    owners = Counter((it.bank, p.number) for it in ORCHESTRA.values() for p in it.programs)
    assert max(owners.values()) == 1
    for label in labels.INSTRUMENTS:
        if label.gm_program is not None:
            own = {p.number for it in orchestra.labelled(label.id) for p in it.programs}
            assert label.gm_program in own
    for instrument in ORCHESTRA.values():
        table = DRUMMING if instrument.is_kit else PITCHED
        assert set(TEXTURES[instrument.family]) <= set(table)
        for program in instrument.programs:
            assert 0 <= program.low < program.high <= 127
            assert program.weight > 0
            assert instrument.program(program.number) is program


def test_programs_are_given_in_proportion_whatever_follows():
    violin = ORCHESTRA["violin"]
    given = [violin.program_for(index).number for index in range(120)]
    assert Counter(given) == {40: 100, 44: 10, 45: 10}
    assert given[0] == 40


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: music.compose(FLUTE, r, 0.5), ValueError, "duration_s=0.5 must be at least 1"),
        (lambda r: music.compose(FLUTE, r, 5, texture="strum"), ValueError, "texture='strum'.*melody"),
        (lambda r: music.compose(FLUTE, r, 5, tempo=1), ValueError, "tempo=1 must lie in 20..300"),
        (lambda r: orchestra.find("violn"), UnknownName, r"instrument 'violn'. Did you mean 'violin'"),
        (lambda r: FLUTE.program(41), UnknownName, "unknown program of flute '41'"),
    ],
)
def test_wrong_calls_say_what_is_right(call, error, message, rng):
    with pytest.raises(error, match=message):
        call(rng)
