"""Sums of sounds, powers and labels, against sums written out; NumPy and torch give the same."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data.mix import combine


@pytest.fixture
def parts(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((5, 3, 100)).astype(np.float32)


GAINS = np.array([0.0, -6.0, 20 * np.log10(2)])


def test_a_sum_is_the_sum_at_its_gains(parts: np.ndarray) -> None:
    expected = parts[:, 0] + 10 ** (-6 / 20) * parts[:, 1] + 2 * parts[:, 2]
    found = combine.sum_n(parts, GAINS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_concatenation_has_the_beginnings_one_after_another(parts: np.ndarray) -> None:
    found = combine.concat_n(parts, GAINS)
    assert found.shape == (5, 100)
    np.testing.assert_array_equal(found[:, :33], parts[:, 0, :33])
    np.testing.assert_allclose(found[:, 33:67], parts[:, 1, :34] * 10 ** (-6 / 20), rtol=1e-6)
    np.testing.assert_allclose(found[:, 67:], parts[:, 2, :33] * 2, rtol=1e-6)


def test_one_sound_alone_stays_itself(parts: np.ndarray) -> None:
    one = parts[:, :1]
    for found in (combine.sum_n(one, np.zeros(1)), combine.concat_n(one, np.zeros(1))):
        np.testing.assert_array_equal(found, one[:, 0])


def test_powers_add_up() -> None:
    equal = np.full((2, 4, 8), -30.0, dtype=np.float32)
    np.testing.assert_allclose(combine.sum_powers_db(equal, np.zeros(2)), -30 + 10 * np.log10(2), atol=1e-4)
    alone = combine.sum_powers_db(equal, np.array([3.0, -200.0]))
    np.testing.assert_allclose(alone, -27.0, atol=1e-4)


def test_powers_of_sums_over_all_polarities_average_to_the_sum_of_powers(parts: np.ndarray) -> None:
    """The identity that ties both ways of mixing together, for any spectrum."""
    signs = np.array([[1, a, b] for a in (1, -1) for b in (1, -1)], dtype=np.float32)
    spectra = [np.abs(np.fft.rfft(combine.sum_n(parts * s[:, None], GAINS))) ** 2 for s in signs]
    alone = np.abs(np.fft.rfft(parts * (10 ** (GAINS / 20))[:, None])) ** 2
    np.testing.assert_allclose(np.mean(spectra, axis=0), alone.sum(axis=1), rtol=1e-3)


def test_only_what_is_too_loud_is_turned_down_and_by_what_is_noted() -> None:
    quiet, loud = np.full(50, 0.5, np.float32), np.linspace(-3, 2, 50, dtype=np.float32)
    found, gain_db = combine.protect(np.stack([quiet, loud]))
    np.testing.assert_array_equal(found[0], quiet)
    assert gain_db[0] == 0.0 and gain_db[1] == pytest.approx(20 * np.log10(0.97 / 3), abs=0.011)
    assert 0.965 < np.abs(found[1]).max() <= 0.97
    np.testing.assert_allclose(found[1], loud * 10 ** (gain_db[1] / 20), rtol=1e-6)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((True, None), True), ((True, False), True), ((None, True), True), ((False, False), False),
        ((False, None), None), ((None, None), None), ((True, True), True),
    ],
)  # fmt: skip
def test_labels_unite(said: tuple, expected: bool | None) -> None:
    sounds = np.array([[value is True] for value in said], dtype=np.float32)
    known = np.array([[value is not None] for value in said])
    united, is_known = combine.unite(sounds, known)
    assert united.shape == (1,) and united.dtype == np.float32
    assert (bool(united[0]) if is_known[0] else None) is expected


def test_what_nobody_judged_counts_for_nothing() -> None:
    """A 1 that is masked is no label."""
    united, known = combine.unite(np.ones((2, 1), np.float32), np.zeros((2, 1), bool))
    assert not united.any() and not known.any()


def test_fades_begin_and_end_at_nothing_and_leave_the_rest() -> None:
    samples = np.ones(100, dtype=np.float32)
    both = combine.faded(samples, 10, begin=True, end=True)
    assert both[0] < 0.01 and both[-1] < 0.01 and (both[10:90] == 1).all() and (np.diff(both[:10]) > 0).all()
    np.testing.assert_allclose(both, both[::-1])
    np.testing.assert_array_equal(combine.faded(samples, 10, begin=False, end=False), samples)
    assert combine.faded(samples[:3], 10, begin=True, end=True).shape == (3,)
    assert samples.min() == 1, "the sound itself stays"


def test_torch_gives_the_same_and_keeps_the_gradient(parts: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(parts, requires_grad=True)
    gains = torch.tensor(GAINS)
    assert torch.equal(combine.sum_n(tensor, GAINS), combine.sum_n(tensor, gains)), (
        "numbers of the host will do"
    )
    for function in (combine.sum_n, combine.concat_n):
        found = function(tensor, gains)
        np.testing.assert_allclose(found.detach().numpy(), function(parts, GAINS), rtol=1e-5, atol=1e-6)
        assert found.dtype == torch.float32
        found.sum().backward()
    frames = parts.reshape(5, 3, 10, 10)
    np.testing.assert_allclose(
        combine.sum_powers_db(torch.tensor(frames), gains).numpy(),
        combine.sum_powers_db(frames, GAINS),
        atol=1e-4,
    )
    samples, gain_db = combine.protect(torch.tensor(parts[:, 0]))
    expected, expected_db = combine.protect(parts[:, 0])
    np.testing.assert_allclose(samples.numpy(), expected, atol=0.01)
    np.testing.assert_allclose(gain_db.numpy(), expected_db, atol=0.011)  # floor of nearly the same number
    sounds, known = (parts[:, :, :4] > 0), (parts[:, :, 4:8] > 0)
    united = combine.unite(torch.tensor(sounds.astype(np.float32)), torch.tensor(known))
    for found, wanted in zip(united, combine.unite(sounds.astype(np.float32), known), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)
