"""Where moments go: lines to read, JSON Lines, a MIDI port. Each is told of the stream, every moment, and the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO, Any, Protocol

from sonoscope.errors import UsageError, nearest, optional
from sonoscope.labels import pitch_name
from sonoscope.live.moments import Delay, Moment, Part
from sonoscope.live.sources import Source
from sonoscope.models.bundle import Bundle

#: Before the name of a MIDI port that is to be made rather than found.
VIRTUAL = "virtual:"


class Sink(Protocol):
    """Takes what a session tells."""

    def begin(self, source: Source, models: Sequence[tuple[Bundle, Delay]]) -> None: ...
    def tell(self, moment: Moment) -> None: ...
    def end(self, heard_s: float, events: int, source: Source) -> None: ...


class Text:
    """A line when something begins, another when it has ended."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def begin(self, source: Source, models: Sequence[tuple[Bundle, Delay]]) -> None:
        """The first line is on stderr, where messages are."""

    def tell(self, moment: Moment) -> None:
        name = moment.label if moment.pitch is None else pitch_name(moment.pitch)
        words = [f"{moment.time_s:9.3f}", moment.kind.ljust(3), name.ljust(16 if moment.pitch is None else 4)]
        if moment.kind == "on":
            words.append(
                f"velocity {moment.velocity}" if moment.velocity is not None else f"{moment.score:.2f}"
            )
        elif moment.event is not None:
            words.append(f"after {moment.event.end_s - moment.event.start_s:.3f} s")
        print(" ".join(words).rstrip(), file=self._file, flush=True)

    def end(self, heard_s: float, events: int, source: Source) -> None:
        """Said on stderr."""


class JsonLines:
    """An object for the stream, for every moment, and for the end (``live_…`` in ``outputs/schema.json``)."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def begin(self, source: Source, models: Sequence[tuple[Bundle, Delay]]) -> None:
        told = [
            {
                "model": bundle.name,
                "version": bundle.version,
                "delay": round(delay.seconds + source.delay_s, 4),
                "parts": {
                    part.what: round(part.seconds, 4)
                    for part in (*delay.parts, Part("source", source.delay_s))
                },
            }
            for bundle, delay in models
        ]
        self._put(
            {"kind": "stream", "device": source.name, "sample_rate": source.sample_rate,
             "channels": source.channels, "models": told}
        )  # fmt: skip

    def tell(self, moment: Moment) -> None:
        found: dict[str, Any] = {
            "kind": moment.kind, "model": moment.model, "label": moment.label, "time": round(moment.time_s, 6),
            "told": round(moment.told_s, 6), "score": moment.score, "pitch": moment.pitch,
            "velocity": moment.velocity,
        }  # fmt: skip
        if (event := moment.event) is not None:
            found |= {"start": round(event.start_s, 6), "end": round(event.end_s, 6), "raw": event.raw}
            found |= {"low_hz": event.low_hz, "high_hz": event.high_hz, "flags": event.flags or None}
        self._put({key: value for key, value in found.items() if value is not None})

    def end(self, heard_s: float, events: int, source: Source) -> None:
        self._put(
            {"kind": "end", "heard": round(heard_s, 6), "events": events, "dropouts": source.dropouts,
             "lost": round(source.lost / source.sample_rate, 6)}
        )  # fmt: skip

    def _put(self, found: dict[str, Any]) -> None:
        print(json.dumps(found, ensure_ascii=False), file=self._file, flush=True)


def midi_ports() -> list[str]:
    """The names of the MIDI ports that can be played on.

    Raises
    ------
    UsageError
        If python-rtmidi is missing, or the system has no MIDI.
    """
    optional("rtmidi", "live", "a MIDI port")
    import mido

    try:
        return list(dict.fromkeys(mido.get_output_names()))
    except Exception as error:  # rtmidi's own kinds derive from nothing else
        raise _no_midi(error) from None


def _no_midi(error: Exception) -> UsageError:
    return UsageError(
        f"a MIDI port cannot be reached: {str(error).rstrip(' .')}. Without one, --format jsonl tells notes to programs"
    )


class MidiPort:
    """Plays notes on a MIDI port; labels over time have no keys and are left out.

    Parameters
    ----------
    name : str
        A port that there is, or ``virtual:`` and the name of one to make.

    Raises
    ------
    UsageError
        As :func:`midi_ports`, or if there is no such port.
    """

    def __init__(self, name: str) -> None:
        known = midi_ports()
        import mido

        virtual = name.startswith(VIRTUAL)
        if not virtual and name not in known:
            there_are = ", ".join(known) or "none"
            raise UsageError(
                f"--midi-out {name!r}: there is no such port.{nearest(name, known)} There are: {there_are}; "
                f"{VIRTUAL}NAME makes one"
            )
        try:
            self._port = mido.open_output(name.removeprefix(VIRTUAL), virtual=virtual)
        except Exception as error:  # rtmidi's own kinds
            raise _no_midi(error) from None

    def begin(self, source: Source, models: Sequence[tuple[Bundle, Delay]]) -> None:
        """Nothing is sounding yet."""

    def tell(self, moment: Moment) -> None:
        if (message := midi_message(moment)) is not None:
            self._port.send(message)

    def end(self, heard_s: float, events: int, source: Source) -> None:
        self._port.close()


def midi_message(moment: Moment) -> Any | None:
    """What a moment is in MIDI: note on, note off; None for what has no pitch."""
    import mido

    if moment.pitch is None:
        return None
    velocity = moment.velocity or 64
    kind = "note_on" if moment.kind == "on" else "note_off"
    return mido.Message(kind, note=moment.pitch, velocity=velocity if kind == "note_on" else 0)
