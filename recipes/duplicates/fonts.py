"""How much of one sound font is in another: whether a font that is reported on was trained on under another name.

    python recipes/duplicates/fonts.py TimGM6mb.sf2 sf_GMbank.sf2 FluidR3_GM.sf2 /usr/share/midi/freepats
    python recipes/duplicates/fonts.py FluidR3_GM.sf2 --recordings collection:DATA

Each font (an SF2 file, or a folder of GUS patches) after the first is compared with the first. A sample counts as
shared if nine tenths of its stretches of 64 differences between neighbours have the same signs as some stretch of the
other font's; gain does not matter, resampling and lossy coding hide what is shared (unpack an SF3 before). Stretches
in which a plain tone could be meant (fewer than 12 turns) are left out, and samples that have fewer than 50 others.

``--recordings`` compares the first font's samples with a data set's recordings instead, as `data split` looks for
near-duplicates (coded and resampled copies too): whether a library that is left out is in the font all the same.
"""

from __future__ import annotations

import argparse
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from sonoscope.data import duplicates, sources
from sonoscope.data.rows import Manifest, Row

#: Differences in a stretch, turns that it has at least, stretches that a sample has at least to be judged.
LENGTH, TURNS, STRETCHES = 64, 12, 50
SHARED = 0.9
#: Bytes of an SF2 sample header, and of the headers of a GUS patch (file, instrument, layer) and its samples.
SF2_HEADER, PATCH_HEADER, PATCH_SAMPLE = 46, 239, 96
PATCH_COUNT_AT = 198
#: Shorter samples (s) are waves, not sounds.
SHORTEST = 0.3


def samples_of(font: Path) -> list[tuple[str, np.ndarray, int]]:
    """Names, waveforms (int16) and rates (Hz) of all samples of a font."""
    if font.is_dir():
        return [found for file in sorted(font.rglob("*.pat")) for found in _of_patch(file)]
    data = font.read_bytes()
    chunks = dict(_chunks(data, 12, len(data)))
    (start, size), (headers, length) = chunks[b"smpl"], chunks[b"shdr"]
    wave = np.frombuffer(data, dtype="<i2", count=size // 2, offset=start)
    found = []
    for at in range(headers, headers + length - SF2_HEADER, SF2_HEADER):  # the last one ends the list
        name = data[at : at + 20].split(b"\0")[0].decode("latin-1")
        first, end, _, _, rate = struct.unpack_from("<5I", data, at + 20)
        found.append((name, wave[first:end], rate))
    return found


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Name, start and size of every chunk of a RIFF file, those within lists too."""
    while at < end - 8:
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"LIST":
            yield from _chunks(data, at + 12, at + 8 + size)
        else:
            yield name, (at + 8, size)
        at += 8 + size + size % 2


def _of_patch(file: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    data, at = file.read_bytes(), PATCH_HEADER
    for _ in range(data[PATCH_COUNT_AT]):
        size, rate = struct.unpack_from("<I8xH", data, at + 8)
        wide = data[at + 55] & 1
        at += PATCH_SAMPLE
        if wide:
            yield file.stem, np.frombuffer(data, dtype="<i2", count=size // 2, offset=at), rate
        at += size


def stretches(wave: np.ndarray) -> np.ndarray:
    """Each stretch's signs as one number, uint64, those with too few turns left out."""
    rising = np.diff(wave.astype(np.int32)) > 0
    if rising.size < LENGTH:
        return np.empty(0, dtype=np.uint64)
    number = np.zeros(rising.size - LENGTH + 1, dtype=np.uint64)
    for k in range(LENGTH):
        number |= rising[k : k + number.size].astype(np.uint64) << np.uint64(k)
    turns = np.concatenate([[0], np.cumsum(rising[1:] != rising[:-1])])
    return number[turns[LENGTH - 1 :] - turns[: number.size] >= TURNS]


def shared(font: list[np.ndarray], other: list[np.ndarray]) -> np.ndarray:
    """Of each sample of ``font`` (its stretches), the share that is somewhere in the other; NaN: too few to judge."""
    known = np.unique(np.concatenate(other))
    shares = []
    for own in (np.unique(sample) for sample in font):
        near = np.minimum(np.searchsorted(known, own), known.size - 1)
        shares.append(float((known[near] == own).mean()) if own.size >= STRETCHES else np.nan)
    return np.array(shares)


def in_recordings(font: Path, recordings: str) -> list[tuple[str, Row, float]]:
    """Samples of a font that are recordings of a data set: their names, the recordings' rows, how similar they are."""
    data = sources.load(recordings)
    theirs = [replace(row, path=_from_top(Path(data.root, row.path))) for row in data.rows]
    named = [held for held in samples_of(font) if held[1].size >= SHORTEST * held[2]]
    with tempfile.TemporaryDirectory() as folder:
        own = []
        for number, (_, wave, rate) in enumerate(named):
            file = Path(folder, f"{number}.wav")
            soundfile.write(file, wave, rate)
            own.append(Row(_from_top(file), duration_s=wave.size / rate))
        both = Manifest((*own, *theirs), Path("/"))
        apart = ["font"] * len(own) + ["recordings"] * len(theirs)
        pairs = duplicates.find(both, apart=apart)
    return [(named[pair.first][0], both.rows[pair.second], pair.similarity) for pair in pairs]


def _from_top(file: Path) -> str:
    """A path as a manifest of the whole disk has it."""
    return file.resolve().relative_to("/").as_posix()


def compare(font: Path, others: list[Path]) -> None:
    """Print how many samples of a font are in each of the others, and which."""
    named = samples_of(font)
    own = [stretches(wave) for _, wave, _ in named]
    for other in others:
        shares = shared(own, [stretches(wave) for _, wave, _ in samples_of(other)])
        same = [name for (name, *_), share in zip(named, shares, strict=True) if share >= SHARED]
        print(f"{other.name}: {len(same)} of {(~np.isnan(shares)).sum()} samples of {font.name}")
        print(f"  {', '.join(same)}" if same else "  none")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("font", type=Path, help="whose samples are looked for")
    parser.add_argument("others", type=Path, nargs="*", help="where")
    parser.add_argument("--recordings", metavar="DATA", help="where: a data set, as commands take it")
    arguments = parser.parse_args()
    compare(arguments.font, arguments.others)
    if arguments.recordings is not None:
        found = in_recordings(arguments.font, arguments.recordings)
        files = {row.path: row.group for _, row, _ in found}
        print(f"{arguments.recordings}: {len(files)} recordings hold a sample of {arguments.font.name}")
        for group, count in Counter(files.values()).most_common():
            print(f"  {group}: {count}")
        for name, row, similarity in found:
            print(f"  {name}: /{row.path} ({similarity:.2f})")


if __name__ == "__main__":
    main()
