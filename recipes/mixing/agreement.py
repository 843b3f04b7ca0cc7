"""Measures how far mixtures of waveforms and of mel powers agree (docs/mixing.md), and keeps the figures.

    python recipes/mixing/agreement.py collection:DATA                # 400 windows, a few minutes
    python recipes/mixing/agreement.py collection:DATA --count 40 --out /tmp/figures.json

DATA is the folder of labelled recordings with its manifest.csv; any other words that `sonoscope data mix` takes will
do. Exit code 1 if the tolerance of sonoscope.evaluation.agreement is not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from sonoscope import models
from sonoscope.data import sources
from sonoscope.data.mix.pool import Pool
from sonoscope.evaluation import agreement
from sonoscope.models.runtime import Runtime

RESULTS = Path(__file__).parent / "results" / "agreement.json"


def main() -> int:
    """Measure, write the figures, print them as a table."""
    parser = argparse.ArgumentParser(description="How far mixtures of waveforms and of mel powers agree.")
    parser.add_argument("data", nargs="+", help="manifest, folder or data set of labelled sounds")
    parser.add_argument("--count", type=int, default=400, help="windows to mix (default: 400)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="instruments")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the figures go")
    options = parser.parse_args()
    bundle = models.load(options.model)
    pool = Pool(sources.load(options.data), bundle.sample_rate)
    found = agreement.measure(pool, Runtime(bundle), count=options.count, seed=options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "model": f"{bundle.name} {bundle.version}", "rows": len(pool.rows), "seed": options.seed, **asdict(found),
        "tolerance": agreement.TOLERANCE,
    }  # fmt: skip
    options.out.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(found))
    print("within the tolerance" if found.holds() else "NOT within the tolerance", file=sys.stderr)
    return 0 if found.holds() else 1


def table(found: agreement.Agreement) -> str:
    """The figures as Markdown."""
    lines = ["| difference, waveform minus powers | mean | 95 % within | mean size |", "|---|---|---|---|"]
    for what, spread, unit, digits in (
        ("mel cells that are heard", found.cells_db, " dB", 2),
        ("of these, where the two loudest sounds are within 6 dB", found.contested_db, " dB", 2),
        ("the model's logits", found.logits, "", 3),
        ("the model's probabilities", found.probabilities, "", 3),
        ("probabilities, one polarity against another", found.other_polarity, "", 3),
    ):
        mean, low, high = (f"{value:+.{digits}f}" for value in (spread.mean, spread.low, spread.high))
        lines.append(f"| {what} | {mean}{unit} | {low} … {high}{unit} | {spread.size:.{digits}f}{unit} |")
    expected, same = f"{found.expected_db:.4f} dB", f"{found.same_decisions:.2%}"
    lines.append(f"\nMean over polarities: {expected} off at most. Same decisions: {same}.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
