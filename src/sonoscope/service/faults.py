"""What can go wrong, as the one shape in which it is told: ``{"error": {"code", "message", "remedy"}}``.

``Fault`` is raised in routes; errors of the engine become one by :func:`fault_of`, with no word of the machine's own
that a stranger should not read (unexpected errors are logged and told without their text).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sonoscope.errors import BadBundle, SonoscopeError, UnknownName, UnreadableAudio, UsageError
from sonoscope.outputs import UnreadableTable
from sonoscope.writing import FULL

log = logging.getLogger(__name__)

#: HTTP status of each code.
STATUS = {
    "usage": 400, "unknown_name": 400, "unauthorised": 401, "forbidden": 403, "not_found": 404, "method": 405,
    "not_acceptable": 406, "conflict": 409, "cancelled": 409, "too_large": 413, "too_long": 413, "invalid": 422,
    "unreadable": 422, "too_slow": 422, "too_much_memory": 422, "crashed": 422, "upgrade": 426, "busy": 503,
    "stopping": 503, "full": 507, "internal": 500,
}  # fmt: skip


class Fault(Exception):
    """Something that is told to the client.

    Parameters
    ----------
    code : str
        A key of :data:`STATUS`.
    message, remedy : str
        What is wrong, and what to do.
    headers : mapping of str to str, optional
        Such as ``Retry-After``.
    """

    def __init__(
        self, code: str, message: str, remedy: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    def to_json(self) -> dict[str, Any]:
        """The one shape."""
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fault:
        """The inverse of :meth:`to_json`, of what is inside ``error``."""
        return cls(values["code"], values["message"], values["remedy"])

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse(self.to_json(), self.status, self.headers)


def busy(message: str, wait_s: int) -> Fault:
    """The service has no room now; ``wait_s`` seconds later it may have."""
    return Fault(
        "busy", message, f"Try again in {wait_s} seconds.", headers={"Retry-After": str(max(wait_s, 1))}
    )


def fault_of(error: Exception) -> Fault:
    """An error of the engine as what is told."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, UnreadableAudio):
        return Fault("unreadable", f"{error.file}: {error.reason}", error.remedy)
    if isinstance(error, UnreadableTable):
        return Fault("unreadable", str(error), "Correct the file, or leave it out.")
    if isinstance(error, UnknownName):
        return Fault("unknown_name", str(error), "Use one of the names that are known.")
    if isinstance(error, BadBundle):
        return Fault("usage", str(error), "Choose another model (GET /models lists them).")
    if isinstance(error, UsageError):
        return Fault("usage", str(error), "Change the option that the message names.")
    if isinstance(error, MemoryError):
        return Fault(
            "too_much_memory",
            "the sound needs more memory than one request may take",
            "Send a shorter part.",
        )
    if isinstance(error, SonoscopeError):
        return Fault("usage", str(error), "Change what the message names.")
    if _is_full(error):
        log.error("no room: %s", error)
        return Fault(
            "full",
            "the disk of this service is full",
            "Try again later, or tell the one who runs the service.",
        )
    log.error("unexpected", exc_info=error)
    return Fault(
        "internal",
        f"this should not have happened: {type(error).__name__}",
        "Try again; if it stays, tell the one who runs the service: the details are in its log.",
    )


def _is_full(error: Exception) -> bool:
    """Whether nothing more can be written: into a file, or into the ledger."""
    if isinstance(error, sqlite3.OperationalError):
        # Errors of the module itself, not of the database, have no code.
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in FULL


#: What Starlette and FastAPI refuse by themselves.
_CODES = {
    400: "usage", 401: "unauthorised", 403: "forbidden", 406: "not_acceptable", 409: "conflict", 413: "too_large",
    415: "usage", 416: "usage", 422: "invalid",
}  # fmt: skip


def install(app: FastAPI, allowed: Callable[[Request], list[str]]) -> None:
    """Let every error of ``app`` have the one shape; ``allowed``: the methods that the path of a request has."""

    async def engine(_: Request, error: Exception) -> JSONResponse:
        return fault_of(error).response()

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        path = request.url.path[:200]
        what = f"there is no {request.method} {path}"
        if error.status_code in (404, 405):
            # The page is mounted over every path, and refuses for all: what is there is said here.
            known = allowed(request)
            if known and request.method not in known:
                names = ", ".join(known)
                return Fault("method", what, f"{path} takes {names}.", headers={"Allow": names}).response()
            return Fault("not_found", what, "GET /openapi.json lists the routes.").response()
        code = _CODES.get(error.status_code, "usage" if error.status_code < 500 else "internal")
        told = Fault(code, str(error.detail), "Change the request.", headers=error.headers)
        return JSONResponse(told.to_json(), error.status_code, told.headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        told = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'][1:]) or one['loc'][0]}: {one['msg']}"
            for one in error.errors()[:5]
        )
        return Fault("invalid", told, "Give a value of the type that GET /openapi.json states.").response()

    app.add_exception_handler(Fault, engine)
    app.add_exception_handler(SonoscopeError, engine)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(OSError, engine)
    app.add_exception_handler(Exception, engine)
