"""What a network begins with: what fits is taken and said, what does not is named, heads keep their labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.networks.build import Network  # noqa: E402
from sonoscope.networks.checkpoints import BadCheckpoint  # noqa: E402
from sonoscope.networks.ensemble import joined  # noqa: E402
from sonoscope.training.begin import BACKBONE, begin_with  # noqa: E402

pytestmark = pytest.mark.train

LABELS = ("flute", "organ", "piano")


def network(classes: int = 3, seed: int = 0, *, dim: int = 8, head: str | dict = "linear") -> Network:
    torch.manual_seed(seed)
    return Network(16, classes, backbone={"name": "small_cnn", "stages": [4, 8], "dim": dim}, head=head)


def run(folder: Path, net: Network, labels: tuple[str, ...] = LABELS) -> Path:
    """A run's folder with the parts of a bundle that matter here."""
    bundle = folder / "bundle"
    bundle.mkdir(parents=True)
    save_file(net.state_dict(), bundle / "model.safetensors")
    (bundle / "bundle.json").write_text(json.dumps({"labels": [{"id": label} for label in labels]}))
    return folder


def begun(net: Network, wish: Path | str, labels: tuple[str, ...] = LABELS) -> str:
    said: list[str] = []
    begin_with(net, str(wish), said.append, labels)
    return "\n".join(said)


def same(one: Network, other: Network, part: str) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in one.state_dict().items() if k.startswith(part))


def test_a_run_with_the_same_labels_is_taken_whole(tmp_path: Path) -> None:
    trained, fresh = network(seed=1), network(seed=2)
    said = begun(fresh, run(tmp_path / "run", trained))
    assert same(fresh, trained, "")
    assert f"{len(trained.state_dict())} tensors loaded" in said and "model.safetensors" in said


def test_another_number_of_labels_takes_the_trunk_and_begins_the_head_anew(tmp_path: Path) -> None:
    trained, fresh = network(seed=1), network(4, seed=2)
    said = begun(fresh, run(tmp_path / "run", trained), ("a", "b", "c", "d"))
    assert same(fresh, trained, "backbone.") and same(fresh, network(4, seed=2), "head.")
    assert "2 left out: head.logits" in said
    assert "the head begins anew: it was of flute, organ, piano; here the labels are a, b, c, d" in said


def test_an_ensemble_gives_its_first_member_or_all(tmp_path: Path) -> None:
    members = [network(seed=1), network(seed=2)]
    whole = joined(members)
    fresh = network(seed=3)
    said = begun(fresh, run(tmp_path / "run", whole))
    assert same(fresh, members[0], "backbone.") and same(fresh, network(seed=3), "head.")
    assert "is an ensemble; the backbone begins with its first member" in said
    again = Network(16, 3, backbone=whole.config["backbone"], head="linear")
    assert "first member" not in begun(again, tmp_path / "run")
    assert same(again, whole, "")


def test_as_many_labels_in_another_order_are_other_labels(tmp_path: Path) -> None:
    trained, fresh = network(seed=1), network(seed=2)
    said = begun(fresh, run(tmp_path / "run", trained), ("organ", "flute", "piano"))
    assert same(fresh, network(seed=2), "head.") and "begins anew" in said


def test_another_head_on_a_trained_trunk(tmp_path: Path) -> None:
    """One binary head for each class, on a trunk that was trained under one head for all."""
    trained, fresh = network(seed=1), network(seed=2, head="fluffy")
    said = begun(fresh, run(tmp_path / "run", trained))
    assert same(fresh, trained, "backbone.") and same(fresh, network(seed=2, head="fluffy"), "head.")
    assert "missing in the file: head." in said and "unknown to the network: head.logits" in said


def test_shapes_that_do_not_fit_are_named_with_both(tmp_path: Path) -> None:
    trained, fresh = network(seed=1, dim=12), network(seed=2)
    said = begun(fresh, run(tmp_path / "run", trained))
    assert "backbone.embed.1.weight (12, 16) in the file, (8, 16) here" in said
    assert "head.logits.weight (3, 12) in the file, (3, 8) here" in said
    assert same(fresh, trained, "backbone.convolutions.") and same(fresh, network(seed=2), "backbone.embed.")


def test_a_pretraining_gives_backbone_and_statistics(tmp_path: Path) -> None:
    trained, fresh = network(seed=1), network(seed=2)
    trained.mean += 3.0
    kept = {name: value for name, value in trained.state_dict().items() if not name.startswith("head.")}
    save_file(kept, tmp_path / BACKBONE)
    said = begun(fresh, tmp_path)
    assert same(fresh, trained, "backbone.") and torch.equal(fresh.mean, trained.mean)
    assert "2 missing in the file: head.logits.weight, head.logits.bias" in said


@pytest.mark.parametrize("prefix", ["network.", "averaged.module."])
def test_a_checkpoint_of_a_run_gives_the_network_that_counts(tmp_path: Path, prefix: str) -> None:
    trained, fresh, other = network(seed=1), network(seed=2), network(seed=3)
    state = {f"network.{name}": value for name, value in other.state_dict().items()}
    state |= {f"{prefix}{name}": value for name, value in trained.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "last.ckpt")
    said = begun(fresh, tmp_path / "last.ckpt")
    assert same(fresh, trained, "") and "does not say which labels" in said


def test_a_backbone_by_its_publishers_names(tmp_path: Path) -> None:
    trained, fresh = network(seed=1), network(seed=2)
    torch.save(trained.backbone.state_dict(), tmp_path / "published.pt")
    begun(fresh, tmp_path / "published.pt")
    assert same(fresh, trained, "backbone.")


def test_a_model_by_its_name() -> None:
    torch.manual_seed(0)
    net = Network(96, 14, backbone={"name": "valid_cnn"}, head="framewise_attention")
    said = begun(net, "instruments", tuple("abcdefghijklmn"))
    assert "head begins anew: it was of cello, clarinet, flute" in said


def test_refusals_say_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="no such checkpoint"):
        begun(network(), tmp_path / "nothing.ckpt")
    with pytest.raises(
        UsageError, match="holds no weights: neither a bundle, nor a run that has finished an epoch"
    ):
        begun(network(), tmp_path)
    save_file({"mean": torch.zeros(16), "backbone.other": torch.zeros(1)}, tmp_path / BACKBONE)
    with pytest.raises(UsageError, match="not one of its weights fits the backbone"):
        begun(network(), tmp_path)
