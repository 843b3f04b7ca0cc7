"""Searches: spaces as they are written, trials that learn from each other, what is kept, and going on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
optuna = pytest.importorskip("optuna")

from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.training import config as configs  # noqa: E402
from sonoscope.training import rundir, search, space  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.plans import Asked  # noqa: E402
from sonoscope.training.sections import BadConfig, plain  # noqa: E402
from sonoscope.training.space import Choices, Range  # noqa: E402

pytestmark = pytest.mark.train

Tones = Callable[..., Config]
SHORT = ("training.epochs=3", "training.epoch_batches=3", "training.monitor=val_loss")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate=1e-4..1e-2:log", Range("training.learning_rate", 1e-4, 1e-2, False, log=True)),
        ("training.batch_size=8..64:8", Range("training.batch_size", 8, 64, True, step=8)),
        ("losses.0.smoothing=0..0.3", Range("losses.0.smoothing", 0, 0.3, False)),
        ("head=mlp,fluffy", Choices("network.head", ("mlp", "fluffy"))),
        ("augment=[{name: gain, share: 0.5}],[]", Choices("augment", ("[{name: gain, share: 0.5}]", "[]"))),
        ("data.train_where=fold=a..b", Choices("data.train_where", ("fold=a..b",))),
    ],
)
def test_a_space_is_written_as_a_sweep_is(text: str, expected: space.Axis) -> None:
    assert space.axis(text, ranges=True) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=9..3", "9 must lie below 3"),
        ("learning_rate=0..1:log", "0 must lie above 0 for :log"),
        ("epochs=1..9:0.5", "a step of 0.5 must be above 0, and whole"),
        ("epochs=1..9:fast", "':fast' must be ':log', or a step"),
        ("epochs", r"must be key=a,b or key=low\.\.high"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        space.axis(text, ranges=True)
    with pytest.raises(BadConfig, match="twice"):
        space.axes(["epochs=1,2", "training.epochs=3,4"], ranges=True)


def test_a_sweep_knows_no_ranges() -> None:
    with pytest.raises(BadConfig, match="add --search N"):
        space.axes(["learning_rate=1e-4..1e-2"], ranges=False)


def asked(config: Config, *words: str) -> Asked:
    return Asked(config.to_dict(), words)


def axes(*texts: str) -> list[space.Axis]:
    return space.axes(texts, ranges=True)


SPACE = ("learning_rate=1e-7..3e-2:log", "head=linear,framewise_attention")


@pytest.fixture(scope="module")
def found(tones: Tones, tmp_path_factory: pytest.TempPathFactory) -> search.Found:
    place = tmp_path_factory.mktemp("search") / "run"
    return search.search(asked(tones(*SHORT)), axes(*SPACE), 6, place, say=lambda _: None)


def test_it_finds_what_learns_and_keeps_it(found: search.Found) -> None:
    """Rates down to a ten-millionth do not learn in nine steps: the best one is far above."""
    assert len(found.trials) == 6 and found.best is not None
    values = [trial.value for trial in found.trials if trial.value is not None]
    assert values == sorted(values)
    best = configs.from_dict(plain(found.place / search.BEST))
    assert best.training.learning_rate > 1e-4
    assert f"training.learning_rate={best.training.learning_rate:.6g}" in found.best.words
    assert rundir.read_config(found.place / found.best.folder).network == best.network
    assert (found.place / found.best.folder / "bundle" / "model.onnx").is_file()
    with open(found.place / search.TABLE, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [trial.folder for trial in found.trials]
    assert float(rows[0]["training.learning_rate"]) == pytest.approx(best.training.learning_rate, rel=1e-5)
    assert found.best.folder in search.table(found).splitlines()[1]


def test_the_test_part_has_no_say(found: search.Found) -> None:
    """The figure is the validation's at its best epoch, as the history has it."""
    assert found.best is not None
    with open(found.place / found.best.folder / rundir.HISTORY, newline="") as file:
        measured = [float(line["val_loss"]) for line in csv.DictReader(file)]
    assert found.best.value == pytest.approx(min(measured))


@pytest.mark.slow
def test_what_is_worse_than_the_median_is_given_up(tones: Tones, tmp_path: Path) -> None:
    """Four that learn, then one that cannot: it ends after two of three epochs, and is not tested."""
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path / search.DATABASE}", study_name="search", direction="minimize"
    )
    for rate in (0.01, 0.011, 0.012, 0.013, 1e-9):
        study.enqueue_trial({"training.learning_rate": rate})
    space = axes("learning_rate=1e-9..0.1:log")
    found = search.search(asked(tones(*SHORT)), space, 5, tmp_path, resume=True, say=lambda _: None)
    last = found.trials[-1]
    assert (last.folder, last.state, last.value, last.epochs) == ("trial-004", "given up", None, 2)
    assert [trial.state for trial in found.trials[:4]] == ["trained"] * 4
    finished = [folder.parent.name for folder in tmp_path.glob(f"*/{rundir.METRICS}")]
    assert found.best is not None and finished == [found.best.folder]


@pytest.mark.slow
def test_a_search_goes_on_as_if_nobody_had_stopped_it(
    found: search.Found, tones: Tones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in the middle of the third trial; what is tried afterwards is what was tried without."""
    words, place = asked(tones(*SHORT)), tmp_path / "run"
    from sonoscope.training import watch

    class Cut(Exception):
        pass

    original, epochs = watch.Watch.on_train_epoch_end, []

    def cut(self, trainer, module):
        original(self, trainer, module)
        epochs.append(trainer.current_epoch)
        if len(epochs) == 8:
            raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(watch.Watch, "on_train_epoch_end", cut)
        with pytest.raises(Cut):
            search.search(words, axes(*SPACE), 4, place, say=lambda _: None)
    again = search.search(words, axes(*SPACE), 4, place, resume=True, say=lambda _: None)
    expected = {t.folder: t for t in found.trials if t.folder < "trial-004"}
    assert {t.folder: (t.words, t.state, t.value) for t in again.trials} == {
        name: (t.words, t.state, t.value) for name, t in expected.items()
    }
    with pytest.raises(UsageError, match="--resume goes on with it"):
        search.search(words, axes(*SPACE), 4, place)
    with pytest.raises(UsageError, match="another space"):
        search.search(words, axes("head=linear,mlp"), 4, place, resume=True)


def test_values_that_do_not_go_together_are_told_and_left_behind(tones: Tones, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match=r"none of 3 trials could be trained.*conv9"):
        search.search(
            asked(tones(*SHORT, "training.phases=[{train: from conv9}]")),
            axes(*SPACE),
            5,
            tmp_path,
            say=said.append,
        )
    assert sum("cannot be trained: unknown layer 'conv9'" in line for line in said) == 3


def test_models_without_epochs_are_searched_by_their_answers(tones: Tones, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    config = tones(
        "kind=classical",
        "model=logistic",
        "features=[{name: mfcc, sample_rate: 8000, hop_samples: 200, f_max_hz: 4000}]",
    )
    found = search.search(
        asked(config), axes("model.c=1e-4..1e2:log"), 3, tmp_path / "run", say=lambda _: None
    )
    assert found.best is not None and 0 < (found.best.value or 0) <= 1
    assert [trial.state for trial in found.trials] == ["trained"] * 3
