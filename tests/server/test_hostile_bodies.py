"""Bodies made to cost much: time linear in their bytes, memory that is counted, and never a 500."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import SETTINGS, Running, serving, wait_until

from ftcore_server.body import parse_json
from ftcore_server.memory import Account, Memory
from ftcore_server.problems import Problem
from ftcore_server.settings import Limits

PREDICT, INFER = "/v1/models/tiny:predict", "/v2/models/tiny/infer"
TENSOR = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}

#: Name -> a body of about so many bytes.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "an unclosed quote": lambda size: b'["' + b'\\"' * (size // 2),
    "an unclosed quote, letters": lambda size: b'["' + b"a" * size,
    "a closed quote": lambda size: b'["' + b'\\"' * (size // 2) + b'"]',
    "quotes": lambda size: b'"' * size,
    "a backslash at the end": lambda size: b'["' + b"\\" * (size | 1),
    "escapes outside of strings": lambda size: b'\\"' * (size // 2),
    "openings": lambda size: b"[" * size,
    "openings after an escape": lambda size: b'\\"' + b"[" * size,
    "closings": lambda size: b"]" * size,
    "objects": lambda size: b"[" + b"{}," * (size // 3) + b"{}]",
    "integers": lambda size: b"[" + b"1," * (size // 2) + b"1]",
    "one integer": lambda size: b"[" + b"1" * size + b"]",
    "long integers": lambda size: b"[" + (b"1" * 4000 + b",") * (size // 4001) + b"1]",
    "one fraction": lambda size: b"[0." + b"1" * size + b"]",
    "keys": lambda size: b"{" + b",".join(b'"%07d":1' % n for n in range(size // 12)) + b"}",
    "escaped pairs": lambda size: b'["' + b"\\ud83d\\ude00" * (size // 12) + b'"]',
    "half a pair": lambda size: b'["' + b"\\ud83d\\ude00" * (size // 12) + b'\\ud800"]',
    "spaces": lambda size: b" " * size,
    "no UTF-8": lambda size: b'["' + "\xe9".encode() * (size // 2) + b'\xff"]',
}
VALID = {"a closed quote", "one fraction", "escaped pairs"}


def parsed(body: bytes, **limits: int) -> Any:
    return parse_json(body, replace(Limits(), **limits), Account(Memory(2**30)))


def refused(body: bytes) -> str:
    try:
        parsed(body)
    except Problem as problem:
        return str(problem)
    return ""


def seconds(call: Callable[[], object]) -> float:
    """CPU time of this thread, the least of three: other work on the machine does not count."""
    found = []
    for _ in range(3):
        began = time.thread_time()
        call()
        found.append(time.thread_time() - began)
    return min(found)


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_bytes_take_twice_the_time(name: str) -> None:
    once, twice = (HOSTILE[name](size) for size in (2**19, 2**20))
    assert bool(refused(once)) != (name in VALID)
    short, long = seconds(lambda: refused(once)), seconds(lambda: refused(twice))
    assert long < 3 * short + 0.005
    assert seconds(lambda: refused(HOSTILE[name](2**16))) < 0.05


def test_nesting_and_parts_are_counted_outside_of_strings() -> None:
    assert parsed(b'{"a": ["[[[[[["]}', json_depth=2) == {"a": ["[[[[[["]}
    assert parsed(b'{"a": ["\\"[[[[["]}', json_depth=2) == {"a": ['"[[[[[']}
    assert parsed(b'["\\\\", "]"]', json_depth=1) == ["\\", "]"]
    assert parsed(b'["a,a,a,a,a,a", "\\",,,,,"]', json_parts=5) == ["a,a,a,a,a,a", '",,,,,']
    for body in (b'{"a": [[]]}', b'["\\\\", [["]"]]]', b'["\\"", [[1]]]'):
        with pytest.raises(Problem, match="nested more than 2 deep"):
            parsed(body, json_depth=2)
    with pytest.raises(Problem, match="more than 5 parts"):
        parsed(b'["a","a","a"]', json_parts=5)


def test_escapes_are_counted() -> None:
    assert parsed(b'["\\n\\n"]', json_escapes=2) == ["\n\n"]
    with pytest.raises(Problem, match="more than 1 escapes"):
        parsed(b'["\\n\\n"]', json_escapes=1)


def test_a_long_string_is_scanned_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftcore_server.body._STEP", 3)
    for inside in (b"", b"a", b"ab", b"abc", b"abcd", b'\\"', b'a\\"', b'ab\\"', b"ab\\\\", b'abc\\"\\\\\\"'):
        whole = b'["' + inside + b'", [[]]]'
        with pytest.raises(Problem, match="nested more than 2 deep"):
            parsed(whole, json_depth=2)
        assert parsed(b'[["' + inside + b'[[["]]', json_depth=2)
        with pytest.raises(Problem, match="not valid JSON"):
            parsed(b'[["' + inside + b"[[[", json_depth=2)


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(tiny_bundle) as running:
        yield running


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize("name", sorted(set(HOSTILE) - VALID))
def test_a_hostile_body_is_refused_at_little_cost(
    server: Running, name: str, path: str, compressed: bool
) -> None:
    body, headers = HOSTILE[name](2**16), {"content-type": "application/json"}
    if compressed:
        body, headers = gzip.compress(body, mtime=0), {**headers, "content-encoding": "gzip"}
    server.client.get("/healthz")
    spent = []
    for _ in range(3):
        began = time.process_time()
        response = server.client.post(path, content=body, headers=headers)
        spent.append(time.process_time() - began)
        assert response.status_code in (400, 413), response.text
    # The client's time is in it, too: both are in this process.
    assert min(spent) < 0.15


def test_the_deadline_covers_parsing(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr("ftcore_server.service.parse_json", lambda *_: answered.wait(60))
    text = "a" * 50_000  # large enough for a thread
    response = server.ask(text, headers={"x-request-timeout": "0.1"})
    assert not answered.is_set(), "the answer did not wait for the parser"
    assert (response.status_code, response.json()["code"]) == (504, "deadline")
    assert server.client.get("/healthz").status_code == 200
    answered.set()


#: JSON in which a text may be half of a surrogate pair: every key, and every value that is a text.
FIELDS = [
    (PREDICT, {"inputs": ["X"]}),
    (PREDICT, {"inputs": [{"text": "X"}]}),
    (PREDICT, {"inputs": [{"text": "a", "text_pair": "X"}]}),
    (PREDICT, {"inputs": [{"text": "a", "X": "b"}]}),
    (PREDICT, {"inputs": ["a"], "X": 1}),
    (PREDICT, {"inputs": ["a"], "stream": "X"}),
    (PREDICT, "X"),
    (INFER, {"inputs": [TENSOR], "id": "X"}),
    (INFER, {"inputs": [TENSOR], "X": 1}),
    (INFER, {"inputs": [{**TENSOR, "name": "X"}]}),
    (INFER, {"inputs": [{**TENSOR, "datatype": "X"}]}),
    (INFER, {"inputs": [{**TENSOR, "data": ["X"]}]}),
    (INFER, {"inputs": [{**TENSOR, "data": [["X"]]}]}),
    (INFER, {"inputs": [{**TENSOR, "parameters": {"X": 1}}]}),
    (INFER, {"inputs": [TENSOR], "outputs": [{"name": "X"}]}),
    (INFER, {"inputs": [TENSOR], "outputs": [{"name": "label", "parameters": {"X": "X"}}]}),
    (INFER, {"inputs": [TENSOR], "parameters": {"a": "X"}}),
]


@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "a\\udc00\\ud800b"])
@pytest.mark.parametrize(("path", "document"), FIELDS, ids=lambda value: json.dumps(value)[:70])
def test_half_of_a_surrogate_pair_is_refused(server: Running, path: str, document: Any, half: str) -> None:
    body = json.dumps(document).replace("X", half)
    response = server.client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert "half of a surrogate pair" in response.json()["error"]


def test_whole_pairs_and_what_only_looks_like_a_half_are_answered(server: Running) -> None:
    for text in ("\\ud83d\\ude00", "\\\\ud800"):
        body = '{"id": "X", "inputs": [TENSOR]}'.replace("TENSOR", json.dumps(TENSOR)).replace("X", text)
        response = server.client.post(INFER, content=body)
        assert response.status_code == 200
        assert response.json()["id"] == json.loads(f'"{text}"')


def test_an_output_is_answered_once(server: Running) -> None:
    asked = {"inputs": [TENSOR], "outputs": [{"name": "label"}, {"name": "answer"}]}
    assert [one["name"] for one in server.post(INFER, asked).json()["outputs"]] == ["label", "answer"]
    asked["outputs"] += [{"name": "label", "parameters": {"binary_data": True}}]
    response = server.post(INFER, asked)
    assert response.status_code == 400
    assert response.json()["error"].endswith(", each once")
    assert response.json()["error"].startswith("outputs: expected names out of answer, label,")
    many = {"inputs": [TENSOR], "outputs": [{"name": "answer"}] * 500}
    assert server.post(INFER, many).status_code == 400


def test_an_answer_has_its_limit(tiny_bundle: Path) -> None:
    limits = replace(SETTINGS.limits, response_bytes=3000)
    with serving(tiny_bundle, limits=limits) as server:
        asked = {"inputs": [{**TENSOR, "shape": [50], "data": ["good"] * 50}]}
        binary = {**asked, "parameters": {"binary_data_output": True}}
        for path, body in ((PREDICT, {"inputs": ["good"] * 50}), (INFER, asked), (INFER, binary)):
            response = server.post(path, body)
            assert (response.status_code, response.json()["code"]) == (413, "answer_too_large")
            assert (
                response.json()["error"]
                == "the answer has more than 3,000 bytes: send fewer inputs at a time"
            )
        assert server.ask("good").status_code == 200
        assert server.metric("ftcore_rejections_total", reason="answer_too_large") == 3
        assert server.metric("ftcore_held_bytes") == 0


def stalled(server: Running, sent: bytes, announced: int) -> socket.socket:
    """A client that sends the beginning of a body, and then nothing."""
    line = socket.create_connection(("127.0.0.1", server.server.port), timeout=10)
    line.sendall(
        b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % announced
    )
    line.sendall(sent)
    return line


def rest(line: socket.socket) -> bytes:
    """What comes until the connection ends."""
    heard = b""
    line.settimeout(10)
    with suppress(ConnectionResetError):
        while part := line.recv(65536):
            heard += part
    return heard


def test_stalled_bodies_are_counted_and_ended(tiny_bundle: Path) -> None:
    limits = replace(SETTINGS.limits, memory_bytes=100_000, body_bytes=50_000, body_seconds=2.0)
    with serving(tiny_bundle, limits=limits) as server:
        lines = [stalled(server, b"a" * 20_000, 50_000) for _ in range(4)]
        wait_until(lambda: server.server.service.memory.held == 80_000)
        assert server.metric("ftcore_held_bytes") == 80_000
        assert server.ask("good").status_code == 200, "what fits is answered"
        response = server.ask("a" * 30_000)
        assert (response.status_code, response.json()["code"]) == (503, "memory")
        assert response.headers["retry-after"] == "1"
        assert response.headers["connection"] == "close"
        assert server.metric("ftcore_rejections_total", reason="memory") == 1
        for line in lines:
            assert rest(line).startswith(b"HTTP/1.1 408")
            line.close()
        wait_until(lambda: server.server.service.memory.held == 0)
        assert server.ask("a" * 30_000).status_code != 503


def test_what_a_client_does_not_take_is_counted_and_ended(tiny_bundle: Path) -> None:
    limits = replace(SETTINGS.limits, response_seconds=1.0, inputs=2**14, json_parts=2**17, tokens=2**20)
    batching = replace(SETTINGS.batching, queue=2**15)
    body = json.dumps({"inputs": ["good"] * 2**14}).encode()  # answered with some megabytes
    head = f"POST {PREDICT} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with serving(tiny_bundle, limits=limits, batching=batching) as server:
        # A connection takes this over: a kernel that has seen fast connections would hold the whole answer.
        server.server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", server.server.port))
            line.sendall(head + body)
            seen = []
            memory = server.server.service.memory
            wait_until(lambda: seen.append(memory.held) or (max(seen) > 2**20 and memory.held == 0), 60)
            heard = rest(line)
        length = int(heard.split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(heard) < length, "what the kernel had taken came, and no more"
        assert server.client.get("/healthz").status_code == 200


def test_binary_data_has_no_surrogates(server: Running) -> None:
    half = "\ud800".encode(errors="surrogatepass")
    data = struct.pack("<I", len(half)) + half
    head = json.dumps({"inputs": [{**TENSOR, "data": None, "parameters": {"binary_data_size": len(data)}}]})
    headers = {"inference-header-content-length": str(len(head))}
    response = server.client.post(INFER, content=head.encode() + data, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "inputs: a text is not UTF-8")
