"""A base model with the head of a classifier: a new one, or the rows of its own that go with our labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from ftcore.errors import ModelError
from ftcore.families.sequence_classification.label_order import PROBLEM_TYPES
from ftcore.modeling.base_model import BaseModel, load_weights, open_tokenizer, padding_id, reads_one_way
from ftcore.modeling.heads import fit_head, has_classifier
from ftcore.modeling.weights import labels_of, set_labels


def build_classifier(
    base: BaseModel,
    config: transformers.PretrainedConfig,
    problem: str,
    labels: Sequence[str],
    auto_class: Any = transformers.AutoModelForSequenceClassification,  # noqa: ANN401
) -> torch.nn.Module:
    """The model, in float32 on the CPU; what became of the base model's own head is in its notes.

    Args:
        config: of the base model; takes over problem and labels.
        auto_class: what its `from_pretrained` makes the model.
        labels: names in the order of the logits; none for a regression.

    Raises:
        ModelError: see `load_weights`; or it cannot tell where a text ends as the tokenizer says it.
    """
    kind = PROBLEM_TYPES[problem]
    theirs = copy.deepcopy(config)
    config.problem_type = kind
    set_labels(config, list(labels))
    if reads_one_way(config):
        config.use_cache = False  # of a text that is read once
    same_kind = theirs.problem_type in (None, kind) and (problem == "regression") == (theirs.num_labels == 1)
    known = labels_of(theirs) if same_kind else [""] * theirs.num_labels  # names of nothing
    ours = list(labels) or (known if same_kind else ["value"])
    if has_classifier(theirs) and known != ours:
        model: Any = load_weights(auto_class, base, theirs)
        note = fit_head(model, known, ours)
        if not same_kind:
            note = f"the base model's head is of another kind ({theirs.problem_type}): a new head"
        base.notes.extend([note] if note else [])
        model.config = config
        model.num_labels = config.num_labels
    else:
        model = load_weights(auto_class, base, config)
    _agree_on_ends(model, base)
    built: torch.nn.Module = model
    return built


def _agree_on_ends(model: Any, base: BaseModel) -> None:  # noqa: ANN401 (a PreTrainedModel)
    """Let a model that reads one token of a text (its last, its end mark) find it as the tokenizer writes it.

    Raises:
        ModelError: an encoder-decoder whose end mark is not the one that ends each text.
    """
    config = model.config
    if hasattr(model, "score"):  # the last token that is not padding
        config.pad_token_id = padding_id(open_tokenizer(base), config)
    if not config.is_encoder_decoder:
        return
    tokenizer = open_tokenizer(base)
    ids = tokenizer("a").input_ids
    if config.eos_token_id is None or ids.count(config.eos_token_id) != 1 or ids[-1] != config.eos_token_id:
        raise ModelError(
            f"the model reads a text at its end mark (id {config.eos_token_id} by config.json), and the tokenizer does"
            " not end a text with it",
            where=str(base.folder),
            hint="take the model's own tokenizer, or an encoder as base model",
        )
    if config.pad_token_id != tokenizer.pad_token_id:
        raise ModelError(
            f"the tokenizer pads with {tokenizer.pad_token_id}, config.json says {config.pad_token_id}",
            where=str(base.folder),
            hint="set `pad_token_id` of config.json to the tokenizer's",
        )
