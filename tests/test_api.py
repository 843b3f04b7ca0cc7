"""sonoscope in Python: the same numbers as the command, from a file and from an array."""

from __future__ import annotations

import csv
import io
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sonoscope
from sonoscope import models, outputs, pipeline
from sonoscope.audio import rates
from sonoscope.cli import main
from sonoscope.cli.demo import SAMPLE_RATE, organ
from sonoscope.errors import UnknownName, UnreadableAudio, UsageError
from sonoscope.values import Event

#: Low enough that any model finds something in music, so that what is compared is not empty.
LOW = 0.02


@pytest.fixture(scope="module")
def model() -> sonoscope.Model:
    return sonoscope.load("instruments")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An organ, 4 s, 44.1 kHz, float, so that the file holds exactly what the array does."""
    file = tmp_path_factory.mktemp("api") / "song.wav"
    soundfile.write(file, organ(), SAMPLE_RATE, subtype="FLOAT")
    return file


@pytest.fixture(scope="module")
def result(model: sonoscope.Model, song: Path) -> sonoscope.Result:
    return model.analyze(song, threshold=LOW)


def test_public_names_are_there_and_others_are_not():
    assert {"load", "analyze", "Model", "Result"} <= set(dir(sonoscope))
    with pytest.raises(AttributeError, match="lod"):
        sonoscope.lod  # noqa: B018


def test_model_tells_what_it_is(model: sonoscope.Model):
    bundle = models.load("instruments")
    assert model.labels == tuple(label.id for label in bundle.labels)
    assert model.sample_rate == bundle.sample_rate
    assert model.window * model.sample_rate == bundle.window_samples
    assert model.hop * model.sample_rate == bundle.hop_samples
    assert repr(model) == f"Model('instruments', {len(model.labels)} labels, window={model.window:g} s)"


def test_model_loads_by_folder_and_a_wrong_name_is_explained(model: sonoscope.Model):
    assert sonoscope.load(model.bundle.path).labels == model.labels
    with pytest.raises(UnknownName, match=r"'instrumens'\. Did you mean 'instruments'"):
        sonoscope.load("instrumens")


def test_result_describes_the_recording(result: sonoscope.Result, model: sonoscope.Model):
    assert (result.file, result.source_rate, result.channels) == ("song.wav", SAMPLE_RATE, 1)
    assert result.duration == pytest.approx(4.0, abs=1e-3)
    assert result.scores.labels == model.labels
    assert result.scores.end_s[-1] <= result.duration + 1 / model.sample_rate
    assert result.embeddings is None and result.events


def test_what_a_notebook_shows_of_a_result_is_one_line(result: sonoscope.Result, model: sonoscope.Model):
    found = f"{len(result.events)} event" + "s" * (len(result.events) != 1)
    assert repr(result) == f"Result('song.wav', {found} in {result.duration:g} s, model 'instruments')"
    assert repr(result.scores) == f"Scores({len(result.scores)} windows, {len(model.labels)} labels, 4 s)"
    one = Event(0.5, 1.0, "violin", 0.9, flags="padded")
    assert repr(one) == "Event(start_s=0.5, end_s=1.0, label='violin', score=0.9, flags='padded')"
    bundle = model.bundle
    assert repr(bundle) == f"Bundle('instruments', version {bundle.version}, {str(bundle.path)!r})"
    assert not {"Any", "TYPE_CHECKING"} & set(dir(sonoscope))


def test_a_result_is_plotted_and_written_by_its_ending(result: sonoscope.Result, tmp_path: Path):
    drawn = result.plot(tmp_path / "song.svg")
    assert (tmp_path / "song.svg").read_text(encoding="utf-8") == drawn == drawn._repr_svg_()
    assert drawn.startswith("<svg") and all(f">{event.label}<" in drawn for event in result.events)
    assert repr(drawn) == f"Picture({len(drawn):,} characters of SVG)"
    assert ">violin<" in result.plot(labels=["violin"]) == result.plot(labels="violin") and not result.notes
    with pytest.raises(UsageError, match=r"'song\.jpg': timelines are written as \.svg or \.png"):
        result.plot("song.jpg")
    pytest.importorskip("matplotlib")
    result.plot(tmp_path / "song.png")
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")


def test_events_are_those_of_the_command(result: sonoscope.Result, song: Path, tmp_path: Path):
    result.to_csv(tmp_path / "python.csv")
    assert (
        main(["analyze", str(song), "--threshold", str(LOW), "-q", "-o", str(tmp_path / "command.csv")]) == 0
    )
    assert (tmp_path / "python.csv").read_bytes() == (tmp_path / "command.csv").read_bytes()
    with open(tmp_path / "command.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(result.events) > 0


def test_array_gives_what_its_file_gives(model: sonoscope.Model, song: Path, result: sonoscope.Result):
    samples, rate = soundfile.read(song, dtype="float32")
    array = model.analyze(samples, sample_rate=rate, threshold=LOW)
    np.testing.assert_array_equal(array.scores.logits, result.scores.logits)
    assert [(e.label, e.start_s) for e in array.events] == [(e.label, e.start_s) for e in result.events]


def test_an_array_at_next_to_no_rate_is_not_converted_at_once(model: sonoscope.Model, monkeypatch):
    samples = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    sizes = []
    score_blocks = pipeline.score_blocks

    def counted(blocks, *given, **options):
        return score_blocks((sizes.append(block.size) or block for block in blocks), *given, **options)

    monkeypatch.setattr(rates, "LARGEST", 1 << 16)
    monkeypatch.setattr(pipeline, "score_blocks", counted)
    result = model.analyze(samples, sample_rate=80)
    assert result.duration == 50.0 and result.scores.n_samples == sum(sizes) == 50 * model.sample_rate
    assert max(sizes) < 4 * rates.LARGEST


def test_columns_of_an_array_are_channels(model: sonoscope.Model, song: Path):
    samples, rate = soundfile.read(song, dtype="float32")
    noise = np.random.default_rng(0).normal(0, 0.1, samples.size).astype(np.float32)
    both = np.column_stack([samples, noise])
    alone = model.analyze(samples, sample_rate=rate).scores.logits
    np.testing.assert_array_equal(model.analyze(both, sample_rate=rate, channel=1).scores.logits, alone)
    mean = model.analyze((samples + noise) / 2, sample_rate=rate).scores.logits
    np.testing.assert_allclose(model.analyze(both, sample_rate=rate).scores.logits, mean, atol=2e-3)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros(10), {}, "an array needs sample_rate"),
        (np.zeros(10), {"sample_rate": 0}, "sample_rate=0 must be a whole number of Hz above 0"),
        (np.zeros(10), {"sample_rate": 44100.5}, "sample_rate=44100.5 must be a whole number"),
        (np.zeros(10), {"sample_rate": "44100"}, "sample_rate='44100' must be a whole number"),
        (np.zeros(10), {"sample_rate": True}, "sample_rate=True must be a whole number"),
        (np.zeros(10), {"sample_rate": math.inf}, "sample_rate=inf must be a whole number"),
        (np.zeros(10), {"sample_rate": 1e30}, r"sample_rate=1e\+30 must be.*at most 4,294,967,295$"),
        (np.zeros((10, 0)), {"sample_rate": 8000}, "have no channel"),
        (np.ma.masked_greater(np.linspace(0, 1, 9), 0.5), {"sample_rate": 8000}, r"masked: samples\.filled"),
        (np.zeros((2, 9, 9)), {"sample_rate": 8000}, r"shape \(n,\) or \(n, channels\), got \(2, 9, 9\)"),
        (np.zeros((2, 900)), {"sample_rate": 8000}, r"look like \(channels, n\).*pass samples.T"),
        (
            np.zeros(900, dtype=np.int16),
            {"sample_rate": 8000},
            r"floating point.*got int16; divide.*x / 32768\)",
        ),
        (np.zeros(900, dtype=np.uint8), {"sample_rate": 8000}, r"got uint8; divide first \(x / 128 - 1\)"),
        (np.zeros(900, dtype=complex), {"sample_rate": 8000}, "floating point.*got complex128$"),
        (np.array([0.1, np.nan, np.inf]), {"sample_rate": 8000}, "2 of 3 samples are no numbers.*nan_to_num"),
        (np.full(900, -9000.0), {"sample_rate": 8000}, "full scale 1, and reach 9000; divide.* by 32768"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(samples, options, message, model: sonoscope.Model):
    with pytest.raises(ValueError, match=message):
        model.analyze(samples, **options)


def test_no_samples_are_no_events_in_any_number_of_channels(model: sonoscope.Model):
    assert model.analyze(np.zeros((0, 2)), sample_rate=8000).duration == 0


class Tensor:
    """What tensors of torch are to NumPy."""

    def __array__(self) -> np.ndarray:
        return np.zeros(8000)


@pytest.mark.parametrize("name", ["instruments", "notes"])
@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (io.BytesIO(b"RIFF"), "path or a NumPy array.*got BytesIO: give its name"),
        ([0.0] * 8000, "got list: np.asarray"),
        (Tensor(), "got Tensor: np.asarray"),
        ((np.zeros(8000), 8000), "got tuple: give the samples of such a pair, and its rate as sample_rate"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_recording_is_refused_with_what_to_give(recording, message, name: str):
    with pytest.raises(TypeError, match=message):
        sonoscope.load(name).analyze(recording, sample_rate=8000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 0}, "0"),
        ({"hop": 99.0}, "99"),
        ({"threshold": 1.5}, "1.5"),
        ({"threshold": {"violn": 0.4}}, "'violn'. Did you mean 'violin'"),
        ({"min_duration": -1}, "min_duration=-1 must be 0 or more"),
        ({"max_gap": float("nan")}, "max_gap=nan must be 0 or more"),
        ({"tail": "kep"}, "kep"),
    ],
)
def test_options_out_of_range_are_refused(options, message, model: sonoscope.Model, song: Path):
    with pytest.raises(UsageError, match=message):
        model.analyze(song, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": "0.5"}, "hop='0.5' must be a number$"),
        ({"hop": True}, "hop=True must be a number$"),
        ({"min_duration": "1"}, "min_duration='1' must be a number$"),
        ({"max_gap": [1]}, r"max_gap=\[1\] must be a number$"),
        ({"channel": 1.5}, "channel=1.5 must be a whole number$"),
        ({"channel": "1"}, "channel='1' must be a whole number$"),
        ({"embeddings": "no"}, "embeddings='no' must be true or false$"),
        ({"threshold": [0.5]}, r"threshold=\[0.5\] must be a number or text or a path or keys and values$"),
        ({"threshold": {"violin": None}}, r"threshold\['violin'\]=None must be a number$"),
        ({"threshold": True}, "threshold=True must be a number"),
    ],
)
@pytest.mark.parametrize("recording", ["nowhere.wav", np.full(900, np.nan)])
def test_options_of_another_kind_are_refused_before_the_sound_is_looked_at(
    options, message, recording, model: sonoscope.Model
):
    with pytest.raises(UsageError, match=message):
        model.analyze(recording, **options)


def test_numbers_of_numpy_paths_and_no_thresholds_at_all_are_taken(
    model: sonoscope.Model, result: sonoscope.Result, song: Path, tmp_path: Path
):
    (tmp_path / "low.json").write_text(f'{{"organ": {LOW}}}')
    heard = model.analyze(
        song, hop=np.float32(0.5), channel=np.int64(1), threshold=tmp_path / "low.json", embeddings=np.True_
    )
    assert heard.decision.thresholds == model.decision({"organ": np.float64(LOW)}).thresholds
    assert len(heard.embeddings) == len(heard.scores)
    assert model.decision({}).thresholds == model.decision().thresholds


def test_a_stream_is_refused_before_its_first_block(model: sonoscope.Model):
    with pytest.raises(UsageError, match="hop='1' must be a number"):
        model.stream(iter([]), sample_rate=8000, hop="1")
    with pytest.raises(ValueError, match="sample_rate='8000' must be a whole number of Hz above 0"):
        model.stream(iter([]), sample_rate="8000")


def test_a_model_is_no_name_of_one(model: sonoscope.Model, song: Path):
    with pytest.raises(TypeError, match="a model is a name or the folder of a bundle, got Model"):
        sonoscope.analyze(song, model=model)


def test_tensors_are_told_how_they_become_arrays_and_are_streamed(model: sonoscope.Model):
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(8000, requires_grad=True)
    with pytest.raises(
        TypeError, match=r"got Tensor: its \.detach\(\)\.cpu\(\)\.float\(\)\.numpy\(\) is one"
    ):
        model.analyze(tensor, sample_rate=8000)
    blocks = [tensor, tensor.detach().bfloat16(), tensor.detach().numpy()]
    assert list(model.stream(blocks, sample_rate=8000)) == []


def test_channel_that_an_array_lacks_is_refused(model: sonoscope.Model):
    with pytest.raises(UsageError, match=r"channel=3 must lie in 1\.\.2"):
        model.analyze(np.zeros((900, 2)), sample_rate=8000, channel=3)


def test_a_rate_for_a_file_is_refused(model: sonoscope.Model, song: Path):
    with pytest.raises(ValueError, match="sample_rate=8000 is for arrays"):
        model.analyze(song, sample_rate=8000)


@pytest.mark.parametrize("name", ["instruments", "notes"])
def test_a_model_that_was_used_goes_to_another_process(name: str):
    used = sonoscope.load(name)
    sound = np.sin(np.arange(16_000) / 6) / 2
    here = used.analyze(sound, sample_rate=8000)
    there = pickle.loads(pickle.dumps(used)).analyze(sound, sample_rate=8000)
    assert there.events == here.events and there.duration == 2.0


def test_hop_and_tail_shape_the_scores(model: sonoscope.Model, song: Path):
    whole = model.analyze(song, hop=model.window)
    windows = math.ceil(whole.scores.n_samples / model.bundle.window_samples)
    assert whole.scores.starts.tolist() == [i * model.bundle.window_samples for i in range(windows)]
    samples = np.zeros(round(2.5 * model.bundle.window_samples), dtype=np.float32)
    options = {"sample_rate": model.sample_rate, "hop": model.window}
    assert len(model.analyze(samples, **options).scores) == 3
    assert len(model.analyze(samples, tail="drop", **options).scores) == 2


def test_embeddings_are_one_for_each_window(model: sonoscope.Model, song: Path):
    found = model.analyze(song, embeddings=True)
    assert found.embeddings is not None
    assert found.embeddings.shape == (len(found.scores), model.bundle.embedding_size)


def test_deciding_again_equals_deciding_at_first(
    result: sonoscope.Result, model: sonoscope.Model, song: Path
):
    label = max(result.clip(), key=result.clip().get)
    again = result.decide(threshold={label: 0.9}, min_duration=0.25, max_gap=1)
    first = model.analyze(song, threshold=f"{label}=0.9", min_duration=0.25, max_gap=1)
    assert again.events == first.events
    assert again.scores is result.scores and again.decision == first.decision
    assert not result.decide(threshold=1.0).events or max(e.score for e in result.events) == 1.0
    assert not result.decide(threshold=LOW, min_duration=60).events


def test_clip_sums_up_the_windows(result: sonoscope.Result):
    probabilities = result.scores.probabilities
    highest = dict(zip(result.scores.labels, probabilities.max(axis=0), strict=True))
    assert result.clip("max") == pytest.approx(highest, abs=1e-6)
    assert all(result.clip()[label] <= highest[label] + 1e-6 for label in highest)
    assert max(result.clip("s2").values()) == pytest.approx(1.0)
    with pytest.raises(UnknownName, match=r"'men'\. Did you mean 'mean'"):
        result.clip("men")


def test_unknown_windows_are_those_in_no_event(result: sonoscope.Result):
    assert result.decide(threshold=0.0).unknown_windows == 0
    reported = [i for i, label in enumerate(result.bundle.labels) if label.kind == "event"]
    highest = result.scores.probabilities[:, reported].max(axis=1)
    middles = (result.scores.start_s + result.scores.end_s) / 2
    for limit in np.quantile(highest, (0.5, 0.9)).round(4):
        thresholds = dict.fromkeys(result.scores.labels, float(limit))
        low = dict.fromkeys(thresholds, float(limit) - 0.02)
        decided = result._decided(replace(result.decision, thresholds=thresholds, low_thresholds=low))
        outside = [not any(e.start_s <= middle <= e.end_s for e in decided.events) for middle in middles]
        assert decided.unknown_windows == sum(outside)
    assert result.decide(threshold=1.0).unknown_windows == len(result.scores)


@pytest.mark.parametrize("name", outputs.WRITERS)
def test_every_format_is_written_and_replaced_whole(name: str, result: sonoscope.Result, tmp_path: Path):
    form = outputs.WRITERS[name]
    file = tmp_path / "new" / f"song{form.suffix}"
    result.write(file)
    first = file.read_bytes()
    result.write(file, name)
    assert file.read_bytes() == first
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_a_failed_write_leaves_what_was_there(result: sonoscope.Result, tmp_path: Path, monkeypatch):
    file = tmp_path / "song.csv"
    file.write_text("kept")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs.WRITERS["csv"].__class__, "write", fail)
    with pytest.raises(OSError, match="No space"):
        result.to_csv(file)
    assert file.read_text() == "kept" and len(list(tmp_path.iterdir())) == 1


def test_unknown_formats_are_explained(result: sonoscope.Result, tmp_path: Path):
    with pytest.raises(UnknownName, match=r"'ravn'\. Did you mean 'raven'"):
        result.write(tmp_path / "a.txt", "ravn")
    with pytest.raises(UnknownName, match="the ending of no known format"):
        result.write(tmp_path / "a.xyz")


def test_raw_adds_logits(result: sonoscope.Result, tmp_path: Path):
    result.write(tmp_path / "raw.csv", raw=True)
    with open(tmp_path / "raw.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["raw"]) for row in rows] == pytest.approx([e.raw for e in result.events], abs=1e-3)


def test_data_frames_hold_scores_or_events(result: sonoscope.Result):
    pytest.importorskip("pandas")
    scores = result.to_dataframe()
    assert list(scores.columns) == ["start", "end", *result.scores.labels]
    np.testing.assert_array_equal(scores[list(result.scores.labels)].to_numpy(), result.scores.probabilities)
    events = result.to_dataframe("events")
    assert events["label"].tolist() == [event.label for event in result.events]
    assert events["start"].tolist() == [event.start_s for event in result.events]
    with pytest.raises(ValueError, match="table='event' must be 'scores' or 'events'"):
        result.to_dataframe("event")


@pytest.mark.parametrize("name", ["instruments", "notes"])
def test_data_frames_of_nothing_have_the_columns_of_others(name: str, song: Path):
    pandas = pytest.importorskip("pandas")
    model, table = sonoscope.load(name), ["events"] if name == "instruments" else []
    some, none = (
        model.analyze(it, sample_rate=rate).to_dataframe(*table)
        for it, rate in ((song, None), (np.zeros(0), 8000))
    )
    assert len(some) and not len(none)
    assert pandas.concat([none, some]).dtypes.to_dict() == some.dtypes.to_dict()


def test_data_frame_without_pandas_names_the_extra(result: sonoscope.Result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pip install 'sonoscope\[tables\]'"):
        result.to_dataframe()


def test_one_call_is_load_and_analyze(result: sonoscope.Result, song: Path):
    assert sonoscope.analyze(song, threshold=LOW).events == result.events


def test_files_that_are_no_recording_are_refused(model: sonoscope.Model, tmp_path: Path):
    text = tmp_path / "text.wav"
    text.write_text("this is text")
    with pytest.raises(UnreadableAudio, match=r"text\.wav"):
        model.analyze(text)
    (tmp_path / "two").mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "two" / name, np.zeros(800), 8000)
    with pytest.raises(UsageError, match="more than one recording"):
        model.analyze(tmp_path / "two")
    (tmp_path / "none").mkdir()
    with pytest.raises((UsageError, UnreadableAudio), match="none"):
        model.analyze(tmp_path / "none")


def test_missing_file_is_named(model: sonoscope.Model, tmp_path: Path):
    with pytest.raises(UsageError, match=r"no such file or folder: '.*absent\.wav'"):
        model.analyze(tmp_path / "absent.wav")


def test_analysing_imports_no_training_library():
    code = (
        "import sys, numpy, sonoscope;"
        "sonoscope.load('instruments').analyze(numpy.zeros(90000), sample_rate=24000);"
        "print([m for m in ('torch', 'lightning', 'librosa', 'pandas', 'sklearn') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
