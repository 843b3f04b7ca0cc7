"""What starting costs: ``--help``, and the first window of a one-file call. CPU seconds, user and system.

The first window is counted by a process that leaves as soon as the network has given its first frames.
"""

from __future__ import annotations

import json
import statistics
import sys

from measure import HERE, Figure, Settings, child, sonoscope, sound

#: What analysing must not load.
HEAVY = ("torch", "librosa", "lightning", "pandas", "sklearn", "matplotlib")


def run(settings: Settings) -> list[Figure]:
    """CPU until help is there and until the first window is scored, and which heavy packages were loaded."""
    recording = sound(settings, 0.5, ".wav")
    repeats = 1 if settings.quick else settings.repeats
    help_s = [child(sonoscope("--help")).cpu_s for _ in range(repeats)]
    seen = [
        json.loads(child([sys.executable, HERE / "startup.py", recording]).stdout) for _ in range(repeats)
    ]
    cpu_s = statistics.median(entry["cpu_s"] for entry in seen)
    heavy = seen[0]["heavy"]
    return [
        Figure("--help", statistics.median(help_s), "s CPU", "<= 0.5"),
        Figure("first window of a one-file call", cpu_s, "s CPU", "<= 0.7"),
        Figure("heavy packages loaded by it", len(heavy), "", "0", {"loaded": heavy}),
    ]


def first_window(recording: str) -> None:
    """``sonoscope analyze RECORDING`` up to the first output of the network; prints the CPU used and leaves."""
    import os
    import time

    from sonoscope.cli import main

    def leave(event: str, arguments: tuple) -> None:
        # The loader of the runtime's module tells when it is there to be watched.
        if event == "import" and arguments[0] == "onnxruntime":
            from sonoscope.models.runtime import Runtime

            run = Runtime.frames

            def frames(*positional, **named):
                run(*positional, **named)
                heavy = [name for name in HEAVY if name in sys.modules]
                print(json.dumps({"cpu_s": time.process_time(), "heavy": heavy}), flush=True)
                os._exit(0)

            Runtime.frames = frames

    sys.addaudithook(leave)
    main(["analyze", recording])


if __name__ == "__main__":
    first_window(sys.argv[1])
