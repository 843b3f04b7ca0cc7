"""Sections of the report about what was heard: level, features, entropies, key, tempo, maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

import numpy as np

from sonoscope.audio.reader import AudioInfo
from sonoscope.data.summary import Summary, charts
from sonoscope.data.summary.findings import by_label
from sonoscope.data.summary.relations import Map
from sonoscope.data.summary.sections import Section
from sonoscope.data.summary.sound import (
    HEARD_S,
    KEY_S,
    NOTHING_DB,
    SILENCE_DB,
    SURE_KEY,
    SURE_TEMPO,
    Heard,
)  # fmt: skip
from sonoscope.features.statistics import COLUMNS, FAMILIES
from sonoscope.features.tempo import SHORTEST_S
from sonoscope.features.tonality import MODES, TONES

#: Labels in a chart of spreads, and in small maps; features in the list of those that tell labels apart.
SPREAD, SMALL, TELLING = 24, 24, 16
_ENTROPIES = {
    "spectral_entropy": "Spectral entropy: 0 a single tone, 1 white noise",
    "permutation_entropy": "Permutation entropy: 0 only rises or falls, 1 every order alike",
    "svd_entropy": "Entropy of singular values: 0 slow, 1 white noise",
    "sample_entropy": "Sample entropy, nats: 0 repeats itself, 2.2 white noise",
    "approximate_entropy": "Approximate entropy, nats",
}


def about(summary: Summary) -> Iterator[Section]:
    """The sections in their order; none if nothing was heard."""
    heard = summary.heard
    if heard is None or not len(heard):
        return
    yield Section("level", "Level, clipping, silence", _level(summary, heard))
    yield Section("features", "Features", _features(summary))
    yield Section("entropies", "Entropies", _entropies(summary, heard))
    yield Section("key", "Key and tempo", _key(heard) + _tempo(heard))
    yield Section("maps", "Maps of what sounds alike", "".join(_map(summary, each) for each in summary.maps))
    yield Section("catalogue", "What the features are", _catalogue())


def _figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>" if drawing else ""


def _groups(summary: Summary, values: np.ndarray, heard: Heard) -> list[tuple[str, np.ndarray]]:
    """The values of the labels with most rows, by median."""
    found = by_label(summary.manifest, heard)
    found = sorted(found, key=lambda item: -item[1].size)[:SPREAD]
    return sorted(
        ((label, values[places]) for label, places in found), key=lambda item: -float(np.median(item[1]))
    )


def _level(summary: Summary, heard: Heard) -> str:
    loud = heard.level_db > NOTHING_DB
    formats = Counter(_format(info) for info in heard.formats if info is not None)
    most = max(formats.values(), default=1)
    table = charts.table(
        ["format", "", "rows"],
        [
            [escape(name), charts.bar([(number, "bar", f"{number:,} rows")], most), f"{number:,}"]
            for name, number in formats.most_common(12)
        ],
        caption="Sample rates, channels and codecs of the files",
        left=(0, 1),
    )
    clipped, silent = heard.clipped > 0, heard.silent
    told = (
        f"{np.count_nonzero(clipped):,} of {len(heard):,} rows touch full scale; in "
        f"{np.count_nonzero(heard.clipped > 1e-3):,} more than one sample in a thousand does. "
        f"On average {silent.mean():.0%} of a row is below {SILENCE_DB:g} dB; "
        f"{np.count_nonzero(~loud):,} rows are digital silence."
    )
    return (
        f"<p>{escape(told)}</p>"
        + '<div class="two">'
        + _figure(
            charts.histogram(
                heard.level_db[loud], "Level", unit="dB of full scale (root mean square)", width=charts.HALF
            ),
            "Number of rows at each level",
        )
        + _figure(
            charts.histogram(
                100 * silent, "Silence", unit=f"% of a row below {SILENCE_DB:g} dB", width=charts.HALF
            ),
            "Number of rows with so much silence",
        )
        + "</div>"
        + _figure(
            charts.strips(_groups(summary, heard.level_db, heard), "Level by label", unit="dB of full scale"),
            "Level by label: the middle half of rows as a box, 5 % to 95 % as a line",
        )
        + table
    )


def _format(info: AudioInfo) -> str:
    channels = "mono" if info.channels == 1 else f"{info.channels} channels"
    return f"{info.sample_rate / 1000:g} kHz, {channels}, {info.codec}"


def _features(summary: Summary) -> str:
    parts = []
    order = np.argsort(-summary.explained, kind="stable")[:TELLING]
    if summary.explained.any():
        rows = [
            [
                f"<code>{COLUMNS[k]}</code>",
                charts.bar([(float(summary.explained[k]), "bar", f"{summary.explained[k]:.0%}")], 1.0),
                f"{summary.explained[k]:.0%}",
            ]
            for k in order
        ]
        parts.append(
            "<h3>Which features tell labels apart</h3>"
            + charts.table(
                ["feature", "", "of its variance"],
                rows,
                caption="The share of a feature's variance that labels explain (adjusted R² of a linear model). "
                "Where labels and sources go together, a source explains as much.",
                left=(0, 1),
            )
        )
    found = summary.correlations
    if found is not None:
        listed = [
            [f"<code>{name}</code>", *(f"{value:.2f}" for value in line)]
            for name, line in zip(found.names, found.values, strict=True)
        ]
        table = charts.table(["", *found.names], listed, caption="Pearson correlation")
        parts.append(
            "<h3>Features that go together</h3>"
            + _figure(
                charts.matrix(found.names, found.values, "Correlation of features"),
                "The features whose correlations vary most, alike ones side by side. Red: they rise together; "
                "blue: one falls where the other rises; the stronger, the closer. One of a red block is enough.",
            )
            + f"<details><summary>The same as a table</summary>{table}</details>"
        )
    return "".join(parts)


def _entropies(summary: Summary, heard: Heard) -> str:
    parts = [
        _figure(
            charts.strips(
                _groups(summary, heard.column(name), heard),
                told,
                unit=name.replace("_", " "),
                width=charts.HALF,
            )
            or charts.histogram(heard.column(name), told, unit=name.replace("_", " "), width=charts.HALF),
            told,
        )
        for name, told in _ENTROPIES.items()
    ]
    return (
        "<p>How regular sounds are: noise is high, a steady tone low.</p>"
        + f'<div class="two">{"".join(parts)}</div>'
    )


def _key(heard: Heard) -> str:
    asked = sum(key is not None for key in heard.keys)
    keys = heard.sure_keys()
    told = (
        f"Of {asked:,} rows of at least {KEY_S:g} s, {len(keys):,} sound like music in one key (correlation "
        f"with the key's profile at least {SURE_KEY}). A single note is often taken for the key that it is the "
        "tonic of."
    )
    if not keys:
        return f"<h3>Key</h3><p>{escape(told)}</p>"
    found = Counter((key.tonic, key.mode) for key in keys)
    bars = {tone: [float(found[place, mode]) for mode in MODES] for place, tone in enumerate(TONES)}
    drawn = charts.pillars(bars, "Keys", MODES, unit="tonic")
    legend = charts.keys([(f"c{k}", mode) for k, mode in enumerate(MODES)])
    return f"<h3>Key</h3><p>{escape(told)}</p>" + _figure(drawn + legend, "Number of rows in each key")


def _tempo(heard: Heard) -> str:
    asked = sum(tempo is not None for tempo in heard.tempos)
    tempos = np.array([tempo.beats_per_minute for tempo in heard.sure_tempos()])
    told = (
        f"Of {asked:,} rows of at least {SHORTEST_S:g} s in which something begins, {tempos.size:,} repeat themselves "
        f"clearly enough to have a tempo (strength at least {SURE_TEMPO}). Half and double are often as true."
    )
    drawn = charts.histogram(tempos, "Tempo", unit="beats a minute") if tempos.size else ""
    return f"<h3>Tempo</h3><p>{escape(told)}</p>" + _figure(drawn, "Number of rows at each tempo")


def _map(summary: Summary, found: Map | str) -> str:
    if isinstance(found, str):
        return f"<p>No further map: {escape(found)}</p>"
    heard = summary.heard
    assert heard is not None
    rows = [summary.manifest.rows[int(heard.rows[place])] for place in found.rows]
    single = [row.labels[0] if len(row.labels) == 1 else "" for row in rows]
    places = {
        label: np.flatnonzero([label in row.labels for row in rows]) for label in summary.manifest.labels()
    }
    ordered = sorted(
        ((label, mine) for label, mine in places.items() if mine.size), key=lambda item: -item[1].size
    )
    told = {
        "PCA": "The two directions in which standardised features (those of pitch left out) spread most.",
        "t-SNE": "Rows that sound alike, whatever their pitch, lie together; distances between clusters mean nothing.",
    }[found.name]
    parts = [
        f"<h3>{found.name}</h3>",
        _figure(charts.cloud(found.points, single, found.name, found.axes), f"{told} Each point is a row."),
    ]
    if found.name != "PCA" and len(ordered) > 1:
        parts.append(charts.clouds(found.points, ordered[:SMALL], found.name))
    return "".join(parts)


def _catalogue() -> str:
    rows = [[f"<code>{escape(name)}</code>", escape(told)] for name, told in FAMILIES.items()]
    return (
        "<details><summary>Columns of the feature table</summary>"
        + charts.table(
            ["column", "what it is"],
            rows,
            caption=f"Each is the mean over frames of 93 ms every 23 ms, at 22,050 Hz, of the first {HEARD_S:g} s",
            left=(0, 1),
        )
        + "</details>"
    )
