"""A tiny random BERT, exported once a session into a bundle: what the tests of exporter, runtime and CLI share."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_cache import SHARED
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.pipeline import Pipeline

CopyBundle = Callable[[], Path]

WORDS = [
    "good",
    "bad",
    "food",
    "was",
    "the",
    "very",
    "slow",
    "nice",
    "not",
    "a",
    "place",
    "to",
    "eat",
    "again",
]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
DECODER = {
    "name": "sequence_classification",
    "problem": "single_label",
    "labels": ["negative", "neutral", "positive"],
    "threshold": 0.5,
    "polarity": [-1, 0, 1],
}
CREATED = datetime(2026, 1, 2, tzinfo=UTC)


def sentences(count: int, longest: int = 12, seed: int = 0) -> list[str]:
    """Texts of 1 to `longest` words."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, longest))) for _ in range(count)]


def tiny_tokenizer() -> Tokenizer:
    """Word pieces over `WORDS` and letters, with BERT's special tokens."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


@dataclass(frozen=True)
class Tiny:
    """The model in torch, its encoder, and its exported graphs."""

    model: Any
    tokenizer: Path
    config: EncoderConfig
    fp32: Path
    int8: Path

    def logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """What torch makes of a batch."""
        import torch

        with torch.no_grad():
            tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
            return self.model(**tensors).numpy()

    def encoder(self) -> TextEncoder:
        """A fresh encoder."""
        return TextEncoder.load(self.tokenizer, self.config)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from ftcore_export.graph import Graph
    from ftcore_export.onnx_graph import export_graph
    from ftcore_export.quantize import quantize_int8

    class Logits(torch.nn.Module):
        def __init__(self, bert: torch.nn.Module) -> None:
            super().__init__()
            self.bert = bert

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            return self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    bert = BertForSequenceClassification(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=300,
            num_labels=3,
            initializer_range=0.5,
        )
    ).eval()
    model = Logits(bert).eval()
    encoder = TextEncoder(tokenizer, EncoderConfig(64, 0, "right", INPUTS))
    batch = encoder.collate(encoder.encode(sentences(200, seed=1)))
    with torch.no_grad():  # centred, so that every label is some text's answer
        bert.classifier.bias -= model(**{name: torch.from_numpy(batch[name]) for name in INPUTS}).mean(dim=0)
    example = {name: torch.ones(2, 8, dtype=torch.long) for name in INPUTS}
    dynamic = {name: {0: "batch", 1: "seq"} for name in INPUTS}
    fp32 = export_graph(
        Graph("model", model, example, ["logits"], dynamic), folder / "model.fp32.onnx", SHARED
    )
    int8 = quantize_int8(fp32, folder / "model.int8.onnx")
    return Tiny(model, folder / "tokenizer.json", EncoderConfig(64, 0, "right", INPUTS), fp32, int8)


@pytest.fixture(scope="session")
def bundle_arguments(tiny: Tiny) -> dict[str, Any]:
    """What `write_bundle` takes to make `tiny_bundle`."""
    from ftcore_export.bundle_writer import VariantSource

    metric = {"accuracy": {"value": 0.75, "low": 0.7, "high": 0.8}}
    return {
        "name": "tiny",
        "task": "sentiment",
        "family": "sequence_classification",
        "encoder_config": tiny.config,
        "tokenizer_path": tiny.tokenizer,
        "decoder": DECODER,
        "variants": {
            "fp32": VariantSource(
                {"model": tiny.fp32}, parity={"rows": 8, "max_abs_diff": 1e-6, "flips": 0, "ties": 0}
            ),
            "int8": VariantSource({"model": tiny.int8}),
        },
        "default_variant": "fp32",
        "metrics": {"confidence": 0.95, "splits": {"test": {"rows": 100, "metrics": metric}}},
        "provenance": {"base_model": "random", "data_license": "CC0-1.0", "seed": 0},
        "golden": sentences(4),
        "created": CREATED,
    }


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, bundle_arguments: dict[str, Any]) -> Path:
    """A bundle; not to be changed by a test."""
    from ftcore_export.bundle_writer import BundleSource, write_bundle

    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny", BundleSource(**bundle_arguments))


@pytest.fixture
def copy_bundle(tiny_bundle: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of `tiny_bundle` that a test may spoil."""
    return lambda: shutil.copytree(tiny_bundle, tmp_path / "copy")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A private key, its public key, and a stranger's public key."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("keys")
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    for name in ("own", "strange"):
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / name).write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
        public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    return folder / "own", folder / "own.pub", folder / "strange.pub"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a bundle in place."""
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def refused(folder: Path, match: str) -> None:
    """Hold that a bundle is not loaded, and why."""
    with pytest.raises(BundleError, match=match):
        Pipeline.load(folder)
