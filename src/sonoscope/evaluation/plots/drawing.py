"""A drawing: lines, rectangles, dots and text at places, which is written as SVG, PDF or PNG.

Lengths are points (1/72 inch) from the upper left corner. SVG needs nothing, and has no script, no font and no address
in it; PDF (fonts embedded) and PNG are drawn by Matplotlib, from the same marks.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from sonoscope.errors import optional
from sonoscope.outputs.lettering import lettered

Anchor = Literal["start", "middle", "end"]
#: Colours that can be told apart by everybody and in grey (Okabe and Ito 2008), and those of text, rules and paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#6b6b6b")
INK, SOFT, RULE, PAPER = "#000000", "#444444", "#dcdcdc", "#ffffff"
FONT = "Helvetica, Arial, sans-serif"
#: Size of text, and dots per inch of a PNG.
SIZE, DPI = 8.0, 200


@dataclass(frozen=True)
class Line:
    """A line through points; ``dash`` are lengths of strokes and gaps."""

    points: tuple[tuple[float, float], ...]
    colour: str = INK
    width: float = 1.0
    dash: tuple[float, ...] = ()


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    colour: str


@dataclass(frozen=True)
class Text:
    """Words, with their base line at ``y``; turned by ``turn`` degrees against the clock."""

    x: float
    y: float
    words: str
    anchor: Anchor = "start"
    colour: str = INK
    size: float = SIZE
    turn: float = 0.0
    bold: bool = False


Mark = Line | Box | Dot | Text


@dataclass(frozen=True)
class Drawing:
    """Marks, drawn in their order; ``title`` is read aloud and stands in the file."""

    title: str
    width: float
    height: float
    marks: tuple[Mark, ...]

    def svg(self) -> bytes:
        """A file of its own, on white."""
        size = f'width="{self.width:g}pt" height="{self.height:g}pt" viewBox="0 0 {self.width:g} {self.height:g}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            *map(_svg, self.marks),
            "</svg>\n",
        ]
        return "\n".join(parts).encode()

    def pdf(self) -> bytes:
        """The same bytes for the same drawing, fonts embedded. Raises ``UsageError`` without Matplotlib."""
        return self._drawn(
            "pdf", metadata={"Title": self.title, "CreationDate": None, "Creator": "sonoscope"}
        )

    def png(self) -> bytes:
        """``DPI`` dots to the inch. Raises ``UsageError`` without Matplotlib."""
        return self._drawn("png", dpi=DPI, metadata={"Title": self.title, "Software": "sonoscope"})

    def _drawn(self, form: str, **options: Any) -> bytes:
        optional("matplotlib", "eval", f"writing a plot as {form.upper()}")
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with matplotlib.rc_context({"pdf.fonttype": 42, "path.simplify": False}), lettered():
            figure = Figure(figsize=(self.width / 72, self.height / 72), facecolor=PAPER)
            FigureCanvasAgg(figure)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set(xlim=(0, self.width), ylim=(self.height, 0))
            axes.axis("off")
            for order, mark in enumerate(self.marks):
                _put(axes, mark, order)
            file = io.BytesIO()
            figure.savefig(file, format=form, **options)
        return file.getvalue()


def _svg(mark: Mark) -> str:
    if isinstance(mark, Line):
        path = "L".join(f"{x:.2f} {y:.2f}" for x, y in mark.points)
        dash = f' stroke-dasharray="{" ".join(f"{length:g}" for length in mark.dash)}"' if mark.dash else ""
        return (
            f'<path d="M{path}" fill="none" stroke="{mark.colour}" stroke-width="{mark.width:g}"{dash} '
            'stroke-linejoin="round"/>'
        )
    if isinstance(mark, Box):
        return (
            f'<rect x="{mark.x:.2f}" y="{mark.y:.2f}" width="{mark.width:.2f}" height="{mark.height:.2f}" '
            f'fill="{mark.colour}"/>'
        )
    if isinstance(mark, Dot):
        return f'<circle cx="{mark.x:.2f}" cy="{mark.y:.2f}" r="{mark.radius:g}" fill="{mark.colour}"/>'
    turn = f' transform="rotate({-mark.turn:g} {mark.x:.2f} {mark.y:.2f})"' if mark.turn else ""
    weight = ' font-weight="bold"' if mark.bold else ""
    return (
        f'<text x="{mark.x:.2f}" y="{mark.y:.2f}" font-size="{mark.size:g}" fill="{mark.colour}" '
        f'text-anchor="{mark.anchor}"{weight}{turn}>{escape(mark.words)}</text>'
    )


def _put(axes: Any, mark: Mark, order: int) -> None:
    """A mark on Matplotlib's axes, over those before it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Rectangle
    from matplotlib.text import Text as Words

    made: Any
    if isinstance(mark, Line):
        x, y = zip(*mark.points, strict=True)
        made = Line2D(x, y, color=mark.colour, linewidth=mark.width)
        if mark.dash:
            made.set_dashes([length / mark.width for length in mark.dash])
        axes.add_line(made)
    elif isinstance(mark, Box):
        made = Rectangle((mark.x, mark.y), mark.width, mark.height, facecolor=mark.colour, linewidth=0)
        axes.add_patch(made)
    elif isinstance(mark, Dot):
        made = Circle((mark.x, mark.y), mark.radius, facecolor=mark.colour, linewidth=0)
        axes.add_patch(made)
    else:
        sides = {"start": "left", "middle": "center", "end": "right"}
        made = Words(
            mark.x, mark.y, mark.words.replace("$", r"\$"), color=mark.colour, fontsize=mark.size,
            ha=sides[mark.anchor], va="baseline", rotation=mark.turn, rotation_mode="anchor",
            fontweight="bold" if mark.bold else "normal",
        )  # fmt: skip
        axes.add_artist(made)
    made.set_zorder(order)
