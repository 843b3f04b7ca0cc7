"""The power spectrum of many frames at once in float32, without fresh memory.

SciPy's FFT is vectorised over the batch axis and twice as fast as NumPy's. Of ``scipy.fft`` only the compiled
kernel is loaded: the package around it imports ``scipy.special`` and more, 0.3 s of CPU in every process that
scores a recording, and its functions take no ``out``, so that each batch would fault in a fresh megabyte.
Where SciPy has no such kernel in its usual place, ``scipy.fft`` itself is used; the numbers are the same.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import numpy as np

from sonoscope.features.frames import frame

#: Where SciPy keeps its compiled FFT.
KERNEL = "scipy.fft._pocketfft.pypocketfft"
#: ``rfft(frames, out)``: (k, length) float32 to (k, length // 2 + 1) complex64.
RealFFT = Callable[[np.ndarray, np.ndarray], None]


@lru_cache(maxsize=1)
def rfft_into() -> RealFFT:
    """SciPy's real FFT over the last axis, writing into a given array."""
    return scipy_kernel() or scipy_public()


def scipy_kernel() -> RealFFT | None:
    """The compiled kernel alone, or None if this SciPy keeps it elsewhere or calls it otherwise."""
    try:
        module = sys.modules.get(KERNEL) or _load_kernel()

        def into(frames: np.ndarray, out: np.ndarray) -> None:
            # Axes, forward, no normalisation, out, one thread.
            module.r2c(frames, (1,), True, 0, out, 1)

        impulse, flat = np.eye(1, 4, dtype=np.float32), np.zeros((1, 3), dtype=np.complex64)
        into(impulse, flat)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError, OSError):
        return None
    return into if np.array_equal(flat, np.ones((1, 3))) else None


def _load_kernel() -> ModuleType:
    """Load it under its own name, so that ``scipy.fft`` takes this one if it is imported later.

    Two of it in one process free the same memory when the process ends, which aborts it (SciPy before 1.16.3).
    """
    scipy = importlib.util.find_spec("scipy")
    folder = Path(scipy.submodule_search_locations[0], "fft", "_pocketfft")  # type: ignore[union-attr, index]
    spec = PathFinder.find_spec(KERNEL, [str(folder)])
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    sys.modules[KERNEL] = module
    return module


def scipy_public() -> RealFFT:
    """The same by way of ``scipy.fft``."""
    import scipy.fft

    def into(frames: np.ndarray, out: np.ndarray) -> None:
        out[...] = scipy.fft.rfft(frames)

    return into


class PowerFrames:
    """Squared magnitudes of a fixed number of windowed frames, in memory that is used again at every call.

    Fill ``samples``, call, read ``power``. One object serves one thread.

    Parameters
    ----------
    window : np.ndarray, shape (length,), float32
    hop : int
        Distance between frame starts, in samples.
    count : int
        Frames at a time. It is fixed because SIMD kernels round differently for other shapes.
    bins : slice
        The bins that are wanted, ``slice(first, last)``.

    Attributes
    ----------
    samples : np.ndarray, shape ((count - 1) * hop + length,), float32
        Input; it is left as it was filled.
    power : np.ndarray, shape (count, last - first), float32
        Output of the latest call.
    """

    def __init__(self, window: np.ndarray, hop: int, count: int, bins: slice) -> None:
        length, wanted = window.size, bins.stop - bins.start
        self.samples = np.zeros((count - 1) * hop + length, dtype=np.float32)
        self.power = np.empty((count, wanted), dtype=np.float32)
        self._window, self._rfft = window, rfft_into()
        self._frames = frame(self.samples, length, hop)
        self._windowed = np.empty((count, length), dtype=np.float32)
        self._spectrum = np.empty((count, length // 2 + 1), dtype=np.complex64)
        self._real, self._imag = self._spectrum.real[:, bins], self._spectrum.imag[:, bins]
        # The windowed samples are spent once they are transformed, and a frame has no more bins than samples.
        self._squares = self._windowed.reshape(-1)[: count * wanted].reshape(count, wanted)

    def __call__(self) -> None:
        """Transform ``samples`` into ``power``."""
        np.multiply(self._frames, self._window, out=self._windowed)
        self._rfft(self._windowed, self._spectrum)
        np.square(self._real, out=self.power)
        np.square(self._imag, out=self._squares)
        np.add(self.power, self._squares, out=self.power)
