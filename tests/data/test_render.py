"""Banks of stems and pieces: files that say what they hold, the same bytes again, interrupted or not."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import labels
from sonoscope.cli import main
from sonoscope.data.rendering import music, orchestra, pieces, render
from sonoscope.data.rendering.orchestra import ORCHESTRA
from sonoscope.data.rendering.pieces import render_pieces, sounding_times
from sonoscope.data.rendering.render import default_counts, plan, render_stems
from sonoscope.data.rendering.synth import Synth, soundfonts
from sonoscope.errors import RunRefused, UnknownName, UsageError

COUNTS = {"violin": 2, "drums": 2, "piano": 3}
IDS = [label.id for label in labels.INSTRUMENTS]


@pytest.fixture(scope="module")
def font() -> str:
    """The smallest soundfont here, or a skip that says what is missing."""
    try:
        import fluidsynth  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rendering is not possible here: {error}")
    here = soundfonts()
    if not here:
        pytest.skip("no General MIDI soundfont on this machine")
    return min(here, key=lambda name: here[name].stat().st_size)


@pytest.fixture(scope="module")
def bank(font, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bank")
    render_stems(out, soundfont=font, counts=COUNTS, duration_s=3.0, seed=5)
    return out


def digests(folder: Path) -> dict[str, str]:
    """Every file under ``folder`` with a digest of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def table(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_every_stem_is_as_its_row_says(bank, font):
    rows = table(bank / "manifest.csv")
    assert tuple(rows[0]) == render.MANIFEST_COLUMNS
    assert Counter(row["instrument"] for row in rows) == COUNTS
    for row in rows:
        samples, rate = soundfile.read(bank / row["path"])
        info = soundfile.info(bank / row["path"])
        assert (rate, info.channels, info.format, info.subtype) == (24_000, 1, "FLAC", "PCM_16")
        assert samples.size == 3 * 24_000
        assert 0.001 < np.abs(samples).max() <= render.PEAK + 1e-4
        assert row["labels"] == ORCHESTRA[row["instrument"]].label
        assert set(row["absent"].split(";")) == set(IDS) - {row["labels"]}
        assert row["soundfont"] == font
        assert row["source"] == "rendered"
        assert row["group"].startswith(f"{font}/{row['program']}")


def test_sound_is_where_the_notes_are(bank):
    for row in table(bank / "manifest.csv"):
        samples, rate = soundfile.read(bank / row["path"])
        notes = table(bank / row["annotation"])
        assert tuple(notes[0]) == render.NOTE_COLUMNS
        onsets = np.array([float(note["onset"]) for note in notes])
        first = np.flatnonzero(np.abs(samples) > 2 / 32768)[0] / rate
        assert onsets[0] - 0.001 <= first < onsets[0] + 0.1
        assert all(0 <= float(n["onset"]) < float(n["offset"]) <= 3.0 for n in notes)
        assert {note["label"] for note in notes} == {row["labels"]}
        assert {note["score"] for note in notes} == {"1"}


def test_a_seed_in_the_manifest_composes_its_stem_again(bank):
    for row in table(bank / "manifest.csv"):
        instrument = ORCHESTRA[row["instrument"]]
        program = instrument.program(int(row["program"]))
        rng = np.random.default_rng(int(row["seed"]))
        score = music.compose(instrument, rng, 3.0, program=program)
        notes = table(bank / row["annotation"])
        assert [note.pitch for note in score.notes] == pytest.approx([int(n["pitch"]) for n in notes])


def test_the_same_seed_gives_the_same_bytes_and_another_other_music(bank, font, tmp_path):
    render_stems(tmp_path / "again", soundfont=font, counts=COUNTS, duration_s=3.0, seed=5)
    assert digests(tmp_path / "again") == digests(bank)
    render_stems(tmp_path / "other", soundfont=font, counts={"violin": 2}, duration_s=3.0, seed=6)
    own = digests(bank)
    for name, digest in digests(tmp_path / "other").items():
        assert digest != own.get(name), name


def test_an_interrupted_bank_is_finished_and_a_bank_grows(bank, font, tmp_path):
    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise Interrupted

    common = {"soundfont": font, "duration_s": 3.0, "seed": 5}
    with pytest.raises(Interrupted):
        render_stems(tmp_path, counts=COUNTS, progress=stop, **common)
    assert not (tmp_path / "manifest.csv").exists(), "a manifest that exists is complete"
    kept = next(tmp_path.rglob("*.flac"))
    before = kept.stat().st_mtime_ns
    calls: list[tuple[int, int]] = []
    render_stems(tmp_path, counts=COUNTS, progress=lambda *call: calls.append(call), **common)
    assert digests(tmp_path) == digests(bank)
    assert kept.stat().st_mtime_ns == before, "what exists is not rendered again"
    assert calls == [(k, 7) for k in range(1, 8)]

    render_stems(tmp_path, counts={"violin": 3, "flute": 1}, **common)
    rows = table(tmp_path / "manifest.csv")
    assert Counter(row["instrument"] for row in rows) == {"violin": 3, "drums": 2, "piano": 3, "flute": 1}
    for name, digest in digests(bank).items():
        if name.endswith((".flac", ".notes.csv")):
            assert digests(tmp_path)[name] == digest


def test_no_two_stems_of_a_large_plan_share_a_bar():
    counts = dict.fromkeys(ORCHESTRA, 8)
    seen: set[str] = set()
    for stem, seed, score in render._composed(plan(counts, "fluidr3", 0), 11.0):
        own = music.bars(score)
        assert seen.isdisjoint(own), stem.name
        assert 0 <= seed < 2**32
        seen |= own


def test_a_font_without_the_pitches_of_a_stem_gives_a_silent_stem_without_labels(font, tmp_path, monkeypatch):
    monkeypatch.setattr(render, "draw_room", lambda rng: (None, None, 1e-6))  # too soft for 16 bit
    render_stems(tmp_path, soundfont=font, counts={"flute": 1}, duration_s=2.0)
    (row,) = table(tmp_path / "manifest.csv")
    assert row["labels"] == ""
    assert row["absent"] == ";".join(IDS)
    assert table(tmp_path / row["annotation"]) == []


def test_another_bank_is_not_written_into_a_folder(bank, font):
    with pytest.raises(RunRefused, match=r"holds another bank \(duration_s: 3\.0 there, 4\.0 now; seed: 5"):
        render_stems(bank, soundfont=font, counts=COUNTS, duration_s=4.0, seed=6)
    assert json.loads((bank / "render.json").read_text())["counts"] == COUNTS


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"counts": {"violn": 1}}, UnknownName, "unknown instrument 'violn'. Did you mean 'violin'"),
        ({"counts": {"violin": -1}}, UsageError, r"counts\['violin'\]=-1 must not be negative"),
        ({"duration_s": 0.5}, UsageError, r"duration_s=0\.5 must lie in 1\.\.3600 seconds"),
        ({"seed": -1}, UsageError, "seed=-1 must not be negative"),
        ({"format": "mp3"}, UnknownName, "unknown format 'mp3'.*flac, wav"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_written(font, tmp_path, changed, error, message):
    wanted = {"soundfont": font, "counts": {"violin": 1}, **changed}
    with pytest.raises(error, match=message):
        render_stems(tmp_path / "out", **wanted)
    assert not (tmp_path / "out").exists()


def test_default_counts_are_balanced():
    counts = default_counts(130)
    assert set(counts) == set(ORCHESTRA)
    assert counts["violin"] == counts["voice"] == 130
    assert (counts["piano"], counts["electric_guitar"], counts["bass"]) == (180, 200, 90)
    assert counts["oboe"] == 12
    assert counts["synth_pad"] == 84  # seven programs
    assert default_counts(3, ["violin", "oboe"]) == {"violin": 3, "oboe": 1}
    with pytest.raises(UsageError, match="per_class=0 must be at least 1"):
        default_counts(0)


def test_sounding_times_are_where_a_burst_is():
    rate = 8_000
    time_s = np.arange(10 * rate) / rate
    sound = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)
    on = ((time_s >= 1) & (time_s < 2)) | ((time_s >= 2.2) & (time_s < 3)) | ((time_s >= 5) & (time_s < 7))
    on |= (time_s >= 8) & (time_s < 8.04)  # a click: too short to count
    found = sounding_times(sound * on, rate)
    assert found == [(1.0, 3.0), (5.0, 7.0)], "a gap of 0.2 s is bridged, one of 2 s is not"
    assert sounding_times(sound, rate) == [(0.0, 10.0)]
    assert sounding_times(sound * 0, rate) == []
    assert sounding_times(sound[: rate + 7], rate) == [(0.0, (rate + 7) / rate)]
    faint = np.where(time_s < 5, 1.0, 10 ** (-50 / 20)).astype(np.float32)
    assert sounding_times(sound * faint, rate) == [(0.0, 5.0)]


def test_an_excerpt_holds_what_begins_in_it_and_lifts_the_pedal():
    pedalled = (music.compose(ORCHESTRA["piano"], np.random.default_rng(seed), 10.0) for seed in range(50))
    score = next(score for score in pedalled if any(c.kind == "pedal" for c in score.controls))
    part = pieces.excerpt(score, 2.0, 6.0)
    inside = [n for n in score.notes if 2.0 <= n.onset_s < 6.0 - music.SHORTEST_S]
    assert [(n.onset_s, n.pitch) for n in part.notes] == [(n.onset_s, n.pitch) for n in inside]
    assert all(note.offset_s <= 6.0 for note in music.sounding(part))
    assert pieces.excerpt(score, 0.0, 10.0).notes == score.notes
    with pytest.raises(ValueError, match=r"start_s=6\.0, end_s=2\.0 must lie in 0\.\.10"):
        pieces.excerpt(score, 6.0, 2.0)


def test_a_piece_is_the_sum_of_its_parts_and_its_timeline_theirs(font):
    with Synth(font) as synth:
        rng = np.random.default_rng(3)
        players = [ORCHESTRA[name] for name in ("violin", "piano", "drums", "bass")]
        parts: list[pieces.Part] = []
        while len(parts) < 3:
            parts = pieces.draw_parts(rng, players, 6.0)
        together = pieces.perform(synth, parts)
        alone = [pieces.perform(synth, [part]) for part in parts]
        total = np.sum([piece.samples for piece in alone], axis=0)
        if np.abs(total).max() > render.PEAK:
            total *= render.PEAK / np.abs(total).max()
        np.testing.assert_allclose(together.samples, total, atol=2e-3)
        spans = sorted(span for piece in alone for span in piece.timeline)
        assert list(together.timeline) == spans, "every label of these parts differs"
        assert Counter(row[4] for row in together.notes) == Counter(
            part.instrument.label for part in parts for _ in part.score.notes
        )


def test_pieces_say_who_sounds_when(font, tmp_path):
    common = {"soundfont": font, "duration_s": 4.0, "instruments": ["violin", "flute", "drums", "bass"]}
    render_pieces(tmp_path / "a", count=4, **common)
    rows = table(tmp_path / "a" / "manifest.csv")
    assert [row["path"] for row in rows] == [f"piece-{k:05d}.flac" for k in range(4)]
    for row in rows:
        samples, rate = soundfile.read(tmp_path / "a" / row["path"])
        assert samples.size == 4 * rate
        assert 0.01 < np.abs(samples).max() <= render.PEAK + 1e-4
        spans = table(tmp_path / "a" / row["annotation"])
        assert tuple(spans[0]) == pieces.TIMELINE_COLUMNS
        assert (
            set(row["labels"].split(";")) == {span["label"] for span in spans} <= set(common["instruments"])
        )
        assert all(0 <= float(s["start"]) < float(s["end"]) <= 4.0 for s in spans)
        notes = table(tmp_path / "a" / row["annotation"].replace("timeline", "notes"))
        assert {note["label"] for note in notes} == {span["label"] for span in spans}
    whole = digests(tmp_path / "a")
    render_pieces(tmp_path / "b", count=2, **common)
    (tmp_path / "b" / "piece-00001.flac").unlink()
    render_pieces(tmp_path / "b", count=4, **common)
    assert digests(tmp_path / "b") == whole
    with pytest.raises(UsageError, match="count=0 must be at least 1"):
        render_pieces(tmp_path / "a", count=0, **common)
    with pytest.raises(RunRefused, match="instruments"):
        render_pieces(tmp_path / "a", count=4, **{**common, "instruments": ["violin"]})


def test_the_command_renders_what_the_function_does(bank, font, tmp_path, capsys):
    call = ["data", "render", "-o", str(tmp_path / "a"), "--soundfont", font, "--instruments", "vio,drums"]
    assert main([*call, "--per-class", "2", "--duration", "3", "--seed", "5"]) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == [str(tmp_path / "a" / "manifest.csv")]
    assert f"{font}: 4/4" in shown.err
    own = digests(bank)
    same = {
        name: digest
        for name, digest in digests(tmp_path / "a").items()
        if name.startswith(("violin", "drums"))
    }
    assert same == {name: own[name] for name in same}
    assert len(same) == 8

    call = ["data", "render", "-o", str(tmp_path / "p"), "--soundfont", f"{font},{soundfonts()[font]}"]
    assert main([*call, "--pieces", "1", "--duration", "2", "--format", "wav", "--rate", "8000"]) == 0
    assert soundfile.info(tmp_path / "p" / font / "piece-00000.wav").samplerate == 8000


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    out = ["data", "render", "-o", str(tmp_path / "x")]
    for words, message in (
        (["--instruments", "violn"], "unknown instrument 'violn'. Did you mean 'violin'"),
        (["--instruments", ","], "--instruments ',' names nothing"),
        (["--soundfont", "fluid"], "unknown soundfont 'fluid'. Did you mean 'fluidr3'"),
        (["--per-class", "0"], "per_class=0 must be at least 1"),
        (["--per-class", "2", "--pieces", "2"], "--pieces and --per-class exclude each other"),
    ):
        assert main([*out, *words]) == 2
        assert message in capsys.readouterr().err
    assert orchestra.labelled("nothing") == ()
    assert not (tmp_path / "x").exists()
