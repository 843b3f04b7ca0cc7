"""``sonoscope models check``: whether a bundle is whole, and does what it says."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sonoscope.errors import BadBundle, NoNumbers, SonoscopeError, count

if TYPE_CHECKING:
    import numpy as np

    from sonoscope.models.bundle import Bundle

#: The task whose models have no windows.
NOTES = "notes"
#: Largest difference between a window's logits within a recording and alone, where windows share the trunk: both are
#: exact but for the order of sums.
SHARED = 1e-3
#: Largest difference between the graph and the network with the weights beside it, which are kept in half precision,
#: as a share of the largest answer.
HALF = 0.02


class NotCompared(Exception):
    """A check that cannot be made here, and why; the bundle may be whole."""


def check_command(
    path: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="The folder of a bundle, or a model by name.")
    ],
) -> int:
    """Check that a bundle is whole, and does what it says.

    Its description, the checksums of its files, the graph's inputs and outputs, a run on noise and silence, the same
    sound in pieces and as a whole, and the weights beside the graph against it. Exit code 2 if a check fails.
    """
    from sonoscope import models
    from sonoscope.cli import display

    try:
        bundle = models.load(path, labels=False)
    except SonoscopeError as error:
        display.complain(str(error))
        return 2
    print(f"ok    description: schema {bundle.spec['schema']}, {count(len(bundle.labels), 'label')}")
    failures = 0
    for name, check in CHECKS.items():
        try:
            print(f"ok    {name}: {check(bundle)}", flush=True)
        except NotCompared as reason:
            print(f"--    {name}: {reason}")
        except SonoscopeError as error:
            failures += 1
            print(f"BAD   {name}: {error}")
    print(f"{bundle.name}: " + ("whole" if not failures else f"{count(failures, 'check')} failed"))
    return 2 if failures else 0


def checksums(bundle: Bundle) -> str:
    """Every file is there and is the one that is described."""
    from sonoscope.models.bundle import sha256_of

    stated = bundle.spec["checksums"]
    for name, digest in stated.items():
        file = bundle.path / name
        if not file.is_file():
            raise BadBundle(f"{file} is missing: fetch the bundle again")
        if sha256_of(file) != digest:
            raise BadBundle(f"{file} is not the file that bundle.json describes: fetch the bundle again")
    return ", ".join(stated)


def graph(bundle: Bundle) -> str:
    """The graph loads; its inputs and outputs have the names, axes and widths that are stated."""
    from sonoscope.models.devices import cpu_session, example
    from sonoscope.models.runtime import Runtime

    Runtime(bundle)
    session, told = cpu_session(bundle.graph), []
    rows = next(iter(example(bundle)))
    widths = {"label": len(bundle.labels), "dimension": bundle.embedding_size}
    stated = bundle.spec["outputs"]
    tables = session.run([entry["name"] for entry in stated.values()], {bundle.spec["input"]["name"]: rows})
    for (kind, entry), table in zip(stated.items(), tables, strict=True):
        axes = entry.get("axes", ())
        wrong = len(axes) != table.ndim or any(
            table.shape[k] != widths[axis] for k, axis in enumerate(axes) if axis in widths
        )
        if axes and wrong:
            raise BadBundle(
                f"the output {entry['name']} ({kind}) has shape {table.shape}, and bundle.json says "
                f"{', '.join(axes)} with {widths['label']} labels: export the bundle again"
            )
        told.append(entry["name"])
    return f"{bundle.spec['input']['name']} to {', '.join(told)}"


def noise(bundle: Bundle) -> str:
    """Scores of noise and silence are finite, and the same twice."""
    import numpy as np

    samples = _noise(bundle)
    tables = _scored(bundle, [samples])
    for name, values in (("noise", tables), ("silence", _scored(bundle, [np.zeros_like(samples)]))):
        if not all(np.isfinite(table).all() for table in values):
            raise BadBundle(f"scores of {name} are not finite: export the bundle again")
        if bundle.task == NOTES and not all(t.min() >= 0.0 and t.max() <= 1.0 for t in values):
            raise BadBundle(f"scores of {name} are no probabilities: export the bundle again")
    again = _scored(bundle, [samples])
    if not all(np.array_equal(a, b) for a, b in zip(tables, again, strict=True)):
        raise BadBundle("the same noise scored twice gives other numbers")
    if bundle.task == NOTES:
        return f"{len(tables[0])} frames, {tables[0].shape[1]} pitches"
    return f"{len(tables[0])} windows, {tables[0].shape[1]} labels, embeddings of {tables[1].shape[1]}"


def streamed(bundle: Bundle) -> str:
    """In pieces of odd lengths the sound gives what it gives as a whole; windows alone, what they give in it."""
    import numpy as np

    samples = _noise(bundle)
    cuts = np.cumsum(np.random.default_rng(1).integers(1, bundle.sample_rate // 3, 40))
    pieces = [piece for piece in np.split(samples, cuts[cuts < samples.size]) if piece.size]
    whole, in_pieces = _scored(bundle, [samples]), _scored(bundle, pieces)
    if not all(np.array_equal(a, b) for a, b in zip(whole, in_pieces, strict=True)):
        raise BadBundle("sound in pieces gives other scores than as a whole")
    told = f"{len(pieces)} pieces give the same bits as the whole"
    if bundle.task == NOTES or not bundle.poolable:
        return told
    difference = _apart(bundle, samples)
    if not difference <= SHARED:
        raise BadBundle(
            f"windows alone differ by {difference:.1e} from those of a recording (limit {SHARED:.0e}): the graph is "
            "not valid in time, and bundle.json says that it is (poolable)"
        )
    return f"{told}; windows alone differ by {difference:.1e}"


def weights(bundle: Bundle) -> str:
    """The network with the weights beside the graph answers as the graph."""
    file, config = bundle.path / "model.safetensors", bundle.spec.get("network")
    if not file.is_file() or config is None:
        raise NotCompared("the bundle has none beside its graph")
    absent = [package for package in ("torch", "safetensors") if find_spec(package) is None]
    if absent:
        raise NotCompared(f"not compared, {', '.join(absent)} not installed (pip install 'sonoscope[train]')")
    from sonoscope.networks.beside import largest_share

    share = largest_share(bundle)
    if not share <= HALF:
        raise BadBundle(
            f"{file} is not what the graph was made of: answers differ by {share:.1%} of the largest "
            f"(limit {HALF:.0%}): fetch or export the bundle again"
        )
    return f"in half precision, answers within {share:.2%} of the graph's"


def _noise(bundle: Bundle) -> np.ndarray:
    """Two and a half windows, or as many seconds, of noise that swells."""
    import numpy as np

    n = bundle.sample_rate if bundle.task == NOTES else bundle.window_samples
    swell = np.abs(np.sin(np.arange(2 * n + n // 2) * 4.0 / n))
    return (0.2 * swell * np.random.default_rng(0).standard_normal(swell.size)).astype(np.float32)


def _scored(bundle: Bundle, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """Logits and embeddings of windows that do not overlap, or the tables of notes, of sound that comes in pieces."""
    try:
        return _answers(bundle, pieces)
    except NoNumbers as error:
        raise BadBundle(f"{error.reason}: fetch or export the bundle again") from None


def _answers(bundle: Bundle, pieces: list[np.ndarray]) -> list[np.ndarray]:
    import numpy as np

    from sonoscope.models.notes import NoteScorer
    from sonoscope.models.runtime import Runtime
    from sonoscope.notes.scores import concatenate

    runtime = Runtime(bundle)
    if bundle.task == NOTES:
        notes = NoteScorer(runtime)
        blocks = [block for piece in pieces for block in notes.push(piece)]
        return list(concatenate([*blocks, *notes.close()]).tables().values())
    scorer = runtime.scorer(bundle.window_samples, embeddings=bundle.embedding_size > 0)
    found = [*(scorer.push(piece) for piece in pieces), scorer.close()]
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def _apart(bundle: Bundle, samples: np.ndarray) -> float:
    """Largest difference between windows that share the trunk and windows alone: of logits, or of embeddings."""
    import copy

    import numpy as np

    from sonoscope.models.bundle import Bundle as Opened
    from sonoscope.models.runtime import Runtime

    assert bundle.feature is not None
    hop = bundle.feature.hop_samples * bundle.trunk_stride
    alone = Opened(bundle.path, {**copy.copy(bundle.spec), "poolable": False})
    tables: list[Any] = []
    which = 0 if bundle.labels else 1
    for each in (bundle, alone):
        scorer = Runtime(each).scorer(hop, embeddings=which == 1)
        tables.append(np.concatenate([scorer.push(samples)[which], scorer.close()[which]]))
    return float(np.abs(tables[0] - tables[1]).max())


CHECKS: dict[str, Callable[[Bundle], str]] = {
    "checksums": checksums,
    "graph": graph,
    "noise": noise,
    "streamed": streamed,
    "weights": weights,
}
