"""A load generator for the serving benchmarks: keep-alive connections of raw HTTP/1.1, in one event loop.

As a script it is the client's process: `python benchmarks/http_load.py PORT PLAN.json` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"


@dataclass
class Result:
    """What came of some load.

    Args:
        seconds: from each request to its whole answer, of those with status 200.
        first: the same to the first part of a streamed answer.
        statuses: of all; "refused" where no connection came about, "broken" where one ended before the answer,
            "reset" where it did so by a reset.
        wall: seconds that the load went on.
    """

    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wall: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Throughput and quantiles, in milliseconds."""
        ranked = sorted(self.seconds) or [float("nan")]
        first = {"first_p50_ms": _at(sorted(self.first), 0.5)} if self.first else {}
        return {
            "answers_per_second": len(self.seconds) / self.wall if self.wall else 0.0,
            "p50_ms": _at(ranked, 0.5),
            "p99_ms": _at(ranked, 0.99),
            **first,
            "max_ms": 1000 * ranked[-1],
            "statuses": dict(self.statuses),
        }


def _at(ranked: list[float], share: float) -> float:
    """A quantile, in milliseconds."""
    return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def request_bytes(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A POST, ready to be sent."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {HOST}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One keep-alive connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.first: float | None = None  # when the first part of the answer came that is streamed
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[str, bytes]:
        """Status and body of the answer."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(HOST, self.port)
        except OSError:
            return "refused", b""
        reader, writer = self._streams
        self.first = None
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            while head.startswith(b"http/1.1 100"):  # "continue": the answer comes after it
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await self._body(reader, head)
        except ConnectionResetError:
            self.close()
            return "reset", b""
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            return "broken", b""
        if b"connection: close" in head:
            self.close()
        return head.split()[1].decode(), body

    async def _body(self, reader: asyncio.StreamReader, head: bytes) -> bytes:
        """What comes after a head: so many bytes, or chunks, as a streamed answer does."""
        if b"\r\ntransfer-encoding: chunked" not in head:
            _, _, length = head.partition(b"\r\ncontent-length:")
            return await reader.readexactly(int(length.split(b"\r\n")[0]) if length else 0)
        chunks = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            chunks += (await reader.readexactly(size + 2))[:-2]
            self.first = self.first or time.perf_counter()
        await reader.readuntil(b"\r\n")
        return chunks

    def close(self) -> None:
        """Drop it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Result:
    """Each client sends its next request when it has the answer to the one before."""
    return await _load(port, requests, clients, seconds, None)


async def open_loop(
    port: int, requests: Sequence[bytes], rate: float, clients: int, seconds: float
) -> Result:
    """`rate` requests a second, whatever becomes of them, over `clients` connections."""
    return await _load(port, requests, clients, seconds, rate)


async def _load(
    port: int, requests: Sequence[bytes], clients: int, seconds: float, rate: float | None
) -> Result:
    result = Result()
    began = time.perf_counter()

    async def client(number: int) -> None:
        line, place = Connection(port), number
        while True:
            due = time.perf_counter() - began if rate is None else place / rate
            if due >= seconds:
                break
            if rate is not None:
                await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            start = time.perf_counter()
            status, _ = await line.ask(requests[place % len(requests)])
            result.statuses[status] += 1
            if status == "200":
                result.seconds.append(time.perf_counter() - start)
                if line.first is not None:
                    result.first.append(line.first - start)
            place += clients
        line.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    result.wall = time.perf_counter() - began
    return result


def main() -> None:
    """One closed loop, as the plan says."""
    plan = json.loads(Path(sys.argv[2]).read_text())
    requests = [request_bytes(plan["path"], json.dumps(body).encode()) for body in plan["bodies"]]
    port = int(sys.argv[1])
    asyncio.run(closed_loop(port, requests, plan["clients"], plan["warmup"]))
    result = asyncio.run(closed_loop(port, requests, plan["clients"], plan["seconds"]))
    print(json.dumps(result.summary()))


if __name__ == "__main__":
    main()
