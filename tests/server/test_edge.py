"""Limits, the bearer token, errors, logs and metrics: what surrounds every request."""

from __future__ import annotations

import gzip
import io
import json
import logging
import socket
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving import SETTINGS, Running, as_before, serving

from ftcore_server import logs

LIMITS = replace(
    SETTINGS.limits,
    body_bytes=4000,
    decompressed_bytes=8000,
    head_bytes=3000,
    tokens=40,
    head_seconds=0.4,
    body_seconds=0.4,
    json_depth=6,
)
PREDICT = "/v1/models/tiny:predict"


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(tiny_bundle, limits=LIMITS) as running:
        yield running


def spoken(server: Running, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What the server says to raw bytes until it closes the connection, which it has to."""
    with socket.create_connection(("127.0.0.1", server.server.port), timeout=30) as line:
        heard = b""
        try:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it closed before we were through: what it sent is still to be read
        try:
            while part := line.recv(65536):
                heard += part
        except ConnectionResetError:
            pass
        return heard


def test_a_body_may_be_compressed(server: Running) -> None:
    body = json.dumps({"inputs": ["good food"]}).encode()
    for name, data in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        response = server.client.post(PREDICT, content=data, headers={"content-encoding": name})
        assert response.status_code == 200, name


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 5000, {}, 413),
        (gzip.compress(b"[" * 100_000, mtime=0), {"content-encoding": "gzip"}, 413),
        (b"no gzip", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"{}", mtime=0)[:-2], {"content-encoding": "gzip"}, 400),
        (b"{}", {"content-encoding": "br"}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{", {}, 400),
        (b'{"inputs": ["\xff"]}', {}, 400),
        (b'{"inputs": [], "inputs": []}', {}, 400),
        (b'{"inputs": [NaN]}', {}, 400),
        (b"[" * 7 + b"]" * 7, {}, 400),
        (b'{"inputs": ["\\ud800"]}', {}, 400),
        (json.dumps({"inputs": ["good food " * 30]}).encode(), {}, 413),
        (b'{"inputs": ["good"]}', {"x-request-timeout": "0"}, 400),
        (b'{"inputs": ["good"]}', {"x-request-timeout": "nan"}, 400),
        (b'{"inputs": ["good"]}', {"x-request-timeout": "-1"}, 400),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_over_a_limit(server: Running, body: bytes, headers: dict[str, str], status: int) -> None:
    named = {"content-type": "application/json", **headers}
    response = server.client.post(PREDICT, content=body, headers=named)
    assert response.status_code == status
    assert set(response.json()) == {"error", "code", "request_id"}


def test_a_chunked_body_has_the_same_limit(server: Running) -> None:
    response = server.client.post(PREDICT, content=iter([b"x" * 1000] * 5))
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


def test_a_slow_head_is_cut_off(server: Running) -> None:
    assert spoken(server, b"GET /healthz HTT").startswith(b"HTTP/1.1 408")
    assert spoken(server).startswith(b"HTTP/1.1 408"), "silence too"
    assert spoken(server, b"GET / HTTP/1.1\r\n", *[b"a: b\r\n"] * 20, pause=0.05).startswith(b"HTTP/1.1 408")


def test_a_slow_body_is_cut_off(server: Running) -> None:
    head = b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n"
    assert spoken(server, head, *[b" "] * 12, pause=0.05).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("tail", [b"", b"\r\n\r\n"], ids=["unfinished", "finished"])
def test_a_large_head_is_refused(server: Running, tail: bytes) -> None:
    heard = spoken(server, b"GET /healthz HTTP/1.1\r\nhost: a\r\na: " + b"x" * 10_000 + tail)
    assert heard.startswith(b"HTTP/1.1 431")


CHUNKED = (
    b"POST %s HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    % PREDICT.encode()
)
BODY = b'{"inputs": ["good"]}'


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"14;a=b\r\n" + BODY + b"\r\n0\r\n\r\n", 200),
        (b"14\r\n" + BODY + b"\r\n0;last\r\nx-sum: 1\r\ncontent-encoding: br\r\n\r\n", 200),
        (b"1;" + b"x" * 20_000 + b"\r\n", 413),
        (b"1\r\n \r\n" * 5_000, 413),
        (b"14\r\n" + BODY + b"\r\n0\r\n" + b"x: y\r\n" * 1_600, 431),
        (b"14\r\n" + BODY + b"\r\n0\r\nx: " + b"y" * 20_000, 413),
    ],
    ids=["extension", "trailers", "long extension", "tiny chunks", "many trailers", "a long trailer"],
)
def test_frames_of_chunks_have_a_limit(server: Running, rest: bytes, status: int) -> None:
    assert spoken(server, CHUNKED + rest[:8000], rest[8000:]).startswith(b"HTTP/1.1 %d" % status)
    assert spoken(server, CHUNKED + rest).startswith(b"HTTP/1.1 %d" % status), (
        "in one piece with the head, too"
    )


def test_what_is_no_http_is_refused(server: Running) -> None:
    assert spoken(server, b"\x16\x03\x01\x02\x00").startswith(b"HTTP/1.1 400")


def test_requests_one_after_another_on_one_connection(server: Running) -> None:
    one = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    assert spoken(server, one + one, last).count(b"HTTP/1.1 200") == 3


def test_correlation_ids(server: Running) -> None:
    given = server.client.get("/healthz", headers={"x-request-id": "my-id.7"})
    assert given.headers["x-request-id"] == "my-id.7"
    made = server.client.get("/healthz", headers={"x-request-id": "no good id"})
    assert made.headers["x-request-id"] != "no good id"


def test_an_unexpected_error_says_nothing(
    server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    version = server.server.service.registry.model("tiny").choose(None)

    def fail(feeds: object) -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr(version.pipeline.session, "run", fail)
    with caplog.at_level(logging.INFO, "ftcore.server"):
        response = server.ask("good")
    assert response.status_code == 500
    assert response.json()["error"] == "the request could not be answered"
    records = {record.getMessage(): logs.JsonFormatter().format(record) for record in caplog.records}
    assert '"RuntimeError"' in records["failed"]
    assert "the secret" not in "".join(records.values())
    monkeypatch.undo()
    assert server.ask("good").status_code == 200, "the worker lives on"


def test_logs_are_json_without_texts(server: Running) -> None:
    stream = io.StringIO()
    with as_before():
        logs.configure("info", stream)
        server.ask("very good food", headers={"x-request-id": "logged"})
        server.ask("very good food" * 300)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["status"], line["route"]) for line in lines] == [
        ("request", 200, "predict"),
        ("request", 413, "predict"),
    ]
    assert lines[0]["request_id"] == "logged"
    assert lines[1]["code"] == "too_large"
    assert "good" not in stream.getvalue()


def test_metrics(server: Running) -> None:
    label = server.ask("good food").json()["predictions"][0]["label"]
    version = server.client.get("/v1/models/tiny").json()["default"]
    labels = {"model": "tiny", "version": version}
    before = server.metric("ftcore_predictions_total", **labels, label=label)
    server.ask("good food", "good food")
    assert server.metric("ftcore_predictions_total", **labels, label=label) == before + 2
    assert server.metric("ftcore_requests_total", route="predict", model="tiny", status="200") >= 2
    assert server.metric("ftcore_batch_features_count", **labels) >= 2
    assert server.metric("ftcore_confidence_count", **labels) >= 3
    assert server.metric("ftcore_queue_inputs", **labels) == 0
    text = server.client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain")
    assert "ftcore_request_seconds_bucket" in text.text


def test_a_stranger_makes_no_series(server: Running) -> None:
    server.client.get("/v1/models/stranger-1")
    assert "stranger" not in server.client.get("/metrics").text


@pytest.fixture(scope="module")
def locked(tiny_bundle: Path) -> Iterator[Running]:
    with serving(tiny_bundle, token="s3cret") as running:
        yield running


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Basic s3cret", 401),
        ("bearer s3cret", 200),
        ("Bearer s3cretx", 401),
        ("Bearer \xe9", 401),
    ],
)
def test_the_bearer_token(locked: Running, header: str | None, status: int) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    assert locked.ask("good", headers=headers).status_code == status
    for path in ("/metrics", "/v1/models", "/openapi.json", "/v2"):
        assert locked.client.get(path, headers=headers).status_code == status
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/"):
        assert locked.client.get(path).status_code == 200
    assert "s3cret" not in repr(locked.server.service.settings)
