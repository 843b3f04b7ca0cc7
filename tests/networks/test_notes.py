"""The note network: shapes, sizes, what a frame depends on, streaming, harmonics by shift, and its graph."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from sonoscope.errors import UnknownName, UsageError
from sonoscope.networks import notes
from sonoscope.networks.notegraph import write_note_graph

TINY = notes.NoteSpec(first=8, channels=8, dilations=(1, 12))


def rows_like_sound(batch: int, time: int) -> torch.Tensor:
    """Random decibels."""
    return torch.randn(batch, time, 620, generator=torch.Generator().manual_seed(time)) * 20 - 60


@pytest.fixture(scope="module")
def network() -> notes.NoteNetwork:
    """A tiny network whose statistics are not those of a fresh one."""
    torch.manual_seed(0)
    made = notes.build(TINY)
    with torch.no_grad():
        for _ in range(3):
            made(rows_like_sound(2, 30))
        made.answer.weight.mul_(20.0)
    return made.eval()


@pytest.mark.parametrize(
    ("name", "low", "high"), [("nano", 22e3, 30e3), ("small", 110e3, 140e3), ("large", 6e5, 8e5)]
)
def test_the_sizes_are_what_they_are_called(name: str, low: float, high: float) -> None:
    assert low <= sum(p.numel() for p in notes.build(name).parameters()) <= high


@torch.no_grad()
def test_three_answers_for_each_frame_and_key(network: notes.NoteNetwork) -> None:
    field = network.receptive_field
    answers = network(rows_like_sound(2, field + 6))
    assert [answer.shape for answer in answers] == [(2, 7, 88)] * 3


@torch.no_grad()
def test_a_frame_depends_on_its_field_and_all_of_it(network: notes.NoteNetwork) -> None:
    field = network.receptive_field
    rows = rows_like_sound(1, field + 20)
    before = torch.stack(network(rows))
    for changed in (3, field + 9):
        other = rows.clone()
        other[:, changed] += 30.0
        moved = (torch.stack(network(other)) - before).abs().amax(dim=(0, 1, 3)) > 1e-6
        expected = [frame <= changed < frame + field for frame in range(21)]
        assert moved.tolist() == expected


@torch.no_grad()
def test_blocks_of_any_size_give_what_the_whole_gives(network: notes.NoteNetwork) -> None:
    field, rows = network.receptive_field, rows_like_sound(1, 90)
    whole = torch.stack(network(rows)).sigmoid()
    for step in (1, 7, 32):
        parts = [
            torch.stack(network(rows[:, first : first + step + field - 1]))
            for first in range(0, 90 - field + 1, step)
        ]
        torch.testing.assert_close(torch.cat(parts, dim=2).sigmoid(), whole, atol=1e-5, rtol=0)


def test_harmonics_are_read_by_a_shift(network: notes.NoteNetwork) -> None:
    rows = rows_like_sound(1, 3)
    maps = network.stacked(rows)
    assert maps.shape == (1, 11, 3, 264)
    level = (rows - network.mean) / network.std
    for number, harmonic in enumerate((0.5, 1, 2, 3, 4, 5, 6, 7)):
        for pitch in (0, 40, 120, 263):
            at = pitch + round(36 * np.log2(harmonic))
            expected = level[0, :, at] if 0 <= at < 310 else torch.zeros(3)
            torch.testing.assert_close(maps[0, number, :, pitch], expected)
    for number, harmonic in enumerate((1, 2, 3)):
        at = 100 + round(36 * np.log2(harmonic))
        torch.testing.assert_close(maps[0, 8 + number, :, 100], level[0, :, 310 + at])


@torch.no_grad()
def test_a_network_that_reaches_further_down_answers_as_before(network: notes.NoteNetwork) -> None:
    further = notes.reaching(network, (0.25, 0.1)).eval()
    assert notes.build(further.config).config == further.config
    rows = rows_like_sound(1, 20)
    for before, after in zip(network(rows), further(rows), strict=True):
        torch.testing.assert_close(after, before)
    maps, level = further.stacked(rows), (rows - network.mean) / network.std
    torch.testing.assert_close(maps[:, :11], network.stacked(rows))
    torch.testing.assert_close(maps[0, 11, :, 72:], level[0, :, : 264 - 72])
    torch.testing.assert_close(maps[0, 12, :, 120:], level[0, :, : 264 - 120])
    assert not maps[0, 11, :, :72].any() and not maps[0, 12, :, :120].any()
    # Once it has learnt what they say, they change what it answers.
    further.first.weight[:, 11:] = 0.1
    assert not torch.allclose(further(rows)[0], network(rows)[0])
    with pytest.raises(UsageError, match="below"):
        notes.NoteSpec(below=(0.5,))


@torch.no_grad()
def test_heads_that_see_further_keys_answer_as_before_until_they_learn(network: notes.NoteNetwork) -> None:
    further = notes.reaching(network, under=(24, 38)).eval()
    assert notes.build(further.config).config == further.config and further.spec.under == (24, 38)
    rows = rows_like_sound(1, 20)
    for before, after in zip(network(rows), further(rows), strict=True):
        torch.testing.assert_close(after, before)
    # What they learn of the keys 38 below changes the keys from 37 on, and no other.
    wide = network.spec.channels
    further.hidden.weight[:, -(further.hidden.in_channels - wide) // 2 :] = 0.1
    onset, learnt = network(rows)[0], further(rows)[0]
    torch.testing.assert_close(learnt[..., :37], onset[..., :37])
    assert not torch.isclose(learnt[..., 37:], onset[..., 37:]).all()
    with pytest.raises(UsageError, match="under"):
        notes.NoteSpec(under=(88,))


def test_a_network_with_more_maps_answers_as_before_and_all_of_it_learns() -> None:
    narrow = notes.build({"size": "nano", "below": (0.1,), "under": (24, 38)}).eval()
    for table in narrow.buffers():  # running statistics that are no longer those of a fresh norm
        if table.ndim == 1 and len(table) <= 16:
            table.uniform_(0.5, 1.5)
    further = notes.reaching(narrow, channels=24).eval()
    assert further.spec.channels == 24 and further.spec.under == narrow.spec.under
    rows = rows_like_sound(1, 20)
    for before, after in zip(narrow(rows), further(rows), strict=True):
        torch.testing.assert_close(after, before)
    # The new maps have no say yet: the weights that read them learn first, then those that make them.
    held = {name: weight.clone() for name, weight in further.named_parameters()}
    optimizer = torch.optim.SGD(further.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        onset, sustain, _ = further(rows)
        (onset.square().mean() + sustain.square().mean()).backward()
        optimizer.step()
    assert not [name for name, weight in further.named_parameters() if torch.equal(weight, held[name])]
    few = dict(narrow.named_parameters())
    more = {n: len(few[n]) for n, weight in further.named_parameters() if len(weight) > len(few[n])}
    assert {"keys.weight", "norm2.weight", "blocks.0.wide.weight", "hidden.weight"} <= set(more)
    still = [n for n, first in more.items() if torch.equal(further.get_parameter(n)[first:], held[n][first:])]
    assert not still
    with pytest.raises(UsageError, match="none is taken away"):
        notes.reaching(narrow, channels=8)


@torch.no_grad()
def test_velocity_is_the_level_of_the_first_partials_where_a_note_begins(network: notes.NoteNetwork) -> None:
    field, key = network.receptive_field, 60 - notes.LOWEST
    own = field - 1 - network.look_ahead  # the row that the first answer speaks for

    def velocity(level: float, row: int, key: int = key) -> float:
        rows = torch.full((1, field, 620), -60.0)
        for shift in (0, 36, 57):
            rows[:, row, 310 + 3 * key + shift] = level
        return 127 * float(network(rows)[2].sigmoid()[0, 0, key])

    assert velocity(-38.0, own) - velocity(-48.0, own) == pytest.approx(19.5, abs=0.01)
    assert velocity(-48.0, own, 64 - notes.LOWEST) == pytest.approx(80.0, abs=0.01)
    # As loud, a higher note is struck harder; one partial of three counts a third; it may come as late as is looked.
    assert velocity(-48.0, own, 76 - notes.LOWEST) == pytest.approx(80 + 11.6 + 3.3, abs=0.01)
    assert velocity(-38.0, field - 1) == pytest.approx(velocity(-38.0, own), abs=0.01)
    assert velocity(-38.0, own - 1) == pytest.approx(velocity(-60.0, own), abs=0.01)


@torch.no_grad()
def test_folding_changes_nothing(network: notes.NoteNetwork) -> None:
    rows = rows_like_sound(1, 40)
    whole = notes.folded(network)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in whole.modules())
    torch.testing.assert_close(torch.stack(whole(rows)), torch.stack(network(rows)), atol=1e-4, rtol=1e-4)


def test_the_graph_answers_as_torch_does_and_in_blocks(network: notes.NoteNetwork, tmp_path) -> None:
    assert write_note_graph(network, tmp_path / "model.onnx") <= 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [out.name for out in session.get_outputs()] == ["onset", "sustain", "velocity"]
    field, rows = network.receptive_field, rows_like_sound(1, 60).numpy()
    whole = session.run(None, {"frames": rows})
    assert all(out.min() >= 0 and out.max() <= 1 for out in whole)
    for first in (0, 20, 33):
        block = session.run(None, {"frames": rows[:, first : first + field + 5]})
        for part, all_of_it in zip(block, whole, strict=True):
            np.testing.assert_allclose(part, all_of_it[:, first : first + 6], atol=1e-5)


def test_a_network_is_built_again_from_its_configuration(network: notes.NoteNetwork) -> None:
    again = notes.build(network.config)
    again.load_state_dict(network.state_dict())
    rows = rows_like_sound(1, 30)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(rows), network(rows))
    assert notes.build({"size": "nano", "channels": 24}).spec.first == notes.SIZES["nano"].first


def test_the_look_ahead_is_less_than_what_lies_behind() -> None:
    small = notes.build("small")
    assert small.look_ahead == 4
    assert small.receptive_field - 1 - small.look_ahead == 10
    # 80 ms of frames and 85 ms of window: within the 200 ms that live answers may take.
    assert small.look_ahead * 480 + 2048 <= 0.2 * 24_000


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownName, match="nano"):
        notes.build("nanno")
    with pytest.raises(UsageError, match="centred=9 must lie in"):
        notes.NoteSpec(centred=9)
    with pytest.raises(UsageError, match="must be at least 264"):
        notes.NoteSpec(n_pitches=100)
