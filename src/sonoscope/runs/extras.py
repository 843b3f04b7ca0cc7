"""What is made of notes besides the formats: tracks by instrument, the tempo that MIDI states, sound, pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import BinaryIO, cast

import numpy as np

from sonoscope.audio.decode import Decoder
from sonoscope.audio.find import PLAYED
from sonoscope.audio.writing import guarded
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.notes import sonify, tracks
from sonoscope.outputs import pianoroll
from sonoscope.outputs.format import TEMPO
from sonoscope.runs import folder
from sonoscope.runs.hearing import Heard, WindowsHeard
from sonoscope.runs.notewishes import AUTO, NoteWishes
from sonoscope.runs.spec import RunSpec
from sonoscope.runs.written import Written
from sonoscope.values import FileResult, Recording

#: What the files end with that are no format of events.
SOUND, PICTURE = PLAYED, ".notes.{}"


def by_instrument(results: Sequence[FileResult], heard: Sequence[Heard]) -> list[FileResult]:
    """The results, those of notes with the instruments that the first other model heard around them."""
    scores = next(one.scores for one in heard if isinstance(one, WindowsHeard))
    players = next(one.bundle.labels for one in heard if isinstance(one, WindowsHeard))
    return [
        replace(result, events=tracks.by_instrument(result.events, scores), labels=(*result.labels, *players))
        if one.bundle.task == NOTES
        else result
        for one, result in zip(heard, results, strict=True)
    ]


def tempo(result: FileResult, wishes: NoteWishes) -> float:
    """The beats a minute that a MIDI file is to state."""
    if wishes.tempo != AUTO:
        return float(wishes.tempo)
    from sonoscope import transcription

    return transcription.tempo_of(result.events) or TEMPO


def write(
    result: FileResult,
    recording: Recording | None,
    bundle: Bundle,
    spec: RunSpec,
    model: str,
    written: Written,
) -> None:
    """Write the sound and the picture that are wished for; without ``recording`` the notes are heard alone."""
    wishes = spec.notes
    if wishes.audio is not None:
        with written.open(folder.result(result.file, SOUND, model), binary=True) as file:
            write_sound(
                cast(BinaryIO, file), result, recording, bundle.sample_rate, wishes.audio, spec.channel
            )
    if wishes.piano_roll == "png":
        path = written.scrap()
        pianoroll.png(result.events, path, result.duration_s)
        written.adopt(path, folder.result(result.file, PICTURE.format("png"), model))
    elif wishes.piano_roll == "svg":
        with written.open(folder.result(result.file, PICTURE.format("svg"), model), binary=False) as file:
            file.write(pianoroll.svg(result.events, result.duration_s))


def write_sound(
    file: BinaryIO,
    result: FileResult,
    recording: Recording | None,
    sample_rate: int,
    how: str,
    channel: int | None,
) -> None:
    """Write notes as sound, with the recording if ``how`` asks for it. Raises ``UnreadableAudio``."""

    def play(blocks: Iterable[np.ndarray]) -> None:
        with guarded(file) as out:
            sonify.write_played(
                out,
                result.events,
                sample_rate,
                result.duration_s,
                how=cast(sonify.How, how),
                recording=blocks,
            )

    if recording is None or how == "notes":
        play(())
    else:
        with Decoder(recording, sample_rate=sample_rate, channel=channel) as decoder:
            play(decoder.blocks())
