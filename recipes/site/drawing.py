"""Draw who imports whom, from the source: ``docs/architecture.svg``.

Usage: ``python recipes/site/drawing.py``; with ``--check`` it only tells whether the drawing is that of the source.

A box is a room (a folder or a module at the top of the package). A room stands above every room that it imports, and
lines lead down to those that no other line already leads to. Rooms that import each other (inside functions) share a
row and a dashed line. Imports for type checkers are no imports.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "src" / "sonoscope"
DRAWING = PROJECT / "docs" / "architecture.svg"

#: Rooms that every other one imports: their lines would say nothing.
FOUNDATION = {"values", "errors", "labels", "plugins", "promises", "writing"}

WIDTH, HEIGHT, GAP, ROW, MARGIN = 104, 30, 14, 84, 20


def imported() -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).parts
        room = inside[0].removesuffix(".py")
        if inside[0] in ("__init__.py", "__main__.py", "bundles"):
            continue
        found[room] |= set()
        for target in targets(ast.parse(path.read_text(encoding="utf-8"))):
            words = target.split(".")
            if words[0] == "sonoscope" and len(words) > 1 and words[1] != room:
                found[room].add(words[1])
    return {room: {to for to in rooms if to in found} for room, rooms in found.items()}


def targets(node: ast.AST) -> Iterator[str]:
    """What a module imports wherever it does so, but for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from targets(child)


def reached(edges: dict[str, set[str]], start: str) -> set[str]:
    """Every room that one comes to."""
    seen, ahead = set[str](), [start]
    while ahead:
        for room in edges[ahead.pop()] - seen:
            seen.add(room)
            ahead.append(room)
    return seen


def arrange(edges: dict[str, set[str]]) -> tuple[list[list[str]], set[tuple[str, str]], set[tuple[str, str]]]:
    """Rows from the top, lines down that say something, and pairs that import each other."""
    all_of = {room: reached(edges, room) for room in edges}
    mutual = {(a, b) for a in edges for b in edges[a] if a < b and a in edges[b]}
    below = {room: {to for to in edges[room] - FOUNDATION if room not in all_of[to]} for room in edges}
    level: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in level:
            peers = {to for to in all_of[room] if room in all_of[to]} | {room}
            level[room] = max((1 + height(to) for peer in peers for to in below[peer]), default=0)
        return level[room]

    rows: list[list[str]] = [[] for _ in range(2 + max(map(height, edges)))]
    for room in edges:
        rows[0 if room in FOUNDATION else 1 + height(room)].append(room)
    rows = [row for row in rows if row]
    lines = {
        (room, to)
        for room in edges
        for to in below[room]
        if room not in FOUNDATION and not any(to in all_of[by] for by in below[room] - {to})
    }
    return rows[::-1], lines, mutual


def drawn() -> str:
    """The drawing, as SVG."""
    rows, lines, mutual = arrange(imported())
    width = 1.5 * max(len(row) for row in rows) * (WIDTH + GAP) + 2 * MARGIN
    height = (len(rows) - 1) * ROW + HEIGHT + 2 * MARGIN
    at: dict[str, tuple[float, int]] = {}
    for number, row in enumerate(rows):
        # A room stands near what stands above it.
        wish = {
            room: sum(xs) / len(xs) if (xs := [at[a][0] for a, b in lines if b == room and a in at]) else 0.0
            for room in row
        }
        row = sorted(row, key=lambda room: (wish[room], room))
        step = width / (len(row) + number % 2)  # every other row is shifted: fewer lines pass behind boxes
        for place, room in enumerate(row):
            at[room] = (round((place + 0.5) * step), MARGIN + number * ROW)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" font-family="sans-serif"',
        '  font-size="13" role="img" aria-label="Who imports whom: a room stands above the rooms that it imports">',
        f'<rect width="{width:g}" height="{height}" fill="#ffffff"/>',
    ]
    for a, b in sorted(lines):
        (x, y), (to_x, to_y) = at[a], at[b]
        y += HEIGHT
        bend = (to_y - y) / 2
        parts.append(
            f'<path d="M{x:g} {y}C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y}" '
            'fill="none" stroke="#8aa0b4"/>'
        )
    for a, b in sorted(mutual):
        (x, y), (to_x, to_y) = at[a], at[b]
        parts.append(
            f'<path d="M{x:g} {y}Q{(x + to_x) / 2:g} {y - 40} {to_x:g} {to_y}" fill="none" stroke="#8aa0b4" '
            'stroke-dasharray="4 4"/>'
        )
    for room, (x, y) in sorted(at.items()):
        fill = "#eef1f4" if room in FOUNDATION else "#dcebf7"
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{fill}" '
            f'stroke="#4a6b86"/><text x="{x:g}" y="{y + 20}" text-anchor="middle">{room}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def main(words: list[str]) -> int:
    """Write the drawing, or compare it."""
    text = drawn()
    if "--check" not in words:
        DRAWING.write_text(text, encoding="utf-8")
        return 0
    if DRAWING.is_file() and DRAWING.read_text(encoding="utf-8") == text:
        return 0
    print(
        "docs/architecture.svg is not that of the source: run python recipes/site/drawing.py", file=sys.stderr
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
