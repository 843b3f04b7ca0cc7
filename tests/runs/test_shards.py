"""Parts of a run, side by side in one folder: together they are the run."""

from __future__ import annotations

import json

import pytest

from sonoscope import runs
from sonoscope.errors import Locked, RunRefused, UsageError
from sonoscope.runs.collect import collect
from sonoscope.runs.listing import belongs_to
from sonoscope.runs.lock import Lock

NAMES = [f"s{i % 2}/{i}.wav" for i in range(9)]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_in_any_order_make_the_whole(make, run, tmp_path, contents, leftovers, order):
    folder = make(*NAMES, seconds=1.5)
    (folder / "bad.wav").write_text("no sound")
    run(folder, out="whole")
    whole = contents(tmp_path / "whole")
    done = 0
    for part in order:
        assert not (tmp_path / "out/events.csv").exists()
        summary = run(folder, shard=(part, 3))
        done += summary.done
    assert done == len(NAMES)
    assert contents(tmp_path / "out") == whole
    assert leftovers(tmp_path / "out") == []
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert (about["inputs"]["done"], about["inputs"]["failed"]) == (len(NAMES), 1)
    assert [part["part"] for part in about["parts"]] == ["1of3", "2of3", "3of3"]
    assert runs.RunSpec.from_run_json(tmp_path / "out/run.json").shard is None


def test_every_name_belongs_to_exactly_one_part():
    names = [f"night{i // 100}/{i}.wav" for i in range(2000)]
    for parts in (1, 2, 7, 16):
        sizes = [sum(map(belongs_to((part, parts)), names)) for part in range(1, parts + 1)]
        assert sum(sizes) == len(names)
        assert max(sizes) < 1.3 * len(names) / parts


def test_parts_and_the_whole_go_on_from_each_other(make, run, tmp_path, contents):
    folder = make(*NAMES, seconds=1)
    first = run(folder, shard=(1, 2)).done
    summary = run(folder)
    assert (summary.done, summary.skipped) == (len(NAMES), first)
    run(folder, out="whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert run(folder, shard=(2, 3)).skipped == run(folder, shard=(2, 3)).done


def test_a_part_decided_anew_waits_for_the_others(make, run, tmp_path, contents):
    folder = make(*NAMES, seconds=1)
    for part in (1, 2):
        run(folder, shard=(part, 2))
    summary = run(folder, shard=(1, 2), threshold="0.3")
    assert "1 part to come" in summary.message
    assert not (tmp_path / "out/events.csv").exists()
    run(folder, shard=(2, 2), threshold="0.3")
    run(folder, out="whole", threshold="0.3")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_is_collected_is_of_one_decision(make, run, tmp_path):
    """A part that was decided under other settings than the last one is not finished; what a later run of all inputs
    has decided is not told in the words of earlier parts."""
    folder = make(*NAMES, seconds=1)
    for part in (1, 2):
        run(folder, shard=(part, 2))
    run(folder, shard=(1, 2), threshold="0.3")
    summary = collect(tmp_path / "out")
    assert summary.exit_code == 1 and summary.message.endswith("1 part of 2 not finished: 2")
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert (about["status"], about["missing_parts"]) == ("stopped", [2])
    assert set(about["models"][0]["thresholds"].values()) == {0.3}
    run(folder, threshold="0.4")
    assert collect(tmp_path / "out").exit_code == 0
    about = json.loads((tmp_path / "out/run.json").read_text())
    assert set(about["models"][0]["thresholds"].values()) == {0.4}
    for part in (1, 2, 3):
        run(folder, shard=(part, 3), threshold="0.2")
    assert collect(tmp_path / "out").exit_code == 0
    assert runs.RunSpec.from_run_json(tmp_path / "out/run.json").threshold == "0.2"


def test_a_part_that_is_empty_is_no_mistake(make, run, tmp_path):
    folder = make("only.wav", seconds=1)
    summaries = [run(folder, shard=(part, 4)) for part in range(1, 5)]
    assert sorted(summary.done for summary in summaries) == [0, 0, 0, 1]
    assert (tmp_path / "out/events.csv").exists()


def test_the_whole_waits_for_its_parts_and_they_for_it(make, run, tmp_path):
    folder = make(*NAMES, seconds=1)
    run(folder, shard=(1, 2))
    state = tmp_path / "out/.sonoscope"
    with Lock(state, "1of2"):
        with pytest.raises(Locked, match="is being written by process"):
            run(folder)
        with pytest.raises(Locked, match="is being written by process"):
            run(folder, shard=(1, 3))
        assert run(folder, shard=(2, 2)).exit_code == 0


def test_parts_of_another_analysis_are_refused_also_with_overwrite(make, run, tmp_path):
    folder = make(*NAMES[:2], seconds=1)
    run(folder, shard=(1, 2))
    with pytest.raises(RunRefused, match="hop: "):
        run(folder, shard=(2, 2), hop_s=1.0)
    with pytest.raises(RunRefused, match="would take away the results of the other parts"):
        run(folder, shard=(2, 2), hop_s=1.0, overwrite=True)


def test_overwrite_with_a_part_does_that_part_anew(make, run, tmp_path):
    folder = make(*NAMES, seconds=1)
    for part in (1, 2):
        run(folder, shard=(part, 2))
    again = run(folder, shard=(1, 2), overwrite=True)
    assert (again.skipped, again.decided) == (0, 0) and again.done > 0
    assert run(folder).skipped == len(NAMES)


def test_a_dated_folder_cannot_be_shared(make, run):
    with pytest.raises(UsageError, match="the parts would not find"):
        run(make("a.wav"), out="{time}", shard=(1, 2))
