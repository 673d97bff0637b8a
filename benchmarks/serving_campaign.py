"""`ftcore serve` mistreated: hostile and mutated bodies, overload, sockets that drip, SIGTERM and reload under load.

    python benchmarks/serving_campaign.py [--bundle DIR] [--bodies 200000] [--overload 60] [--sockets 500]
        [--stops 20] [--reloads 20] [--processes 1] [--only hostile bodies overload drip stops reloads]

Without `--bundle` the model of `serving.py` is made. Servers are processes of their own on loopback; the client is this
process. Every part has a bounded count and ends by itself. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from campaign_server import Served, Targets, server
from http_load import HOST, Connection, closed_loop, open_loop, request_bytes
from serving import make_bundle, read_texts
from serving_hostile import hostile
from serving_mutants import TYPED, mutant

PARTS = ("hostile", "bodies", "overload", "drip", "stops", "reloads")
GROWTH_MB = 64.0  # of resident memory, that a part may cost
_RELOAD_SECONDS = 60.0  # for one of them, on a busy machine
STALL_MS = 100.0  # that the event loop may be held up for


def bodies(folder: Path, bundle: Path, count: int, targets: Targets) -> None:
    """`count` mutated requests of both protocols."""
    draw = random.Random(0)
    statuses: Counter[str] = Counter()

    async def client(port: int, own: int, stream: random.Random) -> None:
        line = Connection(port)
        for _ in range(own):
            status, _ = await line.ask(mutant(stream))
            statuses[status] += 1
        line.close()

    async def all_clients(port: int, requests: int) -> None:
        streams = [random.Random(draw.random()) for _ in range(16)]
        shares = [requests // 16 + (number < requests % 16) for number in range(16)]
        await asyncio.gather(*(client(port, own, s) for own, s in zip(shares, streams, strict=True)))

    with server(folder, f"model={bundle}") as served:
        asyncio.run(closed_loop(served.port, plain(["good"]), 4, 1.0))
        sizes = [served.megabytes()]
        for part in range(5):
            asyncio.run(all_clients(served.port, count // 5 + (part < count % 5)))
            sizes.append(served.megabytes())
        grown = sizes[-1] - sizes[1]  # in the first fifth buffers grow to the largest batch
        print(f"{count} mutated bodies: {dict(statuses)}", flush=True)
        print(f"memory after each fifth of them, MB: {[round(size, 1) for size in sizes]}", flush=True)
        failed = [n for status, n in statuses.items() if status[0] == "5" and status not in ("503", "504")]
        lost = sum(statuses[name] for name in ("broken", "refused", "reset"))
        targets.at_most("mutated bodies answered 5xx but 503 and 504", sum(failed), 0)
        targets.at_most("mutated bodies without an answer", lost, 0)
        targets.at_most("growth of memory after the first fifth of them, MB", grown, GROWTH_MB / 2)
        stalls(served, targets)


def stalls(served: Served, targets: Targets) -> None:
    """How long the event loop was held up: the time that a timer was late, less what other processes took of it."""
    late = [event for event in served.events() if event["event"] == "late"]
    held = [min(event["milliseconds"] - event["waited"], event["cpu"]) for event in late]
    latest = max((event["milliseconds"] for event in late), default=0.0)
    print(
        f"timers late by over 20 ms: {len(late)}, by {latest} ms at most; "
        f"held up over 50 ms: {sum(one > 50 for one in held)}",
        flush=True,
    )
    targets.at_most("longest stall of the event loop over them, ms", max(held, default=0.0), STALL_MS)


def plain(texts: Sequence[str]) -> list[bytes]:
    """Requests of one text each."""
    return [request_bytes(TYPED, json.dumps({"inputs": [text]}).encode()) for text in texts]


def streamed(texts: Sequence[str]) -> list[bytes]:
    """The same as streams."""
    bodies = [json.dumps({"inputs": [text], "stream": True}).encode() for text in texts]
    return [request_bytes(TYPED, body) for body in bodies]


def overload(folder: Path, bundle: Path, seconds: float, requests: list[bytes], targets: Targets) -> None:
    """Four times what it can, for so long."""
    with server(folder, f"model={bundle}", "--queue", "128") as served:
        able = asyncio.run(closed_loop(served.port, requests, 64, min(5.0, seconds)))
        rate = 4 * able.summary()["answers_per_second"]
        before = served.megabytes()
        result = asyncio.run(open_loop(served.port, requests, rate, 512, seconds))
        grown = served.megabytes() - before
    found = result.summary()
    print(f"overload, {rate:.0f} /s offered: {found}", flush=True)
    odd = sum(n for status, n in result.statuses.items() if status not in ("200", "429", "503"))
    targets.at_most("answers under overload that are not 200, 429 or 503", odd, 0)
    turned = result.statuses["429"] + result.statuses["503"]
    targets.at_least("requests turned away under overload", turned, 1)
    # A full queue of 128 takes 128 / throughput to answer; three times that is room for the client's own waiting.
    bound = 3000 * 128 / able.summary()["answers_per_second"]
    targets.at_most("p99 of the accepted, ms", found["p99_ms"], bound)
    targets.at_most("growth of memory under overload, MB", grown, GROWTH_MB)


def drip(
    folder: Path, bundle: Path, sockets: int, seconds: float, requests: list[bytes], targets: Targets
) -> None:
    """Sockets that send a byte now and then, half of them heads and half bodies; one good client meanwhile."""
    starts = [b"POST " + TYPED.encode() + b" HTTP/1.1\r\nhost: a\r\n",
              b"POST " + TYPED.encode() + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n"]  # fmt: skip

    async def slow(port: int, start: bytes, ends: asyncio.Event) -> None:
        while not ends.is_set():
            try:
                _, writer = await asyncio.open_connection(HOST, port)
                writer.write(start)
                while not ends.is_set():
                    writer.write(b"a")
                    await writer.drain()
                    await asyncio.sleep(0.5)
                writer.close()
            except OSError:
                await asyncio.sleep(0.1)

    async def both(port: int) -> tuple[float, float]:
        alone = (await closed_loop(port, requests, 1, seconds)).summary()["p99_ms"]
        ends = asyncio.Event()
        dripping = [asyncio.create_task(slow(port, starts[n % 2], ends)) for n in range(sockets)]
        await asyncio.sleep(1)
        meanwhile = (await closed_loop(port, requests, 1, seconds)).summary()["p99_ms"]
        ends.set()
        await asyncio.gather(*dripping)
        return alone, meanwhile

    with server(folder, f"model={bundle}") as served:
        alone, meanwhile = asyncio.run(both(served.port))
    print(
        f"p99 of one client: {alone:.2f} ms alone, {meanwhile:.2f} ms with {sockets} dripping sockets",
        flush=True,
    )
    targets.at_most(f"p99 with {sockets} dripping sockets over p99 alone", meanwhile / alone, 2.0)


def stops(folder: Path, bundle: Path, count: int, targets: Targets, *options: str) -> None:
    """SIGTERM in the middle of load: what the server took up, its client must get; half connect anew each time."""
    lost = taken = wrong = resets = 0
    for round_ in range(count):
        with server(folder, f"model={bundle}", "--drain", "0.2", *options) as served:
            got: dict[str, str] = {}

            async def client(number: int, port: int, got: dict[str, str], ends: float) -> None:
                line, place = Connection(port), 0
                while time.monotonic() < ends:
                    name = f"{number}-{place}"
                    body = json.dumps({"inputs": ["good food " * (1 + place % 20)]}).encode()
                    got[name], _ = await line.ask(request_bytes(TYPED, body, {"x-request-id": name}))
                    if number % 2:
                        line.close()
                    if got[name] == "refused":
                        break
                    place += 1
                line.close()

            async def load(
                port: int, process: subprocess.Popen[bytes], got: dict[str, str], after: float
            ) -> None:
                ends = time.monotonic() + after + 8
                clients = [asyncio.create_task(client(n, port, got, ends)) for n in range(16)]
                await asyncio.sleep(after)
                process.send_signal(signal.SIGTERM)
                await asyncio.gather(*clients)

            after = 0.2 + 0.05 * random.Random(round_).random()
            asyncio.run(load(served.port, served.process, got, after))
            wrong += served.process.wait(30) != 0
            answered = {
                e["request_id"] for e in served.events() if e["event"] == "request" and e["status"] == 200
            }
            taken += len(answered)
            lost += sum(got.get(name) != "200" for name in answered)
            resets += sum(status == "reset" for status in got.values())
            known = ("200", "503", "refused", "broken", "reset")
            wrong += sum(status not in known for status in got.values())
    print(f"{count} times SIGTERM under load: {taken} requests accepted", flush=True)
    targets.at_least("requests accepted around SIGTERM", taken, 1)
    targets.at_most("accepted requests lost", lost, 0)
    targets.at_most("connections reset", resets, 0)
    targets.at_most("exits other than 0, and other answers", wrong, 0)


def reloads(
    folder: Path, bundle: Path, count: int, requests: list[bytes], targets: Targets, *options: str
) -> None:
    """SIGHUP in the middle of load, to and fro between two versions."""
    file = folder / "models.json"

    def say(version: int) -> None:
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps({"models": {"model": {"versions": {str(version): str(bundle)}}}}))
        temporary.replace(file)

    def done(served: Served) -> int:
        return sum(event["event"] == "reloaded" for event in served.events())

    async def load(served: Served) -> Counter[str]:
        statuses: Counter[str] = Counter()
        ended = asyncio.Event()

        async def ask() -> None:
            while not ended.is_set():
                statuses.update((await closed_loop(served.port, requests, 16, 2.0)).statuses)

        asking = asyncio.create_task(ask())
        for number in range(count):
            await asyncio.sleep(1.0)
            await asyncio.to_thread(say, number % 2)
            served.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + _RELOAD_SECONDS
            while done(served) <= number and time.monotonic() < until:
                await asyncio.sleep(0.1)
        ended.set()
        await asking
        return statuses

    say(1)
    with server(folder, "--models", str(file), *options) as served:
        statuses = asyncio.run(load(served))
        reloaded = done(served)
    print(f"{reloaded} reloads under load: {dict(statuses)}", flush=True)
    failed = sum(n for status, n in statuses.items() if status != "200")
    targets.at_most("requests failed during reloads", failed, 0)
    targets.at_least("reloads done", reloaded, count)


def main(argv: Sequence[str] | None = None) -> int:
    """Every part asked for; returns 0 if all targets are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--bodies", type=int, default=200_000)
    parser.add_argument("--overload", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--drip", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1, help="that answer, of `stops` and `reloads`")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args(argv)
    os.environ.pop("FTCORE_TOKEN", None)
    requests = plain(read_texts(500))
    targets = Targets()
    options = ["--processes", str(args.processes)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = (args.bundle or make_bundle(folder)).resolve()
        if "hostile" in args.only:
            hostile(folder, bundle, targets)
        if "bodies" in args.only:
            bodies(folder, bundle, args.bodies, targets)
        if "overload" in args.only:
            overload(folder, bundle, args.overload, requests, targets)
        if "drip" in args.only:
            drip(folder, bundle, args.sockets, args.drip, requests, targets)
        if "stops" in args.only:
            stops(folder, bundle, args.stops, targets, *options)
        if "reloads" in args.only:
            reloads(folder, bundle, args.reloads, requests, targets, *options)
    return 0 if targets.met else 3


if __name__ == "__main__":
    raise SystemExit(main())
