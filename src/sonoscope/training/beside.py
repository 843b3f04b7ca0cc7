"""What is known of a clip beside its sound (genre, whether there are drums), from the columns of the manifest.

For the head ``auxiliary``: each of its inputs is the column of that name. An input of size 1 is a number, or yes and
no; a larger one is a choice, whose values in sorted order are its places. An empty cell is unknown.

In use nobody knows any of it, so a training hides each value of a row half of the time, and validation hides all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from sonoscope.data.rows import Row
from sonoscope.errors import UsageError

#: Chance that a value is hidden in a step of training.
HIDDEN = 0.5
YES, NO = ("yes", "true", "1", "dru"), ("no", "false", "0", "nod")

#: Name of an input -> values (rows, size), and which rows (rows,) know them.
Known = dict[str, tuple[torch.Tensor, torch.Tensor]]


def of_rows(rows: Sequence[Row], inputs: Mapping[str, int]) -> Known:
    """What rows know, in their order.

    Raises
    ------
    UsageError
        If no row has such a column, a cell is neither number nor yes or no, or there are more choices than places.
    """
    found: Known = {}
    for name, size in inputs.items():
        cells = [row.extra.get(name, "").strip() for row in rows]
        known = torch.tensor([bool(cell) for cell in cells])
        if not known.any():
            columns = sorted({key for row in rows for key in row.extra})
            raise UsageError(
                f"the head's input {name!r} is no column that is filled in these data. "
                f"Columns: {', '.join(columns) or 'none'}."
            )
        found[name] = (_numbers(name, cells) if size == 1 else _choices(name, cells, size)), known.float()
    return found


def drawn(known: Known, clips: torch.Tensor, chance: torch.Generator) -> Known:
    """The values of a batch, each known only where it is not hidden this time."""
    batch = {}
    for name, (values, is_known) in known.items():
        seen = (torch.rand(len(clips), generator=chance) >= HIDDEN).float()
        batch[name] = values.to(clips.device)[clips], is_known.to(clips.device)[clips] * seen.to(clips.device)
    return batch


def _numbers(name: str, cells: Sequence[str]) -> torch.Tensor:
    values = []
    for cell in cells:
        word = cell.lower()
        if word in YES or word in NO or not cell:
            values.append(float(word in YES))
            continue
        try:
            values.append(float(cell))
        except ValueError:
            raise UsageError(
                f"the column {name!r} holds {cell!r}, which is neither a number nor yes or no; a choice of n values "
                f"needs inputs: {{{name}: n}}"
            ) from None
    return torch.tensor(values)[:, None]


def _choices(name: str, cells: Sequence[str], size: int) -> torch.Tensor:
    choices = sorted({cell for cell in cells if cell})
    if len(choices) > size:
        raise UsageError(
            f"the column {name!r} has {len(choices)} values ({', '.join(choices)}), the head's input {size} places: "
            f"inputs: {{{name}: {len(choices)}}}"
        )
    values = torch.zeros(len(cells), size)
    for row, cell in enumerate(cells):
        if cell:
            values[row, choices.index(cell)] = 1.0
    return values
