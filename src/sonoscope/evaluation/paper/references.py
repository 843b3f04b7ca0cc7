"""BibTeX: data sets as their readers cite them, sources and models as their manifests and bundles describe them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sonoscope import __version__
from sonoscope.data.datasets.description import Dataset

#: ``Bosch, Janer: Title. ISMIR 2012. doi:10.5281/zenodo.1290750``, as readers of data sets cite.
_CITATION = re.compile(
    r"(?P<author>[^:]+): (?P<title>.+?)\. (?P<venue>[^.]+?),? (?P<year>\d{4})"
    r"(?:\. (?:doi:(?P<doi>\S+)|arXiv:(?P<eprint>\S+)))?"
)
_SPECIAL = {
    "\\": "",
    "{": "",
    "}": "",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "~": r"\~{}",
}
#: Fields that are taken as they are: LaTeX sets them with ``\url``.
_BARE = ("doi", "url", "eprint", "year", "author")


@dataclass(frozen=True)
class Entry:
    """One reference: a kind (``misc``, ``inproceedings``), its key, and its fields as plain text."""

    kind: str
    key: str
    fields: Mapping[str, str] = field(default_factory=dict)

    def bibtex(self) -> str:
        """The entry; a title keeps its capitals."""
        lines = []
        # What has no author is sorted by its key.
        sorted_by = {} if self.fields.get("author") else {"key": self.key}
        for name, value in {**self.fields, **sorted_by}.items():
            if value:
                text = value if name in _BARE else "".join(_SPECIAL.get(letter, letter) for letter in value)
                lines.append(f"  {name} = {{{{{text}}}}}" if name == "title" else f"  {name} = {{{text}}}")
        return f"@{self.kind}{{{self.key},\n" + ",\n".join(lines) + "\n}\n"


def key_of(*parts: str) -> str:
    """A key that BibTeX takes.

    >>> key_of("model", "runs/my model")
    'model-runs-my-model'
    """
    return "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in parts)


def of_dataset(dataset: Dataset) -> Entry:
    """A data set by its publication; by its own name where what is cited cannot be parted."""
    key = key_of("data", dataset.name)
    found = _CITATION.fullmatch(dataset.citation)
    note = f"Licence: {dataset.licence}"
    if found is None:
        stated = {
            "title": dataset.title,
            "note": f"{dataset.citation}. {note}".lstrip(". "),
            "url": dataset.url,
        }
        return Entry("misc", key, stated)
    authors = found["author"].replace(" et al.", ", others").split(", ")
    archive = {"archiveprefix": "arXiv", "eprint": found["eprint"]} if found["eprint"] else {}
    return Entry(
        "inproceedings",
        key,
        {
            "author": " and ".join(authors),
            "title": found["title"],
            "booktitle": found["venue"],
            "year": found["year"],
            "doi": found["doi"] or "",
            **archive,
            "url": dataset.url,
            "note": note,
        },
    )


def of_source(name: str, clips: int, licences: Iterable[str]) -> Entry:
    """A source of recordings that no reader describes."""
    stated = "; ".join(dict.fromkeys(text for text in licences if text)) or "not stated"
    return Entry(
        "misc", key_of("source", name), {"title": name, "note": f"{clips:,} recordings. Licence: {stated}"}
    )


def of_model(name: str, title: str, facts: Mapping[str, str]) -> Entry:
    """A model: what is known of it (version, licence, digest) in its note."""
    told = ". ".join(f"{what}: {value}" for what, value in facts.items() if value)
    return Entry("misc", key_of("model", name), {"title": title, "note": told})


def of_package() -> Entry:
    """This package."""
    return Entry(
        "misc",
        "sonoscope",
        {
            "author": "{The sonoscope developers}",
            "title": "sonoscope: what sounds in a recording, and when",
            "note": f"Version {__version__}. Licence: MIT",
        },
    )


def text(entries: Iterable[Entry]) -> str:
    """A file of entries, each key once."""
    held = {entry.key: entry for entry in entries}
    return "\n".join(entry.bibtex() for entry in held.values())
