"""What the note network hears: banks of stems and compositions, of what is rendered beside them, and of their notes.

A step for each bank, in the order of :data:`settings.BANKS`; notes of a bank and those before it lie in one file.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import extra
import numpy as np
import played
from settings import Recipe

from sonoscope.data.mix.bank import Stem, build
from sonoscope.data.mix.notemix import read_notes
from sonoscope.data.rendering import compositions


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


def learnt(recipe: Recipe, midi: Path) -> list[Path]:
    """The compositions that are learnt from; the others are for fitting, listening and tests."""
    kept_every = recipe.settings["compositions"]["keep_every"]
    return [file for k, file in enumerate(sorted(midi.rglob("*.mid"))) if k % kept_every]


def composed_stems(recipe: Recipe, midi: Path) -> Iterator[Stem]:
    """Excerpts of the compositions, rendered on each font."""
    fonts = recipe.settings["stems"]["soundfonts"]
    yield from _excerpts(recipe, midi, fonts, recipe.settings["compositions"], recipe.work, "compositions")


def _excerpts(
    recipe: Recipe, midi: Path, fonts: list[str], settings: dict, out: Path, key: str, seed: int = 0
) -> Iterator[Stem]:
    """The fonts in turn play excerpts of the compositions, the players of ``settings`` in turn on each."""
    files, players = learnt(recipe, midi), [extra.player(name) for name in settings["players"]]
    for number, font in enumerate(fonts):
        sounds = compositions.render_compositions(
            out / "songs" / font, files[number :: len(fonts)], players, soundfont=font,
            duration_s=settings["duration_s"], seed=seed, sample_rate=recipe.feature.sample_rate,
        )  # fmt: skip
        for sound in sounds:
            player = next(p.name for p in players if f"-{p.name}-p" in sound.name)
            yield Stem(sound, f"{key}/{font}/{sound.name}", (), (), f"{player}_composition", font, "", False)


def told(what: str) -> Callable[[int, int], None]:
    """Prints how far a bank is, every 250 stems."""

    def show(done: int, total: int) -> None:
        if done % 250 == 0 or done == total:
            print(f"{what}: {done}/{total} stems", flush=True)

    return show


def make_banks(recipe: Recipe, stems: Path, midi: Path) -> None:
    """Compute every stem's rows, and gather the notes."""
    settings, notes = recipe.settings["stems"], {}
    for name, found in (
        ("bank-stems", rendered_stems(settings, stems, settings["soundfonts"])),
        ("bank-compositions", composed_stems(recipe, midi)),
    ):
        listed = list(found)
        build(recipe.work / name, listed, recipe.feature, progress=told(name))
        for stem in listed:
            if stem.name != "drums":
                notes[stem.key] = read_notes(stem.path.with_suffix(".notes.csv"))
    np.savez_compressed(recipe.work / "notes.npz", **notes)
    show_histograms(notes)


def make_extra(recipe: Recipe, stems: Path, midi: Path) -> None:
    """Render organs, the corpus and damaged copies of stems, compute their rows, gather and correct the notes."""
    settings, rate = recipe.settings["extra"], recipe.feature.sample_rate
    fonts, out = recipe.settings["stems"]["soundfonts"], recipe.work / "extra"
    plain = list(rendered_stems(recipe.settings["stems"], stems, fonts))
    composed = list(composed_stems(recipe, midi))
    with np.load(recipe.work / "notes.npz") as held:
        notes = {key: held[key] for key in held.files}
    late = [stem for stem in composed if stem.key not in notes]  # rendered after the bank was made
    notes.update({stem.key: extra.read(stem) for stem in late})
    notes = extra.in_heard_octave(notes, plain + composed, fonts, rate)
    files = learnt(recipe, midi)
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
    build(recipe.work / "bank-extra", made, recipe.feature, progress=told("bank-extra"))
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
    next_ones = [
        *rendered_stems(recipe.settings["stems"], stems, fonts, settings["most"], settings["kept"]),
        *_excerpts(recipe, midi, fonts[::-1], settings, out, "further", seed=1),
    ]
    notes = {
        stem.key: extra.read(stem) for stem in next_ones if stem.path.with_suffix(".notes.csv").is_file()
    }
    notes = extra.in_heard_octave(notes, [stem for stem in next_ones if stem.key in notes], fonts, rate)
    print(f"{len(next_ones)} stems and compositions", flush=True)
    before = recipe.settings["extra"]
    others = list(
        islice(
            extra.organ_stems(
                recipe.work / "extra" / "organs", learnt(recipe, midi), settings["organs"], before["organ_s"], rate
            ),
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

    build(recipe.work / "bank-further", next_ones + others, recipe.feature, progress=told("bank-further"))
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
