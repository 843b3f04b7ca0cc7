"""Windows cover every sample once per overlap, by integers; cutting from a stream is cutting from the whole."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from sonoscope import windows
from sonoscope.errors import UsageError
from sonoscope.windows import Cutter, Grid, centred_frames, from_milliseconds, in_samples, samples_of_frames


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 19, 20, 21, 25, 100])
@pytest.mark.parametrize("hop", [1, 3, 4, 9, 10])
def test_every_sample_is_covered_and_only_the_last_window_is_cut(n: int, hop: int) -> None:
    grid = Grid(window=10, hop=hop)
    starts, ends = grid.starts(n), grid.ends(n)
    assert starts.dtype == ends.dtype == np.int64
    assert len(starts) == len(ends) == grid.count(n)
    covered = np.zeros(n, dtype=int)
    for start, end in zip(starts, ends, strict=True):
        covered[start:end] += 1
    assert (covered > 0).all()
    assert ends[-1] == n
    assert (ends[:-1] - starts[:-1] == 10).all()
    np.testing.assert_array_equal(starts, np.arange(len(starts)) * hop)
    # No window too many: without the last one, the end would not be covered.
    assert len(starts) == 1 or ends[-2] < n


def test_nothing_has_no_windows() -> None:
    grid = Grid(10, 5)
    assert grid.count(0) == len(grid.starts(0)) == len(grid.ends(0)) == 0


def test_the_last_window_of_a_day_starts_where_it_should() -> None:
    grid, n = Grid(window=23_040, hop=1237), 24 * 3600 * 24_000
    last = int(grid.starts(n)[-1])
    assert last == 1237 * (grid.count(n) - 1)
    assert n - 23_040 <= last < n - 23_040 + 1237


@pytest.mark.parametrize("hop", [0, -1, 11])
def test_a_hop_beyond_the_window_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match=rf"hop={hop} must lie in 1\.\.window=10"):
        Grid(10, hop)
    with pytest.raises(ValueError, match=rf"hop={hop} must lie in 1\.\.length=10"):
        Cutter(10, hop, 1)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-6, 2.0001, math.nan, math.inf, -math.inf])
def test_a_hop_in_seconds_out_of_range_is_refused(seconds: float) -> None:
    with pytest.raises(
        UsageError, match=rf"hop={seconds} s is out of range: .* at most the model's window \(2 s\)"
    ):
        in_samples(seconds, 24_000, 48_000)


@pytest.mark.parametrize(
    ("seconds", "samples"),
    [(2.0, 48_000), (0.5, 12_000), (1 / 24_000, 1), (0.1, 2400), (1 / 3, 8000), (0.96, 23_040)],
)
def test_a_hop_in_seconds_is_the_nearest_number_of_samples(seconds: float, samples: int) -> None:
    assert in_samples(seconds, 24_000, 48_000) == samples


def pieces(rows: np.ndarray, length: int, hop: int) -> list[np.ndarray]:
    """The definition: every whole piece, first to last."""
    return [rows[i : i + length] for i in range(0, len(rows) - length + 1, hop)]


@pytest.mark.parametrize(("length", "hop"), [(5, 5), (5, 2), (1, 1), (7, 6), (8, 1)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("sizes", [[1], [4, 0, 9], [100]])
def test_pieces_of_blocks_are_the_pieces_of_the_whole(
    length: int, hop: int, batch: int, sizes: list[int]
) -> None:
    for shape in ((57,), (57, 3)):
        rows = np.arange(np.prod(shape)).reshape(shape)
        cutter, batches, taken = Cutter(length, hop, batch), [], 0
        while taken < len(rows):
            for size in sizes:
                batches += cutter.push(rows[taken : taken + size])
                taken += size
        assert all(len(b) == batch for b in batches)
        rest = cutter.close()
        assert rest is None or 0 < len(rest) < batch
        found = [piece for b in (*batches, *([] if rest is None else [rest])) for piece in b]
        expected = pieces(rows, length, hop)
        assert len(found) == len(expected)
        np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_too_few_rows_give_no_piece() -> None:
    cutter = Cutter(5, 2, 1)
    assert cutter.close() is None
    assert cutter.push(np.arange(4)) == []
    assert cutter.close() is None


@pytest.mark.parametrize(
    ("milliseconds", "sample_rate", "samples"),
    [(25, 44_100, 1102), (10, 44_100, 441), (25, 16_000, 400), (0.29, 100_000, 29), (10, 22_050, 220)],
)
def test_milliseconds_become_samples_as_in_kaldi(milliseconds: float, sample_rate: int, samples: int) -> None:
    assert from_milliseconds(milliseconds, sample_rate) == samples


@pytest.mark.parametrize("hop", [1, 7, 220])
def test_frames_and_samples_convert_there_and_back(hop: int) -> None:
    for count in (1, 2, 50):
        n = samples_of_frames(count, hop)
        assert centred_frames(n, hop) == count
        assert n == 0 or centred_frames(n - 1, hop) == count - 1


def test_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(windows).failed == 0
