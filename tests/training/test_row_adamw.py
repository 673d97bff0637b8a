"""AdamW that walks the rows of an embedding that a step read, and no others."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from small import workspace_of
from torch import nn

from ftcore.runs.steps import train
from ftcore.training.row_adamw import RowAdamW, clip_gradients, name_rows
from ftcore.training.stopping import StopRequest

SETTINGS = {"lr": 0.05, "weight_decay": 0.1}


def small_bert(**config: object) -> transformers.BertForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=40, **sizes, **config)
    )


def trained(sparse: bool, steps: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """An embedding (and a dense layer) before and after these steps."""
    torch.manual_seed(0)
    embedding, head = nn.Embedding(6, 4, sparse=sparse), nn.Linear(4, 1)
    before = embedding.weight.detach().clone()
    optimizer = RowAdamW([*embedding.parameters(), *head.parameters()], **SETTINGS)
    for rows in steps:
        optimizer.zero_grad()
        head(embedding(torch.tensor(rows))).pow(2).sum().backward()
        optimizer.step()
    return before, embedding.weight.detach(), head.weight.detach()


def test_rows_read_in_every_step_move_as_plain_adamw_moves_them() -> None:
    steps = [[0, 1, 1, 2]] * 5
    _, dense, dense_head = trained(False, steps)
    _, sparse, sparse_head = trained(True, steps)
    assert torch.allclose(sparse[:3], dense[:3], atol=1e-6)
    assert torch.allclose(sparse_head, dense_head, atol=1e-6)


def test_rows_that_were_not_read_stay() -> None:
    before, after, _ = trained(True, [[0, 1], [2, 2]])
    assert torch.equal(after[3:], before[3:])
    assert not torch.equal(after[:3], before[:3])


def test_the_norm_and_the_clipped_gradients_are_those_of_the_dense_ones() -> None:
    dense = small_bert().train()
    sparse = copy.deepcopy(dense)
    assert name_rows(sparse)
    ids = torch.randint(5, 40, (4, 7))
    for model in (dense, sparse):
        torch.manual_seed(1)
        model(input_ids=ids, labels=torch.tensor([0, 1, 1, 0])).loss.backward()
    expected = torch.nn.utils.clip_grad_norm_(dense.parameters(), 0.1)
    norm = clip_gradients(sparse.parameters(), 0.1)
    assert torch.allclose(norm, expected, rtol=1e-4)
    embedding = sparse.get_input_embeddings().weight
    assert embedding.grad.is_sparse
    assert torch.allclose(embedding.grad.to_dense(), dense.get_input_embeddings().weight.grad, atol=1e-7)
    for a, b in zip(sparse.classifier.parameters(), dense.classifier.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-7)


def test_a_frozen_or_shared_embedding_is_left_alone() -> None:
    frozen = small_bert()
    frozen.get_input_embeddings().weight.requires_grad_(False)
    assert not name_rows(frozen)
    tied = transformers.BertForMaskedLM(small_bert().config)
    assert not name_rows(tied)
    assert not tied.get_input_embeddings().sparse
    assert not name_rows(nn.Linear(2, 2))


def test_its_state_survives_a_round_trip() -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(5, 3, sparse=True)
    optimizer = RowAdamW(embedding.parameters(), **SETTINGS)

    def step(of: nn.Embedding, by: RowAdamW) -> None:
        by.zero_grad()
        of(torch.tensor([1, 3])).pow(2).sum().backward()
        by.step()

    step(embedding, optimizer)
    other = copy.deepcopy(embedding)
    restored = RowAdamW(other.parameters(), **SETTINGS)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(embedding, optimizer)
    step(other, restored)
    assert torch.equal(other.weight, embedding.weight)


@pytest.mark.parametrize(("lazy", "decays"), [("auto", False), (False, True)])
def test_rows_that_training_never_reads_decay_in_plain_adamw_alone(
    project: Path, tiny_base: Path, lazy: str | bool, decays: bool
) -> None:
    training = {"lazy_embeddings": lazy, "max_steps": 2, "weight_decay": 0.5, "learning_rate": 0.01}
    workspace = workspace_of(project, tiny_base, training=training)
    before = workspace.family.model.build(workspace.base).get_input_embeddings().weight.detach().clone()
    train(workspace, StopRequest(), False)
    after = workspace.fine_tuned().get_input_embeddings().weight.cpu()
    unread = workspace.features("train").token_counts() == 0
    unread = torch.from_numpy(np.flatnonzero(unread))
    assert len(unread) > 0
    assert torch.equal(after[unread], before[unread]) == (not decays)
