"""What a publication needs of an evaluation, as a folder: ``sonoscope evaluate … --paper DIR``.

======================  ============================================================================================
``paper.tex``           all of it, to be set as it is: ``latexmk -pdf paper``
``table.tex``           every model at each threshold with intervals, and what answers come to that hear nothing
``per_class.tex``       each label; ``differences.tex`` paired differences of models
``figures/``            plots as SVG, and as PDF where Matplotlib is installed
``methods.tex``         data, models, scoring, uncertainty, leakage and software in sentences; ``methods.txt`` plain
``references.bib``      data sets, sources, models and this package
``environment.json``    versions, machine, threads
``command.sh``          the command that made it
``certificate.txt``     what training, thresholds and test share; ``certificate.json`` for programs
======================  ============================================================================================

Everything is written from the result, the manifest, bundles and configurations; nothing is heard again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sonoscope.data.certificate import Certificate
from sonoscope.data.rows import Manifest
from sonoscope.data.table import put
from sonoscope.errors import UsageError
from sonoscope.evaluation import plots
from sonoscope.evaluation.paper import certificates, environment, methods, references, subjects, tables, tex
from sonoscope.evaluation.result import Result, plain
from sonoscope.writing import check_place

#: What says that a folder holds a paper, and what of ``plots`` the paper shows.
MAIN = "paper.tex"
FIGURES = "figures"
SHOWN = {
    "roc": "Recall over false-positive rate.",
    "precision_recall": "Precision over recall.",
    "reliability": "Reliability: how often what has a score sounds.",
    "per_class": "Average precision of each label.",
    "tolerances": "F1 by tolerance of onsets.",
    "figures": "All figures from 0 to 1.",
}

#: Points of a page that a plot may take.
TALLEST = 600


def check(folder: Path, *, overwrite: bool = False) -> Path:
    """Where a paper will be written.

    Raises
    ------
    UsageError
        If there is one, or a file, and ``overwrite`` is not set.
    OSError
        If nothing can be written there.
    """
    if folder.is_file():
        raise UsageError(f"--paper {folder} is a file: name a folder")
    if (folder / MAIN).exists() and not overwrite:
        raise UsageError(
            f"{folder} holds a {MAIN} already: name another folder, or replace it with --overwrite"
        )
    check_place(folder)
    return folder


def write(
    folder: Path, result: Result, data: str, manifest: Manifest, *, split: Certificate | None = None
) -> list[Path]:
    """Write everything; what was there under these names is replaced. Returns the files, in order.

    Parameters
    ----------
    data : str
        DATA of the command.
    manifest : Manifest
        The rows that were judged.
    split : Certificate, optional
        Of the split that they are from.
    """
    judged = subjects.judged(result)
    material = subjects.material(data, manifest)
    around = environment.facts()
    stated = result.provenance.get("certificate")
    fitted = {"thresholds": str(stated)} if stated else {}
    leaks = certificates.of(judged, manifest, fitted, split)
    drawn = plots.drawn(result)
    files: dict[str, bytes] = {
        f"{name}.tex": text.encode()
        for name, text in tables.drawn(result, [each.name for each in judged]).items()
    }
    plotted = _plots(drawn)
    for latex in (True, False):
        told = methods.paragraphs(result, judged, material, leaks, around, latex=latex)
        files[f"methods.{'tex' if latex else 'txt'}"] = ("\n\n".join(told) + "\n").encode()
    files["references.bib"] = references.text(
        [references.of_package(), *material.entries, *(each.entry for each in judged)]
    ).encode()
    files |= {
        "environment.json": _json(around),
        "command.sh": _command(result),
        "certificate.txt": certificates.text(leaks).encode(),
        "certificate.json": _json([each.to_dict() for each in leaks]),
        MAIN: _paper(
            result,
            [name for name in files if name.endswith(".tex") and name != "methods.tex"],
            {name: drawing.height for name, drawing in drawn.items() if f"{FIGURES}/{name}.pdf" in plotted},
        ),
    }
    written = []
    # What says that a folder holds a paper comes last: without it the same command goes on.
    main = {MAIN: files.pop(MAIN)}
    for name, content in {**files, **plotted, **main}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        put(folder / name, content)
        written.append(folder / name)
    return written


def _plots(drawn: Mapping[str, Any]) -> dict[str, bytes]:
    """Every plot as SVG and, where that can be had, as PDF."""
    found: dict[str, bytes] = {}
    for name, drawing in drawn.items():
        found[f"{FIGURES}/{name}.svg"] = drawing.svg()
        try:
            found[f"{FIGURES}/{name}.pdf"] = drawing.pdf()
        except UsageError:  # without Matplotlib there are SVGs, which Inkscape turns into PDFs
            continue
    return found


def _json(content: object) -> bytes:
    return (json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _command(result: Result) -> bytes:
    command = str(result.provenance.get("command", "")) or shlex.join(["sonoscope", "evaluate"])
    return f"#!/bin/sh\n# sonoscope {result.provenance.get('sonoscope', '')}\n{command}\n".encode()


def _paper(result: Result, inputs: Sequence[str], heights: Mapping[str, float]) -> bytes:
    """A document of its own around the parts, in the order in which they are read; ``heights`` of plots in points."""
    lines = [
        r"\documentclass[a4paper,10pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}",
        r"\usepackage{textcomp,booktabs,longtable,graphicx,url}",
        r"\usepackage[margin=2cm]{geometry}",
        rf"\title{{{tex.escape(result.title)}}}",
        r"\author{}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        r"\sloppy",
        r"\section*{Methods}",
        r"\input{methods}",
        r"\section*{Results}",
        *(rf"\input{{{name.removesuffix('.tex')}}}" for name in inputs),
    ]
    for name, caption in SHOWN.items():
        if name in heights:
            size = r"[height=0.85\textheight]" if heights[name] > TALLEST else ""
            lines += [
                r"\begin{figure}[htbp]",
                r"\centering",
                rf"\includegraphics{size}{{{FIGURES}/{name}}}",
                rf"\caption{{{tex.escape(caption)}}}",
                r"\end{figure}",
            ]
    lines += [r"\bibliographystyle{plain}", r"\bibliography{references}", r"\end{document}", ""]
    return "\n".join(lines).encode()
