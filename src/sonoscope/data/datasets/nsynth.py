"""NSynth: single notes of 4 s from 1,006 instruments, with pitch, velocity, family and sonic qualities.

The label is the instrument's family. The group is the instrument, which the official training set shares with
neither of the others; validation and test do share instruments, and a leak certificate between those two says so.

Layout after the data set's own ``examples.json`` as TensorFlow Datasets reads its fields (tensorflow/datasets,
tensorflow_datasets/audio/nsynth.py: families, sources, qualities, splits) and the json/wav archives (jg583/NSynth,
NSynth.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import document, field, filled, home, one_of, present, relative
from sonoscope.data.rows import BadManifest, Row

FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
SPLITS = {"train": "train", "valid": "val", "test": "test"}


def rows(root: Path) -> Iterator[Row]:
    """One row for each note; a split that was not fetched is left out."""
    folder = home(root, *(f"nsynth-{name}" for name in SPLITS))
    for name, split in SPLITS.items():
        notes = folder / f"nsynth-{name}" / "examples.json"
        if not notes.parent.is_dir():
            continue
        examples = document(notes)
        if not isinstance(examples, dict):
            raise BadManifest(f"{notes}: not an object of notes by name. Fetch it again.")
        for key, note in sorted(examples.items()):
            yield _row(root, notes, key, note, split)


def _row(root: Path, notes: Path, key: str, note: dict, split: str) -> Row:
    where = f"{notes}, note {key!r}"
    family = one_of(field(note, "instrument_family_str", where), FAMILIES, where)
    pitch = field(note, "pitch", where)
    if not isinstance(pitch, int) or not 0 <= pitch <= 127:
        raise BadManifest(f"{where}: pitch={pitch!r} is no MIDI number (0..127). Fetch the file again.")
    instrument = field(note, "instrument_str", where)
    return Row(
        path=relative(root, present(notes.parent / "audio" / f"{key}.wav", where)),
        labels=(family,),
        group=f"nsynth-{instrument}",
        split=split,
        source="nsynth",
        licence="CC BY 4.0",
        extra=filled(
            pitch=pitch,
            velocity=note.get("velocity"),
            instrument=instrument,
            production=note.get("instrument_source_str"),
            qualities=";".join(note.get("qualities_str", ())),
        ),
    )


_BASE = "http://download.magenta.tensorflow.org/datasets/nsynth"

DATASET = Dataset(
    name="nsynth",
    title="The NSynth Dataset",
    what="305,979 notes of 4 s (16 kHz) from 1,006 instruments of 11 families",
    licence="CC BY 4.0",
    citation="Engel, Resnick, Roberts, Dieleman, Eck, Simonyan, Norouzi: Neural Audio Synthesis of Musical Notes "
    "with WaveNet Autoencoders. ICML 2017. arXiv:1704.01279",
    url="https://magenta.tensorflow.org/datasets/nsynth",
    layout="nsynth-{train,valid,test}/examples.json and audio/<note>.wav",
    source="tensorflow/datasets: tensorflow_datasets/audio/nsynth.py",
    protocol="Official splits by instrument (train against the rest). Notes stitched to clips serve as pre-training.",
    rows=rows,
    splits=("train", "val", "test"),
    labels=FAMILIES,
    files=tuple(
        Remote(f"{_BASE}/nsynth-{name}.jsonwav.tar.gz", f"nsynth-{name}.jsonwav.tar.gz", split, "")
        for name, split in SPLITS.items()
    ),
)
