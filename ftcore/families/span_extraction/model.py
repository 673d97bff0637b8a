"""The family `span_extraction`: the span of a context that answers a question, or no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import transformers
from torch.nn import functional as F

from ftcore.errors import ModelError
from ftcore.families.base import Batch, Family, Features, Scorer, Scores, Stored, length_plan
from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.span_extraction.answers import parse_row
from ftcore.families.span_extraction.metrics import SpanMeasures
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.modeling.base_model import BaseModel, load_weights, with_dropout
from ftcore_export.graph import Graph
from ftcore_runtime.answers import SpanAnswer
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.span_extraction import Places, SpanExtractionDecoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.windows import WindowConfig, WindowEncoder, Windows

_MASKED = -1e9  # a logit that softmax makes 0, and that stays finite in differences


class SpanExtraction(Family[SpanExtractionSpec]):
    """Encoder with a start and an end logit for each token, over windows of the context."""

    name: ClassVar[str] = "span_extraction"

    def __init__(self, spec: SpanExtractionSpec) -> None:
        super().__init__(spec)
        self.windows = WindowConfig(spec.model.stride, spec.model.max_question_length)
        #: Threshold of no answer; None where every training question has an answer.
        self.null_threshold: float | None = None

    # -- rows ----------------------------------------------------------------------------------------------
    @property
    def schema(self) -> pa.Schema:
        """id, title (null where the source has none), question, context; texts and starts of the answers."""
        text = ("id", "title", "question", "context")
        return pa.schema(
            [
                *((name, pa.string()) for name in text),
                ("answers", pa.list_(pa.string())),
                ("starts", pa.list_(pa.int32())),
            ]
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump(exclude_none=True)

    @property
    def optional(self) -> frozenset[str]:
        """id and title."""
        return frozenset({"id", "title"})

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> a row of `schema`, whose answers stand where they say."""
        return parse_row(row, self.spec.data.columns, self.spec.data.misplaced_answers)

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Whether a question has an answer."""
        return _answerable(table).astype(np.int64)

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The title; the context where there is none; without outer space."""
        return pc.utf8_trim_whitespace(pc.coalesce(table["title"], table["context"]))

    def fit(self, train: pa.Table) -> None:
        """Whether some questions have no answer."""
        self.null_threshold = None if _answerable(train).all() else 0.0

    def check(self, table: pa.Table) -> tuple[int, Any] | None:
        """Nothing: a question without an answer is a fair test of a model that always gives one."""
        return None

    @property
    def state(self) -> dict[str, Any]:
        """The threshold of no answer."""
        return {"null_threshold": self.null_threshold}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the threshold."""
        self.null_threshold = state["null_threshold"]

    # -- features and model --------------------------------------------------------------------------------
    @property
    def reading(self) -> Mapping[str, Any]:
        """How contexts are cut; the threshold has no part in it."""
        return self.windows.to_json()

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Windows, with `start` and `end`, int64 [windows]: tokens of an answer that the window holds whole, or 0.

        Of several answers the first one that a window holds is its own. Aside: `begins` and `ends` (see
        `Windows.edges`), and `cut`: whether the question was cut.
        """
        if encoder.config.pad_side == "left":
            raise ModelError(
                "the tokenizer fills up at the left, which this family cannot read",
                hint="take a base model that fills up at the right: BERT, RoBERTa, DeBERTa, ELECTRA, ModernBERT...",
            )
        windows = WindowEncoder(encoder, self.windows).encode(
            rows["question"].to_pylist(), rows["context"].to_pylist()
        )
        begins, ends = windows.edges()
        start, end = _targets(windows, rows)
        return Features(
            ragged=windows.encoded.ragged,
            fixed={"start": start, "end": end},
            row=windows.row,
            aside={"begins": begins, "ends": ends, "cut": windows.encoded.truncated.astype(np.int8)},
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Windows, and the answers that no window holds whole or that are too long to be given."""
        start, length = features.column("start"), features.column("end") - features.column("start") + 1
        held = np.zeros((2, rows.num_rows), bool)
        held[0, features.row[start > 0]] = True
        held[1, features.row[(start > 0) & (length <= self.spec.evaluation.max_answer_length)]] = True
        answerable = _answerable(rows)
        each = np.bincount(features.row, minlength=rows.num_rows)
        cut = np.unique(features.row[features.column("cut") > 0])
        return {
            **length_plan(rows.num_rows, features, len(cut), self.windows.max_question_length),
            "windows": len(features.row),
            "median windows a context": int(np.median(each)) if len(each) else 0,
            "most windows of a context": int(each.max(initial=0)),
            "answerable": int(answerable.sum()),
            "whole in a window": int(held[0].sum()),
            "lost by windowing": int((answerable & ~held[0]).sum()),
            f"longer than {self.spec.evaluation.max_answer_length} tokens": int((held[0] & ~held[1]).sum()),
        }

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a start and an end logit a token."""
        config = with_dropout(base.config, self.spec.model.dropout)
        config.num_labels = 2
        return load_weights(transformers.AutoModelForQuestionAnswering, base, config)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """`start_logits` and `end_logits`, float32 [windows, tokens]; padding is far below everything."""
        made = model(**{name: value for name, value in batch.items() if name not in {"start", "end"}})
        logits = {"start_logits": made.start_logits.float(), "end_logits": made.end_logits.float()}
        if (mask := batch.get("attention_mask")) is None:
            return logits
        return {name: value.masked_fill(mask == 0, _MASKED) for name, value in logits.items()}

    def loss(self, outputs: Mapping[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Sum over the windows of the mean cross-entropy of start and end (Devlin et al. 2019)."""
        start = F.cross_entropy(outputs["start_logits"], batch["start"], reduction="sum")
        return (start + F.cross_entropy(outputs["end_logits"], batch["end"], reduction="sum")) / 2

    def weight(self, batch: Batch) -> torch.Tensor:
        """Windows."""
        return torch.tensor(float(len(batch["start"])))

    # -- answers and metrics -------------------------------------------------------------------------------
    @property
    def default_metric(self) -> str:
        """F1."""
        return "f1"

    @property
    def top_k(self) -> int:
        """Best spans of each answer; thresholds are tuned on the first."""
        return self.spec.evaluation.top_k

    @property
    def decoder(self) -> dict[str, Any]:
        """How contexts are cut and answers found."""
        return {
            "name": self.name,
            "windows": self.windows.to_json(),
            "max_answer_length": self.spec.evaluation.max_answer_length,
            "null_threshold": self.null_threshold,
        }

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> None:
        """The threshold of no answer with the best F1 on these rows."""
        if self.null_threshold is not None:
            measures = self._measures(self.references(rows), self.answers(outputs, features, rows))
            self.null_threshold = measures.best_threshold()

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[SpanAnswer]:
        """The best span of all windows of each row."""
        places = Places(
            features.row, features.column("begins"), features.column("ends"), rows["context"].to_pylist()
        )
        decoder = make_decoder(self.decoder)
        assert isinstance(decoder, SpanExtractionDecoder)
        return decoder.answers(outputs, places, self.top_k)

    def inputs(self, rows: pa.Table) -> list[Any]:
        """Mappings of question and context."""
        return rows.select(["question", "context"]).to_pylist()

    def references(self, rows: pa.Table) -> list[list[str]]:
        """The right texts of each question; none where it has no answer."""
        return rows["answers"].to_pylist()

    def _measures(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> SpanMeasures:
        return SpanMeasures(references, answers, self.spec.evaluation.normalisation)

    def score(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> Scores:
        """Exact match and F1, and those of questions with and without an answer where there are both."""
        measures = self._measures(references, answers)
        return Scores(measures.values(np.arange(len(references))), measures.details())

    def scorer(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values

    # -- export --------------------------------------------------------------------------------------------
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """One graph, `model`: token ids to start and end logits; any batch, any length."""
        return [encoder_graph(model, encoder, SpanExtractionDecoder.outputs)]


def _answerable(table: pa.Table) -> np.ndarray:
    """Which rows have an answer, bool [rows]."""
    return pc.greater(pc.list_value_length(table["answers"]), 0).to_numpy(zero_copy_only=False).astype(bool)


def _targets(windows: Windows, rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """First and last token, in each window, of the first answer that it holds whole; 0 (the first token) without."""
    start, end = np.zeros((2, len(windows)), np.int64)
    spans = []
    for tokens, texts, starts in zip(
        windows.contexts, rows["answers"].to_pylist(), rows["starts"].to_pylist(), strict=True
    ):
        found = (tokens.find(at, at + len(text)) for text, at in zip(texts, starts, strict=True))
        spans.append([span for span in found if span])
    columns = (windows.row, windows.first, windows.place, windows.count)
    for index, (row, first, place, count) in enumerate(zip(*(x.tolist() for x in columns), strict=True)):
        for begin, last in spans[row]:
            if first <= begin and last < first + count:
                start[index], end[index] = begin - first + place, last - first + place
                break
    return start, end
