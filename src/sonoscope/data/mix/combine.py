"""Several sounds into one, on whole batches: samples, mel powers and labels, with NumPy or torch.

These are the sums that mixtures on disk are made of (:mod:`~sonoscope.data.mix.mixing`), and that augmentation can make
of a batch while training. The sounds to be combined lie along the last axis but one (``k``); everything before is
batch. Torch tensors stay on their device and keep their gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: A sum that would be louder is turned down to this peak, as a whole.
PEAK = 0.97

Array = Any


def _namespace(array: Array) -> Any:
    if isinstance(array, np.ndarray):
        return np
    from array_api_compat import array_namespace  # needed for torch only; importing it takes 50 ms

    return array_namespace(array)


def _amplitudes(gains_db: Array, like: Array) -> Array:
    """Factors of gains in dB, of the dtype and on the device of ``like``."""
    if isinstance(like, np.ndarray):
        return np.asarray(10.0 ** (np.asarray(gains_db) / 20.0), dtype=like.dtype)
    xp = _namespace(like)
    return 10.0 ** (xp.asarray(gains_db, dtype=like.dtype, device=like.device) / 20.0)


def sum_n(parts: Array, gains_db: Array) -> Array:
    """The sum of sounds at stated gains.

    Parameters
    ----------
    parts : array, shape (..., k, n)
    gains_db : array, shape (..., k)
        Of amplitudes: 6 dB is twice the amplitude. Numbers of the host will do for tensors of a device.

    Returns
    -------
    array, shape (..., n)
        Not limited in any way: see :func:`protect`.
    """
    xp = _namespace(parts)
    gains = _amplitudes(gains_db, parts)
    return xp.sum(parts * gains[..., None], axis=-2)


def concat_n(parts: Array, gains_db: Array) -> Array:
    """The beginnings of sounds one after another, together as long as one of them.

    Sound ``j`` of ``k`` gives its first samples to ``[j n / k, (j + 1) n / k)``, boundaries rounded. To use other
    places than the beginnings, roll the parts first.

    Parameters
    ----------
    parts : array, shape (..., k, n)
    gains_db : array, shape (..., k)

    Returns
    -------
    array, shape (..., n)
    """
    xp = _namespace(parts)
    count, n = parts.shape[-2:]
    edges = [round(place * n / count) for place in range(count + 1)]
    gains = _amplitudes(gains_db, parts)
    pieces = [parts[..., j, : edges[j + 1] - edges[j]] * gains[..., j, None] for j in range(count)]
    return xp.concat(pieces, axis=-1) if hasattr(xp, "concat") else xp.concatenate(pieces, axis=-1)


def sum_powers_db(parts_db: Array, gains_db: Array) -> Array:
    """What :func:`sum_n` is in the mel-power domain: ``10 log10 sum_k 10 ** ((dB + gain) / 10)``.

    Equal to the frames of the sum of the sounds in expectation over their phases; a single sum differs by the
    interference inside a band.

    Parameters
    ----------
    parts_db : array, shape (..., k, t, m)
        Frames in dB, such as :class:`~sonoscope.features.LogMel` makes.
    gains_db : array, shape (..., k)

    Returns
    -------
    array, shape (..., t, m)
    """
    xp = _namespace(parts_db)
    powers = 10.0 ** (parts_db / 10.0) * _amplitudes(gains_db, parts_db)[..., None, None] ** 2
    return 10.0 * xp.log10(xp.sum(powers, axis=-3))


def protect(samples: Array, peak: float = PEAK) -> tuple[Array, Array]:
    """Turn down, as a whole, each sound that exceeds a peak; those that do not stay as they are.

    Gains are rounded down to 0.01 dB, so that a note of them gives the same samples again.

    Parameters
    ----------
    samples : array, shape (..., n)
    peak : float

    Returns
    -------
    samples : array, shape (..., n)
    gain_db : array, shape (...)
        Never above 0.
    """
    xp = _namespace(samples)
    highest = xp.max(xp.abs(samples), axis=-1)
    excess = xp.clip(highest / peak, 1.0, None)
    gain_db = xp.floor(-2000.0 * xp.log10(excess)) / 100.0
    return samples * _amplitudes(gain_db, samples)[..., None], gain_db


def unite(sounds: Array, known: Array) -> tuple[Array, Array]:
    """What is true of a mixture of sounds that are labelled in part.

    A label sounds if it sounds in any of them; it is known not to sound if that is known of all of them; else nobody
    knows.

    Parameters
    ----------
    sounds : array, shape (..., k, c)
        1 where a label sounds, else 0 (:meth:`sonoscope.data.rows.Manifest.targets`).
    known : array of bool, shape (..., k, c)

    Returns
    -------
    sounds : array, shape (..., c), of the dtype given
    known : array of bool, shape (..., c)
    """
    xp = _namespace(sounds)
    heard = xp.any((sounds > 0) & known, axis=-2)
    return xp.asarray(heard, dtype=sounds.dtype), heard | xp.all(known, axis=-2)


def faded(samples: np.ndarray, fade: int, *, begin: bool, end: bool) -> np.ndarray:
    """A copy that rises over its first ``fade`` samples and falls over its last: half a cosine, where asked for.

    What is cut out of a sound would click at the cut, and a network would learn clicks.
    """
    out = np.array(samples, dtype=np.float32)
    fade = min(fade, out.size // 2)
    if fade > 0:
        ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)).astype(np.float32)
        if begin:
            out[:fade] *= ramp
        if end:
            out[out.size - fade :] *= ramp[::-1]
    return out
