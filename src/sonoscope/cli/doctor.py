"""``sonoscope doctor``: what this machine has, which recordings it can read, and whether two runs agree.

Every part returns lines; a line is ``ok`` (well), ``--`` (a fact, or something optional that is absent) or
``BAD``. The exit code is 1 if any is bad. Nothing is downloaded, nothing is left behind, and torch is
imported only on request.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    import numpy as np

OK, FACT, BAD = "ok", "--", "BAD"

#: Where each library of the core install is imported from, by its name on the package index.
CORE = {
    "numpy": "numpy", "scipy": "scipy", "soundfile": "soundfile", "soxr": "soxr", "av": "av",
    "onnxruntime": "onnxruntime", "array-api-compat": "array_api_compat", "PyYAML": "yaml", "typer": "typer",
}  # fmt: skip

#: What each extra is for, and the packages (as imported) that show that it is there.
EXTRAS = {
    "tables": ("data frames and Parquet", ("pandas", "pyarrow")),
    "eval": ("figures of merit and plots", ("sklearn", "mir_eval", "matplotlib")),
    "render": ("training sets from MIDI", ("fluidsynth",)),
    "live": ("microphones and MIDI ports", ("sounddevice", "rtmidi")),
    "serve": ("the service and its page", ("fastapi", "uvicorn", "python_multipart", "websockets")),
    "teach": ("detectors of your own, classical models", ("onnx", "sklearn")),
    "train": ("training networks", ("torch", "lightning", "onnx", "safetensors")),
}

#: Containers to try: ending, and the encoders that could fill it; the first one that is there counts. PyAV
#: writes them all, so that what is tested is what a phone, a camera or a recorder makes.
FORMATS = {
    ".wav": ("pcm_s16le",), ".flac": ("flac",), ".aiff": ("pcm_s16be",), ".ogg": ("libvorbis", "soundfile"),
    ".opus": ("libopus", "opus"), ".mp3": ("libmp3lame", "mp3_mf"), ".m4a": ("aac",), ".aac": ("aac",),
    ".wma": ("wmav2",), ".mp4": ("aac",), ".mov": ("aac",), ".mkv": ("aac",), ".webm": ("libopus", "opus"),
    ".avi": ("libmp3lame", "pcm_s16le"),
}  # fmt: skip

TONE_HZ = 440.0
TONE_RATE = 48_000

#: Below this a long recording's intermediate files may not fit.
LEAST_FREE_BYTES = 500 * 2**20


class Line(NamedTuple):
    """One finding."""

    state: str
    subject: str
    text: str


def doctor(
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Also try what analyze --on cuda would use (imports torch: seconds)."),
    ] = False,
) -> int:
    """Say what this machine has, and test that it works."""
    parts: list[Callable[[], Iterator[Line]]] = [
        libraries,
        extras,
        processors,
        disk,
        formats,
        models,
        self_test,
    ]
    if gpu:
        parts.append(graphics)
    bad = 0
    for part in parts:
        for line in part():
            bad += line.state == BAD
            print(f"{line.state:<4}{line.subject:<18}{line.text}", flush=True)
    print("all is well" if not bad else f"{bad} of the lines above say BAD")
    return 1 if bad else 0


def libraries() -> Iterator[Line]:
    """Versions of Python, of this package, and of what it cannot do without; each is really imported."""
    from importlib import import_module

    # models: before onnxruntime, which it silences.
    from sonoscope import __version__, models  # noqa: F401

    yield Line(OK, "sonoscope", f"{__version__} in {Path(__file__).parents[1]}")
    state = OK if sys.version_info >= (3, 11) else BAD
    yield Line(state, "python", f"{sys.version.split()[0]} ({sys.executable}), on {sys.platform}")
    for package, module in CORE.items():
        try:
            import_module(module)
            yield Line(OK, package, metadata.version(package))
        except (ImportError, OSError) as error:
            yield Line(BAD, package, f"{error}; pip install --force-reinstall {package}")


def extras() -> Iterator[Line]:
    """Which extras are installed; looked up, not imported."""
    for extra, (purpose, modules) in EXTRAS.items():
        absent = [module for module in modules if find_spec(module) is None]
        if absent:
            how = f"pip install 'sonoscope[{extra}]'"
            yield Line(
                FACT, f"[{extra}]", f"not installed (optional): {purpose}; {how} adds {', '.join(absent)}"
            )
        else:
            yield Line(OK, f"[{extra}]", f"{purpose}: installed")


def processors() -> Iterator[Line]:
    """How many worker processes a run would start here, and which limits say so."""
    from sonoscope.runs import cores

    reasons = [f"{os.cpu_count()} in the machine"]
    if hasattr(os, "sched_getaffinity"):
        reasons.append(f"{len(os.sched_getaffinity(0))} allowed to this process")
    reasons += [f"control group: {quota:g}" for quota in cores.quotas(Path("/"))]
    reasons += [f"{name}={os.environ[name]}" for name in cores.GRANTED if os.environ.get(name)]
    yield Line(OK, "workers", f"{cores.default_workers()} ({'; '.join(reasons)})")


def disk() -> Iterator[Line]:
    """Room for temporary files."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        yield Line(
            BAD,
            "temporary files",
            f"{free / 2**20:,.0f} MiB free in {folder}: make room, or set TMPDIR elsewhere",
        )
    else:
        yield Line(OK, "temporary files", f"{free / 2**30:,.1f} GiB free in {folder}")


def formats() -> Iterator[Line]:
    """Make a second of a tone in each format, decode it, and compare length and pitch."""
    from sonoscope.errors import SonoscopeError

    read, unmade = [], []
    with tempfile.TemporaryDirectory(prefix="sonoscope-doctor-") as folder:
        for ending, encoders in FORMATS.items():
            file = Path(folder) / f"tone{ending}"
            if not _make_tone(file, encoders):
                unmade.append(ending)
                continue
            try:
                wrong = _misheard(file)
            except SonoscopeError as error:
                wrong = str(error)
            if wrong:
                yield Line(BAD, f"decode {ending}", wrong)
            else:
                read.append(ending)
    yield Line(OK if read else BAD, "decode", " ".join(read) or "nothing")
    if unmade:
        yield Line(FACT, "decode", f"not tried, for want of an encoder: {' '.join(unmade)}")


def _tone(seconds: float, sample_rate: int) -> np.ndarray:
    import numpy as np

    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * times)).astype(np.float32)


def _make_tone(file: Path, encoders: tuple[str, ...]) -> bool:
    """Write a second of the tone; False if this machine has none of the encoders."""
    import av
    import soundfile

    encoder = next((name for name in encoders if name in {*av.codecs_available, "soundfile"}), None)
    if encoder is None:
        return False
    if encoder == "soundfile":
        soundfile.write(file, _tone(1.0, TONE_RATE), TONE_RATE)
        return True
    with av.open(str(file), "w") as container:
        stream = container.add_stream(encoder, rate=TONE_RATE, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 96_000
        frame = av.AudioFrame.from_ndarray(_tone(1.0, TONE_RATE)[None, :], format="fltp", layout="mono")
        frame.sample_rate = TONE_RATE
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="mono",
            rate=TONE_RATE,
            frame_size=stream.codec_context.frame_size or 0,
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return True


def _misheard(file: Path) -> str:
    """What is wrong with a decoded second of the tone, or an empty text.

    Encoders add up to some 50 ms at the ends; a decoder that loses more, or changes the speed, is broken.
    """
    import numpy as np

    from sonoscope.audio.decode import Decoder
    from sonoscope.values import Recording

    rate = 24_000
    with Decoder(Recording(str(file), file.name), sample_rate=rate) as decoder:
        samples = np.concatenate([block.copy() for block in decoder.blocks()])
    if abs(samples.size / rate - 1) > 0.1:
        return f"a tone of 1 s has {samples.size / rate:.2f} s"
    spectrum = np.abs(np.fft.rfft(samples[:rate] * np.hanning(min(rate, samples.size))))
    heard = float(spectrum.argmax()) * rate / min(rate, samples.size)
    return f"a tone of {TONE_HZ:g} Hz is heard at {heard:.0f} Hz" if abs(heard - TONE_HZ) > 3 else ""


def models() -> Iterator[Line]:
    """Whether every bundle that can be named opens."""
    from sonoscope import models
    from sonoscope.errors import BadBundle

    names = models.names()
    if not names:
        yield Line(BAD, "models", "none is installed: install sonoscope again, or set SONOSCOPE_MODELS")
    for name, folder in names.items():
        try:
            bundle = models.load(folder, labels=False)
            yield Line(OK, f"model {name}", f"{bundle.version}, {len(bundle.labels)} labels; in {folder}")
        except BadBundle as error:
            yield Line(BAD, f"model {name}", str(error))


def self_test() -> Iterator[Line]:
    """Analyse a tone twice, with the graph loaded anew: the written scores must be the same bytes."""
    from sonoscope import api
    from sonoscope import models as bundles

    for name in bundles.names():
        model = [api.load(name) for _ in range(2)]
        first, again = (
            _written(each.analyze(_tone(5.0, TONE_RATE), sample_rate=TONE_RATE).scores) for each in model
        )
        what = "frames" if bundles.load(name, labels=False).task == "notes" else "windows"
        if first[1] == again[1]:
            yield Line(OK, "self-test", f"{name}: {first[0]} {what} scored twice, the same bytes")
        else:
            yield Line(BAD, "self-test", f"{name}: the same sound scored twice gives other numbers")


def _written(scores: Any) -> tuple[int, bytes]:
    """How many rows there are, and the bytes that would be written of them."""
    import io

    from sonoscope.outputs import scoretable
    from sonoscope.values import Scores

    if not isinstance(scores, Scores):
        return len(scores.onset), scores.onset.tobytes() + scores.sustain.tobytes()
    table = io.StringIO()
    scoretable.write_table(scores, table, raw=True)
    return len(scores), table.getvalue().encode()


def graphics() -> Iterator[Line]:
    """What ``analyze --on cuda`` would use: each engine is tried, and must answer as the CPU does."""
    from sonoscope import models
    from sonoscope.models import devices

    for name, folder in models.names().items():
        found = devices.probe(models.load(folder, labels=False))
        for line in found.text().splitlines():
            yield Line(OK if found.engine and line.startswith(found.engine) else FACT, f"gpu, {name}", line)
