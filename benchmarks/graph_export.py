"""Seconds from a model to its graph: traced, traced into a kept graph, and put into the kept one.

    python benchmarks/graph_export.py [--rounds 3]

The model is the packaged MiniLM with a random head, on one thread. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from serving import BASE, package_folder
from targets import print_target

SECONDS = 2.0  # that the export of another seed of a run may take


def main(argv: Sequence[str] | None = None) -> int:
    """Time the three; returns 0 if the target is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(argv).rounds
    import torch
    from transformers import AutoModelForSequenceClassification

    from ftcore.families.encoder_graph import encoder_graph
    from ftcore_export.onnx_graph import export_graph
    from ftcore_runtime.encoding import TEXT_INPUTS, EncoderConfig, TextEncoder

    torch.set_num_threads(1)
    base = package_folder(BASE) / "model"
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2).eval()
    encoder = TextEncoder.load(base / "tokenizer.json", EncoderConfig(128, 0, "right", TEXT_INPUTS))
    graph = encoder_graph(model, encoder, ["logits"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def seconds(templates: Path | None) -> float:
            began = time.perf_counter()
            export_graph(graph, folder / "model.onnx", templates)
            return time.perf_counter() - began

        seconds(None)  # what the first export of a process does once
        traced = statistics.median(seconds(None) for _ in range(rounds))
        first = seconds(folder / "graphs")
        again = statistics.median(seconds(folder / "graphs") for _ in range(rounds))
    print(f"traced {traced:.1f} s, traced and kept {first:.1f} s, from the kept graph {again:.2f} s")
    return 0 if print_target("seconds to put a model into a kept graph", again, SECONDS, at_most=True) else 3


if __name__ == "__main__":
    raise SystemExit(main())
