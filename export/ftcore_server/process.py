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
from types import FrameType
from typing import Any

import uvicorn

from ftcore_runtime.errors import UserError
from ftcore_server import logs
from ftcore_server.app import make_app
from ftcore_server.connection import guarded
from ftcore_server.deployment import Deployment
from ftcore_server.listening import stop_accepting
from ftcore_server.service import Service
from ftcore_server.settings import Settings


class Server(uvicorn.Server):
    """uvicorn with our way of starting and ending.

    Args:
        read: what should be served; called at the start and at every reload.
    """

    def __init__(self, settings: Settings, read: Callable[[], Deployment]) -> None:
        self.service = Service(settings)
        self.failure: Exception | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._read = read
        self._drain_from: float | None = None
        self._reloads: set[asyncio.Task[None]] = set()
        limits = settings.limits
        super().__init__(
            uvicorn.Config(
                make_app(self.service),
                host=settings.host,
                port=settings.port,
                http=guarded(limits),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                limit_concurrency=limits.connections,
                timeout_keep_alive=int(limits.idle_seconds),
                timeout_graceful_shutdown=max(1, round(settings.grace_seconds)),
            )
        )

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
        host = self.service.settings.host
        shown = f"[{host}]" if ":" in host else host
        logs.event("listening", url=f"http://{shown}:{self.port}")
        self._start(self._first())

    def reload(self) -> None:
        """Read again what should be served, and serve it; on failure go on as before."""
        self._start(self._again())

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop accepting; called ten times a second."""
        if self._drain_from is not None:
            drained = time.monotonic() - self._drain_from >= self.service.settings.drain_seconds
            self.should_exit = self.should_exit or drained
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second SIGINT ends it at once."""
        if self._drain_from is None:
            self.service.draining = True
            self._drain_from = time.monotonic()
        elif sig == signal.SIGINT:
            self.should_exit = self.force_exit = True

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401 (uvicorn's own)
        """Answer what was accepted, then close the models."""
        await stop_accepting([one for server in self.servers for one in server.sockets])
        await super().shutdown(sockets)
        self.service.cut_short = self.force_exit or bool(self.server_state.tasks)
        for reload in self._reloads:  # a trial may take minutes
            reload.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)
        await self.service.close()
        logs.event("stopped")

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
