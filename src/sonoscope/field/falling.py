"""How likely is a sound in windows that score low, where hardly any verdict finds one?

Most windows of a season score lowest. A few dozen verdicts among millions of them find nothing, and yet one sound in
ten thousand windows would be most of what the detector misses. Without a further assumption nothing useful can be said
about recall. The one made here is mild: **the lower the score, the rarer the sound**. From the threshold downwards, let
``p_1, p_2, …`` be the share of windows with the sound in each bin of scores. The prior is

    p_1 ~ Uniform(0, 1),    p_(k+1) | p_k ~ Uniform(0, p_k),

so each bin has a share of what the one above has, any share being as likely as any other; bins hold about twice as many
windows each, so how many sounds they hold is left open. Verdicts enter as binomial likelihoods. The posterior is drawn
exactly on a grid by one pass up the bins (how likely is everything below, given ``p_k``) and one down (draw).
"""

from __future__ import annotations

import numpy as np

#: Shares from one in ten million to one in two in equal ratios, and from there to 1 likewise from the other end.
GRID = np.concatenate([np.geomspace(1e-7, 0.5, 200), 1 - np.geomspace(0.49, 1e-3, 80)])
_WIDTHS = np.log(np.gradient(GRID))


def draw(yes: np.ndarray, judged: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw shares from the posterior.

    Parameters
    ----------
    yes, judged : np.ndarray, shape (bins,)
        Verdicts that heard the sound, and all, from the bin with the highest scores to the lowest; need not be whole.
    draws : int
    rng : np.random.Generator

    Returns
    -------
    np.ndarray, shape (draws, bins)
        Each row falls.
    """
    if not len(yes):
        return np.zeros((draws, 0))
    # All in logarithms: where many verdicts gainsay the order of scores, likelihoods are too small for numbers.
    logs = yes[:, None] * np.log(GRID) + (judged - yes)[:, None] * np.log1p(-GRID)
    below = np.zeros_like(GRID)
    for place in range(len(yes) - 1, -1, -1):
        logs[place] += below
        # The mean of what lies below over a uniform share of this one.
        below = _up_to(logs[place] + _WIDTHS) - np.log(GRID)
    shares = np.empty((draws, len(yes)))
    highest: np.ndarray | None = None
    for place in range(len(yes)):
        part = logs[place] + _WIDTHS
        summed = np.logaddexp.accumulate(part)
        limit = summed[-1] if highest is None else _up_to(part)[highest]
        drawn = np.searchsorted(summed, np.log(rng.random(draws)) + limit)
        highest = drawn if highest is None else np.minimum(drawn, highest)
        shares[:, place] = GRID[highest]
    return shares


def _up_to(parts: np.ndarray) -> np.ndarray:
    """Sums of parts up to the middle of each, logarithms both."""
    before = np.concatenate([[-np.inf], np.logaddexp.accumulate(parts)[:-1]])
    return np.logaddexp(before, parts - np.log(2.0))
