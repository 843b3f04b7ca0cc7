"""The verbs of the command: a table of names; the module of a verb is imported when the verb is used.

Help of the root therefore costs the import of typer and nothing else. A verb is a function (one command) or
a ``typer.Typer`` (a group of commands); both return an exit code or ``None`` for 0. Help is plain text: rich
would cost a third of a second and its boxes do not survive a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from sonoscope.cli.starting import plain
from sonoscope.errors import one_of


class Verb(NamedTuple):
    """Where a verb lives, and the line that help of the root shows for it."""

    module: str
    attribute: str
    summary: str


VERBS: dict[str, Verb] = {
    "analyze": Verb("sonoscope.cli.analyze", "analyze", "What sounds in recordings, and when: the main job."),
    "notes": Verb(
        "sonoscope.cli.notes", "notes", "Turn recordings into notes: MIDI, tables, sound, pictures."
    ),
    "live": Verb(
        "sonoscope.cli.live", "live", "What sounds now: a microphone, stdin, or a file as it plays."
    ),
    "convert": Verb("sonoscope.cli.convert", "convert_command", "Turn one annotation format into another."),
    "data": Verb("sonoscope.cli.data", "data_app", "From recordings to a training set."),
    "train": Verb("sonoscope.cli.train", "train", "Train a model on sounds of your own."),
    "runs": Verb("sonoscope.cli.train", "runs_app", "Compare what came of trainings."),
    "evaluate": Verb(
        "sonoscope.cli.evaluate", "evaluate", "How right models are, as published protocols count."
    ),
    "explain": Verb("sonoscope.cli.explain", "explain", "Which seconds and which band spoke for a label."),
    "embed": Verb("sonoscope.cli.embed", "embed", "A vector for each window: to npz or Parquet."),
    "search": Verb("sonoscope.cli.search", "search", "The sounds of an index nearest to a recording."),
    "thresholds": Verb("sonoscope.cli.thresholds", "thresholds_app", "Thresholds from what is wished."),
    "check": Verb("sonoscope.cli.check", "check", "Check a feature, network, loss … of your own."),
    "clips": Verb("sonoscope.cli.clips", "clips_command", "Cut clips to judge out of a season's recordings."),
    "review": Verb("sonoscope.cli.review", "review_command", "Judge clips in the browser, one key each."),
    "rates": Verb(
        "sonoscope.cli.rates", "rates_command", "Events per hour, by time, site and class, with intervals."
    ),
    "collect": Verb(
        "sonoscope.cli.collect", "collect_command", "The tables of a run that was done in parts."
    ),
    "models": Verb(
        "sonoscope.cli.models", "models_app", "List, fetch, import, export, check and measure models."
    ),
    "serve": Verb("sonoscope.cli.serve", "serve", "The service over HTTP, and a page for the browser."),
    "doctor": Verb("sonoscope.cli.doctor", "doctor", "What this machine has, and a self-test."),
    "demo": Verb("sonoscope.cli.demo", "demo", "Make a few seconds of sound and analyse them."),
}

#: Verbs whose work is shared out to processes, or is small: no library gets threads of its own in them.
ONE_THREAD = {"live", "analyze", "notes", "serve", "demo", "doctor"}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

THREE_USERS = """\
recordings in the field   sonoscope analyze recordings/ -o results --scores
studying instruments      sonoscope models show instruments
a song or a video         sonoscope analyze song.mp4"""


class Command(TyperCommand):
    """A command some of whose options may stand without their value.

    An option whose metavar is ``[csv|parquet|tsv]`` means ``csv`` when it stands alone. A following word is
    its value only if it is one of those, or looks like one misspelt and is no existing file: an input may
    follow too.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        return plain(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        optional = {
            name: str(param.metavar).strip("[]").split("|")
            for param in self.params
            if str(param.metavar or "").startswith("[")
            for name in param.opts
        }
        if self.name == "train":  # takes the options of other systems' train scripts too
            from sonoscope.training.options import as_words

            args = as_words(args, {name for param in self.params for name in param.opts})
        return super().parse_args(ctx, list(_with_values(args, optional)))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, without the Python types that typer adds to the names of arguments."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            params = [param for param in self.get_params(ctx) if param.param_type_name == kind]
            records = [record for record in (param.get_help_record(ctx) for param in params) if record]
            if records:
                with formatter.section(title):
                    formatter.write_dl([(name.partition(" <")[0], text) for name, text in records])


def _with_values(args: list[str], optional: dict[str, list[str]]) -> Iterator[str]:
    """``args`` in which every option of ``optional`` that stands alone has its first choice as value."""
    ended = False
    for position, word in enumerate(args):
        ended = ended or word == "--"
        yield word
        if ended or word not in optional:
            continue
        following = args[position + 1] if position + 1 < len(args) else "-"
        meant = get_close_matches(following, optional[word], n=1)
        if following in optional[word] or (meant and not Path(following).exists()):
            continue
        yield optional[word][0]


class Group(TyperGroup):
    """A group of commands that names the nearest one where a name is unknown."""

    def get_params(self, ctx: Any) -> list[Any]:
        return plain(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-"):
            one_of(self.list_commands(ctx), args[0], "command")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each command with the first sentence of its help, wrapped rather than cut off."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(ctx, name)) for name in self.list_commands(ctx)])

    def summary(self, ctx: Any, name: str) -> str:
        """The line that help shows for a command."""
        command: Any = self.get_command(ctx, name)
        return command.get_short_help_str(limit=200)


class Root(Group):
    """The group of all verbs: lists them from the table, imports one when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in VERBS else None

    def summary(self, ctx: Any, name: str) -> str:
        return VERBS[name].summary


def load(name: str) -> Any:
    """Import the verb ``name`` and return it as a click command."""
    verb = VERBS[name]
    if name in ONE_THREAD:
        # Libraries take their number of threads when they are loaded, NumPy's with NumPy.
        for variable in _THREADS:
            os.environ.setdefault(variable, "1")
    if name == "train":
        # Threads that wait by spinning cost two to three times the processor where something else runs beside them.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    found = getattr(import_module(verb.module), verb.attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        found.info.no_args_is_help = True
        found.info.cls = Group
        for info in found.registered_commands:
            info.cls = info.cls if info.cls not in (None, TyperCommand) else Command
        group = typer.main.get_group(found)
        group.name = name
        return group
    single = typer.Typer(rich_markup_mode=None, add_completion=False)
    single.command(name, cls=Command)(found)
    return typer.main.get_command(single)


def root() -> Any:
    """The whole command as a click group."""
    app = typer.Typer(
        cls=Root,
        rich_markup_mode=None,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 all done; 1 finished, but some inputs failed; 2 wrong usage; 3 not finished.",
    )

    @app.callback(invoke_without_command=True)
    def sonoscope(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    ) -> None:
        """sonoscope says what sounds in a recording, and when."""
        if version:
            from sonoscope import __version__

            print(f"sonoscope {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            print(THREE_USERS)

    return typer.main.get_command(app)
