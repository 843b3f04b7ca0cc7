"""Key and tempo of rendered pieces whose key and tempo are known."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data.rendering import music, orchestra, synth
from sonoscope.data.rendering.music import Score
from sonoscope.data.rendering.style import SCALES
from sonoscope.features import tempo, tonality

RATE, PIECES = 22_050, 60
MODES = {SCALES["major"]: "major", SCALES["minor"]: "minor", SCALES["harmonic_minor"]: "minor"}


def pieces() -> list[tuple[Score, np.ndarray, np.ndarray]]:
    """Scores for piano in major or minor, 20 s each, as piano alone and with drums."""
    try:
        fonts = synth.soundfonts()
    except Exception as missing:
        pytest.skip(str(missing))
    if not fonts:
        pytest.skip("no soundfont")
    rng, found = np.random.default_rng(5), []
    piano, kit = orchestra.find("piano"), orchestra.find("drums")
    with synth.Synth(sorted(fonts)[0], RATE) as player:
        while len(found) < PIECES:
            score = music.compose(piano, rng, 20.0)
            if score.style.scale not in MODES:
                continue
            beat = music.compose(kit, rng, 20.0, along=score)
            alone, drums = (
                np.asarray(player.render(each, number, bank), dtype=np.float32)
                for each, number, bank in ((score, 0, 0), (beat, 0, orchestra.KIT_BANK))
            )
            n = min(alone.size, drums.size)
            together = alone[:n] / np.abs(alone).max() + 0.5 * drums[:n] / max(np.abs(drums).max(), 1e-9)
            found.append((score, alone, together.astype(np.float32)))
    return found


@pytest.mark.slow
def test_key_and_tempo_of_rendered_pieces() -> None:
    keys, tempos = [], []
    for score, alone, together in pieces():
        tonic, mode = score.style.root, MODES[score.style.scale]
        key, beat = tonality.key(alone, RATE), tempo.tempo(together, RATE)
        assert key is not None and beat is not None
        relative = (tonic + (9 if mode == "major" else 3)) % 12
        keys.append(
            1.0 if (key.tonic, key.mode) == (tonic, mode)
            else 0.5 if key.mode == mode and (key.tonic - tonic) % 12 in (5, 7)
            else 0.3 if key.mode != mode and key.tonic == relative
            else 0.2 if key.tonic == tonic
            else 0.0
        )  # fmt: skip
        tempos.append(beat.beats_per_minute / score.style.tempo)
    # MIREX's weights for neighbours of the right key; guessing gives 0.08.
    assert np.mean(keys) > 0.55
    off = np.abs(np.array(tempos)[:, None] / np.array([1, 2, 0.5, 3, 1 / 3]) - 1)
    assert np.mean(off[:, 0] < 0.04) > 0.6 and np.mean(off.min(axis=1) < 0.04) > 0.8
