"""Asking about recordings that are kept: analyses whose scores stay, notes as sound, clips."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from sonoscope.service import bundles, clips, tiles
from sonoscope.service.answers import JSON, LINES, Form, chosen
from sonoscope.service.description import answers
from sonoscope.service.house import OfHouse
from sonoscope.service.routes.analysis import LINES_TYPE, FormatName, OfWishes
from sonoscope.service.routes.answering import download, prefers, respond, waited
from sonoscope.service.routes.recordings import KEEP, MOST_HZ, MOST_S, Name

router = APIRouter(prefix="/recordings", tags=["recordings"])


@router.post(
    "/{recording}/analyze", summary="What sounds in a recording that is kept.",
    responses={
        200: answers("answer", LINES_TYPE, "text/csv"),
        202: {"description": "A job, unless the header Prefer: wait asks for the answer itself."} | answers("job"),
    },
)  # fmt: skip
async def analyze_recording(
    house: OfHouse, request: Request, recording: Name, wishes: OfWishes, format: FormatName = None
) -> Response:
    """As ``POST /analyze``, as a job. Scores are kept: other thresholds or formats are answered from them."""
    form = chosen(request.headers.get("accept"), format)
    sound = house.recordings.ready(recording)
    job = house.office.new("analyze")
    job.request = {
        **sound.to_request(), "spec": wishes.spec(form, house.settings).to_json(), "form": form.name,
        "scores": wishes.scores, "kept": str(sound.heard), "short_s": house.settings.max_duration,
    }  # fmt: skip
    at_once = form.name == LINES or prefers(request, "wait")
    return await respond(house, job, request, form, later=not at_once)


@router.get(
    "/{recording}/notes.wav", summary="The notes of a recording, as sound.", response_class=FileResponse
)
async def recording_notes(
    house: OfHouse,
    request: Request,
    recording: Name,
    wishes: OfWishes,
    how: Annotated[
        Literal["notes", "stereo", "mixed"],
        Query(description="Alone, right of the recording, or mixed with it."),
    ] = "notes",
) -> Response:
    """WAV. ``model`` is ``notes`` unless another one is named; parts of it by the header ``Range``."""
    if "model" not in request.query_params:
        wishes = wishes.with_model("notes")
    sound = house.recordings.ready(recording)
    spec = wishes.spec(Form(JSON), house.settings).to_json()
    key = hashlib.sha256(json.dumps([spec, how]).encode()).hexdigest()[:32]
    target = sound.folder / "played" / f"{key}.wav"
    if not target.exists():
        job = house.office.new("play")
        job.request = {
            **sound.to_request(), "spec": spec, "how": how, "target": str(target), "kept": str(sound.heard),
        }  # fmt: skip
        await house.office.submit(job, keep=False)
        await waited(house.office, job, request)
        await house.office.drop(job)
    return FileResponse(target, media_type="audio/wav")


@router.get(
    "/{recording}/explain", summary="What in the sound speaks for a label, as a picture.", response_class=FileResponse,
    responses={200: {"content": {"image/png": {}}}},
)  # fmt: skip
async def explain_recording(
    house: OfHouse,
    request: Request,
    recording: Name,
    model: Annotated[str, Query(max_length=200)] = bundles.DEFAULT,
    label: Annotated[
        str | None, Query(max_length=200, description="Of notes a pitch. Default: what scores highest.")
    ] = None,
    start: Annotated[
        float | None, Query(ge=0, le=MOST_S, description="Seconds: a moment, or with end a stretch.")
    ] = None,
    end: Annotated[float | None, Query(ge=0, le=MOST_S)] = None,
    width: Annotated[int, Query(ge=1, le=2048)] = 512,
    height: Annotated[int, Query(ge=1, le=1024)] = 256,
    low: Annotated[float, Query(ge=0, le=MOST_HZ)] = 0.0,
    high: Annotated[float | None, Query(gt=0, le=MOST_HZ)] = None,
    scale: tiles.Scale = "linear",
) -> Response:
    """A grey PNG on the axes of a spectrogram: 255 speaks most. ``X-Start`` and ``X-End``: the seconds it covers."""
    bundles.place(model, house.settings.models)
    sound = house.recordings.ready(recording)
    asked = {
        "model": model, "label": label, "start": start, "end": end, "width": width, "height": height, "low": low,
        "high": high, "scale": scale,
    }  # fmt: skip
    job = house.office.new("explain")
    assert sound.facts is not None
    audio = {"path": str(sound.audio), **{key: sound.facts[key] for key in ("samples", "sample_rate")}}
    target = str(job.folder / "map" / "explanation.png")
    job.request = {**sound.to_request(), **asked, "audio": audio, "target": target}
    await house.office.submit(job, keep=False)
    await waited(house.office, job, request)
    assert job.result is not None
    facts = job.result["facts"]
    headers = {f"X-{key.title()}": str(facts[key]) for key in ("start", "end", "label", "score")}
    background = BackgroundTask(house.office.drop, job)
    return FileResponse(
        job.request["target"], media_type="image/png", headers=KEEP | headers, background=background
    )


class Clip(BaseModel):
    """A stretch of a recording and what it holds."""

    start: float = Field(ge=0, description="seconds")
    end: float = Field(gt=0, description="seconds")
    label: str = Field(min_length=1, max_length=200)


class Clips(BaseModel):
    """What is to be cut."""

    clips: list[Clip] = Field(min_length=1, max_length=clips.MOST_CLIPS)


@router.post(
    "/{recording}/clips", summary="Labelled clips, as a zip.", response_class=FileResponse,
    responses={200: {"content": {"application/zip": {}}}},
)  # fmt: skip
async def cut_clips(house: OfHouse, recording: Name, wanted: Clips) -> FileResponse:
    """A folder for each label and a manifest: what ``sonoscope train FOLDER`` reads, unpacked."""
    sound = house.recordings.ready(recording)
    assert sound.facts is not None
    samples = tiles.samples_of(sound.audio, sound.facts["samples"])
    listed = [(one.start, one.end, one.label) for one in wanted.clips]
    job = house.office.new("clips")
    try:
        await asyncio.to_thread(
            clips.write, job.answer, samples, sound.facts["sample_rate"], sound.name, listed
        )
    except BaseException:
        await house.office.drop(job)
        raise
    return download(house, job, f"{sound.name}.clips.zip", "application/zip")
