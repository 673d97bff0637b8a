"""uvicorn with our way of ending: it drains, then answers what was accepted, and resets nobody."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

import uvicorn

from ftcore_server import logs
from ftcore_server.app import make_app
from ftcore_server.connection import guarded
from ftcore_server.listening import stop_accepting
from ftcore_server.service import Service
from ftcore_server.settings import Settings


class DrainingServer(uvicorn.Server):
    """Answers from `service`; SIGTERM and SIGINT end it as `ftcore_server.process` says.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.service = Service(settings)
        self._drain_from: float | None = None
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

    def drain(self) -> None:
        """Begin to end: say so to probes, close connections after their responses, and take what still comes."""
        self.service.draining = True
        self.close_connections()

    def close_connections(self) -> None:
        """Let every response be the last of its connection, and end after `drain_seconds`."""
        self.service.closing = True
        self._drain_from = self._drain_from or time.monotonic()

    def force(self) -> None:
        """End at once."""
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop accepting; called ten times a second."""
        if self._drain_from is not None:
            drained = time.monotonic() - self._drain_from >= self.service.settings.drain_seconds
            self.should_exit = self.should_exit or drained
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second SIGINT ends it at once."""
        if self._drain_from is None:
            self.drain()
        elif sig == signal.SIGINT:
            self.force()

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401 (uvicorn's own)
        """Answer what was accepted, then close the models."""
        await stop_accepting([one for server in self.servers for one in server.sockets])
        await super().shutdown(sockets)
        self.service.cut_short = self.force_exit or bool(self.server_state.tasks)
        await self._give_up_loading()
        await self.service.close()
        logs.event("stopped")

    async def _give_up_loading(self) -> None:
        """End what is being loaded; here nothing is."""
