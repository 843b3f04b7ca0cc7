"""The FFT kernel: SciPy's to the bit, however it is reached, and without what scipy.fft drags in."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from sonoscope.features import fft

HEAVY = ("scipy.fft", "scipy.special", "array_api_compat", "torch", "librosa")


@pytest.mark.parametrize("length", [2, 3, 16, 255, 1000, 2048])
@pytest.mark.parametrize("way", [fft.scipy_kernel, fft.scipy_public])
def test_both_ways_are_scipys_transform(rng: np.random.Generator, length: int, way) -> None:
    import scipy.fft

    frames = rng.standard_normal((5, length)).astype(np.float32)
    out = np.empty((5, length // 2 + 1), dtype=np.complex64)
    into = way()
    assert into is not None
    into(frames, out)
    np.testing.assert_array_equal(out, scipy.fft.rfft(frames))


def test_a_scipy_that_keeps_its_kernel_elsewhere_is_still_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, fft.KERNEL, raising=False)
    monkeypatch.setattr(fft.PathFinder, "find_spec", lambda name, path=None: None)
    assert fft.scipy_kernel() is None
    fft.rfft_into.cache_clear()
    try:
        out = np.empty((1, 3), dtype=np.complex64)
        fft.rfft_into()(np.eye(1, 4, dtype=np.float32), out)
        np.testing.assert_array_equal(out, 1.0)
    finally:
        fft.rfft_into.cache_clear()


@pytest.mark.parametrize("bins", [slice(0, 129), slice(3, 77)])
def test_power_frames_are_squared_magnitudes(rng: np.random.Generator, bins: slice) -> None:
    window = np.hanning(256).astype(np.float32)
    frames = fft.PowerFrames(window, hop=100, count=6, bins=bins)
    for _ in range(2):
        samples = rng.standard_normal(5 * 100 + 256).astype(np.float32)
        frames.samples[:] = samples
        frames()
        pieces = np.stack([samples[i * 100 : i * 100 + 256] * window for i in range(6)])
        expected = np.abs(np.fft.rfft(pieces.astype(np.float64)))[:, bins] ** 2
        np.testing.assert_allclose(frames.power, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(frames.samples, samples)


def fresh(program: str, **environment: str) -> str:
    """What a new interpreter prints."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


def test_scoring_features_imports_nothing_heavy() -> None:
    program = (
        "import sys, numpy as np; from sonoscope.features import LogMel;"
        "LogMel()(np.zeros(48000, np.float32));"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert fresh(program) == "[]"


@pytest.mark.parametrize("first", ["", "import scipy.fft;"])
def test_the_kernel_is_the_one_of_scipy_fft_whichever_comes_first(first: str) -> None:
    # Two of it abort the process when it ends (SciPy before 1.16.3): "free(): invalid pointer".
    program = (
        f"{first}from sonoscope.features import fft; into = fft.rfft_into();"
        "import scipy.fft._pocketfft.basic as public;"
        "held = [cell.cell_contents for cell in into.__closure__];"
        "print(public.pfft in held)"
    )
    assert fresh(program) == "True"


def test_frames_do_not_depend_on_how_many_threads_blas_may_use() -> None:
    program = (
        "import hashlib, numpy as np; from sonoscope.features import LogMel;"
        "x = np.random.default_rng(0).standard_normal(100_000).astype(np.float32);"
        "print(hashlib.sha256(LogMel()(x).tobytes()).hexdigest())"
    )
    digests = {
        fresh(program, OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
        for threads in ("1", "4")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 2 * hashlib.sha256().digest_size
