"""Weights from files: read without running what is in them, laid into a module, and told what did not fit.

A checkpoint is a ``.safetensors`` file or one that torch saved. The latter is read with ``weights_only``: numbers
and containers come out, code does not run. Around the weights there may be a shell (``model``, ``state_dict``),
and before the names the prefixes that wrappers leave (``module.``).

Nothing is skipped in silence. :func:`load_weights` returns a :class:`LoadReport`, and refuses by default what
lacks a key or has another shape.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sonoscope.errors import UsageError

#: Where publishers and trainers keep the weights inside a checkpoint.
SHELLS = ("state_dict", "model", "model_state_dict", "net", "weights")
#: What wrappers (DataParallel, compile) put before every name.
PREFIXES = ("module.", "_orig_mod.")
#: What is said of a checkpoint of a training here, given as a publisher's.
OWN = " It is of a training of this program: network.init_from takes those."
#: Names that a report spells out of each kind.
SHOWN = 12


class BadCheckpoint(UsageError):
    """A checkpoint that cannot be read, or does not fit the network; then a line below says of each kind what."""

    @property
    def lines(self) -> list[str]:
        return str(self).splitlines()


@dataclass(frozen=True)
class LoadReport:
    """What became of each name.

    Attributes
    ----------
    source : str
    loaded : tuple of str
        Names whose weights were taken.
    missing : tuple of str
        In the network, not in the file: these weights are as initialised.
    mismatched : tuple of (name, shape in the file, shape in the network)
        Also as initialised.
    unexpected : tuple of str
        In the file, not in the network.
    left_out : tuple of str
        In the file, and left out on purpose.
    """

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    unexpected: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every weight of the network came from the file."""
        return not self.missing and not self.mismatched

    def text(self) -> str:
        """A line for each kind that occurs."""
        lines = [f"{self.source}: {len(self.loaded)} tensors loaded"]
        shapes = [f"{name} {there} in the file, {here} here" for name, there, here in self.mismatched]
        for kind, names in (
            ("missing in the file", self.missing),
            ("of another shape", shapes),
            ("unknown to the network", self.unexpected),
            ("left out", self.left_out),
        ):
            if names:
                more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                lines.append(f"  {len(names)} {kind}: {', '.join(names[:SHOWN])}{more}")
        return "\n".join(lines)


def read_checkpoint(path: str | Path) -> Any:
    """All that is in a checkpoint, on the CPU.

    Raises
    ------
    BadCheckpoint
        If there is no such file, or it holds more than numbers and containers.
    """
    path = Path(path)
    if not path.is_file():
        raise BadCheckpoint(f"{path}: no such checkpoint; give the path of a downloaded file")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as problem:
            raise BadCheckpoint(f"{path}: is damaged ({problem}). Fetch it again") from None
    try:
        with torch.serialization.safe_globals(_arrays()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise BadCheckpoint(
            f"{path}: cannot be read as weights only ({reason}). Convert it to .safetensors where its maker "
            "is trusted"
        ) from None


def _arrays() -> list[Any]:
    """What NumPy arrays are made of in a pickle: published files keep samplers' positions so, data like weights."""
    # Where NumPy keeps the two differs between its versions; what it pickles by says it without private names.
    array, number = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    made = [np.ndarray, np.dtype, *(type(np.dtype(name)) for name in ("f8", "f4", "i8", "i4", "u4", "b1"))]
    # NumPy 1 wrote the first of these names, NumPy 2 writes the second.
    for room in ("numpy.core.multiarray", "numpy._core.multiarray"):
        made += [(array, f"{room}._reconstruct"), (number, f"{room}.scalar")]
    return made


def weights_in(content: Any, source: str = "checkpoint") -> dict[str, torch.Tensor]:
    """The named tensors in a checkpoint's content, without shell and wrappers' prefixes.

    Raises
    ------
    BadCheckpoint
        If there are none.
    """
    for _ in SHELLS:
        inner = next((content[s] for s in SHELLS if isinstance(content, Mapping) and s in content), None)
        if not isinstance(inner, Mapping):
            break
        content = inner
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {key: value for key, value in named if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadCheckpoint(f"{source}: holds no named weights")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_weights(
    module: nn.Module,
    source: str | Path | Mapping[str, Any],
    *,
    leave_out: Sequence[str] = (),
    prefix: str = "",
    strict: bool = True,
) -> LoadReport:
    """Lay the weights of ``source`` into ``module``.

    Parameters
    ----------
    module : nn.Module
        Changed in place.
    source : path or mapping
        A checkpoint, or its content.
    leave_out : sequence of str
        Patterns (``fc_audioset.*``) of names that are not taken, in the file or the network.
    prefix : str
        Take only names that begin with it, without it.
    strict : bool
        Refuse what is not complete; nothing is changed then. Unexpected names are only reported.

    Raises
    ------
    BadCheckpoint
        If the file cannot be read, or is not complete.
    """
    name = str(source) if isinstance(source, str | Path) else "weights"
    content = read_checkpoint(source) if isinstance(source, str | Path) else source
    given = weights_in(content, name)
    given = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
    own = module.state_dict()

    def is_left_out(key: str) -> bool:
        return any(fnmatch(key, pattern) for pattern in leave_out)

    wanted = [key for key in own if not is_left_out(key)]
    fits = [k for k in wanted if k in given and given[k].shape == own[k].shape]
    report = LoadReport(
        source=name,
        loaded=tuple(fits),
        missing=tuple(k for k in wanted if k not in given),
        mismatched=tuple(
            (k, tuple(given[k].shape), tuple(own[k].shape))
            for k in wanted
            if k in given and given[k].shape != own[k].shape
        ),
        unexpected=tuple(k for k in given if k not in own and not is_left_out(k)),
        left_out=tuple(k for k in given if is_left_out(k)),
    )
    if strict and not report.complete:
        hint = OWN if any(name.startswith("network.backbone.") for name in report.unexpected) else ""
        raise BadCheckpoint(f"the checkpoint does not fit {type(module).__name__}.{hint}\n{report.text()}")
    module.load_state_dict({k: given[k] for k in fits}, strict=False)
    return report
