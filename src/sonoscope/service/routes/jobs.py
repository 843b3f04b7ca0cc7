"""Jobs: how far they are, what came of them, and ending them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from sonoscope.service.description import answers
from sonoscope.service.house import OfHouse
from sonoscope.service.routes.answering import described, result_of

router = APIRouter(prefix="/jobs", tags=["jobs"])
Name = Path(description="What the answer 202 named.", max_length=64)


@router.get("/{job}", summary="How far a job is.", responses={200: answers("job")})
async def job_status(house: OfHouse, request: Request, job: str = Name) -> dict[str, Any]:
    """Its state (queued, running, done, failed, cancelled), progress, error and where its result is."""
    return {"job": described(house.office, house.office.find(job), request)}


@router.get("/{job}/result", summary="What came of a job.", response_class=FileResponse)
async def job_result(house: OfHouse, job: str = Name) -> FileResponse:
    """The bytes; the job's own error if it failed."""
    return await result_of(house.office, house.office.find(job))


@router.delete("/{job}", status_code=204, summary="Cancel and forget a job.")
async def job_delete(house: OfHouse, job: str = Name) -> Response:
    """It stops at once, and its files are removed."""
    await house.office.drop(house.office.find(job))
    return Response(status_code=204)
