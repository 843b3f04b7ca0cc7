"""Notes as a picture: time to the right, pitch upwards, a bar for each note, a colour for each label.

:func:`svg` needs nothing else; :func:`png` needs matplotlib (the ``eval`` extra). The darker a bar, the louder its
note. Rows of black keys are grey, lines are at every C, and the scale says seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sonoscope.errors import optional
from sonoscope.labels import pitch_name
from sonoscope.outputs.lettering import lettered
from sonoscope.outputs.picture import COLOURS, GREY, INK, LINE, PAPER, plain, rect, ticks, written
from sonoscope.outputs.rows import decimal
from sonoscope.values import Event

BLACK = (1, 3, 6, 8, 10)

#: Of the SVG: width of a second, height of a semitone, room for pitches and for the scale, in pixels.
SECOND, ROW, LEFT, BELOW, ABOVE = 80.0, 8.0, 34.0, 22.0, 20.0
#: No wider than this: longer recordings have narrower seconds.
WIDEST = 20_000.0


@dataclass(frozen=True)
class _Roll:
    """What is drawn: notes, labels in order, the pitches from ``low`` to ``high`` (both included), seconds."""

    notes: tuple[Event, ...]
    labels: tuple[str, ...]
    low: int
    high: int
    seconds: float

    def colour(self, note: Event) -> str:
        return COLOURS[self.labels.index(note.label) % len(COLOURS)]

    def opacity(self, note: Event) -> float:
        return 0.35 + 0.65 * (100 if note.velocity is None else min(note.velocity, 127)) / 127

    def named(self) -> list[int]:
        """The pitches whose name is written: every C, or the white keys where that would be fewer than two."""
        pitches = range(self.low, self.high + 1)
        tonics = [pitch for pitch in pitches if pitch % 12 == 0]
        return tonics if len(tonics) > 1 else [pitch for pitch in pitches if pitch % 12 not in BLACK]

    @property
    def legend(self) -> tuple[str, ...]:
        """The labels that are told apart by their colours: none where there is only one."""
        return self.labels if len(self.labels) > 1 else ()

    @property
    def scale(self) -> float:
        """Pixels for a second."""
        return min(SECOND, WIDEST / self.seconds)


def _roll(events: Iterable[Event], duration_s: float) -> _Roll:
    notes = tuple(sorted(event for event in events if event.pitch is not None))
    pitches = [round(note.pitch) for note in notes if note.pitch is not None]
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (58, 74)
    seconds = max([duration_s, *(note.end_s for note in notes), 0.1])
    return _Roll(notes, tuple(sorted({note.label for note in notes})), low, high, seconds)


def svg(events: Iterable[Event], duration_s: float = 0.0) -> str:
    """The notes among ``events`` as an SVG document, UTF-8 text.

    Each bar has a title, so that pointing at it says label, pitch, times and velocity. Without notes it is an empty
    grid.
    """
    roll = _roll(events, duration_s)
    width, rows = roll.seconds * roll.scale, roll.high - roll.low + 1
    height, named = rows * ROW, roll.named()

    def y(pitch: float) -> float:
        return ABOVE + (roll.high - pitch) * ROW

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + width + 8:.0f}" '
        f'height="{ABOVE + height + BELOW:.0f}" font-family="sans-serif" font-size="10" fill="{INK}">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
    ]
    for pitch in range(roll.low, roll.high + 1):
        if pitch % 12 in BLACK:
            parts.append(rect(LEFT, y(pitch), width, ROW, f'fill="{GREY}"'))
        line = y(pitch) + ROW
        if pitch % 12 == 0:
            parts.append(f'<path d="M{LEFT:g} {line:g}h{width:g}" stroke="{LINE}"/>')
        if pitch in named:
            parts.append(f'<text x="2" y="{line - 0.5:g}">{pitch_name(pitch)}</text>')
    for second in ticks(roll.seconds, 100 / roll.scale):
        x = LEFT + second * roll.scale
        parts.append(f'<path d="M{x:.2f} {ABOVE:g}v{height:g}" stroke="{LINE}" stroke-width="0.5"/>')
        parts.append(
            f'<text x="{x:.2f}" y="{ABOVE + height + 14:g}" text-anchor="middle">{decimal(second)} s</text>'
        )
    for number, label in enumerate(roll.legend):
        parts.append(f'<text x="{LEFT + 110 * number:g}" y="13" fill="{COLOURS[number % len(COLOURS)]}">'
                     f"{written(label)}</text>")  # fmt: skip
    parts += [_bar(roll, note) for note in roll.notes]
    return "\n".join([*parts, "</svg>", ""])


def _bar(roll: _Roll, note: Event) -> str:
    pitch = note.pitch or 0.0
    wide = max((note.end_s - note.start_s) * roll.scale - 1.0, 0.5)  # struck again, it is seen to be two
    top = ABOVE + (roll.high - pitch) * ROW + 0.5
    loud = "" if note.velocity is None else f", velocity {note.velocity}"
    told = f"{note.label}, pitch {decimal(pitch)}, {note.start_s:.3f}–{note.end_s:.3f} s{loud}"
    style = f'fill="{roll.colour(note)}" fill-opacity="{roll.opacity(note):.2f}" rx="1"'
    return rect(LEFT + note.start_s * roll.scale, top, wide, ROW - 1, style, told)


@lettered()
def png(
    events: Iterable[Event], path: str | Path | IO[bytes], duration_s: float = 0.0, *, dpi: int = 100
) -> None:
    """The same as a PNG, in a file or an open one; recordings longer than four minutes have narrower seconds.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    optional("matplotlib", "eval", "a piano roll as PNG")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    roll = _roll(events, duration_s)
    inches = min(max(roll.seconds * 0.8, 4.0), 200.0)
    figure = Figure(figsize=(inches, max((roll.high - roll.low + 1) * 0.08 + 0.6, 2.0)), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for pitch in range(roll.low, roll.high + 1):
        if pitch % 12 in BLACK:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color=GREY, zorder=0)
    for label in roll.labels:
        own = [note for note in roll.notes if note.label == label]
        axes.barh(
            [note.pitch or 0.0 for note in own],
            [note.end_s - note.start_s for note in own],
            left=[note.start_s for note in own],
            height=0.85,
            color=[(roll.colour(note), roll.opacity(note)) for note in own],
            edgecolor=PAPER,  # a note that is struck again is seen to be two
            linewidth=0.8,
            label=plain(label).replace("$", r"\$"),
            zorder=2,
        )
    axes.set_yticks(roll.named(), [pitch_name(pitch) for pitch in roll.named()])
    axes.set(xlim=(0, roll.seconds), ylim=(roll.low - 0.5, roll.high + 0.5), xlabel="s")
    axes.grid(axis="both", color=LINE, linewidth=0.5, zorder=1)
    if roll.legend:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=8, frameon=False)
    target: Any = str(path) if isinstance(path, Path) else path
    figure.savefig(target, format="png", bbox_inches="tight", metadata={"Software": None})
