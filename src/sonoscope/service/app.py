"""The application: routes, the page, and what runs beside them from start to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Scope

import sonoscope
from sonoscope.service import description, faults
from sonoscope.service.guard import PAGE, Guard
from sonoscope.service.house import House
from sonoscope.service.routes import analysis, facts, jobs, judging, listening, live, recordings, session
from sonoscope.service.settings import Settings

#: Headers of answers that scripts of other pages may read, beside those that browsers show to all.
TOLD = ("Content-Disposition", "Location", "Retry-After", "X-Sonoscope-Failed", "WWW-Authenticate")


class Page(StaticFiles):
    """The files of the page, asked for again each time (and mostly not sent again: nothing changed)."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application; its workers run from its start to its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        house = app.state.house = House.opened(settings)
        await house.start()
        try:
            yield
        finally:
            await house.stop()

    app = FastAPI(
        title="sonoscope",
        version=sonoscope.__version__,
        description="Says what sounds in a recording, and when.",
        lifespan=lifespan,
        # Their pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    faults.install(app, lambda request: description.methods(app, request.url.path))
    app.openapi = partial(description.openapi, app)  # type: ignore[method-assign]
    for routes in (session, facts, analysis, jobs, recordings, listening, judging):
        app.include_router(routes.router, dependencies=[Depends(description.check_query)])
    app.include_router(live.router)
    app.mount("/", Page(directory=PAGE, html=True, check_dir=False), name="page")
    app.add_middleware(Guard, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["*"], allow_headers=["*"],
            expose_headers=TOLD,
        )  # fmt: skip
    return app
