"""A bundle's graph inside another one, fed and understood as its ``bundle.json`` says.

What ``models.layouts`` does with arrays is done here with nodes: axes are put in order, means taken over time,
probabilities made logits. A graph that takes one window at a time is run window after window by ``Scan``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sonoscope.errors import UsageError
from sonoscope.models.bundle import Bundle
from sonoscope.models.layouts import CHANNEL, LEAST_PROBABILITY, LOGIT, PROBABILITY, ROWS, SAMPLES, Layout
from sonoscope.networks.writer import Writer


def asked(writer: Writer, bundle: Bundle, rows: str, kinds: Sequence[str]) -> list[str]:
    """Nodes that ask a bundle about whole windows.

    Parameters
    ----------
    writer : Writer
    bundle : Bundle
        One that answers once for a window (``clip``), whatever its layout.
    rows : str
        The windows: (batch, time, bin), or (batch, sample).
    kinds : sequence of str
        ``clip``, ``embedding``.

    Returns
    -------
    list of str
        Tables (batch, width), one for each kind; those of ``clip`` are logits.

    Raises
    ------
    UsageError
        If its operators cannot be brought to the writer's version, or it takes several windows at a time.
    """
    layout = Layout(bundle)
    if layout.batch is None:
        return _answers(writer, bundle, rows, kinds, one=False)
    if layout.batch != 1:
        raise UsageError(
            f"{bundle.name}: its graph takes {layout.batch} windows at a time; export it for one, or for any number"
        )
    body = Writer(writer.opset, prefix=f"{writer.name('each')}/")
    window = body.name("window")
    return writer.scan(body, window, rows, _answers(body, bundle, window, kinds, one=True))


def _answers(writer: Writer, bundle: Bundle, rows: str, kinds: Sequence[str], *, one: bool) -> list[str]:
    """The graph on windows in a batch, or (``one``) on a window without the axis of the batch, and answers likewise."""
    entry, outputs = bundle.spec["input"], bundle.spec["outputs"]
    given = _arranged(writer, entry.get("axes") or (), rows, samples=bundle.feature is None, one=one)
    tables = writer.included(bundle.graph, {entry["name"]: given}, [outputs[kind]["name"] for kind in kinds])
    return [
        _understood(writer, outputs[kind], table, one=one) for kind, table in zip(kinds, tables, strict=True)
    ]


def _arranged(writer: Writer, axes: Sequence[str], rows: str, *, samples: bool, one: bool) -> str:
    """The windows with the axes in the graph's order."""
    own = SAMPLES if samples else ROWS
    if one:
        # A single window has no axis for the batch; the graph may want one.
        rows = writer.node("Unsqueeze", rows, writer.numbers(0))
    axes = list(axes or own)
    order = [own.index(axis) for axis in axes if axis != CHANNEL]
    if "batch" not in axes:
        rows, order = writer.node("Squeeze", rows, writer.numbers(0)), [place - 1 for place in order]
    if order != sorted(order):
        rows = writer.node("Transpose", rows, perm=order)
    for place, axis in enumerate(axes):
        if axis == CHANNEL:
            rows = writer.node("Unsqueeze", rows, writer.numbers(place))
    return rows


def _understood(writer: Writer, entry: dict[str, Any], table: str, *, one: bool) -> str:
    """An output as one line for each window, or (``one``) as the line of one, logits."""
    axes = list(entry.get("axes") or ("batch", "label"))
    if "time" in axes:
        table = writer.node("ReduceMean", table, writer.numbers(axes.index("time")), keepdims=0)
    if one and "batch" in axes:
        table = writer.node("Squeeze", table, writer.numbers(0))
    if entry.get("scale", LOGIT) == PROBABILITY:
        low, high = (
            writer.constant(np.array(p, np.float32)) for p in (LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        )
        p = writer.node("Clip", table, low, high)
        against = writer.node("Sub", writer.constant(np.array(1.0, np.float32)), p)
        table = writer.node("Sub", writer.node("Log", p), writer.node("Log", against))
    return table
