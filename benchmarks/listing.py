"""A hundred thousand files listed: is the rate steady, and does memory stay as it is?

Twice: in a hundred folders of a thousand, and all in one folder. The files are empty, since listing opens none. Rates
are of the first and the last ten thousand, in a process of its own; what memory grows by is counted from the first to
the last ten thousand. The manifest of the same folder is made by the command.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from measure import HERE, Figure, Settings, child, sonoscope

FILES, PER_FOLDER, MARK = 100_000, 1000, 10_000


def run(settings: Settings) -> list[Figure]:
    """Rates and memory of the listing, and of the command."""
    count = FILES // 20 if settings.quick else FILES
    mark = min(MARK, count // 5)
    figures = []
    for name, per_folder in (("folders of 1,000", PER_FOLDER), ("one folder", count)):
        folder = settings.folder / f"listing-{count}-{per_folder}"
        make(folder, count, per_folder)
        for _ in range(2):  # The first one reads names from the disk, not from memory.
            told = json.loads(child([sys.executable, HERE / "listing.py", folder, str(mark)]).stdout)
        first, last = told["seconds"][0], told["seconds"][-1]
        details = {
            "first_per_s": round(mark / first),
            "last_per_s": round(mark / last),
            "files": told["files"],
        }
        what = f"{count:,} files, {name}"
        figures.append(Figure(f"{what}: rate, last {mark:,} / first", first / last, "x", ">= 0.8", details))
        grown = told["mib"][-1] - told["mib"][0]
        figures.append(
            Figure(f"{what}: memory grows by", max(grown, 0.0), "MiB", "<= 5", {"mib": told["mib"]})
        )
        out = settings.folder / "listing.csv"
        out.unlink(missing_ok=True)
        made = child(sonoscope("data", "manifest", folder, "-o", out, "--no-durations"))
        told = {"wall_s": round(made.wall_s, 2), "user_s": round(made.user_s, 2)}
        figures.append(Figure(f"{what}: data manifest --no-durations, peak", made.peak_mib, "MiB", "", told))
    return figures


def make(folder: Path, count: int, per_folder: int) -> None:
    """Empty files with names as recorders give them, unless they are there."""
    done = folder.with_suffix(".done")
    if done.exists():
        return
    for k in range(count):
        site = folder / f"site{k // per_folder:04}"
        if k % per_folder == 0:
            site.mkdir(parents=True, exist_ok=True)
        (site / f"2024{k % 12 + 1:02}17_{k:06}.wav").touch()
    done.touch()


def listed(folder: str, mark: int) -> dict[str, object]:
    """Seconds that each ``mark`` files took to come, and the memory in use after each (Linux; else 0), in MiB."""
    from sonoscope.audio.find import find

    seconds, mib, files = [], [], 0
    began = time.perf_counter()
    for files, _ in enumerate(find([folder]), start=1):
        if files % mark == 0:
            now = time.perf_counter()
            seconds.append(now - began)
            mib.append(resident_mib())
            began = time.perf_counter()
    return {"files": files, "seconds": seconds, "mib": mib}


def resident_mib() -> float:
    """Memory that this process has in use now."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


if __name__ == "__main__":
    print(json.dumps(listed(sys.argv[1], int(sys.argv[2]))))
