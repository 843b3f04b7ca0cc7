"""Decisions are carried out as they are written; better labels make a better head, and worse ones a worse one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sonoscope.data import manifest
from sonoscope.data.audit import auditing, compare, overrides, rehearsal
from sonoscope.data.audit.embed import Embeddings
from sonoscope.data.audit.head import Targets
from sonoscope.data.audit.overrides import Override
from sonoscope.data.rows import BadManifest, Manifest, Row

HEADER = "path,start_s,action,labels\n"


@pytest.fixture
def some() -> Manifest:
    rows = (
        Row("x/a.wav", 0.0, 3.0, ("violin",), group="1"),
        Row("x/a.wav", 3.0, 3.0, ("cello",)),
        Row("x/b.wav", labels=("flute", "piano"), absent=("organ",), unknown=("*",)),
        Row("y/c.wav", labels=("voice",)),
        Row("y/d.wav"),
        Row("z/d.wav", labels=("voice",)),
    )
    return Manifest(rows, Path())


def applied(some: Manifest, text: str, tmp_path: Path) -> overrides.Applied:
    path = tmp_path / "overrides.csv"
    path.write_text(HEADER + text)
    return overrides.apply(some, overrides.read(path))


def test_each_action_does_what_it_says(some: Manifest, tmp_path: Path) -> None:
    done = applied(
        some,
        "x/a.wav,0.000,keep,\nx/a.wav,3,relabel,violin;viola\nx/b.wav,,unknown,piano;organ\ny/c.wav,0,remove,\n"
        "y/d.wav,,add,drums\nz/d.wav,,drop,voice\n",
        tmp_path,
    )
    rows = done.manifest.rows
    assert done.of == (0, 1, 2, 4, 5)
    assert rows[0].labels == ("violin",) and rows[0].extra["reviewed"] == "keep" and rows[0].group == "1"
    assert rows[1].labels == ("violin", "viola") and rows[1].absent == ("cello",)
    assert (
        rows[2].labels == ("flute",)
        and rows[2].absent == ()
        and set(rows[2].unknown) == {"*", "piano", "organ"}
    )
    assert rows[3].labels == ("drums",)
    assert rows[4].labels == () and rows[4].absent == ("voice",) and rows[4].says("voice") is False
    assert done.changed == 5
    assert done.counts == dict.fromkeys(overrides.ACTIONS, 1)
    assert set(done.new_labels) == {"viola", "drums"}


def test_a_partial_row_can_be_relabelled(some: Manifest, tmp_path: Path) -> None:
    (row,) = [
        row
        for row in applied(some, "x/b.wav,,relabel,organ;flute\n", tmp_path).manifest.rows
        if row.path == "x/b.wav"
    ]
    assert row.says("organ") is True and row.says("piano") is False and row.says("cello") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x/b.wav,,relable,flute\n",
            r"line 2, column 'action': 'relable' is no action. Did you mean 'relabel'",
        ),
        ("x/b.wav,,add,\n", r"line 2, column 'labels': '' names none, and 'add' needs them"),
        ("x/a.wav,,keep,\n", r"'x/a.wav' has 2 rows: say which by start_s"),
        ("x/a.wav,1.0,keep,\n", r"'x/a.wav' has no row from 1 s"),
        ("x/a.wav,soon,keep,\n", r"column 'start_s': 'soon' is not a number"),
        ("q/q.wav,,keep,\n", r"line 2: 'q/q.wav': there is no such file in the manifest"),
        ("d.wav,,keep,\n", r"'d.wav': 2 files have that name"),
        ("x/b.wav,,keep,\nx/b.wav,0,remove,\n", r"line 3: 'x/b.wav' is decided in .*line 2 already"),
        (",,keep,\n", r"column 'path': '' names no file"),
    ],
)
def test_what_cannot_be_carried_out_is_told(some: Manifest, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadManifest, match=message):
        applied(some, text, tmp_path)


def test_labels_are_checked_against_the_map(some: Manifest, tmp_path: Path) -> None:
    mapped = replace(some, label_map=("violin", "cello", "flute", "piano", "organ", "voice"))
    with pytest.raises(BadManifest, match=r"'vioiln' is not in the label map\. Did you mean 'violin'"):
        applied(mapped, "z/d.wav,,relabel,vioiln\n", tmp_path)


def test_a_table_of_labels_is_an_override_too(some: Manifest, tmp_path: Path) -> None:
    """The form of the founding systems: filename, and 0 or 1 for each instrument; files by name."""
    path = tmp_path / "human.csv"
    path.write_text("filename,violin,cello,voice\nc.wav,1,0,1\nz/d.wav,0,0,0\n")
    done = overrides.apply(some, overrides.read(path))
    assert done.manifest.rows[3].labels == ("violin", "voice")
    assert done.manifest.rows[5].labels == () and done.manifest.rows[5].says("voice") is False
    assert done.counts == {"relabel": 2} and done.changed == 2


def test_written_and_read_is_the_same(tmp_path: Path) -> None:
    given = [
        Override("a, b.wav", 1.5, "relabel", ("x", "y")),
        Override("c.wav", None, "keep"),
    ]
    overrides.write(given, tmp_path / "o.csv")
    assert [replace(each, place="") for each in overrides.read(tmp_path / "o.csv")] == given


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("action,labels\nkeep,\n")
    with pytest.raises(BadManifest, match=r"lacks the column\(s\) path"):
        overrides.read(tmp_path / "o.csv")


def test_decisions_survive_the_manifest(some: Manifest, tmp_path: Path) -> None:
    done = applied(some, "x/a.wav,0,relabel,\ny/d.wav,,keep,\n", tmp_path)
    manifest.write(done.manifest, tmp_path / "cleaned.csv")
    again = manifest.read(tmp_path / "cleaned.csv", root=".")
    assert [row.extra.get("reviewed", "") for row in again.rows] == ["relabel", "", "", "", "keep", ""]
    assert again.rows[0].labels == () and again.rows[0].absent == ("violin",)


# ---- A and B -------------------------------------------------------------------------------------------------


def noisy(targets: Targets) -> Targets:
    return rehearsal.exchange(targets, 0.4, np.random.default_rng(1))[0]


def by_name(found: list[compare.Figure]) -> dict[tuple[str, str], compare.Figure]:
    return {(figure.name, figure.truth): figure for figure in found}


def blobs() -> tuple[np.ndarray, Targets]:
    """Three kinds of rows that overlap, in forty groups."""
    rng = np.random.default_rng(0)
    kinds = np.arange(400) % 3
    vectors = rng.standard_normal((400, 20)) + rng.standard_normal((3, 20))[kinds]
    sounds = np.eye(3, dtype=bool)[kinds]
    return vectors, Targets(("a", "b", "c"), sounds, np.ones_like(sounds), np.repeat(np.arange(40), 10))


def test_corrected_labels_are_better_and_spoilt_ones_worse() -> None:
    vectors, right = blobs()
    kept = np.ones(len(vectors), dtype=bool)
    spoilt = noisy(right)
    better = by_name(compare.compare(vectors, spoilt, right, kept))
    worse = by_name(compare.compare(vectors, right, spoilt, kept))
    for name in ("average precision, mean over labels", "top-1"):
        figure = better[name, "after"]
        assert figure.low > 0.0 and figure.low <= figure.difference <= figure.high
        assert figure.n == 400 and figure.groups == 40
        # Tested on the truth, the spoilt labels are worse, and about as much (the folds are others).
        mirrored = worse[name, "before"]
        assert mirrored.high < 0.0
        assert mirrored.difference == pytest.approx(-figure.difference, abs=0.05)


def test_the_same_labels_make_no_difference(embedded: Embeddings, targets: Targets) -> None:
    kept = np.ones(len(embedded), dtype=bool)
    for figure in compare.compare(embedded.of_rows(), targets, targets, kept, draws=20):
        assert figure.before == figure.after and (figure.low, figure.high) == (0.0, 0.0)


def test_removed_rows_are_neither_learnt_from_nor_tested(embedded: Embeddings, targets: Targets) -> None:
    """Whatever the second labelling says about them."""
    kept = np.ones(len(embedded), dtype=bool)
    kept[::7] = False
    sounds = targets.sounds.copy()
    sounds[~kept] = np.roll(sounds[~kept], 1, axis=1)
    one = compare.compare(embedded.of_rows(), noisy(targets), targets, kept, draws=10)
    other = compare.compare(
        embedded.of_rows(), noisy(targets), replace(targets, sounds=sounds), kept, draws=10
    )
    assert one == other
    assert one[0].n == kept.sum()


def test_average_precision_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth = rng.random(40) < 0.3
        truth[0] = True
        scores = rng.integers(8, size=40) / 8.0
        assert compare.average_precision(truth, scores) == pytest.approx(
            average_precision_score(truth, scores)
        )


def test_audit_apply_audit(made: Manifest, embedded: Embeddings, tmp_path: Path) -> None:
    """What a person accepts is what the next audit does not ask again."""
    rows = list(made.rows)
    rows[10] = replace(rows[10], labels=("saw",))
    spoilt = replace(made, rows=tuple(rows))
    first = auditing.audit(spoilt, embedded)
    worst = first.issues[0]
    decision = Override(worst.row.path, worst.row.start_s, "relabel", worst.suggested)
    done = overrides.apply(spoilt, [decision])
    assert done.manifest.rows[10].labels == made.rows[10].labels
    again = auditing.audit(done.manifest, embedded)
    assert worst.place not in {issue.place for issue in again.issues}
