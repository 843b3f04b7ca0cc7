"""Training learns what it is shown, writes what happened, and goes on where it was stopped."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.training.loop import TrainSpec, fit, statistics  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

FRAMES, BINS, CLASSES = 12, 16, 3
#: Just beyond the first checkpoint, so that stopping and going on is tested with few steps left.
SPEC = TrainSpec(steps=520, batch_size=8, learning_rate=0.01, smoothing=0.0, weight_decay=0.0, average=0.98)


class Stopped(Exception):
    """What a killed job looks like from inside."""


class EightExamples:
    """The same eight windows for ever, or until ``limit`` batches were drawn."""

    def __init__(self, limit: int | None = None) -> None:
        rng = np.random.default_rng(0)
        self.limit, self.drawn = limit, 0
        self.frames = (-40 + 15 * rng.standard_normal((8, FRAMES, BINS))).astype(np.float32)
        self.targets = rng.integers(0, 2, (8, CLASSES)).astype(np.float32)
        self.judged = np.ones((8, CLASSES), dtype=np.float32)
        # Wrong on purpose and not judged: to be ignored.
        self.judged[0, 0] = 0.0

    def batches(self, seed: int, size: int, *, first: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        while self.limit is None or self.drawn < self.limit:
            self.drawn += 1
            yield self.frames[:size], self.targets[:size], self.judged[:size]
        raise Stopped


def fresh() -> Network:
    """A network of one small convolution, without dropout, so that two runs can be compared."""
    torch.manual_seed(0)
    stages = [[16, [3, 3], [1, 2]], [16, [3, 3], [2, 2]]]
    network = Network(
        BINS,
        CLASSES,
        backbone={"name": "valid_cnn", "stages": stages, "dim": 24, "dropout": 0.0},
        head={"name": "framewise_attention", "dropout": 0.0},
    )
    network.set_normalisation(*statistics(EightExamples(), windows=8))  # type: ignore[arg-type]
    return network


def history(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Network]:
    """Folder, fitted network and averaged network of a run that nobody stopped."""
    folder, network = tmp_path_factory.mktemp("runs") / "whole", fresh()
    averaged = fit(network, EightExamples(), SPEC, folder)  # type: ignore[arg-type]
    return folder, network, averaged


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_eight_examples_are_learnt_by_heart(whole, precision: str, tmp_path: Path) -> None:
    _, _, averaged = whole
    data = EightExamples()
    if precision != SPEC.precision:
        averaged = fit(fresh(), data, replace(SPEC, precision=precision), tmp_path)  # type: ignore[arg-type]
        assert {weights.dtype for weights in averaged.parameters()} == {torch.float32}
    with torch.no_grad():
        said = averaged.window_logits(torch.from_numpy(data.frames)) > 0
    right = said.numpy() == (data.targets > 0)
    assert right[data.judged > 0].all()
    assert not averaged.training


def test_the_run_says_what_happened(whole) -> None:
    folder, _, averaged = whole
    rows = history(folder)
    assert [int(row["step"]) for row in rows] == list(range(50, 501, 50))
    losses = [float(row["loss"]) for row in rows]
    assert losses[-1] < 0.05 < losses[0]
    rates = [float(row["learning_rate"]) for row in rows]
    assert max(rates) == pytest.approx(SPEC.learning_rate, rel=0.02)
    assert rates[-1] < 0.05 * SPEC.learning_rate
    kept = torch.load(folder / "averaged.pt", weights_only=True)
    for name, value in averaged.state_dict().items():
        assert torch.equal(kept[name], value)


def test_the_average_follows_the_weights(whole) -> None:
    _, network, averaged = whole
    for name, value in averaged.state_dict().items():
        last = network.state_dict()[name].cpu()
        if value.is_floating_point():
            torch.testing.assert_close(value, last, atol=0.05, rtol=0.2)
        else:
            assert value == last


def test_a_stopped_run_goes_on_and_ends_where_an_unstopped_one_does(whole, tmp_path: Path) -> None:
    _, expected, expected_average = whole
    with pytest.raises(Stopped):
        fit(fresh(), EightExamples(limit=510), SPEC, tmp_path)  # type: ignore[arg-type]
    assert (tmp_path / "last.ckpt").is_file()
    assert not (tmp_path / "averaged.pt").exists()
    network, data = fresh(), EightExamples()
    averaged = fit(network, data, SPEC, tmp_path)  # type: ignore[arg-type]
    # From the checkpoint of step 500, not from the start (a loader may draw a batch ahead).
    assert data.drawn <= 22
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, atol=1e-5, rtol=1e-4)
    # One update of the average lies between a checkpoint and its step.
    for name, value in expected_average.state_dict().items():
        torch.testing.assert_close(averaged.state_dict()[name], value, atol=2e-3, rtol=1e-2)
    assert [row["step"] for row in history(tmp_path)].count("50") == 1


def test_statistics_are_those_of_the_windows() -> None:
    data = EightExamples()
    mean, std = statistics(data, windows=8)  # type: ignore[arg-type]
    flat = data.frames.reshape(-1, BINS).astype(np.float64)
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(std, flat.std(axis=0), rtol=1e-3)
