"""Sounds that are no instruments and are taken for some: drawn at random, heard by a model, kept where it was fooled.

What a network has learnt to leave alone teaches it nothing more (Sung and Poggio, 1998, "bootstrapping"; Felzenszwalb
et al., 2010, "hard negatives"). ``build.py … mine`` makes hours of the sounds of :mod:`extra` from other seeds, and
keeps the moments in which a label other than ``other`` comes to :data:`LEAST`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import extra
import numpy as np
import soundfile

import sonoscope
from sonoscope.data import scenes
from sonoscope.data.mix.bank import Stem
from sonoscope.data.scenes import compose

#: Probability (not calibrated) from which a label counts as taken for.
LEAST = 0.25
#: Seconds that are kept around such a moment.
KEPT_S = 4.0


def drawn(number: int, rate: int) -> tuple[str, np.ndarray]:
    """Sound ``number``: three of five are scenes, the others speech, and one kind alone; (n,) float32."""
    rng = np.random.default_rng((47, number))
    seed = int(rng.integers(1 << 31))
    turn = number % 5
    if turn < 3:
        kinds = rng.choice([*extra.FIELD, *extra.OBJECTS], size=int(rng.integers(2, 7)), replace=False)
        rates = {str(kind): float(rng.uniform(60.0, 900.0)) for kind in kinds}
        return "scene", compose.compose(compose.SceneSpec(12.0, rate, rates), seed).samples
    kind = "speech" if turn == 3 else str(rng.choice([*extra.FIELD, *extra.OBJECTS]))
    return kind, scenes.make(kind, seed, 12.0, rate) * np.float32(10.0 ** (-rng.uniform(0.0, 30.0) / 20.0))


def moments(scores: np.ndarray, starts_s: np.ndarray, labels: tuple[str, ...]) -> Iterator[tuple[float, str]]:
    """When a label comes to ``LEAST``, loudest doubt first, none nearer than ``KEPT_S`` to another; and which."""
    others = [k for k, label in enumerate(labels) if label != "other"]
    best = scores[:, others].max(axis=1)
    taken: list[float] = []
    for window in np.argsort(-best):
        if best[window] < LEAST:
            return
        start_s = float(starts_s[window])
        if all(abs(start_s - before) >= KEPT_S for before in taken):
            taken.append(start_s)
            yield start_s, labels[others[int(scores[window, others].argmax())]]


def mine(bundle: Path, folder: Path, numbers: range, rate: int) -> None:
    """Have a bundle hear the sounds of these numbers, and write what fooled it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = sonoscope.load(str(bundle))
    for number in numbers:
        kind, samples = drawn(number, rate)
        scores = model.analyze(samples, sample_rate=rate).scores
        for start_s, label in moments(scores.probabilities, scores.start_s, scores.labels):
            first = max(round((start_s - 1.0) * rate), 0)
            cut = samples[first : first + round(KEPT_S * rate)]
            name = f"{label}-{kind}-{number:05d}-{round(10 * start_s):03d}.flac"
            soundfile.write(folder / name, cut, rate, subtype="PCM_24")
        if number % 100 == 99:
            heard, kept = number + 1 - numbers.start, len(list(folder.iterdir()))
            print(f"mine: {heard}/{len(numbers)} heard, {kept} kept", flush=True)


def stems(folder: Path, turn: int) -> Iterator[Stem]:
    """What was kept in a round.

    A draw of ``other`` is fair to names, and each two have one of their own: they are heard often.
    """
    for number, sound in enumerate(sorted(folder.glob("*.flac"))):
        name = f"hard-{turn}-{number // 2}"
        yield Stem(sound, f"hard/{sound.name}", ("other",), (), name, "synthesised", "", False)
