"""uvicorn's HTTP connection with what it leaves out: limits for a head and for taking responses, gentle ends."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ftcore_server.settings import Limits

#: Where a request's scope has its connection, for `Edge`.
EXTENSION = "ftcore.connection"

#: Seconds for which an idle connection is still served at the server's end: its client may be writing just now.
_LAST_CHANCE = 0.3
#: Seconds between saying that nothing more comes and closing, unless the client closes sooner.
_LINGER = 1.0

_HEAD_END = b"\r\n\r\n"
_ANSWERS = {
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    413: b"HTTP/1.1 413 Content Too Large\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class Lingering:
    """A TCP transport that closes gently: it says that nothing more comes, and reads on until the client closes, too.

    A socket that is closed while something is unread resets its client, which then may not see the response.

    What is written waits for what is written next, until the event loop turns to something else: a head and its body
    leave together, which spares the server a call of the system and the client a second one.

    Args:
        transport: whose other methods it has.
        longest: seconds for the client to take what was written before.
    """

    def __init__(self, transport: asyncio.Transport, longest: float) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._longest = longest
        self._until: float | None = None
        self._held = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the transport's is)
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether `close` was called, or the connection is lost."""
        return self._until is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send, unless it is closing."""
        if self._until is not None:
            return
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        elif data:
            self._held = data
            self._loop.call_soon(self._send_held)

    def _send_held(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def pause_reading(self) -> None:
        """Read no more, unless it is closing."""
        if self._until is None:
            self._transport.pause_reading()

    def close(self) -> None:
        """End once the client has taken everything and has closed, or after a while."""
        if self.is_closing():
            return
        self._send_held()
        self._until = self._loop.time() + self._longest
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(_LINGER, self._finish)

    def _finish(self) -> None:
        if self._transport.is_closing():
            return
        assert self._until is not None
        if self._transport.get_write_buffer_size() and self._loop.time() < self._until:
            self._loop.call_later(_LINGER, self._finish)
        else:
            self._transport.abort()


def guarded(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol class whose connections end where a head does not arrive whole, in time and in size.

    They end, too, where a body takes far more bytes than it has: in frames of chunks, or in trailers that nobody reads.
    """
    most_wire = 2 * limits.body_bytes + limits.head_bytes

    class GuardedProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _in_head = True
        _head = 0
        _wire = 0  # bytes since the head
        _whole = False  # whether the request has arrived
        _trailers = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(Lingering(transport, limits.response_seconds))  # type: ignore[arg-type]
            self._start_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            began_in_head = self._in_head
            if began_in_head:
                self._head += len(data)
            else:
                self._wire += len(data)
            if self._wire > most_wire:
                self._refuse(413)
                return
            super().data_received(data)
            if began_in_head and not self._in_head:
                # What came in one piece with the head is of the body as well, whatever a busy machine put together.
                self._wire += len(data) - max(0, data.find(_HEAD_END) + len(_HEAD_END))
                if self._wire > most_wire and not self._whole:
                    self._refuse(413)
            # What arrived in one piece with the body counts only while the head is still incomplete.
            if self._in_head and self._head > limits.head_bytes:
                self._end(431)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {
                EXTENSION: {"paused": self.paused, "taken": self.taken, "abort": self.abort}
            }
            self._in_head = True
            self._start_clock()

        def on_headers_complete(self) -> None:
            self._in_head, self._head = False, 0
            self._wire = self._trailers = 0
            self._whole = False
            self._stop_clock()
            if sum(len(name) + len(value) for name, value in self.headers) > limits.head_bytes:
                self._end(431)
                raise ValueError("head too large")  # ends the parser, which has the body still before it
            super().on_headers_complete()

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._in_head:
                super().on_header(name, value)
                return
            self._trailers += len(name) + len(value)
            if self._trailers > limits.head_bytes:
                self._refuse(431)
                raise ValueError(
                    "trailers too large"
                )  # ends the parser, which may have more of them before it

        def on_message_complete(self) -> None:
            self._whole = True
            super().on_message_complete()

        def paused(self) -> bool:
            """Whether the client has much to take before anything more is sent."""
            return self.flow.write_paused

        async def taken(self) -> None:
            """Return once the client has taken what was sent, but for a little, or has left."""
            await self.flow.drain()

        def abort(self) -> None:
            """End at once."""
            self.transport.abort()

        def shutdown(self) -> None:
            if self._idle():
                self.loop.call_later(_LAST_CHANCE, self._close_if_idle)
            else:
                self.cycle.keep_alive = False

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _close_if_idle(self) -> None:
            if self._idle():
                self.transport.close()

        def _start_clock(self) -> None:
            self._stop_clock()
            self._deadline = self.loop.call_later(limits.head_seconds, self._end, 408)

        def _stop_clock(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _end(self, status: int) -> None:
            """End on account of a head; a response that is under way is not mixed with an answer to it."""
            self._stop_clock()
            if not self.transport.is_closing():
                if self._idle():
                    self._answer(status)
                self.transport.close()

        def _refuse(self, status: int) -> None:
            """End on account of a body."""
            if not self.transport.is_closing():
                if not self.cycle.response_started:
                    self._answer(status)
                self.transport.close()

        def _answer(self, status: int) -> None:
            self.transport.write(_ANSWERS[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")

    return GuardedProtocol
