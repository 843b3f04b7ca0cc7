"""What is transcribed: real pianos, a sound font that no network was trained on, real notes in phrases, and no music.

Everything is drawn from seeds, and written once into a folder. What is rendered needs FluidSynth and TimGM6mb (the
package's `render` extra); what is recorded needs the folder of labelled recordings, with its `manifest.csv` and
`nc_maps`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sonoscope.audio import decode
from sonoscope.data.rendering import music, octaves, orchestra, render
from sonoscope.data.rendering.synth import Synth
from sonoscope.evaluation.notes import Notes

RATE = 44_100
#: Instruments of the sound font that are rendered, each alone.
INSTRUMENTS = (
    "piano", "acoustic_guitar", "electric_guitar", "organ", "violin", "cello", "flute", "clarinet", "saxophone",
    "trumpet", "voice", "bass", "harpsichord", "marimba",
)  # fmt: skip
#: Of these some programs sound octaves above or below their keys (`octaves`); what is asked for is what is heard.
MOVED = ("organ", "electric_guitar")
#: This one is asked for a second time by its keys.
BY_KEY = "organ"
STEM_S = PHRASE_S = 12.0
PIANOS, REAL, MIXED = "nc_maps: pianos", "real notes", "three at once"
NOISE, SPEECH = "noise", "speech"
#: One recording, and one speaker, of so many is left to those who fit rules (`fitting`), and never reported.
_FITTED, _FITTED_SPEAKERS = 4, 3
#: Shortest note of a phrase.
_SHORTEST_S = 0.12
_FADE_S = 0.02
#: In labels or names of recordings that hold more than one note, or one more than once.
_SEVERAL = ("section", "choir", "chord", "loop", "tremolo", "trill", "glissando")
#: A note that rises for longer has no clear beginning.
_RISE_S = 0.06


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound with its notes; ``keys`` are the notes as they were played, where they are heard in another octave."""

    group: str
    name: str
    path: Path
    notes: Notes
    keys: Notes | None = None


def _notes(rows: list[tuple[float, float, float]] | np.ndarray) -> Notes:
    """Rows of onset, offset and pitch as notes."""
    table = np.array(sorted(map(tuple, rows)), dtype=np.float64).reshape(-1, 3)
    return Notes(table[:, 0], table[:, 1], table[:, 2])


def told(recording: Recording) -> dict[str, Any]:
    """A recording as JSON."""
    held = {"group": recording.group, "name": recording.name, "path": str(recording.path.resolve())}
    notes = {"notes": recording.notes, "keys": recording.keys}
    return held | {
        key: [n.start_s.tolist(), n.end_s.tolist(), n.pitch.tolist()]
        for key, n in notes.items()
        if n is not None
    }


def restored(entry: dict[str, Any]) -> Recording:
    """The same again."""
    notes = {
        key: Notes(*(np.array(row, dtype=np.float64) for row in entry[key]))
        for key in ("notes", "keys")
        if key in entry
    }
    return Recording(entry["group"], entry["name"], Path(entry["path"]), **notes)


def pianos(data: Path) -> Iterator[Recording]:
    """The excerpts of MAPS; what sounds already when one begins has an onset of -1, so that nobody is asked for it."""
    for file in sorted((data / "nc_maps").glob("*.csv")):
        with open(file, newline="", encoding="utf-8") as opened:
            rows = [
                (-1.0 if row["sounding_at_start"] == "1" else float(row["onset_s"]), float(row["offset_s"]),
                 float(row["midi"]))
                for row in csv.DictReader(opened)
            ]  # fmt: skip
        yield Recording(PIANOS, file.stem, file.with_suffix(".ogg"), _notes(rows))


def _stem(synth: Synth, name: str, number: int) -> tuple[np.ndarray, Notes, Notes | None]:
    """A random piece of one instrument in a random room: samples, notes as heard, keys of organs."""
    instrument = orchestra.find(name)
    program = instrument.program_for(number)
    rng = np.random.default_rng((29, INSTRUMENTS.index(name), number))
    score = synth.grid(music.compose(instrument, rng, STEM_S, program=program))
    reverb, chorus, gain = render.draw_room(rng)
    samples = synth.render(score, program.number, reverb=reverb, chorus=chorus, gain=gain)
    played = [(note.onset_s, note.offset_s, float(note.pitch)) for note in music.sounding(score)]
    if name not in MOVED:
        return samples, _notes(played), None
    moved = {int(p): octaves.heard(synth, program.number, int(p)) for p in {row[2] for row in played}}
    heard = _notes([(a, b, p + moved[int(p)]) for a, b, p in played])
    return samples, heard, _notes(played) if name == BY_KEY else None


def rendered(folder: Path, each: int, mixtures: int, font: str) -> Iterator[Recording]:
    """``each`` pieces of every instrument of a font, and ``mixtures`` of three different ones, equally loud."""
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[tuple[str, int], tuple[np.ndarray, Notes]] = {}
    with Synth(font, RATE) as synth:
        for name in INSTRUMENTS:
            for number in range(each):
                samples, notes, keys = _stem(synth, name, number)
                kept[name, number] = samples, notes
                path = folder / f"{name}-{number:02d}.wav"
                if not path.is_file():
                    render.write_sound(path, samples, RATE)
                yield Recording(f"{font}: {name}", path.stem, path, notes, keys)
    for number in range(mixtures):
        rng = np.random.default_rng((31, number))
        names = [INSTRUMENTS[k] for k in rng.permutation(len(INSTRUMENTS))[:3]]
        parts = [kept[name, int(rng.integers(each))] for name in names]
        total = np.sum([samples / (np.sqrt(np.mean(samples**2)) + 1e-9) for samples, _ in parts], axis=0)
        path = folder / f"three-{number:02d}.wav"
        if not path.is_file():
            render.write_sound(path, (total * (0.5 / np.abs(total).max())).astype(np.float32), RATE)
        notes = _union([notes for _, notes in parts])
        yield Recording(f"{font}: {MIXED}", f"{path.stem} {'+'.join(names)}", path, notes)


def _union(parts: list[Notes]) -> Notes:
    """All notes; of those of one pitch that overlap, the first until the second begins (a pitch sounds once)."""
    rows = sorted((a, b, p) for n in parts for a, b, p in zip(n.start_s, n.end_s, n.pitch, strict=True))
    kept: list[list[float]] = []
    last: dict[float, int] = {}
    for a, b, p in rows:
        before = last.get(p)
        if before is not None and kept[before][1] > a:
            if a - kept[before][0] < 0.05:  # together: one note, as long as the longer
                kept[before][1] = max(kept[before][1], b)
                continue
            kept[before][1] = a
        last[p] = len(kept)
        kept.append([a, b, p])
    return _notes(np.array(kept))


def phrases(data: Path, folder: Path, each: int, *, fitting: bool = False) -> Iterator[Recording]:
    """Recorded single notes stitched to phrases: one voice, and every third phrase two.

    A note begins where its recording has last been 20 dB below its loudest 5 ms before it first comes within 10 dB of
    them: noises before it, of a finger or of breath, are not the note. Recordings in which that rise takes longer than
    60 ms are left out, as nobody can say when such notes begin. A note ends where it is faded out, while it is still
    within 25 dB of its loudest: where one that dies away by itself ends is nobody's to say either. Pitches are those of
    the manifest, where a measurement agrees. Every fourth recording of an instrument is for ``fitting`` only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pools: dict[str, list[tuple[Path, float]]] = defaultdict(list)
    with open(data / "manifest.csv", newline="", encoding="utf-8") as opened:
        for row in csv.DictReader(opened):
            words = row["labels"].split("|")
            several = any(word in text for text in [*words[1:], row["path"]] for word in _SEVERAL)
            if row["pitch_check"] == "agrees" and not several and row["source"] != "fluidr3_rendered":
                pools[words[0]].append((data / row["path"], float(row["pitch_midi"])))
    for name in sorted(pools):
        if len(pools[name]) < 15:
            continue
        pool = [one for k, one in enumerate(pools[name]) if (k % _FITTED == 0) is fitting]
        for number in range(each):
            rng = np.random.default_rng((38 if fitting else 37, *name.encode(), number))
            path = folder / f"{name}-{number:02d}.wav"
            samples, notes = _phrase(pool, rng, voices=2 if number % 3 == 2 else 1)
            if not path.is_file():
                render.write_sound(path, samples, RATE)
            yield Recording(f"{REAL}: {name}", path.stem, path, notes)


def _phrase(
    pool: list[tuple[Path, float]], rng: np.random.Generator, voices: int
) -> tuple[np.ndarray, Notes]:
    """Notes one after another, half of them legato, ``voices`` lines at once, on pitches of their own."""
    out = np.zeros(round(PHRASE_S * RATE), dtype=np.float32)
    rows: list[tuple[float, float, float]] = []
    for _ in range(voices):
        at = float(rng.uniform(0.1, 0.5))
        while at < PHRASE_S - 0.4:
            file, pitch = pool[int(rng.integers(len(pool)))]
            held = float(np.exp(rng.uniform(np.log(0.15), np.log(1.2))))
            note, begins, ends = _cut(file, min(held, PHRASE_S - at - 0.1))
            free = all(b < at or a > at + ends for a, b, p in rows if p == round(pitch))
            if note.size and free:
                first = round((at - begins) * RATE)
                skipped = max(-first, 0)
                span = slice(max(first, 0), min(first + note.size, out.size))
                gain = np.float32(10 ** (rng.uniform(-8, 0) / 20))
                out[span] += note[skipped : skipped + span.stop - span.start] * gain
                rows.append((at, at + ends - begins, float(round(pitch))))
            at += held if rng.random() < 0.5 else held + float(rng.uniform(0.05, 0.5))
    peak = float(np.abs(out).max())
    return (out * np.float32(0.7 / max(peak, 1e-9))), _notes(rows)


def _cut(file: Path, held_s: float) -> tuple[np.ndarray, float, float]:
    """A note as loud as others, with where it begins and ends (s); empty if it is too short, silent or slow."""
    samples, _ = decode.read(file, sample_rate=RATE)
    step = RATE // 200
    frames = samples[: samples.size // step * step].reshape(-1, step)
    level = (
        10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12) if len(frames) else np.zeros(0)
    )
    if not level.size or level.max() < -60:
        return np.zeros(0, np.float32), 0.0, 0.0
    loud_at = int(np.argmax(level > level.max() - 10))
    quiet = np.flatnonzero(level[:loud_at] < level.max() - 20)
    first = (int(quiet[-1]) + 1 if quiet.size else 0) * step
    if loud_at * step - first > _RISE_S * RATE:
        return np.zeros(0, np.float32), 0.0, 0.0
    audible = (int(np.flatnonzero(level > level.max() - 25)[-1]) + 1) * step
    last = min(first + round(held_s * RATE), first + (audible - first) * 4 // 5)
    if last - first < _SHORTEST_S * RATE:
        return np.zeros(0, np.float32), 0.0, 0.0
    begin = max(first - RATE // 50, 0)
    note = samples[begin : last + round(_FADE_S * RATE)].copy()
    fade = note.size - (last - begin)
    note[last - begin :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    loud = float(np.sqrt(np.mean(samples[first:last] ** 2)))
    return note * np.float32(0.1 / max(loud, 1e-6)), (first - begin) / RATE, (last - begin) / RATE


def unmusical(data: Path, folder: Path, *, fitting: bool = False) -> Iterator[Recording]:
    """What holds no notes: three colours of noise, a minute each, and spoken words of several people.

    For ``fitting`` there are those of other people, and no noise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nothing = _notes([])
    colours = (("white", 0.0), ("pink", -0.5), ("brown", -1.0))
    for number, (name, slope) in enumerate(() if fitting else colours):
        path = folder / f"noise-{name}.wav"
        if not path.is_file():
            spectrum = np.fft.rfft(np.random.default_rng((41, number)).standard_normal(60 * RATE))
            hz = np.maximum(np.fft.rfftfreq(60 * RATE, 1 / RATE), 20.0)
            noise = np.fft.irfft(spectrum * hz**slope)
            render.write_sound(path, (noise * (0.1 / noise.std())).astype(np.float32), RATE)
        yield Recording(NOISE, path.stem, path, nothing)
    clips = sorted((data / "fsdd_speech").rglob("*.ogg"))
    by_speaker: dict[str, list[Path]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.stem.split("_")[1]].append(clip)
    speakers = [one for k, one in enumerate(sorted(by_speaker)) if (k % _FITTED_SPEAKERS == 0) is fitting]
    for speaker in speakers:
        own = by_speaker[speaker]
        path = folder / f"speech-{speaker}.wav"
        if not path.is_file():
            gap = np.zeros(round(0.2 * 8000), dtype=np.float32)
            words = [part for clip in own for part in (decode.read(clip, sample_rate=8000)[0], gap)]
            render.write_sound(path, np.concatenate(words), 8000)
        yield Recording(SPEECH, path.stem, path, nothing)


def long_mixture(folder: Path, minutes: float) -> Path:
    """The mixtures of a folder one after another, as often as it takes, as one file there."""
    import soundfile

    path = folder / f"long-{minutes:g}.wav"
    if not path.is_file():
        parts = [soundfile.read(file, dtype="float32")[0] for file in sorted(folder.glob("three-*.wav"))]
        whole = np.concatenate(parts)
        render.write_sound(path, np.resize(whole, round(minutes * 60 * RATE)), RATE)
    return path


def again(recordings: list[Recording]) -> list[tuple[int, Recording]]:
    """Recordings that are counted a second time, with their numbers: all of a font's instruments, all real notes,
    and with the keys as truth those groups of which some are heard in another octave."""
    moved = {
        r.group for r in recordings if r.keys is not None and sorted(r.keys.pitch) != sorted(r.notes.pitch)
    }
    found = []
    for number, recording in enumerate(recordings):
        start, _, what = recording.group.partition(": ")
        if what not in ("", MIXED) and recording.group != PIANOS:
            found.append((number, replace(recording, group=f"{start}: all instruments")))
        if recording.group in moved and recording.keys is not None:
            found.append(
                (number, replace(recording, group=f"{recording.group}, by key", notes=recording.keys))
            )
    return found
