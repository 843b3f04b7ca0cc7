"""What notes cost, sonoscope and basic-pitch in turn on one core: the network, notes from its output, all of it.

User CPU, medians of ratios of runs that followed each other. Peak memory is that of a process that does nothing else.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from measure import ENVIRONMENT, user_s
from sonoscope.audio import decode
from sonoscope.notes.decode import decode as notes_from
from transcription import ours as sonoscope_side

HERE = Path(__file__).parent


class Peer:
    """basic-pitch in its own process, asked line by line."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / "peer.py"), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT,
        )  # fmt: skip

    def ask(self, **words: Any) -> dict[str, float]:
        """What a command used. Raises ``RuntimeError`` if the process ended."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"basic-pitch ended at {words}; run benchmarks/transcription/peer.py by hand")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def timed(work: Callable[[], object]) -> float:
    """User CPU of a piece of work here."""
    before = user_s()
    work()
    return user_s() - before


def written(events: list, file: Path) -> None:
    """Notes as a MIDI file."""
    from sonoscope.outputs import WRITERS
    from sonoscope.values import FileResult, Label

    result = FileResult("a.wav", "a.wav", "notes", (Label("note"),), 1.0, 24_000, 1, tuple(events))
    with open(file, "wb") as opened:
        WRITERS["midi"].write(result, opened)


def table(model_name: str, rules: Path | None, peer_python: str, recordings: dict[float, Path], folder: Path,
          repeats: int, kept: Mapping[str, float] | None = None) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of what, unit, ours, peer and ratio (theirs over ours).

    ``recordings`` by their minutes: the first as often as ``repeats`` says, longer ones once. What is in ``kept``, by
    the words of its row, is theirs from an earlier run, and not measured again for longer ones.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    model, peer, kept = sonoscope_side.load(model_name, rules), Peer(peer_python), kept or {}
    rows: list[dict[str, Any]] = []

    def add(what: str, pairs: list[tuple[float, float]], unit: str = "s") -> None:
        first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = [b / a for a, b in pairs]
        rows.append({"what": what, "unit": unit, "ours": first, "peer": second, "ratio": statistics.median(ratios),
                     "ratios": [round(ratio, 2) for ratio in ratios]})  # fmt: skip

    for minutes, path in recordings.items():
        times, name = (repeats if not rows else 1), f"{minutes:g} min"
        whats = [
            f"{what}, {name}" for what in ("notes and MIDI from the output", "file to MIDI", "peak memory")
        ]
        if rows and all(what in kept for what in whats):
            found = (*alone(model, path, folder), peak(_ours(model_name, rules, path, folder)))
            for what, own, unit in zip(whats, found, ("s", "s", "MiB"), strict=True):
                add(what, [(own, kept[what])], unit)
            continue
        if not rows:
            for size, pairs in networks(model, peer, path, folder, times).items():
                add(f"features and network{size}, {name}", pairs)
        made, whole = totals(model, peer, path, folder, times)
        add(whats[0], made)
        add(whats[1], whole)
        add(whats[2], [peaks(model_name, rules, peer_python, path, folder)], "MiB")
    peer.close()
    return rows


def networks(
    model: sonoscope_side.Model, peer: Peer, path: Path, folder: Path, times: int
) -> dict[str, list[tuple[float, float]]]:
    """User CPU of the network alone, on samples that are read already: the model's, and the smallest size."""
    midi = str(folder / "peer.mid")
    peer.ask(do="total", file=str(path), midi=midi)  # compiles what librosa compiles
    samples, _ = decode.read(path, sample_rate=model.sample_rate)
    size, smallest = sonoscope_side.untrained("nano", folder / "nano.onnx")
    pairs: dict[str, list[tuple[float, float]]] = {"": [], f" ({size})": []}
    for _ in range(times):
        theirs = peer.ask(do="network", file=str(path))["user_s"]
        for name, infer in zip(pairs, (model.infer, smallest), strict=True):
            pairs[name].append((timed(partial(infer, samples)), theirs))
    return pairs


def totals(
    model: sonoscope_side.Model, peer: Peer, path: Path, folder: Path, times: int
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """User CPU of notes and MIDI from the output, and of a file to MIDI."""
    made, whole = [], []
    for _ in range(times):
        own, total = alone(model, path, folder)
        theirs = peer.ask(do="total", file=str(path), midi=str(folder / "peer.mid"))
        made.append((own, theirs["notes_s"]))
        whole.append((total, theirs["user_s"]))
    return made, whole


def alone(model: sonoscope_side.Model, path: Path, folder: Path) -> tuple[float, float]:
    """User CPU of ours: notes and MIDI from the output, and a file to MIDI."""
    scores = model.scores(path)
    own = timed(lambda: written(notes_from(scores, model.rules), folder / "ours.mid"))
    return own, timed(lambda: written(model.events(path), folder / "ours.mid"))


def peaks(
    model_name: str, rules: Path | None, peer_python: str, recording: Path, folder: Path
) -> tuple[float, float]:
    """The largest memory (MiB) of a process that transcribes the recording and nothing else, ours and theirs."""
    listed = folder / "one.json"
    listed.write_text(json.dumps([str(recording)]))
    theirs = [peer_python, HERE / "peer.py", "transcribe", listed, folder / "peer-one.json", "default"]
    return peak(_ours(model_name, rules, recording, folder)), peak(theirs)


def _ours(model_name: str, rules: Path | None, recording: Path, folder: Path) -> list[object]:
    """The command of a process that transcribes one recording."""
    return [sys.executable, HERE / "one.py", model_name, recording, folder / "ours.mid", rules or ""]


def peak(command: list[object]) -> float:
    """The largest memory (MiB) that a command tells of itself in its last word."""
    done = subprocess.run(
        [str(word) for word in command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=ENVIRONMENT,
    )  # fmt: skip
    return float(done.stdout.split()[-1])
