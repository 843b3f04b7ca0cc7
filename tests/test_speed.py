"""What a model costs: stages that add up, workers, memory, blocks, and the delay that the live stream states."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonoscope import models, speed
from sonoscope.cli import main
from sonoscope.values import Recording


@pytest.fixture(scope="module")
def bundle():
    return models.load("instruments")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("speed") / "sound.flac"
    speed.made_sound(path, 12.0)
    return Recording(str(path), path.name)


@pytest.fixture(scope="module")
def measured(bundle, recording: Recording) -> speed.Speed:
    return speed.measure(bundle, recording, (1, 2), runs=1)


def test_the_generated_sound_is_as_long_as_asked(recording: Recording) -> None:
    info = soundfile.info(recording.path)
    assert (info.duration, info.samplerate, info.channels) == (12.0, 44_100, 1)


def test_stages_add_up_and_nothing_is_free(measured: speed.Speed) -> None:
    assert measured.audio_s == pytest.approx(12.0, abs=0.1)
    assert set(measured.stages_s) == set(speed.STAGES)
    assert sum(measured.stages_s.values()) == pytest.approx(measured.whole_s, rel=1e-6)
    assert all(measured.stages_s[name] > 0 for name in ("decode", "features", "network"))
    assert measured.stages_s["rest"] < 0.5 * measured.whole_s


def test_workers_memory_and_blocks(measured: speed.Speed) -> None:
    assert set(measured.workers) == {1, 2} and all(rate > 1 for rate in measured.workers.values())
    assert 30 < measured.peak_mib < 1000
    blocks = measured.blocks
    assert 0 < blocks.p50_s <= blocks.p95_s <= blocks.p99_s <= blocks.longest_s < 1
    assert blocks.hop_s == 0.5


def test_the_delay_is_the_streams_own(bundle, measured: speed.Speed) -> None:
    seconds = {part.what: part.seconds for part in measured.delay.parts}
    # A score speaks for the middle of its window: half the rest of the window, and its features, are waited for.
    assert seconds["window"] == pytest.approx(0.75) and seconds["context"] == pytest.approx(
        (39 * 600 + 1024 - 24000) / 24000
    )
    if measured.blocks.told:
        assert measured.blocks.late_s is not None and measured.blocks.late_s >= measured.delay.seconds - 1e-3


def test_clocks_see_what_is_slow(bundle, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    before = speed.staged(bundle, recording, "cpu")[1]["decode"]

    def slowly(self):
        for block in blocks(self):
            end = time.process_time() + 0.05
            while time.process_time() < end:
                pass
            yield block

    from sonoscope.audio.decode import Decoder

    blocks = Decoder.blocks
    monkeypatch.setattr(Decoder, "blocks", slowly)
    audio_s, stages, whole = speed.staged(bundle, recording, "cpu")
    assert stages["decode"] > before + 0.2 and whole >= stages["decode"]
    assert audio_s == pytest.approx(12.0, abs=0.1)


def test_silence_and_nothing(bundle, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    with pytest.raises(Exception, match=r"none\.wav"):
        speed.measure(bundle, Recording(str(tmp_path / "none.wav"), "none.wav"), runs=1)


def test_the_command_shows_tables_or_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], measured, monkeypatch
) -> None:
    asked = []

    def measure(bundle, recording, workers, *, on):
        asked.append((bundle.name, soundfile.info(recording.path).duration, workers, on))
        return measured

    monkeypatch.setattr(speed, "measure", measure)
    assert main(["models", "bench", "instruments", "--seconds", "3", "--workers", "2,1"]) == 0
    out = capfd.readouterr().out
    assert asked == [("instruments", 3.0, (1, 2), "cpu")]
    rows = {line.split()[0] for line in out.splitlines() if line}
    assert {"stage", *speed.STAGES, "all", "workers", "1", "2"} <= rows
    assert f"algorithmic delay: {measured.delay.text()}" in out and "memory of a worker: " in out
    assert main(["models", "bench", "instruments", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["delay"]["seconds"] == pytest.approx(measured.delay.seconds, abs=1e-3)
    assert math.isclose(found["real_time"]["whole"], measured.audio_s / measured.whole_s, rel_tol=0.01)
    assert found["workers"].keys() == {"1", "2"} and found["blocks"]["hop_s"] == 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "--workers '0' must be whole numbers from 1 to 256"),
        (["--seconds", "0"], "--seconds 0 must lie in 1..3600"),
        (["--on", "gpu"], "unknown device 'gpu'"),
        (["no.wav"], "no.wav"),
    ],
)
def test_wrong_use(words: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bench", "instruments", *words]) in (1, 2)
    assert message in capfd.readouterr().err
