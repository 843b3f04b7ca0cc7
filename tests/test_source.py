"""What holds of the whole source: nothing is left to do, nothing that is read can run, no machine is named."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CODE = {
    path: path.read_text(encoding="utf-8")
    for folder in ("src", "tests", "recipes", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: What unpickles or runs what it is given.
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
#: Module -> why it may: what it reads this program itself has written, on this machine, where nobody else writes.
MAY_PICKLE = {
    "networks/checkpoints.py": "only names the error of a refused file",
    "service/tasks/heard.py": "scores of a recording, kept in the service's own folder",
}


@cache
def parsed(path: Path) -> list[ast.AST]:
    """Every node of a module."""
    return list(ast.walk(ast.parse(CODE[path])))


def nodes(words: str, folder: str = "") -> Iterator[tuple[Path, ast.AST]]:
    """The nodes of all modules below a folder that hold one of these words (an expression); others are not parsed."""
    for path, text in CODE.items():
        if path.is_relative_to(ROOT / folder) and re.search(words, text):
            yield from ((path, node) for node in parsed(path))


def calls(words: str, folder: str = "") -> Iterator[tuple[Path, str, ast.Call]]:
    """The calls among them: where, what is called as it is written, and the call."""
    for path, node in nodes(words, folder):
        if isinstance(node, ast.Call):
            yield path, ast.unparse(node.func), node


def keyword(call: ast.Call, name: str) -> str:
    """A keyword of a call, as it is written."""
    return next((ast.unparse(given.value) for given in call.keywords if given.arg == name), "")


def where(path: Path, node: ast.AST) -> str:
    """A place in the source."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"#.*\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in CODE.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if marks.search(line)
    ]
    assert not found, "\n".join(found)
    unwritten = [
        where(path, node)
        for path, node in nodes("raise NotImplementedError", "src")
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
    ]
    assert not unwritten, "\n".join(unwritten)


def test_the_licence_is_mit() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text
    assert PROJECT["license"] == "MIT" and PROJECT["license-files"] == ["LICENSE"]
    assert "license: MIT" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_it_installs_with_extras_and_hooks_that_fetch_nothing() -> None:
    extras = PROJECT["optional-dependencies"]
    named = set(re.search(r"\[(.+)\]", extras["dev"][0])[1].split(","))  # type: ignore[index]
    assert named <= set(extras)
    # What teaches without torch is an extra of its own, and a part of the one that brings torch.
    assert set(extras["teach"]) < set(extras["train"]) and not any(
        "torch" in line for line in extras["teach"]
    )
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    tools = {hook["entry"].split()[0] for repo in hooks for hook in repo["hooks"]}
    assert {repo["repo"] for repo in hooks} == {"local"}
    assert tools <= {re.match(r"[\w-]+", line)[0] for line in extras["lint"]}  # type: ignore[index]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for line in PROJECT["dependencies"]:
        name = re.match(r"[\w-]+", line)[0]  # type: ignore[index]
        assert re.search(rf"^{name}==", pinned, re.MULTILINE | re.IGNORECASE) or name == "array-api-compat", (
            name
        )


# ---- what is read cannot run -------------------------------------------------------------------------------


def test_yaml_is_read_as_data() -> None:
    wrong = [
        where(path, call)
        for path, name, call in calls("yaml")
        if re.fullmatch(r"yaml\.(load|load_all|full_load|unsafe_load|compose|parse)(_all)?", name)
        and "SafeLoader" not in ast.unparse(call)
    ]
    assert not wrong, "\n".join(wrong)


def test_weights_are_read_as_weights() -> None:
    wrong = [
        where(path, call)
        for path, name, call in calls(r"torch\.load|load_from_checkpoint")
        if (name == "torch.load" and keyword(call, "weights_only") != "True")
        or name.endswith("load_from_checkpoint")
    ]
    assert not wrong, "\n".join(wrong)


def test_arrays_hold_no_objects() -> None:
    wrong = [
        where(path, call)
        for path, _, call in calls("allow_pickle", "src")
        if keyword(call, "allow_pickle") not in ("", "False")
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_unpickled() -> None:
    for path, node in nodes("|".join(sorted(PICKLES)), "src"):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found = {name.partition(".")[0] for name in names} & PICKLES
        module = path.relative_to(ROOT / "src" / "sonoscope").as_posix()
        assert not found or module in MAY_PICKLE, f"{where(path, node)} imports {found}"


def test_no_words_become_code() -> None:
    wrong = [
        where(path, call)
        for path, name, call in calls(r"\beval\(|\bexec\(|os\.system|os\.popen|shell=", "src")
        if name in ("eval", "exec", "os.system", "os.popen") or keyword(call, "shell") == "True"
    ]
    assert not wrong, "\n".join(wrong)


def test_archives_are_unpacked_at_one_place_and_with_the_filter_of_data() -> None:
    found = [
        (path.name, ast.unparse(call))
        for path, name, call in calls("tarfile|zipfile|unpack_archive", "src")
        if re.search(r"\.(extractall|extract|unpack_archive)$", name)
    ]
    # Names of zip members are checked there before; that of tar members too, and links by the filter.
    assert sorted(found) == [
        ("unpacking.py", "content.extract(member, into)"),
        ("unpacking.py", "content.extract(member, into, filter='data')"),
    ]


# ---- nothing names a machine -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"(?<![\w.~}])/(?:work|opt|root|home|mnt|Users)/[\w./-]*", text)
    assert not found, found


def test_shipped_graphs_hold_no_notes_of_the_machine_they_were_written_on() -> None:
    graphs = sorted((ROOT / "src" / "sonoscope" / "bundles").glob("*/model.onnx"))
    assert len(graphs) == 3
    for graph in graphs:
        assert b"stack_trace" not in graph.read_bytes(), (
            f"{graph}: networks/torchexport.py:save leaves them out"
        )
