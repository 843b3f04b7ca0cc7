"""Who may ask: the host that is named, the page that asks, the token that is known; and headers for browsers.

A page of another site can make a browser send requests here, and a name of its own may lead here. So requests to a
service of this machine must name this machine, whatever changes something or opens a stream must come from this page
(or from no page, as programs do), and browsers are told to let no other page in.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sonoscope.service.faults import Fault
from sonoscope.service.settings import LOOPBACK, Settings

#: The page: plain files, served as they are.
PAGE = Path(__file__).parent / "page"
COOKIE = "sonoscope"
#: Open without a token: the page itself, and what it needs to ask for one.
OPEN_PATHS = ("/", "/health", "/session")
#: Methods that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}


class Guard:
    """ASGI middleware that refuses what may not ask, and adds the headers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if scope["type"] == "websocket":
            if refusal is not None:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
                return
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if refusal is not None:
            await refusal.response()(scope, receive, with_headers)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # The server sends no body where it was asked for none.
        await self._app(scope, receive, with_headers)

    def refusal(self, scope: Scope) -> Fault | None:
        """Why the request may not be answered, if so."""
        headers = Headers(scope=scope)
        if self._settings.is_local and _name(headers.get("host", "")) not in LOOPBACK:
            return Fault("forbidden", "this service answers to this machine only", "Ask for 127.0.0.1.")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and not self._is_ours(headers):
            return Fault(
                "forbidden",
                "another page may not ask this",
                "Open this service's own page, or let the other one in with --allow-origin.",
            )
        # A stream may bring the token in its first message.
        if scope["type"] == "websocket" or self._is_open(scope) or is_known(headers, self._settings):
            return None
        return Fault(
            "unauthorised",
            "a token is needed",
            "Send the header Authorization: Bearer TOKEN, or POST the token to /session.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return scope["method"] == "OPTIONS" or path in OPEN_PATHS or is_asset(path)

    def _is_ours(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self._settings.origins:
            return True
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""


def is_asset(path: str) -> bool:
    """Whether a path of a request is a file of the page."""
    parts = [part for part in path.split("/") if part]
    return ".." not in parts and "\0" not in path and PAGE.joinpath(*parts).is_file()


def is_known(headers: Headers, settings: Settings) -> bool:
    """Whether the token is among the headers (or none is needed)."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and is_token(token.strip(), settings):
        return True
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return is_token(cookie.value if cookie else "", settings)


def is_token(given: str, settings: Settings) -> bool:
    """Whether ``given`` is the token, told in a time that does not depend on where they differ."""
    wanted = settings.auth_token
    return wanted is None or hmac.compare_digest(given.encode(), wanted.encode())


def _name(host: str) -> str:
    """The name in a ``Host`` header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
