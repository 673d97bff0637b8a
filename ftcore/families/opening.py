"""Base model and tokenizer of a family: as any family opens them, or in the family's own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftcore.families.model import Model, SupportsBaseCreation, SupportsOwnTokenizer
from ftcore.modeling import base_model
from ftcore.modeling.base_model import BaseModel
from ftcore_runtime.encoding import TextEncoder


def open_base(
    family: Model[Any, Any], base_dir: Path, train: Callable[[], pa.Table], folder: Path
) -> BaseModel:
    """The base model that training starts from; see `SupportsBaseCreation` for arguments and errors."""
    if isinstance(family, SupportsBaseCreation):
        return family.open_base(base_dir, train, folder)
    return base_model.open_base(family.spec.model.base, base_dir)


def open_encoder(family: Model[Any, Any], base: BaseModel) -> TextEncoder:
    """The tokenizer of a base model, or of the fine-tuned one; see `SupportsOwnTokenizer` for errors."""
    if isinstance(family, SupportsOwnTokenizer):
        return family.open_encoder(base)
    return base_model.open_encoder(base, family.spec.model.max_length)
