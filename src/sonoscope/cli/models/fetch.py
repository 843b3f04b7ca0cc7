"""``sonoscope models fetch``: published weights, and bundles from an address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sonoscope.cli.telling import say
from sonoscope.errors import UsageError, lookup
from sonoscope.values import columns

Wanted = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|URL]",
        show_default=False,
        help="A published checkpoint by name, or the address of an archive with a bundle.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER",
        show_default=False,
        help="Where checkpoints go, or the folder of the bundle (default: the cache).",
    ),
]
Listing = Annotated[bool, typer.Option("--list", help="Show what can be fetched by name, and what is there.")]
Checksum = Annotated[
    str,
    typer.Option(metavar="sha256:…", show_default=False, help="What the archive of a bundle must have."),
]


def fetch_command(
    wanted: Wanted = None, out: Out = None, list_only: Listing = False, checksum: Checksum = ""
) -> int:
    """Fetch published weights, or a bundle in an archive; stdout says where it is.

    What is interrupted goes on in the next call. Checksums are compared where they are published.
    """
    from sonoscope.cli.data.fetch import download_progress
    from sonoscope.networks import published

    if list_only:
        _show(out)
        return 0
    if wanted is None:
        raise UsageError("what? A name or an address; `sonoscope models fetch --list` shows the names")
    if checksum and checksum.partition(":")[0] not in ("sha256", "md5"):
        raise UsageError(f"--checksum {checksum!r} must be sha256:DIGEST or md5:DIGEST")
    if "://" in wanted:
        bundle = published.fetch_bundle(wanted, out, say=say, progress=download_progress(), checksum=checksum)
        say(f"{bundle.name} {bundle.version}: {len(bundle.labels)} labels, licence {bundle.licence}")
        print(bundle.path)
        return 0
    if checksum:
        raise UsageError("--checksum is about an address; what is published under a name has its own")
    checkpoint = lookup(published.PUBLISHED, wanted, "checkpoint")
    say(f"{checkpoint.title}. Licence: {checkpoint.licence}. {checkpoint.source}")
    path = published.fetch_checkpoint(checkpoint, out, say=say, progress=download_progress())
    say(f"in a configuration: backbone: {checkpoint.backbone.format(path)}")
    print(path)
    return 0


def _show(root: Path | None) -> None:
    """What can be fetched by name, how large it is, and whether it is there."""
    from sonoscope.data.fetch import gigabytes
    from sonoscope.models import cache
    from sonoscope.networks import published

    place = cache.checkpoints() if root is None else root
    rows = [("name", "what", "size", "checksum", "licence", "here")]
    for name, checkpoint in published.PUBLISHED.items():
        sizes = [file.bytes for file in checkpoint.files]
        known = [size for size in sizes if size is not None]
        size = "not stated" if not known else gigabytes(sum(known))
        checked = checkpoint.files[0].checksum.partition(":")[0] or "noted at first use"
        here = all((place / file.name).is_file() for file in checkpoint.files)
        rows.append((name, checkpoint.title, size, checked, checkpoint.licence, "yes" if here else "no"))
    print("\n".join(columns(rows, right=(2,))))
    say(f"They go into {place}")
