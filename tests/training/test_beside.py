"""What is known beside the sound: columns become inputs, and reach heads and losses of a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from sonoscope.data.rows import Row  # noqa: E402
from sonoscope.errors import UsageError  # noqa: E402
from sonoscope.training import beside  # noqa: E402
from sonoscope.training.config import Config  # noqa: E402
from sonoscope.training.engine import fit  # noqa: E402

pytestmark = pytest.mark.train

ROWS = [
    Row("a", extra={"genre": "jazz", "drums": "yes", "bpm": "96"}),
    Row("b", extra={"genre": "pop", "drums": "no"}),
    Row("c", extra={"genre": "", "drums": "nod", "bpm": "120.5"}),
    Row("d", extra={"genre": "jazz"}),
]


def test_columns_become_numbers_and_choices_with_masks() -> None:
    found = beside.of_rows(ROWS, {"genre": 3, "drums": 1, "bpm": 1})
    values, known = found["genre"]
    assert values.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]] and known.tolist() == [1, 1, 0, 1]
    assert found["drums"][0].T.tolist() == [[1, 0, 0, 0]] and found["drums"][1].tolist() == [1, 1, 1, 0]
    assert found["bpm"][0].T.tolist() == [[96, 0, 120.5, 0]] and found["bpm"][1].tolist() == [1, 0, 1, 0]


def test_half_of_what_is_known_is_hidden_and_nothing_is_made_up() -> None:
    known = beside.of_rows(ROWS, {"drums": 1})
    clips = torch.arange(4).repeat(500)
    values, seen = beside.drawn(known, clips, torch.Generator().manual_seed(0))["drums"]
    assert torch.equal(values, known["drums"][0][clips])
    shares = seen.reshape(500, 4).mean(dim=0)
    assert shares[3] == 0 and all(abs(float(share) - 0.5) < 0.1 for share in shares[:3])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"gender": 2}, r"'gender' is no column that is filled.*Columns: bpm, drums, genre"),
        ({"genre": 1}, r"'jazz', which is neither a number nor yes or no.*inputs: \{genre: n\}"),
        ({"bpm": 1, "genre": 1}, "neither a number"),
        ({"drums": 2}, r"'drums' has 3 values \(no, nod, yes\), the head's input 2 places"),
    ],
)
def test_what_does_not_fit_is_refused(inputs: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        beside.of_rows(ROWS, inputs)


def test_a_training_hears_of_genres_and_drums(
    sounds: Path, tones: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns of the manifest reach the head in training, not in validation, and the margins of a loss."""
    lines = (sounds / "manifest.csv").read_text().splitlines()
    table = [lines[0] + ",genre,drums"]
    table += [f"{line},{('jazz', 'pop', '')[n % 3]},{('yes', '')[n % 2]}" for n, line in enumerate(lines[1:])]
    # Beside the sounds, as paths are relative to it, under a name of its own.
    (sounds / "told.csv").write_text("\n".join(table) + "\n")
    from sonoscope.networks.heads.auxiliary import Auxiliary
    from sonoscope.training.losses.pairs import Margins

    heard: list[tuple[bool, bool]] = []
    genres: list[set[int]] = []
    head, margins = Auxiliary.forward, Margins.matrix

    def spy_head(self, embedding, mask=None, **more):
        heard.append((self.training, bool(more)))
        return head(self, embedding, mask, **more)

    def spy_margins(self, targets, judged, given=None):
        genres.append(set() if given is None else set(given.tolist()))
        return margins(self, targets, judged, given)

    monkeypatch.setattr(Auxiliary, "forward", spy_head)
    monkeypatch.setattr(Margins, "matrix", spy_margins)
    config = tones(
        f"data.train={sounds / 'told.csv'}", "training.epochs=1", "training.epoch_batches=2",
        "network.head={name: auxiliary, inputs: {genre: 2, drums: 1}, head: linear}",
        "losses=[bce, {name: contrastive, genre_margin: 0.5}]",
    )  # fmt: skip
    fit(config, tmp_path / "run", say=lambda _: None, conclude=False)
    assert {told for learning, told in heard if learning} == {True}
    assert {told for learning, told in heard if not learning} == {False}
    assert {-1, 0, 1} <= set.union(*genres)
