"""The model card of `field`, written from what was measured."""

from __future__ import annotations

from typing import Any


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def figures_table(figures: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown: a row per class, recordings and synthesis side by side."""
    lines = [
        "| class | recorded: windows | AP | precision | recall | synthesised: windows | AP | precision | recall |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in figures["recorded"]:
        cells = []
        for kind in ("recorded", "synthesised"):
            row = figures[kind][name]
            cells += [
                str(row["windows"]),
                *(_number(row[k]) for k in ("average_precision", "precision", "recall")),
            ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def field_card(description: dict[str, Any]) -> str:
    """The whole card from the keys of ``bundle.json``."""
    data = description["training_data"]
    recorded, made = data["clips"]["recorded"], data["clips"]["synthesised"]

    def counted(counts: dict[str, int]) -> str:
        return ", ".join(f"{label} {count}" for label, count in counts.items())

    window_s = description["provenance"]["recipe"]["window_s"]
    return f"""# field {description["version"]}

Insect buzz, birds, rain, wind, speech and engines in field recordings, and a general embedding of sound
(256 numbers a window) on which `sonoscope train FOLDER` puts a detector of your own; a few examples of each sound do
with its maxima (`sonoscope train few-examples FOLDER`).

## What stands behind it: very little insect sound

Recordings: {counted(recorded)}. **{recorded.get("insect_buzz", 0)} recordings of buzzing insects**,
{recorded.get("rain", 0)} of rain, {recorded.get("wind", 0)} of wind. The rest of these classes is synthesised:
{counted(made)}
(wing beats with harmonics that wander in pitch and loudness and fly past with Doppler shift; songs; drops; gusts;
engines; speech by espeak-ng; as `other` notes of soundfonts and drawn strings and organs too). Treat its classes as a
first sieve and teach a detector from your own snippets.

## How good it is

A model that never heard the held sounds (a third of the synthesised ones; of the recordings without a fold, a third of
the names or speakers; of the instruments, one fold of whole origins) was judged on windows of {window_s:g} s mixed from
them, alone or two to four at once, with noise; recordings and synthesis apart. In such windows all classes sound about
equally often; in the field they do not, and precision changes with that. A dash: nothing of the class was held.

{figures_table(description["metrics"]["held"])}

Command: `python recipes/field/build.py --data DATA --work WORK held`. The model shipped here heard all of it; the
figures are not its own. Synthesised figures say that the model knows our synthesis; they say little about your meadow.

## What it was trained on

{data["hours"]} hours of sounds before mixing; libraries: {", ".join(data["origins"])}. The embedding was made to tell
apart, beside the classes: {", ".join(data["fine_classes"])}.

Licences of the recordings: CC0, CC-BY 3.0 and 4.0, CC-BY-SA 3.0 and 4.0, CC Sampling Plus, MIT; clips for
non-commercial use only were not trained on. Of the soundfonts: MIT and public domain; freepats: GPL with an exception
for music made with it. None of them is redistributed here.
"""
