"""The family `text_generation`: a text for a text, by an encoder-decoder or by a decoder that goes on from a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import transformers
from torch.nn import functional as F

from ftcore.families.base import (
    Batch,
    Comparison,
    Family,
    Features,
    Responses,
    RowError,
    Scorer,
    Scores,
    Stored,
    length_plan,
)
from ftcore.families.losses import symmetric_kl
from ftcore.families.text_generation.from_scratch import make_base
from ftcore.families.text_generation.graphs import decoder_graphs, encoder_decoder_graphs
from ftcore.families.text_generation.metrics import Target, TextMeasures, require_packages
from ftcore.families.text_generation.parity import token_by_token
from ftcore.families.text_generation.samples import samples_of
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.families.text_generation.tokenizer import open_text
from ftcore.families.text_generation.torch_sequences import TorchDecoder, TorchEncoderDecoder, positions
from ftcore.families.text_generation.warm_start import warm_start
from ftcore.modeling.base_model import BaseModel, load_weights, open_base, with_dropout
from ftcore_export.graph import Graph
from ftcore_runtime.answers import TextAnswer
from ftcore_runtime.decoders.text_generation import TextGenerationDecoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.generation.model import SequenceModel
from ftcore_runtime.generation.packing import pack, unpack
from ftcore_runtime.generation.search import Written, write
from ftcore_runtime.generation.settings import GenerationSettings, Sampling, TextFrame
from ftcore_runtime.generation.texts import encode_sources, encode_targets

#: A label that is not learnt.
IGNORED = -100
_CHUNK = 4096  # rows tokenised at a time


class TextGeneration(Family[TextGenerationSpec]):
    """Logits of every next token, and texts written with them."""

    name: ClassVar[str] = "text_generation"

    def __init__(self, spec: TextGenerationSpec) -> None:
        super().__init__(spec)
        #: What stands around texts, and whether there is an encoder; known once the tokenizer was opened.
        self.frame: TextFrame | None = None
        #: Tokens of the longest target of the training rows.
        self.longest: int | None = None

    # -- rows ----------------------------------------------------------------------------------------------
    @property
    def schema(self) -> pa.Schema:
        """source, target."""
        return pa.schema([("source", pa.string()), ("target", pa.string())])

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump()

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Two texts, neither of them empty."""
        return {field: _text(row, column) for field, column in self.columns.items()}

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """None: texts have no classes."""
        return None

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The source, without outer space."""
        return pc.utf8_trim_whitespace(table["source"])

    def fit(self, train: pa.Table) -> None:
        """Nothing, but what is needed to measure must be there."""
        require_packages(self.spec.measures)

    def check(self, table: pa.Table) -> tuple[int, RowError] | None:
        """Nothing: any text may be written."""
        return None

    @property
    def state(self) -> dict[str, Any]:
        """The longest target."""
        return {"longest": self.longest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the longest target."""
        self.longest = state["longest"]

    # -- features and model --------------------------------------------------------------------------------
    def open_base(self, base_dir: Path, train: Callable[[], pa.Table], folder: Path) -> BaseModel:
        """With `init: config` a configuration and tokenizers trained on the training rows; maybe of two encoders."""
        told = self.spec.model
        if told.decoder_base:
            return warm_start(told.base, told.decoder_base, base_dir, folder, self.spec.training.seed)
        if told.init == "weights":
            return open_base(told.base, base_dir)
        rows = train()
        return make_base(told, base_dir, _texts(rows, "source"), _texts(rows, "target"), folder)

    def open_encoder(self, base: BaseModel, train: Callable[[], pa.Table]) -> TextEncoder:
        """The tokenizer with padding on the side that the model needs; measures the longest target once."""
        encoder, self.frame = open_text(base, self.spec)
        if self.longest is None:
            batches = train().select(["target"]).to_batches(max_chunksize=_CHUNK)
            lengths = (self._targets(batch["target"].to_pylist(), encoder)[0] for batch in batches)
            self.longest = max((len(ids) for batch in lengths for ids in batch), default=1)
        return encoder

    def _targets(self, texts: Sequence[str], encoder: TextEncoder) -> tuple[list[list[int]], np.ndarray]:
        return encode_targets(texts, encoder, self._frame, self.spec.model.max_target_length)

    @property
    def _frame(self) -> TextFrame:
        if self.frame is None:
            raise RuntimeError("the tokenizer is opened first")
        return self.frame

    @property
    def _has_encoder(self) -> bool:
        return self._frame.start_id is not None

    @property
    def reading(self) -> Mapping[str, Any]:
        """What stands around texts, and where targets are cut."""
        return {**self._frame.to_json(), "max_target_length": self.spec.model.max_target_length}

    @property
    def measured(self) -> tuple[str, ...]:
        """Source and target; of a decoder alone they are one sequence."""
        return ("input_ids", "labels") if self._has_encoder else ("input_ids",)

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Ids of the source, and `labels`; of a decoder alone both in one, where labels of the source are -100.

        Aside: `cut` and `target_cut`, int8 [rows], and `target_length`, int64 [rows].
        """
        sources = encode_sources(rows["source"].to_pylist(), encoder, self._frame)
        targets, cut = self._targets(rows["target"].to_pylist(), encoder)
        ids: list[list[int]] = sources.input_ids
        labels = targets
        if not self._has_encoder:
            labels = [[IGNORED] * len(s) + t for s, t in zip(ids, targets, strict=True)]
            ids = [s + t for s, t in zip(ids, targets, strict=True)]
        return Features(
            ragged={"input_ids": ids, "labels": labels},
            fixed={},
            row=np.arange(rows.num_rows),
            aside={
                "cut": sources.truncated.astype(np.int8),
                "target_cut": cut.astype(np.int8),
                "target_length": np.fromiter(map(len, targets), np.int64, len(targets)),
            },
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Lengths of source and target, and how many of each are cut."""
        targets = features.column("target_length")
        middle, most = np.percentile(targets, [50, 95]) if len(targets) else (0, 0)
        limit = self.spec.model.max_target_length
        return {
            **length_plan(
                rows.num_rows, features, int(features.column("cut").sum()), self.spec.model.max_length
            ),
            "median target": int(middle),
            "95th percentile of targets": int(most),
            "longest target": int(targets.max(initial=0)),
            f"targets cut at {limit}": int(features.column("target_cut").sum()),
            "answers are at most": self.settings.max_length,
        }

    @property
    def pad_values(self) -> Mapping[str, int]:
        """Labels that are not learnt."""
        return {"labels": IGNORED}

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with its language model head; without weights a new one, from torch's generator."""
        config = with_dropout(base.config, self.spec.model.dropout)
        auto = (
            transformers.AutoModelForSeq2SeqLM
            if config.is_encoder_decoder
            else transformers.AutoModelForCausalLM
        )
        if base.gguf or any(base.folder.glob("*.safetensors")):
            return load_weights(auto, base, config)
        model: torch.nn.Module = auto.from_config(config)
        return model

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Teacher forcing: `logits`, float32 [rows, tokens, vocabulary], of the token at each place of `targets`."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if not self._has_encoder:
            # Filled up at the left, all answers lie at the right: what predicts them is all that needs logits.
            kept = self.targets(batch).shape[1] + 1
            made = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions(mask),
                use_cache=False,
                logits_to_keep=kept,
            )
            return {"logits": made.logits[:, :-1].float()}
        _, tokens = self.forced(batch)
        read = torch.from_numpy(tokens).to(ids.device)
        made = model(input_ids=ids, attention_mask=mask, decoder_input_ids=read, use_cache=False)
        return {"logits": made.logits.float()}

    def targets(self, batch: Batch) -> torch.Tensor:
        """The token that each of the logits is to name, int64 [rows, tokens]; -100 where none is learnt."""
        if not self._has_encoder:
            learnt = (batch["labels"] != IGNORED).any(dim=0)
            return batch["labels"][:, max(1, int(learnt.int().argmax())) :]
        labels = batch["labels"].clone()
        labels[:, : len(self._frame.target_before)] = IGNORED  # given in generation as well
        return labels

    def learnt(self, batch: Batch) -> torch.Tensor:
        """Which of the logits name a token that is learnt, bool [rows, tokens]."""
        return self.targets(batch) != IGNORED

    def loss(self, outputs: Mapping[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Sum over the targets' tokens of the cross-entropy, with label smoothing (Szegedy et al. 2016)."""
        return F.cross_entropy(
            outputs["logits"].flatten(0, 1),
            self.targets(batch).flatten(),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.spec.training.label_smoothing,
        )

    def weight(self, batch: Batch) -> torch.Tensor:
        """Target tokens that are learnt."""
        return self.learnt(batch).sum().float()

    def divergence(
        self, one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """Of the learnt tokens alone."""
        learnt = self.learnt(batch)
        return symmetric_kl(one["logits"][learnt], other["logits"][learnt]).sum()

    # -- answers and metrics -------------------------------------------------------------------------------
    @property
    def settings(self) -> GenerationSettings:
        """How texts are written; a length that the spec leaves open is that of the longest training target."""
        told = self.spec.generation
        return GenerationSettings(
            max_length=max(told.max_length or self.longest or 1, told.min_length),
            min_length=told.min_length,
            num_beams=told.num_beams,
            length_penalty=told.length_penalty,
            early_stopping=told.early_stopping,
            no_repeat_ngram_size=told.no_repeat_ngram_size,
            sampling=Sampling(**told.sampling.model_dump()) if told.sampling else None,
        )

    def respond(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """The answers' ids and scores, as `pack` lays them out."""
        found = self.write(model, batch)
        return {name: torch.from_numpy(array) for name, array in pack(found).items()}

    def sequences(self, model: torch.nn.Module) -> SequenceModel:
        """A torch model as the ground floor's searches see it."""
        bare: Any = getattr(model, "module", model)
        return TorchEncoderDecoder(bare) if self._has_encoder else TorchDecoder(bare)

    def write(self, model: torch.nn.Module, batch: Batch) -> list[list[Written]]:
        """Write answers for the sources of a batch with the ground floor's search; see `search.write`."""
        inputs, prompt = self.prompts(batch)
        return write(self.sequences(model), inputs, prompt, self.settings, self._frame.eos_ids)

    def prompts(self, batch: Batch) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What `SequenceModel.start` takes to write answers: sources, and the first tokens of the answers."""
        inputs = {name: batch[name].cpu().numpy() for name in ("input_ids", "attention_mask")}
        if self._has_encoder:
            return inputs, np.tile(np.array(self._frame.prompt, np.int64), (len(inputs["input_ids"]), 1))
        inputs = _prompts(inputs, batch["labels"].cpu().numpy(), self._frame.pad_id)
        return inputs, inputs["input_ids"]

    def forced(self, batch: Batch) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The same to read the targets: sources and every token but the last, as `outputs` has them."""
        inputs = {name: batch[name].cpu().numpy() for name in ("input_ids", "attention_mask")}
        if not self._has_encoder:
            return inputs, inputs["input_ids"]
        labels = batch["labels"].cpu().numpy()
        labels = np.where(labels == IGNORED, self._frame.pad_id, labels)
        start = np.full((len(labels), 1), self._frame.start_id)
        return inputs, np.concatenate([start, labels[:, :-1]], axis=1)

    @property
    def decoder(self) -> dict[str, Any]:
        """The frame of texts, and how they are written."""
        return {"name": self.name, **TextGenerationDecoder(self._frame, self.settings).to_json()}

    @property
    def default_metric(self) -> str:
        """chrF, or ROUGE-L where that is not measured."""
        return "chrf" if "chrf" in self.spec.measures else "rougeL"

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[TextAnswer]:
        """The texts that were written."""
        decoder = TextGenerationDecoder(self._frame, self.settings)
        return decoder.answers(unpack(outputs), features.encoder.target.tokenizer)

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The sources."""
        return rows["source"].to_pylist()

    def references(self, rows: pa.Table) -> list[Target]:
        """The targets, which know their sources."""
        return [Target(row["target"], row["source"]) for row in rows.to_pylist()]

    def samples(self, rows: pa.Table, answers: Sequence[TextAnswer]) -> list[dict[str, str]]:
        """Source, reference and prediction of rows from all over the split; long texts are cut."""
        return samples_of(rows, answers)

    def _measures(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> TextMeasures:
        return TextMeasures(references, answers, self.spec.measures, self.spec.evaluation.tokenization)

    def higher_is_better(self, metric: str) -> bool:
        """Repetition and what is merely copied are better small."""
        return metric not in {"repetition", "copied_bigrams"}

    def point(self, metric: str) -> float:
        """BLEU, chrF and ROUGE are percent already."""
        return 1.0 if metric.startswith(("bleu", "chrf", "rouge")) else 0.01

    def score(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> Scores:
        """The task's metrics, with sacrebleu's signatures."""
        return self._measures(references, answers).scores()

    def scorer(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values

    # -- export --------------------------------------------------------------------------------------------
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """Encoder and decoder, or the decoder alone; the decoder's one graph serves the first and all later steps."""
        return encoder_decoder_graphs(model) if self._has_encoder else decoder_graphs(model)

    def comparison(
        self, model: torch.nn.Module, features: Stored, reference: Responses, ids: Sequence[Any]
    ) -> Comparison:
        """Token by token, with torch at hand to tell a tie."""
        return token_by_token(self, model, features, reference, ids)


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise RowError(f"expected a text, got {type(value).__name__}", column)
    if not value.strip():
        raise RowError("the text is empty", column)
    return value


def _texts(table: pa.Table, column: str) -> Iterator[str]:
    for batch in table.select([column]).to_batches(max_chunksize=_CHUNK):
        yield from batch[column].to_pylist()


def _prompts(arrays: Mapping[str, np.ndarray], labels: np.ndarray, pad: int) -> dict[str, np.ndarray]:
    """The part of each row that is not learnt, filled up at the left."""
    own = (arrays["attention_mask"] == 1) & (labels == IGNORED)
    lengths = own.sum(axis=1)
    mask = np.arange(lengths.max()) >= lengths.max() - lengths[:, None]
    ids = np.full(mask.shape, pad, np.int64)
    ids[mask] = arrays["input_ids"][own]
    return {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
