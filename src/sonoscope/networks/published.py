"""Weights that others published: where they are, how large, and how they are known to be whole.

Addresses, sizes and checksums are those that their publishers state (Zenodo's record 3987831, the large-file pointers
of Hugging Face at a fixed revision). Where none is stated the digest of the first download is kept beside it and says
whether a later one is the same file; a first download can then only be believed, and the caller is told so.
Downloads are resumed where they broke off (``data/download.py``).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sonoscope.data import download, unpacking
from sonoscope.data.datasets.description import Remote
from sonoscope.data.download import Progress, Say, Unavailable
from sonoscope.errors import BadBundle, UsageError
from sonoscope.models import SHIPPED, cache
from sonoscope.models.bundle import Bundle, open_bundle, sha256_of

#: Beside checkpoints: what was fetched, from where, and its digest.
RECORD = ".sonoscope-fetched.json"
_ZENODO = "https://zenodo.org/records/3987831/files"
_AST = "https://huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593/resolve/f826b80d28226b62986cc218e5cec390b1096902"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Attributes
    ----------
    title : str
    backbone : str
        What takes it, in the words of a configuration; ``{}`` is where it was fetched to.
    licence, source : str
    files : tuple of Remote
    """

    title: str
    backbone: str
    licence: str
    source: str
    files: tuple[Remote, ...]


def _panns(file: str, **known: Any) -> tuple[Remote, ...]:
    return (Remote(f"{_ZENODO}/{file.replace('=', '%3D')}?download=1", file, "weights", **known),)


#: By the name that ``models fetch`` takes.
PUBLISHED: dict[str, Checkpoint] = {
    "cnn14": Checkpoint(
        "PANNs CNN14, 32 kHz, AudioSet mAP 0.431", "{{name: cnn14, weights: {}}}", "CC-BY-4.0",
        "Kong et al. 2020, arXiv:1912.10211; zenodo.org/records/3987831",
        _panns("Cnn14_mAP=0.431.pth", bytes=327_428_481, checksum="md5:541141fa2ee191a88f24a3219fff024e"),
    ),
    "cnn14-16k": Checkpoint(
        "PANNs CNN14, 16 kHz, AudioSet mAP 0.438", "{{name: cnn14, weights: {}}}", "CC-BY-4.0",
        "Kong et al. 2020, arXiv:1912.10211; zenodo.org/records/3987831",
        _panns("Cnn14_16k_mAP=0.438.pth", checksum="md5:362fc5ff18f1d6ad2f6d464b45893f2c"),
    ),
    "cnn14-8k": Checkpoint(
        "PANNs CNN14, 8 kHz, AudioSet mAP 0.416", "{{name: cnn14, weights: {}}}", "CC-BY-4.0",
        "Kong et al. 2020, arXiv:1912.10211; zenodo.org/records/3987831",
        _panns("Cnn14_8k_mAP=0.416.pth"),
    ),
    "cnn14-frames": Checkpoint(
        "PANNs CNN14 with a decision for each frame, 32 kHz, AudioSet mAP 0.385",
        "{{name: cnn14, frames: true, weights: {}}}", "CC-BY-4.0",
        "Kong et al. 2020, arXiv:1912.10211; zenodo.org/records/3987831",
        _panns("Cnn14_DecisionLevelMax_mAP=0.385.pth"),
    ),
    "beats": Checkpoint(
        "BEATs iter3+, self-supervised on AudioSet-2M", "{{name: beats, weights: {}}}", "MIT",
        "Chen et al. 2022, arXiv:2212.09058. Its publisher's own links are dead (microsoft/unilm issue 1671): this is "
        "a copy, huggingface.co/datasets/Bencr/beats-checkpoints",
        (Remote(
            "https://huggingface.co/datasets/Bencr/beats-checkpoints/resolve/082fb1849d55bef1ee52ee8d8910b3adc69d4bc8/"
            "BEATs_iter3_plus_AS2M.pt",
            "BEATs_iter3_plus_AS2M.pt", "weights", bytes=361_499_833,
            checksum="sha256:d43cbfad4d7b56381c061d7a24774f908d4d94c72961f6eb1d9090ff18cd8d34",
        ),),
    ),
    "ast": Checkpoint(
        "Audio Spectrogram Transformer, AudioSet mAP 0.459", "{{name: ast, weights: {}}}", "BSD-3-Clause",
        "Gong et al. 2021, arXiv:2104.01778; huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593",
        (
            Remote(
                f"{_AST}/model.safetensors", "ast/model.safetensors", "weights", bytes=346_404_948,
                checksum="sha256:ae0c1e2ad4e1381d851fa9bf298ba13ebc9c5a914cdee2dbe427a6583869924d",
            ),
            Remote(f"{_AST}/config.json", "ast/config.json", "weights"),
        ),
    ),
}  # fmt: skip


def place(checkpoint: Checkpoint, root: Path) -> Path:
    """What a backbone is given: the file, or the folder of several."""
    path = root / checkpoint.files[0].name
    return path if len(checkpoint.files) == 1 else path.parent


def fetch_checkpoint(
    checkpoint: Checkpoint,
    root: Path | None = None,
    *,
    say: Say,
    progress: Progress,
    attempts: int = download.ATTEMPTS,
    pause_s: float = download.PAUSE_S,
) -> Path:
    """Get the files of a checkpoint that are not there, and check all of them.

    Parameters
    ----------
    checkpoint : Checkpoint
    root : Path, optional
        Where they go; default: the cache.
    say, progress : functions
        Told in words what happens, and how far a download is.
    attempts, pause_s
        Of a connection that breaks.

    Returns
    -------
    Path
        What a backbone is given as ``weights``.

    Raises
    ------
    Stopped
        If a server cannot be reached or keeps breaking the connection; the same call goes on.
    Unavailable
        If a file is not the published one, or not the one that was fetched first.
    """
    root = cache.checkpoints() if root is None else root
    for file in checkpoint.files:
        path = root / file.name
        if not path.is_file():
            advice = f"put it into {path.parent} as {path.name}, and call this again"
            download.download(
                file, path, advice=advice, say=say, progress=progress, attempts=attempts, pause_s=pause_s
            )
        elif problem := download.mismatch(file, path, say):
            raise Unavailable(f"{path} {problem}: remove it, and call this again")
        _remembered(file, path, root, say)
    return place(checkpoint, root)


def _remembered(file: Remote, path: Path, root: Path, say: Say) -> None:
    """Note the digest of a file without a published checksum, or compare it with the one noted first."""
    if file.checksum:
        return
    record = download.read_record(root / RECORD, "digests are then noted anew")
    digest = sha256_of(path)
    known = record.get(file.name, {}).get("sha256")
    if known is None:
        say(f"{file.name}: its publisher states no checksum; noted its sha256, {digest}")
        record[file.name] = {"url": file.url, "bytes": path.stat().st_size, "sha256": digest}
        download.write_record(root / RECORD, record)
    elif known != digest:
        raise Unavailable(
            f"{path} has the sha256 {digest} and had {known} when it was fetched first: it was changed, or published "
            f"anew. Remove it and its entry in {root / RECORD}, and call this again"
        )


def fetch_bundle(
    url: str,
    folder: Path | None = None,
    *,
    say: Say,
    progress: Progress,
    checksum: str = "",
    attempts: int = download.ATTEMPTS,
    pause_s: float = download.PAUSE_S,
) -> Bundle:
    """Get an archive that holds a bundle, unpack it safely, check it, and put it where it can be named.

    Parameters
    ----------
    url : str
        Of a zip or tar archive (http, https).
    folder : Path, optional
        The bundle's; default: its own name in the cache, where ``-m NAME`` finds it. It must not exist.
    say, progress, attempts, pause_s
        As for :func:`fetch_checkpoint`.
    checksum : str
        ``sha256:…`` or ``md5:…`` that the archive must have.

    Raises
    ------
    UsageError
        If the address is of no archive, or the place is taken.
    Stopped, Unavailable
        As for :func:`fetch_checkpoint`.
    BadArchive
        If the archive is damaged or would write outside its target.
    BadBundle
        If it holds no bundle, several, or a damaged one.
    """
    parts = urlsplit(url)
    name = Path(unquote(parts.path)).name
    if parts.scheme not in ("http", "https") or not unpacking.is_archive(name):
        raise UsageError(
            f"{url}: an http or https address of a bundle in an archive is needed ({', '.join(_endings())}), or a "
            f"name: {', '.join(PUBLISHED)}"
        )
    waiting = cache.folder("downloads", hashlib.sha256(url.encode()).hexdigest()[:12], name)
    advice = "ask its publisher where it is now"
    archive = Remote(url, name, "bundle", checksum=checksum)
    if not waiting.is_file():
        download.download(
            archive, waiting, advice=advice, say=say, progress=progress, attempts=attempts, pause_s=pause_s
        )
    target = (cache.bundles() if folder is None else folder.parent).absolute()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetched-") as scratch:
        try:
            unpacking.unpack(waiting, Path(scratch))
            found = _only_bundle(Path(scratch), url)
        finally:
            shutil.rmtree(waiting.parent)
        home = target / found.name if folder is None else folder
        if folder is None and (not _NAME.fullmatch(found.name) or (SHIPPED / found.name).exists()):
            raise UsageError(
                f"the bundle calls itself {found.name!r}, and a model that comes with the package does too, or it is "
                "no name for a folder: say where it goes (-o FOLDER)"
            )
        if home.exists():
            raise UsageError(f"{home} is there already: remove it, or name another place (-o FOLDER)")
        found.path.replace(home)
    return open_bundle(home)


def _endings() -> tuple[str, ...]:
    return (*unpacking.ZIP, *unpacking.TAR)


def _only_bundle(folder: Path, url: str) -> Bundle:
    """The one bundle in what was unpacked, its files as its description says."""
    places = sorted(path.parent for path in folder.rglob("bundle.json"))
    if len(places) != 1:
        raise BadBundle(f"{url} holds {len(places) or 'no'} bundle{'s' * (len(places) > 1)}; one is needed")
    links = [path.name for path in places[0].rglob("*") if path.is_symlink()]
    if links:
        raise BadBundle(f"{url}: {', '.join(links)} are links: the archive must hold the files themselves")
    bundle = open_bundle(places[0])
    for name, digest in bundle.spec["checksums"].items():
        if (
            not _NAME.fullmatch(name)
            or not (places[0] / name).is_file()
            or sha256_of(places[0] / name) != digest
        ):
            raise BadBundle(f"{url}: {name} is missing, or not the file that bundle.json describes")
    return bundle
