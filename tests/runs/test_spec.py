"""What a run is asked: ranges, and to JSON and back."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from sonoscope.errors import UnknownName, UsageError
from sonoscope.runs import RunSpec, parse_shard

SPEC = RunSpec(("rec",), "out")
FULL = RunSpec(
    ("a", "b"), "o", ("m", "n"), ("csv", "raven"), "violin=0.4", 0.25, 1.0, 0.0, "drop", "tsv", True, False, 2, 3,
    "cpu", (2, 5), overwrite=True, strict=True, start_time="%Y%m%d_%H%M%S", recorded_in="UTC", site_from="1",
    max_memory=1 << 30, watch=False, then="cp {out}/events.csv lab",
)  # fmt: skip


@pytest.mark.parametrize("spec", [SPEC, FULL])
def test_json_and_back(spec):
    assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_every_field_is_in_the_json_and_those_left_out_are_defaults():
    assert list(FULL.to_json()) == [f.name for f in fields(RunSpec)]
    assert RunSpec.from_json({"inputs": ["rec"], "out": "out"}) == SPEC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop_s": 0.0}, "hop=0 must be more than 0"),
        ({"hop_s": float("nan")}, "hop=nan must be"),
        ({"min_duration_s": -1.0}, "min-duration=-1 must be 0 or more"),
        ({"max_gap_s": float("inf")}, "max-gap=inf must be"),
        ({"tail": "cut"}, "unknown tail 'cut'.*drop, keep"),
        ({"scores": "cvs"}, "unknown scores 'cvs'. Did you mean 'csv'?"),
        ({"on": "tpu"}, "tpu"),
        ({"workers": 0}, "workers=0 must be at least 1"),
        ({"shard": (0, 4)}, "shard=0/4: the part must lie in 1..4"),
        ({"shard": (5, 4)}, "shard=5/4"),
        ({"formats": ()}, "name each format once"),
        ({"formats": ("csv", "csv")}, "name each format once"),
        ({"models": ("a", "a")}, "name each model once"),
        ({"out": ""}, "give -o OUT"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        replace(SPEC, **change).checked()


def test_values_in_range_are_not():
    assert FULL.checked() is FULL


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"inputs": ["a"], "out": "o", "treshold": "0.5"}, UnknownName, "unknown setting 'treshold'. Did you"),
        ({"out": "o"}, UsageError, "no 'inputs'"),
        ({"inputs": "a", "out": "o"}, UsageError, "setting inputs='a' must be of type"),
        ({"inputs": ["a"], "out": "o", "hop_s": "x"}, UsageError, "setting hop_s='x' must be null or of type float"),
        ({"inputs": ["a"], "out": "o", "raw": 1}, UsageError, "setting raw=1 must be of type bool"),
        ({"inputs": ["a"], "out": "o", "workers": True}, UsageError, "setting workers=True"),
        ({"inputs": ["a"], "out": "o", "tail": None}, UsageError, "setting tail=None"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(values, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        RunSpec.from_json(values)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("[]", "no run.json"), ("{}", "no run.json")],
)
def test_what_is_no_run_json_is_refused(tmp_path, content, message):
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=message):
        RunSpec.from_run_json(file)


def test_parts_are_written_as_fractions():
    assert parse_shard("3/16") == (3, 16)
    for text in ("3", "0/4", "5/4", "a/b", "1/2/3", "-1/4"):
        with pytest.raises(UsageError, match="shard="):
            parse_shard(text)


def test_paths_are_made_absolute_and_addresses_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.json").write_text("{}")
    spec = RunSpec(("rec", "s3://bucket/x", "/abs"), "out", threshold="t.json").absolute()
    assert spec.inputs == (str(tmp_path / "rec"), "s3://bucket/x", "/abs")
    assert spec.out == str(tmp_path / "out")
    assert spec.threshold == str(tmp_path / "t.json")
    assert replace(SPEC, threshold="0.5").absolute().threshold == "0.5"
