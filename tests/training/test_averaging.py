"""Weights that are averaged."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sonoscope.training.averaging import mean_of_weights  # noqa: E402


def test_the_mean_of_weights_leaves_counts_alone():
    def network(scale):
        layer = torch.nn.BatchNorm1d(2)
        with torch.no_grad():
            layer.weight.fill_(scale)
            layer.running_mean.fill_(10 * scale)
            layer.num_batches_tracked.fill_(int(scale))
        return layer.state_dict()

    mean = mean_of_weights([network(1.0), network(2.0), network(6.0)])
    assert mean["weight"].tolist() == [3.0, 3.0]
    assert mean["running_mean"].tolist() == [30.0, 30.0]
    assert mean["num_batches_tracked"] == 1
    torch.nn.BatchNorm1d(2).load_state_dict(mean)
    same = mean_of_weights([network(2.0)])
    assert all(torch.equal(same[name], value) for name, value in network(2.0).items())
