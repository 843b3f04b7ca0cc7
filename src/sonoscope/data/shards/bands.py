"""The layout of the multi-band system: a folder for each recording that holds exactly one array for each band.

    song/0-1000Hz_fft1024.npy    song/1000-4000Hz_fft512.npy    song/4000-11025Hz_fft256.npy

An array is float32 of shape (bins, frames): bins from the band's lower edge up to below its upper one (47, 69 and 81
at 22,050 Hz), a Hann window of ``n_fft`` samples, centred frames ``n_fft // 4`` samples apart, so that the bands of one
recording differ in frames. Values are decibels: by default of the power re full scale, which keeps what the bands say
about each other's loudness; with ``reference="file"`` as that system has them, the logarithm of the *magnitude*
(half the decibels) below the loudest of each band and file, cut at 80 under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.data.rows import Row
from sonoscope.data.shards.trees import part, save
from sonoscope.data.survey import Problem
from sonoscope.errors import UsageError
from sonoscope.features import Multiband, Stft

#: What 0 dB is: full scale, or the loudest of each band of each file.
REFERENCES = ("full", "file")
#: With ``file``: smallest magnitude, and how far below the loudest values go.
SMALLEST, RANGE_DB = 1e-10, 80.0


@dataclass(frozen=True)
class Spectrograms:
    """Arrays by file name, (bins, frames) float32, of ``n_samples`` samples."""

    arrays: dict[str, np.ndarray]
    n_samples: int


@dataclass(frozen=True)
class BandContent:
    """What the arrays hold: the bands of a ``Multiband`` (whose hop is not used), and what 0 dB is."""

    feature: Multiband = field(default_factory=Multiband)
    reference: str = "full"

    def __post_init__(self) -> None:
        if self.reference not in REFERENCES:
            raise UsageError(f"reference={self.reference!r} must be one of {', '.join(REFERENCES)}")

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.feature.sample_rate

    @property
    def names(self) -> tuple[str, ...]:
        """File names, low bands first: ``0-1000Hz_fft1024.npy``."""
        return tuple(f"{band}.npy" for band in self.feature.bands)

    def n_bins(self, name: str) -> int:
        """Bins of a band: from its lower edge to below its upper one."""
        band = self.feature.bands[self.names.index(name)]
        hz = np.fft.rfftfreq(band.n_fft, 1.0 / self.sample_rate)
        return int(np.count_nonzero((hz >= band.f_min_hz) & (hz < band.f_max_hz)))

    def hop(self, name: str) -> int:
        """Samples between frames of a band."""
        return self.feature.bands[self.names.index(name)].n_fft // 4

    def convert(self, samples: np.ndarray) -> Spectrograms:
        """The arrays of mono float32 samples of shape (n,)."""
        arrays = {}
        for band, name in zip(self.feature.bands, self.names, strict=True):
            stft = Stft(
                self.sample_rate, band.n_fft, self.hop(name), f_min_hz=band.f_min_hz, f_max_hz=band.f_max_hz,
                window=self.feature.window, output="db" if self.reference == "full" else "magnitude",
                floor=self.feature.floor,
            )  # fmt: skip
            # A band up to the Nyquist frequency has its bin in ``Stft``, and not here.
            rows = stft(samples)[:, : self.n_bins(name)]
            arrays[name] = np.ascontiguousarray(
                (rows if self.reference == "full" else _below_loudest(rows)).T
            )
        return Spectrograms(arrays, samples.size)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        feature = self.feature
        bands = [[band.f_min_hz, band.f_max_hz, band.n_fft] for band in feature.bands]
        return {
            "sample_rate": self.sample_rate, "bands": bands, "window": feature.window, "floor": feature.floor,
            "reference": self.reference,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> BandContent:
        """What :meth:`to_dict` described."""
        keys = ("sample_rate", "bands", "window", "floor")
        return cls(Multiband(**{key: told[key] for key in keys}), told["reference"])


def _below_loudest(magnitudes: np.ndarray) -> np.ndarray:
    """``librosa.power_to_db(magnitudes, ref=np.max)``."""
    decibels = 10.0 * np.log10(np.maximum(magnitudes, SMALLEST))
    return np.maximum(decibels - decibels.max(), -RANGE_DB).astype(np.float32)


@dataclass(frozen=True)
class Bands:
    """A folder of arrays for each row (``trees.Layout``)."""

    content: BandContent = field(default_factory=BandContent)
    name: str = "bands"

    def base(self, row: Row) -> str:
        """``a/song`` for ``a/song.wav``."""
        above, slash, last = row.path.rpartition("/")
        stem = last[: last.rindex(".")] if "." in last[1:] else last
        return f"{above}{slash}{stem}{part(row)}"

    def paths(self, base: str) -> tuple[str, ...]:
        """The file of each band."""
        return tuple(f"{base}/{name}" for name in self.content.names)

    def write(self, folder: Path, base: str, data: Spectrograms) -> tuple[int, int]:
        """Write the arrays."""
        for name, array in data.arrays.items():
            save(folder / base / name, array)
        return data.arrays[self.content.names[0]].shape[1], data.n_samples

    def read(self, folder: Path, base: str) -> dict[str, np.ndarray]:
        """Its arrays by file name, frames first."""
        return {name: np.load(folder / base / name, mmap_mode="r").T for name in self.content.names}

    def wrong(self, folder: Path, base: str) -> str:
        """Files that are missing or too many, types, bins, numbers that are none, lengths that do not agree."""
        there = {path.name for path in (folder / base).iterdir()} if (folder / base).is_dir() else set()
        if there != set(self.content.names):
            missing, more = sorted(set(self.content.names) - there), sorted(there - set(self.content.names))
            return "; ".join(
                f"{what} {', '.join(names)}"
                for what, names in (("lacks", missing), ("also holds", more))
                if names
            )
        low, high = 0, None
        for name in self.content.names:
            try:
                found = np.load(folder / base / name, mmap_mode="r")
            except (OSError, ValueError) as error:
                return f"{name} cannot be read ({error})"
            bins = self.content.n_bins(name)
            if found.ndim != 2 or found.shape[0] != bins or found.dtype.kind != "f":
                return (
                    f"{name} holds {found.dtype} of shape {found.shape}, not floats of shape ({bins}, frames)"
                )
            if not found.size or not np.isfinite(found).all():
                return f"{name} is empty, or holds numbers that are none"
            # Frames say how many samples there were, to a hop.
            hop = self.content.hop(name)
            low = max(low, (found.shape[1] - 1) * hop)
            high = min(found.shape[1] * hop, high if high is not None else found.shape[1] * hop)
        return "" if high is not None and low < high else "the arrays are of different lengths of sound"


def samples_in(folder: str | Path) -> Iterator[str]:
    """The folders below ``folder`` that hold arrays, relative and sorted, whoever wrote them."""
    folder = Path(folder)
    for path in sorted({path.parent for path in folder.rglob("*Hz_fft*.npy")}):
        yield path.relative_to(folder).as_posix()


def read(folder: str | Path, content: BandContent | None = None) -> list[np.ndarray]:
    """The arrays of one recording, (bins, frames) each, low bands first.

    Raises
    ------
    UsageError
        If the folder does not hold exactly what it should.
    """
    folder, content = Path(folder), content or BandContent()
    if wrong := Bands(content).wrong(folder.parent, folder.name):
        raise UsageError(f"{folder}: {wrong}")
    return [np.load(folder / name) for name in content.names]


def verify(folder: str | Path, content: BandContent | None = None) -> list[Problem]:
    """What is wrong with a tree of such folders, also one that another program wrote; nothing needs a manifest."""
    layout = Bands(content or BandContent())
    found = ((base, layout.wrong(Path(folder), base)) for base in samples_in(folder))
    return [Problem(base, 0.0, None, wrong, "Prepare it again.") for base, wrong in found if wrong]
