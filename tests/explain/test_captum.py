"""Integrated gradients, saliency and Grad-CAM are captum's, on networks that find a tone; .ci/slow brings captum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sonoscope.explain import METHODS, Case

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.attr")
pytestmark = [pytest.mark.train, pytest.mark.slow]

NETWORKS = ("cnn", "crnn", "ast", "vit", "beats")


def given(case: Case) -> tuple[Any, Any]:
    """The window and what it is when it is quiet, as captum takes them."""
    return tuple(torch.from_numpy(part)[None] for part in (case.window.cells, case.window.baseline))


@pytest.mark.parametrize("network", NETWORKS)
def test_integrated_gradients_are_captums(case, network) -> None:
    """The same rule of Gauss and Legendre with as many points: equal but for rounding. Both sum to the difference."""
    one = case(network)
    cells, quiet = given(one)
    method = captum.IntegratedGradients(one.logit)
    found = METHODS["integrated"](points=512)(one)
    theirs = method.attribute(cells, quiet, method="gausslegendre", n_steps=512, internal_batch_size=16)[0]
    largest = np.abs(found.values).max()
    np.testing.assert_allclose(found.values, theirs.detach().numpy(), atol=1e-3 * largest)
    assert theirs.sum().item() == pytest.approx(
        found.values.sum(), abs=2e-3 * max(1.0, abs(found.values.sum()))
    )


@pytest.mark.parametrize("network", NETWORKS)
def test_the_plain_gradient_is_captums(case, network) -> None:
    one = case(network)
    theirs = captum.Saliency(one.logit).attribute(given(one)[0].requires_grad_())[0].numpy()
    np.testing.assert_allclose(METHODS["saliency"](draws=1)(one).values, theirs, rtol=1e-3, atol=1e-6)


def test_the_maps_of_grad_cam_are_captums(case) -> None:
    """The same layer, weighed alike; ours lies where the layer looks, theirs is stretched over the window."""
    one = case("cnn")
    net = one.torch()
    inputs = one.window.tensors(given(one)[0])
    name = list(net.with_maps(inputs)[1])[-1]
    method = captum.LayerGradCam(net.logits, net._module.get_submodule(name))
    theirs = method.attribute(inputs, target=one.label, relu_attributions=True)
    stretched = captum.LayerAttribution.interpolate(theirs, (40, 32), "bilinear")[0, 0].detach().numpy()
    found = METHODS["gradcam"]()(one).values
    assert np.corrcoef(found.ravel(), stretched.ravel())[0, 1] > 0.95
    assert found.max() == pytest.approx(theirs.max().item(), rel=0.25), "the highest lies between cells"
