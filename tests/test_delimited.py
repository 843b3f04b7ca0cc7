"""What separates cells, which encodings are read, and which numbers can be read in one way only."""

from __future__ import annotations

import io
import math

import pytest

from sonoscope import delimited
from sonoscope.cli.models.importing import read_labels
from sonoscope.errors import UsageError
from sonoscope.models import thresholds


@pytest.mark.parametrize(
    ("header", "mark"),
    [
        ("path,labels;x", ","),
        ("path;start, in seconds;labels", ";"),
        ('"start, in seconds";path', ";"),
        ("0,5\t1,5\tbuzz; far", "\t"),
        ("path", ","),
    ],
)
def test_the_header_says_what_separates_cells(header, mark):
    assert delimited.separator(header) == mark


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ('a,b\n1.5,"2,5"\n', "."),
        ("a;b\n1,5;2\n", ","),
        ("a;b\n1,500;2\n", ","),
        ("a;b\n1,5;1.500\n", ","),
        ("a;b\n1.5;1,500\n", "."),
        ("a;b\n1.500;2\n", ""),
        ("a;b\n1,5;0.95\n", ""),
        ("a\tb\n1,5\t1,500\n", ","),
        ("a\tb\n1,500\t2\n", ""),
        ("a\tb\n1.500\t1,2\n", "."),
    ],
)
def test_numbers_say_how_fractions_are_written(text, decimal):
    assert delimited.rows(io.StringIO(text, newline=""), "t.csv", UsageError).decimal == decimal


def test_a_number_that_can_be_read_in_two_ways_is_none():
    assert delimited.number("1,5", "") == 1.5 and delimited.number("0.95", "") == 0.95
    assert delimited.number("0,123", "") == 0.123 and delimited.number("-12,5e-1", ",") == -1.25
    assert delimited.number("1,234", ",") == 1.234 and delimited.number("1.234", ".") == 1.234
    for text, decimal in (
        ("1.234", ","),
        ("1,234", ""),
        ("1.234", ""),
        ("1.234,5", ","),
        ("1,5", "."),
        ("1_0", "."),
    ):
        assert math.isnan(delimited.number(text, decimal))
    assert "thousands" in delimited.remedy("1.234") and "decimal point" in delimited.remedy("1,5 s")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_thresholds_and_classes_are_read_as_a_spreadsheet_saves_them(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes("label;threshold\r\né;0,4\r\n;\r\n".encode(encoding))
    assert thresholds._read(tmp_path / "t.csv") == {"é": 0.4}
    (tmp_path / "c.csv").write_bytes("index;name\r\n0;Speech, man\r\n1;é\r\n".encode(encoding))
    assert [label.id for label in read_labels(str(tmp_path / "c.csv"))] == ["Speech, man", "é"]


def test_another_encoding_is_not_guessed(tmp_path):
    (tmp_path / "t.csv").write_bytes("label;threshold\né;0,4\n".encode("cp1252"))
    with pytest.raises(UsageError, match=r"t\.csv, line 2: not UTF-8\. Save the table as CSV in UTF-8"):
        thresholds._read(tmp_path / "t.csv")
