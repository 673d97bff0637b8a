"""Receives a request's body within limits: bytes before and after decompression, seconds, JSON depth."""

from __future__ import annotations

import asyncio
import re
import zlib
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ftcore_runtime import strict_json
from ftcore_server.problems import Problem, invalid
from ftcore_server.settings import Limits

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_PARSE_BESIDE = 2**16  # bytes from which JSON is parsed in a thread, so that other clients need not wait
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body, decompressed.

    Raises:
        Problem: 400, 408, 413 or 415.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *_WINDOW_BITS):
        raise Problem(415, "unsupported", "content-encoding must be gzip, deflate or identity", close=True)
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limits.body_bytes:
        raise _too_large("the body", limits.body_bytes)
    received = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                received += chunk
                if len(received) > limits.body_bytes:
                    raise _too_large("the body", limits.body_bytes)
    except TimeoutError:
        raise Problem(408, "timeout", "the body did not arrive in time", close=True) from None
    except ClientDisconnect:
        raise Problem(499, "client_left", "the client left") from None
    if encoding == "identity":
        return bytes(received)
    return _inflate(bytes(received), _WINDOW_BITS[encoding], limits.decompressed_bytes)


def require_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON.

    Raises:
        Problem: 415.
    """
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Problem(415, "unsupported", "content-type must be application/json", close=True)


async def parse_json(body: bytes, limits: Limits) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    """Strict JSON in UTF-8, nested `json_depth` deep at most.

    Raises:
        Problem: 400.
    """
    if len(body) > _PARSE_BESIDE:
        return await asyncio.to_thread(_parse, body, limits.json_depth)
    return _parse(body, limits.json_depth)


def _parse(body: bytes, depth: int) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    if body.count(b"[") + body.count(b"{") > depth and _depth(body) > depth:
        raise invalid(f"the JSON is nested more than {depth} deep")
    try:
        return strict_json.loads(body.decode())
    except UnicodeDecodeError:
        raise invalid("the body is not UTF-8") from None
    except ValueError as error:
        raise invalid(f"the body is not valid JSON: {str(error)[:120]}") from None


def _depth(body: bytes) -> int:
    deepest = level = 0
    for token in _TOKENS.finditer(body):
        first = token[0][:1]
        level += (first in (b"[", b"{")) - (first in (b"]", b"}"))
        deepest = max(deepest, level)
    return deepest


def _inflate(data: bytes, window_bits: int, limit: int) -> bytes:
    machine = zlib.decompressobj(window_bits)
    try:
        made = machine.decompress(data, limit + 1)
    except zlib.error:
        raise invalid("the body is not compressed as content-encoding says") from None
    if len(made) > limit:
        raise _too_large("the decompressed body", limit)
    if not machine.eof or machine.unused_data:
        raise invalid("the body is not compressed as content-encoding says")
    return made


def _too_large(what: str, limit: int) -> Problem:
    return Problem(413, "too_large", f"{what} has more than {limit:,} bytes", close=True)
