"""Every method's map of a tone in noise lights up where the tone is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sonoscope.errors import UsageError
from sonoscope.explain import METHODS, Case

from .conftest import BEGIN, END, FEATURE, HZ, TRANSFORMERS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

CASES = [
    ("occlusion", "cnn"), ("integrated", "cnn"), ("gradcam", "cnn"), ("gradcam", "ensemble"), ("saliency", "cnn"),
    ("attention", "cnn"), ("attention", "crnn"), ("occlusion", "crnn"), ("attention", "ast"), ("rollout", "ast"),
    ("attention", "pooled"), ("attention", "vit"), ("rollout", "vit"), ("attention", "beats"), ("rollout", "beats"),
]  # fmt: skip


def test_every_method_is_here() -> None:
    assert {method for method, _ in CASES} == set(METHODS)


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


def test_the_maps_of_all_members_speak(case) -> None:
    weights = METHODS["gradcam"]()(case("ensemble")).details["weights"]
    assert weights.shape == (2 * 16,) and weights[:16].any() and weights[16:].any()
    named = METHODS["gradcam"](layer="backbone.members.*.convolutions.5")(case("ensemble"))
    np.testing.assert_allclose(named.details["weights"], weights)
    only = METHODS["gradcam"](layer="backbone.members.1.convolutions.5")(case("ensemble"))
    np.testing.assert_allclose(only.details["weights"], weights[16:])


def test_integrated_gradients_sum_to_the_difference(case) -> None:
    one = case("cnn")
    found = METHODS["integrated"]()(one)
    with torch.no_grad():
        high, low = (
            float(one.logit(torch.from_numpy(x)[None])[0]) for x in (one.window.cells, one.window.baseline)
        )
    assert abs(found.values.sum() - (high - low)) <= 0.011 * abs(high - low)


@pytest.mark.parametrize("network", ["cnn", "crnn", "pooled", *TRANSFORMERS])
def test_weights_of_attention_sum_to_one(case, network) -> None:
    weights = METHODS["attention"]()(case(network)).details["weights"]
    sums = weights.sum(axis=1 if network in TRANSFORMERS else 0)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert weights.min() >= 0


@pytest.mark.parametrize("network", TRANSFORMERS)
def test_rollout_sums_to_one_over_all_tokens(case, network) -> None:
    np.testing.assert_allclose(METHODS["rollout"]()(case(network)).details["weights"].sum(), 1, atol=1e-5)


def test_rollout_is_the_product_of_its_layers(case) -> None:
    """Abnar and Zuidema's eq. 1, from matrices that are recomputed from the weights of a ViT."""
    one = case("vit")
    vit: Any = one.torch()._module.backbone
    tokens, through, layers = vit.tokens(prepared(one)), np.eye(80), []
    for block in vit.blocks:
        heads = block.queries_keys_values(block.before_attention(tokens))[0].reshape(80, 3, 2, 16)
        matrices = [
            torch.softmax(heads[:, 0, k] @ heads[:, 1, k].T / np.sqrt(16), dim=1).double().numpy()
            for k in range(2)
        ]
        layers.append(np.mean(matrices, axis=0))
        through = (layers[-1] / 2 + np.eye(80) / 2) @ through
        tokens = block(tokens)
    found = METHODS["attention"]()(one).details["weights"]
    np.testing.assert_allclose(found, [matrix.mean(axis=0) for matrix in layers], atol=1e-6)
    np.testing.assert_allclose(METHODS["rollout"]()(one).details["weights"], through.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("network", ["vit", "beats"])
def test_a_patch_of_attention_stands_where_the_patch_is(case, network) -> None:
    """Ten columns of eight patches of 4 by 4 cells: the map at a patch's middle is what is read of it."""
    found = METHODS["attention"]()(case(network))
    of_patches = found.details["weights"][-1].reshape(10, 8)
    middle = np.array([[found.values[4 * t + 1 : 4 * t + 3, 4 * f + 1 : 4 * f + 3].mean() for f in range(8)]
                       for t in range(10)])  # fmt: skip
    assert middle.argmax() == of_patches.argmax()
    assert np.corrcoef(middle.ravel(), of_patches.ravel())[0, 1] > 0.98, (
        "middles lie between cells: not quite 1"
    )


def test_bahdanaus_weights_are_those_of_the_network(case) -> None:
    """The weights by which the CRNN sums its frames, asked of it directly, at the frames' places."""
    one = case("crnn")
    backbone: Any = one.torch()._module.backbone
    weights = backbone.listen(prepared(one))[1][0].numpy()
    found = METHODS["attention"]()(one)
    np.testing.assert_allclose(found.details["weights"][:, 0], weights, atol=1e-6)
    assert found.time_only and found.values[:, 0].argmax() == pytest.approx(weights.argmax(), abs=1)


def test_every_layer_can_be_asked(case) -> None:
    layers = METHODS["attention"]()(case("beats")).details["layers"]
    assert layers.shape == (2, 40, 32)
    for layer in (1, 2):
        found = METHODS["attention"](of="layers", layer=layer)(case("beats"))
        np.testing.assert_array_equal(found.values, layers[layer - 1])
    with pytest.raises(UsageError, match=r"layer=3 must lie in 1\.\.2, or be 0 for the last"):
        METHODS["attention"](layer=3)(case("beats"))
    with pytest.raises(UsageError, match="this network has no self-attention: take the method gradcam"):
        METHODS["rollout"]()(case("cnn"))
    with pytest.raises(UsageError, match="pools its frames without weights"):
        METHODS["attention"](of="pooling")(case("vit"))


def prepared(one: Case) -> Any:
    """The maps that the backbone is given of the window."""
    with torch.no_grad():
        inputs = one.window.tensors(torch.from_numpy(one.window.cells)[None])
        return one.torch()._module.maps(inputs)
