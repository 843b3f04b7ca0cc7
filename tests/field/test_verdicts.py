"""Verdicts survive kills and undo; reviewers are put together; kappa is scikit-learn's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sonoscope.errors import UsageError
from sonoscope.field import agreement, verdicts
from sonoscope.field.verdicts import Notebook
from sonoscope.outputs.format import UnreadableTable

LABELS = {f"{k:05d}": "buzz" for k in range(1, 9)}


def test_verdicts_are_kept_and_the_last_one_counts(tmp_path: Path) -> None:
    file = verdicts.file_of(tmp_path, "anna")
    notes = Notebook(file, "anna", LABELS)
    for clip, verdict in (
        ("00001", "yes"),
        ("00002", "no"),
        ("00001", "unsure"),
        ("00003", "other"),
        ("00002", ""),
    ):
        notes.judge(clip, verdict)
    assert file.name == "verdicts-anna.csv"
    assert notes.current == verdicts.read(file) == {"00001": "unsure", "00003": "other"}
    assert Notebook(file, "anna", LABELS).current == notes.current
    lines = file.read_text().splitlines()
    assert lines[0] == "clip,label,verdict,reviewer,at" and len(lines) == 6
    assert lines[1].startswith("00001,buzz,yes,anna,20") and lines[1].endswith("+00:00")


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "verdicts-anna.csv"
    Notebook(file, "anna", LABELS).judge("00001", "yes")
    whole = file.read_bytes()
    file.write_bytes(whole + b"00002,buzz,ye")
    assert Notebook(file, "anna", LABELS).current == {"00001": "yes"}
    assert file.read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
def test_a_disk_that_is_full_gets_whole_lines_only(tmp_path: Path) -> None:
    import resource

    file = tmp_path / "verdicts-anna.csv"
    notes = Notebook(file, "anna", LABELS)
    notes.judge("00001", "yes")
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*verdicts-anna\.csv'"):
            notes.judge("00002", "no")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before and notes.current == {"00001": "yes"}
    notes.judge("00003", "no")
    assert verdicts.read(file) == notes.current == {"00001": "yes", "00003": "no"}


def test_a_verdict_is_on_disk_before_it_is_confirmed(tmp_path: Path) -> None:
    """The process is killed right after judging: nothing is lost."""
    program = (
        "import os, sys; from sonoscope.field.verdicts import Notebook; "
        "n = Notebook(sys.argv[1], 'anna', {'00001': 'buzz', '00002': 'buzz'}); "
        "n.judge('00001', 'yes'); n.judge('00002', 'no'); "
        "os.kill(os.getpid(), 9)"
    )
    file = tmp_path / "verdicts-anna.csv"
    subprocess.run([sys.executable, "-c", program, str(file)], check=False)
    assert verdicts.read(file) == {"00001": "yes", "00002": "no"}


def test_what_is_no_verdict_is_refused(tmp_path: Path) -> None:
    notes = Notebook(tmp_path / "v.csv", "anna", LABELS)
    with pytest.raises(UsageError, match="there is no clip '9'"):
        notes.judge("9", "yes")
    with pytest.raises(UsageError, match="verdict 'maybe' must be one of yes, no, other, unsure"):
        notes.judge("00001", "maybe")
    for name in ("../x", "", "a b", ".hidden"):
        with pytest.raises(UsageError, match="it names a file"):
            verdicts.file_of(tmp_path, name)
    (tmp_path / "bad.csv").write_text("clip,verdict\n1,yep\n")
    with pytest.raises(UnreadableTable, match="line 2, column 'verdict': is 'yep'"):
        verdicts.read(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("clip,yes\n1,yes\n")
    with pytest.raises(UnreadableTable, match=r"no column 'verdict'.*a clip and its verdict in each row"):
        verdicts.read(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("clip,verdict\n1,yep\n")
    with pytest.raises(UsageError, match="holds no verdicts yet"):
        verdicts.read_all(tmp_path)
    with pytest.raises(UnreadableTable, match="1 are on clips that this folder does not have"):
        verdicts.check_clips({"anna": {"x": "yes"}}, LABELS)


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "utf-8-sig"), ("\t", "utf-8"), ("\t", "utf-16")]
)
def test_a_table_that_came_back_from_a_spreadsheet_is_read(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    """With a mark at its beginning, Windows' line ends, numbers without zeros, and semicolons or tabs."""
    table = "verdict,clip,extra\r\nYES,1,\r\n,2,\r\nno,00003,x\r\n"
    (tmp_path / "verdicts-ben.csv").write_bytes(table.replace(",", delimiter).encode(encoding))
    found = verdicts.read_all(tmp_path)
    assert found == {"ben": {"00001": "yes", "00003": "no"}}
    verdicts.check_clips(found, LABELS)


@pytest.mark.parametrize("header", ["clip;label;verdict;reviewer;at", "verdict,clip"])
def test_the_page_adds_nothing_to_a_file_of_other_columns_whose_verdicts_would_be_lost(
    tmp_path: Path, header: str
) -> None:
    place = tmp_path / "verdicts-ben.csv"
    place.write_text(f"{header}\n")
    with pytest.raises(UsageError, match="judge on under another --reviewer"):
        verdicts.Notebook(place, "ben", LABELS)
    place.write_bytes(b"\xef\xbb\xbfclip,label,verdict,reviewer,at\r\n")
    verdicts.Notebook(place, "ben", LABELS).judge(next(iter(LABELS)), "yes")
    assert verdicts.read(place) == {next(iter(LABELS)): "yes"}


def test_reviewers_together_are_their_majority() -> None:
    said = [
        {"a": "yes", "b": "yes", "c": "no", "d": "unsure", "e": "unsure"},
        {"a": "yes", "b": "no", "c": "other", "d": "yes"},
        {"b": "no", "f": "yes"},
    ]
    assert verdicts.together(said) == {"a": True, "b": False, "c": False, "d": True, "f": True}
    assert verdicts.together(said[:2]) == {"a": True, "c": False, "d": True}
    assert verdicts.together(said[:2], "no") == {"a": True, "b": False, "c": False, "d": True, "e": False}
    with pytest.raises(UsageError, match="--unsure maybe must be one of out, yes, no"):
        verdicts.together(said, "maybe")


def test_cohens_kappa_is_scikit_learns(rng: np.random.Generator) -> None:
    from sklearn.metrics import cohen_kappa_score

    first = rng.random(300) < 0.3
    second = first ^ (rng.random(300) < 0.15)
    agree, kappa = agreement.cohen(np.stack([first, second], axis=1))
    assert kappa == pytest.approx(cohen_kappa_score(first, second))
    assert agree == pytest.approx(np.mean(first == second))


def test_fleiss_kappa_by_hand() -> None:
    """Five clips, three ratings each: 3, 2, 0, 1, 3 times yes."""
    counts = np.array([[3, 3], [2, 3], [0, 3], [1, 3], [3, 3]])
    agree = (1 + 1 / 3 + 1 + 1 / 3 + 1) / 5
    chance = 0.6**2 + 0.4**2
    assert agreement.fleiss(counts) == pytest.approx((agree, (agree - chance) / (1 - chance)))


def test_agreement_of_pairs_and_of_all(rng: np.random.Generator) -> None:
    truth = rng.random(200) < 0.4
    people = {
        name: {
            str(k): ("yes" if is_there != (rng.random() < wrong) else "no")
            for k, is_there in enumerate(truth)
        }
        for name, wrong in (("anna", 0.0), ("ben", 0.05), ("chris", 0.3))
    }
    people["ben"]["0"] = "unsure"
    found = agreement.compare(people)
    assert [each.reviewers for each in found] == [
        ("anna", "ben"), ("anna", "chris"), ("ben", "chris"), ("anna", "ben", "chris"),
    ]  # fmt: skip
    assert [each.clips for each in found] == [199, 200, 199, 200]
    kappas = [each.kappa.value or 0 for each in found]
    assert kappas[0] > 0.8 > kappas[3] > kappas[2] > 0.2
    for each in found:
        assert each.kappa.low < each.kappa.value < each.kappa.high
    apart = agreement.disagreements(people)
    assert "0" not in apart or people["anna"]["0"] != people["chris"]["0"]
    assert all(len({people[name][clip] for name in people} - {"unsure"}) > 1 for clip in apart)


def test_nothing_in_common_and_no_variation_are_said() -> None:
    [apart] = agreement.compare({"a": {"1": "yes"}, "b": {"2": "no"}})
    assert apart.clips == 0 and apart.kappa.why == "no clip was judged by more than one"
    [same] = agreement.compare({"a": {"1": "yes", "2": "yes"}, "b": {"1": "yes", "2": "yes"}})
    assert same.agree.value == 1 and same.kappa.why == "all verdicts are the same"
