"""Pictures of what a model decided: for each label, its border in the plane of the two main components, and a map.

Left: windows that were learned from, projected on the first two principal components of the standardised vectors, and
the decision value over that plane (the other components at their mean), 0 being the border. Right: t-SNE of windows of
validation, filled where the label sounds, with the colour of the decision value. One PNG for each label: for an SVM of
each kernel on 11 labels, 22.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.errors import UsageError, optional
from sonoscope.outputs.lettering import lettered
from sonoscope.training.classical.protocol import Answerer, Examples, Say, scaled, scaling

#: In the run's folder.
FOLDER = "plots"
#: Windows in a picture, and points along a side of the plane.
SHOWN, SIDE = 500, 60
#: Neighbours that t-SNE looks at, fewer where there are few windows.
PERPLEXITY = 30.0
DPI = 110
#: A map needs so many windows.
FEWEST = 4


def draw(
    folder: Path, learned: Examples, checked: Examples, answerer: Answerer, *, seed: int, say: Say
) -> list[Path]:
    """A PNG for each label; none, with a word on it, where matplotlib or scikit-learn is missing.

    Returns
    -------
    list of Path
        In the order of the labels.
    """
    try:
        optional("matplotlib", "eval", "drawing decisions")
        optional("sklearn.manifold", "eval", "drawing decisions")
    except UsageError as missing:
        say(f"no plots: {missing}")
        return []
    if min(len(learned.vectors), len(checked.vectors)) < FEWEST:
        say(f"no plots: they need {FEWEST} windows to learn from and {FEWEST} to validate")
        return []
    rng = np.random.default_rng(seed)
    mean, std = scaling(learned.vectors)
    plane = Plane(scaled(learned.vectors, mean, std))
    grid, axes = plane.grid()
    decisions = answerer.logits(grid * std + mean)
    near = few(rng, len(learned.vectors))
    points = plane.project(scaled(learned.vectors[near], mean, std))
    far = few(rng, len(checked.vectors))
    mapped = embedded(scaled(checked.vectors[far], mean, std), seed)
    values = answerer.logits(checked.vectors[far])
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with lettered(say):
        for k, label in enumerate(learned.labels):
            path = folder / f"{k:02d}_{safe(label)}.png"
            picture(
                path, label, (axes, decisions[:, k].reshape(SIDE, SIDE)),
                (points, learned.truth[near, k], learned.known[near, k]),
                (mapped, checked.truth[far, k], checked.known[far, k], values[:, k]), plane.shares,
            )  # fmt: skip
            paths.append(path)
    return paths


class Plane:
    """The first two principal components of standardised vectors, shape (n, d)."""

    def __init__(self, x: np.ndarray) -> None:
        self.centre = x.mean(axis=0)
        _, sizes, turned = np.linalg.svd(x - self.centre, full_matrices=False)
        count = min(2, len(turned))
        self.axes = np.zeros((2, x.shape[1]))
        self.axes[:count] = turned[:count]
        power = np.zeros(2)
        power[:count] = np.square(sizes[:count])
        self.shares = power / max(float(np.square(sizes).sum()), 1e-12)
        self._points = self.project(x)

    def project(self, x: np.ndarray) -> np.ndarray:
        """Coordinates in the plane, shape (n, 2)."""
        return np.asarray((x - self.centre) @ self.axes.T)

    def grid(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Vectors all over the plane, (SIDE², d), and the coordinates along its two sides."""
        low, high = np.percentile(self._points, [1, 99], axis=0)
        room = 0.15 * np.maximum(high - low, 1e-3)
        sides = [np.linspace(low[k] - room[k], high[k] + room[k], SIDE) for k in range(2)]
        one, other = np.meshgrid(*sides)
        flat = np.stack([one.ravel(), other.ravel()], axis=1)
        return flat @ self.axes + self.centre, (sides[0], sides[1])


def few(rng: np.random.Generator, count: int) -> np.ndarray:
    """At most ``SHOWN`` places, ascending."""
    return np.sort(rng.permutation(count)[:SHOWN])


def embedded(x: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE in two dimensions, shape (n, 2)."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(x))


def safe(label: str) -> str:
    """A label as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in label)


def picture(path: Path, label: str, plane: Any, learned: Any, mapped: Any, shares: np.ndarray) -> None:
    """One label's two panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    (across, up), decision = plane
    points, truth, known = learned
    figure = Figure(figsize=(11, 4.6))
    # Laid out by hand: Matplotlib's own layout draws everything twice.
    figure.subplots_adjust(left=0.075, right=0.97, bottom=0.12, top=0.92, wspace=0.08)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    reach = max(float(np.abs(decision).max()), 1e-6)
    left.contourf(across, up, decision, levels=np.linspace(-reach, reach, 13), cmap="RdBu_r", alpha=0.5)
    if decision.min() < 0 < decision.max():
        left.contour(across, up, decision, levels=[0.0], colors="black", linewidths=1.2)
    sides = ((known & (truth <= 0), "tab:blue", "without"), (known & (truth > 0), "tab:red", "with"))
    for chosen, colour, name in sides:
        left.scatter(*points[chosen].T, s=9, c=colour, label=f"{name} ({int(chosen.sum())})", linewidths=0)
    left.set(
        xlim=(across[0], across[-1]), ylim=(up[0], up[-1]), title=f"{label}: principal components",
        xlabel=f"first, {100 * shares[0]:.0f} % of the variance", ylabel=f"second, {100 * shares[1]:.0f} %",
    )  # fmt: skip
    left.legend(loc="upper right", fontsize="small")
    places, truth, known, values = mapped
    reach = max(float(np.abs(values).max()), 1e-6)
    shown: Any = None
    for chosen, marker in ((known & (truth <= 0), "."), (known & (truth > 0), "*")):
        shown = right.scatter(
            *places[chosen].T, s=40 if marker == "*" else 18, c=values[chosen], marker=marker, cmap="RdBu_r",
            vmin=-reach, vmax=reach, edgecolors="black" if marker == "*" else "none", linewidths=0.4,
        )  # fmt: skip
    right.set(title=f"{label}: t-SNE of validation (stars: with)", xticks=[], yticks=[])
    figure.colorbar(shown, ax=right, label="decision value")
    figure.savefig(path, dpi=DPI)
