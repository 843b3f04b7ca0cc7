"""Teaching, from what is asked to a bundle: gather, hear, leave out, judge, write, say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from sonoscope import models
from sonoscope.data.rows import Manifest, Row
from sonoscope.errors import UnreadableAudio, UsageError, optional
from sonoscope.models.bundle import Bundle, open_bundle
from sonoscope.training.teach import against, folds, head, hearing, judging, taught, words, writing
from sonoscope.training.teach.against import Piece
from sonoscope.training.teach.examples import BUILT_IN, UNLABELLED, Examples, Gathering
from sonoscope.training.teach.head import Fitting
from sonoscope.training.teach.hearing import Bed, Listener
from sonoscope.training.teach.judging import Class, Hits
from sonoscope.training.teach.wish import Wish

Say = Callable[[str], None]

#: Seconds of unmarked sound that are heard as one.
PIECE_S = 30.0
#: Pieces of unmarked sound of one recording.
MOST_PIECES = 20
#: A sound must have a block above this level, dB re full scale.
SILENT_DB = -100.0


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
    say : callable
        Takes lines for a person, as things come.

    Raises
    ------
    UsageError
        If there is too little of a class, or what is asked cannot be meant; nothing is written then.
    """
    folder = Path(folder)
    if folder.exists() and not (overwrite and (folder / "bundle.json").is_file()):
        raise UsageError(
            f"{folder} is there already: --overwrite replaces a model, -o names another place"
            if (folder / "bundle.json").is_file() or not overwrite
            else f"{folder} is there already and holds no model: name another place (-o)"
        )
    optional("onnx", "train", "writing the model")
    listener = Listener(models.load(wish.base))
    found = _read(wish, say)
    examples, kept, failed = _heard(found, listener, wish, say)
    judging.check_counts(examples, wish.precision)
    dealt = folds.deal(examples)
    say(_opening(examples, dealt, listener.base))
    logits, how = folds.best(examples, dealt, Fitting(wish.mixup, wish.smoothing, seed=wish.seed))
    classes = judging.judge(examples, logits, dealt, wish.precision)
    final = head.fit(examples, np.ones(len(examples), dtype=bool), how)
    hits = judging.hits(classes, kept, listener, [final.logits(piece.vectors) for piece in kept])
    name = folder.name
    spec = writing.description(name, listener.base, classes, examples, dealt, wish, hits, final.settings)
    card = words.card(name, listener.base, classes, examples, dealt, hits)
    _replace(folder, overwrite)
    writing.write(folder, listener.base, final, spec, card, examples.vectors[:200])
    writing.put_beside(
        folder, writing.table(examples, dealt, logits, classes), writing.figures(classes, hits)
    )
    lines = words.summary(str(folder), classes, dealt, hits, examples)
    return Taught(open_bundle(folder), classes, hits, lines, failed)


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


def _heard(
    found: taught.Taught, listener: Listener, wish: Wish, say: Say
) -> tuple[Examples, list[Piece], int]:
    """Everything as arrays, the unlabelled pieces that were kept, and how many files could not be used."""
    rng = np.random.default_rng([wish.seed, 3])
    learned, kept, sounds = list[Piece](), list[Piece](), list[np.ndarray]()
    if wish.unlabelled:
        first, second = against.halves(against.draw(wish.unlabelled, wish.hours, rng, say))
        learned, sounds = against.hear(first, listener, say)
        kept, _ = against.hear(second, listener, say, beds=0)
    bed = Bed(sounds) if sounds else against.bed(listener.sample_rate)
    rows, failed = _rows(found, listener, wish, rng, say)
    labels = tuple(sorted({label for _, row in rows for label in row.labels}))
    if not labels:
        raise UsageError("no class is taught: folders, or annotations, name none that sounds")
    gathering = Gathering(labels)
    failed += _gather(gathering, rows, listener, bed, wish, rng, say)
    kinds, same = against.kinds_for(labels, wish.without)
    if same:
        say(f"built-in backgrounds left out, since a class is called like them: {', '.join(same)}")
    built_in = against.built_in(listener, kinds, say)
    for kind, number in dict.fromkeys(zip(built_in.kinds, built_in.sounds.tolist(), strict=True)):
        mine = (built_in.kinds == kind) & (built_in.sounds == number)
        gathering.background(BUILT_IN, kind, built_in.vectors[mine])
    for piece in learned:
        gathering.background(UNLABELLED, piece.recording, piece.vectors, piece.start_s)
    return gathering.examples(), kept, failed


def _rows(
    found: taught.Taught, listener: Listener, wish: Wish, rng: np.random.Generator, say: Say
) -> tuple[list[tuple[Manifest, Row]], int]:
    """Every stretch that is to be heard, those of annotated recordings cut out; and what could not be used."""
    made, failed = list[tuple[Manifest, Row]](), 0
    window_s = listener.window / listener.sample_rate
    for manifest in found.manifests:
        for row in manifest.rows:
            if not row.annotation:
                made.append((manifest, row))
                continue
            try:
                length = hearing.length_s(manifest.recording_of(row))
            except UnreadableAudio as error:
                say(f"not used: {error}")
                failed += 1
                continue
            cut = taught.stretches(
                manifest, row, window_s=window_s, length_s=length, only_marked=wish.only_marked
            )
            unmarked = [
                piece for each in cut if each.source == taught.UNMARKED for piece in _pieces(each, window_s)
            ]
            chosen = np.sort(rng.permutation(len(unmarked))[:MOST_PIECES])
            made += [(manifest, each) for each in cut if each.source != taught.UNMARKED]
            made += [(manifest, unmarked[k]) for k in chosen]
    return made, failed


def _pieces(row: Row, window_s: float) -> list[Row]:
    """A stretch in pieces of at most :data:`PIECE_S`; what is left and shorter than a window is dropped."""
    assert row.duration_s is not None
    starts = np.arange(0.0, row.duration_s, PIECE_S)
    lengths = np.minimum(PIECE_S, row.duration_s - starts)
    return [
        replace(row, start_s=row.start_s + float(start), duration_s=float(length))
        for start, length in zip(starts, lengths, strict=True)
        if length >= window_s
    ]


def _gather(
    gathering: Gathering, rows: list[tuple[Manifest, Row]], listener: Listener, bed: Bed, wish: Wish,
    rng: np.random.Generator, say: Say,
) -> int:  # fmt: skip
    """Hear every stretch; files that cannot be used are told and counted."""
    failed = 0
    for _, of_file in groupby(rows, key=lambda each: (id(each[0]), each[1].path)):
        (manifest, first), *more = list(of_file)
        stretches = [first, *(row for _, row in more)]
        spans = [(row.start_s, row.end_s) for row in stretches]
        try:
            found = list(hearing.cuts(manifest.recording_of(first), listener.sample_rate, spans))
        except UnreadableAudio as error:
            say(f"not used: {error}")
            failed += 1
            continue
        for row, whole in zip(stretches, found, strict=True):
            samples = _middle(whole, row, listener)
            if samples.size < hearing.LEAST_S * listener.sample_rate:
                say(
                    f"not used: {row.path}: {samples.size / listener.sample_rate:.3f} s of sound is too little"
                )
                failed += 1
            elif hearing.loudness_db(samples, listener.sample_rate) < SILENT_DB:
                say(f"not used: {row.path}: it is silent at {row.start_s:g} s")
                failed += 1
            elif row.labels or row.source == taught.VERDICT:
                heard = listener.taught(samples, bed, rng, wish.copies)
                gathering.row(_lasting(row, samples, listener), heard.vectors, heard.copies)
            else:
                vectors = listener.everywhere(samples, bed, rng)
                gathering.row(_lasting(row, samples, listener), vectors)
    return failed


def _middle(samples: np.ndarray, row: Row, listener: Listener) -> np.ndarray:
    """Of a judged clip the window about what was judged; of all else everything."""
    if taught.MIDDLE not in row.extra:
        return samples
    first = round(float(row.extra[taught.MIDDLE]) * listener.sample_rate - listener.window / 2)
    first = min(max(first, 0), max(samples.size - listener.window, 0))
    return samples[first : first + listener.window]


def _lasting(row: Row, samples: np.ndarray, listener: Listener) -> Row:
    """The row with its length."""
    return replace(row, duration_s=samples.size / listener.sample_rate)


def _opening(examples: Examples, dealt: folds.Folds, base: Bundle) -> str:
    """What there is, before it is learned."""
    counts = ", ".join(f"{int(examples.positives(label).sum())} {label}" for label in examples.labels)
    roles = [str(role) for role in examples.roles]
    others = {
        "other taught sounds": int((examples.taught & ~(examples.truth & examples.known).any(axis=1)).sum()),
        "built-in backgrounds": roles.count(BUILT_IN),
        "stretches of unlabelled sound": roles.count(UNLABELLED),
    }
    against_it = ", ".join(f"{count} {what}" for what, count in others.items() if count)
    sites = f"{dealt.sites} sites" if dealt.sites != 1 else "one site"
    return f"taught: {counts}, from {sites}; against them: {against_it or 'each other'}; on {base.name}"
