"""How much of one sound font is in another: whether a font that is reported on was trained on under another name.

    python recipes/duplicates/fonts.py TimGM6mb.sf2 sf_GMbank.sf2 FluidR3_GM.sf2 /usr/share/midi/freepats

Each font (an SF2 file, or a folder of GUS patches) after the first is compared with the first. A sample counts as
shared if nine tenths of its stretches of 64 differences between neighbours have the same signs as some stretch of the
other font's; gain does not matter, resampling and lossy coding hide what is shared (unpack an SF3 before). Stretches
in which a plain tone could be meant (fewer than 12 turns) are left out, and samples that have fewer than 50 others.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: Differences in a stretch, turns that it has at least, stretches that a sample has at least to be judged.
LENGTH, TURNS, STRETCHES = 64, 12, 50
SHARED = 0.9
#: Bytes of an SF2 sample header, and of the headers of a GUS patch (file, instrument, layer) and its samples.
SF2_HEADER, PATCH_HEADER, PATCH_SAMPLE = 46, 239, 96
PATCH_COUNT_AT = 198


def samples_of(font: Path) -> list[tuple[str, np.ndarray]]:
    """Names and waveforms (int16) of all samples of a font."""
    if font.is_dir():
        return [found for file in sorted(font.rglob("*.pat")) for found in _of_patch(file)]
    data = font.read_bytes()
    chunks = dict(_chunks(data, 12, len(data)))
    (start, size), (headers, length) = chunks[b"smpl"], chunks[b"shdr"]
    wave = np.frombuffer(data, dtype="<i2", count=size // 2, offset=start)
    found = []
    for at in range(headers, headers + length - SF2_HEADER, SF2_HEADER):  # the last one ends the list
        name = data[at : at + 20].split(b"\0")[0].decode("latin-1")
        first, end = struct.unpack_from("<II", data, at + 20)
        found.append((name, wave[first:end]))
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


def _of_patch(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    data, at = file.read_bytes(), PATCH_HEADER
    for _ in range(data[PATCH_COUNT_AT]):
        size, wide = struct.unpack_from("<I", data, at + 8)[0], data[at + 55] & 1
        at += PATCH_SAMPLE
        if wide:
            yield file.stem, np.frombuffer(data, dtype="<i2", count=size // 2, offset=at)
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("font", type=Path, help="whose samples are looked for")
    parser.add_argument("others", type=Path, nargs="+", help="where")
    arguments = parser.parse_args()
    named = samples_of(arguments.font)
    own = [stretches(wave) for _, wave in named]
    for other in arguments.others:
        shares = shared(own, [stretches(wave) for _, wave in samples_of(other)])
        judged = ~np.isnan(shares)
        same = [name for (name, _), share in zip(named, shares, strict=True) if share >= SHARED]
        print(f"{other.name}: {len(same)} of {judged.sum()} samples of {arguments.font.name}")
        print(f"  {', '.join(same)}" if same else "  none")


if __name__ == "__main__":
    main()
