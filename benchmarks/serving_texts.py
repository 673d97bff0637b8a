"""Requests for written texts under load: texts of several requests in one batch, against each request alone.

    python benchmarks/serving_texts.py RUN [--variant int8] [--clients 1 64] [--batch-texts 16] [--streamed]
                                           [--seconds 20] [--rounds 3]

RUN is a finished run of a task that writes texts (`ftcore run translation`); the requests are its test rows, one text
each, with `--streamed` as streams. Two servers take turns: one that writes as many texts at a time as `--batch-texts`
says, and one that writes them one by one. Rates are medians over the rounds. The client runs in this process, on the
same machine.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from campaign_server import server
from http_load import closed_loop
from serving_campaign import plain, streamed
from targets import print_target

WARMUP = 2.0  # seconds


def main() -> None:
    """Both servers in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--variant", default="int8")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--batch-texts", type=int, default=16)
    parser.add_argument("--streamed", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    lines = (args.run / "predictions.test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["input"] for line in lines]
    requests = streamed(texts) if args.streamed else plain(texts)
    sizes = (1, args.batch_texts)
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            for size in sizes:
                options = ["--variant", args.variant, "--batch-texts", str(size)]
                with server(Path(name), f"model={args.run / 'bundle'}", *options) as served:
                    for clients in args.clients:
                        asyncio.run(closed_loop(served.port, requests, clients, WARMUP))
                        result = asyncio.run(closed_loop(served.port, requests, clients, args.seconds))
                        if set(result.statuses) != {"200"}:
                            print(f"{clients} clients: {dict(result.statuses)}", flush=True)
                        found.setdefault((size, clients), []).append(result.summary())
    keys = ("answers_per_second", "p50_ms", "p99_ms", *(["first_p50_ms"] if args.streamed else []))
    middle = {
        case: {key: statistics.median(one[key] for one in rounds) for key in keys}
        for case, rounds in found.items()
    }
    for (size, clients), row in middle.items():
        print(
            f"up to {size:3d} texts at a time, {clients:3d} clients: {row['answers_per_second']:7.1f} /s"
            f"  p50 {row['p50_ms']:8.1f} ms  p99 {row['p99_ms']:8.1f} ms"
            + (f"  first piece {row['first_p50_ms']:8.1f} ms" if args.streamed else "")
        )
    fewest, most = min(args.clients), max(args.clients)
    alone, together = middle[sizes[0], most], middle[sizes[1], most]
    gain = together["answers_per_second"] / alone["answers_per_second"]
    bar = 1.5 if args.streamed else 2.0
    print_target(f"texts a second with {most} clients over texts written one by one", gain, bar)
    print_target(f"p99 with {most} clients, ms", together["p99_ms"], alone["p99_ms"], at_most=True)
    gain = middle[sizes[1], fewest]["p50_ms"] / middle[sizes[0], fewest]["p50_ms"]
    print_target(f"p50 with {fewest} client over that of texts written one by one", gain, 1.1, at_most=True)


if __name__ == "__main__":
    main()
