"""Feed damaged files to everything that reads files of others, guided by which code they reach.

Usage: ``python recipes/robustness/fuzz.py TARGET --seconds 60 --work FOLDER`` (``--list`` names the targets). It needs
atheris (``pip install atheris``). Seeds are whole files; what reaches new code is kept below WORK, and the next call
goes on from there. What a reader may raise is a ``SonoscopeError``, whose message a person can act on;
anything else ends the call with 77, and the input lies in ``WORK/crashes``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris
import numpy as np
import soundfile

with atheris.instrument_imports(include=["sonoscope"]):
    from sonoscope import outputs
    from sonoscope.audio import decode
    from sonoscope.data import manifest
    from sonoscope.data.extract import spec
    from sonoscope.errors import SonoscopeError
    from sonoscope.training import config
    from sonoscope.values import Recording

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Longer inputs find nothing that shorter ones do not, and take longer.
LONGEST = {"decode": 12_000}
#: Samples after which a decoder has shown that it goes on.
MOST_SAMPLES = 2_000_000

#: A folder in memory, where there is one, for the files that readers are given by name.
_SCRATCH = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def placed(content: bytes, name: str) -> Path:
    """A file of this content."""
    path = Path(_SCRATCH.name) / name
    path.write_bytes(content)
    return path


def hear(content: bytes) -> None:
    """A recording, whatever its format: what it holds is finite, and as long as is said."""
    heard = 0
    recording = Recording("input", str(placed(content, "input")))
    with decode.Decoder(recording, sample_rate=8000) as decoder:
        for block in decoder.blocks():
            assert np.isfinite(block).all()
            heard += len(block)
            if heard > MOST_SAMPLES:
                return
        assert decoder.n_decoded >= 0 and decoder.duration_s >= 0


def tables(content: bytes) -> None:
    """Annotations: the first byte chooses the format."""
    forms = [form for form in outputs.READERS.values() if form.reader is not None]
    form = forms[content[0] % len(forms)] if content else forms[0]
    file: io.BytesIO | io.StringIO = io.BytesIO(content[1:])
    if not form.binary:
        file = io.StringIO(content[1:].decode("utf-8", errors="replace"), newline="")
    form.read(file, name="input" + form.suffix)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "decode": hear,
    "manifest": lambda content: manifest.read(placed(content, "manifest.csv")),
    "spec": lambda content: spec.read(placed(content, "clips.yaml")),
    "spec-json": lambda content: spec.read(placed(content, "clips.json")),
    "annotations": tables,
    "config": lambda content: config.read(placed(content, "config.yaml")),
}


def tried(target: str, content: bytes) -> None:
    """Read it; what a reader may raise is no failure."""
    with contextlib.suppress(SonoscopeError):
        TARGETS[target](content)


def seeds(target: str) -> Iterator[bytes]:
    """Files that are whole."""
    if target == "decode":
        tone = 0.3 * np.sin(np.arange(400) / 5)
        for kind, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("AIFF", "PCM_24"), ("FLAC", "PCM_16")):
            file = io.BytesIO()
            soundfile.write(file, np.column_stack([tone, tone]), 8000, subtype, format=kind)
            yield file.getvalue()
        for name in ("flute-and-guitar.mp3", "piano.ogg", "organ.opus"):
            yield (EXAMPLES / name).read_bytes()[: LONGEST["decode"]]
    elif target == "manifest":
        yield b"path,start_s,duration_s,labels,absent,unknown,group,split\na.wav,0,1.5,violin;cello,,piano,g,train\n"
        yield b"mel_path,label_multi,orig_path,start_s,dur_s,n_frames\na.npy,00101,a.wav,0.0,3.0,301\n"
        yield b"file,violin,cello\nC:\\sound\\a.wav,1,0\n"
    elif target == "spec":
        yield (EXAMPLES / "clips.yaml").read_bytes()
        yield b"- {video: a.mp4, labels: [x], time_stamps_to_extract: [['0:18', '2:05'], [130, end]]}\n"
    elif target == "spec-json":
        yield b'[{"file": "a.wav", "labels": ["x"], "ranges": [["0:18", "2:05"], [1, 2.5]], "description": "d"}]'
    elif target == "annotations":
        rows = {
            "raven": b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tLabel\n"
            b"1\tSpectrogram 1\t1\t0.5\t1.5\t0.0\t8000.0\tx\n",
            "audacity": b"0.5\t1.5\tx 0.87\n\\\t100\t200\n",
            "csv": b"file,start,end,label,score\na.wav,0.5,1.5,x,0.9\n",
        }
        forms = [name for name, form in outputs.READERS.items() if form.reader is not None]
        for number, name in enumerate(forms):
            yield bytes([number]) + rows.get(name, b"start,end,label\n0.5,1.5,x\n")
    else:
        yield b"data: {train: [clips]}\nnetwork: {backbone: small_cnn, head: linear}\ntraining: {epochs: 3}\n"


def main(words: list[str]) -> int:
    """Fuzz one target for a while."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--work", type=Path, default=Path("fuzz"))
    parser.add_argument("--try", dest="one", type=Path, help="read this one file, and show what happens")
    given = parser.parse_args(words)
    if given.list or given.target is None:
        print("\n".join(TARGETS))
        return 0
    if given.one:
        tried(given.target, given.one.read_bytes())
        return 0
    corpus, crashes = given.work / given.target, given.work / "crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(given.target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = {
        "max_total_time": given.seconds,
        "max_len": LONGEST.get(given.target, 2000),
        "timeout": 120,
        "rss_limit_mb": 2000,
        "artifact_prefix": f"{crashes}/{given.target}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)],
        lambda content: tried(given.target, content),
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
