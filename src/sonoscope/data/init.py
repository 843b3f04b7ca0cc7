"""The folders of a project that goes from recordings to a model, made in one go.

::

    README.md       what goes where, and the commands that fill it
    recordings/     as they came, one folder a site or source; never changed
    clips/          what is cut or sorted: a folder for each label, and background for none of them
    features/       prepared arrays, which can always be made again
    models/         training runs and bundles
    results/        what models found
    docs/           notes, agreements, figures
    labels.json     the label map, with labels.txt
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sonoscope.data import labelmap
from sonoscope.data.foldernames import NON_EVENTS
from sonoscope.data.paths import unportable
from sonoscope.data.table import put
from sonoscope.errors import UsageError
from sonoscope.values import Label

FOLDERS = ("recordings", "clips", "features", "models", "results", "docs")
#: Where clips go that hold none of the labels.
BACKGROUND = "clips/background"

README = """\
# {name}

| folder | what goes there |
|---|---|
| recordings/ | recordings as they came, one folder a site or source; nothing here is ever changed |
| clips/ | a folder for each label; background holds what is none of them; `-violin` is for what is no violin |
| features/ | prepared arrays, which can always be made again |
| models/ | training runs and the models they end with |
| results/ | what models found |
| docs/ | notes, agreements, figures |

From here on, in this folder:

    sonoscope data manifest clips -o manifest.csv --labels-from folder
    sonoscope analyze recordings -o results/first

The manifest checks its labels against labels.json, which lies beside it. All paths in it are relative, so the whole
folder can be moved or copied.
"""


def create(folder: str | Path, *, labels: str | Path | Sequence[str | Label] | None = None) -> list[Path]:
    """Make the folders, the README and the label map; what is there stays as it is.

    Parameters
    ----------
    folder : path
        Made if it is not there, with those above it.
    labels : str, path or sequence, optional
        A label set, a label map or labels: each gets a folder in ``clips``.

    Returns
    -------
    list of Path
        What was made.

    Raises
    ------
    UsageError
        If ``folder`` is a file, or a label cannot be the name of a folder.
    BadManifest
        If another label map is there.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    wanted = labelmap.find(labels, folder) if labels is not None else ()
    wished = [*FOLDERS, BACKGROUND, *(f"clips/{_folder_name(label)}" for label in wanted)]
    made = []
    for name in wished:
        path = folder / name
        if not path.is_dir():
            path.mkdir(parents=True)
            made.append(path)
    readme = folder / "README.md"
    if not readme.exists():
        put(readme, README.format(name=folder.resolve().name).encode())
        made.append(readme)
    if wanted:
        is_new = not (folder / labelmap.JSON_NAME).exists()
        labelmap.keep(wanted, folder)
        made += [folder / labelmap.JSON_NAME, folder / labelmap.TEXT_NAME] if is_new else []
    return made


def _folder_name(label: Label) -> str:
    """The folder for a label, whose name must mean that label."""
    name = label.id
    reason = unportable(name)
    if "/" in name or "\\" in name or "," in name or name.startswith("-"):
        reason = "'/', '\\', ',' and a leading '-' mean something else there"
    if reason:
        raise UsageError(f"the label {name!r} cannot be a folder: {reason}. Choose another id.")
    return "background" if name.casefold() in NON_EVENTS else name
