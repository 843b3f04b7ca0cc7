"""The door itself: start-up, help, exit codes, and errors that a person can read."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import __version__, cli
from sonoscope.cli.commands import THREE_USERS, VERBS, _with_values
from sonoscope.errors import SonoscopeError, UnreadableAudio

from .conftest import Sonoscope

COMMAND = [sys.executable, "-c", "import sys; from sonoscope.cli import main; sys.exit(main())"]


def test_help_starts_fast_and_imports_neither_numpy_nor_rich():
    code = (
        "import sys, resource; from sonoscope.cli import main; main(['--help']);"
        "sys.exit(f'{resource.getrusage(resource.RUSAGE_SELF).ru_utime} '"
        'f\'{sorted({m.partition(chr(46))[0] for m in sys.modules} & {"numpy", "rich", "torch"})}\')'
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    seconds, loaded = ran.stderr.split(" ", 1)
    assert loaded.strip() == "[]"
    assert float(seconds) < 0.5
    assert "analyze" in ran.stdout


@pytest.mark.skipif(os.name == "nt", reason="there they are paths")
def test_paths_of_windows_are_refused_where_they_are_none(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for words in (["analyze", r"C:\a b\x.wav"], ["analyze", str(organ_wav), "-o", r"C:\a b\x.wav"]):
        ran = sonoscope(*words)
        assert ran.code == 2 and "under WSL it is /mnt/c/a b/x.wav" in ran.err
    assert list(tmp_path.iterdir()) == []
    # A pattern is none.
    assert "/mnt/" not in sonoscope("analyze", organ_wav, "--site-from", r"s:\d+").err


def test_analysing_loads_nothing_that_it_does_not_need(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(24_000, dtype=np.float32), 24_000)
    words = ["analyze", f"{tmp_path}/a.wav", *f"-m field -o {tmp_path}/out --workers 1 -q".split()]
    needless = ["pydantic", "http", "ssl", "xml", "numpy.ma", "scipy", "torch", "pandas", "rich"]
    code = (
        f"import gc, sys; from sonoscope.cli import main; assert main({words}) == 0 and gc.isenabled();"
        f"print([name for name in {needless} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_words_that_are_no_numbers_are_told_with_their_option(sonoscope: Sonoscope):
    for words in (["--hop", "often"], ["--workers", "many"]):
        ran = sonoscope("analyze", "a.wav", *words)
        assert ran.code == 2 and words[0] in ran.err and repr(words[1]) in ran.err


def test_importing_the_package_loads_none_of_its_modules_and_no_library():
    code = (
        "import sys, sonoscope; print([m for m in sys.modules if m.startswith('sonoscope.')"
        " or m in ('numpy', 'typer', 'torch', 'onnxruntime')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_bare_command_shows_three_lines_each_with_a_command_that_exists(sonoscope: Sonoscope):
    ran = sonoscope()
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.strip().splitlines()
    assert lines == THREE_USERS.splitlines() and len(lines) == 3
    for line in lines:
        verb = line.partition(" sonoscope ")[2].split()[0]
        assert verb in VERBS
        assert sonoscope(verb, "--help").code == 0


def test_version(sonoscope: Sonoscope):
    assert sonoscope("--version").out == f"sonoscope {__version__}\n"


@pytest.mark.parametrize("words", [["-h"], *([verb, "--help"] for verb in VERBS), ["models", "show", "-h"]])
def test_every_command_has_help_on_stdout_in_plain_text(words: list[str], sonoscope: Sonoscope):
    ran = sonoscope(*words)
    assert ran.code == 0 and ran.err == ""
    assert ran.out.startswith("Usage: sonoscope")
    assert not set(ran.out) & set("╭│╰\x1b")
    if len(words) > 1 and words[0] in VERBS and words[1] == "--help":
        assert "Commands:" in ran.out or "Options:" in ran.out


def test_every_verb_of_the_table_has_its_line_in_the_help(sonoscope: Sonoscope):
    text = sonoscope("--help").out
    for name, verb in VERBS.items():
        assert f"{name} " in text and verb.summary in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["analyse"], "unknown command 'analyse'. Did you mean 'analyze'?"),
        (["models", "lst"], "unknown command 'lst'. Did you mean 'list'?"),
        (["--versoin"], "unknown option '--versoin'. Did you mean '--version'?"),
        (["analyze", "--treshold", "1"], "unknown option '--treshold'. Did you mean '--threshold'?"),
        (["analyze", "--gama", "1"], "unknown option '--gama'.\n"),
        (["analyze", "--tracks", "none"], "unknown option '--tracks'. It is an option of sonoscope notes.\n"),
        (["notes", "--hop", "1"], "unknown option '--hop'. It is an option of sonoscope analyze and live.\n"),
        (["train", "--gama", "1"], "unknown option '--gama'. Did you mean '--gamma'?"),
        (
            ["train", "--learning-rte", "1"],
            "unknown option '--learning-rte'. Did you mean 'training.learning_rate='?",
        ),
        (["train", "--nope", "1"], "unknown option '--nope'.\n"),
        (["analyze", "a.wav", "--hop"], "Option '--hop' requires an argument"),
        (["analyze", "a.wav", "--hop", "fast"], "'--hop': 'fast' is not a number"),
        (["analyze", "a.wav", "--top-k", "1.5"], "'--top-k': '1.5' is not a whole number"),
        (["models", "show"], "Missing argument 'NAME'"),
    ],
)
def test_wrong_words_are_explained_in_at_most_two_lines(words, message, sonoscope: Sonoscope):
    ran = sonoscope(*words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.startswith("sonoscope: ") and len(ran.err.splitlines()) <= 2


def test_a_file_whose_name_begins_with_a_dash(sonoscope: Sonoscope, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-take 1.wav").touch()
    ran = sonoscope("analyze", "-take 1.wav")
    assert ran.code == 2 and "If the file '-take 1.wav' is meant: ./-take 1.wav\n" in ran.err
    assert "is empty (0 bytes)" in sonoscope("analyze", "./-take 1.wav").err


def test_group_without_command_shows_its_help_and_fails(sonoscope: Sonoscope):
    ran = sonoscope("models")
    assert ran.code == 2 and ran.out == "" and "Commands:" in ran.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--scores"], ["--scores", "csv"]),
        (["--scores", "-o", "x"], ["--scores", "csv", "-o", "x"]),
        (["--scores", "parquet"], ["--scores", "parquet"]),
        (["--scores", "song.wav"], ["--scores", "csv", "song.wav"]),
        (["--scores", "parqet"], ["--scores", "parqet"]),
        (["--scores=tsv", "a"], ["--scores=tsv", "a"]),
        (["a", "--", "--scores"], ["a", "--", "--scores"]),
    ],
)
def test_option_may_stand_without_its_value(words, meant):
    assert list(_with_values(words, {"--scores": ["csv", "parquet", "tsv"]})) == meant


def test_existing_input_is_never_taken_for_a_misspelt_value(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("parqet").touch()
    assert list(_with_values(["--scores", "parqet"], {"--scores": ["csv", "parquet"]}))[1] == "csv"


class Listed(SonoscopeError):
    """One that has a list below its message."""

    @property
    def lines(self) -> list[str]:
        return str(self).splitlines()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UnreadableAudio("a.wav", "is empty", "Record again"), 1, "a.wav: is empty. Record again"),
        (UnreadableAudio("a\nb.wav", "is empty", "Record again"), 1, r"a\nb.wav: is empty. Record again"),
        (
            Listed("it does not fit\n  2 missing: \x1ba, b"),
            3,
            "sonoscope: it does not fit\n  2 missing: \\x1ba, b\n",
        ),
        (KeyboardInterrupt(), 3, "interrupted"),
        (
            OSError(28, "No space left on device", "out/x"),
            3,
            "No space left on device: out/x: make room there, then run the same command again",
        ),
        (
            OSError(30, "Read-only file system", "out"),
            3,
            "Read-only file system: out: nothing can be written",
        ),
        (
            OSError(28, "No space left on device"),
            3,
            "device: make room where results or temporary files (TMPDIR)",
        ),
        (PermissionError(13, "Permission denied", "a.csv"), 3, "Permission denied: a.csv: ask for the right"),
        (ZeroDivisionError("boom"), 3, "this should not have happened: ZeroDivisionError: boom"),
        (BrokenPipeError(), 3, ""),
    ],
)
def test_errors_become_a_line_and_an_exit_code(error, code, message, sonoscope: Sonoscope, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("sonoscope.models.names", fail)
    monkeypatch.setattr(cli, "_close_stdout", lambda: None)
    ran = sonoscope("models", "list")
    assert ran.code == code
    assert message in ran.err and "Traceback" not in ran.err


def test_unexpected_error_leaves_its_traceback_with_verbose_and_in_the_log(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path, monkeypatch
):
    def fail(*_: object, **_named: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("sonoscope.models.load", fail)
    log = tmp_path / "logs" / "run.log"
    quiet = sonoscope("analyze", organ_wav, "--log", log)
    assert quiet.code == 3 and "Traceback" not in quiet.err and f"the details are in {log}" in quiet.err
    assert "Traceback" in log.read_text() and "ZeroDivisionError: boom" in log.read_text()
    assert "Traceback" in sonoscope("analyze", organ_wav, "-v").err
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    kept = sonoscope("analyze", organ_wav).err.split("the details are in ")[1].strip()
    assert Path(kept).parent == tmp_path and "ZeroDivisionError: boom" in Path(kept).read_text()


def test_reader_that_closes_the_pipe_is_no_error(organ_wav: Path):
    ran = subprocess.run(
        f"{sys.executable} -c 'from sonoscope.cli import main; main()' analyze --help | head -n 1",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.stderr == "" and ran.stdout.startswith("Usage")


@pytest.mark.parametrize(
    "words",
    [
        ["analyze", "organ.wav"],
        ["analyze", "organ.wav", "organ2.wav", "-o", "out", "--workers", "2"],
        ["doctor"],
    ],
    ids=["screen", "workers", "doctor"],
)
def test_nothing_is_written_into_the_home_folder(words: list[str], organ_wav: Path, tmp_path: Path):
    """ONNX Runtime's telemetry would leave an identifier there, and send it."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    for name in ("organ.wav", "organ2.wav"):
        shutil.copy(organ_wav, work / name)
    kept = {k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    ran = subprocess.run(
        [*COMMAND, *words], cwd=work, env=kept | {"HOME": str(home)}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert list(home.rglob("*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_one_worker_is_one_thread(tmp_path: Path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.random.default_rng(0).normal(0, 0.1, 1200 * 22_050), 22_050)
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    words = ["analyze", str(long), "-o", str(tmp_path / "out"), "--workers", "1", "-q"]
    process = subprocess.Popen([*COMMAND, *words], env=environment)
    threads = []
    while process.poll() is None:
        with contextlib.suppress(OSError):
            threads.append(len(list(Path(f"/proc/{process.pid}/task").iterdir())))
        time.sleep(0.02)
    assert process.returncode == 0
    # A second thread lists the inputs, and ends when there are no more.
    assert max(threads) <= 2 and sorted(threads)[len(threads) // 2] == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_with_3_and_one_line(tmp_path: Path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(3600 * 8000, dtype=np.int16), 8000, subtype="PCM_16")
    process = subprocess.Popen([*COMMAND, "analyze", str(long)], stderr=subprocess.PIPE, text=True)
    time.sleep(2.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert err.startswith("sonoscope: interrupted") and len(err.splitlines()) == 1
