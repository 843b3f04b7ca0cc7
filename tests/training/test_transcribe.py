"""Networks of notes from a configuration: what they are shown, how they are judged, and that they end as bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import sonoscope  # noqa: E402
from sonoscope.cli import main  # noqa: E402
from sonoscope.data import sources  # noqa: E402
from sonoscope.data.mix.notefeed import notes_of  # noqa: E402
from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.networks.framenotes import CLASSES, FrameNotes  # noqa: E402
from sonoscope.training import presets, start, transcribe  # noqa: E402
from sonoscope.training.config import Config, compose  # noqa: E402
from sonoscope.training.setting import feature_of, network_of  # noqa: E402
from sonoscope.training.transcribe.counted import LEVELS, Figures, counted, f1_at  # noqa: E402

pytestmark = pytest.mark.train

RATE = 8000
NAMES = ("notes-cnn", "notes-cnn-5", "notes-transformer")
PITCHES = (57, 60, 62, 64, 67, 69)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten recordings of three seconds: five notes each with three partials, and what was played beside them."""
    root, rng = tmp_path_factory.mktemp("played"), np.random.default_rng(6)
    rows = ["path,labels,group,annotation"]
    time_s = np.arange(3 * RATE) / RATE
    for number in range(10):
        sound, notes = 0.001 * rng.standard_normal(time_s.size), ["onset,offset,pitch,velocity,label,score"]
        for k, pitch in enumerate(rng.choice(PITCHES, 5)):
            on, off = 0.1 + 0.55 * k, 0.1 + 0.55 * k + 0.4
            hertz = 440.0 * 2 ** ((pitch - 69) / 12)
            envelope = np.clip(np.minimum((time_s - on) / 0.01, (off - time_s) / 0.01), 0.0, 1.0)
            sound += 0.1 * envelope * sum(np.sin(2 * np.pi * hertz * h * time_s) / h for h in (1, 2, 3))
            notes.append(f"{on:.3f},{off:.3f},{pitch},90,piano,")
        soundfile.write(root / f"{number}.wav", sound.astype(np.float32), RATE)
        (root / f"{number}.notes.csv").write_text("\n".join(notes) + "\n")
        rows.append(f"{number}.wav,piano,piece{number},{number}.notes.csv")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def configured(name: str, *words: str, data: Path | None = None) -> Config:
    """A preset in small."""
    small = {
        "notes-cnn": "{name: valid_cnn, stages: [[8, [3, 3], [1, 1]], [8, [1, 3], [1, 2]]], dim: 48, keep_bins: true}",
        "notes-transformer": "{name: local_transformer, dim: 48, depth: 2, heads: 2, reach: 2}",
    }[name]
    return compose(
        presets.load(name),
        [
            "features=[{name: logfreq, sample_rate: 8000, n_fft: 2048, hop_samples: 160, bins_per_octave: 24, "
            "n_bins: 168, f_min_hz: 27.5}]",
            f"network.backbone={small}", "network.head=linear", "data.window_s=1.0", "training.batch_size=8",
            *([f"data.train={data}"] if data else []), *words,
        ],
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_presets_answer_for_every_key_and_frame(name: str) -> None:
    config = compose(presets.load(name))
    made = FrameNotes(network_of(config, feature_of(config), CLASSES)).eval()
    seen = {"notes-cnn": 3, "notes-cnn-5": 5, "notes-transformer": 51}[name]
    assert (made.receptive_field, made.look_ahead) == (seen, seen // 2)
    with torch.no_grad():
        answers = made(torch.randn(2, seen + 7, len(made.mean)))
    assert [tuple(part.shape) for part in answers] == [(2, 8, 88)] * 3


def test_the_channel_multiplier_multiplies_channels() -> None:
    config = compose(presets.load("notes-cnn"), ["network.backbone.width=3"])
    network = network_of(config, feature_of(config), CLASSES)
    assert [p.shape[0] for p in network.backbone.parameters() if p.ndim == 4] == [48, 48, 48]


def test_counts_give_the_figures_of_all_pairs() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    said = np.floor(rng.random((4, 50, 88)) * LEVELS) / LEVELS + 1e-5
    truth = (rng.random(said.shape) < 0.6 * said**2).astype(np.float32)
    counts = counted(torch.from_numpy(said), torch.from_numpy(truth)).numpy()
    found = Figures.of(counts)
    wanted = metrics.average_precision_score(truth.ravel(), said.ravel())
    assert found.average_precision == pytest.approx(wanted, abs=1e-9)
    best = max(metrics.f1_score(truth.ravel(), said.ravel() >= t) for t in np.arange(0.05, 1, 0.05))
    assert found.f1 >= best - 1e-9
    at = metrics.f1_score(truth.ravel(), said.ravel() >= found.threshold)
    assert found.f1 == pytest.approx(at) and f1_at(counts, found.threshold) == pytest.approx(at)
    assert (
        Figures.of(np.zeros((2, LEVELS))) == Figures(0.0, 0.0, 0.5) and f1_at(np.zeros((2, LEVELS)), 0.5) == 0
    )


def fitted(name: str, played: Path, root: Path, *words: str) -> Path:
    """A finished run of a preset in small."""
    config = configured(name, f"data.folder={root / 'prepared'}", *words, data=played)
    start.fit(config, root / name, say=lambda _: None)
    return root / name


@pytest.fixture(scope="module")
def run(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("training.epochs=3", "training.epoch_batches=25", "training.learning_rate=0.01")
    return fitted("notes-cnn", played, tmp_path_factory.mktemp("runs"), *words)


def test_it_learns_what_was_played(run: Path, played: Path) -> None:
    from sonoscope.training import rundir

    figures = rundir.read_metrics(run)
    assert figures["test"]["ap"] > 0.9 and figures["test"]["onset_ap"] > 0.5, figures
    assert figures["certificate"].startswith("groups shared: 0")
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 4 and "val_ap" in history[0]
    model = sonoscope.load(run / "bundle")
    heard = model.analyze(played / "3.wav", tuning=0.0).notes
    true = (played / "3.notes.csv").read_text().splitlines()[1:]
    wanted = [(float(line.split(",")[0]), int(line.split(",")[2])) for line in true]
    met = sum(any(n.pitch == p and abs(n.start_s - on) < 0.06 for n in heard) for on, p in wanted)
    assert met >= 4, (wanted, heard)


def a_bundle_follows_a_tuning_and_says_what_it_is(run: Path, played: Path) -> None:
    model = sonoscope.load(run / "bundle")
    assert model.bundle.task == "notes" and model.bundle.metrics["test"]["ap"] >= 0
    in_tune, moved = (model.analyze(played / "0.wav", tuning=cents).scores for cents in (0.0, 30.0))
    assert in_tune.sustain.shape == moved.sustain.shape == (150, 88)
    assert not np.array_equal(in_tune.sustain, moved.sustain)
    card = (run / "bundle" / "README.md").read_text()
    assert "average precision" in card and "sonoscope notes" in card


def test_its_bundle_follows_a_tuning_and_says_what_it_is(run: Path, played: Path) -> None:
    a_bundle_follows_a_tuning_and_says_what_it_is(run, played)


@pytest.mark.slow
def test_the_transformer_ends_as_a_bundle_too(played: Path, tmp_path: Path) -> None:
    words = ("training.epochs=1", "training.epoch_batches=4")
    a_bundle_follows_a_tuning_and_says_what_it_is(
        fitted("notes-transformer", played, tmp_path, *words), played
    )


def test_windows_are_shown_with_the_notes_that_sound_in_them(run: Path, played: Path) -> None:
    """Of every judged frame: a key is on where a note holds the frame's centre."""
    from sonoscope.training.setting import Setting

    folder = run.parent / "prepared"
    config = configured("notes-cnn", f"data.folder={folder}", data=played)
    setting = Setting(config, run.parent, quick=False, say=lambda _: None)
    feed = setting.feed("train")
    batch = feed.batch(5)
    assert batch.targets.shape == (
        8,
        3,
        48,
        88,
    )  # 50 frames in a window, of which the network sees 3 at a time
    for row, begin, found in zip(batch.rows, batch.starts, batch.targets, strict=True):
        file = played / setting.data.shards.rows[row].annotation.rpartition("/")[2]
        lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
        for frame in (0, 13, 30, 47):
            centre = (begin + (1 + frame) * 160) / RATE
            sounding = {int(p) - 21 for on, off, p, *_ in lines if float(on) <= centre < float(off)}
            assert set(np.flatnonzero(found[1, frame])) == sounding


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["losses=[focal]"], "loss of its own"),
        (["augment=[{name: gain}]"], "augment does nothing"),
        (["data.window_s=null"], "set data.window_s"),
        (["network.backbone={name: small_cnn}"], "does not answer for every frame"),
        (["network.backbone.stages.0.1.0=4"], "odd number"),
        (["network.backbone.stages.0.1.0=55"], "fewer than the 55"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], message: str, played: Path, run: Path, tmp_path: Path
) -> None:
    folder = run.parent / "prepared"
    config = configured("notes-cnn", f"data.folder={folder}", *words, data=played)
    with pytest.raises(UsageError, match=message):
        transcribe.fit(config, tmp_path / "run", say=lambda _: None)


def test_rows_without_notes_are_named(played: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"path,labels\n{played / '0.wav'},piano\n")
    with pytest.raises(UsageError, match=r"0\.wav has no annotation.*musicnet"):
        notes_of(sources.load(str(tmp_path / "manifest.csv")))


def test_the_command_lists_them(capsys: Any) -> None:
    assert main(["train", "--list"]) == 0
    assert set(NAMES) <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}


def test_what_is_monitored_follows_the_kind() -> None:
    assert start.monitored(compose({})) == "val_map"
    assert start.monitored(compose({"kind": "notes"})) == "val_ap"
    assert start.monitored(compose({"kind": "notes"}, ["training.monitor=val_loss"])) == "val_loss"
    assert start.monitored(compose({"kind": "pretrain", "pretext": {"name": "masked"}})) == "val_loss"


@pytest.mark.slow
def test_a_search_among_networks_of_notes(played: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from sonoscope.training import search, space
    from sonoscope.training.plans import Asked

    config = configured("notes-cnn", "training.epochs=1", "training.epoch_batches=2", data=played)
    axes = space.axes(["learning_rate=0.001..0.01:log"], ranges=True)
    found = search.search(Asked(config.to_dict(), ()), axes, 2, tmp_path / "found", say=lambda _: None)
    assert found.monitor == "val_ap" and found.best is not None and found.best.value is not None
    assert (
        len(found.trials) == 2
        and (tmp_path / "found" / found.best.folder / "bundle" / "model.onnx").is_file()
    )
