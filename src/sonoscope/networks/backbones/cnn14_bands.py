"""Three CNN14 extractors on three bands of the spectrum, fused.

Each band of a multi-band STFT goes through a whole CNN14 of its own, whose embedding is brought to 512; the three
lie side by side and pass the fusion 3×512 → 1536 → 768 → 512 with batch normalisation, ReLU and dropout (0.4, then
0.3). Bands have their own resolution in frequency and in time, so they come as a list of maps; one map whose bins
are the bands side by side will do where they share a hop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from sonoscope.networks.backbones.cnn14 import CNN14, NOT_LAYERS
from sonoscope.networks.backbones.masking import masked_mean
from sonoscope.networks.backbones.protocol import Backbone, Wants, parameters_of
from sonoscope.networks.checkpoints import LoadReport, load_weights
from sonoscope.signatures import Positive, Share, Size

#: Bins of 0–1000 Hz at n_fft 1024, 1000–4000 Hz at 512 and 4000–11025 Hz at 256, at 22,050 Hz:
#: the feature ``multiband`` with its defaults.
DEFAULT_BANDS = (47, 69, 82)
#: Size of each band's embedding.
BAND_DIM = 512


class CNN14Bands(Backbone):
    """A list of maps to one embedding.

    Parameters
    ----------
    n_bins : int
        Bins of all bands together; 0: not checked.
    bands : sequence of int
        Bins of each band, each at least 32.
    fusion : (int, int)
        Sizes of the fusion's hidden layer and of the embedding.
    dropout : (float, float)
        After the fusion's first and second layer.
    weights : path
        A published CNN14 checkpoint, laid into each extractor but for its first normalisation, which belongs to
        64 mel bands; ``reports`` tells what became of it in each band.
    width : float
        Multiplies the extractors' sizes.

    Raises
    ------
    ValueError
        If the bands do not add up to ``n_bins``.
    BadCheckpoint
        If ``weights`` do not fit.
    """

    takes_bands = True
    clip = True
    local = False

    def __init__(
        self,
        n_bins: int = 0,
        *,
        channels: int = 1,
        bands: Sequence[Size] = DEFAULT_BANDS,
        fusion: tuple[Size, Size] = (768, 512),
        dropout: tuple[Share, Share] = (0.4, 0.3),
        weights: str | Path = "",
        width: Positive = 1.0,
    ) -> None:
        super().__init__()
        if n_bins and sum(bands) != n_bins:
            raise ValueError(f"bands={tuple(bands)} have {sum(bands)} bins, the feature has n_bins={n_bins}")
        self.bands = tuple(bands)
        self.extractors = nn.ModuleList(CNN14(b, channels=channels, width=width) for b in self.bands)
        self.projections = nn.ModuleList(nn.Linear(e.dim, BAND_DIM) for e in self._extractors())
        hidden, self.dim = fusion
        self.fusion = nn.Sequential(
            nn.Linear(len(self.bands) * BAND_DIM, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(dropout[0]),
            nn.Linear(hidden, self.dim),
            nn.BatchNorm1d(self.dim),
            nn.ReLU(),
            nn.Dropout(dropout[1]),
        )
        self.field = self._extractors()[0].field
        self.wants = Wants(kind="bands", channels=channels, bins=sum(self.bands))
        self.reports: tuple[LoadReport, ...] = ()
        if weights:
            left_out = (*NOT_LAYERS, "fc_audioset.*", "bn0.*")
            self.reports = tuple(load_weights(e, weights, leave_out=left_out) for e in self._extractors())

    def _extractors(self) -> list[CNN14]:
        return [e for e in self.extractors if isinstance(e, CNN14)]

    def forward_features(
        self, x: torch.Tensor | Sequence[torch.Tensor], lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Maps (batch, channels, time of the band, bins of the band) to (batch, 1, dim).

        ``lengths`` has shape (batch,), or (batch, bands) where the bands' frames differ.
        """
        maps = list(x.split(self.bands, dim=3)) if isinstance(x, torch.Tensor) else list(x)
        sizes = tuple(m.shape[3] for m in maps)
        if sizes != self.bands:
            raise ValueError(f"maps have {sizes} bins, this network's bands {self.bands}")
        parts = []
        for i, (extractor, projection) in enumerate(zip(self._extractors(), self.projections, strict=True)):
            own = lengths[:, i] if lengths is not None and lengths.ndim == 2 else lengths
            embedding = masked_mean(extractor(maps[i], own), None)
            parts.append(functional.relu(projection(embedding)))
        return self.fusion(torch.cat(parts, dim=1))[:, None]

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The extractors' groups of one depth together: they learn at one rate."""
        extractors = self._extractors()
        depths = [e.groups() for e in extractors]
        named = {name: [p for groups in depths for p in groups[name]] for name in depths[0]}
        return {**named, "projections": parameters_of(self.projections), "fusion": parameters_of(self.fusion)}
