"""The filter read off soxr gives soxr's numbers, only earlier."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from sonoscope.live.resample import Direct, Resampler, Same, Soxr, resampler

RATES = [
    (48_000, 24_000),
    (44_100, 24_000),
    (16_000, 24_000),
    (8_000, 24_000),
    (96_000, 24_000),
    (22_050, 24_000),
]


def in_blocks(stream: Resampler, samples: np.ndarray, sizes: list[int]) -> np.ndarray:
    parts, at = [], 0
    while at < samples.size:
        size = sizes[len(parts) % len(sizes)]
        parts.append(stream.push(samples[at : at + size]))
        at += size
    return np.concatenate([*parts, stream.close()])


@pytest.mark.parametrize(("from_rate", "to_rate"), [*RATES, (44_100, 16_000), (11_127, 24_000)])
@pytest.mark.parametrize("sizes", [[1, 700, 33], [480], [100_000]], ids=str)
@pytest.mark.parametrize("n", [1, 50, 5_003])
def test_it_gives_what_soxr_gives_for_the_whole(
    from_rate: int, to_rate: int, sizes: list[int], n: int, rng: np.random.Generator
) -> None:
    samples = rng.uniform(-1, 1, n).astype(np.float32)
    wanted = soxr.resample(samples, from_rate, to_rate, quality="HQ")
    found = in_blocks(resampler(from_rate, to_rate, prompt=True), samples, sizes)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-6)  # rounding in single precision, of sums of 400


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
@pytest.mark.parametrize("prompt", [True, False])
def test_the_delay_is_what_is_stated(from_rate: int, to_rate: int, prompt: bool) -> None:
    stream = resampler(from_rate, to_rate, prompt=prompt)
    assert isinstance(stream, Direct if prompt else Soxr)
    given, latest = 0, 0.0
    step = 1 if prompt else 7
    for count in range(step, from_rate // 16 if prompt else from_rate // 4, step):
        given += stream.push(np.zeros(step, np.float32)).size
        latest = max(latest, count / from_rate - given / to_rate)
    # The output at ``given / to_rate`` was still missing after ``count`` samples, and not one sample longer.
    assert latest <= stream.delay_s + 1e-9
    assert latest >= stream.delay_s - 2 * max(step, 1) / from_rate - (0 if prompt else 1e-3)


def test_it_is_much_earlier_than_soxr() -> None:
    assert Direct(48_000, 24_000).delay_s < 0.005 < 0.03 < Soxr(48_000, 24_000).delay_s


def test_an_impulse_comes_out_where_it_went_in() -> None:
    samples = np.zeros(9_600, np.float32)
    samples[4_800] = 1
    found = in_blocks(resampler(48_000, 24_000, prompt=True), samples, [480])
    assert found.argmax() == 2_400


def test_equal_rates_are_left_alone_and_no_rate_is_refused(rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, 100).astype(np.float32)
    same = resampler(8_000, 8_000, prompt=True)
    assert isinstance(same, Same) and same.delay_s == 0
    np.testing.assert_array_equal(in_blocks(same, samples, [7]), samples)
    with pytest.raises(ValueError, match="rates of 0 and 24000 Hz"):
        resampler(0, 24_000, prompt=True)
