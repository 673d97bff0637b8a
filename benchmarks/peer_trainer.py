"""What the Hugging Face Trainer is told in every benchmark that it is a peer in: where it runs, and to say nothing."""

from __future__ import annotations

from typing import Any

import torch


def quietly() -> dict[str, Any]:
    """Arguments of `transformers.TrainingArguments`: the GPU if there is one, nothing logged, nothing saved."""
    gpu = torch.cuda.is_available()
    return {
        "report_to": [],
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
    }
