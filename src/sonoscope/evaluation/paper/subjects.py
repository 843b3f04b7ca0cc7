"""Who was judged, and on what, as a paper must say it: read from bundles, configurations of trainings and manifests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sonoscope import models
from sonoscope.data import sources
from sonoscope.data.datasets import DATASETS
from sonoscope.data.datasets.description import Dataset
from sonoscope.data.rows import Manifest
from sonoscope.data.table import decoded
from sonoscope.errors import SonoscopeError
from sonoscope.evaluation.paper import references
from sonoscope.evaluation.paper.references import Entry
from sonoscope.evaluation.result import Result

#: In the folder of a training, and what it calls the clips that it learnt from.
CONFIG, MANIFEST = "config.yaml", "manifest.csv"


@dataclass(frozen=True)
class Subject:
    """A model or a set of predictions.

    Attributes
    ----------
    name : str
        In tables.
    about : mapping
        What the report's origin says of it.
    spec : mapping
        Its ``bundle.json``; empty of predictions.
    config : mapping
        Of its training, from the folder around the bundle or from the bundle itself; empty if nobody knows.
    run : Path, optional
        That folder, if it holds the manifest of the training.
    column : str
        Of a model for each part of the data: the column that parts are by; else empty.
    parts : mapping of str to Subject
        Those models.
    """

    name: str
    about: Mapping[str, Any]
    spec: Mapping[str, Any]
    config: Mapping[str, Any]
    run: Path | None
    column: str = ""
    parts: Mapping[str, Subject] = field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """Its reference."""
        if self.parts:
            digests = {
                f"SHA-256 of {value}": str(part.about.get("sha256", "")) for value, part in self.parts.items()
            }
            title = f"{self.name}: {len(self.parts)} models for sonoscope, one for each {self.column}"
            return references.of_model(self.name, title, digests)
        if not self.spec:
            place = self.about.get("predictions") or self.about.get("results") or ""
            facts = {"Read from": str(place), "SHA-256": str(self.about.get("sha256", ""))}
            return references.of_model(self.name, f"Predictions {self.name}", facts)
        facts = {
            "Version": str(self.spec.get("version", "")),
            "Licence": str(self.spec.get("licence", "")),
            "SHA-256 of the graph": str(self.about.get("sha256", "")),
        }
        return references.of_model(
            self.name, f"{self.spec.get('name', self.name)}: a model for sonoscope", facts
        )


def judged(result: Result) -> list[Subject]:
    """Every model or set of predictions of a result, in order."""
    about = result.provenance.get("model") or result.provenance.get("predictions") or {}
    if not isinstance(about, Mapping):
        return []
    single = not about or any(key in about for key in ("model", "predictions", "results", "mean of"))
    if single:
        name = str(about.get("model") or Path(str(about.get("predictions", "predictions"))).stem)
        return [_subject(name, about)]
    return [_subject(str(name), each) for name, each in about.items() if isinstance(each, Mapping)]


def _subject(name: str, about: Mapping[str, Any]) -> Subject:
    if "models" in about:
        parts = {value: _subject(value, each) for value, each in about["models"].items()}
        return Subject(name, about, {}, {}, None, str(about["one for each"]), parts)
    folder = about.get("folder")
    spec: Mapping[str, Any] = {}
    if folder:
        try:
            spec = models.load(str(folder)).spec
        except SonoscopeError:  # moved since it was judged: what the report says of it is all there is
            spec = {}
    run = None if folder is None else Path(str(folder)).absolute().parent
    config: Mapping[str, Any] = {}
    if run is not None and (run / CONFIG).is_file():
        read = yaml.safe_load(decoded(run / CONFIG))
        config = read if isinstance(read, dict) else {}
    if not config and spec:
        stated = (spec.get("provenance") or {}).get("config")
        config = stated if isinstance(stated, dict) else {}
    return Subject(name, about, spec, config, run if run is not None and (run / MANIFEST).is_file() else None)


@dataclass(frozen=True)
class Material:
    """What it was judged on.

    Attributes
    ----------
    dataset : Dataset, optional
        If it is one that the package reads and that has a publication.
    sources : mapping of str to (int, tuple of str)
        Rows and licences of each source that rows name.
    """

    name: str
    manifest: Manifest
    dataset: Dataset | None
    sources: Mapping[str, tuple[int, tuple[str, ...]]]

    @property
    def entries(self) -> list[Entry]:
        """References: the data set, and each source."""
        found = [] if self.dataset is None else [references.of_dataset(self.dataset)]
        for name, (count, licences) in self.sources.items():
            known = DATASETS.get(name)
            if known is not None and known.citation:
                found.append(references.of_dataset(known))
            else:
                found.append(references.of_source(name, count, licences))
        return list({entry.key: entry for entry in found}.values())


def material(data: str, manifest: Manifest) -> Material:
    """DATA of the command, and the rows that were judged."""
    known = DATASETS.get(sources.parse(data).type)
    counts = Counter(row.source for row in manifest.rows if row.source)
    licences: dict[str, dict[str, None]] = {}
    for row in manifest.rows:
        licences.setdefault(row.source, {})[row.licence] = None
    held = {name: (count, tuple(filter(None, licences[name]))) for name, count in sorted(counts.items())}
    named = known if known is not None and known.citation else None
    if named is not None:
        held.pop(named.name, None)
    return Material(data, manifest, named, held)
