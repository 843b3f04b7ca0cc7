"""Random recordings with events and scores, on a grid of 50 ms so that edges coincide; and PSDS recomputed naively."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sonoscope.evaluation.heard import Heard
from sonoscope.evaluation.psds import Scenario
from sonoscope.values import Event

LABELS = ("bee", "rain", "car")


@pytest.fixture(scope="session")
def making() -> SimpleNamespace:
    """``making.recordings(seed, count)``, ``making.naive_psds(heard, scenario)``, ``making.labels``."""
    return SimpleNamespace(labels=LABELS, recordings=recordings, naive_psds=naive_psds, truth_of=truth_of)


def recordings(seed: int, count: int = 3, *, levels: int = 10, crowded: bool = False) -> list[Heard]:
    """Scores that follow the truth with noise, rounded so that ties are common."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        duration_s = float(rng.integers(4, 12))
        edges = np.arange(0, duration_s + 1e-9, 0.25)
        truth, said = (events(rng, duration_s, crowded) for _ in range(2))
        if not crowded:
            said += [Event(e.start_s + 0.05 * rng.integers(-5, 6), e.end_s + 0.05 * rng.integers(-5, 6), e.label, 1.0)
                     for e in truth]  # fmt: skip
            said = [e for e in said if e.end_s > e.start_s]
        scores = rng.random((len(edges) - 1, len(LABELS)))
        for k, label in enumerate(LABELS):
            for e in truth:
                if e.label == label:
                    inside = (edges[1:] > e.start_s) & (edges[:-1] < e.end_s)
                    scores[inside, k] = np.maximum(scores[inside, k], rng.random())
        found.append(
            Heard(
                f"{number}.wav", duration_s, tuple(sorted(truth)), tuple(sorted(said)), edges,
                np.round(scores * levels) / levels, f"site {number % 2}",
            )
        )  # fmt: skip
    return found


def events(rng: np.random.Generator, duration_s: float, crowded: bool) -> list[Event]:
    """A few events of each label: anywhere, or apart from each other."""
    made = []
    for label in LABELS:
        now = 0
        for _ in range(rng.integers(0 if crowded else 1, 7 if crowded else 3)):
            start = rng.integers(0, round(duration_s / 0.05) - 10) if crowded else now + rng.integers(12, 40)
            length = rng.integers(1, 40)
            now = start + length
            if (start + length) * 0.05 <= duration_s:
                made.append(Event(float(round(start * 0.05, 2)), float(round(now * 0.05, 2)), label, 1.0))
    return made


# ---- PSDS threshold by threshold, as it is defined ---------------------------------------------------------


def naive_psds(heard: list[Heard], scenario: Scenario) -> float:
    """Every threshold, every detection, every event: minutes for what takes milliseconds, and easy to believe."""
    curves = []
    labels = [name for name in LABELS if any(e.label == name for h in heard for e in h.truth)]
    for label in labels:
        column = LABELS.index(label)
        thresholds = sorted({float(s) for h in heard for s in h.scores[:, column]}, reverse=True)
        points = [(0.0, 0.0), *(_point(heard, labels, label, column, t, scenario) for t in thresholds)]
        curves.append(points)
    rates = sorted({rate for points in curves for rate, _ in points if rate <= scenario.max_rate})
    area = 0.0
    for k, rate in enumerate(rates):
        best = [max(share for r, share in points if r <= rate) for points in curves]
        height = max(np.mean(best) - scenario.alpha_st * np.std(best), 0.0)
        area += height * ((rates[k + 1] if k + 1 < len(rates) else scenario.max_rate) - rate)
    return area / scenario.max_rate


def _point(heard, labels, label, column, threshold, scenario):
    hits = alarms = 0
    crossed = {other: 0 for other in labels if other != label}
    total = sum(len(truth_of(h, label)) for h in heard)
    for h in heard:
        found = _detections(h, column, threshold)
        own = truth_of(h, label)
        relevant = [
            d for d in found if _at_least(sum(_overlap(d, e) for e in own), scenario.dtc * (d[1] - d[0]))
        ]
        for d in found:
            if d not in relevant:
                alarms += 1
                for other in crossed if scenario.cttc else ():
                    theirs = truth_of(h, other)
                    crossed[other] += _at_least(
                        sum(_overlap(d, e) for e in theirs), scenario.cttc * (d[1] - d[0])
                    )
        hits += sum(
            _at_least(sum(_overlap(d, e) for d in relevant), scenario.gtc * (e[1] - e[0])) for e in own
        )
    hours = sum(h.duration_s for h in heard) / 3600
    rate = alarms / hours
    if crossed and scenario.alpha_ct:
        each = [
            count / (sum(end - start for h in heard for start, end in truth_of(h, other)) / 3600)
            for other, count in crossed.items()
        ]
        rate += scenario.alpha_ct * np.mean(each)
    return rate, hits / total


def truth_of(h, label):
    """Times of the events of a label; those that touch or overlap are one."""
    found = []
    for start, end in sorted((e.start_s, e.end_s) for e in h.truth if e.label == label):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _detections(h, column, threshold):
    found, begin = [], None
    for k, score in enumerate([*h.scores[:, column], -1.0]):
        if score >= threshold and begin is None:
            begin = h.edges_s[k]
        elif score < threshold and begin is not None:
            found.append((begin, h.edges_s[k]))
            begin = None
    return found


def _overlap(a, b):
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)


def _at_least(part, whole):
    return round(part, 6) >= round(whole, 6)
