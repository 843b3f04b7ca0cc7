"""Every method's map of a tone in noise lights up where the tone is."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.explain import METHODS, Case
from sonoscope.explain.views import RowsWindow

from .conftest import BEGIN, END, FEATURE, HZ, sound

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

CASES = [
    ("occlusion", "cnn"), ("integrated", "cnn"), ("gradcam", "cnn"), ("saliency", "cnn"), ("attention", "cnn"),
    ("attention", "crnn"), ("occlusion", "crnn"), ("attention", "ast"), ("rollout", "ast"),
]  # fmt: skip


def test_every_method_is_here() -> None:
    assert {method for method, _ in CASES} == set(METHODS)


@pytest.fixture(scope="module")
def case(networks):
    def of(name: str) -> Case:
        from sonoscope.explain.network import Net

        net = Net(networks(name))
        rows = FEATURE(sound(np.random.default_rng(3), (BEGIN, END, HZ)))[:40]
        window = RowsWindow(rows, np.full_like(rows, np.quantile(rows, 0.05)))
        return Case(window, 1, lambda inputs: net.logits(torch.from_numpy(inputs)).numpy(), net)

    return of


@pytest.mark.parametrize(("method", "network"), CASES)
def test_the_map_lights_up_where_the_tone_is(case, method, network) -> None:
    found = METHODS[method]()(case(network))
    assert found.values.shape == (40, 32) and np.isfinite(found.values).all()
    if not METHODS[method].signed:
        assert found.values.min() >= 0
    times, hz = np.arange(40) * 0.025, FEATURE.frequencies_hz
    # A tone against all that is far from it in time and pitch.
    box = np.outer((times > BEGIN) & (times < END), found.time_only | (np.abs(np.log2(hz / HZ)) < 0.2))
    near = np.outer(
        (times > BEGIN - 0.2) & (times < END + 0.2), found.time_only | (np.abs(np.log2(hz / HZ)) < 0.6)
    )
    assert found.values[box].mean() > 4 * np.abs(found.values[~near]).mean()
    peak = times[found.values.sum(axis=1).argmax()]
    assert BEGIN - 0.05 < peak < END + 0.05


def test_integrated_gradients_sum_to_the_difference(case) -> None:
    one = case("cnn")
    found = METHODS["integrated"]()(one)
    with torch.no_grad():
        high, low = (
            float(one.logit(torch.from_numpy(x)[None])[0]) for x in (one.window.cells, one.window.baseline)
        )
    assert abs(found.values.sum() - (high - low)) <= 0.011 * abs(high - low)


@pytest.mark.parametrize("network", ["cnn", "crnn", "ast"])
def test_weights_of_attention_sum_to_one(case, network) -> None:
    weights = METHODS["attention"]()(case(network)).details["weights"]
    sums = weights.sum(axis=1 if network == "ast" else 0)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert weights.min() >= 0


def test_rollout_sums_to_one_over_all_tokens(case) -> None:
    np.testing.assert_allclose(METHODS["rollout"]()(case("ast")).details["weights"].sum(), 1, atol=1e-5)
