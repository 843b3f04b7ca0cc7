"""Specifications in JSON and YAML; what is wrong in them is refused with its line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from sonoscope.data.extract import BadSpec, marked, spec


def read(tmp_path: Path, text: str, name: str = "s.yaml", **options: str) -> spec.Spec:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return spec.read(path, **options)


def test_the_founding_systems_json_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """[
          {"file": "path\\\\to\\\\local.mp3", "video": "https://youtu.be/abc",
           "labels": ["suona", "percussion"],
           "time_stamps_to_extract": [["0:18", "2:05"], [130, 140.125]], "description": "two\\nlines \\u00e9"},
          {"video": "https://youtu.be/abc", "labels": ["dizi"], "time_stamps_to_extract": []}
        ]""",
        "s.json",
    )
    one, two = found.entries
    assert (one.file, one.url, one.labels) == (
        "path\\to\\local.mp3",
        "https://youtu.be/abc",
        ("suona", "percussion"),
    )
    assert [(r.start_s, r.end_s, r.line) for r in one.ranges] == [(18.0, 125.0, 4), (130.0, 140.125, 4)]
    assert one.texts["description"] == "two lines é"
    assert (two.file, two.ranges, two.line) == ("", (), 5)


def test_yaml_says_the_same_as_json(tmp_path: Path) -> None:
    text = """
# remarks are welcome
- file: a.mp4
  labels: [violin, piano]
  ranges:
    - [0:18, 2:05]          # YAML 1.1 takes these for numbers to the base of 60
    - 2:10 - 1:02:05.5
    - [1:10:00, end]
  licence: CC0
- url: https://example.org/b.mp3
  labels: drums
- {file: c.wav, labels: []}
"""
    one, two, three = read(tmp_path, text).entries
    assert [(r.start_s, r.end_s, r.line) for r in one.ranges] == [
        (18.0, 125.0, 6), (130.0, 3725.5, 7), (4200.0, None, 8),
    ]  # fmt: skip
    assert one.texts["licence"] == "CC0"
    assert (two.labels, two.ranges, three.labels) == (("drums",), (), ())
    same = [
        {"file": "a.mp4", "labels": ["violin", "piano"], "ranges": [["0:18", "2:05"], "2:10 to 1:02:05.5",
         ["1:10:00", "END"]], "license": "CC0"},
        {"file": "https://example.org/b.mp3", "labels": ["drums"]},
        {"file": "c.wav", "labels": []},
    ]  # fmt: skip
    for other, entry in zip(
        read(tmp_path, json.dumps(same), "s.json").entries, (one, two, three), strict=True
    ):
        assert (other.file, other.url, other.labels, other.texts) == (
            entry.file, entry.url, entry.labels, entry.texts,
        )  # fmt: skip
        assert [str(r) for r in other.ranges] == [str(r) for r in entry.ranges]


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "S.JSON"
    path.write_bytes(
        b'\xef\xbb\xbf[\r\n\t{"file": "C:\\\\x.mp4",\r\n\t "labels": ["a"],\r\n "labls": 1}]\r\n'
    )
    with pytest.raises(BadSpec, match=r"S\.JSON, line 4: unknown key 'labls'\. Did you mean 'labels'"):
        spec.read(path)


BAD = [
    (
        "- {file: a.wav, labels: [x]}\n- file: b.wav\n  label: [x]\n",
        3,
        "unknown key 'label'. Did you mean 'labels'",
    ),
    ("- file: a.wav\n  labels: [x]\n  time_stamps: []\n", 3, "Did you mean 'time_stamps_to_extract'"),
    ("- file: a.wav\n  file: b.wav\n", 2, "'file' stands on line 1 already"),
    ("- labels: [x]\n", 1, "without 'file' and without 'url'"),
    ("- file: a.wav\n", 1, "without 'labels'"),
    ("- file: a.wav\n  labels: [x, x]\n", 2, "the label 'x' is there twice"),
    ("- file: a.wav\n  labels:\n   - a;b\n", 3, "cannot be a label"),
    ("- file: a.wav\n  labels: [yes]\n", 2, "Put it in quotes"),
    (
        "- file: a.wav\n  labels: [Suona]\n- file: b.wav\n  labels: [suona]\n",
        4,
        "is written 'Suona' on line 2",
    ),
    ("- {file: a.wav, labels: [x]}\n- {file: b.wav, labels: [[x]]}\n", 2, "a list is no label"),
    ("- file: a.wav\n  labels: [x]\n  ranges:\n   - [0:18, 0:10]\n", 4, "0:18-0:10 ends before it begins"),
    ("- file: a.wav\n  labels: [x]\n  ranges:\n   - [0:18, 18]\n", 4, "is empty"),
    (
        "- file: a.wav\n  labels: [x]\n  ranges:\n   - [0:18, 2.30]\n",
        4,
        "2.30 may be 2 min 30 s or 2.3 s. Write 2:30",
    ),
    ('- file: a.wav\n  labels: [x]\n  ranges:\n   - [0, "2.30"]\n', 4, "2.30 may be 2 min 30 s"),
    ("- file: a.wav\n  labels: [x]\n  ranges: [0:18, 2:05]\n", 3, "one more pair of brackets"),
    ("- file: a.wav\n  labels: [x]\n  ranges: 5\n", 3, "ranges are a list"),
    ("- file: a.wav\n  labels: [x]\n  ranges:\n", 3, "ranges are a list"),
    ("- file: a.wav\n  labels: [x]\n  ranges:\n   - [1, 2, 3]\n", 4, "a range is a pair"),
    ("- file: a.wav\n  labels: [x]\n  ranges:\n   - [soon, 2]\n", 4, "'soon' is no time"),
    ("- url: a.wav\n  labels: [x]\n", 1, "a path goes under 'file'"),
    ("- file: a.wav\n  labels: [x]\n  description: [a]\n", 3, "not a text"),
    ("- just text\n", 1, "'just text' is no entry"),
    ("file: a.wav\nlabels: [x]\n", 1, "a list of entries is expected"),
    ("", 1, "empty, where a list"),
    (
        "- {file: a.wav\n- b\n",
        3,
        "not YAML (expected ',' or '}', but got '<stream end>'; it began on line 1)",
    ),
    ("- &a\n  - *a\n", 1, "refers to itself"),
]


@pytest.mark.parametrize(("text", "line", "message"), BAD)
def test_what_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(BadSpec) as error:
        read(tmp_path, text)
    assert message in str(error.value) and f"s.yaml, line {line}:" in str(error.value)


def test_all_entries_that_are_wrong_are_told_at_once(tmp_path: Path) -> None:
    lines = ["- {file: a.wav, labels: [x], ranges: [[0, 2.30]]}", "- {file: b.wav, labels: [x]}"] * 13
    with pytest.raises(
        BadSpec, match=r"line 1: 2\.30 may .* \(Also wrong: lines 3, 5, 7, .* 19, 21, \.\.\.\.\)"
    ):
        read(tmp_path, "\n".join(lines))
    with pytest.raises(BadSpec, match=r"\(Also wrong: line 3\.\)"):
        read(tmp_path, "\n".join(lines[:3]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n {"file": "a.wav", // remark\n}]', r"line 2: not JSON .*YAML \(.yaml\) has"),
        ('[\n {"file": "a.wav", "labels": [NaN]}]', "NaN is no number"),
        ('[\n {"file": "a.wav",\n "labels": ["x"], "file": "b"}]', "line 3: 'file' stands on line 2 already"),
        ('[\n {"file": "a.wav",\n "labels": [null]}]', "line 3: 'null' is no label"),
        ('[\n {"file": "a.wav",\n "labels": ["x"],\n "ranges": [["0:18", 2.30]]}]', "line 4: 2.30 may be"),
        ("[]", "an empty list"),
        ("[" * 100_000, "lists within lists|not JSON"),
    ],
)
def test_json_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadSpec, match=message):
        read(tmp_path, text, "s.json")


def test_files_that_are_no_specification_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match="there is no such file"):
        spec.read(tmp_path / "none.json")
    with pytest.raises(BadSpec, match=r"is a \.json, \.yaml or \.yml file"):
        spec.read(tmp_path / "s.toml")
    (tmp_path / "s.json").write_bytes(b'[\n"\xe9"]')
    with pytest.raises(BadSpec, match="line 2: not UTF-8"):
        spec.read(tmp_path / "s.json")


def test_a_whole_specification_may_say_what_decimals_mean(tmp_path: Path) -> None:
    text = '[{"file": "a.wav", "labels": ["x"], "time_stamps_to_extract": [[0.18, 2.05]]}]'
    (entry,) = read(tmp_path, text, "s.json", decimals="minutes").entries
    assert [(r.start_s, r.end_s) for r in entry.ranges] == [(18.0, 125.0)]
    (entry,) = read(tmp_path, text, "s.json", decimals="seconds").entries
    assert [(r.start_s, r.end_s) for r in entry.ranges] == [(0.18, 2.05)]


def test_lines_of_json_are_those_of_its_text(tmp_path: Path) -> None:
    """Against the standard library for values, and against one value a line for lines."""
    rng = random.Random(3)

    def value(depth: int) -> object:
        kind = rng.randrange(6 if depth else 4)
        if kind < 4:
            return ['a "b" \\ \n é', 12.5, True, None][kind]
        members = [value(depth - 1) for _ in range(rng.randrange(4))]
        return members if kind == 4 else {f"k{i}": member for i, member in enumerate(members)}

    def plain(node: marked.Node) -> object:
        if node.items is not None:
            return [plain(item) for item in node.items]
        if node.members is not None:
            return {key: plain(item) for key, item in node.members.items()}
        return node.text

    def texts(known: object) -> object:
        if isinstance(known, list):
            return [texts(item) for item in known]
        if isinstance(known, dict):
            return {key: texts(item) for key, item in known.items()}
        return known if isinstance(known, str) else json.dumps(known)

    def lines(node: marked.Node) -> list[int]:
        inner = [*(node.items or ()), *(node.members or {}).values()]
        return [node.line, *(line for each in inner for line in lines(each))]

    path = tmp_path / "v.json"
    for _ in range(50):
        known = [value(4)]
        path.write_text(json.dumps(known, indent=1))
        node = marked.read(path)
        assert plain(node) == texts(known)
        found = lines(node)
        assert found == sorted(found) and len(set(found)) == len(found), "each value begins a line of its own"
