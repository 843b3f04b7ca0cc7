"""Slakh2100: synthesised multitracks of the Lakh MIDI set, a mix and its stems with the MIDI they were made from.

A track is a folder with ``metadata.yaml``, ``mix.flac``, ``stems/S00.flac`` … and ``MIDI/S00.mid`` …. There is a row
for the mix, with the instrument classes of all its rendered stems, and one for each stem. Stems that could not be
rendered (sound effects) have no file and no row. The group is the MIDI file's UUID: in the original Slakh2100 some
MIDI files were rendered several times, into several splits; in ``redux`` those further renderings lie in the folder
``omitted`` and are in no split here.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/slakh.py, with its checksums, and the
``metadata.yaml`` among its test resources); duplicates after ethman/slakh-utils, splits/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sonoscope.data.datasets.description import LEFT_OUT, Dataset, Remote
from sonoscope.data.datasets.reading import document, field, filled, home, present, relative, slug
from sonoscope.data.rows import BadManifest, Row

SPLITS = {"train": "train", "validation": "val", "test": "test", "omitted": ""}


def rows(root: Path) -> Iterator[Row]:
    """The mix and the stems of each track; splits are the folders in which tracks lie."""
    folder = home(root, "Track*/metadata.yaml", *(f"{name}/Track*/metadata.yaml" for name in SPLITS))
    for place in (folder, *(folder / name for name in SPLITS)):
        for metadata in sorted(place.glob("Track*/metadata.yaml")):
            yield from _track(root, metadata, SPLITS.get(place.name, ""), place.name == "omitted")


def _track(root: Path, metadata: Path, split: str, omitted: bool) -> Iterator[Row]:
    about = document(metadata)
    stems = field(about, "stems", str(metadata))
    left_out = {LEFT_OUT: "renders MIDI that another track renders too"} if omitted else {}
    row = partial(
        Row,
        group=f"slakh-{field(about, 'UUID', str(metadata))}",
        split=split,
        source="slakh",
        licence="CC BY 4.0",
    )
    folder = metadata.parent
    found = []
    for stem, values in sorted(stems.items()):
        where = f"{metadata}, stem {stem}"
        if not field(values, "audio_rendered", where):
            continue
        label = slug(str(values.get("inst_class") or ""))
        if not label:
            raise BadManifest(
                f"{where}: no inst_class. Write the instrument's class, or fetch the track again."
            )
        audio = _sound(folder / "stems" / stem, where)
        midi = folder / "MIDI" / f"{stem}.mid"
        found.append(
            row(
                path=relative(root, audio),
                labels=(label,),
                annotation=relative(root, midi) if midi.is_file() else "",
                extra=left_out | _stem_columns(stem, values),
            )
        )
    labels = tuple(sorted({stem.labels[0] for stem in found}))
    mix = relative(root, _sound(folder / "mix", str(metadata)))
    yield row(path=mix, labels=labels, extra=left_out | filled(stem="mix"))
    yield from found


def _sound(stem: Path, where: str) -> Path:
    wav = stem.with_name(f"{stem.name}.wav")
    return wav if wav.is_file() else present(stem.with_name(f"{stem.name}.flac"), where)


def _stem_columns(stem: str, values: dict[str, Any]) -> dict[str, str]:
    return filled(
        stem=stem,
        gm_program=values.get("program_num"),
        program_name=values.get("midi_program_name"),
        plugin=values.get("plugin_name"),
    )


DATASET = Dataset(
    name="slakh",
    title="Slakh2100",
    what="2,100 synthesised multitracks (145 h; 1,710 in redux without duplicates), stems and MIDI of 34 classes",
    licence="CC BY 4.0",
    citation="Manilow, Wichern, Seetharaman, Le Roux: Cutting Music Source Separation Some Slakh. WASPAA 2019. "
    "doi:10.5281/zenodo.4599666",
    url="http://www.slakh.com/",
    layout="[train|validation|test|omitted/]Track*/metadata.yaml, mix and stems/S* as .flac or .wav, MIDI/S*.mid",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/slakh.py; ethman/slakh-utils: splits/README.md",
    protocol="Say which splits: orig (with duplicates across them), split2, or redux.",
    rows=rows,
    splits=("train", "val", "test"),
    files=(
        Remote("https://zenodo.org/record/4599666/files/slakh2100_flac_redux.tar.gz?download=1",
               "slakh2100_flac_redux.tar.gz", "redux", "", checksum="md5:f4b71b6c45ac9b506f59788456b3f0c4"),
        Remote("https://zenodo.org/record/4603870/files/babyslakh_16k.tar.gz?download=1",
               "babyslakh_16k.tar.gz", "baby", "", checksum="md5:311096dc2bde7d61c97e930edbfc7f78"),
    ),
)  # fmt: skip
