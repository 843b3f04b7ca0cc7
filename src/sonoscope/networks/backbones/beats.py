"""BEATs: a transformer over 16×16 patches of a Kaldi filter bank, with gated relative positions and deep norm.

Chen et al. 2022, "BEATs: Audio pre-training with acoustic tokenizers" (arXiv:2212.09058); names of the weights and
equations as in the repository microsoft/unilm, ``beats/BEATs.py`` and ``beats/backbone.py``. Checkpoints
(``BEATs_iter3_plus_AS2M.pt`` and the fine-tuned ones) are ``{"cfg": …, "model": …}``; the network is built from
their ``cfg``.

- Positions: a grouped convolution over the patches (weight-normalised for each tap), and for each pair of patches a
  bias by their distance, in buckets that grow logarithmically (Raffel et al. 2020, T5), one table for all layers.
- Gate (Chi et al. 2022, "XLM-E", eq. 5–7): the bias is multiplied, for each query ``q`` and head, by
  ``a (b w - 1) + 2`` with ``(a, b) = sigmoid`` of sums of four of eight linear maps of ``q``.
- Deep norm (Wang et al. 2022, "DeepNet"): ``LayerNorm(x α + f(x))`` with ``α = (2 layers)^(1/4)``.

The published code divides queries by 32 and multiplies the centred scores by 32 for the sake of half precision;
the result is the same and that step is left out.

The input is the filter bank of samples in the range of 16-bit integers (128 bands, 25 ms, every 10 ms, 16 kHz); it
is normalised here, by the published constants. Patches are ordered in time, then in frequency; a frame of output is
the mean of the patches of its 160 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import frame_mask
from sonoscope.networks.backbones.protocol import Backbone, TokenGrid, Wants, numbered, parameters_of
from sonoscope.networks.checkpoints import LoadReport, load_weights, read_checkpoint
from sonoscope.signatures import Count

FBANK_MEAN, FBANK_STD = 15.41663, 6.55582
#: The feature that published weights were trained on: Kaldi's own window, samples as 16-bit integers.
PUBLISHED_FEATURE = {"name": "fbank", "sample_rate": 16000, "window": "povey", "gain": 32768.0}


@dataclass(frozen=True)
class Shape:
    """Sizes of the network, by the names of a checkpoint's ``cfg``; the defaults are those of the published ones."""

    input_patch_size: int = 16
    embed_dim: int = 512
    conv_bias: bool = False
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    dropout_input: float = 0.0
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800
    deep_norm: bool = True

    @classmethod
    def of(cls, cfg: dict[str, Any]) -> Shape:
        """The sizes in a checkpoint's ``cfg``.

        Raises
        ------
        ValueError
            If it asks for something that no published BEATs has (another activation, pre-norm, no gate).
        """
        expected = {
            "activation_fn": "gelu",
            "layer_norm_first": False,
            "relative_position_embedding": True,
            "gru_rel_pos": True,
        }
        for key, value in expected.items():
            if key in cfg and cfg[key] != value:
                raise ValueError(f"{key}={cfg[key]!r} in the checkpoint's cfg; BEATs has {value!r}")
        known = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in cfg.items() if key in known})


class TapNormedConv(nn.Module):
    """A grouped convolution over (batch, dim, n) whose weight is ``g v / |v|``, a length ``g`` for each tap."""

    def __init__(self, dim: int, taps: int, groups: int) -> None:
        super().__init__()
        self.taps, self.n_groups = taps, groups
        self.weight_v = nn.Parameter(torch.empty(dim, dim // groups, taps))
        nn.init.normal_(self.weight_v, std=math.sqrt(4 / (taps * dim)))
        self.weight_g = nn.Parameter(self.weight_v.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        out = functional.conv1d(x, weight, self.bias, padding=self.taps // 2, groups=self.n_groups)
        # An even number of taps gives one step too many.
        return out[:, :, : out.shape[2] - (self.taps + 1) % 2]


def bucket(distance: torch.Tensor, n_buckets: int, longest: int) -> torch.Tensor:
    """The bucket of each distance (key minus query): half of them for keys behind the query.

    Of each half, the first half hold one distance each, and the rest grow logarithmically up to ``longest``.
    """
    half = n_buckets // 2
    exact = half // 2
    size = distance.abs()
    # Below ``exact`` the logarithm is not used; clamping keeps it finite there.
    ratio = torch.log(size.clamp(min=1).float() / exact) / math.log(longest / exact)
    large = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    return (distance > 0).long() * half + torch.where(size < exact, size, large)


class GatedAttention(nn.Module):
    """Self-attention with a position bias that each query gates."""

    def __init__(self, shape: Shape, positions: nn.Embedding) -> None:
        super().__init__()
        dim, self.heads = shape.encoder_embed_dim, shape.encoder_attention_heads
        self.head_dim = dim // self.heads
        self.dropout = shape.attention_dropout
        self.k_proj, self.v_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.q_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.grep_linear = nn.Linear(self.head_dim, 8)
        self.grep_a = nn.Parameter(torch.ones(1, self.heads, 1, 1))
        self.relative_attention_bias = positions

    def forward(self, x: torch.Tensor, bias: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(batch, n, dim), bias (heads, n, n) and mask (batch, n) of real keys to (batch, n, dim)."""
        batch, n, dim = x.shape
        q, k, v = (
            p(x).reshape(batch, n, self.heads, self.head_dim).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        gates = torch.sigmoid(self.grep_linear(q).reshape(batch, self.heads, n, 2, 4).sum(dim=4))
        gate = gates[..., :1] * (gates[..., 1:] * self.grep_a - 1.0) + 2.0
        scores = (q * self.head_dim**-0.5) @ k.transpose(2, 3) + gate * bias[None]
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = functional.dropout(torch.softmax(scores, dim=3), self.dropout, self.training)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(batch, n, dim))


class Layer(nn.Module):
    """Attention and feed-forward, each normalised after its (scaled) residual."""

    def __init__(self, shape: Shape, positions: nn.Embedding) -> None:
        super().__init__()
        dim = shape.encoder_embed_dim
        self.self_attn = GatedAttention(shape, positions)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, shape.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(shape.encoder_ffn_embed_dim, dim)
        self.dropout, self.inner_dropout = nn.Dropout(shape.dropout), nn.Dropout(shape.activation_dropout)
        self.alpha = (2 * shape.encoder_layers) ** 0.25 if shape.deep_norm else 1.0

    def forward(self, x: torch.Tensor, bias: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        attended = self.dropout(self.self_attn(x, bias, mask))
        x = self.self_attn_layer_norm(x * self.alpha + attended)
        inner = self.inner_dropout(functional.gelu(self.fc1(x)))
        return self.final_layer_norm(x * self.alpha + self.dropout(self.fc2(inner)))


class Encoder(nn.Module):
    """Positions and the layers."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        dim = shape.encoder_embed_dim
        # The published module is a sequence of convolution, cut and GELU: hence the name ``pos_conv.0``.
        self.pos_conv = nn.Sequential(TapNormedConv(dim, shape.conv_pos, shape.conv_pos_groups), nn.GELU())
        self.layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(shape.dropout)
        self.positions = (shape.num_buckets, shape.max_distance)
        table = nn.Embedding(shape.num_buckets, shape.encoder_attention_heads)
        self.layers = nn.ModuleList(Layer(shape, table) for _ in range(shape.encoder_layers))
        self._initialise(shape)

    def _initialise(self, shape: Shape) -> None:
        gain = (8 * shape.encoder_layers) ** -0.25 if shape.deep_norm else 1.0
        for layer in self.layers:
            assert isinstance(layer, Layer)
            attention = layer.self_attn
            for linear, scale in (
                (attention.q_proj, 1.0),
                (attention.k_proj, 1.0),
                (attention.v_proj, gain),
                (attention.out_proj, gain),
                (layer.fc1, gain),
                (layer.fc2, gain),
            ):
                nn.init.xavier_normal_(linear.weight, gain=scale)
                nn.init.zeros_(linear.bias)
            nn.init.normal_(attention.grep_linear.weight, std=0.02)
            nn.init.zeros_(attention.grep_linear.bias)
            nn.init.normal_(attention.relative_attention_bias.weight, std=0.02)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if mask is not None:
            x = x.masked_fill(~mask[:, :, None], 0.0)
        x = x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2)
        x = self.dropout(self.layer_norm(x))
        index = torch.arange(x.shape[1], device=x.device)
        buckets = bucket(index[None, :] - index[:, None], *self.positions)
        first = self.layers[0]
        assert isinstance(first, Layer)
        bias = first.self_attn.relative_attention_bias(buckets).permute(2, 0, 1)
        for layer in self.layers:
            x = layer(x, bias, mask)
        return x


class BEATs(Backbone):
    """Filter-bank maps to frames of embedding.

    Parameters
    ----------
    n_bins, channels : int
        128 and 1 as published; bins must be a multiple of the patch size, and there is one map.
    weights : path
        A published checkpoint; the sizes come from its ``cfg``.
    classes : int
        Keep the classifier ``predictor`` of a fine-tuned checkpoint (527 classes); :meth:`tags` gives its logits.
    strict : bool
        Refuse ``weights`` that lack a key or have another shape; else they are in ``report``.
    **sizes
        Fields of :class:`Shape`.

    Raises
    ------
    BadCheckpoint
        If ``weights`` do not fit; the message lists what is missing and what mismatches.
    ValueError
        If ``n_bins`` or ``channels`` do not fit.
    """

    local = False
    published_rows = True

    def __init__(
        self,
        n_bins: int = 128,
        *,
        channels: int = 1,
        weights: str | Path = "",
        classes: Count = 0,
        strict: bool = True,
        **sizes: Any,
    ) -> None:
        super().__init__()
        content = read_checkpoint(weights) if weights else None
        cfg = content.get("cfg", {}) if isinstance(content, dict) else {}
        shape = Shape.of({**cfg, **sizes})
        patch = shape.input_patch_size
        if channels != 1:
            raise ValueError(f"channels={channels}: BEATs reads one map, the Kaldi filter bank")
        if n_bins % patch:
            raise ValueError(f"n_bins={n_bins} must be a multiple of the patch's {patch}")
        self.shape, self.dim, self.rows = shape, shape.encoder_embed_dim, n_bins // patch
        self.patch_embedding = nn.Conv2d(1, shape.embed_dim, patch, patch, bias=shape.conv_bias)
        self.layer_norm = nn.LayerNorm(shape.embed_dim)
        self.post_extract_proj = nn.Linear(shape.embed_dim, self.dim) if shape.embed_dim != self.dim else None
        self.dropout_input = nn.Dropout(shape.dropout_input)
        self.encoder = Encoder(shape)
        self.predictor = nn.Linear(self.dim, classes) if classes else None
        self.field = Field.of([Step(patch, patch)])
        self.wants = Wants(sample_rate=16000, channels=1, bins=128, feature=PUBLISHED_FEATURE)
        self.token_grid = TokenGrid(self.rows)
        self.report: LoadReport | None = None
        if content is not None:
            left_out = () if classes else ("predictor.*",)
            self.report = load_weights(self, content, leave_out=left_out, strict=strict)

    def patches(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, 1, time, bins) to (batch, time // 16 * bins // 16, dim), in order of time, then frequency."""
        self.check_lengths(x.shape[2], lengths)
        normalised = (x - FBANK_MEAN) / (2.0 * FBANK_STD)
        tokens = self.layer_norm(self.patch_embedding(normalised).flatten(2).transpose(1, 2))
        if self.post_extract_proj is not None:
            tokens = self.post_extract_proj(tokens)
        mask = None
        if lengths is not None:
            real = self.output_lengths(lengths).to(x.device) * self.rows
            mask = frame_mask(real, tokens.shape[1])
        return self.encoder(self.dropout_input(tokens), mask)

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, 1, time, bins) to (batch, time // 16, dim)."""
        return self.patches(x, lengths).unflatten(1, (-1, self.rows)).mean(dim=2)

    def tags(self, embedding: torch.Tensor) -> torch.Tensor:
        """Logits of the checkpoint's own classes, frame by frame (their mean is the published clip logit)."""
        if self.predictor is None:
            raise ValueError(
                "this BEATs has no classifier: build it with classes=527 from a fine-tuned checkpoint"
            )
        return self.predictor(embedding)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        first = self.encoder.layers[0]
        assert isinstance(first, Layer)
        (table,) = parameters_of(first.self_attn.relative_attention_bias)
        named: dict[str, list[nn.Parameter]] = {
            "patches": parameters_of(self.patch_embedding, self.layer_norm, self.post_extract_proj),
            "positions": [*parameters_of(self.encoder.pos_conv, self.encoder.layer_norm), table],
        }
        for name, parameters in numbered("layer", self.encoder.layers).items():
            named[name] = [p for p in parameters if p is not table]
        if self.predictor is not None:
            named["predictor"] = parameters_of(self.predictor)
        return named
