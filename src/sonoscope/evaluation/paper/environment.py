"""Where figures were computed: versions, machine, threads."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

#: Packages whose version can change a figure, of those that are installed.
PACKAGES = (
    "sonoscope", "numpy", "scipy", "soundfile", "soxr", "av", "onnxruntime", "scikit-learn", "torch", "lightning",
    "matplotlib",
)  # fmt: skip
#: Variables that say how many threads a library takes.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def facts() -> dict[str, Any]:
    """What is known of the machine and of what is installed; the same as long as neither changes."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": packages,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gib": _memory(),
        "threads": {
            "ONNX Runtime": "1 for each recording",
            **{name: os.environ[name] for name in THREADS if name in os.environ},
        },
    }


def _processor() -> str:
    place = Path("/proc/cpuinfo")
    if place.is_file():
        for line in place.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
