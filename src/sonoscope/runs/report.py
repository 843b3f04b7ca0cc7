"""``run.json``: what was asked, with what, where and when it ran, and what came of it.

``settings`` is the spec of the run with the model's own values filled in; ``sonoscope analyze --config
run.json`` repeats it. It is written when the run begins (``status`` ``running``), and again when it ends
(``done``, ``stopped``).
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from sonoscope import __version__
from sonoscope.audio.reader import DAMAGED
from sonoscope.notes.decision import NoteDecision
from sonoscope.pipeline import CANCEL, SILENT
from sonoscope.runs.job import Outcome
from sonoscope.runs.journal import Record
from sonoscope.runs.memory import peak_rss_bytes
from sonoscope.runs.origin import CLOCK_UNKNOWN
from sonoscope.runs.setup import Setup

LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "av", "onnxruntime")
_MIB = 1024 * 1024
#: Recordings whose remarks are shown at the end of a run; the others' are in ``files.csv``.
REMARKS_SHOWN = 3


@dataclass
class Tally:
    """What has come of a run so far; counts of inputs, seconds, bytes.

    ``remarked`` are the first of the recordings about which something is special, in words, and ``n_remarked`` counts
    all of them. ``dated`` have a start, ``undated`` state one on a clock that is not known, ``oddly_dated`` have one
    that cannot be or does not fit, ``without_site`` have no site, ``damaged`` could not be decoded to their end,
    the channels of ``cancelled`` cancel each other, all or some of those of ``silent`` are; ``rates`` counts
    recordings by sample rate in Hz.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0
    decided: int = 0
    unknown: int = 0
    n_remarked: int = 0
    remarked: list[str] = field(default_factory=list)
    dated: int = 0
    undated: int = 0
    oddly_dated: int = 0
    without_site: int = 0
    damaged: int = 0
    cancelled: int = 0
    silent: int = 0
    rates: Counter[int] = field(default_factory=Counter)
    events: int = 0
    audio_s: float = 0.0
    worker_cpu_s: float = 0.0
    worker_peak_bytes: int = 0
    began: float = field(default_factory=time.monotonic)
    began_cpu: float = field(default_factory=time.process_time)
    began_at: str = field(default_factory=lambda: now())

    def measure(self, outcome: Outcome) -> None:
        """Take note of what an outcome cost."""
        self.worker_peak_bytes = max(self.worker_peak_bytes, outcome.peak_rss_bytes)
        self.worker_cpu_s += outcome.cpu_s

    def place(self, record: Record) -> None:
        """Take note of where and when a recording was made."""
        self.rates[record.sample_rate] += 1
        self.without_site += not record.site
        self.damaged += DAMAGED in record.note
        self.cancelled += CANCEL in record.note
        self.silent += SILENT in record.note
        if record.start_datetime:
            self.dated += 1
        elif CLOCK_UNKNOWN in record.origin_note:
            self.undated += 1
        elif record.origin_note:
            self.oddly_dated += 1

    def remark(self, name: str, note: str) -> None:
        """Take note of what is special about a recording, if anything is."""
        if note:
            self.n_remarked += 1
            if len(self.remarked) < REMARKS_SHOWN:
                self.remarked.append(f"{name}: {note}")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began


def in_mib(count: int) -> float:
    """Bytes as mebibytes."""
    return round(count / _MIB, 1)


def now() -> str:
    """The time in UTC, ISO 8601 with offset, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe(setup: Setup, tally: Tally, *, status: str, workers: int, in_process: bool) -> dict[str, Any]:
    """The content of ``run.json`` for one process."""
    finished = status != "running"
    own_cpu_s = time.process_time() - tally.began_cpu
    return {
        "tool": "sonoscope",
        "version": __version__,
        "status": status,
        "command": list(sys.argv),
        "settings": setup.effective().to_json(),
        "models": [_model(setup, i) for i in range(len(setup.bundles))],
        "inputs": {
            "total": tally.done + tally.failed,
            "done": tally.done,
            "failed": tally.failed,
            "complete_before": tally.skipped,
            "decided_again": tally.decided,
        },
        "events": tally.events,
        "audio_s": round(tally.audio_s, 3),
        "started": tally.began_at,
        "stopped": now() if finished else None,
        "elapsed_s": round(tally.elapsed_s, 3),
        # Jobs done in this process are part of its own time.
        "cpu_s": round(own_cpu_s + (0.0 if in_process else tally.worker_cpu_s), 3),
        "peak_rss_mib": {
            "main": in_mib(peak_rss_bytes()),
            "worker": None if in_process else in_mib(tally.worker_peak_bytes),
        },
        "workers": workers,
        "host": {
            "name": socket.gethostname(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "libraries": {name: _installed(name) for name in LIBRARIES},
    }


def combined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of ``run.json`` for a run in several parts: what is common, sums, and each part under
    ``parts``.
    """
    if len(parts) == 1:
        return parts[0]
    whole = dict(parts[-1])
    whole["inputs"] = {key: sum(part["inputs"][key] for part in parts) for key in whole["inputs"]}
    for key in ("events", "audio_s", "cpu_s"):
        whole[key] = round(sum(part[key] for part in parts), 3)
    whole["started"] = min(part["started"] for part in parts)
    whole["stopped"] = max(part["stopped"] or "" for part in parts) or None
    whole["elapsed_s"] = max(part["elapsed_s"] for part in parts)
    whole["peak_rss_mib"] = {
        key: max((part["peak_rss_mib"].get(key) or 0.0 for part in parts), default=0.0)
        for key in parts[-1]["peak_rss_mib"]
    }
    own = (
        "part", "status", "command", "inputs", "events", "audio_s", "started", "stopped", "elapsed_s",
        "cpu_s", "peak_rss_mib", "workers", "host",
    )  # fmt: skip
    whole["part"] = "all"
    whole["parts"] = [{key: part[key] for key in own} for part in parts]
    return whole


def _model(setup: Setup, number: int) -> dict[str, Any]:
    bundle, decision = setup.bundles[number], setup.decisions[number]
    about = {
        "name": bundle.name,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "path": str(bundle.path),
        "licence": bundle.licence,
    }
    hop_s = setup.settings["models"][bundle.name]["hop_s"]
    if isinstance(decision, NoteDecision):
        return about | {"hop_s": hop_s, "rules": asdict(decision.rules)}
    return about | {
        "window_s": bundle.window_samples / bundle.sample_rate,
        "hop_s": hop_s,
        "thresholds": dict(decision.thresholds),
        "low_thresholds": dict(decision.low_thresholds),
        "min_duration_s": decision.min_duration_s,
        "max_gap_s": decision.max_gap_s,
    }


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
