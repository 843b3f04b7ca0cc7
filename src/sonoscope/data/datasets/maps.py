"""MAPS: piano sounds of nine instruments, pieces (``MUS``), chords and single notes, with their notes as text.

Seven pianos are software, two (``ENSTDkAm``, ``ENSTDkCl``) are a Disklavier in a room: their pieces are the usual test
set. The group of a piece is the piece, whoever plays it. A piece of the test set that another piano plays too is in
no split, as every publication that avoids leaks has it; its column ``left_out`` says so. The group of
other sounds (``ISOL``, ``RAND``, ``UCHO``) is the piano, and they are in the split of that.

Layout after amt-tools (cwitkowitz/amt-tools, amt_tools/datasets/MAPS.py: ``<piano>/MUS``, also below
``MAPS_<piano>_2``; removal of overlapping pieces), pianos after jongwook/onsets-and-frames,
onsets_and_frames/dataset.py. Notes beside the sound as ``OnsetTime<TAB>OffsetTime<TAB>MidiPitch`` with a header
(BreezeWhite/Music-Transcription-with-Semantic-Segmentation, v1/MAPS/MAPS_ProcessLabel.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sonoscope.data.datasets.description import LEFT_OUT, Dataset
from sonoscope.data.datasets.reading import filled, home, one_of, present, relative
from sonoscope.data.rows import BadManifest, Row

PIANOS = (
    "AkPnBcht",
    "AkPnBsdf",
    "AkPnCGdD",
    "AkPnStgb",
    "ENSTDkAm",
    "ENSTDkCl",
    "SptkBGAm",
    "SptkBGCl",
    "StbgTGd2",
)
TEST_PIANOS = ("ENSTDkAm", "ENSTDkCl")

_NAME = re.compile(r"MAPS_(?P<kind>MUS|ISOL|RAND|UCHO)[-_](?P<what>.+)_(?P<piano>[A-Za-z0-9]+)")


def rows(root: Path) -> Iterator[Row]:
    """Every sound of every piano that was unpacked."""
    folder = home(root, *PIANOS, *(f"MAPS_{piano}*" for piano in PIANOS))
    sounds = [path for path in sorted(folder.rglob("*.wav")) if path.name.startswith("MAPS_")]
    named = [(path, _named(path)) for path in sounds]
    tested = {name["what"] for _, name in named if name["kind"] == "MUS" and name["piano"] in TEST_PIANOS}
    for path, name in named:
        text = present(path.with_suffix(".txt"), str(path))
        piece = name["kind"] == "MUS"
        test = name["piano"] in TEST_PIANOS
        twin = piece and not test and name["what"] in tested
        yield Row(
            path=relative(root, path),
            labels=("piano",),
            group=f"maps-{name['what'] if piece else name['piano']}",
            split="test" if test else "" if twin else "train",
            source="maps",
            licence="CC BY-NC-SA 2.0 FR",
            recorder=name["piano"],
            annotation=relative(root, text),
            extra=filled(
                piano=name["piano"],
                kind=name["kind"],
                **{LEFT_OUT: "the piece is in the test set, by another piano" if twin else ""},
            ),
        )


def _named(path: Path) -> re.Match[str]:
    found = _NAME.fullmatch(path.stem)
    if not found:
        raise BadManifest(
            f"{path}: not a name like MAPS_MUS-alb_se2_ENSTDkCl.wav. Rename the file, or remove it."
        )
    one_of(found["piano"], PIANOS, str(path), "piano")
    return found


DATASET = Dataset(
    name="maps",
    title="MAPS: MIDI Aligned Piano Sounds",
    what="about 65 h of nine pianos, 270 pieces, with the onset, end and pitch of every note",
    licence="CC BY-NC-SA 2.0 FR",
    citation="Emiya, Badeau, David: Multipitch Estimation of Piano Sounds Using a New Probabilistic Spectral "
    "Smoothness Principle. IEEE TASLP 18(6), 2010",
    url="https://adasp.telecom-paris.fr/resources/2010-07-08-maps-database/",
    layout="[MAPS_<piano>_*/]<piano>/{MUS,ISOL,RAND,UCHO}/**/MAPS_*_<piano>.wav with .txt (and .mid)",
    source="cwitkowitz/amt-tools: amt_tools/datasets/MAPS.py; jongwook/onsets-and-frames: "
    "onsets_and_frames/dataset.py; BreezeWhite/Music-Transcription-with-Semantic-Segmentation: "
    "v1/MAPS/MAPS_ProcessLabel.py",
    protocol="Train on the software pianos, test on the two Disklaviers, without the pieces that both have.",
    rows=rows,
    splits=("train", "test"),
    labels=("piano",),
    obtain="MAPS is given on request: see https://adasp.telecom-paris.fr/resources/2010-07-08-maps-database/ and "
    "unpack the archives side by side in ROOT.",
)
