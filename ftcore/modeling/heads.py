"""The head of a base model that classifies already: its rows go with the names of their labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import transformers
from torch import nn

from ftcore.errors import ModelError
from ftcore.modeling.layers import trunk_of

_SHOWN = 8


def has_classifier(config: transformers.PretrainedConfig) -> bool:
    """Whether the folder of this configuration says that its weights have a classification head."""
    return _is_one_of(config, "ForSequenceClassification", "PooledClassifier")


def has_tagger(config: transformers.PretrainedConfig) -> bool:
    """Whether the folder of this configuration says that its weights have a head with logits of each token's tag."""
    return _is_one_of(config, "ForTokenClassification")


def has_span_head(config: transformers.PretrainedConfig) -> bool:
    """Whether the folder of this configuration says that its weights have a head with a start and an end a token."""
    return _is_one_of(config, "ForQuestionAnswering")


def has_head(config: transformers.PretrainedConfig) -> bool:
    """Whether its weights have a head that was trained for a task; one that tells hidden tokens is none."""
    known = (has_classifier, has_tagger, has_span_head)
    return any(has(config) for has in known) or _is_one_of(config, "ForMultipleChoice")


def _is_one_of(config: transformers.PretrainedConfig, *endings: str) -> bool:
    """Whether an architecture of the configuration ends like that."""
    return any(str(name).endswith(endings) for name in config.architectures or ())


def output_layer(model: nn.Module, outputs: int) -> tuple[nn.Module, str, nn.Linear]:
    """The last linear layer outside the body that has so many outputs: its owner, its name there, and itself.

    Raises:
        ModelError: there is none.
    """
    body = {id(module) for module in trunk_of(model).modules()}
    found: tuple[nn.Module, str, nn.Linear] | None = None
    for owner in model.modules():
        if id(owner) in body:
            continue
        for name, child in owner.named_children():
            if isinstance(child, nn.Linear) and child.out_features == outputs and id(child) not in body:
                found = owner, name, child
    if found is None:
        raise ModelError(f"{type(model).__name__} has no layer of {outputs} outputs", where="model.base")
    return found


def fit_head(model: transformers.PreTrainedModel, theirs: Sequence[str], ours: Sequence[str]) -> str | None:
    """Make the output layer one of the labels `ours`: rows of labels that it knows are kept, the others are new.

    Args:
        theirs: the label of each of its outputs.

    Returns:
        what was done, in words; None where nothing had to be.
    """
    if list(theirs) == list(ours):
        return None
    owner, name, old = output_layer(model, len(theirs))
    row_of = {label: row for row, label in reversed(list(enumerate(theirs)))}
    # What is drawn here must not move what is drawn later: whether a teacher is opened or its kept outputs are read.
    with torch.random.fork_rng(devices=[]):
        new = nn.Linear(old.in_features, len(ours), bias=old.bias is not None)
        model._init_weights(new)
    known = [row for row, label in enumerate(ours) if label in row_of]
    source = [row_of[ours[row]] for row in known]
    with torch.no_grad():
        new.weight[known] = old.weight[source]
        if new.bias is not None and old.bias is not None:
            new.bias[known] = old.bias[source]
    setattr(owner, name, new)
    if not known:
        return (
            f"the base model's head knows other labels ({_listed(theirs)}): a new head of {len(ours)} labels"
        )
    parts = [f"the base model's head knows {len(known)} of {len(ours)} labels, whose rows are kept by name"]
    if fresh := [label for label in ours if label not in row_of]:
        parts.append(f"new rows for {_listed(fresh)}")
    if gone := [label for label in theirs if label not in set(ours)]:
        parts.append(f"left out {_listed(gone)}")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name:.60}" for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
