"""One recording to MIDI by sonoscope, its largest memory (MiB) to stdout: MODEL RECORDING MIDI [RULES]."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from transcription import ours, speed

if __name__ == "__main__":
    name, recording, midi, *rules = sys.argv[1:]
    model = ours.load(name, Path(rules[0]) if rules and rules[0] else None)
    speed.written(model.events(Path(recording)), Path(midi))
    with open("/proc/self/status", encoding="ascii") as status:
        print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
