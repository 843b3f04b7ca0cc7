"""Analysing sound that is sent, or that lies under the data root."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from sonoscope.service.answers import LINES, Form, chosen, media_type
from sonoscope.service.description import answers
from sonoscope.service.faults import Fault
from sonoscope.service.house import House, OfHouse, stated_bytes
from sonoscope.service.office import Job
from sonoscope.service.places import under_root
from sonoscope.service.routes.answering import prefers, respond
from sonoscope.service.uploads import receive, too_large
from sonoscope.service.wishes import Wishes, wishes

router = APIRouter(tags=["analysis"])

RootPath = Annotated[
    str | None,
    Query(max_length=4096, description="A file or folder under the data root, instead of an upload."),
]
FormatName = Annotated[
    str | None,
    Query(
        max_length=40, alias="format", description="json, ndjson or a format of /formats; goes before Accept."
    ),
]
#: Lines of JSON, as they are made.
LINES_TYPE = media_type(LINES)
#: An archive holds so many times what an upload may have, at most.
UNPACKED = 4
OfWishes = Annotated[Wishes, Depends(wishes)]

#: What a request with a file looks like, for OpenAPI.
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                        }
                    },
                    "required": ["file"],
                }
            }
        },
    }
}


async def filled(house: House, job: Job, request: Request, path: str | None) -> dict[str, Any]:
    """What is to be heard, as tasks take it: a path under the data root, or uploads stored with the job.

    Raises
    ------
    Fault
        Whatever is wrong; the job is then gone.
    """
    try:
        if path is not None:
            found = under_root(house.settings.data_root, path)
            return {"path": str(found), "root": str(house.settings.root)}
        house.check_disk(request)
        uploads = await receive(
            request.stream(),
            request.headers.get("content-type", ""),
            job.folder,
            limit=house.settings.max_upload,
        )
        house.disk_used += sum(one.path.stat().st_size for one in uploads)
        unpacked_bytes = UNPACKED * house.settings.max_upload
        return {"uploads": [one.to_json() for one in uploads], "unpacked_bytes": unpacked_bytes}
    except BaseException:
        await house.office.drop(job)
        raise


def check_size(request: Request, limit: int) -> None:
    """Refuse what says itself that it is too large. Raises ``Fault``."""
    if stated_bytes(request) > limit:
        raise too_large(limit)


@router.post(
    "/analyze", summary="What sounds, and when.", openapi_extra=UPLOAD,
    responses={
        200: answers("answer", LINES_TYPE, "text/csv"),
        202: {"description": "A job, for long sound."} | answers("job"),
    },
)  # fmt: skip
async def analyze(
    house: OfHouse, request: Request, wishes: OfWishes, path: RootPath = None, format: FormatName = None
) -> Response:
    """Short sound is answered at once, long sound by a job; lines (``application/x-ndjson``) come as they are made."""
    form: Form = chosen(request.headers.get("accept"), format)
    spec = wishes.spec(form, house.settings)
    if prefers(request, "respond-async") and prefers(request, "wait"):
        raise Fault("usage", "Prefer: respond-async and wait contradict each other", "Give one of them.")
    check_size(request, house.settings.max_upload)
    house.office.check_room()
    job = house.office.new("analyze")
    job.request = {
        **await filled(house, job, request, path), "spec": spec.to_json(), "form": form.name, "scores": wishes.scores,
        "short_s": house.settings.short_s,
    }  # fmt: skip
    return await respond(house, job, request, form, later=prefers(request, "respond-async"))
