"""Models, kept scores, tables and files of other programs on the same clips, and what does not match."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sonoscope
from sonoscope import models
from sonoscope.cli import main
from sonoscope.data import sources
from sonoscope.data.rows import Manifest
from sonoscope.data.survey import Problem
from sonoscope.errors import UnknownName, UsageError
from sonoscope.evaluation import predictions
from sonoscope.evaluation.clipfigures import ClipOptions
from sonoscope.evaluation.predictions import Asked, matching
from sonoscope.evaluation.protocols.irmas import IrmasOptions
from sonoscope.evaluation.truth import of

LABELS = ("flute", "piano", "voice")


@pytest.fixture(scope="module")
def clips(recordings: Path) -> Manifest:
    return sources.load(str(recordings)).where(split="test")


def scored(
    word: str | Path,
    manifest: Manifest,
    options: ClipOptions = ClipOptions(),
    labels: tuple[str, ...] = LABELS,
) -> np.ndarray:
    problems: list[Problem] = []
    source = predictions.opened(str(word))
    columns = matching.columns(labels, source.labels, partial=source.partial, what=str(word))
    found = predictions.clip_scores(source, manifest, Asked(options, problems.append), columns)
    assert not problems
    return found


@pytest.fixture(scope="module")
def heard(clips: Manifest) -> np.ndarray:
    return scored("instruments", clips)


@pytest.fixture(scope="module")
def results(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``analyze`` leaves of the same recordings."""
    out = tmp_path_factory.mktemp("results") / "out"
    assert main(["analyze", str(recordings), "-o", str(out), "--scores", "csv", "--workers", "1"]) == 0
    return out


# ---- sources agree -------------------------------------------------------------------------------------------


def test_a_bundle_gives_what_analyze_gives_but_for_rounding(clips, heard, recordings):
    model = sonoscope.load("instruments")
    for row, scores in zip(clips.rows, heard, strict=True):
        expected = model.analyze(recordings / row.path).clip("mean")
        assert scores == pytest.approx([expected[label] for label in LABELS], abs=1e-4)
    assert not np.array_equal(heard, heard.round(4)), "scores are not rounded"


def test_kept_scores_and_written_scores_are_those_of_the_model(clips, heard, results, tmp_path):
    kept = scored(results, clips)
    assert kept == pytest.approx(heard, abs=2e-4)
    for path in results.rglob("*.scores.csv"):
        target = tmp_path / path.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    tables = scored(tmp_path, clips, ClipOptions(aggregate="max"))
    assert tables == pytest.approx(scored(results, clips, ClipOptions(aggregate="max")), abs=1e-4)


def test_an_ensemble_is_the_mean(clips, heard, results):
    assert scored(f"instruments,{results}", clips) == pytest.approx(heard, abs=2e-4)
    with pytest.raises(UsageError, match="an ensemble needs two members"):
        predictions.opened("instruments,")


def test_windows_and_hops_are_those_that_are_asked_for(clips, recordings):
    """Of a clip of 2 s: windows of 1 s every half second are three, of 0.8 s every 0.2 s seven."""
    model = sonoscope.load("instruments")
    options = ClipOptions(window_s=0.8, hop_s=0.2)
    source = predictions.opened("instruments")
    found = dict(source.windows(clips, Asked(options, lambda _: None)))
    assert len(found[0].values) == 7 and found[0].weights.tolist() == [1.0] * 7
    assert len(found[1].values) == 9 and found[1].weights[-1] == pytest.approx(1.0)
    assert len(found[3].values) == 1 and found[3].weights[0] == pytest.approx(0.7 / 0.8)
    irmas = dict(source.windows(clips, Asked(IrmasOptions(), lambda _: None)))
    expected = model.analyze(recordings / "a/one.wav", hop=0.5).scores.probabilities
    # One is of kept logits, rounded to 3 decimals, the other rounded to 4 itself.
    assert irmas[0].values == pytest.approx(expected, abs=2e-4)
    assert len(irmas[1].without_tail().values) == 3, "2.4 s: the fourth window is not whole"
    with pytest.raises(
        UsageError, match=r"window=0.1 s: instruments has windows of 1 s and it needs at least"
    ):
        dict(source.windows(clips, Asked(ClipOptions(window_s=0.1), lambda _: None)))


def test_parts_of_a_file_have_their_own_windows(recordings, results, tmp_path):
    (tmp_path / "parts.csv").write_text(
        "path,start_s,duration_s,labels\na/two.wav,0,1,piano\na/two.wav,1.4,1,voice\n"
    )
    parts = sources.load(str(tmp_path / "parts.csv"), root=recordings)
    assert of(parts).names == ("a/two.wav@0", "a/two.wav@1.4")
    kept = scored(results, parts, labels=("piano", "voice"))
    table = sonoscope.load("instruments").analyze(recordings / "a/two.wav").scores
    piano = table.labels.index("piano")
    middles = (table.start_s + table.end_s) / 2
    for row, (first, last) in enumerate(((0, 1), (1.4, 2.4))):
        inside = (middles >= first) & (middles < last)
        assert kept[row, 0] == pytest.approx(
            np.average(table.probabilities[inside, piano], weights=(table.ends - table.starts)[inside]),
            abs=1e-3,
        )


# ---- tables --------------------------------------------------------------------------------------------------


def clip_table(path: Path, rows: dict[str, tuple[float, ...]], head: str = "file,flute,piano,voice") -> Path:
    lines = [head, *(f"{name},{','.join(map(str, values))}" for name, values in rows.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


SCORES = {
    "a/one.wav": (0.1, 0.9, 0.2),
    "a/two.wav": (0.2, 0.8, 0.6),
    "b/one.wav": (0.7, 0.1, 0.3),
    "b/three.wav": (0.6, 0.4, 0.1),
}


def test_a_table_of_scores_has_a_row_a_clip_or_a_window(clips, tmp_path):
    expected = np.array(list(SCORES.values()))
    assert scored(clip_table(tmp_path / "s.csv", SCORES), clips) == pytest.approx(expected)
    without = {name.removesuffix(".wav"): values for name, values in SCORES.items()}
    assert scored(clip_table(tmp_path / "w.csv", without), clips) == pytest.approx(expected)
    deeper = {f"else/where/{name}": values for name, values in SCORES.items()}
    assert scored(clip_table(tmp_path / "d.csv", deeper), clips) == pytest.approx(expected)
    lines = ["path,start,end,flute,piano,voice"]
    lines += [
        f"{name},{k * 0.5},{k * 0.5 + 0.5},{','.join(str(v * k) for v in values)}"
        for name, values in SCORES.items()
        for k in (0, 1)
    ]
    (tmp_path / "k.csv").write_text("\n".join(lines))
    assert scored(tmp_path / "k.csv", clips) == pytest.approx(expected / 2)
    assert scored(tmp_path / "k.csv", clips, ClipOptions(aggregate="max")) == pytest.approx(expected)


def test_parquet_arrays_and_lumens_json_are_the_same(clips, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = np.array(list(SCORES.values()))
    columns = {"name": list(SCORES)} | {label: expected[:, k] for k, label in enumerate(LABELS)}
    parquet.write_table(arrow.table(columns), tmp_path / "s.parquet")
    assert scored(tmp_path / "s.parquet", clips) == pytest.approx(expected)
    np.savez(
        tmp_path / "s.npz",
        names=np.array([f"{n}@0" for n in SCORES]),
        labels=np.array(LABELS),
        scores=expected,
    )
    assert scored(tmp_path / "s.npz", clips) == pytest.approx(expected)
    codes = ("flu", "pia", "voi")
    content = {
        Path(n).with_suffix("").as_posix(): dict(zip(codes, v, strict=True)) for n, v in SCORES.items()
    }
    (tmp_path / "s.json").write_text(json.dumps(content))
    assert scored(tmp_path / "s.json", clips) == pytest.approx(expected), "codes are labels too"


def test_events_score_as_high_as_the_best_of_them_and_nothing_scores_0(clips, tmp_path):
    (tmp_path / "events.csv").write_text(
        "file,start,end,label,score\na/one.wav,0,1,piano,0.7\na/one.wav,1,2,piano,0.9\nb/one.wav,0,1,flute,\n"
    )
    found = scored(tmp_path / "events.csv", clips)
    assert found.tolist() == [[0, 0.9, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    source = predictions.opened(str(tmp_path / "events.csv"))
    assert any("a table of events" in remark for remark in source.remarks())


def test_birdnet_buzzdetect_and_audacity_folders_are_read(clips, tmp_path):
    bird, buzz, labels = (tmp_path / name for name in ("bird", "buzz", "labels"))
    for folder in (bird, buzz, labels):
        (folder / "a").mkdir(parents=True)
        (folder / "b").mkdir()
    for name in SCORES:
        stem = Path(name).with_suffix("").as_posix()
        head = "Start (s),End (s),Scientific name,Common name,Confidence,File"
        (bird / f"{stem}.BirdNET.results.csv").write_text(f"{head}\n0.0,3.0,piano,piano,0.61,{name}\n")
        (bird / "empty.BirdNET.results.csv").write_text(f"{head}\n")
        (buzz / f"{stem}_buzzdetect.csv").write_text(
            "start,activation_flute,activation_piano,activation_voice\n0.0,-1.0,2.0,0.0\n0.48,1.0,0.0,-3.0\n"
        )
        (labels / f"{stem}.labels.txt").write_text("0.1\t0.4\tvoice\n")
    assert scored(bird, clips)[:, 1].tolist() == [0.61] * 4
    activations = 1 / (1 + np.exp(-np.array([[-1.0, 2.0, 0.0], [1.0, 0.0, -3.0]])))
    assert scored(buzz, clips, ClipOptions(aggregate="max"))[0] == pytest.approx(activations.max(axis=0))
    assert scored(labels, clips).tolist() == [[0, 0, 1]] * 4


# ---- what does not match ---------------------------------------------------------------------------------------


def test_clips_without_prediction_are_listed(clips, tmp_path):
    some = {name: SCORES[name] for name in ("a/one.wav", "b/one.wav")}
    with pytest.raises(
        UsageError, match=r"no prediction of 2 of 4 clips: a/two.wav, b/three.wav. It has predictions of"
    ):
        scored(clip_table(tmp_path / "s.csv", some), clips)


def test_only_ten_differences_are_listed():
    names = [f"{k}.wav" for k in range(25)]
    with pytest.raises(UsageError, match=r"25 of 30 clips: 0.wav, .*, 9.wav and 15 more\."):
        matching.refuse_missing(names, 30, "s.csv", ())


def test_names_that_could_be_two_are_refused(clips, tmp_path):
    twice = {"x/one.wav": (0, 0, 0), **{f"y/{n}": v for n, v in SCORES.items()}, "one.wav": (0, 0, 0)}
    with pytest.raises(
        UsageError, match=r"a/one.wav: several predictions could be meant: y/a/one.wav, one.wav"
    ):
        scored(clip_table(tmp_path / "s.csv", twice), clips)


def test_labels_that_are_missing_are_listed_with_the_nearest(clips, tmp_path):
    table = clip_table(tmp_path / "s.csv", SCORES, head="file,flutes,piano,voice")
    with pytest.raises(
        UsageError, match=r"lacks 1 of the 3 labels of the data: flute. Did you mean 'flutes'"
    ):
        scored(table, clips)
    with pytest.raises(UsageError, match=r"one label, bass, for double_bass and electric_bass"):
        matching.columns(
            ("double_bass", "electric_bass"), models.load("instruments").labels, partial=False, what="m"
        )


def test_other_lengths_are_other_recordings(recordings, results, clips, tmp_path):
    manifest = (
        (recordings / "manifest.csv")
        .read_text()
        .replace("a/one.wav,piano,p1,test,2.0", "a/one.wav,piano,p1,test,9.5")
    )
    (tmp_path / "m.csv").write_text(manifest)
    longer = sources.load(str(tmp_path / "m.csv"), root=recordings).where(split="test")
    with pytest.raises(
        UsageError, match=r"1 recordings are not as long .*: a/one.wav \(clip ends at 9.5 s, scores at 2 s\)"
    ):
        scored(results, longer)
    lines = ["path,start,end,flute,piano,voice"] + [
        f"{n},5,6,{','.join(map(str, v))}" for n, v in SCORES.items()
    ]
    (tmp_path / "late.csv").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="4 recordings are not as long as their predictions"):
        scored(tmp_path / "late.csv", clips)


def test_windows_of_kept_scores_are_what_they_are(clips, results, tmp_path):
    with pytest.raises(UsageError, match=r"hop=0.25 s: the scores in .* have hop 0.5 s"):
        scored(results, clips, ClipOptions(hop_s=0.25))
    with pytest.raises(UsageError, match="leave window and hop out"):
        scored(clip_table(tmp_path / "s.csv", SCORES), clips, ClipOptions(window_s=1.0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,flute\na/one.wav,high\n", "no column of numbers besides file, flute"),
        ("file,flute\na/one.wav,0.1\na/two.wav,0.1\nb/one.wav,0\nb/three.wav,x\n", "line 5, .*: 'x' is no number"),
        ("file,flute\na/one.wav,NA\na/two.wav,0.1\nb/one.wav,0\n", "line 2, .*: 'NA' is no number"),
        ("file,flute\na/one.wav,\na/two.wav,\n", "no column of numbers besides file, flute"),
        ("file,flute\na/one.wav,0.1\na/one.wav,0.2\n", "a/one.wav has 2 rows and no columns start and end"),
        ("what,flute\n1,0.1\n", "begins no annotation that can be read"),
    ],
)  # fmt: skip
def test_tables_that_are_none_say_why(content, message, clips, tmp_path):
    (tmp_path / "s.csv").write_text(content)
    with pytest.raises(Exception, match=message):
        scored(tmp_path / "s.csv", clips)


def test_unknown_words_are_told_with_the_nearest(tmp_path):
    with pytest.raises(
        UnknownName, match=r"no model and no predictions 'instrument'. Did you mean 'instruments'"
    ):
        predictions.opened("instrument")
    with pytest.raises(UsageError, match="holds no predictions"):
        predictions.opened(str(tmp_path))


def test_what_cannot_be_heard_is_reported_and_has_no_score(recordings, tmp_path):
    shutil.copytree(recordings, tmp_path / "r")
    (tmp_path / "r" / "b" / "one.wav").write_bytes(b"not a sound")
    manifest = sources.load(str(tmp_path / "r")).where(split="test")
    problems: list[Problem] = []
    source = predictions.opened("instruments")
    columns = matching.columns(LABELS, source.labels, partial=False, what="m")
    tell: Callable[[Problem], None] = problems.append
    found = predictions.clip_scores(source, manifest, Asked(ClipOptions(), tell), columns)
    assert np.isnan(found[2]).all() and np.isfinite(found[[0, 1, 3]]).all()
    assert [problem.path for problem in problems] == ["b/one.wav"]


@pytest.mark.parametrize("kind", ["s.json", "s.npz", "s/a.wav.scores.csv", "s.csv"])
def test_what_is_no_number_is_refused_not_left_out(clips, tmp_path, kind):
    """Without the clips that a model failed on, its figures would be flattering."""
    names = [row.path for row in clips.rows]
    values = np.full((len(names), len(LABELS)), 0.5)
    values[1, 2] = np.nan
    target = tmp_path / kind
    if kind.endswith(".json"):
        content = {
            name: dict(zip(LABELS, row, strict=True))
            for name, row in zip(names, values.tolist(), strict=True)
        }
        target.write_text(json.dumps(content))
    elif kind.endswith(".npz"):
        np.savez(target, names=np.array(names), labels=np.array(LABELS), scores=values)
    elif kind.endswith("scores.csv"):
        target.parent.mkdir()
        target.write_text(f"start,end,{','.join(LABELS)}\n0,1,0.1,nan,0.2\n1,2,0.1,0.5,0.2\n")
    else:
        rows = [f"{name},{','.join(map(str, row))}" for name, row in zip(names, values.tolist(), strict=True)]
        target.write_text("\n".join([f"path,{','.join(LABELS)}", *rows]) + "\n")
    with pytest.raises(UsageError, match=f"{tmp_path.name}.*no number"):
        predictions.opened(str(tmp_path / kind.partition("/")[0]))
