"""The documentation is true: its commands and its Python run, its links lead somewhere, and nothing is left out.

A page's blocks are executed from top to bottom in a folder of its own, which holds the examples as
``recordings`` and ``examples``, and one of them as ``song.mp4``. In a ``console`` block every ``$`` line is run
and must end with 0, or with the code that a trailing ``# exit 1`` states; the lines below it are its output on
stdout, in which ``...`` stands for anything. ``python`` blocks of a page share their names. Marks on the line above
a block: ``<!-- last digits vary -->`` (scores of a shipped model, which processors round differently: decimals may
be off by one in their last place, and a bar be any bar), ``<!-- output varies -->`` (the output shown is an example)
and ``<!-- needs fluidsynth -->``.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import sonoscope
from sonoscope import models, outputs
from sonoscope.audio.find import SUFFIXES
from sonoscope.cli import main
from sonoscope.cli.commands import root
from sonoscope.data.rendering.synth import KNOWN_FONTS, soundfonts
from sonoscope.features import FEATURES
from sonoscope.outputs.columns import COLUMNS
from sonoscope.outputs.tables import ERRORS_COLUMNS, FILES_COLUMNS
from sonoscope.training.options import as_words

PROJECT = Path(__file__).parents[1]
PACKAGE = Path(sonoscope.__file__).parent
DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [PROJECT / "README.md", *DOCS]
LINKED = [*PAGES, PROJECT / "CHANGELOG.md", PROJECT / "examples" / "README.md"]

EVERYTHING = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
ANALYZE = (PROJECT / "docs" / "analyze.md").read_text(encoding="utf-8")

#: What needs the model ``notes``.
_NOTES = re.compile(r"sonoscope notes|-m notes|load\(\"notes\"\)")

#: A decimal number (not part of a version or a name), and a bar of any length.
_DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")
_BAR = re.compile(r"[█▉▊▋▌▍▎▏]+")

#: What only a shell can do.
_SHELL = re.compile(r"[|<>;&$]")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the line on which it begins, its lines, and the marks above it."""

    language: str
    line: int
    text: str
    marks: frozenset[str]

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each ``$`` line without the sign, and the lines below it."""
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output.strip("\n")


def shown(page: Path) -> str:
    """A page's path in the project."""
    return page.relative_to(PROJECT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found, marks, start, language, held = [], set[str](), 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if start and line.startswith("```"):
            found.append(Block(language, start, "\n".join(held) + "\n", frozenset(marks)))
            start, marks, held = 0, set(), []
        elif start:
            held.append(line)
        elif line.startswith("```"):
            start, language = number, line[3:].strip()
        elif mark := re.fullmatch(r"<!-- (.+) -->", line):
            marks.add(mark[1])
        elif line.strip():
            marks.clear()
    assert not start, f"{page.name}:{start}: the block does not end"
    return found


def runs(block: Block) -> bool:
    """Whether a block is executed."""
    return block.language in ("console", "python")


# ---- what is said is so ------------------------------------------------------------------------------------


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[None]:
    """Servers that a page began, and did not end because it failed, are ended: the next run would talk to them."""
    yield
    for file in tmp_path.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            number = int(file.read_text())
            if b"serve" in Path(f"/proc/{number}/cmdline").read_bytes():
                os.kill(number, signal.SIGTERM)


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("page", [p for p in PAGES if any(map(runs, blocks(p)))], ids=shown)
def test_commands_and_code_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    for name in ("recordings", "examples"):
        shutil.copytree(PROJECT / "examples", tmp_path / name)
    shutil.copy(PROJECT / "examples" / "electric-guitar.mp4", tmp_path / "song.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if _NOTES.search("".join(block.text for block in blocks(page))) and "notes" not in models.names():
        # A checkout without the trained model: what is done with its answers can be shown all the same.
        monkeypatch.setenv("SONOSCOPE_MODELS", str(request.getfixturevalue("notes_folder")))
    # One worker is this process: starting others would take longer than the work.
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in map(with_free_ports(page), filter(runs, blocks(page))):
        where = f"{page.name}:{block.line}"
        if "needs fluidsynth" in block.marks and "fluidr3" not in rendering():
            continue
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
            continue
        for command, expected in block.commands():
            capfd.readouterr()
            code = run(command)
            out, err = capfd.readouterr()
            wanted = stated_code(command)
            assert code == wanted, f"{where}: {command!r} ended with {code}, not {wanted}\n{out}{err}"
            if expected and "output varies" not in block.marks:
                alike = nearly_matches if "last digits vary" in block.marks else matches
                assert alike(out, expected), f"{where}: {command!r} printed\n{out}"


def with_free_ports(page: Path) -> Callable[[Block], Block]:
    """What gives a block of a page other ports than those on which the page serves: these may be taken here."""
    found = {}
    for port in set(re.findall(r"--port (\d{4,5})", page.read_text(encoding="utf-8"))):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            found[port] = str(taken.getsockname()[1])

    def moved(block: Block) -> Block:
        text = block.text
        for port, free in found.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return replace(block, text=text)

    return moved


def run(command: str) -> int:
    """Run a command as a shell would: in this process if it is ours alone, which saves an interpreter.

    What is told how much memory it may hold gets a process of its own: this one holds what earlier tests left.
    """
    command = command.replace(".venv/bin/sonoscope", "sonoscope")
    words = [os.path.expanduser(word) for word in shlex.split(command, comments=True)]  # noqa: PTH111
    alone = any(map(_SHELL.search, words)) or "--max-memory" in words
    if words[0] == "sonoscope" and not alone:
        return main(words[1:])
    return subprocess.run(["bash", "-c", command], check=False).returncode


def stated_code(command: str) -> int:
    """The exit code that a command's comment states, else 0."""
    stated = re.search(r"#.*\bexit (\d)", command)
    return int(stated[1]) if stated else 0


def matches(out: str, expected: str) -> bool:
    """Whether an output is what is shown, ``...`` standing for anything."""
    pattern = re.escape(expected).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, out.strip("\n"), re.DOTALL) is not None


def nearly_matches(out: str, expected: str) -> bool:
    """Whether an output is what is shown, but for one in the last place of each decimal and for bars."""
    out, expected = _BAR.sub("█", out.strip("\n")), _BAR.sub("█", expected)
    numbers = _DECIMAL.findall(expected)
    pattern = re.escape(_DECIMAL.sub("█.", expected)).replace(re.escape("█."), f"({_DECIMAL.pattern})")
    found = re.fullmatch(pattern.replace(re.escape("..."), ".*"), out, re.DOTALL)
    return found is not None and all(map(nearly_equal, found.groups(), numbers))


def nearly_equal(said: str, shown: str) -> bool:
    """Whether two decimals differ by at most one in the last place of the second."""
    return abs(float(said) - float(shown)) < 1.5 * 10.0 ** -len(shown.partition(".")[2])


@pytest.mark.parametrize(
    ("out", "same"),
    [
        ("a\n  violin  0.88  ███▏\n  0:08.00", True),
        ("a\n  violin  0.89  ███▏\n  0:08.00", False),
        ("a\n  violin  0.87  ███▏\n  0:09.00", False),
        ("a\n  viola  0.87  ███▏\n  0:08.00", False),
        ("a\n  violin  0.87  ███▏\n  viola  0.87  ███▏\n  0:08.00", False),
    ],
)
def test_only_last_digits_may_vary(out: str, same: bool) -> None:
    assert nearly_matches(out, "...\n  violin  0.87  ███▎\n  0:08.00") is same


def rendering() -> dict[str, Path]:
    """The soundfonts that can be rendered with here; none without FluidSynth."""
    with contextlib.suppress(Exception):
        import fluidsynth  # noqa: F401

        return soundfonts()
    return {}


@pytest.mark.parametrize("page", LINKED, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, heading = target.partition("#")
        file = page.parent / place if place else page
        assert file.exists(), f"{page.name}: {target} leads nowhere"
        if heading:
            assert heading in headings(file), f"{page.name}: {target}: there is no such heading"


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def every_command() -> dict[str, Any]:
    """Every command that can be typed, by its words: ``data render``."""
    found: dict[str, Any] = {}

    def walk(group: Any, words: list[str]) -> None:
        for name in group.list_commands(None):
            command = group.get_command(None, name)
            if hasattr(command, "list_commands"):
                walk(command, [*words, name])
            else:
                found[" ".join([*words, name])] = command

    walk(root(), [])
    return found


COMMANDS = every_command()


def options(command: Any) -> set[str]:
    """The options of a command, long and short."""
    return {name for param in command.params for name in param.opts if name.startswith("-")}


def shown_commands(page: Path) -> set[str]:
    """What a page shows of our commands, in its text and in its blocks."""
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`(?:\S*/)?sonoscope ([^`\n]+)`", text)
    fenced = "".join(block.text for block in blocks(page))
    in_blocks = re.findall(r"^(?:\$ )?(?:\S*/)?sonoscope (.+)$", fenced, re.MULTILINE)
    return {words for words in (*inline, *in_blocks) if re.match(r"[a-z]", words)}


@pytest.mark.parametrize("page", LINKED, ids=shown)
def test_commands_shown_exist_with_their_options(page: Path) -> None:
    for text in shown_commands(page):
        words = shlex.split(text, comments=True)
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
        if name is None:
            groups = {command.partition(" ")[0] for command in COMMANDS}
            assert words[0] in groups, f"{page.name}: there is no command {text!r}"
            continue
        if name == "train":  # also takes the options of other systems
            words = as_words(words, options(COMMANDS[name]))
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        unknown = given - options(COMMANDS[name]) - {"-h", "--help"}
        if stated_code(text) != 2:
            assert not unknown, f"{page.name}: {name} has no {unknown} ({text!r})"


# ---- what there is is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    assert f"sonoscope {name}" in EVERYTHING
    page = ANALYZE if name == "analyze" else EVERYTHING
    missing = [o for o in options(COMMANDS[name]) if not re.search(rf"`{o}`", page)]
    assert not missing, f"{name}: {missing} not explained"


def test_every_option_of_analyze_has_an_example() -> None:
    longs = [o for o in options(COMMANDS["analyze"]) if o.startswith("--")]
    page = " ".join(shown_commands(PROJECT / "docs" / "analyze.md")) + " "
    short = {"--model": "-m", "--out": "-o", "--verbose": "-v", "--quiet": "-q"}
    missing = [o for o in longs if f" {o} " not in page and f" {short.get(o, o)} " not in page]
    assert not missing


def keys(file: str, table: str) -> list[str]:
    """The keys of a table, read from the source: importing these would import torch."""
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    for node in tree.body:
        names = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and ast.unparse(names[0]) == table:
            assert isinstance(node.value, ast.Dict)
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    raise AssertionError(f"{file} has no {table}")


TABLES = {
    "READERS": list(outputs.READERS),
    "FEATURES": list(FEATURES),
    "BACKBONES": keys("networks/backbones/__init__.py", "BACKBONES"),
    "HEADS": keys("networks/heads/__init__.py", "HEADS"),
    "LOSSES": keys("training/losses/__init__.py", "LOSSES"),
    "AUGMENTATIONS": keys("training/augment/__init__.py", "AUGMENTATIONS"),
    "EMBEDDING_LOSSES": keys("training/losses/__init__.py", "EMBEDDING_LOSSES"),
}


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table, names in TABLES.items() for name in names]
)
def test_every_table_entry_has_its_line(table: str, name: str) -> None:
    assert re.search(rf"^\|.*`{name}`", EVERYTHING, re.MULTILINE), f"no line for {name!r} of {table}"


def test_formats_are_described_with_their_endings() -> None:
    page = (PROJECT / "docs" / "formats.md").read_text(encoding="utf-8")
    for name, form in outputs.READERS.items():
        row = re.search(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        assert row, name
        assert all(f"`{ending}`" in row[0] for ending in (form.suffix, *form.extensions)), name
        assert (
            row[0].rstrip(" |").endswith("read only" if form.writer is None else "yes" if form.many else "no")
        ), name
        assert re.search(rf"^\*\*`{name}`\*\*:", page, re.MULTILINE), name


def test_columns_endings_and_fonts_are_listed() -> None:
    for column in (*COLUMNS, *FILES_COLUMNS, *ERRORS_COLUMNS):
        assert f"`{column}`" in ANALYZE, column
    listed = set(re.findall(r"[a-z0-9]+", ANALYZE.partition("Endings that count")[2].partition("\n\n**")[0]))
    assert {suffix.removeprefix(".") for suffix in SUFFIXES} <= listed
    page = (PROJECT / "docs" / "rendering.md").read_text(encoding="utf-8")
    for name, font in KNOWN_FONTS.items():
        assert re.search(rf"^\| `{name}`.*`{font.package}` \| {re.escape(font.licence)}", page, re.MULTILINE)
