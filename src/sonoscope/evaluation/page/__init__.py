"""The report: one HTML file that needs nothing from outside, from a :class:`~sonoscope.evaluation.result.Result` alone.

Whatever the protocol, it holds figures, every table, every curve, notes and origin; of arrays of clips also what scores
and labels look like; of excerpts the loudest mistakes, to hear and to see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from sonoscope.data.summary.page import document, laid_out
from sonoscope.data.summary.sections import Section
from sonoscope.evaluation.history import TRAINING
from sonoscope.evaluation.page import clipcharts, lines, maps, mistakes, pictures, tables
from sonoscope.evaluation.result import SIDE_BY_SIDE, Figure, Result, plain, shown

_STYLE = Path(__file__).with_name("page.css")
#: Figures at the top of the page.
TILES = 6


def html(result: Result) -> str:
    """The report as HTML; the same result gives the same text."""
    links, body = laid_out(_sections(result))
    return document(
        result.title,
        f"{_lead(result)}{_tiles(result)}{_notes(result)}{links}{body}",
        _STYLE.read_text(encoding="utf-8"),
    )


def _sections(result: Result) -> Iterator[Section]:
    yield Section("figures", "Figures", _figures(result))
    plainly = [table for table in result.tables if table.name not in tables.APART]
    yield Section("tables", "Tables", "".join(map(tables.drawn, plainly)))
    trained = [curve for curve in result.curves if curve.name.startswith(TRAINING)]
    yield Section("curves", "Curves", lines.drawn([c for c in result.curves if c not in trained]))
    yield Section("scores", "Scores of what sounds and of what does not", clipcharts.scores(result))
    yield Section("confusion", "Confusion", tables.matrices(result.tables))
    yield Section("labels", "Labels of the clips", clipcharts.labels(result))
    yield Section("mistakes", "The loudest mistakes", mistakes.drawn(result))
    yield Section("map", "Maps of the clips", maps.drawn(result))
    yield Section("training", "Training", lines.drawn(trained))
    yield Section("decisions", "How machines decide", pictures.drawn(result))
    folded = [table for table in result.tables if table.name in tables.APART]
    yield Section("further", "Tables of what is shown above", "".join(map(tables.drawn, folded)))
    origin = {name: list(_origins(value)) or ["none"] for name, value in result.provenance.items()}
    yield Section("origin", "Where it comes from", tables.pairs(origin))


def _lead(result: Result) -> str:
    """Models, data, and where thresholds come from."""
    said = result.provenance
    found = {"protocol": f"{result.protocol}, version {result.version}"}
    if models := _models(said.get("model")):
        found["models" if len(models) > 1 else "model"] = ", ".join(models)
    for name in ("data", "validation"):
        if said.get(name):
            found[name] = shown(plain(said[name]))
    for name, origin in _thresholds(said.get("thresholds")):
        found[f"thresholds, {name}"] = origin
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in found.items())
    return f'<p class="lead">Made by sonoscope evaluate.</p><dl class="about">{rows}</dl>'


def _models(about: object) -> list[str]:
    """One model's facts hold its name under ``model``; of several, facts stand under their names."""
    if not isinstance(about, dict):
        return [str(about)] if about else []
    if "model" in about:
        return [str(about["model"])]
    return [str(name) for name, value in about.items() if isinstance(value, dict)]


def _thresholds(stated: object) -> Iterator[tuple[str, str]]:
    """Of one model a line for each row of thresholds; of several one for each model that differs."""
    for name, value in stated.items() if isinstance(stated, dict) else ():
        if isinstance(value, dict):
            yield str(name), "; ".join(_origin(str(k), shown(plain(v))) for k, v in value.items())
        else:
            yield str(name), str(value)


def _origin(row: str, told: str) -> str:
    """``the model's own (0.2)`` speaks for itself; ``no validation`` needs the row's name."""
    return told if "(" in told else f"{row}: {told}"


def _origins(value: object, of: str = "") -> Iterator[str]:
    """A fact in lines: one for all that is plain of a thing, and one for each thing inside it."""
    if not isinstance(value, Mapping):
        yield shown(plain(value)) or "none"
        return
    inside = {name: each for name, each in value.items() if isinstance(each, Mapping)}
    told = "; ".join(f"{name}: {shown(plain(each))}" for name, each in value.items() if name not in inside)
    if told:
        yield f"{of}: {told}" if of else told
    for name, each in inside.items():
        yield from _origins(each, f"{of}, {name}" if of else str(name))


def _tiles(result: Result) -> str:
    """The first figures; of several models, those are in the table."""
    found = [] if _several(result) else [(n, f) for n, f in result.figures.items() if f.value is not None]
    items = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{figure.value:.3f}</dd>{_between(figure)}</div>"
        for name, figure in found[:TILES]
    )
    return f'<dl class="tiles">{items}</dl>' if items else ""


def _between(figure: Figure) -> str:
    if figure.sd is not None:
        return f"<dd class='between'>± {figure.sd:.3f}</dd>"
    if figure.low is None or figure.high is None:
        return ""
    return f'<dd class="between">{figure.low:.3f} to {figure.high:.3f}</dd>'


def _notes(result: Result) -> str:
    items = "".join(f'<li class="note">{escape(note)}</li>' for note in result.notes)
    return f'<ul class="findings" aria-label="Notes">{items}</ul>' if items else ""


def _several(result: Result) -> bool:
    return any(table.name == SIDE_BY_SIDE for table in result.tables)


def _figures(result: Result) -> str:
    """Every figure with its interval as a picture; of several models beside each other."""
    for table in result.tables:
        if table.name == SIDE_BY_SIDE:
            return tables.of_figures(table.columns[1:], [(str(row[0]), row[1:]) for row in table.rows])
    return tables.of_figures(("value",), [(name, (figure,)) for name, figure in result.figures.items()])
