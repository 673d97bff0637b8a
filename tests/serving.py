"""A server in a thread of the test, or `ftcore serve` as a process, on a free port; it ends with its `with` block."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ftcore_runtime.generation.generator import Generator
from ftcore_runtime.generation.running import JoiningBatch, NextTokens
from ftcore_server.deployment import Deployment, from_arguments
from ftcore_server.process import Server
from ftcore_server.settings import Batching, Settings
from ftcore_server.version import Version

SETTINGS = Settings(port=0, drain_seconds=0.0, grace_seconds=5.0, batching=Batching(workers=1))


class Running:
    """A server and a client of it.

    Args:
        deployment: what is served; a test may exchange it and call `reload`.
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment = deployment
        self.server = Server(settings, lambda: self.deployment)
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        wait_until(
            lambda: self.server.started and (self.server.service.registry.ready or self.server.failure)
        )
        assert self.server.failure is None, self.server.failure
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)

    def post(self, path: str, body: Any, **named: Any) -> httpx.Response:
        """Send JSON."""
        return self.client.post(path, json=body, **named)

    def ask(self, *texts: Any, model: str = "tiny", **named: Any) -> httpx.Response:
        """Ask the typed endpoint."""
        return self.post(f"/v1/models/{model}:predict", {"inputs": list(texts)}, **named)

    def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics; 0 where there is none."""
        self.client.get("/metrics")
        return self.server.service.metrics.registry.get_sample_value(name, labels) or 0.0

    def reload(self) -> None:
        """Reload, and wait until it is done."""
        loop = self.server.loop
        done = asyncio.run_coroutine_threadsafe(self.server._again(), loop)
        done.result(20)

    def left(self, path: str, body: Any, version: Any, begun: Callable[[], bool] | None = None) -> None:
        """Send a request to `version`, and leave once it is taken up, or once it has `begun`."""
        before = version.inputs_in_flight
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(data)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as line:
            line.sendall(head.encode() + data)
            wait_until(begun or (lambda: version.inputs_in_flight > before))
        wait_until(lambda: version.inputs_in_flight == before)

    def stop(self) -> None:
        """Drain and wait for the end."""
        self.client.close()
        self.server.handle_exit(15, None)
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def serving(*bundles: str | Path, canaries: Sequence[str] = (), **changes: Any) -> Iterator[Running]:
    """Serve bundles with `SETTINGS` changed by `changes`."""
    running = Running(from_arguments([str(path) for path in bundles], canaries), replace(SETTINGS, **changes))
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def process(*arguments: str | Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own, ready, and its address; killed at the end if it still lives."""
    python = [sys.executable, "-m", "ftcore", "serve"]
    command = [*python, "--port", "0", "--threads", "1", "--drain", "0.3", *map(str, arguments)]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert started.stderr is not None
    try:
        lines = []
        for line in started.stderr:
            lines.append(json.loads(line))
            if lines[-1]["event"] == "ready":
                break
        assert lines, "it ended before it was ready"
        assert lines[-1]["event"] == "ready", lines
        yield started, next(line["url"] for line in lines if line["event"] == "listening")
    finally:
        started.kill()
        started.wait()
        started.stderr.close()


#: One text, asked of the model `tiny` over a connection of its own.
REQUEST = (
    b"POST /v1/models/tiny:predict HTTP/1.1\r\nhost: a\r\ncontent-length: 25\r\n\r\n"
    + b'{"inputs": ["good food"]}'
)


def events(started: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What a server has logged since it was ready, once it has ended."""
    assert started.stderr is not None
    return [json.loads(line) for line in started.stderr.read().splitlines()]


@contextmanager
def clients(url: str, count: int) -> Iterator[list[bytes]]:
    """Clients that ask over a new connection each time until they are refused; the first bytes that they hear."""
    heard: list[bytes] = []
    address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))

    def ask() -> None:
        while True:
            try:
                with socket.create_connection(address, timeout=30) as line:
                    line.sendall(REQUEST)
                    heard.append(line.recv(2**16)[:12])
            except ConnectionRefusedError:
                return
            except OSError as error:
                heard.append(repr(error).encode())

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield heard
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()


@contextmanager
def as_before() -> Iterator[None]:
    """Undoes what the server has set of its loggers: a stream that a test captures is closed after it."""
    loggers = [logging.getLogger(name) for name in ("ftcore.server", "uvicorn.error")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


def version_of(server: Running, model: str = "writer") -> Version:
    """The version of a model that answers."""
    return server.server.service.registry.model(model).choose(None)


def at_each_token(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, call: Callable[[JoiningBatch, int], None]
) -> None:
    """Calls this with a batch of texts and a count, once tokens are chosen and before they are emitted."""
    running = generator.running

    def watched() -> JoiningBatch:
        batch, calls = running(), itertools.count()
        choose = batch.choose

        def called() -> NextTokens:
            found = choose()
            call(batch, next(calls))
            return found

        monkeypatch.setattr(batch, "choose", called)
        return batch

    monkeypatch.setattr(generator, "running", watched)


def wait_until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for a condition, for so long and no longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)
