"""``sonoscope doctor`` tells the truth about this machine, ``sonoscope demo`` runs without anything."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.cli import demo, doctor
from sonoscope.runs import default_workers

from .conftest import Sonoscope


def test_doctor_finds_this_machine_well(sonoscope: Sonoscope):
    ran = sonoscope("doctor")
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1] == "all is well"
    assert re.search(rf"^ok  numpy +{re.escape(np.__version__)}$", ran.out, flags=re.M)
    assert re.search(
        rf"^ok  workers +{default_workers()} \({os.cpu_count()} in the machine", ran.out, flags=re.M
    )
    assert re.search(r"^ok  decode +\.wav \.flac .*\.mp4", ran.out, flags=re.M)
    assert re.search(
        r"^ok  self-test +instruments: \d+ windows scored twice, the same bytes$", ran.out, flags=re.M
    )


def test_doctor_fails_where_something_is_wrong(sonoscope: Sonoscope, tmp_path: Path, monkeypatch):
    damaged = tmp_path / "models" / "damaged"
    damaged.mkdir(parents=True)
    (damaged / "bundle.json").write_text("{}")
    monkeypatch.setenv("SONOSCOPE_MODELS", str(damaged.parent))
    monkeypatch.setattr(doctor, "formats", lambda: iter(()))
    monkeypatch.setattr(doctor, "self_test", lambda: iter(()))
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**80)
    ran = sonoscope("doctor")
    assert ran.code == 1 and ran.out.splitlines()[-1] == "2 of the lines above say BAD"
    assert re.search(r"^BAD model damaged +\S+bundle\.json", ran.out, flags=re.M)
    assert re.search(r"^BAD temporary files +\S+ MiB free in .*make room", ran.out, flags=re.M)


def test_doctor_says_why_so_many_workers(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    [line] = doctor.processors()
    assert line.text.startswith("1 (") and "SLURM_CPUS_PER_TASK=1" in line.text


def test_doctor_names_what_an_extra_lacks(monkeypatch):
    monkeypatch.setattr(doctor, "EXTRAS", {"none": ("nothing", ("no_such_module",))})
    [line] = doctor.extras()
    how = "pip install 'sonoscope[none]' adds no_such_module"
    assert line == ("--", "[none]", f"not installed (optional): nothing; {how}")


def test_doctor_names_a_library_that_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(doctor, "CORE", {"no-such-package": "no_such_package"})
    line = list(doctor.libraries())[-1]
    assert line.state == "BAD" and "no_such_package" in line.text


@pytest.mark.parametrize(("shift", "words"), [(1.1, "heard at 484 Hz"), (1.0, "has 2.00 s")])
def test_doctor_hears_a_wrong_pitch_or_length(shift: float, words: str, tmp_path: Path):
    times = np.arange((1 if shift > 1 else 2) * 48_000) / 48_000
    soundfile.write(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * shift * doctor.TONE_HZ * times), 48_000)
    assert words in doctor._misheard(tmp_path / "tone.wav")


def test_demo_makes_sounds_analyses_them_and_says_what_to_type_next(sonoscope: Sonoscope, tmp_path: Path):
    out = tmp_path / "a demo"
    ran = sonoscope("demo", "-o", out)
    assert ran.code == 0
    names = ["drums.wav", "organ.wav", "plucked_string.wav"]
    assert sorted(file.name for file in (out / "sounds").iterdir()) == names
    with open(out / "results" / "files.csv", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == names
    assert f"sonoscope analyze '{out}/sounds/organ.wav' " in ran.out
    (out / "sounds" / "drums.wav").unlink()  # As if the disk had been full.
    again = sonoscope("demo", "-o", out)
    assert again.code == 0 and "3 inputs" in again.err
    (out / "sounds" / "mine.wav").touch()
    used = sonoscope("demo", "-o", out)
    assert used.code == 2 and "holds mine.wav, which is not of a demo" in used.err


def test_demo_sounds_are_4_s_below_full_scale_and_the_same_every_time(tmp_path: Path):
    for run in ("one", "two"):
        demo.write_sounds(tmp_path / run)
    for file in (tmp_path / "one").iterdir():
        samples, rate = soundfile.read(file)
        assert samples.size / rate == 4.0 and 0.5 < np.abs(samples).max() < 0.75
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_organ_sounds_at_its_drawbars():
    second = demo.organ()[demo.SAMPLE_RATE // 2 : 3 * demo.SAMPLE_RATE // 2]
    spectrum = np.abs(np.fft.rfft(second * np.hanning(second.size)))
    # C3 with the 16' drawbar is C2; its fundamental, and none a semitone away.
    for hertz, sounds in ((130.81, True), (65.41, True), (139.0, False)):
        level = spectrum[round(hertz) - 1 : round(hertz) + 2].max() / spectrum.max()
        assert bool(level > 0.1) == sounds


def test_string_is_tuned(tmp_path: Path):
    string = demo.plucked_string(np.random.default_rng(0))
    first = string[demo.SAMPLE_RATE // 10 : demo.SAMPLE_RATE // 2]
    spectrum = np.abs(np.fft.rfft(first * np.hanning(first.size), 4 * first.size))
    step = demo.SAMPLE_RATE / (4 * first.size)
    low = slice(round(90 / step), round(135 / step))
    # The loop delays by half a sample more than its period: A2 (110 Hz) within a quarter of a semitone.
    assert abs(np.log2((spectrum[low].argmax() + low.start) * step / 110.0)) < 1 / 48


def test_doctor_tries_a_gpu_as_analyze_would(
    sonoscope: Sonoscope, organ_wav: Path, tmp_path: Path, monkeypatch
):
    from sonoscope import models
    from sonoscope.models import devices

    monkeypatch.setenv("SONOSCOPE_CACHE", str(tmp_path / "cache"))
    found = devices.probe(models.load("instruments"))
    lines = [line.text for line in doctor.graphics() if line.subject == "gpu, instruments"]
    assert lines == found.text().splitlines()
    ran = sonoscope("analyze", organ_wav, "-o", tmp_path / "out", "--on", "cuda")
    if found.engine:
        assert ran.code == 0 and found.engine in ran.err
    else:
        assert ran.code == 2 and not (tmp_path / "out").exists()
        assert "no GPU can be used" in ran.err and all(reason in ran.err for reason in found.told)
