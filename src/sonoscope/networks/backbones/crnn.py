"""Convolutions, then a recurrent layer over time, then (if wished) additive attention.

The convolutions pool along bins, and along time only where ``pools`` say so; each frame's maps are laid side by
side and read by a GRU or an LSTM in both directions. Without ``stages`` it is the bare recurrent network on
frames of features (mel, MFCC, wavelets).

With ``attention`` the whole input becomes one embedding, the sum of the states ``h_t`` under weights that say
which frames were listened to (Bahdanau, Cho, Bengio 2015, arXiv:1409.0473, eq. 6, with the network's last state
``s`` as the question): ``a = softmax_t(v . tanh(W h_t + U s))``. :meth:`CRNN.listen` returns the weights too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sonoscope.errors import lookup
from sonoscope.networks.backbones.field import Field, Step
from sonoscope.networks.backbones.masking import batch_norm, frame_mask, zero_behind
from sonoscope.networks.backbones.protocol import Backbone, parameters_of
from sonoscope.signatures import Share, Size

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class AdditiveAttention(nn.Module):
    """Weights over frames from a question, and the frames' sum under them."""

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.keys = nn.Linear(dim, size, bias=False)
        self.question = nn.Linear(dim, size)
        self.score = nn.Linear(size, 1, bias=False)

    def forward(
        self, frames: torch.Tensor, question: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, dim) and (batch, dim) to (batch, dim) and weights (batch, time) that sum to 1."""
        scores = self.score(torch.tanh(self.keys(frames) + self.question(question)[:, None]))[:, :, 0]
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=1)
        return (weights[:, :, None] * frames).sum(dim=1), weights


class CRNN(Backbone):
    """Maps to frames of embedding, or with attention to one.

    Parameters
    ----------
    n_bins, channels : int
        Bins of an input frame; maps of them.
    stages : sequence of int
        Output channels of each convolution; may be empty.
    pools : sequence of (time, bins)
        Max-pooling after each of them, or one pair for all; empty: bins are halved by each, time by all but the
        first.
    cell : {"gru", "lstm"}
    hidden, layers_deep : int
        Units of each direction, and recurrent layers on top of each other.
    bidirectional : bool
    attention : {"", "bahdanau"}
        With it the output is one frame, and :meth:`listen` gives the weights.
    dropout : float
        Between recurrent layers and on the output, in 0..1.

    Raises
    ------
    UnknownName
        If ``cell`` or ``attention`` is neither.
    ValueError
        If the pools leave no bin.
    """

    local = False

    def __init__(
        self,
        n_bins: int,
        *,
        channels: int = 1,
        stages: Sequence[Size] = (32, 64, 128),
        pools: Sequence[Sequence[Size]] = (),
        cell: str = "gru",
        hidden: Size = 128,
        layers_deep: Size = 1,
        bidirectional: bool = True,
        attention: str = "",
        dropout: Share = 0.2,
    ) -> None:
        super().__init__()
        wished: Sequence[Sequence[int]] = pools or [(1 if i == 0 else 2, 2) for i in range(len(stages))]
        wished = [*wished] * len(stages) if len(wished) == 1 else wished
        sizes = [(int(along_time), int(along_bins)) for along_time, along_bins in wished]
        if len(sizes) != len(stages):
            raise ValueError(
                f"{len(sizes)} pools for {len(stages)} stages: give one for each, or one for all"
            )
        self.convolutions, self.norms, self.pools = nn.ModuleList(), nn.ModuleList(), sizes
        steps = []
        for out, (along_time, along_bins) in zip(stages, sizes, strict=True):
            self.convolutions.append(nn.Conv2d(channels, out, 3, padding=1, bias=False))
            self.norms.append(nn.BatchNorm2d(out))
            steps += [Step(3, 1, 1), Step(along_time, along_time)]
            channels, n_bins = out, n_bins // along_bins
        if n_bins == 0:
            raise ValueError(f"pools={sizes} leave no bin: pool less, or use more bins")
        self.field = Field.of(steps)
        self.rnn = lookup(CELLS, cell, "recurrent cell")(
            channels * n_bins,
            hidden,
            num_layers=layers_deep,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers_deep > 1 else 0.0,
        )
        self.dim = hidden * (2 if bidirectional else 1)
        self.dropout = nn.Dropout(dropout)
        self.attention = (
            lookup({"bahdanau": AdditiveAttention}, attention, "attention")(self.dim, hidden)
            if attention
            else None
        )
        self.clip = self.attention is not None

    def forward_features(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, channels, time, n_bins) to (batch, time', dim), or (batch, 1, dim) with attention."""
        return self.listen(x, lengths)[0]

    def listen(
        self, x: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Embeddings, and the weights (batch, time') of the frames (``None`` without attention)."""
        self.check_lengths(x.shape[2], lengths)
        maps = zero_behind(x, lengths)
        for convolution, norm, pool in zip(self.convolutions, self.norms, self.pools, strict=True):
            assert isinstance(norm, nn.BatchNorm2d)
            maps = functional.relu(batch_norm(norm, convolution(maps), lengths))
            maps = functional.max_pool2d(maps, pool)
            lengths = None if lengths is None else lengths // pool[0]
            maps = zero_behind(maps, lengths)
        states, last = self._recur(maps.transpose(1, 2).flatten(2), lengths)
        if self.attention is None:
            return self.dropout(states), None
        mask = None if lengths is None else frame_mask(lengths.to(states.device), states.shape[1])
        context, weights = self.attention(states, last, mask)
        return self.dropout(context)[:, None], weights

    def _recur(self, frames: torch.Tensor, lengths: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """States (batch, time, dim) and each row's last one (both directions) (batch, dim)."""
        n = frames.shape[1]
        if lengths is None:
            states, final = self.rnn(frames)
        else:
            packed = pack_padded_sequence(frames, lengths.cpu(), batch_first=True, enforce_sorted=False)
            states, final = self.rnn(packed)
            states, _ = pad_packed_sequence(states, batch_first=True, total_length=n)
        hidden = final[0] if isinstance(final, tuple) else final
        directions = 2 if self.rnn.bidirectional else 1
        return states, hidden[-directions:].transpose(0, 1).flatten(1)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        stages = zip(self.convolutions, self.norms, strict=True)
        named = {f"conv{i}": parameters_of(*pair) for i, pair in enumerate(stages, start=1)}
        named["rnn"] = parameters_of(self.rnn)
        if self.attention is not None:
            named["attention"] = parameters_of(self.attention)
        return named
