"""Answers a second of one fine-tuned model in every way to run it: same weights, texts, machine and time, in one run.

    python benchmarks/inference.py RUN [--rounds 5] [--singles 200] [--stream 2000] [--only NAME ...] [--optimum DIR]
        [--teacher RUN]

RUN is a finished run of a text-classification task whose bundle holds fp32 and int8; texts are its test rows. Every
contender starts from text and ends with a label. Three loads: one text at a time (median ms), batches of 32 (median
ms of one), and a stream of texts of mixed length in the order of arrival (texts a second, batches of 32). Rounds go
through all contenders in turn, and medians over rounds are compared.

    torch eager, torch sdpa    transformers, float32
    torch bf16, torch compile  likewise, with weights in bfloat16 (unless this processor only emulates it, which would
                               take hours), or through torch.compile
    transformers pipeline      pipeline("text-classification")
    teacher's pipeline         likewise, of the run that `--teacher` names, with whose test metric RUN's is compared
    optimum                    ORTModelForSequenceClassification in float32, in a virtual environment of its own with
                               transformers 4, which is made in a minute (`--optimum DIR`; torch and onnxruntime are
                               this environment's)
    bare fp32, bare int8       onnxruntime and tokenizers by hand, with ours' session options, batches and threads
    ours fp32, ours int8, ...  ftcore_runtime.Pipeline with each variant of the bundle
    ours int8 latency, ...     the int8 variants with `run_threads` of all cores: which of the two ways answers one text
                               sooner depends on the processor, and the target takes the better one

Then the cold start of a process: from the interpreter's start to the first answer. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from inference_targets import INT8, LOADS, TEACHER, report, report_student

BATCH = 32
TOKENS = 256  # of a batch that one core runs
MAX_LENGTH = "max_length"
Answer = Callable[[Sequence[str]], Sequence[str]]
EMULATED = 0.3  # of float32's speed: below it nobody would take bfloat16
OPTIMUM, WORKER = "optimum", "--optimum-worker"


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """In the order of arrival."""
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH]


def of_model(folder: Path, length: int, model: Any, run: Callable[..., Any], tensors: str) -> Answer:
    """A model called directly, batch by batch, with the tokenizer of its folder; `tensors` is pt or np."""
    from transformers import PreTrainedTokenizerFast

    # Not AutoTokenizer: transformers 4 does not know the class that 5 names in tokenizer_config.json.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def answer(texts: Sequence[str]) -> list[str]:
        found: list[str] = []
        for batch in batches(texts):
            inputs = tokenizer(
                list(batch), padding=True, truncation=True, max_length=length, return_tensors=tensors
            )
            found += [model.config.id2label[i] for i in run(**inputs).logits.argmax(-1).tolist()]
        return found

    return answer


def of_torch(
    folder: Path, length: int, *, attention: str, bf16: bool = False, compiled: bool = False
) -> Answer:
    """A transformers model in torch."""
    import torch
    from transformers import AutoModelForSequenceClassification

    dtype = torch.bfloat16 if bf16 else torch.float32
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation=attention, dtype=dtype
    ).eval()
    run = torch.compile(model, dynamic=True) if compiled else model
    return of_model(folder, length, model, torch.inference_mode()(run), "pt")


def of_optimum(folder: Path, length: int) -> Answer:
    """optimum's model on onnxruntime, exported by itself."""
    from optimum.onnxruntime import ORTModelForSequenceClassification

    model = ORTModelForSequenceClassification.from_pretrained(folder, export=True)
    return of_model(folder, length, model, model, "np")


def of_transformers_pipeline(model_folder: Path, length: int) -> Answer:
    """What transformers' own documentation shows."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(model_folder), device="cpu")

    def answer(texts: Sequence[str]) -> list[str]:
        found = classify(list(texts), batch_size=BATCH, truncation=True, max_length=length)
        return [item["label"] for item in found]

    return answer


def of_bare_session(bundle: Path, variant: str) -> Answer:
    """onnxruntime and tokenizers, with as little Python as there can be; sorted and in parallel like ours."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    from ftcore_runtime.session import SLOWER

    manifest = json.loads((bundle / "bundle.json").read_text())
    encoder, labels = manifest["encoder"], manifest["decoder"]["labels"]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        bundle / manifest["variants"][variant]["graphs"]["model"],
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=SLOWER,
    )
    cores = os.cpu_count() or 1
    tokenizer = Tokenizer.from_file(str(bundle / encoder["tokenizer"]))
    tokenizer.enable_truncation(encoder[MAX_LENGTH])
    tokenizer.no_padding()

    def answer(texts: Sequence[str]) -> list[str]:
        encodings = tokenizer.encode_batch_fast(list(texts))
        rows = [encoding.ids for encoding in encodings]
        order = np.argsort([-len(row) for row in rows], kind="stable")
        found = np.empty(len(rows), np.int64)

        def run(chosen: np.ndarray) -> None:
            ids = np.full((len(chosen), len(rows[chosen[0]])), encoder["pad_id"], np.int64)
            mask = np.zeros_like(ids)
            for place, index in enumerate(chosen):
                ids[place, : len(rows[index])] = rows[index]
                mask[place, : len(rows[index])] = 1
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            logits = session.run(["logits"], {name: given[name] for name in encoder["inputs"]})[0]
            found[chosen] = logits.argmax(-1)

        shares, start = [], 0
        tokens = min(TOKENS, len(order) * len(rows[order[0]]) // cores)
        while start < len(order):
            size = min(BATCH, max(1, tokens // len(rows[order[start]])))
            shares.append(order[start : start + size])
            start += size
        if len(shares) == 1:
            run(shares[0])
        else:
            with ThreadPoolExecutor(cores) as threads:
                list(threads.map(run, shares))
        return [labels[index] for index in found]

    return answer


def of_ours(bundle: Path, variant: str, run_threads: int = 1) -> Answer:
    """The bundle's own pipeline."""
    from ftcore_runtime import Pipeline

    pipeline = Pipeline.load(bundle, variant, run_threads=run_threads)
    return lambda texts: [str(answer.category) for answer in pipeline.predict(texts, batch_size=BATCH)]


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


def make_environment(folder: Path) -> Path:
    """The Python of a virtual environment with optimum-onnx and transformers 4; made unless it is there.

    Everything else in it, torch and onnxruntime above all, is what this process has, so that only optimum differs.
    """
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        venv.create(folder, with_pip=True, clear=True)
        (site,) = folder.glob("lib/python*/site-packages")
        shared = [path for path in sys.path if path.endswith("site-packages")]
        (site / "shared.pth").write_text("\n".join(shared) + "\n")
        needed = ["optimum-onnx[onnxruntime]", "transformers<5"]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--no-warn-conflicts", *needed], check=True
        )
        (folder / "made").touch()
    return python


def in_environment(python: Path, job: dict[str, Any]) -> dict[str, float]:
    """One round of optimum in its own virtual environment."""
    printed = subprocess.run(
        [python, __file__, WORKER], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def optimum_worker() -> None:
    """The other side of `in_environment`."""
    job = json.load(sys.stdin)
    answer = of_optimum(Path(job["model"]), job["length"])
    answer(job["texts"][:BATCH])
    print(json.dumps(measure(answer, job["texts"], job["singles"], job["stream"])))


def cold_start(bundle: Path, text: str, times: int) -> float:
    """Median milliseconds of a new process that answers one text."""
    code = "import sys; from ftcore_runtime import Pipeline; Pipeline.load(sys.argv[1], 'int8').predict([sys.argv[2]])"
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(bundle), text], check=True)
        spent.append(time.perf_counter() - started)
    return 1e3 * statistics.median(spent)


def main() -> None:
    """Measure, print the table and the targets."""
    from ftcore.runs.cache import cache_dir
    from ftcore.training.precision import bf16_gain_on_cpu

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--stream", type=int, default=2000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these contenders only, by the names above")
    parser.add_argument(
        "--optimum",
        metavar="DIR",
        type=Path,
        default=cache_dir() / "benchmarks" / OPTIMUM,
        help="virtual environment of optimum-onnx; made (by pip) unless it is there (default: in ftcore's cache)",
    )
    parser.add_argument("--teacher", metavar="RUN", type=Path, help="the run that RUN was taught by")
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
    }
    if args.teacher:
        makers[TEACHER] = lambda: of_transformers_pipeline(args.teacher / "model", length)
    variants = json.loads((bundle / "bundle.json").read_text())["variants"]
    makers |= {f"ours {name}": partial(of_ours, bundle, name) for name in variants}
    cores = os.cpu_count() or 1
    makers |= {
        f"ours {name} latency": partial(of_ours, bundle, name, cores) for name in INT8 if name in variants
    }
    if not args.only and (gain := bf16_gain_on_cpu()) < EMULATED:
        print(f"torch bf16 is left out: its products are {gain:.2g}x as fast as those of float32 here")
        del makers["torch bf16"]
    contenders = {name: make() for name, make in makers.items() if not args.only or name in args.only}
    for answer in contenders.values():
        answer(texts[:BATCH])
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    optimum = make_environment(args.optimum) if not args.only or OPTIMUM in args.only else None
    if optimum:
        rounds[OPTIMUM] = []
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
        if optimum:
            rounds[OPTIMUM].append(in_environment(optimum, job))
    found = {
        name: {load: statistics.median(r[load] for r in measured) for load in LOADS}
        for name, measured in rounds.items()
    }
    print(f"{'':24}" + "".join(f"{load:>18}" for load in LOADS))
    for name, figures in found.items():
        print(f"{name:24}" + "".join(f"{figures[load]:18.2f}" for load in LOADS))
    report(found, cold_start(bundle, texts[0], args.rounds))
    if args.teacher:
        report_student(args.run, args.teacher, found)


if __name__ == "__main__":
    if WORKER in sys.argv:
        optimum_worker()
    else:
        main()
