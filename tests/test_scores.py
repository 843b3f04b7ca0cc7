"""Scores: rounding and calibration, the kept form, clip scores, tables."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sonoscope import scores as rules
from sonoscope.errors import SonoscopeError, UnknownName, UsageError
from sonoscope.outputs import scoretable
from sonoscope.values import Scores, format_seconds

LABELS = ("violin", "voice", "other")


def some(
    logits: np.ndarray | None = None,
    *,
    n_samples: int = 70_000,
    window: int = 30_000,
    hop: int = 15_000,
    rate: int = 10_000,
    labels: tuple[str, ...] = LABELS,
    calibration: np.ndarray | None = None,
) -> Scores:
    """Scores on a grid that covers ``n_samples``; by default 4 windows of 3 s, the last one cut at 7 s."""
    rows = 1 + math.ceil(max(n_samples - window, 0) / hop)
    if logits is None:
        logits = np.linspace(-3, 3, rows * len(labels)).reshape(rows, len(labels))
    return rules.assemble(
        logits, calibration, labels=labels, sample_rate=rate, window_samples=window, hop_samples=hop,
        n_samples=n_samples,
    )  # fmt: skip


@st.composite
def grids(draw: st.DrawFn) -> Scores:
    """Any grid of windows with any logits, as rounded by the package."""
    window = draw(st.integers(1, 50))
    hop = draw(st.integers(1, window))
    n_samples = draw(st.integers(1, 300))
    rows = 1 + math.ceil(max(n_samples - window, 0) / hop)
    if draw(st.booleans()):  # --tail drop
        rows -= rows * hop - hop + window > n_samples
    logits = draw(hnp.arrays(np.float64, (rows, 3), elements=st.floats(-40, 40)))
    return some(logits, n_samples=n_samples, window=window, hop=hop, rate=draw(st.sampled_from([7, 22_050])))


def same(a: Scores, b: Scores) -> bool:
    numbers = ("sample_rate", "window_samples", "hop_samples", "n_samples", "labels")
    arrays = ("starts", "ends", "logits", "probabilities")
    return all(getattr(a, name) == getattr(b, name) for name in numbers) and all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in arrays
    )


# --- rounding and calibration ---


@given(
    hnp.arrays(np.float64, (5, 3), elements=st.floats(-32, 32)),
    hnp.arrays(np.float64, (3, 2), elements=st.floats(-9, 9)),
)
def test_probability_is_the_calibrated_sigmoid_of_the_rounded_logit(logits, calibration):
    found = rules.calibrate(logits, calibration)
    for row, given_row in zip(found, logits, strict=True):
        for p, logit, (a, b) in zip(row, given_row, calibration, strict=True):
            z = a * round(logit, 3) + b
            expected = 1 / (1 + math.exp(-z)) if z > -700 else 0.0
            assert abs(p - expected) <= 0.5e-4 + 1e-7
            assert abs(p * 1e4 - round(p * 1e4)) < 1e-3  # a whole number of steps
    assert found.dtype == np.float32


def test_logits_are_rounded_before_calibration_not_after():
    # 0.0004 and 0 are the same logit; with a slope of 1000 they would be far apart.
    assert rules.calibrate(np.array([[0.0004, 0.0]]), np.array([[1000.0, 0.0]] * 2)).tolist() == [[0.5, 0.5]]


def test_extreme_logits_saturate_alike_before_and_after_being_kept():
    scores = some(np.array([[1e9, -1e9, 40.0]] * 4), calibration=np.array([[0.1, 0.0]] * 3))
    assert scores.logits[0].tolist() == pytest.approx([32.767, -32.767, 32.767])
    again = rules.unpack(rules.pack(scores), LABELS, np.array([[0.1, 0.0]] * 3))
    assert same(scores, again)
    assert scores.probabilities[0, 0] == pytest.approx(0.9636, abs=1e-4)  # sigmoid(3.2767), not 1


def test_a_nan_logit_is_an_error_not_a_silence():
    with pytest.raises(ValueError, match="1 of 3 logits are NaN"):
        rules.calibrate(np.array([[0.0, math.nan, 1.0]]), None)


def test_calibration_of_another_model_is_refused():
    with pytest.raises(ValueError, match=r"calibration has shape \(2, 2\), 3 classes need \(3, 2\)"):
        rules.calibrate(np.zeros((4, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"logits have shape \(4, 2\), 3 labels need \(n, 3\)"):
        some(np.zeros((4, 2)))


def test_rows_are_cut_to_the_audio():
    scores = some()
    assert scores.starts.tolist() == [0, 15_000, 30_000, 45_000]
    assert scores.ends.tolist() == [30_000, 45_000, 60_000, 70_000]
    assert scores.padded.tolist() == [False, False, False, True]


# --- the kept form ---


@settings(deadline=None)
@given(grids())
def test_what_is_kept_gives_back_the_same_scores_bit_for_bit(scores):
    calibration = np.array([[1.3, -0.2], [0.7, 0.1], [1.0, 0.0]])
    scores = replace(scores, probabilities=rules.calibrate(scores.logits, calibration))
    file = io.BytesIO()
    rules.save(file, scores, {"model": "instruments"})
    file.seek(0)
    again, meta = rules.load(file, calibration)
    assert same(scores, again)
    assert meta == {"model": "instruments"}


def test_the_same_scores_are_kept_as_the_same_bytes(tmp_path):
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    rules.save(first, some(), {"name": "x.wav", "b": 1})
    time.sleep(2.1)  # a zip archive counts time in steps of two seconds
    rules.save(second, some(), {"b": 1, "name": "x.wav"})
    assert first.read_bytes() == second.read_bytes()


def test_numpy_alone_can_open_what_is_kept(tmp_path):
    rules.save(tmp_path / "a.npz", some(), {})
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["logits"].dtype == np.int16
        assert archive["logits"][0].tolist() == [-3000, -2455, -1909]
        assert archive["grid"].tolist() == [10_000, 30_000, 15_000, 70_000, 1]
        assert json.loads(archive["about"].tobytes())["labels"] == list(LABELS)


def test_a_day_of_four_classes_is_small_even_if_it_is_noise(rng):
    rows = 90_000  # 24 h of 0.96 s
    scores = some(
        rng.uniform(-32, 32, (rows, 4)), labels=tuple("abcd"), rate=16_000, window=15_360, hop=15_360,
        n_samples=15_360 * rows,
    )  # fmt: skip
    file = io.BytesIO()
    rules.save(file, scores, {"model": "field"})
    assert file.tell() <= 1_200_000


def test_the_tail_is_in_the_grid():
    whole = some()
    dropped = replace(
        whole, **{k: getattr(whole, k)[:-1] for k in ("starts", "ends", "logits", "probabilities")}
    )
    assert rules.pack(whole)["grid"][-1] == 1
    assert rules.pack(dropped)["grid"][-1] == 0
    assert same(rules.unpack(rules.pack(dropped), LABELS), dropped)


def test_rows_off_the_grid_are_not_kept():
    scores = some()
    with pytest.raises(ValueError, match="rows do not lie on the grid window=30000 hop=15000"):
        rules.pack(replace(scores, starts=scores.starts + 1))


def test_embeddings_are_kept_on_request(rng):
    scores = replace(some(), embeddings=rng.standard_normal((4, 8)).astype(np.float32))
    assert "embeddings" not in rules.pack(scores)
    again = rules.unpack(rules.pack(scores, embeddings=True), LABELS)
    np.testing.assert_allclose(again.embeddings, scores.embeddings, rtol=1e-3)


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "other archive"])
def test_damaged_kept_scores_say_what_to_do(tmp_path, damage):
    path = tmp_path / "a.wav.npz"
    rules.save(path, some(), {})
    if damage == "other archive":
        np.savez(path, x=np.zeros(3))
    else:
        path.write_bytes({"cut": path.read_bytes()[:-60], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(
        SonoscopeError, match=r"a\.wav\.npz: kept scores are damaged\. Delete it and run again\.$"
    ):
        rules.load(path)


def test_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "KEPT_VERSION", 2)
    rules.save(tmp_path / "a.npz", some(), {})
    monkeypatch.undo()
    with pytest.raises(SonoscopeError, match="version 2, not 1"):
        rules.load(tmp_path / "a.npz")


def test_missing_kept_scores_are_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        rules.load(tmp_path / "none.npz")


# --- a whole clip ---


def clip(probabilities: list[list[float]], ends: list[int] | None = None) -> Scores:
    """Windows of 4 samples without overlap, with given probabilities and, for the last ones, given ends."""
    p = np.array(probabilities, dtype=np.float32)
    starts = np.arange(len(p), dtype=np.int64) * 4
    return Scores(
        LABELS, 1, 4, 4, starts, np.array(ends or starts + 4), np.zeros_like(p), p, int(starts[-1]) + 4
    )


def test_clip_scores_by_hand():
    scores = clip([[0.2, 0.8, 0.0], [0.4, 0.4, 0.1]])
    assert rules.aggregate(scores, "mean") == pytest.approx([0.3, 0.6, 0.05])
    assert rules.aggregate(scores, "s1") == pytest.approx([0.3, 0.6, 0.05])
    assert rules.aggregate(scores, "max") == pytest.approx([0.4, 0.8, 0.1])
    assert rules.aggregate(scores, "s2") == pytest.approx([0.5, 1.0, 0.05 / 0.6])


def test_a_padded_window_weighs_by_its_share_of_sound():
    scores = clip([[0.2, 0.8, 0.0], [0.6, 0.0, 0.0]], ends=[4, 5])  # one sample of four is sound
    assert rules.aggregate(scores, "mean") == pytest.approx([(0.2 * 4 + 0.6) / 5, 0.8 * 4 / 5, 0.0])
    assert rules.aggregate(scores, "max") == pytest.approx([0.6, 0.8, 0.0])


@given(hnp.arrays(np.float64, (6, 3), elements=st.integers(0, 10_000).map(lambda q: q / 10_000)))
def test_s2_is_the_formula_of_han(p):
    # Han et al. 2016: sum the outputs of a class over the windows, divide by the largest sum of any class.
    sums = [sum(row[k] for row in p) for k in range(3)]
    expected = [s / max(sums) if max(sums) else 0.0 for s in sums]
    assert rules.aggregate(clip(p.tolist()), "s2") == pytest.approx(expected, abs=1e-9)


def test_no_windows_no_scores():
    empty = some(np.zeros((0, 3)))
    for how in rules.AGGREGATES:
        assert rules.aggregate(empty, how).tolist() == [0, 0, 0]


def test_unknown_aggregation_names_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown aggregation 'maximum'.* Did you mean 'max'"):
        rules.aggregate(some(), "maximum")


def test_pick_by_threshold_and_count():
    values = rules.aggregate(clip([[0.2, 0.7, 0.5]]), "max")
    assert rules.pick(values, LABELS, threshold=0.5) == ["voice", "other"]
    assert rules.pick(values, LABELS, threshold=0.7) == ["voice"]  # at the threshold counts, also in float32
    assert rules.pick(values, LABELS, top_k=2) == ["voice", "other"]
    assert rules.pick(values, LABELS, threshold=0.5, top_k=1) == ["voice"]
    assert rules.pick(values, LABELS, threshold=0.9) == []
    assert rules.pick(values, LABELS, threshold={"violin": 0.1, "voice": 0.9, "other": 0.5}) == [
        "other",
        "violin",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs threshold= or top_k="),
        ({"top_k": 0}, r"top_k=0 must lie in 1\.\.3"),
        ({"top_k": 4}, r"top_k=4 must lie in 1\.\.3"),
        ({"threshold": 1.5}, r"threshold=1\.5 must lie in 0\.\.1"),
        ({"threshold": {"violin": 0.5}}, "unknown label with a threshold 'voice'"),
    ],
)
def test_pick_refuses(options, message):
    with pytest.raises(UsageError, match=message):
        rules.pick(np.zeros(3), LABELS, **options)


# --- tables ---


def table(scores: Scores, kind: str = "csv", **options) -> str:
    file = io.StringIO(newline="")
    scoretable.write_table(scores, file, kind, **options)
    return file.getvalue()


def test_table_of_scores():
    assert table(some()) == (
        "start,end,violin,voice,other\n"
        "0.000,3.000,0.0474,0.0791,0.1291\n"
        "1.500,4.500,0.2036,0.3062,0.4322\n"
        "3.000,6.000,0.5678,0.6938,0.7964\n"
        "4.500,7.000,0.8709,0.9209,0.9526\n"
    )


def test_table_of_logits():
    assert table(some(), raw=True).splitlines()[1:3] == [
        "0.000,3.000,-3.000,-2.455,-1.909",
        "1.500,4.500,-1.364,-0.818,-0.273",
    ]
    assert "-0.000" not in table(some(np.full((4, 3), -0.0001)), raw=True)


def test_tsv_rows_follow_each_other_as_sed_scores_eval_demands():
    rows = [line.split("\t") for line in table(some(), "tsv").splitlines()]
    assert rows[0] == ["onset", "offset", *LABELS]
    assert [row[0] for row in rows[2:]] == [row[1] for row in rows[1:-1]]  # what its validation compares
    assert rows[1][:2] == ["0.000", "2.250"]  # the first cell: to the middle hop's end, (3 - 1.5) / 2 + 1.5
    assert rows[-1][:2] == ["5.250", "7.000"]


def test_times_have_three_to_six_digits_and_no_noise():
    scores = some(rate=22_050, window=66_150, hop=21_168, n_samples=10**6)  # hop 0.96 s
    cells = [line.split(",")[:2] for line in table(scores).splitlines()[1:]]
    assert [start for start, _ in cells][:4] == ["0.000", "0.960", "1.920", "2.880"]
    assert all(re.fullmatch(r"\d+\.\d{3,6}", cell) for row in cells for cell in row)
    assert cells[-1][1] == "45.351474"  # 10**6 / 22050


def test_no_row_ends_after_the_recording_by_its_own_count():
    assert table(some(), duration_s=6.99995).splitlines()[-1].startswith("4.500,6.99995,")


@given(st.floats(0, 1e7))
def test_written_seconds(seconds):
    written = format_seconds(seconds)
    assert re.fullmatch(r"\d+\.\d{3,6}", written)
    assert abs(float(written) - seconds) <= 0.5e-6 + seconds * 1e-15
    assert written.endswith("0") is False or len(written.partition(".")[2]) == 3


@settings(deadline=None)
@given(grids(), st.sampled_from(["csv", "tsv"]), st.booleans())
def test_a_table_reads_back(scores, kind, raw):
    found = scoretable.read_table(io.StringIO(table(scores, kind, raw=raw), newline=""), kind)
    assert found.labels == LABELS
    np.testing.assert_array_equal(found.values, scores.logits if raw else scores.probabilities)
    if len(scores):
        assert found.end_s[-1] == pytest.approx(scores.end_s[-1], abs=1e-6)


def test_odd_labels_survive_in_a_table():
    labels = ('say "a"', "tab\there", "=1+1,2")
    for kind in ("csv", "tsv"):
        assert (
            scoretable.read_table(io.StringIO(table(some(labels=labels), kind), newline=""), kind).labels
            == labels
        )
    assert next(csv.reader(io.StringIO(table(some(labels=labels)), newline="")))[2:] == list(labels)


@pytest.mark.parametrize("rows", [0, 4])
def test_parquet_through_pandas(tmp_path, rows):
    pandas = pytest.importorskip("pandas")
    scores = some(np.zeros((0, 3))) if rows == 0 else some()
    with open(tmp_path / "a.parquet", "wb") as file:
        scoretable.write_table(scores, file, "parquet")
    frame = pandas.read_parquet(tmp_path / "a.parquet")
    assert list(frame.columns) == ["start", "end", *LABELS]
    assert len(frame) == rows
    np.testing.assert_array_equal(frame["voice"].to_numpy(), scores.probabilities[:, 1])
    with open(tmp_path / "a.parquet", "rb") as file:
        assert scoretable.read_table(file, "parquet").labels == LABELS


def test_a_day_is_written_row_by_row(rng):
    labels = tuple(f"class_{i}" for i in range(14))
    scores = some(
        rng.uniform(-8, 8, (72_000, 14)), labels=labels, rate=16_000, window=19_200, hop=19_200,
        n_samples=19_200 * 72_000,
    )  # fmt: skip
    written = table(scores)
    assert written.count("\n") == 72_001
    assert {line.count(",") for line in written.splitlines()} == {15}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,start,end,a\nx,0,1,0.5\n", "begins with the columns start,end"),
        ("start,end,a\n0.0,1.0,x\n", "'x'.*row 0, column 3"),
        ("start,end,a\n0.0,1.0\n", "the header has 3 columns, the rows have 2"),
        ("", "begins with the columns start,end"),
    ],
)
def test_what_is_no_table_of_scores(text, message):
    with pytest.raises(UsageError, match=message):
        scoretable.read_table(io.StringIO(text))


def test_unknown_kind():
    with pytest.raises(UnknownName, match=r"unknown kind of score table 'cvs'.* Did you mean 'csv'"):
        scoretable.write_table(some(), io.StringIO(), "cvs")
