"""Training batches: windows as inference cuts them, draws by seed and number, balanced where it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import shards
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.shards.draws import Balanced, InTurn
from sonoscope.data.shards.feed import Feed
from sonoscope.errors import UsageError
from sonoscope.features import LogMel, Pcen
from sonoscope.windows import Cutter, Grid

from .conftest import RATE

FEATURE = LogMel(RATE, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)


@pytest.fixture
def audio(labelled: Manifest, tmp_path: Path) -> shards.Shards:
    shards.build(labelled, tmp_path / "audio", shards.audio(RATE))
    return shards.open(tmp_path / "audio")


@pytest.fixture
def frames(labelled: Manifest, tmp_path: Path) -> shards.Shards:
    shards.build(labelled, tmp_path / "frames", shards.frames(FEATURE, "float32"))
    return shards.open(tmp_path / "frames")


# ---- what a window holds -----------------------------------------------------------------------------------


def test_batches_hold_the_sound_at_their_starts_and_what_rows_say(audio: shards.Shards):
    feed = Feed(audio, window=4000, batch_size=16)
    batch = feed.batch(3)
    assert batch.inputs.shape == (16, 4000) and batch.inputs.dtype == np.float32
    for window, row, start in zip(batch.inputs, batch.rows, batch.starts, strict=True):
        assert np.array_equal(window, audio.window(row, start, 4000))
        assert 0 <= start <= max(audio.lengths[row] - 4000, 0)
    sounds, known = audio.manifest.targets()
    assert np.array_equal(batch.targets, sounds[batch.rows]) and np.array_equal(
        batch.known, known[batch.rows]
    )
    assert Feed(audio, ("violin",), window=10, batch_size=1).batch(0).targets.shape == (1, 1)


def test_every_window_is_where_windows_py_puts_it(audio: shards.Shards):
    grid = Grid(4000, 3000)
    found = list(Feed(audio, window=4000, batch_size=4).every_window(3000))
    rows = np.concatenate([batch.rows for batch in found])
    starts = np.concatenate([batch.starts for batch in found])
    inputs = np.concatenate([batch.inputs for batch in found])
    for row in range(len(audio)):
        n = int(audio.lengths[row])
        assert np.array_equal(starts[rows == row], grid.starts(n))
        padded = np.zeros((grid.count(n) - 1) * 3000 + 4000, np.float32)
        padded[:n] = audio.samples(row)
        cut = Cutter(4000, 3000, batch=grid.count(n)).push(padded)[0]
        assert np.array_equal(inputs[rows == row], cut)
    assert [len(batch.rows) for batch in found[:-1]] == [4] * (len(found) - 1)


def test_frames_are_the_same_stored_or_computed_on_the_fly(audio: shards.Shards, frames: shards.Shards):
    stored, computed = (
        Feed(frames, window=4000, batch_size=8),
        Feed(audio, window=4000, batch_size=8, feature=FEATURE),
    )
    for one, other in zip(stored.every_window(1000), computed.every_window(1000), strict=True):
        assert np.array_equal(one.rows, other.rows) and np.array_equal(one.starts, other.starts)
        assert one.inputs.shape == (len(one.rows), 40, 20)
        np.testing.assert_allclose(one.inputs, other.inputs, atol=2e-2)


def test_frames_are_those_that_inference_computes(audio: shards.Shards, frames: shards.Shards):
    """Of the recording streamed whole and then cut, also past its end."""
    feed = Feed(frames, window=4000, batch_size=100)
    (batch,) = feed.every_window()
    grid = Grid(4000, 4000)
    for row in range(len(frames)):
        n = int(audio.lengths[row])
        stream = FEATURE.stream()
        whole = np.concatenate([stream.push(audio.samples(row)), stream.close(grid.count(n) * 40)])
        cut = Cutter(40, 40, batch=grid.count(n)).push(whole)[0]
        np.testing.assert_allclose(batch.inputs[batch.rows == row], cut, atol=1e-4)


def test_three_seconds_at_ten_milliseconds_are_301_frames_in_training_and_in_measuring(tmp_path: Path):
    rng = np.random.default_rng(4)
    soundfile.write(tmp_path / "x.wav", 0.1 * rng.standard_normal(7 * RATE), RATE)
    manifest = Manifest((Row("x.wav"),), tmp_path)
    feature = LogMel(RATE, n_fft=256, hop_samples=80, n_mels=20, f_max_hz=4000.0)
    shards.build(manifest, tmp_path / "f", shards.frames(feature))
    shards.build(manifest, tmp_path / "a", shards.audio(RATE))
    for folder, computed in (("f", None), ("a", feature)):
        feed = Feed(
            shards.open(tmp_path / folder), window=3 * RATE, batch_size=2, frames=301, feature=computed
        )
        shapes = {batch.inputs.shape[1:] for batch in (feed.batch(0), *feed.every_window())}
        assert shapes == {(301, 20)}


def test_margins_bring_the_sound_around_a_window(audio: shards.Shards):
    batch = Feed(audio, window=1000, batch_size=9, margins=(300, 50)).batch(1)
    for inputs, row, start in zip(batch.inputs, batch.rows, batch.starts, strict=True):
        assert np.array_equal(inputs, audio.window(row, start - 300, 1350))


def test_a_feature_that_sees_everything_at_once_sees_the_window(audio: shards.Shards):
    feature = Pcen(RATE, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0)
    assert not feature.streamable
    batch = Feed(audio, window=4000, batch_size=3, feature=feature).batch(0)
    for inputs, row, start in zip(batch.inputs, batch.rows, batch.starts, strict=True):
        assert np.array_equal(inputs, feature(audio.window(row, start, 4000))[:40])


def test_random_windows_of_frames_start_on_a_frame(frames: shards.Shards):
    batch = Feed(frames, window=4000, batch_size=64).batch(0)
    assert (batch.starts % 100 == 0).all() and len(set(batch.starts.tolist())) > 10
    for window, row, start in zip(batch.inputs, batch.rows, batch.starts, strict=True):
        assert np.array_equal(window, frames.window(row, start // 100, 40))


def test_normalised_windows_have_the_moments_they_should(frames: shards.Shards, audio: shards.Shards):
    plain, normal = (Feed(frames, window=4000, batch_size=64, normalise=value) for value in (False, True))
    mean, std = frames.statistics()
    np.testing.assert_allclose(normal.batch(1).inputs, (plain.batch(1).inputs - mean) / std, atol=1e-4)
    computed = Feed(audio, window=4000, batch_size=8, feature=FEATURE, statistics=(mean, np.zeros(20)))
    assert not computed.batch(0).inputs.any(), "a bin that never changes becomes 0"
    with pytest.raises(UsageError, match=r"need statistics=\(mean, std\) of that feature"):
        Feed(audio, window=4000, batch_size=8, feature=FEATURE, normalise=True)


# ---- which rows --------------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_number_alone(audio: shards.Shards):
    options = {"window": 3000, "batch_size": 7}
    one, other = Feed(audio, seed=5, **options), Feed(audio, seed=5, **options)
    ahead = [one.batch(n) for n in range(6)]
    for number in (4, 0, 5, 2):
        for a, b in zip(ahead[number], other.batch(number), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(ahead[0].starts, Feed(audio, seed=6, **options).batch(0).starts)
    shared = [next(iter(one.batches(first, 2))) for first in (0, 1)]
    assert all(np.array_equal(a.starts, b.starts) for a, b in zip(shared, ahead, strict=False))


def test_in_turn_every_row_comes_as_often_as_windows_fit_in():
    draw = InTurn(np.array([10, 35, 0, 20]), 10)
    for size in (1, 3, 7, 20):
        rows = np.concatenate([draw(4, number, size) for number in range(70)])
        for first in range(0, len(rows) - 7, 7):
            assert Counter(rows[first : first + 7].tolist()) == {0: 1, 1: 3, 2: 1, 3: 2}
    assert draw(4, 0, 7).tolist() != draw(4, 1, 7).tolist()


def test_balanced_by_label_and_group_everyone_is_heard_alike():
    rows = [Row(f"p{k}.wav", labels=("piano",), group="big") for k in range(90)]
    rows += [Row("v.wav", labels=("violin",), group="x"), Row("w.wav", labels=("violin",), group="y")]
    rows += [Row("q.wav", labels=("piano",), group="small"), Row("n.wav")]
    draw = Balanced(rows, ("labels", "group"))
    n = 30_000
    drawn = Counter(rows[i].path for i in draw(1, 0, n).tolist())
    third = n / 3
    expected = {"v.wav": third / 2, "w.wav": third / 2, "q.wav": third / 2, "n.wav": third}
    for path, count in expected.items():
        assert abs(drawn[path] - count) < 5 * np.sqrt(count), path
    assert draw.ways[("piano", "big")] == pytest.approx(1 / 6)
    both = Balanced([Row("a", labels=("x", "y")), Row("b", labels=("x",))], ("labels",))
    assert abs(Counter(both(0, 0, 8000).tolist())[0] - 6000) < 5 * np.sqrt(1500)


def test_only_rows_of_the_split_are_drawn(audio: shards.Shards):
    feed = Feed(audio, window=3000, batch_size=40, split="train", balance=("labels",))
    assert set(feed.batch(0).rows.tolist()) == {0, 1}
    assert {
        row
        for batch in Feed(audio, window=4000, batch_size=2, split="test").every_window()
        for row in batch.rows
    } == {2, 3}


@pytest.mark.parametrize(("options", "said"), [
    ({"window": 4050}, r"window=4050 samples must be a multiple of hop_samples=100, such as 40\d0"),
    ({"window": 0}, "window=0 and batch_size=4 must be at least 1"),
    ({"window": 4000, "split": "valid"}, "has no rows with split='valid'"),
    ({"window": 4000, "balance": ("label",)}, "balance='label' is no column of text of these rows. Known: absent"),
    ({"window": 4000, "feature": FEATURE}, "holds frames of logmel already"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(frames: shards.Shards, options: dict, said: str):
    with pytest.raises(UsageError, match=said):
        Feed(frames, batch_size=4, **options)


def test_rates_and_hops_that_do_not_fit_are_refused(audio: shards.Shards, frames: shards.Shards):
    with pytest.raises(UsageError, match="sample_rate=24000, the folder 8000 Hz"):
        Feed(audio, window=6000, batch_size=4, feature=LogMel())
    for hop in (0, 4001, 150):
        with pytest.raises(
            UsageError, match=f"hop={hop} must lie in 1..window=4000 samples and be a multiple of 100"
        ):
            next(iter(Feed(frames, window=4000, batch_size=4).every_window(hop)))


# ---- without decoders, with torch --------------------------------------------------------------------------


@pytest.mark.parametrize("on_the_fly", [False, True])
def test_feeding_imports_no_decoder(audio: shards.Shards, frames: shards.Shards, on_the_fly: bool):
    opened = audio if on_the_fly else frames
    program = (
        "import sys\nfrom sonoscope.data import shards\nfrom sonoscope.data.shards.feed import Feed\n"
        "from sonoscope.features import LogMel\n"
        f"feature = LogMel({RATE}, n_fft=512, hop_samples=100, n_mels=20, f_max_hz=4000.0) if {on_the_fly} else None\n"
        f"opened = shards.open({str(opened.folder)!r})\n"
        "feed = Feed(opened, window=4000, batch_size=4, balance=('labels',), feature=feature)\n"
        "feed.batch(0), list(feed.every_window())\nprint(*sys.modules)"
    )
    loaded = set(
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
    )
    assert not loaded & {"av", "soundfile", "soxr", "librosa", "audioread", "torch", "sonoscope.audio.decode"}


@pytest.mark.train
def test_a_loader_gives_the_same_batches_whatever_its_workers(audio: shards.Shards):
    pytest.importorskip("torch")
    from sonoscope.training import loader

    feed = Feed(audio, window=2000, batch_size=4, seed=2)
    for workers in (0, 2):
        epochs = loader.loader(loader.Drawn(feed, 3), workers)
        found = [*epochs, *epochs]
        assert_same(found, [feed.batch(number) for number in range(6)])
        assert_same(list(loader.loader(loader.All(feed, 1000), workers)), list(feed.every_window(1000)))
    halves = [list(loader.loader(loader.Drawn(feed, 3, rank, 2))) for rank in range(2)]
    assert_same(
        [batch for pair in zip(*halves, strict=True) for batch in pair], [feed.batch(n) for n in range(6)]
    )


def assert_same(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for tensors, batch in zip(found, expected, strict=True):
        assert np.array_equal(tensors.samples, batch.inputs) and np.array_equal(
            tensors.targets, batch.targets
        )
        assert np.array_equal(tensors.judged > 0, batch.known) and np.array_equal(tensors.clips, batch.rows)


def test_a_row_of_nothing_but_silence_at_its_end_is_still_a_window(tmp_path: Path):
    soundfile.write(tmp_path / "one.wav", np.float32([0.5]), RATE)
    manifest = Manifest((Row("one.wav"),), tmp_path)
    shards.build(manifest, tmp_path / "p", shards.frames(FEATURE))
    batch = Feed(shards.open(tmp_path / "p"), window=1000, batch_size=2).batch(0)
    assert batch.inputs.shape == (2, 10, 20) and (batch.inputs[:, 4:] == np.float16(FEATURE.silence)).all()
