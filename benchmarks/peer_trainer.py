"""Arguments of the Hugging Face Trainer that every benchmark shares: its device, and no logs or checkpoints."""

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
