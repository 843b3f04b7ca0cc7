"""Wishes for thresholds, on a small made-up model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from sonoscope.errors import UnknownName, UsageError
from sonoscope.models.thresholds import inline, resolve
from sonoscope.values import Label


def point(threshold: float, precision: float, recall: float, fpr: float) -> dict[str, float]:
    return {"threshold": threshold, "precision": precision, "recall": recall, "fpr": fpr}


@dataclass
class Model:
    labels: tuple[Label, ...] = (
        Label("violin", code="vio", synonyms=("fiddle",)),
        Label("cello", code="cel"),
        Label("other", kind="reject"),
    )
    thresholds: dict[str, float] = field(default_factory=lambda: {"violin": 0.5, "cello": 0.4, "other": 0.6})
    low_thresholds: dict[str, float] = field(
        default_factory=lambda: {"violin": 0.25, "cello": 0.4, "other": 0.3}
    )
    operating_points: dict[str, list[dict[str, float]]] = field(
        default_factory=lambda: {
            "violin": [point(0.2, 0.7, 0.9, 0.1), point(0.5, 0.9, 0.7, 0.02), point(0.8, 0.97, 0.4, 0.004)],
            "cello": [
                point(0.3, 0.92, 0.8, 0.01),
                point(0.6, 0.91, 0.5, 0.006),
                point(0.9, 0.99, 0.1, 0.001),
            ],
        }
    )


MODEL = Model()


def test_without_a_wish_the_models_own():
    assert resolve(None, MODEL) == (MODEL.thresholds, MODEL.low_thresholds)


def test_a_number_is_for_all_labels_and_the_lower_one_keeps_its_ratio():
    on, low = resolve("0.8", MODEL)
    assert on == {"violin": 0.8, "cello": 0.8, "other": 0.8}
    assert low == {"violin": 0.4, "cello": 0.8, "other": 0.4}


@pytest.mark.parametrize("wish", ["0", "1", "0.0", "1.0", " 0.5 "])
def test_the_ends_are_allowed_and_low_never_exceeds_high(wish):
    on, low = resolve(wish, MODEL)
    assert all(0 <= low[label] <= on[label] <= 1 for label in on)


@pytest.mark.parametrize("name", ["violin", "vio", "fiddle"])
def test_labels_by_id_code_or_synonym_and_the_others_stay(name):
    on, low = resolve(f"{name}=0.3", MODEL)
    assert on == MODEL.thresholds | {"violin": 0.3}
    assert low == MODEL.low_thresholds | {"violin": 0.15}


@pytest.mark.parametrize(
    ("wish", "violin", "cello"),
    [
        ("precision=0.9", 0.5, 0.3),
        ("precision=0.95", 0.8, 0.9),
        ("fpr=0.02", 0.5, 0.3),
        ("fpr=0.005", 0.8, 0.9),
    ],
)
def test_the_lowest_threshold_that_is_good_enough(wish, violin, cello):
    on, _ = resolve(wish, MODEL)
    assert (on["violin"], on["cello"], on["other"]) == (violin, cello, 0.6)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("precision=0.98", r"precision=0\.98 cannot be met for violin \(nearest: precision=0\.97\)"),
        ("fpr=0.002", r"cannot be met for violin \(nearest: fpr=0\.004\)"),
        ("fpr=0", r"for violin \(nearest: fpr=0\.004\), cello \(nearest: fpr=0\.001\)"),
        ("precision=1.5", "precision=1.5 must lie in 0..1"),
        ("precision=0.9,violin=0.3", "stands alone"),
        ("1.5", "1.5 must lie in 0..1"),
        ("-0.1", "-0.1 must lie in 0..1"),
        ("violin=2", "violin=2 must lie in 0..1"),
        ("violin=loud", "violin='loud' is not a number"),
        ("violin=0.1,violin=0.2", "twice"),
        ("violin=0.1,fiddle=0.2", "violin was named before"),
        ("nan", "not understood"),
        ("", "not understood.*precision=0.95"),
        ("violin", "not understood"),
        ("0,5", "decimals have a point here, 0.5"),
        ("violin=", "not understood"),
        ("gone.json", "no such file"),
    ],
)
def test_wishes_that_cannot_be_met_say_so(wish, message):
    with pytest.raises(UsageError, match=message):
        resolve(wish, MODEL)


def test_a_label_without_measurements_is_named():
    model = Model(operating_points={"violin": MODEL.operating_points["violin"]})
    with pytest.raises(UsageError, match=r"cello \(nothing measured\)"):
        resolve("precision=0.9", model)


def test_an_unknown_label_names_the_nearest():
    with pytest.raises(
        UnknownName, match=r"unknown label 'violn'. Did you mean 'violin'\? Known: violin, cello"
    ):
        resolve("violn=0.5", MODEL)


FILES = {
    "t.json": json.dumps({"violin": 0.3, "cel": 0.7}),
    "t.yaml": "violin: 0.3\ncel: 0.7\n",
    "t.csv": "\ufefflabel,threshold,origin\nviolin,0.3,field\ncel,0.7,field\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, name):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    on, _ = resolve(str(tmp_path / name), MODEL)
    assert on == {"violin": 0.3, "cello": 0.7, "other": 0.6}
    kept = inline(str(tmp_path / name), MODEL)
    assert kept == "violin=0.3,cello=0.7"
    assert resolve(kept, MODEL)[0] == on


@pytest.mark.parametrize("wish", [None, "0.5", "violin=0.4", "precision=0.9"])
def test_what_is_no_file_stays_as_it_is(wish):
    assert inline(wish, MODEL) == wish


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", "{", "cannot be read"),
        ("t.json", "[1]", "must hold a mapping"),
        ("t.json", "{}", "must hold a mapping"),
        ("t.json", '{"violn": 0.5}', "t.json: unknown label 'violn'"),
        ("t.json", '{"violin": "a"}', "t.json: threshold violin='a' is not a number"),
        ("t.json", '{"violin": 7}', "t.json: violin=7 must lie in 0..1"),
        ("t.json", '{"violin": 0.5, "violin": 0.6}', "cannot be read: it names 'violin' twice"),
        ("t.yaml", "a: b: c", "cannot be read"),
        ("t.yaml", "violin: 0.5\nviolin: 0.6", "cannot be read: it names 'violin' twice"),
        ("t.yaml", "[violin]: 0.5", "cannot be read: a name is no text"),
        ("t.yaml", "1: 0.5", "t.yaml: unknown label '1'"),
        ("t.yaml", "no: 0.5", "t.yaml: unknown label 'no'"),
        ("t.csv", "name,value\nviolin,0.3\n", "columns label and threshold"),
        ("t.csv", "label,threshold\nviolin,0.3\nviolin,0.4\n", "'violin' twice"),
        ("t.csv", "label,threshold\nviolin\n", "violin=None is not a number"),
    ],
)
def test_files_that_are_wrong_say_so(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        resolve(str(file), MODEL)


def test_many_labels_are_more_than_a_name_of_a_file_may_have():
    wish = f"violin={0.5:.200f},cello={0.4:.200f}"
    assert len(wish) > 400
    assert resolve(wish, Model())[0] == {"violin": 0.5, "cello": 0.4, "other": 0.6}
