"""The number format of matrix products: what a context of it computes in."""

from __future__ import annotations

import pytest
import torch

from ftcore.training.precision import Precision, autocast


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_within_have_the_format(precision: Precision, dtype: torch.dtype) -> None:
    layer, rows = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(precision, torch.device("cpu")):
        assert layer(rows).dtype is dtype
    assert layer(rows).dtype is torch.float32
