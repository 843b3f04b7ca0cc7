"""``sonoscope demo``: a few seconds of sound made here, analysed into a folder, and what to type next.

The sounds are synthesised with NumPy from a fixed seed: a plucked string (Karplus and Strong, "Digital
synthesis of plucked-string and drum timbres", Computer Music Journal 7(2), 1983), organ chords by additive
synthesis over drawbar footages, and a beat of drum noise. They need no file and no licence; they are no test
of how good a model is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sonoscope.errors import UsageError
from sonoscope.values import columns

if TYPE_CHECKING:
    import numpy as np

SAMPLE_RATE = 44_100
_FULL_SCALE = 0.7


def demo(
    out: str | None = typer.Option(
        None,
        "-o",
        "--out",
        metavar="FOLDER",
        help="Where sounds and results go (default: a new temporary folder).",
    ),
    model: str = typer.Option("instruments", "-m", "--model", metavar="MODEL", help="The model to run."),
) -> int:
    """Make a few seconds of sound, analyse them into a folder, and show what came out."""
    from sonoscope import runs
    from sonoscope.cli.progress import Progress
    from sonoscope.runs import RunSpec

    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="sonoscope-demo-"))
    sounds, results = folder / "sounds", folder / "results"
    if results.exists() and not sounds.exists():
        raise UsageError(f"-o {folder} holds other results: name a new folder, or leave -o out")
    names = write_sounds(sounds)
    print(f"Made {', '.join(names)} in {sounds}.")
    spec = RunSpec(inputs=(str(sounds),), out=str(results), models=(model,), scores="csv")
    summary = runs.run(spec, report=Progress())
    print(f"\n{results / 'events.csv'}:")
    print("\n".join(_table(results / "events.csv")))
    print("\nNext:")
    print("\n".join(columns(_next_commands(sounds, results), indent="  ")))
    return summary.exit_code


def _table(events: Path) -> list[str]:
    """The columns of an events.csv that matter to a reader, as aligned lines."""
    import csv

    wanted = ("file", "start", "end", "label", "score")
    with open(events, encoding="utf-8", newline="") as file:
        rows = [tuple(row[column] for column in wanted) for row in csv.DictReader(file)]
    return columns([wanted, *rows], right=(1, 2, 4), indent="  ")


def _next_commands(sounds: Path, results: Path) -> list[tuple[str, str]]:
    from shlex import quote

    first = quote(str(sounds / "organ.wav"))
    return [
        (f"sonoscope analyze {first}", "one recording on the screen"),
        (
            f"sonoscope analyze --from-scores {quote(str(results))} --threshold 0.3",
            "decide again, without the sound",
        ),
        (f"sonoscope analyze {first} -o organ.labels.txt", "labels to open in Audacity"),
        ("sonoscope analyze FOLDER -o results", "your own recordings"),
    ]


def write_sounds(folder: Path) -> list[str]:
    """Write the three sounds as 16-bit WAV files into ``folder``; returns their names, in order.

    Those that are there already stay as they are.

    Raises
    ------
    UsageError
        If there is anything else in the folder.
    """
    import io

    import numpy as np
    import soundfile

    from sonoscope.writing import put

    rng = np.random.default_rng(1983)
    sounds = {"drums.wav": beat(rng), "organ.wav": organ(), "plucked_string.wav": plucked_string(rng)}
    others = {path.name for path in folder.iterdir()} - {*sounds} if folder.exists() else set()
    if others:
        raise UsageError(f"{folder} holds {min(others)}, which is not of a demo: name a new folder with -o")
    for name, samples in sounds.items():
        if not (folder / name).exists():
            content = io.BytesIO()
            soundfile.write(content, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
            put(folder / name, content.getvalue())
    return list(sounds)


def plucked_string(rng: np.random.Generator) -> np.ndarray:
    """A broken chord on a string, 4 s, shape (n,), float64, |x| <= 0.7.

    A burst of noise one period long runs round ``y[n] = x[n] + g (y[n - P] + y[n - P - 1]) / 2``; ``g`` lets
    the fundamental fade by 60 dB in 4 s.
    """
    import numpy as np
    from scipy.signal import lfilter

    total = np.zeros(4 * SAMPLE_RATE)
    for step, pitch in enumerate((45, 52, 57, 60, 64, 60, 57, 52)):
        period = round(SAMPLE_RATE / _hertz(pitch))
        gain = 10 ** (-3 / (4 * _hertz(pitch)))
        burst = np.zeros(total.size - step * SAMPLE_RATE // 2)
        burst[:period] = rng.uniform(-1, 1, period)
        loop = np.zeros(period + 2)
        loop[0], loop[period:] = 1, -gain / 2
        total[step * SAMPLE_RATE // 2 :] += lfilter([1.0], loop, burst)
    return _scaled(total)


def organ() -> np.ndarray:
    """Two held chords with drawbars 16', 5 1/3', 8', 4', 2 2/3', 2', 4 s, shape (n,), float64, |x| <= 0.7."""
    import numpy as np

    drawbars = {0.5: 0.6, 1.5: 0.4, 1.0: 1.0, 2.0: 0.7, 3.0: 0.3, 4.0: 0.4}
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    # A pipe or a key contact needs some 10 ms to speak and to stop.
    envelope = np.clip(np.minimum(seconds, seconds[::-1]) / 0.01, 0, 1)
    chords = [(48, 55, 60, 64), (53, 57, 60, 65)]
    return _scaled(
        np.concatenate(
            [
                envelope
                * sum(
                    a * np.sin(2 * np.pi * _hertz(p) * k * seconds)
                    for p in chord
                    for k, a in drawbars.items()
                )
                for chord in chords
            ]
        )
    )


def beat(rng: np.random.Generator) -> np.ndarray:
    """Eight beats of kick, snare and hi-hat at 120 to the minute, 4 s, shape (n,), float64, |x| <= 0.7."""
    import numpy as np
    from scipy.signal import lfilter

    seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    noise = rng.uniform(-1, 1, (3, seconds.size))
    # The kick's pitch falls from 150 to 50 Hz within some 50 ms; hi-hat: noise differenced twice, so its top
    # remains.
    kick = np.sin(2 * np.pi * (50 * seconds + 100 * 0.03 * (1 - np.exp(-seconds / 0.03)))) * np.exp(
        -seconds / 0.12
    )
    snare = (0.6 * noise[0] + 0.4 * np.sin(2 * np.pi * 190 * seconds)) * np.exp(-seconds / 0.07)
    hat = 0.3 * lfilter([1, -2, 1], [1.0], noise[1]) * np.exp(-seconds / 0.03)
    return _scaled(np.concatenate([(snare if step % 2 else kick) + hat for step in range(8)]))


def _hertz(pitch: int) -> float:
    """Frequency of a MIDI pitch, equal temperament, A4 (69) at 440 Hz."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def _scaled(samples: np.ndarray) -> np.ndarray:
    return _FULL_SCALE * samples / abs(samples).max()
