"""Names to things: from a table, a user's own file, or an installed package.

Everything that can be extended is looked up here, in this order:

1. a key of the table (``cnn14``);
2. ``family:member``, where the table's entry stands for a family and says which parameter the rest fills in (its
   attribute ``variant``): ``timm:convnext_tiny``;
3. ``path/to/file.py:Name``: that file is run and its ``Name`` taken. It is the user's own program, run as such;
4. an entry point of the group ``sonoscope.backbones`` (``sonoscope.heads`` …) of an installed package.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from sonoscope import signatures
from sonoscope.errors import SonoscopeError, UnknownName, UsageError, nearest

#: Kind of a thing (as messages call it) to the group of its entry points.
GROUPS = {
    "backbone": "sonoscope.backbones",
    "head": "sonoscope.heads",
    "loss": "sonoscope.losses",
    "augmentation": "sonoscope.augmentations",
    "feature": "sonoscope.features",
    "dataset": "sonoscope.datasets",
    "model": "sonoscope.models",
    "pretext": "sonoscope.pretexts",
}


def resolve(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """The thing that ``name`` stands for.

    Parameters
    ----------
    table : mapping
        Names to things that come with the package.
    name : str
    kind : str
        A key of ``GROUPS``.

    Raises
    ------
    UnknownName
        If nothing has that name; the message lists the table and says how to name a file.
    UsageError
        If the file or the package cannot be loaded.
    """
    if name in table:
        return table[name]
    head, colon, rest = name.rpartition(":")
    if colon and head.endswith(".py"):
        return from_file(Path(head), rest, kind)
    family, colon, member = name.partition(":")
    variant = getattr(table.get(family), "variant", "") if colon else ""
    if variant:
        if not member:
            raise UsageError(f"{kind} {name!r}: name a member after the colon, as in '{family}:NAME'")
        return partial(table[family], **{variant: member})
    found = _of_a_package(name, kind)
    if found is not None:
        return found
    known = ", ".join(sorted(set(table) | set(entry_points(group=GROUPS[kind]).names)))
    raise UnknownName(
        f"unknown {kind} {name!r}.{nearest(name, table)} Known: {known}. "
        f"One of your own: 'my_{kind}.py:Name'."
    )


def own(name: str, kind: str) -> Any:
    """What a file or an installed package calls ``name``; None where it is neither. Raises as :func:`resolve`."""
    head, colon, rest = name.rpartition(":")
    if colon and head.endswith(".py"):
        return from_file(Path(head), rest, kind)
    return _of_a_package(name, kind)


def _of_a_package(name: str, kind: str) -> Any:
    for point in entry_points(group=GROUPS[kind], name=name):
        try:
            return point.load()
        except Exception as problem:
            raise UsageError(
                f"{kind} {name!r} of the package {point.module}: cannot be loaded: {problem}"
            ) from problem
    return None


def from_file(path: Path, name: str, kind: str) -> Any:
    """``name`` of the Python file ``path``.

    Raises
    ------
    UsageError
        If there is no such file, or running it fails.
    UnknownName
        If it has no such name.
    """
    module = import_from(str(path))
    if not hasattr(module, name):
        own = [n for n, value in vars(module).items() if not n.startswith("_") and _is_of(value, module)]
        raise UnknownName(
            f"{path} has no {kind} {name!r}.{nearest(name, own)} It has: {', '.join(sorted(own)) or 'nothing'}."
        )
    return getattr(module, name)


def _is_of(value: Any, module: ModuleType) -> bool:
    """Whether a value of a module is its own: not a module, class or function that it imports."""
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__ == module.__name__
    return not inspect.ismodule(value)


class _AsItIs(SourceFileLoader):
    """Runs what the file holds now; kept bytecode would be told from it by its size and second only."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def import_from(where: str) -> ModuleType:
    """A module by its importable name or by the path of a ``.py`` file; a file is run once for each content.

    Raises
    ------
    UsageError
        If it is not there, or fails while it is imported.
    """
    try:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        path = Path(where)
        if not path.is_file():
            raise UsageError(f"{where}: no such file")
        # Two files of one name in two folders are two modules, and so is one that was edited.
        mark = sha256(str(path.resolve()).encode() + path.read_bytes()).hexdigest()[:12]
        name = f"{path.stem}_{mark}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path, loader=_AsItIs(name, str(path)))
        assert spec is not None and spec.loader is not None  # a .py file has both
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except UsageError:
        raise
    except Exception as problem:
        raise UsageError(f"{where}: cannot be loaded: {type(problem).__name__}: {problem}") from problem


def make(
    function: Callable[..., Any], name: str, kind: str, base: type, *given: Any, **parameters: Any
) -> Any:
    """What a user's own class makes.

    Raises
    ------
    UsageError
        If it cannot be made, or is no ``base``.
    """
    try:
        made = function(*given, **parameters)
    except SonoscopeError:
        raise
    except Exception as problem:
        raise UsageError(f"{kind} {name!r} cannot be made: {type(problem).__name__}: {problem}") from problem
    if not isinstance(made, base):
        raise UsageError(
            f"{kind} {name!r} is no {base.__name__}: derive it from {base.__module__}.{base.__name__}"
        )
    return made


def named(
    table: Mapping[str, Any],
    spec: str | Mapping[str, Any],
    kind: str,
    given: Collection[str] | int = (),
    *,
    under: str = "",
) -> tuple[str, Any, dict[str, Any]]:
    """Name, maker and parameters of a part that a configuration names, before it is made.

    Raises as :func:`resolve` and :func:`check_parameters`, whose arguments these are, and ``UsageError`` where a
    parameter that has no default is missing.
    """
    parameters = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = parameters.pop("name", None)
    if not isinstance(name, str):
        raise UsageError(f"a {kind} is a name, or a mapping with name and parameters, not {spec!r}")
    make = resolve(table, name, kind)
    check_parameters(make, parameters, kind, given, under=under)
    for key, wanted in inspect.signature(make).parameters.items():
        stated = key in parameters or (not isinstance(given, int) and key in given)
        if (
            wanted.kind is inspect.Parameter.KEYWORD_ONLY
            and wanted.default is inspect.Parameter.empty
            and not stated
        ):
            raise UsageError(f"the {kind} {name!r} needs the parameter {key!r}")
    return name, make, parameters


def check_parameters(
    make: Callable[..., Any],
    parameters: Mapping[str, Any],
    kind: str,
    given: Collection[str] | int = (),
    *,
    under: str = "",
) -> None:
    """Refuse parameters that ``make`` does not take, or gets from whoever calls it, and values of the wrong kind.

    ``given`` are the latter: their names, or how many of the first ones. The annotation of a parameter says what it
    takes (:mod:`sonoscope.signatures`). ``under`` is the key of the configuration that names the part, where one does.

    Raises
    ------
    UnknownName
        Naming the nearest parameter and all of them.
    UsageError
        If a value is not what is annotated: the message says what is, with an example.
    """
    accepted = signatures.parameters(make)
    own = set(list(accepted)[:given] if isinstance(given, int) else given)
    taken = sorted(own & set(parameters))
    if taken:
        raise UnknownName(f"the parameter {taken[0]!r} of this {kind} follows from the rest: leave it out")
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [n for n, p in accepted.items() if p.kind in by_name and n not in own]
    for name, value in parameters.items():
        if name not in known and not anything:
            raise UnknownName(
                f"unknown parameter {name!r} of this {kind}.{nearest(name, known)} Known: {', '.join(known) or 'none'}."
            )
        problem = signatures.wrong(accepted[name], value, under) if name in known else ""
        if problem:
            raise UsageError(problem if under else f"{kind}: {problem}")
