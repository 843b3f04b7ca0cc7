"""OpenMIC-2018: 10 s excerpts of the Free Music Archive, partially labelled for 20 instruments.

Every excerpt was judged for a few instruments only. ``relevance`` is the annotators' estimate that one sounds: above
0.5 it is a label, otherwise it is known to be absent; whatever is not mentioned was not judged (``unknown`` is
``*``). The group is the track. The split is the published ``split01``.

Layout after mirdata (mir-dataset-loaders/mirdata, mirdata/datasets/openmic2018.py): the aggregated labels as CSV, or
where only that is there, the arrays ``Y_true``, ``Y_mask`` and ``sample_key`` of ``openmic-2018.npz`` with
``class-map.json`` (cosmir/openmic-2018, examples/modeling-baseline.ipynb).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sonoscope.data.datasets.description import Dataset, Remote
from sonoscope.data.datasets.reading import document, home, one_of, present, relative, slug, table, text_lines
from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest, Row

LABELS = (
    "accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar", "mallet_percussion",
    "mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin", "voice",
)  # fmt: skip
#: Above this relevance an instrument counts as present, as in the published evaluations.
PRESENT_ABOVE = 0.5

_TABLE, _ARRAYS = "openmic-2018-aggregated-labels.csv", "openmic-2018.npz"


def rows(root: Path) -> Iterator[Row]:
    """One row for each excerpt, in order of its key."""
    folder = home(root, _TABLE, _ARRAYS)
    source = folder / _TABLE
    judged = _from_table(source) if source.is_file() else _from_arrays(source := folder / _ARRAYS)
    splits = {
        line.strip(): name
        for name in ("train", "test")
        for _, line in text_lines(folder / "partitions" / f"split01_{name}.csv")
    }
    for key, relevance in sorted(judged.items()):
        path = folder / "audio" / key[:3] / f"{key}.ogg"
        yield Row(
            path=relative(root, present(path, f"{source}, excerpt {key}")),
            labels=tuple(label for label, value in relevance.items() if value > PRESENT_ABOVE),
            absent=tuple(label for label, value in relevance.items() if value <= PRESENT_ABOVE),
            unknown=(EVERYTHING_ELSE,),
            group=f"fma-{key.split('_')[0]}",
            split=splits.get(key, ""),
            source="openmic",
            licence="CC BY 4.0",
        )


def _from_table(path: Path) -> dict[str, dict[str, float]]:
    judged: dict[str, dict[str, float]] = {}
    for line in table(path, "sample_key", "instrument", "relevance"):
        label = one_of(slug(line.cells["instrument"]), LABELS, f"{line.place}, column 'instrument'")
        try:
            relevance = float(line.cells["relevance"])
        except ValueError:
            relevance = -1.0
        if not 0 <= relevance <= 1:
            line.fail("relevance", "is not a number from 0 to 1", "Fetch the table again.")
        judged.setdefault(line.cells["sample_key"], {})[label] = relevance
    return judged


def _from_arrays(path: Path) -> dict[str, dict[str, float]]:
    """The same from the NumPy archive; one that can only be read by running what is pickled in it is refused."""
    order = {index: name for name, index in document(path.parent / "class-map.json").items()}
    names = [
        one_of(slug(order.get(i, "")), LABELS, f"{path.parent / 'class-map.json'}") for i in range(len(order))
    ]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            relevance, mask, keys = arrays["Y_true"], arrays["Y_mask"], arrays["sample_key"]
    except (ValueError, KeyError, OSError) as error:
        raise BadManifest(
            f"{path}: cannot be read safely ({error}). Put {_TABLE} beside it, or fetch again."
        ) from None
    return {
        str(key): {name: float(v) for name, v, known in zip(names, line, judged, strict=True) if known}
        for key, line, judged in zip(keys, relevance, mask, strict=True)
    }


DATASET = Dataset(
    name="openmic",
    title="OpenMIC-2018",
    what="20,000 excerpts of 10 s, each judged by a crowd for some of 20 instruments",
    licence="CC BY 4.0 (each excerpt under its own Creative Commons licence)",
    citation="Humphrey, Durand, McFee: OpenMIC-2018: An Open Data-set for Multiple Instrument Recognition. ISMIR "
    "2018. doi:10.5281/zenodo.1432913",
    url="https://zenodo.org/record/1432913",
    layout="openmic-2018-aggregated-labels.csv (or openmic-2018.npz), partitions/split01_{train,test}.csv, "
    "audio/<first 3 of key>/<key>.ogg",
    source="mir-dataset-loaders/mirdata: mirdata/datasets/openmic2018.py; cosmir/openmic-2018: README.md",
    protocol="Official split01; what was not judged is masked; mAP is the mean of the 20 classes.",
    rows=rows,
    splits=("train", "test"),
    labels=LABELS,
    files=(
        Remote(
            "https://zenodo.org/record/1432913/files/openmic-2018-v1.0.0.tgz?download=1",
            "openmic-2018-v1.0.0.tgz",
            "all",
            "",
            checksum="md5:e4ccf187e2bb5ab2e115416e8aafe7f4",
        ),
    ),
)
