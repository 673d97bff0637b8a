"""Counts the bytes of bodies and responses that are in memory, over all requests, and refuses what goes beyond."""

from __future__ import annotations

import threading

from ftcore_server.problems import Problem


class Memory:
    """The bytes that all requests hold together. Safe to share between threads.

    Args:
        limit: of them.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.lock = threading.Lock()


class Account:
    """What one request holds, until `close`.

    Args:
        memory: that it is a part of.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0
        self._closed = False

    def add(self, count: int) -> None:
        """Charge some more bytes; none once closed, since a thread may outlive its request.

        Raises:
            Problem: 503, all requests together would hold too many.
        """
        memory = self._memory
        with memory.lock:
            if self._closed:
                return
            if memory.held + count > memory.limit:
                what = "the requests in hand hold as many bytes as they may together"
                raise Problem(503, "memory", what, headers={"retry-after": "1"}, close=True)
            memory.held += count
            self._held += count

    def close(self) -> None:
        """Give everything back."""
        with self._memory.lock:
            self._memory.held -= self._held
            self._held, self._closed = 0, True
