"""What every feature of the table keeps, whoever wrote it: the checks of ``features/contract.py``, all of them.

A leaf whose defaults suit the tests needs nothing here; ``EXAMPLES`` adds parameters worth looping over.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sonoscope import features
from sonoscope.errors import UnknownName
from sonoscope.features.contract import FeatureChecks, TensorChecks
from sonoscope.promises import checks_of

SMALL_CQT = {"name": "cqt", "sample_rate": 8000, "hop_samples": 80, "f_min_hz": 110.0, "n_bins": 60}
EXAMPLES: dict[str, list[dict]] = {
    "logmel": [
        {},
        {
            "sample_rate": 8000,
            "n_fft": 255,
            "hop_samples": 81,
            "n_mels": 13,
            "f_max_hz": 4000.0,
            "f_min_hz": 90.0,
        },
    ],
    "stft": [
        {},
        {"n_fft": 255, "hop_samples": 81, "window": "blackman", "window_samples": 200, "output": "magnitude"},
    ],
    "multiband": [{}, {"sample_rate": 16_000, "bands": [[0, 500, 600], [500, 8000, 111]], "output": "power"}],
    "mfcc": [{}, {"n_mfcc": 13, "n_mels": 40, "lifter": 22, "hop_samples": 300}],
    "chroma": [{}, {"n_chroma": 24, "norm": "none", "n_fft": 2048, "hop_samples": 441}],
    "logfreq": [
        {},
        {"sample_rate": 8000, "n_fft": 1024, "hop_samples": 99, "n_bins": 50, "bins_per_octave": 12},
    ],
    # A hop that cannot be halved, and windows of variable Q.
    "cqt": [{}, {**SMALL_CQT, "hop_samples": 81, "gamma_hz": 5.0, "output": "magnitude"}],
    "hcqt": [
        {},
        {"transform": SMALL_CQT, "harmonics": [1, 1.5, 3], "n_pitches": 20, "step": 3},
        {"transform": {"name": "logfreq"}, "harmonics": [0.5, 1, 7], "step": 1},
    ],
    "morlet": [{}, {"hop_samples": 81, "bandwidth": 4.0, "f_min_hz": 100.0, "n_bins": 60, "output": "power"}],
    "fbank": [
        {},
        {"window": "povey", "gain": 32768.0, "n_mels": 40, "preemphasis": 0.0, "remove_mean": False},
    ],
    "hpss": [{}, {"n_fft": 255, "hop_samples": 100, "n_frames": 5, "median_bins": 7, "margin": 2.0}],
    "channels": [
        {},
        {
            "features": [
                {"name": "multiband"},
                {"name": "channels", "features": [{"name": "stft"}, {"name": "hcqt"}]},
            ],
            "height": 100,
        },
        {"features": [{"name": "pcen"}, {"name": "stft"}]},
    ],
}
CASES = [
    pytest.param(features.from_dict({**parameters, "name": name}), id=f"{name}-{number}")
    for name in features.FEATURES
    for number, parameters in enumerate(EXAMPLES.get(name, [{}]))
]


@pytest.mark.parametrize("check", checks_of(FeatureChecks))
@pytest.mark.parametrize("feature", CASES)
def test_a_feature_keeps_its_promises(feature: features.Feature, check: str) -> None:
    getattr(FeatureChecks(feature), check)()


@pytest.mark.train
@pytest.mark.parametrize("check", checks_of(TensorChecks))
@pytest.mark.parametrize("feature", CASES)
def test_a_feature_keeps_its_promises_to_torch(feature: features.Feature, check: str) -> None:
    pytest.importorskip("torch")
    getattr(TensorChecks(feature), check)()


# ---- the checks see what is wrong ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Energy(features.Framewise):
    """The mean power of 200 samples around each centre, 80 apart: a feature of somebody's own."""

    name = "energy"
    sample_rate: int = 8000
    hop_samples: int = 80
    left_context: int = 100
    right_context: int = 100
    n_bins: int = 1
    silence: float = 0.0

    def __post_init__(self) -> None:
        if self.hop_samples < 1:
            raise ValueError(f"hop_samples={self.hop_samples} must be at least 1")

    def compute(self, samples):
        from sonoscope.features.frames import frame

        return (frame(samples, 200, self.hop_samples) ** 2).mean(-1)[..., None]


class Ahead(Energy):
    """Sees further than it says."""

    def compute(self, samples):
        return super().compute(samples) + abs(samples).max()


class Doubles(Energy):
    """Gives float64."""

    def __call__(self, samples):
        return super().__call__(samples).astype(np.float64)


class Writes(Energy):
    """Writes into what it is given."""

    def __call__(self, samples):
        if samples.flags.writeable:
            samples[..., :1] = 0
            return super().__call__(samples)
        raise ValueError("assignment destination is read-only")


def broken(feature: features.Feature) -> dict[str, str]:
    """Check -> what it says."""
    found = {}
    for kind in (FeatureChecks, TensorChecks):
        for check in checks_of(kind):
            try:
                getattr(kind(feature), check)()
            except Exception as problem:  # what the parts themselves raise, too
                found[check] = str(problem)
    return found


@pytest.mark.train
@pytest.mark.parametrize(
    ("feature", "check", "message"),
    [
        (Energy(), "", ""),
        (Ahead(), "a_row_sees_its_declared_context_and_nothing_else", "with other sound outside its context"),
        (
            dataclasses.replace(Energy(), silence=3.0),
            "silence_is_as_declared",
            "differ from the declared ones by 3",
        ),
        (Doubles(), "shapes_are_as_declared", "float64, not float32"),
        (Writes(), "the_input_is_left_alone", "read-only"),
    ],
)
def test_what_is_wrong_is_named(feature: Energy, check: str, message: str) -> None:
    pytest.importorskip("torch")
    found = broken(feature)
    if check:
        assert message in found[check]
    else:
        assert found == {}


def test_a_context_that_is_larger_than_what_is_seen_is_named() -> None:
    found = broken(dataclasses.replace(Energy(), right_context=900))
    assert found and not {"json_keeps_everything", "parameters_are_frozen"} & set(found)


OWN = """
from dataclasses import dataclass
from sonoscope.features import Framewise
from sonoscope.features.frames import frame

@dataclass(frozen=True)
class Loud(Framewise):
    name = "loud"
    sample_rate: int = 8000
    hop_samples: int = 80
    left_context: int = 40
    right_context: int = 40
    n_bins: int = 1
    silence: float = 0.0

    def compute(self, samples):
        return (frame(samples, 80, self.hop_samples) ** 2).mean(-1)[..., None]
"""


def test_a_feature_of_ones_own_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "FEATURES", dict(features.FEATURES))
    (tmp_path / "mine.py").write_text(OWN)
    spec = {"name": f"{tmp_path / 'mine.py'}:Loud", "hop_samples": 40}
    with pytest.raises(UnknownName, match="is a program, and is not run from here"):
        features.from_dict(spec)
    feature = features.from_dict(spec, files=True)
    assert feature(np.ones(400, dtype=np.float32)).shape == (11, 1)
    assert features.from_dict(features.to_dict(feature)) == feature


def test_the_name_in_the_table_is_the_leafs_own() -> None:
    assert {name: kind.name for name, kind in features.FEATURES.items()} == {n: n for n in features.FEATURES}


def test_unknown_names_and_parameters_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown feature 'logmell'\. Did you mean 'logmel'\?"):
        features.from_dict({"name": "logmell"})
    with pytest.raises(
        UnknownName, match=r"unknown parameter 'n_mel' of feature 'logmel'\. Did you mean 'n_mels'\?"
    ):
        features.from_dict({"name": "logmel", "n_mel": 3})
    with pytest.raises(UnknownName, match=r"unknown parameter 'n_ft' of feature 'stft'"):
        features.from_dict({"name": "channels", "features": [{"name": "stft", "n_ft": 3}]})
