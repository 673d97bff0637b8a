"""The torch part of the family `span_extraction`: a start and an end logit a token, over windows of the context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F

from ftcore.families import losses
from ftcore.families.model import Batch, Features, Model, Outputs, Stored
from ftcore.families.padding import require_right_padding
from ftcore.families.plans import length_plan
from ftcore.families.recipe import Recipe, enough_steps
from ftcore.families.span_extraction.reader import FittedSpans, answerable
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.families.teachers import open_teacher_model
from ftcore.families.token_span import TokenSpan
from ftcore.modeling.base_model import BaseModel, load_weights, with_dropout
from ftcore.modeling.heads import has_span_head
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.windows import WindowConfig, WindowEncoder, Windows

_MASKED = -1e9  # a logit that softmax makes 0, and that stays finite in differences


class SpanModel(Model[SpanExtractionSpec, FittedSpans]):
    """Encoder with a start and an end logit for each token."""

    def __init__(self, spec: SpanExtractionSpec, fitted: FittedSpans) -> None:
        super().__init__(spec, fitted)
        self.windows = WindowConfig(spec.model.stride, spec.model.max_question_length)

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """How contexts are cut; the threshold has no part in it."""
        return self.windows.to_json()

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Windows, with `start` and `end`, int64 [windows]: tokens of an answer that the window holds whole, or 0.

        Of several answers the first one that a window holds is its own. Extras: `begins` and `ends` (see
        `Windows.edges`), and `cut`: whether the question was cut.
        """
        require_right_padding(encoder)
        windows = WindowEncoder(encoder, self.windows).encode(
            rows["question"].to_pylist(), rows["context"].to_pylist()
        )
        begins, ends = windows.edges()
        start, end = _targets(windows, rows)
        return Features(
            ragged=windows.encoded.ragged,
            fixed={"start": start, "end": end},
            row=windows.row,
            extras={"begins": begins, "ends": ends, "cut": windows.encoded.truncated.astype(np.int8)},
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Windows, and the answers that no window holds whole or that are too long to be given."""
        start, length = features.column("start"), features.column("end") - features.column("start") + 1
        held = np.zeros((2, rows.num_rows), bool)
        held[0, features.row[start > 0]] = True
        held[1, features.row[(start > 0) & (length <= self.spec.evaluation.max_answer_length)]] = True
        with_answer = answerable(rows)
        each = np.bincount(features.row, minlength=rows.num_rows)
        cut = np.unique(features.row[features.column("cut") > 0])
        return {
            **length_plan(rows.num_rows, features, len(cut), self.windows.max_question_length),
            "windows": len(features.row),
            "median windows a context": int(np.median(each)) if len(each) else 0,
            "most windows of a context": int(each.max(initial=0)),
            "answerable": int(with_answer.sum()),
            f"compared as {self.fitted.normalisation}": int(with_answer.sum()),
            "whole in a window": int(held[0].sum()),
            "lost by windowing": int((with_answer & ~held[0]).sum()),
            f"longer than {self.spec.evaluation.max_answer_length} tokens": int((held[0] & ~held[1]).sum()),
        }

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a start and an end logit a token."""
        config = with_dropout(base.config, self.spec.model.dropout)
        config.num_labels = 2
        return load_weights(transformers.AutoModelForQuestionAnswering, base, config)

    def choose_recipe(self, base: BaseModel, rows: int, validation: int) -> Recipe:
        """Enough steps for the rows; the head is new unless the base model answers questions already."""
        fresh = not has_span_head(base.config)
        return enough_steps(self.spec.training, rows, base.hidden_size, fresh_head=fresh)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """`start_logits` and `end_logits`, float32 [windows, tokens]; padding is far below everything."""
        made = model(**{name: value for name, value in batch.items() if name not in {"start", "end"}})
        logits = {"start_logits": made.start_logits.float(), "end_logits": made.end_logits.float()}
        if (mask := batch.get("attention_mask")) is None:
            return logits
        return {name: value.masked_fill(mask == 0, _MASKED) for name, value in logits.items()}

    def attributed_span(self, outputs: Outputs, span: TokenSpan) -> dict[str, torch.Tensor]:
        """The log-odds of `start` and `end` against all other tokens of the window."""
        return {
            "start": losses.log_odds(outputs["start_logits"], span.first),
            "end": losses.log_odds(outputs["end_logits"], span.last),
        }

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """Sum over the windows of the mean cross-entropy of start and end (Devlin et al. 2019)."""
        start = F.cross_entropy(outputs["start_logits"], batch["start"], reduction="sum")
        return (start + F.cross_entropy(outputs["end_logits"], batch["end"], reduction="sum")) / 2

    def weight(self, batch: Batch) -> torch.Tensor:
        """Windows."""
        return torch.tensor(float(len(batch["start"])))

    def divergence(self, one: Outputs, other: Outputs, batch: Batch) -> torch.Tensor:
        """Sum of the windows' symmetric divergence, of starts and of ends."""
        return torch.stack([losses.symmetric_kl(one[name], other[name]).sum() for name in one]).sum()

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """The teacher as it is."""
        return open_teacher_model(self, base)

    def distillation(
        self, outputs: Outputs, teacher: Outputs, batch: Batch, temperature: float
    ) -> torch.Tensor:
        """Sum of the windows' divergence, the mean over starts and ends."""
        each = [losses.distillation_kl(outputs[name], teacher[name], temperature).sum() for name in teacher]
        return torch.stack(each).mean()


def _targets(windows: Windows, rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """First and last token, in each window, of the first answer that it holds whole; 0 (the first token) without."""
    start, end = np.zeros((2, len(windows)), np.int64)
    spans = []
    for tokens, texts, starts in zip(
        windows.contexts, rows["answers"].to_pylist(), rows["starts"].to_pylist(), strict=True
    ):
        found = (tokens.find(at, at + len(text)) for text, at in zip(texts, starts, strict=True))
        spans.append([span for span in found if span])
    columns = (windows.row, windows.first, windows.offset, windows.count)
    for index, (row, first, offset, count) in enumerate(zip(*(x.tolist() for x in columns), strict=True)):
        for begin, last in spans[row]:
            if first <= begin and last < first + count:
                start[index], end[index] = begin - first + offset, last - first + offset
                break
    return start, end
