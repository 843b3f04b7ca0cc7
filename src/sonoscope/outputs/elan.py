"""Tiers of ELAN, ``.eaf`` (EUDICO Annotation Format 2 and 3): one recording, read only.

The label is an annotation's text, or the tier's name where it has none. Read are the tiers that hang on no other one;
``label_column`` names one tier instead, which may hang on another (``PARENT_REF``): annotations without times of their
own have those of the annotation that they refer to. Times are whole milliseconds, to which the recording's
``TIME_ORIGIN`` is added, where its annotations begin; slots without a time, in tiers that subdivide another, lie evenly
between those that have one, as ELAN shows them.

A file with a document type is refused: ELAN writes none, and entities are defined in it alone, so that none is ever
expanded or fetched.

Reference: the schema http://www.mpi.nl/tools/elan/EAFv3.0.xsd.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from sonoscope.errors import nearest
from sonoscope.outputs.format import Format, Found, ReadOptions, UnreadableTable, gather, recording_name
from sonoscope.values import Event, FileResult

if TYPE_CHECKING:  # formats are looked up by every analysis, which has no use for XML
    from xml.etree.ElementTree import Element


def read(file: IO[bytes], options: ReadOptions) -> list[FileResult]:
    """The annotations of the tiers that are wanted, as events."""
    root = _parsed(file, options.name)
    header = root.find("HEADER")
    if root.tag != "ANNOTATION_DOCUMENT" or header is None:
        raise UnreadableTable(
            f"{options.name}: not a file of ELAN, which is an ANNOTATION_DOCUMENT with a HEADER"
        )
    units = header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise UnreadableTable(
            f"{options.name}: its times are in {units}. Save it with a present version of ELAN."
        )
    media = header.findall("MEDIA_DESCRIPTOR")
    # Of a video and its sound, the sound was listened to.
    listened = min(media, key=lambda one: not one.get("MIME_TYPE", "").startswith("audio"), default=None)
    first = {} if listened is None else listened.attrib
    url = first.get("RELATIVE_MEDIA_URL") or first.get("MEDIA_URL") or ""
    name = unquote(url).replace("\\", "/").rpartition("/")[2] or recording_name(
        options.name, (FORMAT.suffix,)
    )
    try:
        origin_ms = float(first.get("TIME_ORIGIN") or 0)
        events = [Found(name, event) for event in _events(root, options, origin_ms)]
    except (KeyError, ValueError) as error:
        raise UnreadableTable(
            f"{options.name}: an annotation refers to what is not there, or a time is no number "
            f"({type(error).__name__}: {error}). Open it in ELAN and save it again."
        ) from None
    return gather([Found(name, None), *events])


def _parsed(file: IO[bytes], name: str) -> Element:
    from xml.etree.ElementTree import TreeBuilder
    from xml.parsers import expat

    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise UnreadableTable(
            f"{name}: has a document type, which no file of ELAN has. Save it again from ELAN."
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UnreadableTable(f"{name}: not a file of ELAN ({error}). Name its format with --from.") from None
    root: Element = builder.close()
    return root


def _events(root: Element, options: ReadOptions, origin_ms: float) -> Iterator[Event]:
    tiers = {tier.get("TIER_ID", ""): tier for tier in root.iter("TIER")}
    wanted = options.label_column
    if wanted is not None and wanted not in tiers:
        raise UnreadableTable(
            f"{options.name}: no tier {wanted!r}.{nearest(wanted, tiers)} It has: {', '.join(tiers) or 'none'}."
        )
    slots = {
        slot.attrib["TIME_SLOT_ID"]: float(slot.attrib["TIME_VALUE"]) if "TIME_VALUE" in slot.attrib else None
        for slot in root.iter("TIME_SLOT")
    }
    spans = {key: span for tier in tiers.values() for key, span in _aligned(tier, slots)}
    referred = {
        one.attrib["ANNOTATION_ID"]: one.attrib["ANNOTATION_REF"] for one in root.iter("REF_ANNOTATION")
    }
    for name, tier in tiers.items():
        if name != wanted if wanted is not None else tier.get("PARENT_REF"):
            continue
        for annotation in tier.iterfind("ANNOTATION/*"):
            key = annotation.attrib["ANNOTATION_ID"]
            seen: set[str] = set()
            while key in referred and key not in seen:  # a circle ends where no times are
                seen.add(key)
                key = referred[key]
            start_ms, end_ms = (time + origin_ms for time in spans[key])
            if not (math.isfinite(end_ms) and 0 <= start_ms <= end_ms):
                raise UnreadableTable(
                    f"{options.name}: the annotation {annotation.attrib['ANNOTATION_ID']!r} of the tier {name!r} lasts "
                    f"from {start_ms:g} to {end_ms:g} ms. Correct it in ELAN."
                )
            label = " ".join((annotation.findtext("ANNOTATION_VALUE") or "").split()) or name
            yield Event(start_ms / 1000, end_ms / 1000, label, math.nan)


def _aligned(tier: Element, slots: dict[str, float | None]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Annotations of a tier that name their slots, and their times; those in a row without a time share it evenly."""
    pending: list[str] = []
    since: float | None = None
    for annotation in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"):
        start, end = (slots[annotation.attrib[f"TIME_SLOT_REF{number}"]] for number in (1, 2))
        if start is not None:
            if pending:
                raise ValueError(f"no time after {pending[-1]!r}")
            since = start
        pending.append(annotation.attrib["ANNOTATION_ID"])
        if end is None:
            continue
        if since is None:
            raise ValueError(f"no time before {pending[0]!r}")
        step = (end - since) / len(pending)
        for place, key in enumerate(pending):
            yield key, (since + place * step, end if key == pending[-1] else since + (place + 1) * step)
        pending, since = [], None


FORMAT = Format("elan", ".eaf", None, read, binary=True, many=False, takes=("label_column",))
