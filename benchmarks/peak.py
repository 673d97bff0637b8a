"""Share of this machine's own rate of matrix products that a bundle's graphs reach, and what takes the other time.

    python benchmarks/peak.py BUNDLE [--rounds 10]

BUNDLE holds the variants fp32 and int8 of an encoder. Each graph runs as it does in a service, on one thread, over
batches of several shapes; the rate of its products with weights is compared with that of one such product alone, of the
graph's own largest shape, in the same number format and run. Products between activations (attention) are counted as
time only. Then the operators that take most of the time of the largest batch. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from targets import print_target

from ftcore_runtime.session import SLOWER, session_options

if TYPE_CHECKING:
    import onnxruntime as ort

SHAPES = ((1, 16), (1, 64), (1, 512), (8, 128), (32, 32))  # texts, tokens of each
_PRODUCTS = {"MatMul", "Gemm", "MatMulIntegerToFloat"}
_SHOWN = 8  # operators
_BAR = 0.75


def main() -> None:
    """Measure each variant, and print the table and the targets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", metavar="BUNDLE", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    variants = json.loads((args.bundle / "bundle.json").read_text())["variants"]
    shares = {}
    for name in ("fp32", "int8"):
        model = onnx.load(args.bundle / variants[name]["graphs"]["model"])
        shares[name] = _measured(name, model, args.rounds)
    for name, share in shares.items():
        print_target(f"{name}: share of the rate of products, batch of 32", share, _BAR)


def _measured(name: str, model: onnx.ModelProto, rounds: int) -> float:
    """Print the shares of one variant; returns that of the last shape."""
    data, products, share = model.SerializeToString(), _weights(model), 0.0
    session = _session(data)
    per_token = 2 * sum(rows * columns for rows, columns in products)
    print(f"{name}: {len(products)} products with weights, {per_token / 1e6:.1f} MFLOP a token")
    for texts, tokens in SHAPES:
        feeds = _feeds(session, texts, tokens)
        alone = _product(max(products, key=lambda one: one[0] * one[1]), texts * tokens, name == "int8")
        graph, single = _seconds(partial(session.run, None, feeds), alone[0], rounds=rounds)
        rate, peak = per_token * texts * tokens / graph, alone[1] / single
        share = rate / peak
        shown = f"{rate / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s"
        print(f"  {texts:2} x {tokens:3} tokens: {1e3 * graph:8.2f} ms, {shown} ({share:.0%})")
    spent = _by_operator(data, *SHAPES[-1])
    whole = sum(spent.values())
    print("  " + ", ".join(f"{kind} {took / whole:.0%}" for kind, took in spent.most_common(_SHOWN)))
    return share


def _weights(model: onnx.ModelProto) -> list[tuple[int, int]]:
    """Rows and columns of every matrix that the graph multiplies all tokens with."""
    shapes = {one.name: tuple(one.dims) for one in model.graph.initializer if len(one.dims) == 2}
    found = [
        shapes[node.input[1]]
        for node in model.graph.node
        if node.op_type in _PRODUCTS and node.input[1] in shapes
    ]
    return [(rows, columns) for rows, columns in found if min(rows, columns) >= 64]  # not the head's


def _product(shape: tuple[int, int], tokens: int, integers: bool) -> tuple[Callable[[], object], float]:
    """One product of this shape as a graph of its own, and its floating-point or integer operations."""
    rows, columns = shape
    draw = np.random.default_rng(0)
    left: np.ndarray
    right: np.ndarray
    if integers:
        kind, given, made = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
        left = draw.integers(0, 255, (tokens, rows)).astype(np.uint8)
        right = draw.integers(-64, 64, (rows, columns)).astype(np.int8)
    else:
        kind, given, made = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
        left = draw.standard_normal((tokens, rows), dtype=np.float32)
        right = draw.standard_normal((rows, columns), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", given, [None, rows])],
        [helper.make_tensor_value_info("y", made, [None, columns])],
        [numpy_helper.from_array(right, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = _session(model.SerializeToString())
    return lambda: session.run(None, {"x": left}), 2.0 * tokens * rows * columns


def _session(data: bytes, options: ort.SessionOptions | None = None) -> ort.InferenceSession:
    """As a service opens a graph, on one thread."""
    import onnxruntime as ort

    options = options or session_options(1)
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER)


def _feeds(session: ort.InferenceSession, texts: int, tokens: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(0).integers(1_000, 20_000, (texts, tokens))
    made = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return {node.name: made[node.name] for node in session.get_inputs()}


def _seconds(*runs: Callable[[], object], rounds: int) -> list[float]:
    """The shortest time of each, taken in turns: what else the machine does only adds to it."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds + 1):  # the first one allocates
        for index, run in enumerate(runs):
            started = time.perf_counter()
            run()
            best[index] = min(best[index], time.perf_counter() - started)
    return best


def _by_operator(data: bytes, texts: int, tokens: int) -> Counter[str]:
    """Microseconds of each kind of operator, by onnxruntime's own profile."""
    with tempfile.TemporaryDirectory() as folder:
        options = session_options(1)
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        session = _session(data, options)
        feeds = _feeds(session, texts, tokens)
        for _ in range(5):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return spent


if __name__ == "__main__":
    main()
