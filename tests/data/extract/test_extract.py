"""Clips are the samples that a specification names, and their manifest lies beside them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sonoscope.audio import decode
from sonoscope.data import badrows, manifest, sources
from sonoscope.data.extract import Settings, cut, extract
from sonoscope.data.extract.cut import Grid
from sonoscope.errors import RunRefused, UnknownName, UsageError

from .conftest import RATE, Specify, entry, heard, integers, tree, wav, write_video

OWN = Settings(sample_rate=None)


def naive(
    samples: np.ndarray, start_s: float, end_s: float | None, length_s: float, rate: int
) -> list[np.ndarray]:
    """Full clips without overlap of a stretch, as one would cut them by hand."""
    stop = len(samples) if end_s is None else round(end_s * rate)
    found, at, n = [], round(start_s * rate), round(length_s * rate)
    while at + n <= stop:
        found.append(samples[at : at + n])
        at += n
    return found


def clips(folder: Path) -> list[np.ndarray]:
    return [heard(folder, row) for row in manifest.read(folder / "manifest.csv").rows]


# ---- samples -----------------------------------------------------------------------------------------------


def test_clips_of_a_video_are_its_samples(tmp_path: Path, specify: Specify) -> None:
    sound = integers(1, 20 * RATE)
    write_video(tmp_path / "film.mkv", sound, RATE)
    ranges = [["0:01", "0:08.5"], [10.0625, 15]]
    done = extract(specify(entry("film.mkv", ["violin"], *ranges)), tmp_path / "out", OWN)
    wanted = naive(sound[:, 0], 1, 8.5, 3, RATE) + naive(sound[:, 0], 10.0625, 15, 3, RATE)
    assert done.clips == len(wanted) == 3 and not done.problems
    for got, known in zip(clips(tmp_path / "out"), wanted, strict=True):
        np.testing.assert_array_equal(got, known)


def test_an_empty_list_is_the_whole_video(tmp_path: Path, specify: Specify) -> None:
    sound = integers(1, round(13.3 * RATE))
    write_video(tmp_path / "film.mkv", sound, RATE)
    for number, spec_ in enumerate([entry("film.mkv", ["a"]), {"file": "film.mkv", "labels": ["a"]}]):
        folder = tmp_path / f"out{number}"
        extract(specify(spec_), folder, Settings(sample_rate=None, tail="keep"))
        np.testing.assert_array_equal(np.concatenate(clips(folder)), sound[:, 0])


@pytest.mark.parametrize(
    ("name", "codec"), [("film.mp4", "aac"), ("film.mkv", "libopus"), ("film.avi", "mp3")]
)
def test_other_containers_are_cut_as_they_are_decoded(
    tmp_path: Path, specify: Specify, name: str, codec: str
) -> None:
    rate = 48_000
    t = np.arange(7 * rate) / rate
    sound = (8000 * np.sin(2 * np.pi * 440 * t) * np.minimum(t, 1)).astype(np.int16)[:, None]
    write_video(tmp_path / name, sound, rate, codec)
    settings = Settings(length_s=1.0, sample_rate=22_050)
    extract(specify(entry(name, ["a"], ["1.5 s", 5])), tmp_path / "out", settings)
    decoded, _ = decode.read(tmp_path / name, 22_050)
    known = np.clip(np.rint(decoded * 32768), -32768, 32767).astype(np.int16)
    for got, wanted in zip(clips(tmp_path / "out"), naive(known, 1.5, 5, 1, 22_050), strict=True):
        np.testing.assert_array_equal(got, wanted)
    spectrum = np.abs(np.fft.rfft(clips(tmp_path / "out")[0]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1), "a clip of one second: a bin is one Hz"


def test_channels_are_averaged_or_one_is_taken(tmp_path: Path, specify: Specify) -> None:
    sound = integers(2, 4 * RATE, 2) // 2 * 2
    soundfile.write(tmp_path / "two.wav", sound, RATE)
    spec_ = specify(entry("two.wav", ["a"], [0, 3]))
    extract(spec_, tmp_path / "mean", OWN)
    mean = sound[: 3 * RATE].astype(np.int64).sum(axis=1) // 2
    np.testing.assert_array_equal(clips(tmp_path / "mean")[0], mean)
    extract(spec_, tmp_path / "right", Settings(sample_rate=None, channel=2))
    np.testing.assert_array_equal(clips(tmp_path / "right")[0], sound[: 3 * RATE, 1])
    done = extract(spec_, tmp_path / "third", Settings(sample_rate=None, channel=3))
    assert "no channel 3" in done.problems[0].reason and done.clips == 0


def test_flac_holds_the_same_samples(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 3, 7)
    spec_ = specify(entry("a.wav", ["a"]))
    extract(spec_, tmp_path / "wav", OWN)
    extract(spec_, tmp_path / "flac", Settings(sample_rate=None, format="flac"))
    assert [row.path for row in manifest.read(tmp_path / "flac" / "manifest.csv").rows] == [
        "a/[a]a__1.flac", "a/[a]a__2.flac",
    ]  # fmt: skip
    for one, other in zip(clips(tmp_path / "wav"), clips(tmp_path / "flac"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_beyond_full_scale_is_cut_off_and_told(tmp_path: Path, specify: Specify) -> None:
    soundfile.write(tmp_path / "loud.wav", np.full(4 * RATE, 1.5, np.float32), RATE, subtype="FLOAT")
    done = extract(specify(entry("loud.wav", ["a"])), tmp_path / "out", OWN)
    assert (clips(tmp_path / "out")[0] == 32767).all()
    assert done.notes == ("1 clip is louder than full scale and cut off there (the first in loud.wav)",)


# ---- tails and hops ----------------------------------------------------------------------------------------


@given(
    n=st.integers(0, 200),
    length=st.integers(1, 60),
    hop=st.integers(1, 90),
    shortest=st.integers(1, 10),
    tail=st.sampled_from(["drop", "keep", "pad"]),
)
def test_clips_tile_a_range(n: int, length: int, hop: int, shortest: int, tail: str) -> None:
    found = Grid(10, length, hop, shortest, tail, "wav").clips(n)
    full = [(s, s + length) for s in range(0, n, hop) if s + length <= n]
    assert found[: len(full)] == full and len(found) - len(full) in (0, 1)
    covered = {i for start, end in full for i in range(start, end)}
    new = [i for i in range(len(full) * hop, n) if i not in covered]
    if tail != "drop" and len(new) >= shortest:
        assert found[-1] == (len(full) * hop, n)
    else:
        assert found == full


@pytest.mark.parametrize(
    ("settings", "lengths"),
    [
        (Settings(tail="drop", sample_rate=None), [3, 3]),
        (Settings(tail="keep", sample_rate=None), [3, 3, 1.5]),
        (Settings(tail="pad", sample_rate=None), [3, 3, 3]),
        (Settings(hop_s=1.5, sample_rate=None), [3, 3, 3, 3]),
        (Settings(hop_s=4, tail="keep", sample_rate=None), [3, 3]),
        (Settings(hop_s=2, tail="keep", sample_rate=None), [3, 3, 3, 1.5]),
        (Settings(length_s=7.4, tail="keep", sample_rate=None), [7.4, 0.1]),
        (Settings(length_s=7.41, tail="keep", sample_rate=None), [7.41]),
        (Settings(length_s=8, tail="keep", sample_rate=None), [7.5]),
    ],
)
def test_tails_and_hops(tmp_path: Path, specify: Specify, settings: Settings, lengths: list[float]) -> None:
    sound = wav(tmp_path / "a.wav", 4, 10)
    extract(specify(entry("a.wav", ["a"], [1, "8.5 s"])), tmp_path / "out", settings)
    rows = manifest.read(tmp_path / "out" / "manifest.csv").rows
    assert [row.duration_s for row in rows] == pytest.approx(lengths, abs=1e-6)
    for index, row in enumerate(rows):
        start_s = 1 + index * settings.step_s
        assert float(row.extra["original_start_s"]) == pytest.approx(start_s, abs=1e-6)
        wanted = np.zeros(round(lengths[index] * RATE), np.int16)
        there = sound[round(start_s * RATE) : round(min(start_s + lengths[index], 8.5) * RATE)]
        wanted[: len(there)] = there
        np.testing.assert_array_equal(heard(tmp_path / "out", row), wanted)


def test_a_range_shorter_than_a_clip_is_told(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 4, 10)
    done = extract(specify(entry("a.wav", ["a"], [1, 2], [3, 6])), tmp_path / "out", OWN)
    assert done.clips == 1 and not done.problems
    assert "1 range is too short for a clip of 3 s (the first in a.wav); --tail keep or pad" in done.notes[0]


# ---- one pass, flat memory ---------------------------------------------------------------------------------


def test_a_recording_is_decoded_once_and_no_further_than_needed(
    tmp_path: Path, specify: Specify, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav(tmp_path / "long.wav", 5, 120)
    opened: list[decode.Decoder] = []

    class Counted(decode.Decoder):
        def __enter__(self) -> decode.Decoder:
            opened.append(self)
            return super().__enter__()

    monkeypatch.setattr(cut, "Decoder", Counted)
    spec_ = specify(
        entry("long.wav", ["a"], *[[2 * i, 2 * i + 1] for i in range(5)]),
        entry("./long.wav", ["b"], [20, 26]),
    )
    done = extract(spec_, tmp_path / "out", Settings(length_s=1, sample_rate=None))
    assert done.clips == 11 and len(opened) == 1
    assert opened[0].duration_s < 40
    assert {row.group for row in manifest.read(done.manifest).rows} == {"long.wav"}


def test_memory_does_not_grow_with_a_recording(tmp_path: Path, specify: Specify) -> None:
    import tracemalloc

    wav(tmp_path / "warm.wav", 0, 4)
    extract(specify(entry("warm.wav", ["a"])), tmp_path / "warm", OWN)
    peaks = []
    for seconds in (30, 600):
        wav(tmp_path / f"{seconds}.wav", 1, seconds)
        tracemalloc.start()
        extract(specify(entry(f"{seconds}.wav", ["a"])), tmp_path / f"out{seconds}", OWN)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000, "600 s are 38 MB as they are decoded"


# ---- the manifest and what lies beside it ------------------------------------------------------------------


def test_the_manifest_lies_beside_the_clips_and_says_where_they_are_from(
    tmp_path: Path, specify: Specify
) -> None:
    wav(tmp_path / "rec" / "a.wav", 6, 10)
    wav(tmp_path / "rec" / "b.wav", 7, 4)
    spec_ = specify(
        entry("rec/a.wav", ["violin", "piano"], ["0:00", "0:06"], description="live", licence="CC0"),
        entry("rec/a.wav", [], [7, 10], site="hall"),
        entry(
            "rec/b.wav", ["piano"], group="concert", source="archive", recorder="H4n", url="https://x.org/b"
        ),
        name="pieces.json",
    )
    done = extract(spec_, tmp_path / "out", OWN)
    found = manifest.read(tmp_path / "out" / "manifest.csv")
    assert found.root.samefile(tmp_path / "out") and found.label_map == ("violin", "piano")
    assert [row.path for row in found.rows] == [
        "violin/[violin][piano]a__1.wav",
        "violin/[violin][piano]a__2.wav",
        "background/a__3.wav",
        "piano/[piano]b__1.wav",
    ]
    one, _, background, last = found.rows
    assert (one.labels, one.group, one.source, one.licence) == (
        ("violin", "piano"),
        "rec/a.wav",
        "pieces",
        "CC0",
    )
    assert one.extra["description"] == "live" and one.extra["original"] == "rec/a.wav"
    assert (background.labels, background.site, background.extra["original_start_s"]) == ((), "hall", "7.000")
    assert (last.group, last.source, last.recorder, last.extra["url"]) == (
        "concert", "archive", "H4n", "https://x.org/b",
    )  # fmt: skip
    assert background.group == one.group, "clips of one recording must not come apart"
    assert (tmp_path / "out" / "labels.txt").read_text() == "violin\npiano\n"
    assert str(tmp_path) not in "".join(
        each.read_text()
        for each in (tmp_path / "out").rglob("*")
        if each.suffix in (".csv", ".json", ".jsonl")
    )
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    again = sources.load(str(moved))
    assert all(again.path_of(row).is_file() for row in again.rows)
    _, problems = manifest.check(again)
    assert done.clips == len(again) and not problems


def test_clips_are_counted_against_a_target(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 6, 10)
    wav(tmp_path / "b.wav", 7, 4)
    spec_ = specify(entry("a.wav", ["violin", "piano"]), entry("b.wav", ["piano"]))
    done = extract(spec_, tmp_path / "out", OWN, labels=["piano", "violin", "organ"], target=4)
    piano, violin, organ = done.counts
    assert (piano.clips, piano.seconds, piano.groups, piano.missing_clips) == (4, 12.0, 2, 0)
    assert (violin.clips, violin.groups, violin.missing_clips, violin.missing_s) == (3, 1, 1, 3.0)
    assert (organ.clips, organ.missing_s) == (0, 12.0)
    with open(tmp_path / "out" / "counts.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["label"], row["clips"], row["missing_clips"]) for row in table] == [
        ("piano", "4", "0"), ("violin", "3", "1"), ("organ", "0", "4"),
    ]  # fmt: skip


def test_at_most_so_many_clips_of_each_from_all_recordings(tmp_path: Path, specify: Specify) -> None:
    """Three of five pianos are of the one recording, three of the other; with a violin among them, both count."""
    wav(tmp_path / "a.wav", 6, 10)
    wav(tmp_path / "b.wav", 7, 10)
    wav(tmp_path / "c.wav", 8, 10)
    spec_ = specify(entry("a.wav", ["piano"]), entry("b.wav", ["piano"]), entry("c.wav", ["violin", "piano"]))
    done = extract(spec_, tmp_path / "out", OWN, cap=4)
    whole, capped = (manifest.read(tmp_path / "out" / name).rows for name in ("manifest.csv", "capped.csv"))
    assert len(whole) == 9 and set(capped) <= set(whole)
    assert {one.label: (one.clips, one.groups) for one in done.capped} == {"piano": (4, 3), "violin": (1, 1)}
    # In turns: the first of each recording, then the second of the first one.
    assert [row.path for row in capped] == ["piano/[piano]a__1.wav", "piano/[piano]a__2.wav", "piano/[piano]b__1.wav",
                                            "violin/[violin][piano]c__1.wav"]  # fmt: skip
    with pytest.raises(UsageError, match="cap=0 must be at least 1"):
        extract(spec_, tmp_path / "out", OWN, cap=0)


def test_files_that_are_called_alike_stay_apart(tmp_path: Path, specify: Specify) -> None:
    for number, name in enumerate(["x/Take.wav", "y/take.wav", "take.flac", "take [live]?.wav"]):
        wav(tmp_path / name, number, 3)
    names = ["x/Take.wav", "y/take.wav", "take.flac", "take [live]?.wav"]
    extract(specify(*[entry(name, ["a"]) for name in names]), tmp_path / "out", OWN)
    paths = [row.path for row in manifest.read(tmp_path / "out" / "manifest.csv").rows]
    assert paths == [
        "a/[a]Take__1.wav",
        "a/[a]take-2__1.wav",
        "a/[a]take-3__1.wav",
        "a/[a]take (live)___1.wav",
    ]
    assert len(set(tree(tmp_path / "out").values())) == 4 + 4


# ---- labels ------------------------------------------------------------------------------------------------


def test_a_label_that_is_not_in_the_map_ends_the_run_before_any_work(
    tmp_path: Path, specify: Specify
) -> None:
    wav(tmp_path / "a.wav", 1, 4)
    spec_ = specify(entry("a.wav", ["violin"]), entry("a.wav", ["trumpett"]))
    with pytest.raises(UsageError, match=r"spec\.json, line 3: the label 'trumpett' is not in the label map\. Did you "
                                         r"mean 'trumpet'"):  # fmt: skip
        extract(spec_, tmp_path / "out", labels="irmas")
    both = specify(entry("a.wav", ["violn"]), entry("a.wav", ["violin"]), entry("b.wav", ["trumpett"]))
    with pytest.raises(UsageError, match=r"line 2: the label 'violn'.* \(Also wrong: line 4\.\)"):
        extract(both, tmp_path / "out", labels="irmas")
    with pytest.raises(UnknownName, match="Did you mean 'irmas'"):
        extract(spec_, tmp_path / "out", labels="irma")
    assert not (tmp_path / "out").exists()


def test_irmas_codes_name_the_clips(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 1, 4)
    extract(specify(entry("a.wav", ["cla", "piano"])), tmp_path / "out", OWN, labels="irmas")
    (row,) = manifest.read(tmp_path / "out" / "manifest.csv").rows
    assert row.path == "cla/[cla][pia]a__1.wav" and row.labels == ("clarinet", "piano")
    with pytest.raises(UsageError, match="'cla' is 'clarinet', which is there already"):
        extract(specify(entry("a.wav", ["clarinet", "cla"])), tmp_path / "two", OWN, labels="irmas")


def test_the_map_of_the_folder_holds(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 1, 4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "labels.json").write_text('["dizi", "suona"]')
    with pytest.raises(UsageError, match=r"'sunoa' is not in the label map\. Did you mean 'suona'"):
        extract(specify(entry("a.wav", ["sunoa"])), tmp_path / "out", OWN)
    extract(specify(entry("a.wav", ["suona"])), tmp_path / "out", OWN)
    assert json.loads((tmp_path / "out" / "labels.json").read_text()) == ["dizi", "suona"], "left as it was"


# ---- what cannot be cut ------------------------------------------------------------------------------------


def test_what_cannot_be_cut_is_listed_and_the_others_are_complete(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "good.wav", 1, 8)
    wav(tmp_path / "Case.wav", 1, 8)
    (tmp_path / "text.wav").write_text("this is text")
    (tmp_path / "empty.mp4").touch()
    samples = integers(1, 20 * RATE)
    soundfile.write(tmp_path / "cut.flac", samples, RATE)
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    write_video(tmp_path / "mute.mkv", samples[:RATE], RATE)
    spec_ = specify(
        entry("god.wav", ["a"]),
        entry("text.wav", ["a"]),
        entry("empty.mp4", ["a"]),
        entry("cut.flac", ["a"], [0, 3], [4, 15]),
        entry("good.wav", ["a"], [0, 3], [4, "7.9 s"], [8, 20]),
        entry("case.wav", ["a"]),
    )
    done = extract(spec_, tmp_path / "out", OWN)
    told = {(each.path, each.start_s): (each.reason, each.remedy) for each in done.problems}
    assert (
        "there is no such file" in told["god.wav", 0][0]
        and "Did you mean 'good.wav'" in told["god.wav", 0][1]
    )
    assert "text" in told["text.wav", 0][0] and "empty" in told["empty.mp4", 0][0]
    assert ("cut.flac", 4) in told and ("cut.flac", 0) not in told
    assert told["good.wav", 8] == (
        "begins at 8 s, the file ends at 8.000 s",
        "Correct line 6 of the specification, or copy the file again.",
    )
    assert "only the case differs" in told["case.wav", 0][0]
    assert badrows.read(tmp_path / "out" / "manifest.bad_rows.csv") == list(done.problems)
    paths = [row.path for row in manifest.read(done.manifest).rows]
    assert paths == ["a/[a]cut__1.wav", "a/[a]good__1.wav", "a/[a]good__2.wav"]
    assert not list((tmp_path / "out").rglob("*.part")), "nothing is left half made"


def test_a_range_may_end_a_little_after_its_recording(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 1, 6)
    done = extract(specify(entry("a.wav", ["a"], [0, "6.09 s"])), tmp_path / "out", OWN)
    assert done.clips == 2 and not done.problems
    done = extract(specify(entry("a.wav", ["a"], [0, "6.2 s"])), tmp_path / "two", OWN)
    assert done.clips == 0 and done.problems[0].reason == "ends at 6.2 s, the file at 6.000 s"


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ([0, 5], [4, 8], "line 3: a.wav: 0:04-0:08 overlaps 0:00-0:05 of line 2"),
        ([4, 8], [0, 5], "line 3: a.wav: 0:00-0:05 overlaps 0:04-0:08 of line 2"),
        ([0, "end"], [4, 8], "line 3: a.wav: 0:04-0:08 overlaps 0:00-end of line 2"),
    ],
)
def test_overlapping_ranges_are_refused_with_their_lines(
    tmp_path: Path, specify: Specify, one: list, other: list, message: str
) -> None:
    wav(tmp_path / "a.wav", 1, 10)
    for file in ("a.wav", "sub/../a.wav", str(tmp_path / "a.wav"), "none.wav"):
        first = "none.wav" if file == "none.wav" else "a.wav"
        with pytest.raises(UsageError) as error:
            extract(specify(entry(first, ["x"], one), entry(file, ["y"], other)), tmp_path / "out")
        assert message.replace("a.wav", first) in str(error.value)
    extract(specify(entry("a.wav", ["x"], [0, 4]), entry("a.wav", ["y"], [4, 8])), tmp_path / "out", OWN)


def test_two_groups_for_one_recording_are_refused(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 1, 10)
    with pytest.raises(UsageError, match=r"line 3: a\.wav has two groups, 'one' and 'two'"):
        extract(
            specify(entry("a.wav", ["x"], [0, 3], group="one"), entry("a.wav", ["x"], [4, 8], group="two")),
            tmp_path / "out",
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length_s": 0.05}, "length=0.05 s must be at least 0.1 s"),
        ({"length_s": float("nan")}, "length=nan s must be"),
        ({"hop_s": 0.01}, "hop=0.01 s must be at least 0.03 s"),
        ({"tail": "kep"}, "tail='kep' must be one of drop, keep, pad. Did you mean 'keep'"),
        ({"format": "mp3"}, "format='mp3' must be one of wav, flac"),
        ({"sample_rate": 44}, "sample_rate=44 must lie in"),
        ({"channel": 0}, "channels count from 1"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        Settings(**options)


def test_a_folder_that_somebody_else_made_is_not_touched(tmp_path: Path, specify: Specify) -> None:
    wav(tmp_path / "a.wav", 1, 4)
    mine = tmp_path / "out" / "a" / "[a]a__1.wav"
    wav(mine, 9, 1)
    before = mine.read_bytes()
    with pytest.raises(RunRefused, match="is there already, and no run that is known here made it"):
        extract(specify(entry("a.wav", ["a"])), tmp_path / "out", OWN)
    assert mine.read_bytes() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "counts.csv").write_text("my own")
    with pytest.raises(RunRefused, match=r"counts\.csv is there already"):
        extract(specify(entry("a.wav", ["a"])), tmp_path / "other", OWN)
    extract(specify(entry("a.wav", ["a"])), tmp_path / "out", OWN, overwrite=True)
    assert len(clips(tmp_path / "out")[0]) == 3 * RATE
