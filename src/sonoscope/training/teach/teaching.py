"""Teaching, from what is asked to a bundle: gather, hear, leave out, judge, write, say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sonoscope import models
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UsageError, count, optional
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.training.start import room
from sonoscope.training.teach import against, folds, gathering, head, judging, taught, words, writing
from sonoscope.training.teach.against import Piece
from sonoscope.training.teach.examples import BUILT_IN, UNLABELLED, Examples, Gathering
from sonoscope.training.teach.head import Fitting
from sonoscope.training.teach.hearing import Bed, Listener
from sonoscope.training.teach.judging import Class, Hits
from sonoscope.training.teach.wish import Wish
from sonoscope.writing import check_place

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Taught:
    """What came of a teaching.

    Attributes
    ----------
    bundle : Bundle
    classes : list of Class
    hits : dict of Hits
        By class; empty without unlabelled sound.
    lines : list of str
        What there is to say, in plain words.
    failed : int
        Files that could not be used.
    """

    bundle: Bundle
    classes: list[Class]
    hits: dict[str, Hits]
    lines: list[str]
    failed: int


def teach(
    wish: Wish, folder: str | Path, *, overwrite: bool = False, finetune: bool = False, say: Say = print
) -> Taught:
    """Teach a detector, and write it into ``folder`` as a bundle.

    Parameters
    ----------
    wish : Wish
    folder : path
    overwrite : bool
        Replace a bundle that is there.
    finetune : bool
        Also train the base itself, beside it (:mod:`~sonoscope.training.teach.finetuning`).
    say : callable
        Takes lines for a person, as things come.

    Raises
    ------
    UsageError
        If there is too little of a class, or what is asked cannot be meant; nothing is written then.
    OSError
        If nothing can be written there; before anything is heard.
    """
    folder = Path(folder)
    if folder.exists() and not (overwrite and (folder / "bundle.json").is_file()):
        raise UsageError(
            f"{folder} is there already: --overwrite replaces a model, -o names another place"
            if (folder / "bundle.json").is_file() or not overwrite
            else f"{folder} is there already and holds no model: name another place (-o)"
        )
    check_place(folder)
    optional("onnx", "teach", "writing the model")
    listener = Listener(models.load(wish.base, labels=False))
    if finetune:
        tuning = room("sonoscope.training.teach.finetuning", "fine-tuning")
        tuning.check(listener.base)
    material = _heard(_read(wish, say), listener, wish, say)
    examples, name = material.examples, folder.name
    judging.check_counts(examples, wish.precision)
    dealt = folds.deal(examples)
    say(_opening(examples, dealt, listener.base))
    logits, how = folds.best(examples, dealt, Fitting(wish.mixup, wish.smoothing, seed=wish.seed))
    classes = judging.judge(examples, logits, dealt, wish.precision)
    final = head.fit(examples, np.ones(len(examples), dtype=bool), how)
    kept = material.kept
    hits = judging.hits(classes, kept, listener, [final.logits(piece.vectors) for piece in kept])
    spec = writing.description(name, listener.base, classes, examples, dealt, wish, hits, final.settings)
    card = words.card(name, listener.base, classes, examples, dealt, hits)
    _replace(folder, overwrite)
    writing.write(folder, listener.base, final, spec, card, examples.vectors[:200])
    writing.put_beside(
        folder, writing.table(examples, dealt, logits, classes), writing.figures(classes, hits)
    )
    lines = words.summary(str(folder), classes, dealt, hits, examples)
    if finetune:
        lines += tuning.tune(
            material.rows, material.kinds, examples, logits, listener, folder, seed=wish.seed, say=say
        )
    return Taught(open_bundle(folder), classes, hits, lines, material.failed)


def _replace(folder: Path, overwrite: bool) -> None:
    """Make room for the bundle."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if overwrite and folder.exists():
        shutil.rmtree(folder)


def _read(wish: Wish, say: Say) -> taught.Taught:
    """All that was named, verdicts too."""
    found = taught.read(wish.sounds, wish.group_by)
    found.manifests += [taught.verdicts(place) for place in wish.verdicts]
    for remark in found.remarks:
        say(remark)
    return found


@dataclass(frozen=True, eq=False)
class _Material:
    """What there is to learn from: arrays, the rows and kinds that they are of, and what was kept for the end."""

    examples: Examples
    rows: list[tuple[Manifest, Row]]
    kinds: list[str]
    kept: list[Piece]
    failed: int


def _heard(found: taught.Taught, listener: Listener, wish: Wish, say: Say) -> _Material:
    """Everything that was named, and what stands against it."""
    rng = np.random.default_rng([wish.seed, 3])
    learned, kept, sounds = list[Piece](), list[Piece](), list[np.ndarray]()
    if wish.unlabelled:
        first, second = against.halves(against.draw(wish.unlabelled, wish.hours, rng, say))
        learned, sounds = against.hear(first, listener, say)
        kept, _ = against.hear(second, listener, say, beds=0)
    bed = Bed(sounds) if sounds else against.bed(listener.sample_rate)
    rows, failed = gathering.rows(found, listener, wish, rng, say)
    labels = tuple(sorted({label for _, row in rows for label in row.labels}))
    if not labels:
        raise UsageError("no class is taught: folders, or annotations, name none that sounds")
    gathered = Gathering(labels)
    failed += gathering.hear(gathered, rows, listener, bed, wish, rng, say)
    kinds, same = against.kinds_for(labels, wish.without)
    if same:
        say(f"built-in backgrounds left out, since a class is called like them: {', '.join(same)}")
    built_in = against.built_in(listener, kinds, say)
    for kind, number in dict.fromkeys(zip(built_in.kinds, built_in.sounds.tolist(), strict=True)):
        mine = (built_in.kinds == kind) & (built_in.sounds == number)
        gathered.background(BUILT_IN, f"{kind}/{number:02d}.flac", built_in.vectors[mine])
    judged, window_s = taught.judged(found.rows), listener.window / listener.sample_rate
    for piece in filter(None, (against.unjudged(each, judged, window_s) for each in learned)):
        gathered.background(UNLABELLED, piece.recording, piece.vectors, piece.start_s)
    return _Material(gathered.examples(), rows, sorted(set(built_in.kinds)), kept, failed)


def _opening(examples: Examples, dealt: folds.Folds, base: Bundle) -> str:
    """What there is, before it is learned."""
    counts = ", ".join(f"{int(examples.positives(label).sum())} {label}" for label in examples.labels)
    roles = [str(role) for role in examples.roles]
    others = {
        "taught": int((examples.taught & ~(examples.truth & examples.known).any(axis=1)).sum()),
        BUILT_IN: roles.count(BUILT_IN),
        UNLABELLED: roles.count(UNLABELLED),
    }
    against_it = ", ".join(count(number, *words.OTHERS[role]) for role, number in others.items() if number)
    sites = count(dealt.sites, "site")
    return f"taught: {counts}, from {sites}; against them: {against_it or 'each other'}; on {base.name}"
