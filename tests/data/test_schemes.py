"""Label schemes: nothing is merged silently, and everything that happens is in the table."""

from __future__ import annotations

import numpy as np
import pytest

from sonoscope.data import kinds, schemes
from sonoscope.data.datasets import DATASETS, musicnet
from sonoscope.data.rows import Manifest, Row
from sonoscope.data.schemes import bridge
from sonoscope.errors import UnknownName


def ways(found: schemes.Bridge) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {way.source: (way.how, way.targets) for way in found.ways}


@pytest.mark.parametrize("source", schemes.SCHEMES)
@pytest.mark.parametrize("target", schemes.SCHEMES)
def test_electric_never_becomes_acoustic_and_every_label_is_accounted_for(source: str, target: str):
    found = bridge(source, target)
    assert tuple(way.source for way in found.ways) == schemes.SCHEMES[source]
    for way in found.ways:
        assert set(way.targets) <= set(schemes.SCHEMES[target])
        assert bool(way.targets) == (way.how != "dropped")
        if "electric" in way.source and way.how != "one of":
            assert not any(
                "acoustic" in label or "nylon" in label or label == "steel" for label in way.targets
            )
    reached = {t for way in found.ways if way.how != "one of" for t in way.targets}
    assert reached | set(found.missing) == set(schemes.SCHEMES[target])
    assert all(label in found.text() for label in (*found.sources, *found.missing))


@pytest.mark.parametrize("name", schemes.SCHEMES)
def test_a_scheme_is_itself(name: str):
    found = bridge(name, name)
    assert not found.dropped and not found.missing
    assert all(way.source in way.targets for way in found.ways)


def test_a_guitar_of_no_stated_kind_is_neither():
    found = bridge("openmic", "instruments")
    assert ways(found)["guitar"] == ("one of", ("acoustic_guitar", "electric_guitar"))
    row = found.row(Row("a", labels=("guitar", "voice"), absent=("piano",), unknown=("*",)))
    assert row.labels == ("voice",) and row.absent == ("piano",)
    assert row.says("acoustic_guitar") is None and row.says("electric_guitar") is None
    none = found.row(Row("a", absent=("guitar",), unknown=("*",)))
    assert none.says("acoustic_guitar") is False and none.says("electric_guitar") is False
    assert none.says("other") is None, "nobody judged what nothing leads to"


def test_finer_labels_imply_the_coarser_one_and_the_table_says_so():
    found = bridge("irmas", "openmic")
    assert ways(found)["electric_guitar"] == ("kind of", ("guitar",))
    assert "acoustic_guitar, electric_guitar all become guitar" in found.text()
    assert found.row(Row("a", labels=("electric_guitar",))).labels == ("guitar",)
    scores = np.array([[0, 0, 0, 0.2, 0.7, 0, 0, 0, 0, 0, 0.4]])
    out = dict(zip(found.targets, found.scores(scores)[0], strict=True))
    assert out["guitar"] == 0.7 and out["voice"] == 0.4 and out["banjo"] == 0 and "banjo" in found.missing


def test_a_model_of_more_classes_than_the_truth():
    found = bridge("instruments", "irmas")
    assert found.dropped == ("drums", "bass", "other") and not found.missing
    assert "3 of 14 labels dropped, 0 of 11 never reached" in found.text()
    assert found.scores(np.ones((2, 14))).shape == (2, 11)
    with pytest.raises(ValueError, match=r"\(n, 14\), got \(2, 3\)"):
        found.scores(np.ones((2, 3)))


def test_merging_and_the_rest_are_asked_for():
    found = bridge("medleydb", "instruments", merge={"lap_steel_guitar": "acoustic_guitar"}, rest="other")
    assert ways(found)["lap_steel_guitar"] == ("merged", ("acoustic_guitar",))
    assert ways(found)["erhu"] == ("rest", ("other",))
    assert ways(found)["male_singer"] == ("kind of", ("voice",))
    assert not found.dropped
    with pytest.raises(UnknownName, match=r"unknown label 'acoustic_gitar'\. Did you mean 'acoustic_guitar'"):
        bridge("irmas", "instruments", merge={"electric_guitar": "acoustic_gitar"})
    with pytest.raises(UnknownName, match=r"unknown label scheme 'openmix'\. Did you mean 'openmic'"):
        bridge("openmix", "irmas")


def test_a_manifest_takes_over_the_target_labels(tmp_path):
    m = Manifest((Row("a", labels=("viola", "piano")),), tmp_path, tuple(musicnet.INSTRUMENTS.values()))
    out = bridge("musicnet", "irmas").manifest(m)
    assert out.label_map == schemes.SCHEMES["irmas"] and out.rows[0].labels == ("piano",)
    sounds, known = out.targets()
    assert sounds.sum() == 1 and not known[0, out.label_map.index("organ")]
    with pytest.raises(UnknownName, match="'vuvuzela' is not in the source scheme"):
        bridge("musicnet", "irmas").row(Row("a", labels=("vuvuzela",)))


def test_programs_of_general_midi_and_of_musicnet():
    for number, name in musicnet.INSTRUMENTS.items():
        assert schemes.of_program(number, "musicnet", counted_from=1) == (name,)
    assert schemes.of_program(27, "irmas") == ("electric_guitar",)
    assert schemes.of_program(24, "instruments") == ("acoustic_guitar",)
    assert schemes.of_program(104, "irmas") == ()
    with pytest.raises(ValueError, match="program=128 must lie in"):
        kinds.of_program(128)


def test_schemes_of_data_sets_are_their_labels():
    for name, labels in schemes.SCHEMES.items():
        if name in DATASETS and DATASETS[name].labels:
            assert DATASETS[name].labels == labels
