"""Judging a model on labelled recordings: the figures of ``sonoscope evaluate``."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from sonoscope.data import sources, unpacking
from sonoscope.data.rows import Manifest
from sonoscope.evaluation import protocols, reports
from sonoscope.evaluation import truth as truths
from sonoscope.service import bundles
from sonoscope.service.faults import Fault
from sonoscope.service.worker import Tools

#: What an answer can be: its media type, its ending, and how it is written.
FORMS = {
    "json": ("application/json", ".json", reports.as_json), "csv": ("text/csv; charset=utf-8", ".csv", reports.as_csv),
    "txt": ("text/plain; charset=utf-8", ".txt", reports.as_text),
    "md": ("text/markdown; charset=utf-8", ".md", reports.as_markdown),
    "html": ("text/html; charset=utf-8", ".html", reports.as_html),
}  # fmt: skip
#: Files that an archive may hold.
MOST_FILES = 100_000


def evaluate(request: dict[str, Any], tools: Tools) -> dict[str, Any]:
    """The task ``evaluate``.

    ``request``: ``path`` (a folder or manifest) under ``root``, or ``uploads`` (a zip of a labelled folder); ``model``,
    ``dataset``, ``protocol``, ``split``, ``truth``, ``options``, ``form``, ``unpacked_bytes``, ``models``, ``answer``.
    """
    root, place = _data(request)
    data = f"{request['dataset']}:{place}" if request["dataset"] else str(place)
    protocol = protocols.find(request["protocol"] or protocols.default_for(sources.parse(data).type))
    manifest, told_by = truths.load(data, rule=request["truth"], split=request["split"])
    _check_inside(manifest, root)
    folder = Path(request["models"]) if request["models"] else None
    words = [str(bundles.place(name, folder)) for name in bundles.names(request["model"])]
    problems: list[Any] = []
    result = protocol.judge(
        protocols.Request(
            models=tuple(words), data=manifest, data_name=f"{place.name} ({told_by})",
            options=protocol.filled(request["options"]), validation=None, validation_name="",
            tell=lambda *said, **_: tools.progress(place.name, 0.0),
            settings={"labels": None, "threshold": None, "seeds": False, "export": _no_export, "embeddings": False},
            problem=problems.append,
        )
    )  # fmt: skip
    media_type, ending, write = FORMS[request["form"]]
    Path(request["answer"]).write_bytes(write(result))
    return {"media_type": media_type, "name": f"evaluation{ending}", "failed": len(problems)}


def _data(request: dict[str, Any]) -> tuple[Path, Path]:
    """The folder that the data may not leave, and the data."""
    if "path" in request:
        return Path(request["root"]), Path(request["path"])
    archive = Path(request["uploads"][0]["path"])
    try:
        with zipfile.ZipFile(archive) as content:
            infos = content.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Fault(
            "unreadable", "what was sent is no zip archive", "Send a zip of a labelled folder."
        ) from None
    if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > request["unpacked_bytes"]:
        raise Fault("too_large", "the archive is too large unpacked", "Send fewer recordings.")
    named = archive.with_suffix(".zip")
    if not named.exists():
        # Kept beside, so that a task that is done again finds it.
        named.hardlink_to(archive)
    target = archive.with_name("data")
    try:
        unpacking.unpack(named, target)
    except unpacking.BadArchive as error:
        raise Fault(
            "unreadable", f"the archive cannot be unpacked: {error}", "Pack the folder again."
        ) from None
    inside = sorted(target.iterdir())
    # A zip of a folder holds that folder: what is labelled is in it.
    only = inside[0] if len(inside) == 1 and inside[0].is_dir() else target
    manifests = sorted(only.glob("manifest.csv"))
    has_labels = any(one.is_dir() for one in only.iterdir())
    return target, manifests[0] if manifests else only if has_labels else target


def _check_inside(manifest: Manifest, root: Path) -> None:
    """Refuse a manifest whose rows lead elsewhere. Raises ``Fault``."""
    real_root = root.resolve()
    for row in manifest.rows:
        for path in row.paths().values():
            if not (manifest.root / path).resolve().is_relative_to(real_root):
                raise Fault(
                    "forbidden", "a row of the data leads out of its folder", "Move the files into it."
                )


def _no_export(*_: object) -> Path:
    raise Fault("usage", "a training cannot be evaluated here", "Name a model of GET /models.")
