"""Bundles: found by name or folder, and refused with the reason when they are not what they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sonoscope import models
from sonoscope.errors import BadBundle, UnknownName
from sonoscope.labels import INSTRUMENTS
from sonoscope.models.bundle import SCHEMA, open_bundle, sha256_of


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The shipped bundle's description and graph in a folder of its own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("bundle.json", "model.onnx"):
        shutil.copy(models.SHIPPED / "instruments" / name, folder / name)
    return folder


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the description in place."""
    spec = json.loads((folder / "bundle.json").read_text())
    change(spec)
    (folder / "bundle.json").write_text(json.dumps(spec))


def test_the_shipped_bundle_describes_itself() -> None:
    bundle = models.load("instruments")
    assert (bundle.name, bundle.task, bundle.licence) == ("instruments", "tagging", "MIT")
    assert bundle.labels == INSTRUMENTS
    assert bundle.label_ids == tuple(label.id for label in INSTRUMENTS)
    assert bundle.calibration.shape == (len(INSTRUMENTS), 2)
    assert bundle.calibration.dtype == np.float64
    assert set(bundle.thresholds) == set(bundle.low_thresholds) == set(bundle.label_ids)
    assert set(bundle.operating_points) == set(bundle.label_ids)
    assert bundle.feature is not None
    assert bundle.window_samples % bundle.feature.hop_samples == 0
    assert bundle.feature.sample_rate == bundle.sample_rate
    assert bundle.sha256 == sha256_of(bundle.graph)
    assert bundle.card.is_file()
    assert bundle.spec["schema"] == SCHEMA
    assert isinstance(bundle.metrics, dict)


def test_points_of_operation_are_ordered_and_within_their_ranges() -> None:
    for points in models.load("instruments").operating_points.values():
        thresholds = [point["threshold"] for point in points]
        assert thresholds == sorted(set(thresholds))
        assert all(0 <= point[key] <= 1 for point in points for key in ("precision", "recall", "fpr"))


def test_all_shipped_bundles_are_small_and_whole() -> None:
    files = [file for folder in models.SHIPPED.iterdir() for file in folder.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 15 * 2**20
    for name in models.names():
        bundle = models.load(name)
        for file, digest in bundle.spec["checksums"].items():
            assert sha256_of(bundle.path / file) == digest


def test_a_folder_is_as_good_as_a_name(copy: Path) -> None:
    for wish in (copy, str(copy)):
        assert models.load(wish).path == copy


def test_folders_of_models_are_searched_before_the_shipped_ones(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(copy, first / "birds")
    shutil.copytree(copy, second / "birds")
    shutil.copytree(copy, second / "instruments")
    (first / "no bundle").mkdir()
    monkeypatch.setenv("SONOSCOPE_MODELS", f"{first}:{tmp_path / 'absent'}:{second}")
    names = models.names()
    assert set(names) == {"birds", "field", "instruments", "notes"}
    assert names["birds"] == first / "birds"
    assert models.load("instruments").path == second / "instruments"


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown model 'instrument'\. Did you mean 'instruments'\?"):
        models.load("instrument")


def test_a_folder_without_a_description_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match=r"is not a model bundle: it holds no bundle\.json"):
        models.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[1]", "must hold a JSON object"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_description_that_is_no_json_object_is_refused(copy: Path, text: str, message: str) -> None:
    (copy / "bundle.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadBundle, match=message):
        open_bundle(copy)


@pytest.mark.parametrize(
    "key",
    ["schema", "name", "version", "task", "labels", "sample_rate", "window", "hop", "input", "outputs", "calibration",
     "decision", "licence", "checksums"],
)  # fmt: skip
def test_a_missing_or_misshapen_key_is_named(copy: Path, key: str) -> None:
    edit(copy, lambda spec: spec.pop(key))
    with pytest.raises(BadBundle, match=rf"'{key}' must be a \w+, got None: export the bundle again"):
        open_bundle(copy)
    edit(copy, lambda spec: spec.update({key: 1.5}))
    with pytest.raises(BadBundle, match=rf"'{key}' must be a \w+, got 1\.5"):
        open_bundle(copy)


def test_an_unknown_major_schema_is_refused_whatever_else_is_missing(copy: Path) -> None:
    (copy / "bundle.json").write_text('{"schema": "2.0", "layers": []}')
    with pytest.raises(BadBundle, match=r"has schema 2\.0, this version of sonoscope knows 1\.x: update"):
        open_bundle(copy)


def test_a_newer_minor_schema_with_unknown_keys_is_read(copy: Path) -> None:
    def change(spec: dict) -> None:
        spec["schema"], spec["mood"] = "1.7", "good"
        spec["labels"][0]["colour"] = "red"

    edit(copy, change)
    bundle = open_bundle(copy)
    assert bundle.spec["mood"] == "good"
    assert bundle.labels == INSTRUMENTS


def test_a_bundle_without_its_graph_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(BadBundle, match=r"holds no model\.onnx: fetch or export the bundle again"):
        open_bundle(copy)


def contradictions() -> dict[str, tuple[Callable[[dict], object], str]]:
    """Changes that break a description, each with what must be said about it."""
    return {
        "no labels": (lambda s: s.update(labels=[]), "labels must be one or more different ids, got none"),
        "a label twice": (lambda s: s["labels"].append(s["labels"][0]), "different ids"),
        "a label without id": (lambda s: s["labels"][0].pop("id"), "missing or of the wrong kind"),
        "a label that is text": (lambda s: s.update(labels=["cello"]), "missing or of the wrong kind"),
        "no slope": (lambda s: s["calibration"]["cello"].pop("slope"), r"KeyError: 'slope'"),
        "slope is text": (lambda s: s["calibration"]["cello"].update(slope="x"), "wrong kind"),
        "slope is not finite": (
            lambda s: s["calibration"]["cello"].update(slope=float("nan")), "slope or offset .* is not finite"
        ),
        "calibration lacks a label": (lambda s: s["calibration"].pop("cello"), "wrong kind|exactly the labels"),
        "calibration of another": (
            lambda s: s["calibration"].update(tuba={"slope": 1, "offset": 0}), "must name exactly the labels"
        ),
        "no threshold": (lambda s: s["decision"]["labels"].pop("cello"), "must name exactly the labels"),
        "no low threshold": (lambda s: s["decision"]["labels"]["cello"].pop("low_threshold"), "low_threshold"),
        "thresholds the wrong way round": (
            lambda s: s["decision"]["labels"]["cello"].update(threshold=0.3, low_threshold=0.4),
            r"label cello: low_threshold=0\.4 and threshold=0\.3 must satisfy",
        ),
        "threshold above 1": (
            lambda s: s["decision"]["labels"]["cello"].update(threshold=1.5), r"threshold=1\.5 must satisfy"
        ),
        "negative duration": (lambda s: s["decision"].update(min_duration_s=-1), "must not be negative"),
        "hop beyond the window": (
            lambda s: s.update(hop=s["window"] + 1), r"hop=\d+1 must lie in 1\.\.window=\d+0 samples"
        ),
        "hop of nothing": (lambda s: s.update(hop=0), r"hop=0 must lie in"),
        "window between frames": (
            lambda s: s.update(window=7919, hop=1), "window=7919 must be a multiple of the feature's hop_samples"
        ),
        "another rate": (lambda s: s.update(sample_rate=16_000), "sample_rate=16000 differs from the feature's"),
        "unknown feature": (lambda s: s["input"]["feature"].update(name="logmell"), "Did you mean 'logmel'"),
        "unknown parameter": (lambda s: s["input"]["feature"].update(n_mel=3), "Did you mean 'n_mels'"),
        "feature out of range": (lambda s: s["input"]["feature"].update(f_max_hz=1e6), r"f_max_hz=1000000\.0"),
        "no kind of input": (lambda s: s["input"].pop("kind"), r"KeyError: 'kind'"),
        "no name of input": (lambda s: s["input"].pop("name"), r"KeyError: 'name'"),
        "output is text": (lambda s: s["outputs"].update(frame="frame_logits"), "wrong kind"),
        "output without a name": (lambda s: s["outputs"]["frame"].pop("name"), r"KeyError: 'name'"),
        "stride is text": (lambda s: s["outputs"]["frame"].update(stride="four"), "wrong kind"),
        "no checksum": (lambda s: s["checksums"].pop("model.onnx"), r"KeyError: 'model\.onnx'"),
    }  # fmt: skip


@pytest.mark.parametrize("case", contradictions())
def test_a_description_that_contradicts_itself_is_refused(copy: Path, case: str) -> None:
    change, message = contradictions()[case]
    edit(copy, change)
    with pytest.raises(BadBundle, match=message):
        open_bundle(copy)


def test_what_is_optional_has_a_neutral_default(copy: Path) -> None:
    def change(spec: dict) -> None:
        for key in ("metrics", "poolable"):
            spec.pop(key)
        for key in ("min_duration_s", "max_gap_s"):
            spec["decision"].pop(key)
        spec["outputs"].pop("embedding")
        spec["decision"]["labels"]["cello"].pop("operating_points")

    edit(copy, change)
    bundle = open_bundle(copy)
    assert (bundle.metrics, bundle.poolable, bundle.embedding_size) == ({}, False, 0)
    assert (bundle.min_duration_s, bundle.max_gap_s) == (0.0, 0.0)
    assert bundle.operating_points["cello"] == []
