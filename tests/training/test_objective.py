"""What R-Drop, mixup, contrast and FGM make of a batch's loss and gradients."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from small import built, workspace_of

from ftcore.errors import UserError
from ftcore.families.losses import contrastive_cosine, symmetric_kl
from ftcore.runs.workspace import Workspace
from ftcore.training.objective import Objective, mixed_representations


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def passed(workspace: Workspace, *, dropout: bool = False) -> tuple[torch.nn.Module, Any, float]:
    """The model after one backward pass of a batch, the batch, and the loss."""
    model, batch = built(workspace)
    model.train(dropout)
    objective = Objective(workspace.family.model, workspace.spec.training, nullcontext, torch.Tensor.backward)
    torch.manual_seed(1)
    loss = objective.backward(model, batch, 1 / 8)
    return model, batch, float(loss)


def assert_same_gradients(one: torch.nn.Module, other: torch.nn.Module) -> None:
    theirs = gradients(other)
    for name, gradient in gradients(one).items():
        torch.testing.assert_close(gradient, theirs[name], msg=name)


def test_without_dropout_rdrop_is_the_plain_loss(project: Path, tiny_base: Path) -> None:
    plain, _, loss = passed(workspace_of(project, tiny_base))
    twice, _, same = passed(workspace_of(project, tiny_base, training={"rdrop": 5.0}))
    assert same == pytest.approx(loss)
    assert_same_gradients(plain, twice)


def test_rdrop_adds_the_divergence_of_two_passes(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base, training={"rdrop": 3.0})
    _, batch, loss = passed(workspace, dropout=True)
    model, _ = built(workspace)
    torch.manual_seed(1)
    model.train()
    with torch.no_grad():
        both = workspace.family.model.outputs(model, {name: torch.cat([x, x]) for name, x in batch.items()})[
            "logits"
        ]
    plain = torch.nn.functional.cross_entropy(both, batch["labels"].repeat(2))
    apart = symmetric_kl(both[:8], both[8:]).mean()
    assert float(apart) > 0
    assert loss == pytest.approx(float(plain + 0.5 * 3.0 * apart), rel=1e-5)


def test_rdrop_draws_the_passes_together(project: Path, tiny_base: Path) -> None:
    def apart(alpha: float | None) -> float:
        workspace = workspace_of(project, tiny_base, training={"rdrop": alpha}, model={"dropout": 0.3})
        model, batch = built(workspace)
        objective = Objective(
            workspace.family.model, workspace.spec.training, nullcontext, torch.Tensor.backward
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        model.train()
        for _ in range(40):
            objective.backward(model, batch, 1 / 8)
            optimizer.step()
            optimizer.zero_grad()
        with torch.no_grad():
            many = [workspace.family.model.outputs(model, batch)["logits"] for _ in range(20)]
        return sum(float(symmetric_kl(a, b).mean()) for a, b in pairwise(many)) / 19

    assert apart(100.0) < 0.5 * apart(None)


@pytest.mark.parametrize(("share", "own"), [(1.0, True), (0.0, False)])
def test_mixup_with_a_share_of_1_is_plain_and_of_0_the_partner(
    project: Path, tiny_base: Path, share: float, own: bool
) -> None:
    workspace = workspace_of(project, tiny_base)
    model, batch = built(workspace)
    model.eval()
    partner = torch.tensor([1, 0, 3, 2, 5, 4, 7, 6])
    with torch.no_grad():
        plain = workspace.family.model.outputs(model, batch)["logits"]
        with mixed_representations(model, share, partner):
            mixed = workspace.family.model.outputs(model, batch)["logits"]
        after = workspace.family.model.outputs(model, batch)["logits"]
    torch.testing.assert_close(mixed, plain if own else plain[partner])
    assert torch.equal(after, plain), "the model is as before"


def test_mixup_mixes_what_a_linear_head_reads(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base)
    model, batch = built(workspace)
    model.eval()
    partner = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3])
    with torch.no_grad():
        plain = workspace.family.model.outputs(model, batch)["logits"]
        with mixed_representations(model, 0.3, partner):
            mixed = workspace.family.model.outputs(model, batch)["logits"]
    torch.testing.assert_close(mixed, 0.3 * plain + 0.7 * plain[partner])


def test_mixup_weighs_both_targets_by_their_share(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = torch.tensor([1, 2, 3, 4, 5, 6, 7, 0])
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda self: torch.tensor(0.25))
    monkeypatch.setattr(torch, "randperm", lambda count: partner)
    workspace = workspace_of(project, tiny_base, training={"mixup": 0.4})
    model, batch, loss = passed(workspace)
    with torch.no_grad():
        plain = workspace.family.model.outputs(model, batch)["logits"]
    mixed = 0.25 * plain + 0.75 * plain[partner]
    cross_entropy = torch.nn.functional.cross_entropy
    expected = 0.25 * cross_entropy(mixed, batch["labels"]) + 0.75 * cross_entropy(
        mixed, batch["labels"][partner]
    )
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_contrast_adds_what_pairs_of_the_rows_say(project: Path, tiny_base: Path) -> None:
    model = {"pooling": "mean", "dropout": 0.0}
    plain, _, alone = passed(workspace_of(project, tiny_base, model=model), dropout=True)
    workspace = workspace_of(project, tiny_base, model=model, training={"contrast": 3.0})
    contrasted, batch, loss = passed(workspace, dropout=True)
    with torch.no_grad():
        read = contrasted(**{name: batch[name] for name in ("input_ids", "attention_mask")}).pooled
    distance = contrastive_cosine(read, batch["labels"], torch.ones(8))
    assert float(distance) > 0.01
    assert loss == pytest.approx(alone + 3.0 * float(distance), rel=1e-5)
    trunk = next(
        name for name in gradients(contrasted) if "layer.0" in name and name.endswith("query.weight")
    )
    assert not torch.allclose(gradients(contrasted)[trunk], gradients(plain)[trunk])
    torch.testing.assert_close(
        gradients(contrasted)["classifier.weight"], gradients(plain)["classifier.weight"]
    )


def test_steps_of_contrast_bring_a_label_together(project: Path, tiny_base: Path) -> None:
    sections = {"model": {"pooling": "mean", "dropout": 0.0}, "training": {"contrast": 10.0}}
    workspace = workspace_of(project, tiny_base, **sections)
    model, batch = built(workspace)
    objective = Objective(workspace.family.model, workspace.spec.training, nullcontext, torch.Tensor.backward)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()

    def distance() -> float:
        with torch.no_grad():
            read = model(**{name: batch[name] for name in ("input_ids", "attention_mask")}).pooled
        return float(contrastive_cosine(read, batch["labels"], torch.ones(8)))

    before = distance()
    for _ in range(20):
        objective.backward(model, batch, 1 / 8)
        optimizer.step()
        optimizer.zero_grad()
    assert distance() < 0.5 * before


def test_contrast_of_0_is_none(project: Path, tiny_base: Path) -> None:
    plain, _, loss = passed(workspace_of(project, tiny_base))
    same, _, other = passed(workspace_of(project, tiny_base, training={"contrast": 0}))
    assert loss == other
    assert_same_gradients(plain, same)


def test_contrast_needs_pooled_states(project: Path, tiny_base: Path) -> None:
    model = {"pooling": "architecture"}
    workspace = workspace_of(project, tiny_base, model=model, training={"contrast": 1.0})
    assert workspace.splits
    with pytest.raises(UserError, match="contrasts pooled states") as raised:
        workspace.family.model.build(workspace.base)
    assert raised.value.where == "training.contrast"
    assert "model.pooling" in str(raised.value.hint)


def test_mixup_needs_a_head_that_reads_one_representation() -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    config = GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    model = GPT2ForSequenceClassification(config)
    with (
        pytest.raises(UserError, match="one representation a row"),
        mixed_representations(model, 0.5, torch.arange(2)),
    ):
        pass


def test_fgm_adds_the_gradients_of_the_adversarial_loss_and_leaves_the_weights(
    project: Path, tiny_base: Path
) -> None:
    plain, _, loss = passed(workspace_of(project, tiny_base))
    workspace = workspace_of(project, tiny_base, training={"fgm": 0.5})
    attacked, batch, reported = passed(workspace)
    assert reported == pytest.approx(loss), "what is reported is the plain loss"
    fresh, _ = built(workspace)
    for name, parameter in attacked.named_parameters():
        assert torch.equal(parameter, fresh.get_parameter(name)), name
    assert not attacked.get_input_embeddings()._forward_hooks

    # By hand: the gradient at each row's embeddings, a step of length 0.5 along it, and the loss there.
    fresh.eval()
    words = fresh.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()

    def loss_at(embeddings: torch.Tensor) -> torch.Tensor:
        logits = fresh(
            inputs_embeds=embeddings,
            attention_mask=batch["attention_mask"],
            token_type_ids=batch["token_type_ids"],
        ).logits
        return torch.nn.functional.cross_entropy(logits, batch["labels"])

    (gradient,) = torch.autograd.grad(loss_at(words), words)
    away = 0.5 * gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
    there = loss_at(words + away)
    assert there.item() > loss, "it is a step up"
    there.backward()
    adversarial, clean = gradients(fresh), gradients(plain)
    for name in ("classifier.weight", "bert.encoder.layer.0.attention.self.query.weight"):
        torch.testing.assert_close(gradients(attacked)[name], clean[name] + adversarial[name])


def test_fgm_works_on_frozen_embeddings(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base, training={"fgm": 0.5})
    model, batch = built(workspace)
    model.bert.embeddings.requires_grad_(False)
    model.eval()
    objective = Objective(workspace.family.model, workspace.spec.training, nullcontext, torch.Tensor.backward)
    objective.backward(model, batch, 1 / 8)
    both = gradients(model)["classifier.weight"]
    plain, _, _ = passed(workspace_of(project, tiny_base))
    assert not torch.allclose(both, gradients(plain)["classifier.weight"])
    assert model.get_input_embeddings().weight.grad is None


def test_a_family_without_r_drop_is_refused_by_the_field(project: Path, tiny_base: Path) -> None:
    from ftcore.families.sequence_classification.model import LabelModel

    family = workspace_of(project, tiny_base, training={"rdrop": 1.0}).family.model
    without = type("Without", (LabelModel,), {"divergence": None})(family.spec, family.fitted)
    with pytest.raises(UserError, match=r"training\.rdrop: the family sequence_classification has no R-Drop"):
        Objective(without, family.spec.training, nullcontext, torch.Tensor.backward)
