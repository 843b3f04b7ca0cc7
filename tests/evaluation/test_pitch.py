"""Pitches in frames: Thickstun's own steps on made frames, mir_eval and scikit-learn, and the error in time."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.data.datasets import musicnet as dataset
from sonoscope.data.windowing import frame_labels
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import pitch
from sonoscope.evaluation.notes import hertz, notes_of
from sonoscope.evaluation.pitch import FrameGrid, Roll
from sonoscope.evaluation.protocols.musicnet import MusicnetOptions, PitchPiece, fit_threshold, measure
from sonoscope.values import Event

RATE = 44_100
#: Short windows and few frames, so that a second of made music is a recording.
SMALL = {"start": 0.1, "stride": 512, "window": 2048, "frames": 60, "sr": RATE, "evenly": 25}


def note(start_s: float, end_s: float, key: float) -> Event:
    return Event(start_s, end_s, "note", 1.0, pitch=key)


def music(seed: int, seconds: float = 2.0) -> list[Event]:
    """Notes whose times are whole samples, as MusicNet's are."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, round(seconds * RATE) - 2000, 30)
    return [
        note(int(start) / RATE, int(start + rng.integers(500, 30_000)) / RATE, int(key))
        for start, key in zip(starts, rng.integers(30, 90, 30), strict=True)
    ]


def piece(
    seed: int, *, hop_s: float = 512 / RATE, first_s: float = 0.0, number: int | None = None
) -> PitchPiece:
    """Scores that follow the truth, with noise and ties."""
    events, rng = music(seed), np.random.default_rng(seed + 100)
    times = first_s + np.arange(round(2.0 / hop_s)) * hop_s
    truth = notes_of(events)
    scores = np.round(0.6 * pitch.labels(truth, times, 0, 127) + 0.5 * rng.random((len(times), 128)), 2)
    return PitchPiece(
        f"{number or seed}.wav", 2.0, truth, Roll(times, np.minimum(scores, 1.0)), number=number
    )


# ---- conformity --------------------------------------------------------------------------------------------


def thickstun(pieces: list[PitchPiece], rolls: list, threshold: float) -> tuple[float, dict[str, float]]:
    """lib/base_model.py (sample_records, get_data) and lib/diagnostics.py (mirex_statistics), step by step.

    ``rolls`` are functions from a sample to scores: a model that hears the window that begins there.
    """
    metrics, multipitch = pytest.importorskip("sklearn.metrics"), pytest.importorskip("mir_eval.multipitch")
    window, offset, stride, frames, evenly = 2048, round(0.1 * RATE), 512, 60, 25
    everything, errors = [], []
    for one, roll in zip(pieces, rolls, strict=True):
        length = round(one.duration_s * RATE)
        for count, fixed in ((frames, stride), (evenly, None)):
            step = (length - offset - window) // count if fixed is None else fixed
            truth, said = [], []
            for j in range(count):
                s = offset + j * step
                y = np.zeros(128)
                for start, end, key in zip(one.truth.start_s, one.truth.end_s, one.truth.pitch, strict=True):
                    if round(start * RATE) <= s + window / 2 < round(end * RATE):  # intervaltree is half-open
                        y[int(key)] = 1
                truth.append(y)
                said.append(roll(s))
            if fixed is None:
                freqs = [
                    [hertz(np.flatnonzero(row)) for row in rows]
                    for rows in (truth, np.array(said) > threshold)
                ]
                times = np.arange(count) / 100.0
                errors.append(multipitch.metrics(times, freqs[0], times, freqs[1]))
            else:
                everything.append((np.array(truth), np.array(said)))
    y, scores = (np.concatenate([pair[k] for pair in everything]) for k in (0, 1))
    names = (*pitch.MIREX, *(f"chroma_{name}" for name in pitch.MIREX))
    ap = metrics.average_precision_score(y.flatten(), scores.flatten())
    return ap, dict(zip(names, np.mean(errors, axis=0), strict=True))


def test_it_is_thickstuns_metric_on_made_frames():
    options = MusicnetOptions(**SMALL)
    pieces, rolls = [], []
    for seed in range(3):
        truth, rng = notes_of(music(seed)), np.random.default_rng(seed)
        begins = np.unique(
            np.concatenate([np.rint(t * RATE - 1024) for t in options.grid.moments(2.0)])
        ).astype(int)
        times = (begins + 1024) / RATE
        # mir_eval knows no pitch below 20 Hz and above 5,000, so nothing is said there.
        noise = rng.random((len(times), 128)) * (np.abs(np.arange(128) - 65) < 44)
        scores = np.round(0.5 * pitch.labels(truth, times, 0, 127) + 0.5 * noise, 2)
        pieces.append(PitchPiece(str(seed), 2.0, truth, Roll(times, scores)))
        rolls.append(lambda s, table=dict(zip(begins.tolist(), scores, strict=True)): table[s])
    ap, errors = thickstun(pieces, rolls, 0.4)
    figures = measure(pieces, options).figures
    assert figures["ap_pooled"].value == pytest.approx(ap)
    for name, value in errors.items():
        assert figures[name].value == pytest.approx(value), name
    assert figures["time_error_max_s"].value < 1e-9


def test_the_published_grids():
    published = MusicnetOptions().grid
    assert published == FrameGrid(1.0, 512, 16_384, 7500, 44_100, 1000)
    moments, errors = published.moments(200.0)
    assert len(moments) == 7500 and moments[0] == pytest.approx(1 + 8192 / 44_100)
    assert moments[-1] == pytest.approx(1 + (7499 * 512 + 8192) / 44_100)  # the 'first 90 s'
    assert len(errors) == 1000 and errors[-1] < 200 - 8192 / 44_100
    assert np.allclose(np.diff(errors), (200 * 44_100 - 44_100 - 16_384) // 1000 / 44_100)
    weiss = MusicnetOptions(as_in="weiss")
    assert (weiss.low, weiss.high) == (24, 95)
    moments, errors = weiss.grid.moments(91.05)
    assert moments is errors and len(moments) == 3922 and moments[1] == pytest.approx(512 / 22_050)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_errors_are_mir_evals(seed):
    multipitch = pytest.importorskip("mir_eval.multipitch")
    rng = np.random.default_rng(seed)
    lowest = int(rng.integers(21, 60))
    true, said = (rng.random((12, 40)) < share for share in rng.random(2) * 0.3)
    freqs = [[hertz(lowest + np.flatnonzero(row)) for row in table] for table in (true, said)]
    times = np.arange(12) / 100.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = multipitch.metrics(times, freqs[0], times, freqs[1])
    found = pitch.mirex(true, said, lowest)
    assert list(found.values()) == pytest.approx(expected)
    assert found["e_tot"] == pytest.approx(found["e_sub"] + found["e_miss"] + found["e_fa"])
    assert found["chroma_accuracy"] >= found["accuracy"] - 1e-12


def test_pooled_and_mean_differ_and_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    pieces, options = [piece(seed) for seed in range(3)], MusicnetOptions(as_in="weiss", highest=100)
    result = measure(pieces, options)
    tables = []
    for one in pieces:
        times = options.grid.moments(2.0)[0]
        tables.append((pitch.labels(one.truth, times, 24, 100), one.said.at(times, 24, 100)[0]))
    each = [metrics.average_precision_score(t.ravel(), s.ravel()) for t, s in tables]
    pooled = metrics.average_precision_score(
        *(np.concatenate([table[k] for table in tables]).ravel() for k in (0, 1))
    )
    assert result.figures["ap_mean"].value == pytest.approx(np.mean(each))
    assert result.figures["ap_pooled"].value == pytest.approx(pooled) != pytest.approx(np.mean(each))


# ---- labels, and the error in time -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", pitch.RULES)
@pytest.mark.parametrize("seed", range(4))
def test_labels_are_those_of_training(rule, seed):
    """The windows of data sets are labelled by other code, which counts in half samples."""
    events, hop, window = music(seed), 512, 2048
    expected = frame_labels(
        events, 150, hop_samples=hop, window_samples=window, sample_rate=RATE, pitches=128, rule=rule
    )
    found = pitch.labels(
        notes_of(events), np.arange(150) * hop / RATE, 0, 127, rule=rule, window_s=window / RATE
    )
    assert np.array_equal(found, expected.T.astype(bool))


def test_the_error_in_time_that_each_rule_implies():
    """A note from 1 to 2 s. By the centre its frames begin and end within a hop of it; by the window, half a window
    before and after: 46 ms too early and too late with 2048 samples at 22,050 Hz, 93 ms with 4096."""
    one = notes_of([note(1.0, 2.0, 60)])
    for window in (2048, 4096):
        hop_s = 256 / 22_050
        times = np.arange(300) * hop_s
        for rule, early_s in (("centre", 0.0), ("intersects", window / 22_050 / 2)):
            there = times[pitch.labels(one, times, 60, 60, rule=rule, window_s=window / 22_050)[:, 0]]
            assert 1.0 - early_s - 1e-9 <= there[0] <= 1.0 - early_s + hop_s
            assert 2.0 + early_s - hop_s - 1e-9 <= there[-1] <= 2.0 + early_s
        assert round(window / 22_050, 3) == {2048: 0.093, 4096: 0.186}[window]


@settings(deadline=None, max_examples=60)
@given(st.integers(64, 4096), st.floats(0, 0.1), st.lists(st.floats(0.2, 1.5), min_size=1, max_size=20))
def test_the_nearest_frame_is_half_a_hop_away_at_most(hop, first_s, times):
    hop_s = hop / 22_050
    centres = first_s + np.arange(int(2 / hop_s)) * hop_s
    roll = Roll(centres, np.arange(len(centres), dtype=np.float32)[:, None])
    values, off = roll.at(np.array(times), 0, 0)
    for time, value, distance in zip(times, values[:, 0], off, strict=True):
        expected = np.abs(centres - time).min()
        assert distance == pytest.approx(expected) and abs(centres[int(value)] - time) == pytest.approx(
            expected
        )
    assert off.max() <= hop_s / 2 + 1e-12


def test_the_error_is_stated():
    late = measure([piece(1, hop_s=0.1)], MusicnetOptions(**SMALL))
    assert late.figures["time_error_max_s"].value == pytest.approx(0.05, abs=0.006)
    assert any("100 ms apart, and the nearest counts: up to 50 ms off" in note for note in late.notes)


def test_nothing_is_said_before_and_after_what_was_predicted():
    roll = Roll(np.array([1.0, 1.1, 1.2]), np.ones((3, 1)), 60)
    values, _ = roll.at(np.array([0.5, 0.95, 1.29, 1.4]), 59, 61)
    assert values.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert roll.at(np.array([1.0]), 0, 20)[0].tolist() == [[0.0] * 21]


# ---- options -----------------------------------------------------------------------------------------------


def test_pitch_classes_put_every_c_with_every_c():
    """Right but for the octave: nothing by pitch, everything by class, and C stands in the row of C."""
    truth = notes_of([note(0.0, 2.0, 60), note(0.0, 2.0, 64)])
    times = np.arange(170) * 512 / RATE
    scores = pitch.labels(notes_of([note(0, 2, 72), note(0, 2, 40)]), times, 24, 95).astype(float)
    one = PitchPiece("a", 2.0, truth, Roll(times, scores, 24))
    plain = measure([one], MusicnetOptions(**SMALL))
    classes = measure([one], MusicnetOptions(**SMALL, pitch_classes=True))
    assert plain.figures["accuracy"].value == 0.0 and plain.figures["chroma_accuracy"].value == 1.0
    assert classes.figures["accuracy"].value == classes.figures["ap_pooled"].value == 1.0
    assert [row[0] for row in classes.table("pitches").rows] == ["C", "E"]
    assert [row[0] for row in plain.table("pitches").rows] == ["E2", "C4", "E4", "C5"]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_folding_is_by_the_name(seed, lowest):
    rng = np.random.default_rng(seed)
    table = rng.random((5, 30))
    found = pitch.folded(table, lowest)
    for name in range(12):
        same = [c for c in range(30) if (lowest + c) % 12 == name]
        assert np.array_equal(found[:, name], table[:, same].max(axis=1))


def test_errors_that_are_allowed():
    """Frames with 0, 1, 2 … wrong pitches, by hand; more allowed is never less."""
    times = np.arange(173) * 512 / RATE
    truth = notes_of([note(0.0, 2.0, 60)])
    scores = np.zeros((173, 128))
    scores[:, 60] = 1.0
    scores[85:, 70:73] = 1.0  # three too many in the second half
    result = measure(
        [PitchPiece("a", 2.0, truth, Roll(times, scores))],
        MusicnetOptions(as_in="weiss", allowed_errors=(0, 2, 3)),
    )
    shares = result.table("thresholds").rows[0][-3:]
    moments = MusicnetOptions(as_in="weiss").grid.moments(2.0)[0]
    right = float(np.mean(np.abs(times[:, None] - moments).argmin(axis=0) < 85))
    assert shares == pytest.approx((right, right, 1.0))
    line = next(c for c in result.curves if c.name == "allowed_errors").lines["all files"][1]
    assert (np.diff(line) >= 0).all() and line[3] == 1.0


def test_thresholds_are_swept_and_fitted():
    pieces = [piece(seed) for seed in range(2)]
    options = MusicnetOptions(**SMALL, thresholds=(0.2, 0.45, 0.55, 0.9))
    rows = {row[0]: row for row in measure(pieces, options).table("thresholds").rows}
    assert list(rows) == [0.2, 0.4, 0.45, 0.55, 0.9]
    recall = [row[2] for row in rows.values()]
    assert recall == sorted(recall, reverse=True)
    assert fit_threshold(pieces, options) == max(options.thresholds, key=lambda t: rows[t][4]) == 0.55


def test_notes_instead_of_scores():
    one = piece(4)
    perfect = PitchPiece("a", 2.0, one.truth, one.truth)
    result = measure([perfect], MusicnetOptions(**SMALL))
    assert result.figures["ap_pooled"].value == result.figures["accuracy"].value == 1.0
    assert any("notes that were decided on" in note for note in result.notes)


def test_a_file_without_notes_is_in_no_mean():
    silent = PitchPiece("s", 2.0, notes_of([]), piece(1).said)
    result = measure([piece(1), silent], MusicnetOptions(**SMALL))
    assert "1 of 2 files: no note sounds in any frame" in result.figures["accuracy"].why
    assert (
        result.figures["accuracy"].value
        == measure([piece(1)], MusicnetOptions(**SMALL)).figures["accuracy"].value
    )
    nothing = measure([silent], MusicnetOptions(**SMALL))
    assert nothing.figures["ap_pooled"].value is None and nothing.figures["accuracy"].value is None


# ---- lists -------------------------------------------------------------------------------------------------


def test_the_lists():
    lists = dataset.LISTS
    assert {name: len(set(numbers)) for name, numbers in lists.items()} == {
        "test-3": 3, "test-10": 10, "MuN-10": 10, "MuN-10a": 10, "MuN-10b": 10, "MuN-10c": 10, "MuN-10full": 36,
    }  # fmt: skip
    assert set(lists["test-3"]) < set(lists["MuN-10"]) == set(lists["test-10"])
    assert set(lists["MuN-10"]) ^ set(lists["MuN-10a"]) == {2628, 2629}
    # The other movements are of the same works; one of Bach's is of the book that the full list holds four pieces of.
    assert set(lists["MuN-10"]) | set(lists["MuN-10a"]) | set(lists["MuN-10b"]) < set(lists["MuN-10full"])
    assert set(lists["MuN-10c"]) - set(lists["MuN-10full"]) == {2310}
    assert not any(dataset.twins(numbers) for numbers in lists.values())
    assert dataset.twins(dataset.USUAL_VALIDATION) == {1792: (1788,), 2514: (2510,)}
    assert sum(len(versions) - 1 for versions in dataset.VERSIONS) == 24


def test_twins_and_missing_files_are_told():
    options = MusicnetOptions(**SMALL, ids="1792,2303")
    remarks = measure([piece(1, number=1792)], options).notes
    assert any("1792 is a performance of what 1788 plays" in note for note in remarks)
    assert any("the list 1792,2303 is not complete: 2303 is missing" in note for note in remarks)


@pytest.mark.parametrize(
    ("given_", "kind", "message"),
    [
        ({"ids": "MuN-10d"}, UnknownName, r"ids='MuN-10d' is no list. Did you mean 'MuN-10"),
        ({"as_in": "weis"}, UnknownName, "Did you mean 'weiss'"),
        ({"stride": 0}, UsageError, "stride=0 must be at least 1"),
        ({"thresholds": (0.5, 1.5)}, UsageError, r"threshold=1.5 must lie in 0\.\.1"),
        ({"allowed_errors": (-1,)}, UsageError, "must be 0 or more"),
        ({"lowest": 60, "highest": 50}, UsageError, "the lower one first"),
        ({"rule": "middle"}, UsageError, "rule='middle' must be one of centre, intersects"),
    ],
)
def test_impossible_options(given_, kind, message):
    with pytest.raises(kind, match=message):
        MusicnetOptions(**given_)


def test_what_cannot_be_measured_is_refused():
    short = PitchPiece("1.wav", 2.0, notes_of([]), notes_of([]))
    with pytest.raises(
        UsageError, match=r"1.wav: 2.00 s are too short for a window of 16384 samples from 1.9 s on"
    ):
        measure([short], MusicnetOptions(start=1.9))
    with pytest.raises(UsageError, match="no recording to compare pitches of"):
        measure([])
    with pytest.raises(UsageError, match="times of a roll must rise"):
        Roll(np.array([1.0, 1.0]), np.zeros((2, 88)), 21)
    with pytest.raises(UsageError, match="lowest=50: 88 pitches from there on"):
        Roll(np.array([1.0]), np.zeros((1, 88)), 50)
