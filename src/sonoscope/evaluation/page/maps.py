"""Where a model's embeddings put the clips: their principal components, and t-SNE where scikit-learn is installed."""

from __future__ import annotations

from html import escape

import numpy as np

from sonoscope.data.summary import charts, relations
from sonoscope.evaluation.page.clipcharts import models_of
from sonoscope.evaluation.result import Result

#: The array of embeddings, a row for each clip.
EMBEDDINGS = "embeddings"


def drawn(result: Result) -> str:
    """Two maps for each model whose embeddings were kept, coloured by label, and a small one for each label."""
    parts = []
    for model, arrays in models_of(result):
        vectors = result.arrays.get(f"{model}/{EMBEDDINGS}" if model else EMBEDDINGS)
        if vectors is None:
            continue
        heading = f"<h3>{escape(model)}</h3>" if model else ""
        parts.append(f"{heading}{_of_model(np.asarray(vectors, dtype=np.float64), arrays)}")
    if not parts:
        return ""
    lead = (
        "A dot is a clip, at the mean of its windows' embeddings, in the colour of what sounds in it (the first label, "
        "where there are several). Clips that the model hears alike lie together; in t-SNE, distances of groups mean "
        "nothing."
    )
    return f"<p>{lead}</p>{''.join(parts)}"


def _of_model(vectors: np.ndarray, arrays: dict[str, np.ndarray]) -> str:
    names = [str(label) for label in arrays["labels"]]
    sounds = (arrays["truth"] > 0) & arrays["known"].astype(bool)
    first = [names[int(row.argmax())] if row.any() else "" for row in sounds]
    found = [
        relations.principal(vectors, [str(k) for k in range(vectors.shape[1])]),
        relations.neighbours(vectors),
    ]
    clouds, small = [], []
    for each in found:
        if isinstance(each, str):
            clouds.append(f"<p>{escape(each)}.</p>")
        elif each is not None:
            axes = [axis.partition(":")[0] for axis in each.axes]
            told = f"<figcaption>across: {axes[0]}; upwards: {axes[1]}</figcaption>" if all(axes) else ""
            groups = [first[row] for row in each.rows.tolist()]
            cloud = charts.cloud(each.points, groups, each.name)
            clouds.append(f"<figure><h3>{each.name}</h3>{cloud}{told}</figure>")
            mine = [(name, np.flatnonzero(sounds[each.rows, k])) for k, name in enumerate(names)]
            shown = charts.clouds(each.points, [pair for pair in mine if pair[1].size], each.name)
            small.append(f"<details><summary>{each.name}, label by label</summary>{shown}</details>")
    return f'<div class="two">{"".join(clouds)}</div>{"".join(small)}'
