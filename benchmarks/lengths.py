"""Milliseconds of one text by its length, to 2,048 tokens: our graphs with one and two threads, and torch, in one run.

    python benchmarks/lengths.py [--lengths 16 64 256 512 1024 2048] [--rounds 7]

The model is of MiniLM's size with 2,048 positions and random weights, whose values do not matter to its speed. All
start from text. torch runs with scaled dot-product attention on all cores, in float32 and, where this processor has
products of bf16, in bf16. The contenders take turns; medians over the rounds. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from serving import BASE, bundle_of, package_folder
from targets import print_target
from transformers import AutoConfig, AutoModelForSequenceClassification

from ftcore.training.precision import choose_precision
from ftcore_runtime import Pipeline
from ftcore_runtime.encoding import TEXT_INPUTS, EncoderConfig, TextEncoder

LONGEST = 2048  # tokens
_BAR = 1.0  # times torch's speed at its best

Answer = Callable[[str], object]


def main() -> None:
    """Measure, print the table and the targets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 64, 256, 512, 1024, LONGEST])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(Path(folder))
        table = {length: _measured(contenders, length, args.rounds) for length in args.lengths}
    print(f"{'tokens':>26s}" + "".join(f"{length:10d}" for length in table))
    for name in contenders:
        print(f"{name:>26s}" + "".join(f"{found[name]:10.2f}" for found in table.values()) + "  ms")
    for length, found in table.items():
        best = {
            kind: min(found[name] for name in found if name.startswith(kind)) for kind in ("torch", "ours")
        }
        print_target(f"one text of {length} tokens, times torch's speed", best["torch"] / best["ours"], _BAR)


def _contenders(folder: Path) -> dict[str, Answer]:
    base = package_folder(BASE) / "model"
    config = AutoConfig.from_pretrained(base, max_position_embeddings=LONGEST, num_labels=2)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa").eval()
    encoder = TextEncoder.load(base / "tokenizer.json", EncoderConfig(LONGEST, 0, "right", TEXT_INPUTS))

    def of_torch(precision: torch.dtype, text: str) -> object:
        batch = encoder.collate(encoder.encode([text]))
        inputs = {name: torch.from_numpy(array) for name, array in batch.items()}
        enabled = precision != torch.float32
        with torch.inference_mode(), torch.autocast("cpu", precision, enabled=enabled):
            return model(**inputs).logits.argmax().item()

    found: dict[str, Answer] = {"torch fp32": partial(of_torch, torch.float32)}
    if choose_precision("auto")[0] == "bf16":
        found["torch bf16"] = partial(of_torch, torch.bfloat16)
    # A copy: the export switches the attention of the model that it is given.
    bundle = bundle_of(copy.deepcopy(model), LONGEST, folder, ("fp32", "int8"))
    for variant in ("fp32", "int8"):
        for threads in (1, 2):
            pipeline = Pipeline.load(bundle, variant, run_threads=threads)
            found[f"ours {variant}, {threads} thread{'s' * (threads > 1)}"] = partial(_answer, pipeline)
    return found


def _answer(pipeline: Pipeline, text: str) -> object:
    return pipeline.predict([text])


def _measured(contenders: dict[str, Answer], length: int, rounds: int) -> dict[str, float]:
    """Median milliseconds of a text of so many tokens, two of them special."""
    text = "good " * (length - 2)
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):  # the first one allocates
        for name, answer in contenders.items():
            started = time.perf_counter()
            answer(text)
            if number:
                spent[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in spent.items()}


if __name__ == "__main__":
    main()
