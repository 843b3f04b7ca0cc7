"""Builds the model `notes`: rendered compositions, bank of stems, training, validation.

    python recipes/notes/build.py --stems STEMS --midi MIDI --work WORK bank
    python recipes/notes/build.py --stems STEMS --midi MIDI --work WORK extra
    python recipes/notes/build.py --work WORK train
    python recipes/notes/build.py --work WORK refine
    python recipes/notes/build.py --work WORK played
    python recipes/notes/build.py --work WORK finish
    python recipes/notes/build.py --work WORK blend
    python recipes/notes/build.py --recipe recipes/notes/reach.yaml --work LAST --network WORK/blend-small reach
    python recipes/notes/build.py --recipe recipes/notes/carve.yaml --work LAST --network BUNDLE carve
    python recipes/notes/build.py --recipe recipes/notes/widen.yaml --work LAST --network BUNDLE widen
    python recipes/notes/build.py --recipe recipes/notes/widen.yaml --work LAST winds
    python recipes/notes/build.py --recipe recipes/notes/widen.yaml --work LAST blend
    python recipes/notes/build.py --recipe recipes/notes/further.yaml --stems STEMS --midi MIDI --work LAST further
    python recipes/notes/build.py --recipe recipes/notes/further.yaml --work LAST --network BUNDLE longer
    python recipes/notes/build.py --stems STEMS --midi MIDI --data DATA --work WORK fit-thresholds
    python recipes/notes/build.py --stems STEMS --data DATA --work WORK validate

STEMS is what `sonoscope data render` wrote (one folder for each sound font), MIDI a folder of MIDI files, DATA a
folder with a folder `nc_maps` of piano recordings and their notes (evaluation only, never trained on), and with
recorded notes and speech, of which `fit-thresholds` takes a part too (the rest is reported by benchmarks/notes.py).
Every step leaves its result in WORK and can be interrupted. LAST is another such folder, with smaller banks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import banks
import blending
import extra
import freepats
import numpy as np
import scoring
import thresholds
import torch
from safetensors.torch import load_file
from settings import MIXED, Recipe

from sonoscope.audio import decode
from sonoscope.data.mix.bank import Stem
from sonoscope.networks import notes as networks
from sonoscope.networks.notegraph import write_note_graph
from sonoscope.notes.rules import NoteRules
from sonoscope.notes.scores import NoteScores
from sonoscope.training.notes import NoteTrainSpec, fit_notes, statistics

if TYPE_CHECKING:
    from transcription.recordings import Recording

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[1] / "benchmarks"))  # what is reported on, and what is left to fitting
#: Phrases of each instrument's recorded notes that rules are fitted on.
RECORDED = 2
STEPS = (
    "bank", "extra", "train", "refine", "played", "finish", "blend", "reach", "carve", "widen", "winds",
    "further", "longer", "validate", "fit-thresholds",
)  # fmt: skip
#: What each step goes on from.
BEFORE = {
    "refine": "train",
    "finish": "refine",
    "reach": "blend",
    "carve": "reach",
    "widen": "carve",
    "winds": "widen",
    "longer": "winds",
}
#: What of them says what a network reads, and how many maps it has, beyond the one before.
WIDER = ("below", "under", "channels")


def train(recipe: Recipe, folder: Path, size: str | None, steps: int | None) -> None:
    """Fit a network of a size; what is there goes on."""
    torch.set_num_threads(1)
    network = recipe.network(size)
    mix = recipe.mix(network)
    network.set_normalisation(*statistics(mix))
    settings = {**recipe.settings["train"], **({"steps": steps} if steps else {})}
    (folder).mkdir(parents=True, exist_ok=True)
    (folder / "network.json").write_text(json.dumps(network.config))
    fit_notes(
        network, mix, NoteTrainSpec(**settings), folder,
        tell=lambda step, loss: print(f"step {step}: loss {loss:.4f}", flush=True),
    )  # fmt: skip


def go_on(recipe: Recipe, step: str, first: Path, folder: Path) -> None:
    """`refine` and what follows: go on from what the step before left, with more stems and at a lower rate."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.settings["train"]["seed"])
    network = begun(first)
    settings = {k: v for k, v in recipe.settings[step].items() if k not in (*MIXED, *WIDER)}
    folder.mkdir(parents=True, exist_ok=True)
    if wider := {name: recipe.settings[step][name] for name in WIDER if name in recipe.settings[step]}:
        network = networks.reaching(network, **wider)
    (folder / "network.json").write_text(json.dumps(network.config))
    fit_notes(
        network, recipe.mix(network, step), NoteTrainSpec(**{**recipe.settings["train"], **settings}), folder,
        tell=lambda step, loss: print(f"step {step}: loss {loss:.4f}", flush=True),
    )  # fmt: skip


def begun(folder: Path) -> networks.NoteNetwork:
    """The averaged network that training left in a folder, or that of a bundle."""
    bundle = folder / "bundle.json"
    held = bundle if bundle.is_file() else folder / "network.json"
    config = json.loads(held.read_text())
    network = networks.build(config["network"] if bundle.is_file() else config)
    if bundle.is_file():
        network.load_state_dict(load_file(folder / "model.safetensors"))
    else:
        network.load_state_dict(torch.load(folder / "averaged.pt", weights_only=True))
    return network


def trained(folder: Path) -> networks.NoteNetwork:
    """The averaged network that training left in a folder, for inference."""
    return begun(folder).eval()


def recordings(
    recipe: Recipe, stems: Path, data: Path | None, each: int
) -> Iterator[tuple[str, Path, np.ndarray]]:
    """What is validated on: new pieces, stems of the font that was left out, and the piano recordings."""
    settings = recipe.settings["stems"]
    yield from new_pieces(recipe, stems, each)
    few = {**settings, "most": {"default": each}}
    for stem, notes in as_heard(
        recipe, banks.rendered_stems(few, stems, [settings["held_out"]]), [settings["held_out"]]
    ):
        yield stem.name, stem.path, notes
    if data is not None:
        for file in sorted((data / "nc_maps").glob("*.csv")):
            yield "nc_maps", file.with_suffix(".ogg"), scoring.read_maps(file)


def new_pieces(recipe: Recipe, stems: Path, each: int) -> Iterator[tuple[str, Path, np.ndarray]]:
    """Stems of the fonts that were trained on which were not taken."""
    settings = recipe.settings["stems"]
    found = banks.rendered_stems(settings, stems, settings["soundfonts"], beyond=each)
    for stem, notes in as_heard(recipe, found, settings["soundfonts"]):
        yield scoring.NEW_PIECES, stem.path, notes


def as_heard(recipe: Recipe, stems: Iterator[Stem], fonts: list[str]) -> list[tuple[Stem, np.ndarray]]:
    """Those of the stems that are scored, with their notes in the octave that is heard."""
    chosen = [stem for stem in stems if stem.name in scoring.GROUPS]
    notes = {stem.key: extra.read(stem) for stem in chosen}
    moved = extra.in_heard_octave(notes, chosen, fonts, recipe.feature.sample_rate)
    return [(stem, moved[stem.key]) for stem in chosen]


def transcriber(recipe: Recipe, folder: Path) -> tuple[Callable[[Path], NoteScores], float]:
    """What hears a file with the graph of a folder's network, and how far that is from the network."""
    import onnxruntime

    network = trained(folder)
    difference = write_note_graph(network, folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    before, after = network.receptive_field - 1 - network.look_ahead, network.look_ahead
    frame_s = recipe.feature.hop_samples / recipe.feature.sample_rate

    def hear(path: Path) -> NoteScores:
        samples, _ = decode.read(path, sample_rate=recipe.feature.sample_rate)
        rows = np.pad(
            recipe.feature(samples), ((before, after), (0, 0)), constant_values=recipe.feature.silence
        )
        onset, sustain, velocity = (out[0] for out in session.run(None, {"frames": rows[None]}))
        return NoteScores(onset, sustain, frame_s, 0.0, velocity)

    return hear, difference


def validate(recipe: Recipe, folder: Path, stems: Path, data: Path | None, each: int) -> None:
    """Export the network, run the graph over recordings that it never heard, score the notes."""
    hear, difference = transcriber(recipe, folder)
    found = []
    for group, path, notes in recordings(recipe, stems, data, each):
        scores = hear(path)
        found.append(
            (group, path.name, scoring.Transcribed(scores.onset, scores.sustain, scores.hop_s, notes))
        )
    result = scoring.report(found)
    result["export_difference"] = difference
    (folder / "validation.json").write_text(json.dumps(result, indent=1) + "\n")
    print(result["thresholds"])
    for group, row in result["groups"].items():
        print(group, row)


def fit_thresholds(
    recipe: Recipe, folder: Path, stems: Path, midi: Path, data: Path | None, each: int, rules: Path | None
) -> None:
    """Fit the decoder's rules on freepats, new pieces of the trained fonts and, with ``data``, on recorded notes and
    speech that are left out of what is reported; or measure there those that a file (``rules``) holds."""
    rate, keep_every = recipe.feature.sample_rate, recipe.settings["compositions"]["keep_every"]
    unheard = [file for k, file in enumerate(sorted(midi.rglob("*.mid"))) if k % keep_every == 0]
    out = recipe.work / "freepats"
    sounds = list(freepats.recordings(out, unheard, each, recipe.settings["validation_s"], rate))
    sounds += new_pieces(recipe, stems, each)
    hear, _ = transcriber(recipe, folder)
    heard = [thresholds.Heard(group, hear(path), thresholds.truth_of(rows)) for group, path, rows in sounds]
    if data is not None:
        heard += [
            thresholds.Heard(group, hear(one.path), one.notes)
            for group, one in recorded(data, recipe.work / "recorded", RECORDED)
        ]
    print(f"{len(heard)} recordings", flush=True)
    given = NoteRules.of(json.loads(rules.read_text())["rules"]) if rules is not None else None
    thresholds.write(folder / "rules.json", heard, given)


def recorded(data: Path, out: Path, each: int) -> Iterator[tuple[str, Recording]]:
    """Groups and recordings of notes and speech, of those that benchmarks/notes.py leaves to fitting."""
    from transcription import recordings as reported

    for one in reported.phrases(data, out / "phrases", each, fitting=True):
        yield thresholds.REAL + one.group.removeprefix(f"{reported.REAL}: "), one
    for one in reported.unmusical(data, out / "unmusical", fitting=True):
        yield thresholds.SPEECH, one


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--stems", type=Path, help="rendered stems, a folder for each sound font")
    parser.add_argument("--midi", type=Path, help="a folder of MIDI files")
    parser.add_argument("--data", type=Path, help="labelled recordings: nc_maps, single notes, speech")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument("--size", choices=tuple(networks.SIZES), help="instead of the recipe's")
    parser.add_argument("--network", type=Path, help="the folder that training left, instead of the size's")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--rules", type=Path, metavar="JSON", help="measure these rules, and fit none")
    parser.add_argument("--each", type=int, default=5, help="stems of each instrument to validate on")
    arguments = parser.parse_args()
    recipe = Recipe(arguments.recipe, arguments.work)
    size = arguments.size or recipe.settings["network"]["size"]
    folder = arguments.network or arguments.work / f"train-{size}"
    if arguments.step == "train":
        train(recipe, folder, arguments.size, arguments.steps)
        return
    if arguments.step in BEFORE:
        before = arguments.network or arguments.work / f"{BEFORE[arguments.step]}-{size}"
        go_on(recipe, arguments.step, before, arguments.work / f"{arguments.step}-{size}")
        return
    if arguments.step == "blend":
        blending.blend(recipe.work, size, recipe.settings["blend"])
        return
    if arguments.step == "played":
        banks.make_played(recipe)
        return
    if arguments.stems is None:
        parser.error(f"{arguments.step} needs --stems")
    if arguments.step == "validate":
        validate(recipe, folder, arguments.stems, arguments.data, arguments.each)
        return
    if arguments.midi is None:
        parser.error(f"{arguments.step} needs --midi")
    if arguments.step == "fit-thresholds":
        fit_thresholds(
            recipe, folder, arguments.stems, arguments.midi, arguments.data, arguments.each, arguments.rules
        )
    else:
        makers = {"bank": banks.make_banks, "extra": banks.make_extra, "further": banks.make_further}
        makers[arguments.step](recipe, arguments.stems, arguments.midi)


if __name__ == "__main__":
    main()
