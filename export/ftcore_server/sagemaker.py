"""The two routes that SageMaker asks of a container: `/ping` and `/invocations`, for the one model that is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftcore_server.problems import Problem
from ftcore_server.service import Service
from ftcore_server.typed import Typed


class SageMaker:
    """The endpoints.

    Args:
        service: what they answer from.
        ready: answers 200 while requests are welcome.
    """

    def __init__(self, service: Service, ready: Callable[[Request], Awaitable[Response]]) -> None:
        self._service = service
        self._ready = ready
        self._typed = Typed(service)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/ping", self._ready),
            Route("/invocations", self.invocations, methods=["POST"]),
        ]

    async def invocations(self, request: Request) -> Response:
        """What `:predict` of the model answers."""
        names = list(self._service.registry.models)
        if len(names) > 1:
            raise Problem(404, "several_models", f"several models are served: {', '.join(names)}")
        request.path_params["model"] = names[0] if names else ""
        return await self._typed.predict(request)
