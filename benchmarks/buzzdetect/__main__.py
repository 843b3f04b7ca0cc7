"""sonoscope beside buzzdetect's way of working: one network of YAMNet's size, one core, in turn.

    python benchmarks/buzzdetect --python ENV/bin/python [--repeats 5] [--minutes 10 60] [--folder DIR]
                                 [--docs docs/benchmarks.md]
    python benchmarks/buzzdetect --engine onnx          without TensorFlow: its later versions' way

ENV has TensorFlow, librosa, pandas and soundfile (``pip install tensorflow-cpu librosa pandas soundfile``). The weights
of buzzdetect do not lie with its sources, so its way is re-enacted (peer.py says what that is) on layers with random
weights (network.py). sonoscope gets the same layers by its own command, ``models import``, and writes the table that
buzzdetect writes and its own. Both are new processes, everything they import included (as bytecode, as an installed
package has it); user and system CPU, medians of the ratios of runs that followed each other. *Steady* is what an hour
costs beyond ten minutes. Figures go to stdout in Markdown and to results-buzzdetect.json; with ``--docs`` into the
page, between its marks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from network import CLASSES, FRAME, HIGH_HZ, HOP, LOW_HZ, N_FFT, RATE_HZ  # noqa: E402

from measure import Child, Settings, child, ratio, sonoscope, sound  # noqa: E402

RESULTS = HERE.parent / "results-buzzdetect.json"
LENGTHS_MIN = (10.0, 60.0)
#: What is owed against TensorFlow, by the length of the recording.
GOALS = {"10 min": "≥ 4 x", "60 min": "≥ 2 x", "steady": "≥ 1.3 x", "memory": "≤ 1/5"}
BEGIN, END = "<!-- buzzdetect: begin -->", "<!-- buzzdetect: end -->"


@dataclass(frozen=True)
class Sides:
    """How each side turns a recording into a table: commands but for the recording and the table's folder."""

    engine: str
    python: str
    model: Path
    bundle: Path

    def theirs(self, recording: Path, out: Path) -> Child:
        """buzzdetect's way, in its environment."""
        words = [self.python, HERE / "peer.py", "run", self.engine, self.model, recording, out / "theirs.csv"]
        return child(words)

    def ours(self, recording: Path, out: Path) -> Child:
        """The command, with buzzdetect's table and our own."""
        words = (
            "-m",
            self.bundle,
            "-o",
            out / "ours",
            "--format",
            "buzzr,csv",
            "--workers",
            "1",
            "--overwrite",
        )
        return child(sonoscope("analyze", recording, *words, "-q"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0."""
    options = parse(arguments)
    # One thread also where a library does not go by OMP_NUM_THREADS.
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
    with tempfile.TemporaryDirectory(prefix="sonoscope-buzzdetect-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        # A source tree may have no bytecode; the first run of each side writes it.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str((folder / "bytecode").resolve())
        sides = prepare(options.engine, options.python, folder)
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        lengths = (0.2, 0.5) if options.quick else options.minutes
        found = compare(sides, folder, lengths, options.repeats)
    print(table({options.engine: found}))
    if not options.quick or options.json:
        file = options.json or RESULTS
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        kept[options.engine] = {**kept.get(options.engine, {}), **found}
        file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if options.docs:
            page = options.docs.read_text(encoding="utf-8")
            before, after = page.partition(BEGIN)[0], page.partition(END)[2]
            options.docs.write_text(f"{before}{BEGIN}\n{table(kept)}\n{END}{after}", encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(prog="benchmarks/buzzdetect", description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=("tensorflow", "onnx"), default="tensorflow")
    parser.add_argument("--python", help="the interpreter of the environment that has TensorFlow")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--minutes", type=float, nargs="+", default=LENGTHS_MIN, help="of recordings, rising; of one "
                        "alone only its own figure is measured, and the others stay")  # fmt: skip
    parser.add_argument("--folder", type=Path, help="keep recordings and models here, for the next time")
    parser.add_argument("--json", type=Path, help=f"default: {RESULTS.name}")
    parser.add_argument("--docs", type=Path, help="write the table into this page")
    parser.add_argument("--quick", action="store_true", help="seconds of sound: figures mean nothing")
    options = parser.parse_args(arguments)
    if options.engine == "tensorflow" and not options.python:
        parser.error(
            "--python ENV/bin/python is needed (TensorFlow, librosa, pandas, soundfile), or --engine onnx"
        )
    options.python = options.python or sys.executable
    return options


def prepare(engine: str, python: str, folder: Path) -> Sides:
    """The network for both sides, made once."""
    model, bundle = folder / f"theirs-{engine}", folder / "bundle"
    if not model.exists():
        if engine == "tensorflow":
            child([python, HERE / "peer.py", "make", engine, model])
        else:
            child([sys.executable, "-c", graphs(model, waveform=True)])
    if not bundle.exists():
        rows = folder / "yamnet.onnx"
        child([sys.executable, "-c", graphs(rows, waveform=False)])
        (folder / "labels.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
        feature = {
            "n_fft": N_FFT, "hop_samples": HOP, "n_mels": 64, "f_min_hz": LOW_HZ, "f_max_hz": HIGH_HZ
        }  # fmt: skip
        settings = [word for key, value in feature.items() for word in ("--set", f"{key}={value:g}")]
        words = ("-o", bundle, "--labels", folder / "labels.txt", "--sample-rate", str(RATE_HZ))
        more = ("--window", f"{FRAME / RATE_HZ:g}", "--scores", "logits", "--embedding", "embedding")
        child(
            sonoscope(
                "models", "import", rows, *words, *more, "--scale", "logit", "--feature", "logmel", *settings
            )
        )
    return Sides(engine, python, model, bundle)


def graphs(file: Path, *, waveform: bool) -> str:
    """A program that writes the ONNX graph: in a process of its own, since this one must stay small."""
    return (
        f"import sys, pathlib; sys.path.insert(0, {str(HERE)!r}); import graphs;"
        f" graphs.write(pathlib.Path({str(file)!r}), waveform={waveform})"
    )


def compare(sides: Sides, folder: Path, lengths_min: Sequence[float], repeats: int) -> dict[str, dict]:
    """Every figure with its parts."""
    recordings = {minutes: sound(Settings(folder, repeats, False), minutes) for minutes in lengths_min}
    theirs: dict[float, list[Child]] = {minutes: [] for minutes in lengths_min}
    ours: dict[float, list[Child]] = {minutes: [] for minutes in lengths_min}
    sides.theirs(recordings[lengths_min[0]], folder)
    sides.ours(recordings[lengths_min[0]], folder)
    for number in range(repeats):
        for minutes, recording in recordings.items():
            theirs[minutes].append(sides.theirs(recording, folder))
            ours[minutes].append(sides.ours(recording, folder))
        print(f"{number + 1} of {repeats}", file=sys.stderr, flush=True)
    found: dict[str, dict] = {}
    for minutes in lengths_min:
        value, details = ratio([c.cpu_s for c in theirs[minutes]], [c.cpu_s for c in ours[minutes]])
        found[f"{minutes:g} min"] = {"ratio": value, **details}
    if len(lengths_min) == 1:
        return found
    short, long = lengths_min[0], lengths_min[-1]
    steady = [
        [b.cpu_s - a.cpu_s for a, b in zip(side[short], side[long], strict=True)] for side in (theirs, ours)
    ]
    value, details = ratio(*steady)
    found["steady"] = {"ratio": value, **details}
    peaks = [max(c.peak_mib for c in side[long]) for side in (theirs, ours)]
    found["memory"] = {
        "ratio": peaks[0] / peaks[1],
        "theirs_mib": round(peaks[0]),
        "ours_mib": round(peaks[1]),
    }
    return found


def table(found: dict[str, dict[str, dict]]) -> str:
    """All figures in Markdown, a column for each engine."""
    engines = list(found)
    names = {"tensorflow": "TensorFlow, as `main`", "onnx": "ONNX, as later versions"}
    lines = [
        f"| buzzdetect's way / sonoscope | {' | '.join(names[engine] for engine in engines)} | goal (TensorFlow) |",
        f"|---|{'---|' * len(engines)}---|",
    ]
    for figure in found[engines[0]]:
        cells = [cell(figure, found[engine][figure]) if figure in found[engine] else "" for engine in engines]
        lines.append(f"| {TITLES.get(figure, figure)} | {' | '.join(cells)} | {GOALS.get(figure, '')} |")
    return "\n".join(lines)


#: What a figure is called, where its key is not enough.
TITLES = {
    "10 min": "10 minutes, imports counted", "60 min": "an hour, imports counted",
    "steady": "what fifty minutes more cost", "memory": "peak memory, an hour",
}  # fmt: skip


def cell(figure: str, value: dict) -> str:
    """The ratio and what it is of."""
    if figure == "memory":
        return f"{value['ratio']:.1f} x ({value['theirs_mib']} / {value['ours_mib']} MiB)"
    spread = f"{min(value['ratios']):.1f}–{max(value['ratios']):.1f}"
    return f"{value['ratio']:.1f} x ({spread}; {value['slow_s']:.1f} / {value['fast_s']:.1f} s)"


if __name__ == "__main__":
    sys.exit(main())
