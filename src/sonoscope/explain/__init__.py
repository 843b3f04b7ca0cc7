"""Explanations: which seconds and which band spoke for a label.

``explainer.py`` goes from a recording to an :class:`Explanation` (``result.py``, drawn by ``picture.py``), ``notes.py``
does so for models of notes; ``views.py``
cuts what a model sees into cells that can be taken away; the methods are in the table. To add one: a file here and a
line in ``METHODS``; ``protocol.py`` says what it is given, and the contract tests find it. docs/explain.md describes
them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sonoscope.audio import arrays
from sonoscope.errors import UsageError, lookup
from sonoscope.explain.attention import Attention
from sonoscope.explain.explainer import Explainer, Sounding, Time, has_network
from sonoscope.explain.gradcam import GradCam
from sonoscope.explain.integrated import IntegratedGradients
from sonoscope.explain.notes import NoteExplainer
from sonoscope.explain.occlusion import Occlusion
from sonoscope.explain.protocol import Case, Found, Method
from sonoscope.explain.result import Explanation
from sonoscope.explain.rollout import Rollout
from sonoscope.explain.saliency import Saliency
from sonoscope.explain.views import BASELINES
from sonoscope.models.bundle import NOTES, Bundle
from sonoscope.models.runtime import Runtime
from sonoscope.plugins import check_parameters
from sonoscope.signatures import expect

__all__ = [
    "METHODS",
    "Case",
    "Explainer",
    "Explanation",
    "Found",
    "Method",
    "NoteExplainer",
    "Sounding",
    "explain",
    "explainer_of",
    "made",
]

#: Patches of occlusion along the pitches of a note model, where nobody says how many: partials lie closer than bands.
PITCH_PATCHES = 48
#: The best that a model and a machine have.
AUTO = "auto"

METHODS: dict[str, type[Method]] = {
    "integrated": IntegratedGradients,
    "gradcam": GradCam,
    "saliency": Saliency,
    "attention": Attention,
    "rollout": Rollout,
    "occlusion": Occlusion,
}


def made(bundle: Bundle, name: str = AUTO, settings: Mapping[str, Any] | None = None) -> Method:
    """The method of that name with settings as Python or a command line has them.

    ``auto`` is ``integrated`` where torch is installed and the network's weights lie beside the graph, else
    ``occlusion``.

    Raises
    ------
    UnknownName
        If there is no such method or setting.
    UsageError
        If a value is not of the setting's kind, or out of its range.
    """
    if name == AUTO:
        name = IntegratedGradients.name if has_network(bundle) else Occlusion.name
    kind, given = lookup(METHODS, name, "method"), dict(settings or {})
    if bundle.task == NOTES and kind is Occlusion:
        given.setdefault("along_frequency", PITCH_PATCHES)
    check_parameters(kind, given, f"method {name!r}")
    kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for key, value in given.items():
        try:
            values[key] = kinds[key](value)
        except ValueError:
            what = {int: "a whole number", float: "a number"}.get(kinds[key], "a word")
            raise UsageError(f"{key}={value!r} of the method {name!r} must be {what}") from None
    return kind(**values)


def explainer_of(
    bundle: Bundle, method: Method, *, baseline: str = BASELINES[0], runtime: Runtime | None = None
) -> Explainer | NoteExplainer:
    """What explains this model: its labels in windows, or its notes. Raises as these do."""
    if bundle.task == NOTES:
        return NoteExplainer(bundle, method, baseline=baseline, runtime=runtime)
    return Explainer(bundle, method, baseline=baseline, runtime=runtime)


def explain(
    recording: str | os.PathLike[str] | np.ndarray,
    bundle: Bundle,
    *,
    sample_rate: int | None = None,
    channel: int | None = None,
    label: str | None = None,
    time: Time = None,
    method: str = AUTO,
    baseline: str = BASELINES[0],
    runtime: Runtime | None = None,
    **settings: Any,
) -> Explanation:
    """Which seconds and which band of a recording spoke for a label.

    Parameters
    ----------
    recording : path or np.ndarray
        A sound or video file, or samples of shape (n,) or (n, channels) at ``sample_rate``, full scale 1.
    sample_rate : int
        Rate of an array, in Hz; a file knows its own.
    channel : int
        The channel to hear, from 1; default: the mean of all.
    bundle, runtime : Bundle, Runtime
        The model, and its graph if it is loaded already.
    label : str
        Default: the one that scores highest. Of a model of notes a pitch (``A4``: its onset, ``A4.sustain``).
    time : float or (float, float)
        A moment, or from when to when, in seconds; default: around where the label scores highest.
    method : str
        A key of ``METHODS``, or ``auto``: see :func:`made`.
    baseline : {"quiet", "mean", "silence"}
        What stands in the place of what is taken away: the quietest twentieth of the window, the mean of what the model
        learned from, or digital silence.
    **settings
        Parameters of the method.

    Raises
    ------
    UnknownName
        If there is no such label, method, baseline or setting.
    UsageError
        If the method cannot explain this model, a package that it needs is not installed, or the time is not in the
        recording.
    UnreadableAudio
        If the recording cannot be decoded.
    """
    # Here: ``api`` has this function as a method.
    from sonoscope import api

    expect(int | None, channel=channel)
    expect(float | tuple[float, float] | None, time=time)
    time = tuple(time) if isinstance(time, list) else time
    if isinstance(recording, np.ndarray):
        samples, rate = arrays.checked(recording, sample_rate)
        sounding = Sounding("array", samples=arrays.to_mono(samples, channel), sample_rate=rate)
    else:
        found = api.one_recording(arrays.path_of(recording, sample_rate))
        sounding = Sounding(found.name, found, channel=channel)
    explainer = explainer_of(bundle, made(bundle, method, settings), baseline=baseline, runtime=runtime)
    return explainer.explain(sounding, label=label, time=time)
