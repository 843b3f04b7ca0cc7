"""Laws that hold for any numbers: windows, merging, thresholds, and what is left of a run that was killed."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope import events
from sonoscope.errors import UsageError
from sonoscope.events import Decision
from sonoscope.models import thresholds
from sonoscope.runs.journal import DONE, FAILED, Journal, Record
from sonoscope.values import Label, Scores
from sonoscope.windows import Cutter, Grid, centred_frames, samples_of_frames

RATE = 100
some = settings(max_examples=40, deadline=None)


# ---- windows -----------------------------------------------------------------------------------------------


@some
@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(0, 10**10))
def test_windows_cover_every_sample_and_none_is_idle(a: int, b: int, n: int) -> None:
    grid = Grid(max(a, b), min(a, b))
    n = min(n, grid.hop * 100_000)
    starts, ends = grid.starts(n), grid.ends(n)
    assert len(starts) == len(ends) == grid.count(n)
    if n == 0:
        assert not len(starts)
        return
    assert starts[0] == 0 and ends[-1] == n
    assert (starts < n).all() and (ends > starts).all()
    assert (starts[1:] <= ends[:-1]).all()
    # Without the last window, something would be missing; only the last may be cut.
    assert len(ends) == 1 or ends[-2] < n
    assert (ends - starts)[:-1].tolist() == [grid.window] * (len(ends) - 1)


@some
@given(st.integers(1, 10**6), st.integers(1, 10**5))
def test_frames_and_their_samples(frames: int, hop: int) -> None:
    fewest = samples_of_frames(frames, hop)
    assert centred_frames(fewest, hop) == frames
    assert fewest == 0 or centred_frames(fewest - 1, hop) == frames - 1


@some
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.lists(st.integers(0, 7), max_size=12))
def test_pieces_of_a_stream_are_those_of_the_whole(a: int, b: int, batch: int, blocks: list[int]) -> None:
    length, hop = max(a, b), min(a, b)
    rows = np.arange(sum(blocks), dtype=np.float32)[:, None]
    cutter, at, cut = Cutter(length, hop, batch), 0, []
    for size in blocks:
        cut += cutter.push(rows[at : at + size])
        at += size
    last = cutter.close()
    pieces = [piece for stack in [*cut, *([] if last is None else [last])] for piece in stack]
    whole = [rows[i : i + length] for i in range(0, len(rows) - length + 1, hop)]
    assert len(pieces) == len(whole)
    assert all((piece == other).all() for piece, other in zip(pieces, whole, strict=True))


# ---- merging -----------------------------------------------------------------------------------------------

chances = st.lists(st.integers(0, 100).map(lambda q: q / 100), min_size=1, max_size=40)
levels = st.integers(1, 100).map(lambda q: q / 100)
spans = st.integers(0, 500).map(lambda n: n / RATE)


def scored(p: list[float]) -> Scores:
    """Windows of one second that follow each other."""
    starts = np.arange(len(p), dtype=np.int64) * RATE
    column = np.array(p, dtype=np.float32)[:, None]
    inner = np.clip(column, 1e-6, 1 - 1e-6)
    logits = np.log(inner / (1 - inner)).round(3).astype(np.float32)
    return Scores(("a",), RATE, RATE, RATE, starts, starts + RATE, logits, column, len(p) * RATE)


def heard(p: list[float], decision: Decision) -> np.ndarray:
    """Which seconds an event covers."""
    covered = np.zeros(len(p), dtype=bool)
    for event in events.find(scored(p), decision, (Label("a"),)):
        covered[round(event.start_s) : round(event.end_s)] = True
    return covered


@some
@given(chances, levels, levels, spans)
def test_a_higher_threshold_only_removes(p: list[float], one: float, other: float, gap: float) -> None:
    low, high = sorted((one, other))
    more, less = (heard(p, Decision({"a": at}, max_gap_s=gap)) for at in (low, high))
    assert (more | ~less).all()


@some
@given(chances, levels, spans, spans)
def test_a_longer_gap_only_joins(p: list[float], at: float, one: float, other: float) -> None:
    short, long = sorted((one, other))
    some_, all_ = (heard(p, Decision({"a": at}, max_gap_s=gap)) for gap in (short, long))
    assert (all_ | ~some_).all()
    counts = [
        len(events.find(scored(p), Decision({"a": at}, max_gap_s=gap), (Label("a"),)))
        for gap in (short, long)
    ]
    assert counts[1] <= counts[0]


@some
@given(chances, levels, spans, spans)
def test_deciding_again_is_deciding(p: list[float], at: float, gap: float, least: float) -> None:
    decision = Decision({"a": at}, max_gap_s=gap, min_duration_s=least)
    first, again = (events.find(scored(p), decision, (Label("a"),)) for _ in range(2))
    assert first == again
    spans_ = [(event.start_s, event.end_s) for event in first]
    assert all(end - start >= least - 1e-9 or len(p) == 1 for start, end in spans_)
    assert all(b - a > gap - 1e-9 for (_, a), (b, _) in itertools.pairwise(spans_))


# ---- thresholds --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a bundle says about two labels."""

    thresholds: dict[str, float]
    low_thresholds: dict[str, float]
    operating_points: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    labels: tuple[Label, ...] = (Label("a"), Label("b"))


shares = st.floats(0, 1)
points = st.lists(
    st.fixed_dictionaries({"threshold": shares, "precision": shares, "recall": shares, "fpr": shares}),
    max_size=8,
)


@st.composite
def bundles(draw: st.DrawFn) -> Told:
    own = {name: draw(shares) for name in "ab"}
    low = {name: value * draw(shares) for name, value in own.items() if draw(st.booleans())}
    return Told(own, low, {name: draw(points) for name in "ab"})


@some
@given(bundles(), shares)
def test_any_threshold_is_one_that_can_be_decided_with(bundle: Told, wish: float) -> None:
    for words in (None, f"{wish:.17g}", f"b={wish:.17g}"):
        on, low = thresholds.resolve(words, bundle)
        assert set(on) == {"a", "b"}
        Decision(on, low)


@some
@given(bundles(), shares, st.sampled_from(["precision", "fpr"]))
def test_a_wish_is_met_by_the_lowest_threshold_or_refused(bundle: Told, wish: float, measure: str) -> None:
    def good(point: dict[str, float]) -> bool:
        return point[measure] >= wish if measure == "precision" else point[measure] <= wish

    can = {name: [p["threshold"] for p in bundle.operating_points[name] if good(p)] for name in "ab"}
    try:
        on, low = thresholds.resolve(f"{measure}={wish:.17g}", bundle)
    except UsageError:
        assert not all(can.values())
        return
    assert on == {name: min(values) for name, values in can.items()}
    Decision(on, low)


# ---- resuming ----------------------------------------------------------------------------------------------

names = st.text('aé/. \n"', min_size=1, max_size=4)
written = st.lists(st.tuples(names, st.sampled_from([DONE, FAILED]), st.integers(0, 9)), max_size=8)


@some
@given(written, st.integers(0, 2000), written)
def test_a_journal_that_was_cut_anywhere_says_what_was_whole(
    first: list[tuple[str, str, int]], cut: int, second: list[tuple[str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        journal = Journal(folder, "all")
        ends, file = [0], folder / "journal-all.jsonl"
        for name, status, size in first:
            journal.add(Record(name, status=status, size_bytes=size))
            ends.append(file.stat().st_size)
        journal.close()
        file.write_bytes(file.read_bytes()[:cut])
        whole = sum(end <= cut for end in ends[1:])
        journal = Journal(folder, "all")
        for name, status, size in second:
            journal.add(Record(name, status=status, size_bytes=size))
        journal.close()
        expected = {name: (status, size) for name, status, size in [*first[:whole], *second]}
        found = Journal(folder, None)
        assert {r.name: (r.status, r.size_bytes) for r in found.records()} == expected
        assert found.failed == {name for name, (status, _) in expected.items() if status == FAILED}
        for name, (status, size) in expected.items():
            record = found.get(name)
            assert record is not None and replace(record, at=0.0) == Record(
                name, status=status, size_bytes=size
            )
        found.close()
