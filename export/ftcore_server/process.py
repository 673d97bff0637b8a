"""Runs the server as a process: listens, loads, reloads on SIGHUP, drains on SIGTERM.

SIGTERM and SIGINT end it in three steps: `/readyz` turns to 503 and every response closes its connection, while
requests are still answered, for `drain_seconds`; then nothing more is accepted; then what was accepted is answered,
within `grace_seconds`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ftcore_runtime.errors import UserError
from ftcore_server import logs
from ftcore_server.deployment import Deployment
from ftcore_server.draining import DrainingServer
from ftcore_server.listening import url_of
from ftcore_server.settings import Settings


class Server(DrainingServer):
    """The one process that loads, reloads and answers.

    Args:
        read: what should be served; called at the start and at every reload.
    """

    def __init__(self, settings: Settings, read: Callable[[], Deployment]) -> None:
        self.failure: Exception | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._read = read
        self._reloads: set[asyncio.Task[None]] = set()
        super().__init__(settings)

    @property
    def port(self) -> int:
        """The port that it listens at."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 (uvicorn's own)
        """Listen at once, so that probes are answered; load meanwhile."""
        self.loop = loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            try:
                loop.add_signal_handler(signal.SIGHUP, self.reload)
            except (ValueError, RuntimeError):
                logs.event("no_reload_signal", logging.DEBUG)  # not in the main thread, as in tests
        logs.event("listening", url=url_of(self.service.settings.host, self.port))
        self._start(self._first())

    def reload(self) -> None:
        """Read again what should be served, and serve it; on failure go on as before."""
        self._start(self._again())

    async def _give_up_loading(self) -> None:
        for reload in self._reloads:  # a trial may take minutes
            reload.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)

    def _start(self, work: Any) -> None:  # noqa: ANN401 (a coroutine)
        task = asyncio.create_task(work)
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _first(self) -> None:
        began = time.monotonic()
        try:
            await self.service.registry.apply(self._read())
        except Exception as error:  # noqa: BLE001 (reported by whoever started the server)
            self.failure, self.should_exit = error, True
            return
        logs.event("ready", seconds=round(time.monotonic() - began, 3), models=self._versions())

    async def _again(self) -> None:
        reloads = self.service.metrics.reloads
        try:
            await self.service.registry.apply(self._read())
        except UserError as error:
            reloads.labels("failed").inc()
            logs.event("reload_failed", logging.ERROR, where=error.where, problem=error.what)
        except Exception as error:  # noqa: BLE001 (what serves goes on serving)
            reloads.labels("failed").inc()
            logs.event("reload_failed", logging.ERROR, error)
        else:
            reloads.labels("done").inc()
            logs.event("reloaded", models=self._versions())

    def _versions(self) -> dict[str, list[str]]:
        return {name: list(model.versions) for name, model in self.service.registry.models.items()}


@dataclass(frozen=True)
class Ended:
    """How a server ended.

    Args:
        answered: whether every accepted request was answered.
        abandoned: whether a graph still runs: only the end of the process ends it.
    """

    answered: bool
    abandoned: bool


def serve(settings: Settings, read: Callable[[], Deployment]) -> Ended:
    """Serve until a signal asks to stop.

    Raises:
        UserError: the address cannot be listened at, or the first deployment cannot be served.
    """
    server = Server(settings, read)
    try:
        server.run()
    except SystemExit:  # uvicorn's, after it has logged why it cannot listen
        raise UserError(
            "cannot be listened at",
            where=f"{settings.host}:{settings.port}",
            hint="give another --host or --port",
        ) from None
    if server.failure is not None:
        raise server.failure
    return Ended(not server.service.cut_short, server.service.registry.abandoned)
