"""Whether the service is well, and the cookie of a page that knows the token."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

import sonoscope
from sonoscope.service.faults import Fault
from sonoscope.service.guard import COOKIE, is_known, is_token
from sonoscope.service.house import OfHouse

router = APIRouter(tags=["session"])


class Token(BaseModel):
    """What a browser's user types."""

    token: str = Field(max_length=1000)


@router.get("/health", summary="Whether the service is well.")
async def health(house: OfHouse, request: Request) -> dict[str, Any]:
    """Its version, what it is busy with, its limits, and whether a token is needed and known."""
    settings = house.settings
    return {
        "status": "ok",
        "version": sonoscope.__version__,
        "auth": settings.auth_token is not None,
        "authorised": is_known(request.headers, settings),
        "workers": settings.workers,
        "queued": house.office.n_queued,
        "running": house.office.n_running,
        "listening": house.listening,
        "limits": {
            "max_upload": settings.max_upload,
            "max_duration": settings.max_duration,
            "short": settings.short_s,
            "queue": settings.queue,
            "listeners": settings.listeners,
        },
        "data_root": settings.data_root is not None,
        "explain": find_spec("sonoscope.explain") is not None,
    }


@router.post("/session", status_code=204, summary="Exchange the token for a cookie.")
async def begin_session(house: OfHouse, given: Token) -> Response:
    """For browsers, which send a cookie with pictures and sound too."""
    if not is_token(given.token, house.settings):
        raise Fault("unauthorised", "the token is another one", "Ask the one who runs the service.")
    response = Response(status_code=204)
    if house.settings.auth_token is not None:
        # Without a path it is for what lies beside this address: behind a proxy, for the service's prefix alone.
        response.set_cookie(
            COOKIE, given.token, path=None, httponly=True, samesite="strict", max_age=30 * 86400
        )
    return response


@router.delete("/session", status_code=204, summary="Forget the cookie.")
async def end_session() -> Response:
    """The browser forgets it."""
    response = Response(status_code=204)
    response.set_cookie(COOKIE, path=None, max_age=0, httponly=True, samesite="strict")
    return response
