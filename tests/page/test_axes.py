"""Where things lie on the picture, and how they are written: the same numbers as everywhere in the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from sonoscope.features import logmel
from sonoscope.outputs import midi
from sonoscope.outputs.format import ReadOptions
from sonoscope.values import format_seconds


def test_numbers_are_rounded_and_written_as_in_python(run: Any, rng: np.random.Generator) -> None:
    halves = [0.5, 1.5, 2.5, -0.5, 0.0078125, 0.0234375, 1 / 32, 3 / 32, 2.675, 1e-7]
    numbers = halves + rng.uniform(0, 4000, 300).tolist()
    body = """
      const { rint, rounded, written } = await load("numbers.js");
      return data.map((x) => [rint(x), rounded(x, 6), rounded(x, 4), written(Math.abs(x))]);
    """
    expected = [[round(x), round(x, 6), round(x, 4), format_seconds(abs(x))] for x in numbers]
    assert run(body, numbers) == expected


def test_a_clock_reads_as_people_read_it(run: Any) -> None:
    body = """const { clock, hertz, pitchName } = await load("numbers.js");
      return [clock(0), clock(59.9996, 3), clock(3723.4, 1), clock(59.96, 1), hertz(440), hertz(2500), hertz(27.5),
        pitchName(60), pitchName(70)];"""
    assert run(body) == [
        "0:00",
        "1:00.000",
        "1:02:03.4",
        "1:00.0",
        "440 Hz",
        "2.5 kHz",
        "27.5 Hz",
        "C4",
        "A♯4",
    ]


def test_mel_is_that_of_the_features(run: Any) -> None:
    hz = np.array([0, 40, 440, 999, 1000, 2345.6, 11_000])
    body = """const { FrequencyAxis } = await load("axes.js"), axis = new FrequencyAxis("mel", 0, 12000);
      return data.map((hz) => [axis.scale.to(hz), axis.hz(axis.at(hz))]);"""
    found = np.array(run(body, hz.tolist()))
    np.testing.assert_allclose(found[:, 0], logmel.hz_to_mel(hz), atol=1e-9)
    np.testing.assert_allclose(found[:, 1], hz, atol=1e-6)


@pytest.mark.parametrize("kind", ["linear", "log", "mel"])
def test_an_axis_goes_from_bottom_to_top_and_its_ticks_lie_on_it(run: Any, kind: str) -> None:
    body = """const { FrequencyAxis } = await load("axes.js"), axis = new FrequencyAxis(data, 20, 12000);
      return [axis.at(20), axis.at(12000), axis.ticks(0.06).map(({ hz, at }) => [hz, at, axis.at(hz)])];"""
    bottom, top, ticks = run(body, kind)
    assert (bottom, top) == (1, pytest.approx(0, abs=1e-12))
    places = [at for _, at, _ in ticks]
    assert 5 <= len(ticks) <= 17 and places == sorted(places, reverse=True)
    assert all(at == again for _, at, again in ticks)
    assert np.diff(places).max() <= -0.06


def test_moments_have_round_names(run: Any) -> None:
    body = """const { timeTicks } = await load("axes.js");
      return data.map(([start, end]) => timeTicks(start, end, 10).map(({ text }) => text));"""
    found = run(body, [[0, 3600], [12.3, 12.9], [0, 9]])
    assert found[0] == ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]
    assert found[1] == ["0:12.3", "0:12.4", "0:12.5", "0:12.6", "0:12.7", "0:12.8", "0:12.9"]
    assert found[2] == [f"0:0{second}" for second in range(10)]


def test_a_view_stays_in_its_recording_and_zooms_about_a_point(run: Any) -> None:
    body = """const { View } = await load("axes.js"), all = new View(60), told = (view) => [view.start, view.end];
      const near = all.zoom(0.1, 0.25);
      return [told(near), near.time(0.25), told(near.pan(1000)), told(near.pan(-1000)), told(all.zoom(9)),
        told(all.zoom(0)), told(near.showing(50)), told(near.zoom(Infinity))];"""
    near, fixed, right, left, whole, shortest, shown, fit = run(body)
    assert near == pytest.approx([13.5, 19.5]) and fixed == pytest.approx(15)
    assert right == [54, 60] and left == [0, 6] and whole == fit == [0, 60]
    assert shortest[1] - shortest[0] == pytest.approx(0.05)
    assert shown[0] < 50 < shown[1] and shown[1] - shown[0] == pytest.approx(6)


def test_decibels_are_those_of_a_sine_of_full_scale(run: Any, rng: np.random.Generator) -> None:
    size = 1024
    sine = np.sin(2 * np.pi * 64 * np.arange(size) / size)
    noise = rng.uniform(-1, 1, size)
    body = """const { Spectrum } = await load("fft.js"), spectrum = new Spectrum(1024);
      return data.map((samples) => [...spectrum.decibels(samples, 0)]);"""
    of_sine, of_noise = np.array(run(body, [sine.tolist(), noise.tolist()]))
    assert of_sine.argmax() == 64 and of_sine.max() == pytest.approx(0, abs=1e-4)
    assert of_sine[[60, 70, 200]].max() <= -119
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = (np.abs(np.fft.rfft(noise * window)[: size // 2]) / (window.sum() / 2)) ** 2
    np.testing.assert_allclose(of_noise, 10 * np.log10(np.maximum(power, 1e-12)), atol=1e-3)


def test_tiles_show_a_tone_where_the_axis_says(run: Any) -> None:
    body = """
      const { Local, HIGH_DB, LOW_DB } = await load("sources.js"), { FrequencyAxis } = await load("axes.js");
      const samples = Float32Array.from({ length: 24000 * 3 }, (_, n) =>
        (n < 36000 ? 0.1 * Math.sin(2 * Math.PI * 1000 * n / 24000) : 0));
      const source = new Local("tone", samples, 24000);
      return Promise.all(["linear", "log", "mel"].map(async (kind) => {
        const axis = new FrequencyAxis(kind, 30, 12000), tile = await source.tile(1, 0, axis, 256);
        const column = (x) => Array.from({ length: 256 }, (_, row) =>
           tile.levels[row * tile.width + x]);
        const early = column(100), late = column(500), most = Math.max(...early);
        return [axis.hz((early.indexOf(most) + 0.5) / 256), LOW_DB + (HIGH_DB - LOW_DB) * most / 255,
          Math.max(...late)];
      }));"""
    for hz, decibels, late in run(body):
        assert hz == pytest.approx(1000, rel=0.03)
        assert decibels == pytest.approx(-20, abs=1.5)  # a tone between two bins is 1.4 dB weaker in both
        assert late == 0


def test_peaks_are_the_extremes(run: Any, rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, 6000).round(3)
    body = """const { Local } = await load("sources.js");
      const { low, high } = await new Local("x", Float32Array.from(data), 1000).peaks(1, 5, 40);
      return [[...low], [...high]];"""
    low, high = run(body, samples.tolist())
    parts = samples[1000:5000].reshape(40, 100)
    np.testing.assert_allclose(low, parts.min(axis=1), atol=1e-6)
    np.testing.assert_allclose(high, parts.max(axis=1), atol=1e-6)


def test_files_made_in_the_browser_are_read_by_others(run: Any, tmp_path: Path) -> None:
    notes = [
        {"start": 0.5, "end": 0.9, "pitch": 60, "velocity": 100},
        {"start": 0.9, "end": 12.25, "pitch": 60, "velocity": 1},
        {"start": 0.7, "end": 1.0, "pitch": 108, "velocity": 127},
    ]
    body = """const { csv, midi, wav } = await load("files.js");
      const bytes = async (blob) => [...new Uint8Array(await blob.arrayBuffer())];
      const table = await csv(["a", "b"], [['say "x"', 1], [null, "é,"]]).text();
      return [await bytes(midi(data)),
        await bytes(wav([Float32Array.of(0, 0.5), Float32Array.of(-1, 2)], 8000)), table];"""
    song, sound, table = run(body, notes)
    (tmp_path / "a.mid").write_bytes(bytes(song))
    with open(tmp_path / "a.mid", "rb") as file:
        (read,) = midi.read(file, ReadOptions(name="a.mid"))
    found = [
        {"start": event.start_s, "end": event.end_s, "pitch": event.pitch, "velocity": event.velocity}
        for event in read.in_order()
    ]
    assert [list(one.values()) for one in found] == [
        pytest.approx(list(one.values()), abs=1e-3) for one in sorted(notes, key=lambda note: note["start"])
    ]
    (tmp_path / "a.wav").write_bytes(bytes(sound))
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 8000 and samples.tolist() == [0, 0.5, -1, 32767 / 32768]
    assert table == 'a,b\n"say ""x""",1\n,"é,"\n'
