"""What a connection writes: a head and its body together, everything in order, and nothing after its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ftcore_server.connection import Lingering


class Wire:
    """A transport that notes every call of the system that it would make."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.calls.append(b"".join(pieces))

    def write_eof(self) -> None:
        self.calls.append(b"EOF")

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass


def calls_of(talk: Callable[[Any], Awaitable[None]]) -> list[bytes]:
    """What is sent while `talk` writes, and in the turn of the event loop after it."""

    async def run() -> list[bytes]:
        wire = Wire()
        await talk(Lingering(wire, 1.0))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        return wire.calls

    return asyncio.run(run())


def test_a_head_and_its_body_leave_together() -> None:
    async def talk(connection: Any) -> None:
        connection.write(b"head")
        connection.write(b"body")

    assert calls_of(talk) == [b"headbody"]


def test_a_piece_alone_leaves_when_the_loop_turns() -> None:
    async def talk(connection: Any) -> None:
        connection.write(b"head")
        await asyncio.sleep(0)
        connection.write(b"event")
        await asyncio.sleep(0)
        connection.write(b"")

    assert calls_of(talk) == [b"head", b"event"]


def test_no_more_than_one_piece_waits() -> None:
    async def talk(connection: Any) -> None:
        for piece in (b"a", b"b", b"c"):
            connection.write(piece)

    assert calls_of(talk) == [b"ab", b"c"]


def test_the_end_comes_after_what_was_written() -> None:
    async def talk(connection: Any) -> None:
        connection.write(b"answer")
        connection.close()
        connection.write(b"too late")

    assert calls_of(talk) == [b"answer", b"EOF"]
