"""A teacher's labels against those of the data: any order, the same names, the same problem."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from ftcore.errors import ModelError
from ftcore.families.sequence_classification.label_order import PROBLEM_TYPES, in_order, teacher_order


def config(labels: list[str], problem: str | None = None) -> Any:
    kind = PROBLEM_TYPES[problem] if problem else None
    return transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(labels)),
        problem_type=kind,
    )


def test_logits_come_in_the_order_of_our_labels() -> None:
    torch.manual_seed(0)
    teacher = config(["b", "c", "a"])
    order = teacher_order(teacher, "single_label", ["a", "b", "c"])
    assert order == [2, 0, 1]
    model = transformers.BertForSequenceClassification(teacher).eval()
    ids = torch.arange(1, 7).view(2, 3)
    with torch.no_grad():
        b, c, a = model(input_ids=ids).logits.unbind(1)
        ours = in_order(model, order)(input_ids=ids).logits
    assert torch.equal(ours, torch.stack([a, b, c], dim=1))


def test_labels_in_order_leave_the_model_as_it_is() -> None:
    assert teacher_order(config(["a", "b"], "multi_label"), "multi_label", ["a", "b"]) is None
    assert teacher_order(config(["x"]), "regression", []) is None
    model = torch.nn.Identity()
    assert in_order(model, None) is model


@pytest.mark.parametrize(
    ("teacher", "problem", "labels", "said"),
    [
        (config(["a", "b", "d"]), "single_label", ["a", "b", "c"], "it lacks 'c'; it has as well 'd'"),
        (config(["a", "b", "c"]), "single_label", ["a", "b"], "it has as well 'c'"),
        (
            config(["a", "b"], "multi_label"),
            "single_label",
            ["a", "b"],
            "multi_label_classification, not single",
        ),
        (config(["a", "b"]), "regression", [], "2 outputs; a regression has one"),
    ],
    ids=["other", "more", "problem", "outputs"],
)
def test_what_does_not_fit_is_said(teacher: Any, problem: str, labels: list[str], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        teacher_order(teacher, problem, labels)
