"""What is rendered beside the sound fonts: guitars and organs by addition, singing by a vocoder, Debian's freepats
played by TiMidity, and sounds that are no instruments.

Everything lies in WORK/extra and is described as stems for the bank. Freepats' organs are left out: the labelled
recordings have an organ of the same project, and a fold that leaves it out must not hear its sister.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import singing
import soundfile
import strings

from sonoscope.data import rooms, scenes
from sonoscope.data.mix.bank import Stem
from sonoscope.data.rendering import music, orchestra, organ, render, timidity
from sonoscope.data.scenes import compose

SECONDS = 9.0
#: Instruments and the programs of freepats that stand for them.
PATCHES: dict[str, tuple[int, ...]] = {
    "piano": (0, 1), "acoustic_guitar": (24, 25), "electric_guitar": (26, 27, 29, 30), "violin": (40,), "cello": (42,),
    "flute": (73,), "clarinet": (71,), "saxophone": (65, 66), "trumpet": (56,), "voice": (53,), "bass": (32, 33, 35),
    "harpsichord": (6,), "accordion": (21,), "horn": (60,), "trombone": (57,), "oboe": (68,), "bassoon": (70,),
}  # fmt: skip
#: Sounds of the field, and things of a household and a workshop.
OBJECTS = ("blow", "rattle", "scrape", "crumple", "electronic", "interference")
FIELD = tuple(kind for kind in scenes.SOUNDS if kind not in OBJECTS)


def organs(out: Path, count: int, rate: int) -> Iterator[Stem]:
    """Organs that are drawn at random and played by addition, most of them in a room."""
    out.mkdir(parents=True, exist_ok=True)
    hands = orchestra.find("organ")
    for number in range(count):
        sound = out / f"organ-{number:04d}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((37, number))
            score = music.compose(hands, rng, SECONDS)
            samples = organ.play(score, organ.draw_organ(rng), rate, rng)
            if rng.random() < 0.6:
                samples = rooms.reverberated(samples, rooms.response(rooms.draw_room(rng), rate, rng))
            render.write_sound(sound, samples, rate)
        yield Stem(sound, f"organs/{sound.name}", ("organ",), (), "drawn_organ", "drawn_organs", "", False)


def freepats(out: Path, each: int, rate: int) -> Iterator[Stem]:
    """Random music on every patch."""
    out.mkdir(parents=True, exist_ok=True)
    for name, programs in PATCHES.items():
        player = orchestra.find(name)
        for number in range(each):
            sound = out / f"{name}-{number:02d}.flac"
            if not sound.is_file():
                rng = np.random.default_rng((41, *name.encode(), number))
                score = music.compose(player, rng, SECONDS)
                render.write_sound(
                    sound, timidity.render(score, programs[number % len(programs)], rate), rate
                )
            yield Stem(sound, f"freepats/{sound.name}", (player.label,), (), name, "freepats_gm", "", False)


def sounds(out: Path, each: int, rate: int) -> Iterator[Stem]:
    """Speech by espeak-ng, insects, birds, weather and machines: no instrument.

    A draw of `other` is fair to names. Each three sounds of speech, and each eighteen of another kind, have one of
    their own, so that speech is heard often among the many kinds.
    """
    for kind in FIELD:
        count = each * 4 // 11 if kind == "swarm" else each
        yield from _synthesised(out, kind, count, rate, named=3 if kind == "speech" else 18)


def objects(out: Path, each: int, rate: int) -> Iterator[Stem]:
    """Blows, rattles, scrapes, crumpling, electronic signals, hum: no instrument; twice as many blows as of the others.

    Each nine have a name of their own, and each twelve blows: a blow is what is taken for a drum.
    """
    for kind in OBJECTS:
        blows = kind == "blow"
        yield from _synthesised(out, kind, 2 * each if blows else each, rate, named=12 if blows else 9)


def _synthesised(out: Path, kind: str, count: int, rate: int, *, named: int) -> Iterator[Stem]:
    """Sounds of a kind, each ``named`` of them by one name; the folder's name is in their keys."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sound = out / f"{kind}-{number:03d}.flac"
        if not sound.is_file():
            soundfile.write(sound, scenes.make(kind, number, 4.0, rate), rate)
        yield Stem(
            sound, f"{out.name}/{sound.name}", ("other",), (), f"{kind}-{number // named}", "synthesised", "", False
        )  # fmt: skip


def outdoors(out: Path, count: int, rate: int) -> Iterator[Stem]:
    """Scenes of several of these sounds on a background, which single ones do not teach."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sound = out / f"scene-{number:03d}.flac"
        if not sound.is_file():
            rng = np.random.default_rng((43, number))
            kinds = rng.choice([*FIELD, *OBJECTS], size=int(rng.integers(2, 7)), replace=False)
            spec = compose.SceneSpec(
                15.0, rate, {str(kind): float(rng.uniform(100.0, 900.0)) for kind in kinds}
            )
            samples = compose.compose(spec, int(rng.integers(1 << 31))).samples
            soundfile.write(sound, samples, rate, subtype="PCM_24")
        yield Stem(
            sound, f"objects/{sound.name}", ("other",), (), f"scene-{number // 6}", "synthesised", "", False
        )


def stems(out: Path, counts: dict[str, int], rate: int) -> Iterator[Stem]:
    """All of them; ``counts`` says how many: of each kind of sound, ``freepats`` of each patch."""
    yield from freepats(out / "freepats", counts["freepats"], rate)
    yield from organs(out / "organs", counts["organs"], rate)
    yield from strings.stems(out / "strings", counts["guitars"], rate)
    yield from singing.stems(out / "singing", counts["singers"], rate)
    yield from sounds(out / "sounds", counts["sounds"], rate)
    yield from objects(out / "objects", counts["objects"], rate)
    yield from outdoors(out / "outdoors", counts["scenes"], rate)
