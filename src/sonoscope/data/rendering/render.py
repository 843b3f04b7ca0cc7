"""A bank of rendered stems: one instrument each, with its label and its notes.

``render_stems(out, soundfont=..., counts=...)`` composes, plays and writes::

    out/render.json                                what was asked for: a folder holds one bank
    out/manifest.csv                               a row per stem: the columns every manifest has, and four more
    out/violin/violin-p040-00000.flac              mono, 16 bit, as loud as rendered, never clipped
    out/violin/violin-p040-00000.notes.csv         onset,offset,pitch,velocity,label,score

The same seed gives the same bytes. Stems that exist are not rendered again, so an interrupted bank is
finished by the same call, and a bank grows when larger counts are asked for. No two stems of a bank share a
bar (:func:`sonoscope.data.rendering.music.bars`).
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from sonoscope import labels
from sonoscope.data.rendering import music, orchestra
from sonoscope.data.rendering.music import Score
from sonoscope.data.rendering.orchestra import Instrument, Program
from sonoscope.data.rendering.synth import KNOWN_FONTS, Chorus, Reverb, Synth
from sonoscope.errors import RunRefused, SonoscopeError, UsageError, lookup
from sonoscope.writing import put

#: Columns of a manifest (conventions: manifest), then what only rendered stems have.
MANIFEST_COLUMNS = (
    "path", "start_s", "duration_s", "labels", "absent", "unknown", "group", "split", "source", "licence",
    "site", "recorder", "start_datetime", "annotation", "instrument", "program", "soundfont", "seed",
)  # fmt: skip
NOTE_COLUMNS = ("onset", "offset", "pitch", "velocity", "label", "score")

#: Stems are rendered in memory, one at a time.
MAX_DURATION_S = 3600
#: A stem that would be louder is turned down to this peak.
PEAK = 0.97
#: A stem whose peak is under this (-60 dB) is silent.
_SILENT = 1e-3
#: Another piece is composed when one shares a bar with an earlier stem, this often at most.
_TRIES = 20
#: File suffix to libsndfile's name of the format.
FORMATS = {"flac": "FLAC", "wav": "WAV"}

#: Stems of each instrument by default, relative to ``per_class``: more for what varies more. With 130 per
#: class these are 180, 200, 160, 140 and 90, and 12 for each program labelled ``other``.
_SHARES = {"piano": 18 / 13, "electric_guitar": 20 / 13, "organ": 16 / 13, "drums": 14 / 13, "bass": 9 / 13}
_OTHER_SHARE = 1.2 / 13


@dataclass(frozen=True)
class Stem:
    """One stem of the plan. ``seed`` alone decides what is played and how it sounds."""

    instrument: Instrument
    program: Program
    index: int
    seed: int

    @property
    def name(self) -> str:
        """Path without suffix, relative to the bank."""
        return f"{self.instrument.name}/{self.instrument.name}-p{self.program.number:03d}-{self.index:05d}"


def default_counts(per_class: int, instruments: list[str] | None = None) -> dict[str, int]:
    """How many stems of each instrument make a balanced bank.

    ``per_class`` for each named class (more for piano, electric guitar, organ and drums), a tenth of it for
    each program labelled ``other``. ``instruments`` limits it to those names. Raises ``UnknownName``.
    """
    if per_class < 1:
        raise UsageError(f"per_class={per_class} must be at least 1")
    chosen = orchestra.ORCHESTRA.values() if instruments is None else map(orchestra.find, instruments)
    counts = {}
    for instrument in chosen:
        share = _SHARES.get(instrument.name, 1.0)
        if instrument.label == "other":
            share = _OTHER_SHARE * len(instrument.programs)
        counts[instrument.name] = max(1, round(per_class * share))
    return counts


def plan(
    counts: Mapping[str, int],
    soundfont: str,
    seed: int,
    fitted: Callable[[Instrument], Instrument] = lambda instrument: instrument,
) -> list[Stem]:
    """Every stem of a bank in the order of rendering. A larger count adds stems and leaves the others as they
    are. ``fitted`` leaves an instrument the programs that the font has (:meth:`Synth.fitted`).

    Raises
    ------
    UnknownName
        If a key of ``counts`` is no instrument.
    UsageError
        If a count is negative, or the font has nothing for an instrument.
    """
    check_counts(counts)
    stems = []
    for name, count in counts.items():
        if not count:
            continue
        instrument = fitted(orchestra.find(name))
        keys = (seed, zlib.crc32(soundfont.encode()), zlib.crc32(name.encode()))
        for index in range(count):
            own = int(np.random.SeedSequence((*keys, index)).generate_state(1)[0])
            stems.append(Stem(instrument, instrument.program_for(index), index, own))
    return stems


def render_stems(
    out: str | Path,
    *,
    soundfont: str | Path,
    counts: Mapping[str, int],
    duration_s: float = 11.0,
    seed: int = 0,
    sample_rate: int = 24_000,
    format: str = "flac",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a bank of stems into the folder ``out``.

    Parameters
    ----------
    out : path
        Made if absent. If it holds a bank it must be the same one (font, seed, duration, rate, format).
    soundfont : str or Path
        A known name (``fluidr3``, ``musescore``, ...) or an .sf2 or .sf3 file.
    counts : mapping of instrument name to number of stems
        See :func:`default_counts`. Stems of an earlier call stay, and stay in the manifest.
    duration_s : float
        Length of every stem, 1 s to an hour.
    seed : int
        Not negative.
    sample_rate : int
        8000 to 96000 Hz.
    format : str
        ``flac`` or ``wav``, 16 bit.
    progress : callable, optional
        Called with (stems done, stems in all).

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    UsageError
        For a value out of range, an unknown instrument or format.
    NoSynthesizer
        If FluidSynth or the font is absent.
    RunRefused
        If ``out`` holds another bank.
    """
    out = Path(out)
    check(duration_s, seed, format)
    check_counts(counts)
    with Synth(soundfont, sample_rate) as synth:
        plan(
            counts, synth.name, seed, synth.fitted
        )  # what the font has not is refused before anything is written
        settings = {"soundfont": synth.name, "duration_s": float(duration_s), "seed": seed,
                    "sample_rate": sample_rate, "format": format}  # fmt: skip
        wanted = merge_settings(out, settings, counts)
        stems = plan(wanted, synth.name, seed, synth.fitted)
        rows = []
        for done, (stem, stem_seed, score) in enumerate(_composed(stems, duration_s), start=1):
            if not _exists(out, stem, format):
                _write_stem(out, stem, stem_seed, synth.grid(score), synth, format)
            rows.append(_row(out, stem, stem_seed, synth.name, duration_s, format))
            if progress is not None:
                progress(done, len(stems))
    manifest = out / "manifest.csv"
    write_csv(manifest, MANIFEST_COLUMNS, rows)
    return manifest


def check(duration_s: float, seed: int, format: str) -> None:
    """Raise ``UsageError`` for a duration, seed or format that cannot be rendered."""
    lookup(FORMATS, format, "format")
    if not 1.0 <= duration_s <= MAX_DURATION_S:
        raise UsageError(f"duration_s={duration_s} must lie in 1..{MAX_DURATION_S} seconds")
    if seed < 0:
        raise UsageError(f"seed={seed} must not be negative")


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise ``UnknownName`` for what is no instrument, ``UsageError`` for a negative count."""
    for name, count in counts.items():
        orchestra.find(name)
        if count < 0:
            raise UsageError(f"counts[{name!r}]={count} must not be negative")


def merge_settings(out: Path, settings: dict, counts: Mapping[str, int]) -> dict[str, int]:
    """Check the folder's ``render.json`` against what is asked for; keep and return the larger of both
    counts.

    Raises ``RunRefused`` if the folder was rendered with other settings.
    """
    file = out / "render.json"
    wanted = dict(counts)
    if file.is_file():
        held = json.loads(file.read_text())
        differ = [
            f"{key}: {held.get(key)} there, {value} now"
            for key, value in settings.items()
            if held.get(key) != value
        ]
        if differ:
            raise RunRefused(
                f"{out} holds another bank ({'; '.join(differ)}). Give another folder, or the same values"
            )
        wanted = {
            name: max(held["counts"].get(name, 0), wanted.get(name, 0))
            for name in {**held["counts"], **wanted}
        }
    out.mkdir(parents=True, exist_ok=True)
    put(file, (json.dumps({**settings, "counts": wanted}, indent=1) + "\n").encode())
    return wanted


def _composed(stems: list[Stem], duration_s: float) -> Iterator[tuple[Stem, int, Score]]:
    """Each stem with the seed and the score that share no bar with any stem before it."""
    seen: set[str] = set()
    for stem in stems:
        for attempt in range(_TRIES):
            seed = (stem.seed + attempt) % 2**32
            score = music.compose(
                stem.instrument, np.random.default_rng(seed), duration_s, program=stem.program
            )
            bars = music.bars(score)
            if bars and seen.isdisjoint(bars):
                break
        else:
            raise SonoscopeError(
                f"{stem.name}: {_TRIES} pieces in a row share a bar with an earlier one; "
                f"ask for longer stems than duration_s={duration_s:g}, or fewer"
            )
        seen |= bars
        yield stem, seed, score


def draw_room(rng: np.random.Generator) -> tuple[Reverb | None, Chorus | None, float]:
    """Draw a room, a chorus (seldom) and a gain."""
    reverb = chorus = None
    if rng.random() < 0.75:
        reverb = Reverb(
            size=float(rng.uniform(0.1, 0.95)),
            damping=float(rng.uniform(0.0, 0.8)),
            width=float(rng.uniform(0, 100)),
            level=float(rng.uniform(0.1, 0.9)),
            send=int(rng.integers(20, 110)),
        )
    if rng.random() < 0.2:
        chorus = Chorus(
            voices=int(rng.integers(2, 5)),
            level=float(rng.uniform(0.5, 2.5)),
            speed_hz=float(rng.uniform(0.2, 1.5)),
            depth_ms=float(rng.uniform(2, 8)),
            send=int(rng.integers(20, 100)),
        )
    return reverb, chorus, float(np.exp(rng.uniform(np.log(0.4), np.log(1.6))))


def _write_stem(out: Path, stem: Stem, seed: int, score: Score, synth: Synth, format: str) -> None:
    """Play one stem and write its notes and then its sound, so that a sound that exists has its notes.

    A font may have no sample for the pitches of a stem: what cannot be heard gets no notes.
    """
    # A stream of its own: how a piece sounds does not depend on how many numbers were drawn to compose it.
    reverb, chorus, gain = draw_room(np.random.default_rng((seed, 1)))
    samples = synth.render(
        score, stem.program.number, stem.instrument.bank, reverb=reverb, chorus=chorus, gain=gain
    )
    (out / stem.name).parent.mkdir(parents=True, exist_ok=True)
    rows = note_rows(score, stem.instrument.label) if np.abs(samples).max() >= _SILENT else []
    write_csv(out / f"{stem.name}.notes.csv", NOTE_COLUMNS, rows)
    write_sound(out / f"{stem.name}.{format}", samples, synth.sample_rate)


def note_rows(score: Score, label: str) -> list[tuple]:
    """Rows of a note CSV: offsets are where the sound is released, the pedal counted in; the score is 1."""
    return [
        (f"{note.onset_s:.4f}", f"{note.offset_s:.4f}", note.pitch, note.velocity, label, 1)
        for note in music.sounding(score)
    ]


def _row(out: Path, stem: Stem, seed: int, font: str, duration_s: float, format: str) -> tuple:
    """The stem's row in the manifest. Everything that is not heard is known to be absent."""
    annotation = out / f"{stem.name}.notes.csv"
    heard = {row["label"] for row in read_csv(annotation)}
    licence = KNOWN_FONTS[font].licence if font in KNOWN_FONTS else ""
    values = {
        "path": f"{stem.name}.{format}",
        "start_s": 0,
        "duration_s": f"{duration_s:g}",
        **label_columns(heard),
        "group": f"{font}/{stem.program.number}" + ("/kit" if stem.instrument.is_kit else ""),
        "source": "rendered",
        "licence": licence,
        "annotation": f"{stem.name}.notes.csv",
        "instrument": stem.instrument.name,
        "program": stem.program.number,
        "soundfont": font,
        "seed": seed,
    }
    return tuple(values.get(column, "") for column in MANIFEST_COLUMNS)


def label_columns(heard: set[str]) -> dict[str, str]:
    """The manifest's ``labels`` and ``absent`` in the order of the label set."""
    ids = [label.id for label in labels.INSTRUMENTS]
    return {
        "labels": ";".join(i for i in ids if i in heard),
        "absent": ";".join(i for i in ids if i not in heard),
    }


def _exists(out: Path, stem: Stem, format: str) -> bool:
    return (out / f"{stem.name}.{format}").is_file() and (out / f"{stem.name}.notes.csv").is_file()


def read_csv(file: Path) -> list[dict[str, str]]:
    """The rows of a table by column name."""
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def write_csv(file: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    """Write a table, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    put(file, text.getvalue().encode())


def write_sound(file: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples, shape (n,), as 16 bit FLAC or WAV by suffix; above ``PEAK`` turned down."""
    peak = float(np.abs(samples).max(initial=0.0))
    sound = io.BytesIO()
    soundfile.write(
        sound,
        samples * np.float32(PEAK / peak) if peak > PEAK else samples,
        sample_rate,
        format=FORMATS[file.suffix.removeprefix(".")],
        subtype="PCM_16",
    )
    put(file, sound.getvalue())
