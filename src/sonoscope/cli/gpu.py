"""Getting ready for ``--on cuda``: the GPU proves itself before anything is written, and gets features to compute."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonoscope.models.bundle import Bundle
    from sonoscope.runs.spec import RunSpec

#: What writes a model as one graph, features and all.
WRITERS = ("torch", "onnx", "onnxscript")


def ready(spec: RunSpec, *, quiet: bool) -> None:
    """Find a GPU for each model of a run on one, and make what it needs; says on stderr what was found.

    Raises
    ------
    UsageError
        If there is none: what was looked for, and what to install.
    """
    from sonoscope import models
    from sonoscope.cli.telling import say
    from sonoscope.models import devices
    from sonoscope.models.bundle import NOTES
    from sonoscope.runs.cores import default_workers
    from sonoscope.windows import in_samples

    if spec.on != devices.CUDA:
        return
    for name in spec.models:
        bundle = models.load(name)
        found = devices.gpu(bundle)
        if not quiet:
            say(f"{bundle.name}: {found.engine}, agrees with the CPU to {found.difference:.1e}")
        if bundle.task == NOTES:
            continue
        hop = bundle.hop_samples
        if spec.hop_s is not None:
            hop = in_samples(spec.hop_s, bundle.sample_rate, bundle.window_samples)
        problem = fuse(bundle, hop)
        if problem and not quiet:
            say(f"{bundle.name}: features are computed on the CPU ({problem})")
    if len(gpus := devices.visible()) > 1 and not quiet:
        say(shared(len(gpus), spec.workers or default_workers()))


def shared(gpus: int, workers: int) -> str:
    """How several GPUs will be fed."""
    if workers < gpus:
        return (
            f"{workers} of {gpus} GPUs, one for each worker that decodes: --workers {gpus} or more feeds all"
        )
    return f"{gpus} GPUs, fed by {workers} workers that decode"


def fuse(bundle: Bundle, hop_samples: int) -> str:
    """Make the graph that computes features on the GPU too, unless it is in the cache; why not, or an empty text."""
    from sonoscope.errors import SonoscopeError
    from sonoscope.models.blocks import fused_file

    file = fused_file(bundle, hop_samples)
    if file.is_file():
        return ""
    absent = [package for package in WRITERS if find_spec(package) is None]
    if absent:
        return f"{', '.join(absent)} not installed: pip install 'sonoscope[train]'"
    from sonoscope.networks.fused import write_fused

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_fused(bundle, file, hop_samples=hop_samples, padded=False)
    except (SonoscopeError, OSError) as error:
        return str(error)
    return ""
