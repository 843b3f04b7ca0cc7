"""The recipe that looks for samples of one sound font in another."""

from __future__ import annotations

import importlib.util
import re
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import soxr

RECIPE = Path(__file__).parents[2] / "recipes" / "duplicates" / "fonts.py"


@pytest.fixture(scope="module")
def fonts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("duplicate_fonts", RECIPE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def sound_font(file: Path, samples: dict[str, np.ndarray]) -> Path:
    """An SF2 file of nothing but samples: their waveforms, 46 zeros after each, and their headers."""
    wave, headers, at = b"", b"", 0
    for name, data in samples.items():
        where = (at, at + data.size, at, at + data.size, 44_100)
        headers += struct.pack("<20sIIIIIBbHH", name.encode(), *where, 60, 0, 0, 1)
        wave += data.astype("<i2").tobytes() + b"\0" * 92
        at += data.size + 46
    headers += struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    lists = chunk(b"LIST", b"sdta" + chunk(b"smpl", wave)) + chunk(b"LIST", b"pdta" + chunk(b"shdr", headers))
    file.write_bytes(chunk(b"RIFF", b"sfbk" + lists))
    return file


def patch(file: Path, samples: list[np.ndarray]) -> Path:
    """A GUS patch: three headers of 239 bytes together, and of each sample its header and its waveform."""
    data = bytearray(239)
    data[198] = len(samples)
    for wave in samples:
        header = bytearray(96)
        header[8:12], header[20:22], header[55] = (
            struct.pack("<I", wave.size * 2),
            struct.pack("<H", 22_050),
            1,
        )
        data += header + wave.astype("<i2").tobytes()
    file.write_bytes(bytes(data))
    return file


def noise(seed: int, count: int = 3000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, count).astype(np.int16)


def test_samples_are_read_as_they_are(fonts: ModuleType, tmp_path: Path) -> None:
    made = {"a": noise(1), "b": noise(2, 777)}
    found = fonts.samples_of(sound_font(tmp_path / "one.sf2", made))
    assert [(name, rate) for name, _, rate in found] == [("a", 44_100), ("b", 44_100)]
    for (_, wave, _), given in zip(found, made.values(), strict=True):
        np.testing.assert_array_equal(wave, given)
    patch(tmp_path / "two.pat", [noise(3), noise(4, 500)])
    again = fonts.samples_of(tmp_path)
    assert [(name, rate) for name, _, rate in again] == [("two", 22_050), ("two", 22_050)]
    np.testing.assert_array_equal(again[1][1], noise(4, 500))


def test_a_sample_is_found_again_louder_cut_and_beside_others(
    fonts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 / 44_100 * np.arange(4000))).astype(np.int16)
    one = sound_font(tmp_path / "one.sf2", {"own": noise(1), "theirs": noise(2), "tone": tone})
    louder = (noise(2)[200:2900].astype(int) * 3).clip(-32768, 32767).astype(np.int16)
    two = sound_font(
        tmp_path / "two.sf2", {"other": noise(3), "copy": np.r_[noise(2)[:200], louder // 3, tone]}
    )
    monkeypatch.setattr("sys.argv", ["fonts.py", str(one), str(two)])
    fonts.main()
    # The tone is in both, but any tone is like any other: it is not judged.
    assert capsys.readouterr().out.splitlines() == ["two.sf2: 1 of 2 samples of one.sf2", "  theirs"]


def test_gain_does_not_hide_a_sample(fonts: ModuleType) -> None:
    own, other = noise(5), (noise(5).astype(int) * 2).astype(np.int32)
    assert fonts.shared([fonts.stretches(own)], [fonts.stretches(other)])[0] == 1.0
    assert fonts.shared([fonts.stretches(own)], [fonts.stretches(noise(6))])[0] == 0.0


def test_a_recording_that_is_in_a_font_is_found_coded_and_at_another_rate(
    fonts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Plucked strings, one after the other: there must be peaks that come and go.
    rng, wave = np.random.default_rng(7), np.zeros(3 * 44_100)
    for start in range(0, wave.size, 8820):
        times = np.arange(wave.size - start) / 44_100
        partials = [np.sin(2 * np.pi * k * rng.uniform(180, 500) * times) / k for k in range(1, 7)]
        wave[start:] += np.sum(partials, axis=0) * np.exp(-6 * times)
    wave = (8000 * wave / np.abs(wave).max()).astype(np.int16)
    one = sound_font(tmp_path / "one.sf2", {"short": noise(1), "theirs": wave})
    copy = soxr.resample(wave[4000:] / 60_000, 44_100, 22_050)
    for name, samples in (("copy", copy), ("other", noise(2, 60_000) / 60_000)):
        (tmp_path / "heard" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "heard" / name / f"{name}.ogg", samples, 22_050)
    monkeypatch.setattr("sys.argv", ["fonts.py", str(one), "--recordings", str(tmp_path / "heard")])
    fonts.main()
    lines = capsys.readouterr().out.splitlines()
    assert "1 recordings hold a sample of one.sf2" in lines[0]
    assert len(lines) == 3
    assert re.fullmatch(r"  theirs: .*copy\.ogg \((0\.9\d|1\.00)\)", lines[-1])
