"""Whatever is sent: an answer of the one shape, never a 500, never a hang, and the next request is answered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings, strategies
from tests.service.conftest import Served

schemathesis = pytest.importorskip("schemathesis")
FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}


def mutated(whole: bytes, rng: np.random.Generator) -> bytes:
    """A file with flipped, cut out or repeated bytes, its header the likeliest."""
    data = bytearray(whole)
    for _ in range(int(rng.integers(1, 20))):
        reach = len(data) if rng.random() < 0.5 else min(200, len(data))
        place = int(rng.integers(0, max(reach, 1)))
        what = rng.integers(0, 4)
        if what == 0 and data:
            data[place] = int(rng.integers(0, 256))
        elif what == 1:
            del data[place : place + int(rng.integers(1, 50))]
        elif what == 2:
            data[place:place] = data[place : place + int(rng.integers(1, 50))]
        else:
            data[place : place + 4] = b"\xff\xff\xff\x7f"
    return bytes(data[: int(rng.integers(1, len(data) + 1))]) if rng.random() < 0.2 else bytes(data)


def result_of(http: httpx.Client, job: str) -> httpx.Response:
    """What came of a job, which is then forgotten."""
    while (answer := http.get(f"{job}/result")).status_code == 409:
        time.sleep(0.05)
    assert http.delete(job).status_code == 204
    return answer


def check_decoding(http: httpx.Client, tmp_path: Path, rng: np.random.Generator, each: int) -> None:
    for ending, subtype in FORMATS.items():
        soundfile.write(tmp_path / f"x.{ending}", 0.1 * rng.standard_normal(16_000), 16_000, subtype=subtype)
        whole = (tmp_path / f"x.{ending}").read_bytes()
        for _ in range(each):
            answer = http.post("/analyze", files={"file": (f"x.{ending}", mutated(whole, rng))})
            if answer.status_code == 202:  # a header that states hours
                answer = result_of(http, answer.headers["location"])
            assert answer.status_code in (200, 413, 422), answer.text
            assert answer.status_code == 200 or set(answer.json()) == {"error"}
    assert http.get("/health").json()["running"] == 0


def test_mutated_files_are_decoded_or_refused(
    http: httpx.Client, tmp_path: Path, rng: np.random.Generator
) -> None:
    check_decoding(http, tmp_path, rng, each=5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_mutated_files_are_decoded_or_refused(
    http: httpx.Client, tmp_path: Path, rng: np.random.Generator
) -> None:
    check_decoding(http, tmp_path, rng, each=300)


def ask_everything(
    served: Served, examples: int, seconds: float, recording: str | None = None
) -> dict[str, int]:
    """So many requests of each operation, or as many as come in so many seconds; how many each was asked.

    Half of those about a recording are about ``recording``, the others about recordings that are not there.
    """
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    asked: dict[str, int] = {}
    for operation in schema.get_all_operations():
        ends = time.monotonic() + seconds

        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.ok().as_strategy(), is_there=strategies.booleans())
        def ask(case: Any, is_there: bool) -> None:
            if time.monotonic() > ends:  # noqa: B023 (asked before the next one is made)
                return
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            if recording and is_there and "recording" in case.path_parameters and case.method != "DELETE":
                case.path_parameters["recording"] = recording
            answer = case.call(base_url=served.url, timeout=60)
            assert answer.status_code not in range(500, 503), f"{case}: {answer.text}"
            if answer.status_code >= 400:
                assert set(answer.json()) == {"error"}, answer.text

        ask()
    assert len(asked) > 15
    return asked


def test_whatever_is_asked_has_an_answer(served: Served) -> None:
    ask_everything(served, examples=3, seconds=60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_is_asked_for_long_has_an_answer(served: Served, melody: Path) -> None:
    with open(melody, "rb") as file:
        sent = httpx.post(f"{served.url}/recordings", files={"file": file}, timeout=60).json()
    asked = ask_everything(served, examples=300, seconds=40, recording=sent["recording"]["id"])
    print(f"{sum(asked.values()):,} requests: {asked}")
    assert httpx.get(f"{served.url}/health", timeout=60).json()["status"] == "ok"
