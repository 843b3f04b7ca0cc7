"""Fitting the note network: the loss, a tiny overfit, and going on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sonoscope.data.mix.bank import Stem, build
from sonoscope.data.mix.notemix import NoteMix, NoteMixSpec
from sonoscope.features import NoteFreq
from sonoscope.networks import notes as networks
from sonoscope.training.notes import NoteTrainSpec, fit_notes, note_loss, statistics

RATE = 24_000
TINY = networks.NoteSpec(first=8, channels=12, dilations=(1, 12))


@pytest.fixture(scope="module")
def mix(tmp_path_factory) -> NoteMix:
    """One stem of three seconds with a note of decaying harmonics every half second."""
    folder = tmp_path_factory.mktemp("mix")
    time_s, sound, notes = np.arange(3 * RATE) / RATE, np.zeros(3 * RATE), []
    for k, pitch in enumerate((60, 67, 64, 72, 55)):
        onset_s, f = 0.26 + 0.5 * k, 440.0 * 2 ** ((pitch - 69) / 12)
        since = time_s - onset_s
        envelope = np.where((since >= 0) & (since < 0.4), np.exp(-3 * np.maximum(since, 0)), 0.0)
        sound += 0.2 * envelope * sum(np.sin(2 * np.pi * f * h * time_s) / h for h in range(1, 6))
        notes.append((onset_s, onset_s + 0.4, pitch, 90))
    soundfile.write(folder / "a.wav", sound.astype(np.float32), RATE)
    bank = build(folder / "bank", [Stem(folder / "a.wav", "a", (), (), "piano", "", "", False)], NoteFreq())
    field = networks.NoteNetwork(TINY)
    return NoteMix(
        [bank], {"a": np.array(notes)}, field=field.receptive_field, look_ahead=field.look_ahead,
        spec=NoteMixSpec(frames=50, parts=(1.0,), transpose=3, quiet_share=0.0),
    )  # fmt: skip


def network(mix: NoteMix) -> networks.NoteNetwork:
    torch.manual_seed(1)
    made = networks.NoteNetwork(TINY)
    made.set_normalisation(*statistics(mix, segments=8))
    return made


def test_the_loss_is_the_sum_that_it_says() -> None:
    rng = np.random.default_rng(0)
    logits = [torch.from_numpy(rng.standard_normal((2, 4, 88))) for _ in range(3)]
    found = torch.from_numpy(rng.random((2, 3, 4, 88)))
    p, y = [1 / (1 + np.exp(-x.numpy())) for x in logits], found.numpy()
    onset = -(2 * y[:, 0] * np.log(p[0]) + (1 - y[:, 0]) * np.log(1 - p[0])).mean()
    sustain = -(y[:, 1] * np.log(p[1]) + (1 - y[:, 1]) * np.log(1 - p[1])).mean()
    velocity = -(y[:, 0] * (y[:, 2] * np.log(p[2]) + (1 - y[:, 2]) * np.log(1 - p[2]))).sum() / y[:, 0].sum()
    expected = 3 * onset + sustain + 0.005 * velocity
    assert float(note_loss(tuple(logits), found, NoteTrainSpec())) == pytest.approx(expected, rel=1e-6)


def test_a_tiny_network_learns_a_tiny_world(mix: NoteMix, tmp_path: Path) -> None:
    spec = NoteTrainSpec(steps=120, batch_size=4, learning_rate=0.01, average=0.95, checkpoint_every=60)
    told: list[tuple[int, float]] = []
    fitted = fit_notes(network(mix), mix, spec, tmp_path, tell=lambda step, loss: told.append((step, loss)))
    rows, found = next(mix.batches(99, 8))
    with torch.no_grad():
        onset, sustain, _ = (x.sigmoid().numpy() for x in fitted(torch.from_numpy(rows)))
    said, true = sustain > 0.4, found[:, 1] > 0
    assert 2 * (said & true).sum() / (said.sum() + true.sum()) > 0.75
    # The highest onset of a key is where the truth has one, or beside it: nothing is shifted in time.
    segment, frame, key = np.nonzero(found[:, 0] > 0.8)
    inner = (frame > 3) & (frame < 46)
    peaks = [
        onset[s, f - 3 : f + 4, k].argmax() - 3
        for s, f, k in zip(segment[inner], frame[inner], key[inner], strict=True)
    ]
    assert abs(np.median(peaks)) <= 1
    assert told[-1][0] == 120 and told[-1][1] < told[0][1]


@pytest.mark.slow
def test_half_precision_learns_nearly_the_same(mix: NoteMix, tmp_path: Path) -> None:
    losses: dict[bool, list[float]] = {False: [], True: []}
    for half, said in losses.items():
        spec = NoteTrainSpec(steps=50, batch_size=2, half=half)
        fit_notes(
            network(mix), mix, spec, tmp_path / str(half), tell=lambda _, loss, said=said: said.append(loss)
        )
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.05)


def test_heads_can_learn_alone(mix: NoteMix, tmp_path: Path) -> None:
    before = network(mix)
    held = {name: values.clone() for name, values in before.state_dict().items()}
    made = fit_notes(before, mix, NoteTrainSpec(steps=4, batch_size=2, heads=True), tmp_path)
    moved = {name for name, values in made.state_dict().items() if not torch.equal(values, held[name])}
    assert moved == {"hidden.weight", "hidden.bias", "answer.weight", "answer.bias"}


def test_what_was_interrupted_goes_on_as_if_it_had_not_been(mix: NoteMix, tmp_path: Path) -> None:
    spec = NoteTrainSpec(steps=6, batch_size=2, checkpoint_every=3)
    whole = fit_notes(network(mix), mix, spec, tmp_path / "whole")

    class Interrupted(Exception):
        pass

    class Ends(NoteMix):
        def batches(self, seed, size, *, first=0):
            for number, batch in enumerate(super().batches(seed, size, first=first), start=first):
                if number == 4:
                    raise Interrupted
                yield batch

    ends = Ends.__new__(Ends)
    ends.__dict__.update(mix.__dict__)
    with pytest.raises(Interrupted):
        fit_notes(network(mix), ends, spec, tmp_path / "parts")
    parts = fit_notes(network(mix), mix, replace(spec), tmp_path / "parts")
    for one, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    rows = (tmp_path / "parts" / "history.csv").read_text().splitlines()
    assert rows[0] == "step,loss,learning_rate,cpu_s" and rows[-1].startswith("6,")
