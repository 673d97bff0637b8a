"""Bodies that once held the server's interpreter for seconds to minutes: how soon they are refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import Counter
from pathlib import Path

from campaign_server import Targets, server
from http_load import HOST, Connection, request_bytes
from serving_mutants import TYPED

REFUSAL_MS = 50.0  # from a hostile body of 64 KB to its refusal
HEALTH_MS = 100.0  # from the question for the server's health to its answer, meanwhile

#: Name -> a body that once held the interpreter for seconds to minutes.
HOSTILE = {
    "64 KB of an unclosed quote": b'["' + b'\\"' * 2**15,
    "64 KB of an unclosed quote, gzipped": gzip.compress(b'["' + b'\\"' * 2**15, mtime=0),
    "45 bytes gzipped": gzip.compress(b'["' + b"\\" * 7000, mtime=0),
    "64 KB of openings": b"[" * 2**16,
    "64 KB of one integer": b"[" + b"1" * 2**16 + b"]",
    "one output asked for 1,000 times": json.dumps(
        {
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}],
            "outputs": [{"name": "label"}] * 1000,
        }
    ).encode(),
}


def hostile(folder: Path, bundle: Path, targets: Targets) -> None:
    """Each hostile body 20 times, while another client asks for the server's health without a pause."""

    async def refusals(port: int, request: bytes) -> tuple[float, Counter[str]]:
        line, times, statuses = Connection(port), [], Counter[str]()
        for _ in range(20):
            began = time.perf_counter()
            status, _ = await line.ask(request)
            times.append(1000 * (time.perf_counter() - began))
            statuses[status] += 1
        line.close()
        return max(times), statuses

    async def health(port: int, ends: asyncio.Event) -> float:
        line, slowest = Connection(port), 0.0
        while not ends.is_set():
            began = time.perf_counter()
            await line.ask(f"GET /healthz HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
            slowest = max(slowest, 1000 * (time.perf_counter() - began))
            await asyncio.sleep(0.001)
        line.close()
        return slowest

    async def both(port: int, request: bytes) -> tuple[float, Counter[str], float]:
        ends = asyncio.Event()
        asking = asyncio.create_task(health(port, ends))
        slowest, statuses = await refusals(port, request)
        ends.set()
        return slowest, statuses, await asking

    with server(folder, f"model={bundle}") as served:
        for name, body in HOSTILE.items():
            headers = {"content-encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
            path = "/v2/models/model/infer" if b"outputs" in body else TYPED
            slowest, statuses, health_ms = asyncio.run(both(served.port, request_bytes(path, body, headers)))
            print(f"{name} ({len(body)} bytes): {dict(statuses)}", flush=True)
            targets.at_most(f"{name}: answers that are not 400", 20 - statuses["400"], 0)
            targets.at_most(f"{name}: slowest refusal, ms", slowest, REFUSAL_MS)
            targets.at_most(f"{name}: slowest /healthz meanwhile, ms", health_ms, HEALTH_MS)
