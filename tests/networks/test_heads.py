"""Each head against what it says it is: one layer for each class, a probe, weights that sum to one."""

from __future__ import annotations

import pytest

from sonoscope.errors import UnknownName, UsageError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from sonoscope.networks.heads import build, pool  # noqa: E402
from sonoscope.networks.heads.fluffy import Fluffy  # noqa: E402

pytestmark = pytest.mark.train


def test_fluffy_is_a_network_of_its_own_for_each_class() -> None:
    torch.manual_seed(0)
    head = Fluffy(6, 4, layers=[5, 3]).eval()
    embeddings = torch.randn(2, 7, 6)
    logits, _ = head(embeddings)
    for c in range(4):
        x = embeddings
        for i, layer in enumerate(head.layers):
            x = functional.linear(x, layer.weight[c].T, layer.bias[c])
            x = functional.relu(x) if i < 2 else x
        torch.testing.assert_close(logits[:, :, c], x[:, :, 0])


def test_fluffy_heads_share_no_gradient() -> None:
    head = Fluffy(6, 4, layers=[5]).eval()
    head(torch.randn(3, 6))[0][:, 0, 2].sum().backward()
    for layer in head.layers:
        assert layer.weight.grad[2].any()
        assert not layer.weight.grad[[0, 1, 3]].any()


def test_a_linear_head_over_frames_is_one_over_the_mean() -> None:
    head = build("linear", 8, 3).eval()
    embeddings = torch.randn(4, 9, 8)
    torch.testing.assert_close(head.clip_logits(embeddings), head.logits(embeddings.mean(dim=1)))


@pytest.mark.parametrize(("over", "size"), [("frames", 8), ("mean", 8), ("mean+max", 16)])
def test_a_deep_head_has_the_layers_of_its_list(over: str, size: int) -> None:
    head = build({"name": "mlp", "layers": [1000, 500], "over": over}, 8, 4)
    linear = [layer for layer in head.layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (size, 1000),
        (1000, 500),
        (500, 4),
    ]


@pytest.mark.parametrize("normalise", [False, True])
def test_a_deep_head_is_its_layers_by_hand(normalise: bool) -> None:
    torch.manual_seed(0)
    spec = {"name": "mlp", "layers": [6, 5], "over": "mean", "dropout": 0.4, "normalise": normalise}
    head = build(spec, 8, 4).eval()
    norms = [layer for layer in head.layers if isinstance(layer, nn.BatchNorm1d)]
    for norm in norms:
        norm.running_mean.normal_()
    embeddings = torch.randn(3, 7, 8)
    x = embeddings.mean(dim=1)
    linear = [layer for layer in head.layers if isinstance(layer, nn.Linear)]
    for i, layer in enumerate(linear):
        x = layer(x)
        if i < 2:
            x = functional.relu(norms[i](x) if normalise else x)
    torch.testing.assert_close(head.clip_logits(embeddings), x)
    assert [layer.p for layer in head.layers if isinstance(layer, nn.Dropout)] == [0.4, 0.4]
    assert len(norms) == (2 if normalise else 0)


@pytest.mark.parametrize("name", ["mlp", "fluffy"])
def test_hidden_units_are_dropped_in_training(name: str) -> None:
    torch.manual_seed(0)
    head = build({"name": name, "layers": [400], "dropout": 1.0}, 8, 3)
    embeddings = torch.randn(2, 5, 8)
    last = head.layers[-1].bias.reshape(-1)
    torch.testing.assert_close(head.train()(embeddings)[0], last.expand(2, 5, 3))
    assert (head.eval()(embeddings)[0] - last).abs().max() > 1e-3


def test_an_attention_head_answers_each_of_its_questions_by_hand() -> None:
    torch.manual_seed(0)
    head = build({"name": "attention", "n_heads": 2}, 8, 3).eval()
    with torch.no_grad():
        head.questions.normal_(0.0, 3.0)
    frames = torch.randn(6, 8)
    parts = []
    for k in range(2):
        own = slice(4 * k, 4 * k + 4)
        scores = head.keys(frames)[:, own] @ head.questions[k] / 4**0.5
        parts.append(torch.softmax(scores, dim=0) @ frames[:, own])
    expected = head.logits(head.norm(torch.cat(parts)))
    torch.testing.assert_close(head.clip_logits(frames[None])[0], expected)


def test_attention_weights_sum_to_one_and_leave_padding_out() -> None:
    head = build({"name": "attention", "n_heads": 2}, 8, 3).eval()
    with torch.no_grad():
        head.questions.normal_(0.0, 3.0)
    mask = torch.arange(6)[None] < torch.tensor([[6], [4]])
    _, weights = head.listen(torch.randn(2, 6, 8), mask)
    assert weights.shape == (2, 6, 2)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 2))
    assert not weights[1, 4:].any()
    assert weights.std() > 0.05


def test_cosine_logits_are_scaled_angles() -> None:
    head = build({"name": "cosine", "scale": 10.0}, 2, 2)
    with torch.no_grad():
        head.directions.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.5]]))
    logits, _ = head(torch.tensor([[7.0, 0.0], [1.0, 1.0]]))
    expected = torch.tensor([[10.0, 0.0], [10 / 2**0.5, 10 / 2**0.5]])
    torch.testing.assert_close(logits[:, 0], expected)


def test_unknown_further_inputs_do_not_count_whatever_they_hold() -> None:
    torch.manual_seed(0)
    head = build({"name": "auxiliary", "inputs": {"genre": 3, "drums": 1}, "head": "linear"}, 8, 2).eval()
    embeddings = torch.randn(2, 5, 8)
    without, _ = head(embeddings)
    values = {"genre": torch.eye(3)[:2], "drums": torch.tensor([[1.0], [float("nan")]])}
    known = {"genre": torch.tensor([1.0, 0.0]), "drums": torch.tensor([1.0, 0.0])}
    told, _ = head(embeddings, values=values, known=known)
    torch.testing.assert_close(told[1], without[1])
    assert (told[0] - without[0]).abs().max() > 1e-3
    zero = {"drums": torch.zeros(2, 1)}
    # To know that there are no drums is something else than not to know.
    assert (head(embeddings, values=zero)[0] - without).abs().max() > 1e-3


def test_pool_is_the_mean_under_even_attention() -> None:
    logits = torch.randn(2, 5, 3)
    torch.testing.assert_close(pool(logits, torch.zeros_like(logits)), logits.mean(dim=1))
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    torch.testing.assert_close(pool(logits, torch.zeros_like(logits), mask)[1], logits[1, :2].mean(dim=0))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("fluffi", UnknownName, r"unknown head 'fluffi'\. Did you mean 'fluffy'\?"),
        (
            {"name": "mlp", "layer": [3]},
            UnknownName,
            r"unknown parameter 'layer' of this head\. Did you mean 'layers'",
        ),
        (
            {"name": "mlp", "over": "median"},
            UsageError,
            r"over='median' must be one of frames, mean, max, mean\+max",
        ),
        ({"name": "mlp", "normalise": True}, UsageError, "normalise=True needs a pooled embedding"),
        ({"name": "attention", "n_heads": 3}, ValueError, "n_heads=3 must divide dim=8"),
        ({"name": "cosine", "scale": 0}, ValueError, "scale=0 must be positive"),
    ],
)
def test_refusals_say_what_is_wrong(spec, error, message: str) -> None:
    with pytest.raises(error, match=message):
        build(spec, 8, 4)


def test_unknown_inputs_and_shapes_are_refused() -> None:
    head = build({"name": "auxiliary", "inputs": {"drums": 1}}, 8, 2)
    with pytest.raises(ValueError, match="unknown input 'genre'; this head has drums"):
        head(torch.randn(2, 8), values={"genre": torch.zeros(2, 3)})
    with pytest.raises(ValueError, match=r"input 'drums' has shape \(2, 2\), expected \(2, 1\)"):
        head(torch.randn(2, 8), values={"drums": torch.zeros(2, 2)})


def test_a_background_lowers_the_others_by_how_sure_it_is() -> None:
    torch.manual_seed(0)
    plain = build("framewise_attention", 6, 4).eval()
    head = build({"name": "framewise_attention", "background": 2, "background_weight": 0.8}, 6, 4).eval()
    head.load_state_dict(plain.state_dict())
    embeddings = 5.0 * torch.randn(3, 7, 6)
    (raw, looks), (logits, attention) = plain(embeddings), head(embeddings)
    torch.testing.assert_close(attention, looks)
    torch.testing.assert_close(logits[..., 2], raw[..., 2])
    others = [0, 1, 3]
    lowered = raw[..., others] - 0.8 * torch.log1p(torch.exp(raw[..., 2:3]))
    torch.testing.assert_close(logits[..., others], lowered)
    with torch.no_grad():
        head.logits.bias[2] = -100.0
        plain.logits.bias[2] = -100.0
    torch.testing.assert_close(head(embeddings)[0], plain(embeddings)[0])


@pytest.mark.parametrize("wrong", [{"background": 4}, {"background": 1, "background_weight": -0.1}])
def test_a_background_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises((ValueError, UsageError), match="background"):
        build({"name": "framewise_attention", **wrong}, 6, 4)
