"""Techniques in a spec: what contradicts is refused with a message that names the fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ftcore.families.sequence_classification.spec import SequenceClassificationSpec


def spec_of(
    training: dict[str, Any] | None = None, model: dict[str, Any] | None = None, problem: str = "single_label"
) -> SequenceClassificationSpec:
    return SequenceClassificationSpec.model_validate(
        {
            "task": "x",
            "data": {"train": "x", "problem": problem},
            "model": {"base": "x", **(model or {})},
            "training": training or {},
        }
    )


@pytest.mark.parametrize(
    ("training", "names"),
    [
        ({"ema": {}, "average_last": 3}, ("`ema`", "`average_last`")),
        ({"batch_size": "auto", "token_budget": 1000}, ("`token_budget`", "`batch_size: auto`")),
        ({"freeze": {}}, ("`embeddings`", "`layers`", "`trunk`", "`gradual`")),
        ({"freeze": {"trunk": True, "layers": 2}}, ("`trunk`",)),
        ({"freeze": {"trunk": True}, "fgm": 1.0}, ("`fgm`", "`freeze.trunk`")),
        ({"freeze": {"trunk": True}, "layer_decay": 0.9}, ("`layer_decay`", "`freeze.trunk`")),
        ({"augment": {}}, ("`swap`", "`delete`", "`hook`", "`mask`")),
        ({"mixup": 0.2, "rdrop": 1.0}, ("`mixup`", "`rdrop`")),
        ({"mixup": 0.2, "fgm": 1.0}, ("`mixup`", "`fgm`")),
        ({"contrast": 1.0, "mixup": 0.2}, ("`contrast`", "`mixup`")),
        ({"contrast": 1.0, "freeze": {"trunk": True}}, ("`contrast`", "`freeze.trunk`")),
        ({"seeds": [1, 1]}, ("`seeds`",)),
        ({"loss": "mse"}, ("`training.loss`", "cross_entropy")),
        ({"distillation": {}}, ("`training.distillation`", "`model.distill_from`")),
    ],
    ids=str,
)
def test_contradictions_are_refused(training: dict[str, Any], names: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        spec_of(training)
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("problem", "training"),
    [
        ("regression", {"class_weights": "balanced"}),
        ("regression", {"label_smoothing": 0.1}),
        ("regression", {"focal_gamma": 2.0}),
        ("regression", {"logit_adjustment": 1.0}),
        ("multi_label", {"logit_adjustment": 1.0}),
        ("regression", {"contrast": 1.0}),
        ("multi_label", {"contrast": 1.0}),
        ("multi_label", {"loss": "cross_entropy"}),
        ("regression", {"loss": "binary_cross_entropy"}),
    ],
)
def test_losses_fit_the_problem(problem: str, training: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(training))):
        spec_of(training, problem=problem)


def test_lora_is_one_way_to_freeze() -> None:
    with pytest.raises(ValidationError, match=r"`training.freeze` and `model.lora`"):
        spec_of({"freeze": {"layers": 1}}, {"lora": {}})
    with pytest.raises(ValidationError, match=r"`quantize_base`.*`lora`"):
        spec_of(model={"quantize_base": "nf4"})
    with pytest.raises(ValidationError, match=r"`training.distributed: fsdp`"):
        spec_of({"distributed": "fsdp"}, {"lora": {}})


def test_a_teacher_knows_the_rows_as_they_are() -> None:
    with pytest.raises(ValidationError, match=r"`training.augment`.*`model.distill_from`"):
        spec_of({"augment": {"swap": 0.1}}, {"distill_from": "x"})
    assert spec_of(model={"distill_from": "x"}).training.distillation is None


def test_everything_at_once_comes_back_from_its_json() -> None:
    spec = spec_of(
        {
            "token_budget": 4096,
            "gradient_accumulation": 2,
            "optimizer": "adafactor",
            "head_learning_rate": 1e-3,
            "layer_decay": 0.9,
            "l1": 1e-4,
            "scheduler": "wsd",
            "cooldown": 0.3,
            "freeze": {"embeddings": True, "layers": 2, "gradual": True},
            "rdrop": 1.0,
            "fgm": 0.5,
            "ema": {"decay": 0.99},
            "augment": {"swap": 0.1, "mask": 0.1},
            "seeds": [1, 2],
            "compile": True,
            "gradient_checkpointing": True,
            "label_smoothing": 0.1,
            "focal_gamma": 2.0,
            "class_weights": "effective_number",
        }
    )
    assert SequenceClassificationSpec.model_validate_json(spec.model_dump_json()) == spec
