"""Scores of music21's corpus as MIDI files, whole and part by part, those whose licence allows it.

Allowed are: Bach's chorales in MusicXML (the encoder's permission is stated in the files, "used by permission", and no
restriction), and scores whose own text names a Creative Commons licence without "NC" or the public domain. Left out:
what states a licence agreement (Palestrina), non-commercial terms (Essen), the GPL (Josquin), a bare copyright (some of
the Trecento, Monteverdi, Schubert), and all about whose encoding nothing is said.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

_FREE = re.compile(r"CC[- ]BY|CC[- ]SA[- ]BY|Creative Commons|Public Domain|public domain")
_BARRED = re.compile(r"NonCommercial|non-commercial|\bNC\b|All Rights Reserved|licensing agreement")


#: Longer scores (characters of MusicXML) take music21 minutes.
_LONGEST = 300_000


def _text(file: Path) -> str:
    """The words of a score, unpacked where it is packed."""
    if file.suffix == ".mxl":
        with zipfile.ZipFile(file) as packed:
            names = [n for n in packed.namelist() if n.endswith(".xml") and "META-INF" not in n]
            return " ".join(packed.read(name).decode("utf-8", "replace") for name in names)
    return file.read_text(encoding="utf-8", errors="replace")


def allowed() -> list[tuple[Path, str]]:
    """Files of the corpus and why each is allowed."""
    from music21 import common

    root, found = Path(common.getCorpusFilePath()), []
    for file in sorted(root.rglob("*")):
        if file.suffix not in (".mxl", ".xml", ".musicxml"):
            continue
        text = _text(file)
        free = _FREE.search(text)
        if _BARRED.search(text) or len(text) > _LONGEST:
            continue
        if free:
            found.append((file, free.group()))
        elif file.parent.name == "bach" and file.suffix == ".mxl" and "used by permission" in text:
            found.append((file, "used by permission"))
    return found


def chosen(most: int) -> list[tuple[Path, str]]:
    """The first ``most`` scores of each kind of licence."""
    taken: Counter[str] = Counter()
    found = []
    for file, why in allowed():
        taken[why] += 1
        if taken[why] <= most:
            found.append((file, why))
    return found


def write_midi(out: Path, most: int) -> Path:
    """Write ``most`` scores of each kind of licence, and ``corpus.json`` with what they are; what is there stays."""
    out.mkdir(parents=True, exist_ok=True)
    listed = []
    for file, why in chosen(most):
        name = f"{file.parent.name}-{file.stem}".replace(".", "_")
        if not (out / f"{name}.mid").is_file():
            try:
                _write(file, out, name)
            except Exception as error:  # music21 raises its own and Python's for what it cannot read
                print(f"left out {file.name}: {type(error).__name__}: {error}", flush=True)
                continue
        listed.append({"file": f"{file.parent.name}/{file.name}", "licence": why})
    (out / "corpus.json").write_text(json.dumps(listed, indent=1) + "\n")
    return out


def _write(file: Path, out: Path, name: str) -> None:
    """A score's parts, and then the whole."""
    from music21 import converter, tempo

    parsed: Any = converter.parse(str(file))
    if not parsed.recurse().getElementsByClass(tempo.MetronomeMark):
        parsed.parts[0].getElementsByClass("Measure")[0].insert(0, tempo.MetronomeMark(number=84))
    parts = list(parsed.parts)
    if 2 <= len(parts) <= 8:
        (out / name).mkdir(exist_ok=True)
        for number, part in enumerate(parts):
            part.write("midi", str(out / name / f"{name}-{number}.mid"))
    parsed.write("midi", str(out / f"{name}.mid"))
