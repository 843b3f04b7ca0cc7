"""What stands against the classes: backgrounds that are made here, and recordings of the field that nobody judged.

**Built-in backgrounds** are synthesised (:mod:`sonoscope.data.scenes`): rain, wind, water, thunder, birds, crickets,
cicadas, engines, tools, noise, and speech where espeak-ng is installed. The same seed gives the same sounds. Kinds that
a class is called after are left out: who teaches ``rain`` must not learn that rain is none. Their vectors are kept in
the cache; everything there can be made again.

**Unlabelled recordings** are heard in stretches of a minute, drawn at random. Half of them are learned from, as
probably not holding the classes; the other half only says how often the finished model reports something there.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonoscope.audio.find import Unlisted, find
from sonoscope.data import scenes
from sonoscope.data.scenes.noises import coloured, levelled
from sonoscope.errors import UnreadableAudio, UsageError, lookup
from sonoscope.labels import LABEL_SETS
from sonoscope.models import cache
from sonoscope.training.classical import vectors as kept
from sonoscope.training.teach import hearing
from sonoscope.training.teach.hearing import Bed, Listener
from sonoscope.values import Recording

Say = Callable[[str], None]

#: Kinds of built-in backgrounds and how many sounds of each are made; ``noise`` is coloured noise.
KINDS: dict[str, int] = {
    "noise": 12, "wind": 10, "rain": 10, "water": 6, "thunder": 4, "cricket": 5, "cicada": 5, "bird_song": 8,
    "bird_trill": 4, "bird_call": 4, "engine": 6, "propeller": 3, "jet": 4, "tool": 3, "speech": 8,
}  # fmt: skip
#: What other sounds are laid over where there are no unlabelled recordings: quick to make, and everywhere.
BEDS = ("noise", "wind", "rain", "water")
LASTS_S = 3.0
#: Loudness of the sounds, dB re full scale.
LEVEL_DB = (-55.0, -20.0)
#: Changes whenever other sounds are made: what is cached of older ones is not used.
EDITION = 1
#: Seconds of a stretch of unlabelled sound.
STRETCH_S = 60.0
#: Recordings whose headers are read, at most, to draw stretches from.
MOST_RECORDINGS = 2000
ALL = "all"


@dataclass(frozen=True, eq=False)
class BuiltIn:
    """Vectors (n, d) of built-in backgrounds, and for each which kind (n,), and which sound of its kind (n,)."""

    vectors: np.ndarray
    kinds: np.ndarray
    sounds: np.ndarray


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of an unlabelled recording: where it is from, its samples' vectors (n, d), and its length."""

    recording: str
    start_s: float
    vectors: np.ndarray
    length_s: float


# ---- built-in ----------------------------------------------------------------------------------------------


def kinds_for(classes: Sequence[str], without: Sequence[str]) -> tuple[list[str], list[str]]:
    """The kinds that stand against classes, and those that are left out since a class is called like them.

    >>> kinds_for(["rain"], ["speech"])[1]
    ['rain']

    Raises
    ------
    UnknownName
        If ``without`` names a kind that there is not.
    """
    for name in without:
        lookup({**KINDS, ALL: 0}, name, "built-in background")
    if ALL in without:
        return [], []
    same = [kind for kind in KINDS if any(_clash(kind, name) for name in classes)]
    return [kind for kind in KINDS if kind not in same and kind not in without], same


def _clash(kind: str, name: str) -> bool:
    """Whether the words of a kind, of its field class or of a synonym of that stand in a class's name."""
    label = scenes.SOUNDS[kind].label if kind in scenes.SOUNDS else ""
    terms = {kind, label} - {""}
    for known in (entry for entries in LABEL_SETS.values() for entry in entries if entry.id == label):
        terms |= {synonym.casefold().replace(" ", "_") for synonym in known.synonyms}
    words = name.casefold()
    for sign in "- .":
        words = words.replace(sign, "_")
    singular = "_".join(word.removesuffix("s") for word in words.split("_"))
    return any(f"_{term}_" in f"_{text}_" for term in terms for text in (words, singular))


def bed(sample_rate: int) -> Bed:
    """Built-in background to lay sounds over."""
    return Bed([sound(kind, number, sample_rate) for kind in BEDS for number in range(100, 106)])


def sound(kind: str, number: int, sample_rate: int) -> np.ndarray:
    """One built-in background, (n,) float32, at a loudness of its own."""
    rng = np.random.default_rng([number, 41, *kind.encode()])
    if kind == "noise":
        raw = coloured(
            rng, round(LASTS_S * sample_rate), float(rng.uniform(-8.0, 0.0)), sample_rate=sample_rate
        )
    else:
        raw = scenes.make(kind, number, LASTS_S, sample_rate)
    return levelled(raw, sample_rate, float(rng.uniform(*LEVEL_DB)))


def built_in(listener: Listener, kinds: Sequence[str], say: Say) -> BuiltIn:
    """Vectors of the built-in backgrounds of some kinds; made once for each base."""
    if not kinds:
        nothing = np.zeros(0, dtype=np.int64)
        return BuiltIn(
            np.zeros((0, listener.base.embedding_size), np.float32), nothing.astype(object), nothing
        )
    names = list(KINDS)
    if shutil.which("espeak-ng") is None:
        names.remove("speech")
        if "speech" in kinds:
            say("no built-in speech: espeak-ng, which says it, is not installed")
    parts = [(k, *_vectors_of(listener, kind)) for k, kind in enumerate(names) if kind in kinds]
    found = np.concatenate([vectors for _, vectors, _ in parts])
    owner = np.concatenate([np.full(len(vectors), k) for k, vectors, _ in parts])
    numbers = np.concatenate([numbers for _, _, numbers in parts])
    return BuiltIn(found, np.array(names, dtype=object)[owner], numbers)


def _vectors_of(listener: Listener, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of a kind, and which sound each is of; from the cache, or made and put there."""
    key = f"{listener.base.sha256}:{listener.step}:{EDITION}:{kind}:{KINDS[kind]}"
    place = cache.folder("backgrounds", f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz")
    if (held := kept.read(place)) is not None:
        return held
    rng, rate = np.random.default_rng(0), listener.sample_rate
    tables = [listener.everywhere(sound(kind, number, rate), Bed([]), rng) for number in range(KINDS[kind])]
    found = np.concatenate(tables)
    numbers = np.concatenate([np.full(len(table), number) for number, table in enumerate(tables)])
    # A cache that cannot be written only costs time.
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        kept.write(place, found, numbers)
    return found, numbers


# ---- unlabelled --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Stretches that are to be heard of a recording."""

    recording: Recording
    starts_s: tuple[float, ...]


def draw(inputs: Sequence[str], hours: float, rng: np.random.Generator, say: Say) -> list[Drawn]:
    """Stretches of a minute from recordings, about equally many of each, ``hours`` in all at most.

    Raises
    ------
    UsageError
        If there is no recording.
    """
    listed = list(find(list(inputs)))
    for lost in (entry for entry in listed if isinstance(entry, Unlisted)):
        say(f"not used: {lost.name}: {lost.reason}")
    recordings = [entry for entry in listed if isinstance(entry, Recording)]
    if not recordings:
        raise UsageError(f"--unlabelled {', '.join(inputs)}: there is no recording")
    order = [recordings[k] for k in rng.permutation(len(recordings))[:MOST_RECORDINGS]]
    left, waiting = hours * 3600.0, list[tuple[int, list[float], float]]()
    taken: dict[int, list[float]] = {}
    for k, recording in enumerate(order):
        if left <= 0:
            break
        try:
            length = hearing.length_s(recording)
        except UnreadableAudio as error:
            say(f"not used: {error}")
            continue
        minutes = (rng.permutation(max(int(length // STRETCH_S), 1)) * STRETCH_S).tolist()
        taken[k] = [minutes.pop(0)]
        waiting.append((k, minutes, length))
        left -= min(length, STRETCH_S)
    while left > 0 and any(minutes for _, minutes, _ in waiting):
        for k, rest, length in waiting:
            if rest and left > 0:
                taken[k].append(rest.pop(0))
                left -= min(length, STRETCH_S)
    return [Drawn(order[k], tuple(sorted(starts))) for k, starts in taken.items()]


def hear(
    drawn: Sequence[Drawn], listener: Listener, say: Say, *, beds: int = 20
) -> tuple[list[Piece], list[np.ndarray]]:
    """The stretches' vectors, and the sound of some of the first half, to lay other sounds over."""
    pieces, sounds = list[Piece](), list[np.ndarray]()
    rng = np.random.default_rng(0)
    for each in drawn:
        try:
            spans = [(start, start + STRETCH_S) for start in each.starts_s]
            for start, samples in zip(
                each.starts_s, hearing.cuts(each.recording, listener.sample_rate, spans), strict=True
            ):
                if samples.size < listener.window:
                    continue
                found = listener.everywhere(samples, Bed([]), rng)
                pieces.append(Piece(each.recording.name, start, found, samples.size / listener.sample_rate))
                if len(sounds) < beds:
                    sounds.append(samples)
        except UnreadableAudio as error:
            say(f"not used: {error}")
    return pieces, sounds


def unjudged(
    piece: Piece, judged: Mapping[str, Sequence[tuple[float, float]]], window_s: float
) -> Piece | None:
    """The stretch without the windows of which a part was judged: there is no need to guess what is in them.

    Names of recordings are relative to what was given: one that ends like another is taken for it, which costs a few
    windows at worst.
    """
    spans = [
        span
        for name, found in judged.items()
        if f"/{name}".endswith(f"/{piece.recording}") or f"/{piece.recording}".endswith(f"/{name}")
        for span in found
    ]
    starts = piece.start_s + window_s * np.arange(len(piece.vectors))
    free = np.array(
        [all(end <= s or start >= s + window_s for start, end in spans) for s in starts], dtype=bool
    )
    return replace(piece, vectors=piece.vectors[free]) if free.any() else None


def halves(drawn: Sequence[Drawn]) -> tuple[list[Drawn], list[Drawn]]:
    """What is learned from, and what is kept: other recordings, or of a single one other minutes."""
    if len(drawn) > 1:
        return list(drawn[::2]), list(drawn[1::2])
    first = [Drawn(each.recording, each.starts_s[::2]) for each in drawn]
    second = [Drawn(each.recording, each.starts_s[1::2]) for each in drawn if len(each.starts_s) > 1]
    return first, second
