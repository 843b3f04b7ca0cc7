"""Features: samples to rows, written once for NumPy (inference) and torch (training).

A feature is a frozen dataclass of its parameters that keeps the protocol :class:`Feature` (``protocol.py``). It has
``sample_rate``, ``hop_samples``, ``left_context`` and ``right_context`` (in samples), ``n_bins``, ``parts``,
``silence``, ``shape(n)``, ``__call__(samples)`` for a whole signal, ``valid(samples)`` without padding, and
``stream()`` where ``streamable``. To add one: a file here and a line in ``FEATURES``; the contract tests find it.
docs/features.md has a table of them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sonoscope import signatures
from sonoscope.errors import UnknownName, UsageError, nearest
from sonoscope.features.channels import Channels
from sonoscope.features.chroma import Chroma
from sonoscope.features.cqt import Cqt
from sonoscope.features.fbank import Fbank
from sonoscope.features.hcqt import Hcqt
from sonoscope.features.hpss import Hpss
from sonoscope.features.joined import Joined
from sonoscope.features.logfreq import LogFreq
from sonoscope.features.logmel import LogMel
from sonoscope.features.mfcc import Mfcc
from sonoscope.features.morlet import Morlet
from sonoscope.features.multiband import Multiband
from sonoscope.features.notefreq import NoteFreq
from sonoscope.features.pcen import Pcen
from sonoscope.features.protocol import Feature, Framewise
from sonoscope.features.stft import Stft
from sonoscope.features.waveform import Waveform
from sonoscope.features.window_statistics import Statistics

__all__ = ["FEATURES", "Feature", "Framewise", "from_dict", "made", "to_dict"]

FEATURES: dict[str, type[Feature]] = {
    "logmel": LogMel,
    "stft": Stft,
    "multiband": Multiband,
    "mfcc": Mfcc,
    "chroma": Chroma,
    "logfreq": LogFreq,
    "cqt": Cqt,
    "hcqt": Hcqt,
    "notefreq": NoteFreq,
    "morlet": Morlet,
    "fbank": Fbank,
    "hpss": Hpss,
    "pcen": Pcen,
    "waveform": Waveform,
    "channels": Channels,
    "statistics": Statistics,
    "joined": Joined,
}


def from_dict(spec: Mapping[str, Any], *, files: bool = False) -> Feature:
    """The feature that :func:`to_dict` described, those inside it included.

    Parameters
    ----------
    spec : mapping
        ``name`` (a key of ``FEATURES``, or an entry point of an installed package) and parameters.
    files : bool
        Whether the name may be a program of the user's, ``my_feature.py:Name``, which is run. Not where a
        specification comes with a model: a model must not say what is run.

    Raises
    ------
    UnknownName
        If a feature or a parameter is unknown.
    UsageError
        If a value is not of the kind that a parameter is annotated with.
    """
    parameters = dict(spec)
    name = str(parameters.pop("name"))
    if not files and name.rpartition(":")[0].endswith(".py"):
        raise UnknownName(
            f"feature {name!r} is a program, and is not run from here: make it an entry point "
            "'sonoscope.features' of an installed package, or put its class into sonoscope.features.FEATURES"
        )
    if name not in FEATURES:
        from sonoscope import plugins

        kind = plugins.resolve(FEATURES, name, "feature")
        FEATURES.setdefault(kind.name, kind)  # so that what is made with it here finds it by its own name
        name = kind.name
    return made(FEATURES[name], parameters, files=files)


def made(kind: type[Feature], parameters: Mapping[str, Any], *, files: bool = False) -> Feature:
    """A feature from plain parameters, as JSON has them.

    Raises
    ------
    UnknownName
        For a parameter that it does not have.
    UsageError
        For a value that is not of the kind that the parameter is annotated with.
    """
    for key in parameters:
        if key not in kind.__dataclass_fields__:
            near, known = nearest(key, kind.__dataclass_fields__), ", ".join(kind.__dataclass_fields__)
            raise UnknownName(f"unknown parameter {key!r} of feature {kind.name!r}.{near} Known: {known}.")
    built = {key: _built(value, files) for key, value in parameters.items()}
    taken = signatures.parameters(kind)
    for key, value in built.items():
        problem = signatures.wrong(taken[key], value)
        if problem:
            raise UsageError(f"feature {kind.name!r}: {problem}")
    return kind(**built)


def _built(value: Any, files: bool) -> Any:
    """A parameter as a feature takes it: lists are tuples, and mappings with a name are features."""
    if isinstance(value, Mapping) and "name" in value:
        return from_dict(value, files=files)
    return tuple(_built(each, files) for each in value) if isinstance(value, list | tuple) else value


def to_dict(feature: Feature) -> dict[str, Any]:
    """Name and parameters, ready for JSON."""
    return {"name": feature.name, **_fields(feature)}


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(record, field.name)) for field in fields(record)}


def _plain(value: Any) -> Any:
    """What JSON can hold of a parameter."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Feature):
        return to_dict(value)
    return _fields(value) if is_dataclass(value) else value
