"""Training steps beside busy processes: rows a second, and rows for each second of CPU, by how OpenMP's threads wait.

Every way of waiting is a process of its own (OpenMP reads the environment once), started next to the busy ones; they
take turns, so that a machine that is never quiet treats all of them alike. Ends with one JSON line a target: of
medians, over OpenMP's own way.

    python benchmarks/contention.py --neighbours 0 1 --seconds 5 --repeats 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from targets import print_target

from ftcore.waiting import wait_asleep

_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
_OWN, _OURS = "OpenMP's own", "ftcore's"
_BUSY = "while True: pass"


def _ways() -> dict[str, dict[str, str]]:
    """Name -> what the environment says."""
    ours: dict[str, str] = {}
    wait_asleep(ours)
    return {_OWN: {}, _OURS: ours, "asleep at once": {"OMP_WAIT_POLICY": "PASSIVE"}}


def _train(seconds: float, hidden: int, layers: int, batch: int, tokens: int) -> None:
    """Measure once for each line of standard input."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 4 * hidden}
    model = BertForSequenceClassification(BertConfig(vocab_size=8000, num_attention_heads=4, **sizes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids, labels = torch.randint(0, 8000, (batch, tokens)), torch.randint(0, 2, (batch,))

    def step() -> None:
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    for _ in sys.stdin:
        step()
        start, cpu, rows = time.monotonic(), time.process_time(), 0
        while time.monotonic() < start + seconds:
            step()
            rows += batch
        spent, used = time.monotonic() - start, time.process_time() - cpu
        print(rows / spent, used / spent, flush=True)


@contextmanager
def _neighbours(count: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _start(shape: str, seconds: float, said: Mapping[str, str]) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    return subprocess.Popen(
        [sys.executable, __file__, "--train", shape, "--seconds", str(seconds)],
        env={**environment, **said},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main() -> None:
    """Measure, or be what is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1], help="busy processes")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shape", default="384,6,32,32", help="width, layers, rows a batch, tokens a row")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        hidden, layers, batch, tokens = map(int, arguments.train.split(","))
        return _train(arguments.seconds, hidden, layers, batch, tokens)
    rates: dict[tuple[int, str], list[float]] = {}
    for count in arguments.neighbours:
        with _neighbours(count):
            time.sleep(0.5)  # they are at work when ftcore looks around
            trainings = {
                name: _start(arguments.shape, arguments.seconds, said) for name, said in _ways().items()
            }
            for repeat in range(arguments.repeats):
                for name, process in trainings.items():
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write("\n")
                    process.stdin.flush()
                    rate, cpus = map(float, process.stdout.readline().split())
                    rates.setdefault((count, name), []).append(rate)
                    print(
                        f"{repeat} neighbours {count}, load {os.getloadavg()[0]:.1f}, {name}: {rate:.1f} rows/s, "
                        f"{cpus:.2f} CPUs, {rate / cpus:.1f} rows a CPU second",
                        flush=True,
                    )
            for process in trainings.values():
                process.communicate()
    for count in arguments.neighbours:
        own, ours = (statistics.median(rates[count, name]) for name in (_OWN, _OURS))
        bar = 1.2 if count else 0.95
        print_target(f"rows a second with {count} neighbours, over OpenMP's own waiting", ours / own, bar)
    return None


if __name__ == "__main__":
    main()
