"""A network of YAMNet's layers with random weights, and its log-mel: what both sides run. Only NumPy is needed.

Speed does not depend on weights, and buzzdetect's own (YAMNet's, and a dense layer of 13 classes) are not part of this
package. Kernels are in TensorFlow's order (height, width, in, out).
"""

from __future__ import annotations

import numpy as np

RATE_HZ = 16_000
#: Samples of a frame of sound (0.96 s), its rows and their bands.
FRAME, ROWS, BANDS = 15_360, 96, 64
#: Samples of a row's window, between rows, and of its transform.
WINDOW, HOP, N_FFT = 400, 160, 512
LOW_HZ, HIGH_HZ, OFFSET = 125.0, 7_500.0, 1e-3
EMBEDDING = 1024
EPSILON = 1e-4
#: Stride and filters of each layer: a convolution, then depthwise and pointwise ones.
LAYERS = (
    (2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), (1, 512), (1, 512), (1, 512), (1, 512),
    (1, 512), (2, 1024), (1, 1024),
)  # fmt: skip
#: buzzdetect's general model has 13.
CLASSES = tuple(f"class_{number:02}" for number in range(13))


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Every kernel, by name, float32; scaled so that activations keep their size."""
    rng = np.random.default_rng(seed)

    def kernel(*shape: int) -> np.ndarray:
        inputs = int(np.prod(shape[:3])) if shape[3] > 1 else shape[0] * shape[1]
        return (rng.standard_normal(shape) * np.sqrt(2 / inputs)).astype(np.float32)

    found, channels = {"0": kernel(3, 3, 1, LAYERS[0][1])}, LAYERS[0][1]
    for number, (_, filters) in enumerate(LAYERS[1:], 1):
        found[f"{number}.depthwise"] = kernel(3, 3, channels, 1)
        found[f"{number}.pointwise"] = kernel(1, 1, channels, filters)
        channels = filters
    dense = rng.standard_normal((EMBEDDING, len(CLASSES))) / np.sqrt(EMBEDDING)
    return {**found, "dense": dense.astype(np.float32)}


def mel_bank() -> np.ndarray:
    """Triangles on HTK's scale, shape (N_FFT // 2 + 1, BANDS), float32."""
    mel = 1127.0 * np.log1p(np.arange(N_FFT // 2 + 1) * RATE_HZ / N_FFT / 700.0)[:, None]
    edges = np.linspace(*(1127.0 * np.log1p(np.array([LOW_HZ, HIGH_HZ]) / 700.0)), BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bank = np.maximum(0.0, np.minimum((mel - low) / (middle - low), (high - mel) / (high - middle)))
    bank[0] = 0.0
    return bank.astype(np.float32)


def hann() -> np.ndarray:
    """The window of a row, float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
