"""``sonoscope explain INPUT…``: which seconds and which band spoke for a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonoscope.cli.parameters import pair
from sonoscope.cli.telling import say
from sonoscope.cli.words import listed, number
from sonoscope.errors import UsageError, one_of
from sonoscope.writing import check_place

if TYPE_CHECKING:
    from sonoscope.explain import Explanation
    from sonoscope.models.bundle import Bundle
    from sonoscope.values import Recording

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT…", show_default=False, help="Files, folders, patterns or archives."),
]
ModelName = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="A name, a bundle's folder, a training RUN or RUN@last, or a checkpoint in one.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "-l",
        "--label",
        metavar="LABEL",
        show_default=False,
        help="Default: the one that scores highest. Of a model of notes: A4 (its onset), A4.sustain.",
    ),
]
Moment = Annotated[
    str | None,
    typer.Option(
        metavar="S|S-S",
        show_default=False,
        help="A moment, or from when to when, in seconds (default: around where the label scores highest).",
    ),
]
MethodName = Annotated[
    str,
    typer.Option(
        metavar="NAME,…",
        help="Methods (see --list); auto: integrated, or occlusion where torch or the weights are missing.",
    ),
]
Baseline = Annotated[
    str,
    typer.Option(metavar="NAME", help="What stands where something is taken away: quiet, mean or silence."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        show_default=False,
        help="A parameter of the method; may be repeated.",
    ),
]
Channel = Annotated[
    int | None,
    typer.Option(metavar="N", show_default=False, help="The channel to hear, from 1 (default: their mean)."),
]
Out = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--out",
        metavar="FOLDER|FILE",
        show_default=False,
        help="A folder for files of each, or for one explanation a file: .png, .svg, .npz, .csv, .json, .wav.",
    ),
]
Format = Annotated[
    str,
    typer.Option("--format", metavar="NAME,…", help="What a folder gets: png, svg, npz, csv, json."),
]
Audio = Annotated[bool, typer.Option("--audio", help="Also write the sound under the map, as WAV.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
List = Annotated[bool, typer.Option("--list", help="List the methods and stop.")]

FORMATS = ("png", "svg", "npz", "csv", "json")


def explain(
    inputs: Inputs = None,
    model: ModelName = "instruments",
    label: Label = None,
    time: Moment = None,
    method: MethodName = "auto",
    baseline: Baseline = "quiet",
    settings: Set = None,
    channel: Channel = None,
    out: Out = None,
    formats: Format = "png,npz,json",
    audio: Audio = False,
    overwrite: Overwrite = False,
    list_methods: List = False,
) -> int:
    """Which seconds and which band of a recording spoke for a label: a map over its spectrogram, seen and heard."""
    from sonoscope.audio import find
    from sonoscope.cli.embed import each
    from sonoscope.explain import METHODS, NoteExplainer, Sounding, explainer_of, made
    from sonoscope.models.bundle import NOTES

    if list_methods:
        for name, kind in METHODS.items():
            print(f"{name:<12}{'' if kind.network else '(no torch) '}{kind.reads}")
        return 0
    if not inputs:
        raise UsageError("name a recording, or a folder of them")
    found, when = find.find(inputs), _time(time)
    target = _Target(out, formats, audio, overwrite)
    parameters = dict(map(pair, settings or ()))
    bundle = _bundle(model)
    if label is not None and bundle.task != NOTES:
        one_of(bundle.label_ids, label, "label")
    explainers = [
        explainer_of(bundle, made(bundle, name, parameters), baseline=baseline)
        for name in dict.fromkeys(listed(method))
    ]
    for explainer in explainers:
        if isinstance(explainer, NoteExplainer):
            explainer.asked(label)
    target.check(len(explainers))

    def take(recording: Recording) -> None:
        for explainer in explainers:
            explanation = explainer.explain(
                Sounding(recording.name, recording, channel=channel), label=label, time=when
            )
            print("\n".join(told(explanation)), flush=True)
            target.write(recording.name, explanation)

    done, failed = each(found, take)
    if done and out is None:
        say(_hint(inputs))
    return 1 if failed else 0


def told(explanation: Explanation) -> list[str]:
    """An explanation in a few lines."""
    import sys

    from sonoscope.cli.display import Screen, printable

    screen = Screen.of(sys.stdout)
    summary = explanation.summary()
    name = screen.paint(printable(explanation.file), "bold")
    lines = [
        f"{name}  {explanation.label} {explanation.score:.2f}"
        f"{'' if explanation.moment is None else f' at {explanation.moment:.2f} s'}, {explanation.start:.2f} to "
        f"{explanation.end:.2f} s, by {explanation.method}"
    ]
    if summary["seconds"] is None:
        return [*lines, "  nothing here speaks for it", ""]
    begin, end = summary["seconds"]
    band = "" if summary["hz"] is None else ", {:.0f} to {:.0f} Hz".format(*summary["hz"])
    lines.append(f"  half of what speaks for it: {begin:.2f} to {end:.2f} s{band}")
    lines.append(
        f"  logit {explanation.logit:.2f}; without the most important tenth {explanation.removed['important']:.2f}, "
        f"without another tenth {explanation.removed['random']:.2f}"
    )
    for octave in summary["octaves"]:
        share = octave["share"]
        bar = screen.bar(share, 30)
        lines.append(f"  {octave['low']:>7.0f} to {octave['high']:>5.0f} Hz {share:>5.0%}  {bar}".rstrip())
    return [*lines, ""]


class _Target:
    """Where files go, as the words say."""

    def __init__(self, out: str | None, formats: str, audio: bool, overwrite: bool) -> None:
        self._out, self._overwrite = out, overwrite
        wished = listed(formats)
        for part in wished:
            one_of(FORMATS, part, "format")
        self._endings = [f".{part}" for part in wished] + ([".wav"] if audio else [])
        self._one = (
            out is not None and bool(Path(out).suffix) and not out.endswith("/") and not Path(out).is_dir()
        )
        self._audio, self._written = audio, 0

    def check(self, methods: int) -> None:
        """Refuse what cannot be meant before any work."""
        from sonoscope.errors import optional
        from sonoscope.explain.result import ENDINGS

        if self._out is None:
            if self._audio:
                raise UsageError("--audio writes files: name where, -o FOLDER")
            return
        endings = self._endings
        if self._one:
            path = Path(self._out)
            one_of(ENDINGS, path.suffix.lower(), "ending")
            if methods > 1:
                raise UsageError(f"{self._out} is one file, and there are {methods} methods: name a folder")
            if not path.parent.is_dir():
                raise UsageError(f"{path}: there is no folder {str(path.parent)!r}. Make it first.")
            endings = [path.suffix.lower()]
            self._may(path)
        check_place(Path(self._out))
        if {".png", ".svg"} & set(endings):
            optional("matplotlib", "eval", "the picture of an explanation")

    def write(self, name: str, explanation: Explanation) -> None:
        """The files of one explanation."""
        if self._out is None:
            return
        if self._one:
            if self._written:
                raise UsageError(f"{self._out} is one file, and there are several recordings: name a folder")
            paths = [Path(self._out), *([Path(self._out).with_suffix(".wav")] if self._audio else [])]
        else:
            stem = f"{name}.{explanation.label}.{explanation.method}"
            paths = [Path(self._out) / f"{stem}{ending}" for ending in self._endings]
        for path in dict.fromkeys(paths):
            self._may(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            explanation.write(path)
        self._written += 1

    def _may(self, path: Path) -> None:
        if path.exists() and not self._overwrite:
            raise UsageError(f"{path} exists: name another place, or say --overwrite")


def _bundle(word: str) -> Bundle:
    """A model, the bundle of a training, or of a checkpoint in one."""
    from sonoscope.evaluation import predictions
    from sonoscope.evaluation.predictions import BundleSource

    place = Path(word)
    if place.suffix == ".ckpt" and place.is_file():
        word = f"{place.parent}@last" if place.name == "last.ckpt" else str(place.parent)

    from sonoscope.training import start

    source = predictions.opened(word, export=start.exported)
    if not isinstance(source, BundleSource):
        raise UsageError(f"{word} is no model: explanations ask a model, not what it said")
    return source.bundle


def _time(text: str | None) -> float | tuple[float, float] | None:
    """``3.5`` or ``3-8``."""
    if text is None:
        return None
    begin, dash, end = text.partition("-")
    return (number(begin), number(end)) if dash and begin else number(text)


def _hint(inputs: list[str]) -> str:
    from sonoscope.cli.display import hint

    return hint(inputs, "explain", "map.png")
