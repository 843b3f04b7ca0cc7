"""Splits: no group is cut, nothing is lost, shares are met better than by chance; and the certificate counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonoscope.data import certificate, duplicates, manifest, splits, stratify, units
from sonoscope.data.duplicates import Pair
from sonoscope.data.rows import BadManifest, Manifest, Row
from sonoscope.errors import UnknownName, UsageError

LABELS = ("piano", "violin", "voice", "drums")


def made(seed: int, groups: int = 30, most: int = 6) -> Manifest:
    """Groups of one to ``most`` clips with labels that go with the group, as those of songs do."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        own = [label for label, p in zip(LABELS, (0.6, 0.3, 0.3, 0.15), strict=True) if rng.random() < p]
        for clip in range(int(rng.integers(1, most + 1))):
            labels = tuple(label for label in own if rng.random() < 0.9)
            rows.append(
                Row(f"{group}/{clip}.wav", duration_s=float(rng.uniform(1, 9)), labels=labels, group=f"g{group}",
                    site=f"s{group % 4}")
            )  # fmt: skip
    return Manifest(tuple(rows), Path())


def parts_of_groups(m: Manifest) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in m.rows:
        found.setdefault(row.group, set()).add(row.split)
    return found


# ---- what always holds -------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    groups=st.integers(3, 25),
    most=st.integers(1, 5),
    split_seed=st.integers(0, 5),
)
def test_no_group_is_cut_every_row_is_assigned_and_the_same_seed_gives_the_same(
    seed, groups, most, split_seed
):
    m = made(seed, groups, most)
    out = splits.assign(m, seed=split_seed)
    assert all(len(parts) == 1 for parts in parts_of_groups(out).values())
    assert {row.split for row in out.rows} == {"train", "val", "test"}
    assert [replace(row, split="") for row in out.rows] == list(m.rows)
    assert splits.assign(m, seed=split_seed) == out
    assert certificate.certify(out).leaks == 0


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(2, 5))
def test_folds_are_parts_of_equal_weight(seed, k):
    out = splits.folds(made(seed), k, seed=seed)
    assert {row.split for row in out.rows} == {f"fold{i + 1}" for i in range(k)}
    held = Counter()
    for row in out.rows:
        held[row.split] += row.duration_s
    assert max(held.values()) < 1.25 * sum(held.values()) / k
    assert certificate.certify(out).leaks == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.2, 0.8))
def test_moving_cuts_no_group_and_leaves_the_other_parts(seed, share):
    m = splits.assign(made(seed), seed=seed)
    out = splits.move(m, "val", "train", share)
    assert all(len(parts) == 1 for parts in parts_of_groups(out).values())
    for before, after in zip(m.rows, out.rows, strict=True):
        assert after.split == before.split or (before.split, after.split) == ("val", "train")
    assert {row.split for row in out.rows} == {"train", "val", "test"}, "something stays"


def test_stratification_is_better_than_shuffling_groups():
    shares = np.array(list(splits.PARTS.values()))
    ours, random = [], []
    for seed in range(8):
        m = made(seed, 40)
        found = units.units(m)
        weights, _ = splits.weigh(m, found)
        goal = stratify._Goal(weights, shares)
        rng = np.random.default_rng(seed)
        ours.append(goal.cost(goal.held(stratify.deal(weights, shares, rng))))
        for _ in range(5):  # as many groups in each part as are due
            dealt = rng.permutation(np.repeat(np.arange(3), np.round(shares * len(found)).astype(int) + 1))
            random.append(goal.cost(goal.held(dealt[: len(found)])))
    assert np.mean(ours) < 0.1 * np.mean(random)
    assert all(one < min(random[5 * i : 5 * i + 5]) for i, one in enumerate(ours))


def test_shares_are_of_seconds_or_of_rows():
    m = made(1, 60)
    by_time = splits.assign(m)
    total = sum(row.duration_s for row in m.rows)
    assert sum(r.duration_s for r in by_time.rows if r.split == "train") / total == pytest.approx(
        0.7, abs=0.02
    )
    by_rows = splits.assign(m, seconds=[1.0] * len(m))
    assert sum(r.split == "train" for r in by_rows.rows) / len(m) == pytest.approx(0.7, abs=0.02)


def test_many_groups_take_seconds_not_minutes():
    m = made(3, 4000, 1)
    out = splits.assign(m)
    held = Counter(row.split for row in out.rows for label in row.labels if label == "drums")
    assert held["train"] / sum(held.values()) == pytest.approx(0.7, abs=0.02)


# ---- ties, official splits, refusals -----------------------------------------------------------------------


def test_ties_of_several_kinds_are_followed_through():
    rows = (
        Row("a.wav", group="1"), Row("a.wav", start_s=5, group="2"), Row("b.wav", group="2"),
        Row("c.wav", site="x"), Row("d.wav", site="x"), Row("e.wav"),
    )  # fmt: skip
    m = Manifest(rows, Path())
    assert units.units(m).of.tolist() == [0, 0, 0, 1, 2, 3]
    assert units.units(m, by=("group", "site")).of.tolist() == [0, 0, 0, 1, 1, 2]
    assert units.units(m, ties=[(0, 5), (3, 5)]).of.tolist() == [0, 0, 0, 0, 1, 0]
    assert len(units.units(m)) == 4


def test_official_splits_are_respected():
    m = made(2)
    official = {f"g{g}" for g in range(8)}
    rows = tuple(replace(row, split="test" if row.group in official else "") for row in m.rows)
    out = splits.assign(replace(m, rows=rows), parts={"train": 0.6, "val": 0.15, "test": 0.25})
    assert all(row.split == "test" for row in out.rows if row.group in official)
    assert {row.split for row in out.rows} == {"train", "val", "test"}
    with pytest.raises(UsageError, match="every row has a split already"):
        splits.assign(out)
    assert splits.assign(out, anew=True) == splits.assign(m)
    with pytest.raises(UsageError, match="has the split 'test', which is none of a, b"):
        splits.assign(out, parts={"a": 0.5, "b": 0.5})


def test_rows_added_later_follow_their_group():
    m = splits.assign(made(4))
    first = m.rows[0]
    grown = replace(m, rows=(*m.rows, replace(first, path="new.wav", split="")))
    assert splits.assign(grown).rows[-1].split == first.split


def test_too_few_groups_are_refused_and_named():
    m = Manifest((Row("a.wav", 0, 1.0, group="north"), Row("b.wav", 0, 1.0, group="south")), Path())
    with pytest.raises(
        UsageError, match=r"2 groups are too few for the 3 parts.*north \(1 row\), south \(1 row\)"
    ):
        splits.assign(m)
    with pytest.raises(UsageError, match="folds=1 must be at least 2"):
        splits.folds(m, 1)


def test_labels_and_shares_that_cannot_be_met_are_told():
    rows = [Row(f"{i}.wav", 0, 1.0, labels=("piano",), group=f"g{i}") for i in range(9)]
    rows += [Row(f"x{i}.wav", 0, 1.0, labels=("erhu",), group="shop") for i in range(30)]
    told: list[str] = []
    splits.assign(Manifest(tuple(rows), Path()), tell=told.append)
    assert any("erhu is missing from" in text and "1 group only: shop (30 rows)" in text for text in told)
    assert any("shop alone has 77%" in text for text in told)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": 1.0}, "must be two or more"),
        ({"train": 0.7, "test": 0.2}, "sum to 0.9, not 1"),
        ({"train": 1.2, "test": -0.2}, "share=1.2 must lie between 0 and 1"),
    ],
)
def test_shares_must_be_shares(parts: dict, message: str):
    with pytest.raises(UsageError, match=message):
        splits.assign(made(0), parts=parts)


def test_leaving_out_a_site():
    m = made(5)
    out = splits.leave_out(m, "site")
    assert all(row.split == row.site for row in out.rows)
    one = splits.leave_out(m, "site", "s2", parts={"train": 0.8, "val": 0.2})
    assert {row.site for row in one.rows if row.split == "test"} == {"s2"}
    assert {row.split for row in one.rows} == {"train", "val", "test"}
    assert {row.split for row in splits.leave_out(m, "site", "s2").rows} == {"train", "test"}
    torn = replace(m, rows=(*m.rows, Row("z.wav", 0, 1.0, group="g0", site="s3")))
    with pytest.raises(UsageError, match="the group g0 has rows with site='s0' and with site='s3'"):
        splits.leave_out(torn, "site")
    with pytest.raises(UnknownName, match="no row has site='s9'"):
        splits.leave_out(m, "site", "s9")
    with pytest.raises(UnknownName, match=r"no column 'sight' in this manifest\. Did you mean 'site'"):
        splits.leave_out(m, "sight")


def test_moving_mends_a_leak_and_spares_what_a_third_part_has():
    rows = [Row(f"{i}.wav", 0, 1.0, group=f"g{i}", split="val") for i in range(6)]
    rows += [Row("6.wav", 0, 1.0, group="g0", split="train"), Row("7.wav", 0, 1.0, group="g1", split="test")]
    told: list[str] = []
    out = splits.move(Manifest(tuple(rows), Path()), "val", "train", 0.5, tell=told.append)
    assert out.rows[0].split == "train" and out.rows[1].split == "val"
    assert sum(row.split == "val" for row in out.rows) == 3
    assert any("left in val" in text and "g1" in text for text in told)
    with pytest.raises(UnknownName, match=r"no row is in 'vall'\. Did you mean 'val'"):
        splits.move(out, "vall", "train")
    with pytest.raises(UsageError, match="share=1 must lie between"):
        splits.move(out, "val", "train", 1)


# ---- the certificate ---------------------------------------------------------------------------------------


def test_the_certificate_counts_what_is_in_two_parts():
    rows = (
        Row("1788.wav", 0, 2.0, ("violin",), group="a", split="train", source="musicnet"),
        Row("1792.wav", 0, 3.0, ("violin", "cello"), group="b", split="val", source="musicnet"),
        Row("x.wav", 0, 5.0, group="c", split="train"), Row("x.wav", 5, 5.0, group="c", split="test"),
        Row("y.wav", 0, 1.0, group="c"),
    )  # fmt: skip
    m = Manifest(rows, Path())
    pairs = [Pair(0, 2, 0.0, 2.0, 0.99, 50), Pair(1, 3, 0.5, 2.0, 0.97, 40)]
    found = certificate.certify(m, pairs=pairs)
    assert (found.groups_shared, found.files_shared, found.known_duplicates, found.near_duplicates) == (
        1,
        1,
        1,
        1,
    )
    assert found.leaks == 4 and not found.is_clean
    assert [part.name for part in found.parts] == ["train", "val", "test"]
    assert found.parts[1].labels == {"cello": (1, 3.0), "violin": (1, 3.0)}
    text = found.text()
    assert "groups shared: 1, files shared: 1, known duplicates: 1, near-duplicates: 1" in text
    assert "group c is in test and train" in text and "1788.wav, 1792.wav, are in train and val" in text
    unheard = certificate.certify(m)
    assert unheard.near_duplicates is None and "near-duplicates: not looked for" in unheard.line


def test_a_certificate_is_bound_to_its_split(tmp_path: Path):
    m = splits.assign(made(6))
    file = tmp_path / "m.csv"
    manifest.write(replace(m, root=tmp_path), file)
    found = certificate.certify(m, pairs=[], how={"seed": 0})
    assert found.is_clean
    certificate.write(found, certificate.beside(file))
    assert certificate.beside(file).name == "m.split.json"
    again = manifest.read(file)
    assert certificate.of(file, again) == found
    assert found.covers(again.where(split="test")) == "test"
    # The folder may have another name, labels may be corrected, rows may be sorted.
    moved = replace(
        again, rows=tuple(replace(r, path=f"clips/{r.path}", labels=()) for r in sorted(again.rows, key=str))
    )
    assert found.covers(moved) == "all"
    other = splits.folds(m, 3, anew=True)
    assert found.covers(other) is None
    manifest.write(replace(other, root=tmp_path), file)
    with pytest.raises(BadManifest, match=r"m\.split\.json was made for another split"):
        certificate.of(file, manifest.read(file))
    assert certificate.of(tmp_path / "none.csv", m) is None


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "1"}', "{"])
def test_a_damaged_certificate_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "m.split.json"
    file.write_text(text)
    with pytest.raises(BadManifest, match="not a certificate"):
        certificate.read(file)
    file.write_text('{"schema": "7"}')
    with pytest.raises(BadManifest, match="schema 7, not 1"):
        certificate.read(file)


def test_the_twins_of_musicnet_are_known():
    assert sum(len(names) - 1 for names in duplicates.KNOWN["musicnet"]) == 24
    rows = tuple(Row(f"train_data/{n}.wav", source="musicnet") for n in (1788, 1792, 2303, 2510, 2514, 2382))
    assert duplicates.known(Manifest(rows, Path())) == [(0, 1), (3, 4)]
    assert duplicates.known(Manifest(rows[:1], Path())) == []
    assert duplicates.known(Manifest((Row("1788.wav"), Row("1792.wav")), Path())) == []


def test_a_mixture_belongs_to_all_its_groups(tmp_path):
    """Its clips come from several recordings: none of them may be on another side than it is."""
    rows = [Row(f"{g}.wav", duration_s=1.0, labels=("a",), group=g) for g in "abcdef"]
    rows += [
        Row("ab.wav", duration_s=1.0, labels=("a",), group="a;b"),
        Row("bc.wav", duration_s=1.0, group="b;c"),
    ]
    manifest = Manifest(tuple(rows), tmp_path)
    for seed in range(5):
        found = splits.assign(manifest, parts={"train": 0.5, "test": 0.5}, seed=seed)
        assert len({row.split for row in found.rows if set(row.group.split(";")) & set("abc")}) == 1
    cut = replace(
        manifest, rows=tuple(replace(r, split="test" if r.path == "a.wav" else "train") for r in rows)
    )
    assert certificate.certify(cut).groups_shared == 1
