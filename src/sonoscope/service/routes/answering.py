"""From a job to a response: at once, line by line, or as a job to ask for later."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from sonoscope.service.answers import LINES, Form
from sonoscope.service.faults import Fault
from sonoscope.service.house import House
from sonoscope.service.office import FAILED, QUEUED, Job, Office
from sonoscope.service.places import attachment

#: How often it is looked whether a client that waits is still there.
LOOK_S = 1.0


def prefers(request: Request, what: str) -> bool:
    """Whether the header ``Prefer`` names ``what`` (``respond-async`` or ``wait``)."""
    wishes = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(wish.partition(";")[0].partition("=")[0].strip() == what for wish in wishes)


async def respond(house: House, job: Job, request: Request, form: Form, *, later: bool) -> Response:
    """Put a job into the queue and answer: ``later`` with the job itself, in lines, or with what came of it.

    A job that turns out to be long is answered as one that is asked for later.
    """
    office = house.office
    if later:
        await office.submit(job, keep=True)
        return accepted(office, job, request)
    await office.submit(job, keep=False)
    if form.name == LINES:
        # nginx would collect lines until there are many.
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(_lines(office, job), media_type=form.media_type, headers=headers)
    await waited(office, job, request)
    if not job.is_over:
        office.keep(job)
        return accepted(office, job, request)
    return answer_of(job, BackgroundTask(office.drop, job))


async def waited(office: Office, job: Job, request: Request) -> None:
    """Wait until a job is done, or found to be long.

    Raises
    ------
    Fault
        The job's own, or ``cancelled`` where the client does not wait any more; the job is then gone.
    """
    while not (job.is_over or job.is_long):
        await job.change(LOOK_S)
        if not job.is_over and await request.is_disconnected():
            await office.drop(job)
    if job.error is not None:
        await office.drop(job)
        raise job.error


def answer_of(job: Job, background: BackgroundTask | None = None) -> FileResponse:
    """The answer of a job that is done."""
    assert job.result is not None
    headers = {"Content-Disposition": attachment(job.result["name"])}
    if job.result.get("failed"):
        headers["X-Sonoscope-Failed"] = str(job.result["failed"])
    return FileResponse(
        job.answer, media_type=job.result["media_type"], headers=headers, background=background
    )


def download(house: House, job: Job, name: str, media_type: str) -> FileResponse:
    """The answer of a job that never was in the queue; its folder goes when it is sent."""
    headers = {"Content-Disposition": attachment(name)}
    background = BackgroundTask(house.office.drop, job)
    return FileResponse(job.answer, media_type=media_type, headers=headers, background=background)


def accepted(office: Office, job: Job, request: Request) -> JSONResponse:
    """The client is told of a job."""
    headers = {"Location": reference(request, f"jobs/{job.id}"), "Retry-After": "1"}
    return JSONResponse({"job": described(office, job, request)}, 202, headers)


def reference(request: Request, path: str) -> str:
    """The address of ``path`` relative to what was asked: it holds below whatever prefix a proxy adds."""
    return "../" * (request.url.path.count("/") - 1) + path


def described(office: Office, job: Job, request: Request) -> dict[str, Any]:
    """A job as JSON values."""
    result = None
    if job.result is not None:
        result = {
            "href": reference(request, f"jobs/{job.id}/result"), "media_type": job.result["media_type"],
            "name": job.result["name"], "bytes": job.answer.stat().st_size if job.answer.exists() else 0,
        }  # fmt: skip
    return {
        "id": job.id, "kind": job.kind, "state": job.state, "position": office.position(job),
        "progress": job.progress, "created": job.created, "started": job.started, "ended": job.ended,
        "error": job.error.to_json()["error"] if job.error else None, "result": result,
    }  # fmt: skip


async def _lines(office: Office, job: Job) -> AsyncIterator[str]:
    """What happens to a job, a JSON object a line; the lines of its answer as soon as they are written."""
    position, progress, read = -1, None, 0
    try:
        while True:
            is_over = job.is_over
            if job.state == QUEUED and position != (position := office.position(job)):
                yield _line({"kind": "queued", "position": position})
            if job.progress is not None and job.progress is not progress:
                progress = job.progress
                yield _line({"kind": "progress", **progress})
            if job.answer.exists():
                # Lines may be long: they are passed on as they are, whole ones only.
                with open(job.answer, "rb") as file:
                    file.seek(read)
                    while (line := file.readline()).endswith(b"\n"):
                        read += len(line)
                        yield line.decode()
            if is_over:
                break
            await job.change(LOOK_S)
        if job.error is not None:
            yield _line(job.error.to_json())
    finally:
        office.drop_soon(job)


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values) + "\n"


async def result_of(office: Office, job: Job) -> FileResponse:
    """What came of a job that the client knows. Raises ``Fault`` where there is nothing (yet)."""
    if not job.is_over:
        raise Fault("conflict", f"the job is {job.state}", f"Ask GET /jobs/{job.id} how far it is.")
    if job.error is not None:
        raise job.error
    if job.state == FAILED or not job.answer.exists():
        raise Fault("not_found", "the result is gone", "Ask again.")
    return answer_of(job)
