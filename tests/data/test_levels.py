"""Levels: what is drawn follows the distribution that is stated, and loudness is that of what sounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sonoscope.data.mix.levels import Levels, block_powers, loudness_db, parse
from sonoscope.errors import UnknownName, UsageError

RATE = 8000


def sine(seconds: float, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "cdf"),
    [
        ("-6..6", stats.uniform(-6, 12).cdf),
        ("uniform:-6,6", stats.uniform(-6, 12).cdf),
        ("triangular:-12,0,3", stats.triang(12 / 15, -12, 15).cdf),
    ],
)
def test_draws_follow_the_stated_distribution(text: str, cdf, rng: np.random.Generator) -> None:
    drawn = [parse(text).draw(rng) for _ in range(2000)]
    assert stats.kstest(drawn, cdf).pvalue > 0.01


def test_a_normal_distribution_has_no_outliers(rng: np.random.Generator) -> None:
    drawn = np.array([parse("normal:-3,4").draw(rng) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(-3, abs=0.3) and drawn.std() == pytest.approx(4, abs=0.2)
    assert drawn.min() >= -15 and drawn.max() <= 9


def test_a_choice_is_one_of_its_values_and_a_number_is_always_that(rng: np.random.Generator) -> None:
    assert {parse("choice:-12,-6,0").draw(rng) for _ in range(100)} == {-12.0, -6.0, 0.0}
    assert {parse("-3").draw(rng) for _ in range(10)} == {-3.0}
    assert {parse("triangular:1,1,1").draw(rng) for _ in range(10)} == {1.0}


@pytest.mark.parametrize(
    "text", ["-6..6", "0", "-3.5", "normal:-3,4", "triangular:-12,0,3", "choice:-12,-6,0"]
)
def test_text_there_and_back(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loud", r"levels 'loud' are no numbers of dB: -6\.\.6, 0, normal:"),
        ("6..-6", "levels uniform:6, -6 must ascend"),
        ("normal:1", r"levels normal:1 must state 2 value\(s\)"),
        ("normal:0,-1", "a standard deviation is not negative"),
        ("choice:inf", "must be finite numbers of dB"),
        ("normal:", "are no numbers of dB"),
    ],
)
def test_what_is_no_distribution_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_an_unknown_distribution_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'norml'\. Did you mean 'normal'\?"):
        parse("norml:0,3")
    with pytest.raises(UsageError, match="must state at least one"):
        Levels("choice", ())


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.001])
@pytest.mark.parametrize("silence_s", [0.0, 30.0])
def test_loudness_is_that_of_what_sounds(amplitude: float, silence_s: float) -> None:
    samples = np.concatenate([np.zeros(round(silence_s * RATE), np.float32), sine(1.0, amplitude)])
    assert loudness_db(samples, RATE) == pytest.approx(20 * np.log10(amplitude) - 3.01, abs=0.01)


def test_a_decay_does_not_make_a_note_quieter() -> None:
    decay = sine(8.0) * 10.0 ** (-np.arange(8 * RATE) / RATE * 60 / 20).astype(np.float32)  # 60 dB a second
    assert -12 < loudness_db(decay, RATE) < -3


def test_silence_has_a_level_and_blocks_cover_everything() -> None:
    assert loudness_db(np.zeros(0, np.float32), RATE) == loudness_db(np.zeros(99, np.float32), RATE) == -200.0
    powers = block_powers(np.ones(1001, np.float32), RATE)
    assert powers.size == 3 and np.allclose(powers, 1.0)
