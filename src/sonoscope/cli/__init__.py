"""The door: ``sonoscope VERB INPUT… -o OUT``. Every verb parses, calls one function, and prints.

Data goes to stdout, progress and messages to stderr; nothing asks a question. :func:`main` turns every error
into one or two plain lines and an exit code: 0 all done, 1 finished but some inputs failed, 2 wrong usage, 3
not finished.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from sonoscope.cli.commands import load, root
from sonoscope.cli.starting import importing
from sonoscope.errors import NEAR, SonoscopeError, UsageError, nearest

NOT_FINISHED = 3
#: Verbs that share most options; an option of one is looked for in the others.
HEARING = ("analyze", "notes", "live")

#: The base of what the parser raises. Typer carried its parser inside from 0.20 on and used click's before,
#: so it is reached through the one class both export: BadParameter -> UsageError -> ClickException.
_ParserError: type[Exception] = typer.BadParameter.__mro__[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command on ``arguments`` (default: those of the process) and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped; it must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _close_stdout()
        return NOT_FINISHED
    finally:
        _stop_logging()


def _run(words: list[str]) -> int:
    try:
        _refuse_windows_paths(words)
        with importing():
            command = root().make_context("sonoscope", list(words))
        with command as context:
            code = context.command.invoke(context)
        return code if isinstance(code, int) else 0
    except typer.Exit as done:
        return done.exit_code
    except _ParserError as error:
        return _explain_usage(error, words)
    except SonoscopeError as error:
        if error.exit_code == NOT_FINISHED:
            _log_traceback()
        _say(*error.lines)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _say("interrupted")
        return NOT_FINISHED
    except BrokenPipeError:
        raise
    except OSError as error:
        _log_traceback()
        _say(_told(error))
        return NOT_FINISHED
    except Exception as error:
        return _explain_unexpected(error)


def _told(error: OSError) -> str:
    """What the system refused, where, and what to do about it."""
    from sonoscope.writing import FULL

    where = error.filename2 or error.filename  # Of a copy the second is where it goes to.
    told = f"{error.strerror or error}{f': {where}' if where else ''}"
    if error.errno in FULL:
        there = "there" if where else "where results or temporary files (TMPDIR) are written"
        return f"{told}: make room {there}, then run the same command again"
    if error.errno == errno.EROFS:
        return f"{told}: nothing can be written there, name another place (mostly -o)"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{told}: ask for the right to use it, or name another place"
    return told


def _refuse_windows_paths(words: list[str]) -> None:
    """Elsewhere ``C:\\out`` is the name of a file in this folder, which nobody means."""
    if os.name == "nt":
        return
    for before, word in zip(["", *words], words, strict=False):
        names_a_place = not before.startswith("-") or before in ("-o", "--out", "-m", "--model")
        if names_a_place and re.match(r"[A-Za-z]:\\", word) and not Path(word).exists():
            place = f"/mnt/{word[0].lower()}/{word[3:]}".replace("\\", "/")
            raise UsageError(
                f"{word} is a path of Windows, and this is another system: under WSL it is {place}"
            )


def _say(message: str, *below: str) -> None:
    from sonoscope.cli.display import complain

    with suppress(OSError):
        complain(message, *below)


def _explain_usage(error: Exception, words: list[str]) -> int:
    """Say what is wrong with the words given, nearest known option included, in at most two lines."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    if hasattr(error, "possibilities"):
        option = str(getattr(error, "option_name", ""))
        file = next((word for word in words if word.startswith(option) and os.path.lexists(word)), None)
        hint = f" If the file {file!r} is meant: ./{file}" if file else _near_option(option, context)
        message = f"unknown option {option!r}.{hint}"
    _say(" ".join(message.split()))
    if context is not None:
        print(f"Try: {context.command_path} --help", file=sys.stderr)
    return 2


def _near_option(option: str, context: Any) -> str:
    """The option of this command that is spelt nearly so, the verb that has it, or ``train``'s ``KEY=VALUE``."""
    if context is None:
        return ""
    own = [name for param in context.command.get_params(context) for name in param.opts]
    near = nearest(option, own, alike=NEAR)
    if not near and context.command.name in HEARING:
        having = [verb for verb in HEARING if any(option in param.opts for param in load(verb).params)]
        return f" It is an option of sonoscope {' and '.join(having)}." if having else ""
    if near or context.command.name != "train":
        return near
    from sonoscope.training.options import near_setting

    return near_setting(option)


def _explain_unexpected(error: Exception) -> int:
    import logging

    log = logging.getLogger("sonoscope")
    files = [h.baseFilename for h in log.handlers if isinstance(h, logging.FileHandler)]
    _log_traceback()
    kept = files[0] if files else _kept(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})" if trace else ""
    _say(f"this should not have happened: {type(error).__name__}: {error}{place}; the details are in {kept}")
    return NOT_FINISHED


def _kept(error: Exception) -> str:
    """Where the full traceback was written to, for a report."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="sonoscope-", suffix=".txt", delete=False) as file:
        file.write(f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}")
    return file.name


def _log_traceback() -> None:
    """The full traceback, for ``-v`` and ``--log``; nothing is shown where neither was given."""
    import logging

    log = logging.getLogger("sonoscope")
    if log.handlers:
        log.debug("the command ended with an error", exc_info=True)


def _stop_logging() -> None:
    if "logging" not in sys.modules:
        return
    import logging

    log = logging.getLogger("sonoscope")
    for handler in list(log.handlers):
        if getattr(handler, "of_the_command", False):
            log.removeHandler(handler)
            handler.close()


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own flush at the end does not complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
