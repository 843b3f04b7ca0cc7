"""Makes the bundle `notes` from what training, fitting and validation left in a folder.

    python recipes/notes/bundle.py --work WORK --network WORK/train-small -o src/sonoscope/bundles/notes

    python recipes/notes/bundle.py --work LAST --network LAST/reach-small --before BUNDLE --recipe RECIPE

With `--before`, training went on from that bundle: what that was trained on counts too.

The folder of the network holds `network.json` and `averaged.pt` (build.py train), `rules.json` (build.py
fit-thresholds) and `validation.json` (build.py validate); WORK the banks, which are counted. What was measured is
kept in recipes/notes/results too, unless another place is named.

`validate` chooses thresholds of its own, to judge networks by. What the bundle reaches with its rules is measured by
benchmarks/notes.py, when there is one; then its figures become the card's:

    python recipes/notes/bundle.py --compared benchmarks/results-notes.json -o src/sonoscope/bundles/notes
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import card
import torch
from settings import read

from sonoscope import features, models
from sonoscope.networks import notes as networks
from sonoscope.networks.export import readable_json
from sonoscope.networks.noteexport import write_note_bundle

HERE = Path(__file__).parent
RESULTS = HERE / "results"
#: Groups of recorded notes in results-notes.json, and the command that wrote it.
REAL, COMPARED = "real notes", "python benchmarks/notes.py --data DATA"
#: What a network's folder holds of figures.
MEASURED = ("rules.json", "validation.json", "history.csv")


def make(
    network_folder: Path,
    work: Path,
    out: Path,
    *,
    version: str,
    recipe: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> Path:
    """Write the bundle, with its card, and return its folder; ``before`` describes the bundle that it went on from.

    Raises
    ------
    FileNotFoundError
        If a step has not been taken.
    """
    network = networks.build(json.loads((network_folder / "network.json").read_text()))
    network.load_state_dict(torch.load(network_folder / "averaged.pt", weights_only=True))
    network.eval()
    feature = features.from_dict(recipe["feature"])
    fitted = json.loads((network_folder / "rules.json").read_text())
    validated = network_folder / "validation.json"
    metrics = {"fitting": {key: fitted[key] for key in ("reached", "groups") if key in fitted}}
    if validated.is_file():
        found = json.loads(validated.read_text())
        metrics["validation"] = {"groups": found["groups"]}
    description = {
        "name": "notes",
        "version": version,
        "licence": "MIT",
        "decision": {"rules": fitted["rules"], "origin": origin(fitted, recipe)},
        "metrics": metrics,
        "training_data": training_data(network_folder, work, recipe),
        "provenance": {"command": "recipes/notes/build.py", "recipe": recipe},
    }
    if before is not None:
        description["training_data"] = went_on(before["training_data"], description["training_data"])
        description["provenance"] = {**before["provenance"], "last": recipe}
    delay_s = (network.look_ahead * feature.hop_samples + feature.right_context) / feature.sample_rate
    parameters = sum(weights.numel() for weights in network.parameters())
    text = card.notes_card(description, parameters=parameters, delay_s=delay_s)
    return write_note_bundle(network, out, description, feature=feature, card=text)


def compared(results: Path) -> dict[str, dict[str, Any]]:
    """The model's own figures in what benchmarks/notes.py wrote, by group as `validate` gives them: the pianos, each
    instrument of the font, three at once, and all recorded notes together."""
    held = json.loads(results.read_text())
    groups = {}
    for name, entry in held["groups"].items():
        own = entry["systems"][held["ours"]]
        source, _, group = name.partition(": ")
        if group.endswith("by key") or (group.startswith("all")) is (source != REAL):
            continue
        shown = {"nc_maps": card.PIANO, REAL: card.REAL}.get(source, group)
        groups[shown] = {
            "recordings": entry["recordings"], "f1": own["onset_f1"], "f1_interval": own["onset_f1_interval"],
            "precision": own["precision"], "recall": own["recall"], "f1_offsets": own["offset_f1"],
            "late_s": round(own["late_ms"] / 1000, 4),
        }  # fmt: skip
    return groups


def tell(bundle: Path, results: Path) -> None:
    """Put the figures of a comparison into a bundle that there is, and write its card again."""
    loaded = models.load(bundle)
    feature = loaded.feature
    assert feature is not None
    spec = json.loads((bundle / "bundle.json").read_text())
    spec["metrics"]["validation"] = {"groups": compared(results), "command": COMPARED}
    delay_s = (loaded.look_ahead_frames * feature.hop_samples + feature.right_context) / feature.sample_rate
    network = networks.build(spec["network"])
    text = card.notes_card(
        spec, parameters=sum(weights.numel() for weights in network.parameters()), delay_s=delay_s
    )
    for name, content in (("bundle.json", readable_json(spec) + "\n"), ("README.md", text)):
        (bundle / name).write_text(content, encoding="utf-8")


def origin(fitted: dict[str, Any], recipe: dict[str, Any]) -> str:
    """Where the rules come from, in words."""
    count = sum(row["recordings"] for row in fitted.get("groups", {}).values())
    recorded = (
        ", and phrases of recorded notes" if any(": " in name for name in fitted.get("groups", {})) else ""
    )
    return (
        f"Fitted on {count} recordings that the network was not trained on: new pieces of the fonts "
        f"{', '.join(recipe['stems']['soundfonts'])}, MIDI files on a font of other samples (freepats){recorded}. "
        "None of the recordings whose figures are reported was used."
    )


def training_data(network_folder: Path, work: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """What was trained on, counted in the banks."""
    frame_s = recipe["feature"]["hop_samples"] / recipe["feature"]["sample_rate"]
    frames, items, compositions = 0, 0, 0
    for bank in sorted(work.glob("bank-*/bank.json")):
        with open(bank.with_name("items.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        frames += json.loads(bank.read_text())["n_frames"]
        items += len(rows)
        compositions += sum(_is_composition(row["name"]) for row in rows)
    step, _, size = network_folder.name.partition("-")
    # What was blended was finished before, what was finished refined, and what was refined trained.
    chains = (
        ("train", "refine", "finish", "blend"),
        ("reach",),
        ("carve",),
        ("widen", "winds", "blend"),
        ("longer",),
    )
    parts = {step, *recipe["blend"]} if step == "blend" else {step}
    taken = next((chain[: chain.index(step) + 1] for chain in chains if parts <= {*chain}), ())
    lasts = []
    for folder in dict.fromkeys((*(work / f"{name}-{size}" for name in taken), network_folder)):
        if not (folder / "history.csv").is_file():  # a blend is computed, not trained
            continue
        with open(folder / "history.csv", newline="", encoding="utf-8") as file:
            lasts.append(list(csv.DictReader(file))[-1])
    return {
        "stems": items,
        "compositions": compositions,
        "hours": round(frames * frame_s / 3600, 2),
        "soundfonts": recipe["stems"]["soundfonts"],
        "held_out": recipe["stems"]["held_out"],
        "steps": sum(int(last["step"]) for last in lasts),
        "batch_size": recipe["train"]["batch_size"],
        "cpu_hours": round(sum(float(last["cpu_s"]) for last in lasts) / 3600, 1),
    }


def _is_composition(name: str) -> bool:
    """Whether a stem of this name is an excerpt of a composition, and no copy of one."""
    return name.endswith("_composition") and not name.startswith("damaged_")


def went_on(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What all trainings were trained on: their steps together, the banks of the first, the larger ones, and as `last`
    the banks of the last and the steps since the first."""
    return {
        **before,
        "steps": before["steps"] + after["steps"],
        "cpu_hours": round(before["cpu_hours"] + after["cpu_hours"], 1),
        "last": {key: after[key] for key in ("stems", "compositions", "hours")}
        | {"steps": before.get("last", {"steps": 0})["steps"] + after["steps"]},
    }


def keep_results(network_folder: Path, results: Path) -> None:
    """Copy what was measured."""
    results.mkdir(parents=True, exist_ok=True)
    for name in MEASURED:
        if (network_folder / name).is_file():
            shutil.copyfile(network_folder / name, results / name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path)
    parser.add_argument("--network", type=Path, help="the folder that training left")
    parser.add_argument(
        "--compared", type=Path, metavar="JSON", help="figures for the card of the bundle in OUT"
    )
    parser.add_argument("--before", type=Path, metavar="BUNDLE", help="the bundle that training went on from")
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument("--version", default="1.0.0", help="of the model")
    parser.add_argument(
        "-o", "--out", type=Path, default=HERE.parents[1] / "src" / "sonoscope" / "bundles" / "notes"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures are kept")
    arguments = parser.parse_args()
    if arguments.compared is not None:
        tell(arguments.out, arguments.compared)
        return
    if arguments.work is None or arguments.network is None:
        parser.error("--work and --network say what the bundle is made of")
    recipe = read(arguments.recipe)
    keep_results(arguments.network, arguments.results)
    before = (
        json.loads((arguments.before / "bundle.json").read_text()) if arguments.before is not None else None
    )
    made = make(
        arguments.network,
        arguments.work,
        arguments.out,
        version=arguments.version,
        recipe=recipe,
        before=before,
    )
    print(f"wrote {made}")


if __name__ == "__main__":
    main()
