"""The model card of `instruments`, written from what was measured."""

from __future__ import annotations

import fcntl
import re
import statistics
from pathlib import Path
from typing import Any

#: Minutes of synthesised sound without instruments that a seed makes: speech, noise and scenes, as much of each.
MINUTES_OF_SEED = 66


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def bench_table(result: dict[str, Any]) -> str:
    """The bench as Markdown: the figures with intervals, then a row per class."""
    intervals = result["interval_95"]
    lines = ["| figure | value | 95 % interval |", "|---|---|---|"]
    for key, title in (
        ("top1", "macro top-1 over the 11 instruments"),
        ("map", "mAP, clips of the 11 instruments"),
        ("map_with_negatives", "mAP, with drums, basses and other instruments as negatives"),
    ):
        low, high = intervals[key]
        lines.append(f"| {title} | {result[key]:.3f} | {low:.3f}–{high:.3f} |")
    lines += [
        "",
        "| class | recall | AP | AP with negatives | recall by origin (clips) |",
        "|---|---|---|---|---|",
    ]
    for name in result["classes"]:
        origins = ", ".join(f"{o} {r:.2f} ({n})" for o, (r, n) in result["recall_by_origin"][name].items())
        lines.append(
            f"| {name} | {_percent(result['recall'][name])} | {_percent(result['average_precision'][name])} "
            f"| {_percent(result['average_precision_with_negatives'][name])} | {origins} |"
        )
    return "\n".join(lines)


def many_line(result: dict[str, Any]) -> str:
    """The second reading of the mAP: what a fold of a few clips says is left out."""
    low, high = result["interval_95"]["map_of_many"]
    return (
        "By the folds that have at least five clips of a class alone the mAP is "
        f"{result['map_of_many']:.3f} ({low:.3f}–{high:.3f})."
    )


def confusion_table(result: dict[str, Any]) -> str:
    """Counts as Markdown: rows are what sounded, columns what was said."""
    names = result["classes"]
    lines = ["| sounded \\ said | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, row in zip(names, result["confusion"], strict=True):
        lines.append(f"| {name} | " + " | ".join(str(count) for count in row) + " |")
    return "\n".join(lines)


def seeds_table(result: dict[str, dict[str, Any]]) -> str:
    """The bench by members as Markdown: mean and standard deviation for each number of networks, then each of these."""
    sizes = sorted({name.count("+") for name in result})
    order = [name for size in sizes for name in result if name.count("+") == size]
    counts = {0: "one network", 1: "two together"}
    titles = [counts.get(size, f"{size + 1} together") for size in sizes]
    lines = ["| figure | " + " | ".join([*(f"{title}, mean ± SD" for title in titles), *order]) + " |"]
    lines.append("|---" * (1 + len(sizes) + len(order)) + "|")
    rows = [("macro top-1", lambda row: row["top1"]), ("mAP", lambda row: row["map"])]
    rows.append(("mAP with negatives", lambda row: row["map_with_negatives"]))
    for name in next(iter(result.values()))["recall"]:
        rows.append((f"recall, {name}", lambda row, name=name: row["recall"][name]))
    for title, value in rows:
        cells = []
        for size in sizes:
            values = [value(row) for name, row in result.items() if name.count("+") == size]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        cells += [f"{value(result[name]):.3f}" for name in order]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def put(page: Path, name: str, tables: str) -> None:
    """Put tables where a page has the place ``<!-- name -->``."""
    # Several steps of a rebuilding may end at once: one at a time reads and writes.
    with open(page, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        marked = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda m: f"{m[1]}\n{tables}\n\n{m[2]}",
            file.read(),
            flags=re.DOTALL,
        )
        file.seek(0)
        file.write(marked)
        file.truncate()


def pairs_table(result: dict[str, Any]) -> str:
    """Two instruments at once, as Markdown."""
    names = result["average_precision"]
    return "\n".join(
        [
            "| " + " | ".join(("mAP", *names)) + " |",
            "|---" * (len(names) + 1) + "|",
            "| " + " | ".join(f"{value:.2f}" for value in (result["map"], *names.values())) + " |",
            "",
            f"{result['mixtures']} mixtures of two; in {100 * result['both_first']:.0f} % of them the two that sound "
            "are the two of the eleven with the highest scores.",
        ]
    )


def alarms_table(result: dict[str, Any]) -> str:
    """False alarms, made and recorded sounds apart, as Markdown."""
    lines = [
        "| sounds | minutes | alarms | per hour | 95 % limits | `other` first | of them |",
        "|---|---|---|---|---|---|---|",
    ]
    for origin, kinds in result.items():
        for kind, row in kinds.items():
            labels = ", ".join(f"{label} {count}" for label, count in row["by_label"].items()) or "–"
            low, high = row["limits_95"]
            lines.append(
                f"| {origin}: {kind} | {row['minutes']:.1f} | {row['alarms']} | {row['per_hour']:.1f} "
                f"| {low:.1f}–{high:.1f} | {100 * row['other_first']:.0f} % | {labels} |"
            )
    return "\n".join(lines)


def found_table(result: dict[str, Any]) -> str:
    """What thresholds cost and bring, as Markdown."""
    lines = ["| thresholds | alarms per hour | clips found |", "|---|---|---|"]
    lines += [
        f"| {name} | {row['alarms']['per_hour']:.1f} | {row['found']:.2f} |" for name, row in result.items()
    ]
    return "\n".join(lines)


def scaling_table(result: dict[str, Any]) -> str:
    """Log loss by how far calibrations are the labels' own, as Markdown."""
    folds = next(iter(result.values()))["folds"]
    lines = [f"| share of a label's own fit | {' | '.join(folds)} | mean |", "|---" * (len(folds) + 2) + "|"]
    for own, row in result.items():
        cells = [f"{loss:.4f}" for loss in (*row["folds"].values(), row["mean"])]
        lines.append(f"| {own} | {' | '.join(cells)} |")
    return "\n".join(lines)


def damaged_table(result: dict[str, Any]) -> str:
    """What bad recordings cost, as Markdown."""
    lines = ["| the clips | macro top-1 | clips found |", "|---|---|---|"]
    return "\n".join(
        lines + [f"| {kind} | {row['top1']:.2f} | {row['found']:.2f} |" for kind, row in result.items()]
    )


def pianos_table(result: dict[str, Any]) -> str:
    """Whole piano pieces, as Markdown."""
    lines = ["| label | clips with an event | of the time | highest in the clip |", "|---|---|---|---|"]
    for label, row in result["labels"].items():
        lines.append(f"| {label} | {row['clips']:.2f} | {row['time']:.2f} | {row['first']:.2f} |")
    return "\n".join([*lines, "", f"{result['pieces']} pieces, {result['minutes']:g} minutes."])


def solos_table(result: dict[str, Any]) -> str:
    """One instrument alone in each piece, as Markdown."""
    head = (
        "| label | pieces | found | of the time | told in pieces of others | of their time | taken for it |"
    )
    lines = [head, "|---|---|---|---|---|---|---|"]
    for label, row in result["labels"].items():
        taken = ", ".join(f"{name} {count}" for name, count in row["taken_for_it"].items())
        lines.append(
            f"| {label} | {row['pieces']} | {row['found']:.2f} | {row['time']:.2f} | {row['false']:.2f} "
            f"| {row['false_time']:.3f} | {taken} |"
        )
    pieces, found, nothing = result["pieces"], result["found"], result["nothing_false"]
    shipped = result["shipped"]
    words = (
        f"{pieces} pieces, {result['minutes']:g} minutes. The player is found in {found:.2f} of them, nothing else is "
        f"told in {nothing:.2f}; false labels take {result['false_time']:.3f} of the time. (By the shipped model, "
        f"which heard a font that shares samples with this one: {shipped['found']:.2f}, "
        f"{shipped['nothing_false']:.2f} and {shipped['false_time']:.3f}.)"
    )
    return "\n".join([*lines, "", words])


def bands_table(result: dict[str, Any]) -> str:
    """Whole bands, as Markdown."""
    labels = result["labels"]
    lines = [f"| | all | {' | '.join(labels)} |", "|---" * (len(labels) + 2) + "|"]
    for what, key, whole in (
        ("average precision", "ap", "map"),
        ("precision", "precision", "precision"),
        ("recall", "recall", "recall"),
    ):
        cells = ["–" if one[key] is None else f"{one[key]:.2f}" for one in labels.values()]
        lines.append(f"| {what} | {result[whole]:.2f} | {' | '.join(cells)} |")
    (low, high), shipped = result["interval_95"], result["shipped"]
    words = (
        f"{result['pieces']} pieces; mAP {low:.2f}–{high:.2f}. (By the shipped model, which heard a font that shares "
        f"samples with this one: mAP {shipped['map']:.2f}, precision {shipped['precision']:.2f}, recall "
        f"{shipped['recall']:.2f}.)"
    )
    return "\n".join([*lines, "", words])


def font_table(name: str, result: dict[str, Any]) -> str:
    """Each instrument by a font, alone and in bands, as Markdown."""
    alone, bands = result["solos"], result["bands"]
    lines = [
        f"| {name} | found alone | of the time | told in pieces of others | taken for it | in bands: AP | precision "
        "| recall |",
        "|---" * 8 + "|",
    ]
    for label, one in alone["labels"].items():
        taken = ", ".join(f"{other} {count}" for other, count in one["taken_for_it"].items()) or "–"
        cells = [f"{one[key]:.2f}" for key in ("found", "time", "false")]
        lines.append(f"| {label} | {' | '.join(cells)} | {taken} | {_in_bands(bands['labels'][label])} |")
    low, high = bands["interval_95"]
    words = (
        f"{alone['pieces']} pieces for one instrument: the player is found in {alone['found']:.2f} of them, nothing "
        f"else is told in {alone['nothing_false']:.2f}; false labels take {alone['false_time']:.3f} of the time. "
        f"{bands['pieces']} pieces for bands: mAP {bands['map']:.2f} ({low:.2f}–{high:.2f}), precision "
        f"{bands['precision']:.2f}, recall {bands['recall']:.2f}."
    )
    return "\n".join([*lines, "", words])


def _in_bands(one: dict[str, Any]) -> str:
    """AP, precision and recall of a label."""
    return " | ".join("–" if one[key] is None else f"{one[key]:.2f}" for key in ("ap", "precision", "recall"))


def finetune_table(result: dict[str, Any]) -> str:
    """New instruments on the trunk, as Markdown: recall by library, balanced accuracy last."""
    kinds = list(result["recall"])
    lines = ["| class | " + " | ".join(kinds) + " | tested on |", "|---" * (len(kinds) + 2) + "|"]
    for name, origins in result["recall"][kinds[0]].items():
        means = [sum(result["recall"][k][name].values()) / len(result["recall"][k][name]) for k in kinds]
        where = ", ".join(f"{origin} {recall:.2f}" for origin, recall in origins.items())
        lines.append(f"| {name} | " + " | ".join(f"{mean:.2f}" for mean in means) + f" | {where} |")
    overall = " | ".join(f"**{result['balanced_accuracy'][kind]:.3f}**" for kind in kinds)
    return "\n".join([*lines, f"| balanced accuracy | {overall} | |"])


def _decision_table(decisions: dict[str, Any]) -> str:
    lines = [
        "| label | threshold | precision | recall | false-positive rate | ECE |",
        "|---|---|---|---|---|---|",
    ]
    for label, entry in decisions.items():
        point = min(entry["operating_points"], key=lambda p: abs(p["threshold"] - entry["threshold"]))
        lines.append(
            f"| {label} | {entry['threshold']:.2f} | {point['precision']:.2f} | {point['recall']:.2f} "
            f"| {point['fpr']:.3f} | {entry['ece']:.3f} |"
        )
    return "\n".join(lines)


def _further(metrics: dict[str, Any]) -> str:
    """Two instruments at once and false alarms, where they were measured."""
    parts = []
    if "pairs" in metrics:
        parts += [
            "",
            "### Two instruments at once",
            "",
            "3 s, the second -6 to +6 dB against the first, AP by the same four models:",
        ]
        parts += [
            "",
            pairs_table(metrics["pairs"]),
            "",
            "Command: `python recipes/instruments/wider.py pairs`.",
        ]
    if "bands" in metrics:
        parts += [
            "",
            "### Whole bands",
            "",
            "Pieces for two to five instruments by a soundfont, through a twin of the model, trained alike but for the "
            "font that shares samples with it; precision and recall are of labels with an event in a piece, at the "
            "shipped thresholds:",
            "",
            bands_table(metrics["bands"]),
            "",
            "Command: `python recipes/instruments/wider.py bands`.",
        ]
    if "pianos" in metrics and "solos" in metrics:
        parts += [
            "",
            "### One instrument alone, whole pieces",
            "",
            "Labels with an event where a piano alone plays (recordings of software pianos), and, through that twin, "
            "where one instrument of the soundfont plays:",
            "",
            pianos_table(metrics["pianos"]),
            "",
            solos_table(metrics["solos"]),
            "",
            "Commands: `python recipes/instruments/alone.py pianos` and `solos`.",
        ]
    if "damaged" in metrics:
        parts += [
            "",
            "### Bad recordings",
            "",
            "At most twelve clips of each instrument from each library, spoilt one way at a time, by the same four "
            "models; found: the clip's own label has an event:",
            "",
            damaged_table(metrics["damaged"]),
            "",
            "Command: `python recipes/instruments/damaged.py`.",
        ]
    if "alarms" in metrics:
        parts += [
            "",
            "### False alarms",
            "",
            "Events of a label other than `other` at the shipped thresholds where no instrument sounds:",
        ]
        parts += [
            "",
            alarms_table(metrics["alarms"]),
            "",
            "Command: `python recipes/instruments/wider.py alarms`.",
        ]
    return "\n".join([*parts, ""])


def instruments_card(description: dict[str, Any]) -> str:
    """The whole card from the keys of ``bundle.json``."""
    result, data = description["metrics"]["bench"], description["training_data"]
    clips = ", ".join(f"{label} {count}" for label, count in data["clips"].items())
    recipe = description["provenance"]["recipe"]
    window_s = description["window"] / recipe["feature"]["sample_rate"]
    decision, pieces = recipe["decision"], data["whole_pieces"]
    least_s = f"{decision['min_duration_s']:g} s"
    count = len(recipe["members"])
    together = f"of {count} networks that answer together, " if count > 1 else ""
    sung = "; singing by a vocoder" if recipe["extra"].get("singers") else ""
    return f"""# instruments {description["version"]}

Which instruments sound, and when: the eleven instruments of IRMAS, drums, bass, and `other` for everything else.
Multi-label; a score for each window of {window_s:g} s, calibrated per class.

## How good it is

Each clip below was scored by a model that never heard the library (origin) it comes from: four models, each
{together}trained without one fold of whole origins,
{result["clips"]} clips of {result["origins"]} origins and {result["negatives"]} clips of other sounds. Nearly all are
single notes or short phrases of one instrument. The model shipped here is trained on all of them; the figures are the
folds', not its own. Intervals: bootstrap over origins, then clips.

{bench_table(result)}

{confusion_table(result)}

Command: `python recipes/instruments/build.py --data DATA --work WORK bench`.
{_further(description["metrics"])}
## Thresholds

Fitted on windows drawn from left-out origins, alone and mixed in pairs and more, with noise and band limits, by the
four models, and playing whole pieces, but none below {decision["lowest"]:g}; that of drums is at least
{decision["at_least"]["drums"]:g}. An event lasts at least {least_s}, two windows in a row or one at an end, unless the
recording is a single window.
The shipped model heard `other` more often than the four, so its probabilities may be a little lower.
Precision and recall are those of such windows, in which each class sounds about as often as every other; in your
recordings the classes have other shares, and precision changes with them.

{_decision_table(description["decision"]["labels"])}

## What it was trained on

{data["recordings"]} recordings from {len(data["origins"])} libraries and {data["renders"]} rendered stems
({", ".join(data["soundfonts"])}; freepats; guitars and organs played by addition{sung}),
{data["hours"]} hours, mixed and varied without end, and {pieces} whole pieces for one instrument, which recorded
notes of these libraries play as a sampler would, and two of the fonts. Clips per label: {clips}.
Libraries: {", ".join(data["origins"])}.

Licences of the recordings: CC0, CC-BY 2.0 to 4.0, CC-BY-SA 3.0 and 4.0, CC Sampling Plus 1.0, MIT, and one that is free
for any use; of the fonts: MIT and public domain; freepats: GPL with an exception for music made with it. None is
redistributed here. **Commercial use: allowed by every licence of what it was trained on**; clips for non-commercial use
only were scored, never trained on. (CC Sampling Plus forbids the samples themselves in advertising, and Philharmonia
their sale as samples; the model holds neither.)

## What it cannot do

- Most of what it learnt from are single notes and renders; dense mixtures of an orchestra or a band are harder than the
  figures above say.
- `voice` is singing; speech is meant to be `other`, but few speakers were heard in training.
- Instruments outside the eleven are `other` when they are heard as such: check the confusion above before you rely on a
  rare class.
- A score is calibrated on left-out recordings of these libraries. It is not the chance in your field.
"""
