"""The fine-tuned model of a run as a Hugging Face folder: written whole or not at all, copied, and opened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers

from ftcore.errors import UserError
from ftcore.families.bound import BoundFamily
from ftcore.modeling.base_model import BaseModel, open_base, save_tokenizer
from ftcore.modeling.device import torch_device
from ftcore.runs.folder import RunFolder
from ftcore_runtime.files import sha256
from ftcore_runtime.publishing import publishing


def open_model(folder: RunFolder, base_dir: Path, family: BoundFamily) -> torch.nn.Module:
    """The fine-tuned model, float32, on the device, in eval mode.

    Raises:
        UserError: the run was not trained to its end.
    """
    if not folder.model.is_dir():
        raise UserError(
            "this run has no model yet",
            where=str(folder.path),
            hint=f"finish it with `ftcore run --resume {folder.path}`",
        )
    model = family.model.build(open_base(str(folder.model.resolve()), base_dir))
    return model.to(torch_device()).eval()


def keep_model(
    folder: RunFolder,
    base: BaseModel,
    model: transformers.PreTrainedModel,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write the fine-tuned model with the tokenizer of its base.

    Args:
        weights: of a sharded model, put together.
    """
    with _new_model(folder) as made:
        model.save_pretrained(made, safe_serialization=True, state_dict=weights)
        save_tokenizer(base, made)


def adopt_model(folder: RunFolder, other: RunFolder) -> None:
    """Keep a copy of another run's fine-tuned model as this run's own."""
    with _new_model(folder) as made:
        shutil.copytree(other.model, made)


@contextmanager
def _new_model(folder: RunFolder) -> Iterator[Path]:
    """A path for the model's folder; what the body makes there gets its name at the end."""
    with publishing(folder.model) as made:
        yield made
    folder.update(weights={file.name: sha256(file) for file in sorted(folder.model.glob("*.safetensors"))})
