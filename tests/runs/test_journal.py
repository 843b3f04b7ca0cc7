"""The journal: what it says after kills, in several parts, and after many decisions."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sonoscope.runs import journal as journal_module
from sonoscope.runs.journal import DONE, FAILED, GONE, Journal, Record
from sonoscope.values import Recording


def record(name: str, **fields) -> Record:
    return Record(name, **({"status": DONE, "decision": "d", "outputs": {f"{name}.events.csv": 7}} | fields))


def write(folder: Path, part: str, *records: Record) -> None:
    journal = Journal(folder, part)
    for entry in records:
        journal.add(entry)
    journal.close()


def names(journal: Journal) -> list[str]:
    return [entry.name for entry in journal.records()]


def test_what_was_added_is_found_again(tmp_path):
    full = record(
        "sub/a \n'\udcff.wav", path="/x", size_bytes=5, modified_ns=6, duration_s=0.1, analysed_s=0.1, sample_rate=8000,
        channels=2, events=3, note="n", reason="r", remedy="m",
    )  # fmt: skip
    write(tmp_path, "all", full)
    found = Journal(tmp_path, None).get(full.name)
    assert found == Record(**{**vars(full), "at": found.at}) and found.at > 0
    assert found.describes(Recording("/x", full.name, None, 5, 6))
    assert not found.describes(Recording("/x", full.name, None, 5, 7))
    assert Journal(tmp_path, None).get("other") is None


def test_the_newest_record_counts_whichever_part_wrote_it(tmp_path):
    write(tmp_path, "all", record("a", events=1), record("b", events=1))
    write(tmp_path, "1of2", record("a", events=2))
    write(tmp_path, "all", record("b", events=3))
    journal = Journal(tmp_path, None)
    assert [(entry.name, entry.events) for entry in journal.records()] == [("a", 2), ("b", 3)]


def test_records_come_in_the_order_of_their_written_names(tmp_path):
    given = ["b.wav", "a/z.wav", "a.wav", "Z.wav", "ü.wav", "\U0001d11e.wav", "\ue000.wav", "\udcff.wav"]
    write(tmp_path, "all", *map(record, given))
    found = names(Journal(tmp_path, None))
    assert found == sorted(given, key=lambda name: name.encode("utf-8", "backslashreplace"))


def test_inputs_that_are_gone_are_left_out(tmp_path):
    write(tmp_path, "all", record("a"), record("b", status=FAILED), record("c", status=FAILED))
    assert Journal(tmp_path, None).failed == {"b", "c"}
    write(tmp_path, "all", record("b", status=GONE), record("c"))
    journal = Journal(tmp_path, None)
    assert names(journal) == ["a", "c"] and journal.failed == set()


@pytest.mark.parametrize(
    "rest", [b"{", b'{"name": "c", "sta', b"\0" * 70_000, b'{"name": "c", "status": "ok"}']
)
def test_half_a_line_is_cut_off_and_the_next_one_whole(tmp_path, rest):
    write(tmp_path, "all", record("a"), record("b"))
    file = tmp_path / "journal-all.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + rest)
    assert names(Journal(tmp_path, None)) == ["a", "b"]
    write(tmp_path, "all", record("d"))
    assert names(Journal(tmp_path, None)) == ["a", "b", "d"]
    assert file.read_bytes().startswith(whole + b'{"name": "d"')


def test_lines_that_make_no_sense_are_passed_over(tmp_path):
    write(tmp_path, "all", record("a"))
    with open(tmp_path / "journal-all.jsonl", "ab") as file:
        file.write(b'\0\0\n[]\n"x"\n{"other": 1}\n')
    write(tmp_path, "all", record("b"))
    assert names(Journal(tmp_path, None)) == ["a", "b"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_write_that_fails_leaves_whole_lines(code, tmp_path, monkeypatch):
    journal = Journal(tmp_path, "all")
    journal.add(record("a"))

    class Full:
        """A file on a full disk: half of what it is given arrives."""

        def __init__(self, file):
            self.file = file

        def write(self, line):
            self.file.write(line[: len(line) // 2])
            self.file.flush()
            raise OSError(code, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

    journal._mine = Full(journal._mine)
    with pytest.raises(OSError, match="No space"):
        journal.add(record("b"))
    assert journal.get("b") is None
    journal.add(record("c"))
    journal.close()
    assert names(Journal(tmp_path, None)) == ["a", "c"]


def test_what_other_decisions_may_have_touched_is_not_trusted(tmp_path):
    def begin(decision: str) -> Journal:
        journal = Journal(tmp_path, "all")
        journal.begin(decision)
        return journal

    journal = begin("one")
    journal.add(record("a", decision="one"))
    journal.close()
    journal = begin("one")
    assert journal.trusted(journal.get("a"))
    journal.close()
    begin("two").close()
    journal = begin("one")
    assert not journal.trusted(journal.get("a"))
    journal.add(record("a", decision="one"))
    assert journal.trusted(journal.get("a"))
    journal.close()
    journal = begin("one")
    assert journal.trusted(journal.get("a"))
    assert (tmp_path / "journal-all.jsonl").read_bytes().count(b"session") == 3


def test_a_journal_of_many_decisions_is_kept_short(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "COMPACT_FROM", 20)
    write(tmp_path, "1of2", record("other"))
    for decision in range(10):
        journal = Journal(tmp_path, "all")
        journal.begin(str(decision))
        for name in "abcdef":
            journal.add(record(name, decision=str(decision)))
        journal.close()
    lines = (tmp_path / "journal-all.jsonl").read_bytes().count(b'{"name"')
    assert lines < 20 + 4 * 7 + 6 + 1
    journal = Journal(tmp_path, "all")
    assert names(journal) == [*"abcdef", "other"]
    assert {entry.decision for entry in journal.records()} == {"9", "d"}


def test_a_thousand_parts_need_no_thousand_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "MAX_HANDLES", 4)
    for part in range(1, 13):
        write(tmp_path, f"{part}of12", record(f"{part:02}"), record(f"{part + 50}"))
    journal = Journal(tmp_path, None)
    assert len(names(journal)) == 24 and len(journal._handles) <= 4
