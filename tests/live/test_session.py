"""A session: gaps, sinks, several models at once, the objects of JSON Lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from sonoscope import api
from sonoscope.errors import UsageError
from sonoscope.live.moments import Delay, Moment, Part, in_order
from sonoscope.live.record import Recorder
from sonoscope.live.session import Session
from sonoscope.live.sinks import JsonLines, MidiPort, Text, midi_message
from sonoscope.live.sources import Block
from sonoscope.live.streams import Listener
from sonoscope.models.bundle import Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.outputs import tables
from sonoscope.values import Event


class Blocks:
    """A source of blocks that are at hand; frames are left out before those that say so."""

    name, sample_rate, channels, delay_s, subtype, endless = "blocks", 48_000, 1, 0.01, "FLOAT", False

    def __init__(self, blocks: list[Block]) -> None:
        self._blocks = blocks
        self.dropouts = sum(block.lost > 0 for block in blocks)
        self.lost = sum(block.lost for block in blocks)
        self.closed = False

    def blocks(self) -> Iterator[Block]:
        yield from self._blocks

    def close(self) -> None:
        self.closed = True


def in_blocks(samples: np.ndarray, size: int = 480) -> list[Block]:
    return [Block(samples[at : at + size, None]) for at in range(0, samples.size, size)]


@pytest.fixture
def listener(notes: Bundle, runtime: Runtime) -> Listener:
    return Listener(notes, runtime)


def told(source: Blocks, *listeners: Listener) -> list[dict]:
    file = io.StringIO()
    Session(source, listeners, [JsonLines(file)]).run()
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_every_line_is_an_object_of_the_schema(
    listener: Listener, instruments: Bundle, instruments_runtime: Runtime, melody: np.ndarray
) -> None:
    labels = Listener(instruments, instruments_runtime, api.Model(instruments).decision(0.01))
    lines = told(Blocks(in_blocks(melody)), listener, labels)
    schema = tables.schema()
    kinds = ("live_stream", "live_moment", "live_end")
    of_kind = {
        kind: jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})
        for kind in kinds
    }
    any_object = jsonschema.Draft202012Validator(schema)
    for line in lines:
        of_kind[{"stream": "live_stream", "end": "live_end"}.get(line["kind"], "live_moment")].validate(line)
        any_object.validate(line)
    first, *moments, last = lines
    assert [model["model"] for model in first["models"]] == ["notes", "instruments"]
    for model in first["models"]:
        assert model["delay"] == pytest.approx(sum(model["parts"].values()), abs=1e-3)
        assert model["parts"]["source"] == 0.01
    assert {m["model"] for m in moments} == {"notes", "instruments"}
    assert [m["pitch"] for m in moments if m["kind"] == "on" and m["model"] == "notes"] == [72, 76, 79, 84]
    assert all(m["end"] == m["time"] and m["start"] < m["end"] for m in moments if m["kind"] == "off")
    assert last == {
        "kind": "end", "heard": 2.4, "events": sum(m["kind"] == "off" for m in moments), "dropouts": 0, "lost": 0.0,
    }  # fmt: skip


def test_behind_a_gap_everything_begins_again_at_the_right_time(
    listener: Listener, melody: np.ndarray, tmp_path: Path
) -> None:
    blocks = in_blocks(melody)
    # From 1.0 to 1.1 s, while a note sounds, nothing is heard.
    blocks = [*blocks[:100], Block(blocks[110].samples, lost=4_800), *blocks[111:]]
    source = Blocks(blocks)
    session = Session(source, [listener], [JsonLines(file := io.StringIO())])
    session.recorder = Recorder(tmp_path / "kept.wav", source)  # type: ignore[arg-type]
    summary = session.run()
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert summary.heard_s == pytest.approx(2.4) and source.closed and not summary.interrupted
    assert (lines[-1]["dropouts"], lines[-1]["lost"]) == (1, 0.1)
    ons = [(line["pitch"], line["time"]) for line in lines if line["kind"] == "on"]
    offs = {line["pitch"]: line["time"] for line in lines if line["kind"] == "off" and line["pitch"] != 76}
    assert [pitch for pitch, time_s in ons if time_s < 1.0] == [72, 76]
    assert dict(ons)[79] == pytest.approx(1.3, abs=0.02) and dict(ons)[84] == pytest.approx(1.3, abs=0.02)
    assert offs[79] == pytest.approx(2.0, abs=0.02)
    assert next(line["time"] for line in lines if line.get("pitch") == 76 and line["kind"] == "off") <= 1.0
    import soundfile

    kept, _ = soundfile.read(tmp_path / "kept.wav", dtype="float32")
    wanted = melody.copy()
    wanted[48_000:52_800] = 0
    np.testing.assert_array_equal(kept, wanted)


class Broken:
    """Somewhere that moments cannot go to."""

    def begin(self, *_: object) -> None: ...
    def tell(self, moment: Moment) -> None:
        raise BrokenPipeError

    def end(self, *_: object) -> None: ...


def test_a_recording_is_complete_also_when_telling_fails(
    listener: Listener, melody: np.ndarray, tmp_path: Path
) -> None:
    source = Blocks(in_blocks(melody))
    session = Session(source, [listener], [Broken()])
    session.recorder = Recorder(tmp_path / "kept.wav", source)  # type: ignore[arg-type]
    with pytest.raises(BrokenPipeError):
        session.run()
    assert source.closed and [path.name for path in tmp_path.iterdir()] == ["kept.wav"]


def test_what_begins_as_the_sound_ends_is_told_before_its_end() -> None:
    def moment(kind: str, time_s: float, pitch: int) -> Moment:
        return Moment(kind, "notes", "note", time_s, 12.0, 0.9, pitch, 72)  # type: ignore[arg-type]

    given = [
        moment("off", 11.2, 60),
        moment("on", 11.9, 66),
        moment("on", 11.9, 60),
        moment("off", 11.98, 60),
    ]
    given += [moment("off", 11.98, 66), moment("off", 11.7, 49)]
    earlier = Moment("on", "notes", "note", 11.6, 11.8, 0.9, 80, 72)
    told = [(one.kind, one.pitch) for one in in_order([*given, earlier])]
    # Of one instant, what ends comes first, but no end before its own beginning: a MIDI port would hold that note.
    assert told == [("on", 80), ("off", 49), ("off", 60), ("on", 60), ("on", 66), ("off", 60), ("off", 66)]


def test_text_is_a_line_for_each_moment() -> None:
    event = Event(1.0, 1.5, "note", 0.9, pitch=60.0, velocity=99)
    text = Text(file := io.StringIO())
    for moment in (
        Moment("on", "notes", "note", 1.0, 1.2, 0.9, 60, 99),
        Moment("off", "notes", "note", 1.5, 1.7, 0.9, 60, 99, event),
        Moment("on", "instruments", "piano", 2.25, 3.1, 0.871),
        Moment("off", "instruments", "piano", 4.0, 5.0, 0.9, event=Event(2.25, 4.0, "piano", 0.9)),
    ):
        text.tell(moment)
    assert file.getvalue().splitlines() == [
        "    1.000 on  C4   velocity 99",
        "    1.500 off C4   after 0.500 s",
        "    2.250 on  piano            0.87",
        "    4.000 off piano            after 1.750 s",
    ]


def test_notes_in_midi_and_nothing_else() -> None:
    on = midi_message(Moment("on", "notes", "note", 1.0, 1.2, 0.9, 60, 99))
    off = midi_message(Moment("off", "notes", "note", 1.5, 1.7, 0.9, 60, 99))
    assert on is not None and off is not None
    assert on.bytes() == [0x90, 60, 99] and off.bytes() == [0x80, 60, 0]
    assert midi_message(Moment("on", "instruments", "piano", 2.25, 3.1, 0.871)) is None


def test_a_midi_port_that_is_not_there_is_said_in_a_line() -> None:
    with pytest.raises(UsageError, match=r"there is no such port|cannot be reached|is not installed") as said:
        MidiPort("no such port")
    assert "\n" not in str(said.value)


def test_a_delay_says_its_parts() -> None:
    delay = Delay((Part("resampler", 0.004), Part("window", 0.085), Part("context", 0.0)))
    assert delay.seconds == pytest.approx(0.089) and delay.text() == "89 ms (resampler 4, window 85)"
