"""GuitarSet: 360 excerpts of acoustic guitar by six players, with every note of every string.

A file name tells everything: ``00_BN1-129-Eb_comp_mic.wav`` is player 00, Bossa Nova, progression 1, 129 beats a
minute, in E flat, comping (not solo), by the microphone. A row is one recording of an excerpt (microphone, and
the mix of the pickup where it was fetched); ``annotation`` is the JAMS file with the notes. The group is the player:
there is no official split, and both recordings of an excerpt have the same player.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/guitarset.py, with its checksums).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import filled, home, one_of, present, relative
from sonoscope.data.rows import BadManifest, Row

STYLES = {"BN": "bossa_nova", "Funk": "funk", "Jazz": "jazz", "Rock": "rock", "SS": "singer_songwriter"}
RECORDINGS = {"mic": "audio_mono-mic", "mix": "audio_mono-pickup_mix"}

_NAME = re.compile(r"(?P<player>\d\d)_(?P<style>[A-Za-z]+)(?P<progression>\d)-(?P<tempo>\d+)-(?P<key>[A-G][b#]?)_"
                   r"(?P<mode>comp|solo)")  # fmt: skip


def rows(root: Path) -> Iterator[Row]:
    """Recordings by the microphone, then by the pickup."""
    folder = home(root, *(f"{name}/*.wav" for name in RECORDINGS.values()))
    for by, name in RECORDINGS.items():
        for path in sorted((folder / name).glob("*.wav")):
            excerpt = path.stem.removesuffix(f"_{by}")
            found = _NAME.fullmatch(excerpt)
            if not found:
                raise BadManifest(
                    f"{path}: not a name like 00_BN1-129-Eb_comp_{by}.wav. Rename the file, or remove it."
                )
            jams = present(folder / "annotation" / f"{excerpt}.jams", str(path))
            yield Row(
                path=relative(root, path),
                labels=("acoustic_guitar",),
                group=f"guitarset-player-{found['player']}",
                source="guitarset",
                licence="CC BY 4.0",
                annotation=relative(root, jams),
                extra=filled(
                    player=found["player"],
                    style=STYLES[one_of(found["style"], STYLES, str(path), "style")],
                    progression=found["progression"],
                    tempo=found["tempo"],
                    key=found["key"],
                    mode=found["mode"],
                    recorded_by="microphone" if by == "mic" else "pickup",
                ),
            )


_RECORD = "https://zenodo.org/record/3371780/files"

DATASET = Dataset(
    name="guitarset",
    title="GuitarSet",
    what="360 excerpts of about 30 s of acoustic guitar with notes, chords and beats; six players, five styles",
    licence="CC BY 4.0",
    citation="Xi, Bittner, Pauwels, Ye, Bello: GuitarSet: A Dataset for Guitar Transcription. ISMIR 2018. "
    "doi:10.5281/zenodo.3371780",
    url="https://zenodo.org/record/3371780",
    layout="annotation/*.jams, audio_mono-mic/*_mic.wav, audio_mono-pickup_mix/*_mix.wav",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/guitarset.py",
    protocol="No official split. Published: 648/72 recordings, the last progression of every style held out, or by "
    "player (strictest, and what the group gives).",
    rows=rows,
    labels=("acoustic_guitar",),
    files=tuple(
        Remote(f"{_RECORD}/{name}.zip?download=1", f"{name}.zip", part, name, checksum=f"md5:{md5}")
        for name, part, md5 in (
            ("annotation", "annotation", "b39b78e63d3446f2e54ddb7a54df9b10"),
            ("audio_mono-mic", "mic", "275966d6610ac34999b58426beb119c3"),
            ("audio_mono-pickup_mix", "mix", "aecce79f425a44e2055e46f680e10f6a"),
        )
    ),
)
