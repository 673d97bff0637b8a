"""Receives a request's body within limits: bytes before and after decompression, seconds, depth and size of JSON.

Everything here takes time linear in the bytes that arrive. What may take long runs in a thread (`Service.convert`), in
steps short enough for the event loop to go on between them.
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ftcore_runtime import strict_json
from ftcore_server.memory import Account
from ftcore_server.problems import Problem, invalid
from ftcore_server.settings import Limits

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
#: What parts of JSON begin or end with, strings and numbers among them: numbers stand between commas.
_MARKS = b'"[]{},'
_MARK = re.compile(rb'["\[\]{},]')
#: The inside of a string. Possessive: where no quote follows, nothing is tried again.
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STEP = 2**18  # bytes of a string that are scanned at a time: a regex keeps the interpreter's lock


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body, as it was sent. Every byte is charged to the request's account as it arrives.

    Raises:
        Problem: 408, 413, 415 or 503.
    """
    _encoding(request)
    account: Account = request.state.account
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > limits.body_bytes:
        raise _too_large("the body", limits.body_bytes)
    received = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                if len(received) + len(chunk) > limits.body_bytes:
                    raise _too_large("the body", limits.body_bytes)
                account.add(len(chunk))
                received += chunk
    except TimeoutError:
        raise Problem(408, "timeout", "the body did not arrive in time", close=True) from None
    except ClientDisconnect:
        raise Problem(499, "client_left", "the client left") from None
    return bytes(received)


def require_json(request: Request) -> None:
    """Refuse a body that does not say that it is JSON.

    Raises:
        Problem: 415.
    """
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Problem(415, "unsupported", "content-type must be application/json", close=True)


def decompressed(request: Request, body: bytes, limits: Limits) -> bytes:
    """What the body holds once `content-encoding` is undone.

    Raises:
        Problem: 400, 413, 415 or 503.
    """
    encoding = _encoding(request)
    if encoding == "identity":
        return body
    made = _inflate(body, _WINDOW_BITS[encoding], limits.decompressed_bytes)
    request.state.account.add(len(made))
    return made


def parse_json(body: bytes, limits: Limits, account: Account) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    """Strict JSON in UTF-8, nested `json_depth` deep, of `json_parts` parts and `json_escapes` escapes at most.

    Args:
        account: charged with the texts, which may take more memory than the body: up to four bytes a character.

    Raises:
        Problem: 400, 413 or 503.
    """
    _require_shape(body, limits)
    try:
        text = body.decode()
        account.add(sys.getsizeof(text))
        return strict_json.loads(text)
    except UnicodeDecodeError:
        raise invalid("the body is not UTF-8") from None
    except ValueError as error:
        raise invalid(f"the body is not valid JSON: {str(error)[:120]}") from None


def _require_shape(body: bytes, limits: Limits) -> None:
    """Refuse JSON that is nested too deeply, or has so many parts or escapes that parsing it would take long.

    It stops at the first part too many. Of text that is no JSON it finds some shape or other, and the parser the error.
    """
    if body.count(b"\\") > limits.json_escapes:
        raise Problem(413, "too_large", f"the JSON has more than {limits.json_escapes:,} escapes")
    openings = body.count(b"[") + body.count(b"{")
    if openings <= limits.json_depth and sum(map(body.count, _MARKS)) <= limits.json_parts:
        return
    level = parts = position = 0
    while found := _MARK.search(body, position):
        position = found.end()
        parts += 1
        if parts > limits.json_parts:
            raise Problem(413, "too_large", f"the JSON has more than {limits.json_parts:,} parts")
        match found[0]:
            case b'"':
                position = _after_string(body, position)
            case b"[" | b"{":
                level += 1
                if level > limits.json_depth:
                    raise invalid(f"the JSON is nested more than {limits.json_depth} deep")
            case b"]" | b"}":
                level -= 1


def _after_string(body: bytes, position: int) -> int:
    """Where a string ends, closing quote included, whose inside begins at `position`."""
    while position < len(body):
        found = _INSIDE.match(body, position, position + _STEP)
        assert found is not None  # the pattern matches nothing, too
        if found.end() == position or body[found.end() : found.end() + 1] == b'"':
            return found.end() + 1
        position = found.end()
    return position


def _encoding(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *_WINDOW_BITS):
        raise Problem(415, "unsupported", "content-encoding must be gzip, deflate or identity", close=True)
    return encoding


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
