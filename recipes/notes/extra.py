"""What the note network hears besides stems and compositions: organs, scores of a corpus, damaged sound.

Everything is rendered into WORK/extra and described in a bank of its own, ``bank-extra``; ``notes-extra.npz`` holds the
notes of all banks, those of organs and guitar harmonics in the octave in which they are heard.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import corpus
import numpy as np

from sonoscope.audio import decode
from sonoscope.data import damage, rooms
from sonoscope.data.mix.bank import Stem
from sonoscope.data.mix.notemix import read_notes
from sonoscope.data.rendering import compositions, ensembles, music, octaves, orchestra, organ, render
from sonoscope.data.rendering.music import Score
from sonoscope.data.rendering.synth import Synth
from sonoscope.errors import UsageError

#: Who plays the parts of a score, from the highest to the lowest.
PALETTES = {
    "strings": ("violin", "violin", "viola", "cello"),
    "sections": ("string_ensemble",),
    "winds": ("flute", "clarinet", "english_horn", "bassoon"),
    "reeds": ("oboe", "clarinet", "clarinet", "bassoon"),
    "brass": ("trumpet", "horn", "trombone", "tuba"),
    "saxophones": ("saxophone",),
    "choir": ("voice",),
    "consort": ("recorder", "viola", "viola", "bassoon"),
    "mixed": ("flute", "violin", "acoustic_guitar", "cello"),
    "band": ("trumpet", "saxophone", "electric_guitar", "bass"),
}
#: Who plays a whole score, or a tune, alone.
SOLOISTS = (
    "piano", "string_ensemble", "acoustic_guitar", "voice", "piano", "harp", "electric_piano", "accordion", "piano",
    "electric_guitar", "vibraphone", "brass_section", "synth_pad", "clavinet", "dulcimer", "marimba",
)  # fmt: skip
FIDDLERS = (
    "fiddle", "flute", "whistle", "banjo", "clarinet", "accordion", "piccolo", "oboe", "harmonica", "violin",
    "recorder", "shanai", "bagpipe", "trumpet", "cello", "saxophone", "english_horn", "pan_flute", "bassoon", "horn",
)  # fmt: skip


def player(name: str) -> orchestra.Instrument:
    """An instrument by name, those for notes alone among them."""
    return next((i for i in orchestra.SECTIONS if i.name == name), None) or orchestra.find(name)


def organ_stems(out: Path, midi: list[Path], count: int, seconds: float, rate: int) -> Iterator[Stem]:
    """Organs that are drawn and played by addition, two of three with a composition, the others with random music."""
    out.mkdir(parents=True, exist_ok=True)
    hands = orchestra.find("organ")
    for number in range(count):
        sound, rng = out / f"organ-{number:04d}.flac", np.random.default_rng((7, number))
        if not sound.is_file():
            score = music.compose(hands, rng, seconds)
            if number % 3:
                try:
                    file = midi[int(rng.integers(len(midi)))]
                    score = compositions.arrange(compositions.read_midi(file), hands, 19, rng, seconds)
                except UsageError:
                    pass
            drawn = organ.draw_organ(rng)
            samples = organ.play(score, drawn, rate, rng)
            if rng.random() < 0.6:
                impulse = rooms.response(rooms.draw_room(rng), rate, rng)
                samples = rooms.reverberated(samples, impulse)
            score = organ.heard(score, drawn)
            rows = render.note_rows(_reachable(score), "organ")
            render.write_csv(sound.with_suffix(".notes.csv"), render.NOTE_COLUMNS, rows)
            render.write_sound(sound, samples, rate)
        yield Stem(sound, f"organs/{sound.name}", (), (), "drawn_organ", "organs", "", False)


def _reachable(score: Score) -> Score:
    """A score without controls: an organ has no pedal that sustains."""
    return Score(score.notes, (), score.duration_s, score.style, score.start_s, score.texture)


def corpus_stems(out: Path, scores: Path, fonts: list[str], seconds: float, rate: int) -> Iterator[Stem]:
    """Scores of the corpus: by ensembles, by soloists, and their highest parts by who plays tunes."""
    parts = sorted(folder for folder in scores.iterdir() if folder.is_dir())
    whole = [scores / f"{folder.name}.mid" for folder in parts]
    tunes = [folder / f"{folder.name}-0.mid" for folder in parts]
    palettes = {name: [player(p) for p in names] for name, names in PALETTES.items()}
    for number, font in enumerate(fonts):
        rotated = parts[number :: len(fonts)]
        found = ensembles.render_ensembles(
            out / f"ensembles-{font}", rotated, palettes, soundfont=font, duration_s=seconds, sample_rate=rate
        )
        yield from (_stem(sound, "ensemble", font) for sound in found)
        for kind, files, players in (
            ("soloist", whole[(number + 1) % len(fonts) :: len(fonts)], SOLOISTS),
            ("tune", tunes[number :: len(fonts)], FIDDLERS),
        ):
            made = compositions.render_compositions(
                out / f"{kind}s-{font}", files, [player(p) for p in players],
                soundfont=font, duration_s=seconds, sample_rate=rate,
            )  # fmt: skip
            yield from (_stem(sound, kind, font) for sound in made)


def _stem(sound: Path, name: str, font: str) -> Stem:
    return Stem(sound, f"corpus/{sound.parent.name}/{sound.name}", (), (), name, font, "", False)


def damaged_stems(
    out: Path, stems: list[Stem], notes: dict[str, np.ndarray], rate: int
) -> Iterator[tuple[Stem, Stem]]:
    """Each stem in a room, through a microphone, noise, overload or a codec, with the stem it was made from."""
    out.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        if not len(notes.get(stem.key, ())):
            continue
        sound = out / f"{stem.key.replace('/', '-').removesuffix('.flac')}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((11, zlib.crc32(stem.key.encode())))
            samples, _ = decode.read(stem.path, sample_rate=rate)
            render.write_sound(sound, damage.apply(samples, rate, damage.choose(rng)), rate)
        yield (
            Stem(sound, f"damaged/{sound.name}", (), (), f"damaged_{stem.name}", stem.group, "", False),
            stem,
        )


def in_heard_octave(
    notes: dict[str, np.ndarray], stems: list[Stem], fonts: list[str], rate: int
) -> dict[str, np.ndarray]:
    """The notes of organs and electric guitars moved to where they are heard; the others as they are."""
    moved = dict(notes)
    for font in fonts:
        measured: dict[int, dict[int, int]] = {}
        with Synth(font, rate) as synth:
            for stem in stems:
                if stem.group != font or stem.name.split("_composition")[0] not in (
                    "organ",
                    "electric_guitar",
                ):
                    continue
                program = int(stem.key.rsplit("-p", 1)[1][:3])
                known = measured.setdefault(program, {})
                for pitch in {int(p) for p in notes[stem.key][:, 2]} - set(known):
                    known[pitch] = octaves.heard(synth, program, pitch)
                moved[stem.key] = octaves.as_heard(notes[stem.key], known)
        for program, known in sorted(measured.items()):
            count = Counter(known.values())
            print(f"{font}, program {program}: semitones from key to what is heard {dict(count)}", flush=True)
    return moved


def midi_of_corpus(work: Path, most: int) -> Path:
    """The corpus as MIDI files."""
    return corpus.write_midi(work / "corpus", most)


def read(stem: Stem) -> np.ndarray:
    """The notes beside a stem's sound."""
    return read_notes(stem.path.with_suffix(".notes.csv"))
