"""Requests that nobody should send: what `serving_campaign.py` mistreats a server with.

A request begins as a good one of either protocol. Its JSON is altered (values exchanged, halves of surrogate pairs in
any text, names repeated), or its bytes are (changed, dropped, doubled, escapes outside of strings), or it is a shape
that is slow to read where a reader is careless: a quote that is not closed, brackets, commas, digits, in growing
lengths. Then it may be compressed, and sent in chunks with extensions and trailers.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

from http_load import HOST

TYPED, TENSORS = "/v1/models/model:predict", "/v2/models/model/infer"
HALVES = ("\ud800", "\udfff", "a\udc00\ud800b")
PIECES = (
    b"{", b"[", b'"', b"\\", b'\\"', b"\\\\", b"\\u0022", b"\\ud800", b"null", b"-1", b"1e999", b"\xff", b"\x00",
    b"[" * 40, b":", b",", b"NaN", b'"a":1,"a":1', b"\xed\xa0\x80", b"\xef\xbb\xbf",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**63, 10**308, 1e308, "", " ", *HALVES, "x" * 3000, "\U0001f600", [], {}, [[]],
    {"text": "a"},
)  # fmt: skip
#: Bytes before, and bytes that are repeated: slow to read, or deep, or of many parts, where a reader is careless.
SHAPES = (
    (b'{"inputs": ["', b'\\"'), (b'{"inputs": ["', b"a"), (b'{"inputs": ["', b"\\"), (b"", b'"'), (b"", b'\\"'),
    (b"", b"["), (b'\\"', b"["), (b"", b'{"a":'), (b"[", b"[],"), (b"[", b"{},"), (b"[", b"1,"), (b"[", b"1"),
    (b'{"inputs": [', b'"a",'), (b'{"inputs": ["', b"\\ud83d\\ude00"), (b'{"inputs": ["', b"\\ud800"), (b"", b" "),
    (b'{"inputs": ["', "\xe9".encode()), (b'{"', b"a"), (b"[", b'"a":1,'), (b"[0.", b"1"), (b"[1e", b"9"),
)  # fmt: skip
#: Header -> values, of which most are wrong.
HEADERS = {
    "x-request-timeout": ("5", "nan", "-1", "1e999", "\xb2", "1_0", "0.000001"),
    "x-model-version": ("none", "../..", "\xff"),
    "x-request-id": ("mutant", "a" * 65, '"\\', "\xe9"),
    "content-type": ("application/json; charset=latin-1", "text/plain", "\xff", ""),
    "inference-header-content-length": ("0", "1", "-1", "99999999999999999999", "\xb2", "7"),
    "expect": ("100-continue",),
}


def mutant(draw: random.Random) -> bytes:
    """One request, whole: a server that reads HTTP need not wait for more of it."""
    path, document, tail = _good(draw)
    headers = {"content-type": "application/json"}
    kind = draw.random()
    if kind < 0.25:
        before, repeated = draw.choice(SHAPES)
        body = before + repeated * (_size(draw) // len(repeated))
    else:
        change = draw.choice((_altered, _with_half, _repeated))
        head = _json(change(draw, document) if kind < 0.7 else document)
        if tail:
            headers["inference-header-content-length"] = str(len(head))
        body = head + tail if kind < 0.7 else _mutated(draw, head + tail)
    if draw.random() < 0.1:
        name = draw.choice(list(HEADERS))
        headers[name] = draw.choice(HEADERS[name])
    if draw.random() < 0.3:
        headers["content-encoding"], body = _compressed(draw, body)
    chunked = draw.random() < 0.2
    headers["transfer-encoding" if chunked else "content-length"] = "chunked" if chunked else str(len(body))
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {HOST}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    start = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return start + (_in_chunks(draw, body) if chunked else body)


def _good(draw: random.Random) -> tuple[str, dict[str, Any], bytes]:
    """Path, JSON and what follows the JSON of a request that is answered."""
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1]}
    data = struct.pack("<I", 4) + b"good"
    return draw.choice(
        (
            (TYPED, {"inputs": ["good food", "bad"]}, b""),
            (TYPED, {"inputs": [{"text": "good", "text_pair": "food"}]}, b""),
            (
                TENSORS,
                {"id": "7", "inputs": [{**tensor, "data": ["good"]}], "outputs": [{"name": "label"}]},
                b"",
            ),
            (TENSORS, {"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}]}, data),
        )
    )


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _size(draw: random.Random) -> int:
    """Mostly small; one in some hundreds as large as is read at all."""
    return int(2 ** draw.uniform(0, 21 if draw.random() < 0.01 else 14))


def _altered(draw: random.Random, value: Any) -> Any:
    """JSON with a value here and there exchanged."""
    if draw.random() < 0.1:
        return draw.choice(VALUES)
    if isinstance(value, dict):
        return {name: _altered(draw, item) for name, item in value.items() if draw.random() > 0.03}
    if isinstance(value, list):
        return [_altered(draw, item) for item in value * draw.choice((1, 1, 1, 3))]
    return value


def _with_half(draw: random.Random, document: Any) -> Any:
    """JSON with half of a surrogate pair in one of its texts, names among them."""
    count = 0

    def texts(value: Any, change: Callable[[str], str]) -> Any:
        if isinstance(value, dict):
            return {change(name): texts(item, change) for name, item in value.items()}
        if isinstance(value, list):
            return [texts(item, change) for item in value]
        return change(value) if isinstance(value, str) else value

    def counted(text: str) -> str:
        nonlocal count
        count += 1
        return text

    texts(document, counted)
    chosen = draw.randrange(count)

    def halved(text: str) -> str:
        nonlocal chosen
        chosen -= 1
        return draw.choice((draw.choice(HALVES), text + draw.choice(HALVES))) if chosen == -1 else text

    return texts(document, halved)


def _repeated(draw: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """JSON that names inputs or outputs again and again."""
    times = int(2 ** draw.uniform(1, 11))
    made = {**document, "inputs": document["inputs"] * draw.choice((1, 2, times))}
    names = ("label", "answer", "score", "scores")
    outputs: list[dict[str, Any]] = [{"name": draw.choice(names)} for _ in range(draw.choice((1, 2, 3)))]
    if draw.random() < 0.5:
        outputs = [{**one, "parameters": {"binary_data": draw.random() < 0.5}} for one in outputs]
    return {**made, "outputs": outputs * draw.choice((1, times))} if "id" in document else made


def _mutated(draw: random.Random, body: bytes) -> bytes:
    """A body with a few bytes changed, dropped, doubled, or pieces of JSON put in."""
    made = bytearray(body)
    for _ in range(draw.randint(1, 6)):
        place = draw.randrange(len(made) + 1)
        match draw.randrange(4):
            case 0 if made:
                made[min(place, len(made) - 1)] = draw.randrange(256)
            case 1:
                del made[place : place + draw.randint(1, 8)]
            case 2:
                made[place:place] = made[place : place + draw.randint(1, 32)]
            case _:
                made[place:place] = draw.choice(PIECES) * draw.choice((1, 1, 1, 100))
    return bytes(made)


def _compressed(draw: random.Random, body: bytes) -> tuple[str, bytes]:
    """Name and bytes of a compression; one in ten is damaged, doubled, or of something large."""
    name = draw.choice(("gzip", "gzip", "deflate"))
    squeeze: Callable[[bytes], bytes] = gzip.compress if name == "gzip" else zlib.compress
    made = squeeze(body)
    match draw.randrange(30):
        case 0:
            made = _mutated(draw, made)
        case 1:
            made += made
        case 2:
            made = squeeze(draw.choice(SHAPES)[1] * draw.choice((2**10, 2**16, 2**22)))
    return name, made


def _in_chunks(draw: random.Random, body: bytes) -> bytes:
    """The body in chunks with extensions, and trailers after it."""
    made, place = bytearray(), 0
    most = max(1, len(body) // draw.randint(1, 20))
    while place < len(body):
        piece = body[place : place + draw.randint(1, most)]
        extension = draw.choice((b"", b"", b";a=b", b';a="b;c"', b";" + b"x" * 200, b";a;b=c;d"))
        made += b"%x%s\r\n" % (len(piece), extension) + piece + b"\r\n"
        place += len(piece)
    trailer = draw.choice(
        (b"", b"", b"x-sum: 1\r\n", b"content-length: 7\r\n", b"x: " + b"y" * 500 + b"\r\n")
    )
    return bytes(made) + b"0" + draw.choice((b"", b";last")) + b"\r\n" + trailer + b"\r\n"
