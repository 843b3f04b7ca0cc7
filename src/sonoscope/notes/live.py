"""Notes while they sound: what begins and what ends, as soon as it is certain.

:class:`Live` is the decoder itself, told to speak earlier: a note is announced when it has lasted for its shortest
length, which :meth:`NoteRules.within` makes as short as the look-ahead allows. What was announced is never taken back.
So the notes are exactly those that :func:`sonoscope.notes.decode.decode` finds with ``live.rules``, and the messages
are the same however the frames are delivered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sonoscope.notes.decode import Decoder, Sounding
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores

#: Default look-ahead in seconds, from the frame of an onset to the frame that is needed to tell it.
LOOK_AHEAD_S = 0.06


@dataclass(frozen=True)
class Message:
    """A note begins (``on``) or ends (``off``).

    ``time_s`` is when it did, in the recording; ``told_s`` the centre of the last frame that was needed to know.
    ``score`` is the decoder's, None while a soft note sounds.
    """

    kind: Literal["on", "off"]
    pitch: int
    velocity: int
    score: float | None
    time_s: float
    told_s: float


class Live:
    """Frames in, messages out, in order of ``told_s``; of one instant, what ends comes first.

    Parameters
    ----------
    like : NoteScores
        Says hop, first time and pitches; its frames are not looked at.
    look_ahead_s : float
        A note with an onset is told at most so long after it (a frame at least), provided its sustain follows.
        Soft notes are told when they have lasted for ``soft_length_s``; ends, when the longest gap is over.
    """

    def __init__(
        self, like: NoteScores, rules: NoteRules = NoteRules(), *, look_ahead_s: float = LOOK_AHEAD_S
    ) -> None:
        self.rules = rules.within(look_ahead_s, like.hop_s)
        self._decoder = Decoder(like, self.rules, ended=self._note_ended)
        self._waiting: list[tuple[int, int, int, Message]] = []

    @property
    def latency_s(self) -> float:
        """From the frame of an onset to the one that tells it, in seconds; the network's own comes on top."""
        return self.rules.latency_s(self._decoder.hop_s)

    def push(self, block: NoteScores) -> list[Message]:
        """Take the frames that follow; returns what has become certain."""
        self._decoder.push(block)
        return self._told()

    def close(self) -> list[Message]:
        """It is over: every note that sounds ends."""
        self._decoder.close()
        return self._told()

    def _told(self) -> list[Message]:
        for note in self._decoder.certain:
            self._begin(note)
        messages = [entry[3] for entry in sorted(self._waiting, key=lambda entry: entry[:3])]
        self._waiting.clear()
        return messages

    def _begin(self, note: Sounding) -> None:
        if not note.announced:
            note.announced = True
            self._say("on", note, note.start_s, note.told)

    def _note_ended(self, note: Sounding, end_s: float, frame: int) -> None:
        self._begin(note)
        self._say("off", note, end_s, frame)

    def _say(self, kind: Literal["on", "off"], note: Sounding, time_s: float, frame: int) -> None:
        decoder = self._decoder
        pitch = decoder.pitch(note)
        told_s = decoder.first_s + (frame + decoder.frames.ahead) * decoder.hop_s
        score = None if note.soft and kind == "on" else decoder.score(note)
        message = Message(kind, pitch, decoder.velocity(note), score, time_s, round(told_s, 6))
        self._waiting.append((frame, kind == "on", pitch, message))
