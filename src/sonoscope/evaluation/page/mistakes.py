"""The loudest mistakes, to hear and to see: what is furthest on the wrong side of its threshold."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from itertools import chain, zip_longest

import numpy as np

from sonoscope.data import clips, spectrogram
from sonoscope.data.audit import players
from sonoscope.data.rows import Manifest
from sonoscope.data.summary.page import inline
from sonoscope.evaluation.result import Excerpt, Result, Table, shown
from sonoscope.evaluation.sidebyside import MODEL
from sonoscope.evaluation.truth import names_of

#: Clips that are heard, and the seconds of each.
MOST, LONGEST_S = 12, 3.0
TABLE = "mistakes"


def loudest(result: Result) -> dict[str, list[dict[str, object]]]:
    """Rows of the table of mistakes by clip, for the :data:`MOST` clips with the largest, of each model in turn."""
    table = _table(result)
    if table is None:
        return {}
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    rows.sort(key=lambda row: -abs(float(row["score"]) - float(row["threshold"])))  # type: ignore[arg-type]
    of_models: dict[object, list[dict[str, object]]] = {}
    for row in rows:
        of_models.setdefault(row.get(MODEL), []).append(row)
    found: dict[str, list[dict[str, object]]] = {}
    for row in filter(None, chain.from_iterable(zip_longest(*of_models.values()))):
        clip = str(row["clip"])
        if clip in found or len(found) < MOST:
            found.setdefault(clip, []).append(row)
    return found


def _table(result: Result) -> Table | None:
    needed = {"clip", "label", "mistake", "score", "threshold", "sounds"}
    return next((t for t in result.tables if t.name == TABLE and needed <= set(t.columns)), None)


def excerpts(result: Result, manifest: Manifest) -> dict[str, Excerpt]:
    """Sound and spectrogram of the loudest mistakes; a clip that cannot be read has none."""
    named = dict(zip(names_of(manifest.rows), manifest.rows, strict=True))
    wanted = [name for name in loudest(result) if name in named]
    found: dict[str, Excerpt] = {}
    rows = [named[name] for name in wanted]
    for clip in clips.each(manifest, players.SAMPLE_RATE, rows=rows, report=lambda _: None):
        samples, begins = players.excerpt(clip.samples, LONGEST_S)
        if samples.size:
            found[wanted[clip.index]] = _excerpt(samples, begins / players.SAMPLE_RATE)
    return found


def _excerpt(samples: np.ndarray, begins_s: float) -> Excerpt:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, players.SAMPLE_RATE, format="WAV", subtype="PCM_16")
    grey = spectrogram.picture(samples, players.SAMPLE_RATE)[::2, ::2]
    return Excerpt(
        file.getvalue(),
        spectrogram.png(grey),
        begins_s,
        len(samples) / players.SAMPLE_RATE,
        players.SAMPLE_RATE / 2,
    )


def drawn(result: Result) -> str:
    """A card for each clip."""
    cards = [_card(name, rows, result.excerpts.get(name)) for name, rows in loudest(result).items()]
    if not cards:
        return ""
    heard = (
        f"Of each clip at most {LONGEST_S:g} s from where it begins to sound, all brought to the same peak. "
        if result.excerpts
        else ""
    )
    table = _table(result)
    turn = ", of each model in turn" if table is not None and MODEL in table.columns else ""
    return (
        f"<p>The clips with scores furthest on the wrong side of their threshold{turn}. {heard}</p>"
        f'<div class="cards">{"".join(cards)}</div>'
    )


def _card(name: str, rows: Sequence[dict[str, object]], excerpt: Excerpt | None) -> str:
    items = "".join(
        f'<li><b class="{"alarm" if row["mistake"] == "false alarm" else "miss"}">{escape(str(row["mistake"]))}</b> '
        f"{escape(str(row['label']))} <small>{shown(row['score'])}, threshold {shown(row['threshold'])}"
        f"{', ' + escape(str(row['model'])) if 'model' in row else ''}</small></li>"
        for row in rows
    )
    sounds = escape(str(rows[0]["sounds"]).replace(";", ", ")) or "no label"
    folder, slash, file = name.rpartition("/")
    title = f"<small>{escape(folder + slash)}</small>{escape(file)}" if slash else escape(file)
    return (
        f"<article><h3>{title}</h3>{_media(name, excerpt)}<ul>{items}</ul><p>Sounds: {sounds}</p></article>"
    )


def _media(name: str, excerpt: Excerpt | None) -> str:
    if excerpt is None:
        return ""
    told = f"Spectrogram of {excerpt.seconds:.1f} s of {name}, 0 to {excerpt.top_hz / 1000:g} kHz, mel scale"
    return (
        f'<img src="{inline("image/png", excerpt.png)}" alt="{escape(told)}">'
        f'<audio controls preload="metadata" aria-label="{escape(name)}" '
        f'src="{inline("audio/wav", excerpt.wav)}"></audio>'
    )
