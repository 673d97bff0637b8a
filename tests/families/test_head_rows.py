"""A base model that classifies already: the rows of its head go with their labels' names, whatever their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from models import save_tiny_bert

from ftcore.families.sequence_classification.classifier import build_classifier
from ftcore.modeling.base_model import open_base

IDS = {"input_ids": torch.tensor([[2, 5, 6, 3], [2, 7, 8, 3]])}


def tuned(folder: Path, labels: list[str], problem: str | None = None, kind: str = "bert") -> Any:
    """A base model of random weights that was fine-tuned for these labels; returns it."""
    save_tiny_bert(folder)
    torch.manual_seed(1)
    sizes = {"vocab_size": 70, "pad_token_id": 0}
    if kind == "gpt2":
        config: Any = transformers.GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=64, **sizes)
    else:
        config = transformers.AutoConfig.for_model(
            kind,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            **sizes,
        )
    config.id2label = dict(enumerate(labels))
    config.problem_type = problem
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(folder)
    return model


def build(folder: Path, labels: list[str], problem: str = "single_label") -> tuple[Any, list[str]]:
    base = open_base(str(folder), folder)
    before = base.config.to_dict()
    model = build_classifier(base, open_base(str(folder), folder).config, problem, labels).eval()
    assert base.config.to_dict() == before
    return model, base.notes


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**IDS).logits
    return found


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2"])
def test_rows_follow_names_into_another_order(tmp_path: Path, kind: str) -> None:
    theirs = tuned(tmp_path, ["neg", "neutral", "pos"], kind=kind)
    model, notes = build(tmp_path, ["pos", "neg", "neutral"])
    assert torch.allclose(logits(model), logits(theirs)[:, [2, 0, 1]], atol=1e-6)
    assert model.config.id2label == {0: "pos", 1: "neg", 2: "neutral"}
    assert notes == ["the base model's head knows 3 of 3 labels, whose rows are kept by name"]


def test_subsets_and_supersets(tmp_path: Path) -> None:
    theirs = tuned(tmp_path, ["neg", "neutral", "pos"])
    model, notes = build(tmp_path, ["pos", "new", "neg"])
    assert torch.allclose(logits(model)[:, [0, 2]], logits(theirs)[:, [2, 0]], atol=1e-6)
    assert "knows 2 of 3 labels" in notes[0]
    assert "new rows for new; left out neutral" in notes[0]
    more, notes = build(tmp_path, ["a", "neg", "neutral", "pos"])
    assert torch.allclose(logits(more)[:, 1:], logits(theirs), atol=1e-6)
    less, _ = build(tmp_path, ["pos", "neg"])
    assert torch.allclose(logits(less), logits(theirs)[:, [2, 0]], atol=1e-6)


def test_the_same_labels_change_nothing_and_say_nothing(tmp_path: Path) -> None:
    theirs = tuned(tmp_path, ["neg", "pos"])
    model, notes = build(tmp_path, ["neg", "pos"])
    assert torch.equal(logits(model), logits(theirs))
    assert notes == []


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_other_labels_get_a_new_head_with_a_word(tmp_path: Path, labels: list[str]) -> None:
    theirs = tuned(tmp_path, ["neg", "neutral", "pos"])
    model, notes = build(tmp_path, labels)
    assert logits(model).shape == (2, len(labels))
    assert not torch.allclose(logits(model)[:, :2], logits(theirs)[:, :2], atol=1e-3)
    assert notes == [
        f"the base model's head knows other labels (neg, neutral, pos): a new head of {len(labels)} labels"
    ]


def test_numbers_that_nobody_named(tmp_path: Path) -> None:
    theirs = tuned(tmp_path, ["LABEL_0", "LABEL_1", "LABEL_2"])
    model, _ = build(tmp_path, ["2", "0", "1"])
    assert torch.allclose(logits(model), logits(theirs)[:, [2, 0, 1]], atol=1e-6)


def test_a_head_of_another_kind_is_new(tmp_path: Path) -> None:
    theirs = tuned(tmp_path, ["neg", "pos"], problem="multi_label_classification")
    model, notes = build(tmp_path, ["neg", "pos"])
    assert not torch.allclose(logits(model), logits(theirs), atol=1e-3)
    assert "of another kind (multi_label_classification)" in notes[0]
    number, _ = build(tmp_path, [], "regression")
    assert logits(number).shape == (2, 1)


def test_the_head_of_a_regression_is_kept(tmp_path: Path) -> None:
    theirs = tuned(tmp_path, ["score"], problem="regression")
    model, notes = build(tmp_path, [], "regression")
    assert torch.equal(logits(model), logits(theirs))
    assert notes == []


def test_a_head_takes_nothing_from_the_generator(tmp_path: Path) -> None:
    tuned(tmp_path, ["neg", "pos"])
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    build(tmp_path, ["pos", "neg"])
    assert torch.equal(torch.rand(3), expected)
