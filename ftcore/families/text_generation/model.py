"""The torch part of the family `text_generation`: logits of every next token, and texts generated with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F

from ftcore.families.losses import symmetric_kl
from ftcore.families.model import IGNORED, Batch, Features, Model, Outputs, Stored
from ftcore.families.plans import length_plan
from ftcore.families.text_generation.from_scratch import make_base
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.families.text_generation.tokenizer import FramedEncoder, open_text
from ftcore.families.text_generation.torch_sequences import TorchDecoder, TorchEncoderDecoder, positions
from ftcore.families.text_generation.warm_start import warm_start
from ftcore.modeling.base_model import BaseModel, load_weights, open_base, with_dropout
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.generation.model import SequenceModel
from ftcore_runtime.generation.packing import pack
from ftcore_runtime.generation.running import Generated
from ftcore_runtime.generation.search import generate
from ftcore_runtime.generation.settings import GenerationSettings, TextFrame
from ftcore_runtime.generation.texts import encode_sources, encode_targets

_CHUNK = 4096  # rows tokenised at a time


class TextModel(Model[TextGenerationSpec, FittedTexts]):
    """An encoder-decoder or a decoder alone, and the runtime's search over it."""

    # -- base model and tokenizer --------------------------------------------------------------------------
    def open_base(self, base_dir: Path, train: Callable[[], pa.Table], folder: Path) -> BaseModel:
        """With `init: config` a configuration and tokenizers trained on the training rows; maybe of two encoders."""
        model = self.spec.model
        if model.decoder_base:
            return warm_start(model.base, model.decoder_base, base_dir, folder, self.spec.training.seed)
        if model.init == "weights":
            return open_base(model.base, base_dir)
        rows = train()
        return make_base(model, base_dir, _texts(rows, "source"), _texts(rows, "target"), folder)

    def open_encoder(self, base: BaseModel) -> FramedEncoder:
        """The tokenizer with padding on the side that the model needs."""
        return open_text(base, self.spec)

    def fit_tokenizer(self, encoder: TextEncoder, train: Callable[[], pa.Table]) -> FittedTexts:
        """What stands around texts, and the longest training target, which is measured once."""
        assert isinstance(encoder, FramedEncoder)
        longest = self.fitted.longest
        if longest is None:
            batches = train().select(["target"]).to_batches(max_chunksize=_CHUNK)
            limit = self.spec.model.max_target_length
            lengths = (
                encode_targets(batch["target"].to_pylist(), encoder, encoder.frame, limit)[0]
                for batch in batches
            )
            longest = max((len(ids) for batch in lengths for ids in batch), default=1)
        return replace(self.fitted, longest=longest, frame=encoder.frame)

    @property
    def frame(self) -> TextFrame:
        """What stands around texts."""
        return self.fitted.known_frame

    @property
    def settings(self) -> GenerationSettings:
        """How texts are generated."""
        return self.fitted.settings(self.spec)

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder reads the sources."""
        return self.frame.start_id is not None

    # -- features ------------------------------------------------------------------------------------------
    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """What stands around texts, and where targets are cut."""
        return {**self.frame.to_json(), "max_target_length": self.spec.model.max_target_length}

    @property
    def measured(self) -> tuple[str, ...]:
        """Source and target; of a decoder alone they are one sequence."""
        return ("input_ids", "labels") if self.has_encoder else ("input_ids",)

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Ids of the source, and `labels`; of a decoder alone both in one, where labels of the source are -100.

        Extras: `cut` and `target_cut`, int8 [rows], and `target_length`, int64 [rows].
        """
        sources = encode_sources(rows["source"].to_pylist(), encoder, self.frame)
        targets, cut = encode_targets(
            rows["target"].to_pylist(), encoder, self.frame, self.spec.model.max_target_length
        )
        ids: list[list[int]] = sources.input_ids
        labels = targets
        if not self.has_encoder:
            labels = [[IGNORED] * len(s) + t for s, t in zip(ids, targets, strict=True)]
            ids = [s + t for s, t in zip(ids, targets, strict=True)]
        return Features(
            ragged={"input_ids": ids, "labels": labels},
            fixed={},
            row=np.arange(rows.num_rows),
            extras={
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
                rows.num_rows, features, int(features.column("cut").sum()), features.encoder.config.max_length
            ),
            "median target": int(middle),
            "95th percentile of targets": int(most),
            "longest target": int(targets.max(initial=0)),
            f"targets cut at {limit}": int(features.column("target_cut").sum()),
            "answers are at most": self.settings.max_length,
            f"measured by {self.fitted.tokenization}": rows.num_rows,
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
        """Teacher forcing: `logits`, float32 [rows, tokens, vocabulary], of the token at each position of `targets`."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if not self.has_encoder:
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
        if not self.has_encoder:
            learnt = (batch["labels"] != IGNORED).any(dim=0)
            return batch["labels"][:, max(1, int(learnt.int().argmax())) :]
        labels = batch["labels"].clone()
        labels[:, : len(self.frame.target_before)] = IGNORED  # given in generation as well
        return labels

    def learnt(self, batch: Batch) -> torch.Tensor:
        """Which of the logits name a token that is learnt, bool [rows, tokens]."""
        return self.targets(batch) != IGNORED

    def tokens_shown(self, batch: Batch) -> list[tuple[int, bool]]:
        """Ids of a batch's first row, each with whether it is learnt; of an encoder-decoder those of the answer."""
        if self.has_encoder:
            ids, learnt = batch["labels"][0], self.learnt(batch)[0]
        else:
            ids, learnt = batch["input_ids"][0], batch["labels"][0] != IGNORED
            real = batch["attention_mask"][0] == 1
            ids, learnt = ids[real], learnt[real]
        return list(zip(ids.tolist(), learnt.tolist(), strict=True))

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
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

    def divergence(self, one: Outputs, other: Outputs, batch: Batch) -> torch.Tensor:
        """Of the learnt tokens alone."""
        learnt = self.learnt(batch)
        return symmetric_kl(one["logits"][learnt], other["logits"][learnt]).sum()

    # -- generation ----------------------------------------------------------------------------------------
    def respond(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """The answers' ids and scores, as `pack` lays them out."""
        found = self.generate(model, batch)
        return {name: torch.from_numpy(array) for name, array in pack(found).items()}

    def sequences(self, model: torch.nn.Module) -> SequenceModel:
        """A torch model as the runtime's searches see it."""
        bare: Any = getattr(model, "module", model)
        return TorchEncoderDecoder(bare) if self.has_encoder else TorchDecoder(bare)

    def generate(self, model: torch.nn.Module, batch: Batch) -> list[list[Generated]]:
        """Write answers for the sources of a batch with the runtime's search; see `search.write`."""
        inputs, prompt = self.prompts(batch)
        return generate(self.sequences(model), inputs, prompt, self.settings, self.frame.eos_ids)

    def prompts(self, batch: Batch) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What `SequenceModel.start` takes to write answers: sources, and the first tokens of the answers."""
        inputs = {name: batch[name].cpu().numpy() for name in ("input_ids", "attention_mask")}
        if self.has_encoder:
            return inputs, np.tile(np.array(self.frame.prompt, np.int64), (len(inputs["input_ids"]), 1))
        inputs = _prompts(inputs, batch["labels"].cpu().numpy(), self.frame.pad_id)
        return inputs, inputs["input_ids"]

    def forced(self, batch: Batch) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The same to read the targets: sources and every token but the last, as `outputs` has them."""
        inputs = {name: batch[name].cpu().numpy() for name in ("input_ids", "attention_mask")}
        if not self.has_encoder:
            return inputs, inputs["input_ids"]
        labels = batch["labels"].cpu().numpy()
        labels = np.where(labels == IGNORED, self.frame.pad_id, labels)
        start = np.full((len(labels), 1), self.frame.start_id)
        return inputs, np.concatenate([start, labels[:, :-1]], axis=1)


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
