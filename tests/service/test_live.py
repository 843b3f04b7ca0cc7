"""Live streams over the WebSocket: each has a process of its own, which serves the next one when it is free."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import Served, start

from sonoscope.service import running
from sonoscope.service.ears import Ears
from sonoscope.service.faults import Fault
from sonoscope.service.live import Fed, Hello
from sonoscope.service.routes import live
from sonoscope.service.settings import Settings

websockets = pytest.importorskip("websockets")
RATE = 16_000
HELLO = {"rate": RATE, "model": "instruments", "threshold": 0.01}


def ears(served: Served) -> set[int]:
    """The processes that listen."""
    status = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    if not status.exists():
        pytest.skip("needs /proc")
    found = map(int, status.read_text().split())
    return {pid for pid in found if b"sonoscope.service.ear" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def sound(hertz: float, seconds: float = 2.0) -> bytes:
    t = np.arange(round(seconds * RATE)) / RATE
    return (12_000 * np.sin(2 * np.pi * hertz * t)).astype("<i2").tobytes()


async def stream(served: Served, samples: bytes, **hello: Any) -> list[dict[str, Any]]:
    """Everything told about a sound that is sent at once."""
    async with websockets.connect(f"ws{served.url[4:]}/live") as socket:
        await socket.send(json.dumps(HELLO | hello))
        found = [json.loads(await socket.recv())]
        await socket.send(samples)
        await socket.send('{"kind": "end"}')
        return found + [json.loads(message) async for message in socket]


def facts(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What does not depend on how fast the machine was."""
    return [one for one in messages if one["kind"] != "pace"]


def test_streams_one_after_another_share_a_process_and_nothing_else(served: Served) -> None:
    first = asyncio.run(stream(served, sound(440)))
    process = ears(served)
    other = asyncio.run(stream(served, sound(2500), model="notes"))
    again = asyncio.run(stream(served, sound(440)))
    assert ears(served) == process and len(process) == 1
    assert facts(again) == facts(first) and first[-1]["kind"] == "end" and first[-1]["heard"] == 2.0
    assert other[0]["models"][0]["model"] == "notes"


def test_streams_at_a_time_have_processes_of_their_own(served: Served) -> None:
    async def both() -> tuple[set[int], list[dict[str, Any]]]:
        async with websockets.connect(f"ws{served.url[4:]}/live") as held:
            await held.send(json.dumps(HELLO))
            await held.recv()
            other = await stream(served, sound(440))
            return ears(served), other

    processes, other = asyncio.run(both())
    assert len(processes) == 2
    assert facts(other) == facts(asyncio.run(stream(served, sound(440))))


def test_a_process_that_is_killed_ends_its_own_stream_only(served: Served) -> None:
    async def killed() -> dict[str, Any]:
        async with websockets.connect(f"ws{served.url[4:]}/live") as held:
            await held.send(json.dumps(HELLO))
            await held.recv()
            for process in ears(served):
                os.kill(process, signal.SIGKILL)
            return json.loads(await held.recv())

    assert asyncio.run(killed())["error"]["code"] == "crashed"
    assert asyncio.run(stream(served, sound(440)))[-1]["kind"] == "end"


def test_a_service_that_is_stopped_tells_its_listeners_all_and_why(tmp_path: Path) -> None:
    stopped = start(tmp_path)

    async def told() -> tuple[list[dict[str, Any]], int]:
        async with websockets.connect(f"ws{stopped.url[4:]}/live") as held:
            await held.send(json.dumps(HELLO))
            found = [json.loads(await held.recv())]
            await held.send(sound(440))
            found.append(json.loads(await held.recv()))
            stopped.process.terminate()
            with suppress(websockets.exceptions.ConnectionClosed):
                while True:
                    found.append(json.loads(await held.recv()))
            return found, held.close_code

    try:
        messages, code = asyncio.run(told())
        assert messages[-2]["kind"] == "end" and messages[-2]["heard"] == 2.0
        assert messages[-1]["error"]["code"] == "stopping" and code == 1012
        stopped.process.wait(20)
    finally:
        stopped.kill()


def test_a_kept_process_that_died_a_moment_ago_is_not_given_a_stream(tmp_path: Path) -> None:
    """Killed in the turn of the loop in which it is taken: nothing has told that it has ended."""

    async def told() -> dict[str, Any]:
        ears, hello = Ears(Settings(state=tmp_path)), Hello(rate=RATE)
        async with ears.taken(hello):
            pass
        [kept] = ears._idle
        assert kept._process is not None
        os.kill(kept._process.pid, signal.SIGKILL)
        assert kept.is_running
        async with ears.taken(hello) as stream:
            found = json.loads(await anext(stream.messages()))
        await ears.stop()
        return found

    assert asyncio.run(told())["kind"] == "stream"


async def until_closed(socket: Any) -> list[dict[str, Any]]:
    """What is told until the other side closes, for whatever reason."""
    found = []
    with suppress(websockets.exceptions.ConnectionClosed):
        while True:
            found.append(json.loads(await socket.recv()))
    return found


@pytest.mark.parametrize("message", [b"abc", "text"])
def test_what_is_no_sound_is_refused_and_the_next_stream_is_heard(
    served: Served, message: bytes | str
) -> None:
    async def wrong() -> list[dict[str, Any]]:
        async with websockets.connect(f"ws{served.url[4:]}/live") as socket:
            await socket.send(json.dumps(HELLO))
            await socket.send(message)
            return await until_closed(socket)

    assert asyncio.run(wrong())[-1]["error"]["code"] == "usage"
    assert asyncio.run(stream(served, sound(440)))[-1]["heard"] == 2.0


def test_who_is_told_to_stop_while_a_message_is_leaving_stops() -> None:
    """Once in hundreds of streams both happen in one turn of the loop: here they always do."""

    class Socket:
        left = asyncio.Event()

        async def send_text(self, message: str) -> None:
            await self.left.wait()

    class Stream:
        async def messages(self) -> AsyncIterator[str]:
            yield "{}"
            await asyncio.Event().wait()

    async def both() -> None:
        socket = Socket()
        sending = asyncio.create_task(live._send(socket, Stream()))  # type: ignore[arg-type]
        for _ in range(5):
            await asyncio.sleep(0)
        socket.left.set()
        await asyncio.sleep(0)
        sending.cancel()
        _, waiting = await asyncio.wait({sending}, timeout=5)
        assert not waiting and sending.cancelled()

    asyncio.run(both())


def test_who_goes_without_a_word_leaves_nothing_behind(served: Served) -> None:
    async def gone() -> None:
        async with websockets.connect(f"ws{served.url[4:]}/live") as socket:
            await socket.send(json.dumps(HELLO))
            await socket.send(bytes(1 << 19))

    asyncio.run(gone())
    assert asyncio.run(stream(served, sound(440)))[-1]["heard"] == 2.0


def test_more_streams_than_allowed_are_refused(served: Served) -> None:
    async def many() -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(websockets.connect(f"ws{served.url[4:]}/live"))
            late = await stack.enter_async_context(websockets.connect(f"ws{served.url[4:]}/live"))
            return (await until_closed(late))[-1]

    assert asyncio.run(many())["error"]["code"] == "busy"


def test_a_stream_is_no_longer_than_a_recording_may_be() -> None:
    source = Fed(Hello(rate=8000), lambda message: None, longest_s=1.0)
    for _ in range(3):
        source.put(bytes(8000))
    with pytest.raises(Fault, match="longer than this service takes"):
        source.put(bytes(8000))


def test_small_messages_do_not_wait_for_the_client_to_send_again() -> None:
    """Nagle's algorithm holds a message of a stream back until the one before is acknowledged: a hop later."""
    with running._listening("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
