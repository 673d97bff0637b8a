"""uvicorn's HTTP connection with what it leaves out: a deadline and a size for a request's head, a gentle end."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ftcore_server.settings import Limits

#: Seconds for which an idle connection is still listened to at the end: its client may be writing just now.
_LINGER = 0.3

_ANSWERS = {
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


def guarded(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol class whose connections end where a head does not arrive whole, in time and in size."""

    class GuardedProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _in_head = True
        _head = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                self._head += len(data)
            super().data_received(data)
            # What arrived in one piece with the body counts only while the head is still incomplete.
            if self._in_head and self._head > limits.head_bytes:
                self._end(431)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True
            self._start_clock()

        def on_headers_complete(self) -> None:
            self._in_head, self._head = False, 0
            self._stop_clock()
            if sum(len(name) + len(value) for name, value in self.headers) > limits.head_bytes:
                self._end(431)
                raise ValueError("head too large")  # ends the parser, which has the body still before it
            super().on_headers_complete()

        def shutdown(self) -> None:
            if self._idle():
                self.loop.call_later(_LINGER, self._close_if_idle)
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
            self._stop_clock()
            if not self.transport.is_closing():
                if self._idle():
                    self.transport.write(_ANSWERS[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
                self.transport.close()

    return GuardedProtocol
