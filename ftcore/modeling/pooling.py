"""A classifier on pooled token states: mean, largest, first or last token; then dropout and one linear layer.

Sentence encoders are trained to put a text's meaning into a pooled vector, and say in `1_Pooling/config.json` (the
format of sentence-transformers, Reimers and Gurevych 2019) how it is made. A head of the architecture's own, which
reads the first token through a layer that was never trained, throws that away.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from ftcore.errors import ModelError
from ftcore.modeling.base_model import BaseModel, reads_one_way
from ftcore.modeling.heads import has_classifier
from ftcore_runtime.files import open_regular

Pooling = Literal["mean", "first_token", "max", "last_token"]

_FOLDER = "1_Pooling"
#: Ours -> what sentence-transformers calls it, as a switch and (since version 5) as a value.
_SWITCHES: dict[Pooling, str] = {
    "mean": "pooling_mode_mean_tokens",
    "first_token": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "last_token": "pooling_mode_lasttoken",
}
_VALUES: dict[str, Pooling] = {"mean": "mean", "cls": "first_token", "max": "max", "lasttoken": "last_token"}


def trained_pooling(base: BaseModel) -> Pooling | None:
    """How the base model was trained to make one vector of a text; None where it does not say, or has a head already.

    Raises:
        ModelError: `1_Pooling/config.json` is no JSON object.
    """
    path = base.folder / _FOLDER / "config.json"
    heads = [
        str(name) for name in base.config.architectures or [] if "ForSequenceClassification" in str(name)
    ]
    if heads or not path.is_file():
        return None
    try:
        with open_regular(path) as file:
            config = dict(json.loads(file.read().decode()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            "the base model's pooling cannot be read: the file holds no JSON object",
            where=str(path),
            hint="bring the file back as it was, or delete it and say `model.pooling`",
        ) from error
    if isinstance(mode := config.get("pooling_mode"), str):
        return _VALUES.get(mode)
    switched = [name for name, on in config.items() if name.startswith("pooling_mode_") and on is True]
    return next((ours for ours, name in _SWITCHES.items() if switched == [name]), None)


def best_pooling(base: BaseModel) -> Pooling | None:
    """As the base model was trained. Else the last token of a decoder, the only one that has seen the whole text; the
    mean of an encoder that brings no weights of a pooler, which would start at random.

    None where the architecture's own head has more to go on: weights of a pooler, or a whole head.

    Raises:
        ModelError: `1_Pooling/config.json` is no JSON object.
    """
    if mode := trained_pooling(base):
        return mode
    reads_both_ways = type(base.config) in transformers.AutoModelForMaskedLM._model_mapping
    if not can_be_pooled(base.config) or has_classifier(base.config):
        return None
    if reads_one_way(base.config):
        return "last_token"
    if not reads_both_ways:
        return None
    return None if any("pooler" in name for name in _weights_of(base)) else "mean"


def _weights_of(base: BaseModel) -> Iterator[str]:
    """The names of the weights, from the files' headers."""
    for path in base.folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            yield from file.keys()


def can_be_pooled(config: transformers.PretrainedConfig) -> bool:
    """Whether the architecture is one stack that gives a hidden state for each token."""
    return not config.is_encoder_decoder and type(config) in transformers.AutoModel._model_mapping


@dataclass
class PooledOutput(SequenceClassifierOutput):  # type: ignore[misc]  # a base without types
    """What a pooled classifier gives.

    Args:
        pooled: what its head reads, without dropout.
    """

    pooled: torch.Tensor | None = None


class PooledClassifier(transformers.PreTrainedModel):  # type: ignore[misc]  # a base without types
    """An encoder without its own pooler, and a linear head on its pooled token states.

    Subclasses, one for each architecture and pooling, come from `pooled_class`. Weights lie under the names of the
    architecture's own classifier, so a base model's weights load as they are.
    """

    pooling: ClassVar[Pooling]
    encoder_class: ClassVar[type[transformers.PreTrainedModel]]

    def __init__(self, config: Any) -> None:  # noqa: ANN401 (as transformers has it)
        super().__init__(config)
        accepted = inspect.signature(self.encoder_class.__init__).parameters
        bare = {"add_pooling_layer": False} if "add_pooling_layer" in accepted else {}
        setattr(self, self.base_model_prefix, self.encoder_class(config, **bare))
        self.dropout = nn.Dropout(_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> PooledOutput:
        """Token ids, int64 [rows, tokens], to `logits`, float [rows, labels], and `pooled`, float [rows, size].

        Padding has no part in what is pooled.
        """
        given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        inputs = {name: value for name, value in given.items() if value is not None}
        hidden = getattr(self, self.base_model_prefix)(input_ids=input_ids, **inputs).last_hidden_state
        pooled = _POOLED[self.pooling](hidden, attention_mask)
        return PooledOutput(logits=self.classifier(self.dropout(pooled)), pooled=pooled)

    def save_pretrained(self, save_directory: Any, **options: Any) -> None:  # noqa: ANN401
        """Write a Hugging Face folder that says how tokens are pooled, as sentence-transformers does."""
        super().save_pretrained(save_directory, **options)
        save_pooling(self.pooling, self.config.hidden_size, Path(save_directory))


def save_pooling(pooling: Pooling, size: int, folder: Path) -> None:
    """Say in a model's folder how its tokens (`size` numbers each) are pooled."""
    content = {
        "word_embedding_dimension": size,
        **{name: ours == pooling for ours, name in _SWITCHES.items()},
    }
    (folder / _FOLDER).mkdir(exist_ok=True)
    path = folder / _FOLDER / "config.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def pooled_classifier(config: transformers.PretrainedConfig, pooling: Pooling) -> type[PooledClassifier]:
    """The class of an architecture's pooled classifier.

    Raises:
        ModelError: the architecture is not one stack that gives a hidden state for each token.
    """
    if not can_be_pooled(config):
        raise ModelError(
            f"a model of the type {config.model_type} has no token states to pool",
            where="model.pooling",
            hint="leave `model.pooling` out",
        )
    return _pooled_class(transformers.AutoModel._model_mapping[type(config)], pooling)


@cache
def _pooled_class(
    encoder_class: type[transformers.PreTrainedModel], pooling: Pooling
) -> type[PooledClassifier]:
    # What all models of an architecture share (initialisation, which weights are tied...) is in the class that its
    # encoder derives from.
    architecture = next(
        kind
        for kind in encoder_class.__mro__[1:]
        if issubclass(kind, transformers.PreTrainedModel) and "forward" not in vars(kind)
    )
    kind = pooling.title().replace("_", "")
    name = f"{encoder_class.__name__.removesuffix('Model')}{kind}PooledClassifier"
    members = {"pooling": pooling, "encoder_class": encoder_class, "__module__": __name__}
    return cast(type[PooledClassifier], type(name, (PooledClassifier, architecture), members))


def mean_of_tokens(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Mean over the real tokens of hidden states [rows, tokens, size], float32 [rows, size]."""
    if mask is None:
        return hidden.float().mean(1)
    real = mask[..., None].float()
    return (hidden.float() * real).sum(1) / real.sum(1).clamp(min=1.0)


def first_token(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The first token's state, of texts that are filled up at the right."""
    return hidden[:, 0]


def max_of_tokens(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Largest value of each number over the real tokens of hidden states [rows, tokens, size], float32 [rows, size]."""
    hidden = hidden.float()
    if mask is not None:
        hidden = hidden.masked_fill(mask[..., None] == 0, torch.finfo(torch.float32).min)
    return hidden.max(1).values


def last_token(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """State of the last real token of hidden states [rows, tokens, size], [rows, size], whichever side is filled up."""
    if mask is None:
        return hidden[:, -1]
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(1)
    return hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[2]))[:, 0]


_POOLED = {
    "mean": mean_of_tokens,
    "first_token": first_token,
    "max": max_of_tokens,
    "last_token": last_token,
}


def _dropout(config: Any) -> float:  # noqa: ANN401
    """The architecture's dropout in front of a head; of hidden states where it has none of its own."""
    for name in ("classifier_dropout", "seq_classif_dropout", "hidden_dropout_prob", "dropout"):
        if isinstance(value := getattr(config, name, None), int | float):
            return float(value)
    return 0.1
