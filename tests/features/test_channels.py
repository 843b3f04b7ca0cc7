"""Stacked features: each as it is alone, at its place; images by cropping and zeros, never by resizing."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import Channels, Chroma, Hcqt, LogMel, Mfcc, Multiband, Stft, from_dict, to_dict
from sonoscope.features.channels import fitted, fitted_frames, image, split

MEL = LogMel(22_050, 2048, 512, 128, 0.0, 11_025.0)


def test_each_feature_is_what_it_is_alone(music: np.ndarray) -> None:
    features = (MEL, Chroma(), Mfcc(), Multiband(hop_samples=512))
    stack = Channels(features)
    parts = split(stack(music), stack.parts)
    assert [part.shape[1] for part in parts] == [128, 12, 40, 47, 69, 82]
    for feature, part in zip(features[:3], parts, strict=False):
        np.testing.assert_array_equal(part, feature(music))
    np.testing.assert_array_equal(np.concatenate(parts[3:], axis=1), features[3](music))


def test_features_with_longer_batches_agree_to_rounding(music: np.ndarray) -> None:
    features = (Hcqt(), Stft())
    stack = Channels(features)
    expected = np.concatenate([feature(music) for feature in features], axis=1)
    np.testing.assert_allclose(stack(music), expected, atol=1e-3)


def test_a_height_crops_at_the_top_and_fills_with_zeros(music: np.ndarray) -> None:
    stack = Channels((MEL, Chroma()), height=100)
    assert stack.parts == (100, 100)
    mel, chroma = split(stack(music), stack.parts)
    np.testing.assert_array_equal(mel, MEL(music)[:, :100])
    np.testing.assert_array_equal(chroma[:, :12], Chroma()(music))
    assert not chroma[:, 12:].any()


def test_parts_become_channels_with_low_pitches_first(music: np.ndarray) -> None:
    feature = Multiband()
    rows = feature(music)
    picture = image(rows, feature.parts)
    assert picture.shape == (3, 82, len(rows))
    np.testing.assert_array_equal(picture[0, :47], rows[:, :47].T)
    np.testing.assert_array_equal(picture[2], rows[:, 116:].T)
    assert not picture[0, 47:].any() and not picture[1, 69:].any()


@pytest.mark.parametrize("height", [64, 128, 224])
def test_128_bins_become_a_picture_of_any_height(music: np.ndarray, height: int) -> None:
    rows = np.stack([MEL(music)] * 2)
    picture = image(rows, MEL.parts, height)
    assert picture.shape == (2, 1, height, rows.shape[1])
    kept = min(height, 128)
    np.testing.assert_array_equal(picture[:, 0, :kept], np.swapaxes(rows, 1, 2)[:, :kept])
    assert not picture[:, :, kept:].any()


def test_time_is_cropped_or_filled_the_same_way(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((2, 10, 4))
    np.testing.assert_array_equal(fitted_frames(rows, 7), rows[:, :7])
    longer = fitted_frames(rows, 12)
    np.testing.assert_array_equal(longer[:, :10], rows)
    assert longer.shape == (2, 12, 4) and not longer[:, 10:].any()
    assert fitted(rows, 4) is not None and fitted(rows, 6).shape == (2, 10, 6)


@pytest.mark.train
def test_tensors_become_the_same_pictures(music: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    rows = Multiband()(music)
    tensor = torch.from_numpy(rows).requires_grad_()
    picture = image(tensor, Multiband().parts, 224)
    np.testing.assert_array_equal(picture.detach().numpy(), image(rows, Multiband().parts, 224))
    picture.sum().backward()
    assert (tensor.grad == 1).all()


def test_stacks_of_stacks_keep_all_parts_and_come_back_from_json() -> None:
    stack = Channels((Channels((MEL, Chroma())), Multiband(hop_samples=512)), height=224)
    assert stack.parts == (224,) * 5
    assert from_dict(to_dict(stack)) == stack


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"features": ()}, "features is empty: give one at least"),
        ({"features": ("logmel",)}, "features holds 'logmel': each needs its name, such as {name: logmel}"),
        (
            {"features": (MEL, Stft())},
            "the hop_samples of stacked features must be one and the same, got logmel 512",
        ),
        (
            {"features": (LogMel(), Mfcc())},
            "the sample_rate of stacked features .* got logmel 24000, mfcc 22050",
        ),
        ({"height": 0}, "height=0 must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Channels(**parameters)


def test_wrong_widths_and_heights_are_refused() -> None:
    rows = np.zeros((5, 30))
    with pytest.raises(ValueError, match=r"parts=\(10, 21\) must add up to the 30 values of a row"):
        split(rows, (10, 21))
    with pytest.raises(ValueError, match="height=0 must be at least 1"):
        image(rows, (30,), 0)
