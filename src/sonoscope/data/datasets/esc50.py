"""ESC-50: 2,000 environmental sounds of 5 s in 50 classes, five official folds.

Read in two ways: ``esc50`` gives the classes as labels, ``esc50-negatives`` gives the same clips as sounds in which
none of a model's labels occurs (no label, everything judged), for training against false alarms. Clips of one
Freesound recording share ``src_file``, which is the group; no fold cuts it. ``like_an_instrument`` marks classes of
pitched or struck sounds that an instrument model could take for music.

Layout after soundata (soundata/soundata, soundata/datasets/esc50.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import filled, home, one_of, present, relative, table
from sonoscope.data.rows import Row

CLASSES = (
    "airplane", "breathing", "brushing_teeth", "can_opening", "car_horn", "cat", "chainsaw", "chirping_birds",
    "church_bells", "clapping", "clock_alarm", "clock_tick", "coughing", "cow", "crackling_fire", "crickets", "crow",
    "crying_baby", "dog", "door_wood_creaks", "door_wood_knock", "drinking_sipping", "engine", "fireworks",
    "footsteps", "frog", "glass_breaking", "hand_saw", "helicopter", "hen", "insects", "keyboard_typing", "laughing",
    "mouse_click", "pig", "pouring_water", "rain", "rooster", "sea_waves", "sheep", "siren", "sneezing", "snoring",
    "thunderstorm", "toilet_flush", "train", "vacuum_cleaner", "washing_machine", "water_drops", "wind",
)  # fmt: skip
LIKE_AN_INSTRUMENT = (
    "car_horn", "chirping_birds", "church_bells", "clapping", "clock_alarm", "crying_baby", "door_wood_knock", "siren",
)  # fmt: skip

_TABLE = "meta/esc50.csv"


def rows(root: Path) -> Iterator[Row]:
    """The clips with their classes."""
    return _rows(root, as_negatives=False)


def negative_rows(root: Path) -> Iterator[Row]:
    """The clips as sounds without any label; the class stays in the column ``category``."""
    return _rows(root, as_negatives=True)


def _rows(root: Path, as_negatives: bool) -> Iterator[Row]:
    folder = home(root, _TABLE)
    for line in table(folder / _TABLE, "filename", "fold", "category", "src_file"):
        category = one_of(line.cells["category"], CLASSES, line.place)
        fold = line.cells["fold"]
        if fold not in ("1", "2", "3", "4", "5"):
            line.fail("fold", "is not 1 to 5", "Fetch the table again.")
        yield Row(
            path=relative(root, present(folder / "audio" / line.cells["filename"], line.place)),
            labels=() if as_negatives else (category,),
            group=f"freesound-{line.cells['src_file']}",
            split=f"fold{fold}",
            source="esc50",
            licence="CC BY-NC 3.0",
            extra=filled(
                category=category if as_negatives else "",
                like_an_instrument="yes" if category in LIKE_AN_INSTRUMENT else "",
                esc10="yes" if line.cells.get("esc10") == "True" else "",
            ),
        )


DATASET = Dataset(
    name="esc50",
    title="ESC-50: Dataset for Environmental Sound Classification",
    what="2,000 environmental sounds of 5 s in 50 classes",
    licence="CC BY-NC 3.0 (the ESC-10 subset: CC BY)",
    citation="Piczak: ESC: Dataset for Environmental Sound Classification. ACM Multimedia 2015",
    url="https://github.com/karolpiczak/ESC-50",
    layout="meta/esc50.csv, audio/*.wav",
    source="soundata/soundata: soundata/datasets/esc50.py",
    protocol="Mean accuracy of the five official folds.",
    rows=rows,
    splits=tuple(f"fold{number}" for number in range(1, 6)),
    labels=CLASSES,
    # The archive is built on request from the repository, so no lasting checksum is published for it.
    files=(
        Remote(
            "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip",
            "ESC-50-master.zip",
            "all",
            "",
        ),
    ),
)
NEGATIVES = replace(
    DATASET,
    name="esc50-negatives",
    what="the same 2,000 clips as sounds in which no label occurs, for training against false alarms",
    protocol="Leave out what your model is to find: where(lambda row: row.extra['category'] != 'siren').",
    rows=negative_rows,
    labels=(),
)
