"""MusicNet: 330 recordings of classical chamber music with notes and instruments aligned to the sound.

A label file has a row for each note, ``start_time, end_time`` in **samples at 44,100 Hz**, the instrument as a
General MIDI program counted from 1, and the MIDI pitch. A row of ours is a recording with the instruments that
play in it; ``annotation`` is its label file, for ``annotation.read``.

24 of the 330 are further performances of a movement that is there already; performances of one movement share a
group (christofw/multipitch_architectures, MusicNet_stats.md). Neither official test list has such a twin, but the
usual validation recordings 1792 and 2514 do, and splits of one's own must keep them together (:func:`twins`).
``LISTS`` names the lists that papers test on: Thickstun's, and those of Weiß and Peeters 2022
(christofw/multipitch_architectures, dataset_splits/test_MuN-*.json, read 2026-11; test_MuN-10.md there shows the list
of MuN-10b, and 10a is 10 with 2629 for 2628). No list has a twin outside of itself.

Layout after the authors' reader (jthickstun/pytorch_musicnet, musicnet.py); test lists after
jthickstun/thickstun2018invariances, lib/config.py; columns of the metadata after JohnVinyard/zounds,
zounds/datasets/musicnet.py, by ``id``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import filled, home, present, relative, table
from sonoscope.data.rows import BadManifest, Row

SAMPLE_RATE = 44_100
#: General MIDI programs, counted from 1, of the eleven instruments.
INSTRUMENTS = {
    1: "piano", 7: "harpsichord", 41: "violin", 42: "viola", 43: "cello", 44: "double_bass", 61: "horn", 69: "oboe",
    71: "bassoon", 72: "clarinet", 74: "flute",
}  # fmt: skip

#: The three recordings of the small test, and the ten of the extended one (the folder ``test_data``).
SMALL_TEST = (2303, 2382, 1819)
EXTENDED_TEST = (2303, 2382, 1819, 2298, 2191, 2556, 2416, 2628, 1759, 2106)
#: What papers with the small test validate on, and the recording of the MIREX contest, which they exclude.
USUAL_VALIDATION = (2131, 2384, 1792, 2514, 2567, 1876)
MIREX = (2718,)
#: The other movements of the same ten works, and all movements of them.
_MUN_10B = (2557, 2383, 2186, 1818, 2415, 1758, 2627, 2293, 2302, 2105)
_MUN_10C = (2296, 1817, 2186, 2310, 2417, 2555, 1757, 2381, 2104, 2626)
_MUN_10FULL = (
    1757, 1758, 1759, 1760, 1817, 1818, 1819, 2104, 2105, 2106, 2186, 2191, 2293, 2294, 2295, 2296, 2297, 2298, 2302,
    2303, 2304, 2305, 2381, 2382, 2383, 2384, 2415, 2416, 2417, 2555, 2556, 2557, 2626, 2627, 2628, 2629,
)  # fmt: skip
#: The lists that papers test on, by the names they use.
LISTS = {
    "test-3": SMALL_TEST,
    "test-10": EXTENDED_TEST,
    "MuN-10": EXTENDED_TEST,
    "MuN-10a": tuple(2629 if number == 2628 else number for number in EXTENDED_TEST),
    "MuN-10b": _MUN_10B,
    "MuN-10c": _MUN_10C,
    "MuN-10full": _MUN_10FULL,
}
#: Performances of the same movement.
VERSIONS = (
    (1788, 1792), (1789, 1793), (1918, 1922), (1919, 1923), (2335, 2341), (2336, 2342), (2343, 2346, 2350),
    (2345, 2348), (2359, 2364), (2388, 2391), (2389, 2392), (2390, 2393), (2471, 2476), (2472, 2477), (2473, 2478),
    (2486, 2490), (2487, 2491), (2488, 2492), (2510, 2514), (2512, 2516), (2530, 2532), (2531, 2533), (2611, 2614),
)  # fmt: skip
_FIRST = {version: versions[0] for versions in VERSIONS for version in versions}


def twins(numbers: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """The recordings of a list of which there are further performances outside of it, and these.

    >>> twins((1792, 2303))
    {1792: (1788,)}
    """
    listed = set(numbers)
    found = {}
    for versions in VERSIONS:
        outside = tuple(version for version in versions if version not in listed)
        found.update({version: outside for version in versions if version in listed and outside})
    return dict(sorted(found.items()))


def rows(root: Path) -> Iterator[Row]:
    """One row for each recording."""
    folder = home(root, "train_data", "test_data")
    known = _metadata(folder, root)
    for split in ("train", "test"):
        for path in sorted((folder / f"{split}_data").glob("*.wav")):
            labels = present(folder / f"{split}_labels" / f"{path.stem}.csv", str(path))
            number = _number(path)
            about = known.get(number, {})
            yield Row(
                path=relative(root, path),
                labels=instruments(labels),
                group=f"musicnet-{_FIRST.get(number, number)}",
                split=split,
                source="musicnet",
                licence="CC BY 4.0",
                annotation=relative(root, labels),
                extra=filled(
                    composer=about.get("composer"),
                    composition=about.get("composition"),
                    movement=about.get("movement"),
                    ensemble=about.get("ensemble"),
                    small_test="yes" if number in SMALL_TEST else "",
                ),
            )


def instruments(labels: Path) -> tuple[str, ...]:
    """The instruments that a label file names, sorted."""
    found = set()
    for line in table(labels, "start_time", "end_time", "instrument", "note"):
        program = line.cells["instrument"].strip()
        if not program.isdigit() or int(program) not in INSTRUMENTS:
            known = ", ".join(f"{code} {name}" for code, name in INSTRUMENTS.items())
            line.fail(
                "instrument",
                "is no instrument of MusicNet",
                f"Known: {known}. Correct it, or remove the row.",
            )
        found.add(INSTRUMENTS[int(program)])
    return tuple(sorted(found))


def _number(path: Path) -> int:
    if not path.stem.isdigit():
        raise BadManifest(
            f"{path}: a recording of MusicNet is named by its number. Remove the file, or rename it."
        )
    return int(path.stem)


def _metadata(folder: Path, root: Path) -> dict[int, dict[str, str]]:
    """What the metadata say of each recording; they are a separate download and may be missing."""
    for path in (folder / "musicnet_metadata.csv", root / "musicnet_metadata.csv"):
        if path.is_file():
            return {int(line.cells["id"]): dict(line.cells) for line in table(path, "id", "composer")}
    return {}


_RECORD = "https://zenodo.org/records/5120004/files"

DATASET = Dataset(
    name="musicnet",
    title="MusicNet",
    what="330 recordings of classical music (34 h) with a million notes of 11 instruments",
    licence="CC BY 4.0",
    citation="Thickstun, Harchaoui, Kakade: Learning Features of Music from Scratch. ICLR 2017. "
    "doi:10.5281/zenodo.5120004",
    url="https://zenodo.org/records/5120004",
    layout="{train,test}_data/<id>.wav, {train,test}_labels/<id>.csv, musicnet_metadata.csv",
    source="jthickstun/pytorch_musicnet: musicnet.py; jthickstun/thickstun2018invariances: lib/config.py; "
    "christofw/multipitch_architectures: MusicNet_stats.md",
    protocol="Frame AP on 3 or 10 test recordings, 7,500 frames of stride 512 from 1 s on. Alignments are often more "
    "than 50 ms off: set no goal for onsets.",
    rows=rows,
    splits=("train", "test"),
    labels=tuple(INSTRUMENTS.values()),
    files=(
        Remote(f"{_RECORD}/musicnet.tar.gz?download=1", "musicnet.tar.gz", "audio", "", 11_097_394_998,
               "md5:844764911fa0d5b97c97da944a057590"),
        Remote(f"{_RECORD}/musicnet_metadata.csv?download=1", "musicnet_metadata.csv", "metadata",
               checksum="md5:1caef62cee9c875235e62aac368b49d8"),
    ),
)  # fmt: skip
