"""The WebSocket: a JSON hello, then samples in; JSON out."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from sonoscope.service import bundles
from sonoscope.service.ears import Listening
from sonoscope.service.faults import Fault, busy, fault_of
from sonoscope.service.guard import is_known, is_token
from sonoscope.service.house import House, OfHouse
from sonoscope.service.live import Hello

router = APIRouter()
#: The hello is waited for so long, and sound too.
HELLO_S, SILENCE_S = 15.0, 60.0
#: A client that reads nothing for so long is left.
UNREAD_S = 30.0


@router.get("/live", include_in_schema=False)
async def plain() -> None:
    """What a proxy asks that passes no WebSockets on. Raises ``Fault``."""
    raise Fault(
        "upgrade",
        "/live is a WebSocket, and this came as a plain request",
        "Connect with ws:// or wss://; a proxy in between must pass the headers Upgrade and Connection on.",
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )


@router.websocket("/live")
async def live(socket: WebSocket, house: OfHouse) -> None:
    """What sounds in what is sent."""
    await socket.accept()
    try:
        if house.stopping.is_set():
            raise _stopping()
        if house.listening >= house.settings.listeners:
            raise busy(f"{house.listening} streams are open already", 10)
        house.listening += 1
        try:
            await _listen(socket, house, await _hello(socket, house))
        finally:
            house.listening -= 1
        await socket.close()
    except WebSocketDisconnect:
        return
    except Exception as error:
        with suppress(RuntimeError, WebSocketDisconnect):
            fault = fault_of(error)
            await socket.send_json(fault.to_json())
            await socket.close(1012 if fault.code == "stopping" else 1008)


async def _hello(socket: WebSocket, house: House) -> Hello:
    """The first message. Raises ``Fault``."""
    try:
        async with asyncio.timeout(HELLO_S):
            message = await socket.receive()
    except TimeoutError:
        raise Fault("usage", f"no hello came within {HELLO_S:.0f} s", _HOW) from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    # Only now: who sends the hello into a socket that is closed does not read why it is.
    if socket.query_params:
        raise Fault("usage", "what to hear is not read from the address", _HOW)
    try:
        hello = Hello.model_validate_json(message.get("text") or "")
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'hello'}: {one['msg']}" for one in error.errors()[:3]
        )
        raise Fault("invalid", told, _HOW) from None
    if not (is_known(socket.headers, house.settings) or is_token(hello.token or "", house.settings)):
        raise Fault("unauthorised", "a token is needed", 'Put it into the first message: {"token": …}.')
    return hello


_HOW = 'Begin with a JSON object such as {"rate": 48000, "model": "notes", "sample_format": "f32le"}.'


async def _listen(socket: WebSocket, house: House, hello: Hello) -> None:
    """Take sound until the client ends it, and tell what is heard."""
    for name in hello.names():
        bundles.place(name, house.settings.models)
    async with house.ears.taken(hello) as stream:
        sending = asyncio.create_task(_send(socket, stream))
        receiving = asyncio.create_task(_receive(socket, stream))
        stopping = asyncio.create_task(house.stopping.wait())
        try:
            done, _ = await asyncio.wait((sending, receiving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if done == {stopping}:
                receiving.cancel()
                await stream.end()
                await sending  # what sounds now ends now
                raise _stopping()
            if receiving in done and not (receiving.cancelled() or receiving.exception()):
                await sending  # what is left to tell
            for task in done:
                task.result()
        finally:
            for task in (receiving, sending, stopping):
                task.cancel()
            await asyncio.gather(receiving, sending, stopping, return_exceptions=True)


def _stopping() -> Fault:
    return Fault("stopping", "the service is being stopped", "Open another stream when it is back.")


async def _receive(socket: WebSocket, stream: Listening) -> None:
    """Pass samples on, to the end."""
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await socket.receive()
        except TimeoutError:
            raise Fault("too_slow", f"nothing came for {SILENCE_S:.0f} s", "Open another stream.") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if (raw := message.get("bytes")) is not None:
            await stream.feed(raw)
        elif _is_end(message.get("text") or ""):
            await stream.end()
            return
        else:
            raise Fault("usage", "a message that is neither samples nor an end", 'End with {"kind": "end"}.')


def _is_end(text: str) -> bool:
    try:
        values = json.loads(text)
    except ValueError:
        return False
    return isinstance(values, dict) and values.get("kind") == "end"


async def _send(socket: WebSocket, stream: Listening) -> None:
    """Send what is told, to the end."""
    async for message in stream.messages():
        try:
            # wait_for would lose a cancellation that comes in the turn in which the message has left.
            async with asyncio.timeout(UNREAD_S):
                await socket.send_text(message)
        except TimeoutError:
            raise Fault("too_slow", "what is told is not read", "Read the messages as they come.") from None
