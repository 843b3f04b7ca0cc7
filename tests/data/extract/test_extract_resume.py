"""A run that was stopped goes on; one that would change what is there is refused; a grown specification adds."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonoscope.data import labelmap, manifest
from sonoscope.data.extract import Settings, extract, preview, record
from sonoscope.data.extract.clipfile import ClipFile
from sonoscope.errors import Locked, RunRefused, UsageError

from .conftest import Specify, entry, heard, tree, wav

SETTINGS = Settings(length_s=1.0, sample_rate=22_050, tail="keep", format="flac")


def die(spec_: Path, out: Path, what: str, after: int) -> int:
    """Extract in a process that kills itself at a certain write or renaming; its exit code."""

    def run() -> None:
        left = after

        def dying(function: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any) -> Any:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return function(*arguments)

            return step

        if what == "write":
            ClipFile.write = dying(ClipFile.write)  # type: ignore[method-assign]
        else:
            Path.replace = dying(Path.replace)  # type: ignore[method-assign]
        extract(spec_, out, SETTINGS)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def specification(tmp_path: Path, specify: Specify) -> Path:
    """Three recordings: one whole, one in three ranges, one that is missing half."""
    for number in range(3):
        wav(tmp_path / f"{number}.wav", number, 6)
    return specify(
        entry("0.wav", ["a"], description="the first"),
        entry("1.wav", ["b"], [0, "2.5 s"], [3, 4]),
        entry("1.wav", ["a", "b"], [4, 6]),
        entry("2.wav", ["b"], [0, 3], [4, 9]),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no fork and no SIGKILL")
@pytest.mark.parametrize(
    ("what", "after"),
    [("write", n) for n in (0, 5, 9, 14)] + [("replace", n) for n in (0, 1, 2, 4, 9, 13, 15)],
)
def test_what_a_killed_run_left_becomes_what_it_would_have_made(
    tmp_path: Path, specify: Specify, what: str, after: int
) -> None:
    spec_ = specification(tmp_path, specify)
    extract(spec_, tmp_path / "whole", SETTINGS)
    known = tree(tmp_path / "whole")
    out = tmp_path / "out"
    assert die(spec_, out, what, after) == -signal.SIGKILL
    for name, content in tree(out).items():
        assert name.endswith(".part") or known[name] == content, "what exists is whole"
    done = extract(spec_, out, SETTINGS)
    assert tree(out) == known
    assert not list(out.rglob("*.part")) and len(done.problems) == 1


def test_an_interrupted_run_lists_what_it_has_and_goes_on(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    extract(spec_, tmp_path / "whole", SETTINGS)

    def interrupt(done: int, total: int, name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(spec_, tmp_path / "out", SETTINGS, progress=interrupt)
    assert len(manifest.read(tmp_path / "out" / "manifest.csv")) == 6 + 3 + 1 + 2
    done = extract(spec_, tmp_path / "out", SETTINGS)
    assert (done.cut, done.kept) == (1, 2)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_second_run_changes_nothing(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    extract(spec_, tmp_path / "out", SETTINGS)
    before = tree(tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("0__*.flac")}
    done = extract(spec_, tmp_path / "out", SETTINGS)
    assert (done.cut, done.kept) == (1, 2), "what had a problem is tried again"
    assert tree(tmp_path / "out") == before
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_line_that_a_crash_cut_off_is_written_over(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    extract(spec_, tmp_path / "out", SETTINGS)
    kept = tmp_path / "out" / ".sonoscope" / "extract.jsonl"
    lines = kept.read_bytes().splitlines(keepends=True)
    assert [next(iter(json.loads(line))) for line in lines] == [
        "schema",
        "recording",
        "recording",
        "recording",
        "listed",
    ]
    kept.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    before = tree(tmp_path / "out")
    done = extract(spec_, tmp_path / "out", SETTINGS)
    assert (done.cut, done.kept) == (2, 1) and tree(tmp_path / "out") == before
    assert len(record.Record.read(tmp_path / "out").done) == 3
    kept.write_bytes(lines[0] + b"rubbish\n" + lines[1])
    with pytest.raises(UsageError, match=r"extract\.jsonl, line 2: damaged.*--overwrite"):
        extract(spec_, tmp_path / "out", SETTINGS)
    extract(spec_, tmp_path / "out", SETTINGS, overwrite=True)
    assert set(tree(tmp_path / "out")) == set(before)


def test_a_clip_that_was_lost_is_made_again(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    extract(spec_, tmp_path / "out", SETTINGS)
    before = tree(tmp_path / "out")
    next((tmp_path / "out").rglob("*0__3.flac")).unlink()
    extract(spec_, tmp_path / "out", SETTINGS)
    assert tree(tmp_path / "out") == before


def test_a_grown_specification_adds_and_rows_that_are_there_stay(tmp_path: Path, specify: Specify) -> None:
    entries = [entry(f"{number}.wav", ["a"], [0, 3]) for number in range(3)]
    for number in range(4):
        wav(tmp_path / f"{number}.wav", number, 6)
    out = tmp_path / "out"
    extract(specify(*entries), out, SETTINGS)
    table = out / "manifest.csv"
    # Somebody takes a row out and fills a split in.
    lines = table.read_text().splitlines(keepends=True)
    lines = [line.replace(",0.wav,,spec,", ",0.wav,train,spec,") for line in lines if "a/[a]1__2" not in line]
    assert sum("train" in line for line in lines) == 3
    table.write_text("".join(lines))
    done = extract(specify(*entries, entry("3.wav", ["a", "new"], [0, 2])), out, SETTINGS)
    assert (done.cut, done.kept, done.clips) == (1, 3, 3 * 3 + 2)
    assert table.read_text().startswith("".join(lines))
    found = manifest.read(table)
    assert len(found) == 3 * 3 - 1 + 2 and found.label_map == ("a", "new")
    extract(specify(*entries, entry("3.wav", ["a", "new"], [0, 2])), out, SETTINGS)
    assert manifest.read(table) == found


def test_what_was_written_into_the_label_map_stays_when_it_grows(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "0.wav", 0, 6)
    out = tmp_path / "out"
    extract(specify(entry("0.wav", ["suona"], [0, 3])), out, SETTINGS)
    text = (out / "labels.json").read_text()
    (out / "labels.json").write_text(
        text.replace('"suona"', '"suona", "name": "Suona", "synonyms": ["laba"]')
    )
    wav(tmp_path / "1.wav", 1, 6)
    grown = specify(entry("0.wav", ["suona"], [0, 3]), entry("1.wav", ["dizi", "laba"], [0, 1]))
    extract(grown, out, SETTINGS)
    suona, dizi = labelmap.read(out / "labels.json")
    assert (suona.name, suona.synonyms, dizi.id) == ("Suona", ("laba",), "dizi")


def test_another_specification_or_other_settings_are_refused_with_the_differences(
    tmp_path: Path, specify: Specify
) -> None:
    for number in range(2):
        wav(tmp_path / f"{number}.wav", number, 6)
    one, two = entry("0.wav", ["a"], [0, 3]), entry("1.wav", ["a"], [0, 3])
    out = tmp_path / "out"
    extract(specify(one, two), out, SETTINGS)
    before = tree(out)
    with pytest.raises(
        RunRefused, match=r"other settings: length 3 \(there: 1\); hop 3 \(there: 1\); tail drop"
    ):
        extract(specify(one, two), out)
    for changed, message in [
        ([one], "1.wav is not in this specification"),
        ([one, entry("1.wav", ["a"], [0, 4])], "1.wav has other ranges, labels or texts"),
        ([one, entry("1.wav", ["b"], [0, 3])], "1.wav has other ranges, labels or texts"),
    ]:
        with pytest.raises(RunRefused, match=message):
            extract(specify(*changed), out, SETTINGS)
    wav(tmp_path / "1.wav", 7, 5)
    with pytest.raises(RunRefused, match=r"1\.wav is another file by now"):
        extract(specify(one, two), out, SETTINGS)
    (tmp_path / "1.wav").unlink()
    done = extract(specify(one, two), out, SETTINGS)
    assert done.cut == 0 and not done.problems, "a recording that is done need not be there any more"
    assert tree(out) == before


def test_overwrite_makes_anew_what_differs_and_nothing_else(tmp_path: Path, specify: Specify) -> None:
    for number in range(3):
        wav(tmp_path / f"{number}.wav", number, 6)
    out = tmp_path / "out"
    extract(specify(*[entry(f"{n}.wav", ["a"], [0, 3]) for n in range(3)]), out, SETTINGS)
    first = {path: path.stat().st_mtime_ns for path in out.rglob("*0__*.flac")}
    other = specify(entry("0.wav", ["a"], [0, 3]), entry("1.wav", ["b"], [1, 3]))
    done = extract(other, out, SETTINGS, overwrite=True)
    assert (done.cut, done.kept) == (1, 1)
    assert first == {path: path.stat().st_mtime_ns for path in first}
    extract(other, tmp_path / "fresh", SETTINGS)
    assert tree(out) == tree(tmp_path / "fresh")
    extract(other, out, overwrite=True)
    extract(other, tmp_path / "anew")
    assert tree(out) == tree(tmp_path / "anew")


def test_ranges_that_could_not_be_cut_may_be_corrected(tmp_path: Path, specify: Specify) -> None:
    samples = wav(tmp_path / "0.wav", 0, 6)
    settings = Settings(length_s=1.0, sample_rate=None)
    out = tmp_path / "out"
    entries = [entry("0.wav", ["a"], [0, 2], [3, 60]), entry("none.wav", ["a"])]
    wrong = specify(*entries)
    assert len(extract(wrong, out, settings).problems) == 2
    assert len(manifest.read(out / "manifest.csv")) == 2
    right = specify(entry("0.wav", ["b"], [1, 2], [3, 6]))
    assert not extract(right, out, settings).problems
    found = manifest.read(out / "manifest.csv")
    assert [(row.path, row.labels, row.extra["original_start_s"]) for row in found.rows] == [
        (f"b/[b]0__{number}.wav", ("b",), f"{start:.3f}")
        for number, start in enumerate([1, 3, 4, 5], start=1)
    ]
    rate = 16_000
    assert (heard(out, found.rows[3]) == samples[5 * rate : 6 * rate]).all()
    assert not (out / "a").exists() and not (out / "manifest.bad_rows.csv").exists()
    with pytest.raises(RunRefused, match=r"0\.wav has other ranges"):
        extract(specify(*entries), out, settings)


def test_a_preview_says_what_would_be_done_and_writes_nothing(tmp_path: Path, specify: Specify) -> None:
    for number in range(2):
        wav(tmp_path / f"{number}.wav", number, 6)
    entries = [entry("0.wav", ["a"], [0, 2], [3, 6]), entry("1.wav", ["b"])]
    out = tmp_path / "out"
    planned = preview(specify(*entries), out, SETTINGS)
    assert [(p.recording, p.ranges, p.seconds, p.clips, p.labels, p.state) for p in planned] == [
        ("0.wav", 2, 5.0, 5, ("a",), "cut"), ("1.wav", 1, None, None, ("b",), "cut"),
    ]  # fmt: skip
    assert not out.exists()
    extract(specify(*entries), out, SETTINGS)
    before = tree(out)
    more = specify(*entries, entry("2.wav", ["a"]))
    assert [p.state for p in preview(more, out, SETTINGS)][:2] == ["done", "done"]
    assert "there is no such file" in preview(more, out, SETTINGS)[2].state
    with pytest.raises(RunRefused, match="other settings"):
        preview(more, out)
    assert [p.state for p in preview(more, out, overwrite=True)][:2] == ["cut", "cut"]
    changed = specify(entry("0.wav", ["a"], [0, 3]), entries[1])
    assert [p.state for p in preview(changed, out, SETTINGS, overwrite=True)] == ["cut", "done"]
    assert tree(out) == before


def test_two_at_once_are_refused(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    with record.alone(tmp_path / "out"), pytest.raises(Locked, match="is being written by another process"):
        extract(spec_, tmp_path / "out", SETTINGS)
    extract(spec_, tmp_path / "out", SETTINGS)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file sizes here")
def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(tmp_path: Path, specify: Specify) -> None:
    spec_ = specification(tmp_path, specify)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "from sonoscope.cli import main\n"
        "sys.exit(main(['data', 'extract', *sys.argv[1:]]))"
    )
    words = [spec_, "-o", tmp_path / "out", "--length", "1", "--sample-rate", "22050", "--tail", "keep"]
    words += ["--format", "wav"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    )
    assert ran.returncode == 3 and "Make room" in ran.stderr, ran.stderr
    assert not list((tmp_path / "out").rglob("*.wav"))
    done = extract(spec_, tmp_path / "out", Settings(length_s=1.0, sample_rate=22_050, tail="keep"))
    assert done.clips == 6 + 3 + 1 + 2 + 3
