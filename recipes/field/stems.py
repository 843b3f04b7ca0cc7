"""What the model `field` hears: the labelled clips, named by what they hold, synthesised sounds, and rendered music."""

from __future__ import annotations

import csv
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import soundfile

from sonoscope.data import scenes
from sonoscope.data.datasets import collection
from sonoscope.data.mix.bank import Stem

BIRDS = (
    "bird", "canary", "parrot", "parrot_chirp", "parrot_whistle", "loon", "peacock", "seagull", "duck_quack", "goose",
    "crow_caw", "rooster", "chicken", "penguin", "turkey_gobble", "trumpeter_swan", "vulture", "birds_outside",
    "birdsinapark", "woodpecker_peck",
)  # fmt: skip
ENGINES = ("motor", "loudmotor", "car_motor", "motorbike_idle", "vehicle_motor_idle", "compressor_motor")
#: Sounds that hold, or may hold, a class that they are not named by.
UNSURE = {
    "forest_ambience": ("bird", "wind", "insect_buzz"), "thunder": ("rain", "wind"), "tree_creak": ("wind",),
    "voice": ("speech",), "laughing_crowd": ("speech",), "rainstick": ("rain",), "fan_reso": ("engine", "wind"),
    "hand_fan": ("engine", "wind"), "drill": ("engine",), "machinedrill": ("engine",),
    "egg_beater_and_paper": ("engine",),
    "watersplash": ("rain",), "waterbubbles": ("rain",), "wind_up_toy": ("engine",),
    "computer_drill_short": ("engine",), "drillinginstyrofoam": ("engine",), "drill_on_pot": ("engine",),
    "electric_screwdriver": ("engine",), "blender_pulse": ("engine",), "coffee_machine": ("engine",),
    "shears": ("engine",), "bicycle_spokes": ("engine",), "woodpecker_peck": ("bird",),
}  # fmt: skip
#: Names of the instruments' bank that are others here.
RENAMED = {"english_horn": "cor_anglais", "horn": "french_horn", "drums": "drum_kit", "bass": "electric_bass"}
#: General MIDI's program of a bass that is bowed.
DOUBLE_BASS = 43


def field_class(clip: collection.Clip) -> str:
    """The class of `field` that a clip belongs to."""
    names = (clip.name, *clip.detail)
    if "ins_buzz" in names:
        return "insect_buzz"
    if any(name in BIRDS for name in names):
        return "bird"
    if any(name in names for name in ("ambient_rain", "rain_heavy", "rain_light")):
        return "rain"
    if clip.name == "wind":
        return "wind"
    if clip.name == "speech":
        return "speech"
    if any(name in ("mech_plane", "mech_auto", *ENGINES) for name in names):
        return "engine"
    return "background" if "ambient_background" in names else "other"


def unsure(clip: collection.Clip) -> tuple[str, ...]:
    """Classes that may sound in a clip besides its own."""
    own = field_class(clip)
    return tuple(u for name in (clip.name, *clip.detail) for u in UNSURE.get(name, ()) if u != own)


def group_of(clip: collection.Clip) -> str:
    """The group of a clip whose own name is too rare to be a class."""
    if clip.source == "field_events" and clip.detail:
        return clip.detail[-1]
    return "everyday" if clip.name == "other" else clip.name


def fine_names(clips: list[collection.Clip], at_least: int) -> dict[str, str]:
    """The fine class of each clip's key, `=name`; empty where neither name nor group is heard often enough."""
    by_name, by_group = Counter(c.name for c in clips), Counter(group_of(c) for c in clips)
    found = {}
    for clip in clips:
        name = clip.name if by_name[clip.name] >= at_least and clip.name != "other" else group_of(clip)
        enough = by_name[name] >= at_least or by_group[name] >= at_least
        found[clip.key] = f"={name}" if enough else ""
    return found


def held(clip: collection.Clip) -> bool:
    """Whether a clip is kept from the model that is judged: fold A, and a third of what has no fold.

    Speakers of the spoken digits stay together; of field and everyday sounds, sounds of one name do.
    """
    if clip.fold:
        return clip.fold == "A"
    parts = Path(clip.key).stem.split("_")
    if clip.source == "fsdd_speech" and len(parts) > 1:
        key = parts[1]
    else:
        key = clip.detail[0] if clip.name == "other" and clip.detail else clip.name
    return zlib.crc32(key.encode()) % 3 == 0


def recordings(settings: dict, data: Path) -> Iterator[tuple[collection.Clip, Stem]]:
    """The labelled clips that may be trained on; of each instrument and origin, only so many."""
    clips = [clip for clip in collection.read(data) if clip.trainable]
    fine, wanted = fine_names(clips, settings["fine_at_least"]), settings["variants"]
    taken: Counter[tuple[str, str]] = Counter()
    for clip in sorted(clips, key=lambda clip: zlib.crc32(clip.key.encode())):
        own = field_class(clip)
        scarce = clip.source in ("field_events", "fsdd_speech")
        taken[clip.name, clip.origin] += 1
        if not scarce and clip.name != "other" and taken[clip.name, clip.origin] > wanted["most_instruments"]:
            continue
        labels = (own, fine[clip.key]) if fine[clip.key] else (own,)
        number = (
            wanted["field"] if scarce else wanted["everyday"] if clip.name == "other" else wanted["plain"]
        )
        yield clip, Stem(
            clip.path, clip.key, labels, unsure(clip), clip.detail[0] if clip.detail else clip.name, clip.origin,
            "held" if held(clip) else "", clip.source != "fluidr3_rendered", number,
        )  # fmt: skip


def synthesise(settings: dict, folder: Path, sample_rate: int) -> None:
    """Write the synthesised sounds as FLAC with a table; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "sounds.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "kind", "label"))
        for kind in settings["kinds"]:
            for number in range(settings["swarm"] if kind == "swarm" else settings["per_kind"]):
                path = folder / f"{kind}-{number:03d}.flac"
                if not path.is_file():
                    seed = settings["seed"] * 100_000 + number
                    soundfile.write(
                        path, scenes.make(kind, seed, settings["duration_s"], sample_rate), sample_rate
                    )
                table.writerow((path.name, kind, scenes.SOUNDS[kind].label))


def synthetic(settings: dict, folder: Path) -> Iterator[Stem]:
    """The synthesised sounds as stems: every third is held."""
    with open(folder / "sounds.csv", newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            label = row["label"] or "other"
            yield Stem(
                folder / row["path"], f"synthetic/{row['path']}", (label, f"={row['kind']}"), (), row["kind"],
                "synthetic", "held" if number % 3 == 0 else "", False, settings["variants"]["synthetic"],
            )  # fmt: skip


def music(data: Path) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """How rows of the instruments' bank are heard here: as `other`, and by the finer name of what plays.

    Recorded and rendered notes of one instrument are one class. What `field` has stems of its own of (everyday and
    field sounds, digits, synthesised ones) is left out, and so is what may not be trained on.
    """
    clips = {
        clip.key: clip
        for clip in collection.read(data)
        if clip.trainable and clip.source not in ("field_events", "fsdd_speech") and clip.name != "other"
    }

    def heard(row: dict[str, Any]) -> dict[str, Any] | None:
        clip = clips.get(row["key"])
        if clip is None and (row["real"] == "1" or row["group"] in ("synthesised", "fluidr3_rendered")):
            return None
        name = row["name"].removeprefix("drawn_")
        if clip is None:
            name = "double_bass" if row["group"].endswith(f"/{DOUBLE_BASS}") else RENAMED.get(name, name)
        fold = "held" if clip and held(clip) else ""
        return {
            **row, "labels": ("other", f"={name}"), "unknown": UNSURE.get(name, ()), "name": name, "fold": fold,
        }  # fmt: skip

    return heard
