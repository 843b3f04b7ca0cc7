"""Speech from espeak-ng: many voices, random sentences; a program, not a library, and not a person."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import soundfile
import soxr

from sonoscope.errors import UsageError

LANGUAGES = (
    "en-gb",
    "en-us",
    "de",
    "fr-fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "sv",
    "cmn",
    "fi",
    "tr",
    "hi",
    "ru",
)
#: Variants of a voice; the last are whispers.
VARIANTS = ("m1", "m2", "m3", "m5", "m7", "f1", "f2", "f3", "f4", "f5", "whisper")
_SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ren",
    "sta",
    "po",
    "tu",
    "vel",
    "an",
    "dor",
    "ese",
    "ni",
    "ra",
    "shi",
    "ga",
    "blu",
)


def speech(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Somebody says sentences of random words, (n,) float64.

    Raises
    ------
    UsageError
        If espeak-ng is not installed.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise UsageError("speech is synthesised by espeak-ng, which is not installed: apt install espeak-ng")
    voice = f"{rng.choice(LANGUAGES)}+{rng.choice(VARIANTS)}"
    words_a_minute = int(rng.integers(110, 230))
    count = round(duration_s * sample_rate)
    text = _sentences(rng, round(duration_s * 5) + 8)
    command = [
        program,
        "-v",
        voice,
        "-s",
        str(words_a_minute),
        "-p",
        str(int(rng.integers(15, 90))),
        "--stdout",
    ]
    answer = subprocess.run(command, input=text.encode(), capture_output=True, timeout=120, check=False)
    if answer.returncode or not answer.stdout:
        raise UsageError(f"espeak-ng failed: {answer.stderr.decode(errors='replace').strip()}")
    spoken, rate = soundfile.read(io.BytesIO(answer.stdout), dtype="float64")
    spoken = soxr.resample(spoken, rate, sample_rate)
    first = int(rng.integers(0, max(spoken.size - count, 0) + 1))
    sound = np.zeros(count)
    part = spoken[first : first + count]
    sound[: part.size] = part
    return sound


def _sentences(rng: np.random.Generator, words: int) -> str:
    """So many words of two to four syllables, in sentences."""
    said = []
    for number in range(words):
        word = "".join(rng.choice(_SYLLABLES, size=int(rng.integers(1, 4))))
        said.append(word + (rng.choice([". ", ", "]) if number % 7 == 6 else " "))
    return "".join(said)
