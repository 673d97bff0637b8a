"""The trainings of the GPU check: ours and the Hugging Face Trainer's on the same rows, timed alike.

Time is the wall clock's from the end of step `WARM` to the last step, with the GPU waited for at both; building batches
is in it, for both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from fits import fitted, write_rows
from gpu_check_data import make_rows, words_of
from targets import print_target

BATCH, LENGTH, WARM = 64, 128, 30  # ours reports every tenth step


class Clock:
    """Seconds between two steps, the GPU's work included.

    Args:
        last: the step that it ends with.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.seconds = self._since = 0.0

    def after_step(self, step: int) -> None:
        """To be called after step `WARM` and the last one, at least."""
        if step == WARM:
            _wait()
            self._since = time.perf_counter()
        elif step == self.last:
            _wait()
            self.seconds = time.perf_counter() - self._since

    @property
    def rows_per_second(self) -> float:
        """Between the two."""
        return (self.last - WARM) * BATCH / self.seconds


def trainings(name: str, base: Path, rows: int, compiled: bool) -> None:
    """Train with both, print a line for each and the ratio."""
    given = make_rows(words_of(base), rows, seed=5)
    tokens = _tokens(base, given)
    speeds: dict[str, float] = {}
    for train, who in ((_trainer, "Trainer"), (_ftcore, "ftcore")):
        for compile_ in (False, True) if compiled else (False,):
            _reset_peak()
            clock = train(base, given, compile_)
            rate = clock.rows_per_second
            speeds[who] = max(rate, speeds.get(who, 0.0))
            flops = _flops_a_token(base, tokens / rows) * tokens / rows * rate
            print(
                f"training, {name}, {who}{', compiled' if compile_ else ''}: {rate:,.0f} rows/s, "
                f"{flops / 1e12:.1f} TFLOP/s{_share(flops)}, peak {_peak():.1f} GB"
            )
    print_target(f"{name}: rows/s of training against the Trainer", speeds["ftcore"] / speeds["Trainer"], 1.0)


def _ftcore(base: Path, rows: list[dict[str, str]], compiled: bool) -> Clock:
    """Our engine through the code of `ftcore train`, all weights trained at one rate."""
    clock = Clock(len(rows) // BATCH)

    def listen(event: Mapping[str, Any]) -> None:
        if event["event"] == "step":
            clock.after_step(event["step"])

    with tempfile.TemporaryDirectory() as folder:
        write_rows(rows, Path(folder) / "train.jsonl")
        write_rows(rows[:256], Path(folder) / "validation.jsonl")
        spec = {
            "task": "classification",
            "data": {name: f"{name}.jsonl" for name in ("train", "validation")}
            | {"test": "validation.jsonl", "max_leakage": 1.0},
            "model": {"base": str(base), "max_length": LENGTH},
            "training": {
                "recipe": "plain",
                "epochs": 1,
                "batch_size": BATCH,
                "learning_rate": 5e-5,
                "max_steps": clock.last,
                "evaluate_every": 10**6,
                "compile": compiled,
            },
        }
        fitted(spec, Path(folder), ["train"], [listen])
    return clock


def _trainer(base: Path, rows: list[dict[str, str]], compiled: bool) -> Clock:
    """The Trainer as its documentation recommends for a GPU."""
    clock, there = Clock(len(rows) // BATCH), torch.cuda.is_available()
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=LENGTH)
    names = sorted({row["label"] for row in rows})
    features = [
        {**{key: values[i] for key, values in encoded.items()}, "labels": names.index(row["label"])}
        for i, row in enumerate(rows)
    ]

    class Watch(transformers.TrainerCallback):  # type: ignore[misc,no-any-unimported]  # a base without types
        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            clock.after_step(state.global_step)

    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(names), attn_implementation="sdpa"
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                folder,
                max_steps=clock.last,
                per_device_train_batch_size=BATCH,
                learning_rate=5e-5,
                weight_decay=0.01,
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                use_cpu=not there,
                bf16=there,
                tf32=there or None,
                optim="adamw_torch_fused",
                train_sampling_strategy="group_by_length",
                dataloader_num_workers=2 if there else 0,
                dataloader_pin_memory=there,
                torch_compile=compiled,
            ),
            train_dataset=features,
            data_collator=transformers.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
            callbacks=[Watch()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return clock


def _tokens(base: Path, rows: list[dict[str, str]]) -> int:
    """All tokens of the rows, padding not counted."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    return sum(
        map(len, tokenizer([row["text"] for row in rows], truncation=True, max_length=LENGTH)["input_ids"])
    )


def _flops_a_token(base: Path, length: float) -> float:
    """Of a step, forward and backward: 6 a weight of the layers, and the products of attention."""
    config = transformers.AutoConfig.from_pretrained(base)
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    return float(config.num_hidden_layers * (6 * layer + 12 * config.hidden_size * length))


def _share(flops: float) -> str:
    """Of what the GPU reaches in bf16 products of 8192 by 8192, measured here."""
    if not torch.cuda.is_available():
        return ""
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    _wait()
    before = time.perf_counter()
    for _ in range(10):
        left @ right
    _wait()
    return f", {flops / (10 * 2 * 8192**3 / (time.perf_counter() - before)):.1%} of the peak of its products"


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> float:
    return float(torch.cuda.max_memory_allocated()) / 1e9 if torch.cuda.is_available() else 0.0
