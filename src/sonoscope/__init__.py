"""sonoscope says what sounds in a recording, and when.

>>> import sonoscope
>>> result = sonoscope.load("instruments").analyze("song.mp4")     # doctest: +SKIP

The package is laid out along the path of the data: ``audio`` finds and decodes recordings, ``features``
turns samples into frames, ``windows`` says which frames belong together, ``models`` runs a bundle over them,
``scores`` and ``events`` decide, ``outputs`` writes. ``pipeline`` is that path as code, ``runs`` does it for
whole folders, ``api`` for one recording in Python: its names are here, and importing the package alone loads
nothing. ``evaluate`` judges arrays of scores (``evaluation.arrays``); ``train`` is the command of that name.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonoscope.api import Model, Result, analyze, load
    from sonoscope.evaluation.arrays import evaluate
    from sonoscope.training.start import train

__version__ = "0.1.0"

__all__ = ["Model", "Result", "__version__", "analyze", "evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in ("Model", "Result", "analyze", "load"):
        from sonoscope import api

        return getattr(api, name)
    if name == "evaluate":
        from sonoscope.evaluation import arrays

        return arrays.evaluate
    if name == "train":
        from sonoscope.training import start

        return start.train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING"})
