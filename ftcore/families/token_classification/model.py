"""The torch part of the family `token_classification`: logits of tags for each token, over windows of the text."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F

from ftcore.errors import ModelError
from ftcore.families import losses
from ftcore.families.model import IGNORED, Batch, Features, Model, Outputs, Stored
from ftcore.families.padding import require_right_padding
from ftcore.families.plans import length_plan, window_plan
from ftcore.families.recipe import Recipe, enough_steps
from ftcore.families.teachers import checked_teacher
from ftcore.families.token_classification.reader import FittedEntities
from ftcore.families.token_classification.spec import TokenClassificationSpec
from ftcore.families.token_span import TokenSpan
from ftcore.modeling.base_model import BaseModel, load_weights, with_dropout
from ftcore.modeling.heads import fit_head, has_tagger
from ftcore.modeling.weights import labels_of, set_labels
from ftcore_runtime.decoders.token_classification import spread_edges, word_edges
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.windows import text_windows


def tag_names(labels: Sequence[str]) -> list[str]:
    """The tags in the order of the logits: O, then B and I of each label."""
    return ["O", *(f"{kind}-{label}" for label in labels for kind in "BI")]


class EntityModel(Model[TokenClassificationSpec, FittedEntities]):
    """Encoder with a logit of each tag for each token."""

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """How texts are cut, the labels, and which tokens count."""
        model = self.spec.model
        return {
            "stride": model.stride,
            "labels": list(self.fitted.labels),
            "pieces": model.label_pieces,
            "whole_addresses": self.fitted.whole_addresses,
        }

    @property
    def pad_values(self) -> Mapping[str, int]:
        """Tags of padding count nothing."""
        return {"tags": IGNORED}

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Windows, with `tags`, int64 [tokens] of each: the tag of a word at its first token (or at all of them).

        A token has its tag in the window that owns it alone, and `IGNORED` elsewhere. Extras: `begins` and `ends`, see
        `TokenPlaces`.
        """
        require_right_padding(encoder)
        texts = rows["text"].to_pylist()
        windows = text_windows(encoder, texts, self.spec.model.stride)
        edges = word_edges(windows, texts, whole_addresses=self.fitted.whole_addresses)
        begins, ends = spread_edges(windows, edges)
        entities = zip(*(rows[name].to_pylist() for name in ("starts", "ends", "labels")), strict=True)
        tags = [self._tags(*pair, *own) for pair, own in zip(edges, entities, strict=True)]
        spread = [np.where(one < 0, IGNORED, one).tolist() for one in windows.spread(tags, owned=True)]
        return Features(
            ragged={**windows.encoded.ragged, "tags": spread},
            fixed={},
            row=windows.row,
            extras={"begins": begins, "ends": ends},
        )

    def _tags(
        self,
        begins: np.ndarray,
        ends: np.ndarray,
        starts: Sequence[int],
        stops: Sequence[int],
        labels: Sequence[str],
    ) -> np.ndarray:
        """The tag of each token of a text, int32 [tokens]; -1 of those that the loss does not count.

        Args:
            begins, ends: see `token_words`.
            starts, stops, labels: the entities, in order.
        """
        first = np.flatnonzero(begins >= 0)
        begins, ends, of_word = begins[first], ends[first], np.cumsum(begins >= 0) - 1
        words = np.zeros(len(first), np.int32)
        for start, stop, label in zip(starts, stops, labels, strict=True):
            low, high = int(np.searchsorted(ends, start, "right")), int(np.searchsorted(begins, stop, "left"))
            if low < high and words[low]:  # one token of two entities goes with the earlier
                low += 1
            if low < high:
                tag = 2 * self.fitted.labels.index(label) + 1
                words[low] = tag
                words[low + 1 : high] = tag + 1
        tags = np.full(len(of_word), -1, np.int32)
        if self.spec.model.label_pieces == "all":
            inner = of_word >= 0
            tags[inner] = np.where(words % 2, words + 1, words)[of_word[inner]]
        tags[first] = words
        return tags

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Windows, and the entities that are not where tokens begin and end."""
        sides = {name: features.column(name) for name in ("begins", "ends")}
        found: list[tuple[set[int], set[int]]] = [(set(), set()) for _ in range(rows.num_rows)]
        for index, row in enumerate(features.row.tolist()):
            for place, column in zip(found[row], sides.values(), strict=True):
                place.update(column[index].tolist())
        places = zip(rows["starts"].to_pylist(), rows["ends"].to_pylist(), found, strict=True)
        fits = [
            start in begins and end in ends
            for starts, stops, (begins, ends) in places
            for start, end in zip(starts, stops, strict=True)
        ]
        return {
            **length_plan(rows.num_rows, features, 0, features.encoder.config.max_length),
            **window_plan(rows.num_rows, features),
            "entities": len(fits),
            "not at the edges of tokens": fits.count(False),
        }

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a logit of each tag; of a head of tags that it has, those of the same name are kept."""
        config = with_dropout(copy.deepcopy(base.config), self.spec.model.dropout)
        ours, theirs = tag_names(self.fitted.labels), labels_of(base.config)
        kind = transformers.AutoModelForTokenClassification
        if has_tagger(base.config) and theirs != ours:
            model: Any = load_weights(kind, base, config)
            if note := fit_head(model, theirs, ours):
                base.notes.append(note)
            set_labels(model.config, ours)
            model.num_labels = len(ours)
        else:
            set_labels(config, ours)
            model = load_weights(kind, base, config)
        built: torch.nn.Module = model
        return built

    def choose_recipe(self, base: BaseModel, rows: int, validation: int) -> Recipe:
        """Enough steps for the rows; the head is new unless the base model's own knows one of the labels."""
        known = {*labels_of(base.config)} if has_tagger(base.config) else set()
        fresh = known.isdisjoint(tag_names(self.fitted.labels)[1:])  # O says nothing of what an entity is
        return enough_steps(self.spec.training, rows, base.hidden_size, fresh_head=fresh)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits`, float32 [windows, tokens, tags]."""
        made = model(**{name: value for name, value in batch.items() if name != "tags"})
        return {"logits": made.logits.float()}

    def attributed_span(self, outputs: Outputs, span: TokenSpan) -> dict[str, torch.Tensor]:
        """The log-odds of the label, as B or as I, against all other tags: the mean over the words of the entity."""
        tag = 2 * self.fitted.labels.index(span.label) + 1
        words = outputs["logits"][:, list(span.opening)]
        return {"": losses.log_odds(words, tag, 2).mean(dim=1)}

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """Sum of the cross-entropy of the tokens that count."""
        return F.cross_entropy(
            outputs["logits"].flatten(0, 1),
            batch["tags"].flatten(),
            ignore_index=IGNORED,
            label_smoothing=self.spec.training.label_smoothing,
            reduction="sum",
        )

    def weight(self, batch: Batch) -> torch.Tensor:
        """The tokens that count."""
        return (batch["tags"] != IGNORED).sum()

    def divergence(self, one: Outputs, other: Outputs, batch: Batch) -> torch.Tensor:
        """Sum of the symmetric divergence of the tokens that count."""
        counted = batch["tags"] != IGNORED
        return losses.symmetric_kl(one["logits"][counted], other["logits"][counted]).sum()

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """The teacher, with its logits in the order of our tags, all of which it has to know."""
        ours, theirs = tag_names(self.fitted.labels), labels_of(base.config)
        if has_tagger(base.config) and {*ours} != {*theirs}:
            raise ModelError(
                f"the teacher's tags are {', '.join(theirs[:8])}, and those of the data {', '.join(ours[:8])}",
                where="model.distill_from",
                hint="its config.json names them in `id2label`; they must be the same texts",
            )
        return checked_teacher(base, self.build(base))

    def distillation(
        self, outputs: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> torch.Tensor:
        """Sum of the divergence of the tokens that count."""
        counted = batch["tags"] != IGNORED
        student, taught = outputs["logits"][counted], teacher["logits"][counted]
        return losses.distillation_kl(student, taught, temperature).sum()
