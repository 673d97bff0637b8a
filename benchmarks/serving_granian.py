"""Our application under granian in place of uvicorn: `python serving_granian.py BUNDLE PORT THREADS`.

What uvicorn's connections add (limits on heads, the drain) is not there: this tells what the protocol server costs.
"""

from __future__ import annotations

import os
import sys

from starlette.types import Receive, Scope, Send

from ftcore_server import logs
from ftcore_server.app import make_app
from ftcore_server.deployment import from_arguments
from ftcore_server.service import Service
from ftcore_server.settings import Batching, Settings

logs.configure("warning")
service = Service(Settings(batching=Batching(workers=int(os.environ.get("GRANIAN_WORKERS", "1")))))
inside = make_app(service)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Loads the bundle at the start."""
    if scope["type"] != "lifespan":
        await inside(scope, receive, send)
        return
    await receive()
    await service.registry.apply(from_arguments([f"model={os.environ['GRANIAN_BUNDLE']}"]))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await service.registry.close()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces

    os.environ |= {"GRANIAN_BUNDLE": sys.argv[1], "GRANIAN_WORKERS": sys.argv[3]}
    Granian(
        "serving_granian:app",
        address="127.0.0.1",
        port=int(sys.argv[2]),
        interface=Interfaces.ASGI,
        websockets=False,
        log_access=False,
    ).serve()
