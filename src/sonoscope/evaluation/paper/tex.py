"""LaTeX: text that is escaped, numbers with their intervals, and tables as booktabs wants them."""

from __future__ import annotations

from collections.abc import Sequence

from sonoscope.evaluation.result import DECIMALS, Figure, Table, shown
from sonoscope.evaluation.sidebyside import ALL

#: Rows that a page takes at most.
PAGE = 45
#: Smaller, if it is wider than the text.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"
#: What LaTeX takes for a command, and how it is written instead.
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "²": r"\textsuperscript{2}",
    "–": "--",
    "…": r"\ldots{}",
    "µ": r"$\mu$",
    "−": "$-$",
    "×": r"$\times$",
}


def escape(text: object) -> str:
    """Any text as LaTeX shows it, on one line.

    >>> escape("50 % of a_b")
    '50 \\\\% of a\\\\_b'
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(str(text).split()))


def breakable(text: object) -> str:
    """A path, a digest or a command, in the type of a typewriter, which may break after its joints."""
    found = escape(text)
    for joint in ("/", r"\_", "-", ".", ","):
        found = found.replace(joint, joint + r"\allowbreak{}")
    return rf"\texttt{{{found}}}"


def number(value: float | None) -> str:
    """Three decimals, a dash for nothing, and a minus that is one."""
    return "--" if value is None else f"{value:.{DECIMALS}f}".replace("-", "$-$")


def interval(figure: Figure) -> str:
    """``[0.5, 0.7]`` or ``± 0.02`` in small type; empty without either."""
    if figure.sd is not None:
        return rf"{{\scriptsize $\pm$ {number(figure.sd)}}}"
    if figure.low is None or figure.high is None:
        return ""
    return rf"{{\scriptsize [{number(figure.low)}, {number(figure.high)}]}}"


def cell(value: object) -> str:
    """A cell of a result's table, without its interval."""
    if isinstance(value, Figure):
        return number(value.value)
    if isinstance(value, float):
        return number(value)
    return escape(shown(value)).replace(ALL, "all")


def table(
    columns: Sequence[str],
    blocks: Sequence[Sequence[Sequence[str]]],
    *,
    caption: str,
    label: str,
    left: Sequence[int] = (0,),
) -> str:
    r"""A floating table; a rule stands between ``blocks`` of rows. Columns, cells and ``caption`` are LaTeX already.

    One that is wider than the text is made smaller; one of more than :data:`PAGE` rows goes over several pages.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are columns.
    """
    across = f"{{@{{}}{''.join('l' if k in left else 'r' for k in range(len(columns)))}@{{}}}}"
    head = [r"\toprule", " & ".join(columns) + r" \\"]
    told = rf"\caption{{{caption}}}"
    body = []
    for block in blocks:
        body.append(r"\midrule")
        for row in block:
            if len(row) != len(columns):
                raise ValueError(f"table {label!r}: a row of {len(row)} cells, the header has {len(columns)}")
            body.append(" & ".join(row) + r" \\")
    if sum(map(len, blocks)) > PAGE:
        lines = [
            r"\begingroup", r"\footnotesize", r"\setlength{\tabcolsep}{4pt}", rf"\begin{{longtable}}{across}",
            rf"{told}\label{{tab:{label}}} \\", *head, r"\endfirsthead", *head, r"\midrule", r"\endhead",
            r"\bottomrule", r"\endfoot", *body, r"\end{longtable}", r"\endgroup",
        ]  # fmt: skip
    else:
        lines = [
            r"\begin{table}[htbp]", r"\centering", told, rf"\label{{tab:{label}}}", r"\small",
            r"\setlength{\tabcolsep}{4pt}",
            rf"{FITTED}{{\begin{{tabular}}{across}", *head, *body, r"\bottomrule", r"\end{tabular}}", r"\end{table}",
        ]  # fmt: skip
    return "\n".join([*lines, ""])


def with_intervals(cells: Sequence[str], values: Sequence[object]) -> list[list[str]]:
    """A row, and below it a row of intervals where any value has one; ``cells`` come before the values."""
    top = [*cells, *map(cell, values)]
    below = [interval(value) if isinstance(value, Figure) else "" for value in values]
    return [top, [*("" for _ in cells), *below]] if any(below) else [top]


def of_table(found: Table, *, label: str, drop: Sequence[str] = ()) -> str:
    """A result's table, intervals after their values."""
    kept = [k for k, name in enumerate(found.columns) if name not in drop]
    rows = []
    for row in found.rows:
        cells = []
        for k in kept:
            value = row[k]
            spread = interval(value) if isinstance(value, Figure) else ""
            cells.append(f"{cell(value)} {spread}".strip())
        rows.append(cells)
    left = [place for place, k in enumerate(kept) if any(isinstance(row[k], str) for row in found.rows)]
    caption = f"{escape(found.title)}. {_sentence(found.caption)}".strip()
    return table([escape(found.columns[k]) for k in kept], [rows], caption=caption, label=label, left=left)


def _sentence(text: str) -> str:
    return f"{escape(text[:1].upper() + text[1:])}." if text else ""
