"""Make the recordings of this folder again: random music through a soundfont, and the truth beside it.

    python examples/make.py [FOLDER]

Needs the render extra, FluidSynth and FluidR3 (Debian, Ubuntu: apt install libfluidsynth3
fluid-soundfont-gm). The music and ``truth.csv`` are the same every time; the bytes of compressed files depend
on the encoders' versions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import soundfile

from sonoscope.data.rendering import music, orchestra, pieces, render
from sonoscope.data.rendering.pieces import Part, Piece
from sonoscope.data.rendering.synth import Reverb, Synth

HERE = Path(__file__).parent
RATE = 44_100
ROOM = Reverb(size=0.6, damping=0.4, width=50, level=0.5, send=45)


@dataclass(frozen=True)
class Player:
    """Who plays what, and from when to when (None: to the end)."""

    instrument: str
    program: int
    texture: str
    gain_db: float = 0.0
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Example:
    """One recording: its file, seed, tempo, length and players (the first fixes the key)."""

    file: str
    seed: int
    tempo: float
    duration_s: float
    players: tuple[Player, ...]


EXAMPLES = (
    Example("violin.flac", 13, 96, 8, (Player("violin", 40, "melody"),)),
    Example("piano.ogg", 8, 108, 10, (Player("piano", 0, "accompanied"),)),
    Example("flute-and-guitar.mp3", 12, 100, 12, (
        Player("acoustic_guitar", 24, "arpeggio", -3), Player("flute", 73, "melody", 0, 4.0, 10.0))),
    Example("saxophones.m4a", 18, 120, 12, (
        Player("saxophone", 65, "melody"), Player("saxophone", 66, "long", -3, 3.0),
        Player("bass", 32, "walking", -3), Player("drums", 32, "ride", -6))),
    Example("organ.opus", 23, 80, 10, (Player("organ", 19, "sustained"),)),
    Example("trumpet-then-cello.wav", 2, 104, 8, (
        Player("trumpet", 56, "melody", 0, 0.0, 4.0), Player("cello", 42, "melody", 0, 4.0))),
    Example("electric-guitar.mp4", 9, 116, 10, (
        Player("electric_guitar", 29, "power"), Player("bass", 33, "riff", -3),
        Player("drums", 16, "groove", -3, 2.0))),
)  # fmt: skip

#: The picture of the video, in pixels and frames a second, and its bars.
WIDTH, HEIGHT, FPS, BARS = 320, 180, 12, 32


def compose(example: Example) -> list[Part]:
    """The parts of an example."""
    rng = np.random.default_rng(example.seed)
    parts: list[Part] = []
    for player in example.players:
        instrument = orchestra.find(player.instrument)
        program = instrument.program(player.program)
        score = music.compose(
            instrument, rng, example.duration_s, program=program, texture=player.texture,
            tempo=example.tempo, along=parts[0].score if parts else None,
        )  # fmt: skip
        score = pieces.excerpt(score, player.start_s, player.end_s or example.duration_s)
        parts.append(Part(instrument, program, score, player.gain_db))
    return parts


def play(synth: Synth) -> Iterator[tuple[Example, Piece]]:
    """Every example with its sound and its truth."""
    for example in EXAMPLES:
        yield example, pieces.perform(synth, compose(example), reverb=ROOM)


def write_sound(file: Path, samples: np.ndarray) -> None:
    """Write mono samples at 44.1 kHz in the format that the suffix names."""
    if file.suffix in (".flac", ".wav"):
        # Half the rate keeps the lossless files small.
        soundfile.write(file, np.ascontiguousarray(halved(samples)), RATE // 2, subtype="PCM_16")
    elif file.suffix == ".ogg":
        soundfile.write(file, samples, RATE, format="OGG", subtype="VORBIS")
    else:
        with av.open(str(file), "w") as container:
            encode(container, samples)


def halved(samples: np.ndarray) -> np.ndarray:
    """The signal at half the rate, low-passed."""
    import soxr

    return soxr.resample(samples, RATE, RATE // 2)


def encode(container: av.container.OutputContainer, samples: np.ndarray, video: bool = False) -> None:
    """Encode sound, and with ``video`` a moving spectrum, into an open container."""
    codec, rate = {"mp3": ("libmp3lame", RATE), "opus": ("libopus", 48_000)}.get(
        container.format.name, ("aac", RATE)
    )
    picture = container.add_stream("mpeg4", rate=FPS) if video else None
    sound = container.add_stream(codec, rate=rate)
    sound.layout = "mono"
    sound.bit_rate = 96_000
    if picture is not None:
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.bit_rate = 250_000
        for image in spectra(samples):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(picture.encode(None))
    resampler = av.AudioResampler(format=sound.format, layout="mono", rate=rate)
    block = 4096
    for start in range(0, samples.size, block):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + block], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        for piece in resampler.resample(frame):
            container.mux(sound.encode(piece))
    for piece in resampler.resample(None):
        container.mux(sound.encode(piece))
    container.mux(sound.encode(None))


def spectra(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Images of shape (HEIGHT, WIDTH, 3): bars of the level in bands from 60 Hz to 8 kHz, once a frame."""
    size = 4096
    padded = np.pad(samples, (size // 2, size))
    edges = np.geomspace(60, 8000, BARS + 1) * size / RATE
    colours = np.stack(
        [np.linspace(40, 250, BARS), np.linspace(180, 110, BARS), np.linspace(220, 60, BARS)], axis=1
    )
    rows = np.arange(HEIGHT)[::-1, None]
    for index in range(int(samples.size / RATE * FPS)):
        start = index * RATE // FPS
        power = np.abs(np.fft.rfft(padded[start : start + size] * np.hanning(size))) ** 2
        level = [10 * np.log10(power[int(a) : int(b) + 1].mean() + 1e-9) for a, b in pairwise(edges)]
        height = np.clip((np.array(level) + 30) / 70, 0.01, 1.0) * HEIGHT
        image = np.full((HEIGHT, WIDTH, 3), 18, dtype=np.uint8)
        for bar in range(BARS):
            columns = slice(bar * WIDTH // BARS + 1, (bar + 1) * WIDTH // BARS - 1)
            image[:, columns] = np.where(rows < height[bar], colours[bar], 18).astype(np.uint8)[:, None]
        yield image


def main(folder: Path) -> int:
    """Write every example and ``truth.csv`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with Synth("fluidr3", RATE) as synth:
        for example, piece in play(synth):
            file = folder / example.file
            if file.suffix == ".mp4":
                with av.open(str(file), "w") as container:
                    encode(container, piece.samples, video=True)
            else:
                write_sound(file, piece.samples)
            rows += [(example.file, *row) for row in pieces.timeline_rows(piece)]
            print(f"{example.file}: {file.stat().st_size / 1000:.0f} kB")
    render.write_csv(folder / "truth.csv", ("file", *pieces.TIMELINE_COLUMNS), rows)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=HERE, help="where to write (default: here)")
    sys.exit(main(parser.parse_args().folder))
