"""Embeddings, evaluations, and events that somebody has already, in any format."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from sonoscope import outputs
from sonoscope.outputs.format import WriteOptions
from sonoscope.service import bundles
from sonoscope.service.answers import Form
from sonoscope.service.house import OfHouse
from sonoscope.service.office import Job
from sonoscope.service.places import clean_name
from sonoscope.service.routes.analysis import UPLOAD, RootPath, check_size, filled
from sonoscope.service.routes.answering import download, prefers, respond
from sonoscope.values import Event, FileResult, Label

router = APIRouter(tags=["analysis"])


@router.post("/embed", summary="A vector for each window.", openapi_extra=UPLOAD)
async def embed(
    house: OfHouse,
    request: Request,
    path: RootPath = None,
    model: Annotated[str, Query(max_length=200)] = "field",
    hop: Annotated[float | None, Query(gt=0, description="Seconds between windows.")] = None,
    channel: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    format: Annotated[Literal["json", "npz", "parquet"], Query()] = "json",
) -> Response:
    """The files of ``sonoscope embed``, or JSON."""
    bundles.place(model, house.settings.models)
    check_size(request, house.settings.max_upload)
    house.office.check_room()
    job = house.office.new("embed")
    job.request = {
        **await filled(house, job, request, path), "model": model, "hop": hop, "channel": channel, "form": format,
        "short_s": house.settings.short_s,
    }  # fmt: skip
    return await respond(house, job, request, Form("json"), later=prefers(request, "respond-async"))


@router.post("/evaluate", summary="How right a model is on labelled recordings.", openapi_extra=UPLOAD)
async def evaluate(
    house: OfHouse,
    request: Request,
    path: RootPath = None,
    model: Annotated[str, Query(max_length=500)] = bundles.DEFAULT,
    dataset: Annotated[
        str, Query(max_length=40, description="A name of /datasets; default: a labelled folder.")
    ] = "",
    protocol: Annotated[
        str, Query(max_length=40, description="A name of /datasets; default: the data's own.")
    ] = "",
    split: Annotated[str, Query(max_length=200)] = "",
    truth: Annotated[
        Literal["auto", "folder", "brackets", "text", "events", "name"],
        Query(description="Where a folder without a manifest says its labels."),
    ] = "auto",
    threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
    draws: Annotated[int | None, Query(ge=0, le=10_000, description="Draws of the bootstrap.")] = None,
    format: Annotated[Literal["json", "csv", "txt", "md", "html"], Query()] = "json",
) -> Response:
    """A folder or manifest under the data root, or a zip of a labelled folder; figures of ``sonoscope evaluate``."""
    for name in bundles.names(model):
        bundles.place(name, house.settings.models)
    check_size(request, house.settings.max_upload)
    house.office.check_room()
    given = {"threshold": threshold, "draws": draws}
    job = house.office.new("evaluate")
    job.request = {
        **await filled(house, job, request, path), "model": model, "dataset": dataset, "protocol": protocol,
        "split": split, "truth": truth, "form": format,
        "models": str(house.settings.models) if house.settings.models else "",
        "options": {key: value for key, value in given.items() if value is not None},
    }  # fmt: skip
    return await respond(house, job, request, Form("json"), later=prefers(request, "respond-async"))


class Heard(BaseModel):
    """An event that somebody has."""

    start: float = Field(ge=0, le=1e7)
    end: float = Field(ge=0, le=1e7)
    label: str = Field(min_length=1, max_length=200)
    score: float = Field(1.0, ge=0, le=1)
    pitch: float | None = Field(None, ge=0, le=127)
    velocity: int | None = Field(None, ge=1, le=127)
    low_hz: float | None = Field(None, ge=0, le=1e7)
    high_hz: float | None = Field(None, ge=0, le=1e7)


class Events(BaseModel):
    """What was heard in one recording."""

    file: str = Field("live.wav", max_length=400)
    duration: float = Field(ge=0, le=1e7)
    sample_rate: int = Field(44_100, ge=1, le=10_000_000)
    channels: int = Field(1, ge=1, le=1000)
    model: str = Field("", max_length=200)
    tempo: float = Field(120.0, ge=10, le=1000)
    events: list[Heard] = Field(max_length=200_000)


@router.post("/export", summary="Events in a format of /formats.", response_class=FileResponse)
async def export(
    house: OfHouse, given: Events, format: Annotated[str, Query(max_length=40)] = "csv"
) -> FileResponse:
    """What was heard live, say, as a file."""
    form = Form(outputs.format_named(format).name)
    events = [
        Event(
            one.start, max(one.start, one.end), one.label, one.score, pitch=one.pitch, velocity=one.velocity,
            low_hz=one.low_hz, high_hz=one.high_hz,
        )
        for one in given.events
    ]  # fmt: skip
    labels = tuple(Label(name) for name in sorted({event.label for event in events}))
    result = FileResult(
        clean_name(given.file),
        "",
        given.model,
        labels,
        given.duration,
        given.sample_rate,
        given.channels,
        events,
    )
    job = house.office.new("export")
    try:
        await asyncio.to_thread(_write, result, form, job, given.tempo)
    except BaseException:
        await house.office.drop(job)
        raise
    return download(house, job, result.file + form.suffix, form.media_type)


def _write(result: FileResult, form: Form, job: Job, tempo: float) -> None:
    format = outputs.format_named(form.name)
    options: dict[str, Any] = {} if format.binary else {"encoding": "utf-8", "newline": ""}
    with open(job.answer, "wb" if format.binary else "w", **options) as file:
        format.write_many([result], file, WriteOptions(tempo=tempo))
