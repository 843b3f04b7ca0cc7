"""The decoder against a slow one that follows the specification frame by frame, and against its promises."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sonoscope.errors import UsageError
from sonoscope.notes.decode import Decoder, decode, in_order
from sonoscope.notes.live import Live, Message
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores, concatenate
from sonoscope.values import Event

HOP_S = 0.01


def random_scores(seed: int, n_frames: int, n_pitches: int = 5, *, velocity: bool = True) -> NoteScores:
    """Scores that wander around the thresholds, with plateaus and exact ties."""
    rng = np.random.default_rng(seed)

    def table(smooth: int) -> np.ndarray:
        raw = rng.normal(size=(n_frames + smooth, n_pitches)).cumsum(axis=0)
        moved = raw[smooth:] - raw[:-smooth]
        return np.round(1 / (1 + np.exp(-moved)), int(rng.integers(1, 5))).astype(np.float32)

    onset, sustain = table(2), table(9)
    return NoteScores(onset, sustain, HOP_S, 0.005, table(3) if velocity else None, lowest=21)


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def rules() -> st.SearchStrategy[NoteRules]:
    level = st.sampled_from([0.2, 0.3, 0.5, 0.6])
    frames = st.integers(0, 5).map(lambda n: n * HOP_S)
    return st.builds(
        lambda on, off, up, down, most, least, **more: NoteRules(
            onset=max(on, off), onset_low=min(on, off), sustain=max(up, down), sustain_low=min(up, down),
            partial=most, partial_low=min(least, most), **more
        ),
        level, level, level, level, st.integers(0, 6), st.integers(0, 4),
        peak_s=frames, max_gap_s=frames, min_length_s=frames,
        soft_length_s=st.none() | frames, unsure_length_s=frames, sure=level, company=st.integers(0, 3),
        company_s=st.integers(0, 30).map(lambda n: n * HOP_S),
    )  # fmt: skip


def slow(scores: NoteScores, rules: NoteRules) -> list[Event]:
    """docs/notes.md, one pitch after the other and one frame after the other."""
    scores = slow_without_partials(scores, rules.partial_low or rules.partial, rules.partial)
    sure: list[int] = []
    for column in range(scores.n_pitches):
        sure += slow_sure(scores.onset[:, column], scores.hop_s, rules)
    found: list[Event] = []
    for column in range(scores.n_pitches):
        velocity = None if scores.velocity is None else scores.velocity[:, column]
        found += slow_pitch(scores, column, velocity, rules, sure)
    return in_order(found)


def slow_without_partials(scores: NoteScores, least: int, most: int) -> NoteScores:
    onset = scores.onset.copy()
    whole = [steps(column) for column in scores.onset.T]
    for away, column in itertools.product(range(least, most + 1) if most else (), range(scores.n_pitches)):
        for k, own in enumerate(whole[column]) if column >= away else ():
            if any(5 * below >= 4 * own for below in whole[column - away][max(k - 1, 0) : k + 1]):
                onset[k, column] = 0.0
    return replace(scores, onset=onset)


def steps(values: np.ndarray) -> list[int]:
    return [int(np.rint(np.float32(v) * np.float32(10_000))) for v in values]


def slow_sure(column: np.ndarray, hop_s: float, rules: NoteRules) -> list[int]:
    """Frames of onsets of one pitch that are sure by themselves."""
    onset, w, armed, found = steps(column), round(rules.peak_s / hop_s), True, []
    for k, value in enumerate(onset):
        armed |= value < round(rules.onset_low * 10_000)
        before, after = onset[max(k - w, 0) : k], onset[k + 1 : k + 1 + w]
        if (
            armed
            and value >= round(rules.onset * 10_000)
            and all(v < value for v in before)
            and all(v <= value for v in after)
        ):
            armed = False
            found += [k] * (value >= round(rules.sure * 10_000))
    return found


def slow_pitch(
    scores: NoteScores, column: int, velocity: np.ndarray | None, rules: NoteRules, sure: list[int]
) -> list[Event]:
    onset, sustain = steps(scores.onset[:, column]), steps(scores.sustain[:, column])
    struck = steps(velocity) if velocity is not None else None
    n, hop = len(onset), scores.hop_s
    w, gap, least = (
        round(rules.peak_s / hop),
        round(rules.max_gap_s / hop),
        round(rules.min_length_s / hop),
    )
    soft = None if rules.soft_length_s is None else max(1, round(rules.soft_length_s / hop))
    on, on_low, up, low = (
        round(v * 10_000) for v in (rules.onset, rules.onset_low, rules.sustain, rules.sustain_low)
    )

    def at(table: list[int], k: int) -> int:
        return table[k] if 0 <= k < n else 0

    notes: list[dict] = []
    note: dict | None = None
    armed = True
    free = 0.0

    def end(limit: float | None = None) -> None:
        nonlocal note, free
        assert note is not None
        last = note["last"]
        if note["sure"]:
            later = at(sustain, last + 1)
            if note["heard"]:
                fall = 1.0 if later >= low else (sustain[last] - low) / max(sustain[last] - later, 1)
            else:
                fall = 0.0
            end_s = scores.first_s + (last + fall) * hop
            if limit is not None:
                end_s = min(end_s, scores.first_s + note["cut"] * hop, limit)
            end_s, start_s = round(end_s, 6), round(max(note["start"], note["free"]), 6)
            if end_s > start_s:
                free = end_s
                notes.append(note | {"start": start_s, "end": end_s})
        note = None

    for k in range(n):
        if note and k > note["last"] + gap + 1:
            end()
        if at(onset, k) < on_low:
            armed = True
        peak = at(onset, k) >= on and all(
            at(onset, k - d) < at(onset, k) >= at(onset, k + d) for d in range(1, w + 1)
        )
        if peak and armed:
            armed = False
            a, b, c = (float(at(onset, k + d)) for d in (-1, 0, 1))
            shift = float(np.clip(0.5 * (a - c) / min(a - 2 * b + c, -1.0), -0.5, 0.5))
            start_s = scores.first_s + (k + shift) * hop
            if note:
                note["cut"] = k
                end(start_s)
            near = sum(k - round(rules.company_s / hop) <= other <= k for other in sure)
            is_sure = onset[k] >= round(rules.sure * 10_000) or near >= rules.company
            length = least if is_sure else max(least, round(rules.unsure_length_s / hop))
            note = {"k": k, "start": start_s, "soft": False, "least": length, "score": onset[k] / 10_000,
                    "last": k, "sure": False, "heard": False, "high": True, "free": free, "sum": [],
                    "velocity": onset[k] if struck is None else struck[k]}  # fmt: skip
        if at(sustain, k) >= low:
            if note is None and soft is not None:
                before = at(sustain, k - 1)
                rise = 1.0 if before >= low else (sustain[k] - low) / max(sustain[k] - before, 1)
                note = {"k": k, "start": scores.first_s + (k - rise) * hop, "soft": True, "last": k, "sure": False,
                        "heard": True, "high": False, "free": free, "sum": [],
                        "velocity": None, "least": soft}  # fmt: skip
            if note is not None:
                note["last"], note["heard"] = k, True
                note["high"] |= sustain[k] >= up
                note["sum"].append(sustain[k])
                note["sure"] |= k - note["k"] >= note["least"] and note["high"]
    if note:
        end()
    return [
        Event(
            f["start"], f["end"], "note",
            round(float(np.mean(f["sum"])) / 10_000 if f["soft"] else f["score"], 4),
            pitch=float(scores.lowest + column),
            velocity=64 if f["soft"] else min(max(round(127 * f["velocity"] / 10_000), 1), 127),
            flags="soft" if f["soft"] else "",
        )
        for f in notes
    ]  # fmt: skip


def everything(notes: list[Event]) -> list[tuple]:
    """Also what comparing events leaves out."""
    return [(n.start_s, n.end_s, n.label, n.score, n.pitch, n.velocity, n.flags) for n in notes]


@settings(deadline=None, max_examples=40)
@given(seed=seeds(), n_frames=st.integers(0, 120), rules=rules(), velocity=st.booleans())
def test_it_is_what_the_specification_says(seed, n_frames, rules, velocity):
    scores = random_scores(seed, n_frames, velocity=velocity)
    assert everything(decode(scores, rules)) == everything(slow(scores, rules))


def pushed(scores: NoteScores, rules: NoteRules, cuts: list[int]) -> list[Event]:
    decoder, found = Decoder(scores, rules), []
    edges = [0, *sorted(cuts), len(scores)]
    for first, last in itertools.pairwise(edges):
        found += decoder.push(scores.rows(first, last))
    return in_order(found + decoder.close())


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds(), rules=rules(), mono=st.booleans(), cuts=st.lists(st.integers(0, 120), max_size=12),
    shift=st.sampled_from([0.0, -0.013, 0.02]),
)  # fmt: skip
def test_in_blocks_of_any_size_it_is_the_same(seed, rules, mono, cuts, shift):
    scores = random_scores(seed, 120)
    rules = replace(rules, mono=mono, onset_shift_s=shift, end_shift_s=-shift)
    assert everything(pushed(scores, rules, cuts)) == everything(decode(scores, rules))
    assert everything(pushed(scores, rules, list(range(120)))) == everything(decode(scores, rules))


@settings(deadline=None, max_examples=25)
@given(seed=seeds(), rules=rules(), mono=st.booleans(), shift=st.sampled_from([0.0, -0.013, 0.02]))
def test_notes_are_in_order_and_those_of_a_pitch_never_overlap(seed, rules, mono, shift):
    scores = random_scores(seed, 200)
    notes = decode(scores, replace(rules, mono=mono, onset_shift_s=shift, end_shift_s=shift))
    assert notes == in_order(notes) and all(0 <= n.start_s < n.end_s for n in notes)
    for pitch in {n.pitch for n in notes}:
        own = [n for n in notes if n.pitch == pitch or mono]
        assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(own))


# ---- by hand -----------------------------------------------------------------------------------------------


def scores_of(*notes: tuple[int, int, int], n: int = 100, soft: bool = False) -> NoteScores:
    """Clean scores of (first frame, last frame, pitch): 0.9 while it sounds, an onset of 0.9 on its first frame."""
    onset, sustain = np.zeros((n, 88), np.float32), np.zeros((n, 88), np.float32)
    for first, last, pitch in notes:
        sustain[first : last + 1, pitch - 21] = 0.9
        if not soft:
            onset[first, pitch - 21] = 0.9
    return NoteScores(onset, sustain, HOP_S)


def shown(notes: list[Event]) -> list[tuple[float, float, float]]:
    return [(n.start_s, n.end_s, n.pitch) for n in notes]


def test_a_note_lasts_from_its_onset_to_where_the_sustain_falls():
    # 0.9 to 0 crosses 0.3 two thirds of a frame after the last.
    assert shown(decode(scores_of((10, 49, 60)))) == [(0.1, 0.496667, 60.0)]
    (note,) = decode(scores_of((10, 49, 60)))
    assert (note.score, note.velocity, note.flags) == (0.9, 114, "")


def test_a_peak_between_frames_is_found_there():
    scores = scores_of((10, 49, 60))
    # Samples of 0.9 - 20 (t - 10.3)², a parabola whose top lies 0.3 frames after frame 10.
    for frame in (9, 10, 11):
        scores.onset[frame, 39] = 0.9 - 0.2 * (frame - 10.3) ** 2
    assert decode(scores)[0].start_s == pytest.approx(0.103, abs=1e-5)


def test_a_note_struck_again_is_two_notes():
    scores = scores_of((10, 29, 60), (30, 49, 60))
    assert shown(decode(scores)) == [(0.1, 0.3, 60.0), (0.3, 0.496667, 60.0)]


def test_the_same_pitch_begins_again_only_after_the_onset_came_down():
    scores = scores_of((10, 49, 60))
    scores.onset[10:21, 39] = [0.9, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.8]
    assert len(decode(scores)) == 1
    scores.onset[15, 39] = 0.2
    assert len(decode(scores)) == 2


def test_short_gaps_belong_to_the_note_and_long_ones_end_it():
    scores = scores_of((10, 49, 60))
    scores.sustain[20:24, 39] = 0  # 40 ms; the rule is 35, which is 4 frames
    assert len(decode(scores)) == 1
    scores.sustain[20:25, 39] = 0
    assert [n.flags for n in decode(scores)] == ["", "soft"]


def test_what_is_too_short_is_left_out():
    assert not decode(scores_of((10, 13, 60)))
    assert len(decode(scores_of((10, 14, 60)))) == 1


def test_a_note_without_onset_has_to_be_longer_and_is_marked():
    assert not decode(scores_of((10, 20, 60), soft=True))
    (note,) = decode(scores_of((10, 49, 60), soft=True))
    assert (note.start_s, note.flags, note.score, note.velocity) == (0.093333, "soft", 0.9, 64)
    assert not decode(scores_of((10, 49, 60), soft=True), NoteRules(soft_length_s=None))
    weak = scores_of((10, 49, 60), soft=True)
    weak.sustain[weak.sustain > 0] = 0.45  # above the lower threshold, never above the upper one
    assert not decode(weak)


def test_a_blip_counts_only_if_its_onset_is_sure_or_in_company():
    rules = NoteRules(sure=0.8, unsure_length_s=0.1, company=2, company_s=0.3)
    blip = scores_of((50, 56, 60))
    assert len(decode(blip, rules)) == 1  # 0.9: sure
    blip.onset[50, 60 - 21] = 0.7
    assert not decode(blip, rules)
    longer = scores_of((50, 61, 60))
    longer.onset[50, 60 - 21] = 0.7
    assert len(decode(longer, rules)) == 1
    for others, count in (((20, 50), 3), ((19, 50), 2), ((50, 51), 2)):  # 0.3 s before, earlier, and later
        among = scores_of((50, 56, 60), *((first, first + 20, 70 + k) for k, first in enumerate(others)))
        among.onset[50, 60 - 21] = 0.7
        assert len(decode(among, rules)) == count


def test_a_partial_of_a_struck_bar_is_no_note():
    bar, partial = (10, 50, 40), (10, 14, 80)
    scores = scores_of(bar, partial)
    assert {note.pitch for note in decode(scores, NoteRules())} == {40.0, 80.0}
    assert {note.pitch for note in decode(scores, NoteRules(partial=40))} == {40.0}
    assert {note.pitch for note in decode(scores, NoteRules(partial=41, partial_low=38))} == {40.0}
    assert {note.pitch for note in decode(scores, NoteRules(partial=39, partial_low=38))} == {40.0, 80.0}
    with pytest.raises(UsageError, match="partial_low"):
        NoteRules(partial=40, partial_low=41)
    # What begins later, or much more surely, is played.
    later = scores_of(bar, (13, 30, 80))
    assert {note.pitch for note in decode(later, NoteRules(partial=40))} == {40.0, 80.0}
    onset = scores.onset.copy()
    onset[10, 40 - 21] *= 0.7
    unsure = replace(scores, onset=onset)
    assert {note.pitch for note in decode(unsure, NoteRules(partial=40))} == {40.0, 80.0}


def test_one_at_a_time():
    scores = scores_of((10, 39, 60), (20, 49, 64))
    scores.sustain[:, 64 - 21] *= 1.05
    assert shown(decode(scores, NoteRules(mono=True))) == [(0.1, 0.196667, 60.0), (0.2, 0.496825, 64.0)]


def test_ranges_of_pitches():
    scores = scores_of((10, 49, 40), (10, 49, 60), (10, 49, 80))
    assert [n.pitch for n in decode(scores, NoteRules(lowest=41, highest=60))] == [60]
    assert [n.pitch for n in decode(scores, NoteRules(lowest=40, highest=80))] == [40, 60, 80]
    assert decode(scores, NoteRules(lowest=109)) == [] == decode(scores, NoteRules(highest=20))


def test_pitch_classes_group_octaves():
    scores = scores_of((10, 49, 48), (60, 79, 72), (10, 49, 55))
    notes = decode(scores.pitch_classes())
    assert [(n.start_s, n.pitch % 12) for n in notes] == [(0.1, 0), (0.1, 7), (0.6, 0)]
    naive = [max(scores.sustain[20, p - 21] for p in range(21, 109) if p % 12 == c) for c in range(12)]
    assert scores.pitch_classes().sustain[20].tolist() == naive


def test_silence_and_nothing():
    assert decode(scores_of(n=500)) == [] == decode(scores_of(n=0)) == decode([])


def test_scores_that_are_no_numbers_are_no_notes():
    scores = scores_of((10, 49, 60))
    scores.onset[:, 50], scores.sustain[:, 50] = np.nan, np.inf
    scores.sustain[:, 51] = np.nan
    assert [n.pitch for n in decode(scores, NoteRules(soft_length_s=None))] == [60]


def test_no_note_ends_after_the_recording_or_begins_before_it():
    scores = scores_of((0, 49, 60), n=50)
    assert decode(scores, duration_s=0.48)[0].end_s == 0.48
    assert decode(scores, NoteRules(onset_shift_s=-0.05))[0].start_s == 0.0


def test_dense_clusters_are_all_there():
    chord = [(first, first + 19, pitch) for first in range(0, 200, 20) for pitch in range(21, 109)]
    assert len(decode(scores_of(*chord, n=220))) == len(chord)


def test_time_grows_with_the_length_alone():
    def seconds(n_frames: int) -> float:
        scores = concatenate([random_scores(1, 2000, 12)] * (n_frames // 2000))
        taken = []
        for _ in range(3):
            began = time.process_time()
            assert decode(scores)
            taken.append(time.process_time() - began)
        return min(taken)

    seconds(2000)
    assert seconds(16_000) < 1.6 * 4 * seconds(4000)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"onset": 0}, r"onset=0 must be a probability above 0, up to 1"),
        ({"onset_low": 0.9}, r"onset_low=0\.9 must not be above onset=0\.5"),
        ({"max_gap_s": -1}, r"max_gap_s=-1 must be a number of seconds, 0 or more"),
        ({"onset_shift_s": 2}, r"onset_shift_s=2 must lie in -1\.\.1 seconds"),
        ({"lowest": 60, "highest": 50}, r"pitches from 60 to 50: MIDI numbers 0\.\.127, the lowest first"),
        ({"gap": 1}, r"unknown rule 'gap' for notes; known: company, company_s, end_shift_s, "),
    ],
)
def test_rules_out_of_range(given_, message):
    with pytest.raises(UsageError, match=message):
        NoteRules.of(given_)


def test_blocks_of_another_form_are_refused():
    decoder = Decoder(scores_of())
    with pytest.raises(UsageError, match=r"a block of 5 pitches every 0\.01 s follows blocks of 88"):
        decoder.push(random_scores(1, 10))


# ---- live --------------------------------------------------------------------------------------------------


def told(scores: NoteScores, rules: NoteRules, cuts: list[int], look_ahead_s: float) -> list[Message]:
    live, messages = Live(scores, rules, look_ahead_s=look_ahead_s), []
    edges = [0, *sorted(cuts), len(scores)]
    for first, last in itertools.pairwise(edges):
        messages += live.push(scores.rows(first, last))
    return messages + live.close()


@settings(deadline=None, max_examples=30)
@given(
    seed=seeds(), rules=rules(), mono=st.booleans(), look_ahead=st.integers(0, 8),
    cuts=st.lists(st.integers(0, 120), max_size=12),
)  # fmt: skip
def test_live_tells_the_notes_of_the_decoder_for_any_blocks(seed, rules, mono, look_ahead, cuts):
    scores = random_scores(seed, 120)
    rules = replace(rules, mono=mono)
    messages = told(scores, rules, cuts, look_ahead * HOP_S)
    assert messages == told(scores, rules, list(range(120)), look_ahead * HOP_S)
    assert [m.told_s for m in messages] == sorted(m.told_s for m in messages)
    notes, open_ = [], {}
    for message in messages:
        if message.kind == "on":
            assert message.pitch not in open_
            open_[message.pitch] = message
        else:
            began = open_.pop(message.pitch)
            notes.append((began.time_s, message.time_s, message.pitch, message.velocity, message.score))
    assert not open_
    cut = rules.within(look_ahead * HOP_S, HOP_S)
    expected = [(n.start_s, n.end_s, n.pitch, n.velocity, n.score) for n in decode(scores, cut)]
    assert sorted(n for n in notes if n[1] > n[0]) == sorted(expected)


@pytest.mark.parametrize("look_ahead_s", [0.02, 0.03, 0.05, 0.08])
def test_a_note_is_told_within_the_look_ahead(look_ahead_s):
    scores = scores_of((10, 49, 60), (30, 69, 64))
    messages = told(scores, NoteRules(), list(range(100)), look_ahead_s)
    begun = [m for m in messages if m.kind == "on"]
    assert [m.pitch for m in begun] == [60, 64]
    live = Live(scores, look_ahead_s=look_ahead_s)
    for message in begun:
        assert message.told_s - message.time_s <= look_ahead_s + 1e-9
        assert message.told_s - message.time_s == pytest.approx(live.latency_s)


@settings(max_examples=30, deadline=None)
@given(seeds(), st.sampled_from([1, 40, 64, 127]))
def test_velocities_are_moved_together_to_a_median(seed: int, median: int) -> None:
    scores = random_scores(seed, 200)
    plain = [note for note in decode(scores, NoteRules()) if not note.flags]
    moved = [note for note in decode(scores, NoteRules(median_velocity=median)) if not note.flags]
    assume(plain)
    middle = (len(plain) - 1) // 2
    shift = median - sorted(note.velocity for note in plain)[middle]
    assert sorted(note.velocity for note in moved)[middle] == median
    for before, after in zip(plain, moved, strict=True):
        assert after.velocity == min(max(before.velocity + shift, 1), 127)
        assert (before.start_s, before.end_s, before.pitch, before.score) == (
            after.start_s, after.end_s, after.pitch, after.score,
        )  # fmt: skip
