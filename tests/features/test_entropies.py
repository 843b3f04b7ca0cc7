"""Entropies: closed forms for constants, sines and noise, the definitions as loops, and antropy where it is there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sonoscope.features import entropies

EACH = {
    "permutation": entropies.permutation,
    "svd": entropies.svd,
    "approximate": entropies.approximate,
    "sample": entropies.sample,
}


def sine(cycles: float, n: int = 4000) -> np.ndarray:
    return np.sin(2 * np.pi * cycles * np.arange(n) / n + 0.3)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    "signal",
    [np.zeros(500), np.full(500, 0.25), np.zeros(1), np.zeros(0)],
    ids=["zero", "constant", "one", "none"],
)
def test_what_never_changes_is_certain(name: str, signal: np.ndarray) -> None:
    assert EACH[name](signal) == pytest.approx(0.0, abs=1e-9)
    assert entropies.regularity(signal) == (0.0, 0.0) and entropies.hjorth(signal) == (0.0, 0.0)


def test_white_noise_has_the_entropy_that_theory_says(rng: np.random.Generator) -> None:
    noise = rng.standard_normal(100_000)
    assert entropies.permutation(noise) == pytest.approx(1.0, abs=1e-3)
    assert entropies.svd(noise) == pytest.approx(1.0, abs=1e-3)
    flat = np.square(np.abs(np.fft.rfft(noise.reshape(-1, 1000)))).mean(axis=0)
    assert entropies.spectral(flat) == pytest.approx(1.0, abs=2e-3)
    # Two independent normal values are within 0.2 standard deviations with probability erf(0.1).
    assert entropies.sample(noise[:6000]) == pytest.approx(-math.log(math.erf(0.1)), abs=0.05)
    # The differences of white noise have twice its variance, their differences three times that.
    mobility, complexity = entropies.hjorth(noise)
    assert mobility == pytest.approx(math.sqrt(2), rel=0.01) and complexity == pytest.approx(
        math.sqrt(3) / math.sqrt(2), rel=0.01
    )


def test_one_line_of_a_spectrum_is_certain_and_two_are_one_bit() -> None:
    power = np.zeros((3, 1024))
    power[0, 100] = 5.0
    power[1, [100, 200]] = 5.0
    np.testing.assert_allclose(entropies.spectral(power), [0.0, 1 / 10, 0.0], atol=1e-12)
    assert entropies.spectral(np.ones(1024)) == pytest.approx(1.0)


def test_a_ramp_knows_one_order_and_a_sine_four() -> None:
    assert entropies.permutation(np.arange(100.0)) == 0.0
    # A period of 40 samples: 19 triples rise, 19 fall, one each has its largest and its smallest in the middle.
    found = entropies.permutation(np.sin(2 * np.pi * (np.arange(40_002) + 0.25) / 40))
    shares = np.array([19, 19, 1, 1]) / 40
    assert found == pytest.approx(-(shares * np.log2(shares)).sum() / math.log2(6), abs=1e-4)


def test_a_sine_has_two_singular_values() -> None:
    w = 2 * np.pi * 50 / 4000
    # Eigenvalues of its autocorrelation at lags 0, 1, 2: 2 sin² w, and what is left of 3.
    values = np.sqrt([2 * math.sin(w) ** 2, 3 - 2 * math.sin(w) ** 2])
    shares = values / values.sum()
    expected = -(shares * np.log2(shares)).sum() / math.log2(3)
    assert entropies.svd(sine(50)) == pytest.approx(expected, rel=2e-3)
    mobility, complexity = entropies.hjorth(sine(50))
    assert mobility == pytest.approx(2 * math.sin(w / 2), rel=1e-3) and complexity == pytest.approx(
        1, abs=2e-3
    )


def naive(signal: np.ndarray, order: int = 2, tolerance: float = 0.2) -> tuple[float, float]:
    """Approximate and sample entropy, as Richman and Moorman write them."""
    limit = np.float32(tolerance * np.std(signal, dtype=np.float64))

    def alike(m: int, count: int, own: bool) -> list[int]:
        return [
            sum(
                max(abs(signal[i + k] - signal[j + k]) for k in range(m)) <= limit
                for j in range(count)
                if own or i != j
            )
            for i in range(count)
        ]

    n = len(signal)

    def phi(m: int) -> float:
        return float(np.mean(np.log(np.array(alike(m, n - m + 1, True)) / (n - m + 1))))

    short, long = sum(alike(order, n - order, False)), sum(alike(order + 1, n - order, False))
    return phi(order) - phi(order + 1), math.log(short / long)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_recurrences_are_those_of_the_definition(rng: np.random.Generator, order: int) -> None:
    for signal in (rng.standard_normal(90).cumsum().astype(np.float32), sine(4.3, 90).astype(np.float32)):
        approximate, sample = naive(signal, order)
        assert entropies.approximate(signal, order=order) == pytest.approx(max(approximate, 0), abs=1e-9)
        assert entropies.sample(signal, order=order) == pytest.approx(sample, abs=1e-9)


def test_long_signals_are_compared_in_parts_with_the_same_result(
    rng: np.random.Generator, monkeypatch
) -> None:
    signal = rng.standard_normal(700)
    whole = entropies.approximate(signal), entropies.sample(signal)
    monkeypatch.setattr(entropies, "_ROWS", 37)
    assert (entropies.approximate(signal), entropies.sample(signal)) == pytest.approx(whole, rel=1e-12)


def test_noise_is_less_regular_than_a_sine_and_silence_around_changes_little(
    rng: np.random.Generator,
) -> None:
    noise, tone = rng.standard_normal(20_000), sine(441, 20_000)
    assert entropies.regularity(noise).sample > 2.0 > 0.3 > entropies.regularity(tone).sample
    assert entropies.regularity(np.concatenate([np.zeros(8000), noise[:6000], np.zeros(8000)])).sample > 2.0
    assert entropies.sample(np.arange(5.0) ** 3) == 0.0, "nothing is alike: nothing can be said"


def test_thirty_entropies_in_three_seconds(rng: np.random.Generator) -> None:
    rate = 22_050
    signal = np.concatenate(
        [np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rng.standard_normal(rate), np.zeros(rate)]
    )
    found = entropies.over_time(signal, rate)
    assert found.shape == (30,)
    assert found[:10].max() < 0.15 and found[10:20].min() > 0.9 and not found[20:].any()
    assert entropies.over_time(signal[: rate // 20], rate).shape == (0,)


@pytest.mark.slow
def test_agrees_with_antropy(rng: np.random.Generator) -> None:
    antropy = pytest.importorskip("antropy")
    for signal in (rng.standard_normal(800), rng.standard_normal(800).cumsum()):
        assert entropies.permutation(signal) == pytest.approx(antropy.perm_entropy(signal, normalize=True))
        assert entropies.svd(signal) == pytest.approx(antropy.svd_entropy(signal, normalize=True))
        assert entropies.approximate(signal) == pytest.approx(antropy.app_entropy(signal), rel=1e-4)
        assert entropies.sample(signal) == pytest.approx(antropy.sample_entropy(signal), rel=1e-4)
        assert entropies.hjorth(signal) == pytest.approx(antropy.hjorth_params(signal))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: entropies.permutation(x, order=8), "order=8 must lie in 2..7"),
        (lambda x: entropies.svd(x, order=1), "order=1 must be at least 2"),
        (lambda x: entropies.sample(x, order=0), "order=0 must be at least 1"),
        (lambda x: entropies.approximate(x, tolerance=-1), "tolerance=-1 must not be negative"),
        (lambda x: entropies.over_time(x, 20), "is 2 samples at 20 Hz"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.arange(100.0))
