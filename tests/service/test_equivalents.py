"""What docs/serve.md says to those who come from another backend: each row of its table is asked here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.conftest import Served

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"


def rows() -> dict[str, str]:
    """The table: what is asked there, and here."""
    part = PAGE.read_text(encoding="utf-8").partition("| there | here |")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]
    return dict(cells)


@pytest.fixture(scope="module")
def folder(served: Served, song: Path, melody: Path) -> Iterator[str]:
    for label, file in (("piano", song), ("violin", melody)):
        place = served.root / "labelled" / label
        place.mkdir(parents=True, exist_ok=True)
        (place / file.name).write_bytes(file.read_bytes())
    yield "labelled"


def test_every_row_of_the_table_holds(http: httpx.Client, folder: str, song: Path, melody: Path) -> None:
    table = rows()

    def asked(there: str, **more: Any) -> httpx.Response:
        method, query = table.pop(there).split("`")[1].split(" ")
        query = query.replace("FOLDER", folder).replace("NAME", "instruments")
        answer = http.request(method, query, **more)
        assert answer.status_code in (200, 202), answer.text
        return answer

    assert {"instruments", "notes"} <= {one["name"] for one in asked("`GET /models`").json()["models"]}
    assert asked("`GET /dataset-types`").json()["datasets"]

    draws = {"draws": "0", "path": folder, "model": "instruments"}
    assert "NAME" in table["`POST /model/test-directory`"]
    metrics = http.post("/evaluate", params=draws)
    assert "macro_ap" in metrics.json()["figures"]
    asked("`POST /model/test-directory`")

    streamed = table.pop("`POST /model/test-directory-stream`")
    assert "Prefer: respond-async" in streamed and "GET /jobs/ID" in streamed
    job = http.post("/evaluate", params=draws, headers={"Prefer": "respond-async"}).json()["job"]["id"]
    while (told := http.get(f"/jobs/{job}").json()["job"])["state"] in ("queued", "running"):
        time.sleep(0.05)
    assert (
        told["state"] == "done"
        and http.get(f"/jobs/{job}/result").json()["figures"] == metrics.json()["figures"]
    )

    found = asked("`POST /model/predict-directory`").json()["files"]
    assert sorted(one["file"] for one in found) == ["piano/song.wav", "violin/melody.wav"]
    assert all({"events", "clip"} <= set(one) for one in found)

    kind = table.pop("`POST /model/predict-directory-stream`").split("Accept: ")[1].strip("`")
    lines = http.post("/analyze", params={"path": folder}, headers={"Accept": kind}).text.splitlines()
    assert [json.loads(line)["kind"] for line in lines][-3:].count("file") >= 1 and '"end"' in lines[-1]

    assert "one field `file` for each" in table["`POST /model/predict-files`"]
    files = [("file", (path.name, path.read_bytes())) for path in (song, melody)]
    both = asked("`POST /model/predict-files`", files=files).json()["files"]
    assert [one["file"] for one in both] == ["song.wav", "melody.wav"]

    assert "<html" in http.get("/").text and "page" in table.pop("the form at `/`")
    assert not table
