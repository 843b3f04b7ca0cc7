"""The picture of an explanation: the spectrogram above, the map over it below, with its sums beside and under it.

Each band of the model is as high as any other; the axis says their Hz. Red spoke for the label, blue against it.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sonoscope.errors import optional
from sonoscope.outputs.lettering import lettered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sonoscope.explain.result import Explanation

DPI = 110
#: Hz that are written at the axis, where the model reaches them.
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
#: Labels of an axis are at least this part of it apart.
CLOSEST = 16
#: dB below the loudest cell that are shown at most, and the quantile of the map's size that has the full colour.
RANGE_DB, FULL = 80.0, 0.995
FOR, AGAINST = (0.86, 0.08, 0.10), (0.10, 0.30, 0.85)


@lettered()
def figure(explanation: Explanation) -> Figure:
    """The picture as a figure of matplotlib, bound to no window.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    optional("matplotlib", "eval", "the picture of an explanation")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seconds = explanation.end - explanation.start
    made = Figure(figsize=(min(max(7.5 + 0.6 * seconds, 8.0), 20.0), 7.4))
    FigureCanvasAgg(made)
    grid = made.add_gridspec(
        3, 2, width_ratios=(9, 1), height_ratios=(5, 5, 1.1), left=0.09, right=0.97, bottom=0.08, top=0.92,
        hspace=0.09, wspace=0.03,
    )  # fmt: skip
    above, over = (made.add_subplot(grid[row, 0]) for row in (0, 1))
    beside, under = made.add_subplot(grid[1, 1], sharey=over), made.add_subplot(grid[2, 0], sharex=over)
    _shown(above, explanation, "magma")
    _shown(over, explanation, "gray_r")
    over.imshow(_coloured(explanation), **_placing(explanation))
    if explanation.time_only:
        over.text(
            0.99, 0.97, "of time only", transform=over.transAxes, ha="right", va="top", fontsize="small"
        )
    _sums(explanation, beside, under)
    for axes in (above, over):
        axes.tick_params(labelbottom=False)
    where = f"{explanation.start:.2f} to {explanation.end:.2f} s"
    title = f"{explanation.label}  {explanation.score:.2f}   {explanation.file}, {where}"
    how = f"{explanation.method}, {explanation.model}; red speaks for it, blue against it"
    made.suptitle(f"{_plain(title)}\n{_plain(how)}", fontsize="medium")
    return made


@lettered()
def write(explanation: Explanation, file: IO[bytes], kind: str) -> None:
    """The picture as ``png`` or ``svg``; the same each time."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "sonoscope", "svg.fonttype": "none"}):
        metadata: dict[str, Any] = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        figure(explanation).savefig(file, format=kind, dpi=DPI, metadata=metadata)


def _plain(text: str) -> str:
    """Words that matplotlib takes as they are: a dollar sign would begin a formula."""
    return "".join(c if c >= " " else " " for c in text).replace("$", r"\$")


def _placing(explanation: Explanation) -> dict[str, Any]:
    """Where an image of (frequency, time) lies: seconds across, numbers of bands up."""
    step = float(np.diff(explanation.times).mean()) if len(explanation.times) > 1 else 1.0
    left, right = explanation.times[0] - step / 2, explanation.times[-1] + step / 2
    bands = len(explanation.frequencies)
    return {
        "origin": "lower",
        "aspect": "auto",
        "extent": (left, right, -0.5, bands - 0.5),
        "interpolation": "none",
    }


def _shown(axes: Any, explanation: Explanation, colours: str) -> None:
    picture = explanation.spectrogram.T
    high = float(picture.max())
    low = max(float(np.quantile(picture, 0.02)), high - RANGE_DB)
    axes.imshow(picture, cmap=colours, vmin=low, vmax=max(high, low + 1e-6), **_placing(explanation))
    hz = explanation.frequencies
    places, ticks = list[float](), list[int]()
    for tick in TICKS_HZ:
        place = float(np.interp(tick, hz, np.arange(len(hz)), left=-1, right=-1))
        if place >= 0 and (not places or place - places[-1] > len(hz) / CLOSEST):
            places.append(place)
            ticks.append(tick)
    axes.set_yticks(places, [f"{tick / 1000:g} k" if tick >= 1000 else f"{tick}" for tick in ticks])
    axes.set_ylabel("Hz")


def _coloured(explanation: Explanation) -> np.ndarray:
    """The map in red and blue, as opaque as it is strong, (f, t, 4)."""
    values = explanation.map.T
    full = max(float(np.quantile(np.abs(values), FULL)), 1e-12)
    image = np.empty((*values.shape, 4))
    image[..., :3] = np.where(values[..., None] >= 0, FOR, AGAINST)
    image[..., 3] = 0.85 * np.clip(np.abs(values) / full, 0, 1)
    return image


def _sums(explanation: Explanation, beside: Any, under: Any) -> None:
    """What each band came to, beside the map, and each moment, under it."""
    places = np.arange(len(explanation.frequencies))
    positive, negative = np.maximum(explanation.map, 0), np.minimum(explanation.map, 0)
    for part, colour in ((positive, FOR), (negative, AGAINST)):
        if not explanation.time_only:
            beside.barh(places, part.sum(axis=0), height=1.0, color=colour)
        under.fill_between(explanation.times, part.sum(axis=1), step="mid", color=colour, linewidth=0)
    beside.tick_params(labelleft=False, labelbottom=False, bottom=False)
    under.tick_params(labelleft=False, left=False)
    under.set_xlabel("s")
    for axes in (beside, under):
        axes.spines[["top", "right"]].set_visible(False)
