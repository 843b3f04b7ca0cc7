"""What every export from torch shares: it is quiet, says in a line why it cannot, and leaves no notes in the graph."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import torch

from sonoscope.errors import BadBundle


def save(program: torch.onnx.ONNXProgram, path: Path) -> None:
    """Write a graph without the exporter's notes: they name files and lines of the machine that it ran on."""
    import onnx

    program.save(str(path), external_data=False)
    model = onnx.load(str(path))
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        del part.metadata_props[:]
    onnx.save(model, str(path))


@contextmanager
def exporting(path: Path) -> Iterator[None]:
    """Quietly and without gradients; raises ``BadBundle`` for what torch's exporter cannot write into ``path``."""
    with quietly(), torch.no_grad():
        try:
            yield
        except Exception as error:  # torch raises many kinds, with pages of advice around the first of them
            raise BadBundle(
                f"{path.name} cannot be written: torch's exporter says {reason_of(error)}"
            ) from error


def reason_of(error: BaseException) -> str:
    """The first line of an exporter's innermost error, and the line of code that it is about."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip() or type(error).__name__
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    where = f" ({Path(places[-1][0]).name}:{places[-1][1]})" if places else ""
    return f"{text.splitlines()[0].strip()!r}{where}"


@contextmanager
def quietly() -> Iterator[None]:
    """Without torch's remarks on operators that no network here has (torchvision's), and its drafts of what fails."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "torch.fx.experimental.symbolic_shapes")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)
