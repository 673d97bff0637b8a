"""Probabilities of logits along their last axis, without overflow, in the type that the logits have."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = TypeVar("Floats", bound=NDArray[np.floating[Any]])


def softmax(logits: Floats) -> Floats:
    """Probabilities; they sum to 1."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return found


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return found
