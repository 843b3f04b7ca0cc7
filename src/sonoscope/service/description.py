"""What ``/openapi.json`` says beyond what FastAPI knows by itself: the objects of answers and of errors.

The objects are those of ``outputs/schema.json``, under the names that they have there. Errors have one shape, whatever
refuses; FastAPI would describe its own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.routing import compile_path

from sonoscope.errors import UsageError, one_of
from sonoscope.outputs import tables
from sonoscope.service.guard import is_asset

#: Where OpenAPI keeps objects, and the names in ``schema.json`` of those that the service answers with.
PLACE = "#/components/schemas/"
OBJECTS = (
    "answer", "heard", "failed", "error", "progress", "queued", "lines_end", "job", "event", "by_label", "seconds",
    "moment", "probability",
)  # fmt: skip
#: FastAPI's own errors, which nobody gets here.
FOREIGN = ("HTTPValidationError", "ValidationError")


def answers(name: str, *others: str) -> dict[str, Any]:
    """A response in JSON that is one of the objects of ``schema.json``; ``others``: media types that it may have."""
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": PLACE + name}}}
    return {"content": content | {other: {"schema": {"type": "string"}} for other in others}}


def openapi(app: FastAPI) -> dict[str, Any]:
    """The description of ``app``, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                operation["responses"]["4XX"] = {"description": "What is wrong, and what to do."} | answers(
                    "error"
                )
        defined = tables.schema()["$defs"]
        schemas = made["components"]["schemas"]
        for name in FOREIGN:
            schemas.pop(name, None)
        schemas.update({name: _moved(defined[name]) for name in OBJECTS})
        app.openapi_schema = made
    return app.openapi_schema


def methods(app: FastAPI, path: str) -> list[str]:
    """What may be done with a path, sorted; nothing where there is none."""
    found = {
        method.upper()
        for template, operations in openapi(app)["paths"].items()
        if compile_path(template)[0].match(path)
        for method in operations
    }
    if path in ("/", app.openapi_url) or is_asset(path):
        found.add("GET")
    # HEAD is GET without the body (guard.py).
    return sorted(found | {"HEAD"} if "GET" in found else found)


def _moved(schema: Any) -> Any:
    """A part of ``schema.json`` whose references lead to where OpenAPI keeps objects."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", PLACE) if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(one) for one in schema] if isinstance(schema, list) else schema


def check_query(request: Request) -> None:
    """Refuse a query with an option that the route does not know, or with one twice: the answer would be another one.

    Raises
    ------
    UnknownName, UsageError
        That name it.
    """
    operation = openapi(request.app)["paths"][request.scope["route"].path][request.method.lower()]
    known = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if not known:
            raise UsageError(f"{name[:50]}: {request.method} {request.url.path} takes no options")
        one_of(known, name, "option")
        if times > 1:
            raise UsageError(f"{name} is given {times} times: give it once, several values joined by commas")
