"""``sonoscope analyze`` on the screen and into one file: every option, and what it changes."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sonoscope as package
from sonoscope import models, outputs
from sonoscope.cli import display, single
from sonoscope.cli.demo import SAMPLE_RATE, beat, organ

from .conftest import Sonoscope

#: A threshold so low that every label sounds all the time, whatever the model thinks of the sound.
ALL = ("--threshold", "0")


def events(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def shown_events(text: str) -> list[tuple[str, str, str]]:
    """(start, end, label) of the table on the screen."""
    return re.findall(r"^ +([\d:.]+) +([\d:.]+)  (\w+) +[\d.]+$", text, flags=re.M)


def test_one_recording_is_shown_as_a_table_of_events_and_a_bar_for_each_label(
    sonoscope: Sonoscope, organ_wav: Path
):
    ran = sonoscope("analyze", organ_wav, *ALL)
    labels = [label.id for label in models.load("instruments").labels if label.kind == "event"]
    assert ran.code == 0 and "\x1b" not in ran.out
    assert ran.out.splitlines()[0] == "organ.wav  0:04.00, 44.1 kHz, 1 channel; model instruments"
    assert sorted(shown_events(ran.out)) == [("0:00.00", "0:04.00", label) for label in sorted(labels)]
    clip = package.analyze(organ_wav).clip()
    bars = dict(re.findall(r"^  (\w+) +(0\.\d\d|1\.00)(?:  \S+)?$", ran.out, flags=re.M))
    assert bars == {label: f"{value:.2f}" for label, value in clip.items()}
    assert list(bars) == sorted(clip, key=lambda label: (-clip[label], label))
    assert all(len(line) <= 80 and line == line.rstrip() for line in ran.out.splitlines())


def test_the_hint_goes_to_stderr_and_quiet_takes_it_away(sonoscope: Sonoscope, organ_wav: Path):
    assert "-o results" in sonoscope("analyze", organ_wav).err
    assert sonoscope("analyze", organ_wav, "-q").err == ""


def test_nothing_above_its_threshold_is_said(sonoscope: Sonoscope, organ_wav: Path):
    ran = sonoscope("analyze", organ_wav, "--threshold", "1")
    assert ran.code == 0 and "nothing reaches its threshold" in ran.out and not shown_events(ran.out)


def test_a_recording_that_is_mostly_unknown_says_so_first_and_names_the_other_models(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path, monkeypatch
):
    alone = sonoscope("analyze", organ_wav, "--threshold", "1").out
    windows = len(package.analyze(organ_wav).scores)
    share = f"({windows} of {windows} windows)"
    assert alone.startswith(
        f"Most of organ.wav is unknown to the model instruments {share}. Other models: field, notes (-m NAME)."
    )
    shutil.copytree(models.load("instruments").path, tmp_path / "birds")
    monkeypatch.setenv("SONOSCOPE_MODELS", str(tmp_path))
    out = sonoscope("analyze", organ_wav, "--threshold", "1").out
    assert f"{share}. Other models: birds, field, notes (-m NAME)." in out


def test_silence_is_called_silent_and_not_unknown(sonoscope: Sonoscope, tmp_path: Path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * 16000), 16000)
    ran = sonoscope("analyze", tmp_path / "silence.wav", "--threshold", "1")
    assert ran.code == 0 and ran.out.startswith("Note: silent: digital silence,") and "unknown" not in ran.out


def test_several_recordings_get_a_short_block_each_and_a_summary(sonoscope: Sonoscope, recordings: Path):
    ran = sonoscope("analyze", recordings, *ALL)
    assert ran.code == 0
    for name in ("beat.flac", "organ.wav", "sub/string.wav"):
        assert f"{name}  0:04.00, 44.1 kHz" in ran.out
    labels = sum(label.kind == "event" for label in models.load("instruments").labels)
    assert re.search(rf"^3 recordings: {3 * labels} events in 0:12\.00 of sound", ran.out.splitlines()[-1])
    assert len(re.findall(r"in 1 event  ", ran.out)) == 3 * labels
    assert "Bars: mean score of the whole recording.\n" in ran.err
    low = sonoscope("analyze", recordings, "--threshold", "1", "--aggregate", "max")
    assert "Bars: highest score.\n" in low.err
    assert low.out.count("nothing reaches its threshold; highest: ") == 3 and "unknown" not in low.out
    assert (
        "3 recordings are mostly unknown to the model instruments; others: field, notes (-m NAME" in low.err
    )


def test_what_is_special_about_one_of_several_recordings_stands_below_its_name(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path
):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * 16000), 16000)
    lines = sonoscope("analyze", tmp_path / "silence.wav", organ_wav).out.splitlines()
    assert lines[0].startswith("silence.wav  0:03.00") and lines[1].startswith(
        "  note: silent: digital silence, nothing was recorded"
    )


def test_several_models_count_a_recording_once_and_what_one_of_them_knows_is_known(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path
):
    shutil.copy(organ_wav, tmp_path / "same.wav")
    ran = sonoscope("analyze", organ_wav, tmp_path / "same.wav", "-m", "instruments,field", *ALL)
    assert ran.out.splitlines()[-1].startswith("2 recordings: ") and "in 0:08.00 of sound" in ran.out
    assert "unknown" not in ran.err
    one = sonoscope("analyze", organ_wav, "-m", "instruments,field", "--threshold", "1").out
    assert "unknown to the model field" in one and "ther model" not in one


def test_a_broken_file_is_said_and_the_others_go_on(sonoscope: Sonoscope, organ_wav: Path, broken: Path):
    ran = sonoscope("analyze", broken, organ_wav)
    assert ran.code == 1 and "organ.wav  0:04.00" in ran.out
    assert re.search(r"^sonoscope: broken\.wav: .+", ran.err) and "Traceback" not in ran.err
    assert ran.out.splitlines()[-1].startswith("1 recording, 1 failed")


def test_a_folder_without_recordings_is_wrong_use(sonoscope: Sonoscope, tmp_path: Path):
    for words in ((), ("-o", tmp_path / "a.csv"), ("-o", tmp_path / "out")):
        ran = sonoscope("analyze", tmp_path, *words)
        assert (ran.code, ran.out) == (2, "") and "no recordings were found there" in ran.err
    assert not list(tmp_path.iterdir())


def test_missing_input_is_wrong_use_and_names_the_nearest(sonoscope: Sonoscope, organ_wav: Path):
    ran = sonoscope("analyze", organ_wav.with_name("orgn.wav"))
    assert ran.code == 2 and "no such file or folder" in ran.err and "'organ.wav'" in ran.err
    ran = sonoscope("analyze", organ_wav.with_name("tenor.wav"))
    assert ran.code == 2 and "no such file or folder" in ran.err and "Did you mean" not in ran.err


def test_strict_stops_at_the_first_broken_file(sonoscope: Sonoscope, organ_wav: Path, broken: Path):
    ran = sonoscope("analyze", broken, organ_wav, "--strict")
    assert ran.code == 1 and "organ.wav" not in ran.out


def test_the_screen_of_a_terminal_is_cut_and_coloured(organ_wav: Path):
    result = package.analyze(organ_wav, threshold=0.0)
    many = tuple(result.events * 9)
    crowded = package.api.replace(result, events=many)  # type: ignore[attr-defined]
    options = {"aggregate": "mean", "top_k": None, "others": ()}
    terminal = display.recording(crowded, display.Screen(100, True, True, True), **options)
    pipe = display.recording(crowded, display.Screen(100, False, True, False), **options)
    hidden = len(many) - display.ROWS_IN_TERMINAL
    assert f"  ... and {hidden} more events; -o FILE.csv writes all" in terminal
    assert len(pipe) == len(terminal) - 1 + hidden
    assert any("\x1b[32m" in line for line in terminal) and not any("\x1b" in line for line in pipe)


def test_top_k_shows_as_many_bars(sonoscope: Sonoscope, organ_wav: Path):
    ran = sonoscope("analyze", organ_wav, "--threshold", "1", "--top-k", "2")
    assert len(re.findall(r"^  \w+ +[01]\.\d\d", ran.out, flags=re.M)) == 2


def test_aggregate_changes_the_bars(sonoscope: Sonoscope, recordings: Path, organ_wav: Path):
    clip = package.analyze(organ_wav).clip("max")
    best = max(clip, key=lambda label: (clip[label], label))
    shown = sonoscope("analyze", organ_wav, "--aggregate", "max").out
    assert re.search(rf"^  {best} +{clip[best]:.2f}  ", shown, flags=re.M)
    assert re.search(r"^  \w+ +1\.00  ", sonoscope("analyze", organ_wav, "--aggregate", "s2").out, flags=re.M)


def test_hop_and_tail_change_the_grid(sonoscope: Sonoscope, tmp_path: Path):
    model = package.load("instruments")
    seconds = 2.5 * model.window
    soundfile.write(tmp_path / "a.wav", np.resize(organ(), round(seconds * SAMPLE_RATE)), SAMPLE_RATE)
    words = ("analyze", tmp_path / "a.wav", "-o", "-", *ALL, "--hop", str(model.window))
    kept, dropped = events(sonoscope(*words).out), events(sonoscope(*words, "--tail", "drop").out)
    assert {row["end"] for row in kept} == {f"{seconds:.3f}"} and {row["flags"] for row in kept} == {"padded"}
    assert {row["end"] for row in dropped} == {f"{2 * model.window:.3f}"}


@pytest.fixture
def beats(tmp_path: Path) -> tuple[Path, Path, str]:
    """A beat, 4 s of silence, a beat; a copy of the model calibrated to tell them apart; and the label that does."""
    file = tmp_path / "beats.wav"
    sound = beat(np.random.default_rng(1))
    soundfile.write(file, np.concatenate([sound, np.zeros(4 * SAMPLE_RATE), sound]), SAMPLE_RATE)
    scores = package.analyze(file).scores
    middle = (scores.start_s >= 4.5) & (scores.end_s <= 7.5)
    reported = [i for i, label in enumerate(models.load("instruments").labels) if label.kind == "event"]
    silent, loud = scores.logits[middle].mean(axis=0), scores.logits[scores.end_s <= 4].mean(axis=0)
    column = max(reported, key=lambda i: abs(loud[i] - silent[i]))
    bundle = Path(shutil.copytree(models.load("instruments").path, tmp_path / "alert"))
    described = json.loads((bundle / "bundle.json").read_text())
    slope = 20.0 / float(loud[column] - silent[column])
    offset = -slope * float(loud[column] + silent[column]) / 2
    described["calibration"][scores.labels[column]] = {"slope": slope, "offset": offset}
    (bundle / "bundle.json").write_text(json.dumps(described))
    return file, bundle, scores.labels[column]


def test_min_duration_and_max_gap_change_events(sonoscope: Sonoscope, beats: tuple[Path, Path, str]):
    file, bundle, label = beats

    def spans(*words: str) -> list[tuple[float, float]]:
        rules = ("--threshold", "0.5", "--min-duration", "0", "--max-gap", "0")
        found = events(sonoscope("analyze", file, "-m", bundle, "-o", "-", *rules, *words).out)
        return [(float(row["start"]), float(row["end"])) for row in found if row["label"] == label]

    apart = spans()
    assert len(apart) >= 2 and max(end - start for start, end in apart) < 6
    assert spans("--max-gap", "6") == [(apart[0][0], apart[-1][1])]
    longest = max(end - start for start, end in apart)
    assert spans("--min-duration", f"{longest + 0.01:.3f}") == []
    kept = spans("--min-duration", f"{longest - 0.01:.3f}")
    assert kept == [span for span in apart if span[1] - span[0] >= longest - 0.01]


def test_channel_hears_one_channel(sonoscope: Sonoscope, recordings: Path, tmp_path: Path):
    file = recordings / "sub" / "string.wav"
    samples, rate = soundfile.read(file)
    for channel in (1, 2):
        soundfile.write(tmp_path / "string.wav", samples[:, channel - 1], rate)
        alone = sonoscope("analyze", tmp_path / "string.wav", *ALL).out.splitlines()
        heard = sonoscope("analyze", file, *ALL, "--channel", channel).out.splitlines()
        assert heard[-15:] == alone[-15:]
    absent = sonoscope("analyze", file, "--channel", "3")
    assert absent.code == 1 and "has 2 channels: there is no channel 3" in absent.err


def test_several_models_are_shown_one_after_another(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(models.load("instruments").path, other)
    described = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps(described | {"name": "other"}))
    ran = sonoscope("analyze", organ_wav, "-m", f"instruments,{other}")
    assert ran.code == 0
    assert ran.out.index("; model instruments") < ran.out.index("; model other")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to analyse: name files or folders"),
        (("a.wav", "-m", "instrumens"), "unknown model 'instrumens'. Did you mean 'instruments'?"),
        (("a.wav", "--threshold", "violn=0.4"), "unknown label 'violn'. Did you mean 'violin'?"),
        (("a.wav", "--threshold", "1.5"), "1.5"),
        (("a.wav", "--format", "csv"), "--format needs a place for files: add -o OUT"),
        (("a.wav", "--scores"), "--scores needs a place for files: add -o OUT"),
        (("a.wav", "--raw"), "--raw needs a place for files: add -o OUT"),
        (("a.wav", "--no-scores"), "--no-scores needs a place for files: add -o OUT"),
        (("a.wav", "--workers", "2"), "--workers needs a place for files: add -o OUT"),
        (("a.wav", "--shard", "1/2"), "--shard needs a place for files: add -o OUT"),
        (("a.wav", "--overwrite"), "--overwrite needs a place for files: add -o OUT"),
        (("a.wav", "--dry-run"), "--dry-run says what would be written: add -o OUT"),
        (
            ("a.wav", "-o", "x.csv", "--scores"),
            "--scores needs a folder for its files, and -o x.csv is one file",
        ),
        (("a.wav", "-o", "x.csv", "--format", "csv,raven"), "-o x.csv is one file, and --format names 2"),
        (("a.wav", "-o", "x.csv", "-m", "instruments,notes"), "holds the events of one model, not of 2"),
        (("a.wav", "-o", "x.txt"), "could be several formats; end it with .selections.txt (raven)"),
        (("a.wav", "-o", "x.txt"), "or name one (analyze: --format, convert: --from or --to)"),
        (("a.wav", "-o", "x.zip"), "files with the ending .zip are not written. Nearest: .csv (csv)"),
        (("a.wav", "-o", "x.MP3"), "files with the ending .mp3 are not written"),
        (
            ("a.wav", "-o", "x.eaf"),
            "files with the ending .eaf are not written. Nearest: .labels.txt (audacity)",
        ),
        (
            ("a.wav", "-o", "x.musicxml", "-m", "notes"),
            "ending .musicxml are not written. Nearest: .mid (midi)",
        ),
        (("a.wav", "-o", "x.svg"), "ending .svg are not written. Scores and events are drawn in Python"),
        (
            ("a.wav", "-o", "x.cvs"),
            "the ending .cvs are not written. Did you mean '.csv'? Known: .birdnet.csv",
        ),
        (("a.wav", "-o", "x.xlsx", "--format", "raven"), "Nearest: .csv (csv), .parquet (parquet)"),
        (("a.wav", "--channel", "0"), "channel=0 must be 1 or more"),
        (("a.wav", "-o", "x", "--channel", "-1"), "channel=-1 must be 1 or more"),
        (("a.wav", "-o", "x", "--format", "ravn"), "unknown format 'ravn'. Did you mean 'raven'?"),
        (("a.wav", "-o", "x", "--scores", "parqet"), "unknown scores 'parqet'. Did you mean 'parquet'?"),
        (
            ("a.wav", "-o", "x", "--top-k", "3"),
            "--top-k changes what is shown on the screen only: leave out -o",
        ),
        (("a.wav", "-o", "x", "--aggregate", "max"), "--aggregate changes what is shown on the screen only"),
        (("a.wav", "--aggregate", "median"), "unknown aggregate 'median'. Did you mean 'mean'?"),
        (("a.wav", "--top-k", "0"), "--top-k 0 must be 1 or more"),
        (("a.wav", "--hop", "0"), "hop=0 must be more than 0"),
        (("a.wav", "--min-duration", "-1"), "min-duration=-1 must be 0 or more"),
        (("a.wav", "--max-gap", "nan"), "max-gap=nan must be 0 or more"),
        (("a.wav", "--tail", "kep"), "unknown tail 'kep'. Did you mean 'keep'?"),
        (("a.wav", "--on", "gpu"), "unknown device 'gpu'. Did you mean 'cpu'? Known: cpu, cuda."),
        (("a.wav", "-o", "x", "--workers", "0"), "workers=0 must be at least 1"),
        (("a.wav", "-o", "x", "--shard", "5/3"), "shard='5/3': the part must lie in 1..3"),
        (("a.wav", "-o", "x", "--shard", "1/0"), "shard='1/0': there must be 1 part or more"),
        (("a.wav", "-v", "-q"), "-v and -q contradict each other"),
        (("a.wav", "--config", "absent.json"), "absent.json"),
        (("a.wav", "--from-scores", "x"), "--from-scores x needs no inputs: leave out a.wav"),
        (("--from-scores", "x", "--config", "y"), "--config and --from-scores both name an earlier run"),
        (("--from-scores", "x", "--dry-run"), "--dry-run cannot be used with --from-scores"),
        (("a.wav", "--log", "/dev/null/x"), "--log /dev/null/x cannot be written"),
    ],
)
def test_wrong_use_is_refused_with_2_and_a_line(
    words, message, sonoscope: Sonoscope, organ_wav: Path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(organ_wav, "a.wav")
    ran = sonoscope("analyze", *words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err and len(ran.err.splitlines()) <= 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


def test_hop_beyond_the_window_is_refused(sonoscope: Sonoscope, organ_wav: Path):
    ran = sonoscope("analyze", organ_wav, "--hop", "99")
    assert ran.code == 2 and "99" in ran.err and f"{package.load('instruments').window:g}" in ran.err


@pytest.mark.parametrize("name", outputs.WRITERS)
def test_one_file_of_every_format(name: str, sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    file = tmp_path / f"song{outputs.WRITERS[name].suffix}"
    ran = sonoscope("analyze", organ_wav, *ALL, "-o", file)
    assert (ran.code, ran.out) == (0, "")
    assert re.search(
        rf"^1 recording: \d+ events in 0:04\.00 of sound, .*; written to {re.escape(str(file))}$", ran.err
    )
    package.analyze(organ_wav, threshold=0.0).write(tmp_path / "python", name)
    assert file.read_bytes() == (tmp_path / "python").read_bytes()


def test_nothing_comes_on_stdout_where_what_is_asked_makes_no_sense(sonoscope: Sonoscope, organ_wav: Path):
    for wish in (("--threshold", "fiddle=0.5"), ("--hop", "9")):
        ran = sonoscope("analyze", organ_wav, *wish, "-o", "-")
        assert ran.code == 2 and ran.err and not ran.out


def test_one_file_is_never_overwritten_unasked(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    file = tmp_path / "song.csv"
    file.write_text("kept")
    ran = sonoscope("analyze", organ_wav, "-o", file)
    assert ran.code == 2 and "exists: --overwrite replaces it" in ran.err and file.read_text() == "kept"
    assert sonoscope("analyze", organ_wav, "-o", file, "--overwrite").code == 0
    assert file.read_text().startswith("file,start,end,label,score")


def test_one_file_for_several_recordings_is_refused(sonoscope: Sonoscope, recordings: Path, tmp_path: Path):
    ran = sonoscope("analyze", recordings, "-o", tmp_path / "song.csv")
    assert ran.code == 2 and "for one recording, and there are more: give -o FOLDER" in ran.err
    assert not list(tmp_path.iterdir())


def test_one_file_of_a_broken_recording_is_not_written(sonoscope: Sonoscope, broken: Path, tmp_path: Path):
    ran = sonoscope("analyze", broken, "-o", tmp_path / "song.csv")
    assert ran.code == 1 and "broken.wav" in ran.err and not (tmp_path / "song.csv").exists()


def test_format_goes_before_the_ending(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    assert sonoscope("analyze", organ_wav, "-o", tmp_path / "song.txt", "--format", "raven").code == 0
    assert (tmp_path / "song.txt").read_text().startswith("Selection\tView\tChannel")


def test_raw_adds_logits_to_the_file(sonoscope: Sonoscope, organ_wav: Path):
    plain = events(sonoscope("analyze", organ_wav, *ALL, "-o", "-").out)
    raw = events(sonoscope("analyze", organ_wav, *ALL, "-o", "-", "--raw").out)
    assert {row["raw"] for row in raw} != {""} and {row.get("raw") or "" for row in plain} == {""}


def test_stdout_is_a_file_too(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    sonoscope("analyze", organ_wav, *ALL, "-o", tmp_path / "song.csv")
    sonoscope("analyze", organ_wav, *ALL, "-o", tmp_path / "song.jsonl")
    assert sonoscope("analyze", organ_wav, *ALL, "-o", "-").out == (tmp_path / "song.csv").read_text()
    jsonl = sonoscope("analyze", organ_wav, *ALL, "-o", "-", "--format", "jsonl").out
    assert jsonl == (tmp_path / "song.jsonl").read_text()


def test_stdout_takes_several_recordings_and_the_broken_one_is_on_stderr(
    sonoscope: Sonoscope, recordings: Path, broken: Path
):
    ran = sonoscope("analyze", broken, recordings, *ALL, "-o", "-")
    assert ran.code == 1 and "broken.wav" in ran.err
    assert ran.out.count("file,start,end") == 1
    assert len({row["file"] for row in events(ran.out)}) == 3


def test_what_is_special_is_said_once_on_the_screen_and_on_stderr_beside_a_table(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path
):
    samples, rate = soundfile.read(organ_wav)
    soundfile.write(tmp_path / "loud.wav", np.clip(20.0 * samples, -1.0, 1.0), rate)
    screen = sonoscope("analyze", tmp_path / "loud.wav")
    assert "clipped" in screen.out and "clipped" not in screen.err
    table = sonoscope("analyze", tmp_path / "loud.wav", "-o", "-")
    assert "loud.wav: clipped" in table.err and "clipped" not in table.out
    assert "clipped" not in sonoscope("analyze", tmp_path / "loud.wav", "-o", "-", "-q").err


def test_dry_run_of_one_file_writes_nothing(sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path):
    ran = sonoscope("analyze", organ_wav, "-o", tmp_path / "song.labels.txt", "--dry-run")
    assert ran.code == 0 and "song.labels.txt as audacity" in ran.out and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("out", "wanted", "name"),
    [("-", (), "csv"), ("-", ("raven",), "raven"), ("a.csv", (), "csv"), ("a.JAMS", (), "jams"),
     ("a.labels.txt", (), "audacity"), ("a.txt", ("dcase",), "dcase"), ("results", (), None),
     ("results.d", ("csv", "raven"), None)],
)  # fmt: skip
def test_what_out_names(out: str, wanted: tuple[str, ...], name: str | None):
    form = single.file_format(out, wanted)
    assert (form and form.name) == name


def test_a_folder_stays_a_folder_whatever_its_name(tmp_path: Path):
    for name in ("old.csv", "old.zip"):
        (tmp_path / name).mkdir()
        assert single.file_format(str(tmp_path / name), ()) is None
    for folder in ("new.zip/", "new.csv/", "new.events.csv/", "new.mid/"):
        assert single.file_format(folder, ()) is None
    for name in ("results", "v1.2", "2026.11.22", "new.xyz/"):
        assert single.file_format(name, (), alone=True) is None


def test_log_keeps_what_failed(sonoscope: Sonoscope, broken: Path, tmp_path: Path):
    log = tmp_path / "run.log"
    sonoscope("analyze", broken, "--log", log)
    sonoscope("analyze", broken, "--log", log)
    assert len(re.findall(r"ERROR sonoscope\.\S+: broken\.wav: ", log.read_text())) == 2
