"""How often `--tempo auto` is right, and where its weights come from.

    python recipes/notes/tempo.py MIDI
    python recipes/notes/tempo.py MIDI --fit

MIDI is a folder of MIDI files that state their tempo. Asked about are the notes of each file (the truth is the tempo
that holds in most of it), those of 240 random pieces of 40 s by the project's own composer, and 120 times beats with
some halves between them and nothing else. Those with odd numbers are counted: how often the tempo told is right
within 4 %, how often it is right, doubled or halved, and how often it would be right without choosing an octave.
With `--fit` the weights of sonoscope/notes/tempo.py are fitted on those with even numbers, a random piece counting
half, printed, and counted with.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import mido
import numpy as np

from sonoscope import transcription
from sonoscope.data.rendering import compositions, music, orchestra
from sonoscope.notes import tempo
from sonoscope.values import Event

PIECES, PIECE_S, PULSES = 240, 40.0, 120
PLAYERS = ("piano", "acoustic_guitar", "organ", "piano", "violin", "bass", "flute", "marimba")
WITHIN = 0.04
#: How much a random piece counts in fitting, and how much large weights take away.
_PIECE, _SMALL = 0.5, 3e-3
_ROUNDS = 4000
MADE = "random pieces"


def stated(file: Path) -> float:
    """The tempo in the middle of a MIDI file's time, in order of speed: beats a minute."""
    seconds: Counter[int] = Counter()
    current = 500_000
    for message in mido.MidiFile(str(file), clip=True):
        seconds[current] += message.time
        if message.type == "set_tempo":
            current = message.tempo
    half, passed = sum(seconds.values()) / 2, 0.0
    for micros in sorted(seconds):
        passed += seconds[micros]
        if passed >= half:
            break
    return 60e6 / micros


def as_events(notes: tuple[music.NoteEvent, ...]) -> list[Event]:
    """The notes of a score as a model gives them."""
    return [
        Event(n.onset_s, n.offset_s, "note", 1.0, pitch=float(n.pitch), velocity=n.velocity) for n in notes
    ]


def asked(midi: Path, odd: int) -> Iterator[tuple[str, float, list[Event]]]:
    """Kind, tempo and notes of everything with odd (1) or even (0) numbers."""
    for file in sorted(midi.rglob("*.mid"))[odd::2]:
        yield file.parent.name, stated(file), as_events(compositions.read_midi(file).notes)
    for number in range(odd, PIECES, 2):
        player = orchestra.find(PLAYERS[number // 2 % len(PLAYERS)])
        score = music.compose(player, np.random.default_rng((71, number)), PIECE_S)
        if len(score.notes) >= 10:
            yield MADE, score.style.tempo, as_events(score.notes)
    for number in range(odd, PULSES, 2):
        yield "beats alone", *pulse(np.random.default_rng((73, number)))


def pulse(rng: np.random.Generator) -> tuple[float, list[Event]]:
    """A tempo, and one pitch on its beats and on some halves, which may be as loud or softer."""
    tempo, share, accent = float(rng.uniform(62, 150)), rng.choice([0, 0.3, 0.5, 0.8]), int(rng.integers(40))
    notes = []
    for half in range(int(rng.integers(60, 200))):
        if half % 2 == 0 or rng.random() < share:
            at = 30 / tempo * half + 0.1 + float(rng.normal(0, 0.004))
            loud = 80 + (accent if half % 2 == 0 else int(rng.integers(-accent, accent + 1)))
            notes.append(Event(max(at, 0.0), at + 0.2, "note", 1.0, pitch=60.0, velocity=loud))
    return tempo, notes


def near(told: float | None, true: float) -> bool:
    """Whether a tempo is right."""
    return told is not None and abs(told / true - 1) < WITHIN


def measure(midi: Path) -> None:
    """Print a table of how often it is right."""
    rows: dict[str, list[list[bool]]] = {}
    for kind, true, notes in asked(midi, 1):
        told, heard = transcription.tempo_of(notes), transcription.heard_tempo(notes)
        octaves = any(near(told and told * factor, true) for factor in (0.5, 1, 2))
        rows.setdefault(kind, []).append([near(told, true), octaves, near(heard, true)])
    print(
        "| notes of | number | right | right, half or double | right without a choice |\n|---|---|---|---|---|"
    )
    for kind, found in rows.items():
        print(
            f"| {kind} | {len(found)} | "
            + " | ".join(f"{share:.0%}" for share in np.mean(found, axis=0))
            + " |"
        )


def fit(midi: Path) -> dict[str, float]:
    """Weights: of a choice between the octaves, likeliest by them."""
    tables, answers, counts = [], [], []
    for kind, true, notes in asked(midi, 0):
        heard = transcription.heard_tempo(notes)
        candidates = [(heard or 1.0) * factor for factor in tempo.OCTAVES]
        right = [k for k, told in enumerate(candidates) if near(told, true)]
        if heard is not None and right:
            tables.append(tempo.evidence(notes, candidates, heard))
            answers.append(right[0])
            counts.append(_PIECE if kind == MADE else 1.0)
    table, answer, count = np.array(tables), np.array(answers), np.array(counts)
    spread = table.reshape(-1, table.shape[2]).std(axis=0)
    table, weights = table / spread, np.zeros(table.shape[2])
    for _ in range(_ROUNDS):
        score = table @ weights
        share = np.exp(score - score.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        excess = np.einsum("nk,nkf->nf", share, table) - table[np.arange(len(answer)), answer]
        weights -= 0.3 * ((count[:, None] * excess).mean(axis=0) + 2 * _SMALL * weights)
    return {name: round(float(w), 3) for name, w in zip(tempo.WEIGHTS, weights / spread, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("midi", type=Path)
    parser.add_argument("--fit", action="store_true", help="fit the weights first, and print them")
    arguments = parser.parse_args()
    if arguments.fit:
        tempo.WEIGHTS.update(fit(arguments.midi))
        print(tempo.WEIGHTS)
    measure(arguments.midi)


if __name__ == "__main__":
    main()
