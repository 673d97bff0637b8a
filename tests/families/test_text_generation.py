"""The family `text_generation`: features, the loss per token and how it adds up, frames of special tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from generation_models import tiny_generator

from ftcore.data.features import FeatureStore
from ftcore.families.text_generation.model import TextModel
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.families.text_generation.torch_sequences import positions
from ftcore.training.objective import Objective
from ftcore_runtime.generation.settings import TextFrame

WORDS = ["red", "green", "blue", "house", "tree", "water", "stone", "bird"]


def make_family(**sections: Any) -> TextModel:
    model = {"base": "transformer-tiny", "init": "config", "vocabulary": {"size": 300}, "max_length": 12}
    spec = {
        "task": "translation",
        "data": {"train": [{"source": "a", "target": "b"}], **sections.pop("data", {})},
        "model": {**model, "max_target_length": 10, **sections.pop("model", {})},
        **sections,
    }
    return TextModel(TextGenerationSpec.model_validate(spec), FittedTexts())


def table(count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 14))) for _ in range(count)]
    return pa.table({"source": texts, "target": [" ".join(reversed(text.split())) for text in texts]})


def opened(family: TextModel, rows: pa.Table, folder: Path) -> tuple[TextModel, FeatureStore]:
    base = family.open_base(folder, lambda: rows, folder / "base")
    encoder = family.open_encoder(base)
    fitted = TextModel(family.spec, family.fit_tokenizer(encoder, lambda: rows))
    return fitted, FeatureStore.build(rows, fitted, encoder, folder / "features.arrow")


def test_one_step_of_32_rows_and_four_of_8_have_the_same_gradient(tmp_path: Path) -> None:
    """Rows of different lengths: a mean of means would weigh their tokens differently."""
    family = make_family(training={"label_smoothing": 0.1}, model={"dropout": 0.0})
    rows = table(32)
    family, features = opened(family, rows, tmp_path)
    torch.manual_seed(0)
    model = family.build(family.open_base(tmp_path, lambda: rows, tmp_path / "base")).train()
    order = np.argsort(features.lengths)

    def gradients(parts: list[np.ndarray]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        objective = Objective(family, family.spec.training, torch.enable_grad, lambda loss: loss.backward())
        batches = [features.batch(part) for part in parts]
        weight = sum(family.weight(batch) for batch in batches)
        for batch in batches:
            objective.backward(model, batch, 1 / weight)
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    whole, split = gradients([order]), gradients(np.split(order, 4))
    assert whole.keys() == split.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(split[name], gradient, atol=1e-6, rtol=1e-4)


def test_long_texts_are_cut_and_counted(tmp_path: Path) -> None:
    family = make_family()
    rows = table(64)
    family, features = opened(family, rows, tmp_path)
    plan = family.plan(rows, features)
    batch = features.batch(np.arange(64))
    eos = family.frame.eos_ids[0]
    assert batch["input_ids"].shape[1] == 12
    assert batch["labels"].shape[1] == plan["longest target"] == family.settings.max_length == 10
    last = batch["attention_mask"].sum(dim=1) - 1
    assert (batch["input_ids"][torch.arange(64), last] == eos).all(), "a cut source keeps its end token"
    ends = (batch["labels"] == eos).any(dim=1)
    assert int((~ends).sum()) == plan["targets cut at 10"] > 0, "a cut target has no end to learn"
    assert plan["cut at 12"] == int(features.column("cut").sum()) > 0
    assert (
        features.lengths == (batch["attention_mask"].sum(1) + (batch["labels"] != -100).sum(1)).numpy()
    ).all()


def test_the_loss_is_the_mean_over_real_tokens_of_cross_entropy(tmp_path: Path) -> None:
    family = make_family()
    rows = table(6)
    family, features = opened(family, rows, tmp_path)
    model = family.build(family.open_base(tmp_path, lambda: rows, tmp_path / "base")).eval()
    batch = features.batch(np.arange(6))
    with torch.no_grad():
        loss = family.loss(family.outputs(model, batch), batch) / family.weight(batch)
        theirs = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=batch["labels"],
            decoder_input_ids=torch.from_numpy(family.forced(batch)[1]),
        ).loss
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_a_decoder_learns_answers_and_reads_prompts_alone() -> None:
    from ftcore.families.text_generation.model import _prompts

    ids = np.array([[1, 1, 5, 6, 7, 8], [5, 6, 7, 8, 9, 2]])
    labels = np.array([[-100, -100, -100, -100, 7, 8], [-100, -100, -100, 8, 9, 2]])
    found = _prompts({"input_ids": ids, "attention_mask": (ids != 1).astype(np.int64)}, labels, 1)
    assert found["input_ids"].tolist() == [[1, 5, 6], [5, 6, 7]]
    assert found["attention_mask"].tolist() == [[0, 1, 1], [1, 1, 1]]


def test_what_contradicts_itself_is_refused() -> None:
    for sections in (
        {"data": {"prompt": "no text"}},
        {"generation": {"num_beams": 2, "sampling": {}}},
        {"generation": {"min_length": 5, "max_length": 4}},
        {"model": {"lora": {"rank": 2}}},
    ):
        with pytest.raises(ValueError):
            make_family(**sections)


def test_a_decoder_needs_logits_of_its_answers_alone() -> None:
    model = tiny_generator("llama")
    frame = TextFrame((), (), (), (2,), 1, None)
    family = TextModel(make_family().spec, FittedTexts(frame=frame))
    ids = torch.tensor([[1, 1, 5, 6, 7, 2], [5, 6, 7, 8, 9, 2], [1, 5, 6, 7, 8, 9]])
    labels = torch.tensor([[-100] * 4 + [7, 2], [-100] * 3 + [8, 9, 2], [-100] * 3 + [7, 8, 9]])
    mask = (ids != 1).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    with torch.no_grad():
        outputs = family.outputs(model, batch)
        loss = family.loss(outputs, batch) / family.weight(batch)
        theirs = model(input_ids=ids, attention_mask=mask, position_ids=positions(mask), labels=labels).loss
    assert outputs["logits"].shape[:2] == family.targets(batch).shape == (3, 3)
    assert family.weight(batch).item() == 8
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-5)
