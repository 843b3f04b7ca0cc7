"""The model card of `notes`, written from what was measured."""

from __future__ import annotations

from typing import Any

PIANO, REAL = "nc_maps", "recorded notes"
NEW_PIECES = "new pieces"
TITLES = {
    NEW_PIECES: "new pieces on the fonts it was trained on",
    PIANO: "piano: 60 clips of software pianos (MAPS)",
    REAL: "recorded single notes of 29 instruments, in phrases",
}


def figures_table(validation: dict[str, Any]) -> str:
    """Figures by group as Markdown."""
    lines = [
        "| recordings of | number | onset F1 | 95 % interval | precision | recall | F1 with ends | late |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = validation["groups"]
    first = [name for name in (PIANO, REAL, NEW_PIECES) if name in groups]
    for name in (*first, *sorted(set(groups) - set(first))):
        row = groups[name]
        low, high = row["f1_interval"]
        late_ms = round(1000 * row["late_s"]) + 0  # and no -0
        lines.append(
            f"| {TITLES.get(name, name)} | {row['recordings']} | {row['f1']:.3f} | {low:.3f}–{high:.3f} "
            f"| {row['precision']:.3f} | {row['recall']:.3f} | {row['f1_offsets']:.3f} | {late_ms} ms |"
        )
    return "\n".join(lines)


def rules_table(decision: dict[str, Any]) -> str:
    """The rules as Markdown, those that are left open not."""
    lines = ["| rule | value |", "|---|---|"]
    shown = {k: v for k, v in decision["rules"].items() if k not in ("lowest", "highest", "mono")}
    return "\n".join(lines + [f"| `{name}` | {'none' if v is None else v} |" for name, v in shown.items()])


def notes_card(description: dict[str, Any], *, parameters: int, delay_s: float) -> str:
    """The whole card from the keys of ``bundle.json`` that the recipe fills."""
    metrics, data = description["metrics"], description["training_data"]
    validation = metrics.get("validation")
    last, recipe = "", description["provenance"].get("last", {})
    if "last" in data:
        last = f",\nand {data['last']['steps']:,} steps later, with bars whose overtones are tuned"
    if "widen" in recipe:
        wide, longer = recipe["widen"]["steps"], recipe.get("longer", {}).get("steps", 0)
        wide += recipe["winds"]["steps"] + longer
        last += (
            f"; the last {wide:,} of them with {recipe['widen']['channels']} maps,\n"
            f"and of these the mean of the weights before and after {recipe['winds']['steps']:,} with more winds"
        )
        if longer:
            last += f";\nthe last {longer:,} on more stems and compositions, {data['last']['hours']:g} hours in all"
    command = (validation or {}).get("command", "python recipes/notes/build.py … validate")
    measured = (
        figures_table(validation)
        if validation
        else "Not measured: `python recipes/notes/build.py … validate` was not run for this network."
    )
    return f"""# notes {description["version"]}

Which notes are played, when, and how hard: the 88 keys from A0 to C8, any instrument, to MIDI. {parameters:,} weights.
It can listen live: an answer about a moment needs the {1000 * delay_s:.0f} ms of sound after it.

## How good it is

Onsets within 50 ms of the right pitch, as mir_eval counts them, averaged over recordings; *with ends*: the end too,
within 50 ms or 20 % of the note. Notes that already sound at the start are left out. Instruments are those of a
soundfont ({data["held_out"]}) that was never trained on, nor used to fit anything. Intervals: bootstrap over
recordings; where there are few, they are wide. *Late* is the median of what matched onsets are late by.

{measured}

Command: `{command}`.

## Rules

{description["decision"]["origin"]}

{rules_table(description["decision"])}

What each does: docs/notes.md.

## What it was trained on

{data["stems"]:,} rendered stems, {data["hours"]} hours, mixed without end: transposed, detuned, in rooms, with noise.
Soundfonts: {", ".join(data["soundfonts"])}. Random music of the project's own, and {data["compositions"]:,} excerpts of
MIDI files of compositions; organs, bars, strings, winds and voices by addition, and speech of a synthesiser, which
holds no notes. {data["steps"]:,} steps of {data["batch_size"]} segments, {data["cpu_hours"]} hours of one core; the
weights are the mean of those before the steps with bars, strings, winds, voices and speech, and after them{last}.
No recording was trained on.

## What it cannot do

- It learnt from renders. Real players, singers above all, glide and tremble more: expect short notes beside the long
  one, and use `--mono` for a single voice.
- Speech is no music: some of it is told as notes.
- Drums are not notes; where they play, precision falls.
- Ends of notes are harder than beginnings, with a pedal above all.
- Octaves of organs and bells, whose partials are notes of their own, are guesses.
- It does not say who plays (`--tracks by-instrument` guesses), nor where bars begin.
"""
