"""The network of the model `notes`: rows of ``notefreq`` to onset, sustain and velocity of 88 keys, frame by frame.

The rows hold two spectrograms on one logarithmic axis. Harmonic stacking reads both at the harmonics of every pitch
by a shift of the index: ½, 1 … 7 on the long window, 1, 2, 3 on the short one, 11 maps of 264 bins, and further down
where a network asks for it (:attr:`NoteSpec.below`: of what a high pitch may be an overtone). A convolution, one
that goes from three bins to a key, and residual blocks whose frequency dilation joins what belongs to one sound
(neighbours, octaves, fifths, and by their succession the higher harmonics) lead to two heads, onset and sustain.
Velocity is measured in the rows (:mod:`sonoscope.networks.loudness`).

Nothing is padded along time: an output frame depends on :attr:`NoteNetwork.receptive_field` rows and nothing else, of
which :attr:`look_ahead` lie after it, fewer than before it so that it can answer live. Streamed in blocks that
overlap by the field, the answers are those of the whole recording. Batch normalisation is folded into the convolutions
at export (:func:`folded`).
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sonoscope.errors import UsageError, lookup
from sonoscope.networks.loudness import Loudness

#: MIDI number of the lowest key, and how many there are.
LOWEST = 21
KEYS = 88
BINS_PER_KEY = 3
#: Harmonics that are read from the long and from the short spectrogram.
LONG_HARMONICS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
SHORT_HARMONICS = (1.0, 2.0, 3.0)
OUTPUTS = ("onset", "sustain", "velocity")
#: The parts that make answers of what the trunk made of sound.
HEADS = ("summary", "hidden", "answer")
#: Maps that sum up a key for the heads of others.
_SUMMARY = 8
#: Share of keys and frames that have an onset, a note: what the heads answer before they have learnt anything.
_PRIORS = (0.005, 0.04)


@dataclass(frozen=True)
class NoteSpec:
    """What a note network is made of.

    Attributes
    ----------
    first, channels : int
        Maps after the first convolution, and of the trunk.
    dilations : tuple of int
        Keys between the taps of each residual block, one block each.
    centred : int
        How many blocks, the first ones, look one frame ahead; the others look back only.
    n_pitches : int
        Bins of each of the two spectrograms in a row.
    below : tuple of float
        Further harmonics, below ½, that are read from the long spectrogram.
    under : tuple of int
        Keys below each, of which the heads see a summary, and of their neighbours: where the note lies of which a
        key's sound may be a partial. With any, each head is half as large again.
    """

    first: int = 16
    channels: int = 40
    dilations: tuple[int, ...] = (1, 12, 7, 12, 1)
    centred: int = 2
    n_pitches: int = 310
    below: tuple[float, ...] = ()
    under: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))
        object.__setattr__(self, "below", tuple(self.below))
        object.__setattr__(self, "under", tuple(self.under))
        if not all(0 < keys < KEYS for keys in self.under):
            raise UsageError(f"under={list(self.under)} must lie between 0 and {KEYS}, the keys")
        if not all(0 < harmonic < 0.5 for harmonic in self.below):
            raise UsageError(f"below={list(self.below)} must lie between 0 and 0.5: ½ is read already")
        if not 0 <= self.centred <= len(self.dilations):
            raise UsageError(f"centred={self.centred} must lie in 0..{len(self.dilations)}, the blocks")
        if self.n_pitches < KEYS * BINS_PER_KEY:
            raise UsageError(f"n_pitches={self.n_pitches} must be at least {KEYS * BINS_PER_KEY}: all keys")


#: The three sizes by name. ONNX Runtime computes in blocks of 16 maps: 18 would cost as much as 32.
SIZES: dict[str, NoteSpec] = {
    "nano": NoteSpec(channels=16, dilations=(1, 12, 7, 12, 7, 1)),
    "small": NoteSpec(),
    "large": NoteSpec(first=24, channels=86, dilations=(1, 12, 7, 12, 7, 12, 1)),
}


def size(name: str) -> NoteSpec:
    """The network of this size. Raises ``UnknownName`` with the nearest."""
    return lookup(SIZES, name, "size of the note network")


class Block(nn.Module):
    """Three frames by three keys, ``dilation`` apart, then three neighbouring keys; the input is added."""

    def __init__(self, channels: int, dilation: int, *, centred: bool) -> None:
        super().__init__()
        self.crop = (1, 1) if centred else (2, 0)
        self.wide = nn.Conv2d(
            channels, channels, 3, padding=(0, dilation), dilation=(1, dilation), bias=False
        )
        self.norm1 = nn.BatchNorm2d(channels)
        self.near = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1), bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(batch, channels, time, keys) to (batch, channels, time - 2, keys)."""
        inner = self.norm2(self.near(self.norm1(self.wide(maps)).relu()))
        past, ahead = self.crop
        return (maps[:, :, past : maps.shape[2] - ahead] + inner).relu()


class NoteNetwork(nn.Module):
    """Rows to logits.

    Parameters
    ----------
    spec : NoteSpec

    Attributes
    ----------
    receptive_field : int
        Rows that an output frame depends on.
    look_ahead : int
        How many of them lie after the frame's own; output ``t`` speaks for row ``t + receptive_field - 1 -
        look_ahead``.
    mean, std : torch.Tensor, shape (2 * n_pitches,)
        Buffers: what rows are normalised by.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, spec: NoteSpec) -> None:
        super().__init__()
        self.spec = spec
        self.receptive_field = 1 + 2 * (2 + len(spec.dilations))
        self.look_ahead = 2 + spec.centred
        self.register_buffer("mean", torch.full((2 * spec.n_pitches,), -60.0))
        self.register_buffer("std", torch.full((2 * spec.n_pitches,), 20.0))
        maps = len(LONG_HARMONICS) + len(SHORT_HARMONICS) + len(spec.below)
        wide = spec.channels
        self.first = nn.Conv2d(maps, spec.first, (3, 5), padding=(0, 2), bias=False)
        self.norm1 = nn.BatchNorm2d(spec.first)
        self.keys = nn.Conv2d(spec.first, wide, (3, 5), stride=(1, BINS_PER_KEY), padding=(0, 2), bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.blocks = nn.Sequential(
            *(Block(wide, dilation, centred=k < spec.centred) for k, dilation in enumerate(spec.dilations))
        )
        self.loudness = Loudness(
            lowest=LOWEST,
            keys=KEYS,
            bins_per_key=BINS_PER_KEY,
            n_pitches=spec.n_pitches,
            look_ahead=self.look_ahead,
        )
        heads, inside = len(_PRIORS), max(8, wide // 2)
        if spec.under:
            inside += inside // 2
            self.summary = nn.Conv2d(wide, _SUMMARY, 1)
        seen = wide + _SUMMARY * len(spec.under)
        self.hidden = nn.Conv2d(seen, heads * inside, (1, 3), padding=(0, 1))
        self.answer = nn.Conv2d(heads * inside, heads, 1, groups=heads)
        priors = torch.tensor(_PRIORS)
        with torch.no_grad():
            assert self.answer.bias is not None
            self.answer.bias.copy_(torch.log(priors / (1 - priors)))

    @property
    def config(self) -> dict[str, Any]:
        """What :func:`build` makes the same network from."""
        return asdict(self.spec)

    def inference(self) -> NoteNetwork:
        """A copy on the CPU in evaluation mode, batch normalisation folded into the convolutions before it."""
        return folded(self)

    def set_normalisation(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Set what rows are normalised by, each (2 * n_pitches,)."""
        self.mean.copy_(torch.as_tensor(mean, dtype=torch.float32))
        self.std.copy_(torch.as_tensor(std, dtype=torch.float32).clamp(min=1.0))

    def stacked(self, rows: torch.Tensor) -> torch.Tensor:
        """(batch, time, 2 * n_pitches) to normalised maps (batch, 11 or more, time, 264); outside the axis lies the
        mean."""
        long, short = ((rows - self.mean) / self.std).split(self.spec.n_pitches, dim=2)
        maps = [*_harmonics(long, LONG_HARMONICS), *_harmonics(short, SHORT_HARMONICS)]
        if self.spec.below:
            maps += _harmonics(long, self.spec.below)
        return torch.stack(maps, dim=1)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(batch, time, 2 * n_pitches) to logits of onset, sustain, velocity.

        Each has shape (batch, time - receptive_field + 1, 88); only the first two have been learnt.
        """
        maps = self.norm1(self.first(self.stacked(rows))).relu()
        maps = self.blocks(self.norm2(self.keys(maps)).relu())
        # The rows that answers speak for, and those after them.
        told = rows[:, self.receptive_field - 1 - self.look_ahead :, self.spec.n_pitches :]
        if self.spec.under:
            said = self.summary(maps)
            lower = [functional.pad(said, (keys, 0))[..., :KEYS] for keys in self.spec.under]
            maps = torch.cat([maps, *lower], dim=1)
        return *self.answer(self.hidden(maps).relu()).unbind(dim=1), self.loudness(told)


def _harmonics(rows: torch.Tensor, harmonics: tuple[float, ...]) -> list[torch.Tensor]:
    """The rows read at each harmonic of each of the 264 lowest bins, (batch, time, 264) each."""
    bins = KEYS * BINS_PER_KEY
    shifts = [round(12 * BINS_PER_KEY * float(np.log2(harmonic))) for harmonic in harmonics]
    below = max(0, -min(shifts))
    padded = functional.pad(rows, (below, max(0, max(shifts) + bins - rows.shape[2])))
    return [padded[:, :, below + shift : below + shift + bins] for shift in shifts]


def build(spec: str | dict[str, Any] | NoteSpec) -> NoteNetwork:
    """A fresh network from the name of a size, from :attr:`NoteNetwork.config`, or ``{"size": name}`` with changes.

    Raises
    ------
    UnknownName
        If there is no such size.
    UsageError
        If a value is out of range.
    """
    if isinstance(spec, NoteSpec):
        return NoteNetwork(spec)
    if isinstance(spec, str):
        return NoteNetwork(size(spec))
    changes = dict(spec)
    base = asdict(size(changes.pop("size"))) if "size" in changes else {}
    return NoteNetwork(NoteSpec(**{**base, **changes}))


def reaching(
    network: NoteNetwork,
    below: tuple[float, ...] = (),
    under: tuple[int, ...] = (),
    channels: int | None = None,
) -> NoteNetwork:
    """A copy that reads further harmonics below, whose heads see further keys (of a network whose heads see none), and
    whose trunk has more maps; it answers as before until it has learnt what they say.

    Raises
    ------
    UsageError
        If ``channels`` are fewer than there are.
    """
    spec = network.spec
    if channels is not None and channels < spec.channels:
        raise UsageError(f"channels={channels}: there are {spec.channels} maps, and none is taken away")
    wider = NoteNetwork(
        replace(
            spec,
            below=(*spec.below, *below),
            under=under or spec.under,
            channels=channels or spec.channels,
        )
    )
    held = network.state_dict()
    for name, new in wider.state_dict().items():
        if name.startswith("hidden."):
            old = held[name].unflatten(0, (len(_PRIORS), -1))
            for own, before in zip(new.unflatten(0, (len(_PRIORS), -1)), old, strict=True):
                _lay(own, before, spec.channels, wider.spec.channels)
        elif name in held:
            _lay(new, held[name])
    return wider


def _lay(new: torch.Tensor, old: torch.Tensor, few: int = 0, many: int = 0) -> None:
    """Put weights in place into the first outputs of a larger table, whose further inputs then have no say in these.

    The first ``few`` inputs stay the first ones, those after them come after ``many``.
    """
    own = new[: len(old)] if old.ndim else new
    if own.ndim < 2:
        own.copy_(old)
        return
    own.zero_()
    own[:, :few] = old[:, :few]
    own[:, many : many + old.shape[1] - few] = old[:, few:]


def folded(network: NoteNetwork) -> NoteNetwork:
    """A copy for inference, batch normalisation folded into the convolutions before it."""
    whole = copy.deepcopy(network).cpu().eval()

    def fold(owner: nn.Module, convolution: str, norm: str) -> None:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())

    fold(whole, "first", "norm1")
    fold(whole, "keys", "norm2")
    for block in whole.blocks:
        fold(block, "wide", "norm1")
        fold(block, "near", "norm2")
    return whole
