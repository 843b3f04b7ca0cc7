"""CNN14 and BEATs against their published computation, written out once more, at random weights.

The recomputations below work from the state dictionary alone, by the equations of the papers and the published
readers (qiuqiangkong/audioset_tagging_cnn, ``pytorch/models.py``; microsoft/unilm, ``beats/``), in loops where they
make the meaning plain.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sonoscope import features

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402

from sonoscope.networks.backbones import build  # noqa: E402
from sonoscope.networks.backbones.beats import BEATs, bucket  # noqa: E402
from sonoscope.networks.backbones.cnn14 import CNN14, WIDTHS, published_feature  # noqa: E402
from sonoscope.networks.backbones.cnn14_bands import DEFAULT_BANDS  # noqa: E402
from sonoscope.networks.checkpoints import BadCheckpoint  # noqa: E402

pytestmark = pytest.mark.train


def shaken(network, seed: int = 0):
    """The network in evaluation with every weight and statistic random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.ndim > 1:
                value.copy_(noise * (2.0 / value[0].numel()) ** 0.5)
            elif "norm.weight" in name or ".bn" in name or "bn0.weight" in name:
                value.copy_(1.0 + 0.2 * noise)
            else:
                value.copy_(0.2 * noise)
    return network.eval()


def published_cnn14(
    weights: dict[str, torch.Tensor], logmel: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embedding and tag probabilities of (batch, 1, time, 64), as ``Cnn14.forward`` after its log-mel."""

    def norm(x, name):
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        shape = (1, -1, 1, 1)
        scaled = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5)
        return scaled * weights[f"{name}.weight"].view(shape) + weights[f"{name}.bias"].view(shape)

    x = norm(logmel.transpose(1, 3), "bn0").transpose(1, 3)
    for block in range(1, 7):
        for i in (1, 2):
            x = functional.conv2d(x, weights[f"conv_block{block}.conv{i}.weight"], padding=1)
            x = torch.relu(norm(x, f"conv_block{block}.bn{i}"))
        if block < 6:
            x = functional.avg_pool2d(x, kernel_size=(2, 2))
    x = torch.mean(x, dim=3)
    x = torch.max(x, dim=2)[0] + torch.mean(x, dim=2)
    x = torch.relu(x @ weights["fc1.weight"].T + weights["fc1.bias"])
    return x, torch.sigmoid(x @ weights["fc_audioset.weight"].T + weights["fc_audioset.bias"])


@pytest.mark.parametrize("width", [1 / 8, pytest.param(1.0, marks=pytest.mark.slow)])
def test_cnn14_is_the_published_computation(width: float) -> None:
    network = shaken(CNN14(width=width, classes=527))
    logmel = torch.randn(2, 1, 101, 64, generator=torch.Generator().manual_seed(1)) * 10 - 20
    with torch.no_grad():
        embedding, tags = published_cnn14(network.state_dict(), logmel)
        ours = network(logmel)
        torch.testing.assert_close(ours[:, 0], embedding, rtol=1e-4, atol=1e-4 * float(embedding.abs().max()))
        torch.testing.assert_close(torch.sigmoid(network.tags(ours))[:, 0], tags, rtol=1e-3, atol=1e-4)
    assert embedding.std() > 0.1


def test_cnn14_frames_are_those_of_the_decision_level_network() -> None:
    clip, frames = CNN14(width=1 / 8), CNN14(width=1 / 8, frames=True)
    frames.load_state_dict(shaken(clip).state_dict())
    frames.eval()
    logmel = torch.randn(1, 1, 5 * 32 + 3, 64) * 10 - 20
    with torch.no_grad():
        maps = clip.maps(logmel)[0]
        rows = []
        for k in range(5):
            near = [maps[:, :, j] for j in (k - 1, k, k + 1) if 0 <= j < 5]
            # Zeros beyond the edges belong to the published mean, and are never the maximum of rectified maps.
            pooled = torch.stack(near).amax(dim=0) + torch.stack(near).sum(dim=0) / 3
            rows.append(torch.relu(clip.fc1(pooled)))
        torch.testing.assert_close(frames(logmel), torch.stack(rows, dim=1), rtol=1e-4, atol=1e-4)


def published_cnn14_layout() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of ``Cnn14_mAP=0.431.pth`` (32 kHz, window 1024)."""
    layout: dict[str, tuple[int, ...]] = {
        "spectrogram_extractor.stft.conv_real.weight": (513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": (513, 1, 1024),
        "logmel_extractor.melW": (513, 64),
        "fc1.weight": (2048, 2048),
        "fc1.bias": (2048,),
        "fc_audioset.weight": (527, 2048),
        "fc_audioset.bias": (527,),
    }
    norms = {"bn0": 64}
    channels = 1
    for i, size in enumerate((64, 128, 256, 512, 1024, 2048), start=1):
        layout[f"conv_block{i}.conv1.weight"] = (size, channels, 3, 3)
        layout[f"conv_block{i}.conv2.weight"] = (size, size, 3, 3)
        norms |= {f"conv_block{i}.bn1": size, f"conv_block{i}.bn2": size}
        channels = size
    for name, size in norms.items():
        layout |= {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}
        layout[f"{name}.num_batches_tracked"] = ()
    return layout


def test_cnn14_has_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        own = {name: tuple(value.shape) for name, value in CNN14(classes=527).state_dict().items()}
    published = published_cnn14_layout()
    not_layers = {name for name in published if "extractor" in name}
    assert own == {name: shape for name, shape in published.items() if name not in not_layers}
    assert sum(name.endswith((".conv1.weight", ".conv2.weight")) for name in own) == 12
    assert published_feature(32000)["n_fft"] == 1024
    assert published_feature(16000)["hop_samples"] == 160


def test_the_features_that_published_weights_want_are_ours() -> None:
    tiny = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    wishes = [CNN14(width=1 / 16, sample_rate=rate).wants for rate in (32000, 16000, 8000)]
    wishes.append(BEATs(128, **SIZES).wants)
    if find_spec("transformers") is not None:
        wishes.append(build({"name": "ast", **tiny}, 128).wants)
    for wants in wishes:
        feature = features.from_dict(wants.feature)
        assert feature.n_bins == wants.bins
        assert wants.sample_rate in (None, feature.sample_rate)
    assert features.FEATURES["multiband"]().parts == DEFAULT_BANDS


def small_checkpoint(path: Path, **change) -> dict[str, torch.Tensor]:
    """A file laid out as the published one, an eighth as wide, with the sampler's state that came with it."""
    scale = {size: size // 8 for size in WIDTHS}
    state = {}
    for name, shape in published_cnn14_layout().items():
        spared = "extractor" in name or name.startswith(("bn0", "conv_block1.conv1"))
        sizes = [
            scale.get(n, n) if not spared or (i == 0 and "conv1" in name) else n for i, n in enumerate(shape)
        ]
        state[name] = torch.randn(sizes).abs() if sizes else torch.tensor(3)
    state |= change
    state = {name: value for name, value in state.items() if value is not None}
    sampler = {"indexes": np.arange(5), "pointer": np.int64(3), "queue": [1, 2]}
    torch.save({"iteration": 600000, "model": state, "sampler": sampler}, path)
    return state


def test_a_published_file_loads_and_says_what_was_left_out(tmp_path: Path) -> None:
    state = small_checkpoint(tmp_path / "Cnn14.pth")
    network = CNN14(width=1 / 8, weights=tmp_path / "Cnn14.pth")
    assert torch.equal(network.conv_block6.conv2.weight, state["conv_block6.conv2.weight"])
    report = network.report
    assert report.complete
    assert not report.unexpected
    assert {name.partition(".")[0] for name in report.left_out} == {
        "spectrogram_extractor",
        "logmel_extractor",
        "fc_audioset",
    }
    assert "5 left out: spectrogram_extractor" in report.text()
    with_tags = CNN14(width=1 / 8, classes=527, weights=tmp_path / "Cnn14.pth")
    assert torch.equal(with_tags.fc_audioset.bias, state["fc_audioset.bias"])


def test_what_is_missing_or_mismatched_is_named(tmp_path: Path) -> None:
    broken = {"conv_block3.conv2.weight": None, "fc1.bias": torch.zeros(7), "fc2.bias": torch.zeros(7)}
    small_checkpoint(tmp_path / "broken.pth", **broken)
    with pytest.raises(BadCheckpoint) as refusal:
        CNN14(width=1 / 8, weights=tmp_path / "broken.pth")
    for part in (
        "1 missing in the file: conv_block3.conv2.weight",
        r"1 of another shape: fc1.bias (7,) in the file, (256,) here",
        "1 unknown to the network: fc2.bias",
    ):
        assert part in str(refusal.value)
    report = CNN14(width=1 / 8, weights=tmp_path / "broken.pth", strict=False).report
    assert report.missing == ("conv_block3.conv2.weight",)
    assert report.mismatched == (("fc1.bias", (7,), (256,)),)


def test_three_extractors_take_one_published_file(tmp_path: Path) -> None:
    state = small_checkpoint(tmp_path / "Cnn14.pth")
    network = build({"name": "cnn14_bands", "width": 1 / 8, "weights": str(tmp_path / "Cnn14.pth")}, 198)
    for extractor, report in zip(network.extractors, network.reports, strict=True):
        assert torch.equal(extractor.conv_block2.conv1.weight, state["conv_block2.conv1.weight"])
        assert {name for name in report.left_out if name.startswith("bn0")} >= {
            "bn0.weight",
            "bn0.running_var",
        }
    sizes = [(part.in_features, part.out_features) for part in network.fusion if hasattr(part, "in_features")]
    assert sizes == [(1536, 768), (768, 512)]
    assert [part.p for part in network.fusion if isinstance(part, torch.nn.Dropout)] == [0.4, 0.3]
    layer = [torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.ReLU, torch.nn.Dropout]
    assert [type(part) for part in network.fusion] == layer * 2
    assert [part.out_features for part in network.projections] == [512] * 3
    assert network.dim == 512


def test_each_band_goes_through_an_extractor_of_its_own() -> None:
    torch.manual_seed(0)
    network = build({"name": "cnn14_bands", "width": 1 / 32, "fusion": [24, 16]}, 198).eval()
    maps = torch.randn(2, 1, 70, 198)
    parts = []
    for band, extractor, projection in zip(
        maps.split([47, 69, 82], dim=3), network.extractors, network.projections, strict=True
    ):
        parts.append(projection(extractor(band).mean(dim=1)).relu())
    with torch.no_grad():
        torch.testing.assert_close(network(maps)[:, 0], network.fusion(torch.cat(parts, dim=1)))


SIZES = {
    "embed_dim": 12,
    "encoder_layers": 3,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 24,
    "encoder_attention_heads": 2,
    "conv_pos": 8,
    "conv_pos_groups": 2,
    "num_buckets": 16,
    "max_distance": 40,
}


def naive_bucket(distance: int, n_buckets: int, longest: int) -> int:
    """T5's bucket of one distance, bidirectional."""
    half = n_buckets // 2
    start, size = (half, distance) if distance > 0 else (0, -distance)
    exact = half // 2
    if size < exact:
        return start + size
    return start + min(
        exact + int(math.log(size / exact) / math.log(longest / exact) * (half - exact)), half - 1
    )


def naive_beats(weights: dict[str, torch.Tensor], fbank: torch.Tensor) -> torch.Tensor:
    """Patches of one (time, 128) filter bank through the published equations, head by head and query by query."""
    layers, dim, heads = SIZES["encoder_layers"], SIZES["encoder_embed_dim"], SIZES["encoder_attention_heads"]
    size = dim // heads

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])

    normalised = (fbank - 15.41663) / (2 * 6.55582)
    kernel = weights["patch_embedding.weight"][:, 0].flatten(1)
    patches = [
        kernel @ normalised[16 * t : 16 * t + 16, 16 * f : 16 * f + 16].flatten()
        for t in range(fbank.shape[0] // 16)
        for f in range(fbank.shape[1] // 16)
    ]
    x = linear(norm(torch.stack(patches), "layer_norm"), "post_extract_proj")

    v, g = weights["encoder.pos_conv.0.weight_v"], weights["encoder.pos_conv.0.weight_g"]
    taps = torch.stack([g[0, 0, k] * v[:, :, k] / v[:, :, k].norm() for k in range(v.shape[2])], dim=2)
    padded = functional.pad(x.T[None], (SIZES["conv_pos"] // 2,) * 2)
    moved = functional.conv1d(
        padded, taps, weights["encoder.pos_conv.0.bias"], groups=SIZES["conv_pos_groups"]
    )
    x = norm(x + functional.gelu(moved[0, :, :-1]).T, "encoder.layer_norm")

    n, alpha = len(x), (2 * layers) ** 0.25
    table = weights["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    for i in range(layers):
        at = f"encoder.layers.{i}.self_attn"
        q, k, value = (linear(x, f"{at}.{p}_proj") for p in "qkv")
        joined = torch.zeros(n, dim)
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            for a in range(n):
                eight = torch.sigmoid(linear(q[a, part], f"{at}.grep_linear").view(2, 4).sum(dim=1))
                gate = eight[0] * (eight[1] * weights[f"{at}.grep_a"][0, h, 0, 0] - 1.0) + 2.0
                bias = torch.stack(
                    [
                        table[naive_bucket(b - a, SIZES["num_buckets"], SIZES["max_distance"]), h]
                        for b in range(n)
                    ]
                )
                share = torch.softmax(k[:, part] @ q[a, part] / math.sqrt(size) + gate * bias, dim=0)
                joined[a, part] = share @ value[:, part]
        x = norm(alpha * x + linear(joined, f"{at}.out_proj"), f"encoder.layers.{i}.self_attn_layer_norm")
        inner = linear(functional.gelu(linear(x, f"encoder.layers.{i}.fc1")), f"encoder.layers.{i}.fc2")
        x = norm(alpha * x + inner, f"encoder.layers.{i}.final_layer_norm")
    return x


def test_beats_is_the_published_computation() -> None:
    network = shaken(BEATs(32, **SIZES))
    fbank = 15.0 + 6.0 * torch.randn(1, 1, 100, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = naive_beats(network.state_dict(), fbank[0, 0])
        torch.testing.assert_close(network.patches(fbank)[0], expected, rtol=1e-4, atol=1e-4)
        frames = network(fbank)[0]
    torch.testing.assert_close(frames, expected.view(6, 2, 16).mean(dim=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("buckets", "longest"), [(320, 800), (32, 128), (16, 40)])
def test_buckets_of_distances(buckets: int, longest: int) -> None:
    distances = list(range(-1100, 1101))
    expected = [naive_bucket(d, buckets, longest) for d in distances]
    found = bucket(torch.tensor(distances), buckets, longest).tolist()
    # At the very edge of a bucket the logarithm in single precision may fall on its other side, as published.
    differ = [d for d, a, b in zip(distances, expected, found, strict=True) if a != b]
    assert len(differ) <= 4
    assert sorted(set(found)) == sorted(set(expected))


def published_beats_layout() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of ``BEATs_iter3_plus_AS2M.pt``."""
    layout: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (512, 1, 16, 16),
        "layer_norm.weight": (512,),
        "layer_norm.bias": (512,),
        "post_extract_proj.weight": (768, 512),
        "post_extract_proj.bias": (768,),
        "encoder.pos_conv.0.bias": (768,),
        "encoder.pos_conv.0.weight_g": (1, 1, 128),
        "encoder.pos_conv.0.weight_v": (768, 48, 128),
        "encoder.layer_norm.weight": (768,),
        "encoder.layer_norm.bias": (768,),
    }
    for i in range(12):
        at = f"encoder.layers.{i}"
        for linear in ("k_proj", "v_proj", "q_proj", "out_proj"):
            layout[f"{at}.self_attn.{linear}.weight"] = (768, 768)
            layout[f"{at}.self_attn.{linear}.bias"] = (768,)
        layout[f"{at}.self_attn.grep_a"] = (1, 12, 1, 1)
        layout[f"{at}.self_attn.grep_linear.weight"] = (8, 64)
        layout[f"{at}.self_attn.grep_linear.bias"] = (8,)
        layout[f"{at}.self_attn.relative_attention_bias.weight"] = (320, 12)
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            layout |= {f"{at}.{norm}.weight": (768,), f"{at}.{norm}.bias": (768,)}
        layout |= {f"{at}.fc1.weight": (3072, 768), f"{at}.fc1.bias": (3072,)}
        layout |= {f"{at}.fc2.weight": (768, 3072), f"{at}.fc2.bias": (768,)}
    return layout


def test_beats_has_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        own = {name: tuple(value.shape) for name, value in BEATs().state_dict().items()}
        tagger = {name: tuple(value.shape) for name, value in BEATs(classes=527).state_dict().items()}
    assert own == published_beats_layout()
    assert {name: tagger[name] for name in tagger.keys() - own.keys()} == {
        "predictor.weight": (527, 768),
        "predictor.bias": (527,),
    }


def test_beats_is_built_from_the_cfg_of_its_file(tmp_path: Path) -> None:
    maker = shaken(BEATs(32, classes=5, **SIZES))
    cfg = {
        **SIZES,
        "input_patch_size": 16,
        "deep_norm": True,
        "gru_rel_pos": True,
        "relative_position_embedding": True,
        "layer_norm_first": False,
        "activation_fn": "gelu",
        "finetuned_model": True,
        "layer_wise_gradient_decay_ratio": 0.6,
    }
    torch.save({"cfg": cfg, "model": maker.state_dict()}, tmp_path / "BEATs.pt")
    network = BEATs(32, weights=tmp_path / "BEATs.pt").eval()
    fbank = torch.randn(1, 1, 48, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(fbank), maker(fbank))
    assert network.report.left_out == ("predictor.weight", "predictor.bias")
    torch.save({"cfg": {**cfg, "layer_norm_first": True}, "model": maker.state_dict()}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="layer_norm_first=True in the checkpoint's cfg; BEATs has False"):
        BEATs(32, weights=tmp_path / "other.pt")


def test_ast_at_full_length_is_transformers_own() -> None:
    transformers = pytest.importorskip("transformers")
    network = build(
        {"name": "ast", "longest": 64, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2},
        32,
    )
    assert isinstance(network.model, transformers.ASTModel)
    shaken(network)
    fbank = torch.randn(2, 1, 64, 32)
    with torch.no_grad():
        theirs = network.model((fbank[:, 0] + 4.2677393) / (2 * 4.5689974))
        ours = network(fbank)
        network.clip = True
        torch.testing.assert_close(network(fbank)[:, 0], theirs.pooler_output, rtol=1e-5, atol=1e-5)
    grid = theirs.last_hidden_state[:, 2:].view(2, 2, 5, 24)  # rows of frequency, then columns of time
    torch.testing.assert_close(ours, grid.mean(dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("part", ["whole", "extractor"])
def test_wav2vec2_is_transformers_own(part: str) -> None:
    transformers = pytest.importorskip("transformers")
    tiny = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    network = build({"name": "wav2vec2", "part": part, **tiny, **sizes}).eval()
    torch.manual_seed(0)
    theirs = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**tiny, **sizes)).eval()
    samples = 0.1 + 0.3 * torch.randn(2, 8000)
    prepared = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)(
        [row.numpy() for row in samples], sampling_rate=16000, return_tensors="pt"
    ).input_values
    with torch.no_grad():
        if part == "whole":
            network.model.load_state_dict(theirs.state_dict(), strict=False)
            expected = theirs(prepared).last_hidden_state
        else:
            network.extractor.load_state_dict(theirs.feature_extractor.state_dict())
            expected = theirs.feature_extractor(prepared).transpose(1, 2)
        torch.testing.assert_close(network(samples), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape == (2, 24, network.dim)


@pytest.mark.parametrize("name", ["ast", "wav2vec2"])
def test_models_of_transformers_load_from_a_folder(tmp_path: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    tiny = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    if name == "ast":
        made = transformers.ASTForAudioClassification(
            transformers.ASTConfig(num_mel_bins=32, max_length=64, num_labels=5, **tiny)
        )
    else:
        config = transformers.Wav2Vec2Config(
            conv_dim=[8] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, **tiny
        )
        made = transformers.Wav2Vec2ForSequenceClassification(config)
    made.save_pretrained(tmp_path / "tagger")
    network = build({"name": name, "weights": str(tmp_path / "tagger")}, 32)
    assert network.report.complete
    assert any("classifier" in key for key in network.report.unexpected)
    with pytest.raises(BadCheckpoint, match=r"cannot be loaded as .*Give a folder with config\.json"):
        build({"name": name, "weights": str(tmp_path / "nothing")}, 32)


@pytest.mark.parametrize("deep", [1, 2])
def test_attention_of_the_crnn_tells_where_it_listened(deep: int) -> None:
    torch.manual_seed(0)
    spec = {"name": "crnn", "stages": [], "hidden": 6, "attention": "bahdanau", "layers_deep": deep}
    network = build(spec, 8).eval()
    frames = torch.randn(2, 1, 9, 8)
    with torch.no_grad():
        clip, weights = network.listen(frames, torch.tensor([9, 5]))
        states, last = network._recur(frames.transpose(1, 2).flatten(2), torch.tensor([9, 5]))
    assert weights.shape == (2, 9)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert not weights[1, 5:].any()
    attention = network.attention
    for row, n in ((0, 9), (1, 5)):
        scores = [
            float(
                attention.score(
                    torch.tanh(attention.keys(states[row, t]) + attention.question(last[row]))
                ).detach()
            )
            for t in range(n)
        ]
        expected = torch.softmax(torch.tensor(scores), dim=0)
        torch.testing.assert_close(weights[row, :n], expected)
        torch.testing.assert_close(clip[row, 0], (expected[:, None] * states[row, :n]).sum(dim=0))
    # The last state of the shorter row is where it ended, not where the batch did.
    torch.testing.assert_close(last[1, :6], states[1, 4, :6])
