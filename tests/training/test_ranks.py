"""Two processes that train together: the same steps as one with a batch twice as large, and one writer."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from sonoscope.cluster.slurm import Wish  # noqa: E402
from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.training import config as configs  # noqa: E402
from sonoscope.training import loader, plans, ranks, rundir, sbatch  # noqa: E402
from sonoscope.training.batch import NO_CLIP  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.engine import fit  # noqa: E402
from sonoscope.training.prepare import VALIDATION  # noqa: E402
from sonoscope.training.setting import Setting  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
TWO = ("training.devices=2", "training.batch_size=4")
#: Neither batch normalisation, whose statistics are each process's own, nor dropout, which each draws for itself.
PLAIN = (
    "network.backbone={name: crnn, stages: [], hidden: 8, dropout: 0.0}",
    "network.head=linear",
    "data.hop_s=0.5",
)
STEPS = ("training.epochs=2", "training.epoch_batches=3", "training.learning_rate=0.01")


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty clips of exactly a window, so that a batch is its rows and no start is drawn; of nine groups."""
    root = tmp_path_factory.mktemp("equal")
    rng = np.random.default_rng(2)
    lines = ["path,labels,group"]
    for number in range(30):
        time = np.arange(8000) / 8000
        sound = 0.2 * np.sin(2 * np.pi * (300, 900)[number % 2] * time) + 0.02 * rng.standard_normal(8000)
        soundfile.write(root / f"{number}.wav", sound.astype(np.float32), 8000)
        lines.append(f"{number}.wav,{'low' if number % 2 == 0 else 'high'},g{number % 9}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def written(config: Config, path: Path) -> Path:
    path.write_text(config.to_yaml())
    return path


def command(
    *words: str, launcher: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """``sonoscope train`` on processors only, in a process of its own that starts the others itself."""
    start = (sys.executable, "-m", *launcher) if launcher else (sys.executable, "-m")
    return subprocess.run(
        [*start, "sonoscope", "train", *words], capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **variables},
    )  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / rundir.LAST, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def together(tones: Tones, equal: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path, str]:
    """A run of two processes, and what the command said."""
    root = tmp_path_factory.mktemp("two")
    config = tones(f"data.train={equal}", *PLAIN, *STEPS, *TWO)
    done = command(str(written(config, root / "two.yaml")), "-o", str(root / "run"))
    assert done.returncode == 0, done.stderr[-2000:]
    return config, root / "run", done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    together: tuple[Config, Path, str], tones: Tones, equal: Path, tmp_path: Path
) -> None:
    """Weights after six steps of AdamW, equal but for the order of sums."""
    one = tones(f"data.train={equal}", *PLAIN, *STEPS, "training.batch_size=8")
    fit(one, tmp_path / "one", say=lambda _: None, conclude=False)
    ours, theirs = weights(together[1]), weights(tmp_path / "one")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=2e-5, rtol=1e-4, msg=name)
    start = Setting(one, tmp_path / "fresh", quick=False, say=lambda _: None).network.state_dict()
    moved = [name for name, value in start.items() if (theirs[f"network.{name}"] - value).abs().max() > 1e-3]
    assert any(name.startswith("backbone.") for name in moved) and any(n.startswith("head.") for n in moved)
    # And both answer alike: validation was shared out and put together again.
    found, expected = (history(folder) for folder in (together[1], tmp_path / "one"))
    for name in ("loss", "val_loss", "val_map"):
        assert [row[name] for row in found] == pytest.approx([row[name] for row in expected], abs=1e-4), name


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / rundir.HISTORY, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 2])
def test_processes_with_fewer_batches_to_validate_are_not_waited_for(
    tones: Tones, equal: Path, tmp_path: Path, size: int
) -> None:
    """Five clips are one batch or three: two processes cannot have equally many that count."""
    config = tones(f"data.train={equal}", "training.epochs=1", *TWO, f"training.batch_size={size}")
    done = command(str(written(config, tmp_path / "two.yaml")), "--quick", "-o", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Warning" not in done.stderr
    best = max(history(tmp_path / "run"), key=lambda row: row["val_map"])
    assert best["val_clips"] == 5
    # The first process alone, after the training.
    alone = rundir.read_metrics(tmp_path / "run")["validation"]["map"]
    assert best["val_map"] == pytest.approx(alone, abs=1e-4)


@pytest.mark.slow
def test_notes_that_two_processes_count_are_those_of_one(tmp_path: Path) -> None:
    """What each of them has counted is added."""
    rng, lines = np.random.default_rng(5), ["path,labels,group,annotation"]
    for number in range(10):
        time = np.arange(16000) / 8000
        last = 0.6 + 0.14 * number  # notes of different lengths, so that no batch is like another
        sound = 0.2 * np.sin(2 * np.pi * 220.0 * 2 ** (number / 12) * time) * (time > 0.5) * (time < last)
        sound += 0.01 * rng.standard_normal(time.size)
        soundfile.write(tmp_path / f"{number}.wav", sound.astype(np.float32), 8000)
        (tmp_path / f"{number}.notes.csv").write_text(
            f"onset,offset,pitch,velocity\n0.5,2.0,{57 + number},90\n"
        )
        lines.append(f"{number}.wav,piano,piece{number},{number}.notes.csv")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    values = {
        "kind": "notes",
        "data": {"train": [str(tmp_path)], "window_s": 1.0, "validation_share": 0.5, "test_share": 0.0},
        "features": [{"name": "logfreq", "sample_rate": 8000, "n_fft": 2048, "hop_samples": 160, "bins_per_octave": 24,
                      "n_bins": 168, "f_min_hz": 27.5}],
        "network": {"backbone": {"name": "valid_cnn", "stages": [[8, [3, 3], [1, 2]]], "dim": 16, "keep_bins": True},
                    "head": "linear"},
        "training": {"epochs": 1, "epoch_batches": 40, "batch_size": 3, "learning_rate": 0.01, "devices": "2"},
    }  # fmt: skip
    path = written(configs.compose(values), tmp_path / "two.yaml")
    done = command(str(path), "-o", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = history(tmp_path / "run")
    alone = rundir.read_metrics(tmp_path / "run")["validation"]
    for name in ("ap", "f1", "onset_ap", "onset_f1"):
        assert row[f"val_{name}"] == pytest.approx(alone[name], abs=1e-4), name


@pytest.mark.slow
def test_one_process_writes(together: tuple[Config, Path, str]) -> None:
    _, folder, said = together
    history = (folder / rundir.HISTORY).read_text().splitlines()
    assert len(history) == 3
    assert said.count("clips to learn from") == 1 and said.count("epoch 1/2") == 1
    assert len(list(folder.glob("tensorboard/events*"))) <= 1
    for name in ("metrics.json", "bundle/model.onnx", "test.npz", "best.ckpt"):
        assert (folder / name).is_file(), name


def test_processes_have_equally_many_batches_and_each_counts_once(
    tones: Tones, equal: Path, tmp_path: Path
) -> None:
    for numbers, world in (([0, 1, 2], 2), ([4], 3), ([], 2), ([0, 2, 4, 6], 2)):
        shares = [loader.shared_out(numbers, rank, world) for rank in range(world)]
        assert len({len(share) for share in shares}) == 1
        assert sorted(n for share in shares for n, counts in share if counts) == numbers
    for words in ((), ("data.shown=clips", "data.window_s=null")):
        config = tones(f"data.train={equal}", "training.batch_size=4", "training.validate_share=0.6", *words)
        setting = Setting(config, tmp_path / f"run{len(words)}", quick=False, say=lambda _: None)
        shares = [list(setting._in_order(VALIDATION, rank, 4, 0.6)) for rank in range(4)]
        assert len({len(share) for share in shares}) == 1
        kept = sorted(c for share in shares for b in share for c in b.clips.tolist() if c != NO_CLIP)
        assert kept == sorted(c for b in setting._in_order(VALIDATION, 0, 1, 0.6) for c in b.clips.tolist())


def test_shares_of_a_batch_meet_nowhere_and_miss_nothing(tones: Tones, equal: Path, tmp_path: Path) -> None:
    """What two processes are given, side by side, is what one is given in batches twice as large."""
    config = tones(f"data.train={equal}", *PLAIN, "training.batch_size=3")
    setting = Setting(config, tmp_path / "run", quick=False, say=lambda _: None)
    shares = [[list(b.clips) for b in setting._drawn(rank, 2, 4)] for rank in range(2)]
    larger = replace(config, training=replace(config.training, batch_size=6))
    setting.config = larger
    whole = [list(batch.clips) for batch in setting._drawn(0, 1, 4)]
    for one, other, both in zip(*shares, whole, strict=True):
        assert one + other == both
    setting.config = config
    shares = [[int(c) for b in setting._in_order("val", rank, 2) for c in b.clips] for rank in range(2)]
    everything = [int(c) for b in setting.loader_of("val") for c in b.clips]
    assert sorted(shares[0] + shares[1]) == sorted(everything) and all(shares)


def test_whole_clips_are_as_many_batches_for_each(tones: Tones, equal: Path, tmp_path: Path) -> None:
    config = tones(f"data.train={equal}", *PLAIN[:2], "data.window_s=null", "training.batch_size=5")
    setting = Setting(config, tmp_path / "run", quick=False, say=lambda _: None)
    counts = [len(list(setting._drawn(rank, 2, 1))) for rank in range(2)]
    assert counts[0] == counts[1] > 0 and len(list(setting._drawn(0, 1, 1))) in (
        2 * counts[0],
        2 * counts[0] - 1,
    )


@pytest.mark.slow
def test_a_launcher_may_start_all_at_once(together: tuple[Config, Path, str], tmp_path: Path) -> None:
    """As ``srun`` does: the second process waits until the first has prepared the data; and it goes on the same."""
    config, folder, _ = together
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
    file = str(written(config, tmp_path / "two.yaml"))
    done = command(file, "-o", str(tmp_path / "run"), launcher=launcher)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, value in weights(folder).items():
        assert torch.equal(weights(tmp_path / "run")[name], value), name


@pytest.mark.parametrize(
    ("devices", "nodes", "count"), [("1", 1, 1), ("2", 1, 2), ("2", 3, 6), ("0,2", 1, 2), ("[1]", 2, 2)]
)
def test_processes_are_counted(devices: str, nodes: int, count: int) -> None:
    training = configs.compose({}, [f"training.nodes={nodes}"]).training
    assert ranks.processes(replace(training, devices=devices)) == count


def test_strategies_that_copy_a_process_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    training = configs.compose({}, ["training.strategy=ddp_spawn", "training.devices=2"]).training
    with pytest.raises(UsageError, match="copies a running process"):
        ranks.strategy(training)
    assert ranks.strategy(configs.compose({}).training) == "auto"


def test_ranks_are_read_from_what_starts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    training = configs.compose({}, ["training.devices='4'", "training.nodes=2"]).training
    for name in ("LOCAL_RANK", "NODE_RANK", "TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert ranks.rank(training) == 0 and ranks.scheduled() is None
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("NODE_RANK", "1")
    assert ranks.rank(training) == 7
    for name, value in (
        ("SLURM_NTASKS", "8"),
        ("SLURM_NTASKS_PER_NODE", "4"),
        ("SLURM_PROCID", "5"),
        ("SLURM_JOB_NAME", "job"),
    ):
        monkeypatch.setenv(name, value)
    assert ranks.rank(training) == 5
    assert ranks.rank(configs.compose({}).training) == 0


# ---- a script for SLURM --------------------------------------------------------------------------------------


def test_a_job_is_a_script_that_goes_on(tones: Tones, tmp_path: Path) -> None:
    """It parses, asks for what was wished, and runs the command with what the wish means for the training."""
    (plan,) = plans.plans(plans.Asked(tones().to_dict(), ()))
    wish = Wish(nodes=2, gpus_per_node=4, time="2-00:00:00", partition="gpu")
    text = sbatch.script(["cnn-mel", "my clips", "training.epochs=3"], [plan], Path("runs/a b"), wish)
    for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--time=2-00:00:00", "--partition=gpu",
                 "--requeue", "--signal=B:USR1@180"):  # fmt: skip
        assert f"#SBATCH {line}\n" in text, line
    assert text.startswith("#!/bin/bash\n#SBATCH") and "--account" not in text and "--array" not in text
    said = ran(text, tmp_path)
    assert said == ["--kill-on-bad-exit=1", "sonoscope", "train", "cnn-mel", "my clips", "training.epochs=3",
                    "training.devices=4", "training.nodes=2", "-o", "runs/a b", "--resume"]  # fmt: skip


def ran(text: str, folder: Path, **variables: str) -> list[str]:
    """The words that a script gives to ``srun``."""
    program = folder / "srun"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(0o755)
    (folder / "job.sh").write_text(text)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}
    done = subprocess.run(
        ["bash", str(folder / "job.sh")], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.splitlines()


def test_several_trainings_are_an_array_of_jobs(tones: Tones, tmp_path: Path) -> None:
    planned = plans.plans(
        plans.Asked(tones().to_dict(), ()), seeds=2, sweep=["augment=[],[{name: gain, share: 0.5}]"]
    )
    text = sbatch.script(["tones.yaml"], planned, Path("runs/tones"), Wish())
    assert "#SBATCH --array=0-3\n" in text and "%A_%a" in text
    said = [ran(text, tmp_path, SLURM_ARRAY_TASK_ID=str(number)) for number in range(4)]
    assert said[3][3:] == ["tones.yaml", "augment=[{name: gain, share: 0.5}]", "training.seed=1", "-o",
                           f"runs/tones/{planned[3].folder}", "--resume"]  # fmt: skip
    assert len({tuple(words) for words in said}) == 4


def test_the_end_of_the_time_sends_it_back_to_the_queue(tones: Tones, tmp_path: Path) -> None:
    import signal
    import time

    (plan,) = plans.plans(plans.Asked(tones().to_dict(), ()))
    (tmp_path / "srun").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "job.sh").write_text(sbatch.script(["x"], [plan], Path("r"), Wish()))
    job = subprocess.Popen(
        ["bash", str(tmp_path / "job.sh")], start_new_session=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "42"},
    )  # fmt: skip
    time.sleep(1.0)
    job.send_signal(signal.SIGUSR1)
    job.wait(timeout=20)
    os.killpg(job.pid, signal.SIGTERM)
    assert (tmp_path / "asked").read_text() == "requeue 42\n"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"nodes": 0}, "--nodes 0"),
        ({"gpus_per_node": -1}, "--gpus-per-node -1"),
        ({"time": "soon"}, "--time 'soon'"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(wish: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Wish(**wish)  # type: ignore[arg-type]
