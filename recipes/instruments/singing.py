"""Singing by a vocoder: syllables that espeak-ng speaks, sung to a score with WORLD's pitch, spectrum and breath.

WORLD (Morise, Yokomori and Ozawa 2016, doi:10.1587/transinf.2015EDP7457) takes a voice apart into its pitch, its
spectral envelope and how noisy each band is. The envelope is kept, the vowels are held as long as their notes, and the
pitch is the score's, with glides between notes and vibrato. `pip install pyworld 'setuptools<81'`, which it imports.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from sonoscope.data import rooms
from sonoscope.data.mix.bank import Stem
from sonoscope.data.rendering import music, orchestra, render
from sonoscope.data.scenes.speech import LANGUAGES, VARIANTS

SECONDS = 9.0
#: Seconds between frames of the vocoder.
FRAME_S = 0.005
SYLLABLES = (
    "la", "na", "ma", "doo", "ah", "oh", "ee", "oo", "eh", "lu", "li", "lo", "ya", "wa", "re", "mi", "fa", "sol", "ti",
    "va", "ne", "so", "hey", "love", "day", "night", "star", "ave", "lux", "gloria",
)  # fmt: skip


@dataclass(frozen=True)
class Singer:
    """A voice of espeak-ng and how it sings.

    Attributes
    ----------
    voice : str
    pitch : int
        espeak's, 0 to 99.
    size : float
        Of the vocal tract: above 1 all formants are lower.
    ring_db : float
        Gain around 3 kHz, the singer's formant.
    breath : float
        0 to 0.3: noise added to every band.
    vibrato_hz, vibrato_cents, glide_s : float
    """

    voice: str
    pitch: int
    size: float
    ring_db: float
    breath: float
    vibrato_hz: float
    vibrato_cents: float
    glide_s: float


def vocoder() -> Any:
    """WORLD; a finished folder of stems does not need it."""
    try:
        import pyworld
    except ImportError as error:
        raise SystemExit(f"singing needs WORLD: pip install pyworld 'setuptools<81' ({error})") from None
    return pyworld


def draw_singer(rng: np.random.Generator) -> Singer:
    """A singer by chance."""
    spoken = [variant for variant in VARIANTS if variant != "whisper"]
    return Singer(
        voice=f"{rng.choice(LANGUAGES)}+{rng.choice(spoken)}",
        pitch=int(rng.integers(20, 80)),
        size=float(np.exp(rng.uniform(np.log(0.85), np.log(1.2)))),
        ring_db=float(rng.uniform(0.0, 14.0)) if rng.random() < 0.5 else 0.0,
        breath=float(rng.uniform(0.0, 0.25)),
        vibrato_hz=float(rng.uniform(4.5, 7.0)),
        vibrato_cents=float(rng.uniform(5.0, 80.0)),
        glide_s=float(rng.uniform(0.02, 0.14)),
    )


def speak(singer: Singer, text: str, rate: int) -> np.ndarray:
    """A syllable, without the silence around it, shape (n,), float64."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise SystemExit("singing begins with espeak-ng, which is not installed: apt install espeak-ng")
    command = [program, "-v", singer.voice, "-s", "120", "-p", str(singer.pitch), "--stdout"]
    answer = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60, check=True)
    spoken, own_rate = soundfile.read(io.BytesIO(answer.stdout), dtype="float64")
    spoken = soxr.resample(spoken, own_rate, rate)
    loud = np.flatnonzero(np.abs(spoken) > 0.02 * np.abs(spoken).max())
    return np.ascontiguousarray(spoken[loud[0] : loud[-1] + 1])


def held(voiced: np.ndarray, frames: int) -> np.ndarray:
    """Which frame of a syllable is heard at each of ``frames``: its vowel is stretched, what is around it is not."""
    inside = np.flatnonzero(voiced)
    edge = round(0.05 / FRAME_S)
    first = min(int(inside[0]) + edge, int(inside[-1])) if inside.size else 0
    last = max(int(inside[-1]) - edge, first) if inside.size else len(voiced) - 1
    after = len(voiced) - 1 - last
    if frames <= first + after + 1:
        return np.linspace(0.0, len(voiced) - 1.0, frames)
    vowel = np.linspace(first, last, frames - first - after)
    return np.concatenate([np.arange(first), vowel, np.arange(last + 1, len(voiced))])


def sing(singer: Singer, notes: list[music.NoteEvent], rate: int, rng: np.random.Generator) -> np.ndarray:
    """Notes that do not overlap, each on a syllable, shape (n,), float64."""
    count = round((SECONDS + 0.5) / FRAME_S)
    spoken = {
        text: analysed(speak(singer, text, rate), rate)
        for text in rng.choice(SYLLABLES, size=int(rng.integers(1, 6)), replace=False)
    }
    bins = next(iter(spoken.values()))[1].shape[1]
    pitch, power, breath = np.zeros(count), np.full((count, bins), 1e-14), np.ones((count, bins))
    before_hz = 0.0
    for note in notes:
        own_hz, envelope, noise = spoken[str(rng.choice(list(spoken)))]
        start = round(note.onset_s / FRAME_S)
        frames = min(round((note.offset_s - note.onset_s) / FRAME_S), count - start)
        if frames < 12:
            continue
        source = held(own_hz > 0, frames)
        nearest = np.round(source).astype(int)
        hz = contour(singer, note.pitch, before_hz, frames, rng)
        fade = np.clip(np.minimum(np.arange(frames) / 4, (frames - np.arange(frames)) / 10), 0.0, 1.0)[
            :, None
        ]
        span = slice(start, start + frames)
        pitch[span] = np.where(own_hz[nearest] > 0, hz, 0.0)
        power[span] = envelope[nearest] * fade**2 * (note.velocity / 90.0) ** 3 + 1e-14
        breath[span] = noise[nearest]
        before_hz = float(hz[-1]) if len(hz) else 0.0
    hz = np.linspace(0.0, rate / 2.0, bins)
    ring = 10.0 ** (singer.ring_db / 10.0 * np.exp(-(((hz - 3000.0 / singer.size**0.5) / 600.0) ** 2)))
    warped = np.clip(np.arange(bins) * singer.size, 0, bins - 1).astype(int)
    power = np.ascontiguousarray(power[:, warped] * ring)
    breath = np.ascontiguousarray(
        np.clip(breath[:, warped] + singer.breath * (hz / hz[-1]) ** 0.5, 0.001, 1.0)
    )
    return vocoder().synthesize(pitch, power, breath, rate, FRAME_S * 1000.0)


def analysed(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """WORLD's pitch (frames,), Hz, envelope and share of noise, both (frames, bins)."""
    world = vocoder()
    rough, times = world.dio(samples, rate, frame_period=FRAME_S * 1000.0)
    pitch = world.stonemask(samples, rough, times, rate)
    return pitch, world.cheaptrick(samples, pitch, times, rate), world.d4c(samples, pitch, times, rate)


def contour(singer: Singer, midi: int, before_hz: float, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Pitch of a note in Hz, (frames,): a glide from the note before, then vibrato that grows, and a slow drift."""
    time_s = np.arange(frames) * FRAME_S
    cents = np.cumsum(rng.standard_normal(frames)) * 0.8 + rng.normal(0.0, 12.0)
    delay_s = rng.uniform(0.1, 0.5)
    cents += (
        singer.vibrato_cents
        * np.clip((time_s - delay_s) / 0.4, 0.0, 1.0)
        * np.sin(2.0 * np.pi * (singer.vibrato_hz * time_s + rng.random()))
    )
    target_hz = 440.0 * 2.0 ** ((midi - 69) / 12.0)
    from_cents = 1200.0 * np.log2(before_hz / target_hz) if before_hz else rng.uniform(-200.0, 0.0)
    cents += np.clip(from_cents, -900.0, 900.0) * np.exp(-time_s / max(singer.glide_s, 1e-3))
    return target_hz * 2.0 ** (cents / 1200.0)


def melody(score: music.Score) -> list[music.NoteEvent]:
    """The uppermost line of a score: each note ends where the next begins."""
    line: list[music.NoteEvent] = []
    for note in sorted(score.notes, key=lambda note: (round(note.onset_s, 2), -note.pitch)):
        if line and note.onset_s - line[-1].onset_s < 0.05:
            continue
        if line and line[-1].offset_s > note.onset_s:
            last = line.pop()
            line.append(music.NoteEvent(last.onset_s, note.onset_s, last.pitch, last.velocity))
        line.append(note)
    return line


def stems(out: Path, count: int, rate: int) -> Iterator[Stem]:
    """So many stems, rendered if they are not there; one in five is a choir of several singers on one line."""
    out.mkdir(parents=True, exist_ok=True)
    hands = orchestra.find("voice")
    for number in range(count):
        sound = out / f"voice-{number:04d}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((47, number))
            score = music.compose(hands, rng, SECONDS)
            people = int(rng.integers(3, 8)) if rng.random() < 0.2 else 1
            line, singers = melody(score), [draw_singer(rng) for _ in range(people)]
            samples = sum(sing(singer, line, rate, rng) for singer in singers)
            samples = (0.5 * samples / (np.abs(samples).max() + 1e-9)).astype(np.float32)
            if rng.random() < 0.65:
                samples = rooms.reverberated(samples, rooms.response(rooms.draw_room(rng), rate, rng))
            render.write_sound(sound, samples, rate)
        yield Stem(sound, f"singing/{sound.name}", ("voice",), (), "sung_voice", "sung_voices", "", False)
