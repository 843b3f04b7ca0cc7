"""``sonoscope data schemes``: every label has its line, and nothing is merged that nobody asked to merge."""

from __future__ import annotations

import csv
import io
import re

import pytest

from sonoscope.cli import main
from sonoscope.data import schemes


def test_all_schemes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "schemes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(schemes.SCHEMES)
    irmas = next(line for line in lines if line.startswith("irmas "))
    assert irmas.split()[1] == "11" and "cello, clarinet" in irmas
    assert main(["data", "schemes", "irmas"]) == 0
    assert capsys.readouterr().out.split() == list(schemes.SCHEMES["irmas"])


def test_the_way_from_one_to_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "schemes", "openmic", "irmas"]) == 0
    out = capsys.readouterr().out
    guitar = next(line for line in out.splitlines() if line.startswith("guitar "))
    assert re.split(r"\s{2,}", guitar) == ["guitar", "one of", "acoustic_guitar | electric_guitar"]
    assert all(label in out for label in schemes.SCHEMES["openmic"])
    assert "labels dropped" in out.splitlines()[-1]


def test_as_a_table_that_others_read(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--merge", "electric_guitar=acoustic_guitar", "--rest", "other", "--csv"]
    assert main(["data", "schemes", "irmas", "cello,acoustic_guitar,other", *words]) == 0
    rows = {row["source"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert rows["electric_guitar"] == {
        "source": "electric_guitar",
        "how": "merged",
        "target": "acoustic_guitar",
    }
    assert rows["cello"]["how"] == "same" and rows["voice"]["target"] == "other"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["irmaz", "openmic"], "unknown label scheme 'irmaz'. Did you mean 'irmas'?"),
        (["irmas", "openmic", "--merge", "cello"], "must be SOURCE=TARGET"),
        (["irmas", "openmic", "--merge", "celo=cello"], "unknown label 'celo'. Did you mean 'cello'?"),
        (["irmas", "openmic", "--rest", "other"], "unknown label 'other'"),
    ],
)
def test_what_is_unknown_names_the_nearest(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "schemes", *words]) == 2
    assert message in capsys.readouterr().err
