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
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import blending
import extra
import freepats
import numpy as np
import played
import scoring
import thresholds
import torch
from safetensors.torch import load_file
from settings import read

from sonoscope import features
from sonoscope.audio import decode
from sonoscope.data.mix.bank import Bank, Stem, build
from sonoscope.data.mix.notemix import NoteMix, NoteMixSpec, read_notes
from sonoscope.data.rendering import compositions, orchestra
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
#: Banks, in the order in which they are made; each step hears those of the steps before and its own.
BANKS = ("bank-stems", "bank-compositions", "bank-extra", "bank-played", "bank-further")
#: Of each step that trains: how many banks it hears, and the notes of all of them.
HEARD = {
    "train": (2, "notes.npz"), "refine": (3, "notes-extra.npz"), "finish": (4, "notes-played.npz"),
    "reach": (4, "notes-played.npz"), "carve": (4, "notes-played.npz"), "widen": (4, "notes-played.npz"),
    "winds": (4, "notes-played.npz"), "longer": (5, "notes-further.npz"),
}  # fmt: skip
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
#: What of the settings of a step is not of :class:`NoteTrainSpec`, but changes what is mixed.
MIXED = ("names", "beside", "quiet_share")
#: What of them says what a network reads, and how many maps it has, beyond the one before.
WIDER = ("below", "under", "channels")


class Recipe:
    """The settings and where things lie."""

    def __init__(self, settings: Path, work: Path) -> None:
        self.settings = read(settings)
        self.work = work
        self.feature = features.from_dict(self.settings["feature"])

    def network(self, size: str | None) -> networks.NoteNetwork:
        """A fresh, untrained network; ``size`` instead of the recipe's."""
        torch.manual_seed(self.settings["train"]["seed"])
        return networks.build({"size": size} if size else self.settings["network"])

    def mix(self, network: networks.NoteNetwork, step: str = "train") -> NoteMix:
        """All stems that a step hears, with their notes."""
        count, file = HEARD[step]
        banks = [Bank(self.work / name) for name in BANKS[:count]]
        with np.load(self.work / file) as held:
            notes = {key: held[key] for key in held.files}
        settings = dict(self.settings["mix"])
        for before in list(HEARD)[1 : list(HEARD).index(step) + 1]:
            given = self.settings[before]
            settings |= {name: given[name] for name in MIXED[1:] if name in given}
            settings["names"] = {**settings["names"], **given["names"]}
        return NoteMix(
            banks,
            notes,
            field=network.receptive_field,
            look_ahead=network.look_ahead,
            spec=NoteMixSpec(**settings),
        )


def rendered_stems(
    settings: dict, root: Path, fonts: list[str], beyond: int = 0, kept: int = 0
) -> Iterator[Stem]:
    """The first so many stems of each instrument of each font that can be heard.

    ``beyond`` asks for that many of those that come after them instead, ``kept`` of which are passed over: rules are
    fitted on those.
    """
    for font in fonts:
        taken: Counter[str] = Counter()
        with open(root / font / "manifest.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                name = row["instrument"]
                if not row["labels"] or name in settings["left_out"]:
                    continue
                taken[name] += 1
                most = settings["most"].get(name, settings["most"]["default"])
                after = taken[name] - most - kept
                if 0 < after <= beyond if beyond else taken[name] <= most:
                    path = root / font / row["path"]
                    yield Stem(path, f"{font}/{row['path']}", (), (), name, font, "", False)


def composed_stems(recipe: Recipe, midi: Path) -> Iterator[Stem]:
    """Excerpts of the compositions, rendered on each font."""
    settings = recipe.settings["compositions"]
    files = [f for k, f in enumerate(sorted(midi.rglob("*.mid"))) if k % settings["keep_every"]]
    players = [orchestra.find(name) for name in settings["players"]]
    fonts = recipe.settings["stems"]["soundfonts"]
    for number, font in enumerate(fonts):
        sounds = compositions.render_compositions(
            recipe.work / "songs" / font, files[number :: len(fonts)], players, soundfont=font,
            duration_s=settings["duration_s"], sample_rate=recipe.feature.sample_rate,
        )  # fmt: skip
        for sound in sounds:
            player = next(p.name for p in players if f"-{p.name}-p" in sound.name)
            yield Stem(
                sound, f"compositions/{font}/{sound.name}", (), (), f"{player}_composition", font, "", False
            )


def make_banks(recipe: Recipe, stems: Path, midi: Path) -> None:
    """Compute every stem's rows, and gather the notes."""

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"bank: {done}/{total} stems", flush=True)

    settings, notes = recipe.settings["stems"], {}
    for name, found in (
        ("bank-stems", rendered_stems(settings, stems, settings["soundfonts"])),
        ("bank-compositions", composed_stems(recipe, midi)),
    ):
        listed = list(found)
        build(recipe.work / name, listed, recipe.feature, progress=show)
        for stem in listed:
            if stem.name != "drums":
                notes[stem.key] = read_notes(stem.path.with_suffix(".notes.csv"))
    np.savez_compressed(recipe.work / "notes.npz", **notes)
    show_histograms(notes)


def make_extra(recipe: Recipe, stems: Path, midi: Path) -> None:
    """Render organs, the corpus and damaged copies of stems, compute their rows, gather and correct the notes."""

    def show(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            print(f"bank-extra: {done}/{total} stems", flush=True)

    settings, rate = recipe.settings["extra"], recipe.feature.sample_rate
    fonts, out = recipe.settings["stems"]["soundfonts"], recipe.work / "extra"
    plain = list(rendered_stems(recipe.settings["stems"], stems, fonts))
    composed = list(composed_stems(recipe, midi))
    with np.load(recipe.work / "notes.npz") as held:
        notes = {key: held[key] for key in held.files}
    late = [stem for stem in composed if stem.key not in notes]  # rendered after the bank was made
    notes.update({stem.key: extra.read(stem) for stem in late})
    notes = extra.in_heard_octave(notes, plain + composed, fonts, rate)
    files = [
        f
        for k, f in enumerate(sorted(midi.rglob("*.mid")))
        if k % recipe.settings["compositions"]["keep_every"]
    ]
    made = late + list(
        extra.organ_stems(out / "organs", files, settings["organs"], settings["organ_s"], rate)
    )
    print(f"{len(made)} organs", flush=True)
    scores = extra.midi_of_corpus(recipe.work, settings["scores"])
    made += extra.corpus_stems(out, scores, fonts, settings["score_s"], rate)
    notes.update({stem.key: extra.read(stem) for stem in made if stem.key not in notes})
    print(f"{len(made)} with the corpus", flush=True)
    rng = np.random.default_rng(0)
    chosen = [plain, composed, made]
    shares = [[pool[i] for i in rng.permutation(len(pool))[: settings["damaged"] // 3]] for pool in chosen]
    for stem, source in extra.damaged_stems(
        out / "damaged", [s for pool in shares for s in pool], notes, rate
    ):
        made.append(stem)
        notes[stem.key] = notes[source.key]
    print(f"{len(made)} with the damaged", flush=True)
    build(recipe.work / "bank-extra", made, recipe.feature, progress=show)
    np.savez_compressed(recipe.work / "notes-extra.npz", **notes)
    print("extra:", Counter(stem.name for stem in made))
    show_histograms({stem.key: notes[stem.key] for stem in made})


def make_played(recipe: Recipe) -> None:
    """Play bars, strings, winds and voices by addition, have speech spoken, compute their rows, gather all notes."""
    settings, rate = recipe.settings["played"], recipe.feature.sample_rate
    made = [
        stem
        for name, make in played.MAKERS.items()
        for stem in make(recipe.work / "played" / name, settings.get(name, 0), settings["seconds"], rate)
    ]
    build(recipe.work / "bank-played", made, recipe.feature)
    with np.load(recipe.work / "notes-extra.npz") as held:
        notes = {key: held[key] for key in held.files}
    own = {stem.key: extra.read(stem) for stem in made if stem.path.with_suffix(".notes.csv").is_file()}
    np.savez_compressed(recipe.work / "notes-played.npz", **notes, **own)
    print("played:", Counter(stem.name for stem in made))
    show_histograms(own)


def make_further(recipe: Recipe, stems: Path, midi: Path) -> None:
    """More of what the first banks hold: the next stems of each instrument, other excerpts of the compositions by the
    other font and more players, more of the corpus, more organs, and more that is played by addition."""
    settings, rate, out = recipe.settings["further"], recipe.feature.sample_rate, recipe.work / "further"
    fonts, first = recipe.settings["stems"]["soundfonts"], recipe.settings["played"]
    kept_every = recipe.settings["compositions"]["keep_every"]
    files = [file for k, file in enumerate(sorted(midi.rglob("*.mid"))) if k % kept_every]
    next_ones = list(
        rendered_stems(recipe.settings["stems"], stems, fonts, settings["most"], settings["kept"])
    )
    players = [extra.player(name) for name in settings["players"]]
    for number, font in enumerate(reversed(fonts)):
        for sound in compositions.render_compositions(
            out / "songs" / font, files[number :: len(fonts)], players, soundfont=font,
            duration_s=settings["duration_s"], seed=1, sample_rate=rate,
        ):  # fmt: skip
            name = next(player.name for player in players if f"-{player.name}-p" in sound.name)
            key = f"further/{font}/{sound.name}"
            next_ones.append(Stem(sound, key, (), (), f"{name}_composition", font, "", False))
    notes = {
        stem.key: extra.read(stem) for stem in next_ones if stem.path.with_suffix(".notes.csv").is_file()
    }
    notes = extra.in_heard_octave(notes, [stem for stem in next_ones if stem.key in notes], fonts, rate)
    print(f"{len(next_ones)} stems and compositions", flush=True)
    before = recipe.settings["extra"]
    others = list(
        islice(
            extra.organ_stems(recipe.work / "extra" / "organs", files, settings["organs"], before["organ_s"], rate),
            before["organs"], None,
        )
    )  # fmt: skip
    scores = extra.midi_of_corpus(out, settings["scores"])
    by_ensembles = extra.corpus_stems(out, scores, fonts[::-1], settings["score_s"], rate)
    others += [replace(stem, key=f"further/{stem.key}") for stem in by_ensembles]
    print(f"{len(others)} organs and of the corpus", flush=True)
    for name, count in settings["played"].items():
        made = played.MAKERS[name](recipe.work / "played" / name, count, first["seconds"], rate)
        others += islice(made, first.get(name, 0), None)
    notes.update({stem.key: extra.read(stem) for stem in others})

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"bank-further: {done}/{total} stems", flush=True)

    build(recipe.work / "bank-further", next_ones + others, recipe.feature, progress=show)
    with np.load(recipe.work / "notes-played.npz") as held:
        before_these = {key: held[key] for key in held.files}
    if doubled := set(before_these) & set(notes):
        raise ValueError(f"{len(doubled)} stems have the names of earlier ones, {min(doubled)} among them")
    np.savez_compressed(recipe.work / "notes-further.npz", **before_these, **notes)
    print("further:", Counter(stem.name for stem in next_ones + others))
    show_histograms(notes)


def show_histograms(notes: dict[str, np.ndarray]) -> None:
    """Print how long the notes are and how many sound at once."""
    lengths, polyphony = [], Counter()
    for held in notes.values():
        lengths.append(held[:, 1] - held[:, 0])
        times = np.arange(0.0, held[:, 1].max(initial=0.0), 0.1)[:, None]
        polyphony.update(((held[:, 0] <= times) & (times < held[:, 1])).sum(axis=1).tolist())
    seconds, total = np.concatenate(lengths), sum(polyphony.values())
    print(
        f"{seconds.size} notes; seconds at 5, 25, 50, 75, 95 %:",
        np.percentile(seconds, [5, 25, 50, 75, 95]).round(2),
    )
    print(
        "notes at once:",
        {k: f"{polyphony[k] / total:.1%}" for k in sorted(polyphony) if polyphony[k] / total > 5e-3},
    )


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
        recipe, rendered_stems(few, stems, [settings["held_out"]]), [settings["held_out"]]
    ):
        yield stem.name, stem.path, notes
    if data is not None:
        for file in sorted((data / "nc_maps").glob("*.csv")):
            yield "nc_maps", file.with_suffix(".ogg"), scoring.read_maps(file)


def new_pieces(recipe: Recipe, stems: Path, each: int) -> Iterator[tuple[str, Path, np.ndarray]]:
    """Stems of the fonts that were trained on which were not taken."""
    settings = recipe.settings["stems"]
    found = rendered_stems(settings, stems, settings["soundfonts"], beyond=each)
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
        make_played(recipe)
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
        make = {"bank": make_banks, "extra": make_extra, "further": make_further}[arguments.step]
        make(recipe, arguments.stems, arguments.midi)


if __name__ == "__main__":
    main()
