"""Who imports whom (docs/architecture.md), read from the source; and what a fresh interpreter loads to analyse."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import sonoscope

ROOT = Path(sonoscope.__file__).parent
FOUNDATION = {"values", "errors", "labels", "delimited", "plugins", "promises", "signatures", "writing"}
STAGES = {"audio", "windows", "features", "scores", "events", "notes", "outputs"}
ENGINE = FOUNDATION | STAGES | {"models", "pipeline", "transcription"}
#: Room -> rooms that it may import besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(FOUNDATION, FOUNDATION),
    **dict.fromkeys(STAGES, FOUNDATION),
    "models": FOUNDATION | STAGES,
    "pipeline": FOUNDATION | STAGES | {"models"},
    "transcription": FOUNDATION | STAGES | {"models", "pipeline"},
    "live": ENGINE,
    "speed": ENGINE | {"live"},
    "runs": ENGINE,
    "api": ENGINE | {"live", "noteapi", "explain"},
    "noteapi": ENGINE | {"api", "live"},
    "data": ENGINE,
    "evaluation": ENGINE | {"data", "runs"},
    "field": ENGINE | {"runs", "data", "evaluation"},
    "embeddings": ENGINE | {"runs"},
    "hear": ENGINE | {"embeddings"},
    "explain": ENGINE | {"api", "networks"},
    "service": ENGINE | {"api", "noteapi", "live", "runs", "data", "evaluation", "embeddings", "explain"},
    "cluster": ENGINE | {"runs"},
    "networks": ENGINE | {"data", "evaluation"},
    "training": ENGINE | {"data", "evaluation", "networks", "cluster", "field"},
    "cli": ENGINE
    | {"api", "noteapi", "live", "runs", "data", "evaluation", "field", "networks", "training", "speed"}
    | {"cluster", "embeddings", "explain", "service"},
    "__main__": {"cli"},
}
#: Rooms that may import torch at the top of a module.
TORCH_ROOMS = {"networks", "training", "explain"}
TORCH = {"torch", "lightning", "onnx", "onnxscript", "safetensors"}
#: Packages of extras: imported inside the function that needs them, if at all.
EXTRAS = {
    "dask",
    "dask_jobqueue",
    "fsspec",
    "paramiko",
    "sounddevice",
    "pandas",
    "pyarrow",
    "sklearn",
    "mir_eval",
    "matplotlib",
    "librosa",
    "fluidsynth",
    "jams",
}
#: What the extra ``serve`` brings: for one room only.
SERVING = {"fastapi", "starlette", "pydantic", "uvicorn", "python_multipart"}
#: What the core install promises (pyproject.toml), by import name.
CORE = {
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "av",
    "onnxruntime",
    "array_api_compat",
    "yaml",
    "typer",
    "rich",
    "mido",
}


@dataclass(frozen=True)
class Import:
    """One import: the module it is in, what it names, and whether it runs when its module is imported."""

    room: str
    file: Path
    line: int
    target: str
    at_top: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "bundles" not in path.relative_to(ROOT).parts)


def room_of(path: Path) -> str:
    """``features`` for ``features/stream.py``, ``windows`` for ``windows.py``, ``""`` for the package itself."""
    first = path.relative_to(ROOT).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path: Path) -> Iterator[Import]:
    """Every import of a module that can run, in functions too; those for type checkers never do."""

    def walk(node: ast.AST, at_top: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if is_type_checking(child):
                continue
            names: list[str] = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: imports are written in full"
                names = [f"{child.module}.{alias.name}" for alias in child.names]
            for name in names:
                yield Import(room_of(path), path, child.lineno, name, at_top)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, at_top and not inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), True)


ALL = [found for path in modules() for found in imports(path)]


def test_every_room_has_its_rule() -> None:
    assert {room_of(path) for path in modules()} - {""} == set(MAY_IMPORT)


def test_arrows_point_one_way() -> None:
    wrong = []
    for found in ALL:
        package, _, rest = found.target.partition(".")
        if package != "sonoscope" or not found.room:
            continue
        target = rest.partition(".")[0]
        if target in MAY_IMPORT and target != found.room and target not in MAY_IMPORT[found.room]:
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_torch_stays_in_its_rooms() -> None:
    wrong = [
        str(found)
        for found in ALL
        if found.target.partition(".")[0] in TORCH and found.at_top and found.room not in TORCH_ROOMS
    ]
    assert not wrong, "\n".join(wrong)


def test_packages_of_extras_are_imported_where_they_are_used() -> None:
    wrong = [str(found) for found in ALL if found.target.partition(".")[0] in EXTRAS and found.at_top]
    assert not wrong, "\n".join(wrong)


def test_only_declared_packages_are_imported() -> None:
    known = set(sys.stdlib_module_names) | CORE | TORCH | EXTRAS | SERVING | {"sonoscope"}
    wrong = [str(found) for found in ALL if found.target.partition(".")[0] not in known]
    assert not wrong, "\n".join(wrong)


def test_what_serves_stays_in_its_room() -> None:
    wrong = [
        str(found) for found in ALL if found.target.partition(".")[0] in SERVING and found.room != "service"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if tree.body:
        assert ast.get_docstring(tree), "no docstring"
    assert text.count("\n") <= 450, "longer than 400 lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            # What it does: a signature of many options and a docstring are not what makes a function long.
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 70, f"{node.name} does things for {length} lines, more than 70"


def loaded_after(statement: str) -> set[str]:
    """Top-level packages and scipy's parts in ``sys.modules`` of a fresh interpreter after ``statement``."""
    program = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["sonoscope", "sonoscope.pipeline", "sonoscope.api", "sonoscope.runs"])
def test_analysing_loads_neither_torch_nor_any_extra(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    heavy = TORCH | EXTRAS | {"torchaudio", "torchvision", "transformers", "numba"}
    assert not heavy & loaded
    # What costs a third of a second and is not needed to score.
    assert not {"scipy.fft", "scipy.signal", "scipy.special", "onnxruntime"} & loaded


def test_the_bare_package_and_the_command_load_nothing_that_takes_time() -> None:
    assert "numpy" not in loaded_after("import sonoscope")
    loaded = loaded_after("import sonoscope.cli")
    assert "numpy" not in loaded
    rooms = {name.split(".")[1] for name in loaded if name.startswith("sonoscope.")}
    assert rooms <= {"cli", "errors"}
