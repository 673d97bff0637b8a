"""One of the processes that answer at one address: forked from one that has loaded the models, which directs it.

Signals are not for it: what ends it comes through a pipe, so that a service manager that signals every process of a
group does not end some of them before the others. Where the pipe ends, whoever held it is gone, and so goes the worker.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from ftcore_server.deployment import Deployment
from ftcore_server.draining import DrainingServer
from ftcore_server.loading import Loaded
from ftcore_server.settings import Settings
from ftcore_server.siblings import Siblings

#: What a worker is asked: to end because others take over, because the server ends, or at once.
RETIRE, DRAIN, FORCE = b"r", b"d", b"f"


class Worker(DrainingServer):
    """Answers with models that were loaded before it was forked.

    Args:
        deployment, loaded: what it serves.
        control: a pipe that says what to do.
        siblings: the workers of its group.
        ready: called once it answers.
        turned: called ten times a second while the event loop turns.
    """

    def __init__(
        self,
        settings: Settings,
        deployment: Deployment,
        loaded: Sequence[Loaded],
        control: int,
        siblings: Siblings,
        ready: Callable[[], None],
        turned: Callable[[], None],
    ) -> None:
        super().__init__(settings)
        self._deployment = deployment
        self._loaded = loaded
        self._control = control
        self._siblings = siblings
        self._ready = ready
        self._turned = turned

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 (uvicorn's own)
        """Take the models over, then accept connections."""
        random.seed()  # a fork would send the same requests to a canary as its siblings
        self.service.registry.adopt(self._deployment, self._loaded)
        await self._siblings.listen(self.service)
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(self._control, self._obey)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """See `DrainingServer`."""
        self._turned()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal from before `startup` has come to its end."""

    def retire(self) -> None:
        """Accept no more, and end once what was accepted is answered.

        The socket itself stays open elsewhere, with all that waits in its queue for those who take over.
        """
        for server in self.servers:
            server.close()
        self.close_connections()

    def _obey(self) -> None:
        said = os.read(self._control, 1)
        if said == DRAIN:
            self.drain()
        elif said == FORCE:
            self.force()
        else:
            if not said:
                asyncio.get_running_loop().remove_reader(self._control)
            self.retire()
