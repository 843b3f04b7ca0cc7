"""MedleyDB: multitracks of real music; a mix, its stems, and when each stem sounds.

There is a row for the mix, with the instruments of its stems, and one for each stem. Stems that are named
``Main System`` or ``Unlabeled`` say nothing of an instrument, and where recordings bleed into one another a stem holds
others too: in these rows what is not a label was not judged (``unknown`` is ``*``). The group is the artist. The
``annotation`` is the table of activation confidences, which ``annotation.of`` turns into events.

Layout after the authors' tools (marl/medleydb, medleydb/multitrack.py and medleydb/__init__.py, and the files below
medleydb/data): ``Audio/<track>`` with mix and stems, and the metadata there or in ``Metadata``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from sonoscope.data.datasets.description import Dataset
from sonoscope.data.datasets.reading import document, field, filled, home, present, relative, slug, table
from sonoscope.data.rows import EVERYTHING_ELSE, BadManifest, Row
from sonoscope.data.table import Line
from sonoscope.values import Event

#: Names of stems that are no instrument.
NOT_AN_INSTRUMENT = ("main_system", "unlabeled")
#: Column of ``extra``: the stems that a row stands for and their instruments, ``S01=drum_set;S02=piano+voice``.
STEMS = "stems"
#: The confidence from which a stem counts as sounding, as its authors use it.
ACTIVE_FROM = 0.5


def rows(root: Path) -> Iterator[Row]:
    """The mix and the stems of each track."""
    folder = home(root, "Audio/*/*_MIX.wav")
    for mix in sorted(folder.glob("Audio/*/*_MIX.wav")):
        track = mix.name.removesuffix("_MIX.wav")
        yield from _track(root, folder, mix, track)


def _track(root: Path, folder: Path, mix: Path, track: str) -> Iterator[Row]:
    metadata = mix.parent / f"{track}_METADATA.yaml"
    if not metadata.is_file():
        metadata = present(folder / "Metadata" / f"{track}_METADATA.yaml", str(mix))
    about = document(metadata)
    bleeds = _yes(about, "has_bleed", metadata)
    lab = _activation(folder, track)
    row = partial(
        Row,
        group=f"medleydb-{field(about, 'artist', str(metadata))}",
        source="medleydb",
        licence="CC BY-NC-SA 4.0",
        annotation=relative(root, lab) if lab else "",
    )
    shared = filled(genre=about.get("genre"), has_bleed="yes" if bleeds else "no")
    stems = instruments(metadata)
    named = tuple(sorted({label for labels in stems.values() for label in labels}))
    yield row(
        path=relative(root, mix),
        labels=named,
        unknown=() if all(stems.values()) else (EVERYTHING_ELSE,),
        extra={"stem": "mix", STEMS: _stated(stems), **shared},
    )
    for stem, labels in stems.items():
        where = f"{metadata}, stem {stem}"
        name = field(about["stems"][stem], "filename", where)
        yield row(
            path=relative(root, present(mix.parent / f"{track}_STEMS" / name, where)),
            labels=labels,
            unknown=(EVERYTHING_ELSE,) if bleeds or not labels else (),
            extra={
                "stem": stem,
                STEMS: _stated({stem: labels}),
                **shared,
                **filled(component=about["stems"][stem].get("component")),
            },
        )


def _stated(stems: Mapping[str, tuple[str, ...]]) -> str:
    return ";".join(f"{stem}={'+'.join(labels)}" for stem, labels in stems.items())


def stems_of(row: Row) -> dict[str, tuple[str, ...]]:
    """The stems that a row stands for and their instruments, as its column ``stems`` states them."""
    pairs = (stem.partition("=") for stem in row.extra.get(STEMS, "").split(";"))
    return {stem: tuple(filter(None, labels.split("+"))) for stem, _, labels in pairs if stem}


def instruments(metadata: Path) -> dict[str, tuple[str, ...]]:
    """The instruments of each stem (``S01``), by name; none where the stem names no instrument."""
    found = {}
    for stem, values in sorted(field(document(metadata), "stems", str(metadata)).items()):
        where = f"{metadata}, stem {stem}"
        stated = field(values, "instrument", where)
        labels = tuple(slug(str(name or "")) for name in (stated if isinstance(stated, list) else [stated]))
        if "" in labels:
            raise BadManifest(f"{where}: instrument is empty. Name it, or 'Unlabeled'.")
        found[stem] = tuple(dict.fromkeys(label for label in labels if label not in NOT_AN_INSTRUMENT))
    return found


def activations(
    lab: Path, stems: Mapping[str, tuple[str, ...]], *, threshold: float = ACTIVE_FROM
) -> tuple[Event, ...]:
    """When instruments sound, from a table ``time,S01,S02,…`` of confidences and :func:`instruments`.

    A row holds until the next one; the last one has no end and only ends what sounds.
    """
    lines = table(lab, "time")
    times = [_number(line, "time") for line in lines]
    events = []
    for stem, labels in stems.items():
        if lines and stem not in lines[0].cells:
            raise BadManifest(
                f"{lab}, line 1: no column {stem!r}, which the metadata name. Fetch the pair again."
            )
        confidence = [_number(line, stem) for line in lines]
        for active, run in groupby(range(len(lines)), key=lambda row: confidence[row] >= threshold):
            held = list(run)
            end_s = times[min(held[-1] + 1, len(times) - 1)]
            if active and end_s > times[held[0]]:
                peak = max(confidence[row] for row in held)
                events += [Event(times[held[0]], end_s, label, peak) for label in labels]
    return tuple(sorted(events))


def _number(line: Line, column: str) -> float:
    try:
        return float(line.cells[column])
    except ValueError:
        line.fail(column, "is not a number", "Fetch the table again.")


def _yes(about: Mapping[str, Any], key: str, metadata: Path) -> bool:
    value = field(about, key, str(metadata))
    if value in (True, "yes"):
        return True
    if value in (False, "no"):
        return False
    raise BadManifest(f"{metadata}: {key}={value!r} is neither yes nor no. Correct it.")


def _activation(folder: Path, track: str) -> Path | None:
    name = f"{track}_ACTIVATION_CONF.lab"
    places = ("Activation_Confidence", f"{track}_ANNOTATIONS", "Instrument_Activations/ACTIVATION_CONF")
    found = (folder / "Annotations" / place / name for place in places)
    return next((path for path in found if path.is_file()), None)


DATASET = Dataset(
    name="medleydb",
    title="MedleyDB",
    what="122 multitracks (196 with version 2) of about 80 instruments, with stems and their activations",
    licence="CC BY-NC-SA 4.0",
    citation="Bittner, Salamon, Tierney, Mauch, Cannam, Bello: MedleyDB: A Multitrack Dataset for "
    "Annotation-Intensive MIR Research. ISMIR 2014. doi:10.5281/zenodo.1649325",
    url="https://medleydb.weebly.com/",
    layout="Audio/<track>/<track>_MIX.wav, <track>_STEMS/*.wav, <track>_METADATA.yaml (there or in Metadata/), "
    "Annotations/**/<track>_ACTIVATION_CONF.lab",
    source="marl/medleydb: medleydb/multitrack.py, medleydb/data",
    protocol="No official split; keep artists together.",
    rows=rows,
    obtain="MedleyDB is given on request: ask for access at https://zenodo.org/record/1649325 (version 1) and "
    "https://zenodo.org/record/1715175 (version 2), and unpack it so that ROOT holds Audio; the metadata are in "
    "the repository marl/medleydb, medleydb/data/Metadata.",
)
