"""Trains a note network on recordings whose notes are known, such as MusicNet's, and makes a bundle of it.

    python recipes/notes/recorded.py musicnet:ROOT/train --work WORK -o trained
    python recipes/notes/recorded.py musicnet:ROOT/train --work WORK -o trained --validate musicnet:ROOT/test

DATA is what every command takes (docs/data.md): data sets of whole recordings with notes are musicnet, maestro, maps
and guitarset. WORK gets the rows of all of them and the training, which goes on where it was interrupted. With
`--validate` the mean F1 of onsets over those recordings is printed every so many steps, and in the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import yaml

import sonoscope
from sonoscope import features
from sonoscope.data import annotation, sources
from sonoscope.data.mix.bank import Bank, Stem, build
from sonoscope.data.mix.notemix import NoteMix, NoteMixSpec
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError
from sonoscope.evaluation import notes as figures
from sonoscope.networks import notes as networks
from sonoscope.networks.noteexport import write_note_bundle
from sonoscope.notes.rules import NoteRules
from sonoscope.training.notes import NoteTrainSpec, fit_notes, statistics
from sonoscope.values import Event

HERE = Path(__file__).parent


def notes_of(manifest: Manifest, row: Row) -> tuple[Event, ...]:
    """The notes of a row's recording. Raises ``UsageError`` if it states none, or is a part of a file."""
    if not row.annotation:
        raise UsageError(f"{row.path}: the data say no notes of it, only labels: leave it out")
    if row.start_s or row.duration_s is not None:
        raise UsageError(f"{row.path}: a part of a recording; whole ones are needed")
    return tuple(event for event in annotation.of(manifest, row) if event.pitch is not None)


def as_array(events: tuple[Event, ...]) -> np.ndarray:
    """Onset, offset, pitch and velocity (80 where it is unknown), by onset, (n, 4)."""
    rows = [
        (e.start_s, e.end_s, round(e.pitch or 0), 80 if e.velocity is None else e.velocity) for e in events
    ]
    return np.array(sorted(rows), dtype=np.float64).reshape(-1, 4)


def make_bank(words: str, work: Path, feature: features.Feature) -> tuple[Bank, dict[str, np.ndarray]]:
    """The rows of every recording, and its notes."""
    manifest, stems, notes = sources.load(words), [], {}
    for row in manifest.rows:
        notes[row.path] = as_array(notes_of(manifest, row))
        name = row.labels[0] if len(row.labels) == 1 else "ensemble"
        stems.append(Stem(manifest.path_of(row), row.path, (), (), name, row.group, "", True))
    return build(work / "bank-recorded", stems, feature), notes  # type: ignore[arg-type]


def onset_f1(bundle: Path, words: str) -> float:
    """The mean F1 of onsets of a bundle over labelled recordings."""
    model, manifest, found = sonoscope.load(bundle), sources.load(words), []
    for row in manifest.rows:
        true, said = figures.fair(
            figures.notes_of(notes_of(manifest, row)),
            figures.notes_of(model.analyze(manifest.path_of(row)).notes),
        )
        found.append(2 * len(figures.matched(true, said)) / max(len(true) + len(said), 1))
    return float(np.mean(found))


def write(
    network: networks.NoteNetwork, out: Path, feature: features.Feature, words: str, steps: int
) -> Path:
    """The network as a bundle, with the decoder's own rules."""
    description = {
        "name": out.name,
        "version": "1",
        "licence": "as the recordings allow",
        "decision": {"rules": {"onset": NoteRules().onset}, "origin": "the decoder's own, not fitted"},
        "training_data": {"data": words, "steps": steps},
        "provenance": {"command": "recipes/notes/recorded.py"},
    }
    card = f"# {out.name}\n\nNotes, trained on {words} in {steps} steps (recipes/notes/recorded.py).\n"
    return write_note_bundle(network, out, description, feature=feature, card=card)


def train(arguments: argparse.Namespace, recipe: dict) -> None:
    """Fit in stretches between validations; each ends with a bundle."""
    torch.set_num_threads(1)
    feature = features.from_dict(recipe["feature"])
    torch.manual_seed(recipe["train"]["seed"])
    network = networks.build(arguments.size)
    bank, notes = make_bank(arguments.data, arguments.work, feature)
    mix = NoteMix(
        [bank], notes, field=network.receptive_field, look_ahead=network.look_ahead,
        spec=NoteMixSpec(parts=(1.0,), drums_share=0.0),  # a recording is a mixture already
    )  # fmt: skip
    network.set_normalisation(*statistics(mix))
    folder = arguments.work / f"recorded-{arguments.size}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.json").write_text(json.dumps(network.config))
    spec = NoteTrainSpec(**{**recipe["train"], "steps": arguments.steps, "checkpoint_every": arguments.every})

    def tell(step: int, loss: float) -> None:
        print(f"step {step}: loss {loss:.4f}", flush=True)
        if arguments.validate and step % arguments.every == 0 and step < arguments.steps:
            between = networks.build(network.config)
            between.load_state_dict(network.state_dict())
            made = write(between.eval(), folder / "between", feature, arguments.data, step)
            print(f"step {step}: onset F1 {onset_f1(made, arguments.validate):.3f}", flush=True)
            shutil.rmtree(made)

    fitted = fit_notes(network, mix, spec, folder, tell=tell)
    made = write(fitted, arguments.out, feature, arguments.data, arguments.steps)
    if arguments.validate:
        print(f"onset F1 {onset_f1(made, arguments.validate):.3f}")
    print(f"wrote {made}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="labelled recordings to train on, such as musicnet:ROOT/train")
    parser.add_argument("--validate", help="others, to judge on")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True, help="the bundle")
    parser.add_argument("--size", choices=tuple(networks.SIZES), default="small")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=200, help="steps between validations and checkpoints")
    arguments = parser.parse_args()
    train(arguments, yaml.safe_load((HERE / "recipe.yaml").read_text()))


if __name__ == "__main__":
    main()
