"""The two log-frequency spectrograms for notes: tones, clicks, latency, and what the skewed window costs."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.features import NoteFreq
from sonoscope.features.notefreq import skewed_hann

RATE = 24_000
KEYS_HZ = 27.5 * 2.0 ** (np.arange(88) / 12)


def middle(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The long and the short half of the row in the middle of a signal."""
    rows = NoteFreq()(samples)
    long, short = np.split(rows[len(rows) // 2], 2)
    return long, short


@pytest.mark.parametrize("key", range(88))
def test_every_key_has_its_bin_where_the_long_window_resolves_it(make_tone, key: int) -> None:
    long, _ = middle(make_tone(KEYS_HZ[key], RATE, 1.0))
    off_hz = NoteFreq().frequencies_hz[long.argmax()] - KEYS_HZ[key]
    assert abs(off_hz) <= max(0.5 * RATE / 8192, 0.5 * KEYS_HZ[key] * (2 ** (1 / 36) - 1)) + 1e-6


def test_semitones_are_two_peaks_from_139_hz_on(make_tone) -> None:
    pair = make_tone(KEYS_HZ[28], RATE, 1.0, 0.3) + make_tone(KEYS_HZ[29], RATE, 1.0, 0.3)
    rows = NoteFreq()(pair)[:, :310]
    long = 10 * np.log10((10 ** (rows[20:-20] / 10)).mean(axis=0))
    between = long[84:88].min()
    assert long[84] - between > 3 and long[87] - between > 3


def test_a_row_sees_no_further_ahead_than_it_says() -> None:
    feature = NoteFreq()
    assert (feature.left_context, feature.right_context) == (6144, 2048)
    click = np.zeros(RATE, dtype=np.float32)
    click[12_000] = 1.0
    loud = feature(click) > feature.silence + 1.0
    long, short = loud[:, :310].any(axis=1), loud[:, 310:].any(axis=1)
    centres = np.arange(len(loud)) * 480
    assert 12_000 - 2048 < centres[long].min() <= 12_000 - 1024
    assert 12_000 + 5000 < centres[long].max() <= 12_000 + 6144
    assert abs(centres[short] - 12_000).max() <= 1024


def test_skewing_leaves_the_noise_bandwidth_as_it_was() -> None:
    skewed, hann = skewed_hann(6144, 2048).astype(float), np.hanning(8193)[:-1]
    widths = [len(w) * (w**2).sum() / w.sum() ** 2 for w in (skewed, hann)]
    assert widths[0] == pytest.approx(widths[1], rel=1e-4)
    assert skewed.argmax() == 6144 and skewed.max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"short_samples": 2047}, "must be even"),
        ({"short_samples": 8192}, "not above"),
        ({"n_pitches": 400}, "take fewer bins"),
        ({"hop_samples": 4096}, "samples between frames would be lost"),
        ({"floor": 0.0}, "floor=0.0 must lie in"),
    ],
)
def test_what_cannot_be_is_refused(parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NoteFreq(**parameters)
