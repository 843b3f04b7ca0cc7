"""The bundle ``instruments`` that is shipped: what a person would notice first."""

from __future__ import annotations

from pathlib import Path

import pytest

import sonoscope


@pytest.fixture(autouse=True)
def shipped_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONOSCOPE_MODELS", raising=False)


def told(file: Path) -> tuple[dict[str, float], float]:
    """Seconds of events by label, and the length of the recording."""
    result = sonoscope.load("instruments").analyze(file)
    seconds: dict[str, float] = {}
    for event in result.events:
        seconds[event.label] = seconds.get(event.label, 0.0) + event.end_s - event.start_s
    return seconds, result.duration


def test_a_piano_that_plays_alone_is_heard_all_along_and_hardly_anything_else(data_dir: Path) -> None:
    heard = [told(file) for file in sorted((data_dir / "nc_maps").glob("*.ogg"))[::10]]
    whole_s = sum(duration_s for _, duration_s in heard)
    assert len(heard) == 6
    assert sum(seconds["piano"] for seconds, _ in heard) > 0.8 * whole_s
    others_s = sum(sum(seconds.values()) - seconds["piano"] for seconds, _ in heard)
    assert others_s < 0.15 * whole_s, "versions before 1.7.0 told an acoustic guitar most of the time"


def test_its_shortest_event_is_two_windows_but_for_the_ends(data_dir: Path) -> None:
    file = next(iter(sorted((data_dir / "nc_maps").glob("*.ogg"))))
    model = sonoscope.load("instruments")
    result = model.analyze(file, threshold=0.2)
    assert result.events
    assert all(event.end_s - event.start_s >= 0.6 for event in result.events)
    assert len(result.decide(threshold=0.2, min_duration=0.0).events) > len(result.events)
