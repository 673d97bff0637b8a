"""Puts the server together: endpoints, errors, the page, and the document that describes them."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ftcore_runtime.errors import InputError
from ftcore_server.edge import Edge, on_error
from ftcore_server.inference import Inference
from ftcore_server.metrics import CONTENT_TYPE
from ftcore_server.openai import OpenAI
from ftcore_server.openapi import document
from ftcore_server.page import page
from ftcore_server.problems import Problem
from ftcore_server.sagemaker import SageMaker
from ftcore_server.service import Service
from ftcore_server.typed import Typed


class Common:
    """The endpoints that belong to no protocol.

    Args:
        service: what they report on.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._document: tuple[object, dict[str, Any]] | None = None

    def routes(self) -> list[Route]:
        """Where they are."""
        routes = [
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
        ]
        return [*routes, Route("/", self.page)] if self._service.settings.page else routes

    async def healthz(self, request: Request) -> Response:
        """200 while the process lives."""
        return JSONResponse({"live": True})

    async def readyz(self, request: Request) -> Response:
        """200 while requests are welcome: models loaded and tested, not draining."""
        if self._service.draining:
            raise Problem(503, "draining", "the server is going down")
        if not self._service.registry.ready:
            raise Problem(503, "not_ready", "the models are being loaded")
        return JSONResponse({"ready": True})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' exposition."""
        return Response(await self._service.exposition(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document of what is served now."""
        registry = self._service.registry
        if self._document is None or self._document[0] is not registry.models:
            contracts = {
                name: model.versions[model.default].contract for name, model in registry.models.items()
            }
            made = document(registry, contracts, secured=self._service.settings.token is not None)
            self._document = (registry.models, made)
        return JSONResponse(self._document[1])

    async def page(self, request: Request) -> Response:
        """The page to try the models with."""
        return page()


def make_app(service: Service) -> Starlette:
    """The ASGI application that answers from `service`."""
    common = Common(service)
    routes = [
        *common.routes(),
        *Typed(service).routes(),
        *OpenAI(service).routes(),
        *Inference(service, metadata.version("ftcore")).routes(),
    ]
    if service.settings.sagemaker:
        routes += SageMaker(service, common.readyz).routes()
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge, service=service)],
        exception_handlers={Problem: on_error, HTTPException: on_error, InputError: on_error},
    )
    app.router.redirect_slashes = False
    return app
