"""The outermost layer: correlation ids, the bearer token, errors, logs, metrics, and when a connection ends."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import time
from collections.abc import Awaitable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ftcore_server import logs
from ftcore_server.connection import EXTENSION
from ftcore_server.memory import Account
from ftcore_server.problems import Problem, as_problem, response
from ftcore_server.service import Service

#: Paths that need no token: probes, and the page, which asks for the token itself.
OPEN_PATHS = ("/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/ping")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def on_error(request: Request, error: Exception) -> Response:
    """The response to an error that an endpoint or the router raised."""
    request.state.code = (problem := as_problem(error)).code
    return response(problem, request.state.request_id)


class Edge:
    """ASGI middleware around everything.

    Args:
        app: what is inside.
        service: its settings, metrics and whether it drains.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        token = service.settings.token
        self._expected = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._service)
        try:
            try:
                self._require_token(scope, exchange.headers)
                await self._app(scope, exchange.receive, exchange.send)
            except Exception as error:  # noqa: BLE001 (nothing may get past: the client gets a status, the log the cause)
                await exchange.fail(error)
            finally:
                exchange.record()
            await exchange.taken()
        finally:
            exchange.account.close()

    def _require_token(self, scope: Scope, headers: Headers) -> None:
        if self._expected is None or scope["path"] in OPEN_PATHS:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        # Always compared, so that time tells nothing.
        same = hmac.compare_digest(token.strip().encode(), self._expected)
        if scheme.lower() != "bearer" or not same:
            self._service.metrics.rejections.labels("unauthorized").inc()
            raise Problem(
                401,
                "unauthorized",
                "the bearer token is missing or wrong",
                headers={"www-authenticate": "Bearer"},
            )


class _Exchange:
    """One request and its response, watched."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, service: Service) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._service = service
        self._began = time.perf_counter()
        self._status: int | None = None
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self._state: dict[str, Any] = scope.setdefault("state", {})
        self._state["request_id"] = self.request_id
        self.account = self._state["account"] = Account(service.memory)
        self._connection = scope.get("extensions", {}).get(EXTENSION)
        length = self.headers.get("content-length", "0")
        self._unread = length != "0" or "transfer-encoding" in self.headers

    async def receive(self) -> Message:
        """Pass on what arrives."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        """Pass on the response, with the headers that all have."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.request_id
            headers["x-content-type-options"] = "nosniff"
            headers.setdefault("cache-control", "no-store")
            # A body that is still under way would be waited for on a kept connection, for as long as it drips.
            if self._unread or self._service.closing:
                headers["connection"] = "close"
        await self._in_time(self._send(message))

    async def taken(self) -> None:
        """Return once the client has taken the response, or has left: until then it is in memory."""
        if self._connection is not None:
            await self._in_time(self._connection["taken"]())

    async def _in_time(self, sending: Awaitable[None]) -> None:
        """Wait for what is sent to be taken; a connection whose client takes nothing ends."""
        if self._connection is not None and not self._connection["paused"]():
            await sending  # which waits for nobody, and needs no clock
            return
        try:
            async with asyncio.timeout(self._service.settings.limits.response_seconds):
                await sending
        except TimeoutError:
            if self._connection is not None:
                self._connection["abort"]()

    async def fail(self, error: Exception) -> None:
        """Answer with an error that came out of the whole application."""
        problem = as_problem(error)
        self._state["code"] = problem.code
        if problem.status >= 500:
            logs.event("failed", logging.ERROR, error, request_id=self.request_id)
        if self._status is None:
            await response(problem, self.request_id)(self._scope, self.receive, self.send)

    def record(self) -> None:
        """Count and log the request, without anything that the client wrote."""
        seconds = time.perf_counter() - self._began
        endpoint = self._scope.get("endpoint")
        route = getattr(endpoint, "__name__", "none")
        model = self._state.get("model", "")
        status = self._status or 499
        metrics = self._service.metrics
        metrics.requests.labels(route, model, str(status)).inc()
        metrics.seconds.labels(route, model).observe(seconds)
        code = self._state.get("code")
        broken = status == 200 and code is not None  # a stream that did not come to its end
        if broken or status in (408, 413, 429, 499, 503, 504):
            metrics.rejections.labels(code or "other").inc()
        level = logging.DEBUG if route in ("healthz", "readyz", "live", "ready", "ping") else logging.INFO
        fields = {"version": self._state.get("version"), "code": code}
        logs.event(
            "request",
            level,
            request_id=self.request_id,
            method=self._scope["method"],
            route=route,
            model=model,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            **{name: value for name, value in fields.items() if value is not None},
        )
