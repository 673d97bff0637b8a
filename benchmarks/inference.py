"""Answers a second of one fine-tuned model in every way to run it: same weights, texts, machine and time, in one run.

    python benchmarks/inference.py RUN [--rounds 5] [--singles 200] [--stream 2000] [--only NAME ...] [--optimum DIR]

RUN is a finished run of a text-classification task whose bundle holds fp32 and int8; texts are its test rows. Every
contender starts from text and ends with a label. Three loads: one text at a time (median ms), batches of 32 (median
ms of one), and a stream of texts of mixed length in the order of arrival (texts a second, batches of 32). Rounds go
through all contenders in turn, and medians over rounds are compared.

    torch eager, torch sdpa    transformers, float32
    torch bf16, torch compile  likewise, with weights in bfloat16, or through torch.compile
    transformers pipeline      pipeline("text-classification")
    optimum                    ORTModelForSequenceClassification in float32, in a virtual environment of its own, which
                               `--optimum DIR` makes (a download of its own torch and transformers 4)
    bare fp32, bare int8       onnxruntime and tokenizers by hand, batched by length as ours is
    ours fp32, ours int8       ftcore_export.Pipeline

Then the cold start of a process: from the interpreter's start to the first answer. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
MAX_LENGTH = "max_length"
Answer = Callable[[Sequence[str]], Sequence[str]]
LOADS = ("one text, ms", "batch of 32, ms", "stream, texts/s")
WORKER = "--optimum-worker"


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """In the order of arrival."""
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


def of_torch(
    model_folder: Path, length: int, *, attention: str, bf16: bool = False, compiled: bool = False
) -> Answer:
    """A transformers model called directly."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    dtype = torch.bfloat16 if bf16 else torch.float32
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder, attn_implementation=attention, dtype=dtype
    ).eval()
    run = torch.compile(model, dynamic=True) if compiled else model

    def answer(texts: Sequence[str]) -> list[str]:
        found: list[str] = []
        with torch.inference_mode():
            for batch in batches(texts):
                inputs = tokenizer(
                    list(batch), padding=True, truncation=True, max_length=length, return_tensors="pt"
                )
                found += [model.config.id2label[i] for i in run(**inputs).logits.argmax(-1).tolist()]
        return found

    return answer


def of_transformers_pipeline(model_folder: Path, length: int) -> Answer:
    """What transformers' own documentation shows."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(model_folder), device="cpu")

    def answer(texts: Sequence[str]) -> list[str]:
        found = classify(list(texts), batch_size=BATCH, truncation=True, max_length=length)
        return [item["label"] for item in found]

    return answer


def of_optimum(model_folder: Path, length: int) -> Answer:
    """optimum's model on onnxruntime, exported by itself."""
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = ORTModelForSequenceClassification.from_pretrained(model_folder, export=True)

    def answer(texts: Sequence[str]) -> list[str]:
        found: list[str] = []
        for batch in batches(texts):
            inputs = tokenizer(
                list(batch), padding=True, truncation=True, max_length=length, return_tensors="np"
            )
            found += [model.config.id2label[i] for i in model(**inputs).logits.argmax(-1).tolist()]
        return found

    return answer


def of_bare_session(bundle: Path, variant: str) -> Answer:
    """onnxruntime and tokenizers, with as little Python as there can be; sorted by length like ours."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    manifest = json.loads((bundle / "bundle.json").read_text())
    encoder, labels = manifest["encoder"], manifest["decoder"]["labels"]
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(
        bundle / manifest["variants"][variant]["graphs"]["model"], options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(bundle / encoder["tokenizer"]))
    tokenizer.enable_truncation(encoder[MAX_LENGTH])
    tokenizer.no_padding()

    def answer(texts: Sequence[str]) -> list[str]:
        encodings = tokenizer.encode_batch_fast(list(texts))
        rows = [encoding.ids for encoding in encodings]
        order = np.argsort([-len(row) for row in rows], kind="stable")
        found = np.empty(len(rows), np.int64)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            ids = np.full((len(chosen), len(rows[chosen[0]])), encoder["pad_id"], np.int64)
            mask = np.zeros_like(ids)
            for place, index in enumerate(chosen):
                ids[place, : len(rows[index])] = rows[index]
                mask[place, : len(rows[index])] = 1
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            logits = session.run(["logits"], {name: given[name] for name in encoder["inputs"]})[0]
            found[chosen] = logits.argmax(-1)
        return [labels[index] for index in found]

    return answer


def of_ours(bundle: Path, variant: str) -> Answer:
    """The bundle's own pipeline."""
    from ftcore_export import Pipeline

    pipeline = Pipeline.load(bundle, variant)
    return lambda texts: [answer.label for answer in pipeline.predict(texts, batch_size=BATCH)]  # type: ignore[union-attr]


def measure(answer: Answer, texts: Sequence[str], singles: int, stream: int) -> dict[str, float]:
    """One round of the three loads."""
    alone, together = [], []
    for index in range(singles):
        started = time.perf_counter()
        answer([texts[index % len(texts)]])
        alone.append(time.perf_counter() - started)
    for index in range(max(1, singles // BATCH)):
        start = index * BATCH % max(1, len(texts) - BATCH)
        started = time.perf_counter()
        answer(texts[start : start + BATCH])
        together.append(time.perf_counter() - started)
    flow = [texts[index % len(texts)] for index in range(stream)]
    started = time.perf_counter()
    answer(flow)
    spent = time.perf_counter() - started
    return dict(
        zip(
            LOADS,
            (1e3 * statistics.median(alone), 1e3 * statistics.median(together), stream / spent),
            strict=True,
        )
    )


def in_environment(folder: Path, job: dict[str, Any]) -> dict[str, float]:
    """One round of optimum in its own virtual environment, made unless it is there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        needed = ["optimum-onnx[onnxruntime]", "transformers<5", "numpy"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *needed], check=True)
    told = subprocess.run(
        [python, __file__, WORKER], input=json.dumps(job), capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def optimum_worker() -> None:
    """The other side of `in_environment`."""
    job = json.load(sys.stdin)
    answer = of_optimum(Path(job["model"]), job["length"])
    answer(job["texts"][:BATCH])
    print(json.dumps(measure(answer, job["texts"], job["singles"], job["stream"])))


def cold_start(bundle: Path, text: str, times: int) -> float:
    """Median milliseconds of a new process that answers one text."""
    code = "import sys; from ftcore_export import Pipeline; Pipeline.load(sys.argv[1], 'int8').predict([sys.argv[2]])"
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(bundle), text], check=True)
        spent.append(time.perf_counter() - started)
    return 1e3 * statistics.median(spent)


def main() -> None:
    """Measure, print the table and the targets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--stream", type=int, default=2000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these contenders only, by the names above")
    parser.add_argument("--optimum", metavar="DIR", type=Path, help="virtual environment of optimum-onnx")
    args = parser.parse_args()
    bundle, model = args.run / "bundle", args.run / "model"
    length = json.loads((bundle / "bundle.json").read_text())["encoder"][MAX_LENGTH]
    lines = (
        (args.run / "predictions.test.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    )  # not at U+2028
    texts = [json.loads(line)["input"] for line in lines]
    makers: dict[str, Callable[[], Answer]] = {
        "torch eager": lambda: of_torch(model, length, attention="eager"),
        "torch sdpa": lambda: of_torch(model, length, attention="sdpa"),
        "torch bf16": lambda: of_torch(model, length, attention="sdpa", bf16=True),
        "torch compile": lambda: of_torch(model, length, attention="sdpa", compiled=True),
        "transformers pipeline": lambda: of_transformers_pipeline(model, length),
        "bare fp32": lambda: of_bare_session(bundle, "fp32"),
        "bare int8": lambda: of_bare_session(bundle, "int8"),
        "ours fp32": lambda: of_ours(bundle, "fp32"),
        "ours int8": lambda: of_ours(bundle, "int8"),
    }
    contenders = {name: make() for name, make in makers.items() if not args.only or name in args.only}
    for answer in contenders.values():
        answer(texts[:BATCH])
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    if args.optimum:
        rounds["optimum"] = []
    job = {
        "model": str(model),
        "length": length,
        "texts": texts,
        "singles": args.singles,
        "stream": args.stream,
    }
    for _ in range(args.rounds):
        for name, answer in contenders.items():
            rounds[name].append(measure(answer, texts, args.singles, args.stream))
        if args.optimum:
            rounds["optimum"].append(in_environment(args.optimum, job))
    found = {
        name: {load: statistics.median(r[load] for r in measured) for load in LOADS}
        for name, measured in rounds.items()
    }
    print(f"{'':24}" + "".join(f"{load:>18}" for load in LOADS))
    for name, figures in found.items():
        print(f"{name:24}" + "".join(f"{figures[load]:18.2f}" for load in LOADS))
    report(found, cold_start(bundle, texts[0], args.rounds))


def report(found: dict[str, dict[str, float]], cold: float) -> None:
    """One JSON line a target, of those whose contenders were measured."""
    single, _, stream = LOADS
    targets: list[tuple[str, float, float, bool]] = []

    def target(name: str, value: float, bar: float, ok: bool) -> None:
        targets.append((name, value, bar, ok))

    if {"ours int8", "transformers pipeline"} <= found.keys():
        ours, theirs = found["ours int8"], found["transformers pipeline"]
        ratio = theirs[single] / ours[single]
        target("int8 Pipeline against the transformers pipeline, one text", ratio, 6, ratio >= 6)
        ratio = ours[stream] / theirs[stream]
        target("int8 Pipeline against the transformers pipeline, stream", ratio, 8, ratio >= 8)
    if {"ours int8", "bare int8"} <= found.keys():
        ours, bare = found["ours int8"], found["bare int8"]
        more = 100 * (ours[single] / bare[single] - 1)
        target("overhead over session and tokenizer, one text, %", more, 5, more <= 5)
        more = 100 * (bare[stream] / ours[stream] - 1)
        target("overhead over session and tokenizer, stream, %", more, 5, more <= 5)
    target("cold start, ms", cold, 500, cold <= 500)
    for name, value, bar, ok in targets:
        print(json.dumps({"target": name, "value": round(value, 3), "bar": bar, "ok": ok}))


if __name__ == "__main__":
    if WORKER in sys.argv:
        optimum_worker()
    else:
        main()
