"""Models in a browser alone: a folder of static files with the page, the models as one graph each, and what runs them.

The graphs are those of ``fused.py``; onnxruntime-web runs them. Its files come from a folder that npm made, or from
npm's registry, in the version that was tried, compared with its checksum, and kept in the cache.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sonoscope
from sonoscope.data import download
from sonoscope.data.datasets.description import Remote
from sonoscope.data.download import Progress, Say
from sonoscope.errors import UsageError
from sonoscope.models import cache
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.networks.fused import Plan, write_fused
from sonoscope.writing import copy_folder, place_beside

VERSION = "1.30.0"
RUNTIME = Remote(
    f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",
    f"onnxruntime-web-{VERSION}.tgz",
    "runtime",
    bytes=33_106_585,
    checksum="sha256:d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
)
#: Of its files, those that run a graph on a processor.
NEEDED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
PAGE = Path(sonoscope.__file__).parent / "service" / "page"
#: What the page may do: nothing from elsewhere; WebAssembly, which a service's page does without.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' blob:"
)


def runtime_folder(given: Path | None, *, say: Say, progress: Progress) -> Path:
    """The folder with :data:`NEEDED`: the one given, or in the cache, where it is fetched to if it is not there.

    Parameters
    ----------
    given : Path, optional
        What ``npm install onnxruntime-web`` made: a project, its ``node_modules``, or the package itself.
    say, progress : functions
        As for ``data.download``.

    Raises
    ------
    UsageError
        If the files are not in the folder given.
    Stopped, Unavailable
        If the registry cannot be reached, or has something else.
    """
    if given is not None:
        inside = ("", "dist", "onnxruntime-web/dist", "node_modules/onnxruntime-web/dist")
        for folder in (given / name for name in inside):
            if all((folder / name).is_file() for name in NEEDED):
                return folder
        raise UsageError(
            f"--runtime {given}: {', '.join(NEEDED)} are not in it. Name the folder in which "
            f"`npm install onnxruntime-web@{VERSION}` was run"
        )
    home = cache.folder("onnxruntime-web", VERSION)
    if not all((home / name).is_file() for name in NEEDED):
        archive = home.parent / RUNTIME.name
        if not archive.is_file():
            say(f"onnxruntime-web {VERSION} (MIT), 32 MB from {RUNTIME.url}")
            advice = f"run `npm install onnxruntime-web@{VERSION}` somewhere and name that folder (--runtime)"
            download.download(RUNTIME, archive, advice=advice, say=say, progress=progress)
        home.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as packed:
            for name in NEEDED:
                member = packed.extractfile(f"package/dist/{name}")
                assert member is not None
                (home / f".{name}").write_bytes(member.read())
                (home / f".{name}").replace(home / name)
        archive.unlink()
    return home


def write_web(bundles: Sequence[Bundle], folder: Path, runtime: Path) -> dict[str, float]:
    """Write the page with its models into a new folder.

    Parameters
    ----------
    bundles : sequence of Bundle
    folder : Path
        Made; it may exist if it is empty.
    runtime : Path
        What :func:`runtime_folder` gave.

    Returns
    -------
    dict
        By model, the largest difference of a score between its graph and the pipeline.

    Raises
    ------
    UsageError
        If the folder holds something, or a model cannot be one graph.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--web {folder}: it is there already. Remove it, or name another folder")
    differences: dict[str, float] = {}
    with place_beside(folder) as made:
        copy_folder(PAGE, made)
        html = (made / "index.html").read_text(encoding="utf-8")
        alone = html.replace('<html lang="en">', '<html lang="en" data-service="browser">').replace(
            '<meta charset="utf-8">',
            f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        )
        (made / "index.html").write_text(alone, encoding="utf-8")
        (made / "ort").mkdir()
        for name in NEEDED:
            shutil.copyfile(runtime / name, made / "ort" / name)
        described = []
        for bundle in bundles:
            differences[bundle.name] = write_fused(bundle, made / f"{bundle.name}.onnx")
            described.append(described_for_web(bundle))
        text = json.dumps({"models": described}, ensure_ascii=False, indent=1)
        (made / "models.json").write_text(f"{text}\n", encoding="utf-8")
    return differences


def described_for_web(bundle: Bundle) -> dict[str, Any]:
    """A model as ``models.json`` has it: what ``js/alone.js`` and ``js/network.js`` need to know.

    ``before`` and ``after`` are how many samples an answer sees before its beginning and after its hop.
    """
    about: dict[str, Any] = {
        "name": bundle.name, "version": bundle.version, "task": bundle.task, "licence": bundle.licence,
        "file": f"{bundle.name}.onnx", "sample_rate": bundle.sample_rate,
    }  # fmt: skip
    if bundle.task == NOTES:
        feature = bundle.feature
        assert feature is not None
        hop = feature.hop_samples
        return about | {
            "hop": hop, "lowest": bundle.lowest, "rules": asdict(bundle.rules),
            "before": bundle.receptive_field * hop + feature.left_context,
            "after": bundle.look_ahead_frames * hop + feature.right_context,
            "labels": [{"id": label.id, "name": label.name, "kind": label.kind} for label in bundle.labels],
        }  # fmt: skip
    plan = Plan(bundle, bundle.hop_samples)
    slopes = [{"slope": slope, "offset": offset} for slope, offset in bundle.calibration.tolist()]
    labels = [
        {"id": label.id, "name": label.name, "kind": label.kind, "threshold": bundle.thresholds.get(label.id),
         "low_threshold": bundle.low_thresholds.get(label.id)}
        for label in bundle.labels
    ]  # fmt: skip
    return about | {
        "hop": plan.hop, "window": plan.window, "before": plan.left,
        "after": max(plan.reach - plan.left, plan.window) - plan.hop, "calibration": slopes, "labels": labels,
        "min_duration": bundle.min_duration_s, "max_gap": bundle.max_gap_s,
    }  # fmt: skip
