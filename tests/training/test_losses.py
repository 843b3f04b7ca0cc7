"""Each loss against a closed form in its limits, a naive recomputation, or another library."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from sonoscope.errors import UnknownName, UsageError

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402

from sonoscope.training.losses import EMBEDDING_LOSSES, LOSSES  # noqa: E402
from sonoscope.training.losses.bce import balance, with_positive_weights  # noqa: E402
from sonoscope.training.losses.family import families_of, family_logit, with_families  # noqa: E402
from sonoscope.training.losses.objective import Objective, tried  # noqa: E402
from sonoscope.training.losses.pairs import Margins, relations  # noqa: E402

pytestmark = pytest.mark.train

ROWS, CLASSES, DIM = 12, 4, 6


@pytest.fixture
def cells():
    generator = torch.Generator().manual_seed(0)
    logits = 3.0 * torch.randn(ROWS, CLASSES, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (ROWS, CLASSES), generator=generator).double()
    judged = torch.randint(0, 3, (ROWS, CLASSES), generator=generator).clamp(max=1).double()
    return logits, targets, judged


@pytest.fixture
def rows():
    """Embeddings, one label each, all judged."""
    generator = torch.Generator().manual_seed(1)
    embeddings = torch.randn(ROWS, DIM, generator=generator, dtype=torch.float64)
    targets = functional.one_hot(torch.arange(ROWS) % 3, CLASSES).double()
    return embeddings, targets, torch.ones_like(targets)


def test_binary_cross_entropy_by_hand() -> None:
    logits, targets = torch.tensor([[0.0, 2.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    judged = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    expected = (np.log(2) + np.log1p(np.exp(2.0)) + np.log1p(np.exp(-1.0))) / 3
    assert float(LOSSES["bce"](logits, targets, judged)) == pytest.approx(expected, rel=1e-6)
    # Smoothing by 0.1 makes the targets 0.95 and 0.05.
    softened = LOSSES["bce"](torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1, 1), smoothing=0.1)
    assert float(softened) == pytest.approx(np.log(2), rel=1e-6)
    sure = float(LOSSES["bce"](torch.full((1, 1), 30.0), torch.ones(1, 1), torch.ones(1, 1), smoothing=0.1))
    assert sure == pytest.approx(0.05 * 30.0, rel=1e-5)


def test_positive_weights_multiply_the_positives(cells) -> None:
    logits, targets, _ = cells
    judged, weights = torch.ones_like(targets), torch.tensor([1.0, 2.0, 5.0, 10.0], dtype=torch.float64)
    expected = functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
    torch.testing.assert_close(LOSSES["bce"](logits, targets, judged, positive_weights=weights), expected)


def test_balanced_weights_are_negatives_per_positive() -> None:
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    judged = torch.ones(4, 3)
    judged[3, 0] = 0.0
    assert balance(targets, judged).tolist() == [2.0, 1.0, 1.0]
    many = torch.zeros(200, 1)
    many[0] = 1.0
    assert balance(many, torch.ones(200, 1)).tolist() == [50.0]
    asked = [{"name": "bce", "positive_weights": "balanced"}, {"name": "focal"}]
    made = with_positive_weights(asked, lambda: (targets, judged))
    assert made == [{"name": "bce", "positive_weights": [2.0, 1.0, 1.0]}, {"name": "focal"}]
    objective = Objective(made, dim=DIM, n_classes=3)
    assert objective.state_dict()["positive_weights_bce"].tolist() == [2.0, 1.0, 1.0]


def test_focal_loss_of_weighed_positives_is_weighed_cross_entropy_without_gamma() -> None:
    generator = torch.Generator().manual_seed(3)
    logits, weights = torch.randn(6, 4, generator=generator), torch.tensor([1.0, 2.0, 0.5, 3.0])
    cells = logits, (logits > 0.3).float(), torch.ones(6, 4)
    found = LOSSES["focal"](*cells, gamma=0.0, positive_weights=weights)
    torch.testing.assert_close(found, LOSSES["bce"](*cells, positive_weights=weights))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("focal", {"gamma": 0.0}),
        ("asymmetric", {"g_positive": 0.0, "g_negative": 0.0, "margin": 0.0}),
        ("family", {"family_weight": 0.0, "families": [[0, 1]]}),
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_limits_are_binary_cross_entropy(cells, name: str, parameters: dict, smoothing: float) -> None:
    expected = LOSSES["bce"](*cells, smoothing=smoothing)
    torch.testing.assert_close(LOSSES[name](*cells, smoothing=smoothing, **parameters), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_loss_cell_by_cell(cells, gamma: float, alpha: float | None) -> None:
    logits, targets, judged = cells
    total = count = 0.0
    for i, c in product(range(ROWS), range(CLASSES)):
        if judged[i, c]:
            p = 1 / (1 + math.exp(-float(logits[i, c])))
            true = p if targets[i, c] else 1 - p
            share = 1.0 if alpha is None else alpha if targets[i, c] else 1 - alpha
            total, count = total - share * (1 - true) ** gamma * math.log(true), count + 1
    assert float(LOSSES["focal"](*cells, gamma=gamma, alpha=alpha)) == pytest.approx(total / count)


def test_an_easy_negative_weighs_less_than_a_hard_one() -> None:
    one = torch.ones(1, 1)
    for logit in (-4.0, 4.0):
        plain = LOSSES["bce"](torch.tensor([[logit]]), 0 * one, one)
        shrunk = float(LOSSES["focal"](torch.tensor([[logit]]), 0 * one, one, gamma=2.0) / plain)
        p = 1 / (1 + math.exp(-logit))
        assert shrunk == pytest.approx(p**2, rel=1e-4)


def test_asymmetric_loss_cell_by_cell(cells) -> None:
    logits, targets, judged = cells
    total = count = 0.0
    for i, c in product(range(ROWS), range(CLASSES)):
        if judged[i, c]:
            p = 1 / (1 + math.exp(-float(logits[i, c])))
            m = max(p - 0.05, 0.0)
            total -= (1 - p) * math.log(p) if targets[i, c] else m**4 * math.log(1 - m)
            count += 1
    found = LOSSES["asymmetric"](*cells, g_positive=1.0, g_negative=4.0, margin=0.05)
    assert float(found) == pytest.approx(total / count)


def test_cross_entropy_is_torchs(cells) -> None:
    logits, _, _ = cells
    classes = torch.arange(ROWS) % CLASSES
    targets, judged = functional.one_hot(classes, CLASSES).double(), torch.ones(ROWS, CLASSES)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    for smoothing in (0.0, 0.1):
        expected = functional.cross_entropy(logits, classes, label_smoothing=smoothing)
        torch.testing.assert_close(
            LOSSES["cross_entropy"](logits, targets, judged, smoothing=smoothing), expected
        )
    expected = functional.cross_entropy(logits, classes, weight=weights)
    torch.testing.assert_close(LOSSES["cross_entropy"](logits, targets, judged, weights=weights), expected)


def test_cross_entropy_leaves_unknown_classes_out_of_the_softmax(cells) -> None:
    logits, _, _ = cells
    targets = functional.one_hot(torch.zeros(ROWS, dtype=torch.long), CLASSES).double()
    judged = torch.ones(ROWS, CLASSES).double()
    judged[:, 2] = 0.0
    expected = functional.cross_entropy(logits[:, [0, 1, 3]], torch.zeros(ROWS, dtype=torch.long))
    torch.testing.assert_close(LOSSES["cross_entropy"](logits, targets, judged), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_cell_by_cell(cells, smoothing: float) -> None:
    """Rows of several labels share them out; unknown classes are outside, rows without a known label do not count."""
    logits, targets, judged = cells
    total = count = 0.0
    for i in range(ROWS):
        known = [c for c in range(CLASSES) if judged[i, c]]
        sounding = [c for c in known if targets[i, c]]
        if sounding:
            whole = math.log(sum(math.exp(float(logits[i, c])) for c in known))
            for c in known:
                share = (1 - smoothing) * (c in sounding) / len(sounding) + smoothing / len(known)
                total += share * (whole - float(logits[i, c]))
            count += 1
    assert 0 < count < ROWS and (targets * judged).sum(dim=1).max() > 1
    assert float(LOSSES["cross_entropy"](*cells, smoothing=smoothing)) == pytest.approx(total / count)


def test_families_name_labels_or_are_those_of_the_instruments():
    labels = ("cello", "violin", "flute", "piano")
    named = {"name": "family", "families": [["cello", "piano"], [2]], "family_weight": 0.5}
    assert with_families([named, {"name": "bce"}], labels) == [
        {"name": "family", "families": [[0, 3], [2]], "family_weight": 0.5}, {"name": "bce"},
    ]  # fmt: skip
    grown = with_families([{"name": "contrastive", "family_margin": 0.5}, {"name": "family"}], labels)
    assert [term["families"] for term in grown] == [[[0, 1], [2], [3]]] * 2
    assert with_families([{"name": "contrastive"}, {"name": "family", "families": []}], labels)[0] == {
        "name": "contrastive"
    }
    with pytest.raises(UsageError, match=r"'celo' is no label. Did you mean 'cello'"):
        with_families([{"name": "family", "families": [["celo"]]}], labels)
    with pytest.raises(UsageError, match=r"class 4 must lie in 0..3"):
        with_families([{"name": "family", "families": [[4]]}], labels)
    with pytest.raises(UsageError, match=r"needs families, and none is known for the labels whale, rain"):
        with_families([{"name": "family"}], ("whale", "rain"))


def test_a_family_sounds_where_a_member_does() -> None:
    logits = torch.tensor([[-1.0, 0.5, 2.0], [-80.0, -90.0, -100.0], [80.0, 3.0, -5.0]], dtype=torch.float64)
    p = torch.sigmoid(logits[0])
    expected = torch.logit(1 - torch.prod(1 - p))
    torch.testing.assert_close(family_logit(logits)[0], expected)
    # Far down it is the sum of the probabilities, far up the sum of the odds.
    assert float(family_logit(logits)[1]) == pytest.approx(-80.0, abs=1e-4)
    assert float(family_logit(logits)[2]) == pytest.approx(83.06, abs=0.02)
    torch.testing.assert_close(family_logit(logits[:, :1]), logits[:, 0])


def test_families_that_may_sound_for_all_we_know_do_not_count() -> None:
    logits, targets = torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]])
    families = {"families": [[0, 2]], "family_weight": 1.0}
    known = LOSSES["family"](logits, targets, torch.ones(1, 3), **families)
    assert float(known) == pytest.approx(math.log(2) + math.log(4))  # 1 - (1/2)^2 = 3/4 that one sounds
    unknown = LOSSES["family"](logits, targets, torch.tensor([[1.0, 1.0, 0.0]]), **families)
    assert float(unknown) == pytest.approx(math.log(2))
    assert families_of(["strings", "winds", "strings", ""]) == [[0, 2], [1]]


def test_family_loss_cell_by_cell(cells) -> None:
    """A judged member that sounds is enough to know its family; members that nobody judged have no part in it."""
    logits, targets, judged = cells
    families = [[0, 2, 3], [1]]
    total = count = 0.0
    for i, members in product(range(ROWS), families):
        known = [c for c in members if judged[i, c]]
        sounds = any(targets[i, c] for c in known)
        if sounds or len(known) == len(members):
            silent = math.prod(1 - 1 / (1 + math.exp(-float(logits[i, c]))) for c in known)
            total, count = total - math.log(1 - silent if sounds else silent), count + 1
    expected = float(LOSSES["bce"](*cells)) + 0.25 * total / count
    found = LOSSES["family"](*cells, families=families, family_weight=0.25)
    assert float(found) == pytest.approx(expected)


def test_arcface_without_margin_is_the_softmax_of_scaled_cosines(rows) -> None:
    embeddings, targets, judged = rows
    loss = EMBEDDING_LOSSES["arcface"](DIM, CLASSES, margin=0.0, scale=7.0).double()
    cosines = functional.normalize(embeddings, dim=1) @ functional.normalize(loss.directions, dim=1).T
    expected = functional.cross_entropy(7.0 * cosines, targets.argmax(dim=1))
    torch.testing.assert_close(loss(embeddings, targets, judged), expected)


def test_arcface_of_many_labels_is_that_of_repeated_embeddings(rows) -> None:
    embeddings, targets, judged = rows
    targets = targets.clone()
    targets[0, 1] = targets[5, 3] = 1.0
    loss = EMBEDDING_LOSSES["arcface"](DIM, CLASSES, margin=0.3).double()
    terms = []
    for i, c in torch.nonzero(targets).tolist():
        # The row once for this label, its other labels neither right nor wrong.
        known = judged[i : i + 1].clone()
        known[0, (targets[i] > 0) & (torch.arange(CLASSES) != c)] = 0.0
        terms.append(loss(embeddings[i : i + 1], targets[i : i + 1] * known, known))
    torch.testing.assert_close(loss(embeddings, targets, judged), torch.stack(terms).mean())


def test_arcface_is_the_librarys(rows) -> None:
    library = pytest.importorskip("pytorch_metric_learning.losses")
    embeddings, targets, judged = rows
    ours = EMBEDDING_LOSSES["arcface"](DIM, CLASSES, margin=math.radians(28.6), scale=64.0).double()
    theirs = library.ArcFaceLoss(CLASSES, DIM).double()
    with torch.no_grad():
        theirs.W.copy_(ours.directions.T)
    torch.testing.assert_close(
        ours(embeddings, targets, judged), theirs(embeddings, targets.argmax(dim=1)), rtol=1e-5, atol=1e-5
    )


def test_a_wider_margin_costs_more(rows) -> None:
    losses = []
    for margin in (0.0, 0.2, 0.5, 1.0):
        torch.manual_seed(0)
        losses.append(float(EMBEDDING_LOSSES["arcface"](DIM, CLASSES, margin=margin).double()(*rows)))
    assert losses == sorted(losses)


def test_arcface_falls_on_where_the_widened_angle_is_beyond_pi() -> None:
    loss = EMBEDDING_LOSSES["arcface"](2, 2, margin=1.0, scale=5.0).double()
    with torch.no_grad():
        loss.directions.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    angles = torch.linspace(0.0, math.pi, 50, dtype=torch.float64)[:, None]
    targets = torch.tensor([[1.0, 0.0]])
    costs = [
        float(loss(torch.cat([angle.cos(), angle.sin()])[None], targets, torch.ones(1, 2)))
        for angle in angles
    ]
    assert costs == sorted(costs)


def test_contrastive_loss_pair_by_pair(rows) -> None:
    embeddings, targets, judged = rows
    x = functional.normalize(embeddings, dim=1).numpy()
    labels = targets.argmax(dim=1)
    pull, push = [], []
    for i, j in product(range(ROWS), repeat=2):
        d = float(np.linalg.norm(x[i] - x[j]))
        if i != j:
            (pull if labels[i] == labels[j] else push).append(
                d**2 if labels[i] == labels[j] else max(0, 1.2 - d) ** 2
            )
    loss = EMBEDDING_LOSSES["contrastive"](DIM, CLASSES, margin=1.2)
    assert float(loss(embeddings, targets, judged)) == pytest.approx(np.mean(pull) + np.mean(push))


def test_supervised_contrastive_loss_is_the_librarys(rows) -> None:
    library = pytest.importorskip("pytorch_metric_learning.losses")
    embeddings, targets, judged = rows
    ours = EMBEDDING_LOSSES["supervised_contrastive"](DIM, CLASSES, temperature=0.2)
    theirs = library.SupConLoss(temperature=0.2)
    torch.testing.assert_close(
        ours(embeddings, targets, judged), theirs(embeddings, targets.argmax(dim=1)), rtol=1e-5, atol=1e-6
    )


def test_rows_that_none_is_like_are_asked_nothing(rows) -> None:
    embeddings, targets, judged = rows
    targets = targets.clone()
    targets[0] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    x = functional.normalize(embeddings, dim=1)
    scores, labels = (x @ x.T / 0.2).numpy(), targets.argmax(dim=1).tolist()
    asked = []
    for i in range(1, ROWS):
        others = [j for j in range(ROWS) if j != i]
        whole = math.log(sum(math.exp(scores[i, j]) for j in others))
        asked.append(np.mean([whole - scores[i, j] for j in others if labels[j] == labels[i]]))
    loss = EMBEDDING_LOSSES["supervised_contrastive"](DIM, CLASSES, temperature=0.2)
    assert float(loss(embeddings, targets, judged)) == pytest.approx(np.mean(asked))


@pytest.mark.parametrize("miner", ["all", "hard", "semihard"])
def test_triplet_loss_triplet_by_triplet(rows, miner: str) -> None:
    embeddings, targets, judged = rows
    labels = targets.argmax(dim=1).tolist()
    d = torch.cdist(*[functional.normalize(embeddings, dim=1)] * 2).numpy()
    found = []
    for a in range(ROWS):
        alikes = [i for i in range(ROWS) if labels[i] == labels[a] and i != a]
        others = [i for i in range(ROWS) if labels[i] != labels[a]]
        if miner == "all":
            chosen = list(product(alikes, others))
        elif miner == "hard":
            chosen = [(max(alikes, key=lambda i: d[a, i]), min(others, key=lambda i: d[a, i]))]
        else:
            chosen = []
            for p in alikes:
                beyond = [i for i in others if d[a, i] > d[a, p]]
                n = min(beyond, key=lambda i: d[a, i]) if beyond else max(others, key=lambda i: d[a, i])
                chosen.append((p, n))
        found += [max(0.0, d[a, p] - d[a, n] + 0.3) for p, n in chosen]
    loss = EMBEDDING_LOSSES["triplet"](DIM, CLASSES, miner=miner, margin=0.3)
    assert float(loss(embeddings, targets, judged)) == pytest.approx(np.mean(found), abs=1e-6)


def test_triplets_of_other_families_lie_further_apart(rows) -> None:
    """Of the classes 0, 1 and 2 the first two are one family: the margin to the third is the wider one."""
    embeddings, targets, judged = rows
    labels = targets.argmax(dim=1).tolist()
    d = torch.cdist(*[functional.normalize(embeddings, dim=1)] * 2).numpy()
    found = [
        max(0.0, d[a, p] - d[a, n] + (0.9 if 2 in (labels[a], labels[n]) else 0.3))
        for a, p, n in product(range(ROWS), repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]
    loss = EMBEDDING_LOSSES["triplet"](
        DIM, CLASSES, miner="all", margin=0.3, families=[[0, 1], [2]], family_margin=0.6
    )
    assert float(loss(embeddings, targets, judged)) == pytest.approx(np.mean(found), abs=1e-6)


def test_triplets_that_are_right_by_the_margin_cost_nothing() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    for miner in ("all", "hard", "semihard"):
        loss = EMBEDDING_LOSSES["triplet"](2, 2, miner=miner, margin=1.9)
        assert float(loss(embeddings, targets, torch.ones(4, 2))) == 0.0


def test_pairs_that_may_be_alike_are_left_out() -> None:
    targets = torch.tensor(
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    )
    judged = torch.ones(5, 3)
    judged[1, 0] = 0.0
    alike, different = relations(targets, judged)
    assert alike[0].tolist() == [False, False, True, False, False]
    assert different[0].tolist() == [False, False, False, True, True]  # row 1 might sound as row 0 does
    assert not different[3, 4]  # two silences are not two different sounds
    assert not (alike & different).any()


def test_margins_grow_with_family_and_genre() -> None:
    targets, judged = torch.eye(3), torch.ones(3, 3)
    margins = Margins(1.0, families=[[0, 1], [2]], family=0.5, genre=0.25)
    expected = [[1.0, 1.0, 1.5], [1.0, 1.0, 1.5], [1.5, 1.5, 1.0]]
    assert margins.matrix(targets, judged).tolist() == expected
    by_genre = margins.matrix(targets, judged, torch.tensor([0, 1, -1]))
    assert by_genre.tolist() == [[1.0, 1.25, 1.5], [1.25, 1.0, 1.5], [1.5, 1.5, 1.0]]


def test_centre_loss_is_half_the_variance_at_the_means(rows) -> None:
    embeddings, targets, judged = rows
    loss = EMBEDDING_LOSSES["center"](DIM, CLASSES).double()
    torch.testing.assert_close(loss(embeddings, targets, judged), 0.5 * embeddings.square().sum(dim=1).mean())
    means = torch.stack([embeddings[c::3].mean(dim=0) for c in range(3)])
    with torch.no_grad():
        loss.centres[:3] = means
    value = loss(embeddings, targets, judged)
    torch.testing.assert_close(
        value, 0.5 * (embeddings - means[torch.arange(ROWS) % 3]).square().sum(dim=1).mean()
    )
    value.backward()
    assert loss.centres.grad.abs().max() < 1e-12  # the means are where the loss is least


def test_centroids_are_where_classes_lay_in_the_epoch_before(rows) -> None:
    embeddings, targets, judged = rows
    objective = Objective(["bce", {"name": "centroid", "from_epoch": 2}], dim=DIM, n_classes=CLASSES).double()
    loss = objective.on_embeddings["centroid"]
    logits = torch.zeros_like(targets)
    for epoch, shown in ((0, 9.0), (1, 1.0), (2, 5.0)):
        objective.begin_epoch(epoch)
        assert bool(loss.measured.any()) == (epoch == 2)
        far = objective.terms(logits, targets, judged, embeddings=shown * embeddings)["centroid"]
        assert (float(far) > 0) == (epoch == 2)
        objective.eval()  # validation has no share in them
        objective.terms(logits, targets, judged, embeddings=100.0 + embeddings)
        objective.train()
    expected = EMBEDDING_LOSSES["centroid"](DIM, CLASSES).double()
    expected.measure(embeddings, targets, judged)
    torch.testing.assert_close(loss.centroids, expected.centroids)
    going_on = Objective(["bce", {"name": "centroid", "from_epoch": 2}], dim=DIM, n_classes=CLASSES).double()
    going_on.load_state_dict(objective.state_dict())
    torch.testing.assert_close(going_on.on_embeddings["centroid"].centroids, expected.centroids)
    with pytest.raises(UsageError, match="from_epoch=0 must be at least 1"):
        EMBEDDING_LOSSES["centroid"](DIM, CLASSES, from_epoch=0)


def test_distance_to_measured_centroids(rows) -> None:
    embeddings, targets, judged = rows
    loss = EMBEDDING_LOSSES["centroid"](DIM, CLASSES).double()
    assert float(loss(embeddings, targets, judged)) == 0.0  # nothing measured yet
    loss.measure(embeddings, targets, judged)
    assert loss.measured.tolist() == [True, True, True, False]
    at_centroids = loss.centroids[torch.arange(ROWS) % 3]
    assert float(loss(3.0 * at_centroids, targets, judged)) == pytest.approx(0.0, abs=1e-12)
    expected = 1 - functional.cosine_similarity(embeddings, at_centroids)
    torch.testing.assert_close(loss(embeddings, targets, judged), expected.mean())
    assert "centroids" in loss.state_dict()


def test_euclidean_distance_to_centroids(rows) -> None:
    embeddings, targets, judged = rows
    loss = EMBEDDING_LOSSES["centroid"](DIM, CLASSES, distance="euclidean").double()
    loss.measure(embeddings, targets, judged)
    means = torch.stack([embeddings[c::3].mean(dim=0) for c in range(3)])
    expected = 0.5 * (embeddings - means[torch.arange(ROWS) % 3]).square().sum(dim=1)
    torch.testing.assert_close(loss(embeddings, targets, judged), expected.mean())


def test_an_objective_is_the_sum_of_its_terms(cells) -> None:
    logits, targets, judged = cells
    embeddings = torch.randn(ROWS, DIM, dtype=torch.float64)
    objective = Objective(
        ["bce", {"name": "focal", "gamma": 1.0, "weight": 0.5}, {"name": "arcface", "weight": 0.2}],
        dim=DIM,
        n_classes=CLASSES,
        smoothing=0.1,
    ).double()
    arcface = objective.on_embeddings["arcface"]
    expected = (
        LOSSES["bce"](*cells, smoothing=0.1)
        + 0.5 * LOSSES["focal"](*cells, gamma=1.0, smoothing=0.1)
        + 0.2 * arcface(embeddings, targets, judged)
    )
    torch.testing.assert_close(objective(logits, targets, judged, embeddings=embeddings), expected)
    assert list(objective.terms(logits, targets, judged, embeddings=embeddings)) == [
        "bce",
        "focal",
        "arcface",
    ]
    assert len(list(objective.parameters())) == 1
    with pytest.raises(UsageError, match="the loss 'arcface' needs embeddings"):
        objective(logits, targets, judged)


def test_an_objective_holds_its_positive_weights(cells) -> None:
    objective = Objective(
        {"name": "bce", "positive_weights": [1.0, 2.0, 3.0, 4.0]}, dim=DIM, n_classes=CLASSES
    ).double()
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(objective(*cells), LOSSES["bce"](*cells, positive_weights=weights))
    assert "positive_weights_bce" in objective.state_dict()


def test_an_objective_hands_on_genres_and_weights_of_rows(rows) -> None:
    embeddings, targets, judged = rows
    objective = Objective({"name": "contrastive", "genre_margin": 0.5}, dim=DIM, n_classes=CLASSES).double()
    plain = objective(embeddings, targets, judged, embeddings=embeddings)
    genres = torch.arange(ROWS) % 2
    wider = objective(embeddings, targets, judged, embeddings=embeddings, genres=genres)
    assert float(wider) > float(plain)
    unknown = objective(embeddings, targets, judged, embeddings=embeddings, genres=torch.full((ROWS,), -1))
    torch.testing.assert_close(unknown, plain)
    weights = torch.ones(ROWS, 1, dtype=torch.float64)
    weights[6:] = 0.0
    half = objective(embeddings[:6], targets[:6], judged[:6], embeddings=embeddings[:6])
    weighed = objective(embeddings, targets, judged, embeddings=embeddings, weights=weights)
    torch.testing.assert_close(weighed, half)


def test_half_precision_costs_no_digits_of_the_loss(rows) -> None:
    embeddings, targets, judged = (part.float() for part in rows)
    objective = Objective(["focal", "arcface", "triplet"], dim=DIM, n_classes=CLASSES)
    logits = torch.randn(ROWS, CLASSES).bfloat16()
    embeddings = embeddings.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = objective(logits, targets, judged, embeddings=embeddings)
    assert mixed.dtype == torch.float32
    full = objective(logits.float(), targets, judged, embeddings=embeddings.float())
    torch.testing.assert_close(mixed, full)


OWN = """
import torch

def three(logits, targets, judged):
    return (judged * (torch.sigmoid(logits) - targets) ** 2).mean()

def two(logits, targets):
    return (torch.sigmoid(logits) - targets).abs().mean()

class Spread(torch.nn.Module):
    def __init__(self, dim, n_classes):
        super().__init__()

    def forward(self, embeddings, targets, judged):
        return 1.0 - embeddings.std()

class Broken(Spread):
    def __init__(self, dim, n_classes):
        super().__init__(dim)
"""


def test_a_loss_of_ones_own_takes_what_it_wants(tmp_path, rows) -> None:
    """Three arguments are enough; smoothing, weights and genres are given to those that take them."""
    (tmp_path / "own.py").write_text(OWN)
    embeddings, targets, judged = rows
    own = Objective([f"{tmp_path}/own.py:three", f"{tmp_path}/own.py:Spread"], dim=DIM, n_classes=CLASSES)
    logits = torch.randn(ROWS, CLASSES).to(targets.dtype)
    expected = (judged * (torch.sigmoid(logits) - targets) ** 2).mean() + 1.0 - embeddings.std()
    torch.testing.assert_close(own(logits, targets, judged, embeddings=embeddings), expected)
    with pytest.raises(UsageError, match=r"own\.py:three' takes no weights"):
        own(logits, targets, judged, embeddings=embeddings, weights=torch.ones(CLASSES))
    with pytest.raises(UsageError, match=r"two' cannot be called: .* is called with logits, targets, judged"):
        Objective(f"{tmp_path}/own.py:two", dim=DIM, n_classes=CLASSES)
    with pytest.raises(UsageError, match=r"Broken' cannot be made: TypeError"):
        Objective(f"{tmp_path}/own.py:Broken", dim=DIM, n_classes=CLASSES)


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ("focla", UnknownName, r"unknown loss 'focla'\. Did you mean 'focal'\?"),
        (
            {"name": "focal", "gama": 1},
            UnknownName,
            r"unknown parameter 'gama' of this loss\. Did you mean 'gamma'",
        ),
        ([], UsageError, "at least one term"),
        (["bce", "bce"], UsageError, "the loss 'bce' is named twice"),
        ({"name": "triplet", "miner": "easy"}, UsageError, "miner='easy' must be one of all, hard, semihard"),
        (
            {"name": "centroid", "distance": "city"},
            UsageError,
            "distance='city' must be one of cosine, euclidean",
        ),
        ({"name": "arcface", "margin": 2.0}, ValueError, r"margin=2\.0 must lie in 0\.\.pi/2"),
        ({"name": "supervised_contrastive", "temperature": 0}, ValueError, "temperature=0 must be positive"),
    ],
)
def test_refusals_say_what_is_wrong(terms, error, message: str) -> None:
    with pytest.raises(error, match=message):
        Objective(terms, dim=DIM, n_classes=CLASSES)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("focal", {"gamma": -1.0}, r"gamma=-1\.0 must be at least 0"),
        ("focal", {"alpha": 2.0}, r"alpha=2\.0 must lie in 0\.\.1"),
        ("asymmetric", {"margin": 1.0}, r"margin=1\.0 must lie in 0\.\.1"),
        ("bce", {"smoothing": 1.5}, r"smoothing=1\.5 must lie in 0\.\.1"),
        ("family", {"family_weight": -0.1}, r"family_weight=-0\.1 must be at least 0"),
    ],
)
def test_parameters_out_of_range_are_refused(cells, name: str, parameters: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LOSSES[name](*cells, **parameters)


def test_a_loss_is_tried_before_a_training(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def each(logits, targets, judged):\n    return (logits - targets) * judged\n"
    )
    with pytest.raises(UsageError, match=r"own\.py:each' makes \(2, 4\) values of a batch, not one number"):
        tried(f"{tmp_path}/own.py:each", dim=DIM, n_classes=4)
    with pytest.raises(UsageError, match="takes no weights"):
        tried(f"{tmp_path}/own.py:each", dim=DIM, n_classes=4, weights=torch.ones(4))
    state = torch.random.get_rng_state()
    made = tried(["bce", {"name": "centroid", "weight": 0.1}], dim=DIM, n_classes=4)
    assert torch.equal(torch.random.get_rng_state(), state), (
        "what follows is drawn as if it had not been tried"
    )
    assert not any(value.any() for name, value in made.named_buffers() if "count" in name or "sum" in name)


def test_a_loss_of_the_library_takes_many_labels(rows) -> None:
    pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import losses

    embeddings, targets, judged = rows
    ours = EMBEDDING_LOSSES["metric_learning"](DIM, CLASSES, loss="ContrastiveLoss", neg_margin=0.7)
    theirs = losses.ContrastiveLoss(neg_margin=0.7)
    torch.testing.assert_close(ours(embeddings, targets, judged), theirs(embeddings, targets.argmax(dim=1)))
    with pytest.raises(UnknownName, match=r"unknown loss 'ArcFaceLos'.*Did you mean 'ArcFaceLoss'\?"):
        EMBEDDING_LOSSES["metric_learning"](DIM, CLASSES, loss="ArcFaceLos")
