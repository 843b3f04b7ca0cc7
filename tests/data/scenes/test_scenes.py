"""Synthesised field sounds: what physics says of them, the truth beside them, and what is refused."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope.data import annotation, manifest, scenes
from sonoscope.data.mix.levels import Levels, loudness_db
from sonoscope.data.scenes import compose, motion, noises, writing
from sonoscope.errors import UnknownName, UsageError

RATE = 16_000
KINDS = [kind for kind in scenes.SOUNDS if kind != "speech" or shutil.which("espeak-ng")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_heard_repeatable_and_different(kind: str) -> None:
    one, again, other = (scenes.make(kind, seed, 1.5, RATE) for seed in (3, 3, 4))
    assert one.dtype == np.float32
    assert one.shape == (24_000,)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.isfinite(one).all()
    assert np.abs(one).max() <= 1.0
    assert loudness_db(one, RATE) > -45.0


def test_a_passing_source_is_heard_higher_before_and_lower_after_as_doppler_says() -> None:
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(4 * RATE) / RATE)
    speed = 30.0
    sound = motion.heard(tone, RATE, motion.Pass(speed, 1.0, 2.0))

    def pitch(part: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(part * np.hanning(part.size), 1 << 18))
        return float(np.argmax(spectrum) * RATE / (1 << 18))

    c = motion.SPEED_OF_SOUND_M_S
    assert pitch(sound[: RATE // 2]) == pytest.approx(1000.0 * c / (c - speed), rel=2e-3)
    assert pitch(sound[-RATE // 2 :]) == pytest.approx(1000.0 * c / (c + speed), rel=2e-3)
    assert np.argmax(np.abs(sound)) / RATE == pytest.approx(2.0, abs=0.05)


def test_coloured_noise_falls_as_stated(rng: np.random.Generator) -> None:
    noise = noises.coloured(rng, 1 << 17, -6.0, sample_rate=RATE)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(noise.size, 1 / RATE)
    octaves = [10 * np.log10(power[(hertz >= f) & (hertz < 2 * f)].mean()) for f in (250, 500, 1000, 2000)]
    assert np.diff(octaves) == pytest.approx([-6.0] * 3, abs=0.7)


def test_a_wing_beat_is_harmonic() -> None:
    sound = scenes.insects.wing_beat(np.random.default_rng(5), 1.0, RATE, "mosquito")
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size))) ** 2
    hertz = np.fft.rfftfreq(sound.size, 1 / RATE)
    band = (hertz > 200) & (hertz < 4000)
    assert spectrum[band].max() > 30 * np.median(spectrum[band])


def test_events_lie_at_the_stated_ratio() -> None:
    spec = compose.SceneSpec(
        duration_s=20.0,
        sample_rate=RATE,
        events={"bird_trill": 900.0},
        event_s=(1.0, 1.5),
        snr_db=Levels("choice", (10.0,)),
    )
    scene = compose.compose(spec, 2)
    silent = compose.compose(compose.SceneSpec(duration_s=20.0, sample_rate=RATE, events={}), 2)
    assert len(scene.events) > 1
    assert silent.samples.shape == scene.samples.shape == (20 * RATE,)
    first = scene.events[0]
    part = slice(round(first.start_s * RATE), round(first.end_s * RATE))
    alone = [e for e in scene.events[1:] if e.start_s < first.end_s]
    if not alone:
        added = scene.samples[part] - silent.samples[part]
        ratio = loudness_db(added, RATE) - loudness_db(silent.samples[part], RATE)
        assert ratio == pytest.approx(10.0, abs=0.5)
    assert all(event.snr_db == 10.0 for event in scene.events)


def test_scenes_are_written_with_their_truth(tmp_path: Path) -> None:
    spec = compose.SceneSpec(
        duration_s=5.0, sample_rate=RATE, events={"wing_beat": 1800.0, "thunder": 1000.0}
    )
    path = writing.write_scenes(tmp_path, spec, 2, seed=1)
    rows = manifest.read(path)
    assert [row.source for row in rows.rows] == ["synthetic", "synthetic"]
    with open(tmp_path / "snr.csv", newline="") as file:
        ratios = list(csv.DictReader(file))
    for row in rows.rows:
        events = annotation.of(rows, row)
        told = [r for r in ratios if r["scene"] == row.path]
        assert [event.label for event in events] == [r["label"] or r["kind"] for r in told]
        assert soundfile.info(rows.path_of(row)).duration == 5.0
    before = (tmp_path / "scene-0001.flac").read_bytes()
    writing.write_scenes(tmp_path, spec, 2, seed=1)
    assert (tmp_path / "scene-0001.flac").read_bytes() == before


def test_single_sounds_are_folders_to_train_on(tmp_path: Path) -> None:
    rows = manifest.read(
        writing.write_sounds(tmp_path, ["cricket", "rain"], 2, duration_s=0.5, sample_rate=RATE)
    )
    assert [(row.path, row.labels) for row in rows.rows] == [
        ("cricket/cricket-0000.flac", ("cricket",)),
        ("cricket/cricket-0001.flac", ("cricket",)),
        ("rain/rain-0000.flac", ("rain",)),
        ("rain/rain-0001.flac", ("rain",)),
    ]


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(UnknownName, match="wing_beat"):
        scenes.make("wingbeat", 0, 1.0, RATE)
    with pytest.raises(UsageError, match=r"0\.1 s"):
        scenes.make("rain", 0, 0.1, RATE)
    with pytest.raises(UnknownName, match="cricket"):
        compose.compose(compose.SceneSpec(duration_s=5.0, events={"crickets": 10.0}), 0)
    with pytest.raises(UsageError, match="fit into the scene"):
        compose.SceneSpec(duration_s=3.0)
