"""The number format of matrix products: what a context of it computes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import trained

from ftcore.audit import model as model_audit
from ftcore.training.precision import Precision, autocast


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_within_have_the_format(precision: Precision, dtype: torch.dtype) -> None:
    layer, rows = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(precision, torch.device("cpu")):
        assert layer(rows).dtype is dtype
    assert layer(rows).dtype is torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_looks_at_its_rows_in_the_trainings_precision(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    seen: list[Precision] = []

    def noted(chosen: Precision, *args: Any) -> Any:
        seen.append(chosen)
        return autocast(chosen, *args)

    monkeypatch.setattr(model_audit, "autocast", noted)
    trained(project, tiny_base, checks={"audit": "on"}, training={"precision": precision, "max_steps": 1})
    assert seen == [precision]
