"""Where a model's embeddings put the clips: their principal components, and t-SNE where scikit-learn is installed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from weakref import WeakKeyDictionary

import numpy as np

from sonoscope.data.summary import charts, relations
from sonoscope.evaluation.page.clipcharts import models_of
from sonoscope.evaluation.result import Result

#: The array of embeddings, a row for each clip.
EMBEDDINGS = "embeddings"


#: Maps that were computed, by result and model: t-SNE takes its time, and the page and the plots show the same.
_COMPUTED: WeakKeyDictionary[Result, dict[str, list[relations.Map | str]]] = WeakKeyDictionary()


def drawn(result: Result) -> str:
    """Two maps for each model whose embeddings were kept, coloured by label, and a small one for each label."""
    parts = []
    for model, arrays in models_of(result):
        maps = _computed(result, model)
        if maps:
            heading = f"<h3>{escape(model)}</h3>" if model else ""
            parts.append(f"{heading}{_of_model(maps, arrays)}")
    if not parts:
        return ""
    lead = (
        "A dot is a clip, at the mean of its windows' embeddings, in the colour of what sounds in it (the first label, "
        "where there are several). Clips that the model hears alike lie together; in t-SNE, distances of groups mean "
        "nothing."
    )
    return f"<p>{lead}</p>{''.join(parts)}"


def found(result: Result, model: str) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Maps of a model: name, points (n, 2), and the first label of each."""
    arrays = dict(models_of(result))[model]
    for each in _computed(result, model):
        if not isinstance(each, str):
            first = _first(arrays)
            yield each.name, each.points, [first[row] for row in each.rows.tolist()]


def _computed(result: Result, model: str) -> list[relations.Map | str]:
    """Maps, or why there is none; empty where no embeddings were kept."""
    held = _COMPUTED.setdefault(result, {})
    vectors = result.arrays.get(f"{model}/{EMBEDDINGS}" if model else EMBEDDINGS)
    if model not in held and vectors is not None:
        values = np.asarray(vectors, dtype=np.float64)
        components = relations.principal(values, [str(k) for k in range(values.shape[1])])
        held[model] = [each for each in (components, relations.neighbours(values)) if each is not None]
    return held.get(model, [])


def _first(arrays: dict[str, np.ndarray]) -> list[str]:
    """The first label that sounds in each clip; empty where none does."""
    names = [str(label) for label in arrays["labels"]]
    sounds = (arrays["truth"] > 0) & arrays["known"].astype(bool)
    return [names[int(row.argmax())] if row.any() else "" for row in sounds]


def _of_model(maps: list[relations.Map | str], arrays: dict[str, np.ndarray]) -> str:
    names = [str(label) for label in arrays["labels"]]
    sounds = (arrays["truth"] > 0) & arrays["known"].astype(bool)
    first = _first(arrays)
    clouds, small = [], []
    for each in maps:
        if isinstance(each, str):
            clouds.append(f"<p>{escape(each)}.</p>")
            continue
        axes = [axis.partition(":")[0] for axis in each.axes]
        told = f"<figcaption>across: {axes[0]}; upwards: {axes[1]}</figcaption>" if all(axes) else ""
        groups = [first[row] for row in each.rows.tolist()]
        cloud = charts.cloud(each.points, groups, each.name)
        clouds.append(f"<figure><h3>{each.name}</h3>{cloud}{told}</figure>")
        mine = [(name, np.flatnonzero(sounds[each.rows, k])) for k, name in enumerate(names)]
        shown = charts.clouds(each.points, [pair for pair in mine if pair[1].size], each.name)
        small.append(f"<details><summary>{each.name}, label by label</summary>{shown}</details>")
    return f'<div class="two">{"".join(clouds)}</div>{"".join(small)}'
