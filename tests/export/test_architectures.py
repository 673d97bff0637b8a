"""Every architecture as graphs, against torch at shapes no export saw: the table of docs/reference/architectures.md.

The document's verdicts are bounds that hold here; `FTCORE_WRITE_ARCHITECTURES=1` measures anew and writes them.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundles import tiny_tokenizer
from generation_models import DECODERS, POSITIONS, VOCABULARY, open_graphs

from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.text_generation.torch_sequences import positions
from ftcore.modeling.pooling import pooled_classifier
from ftcore_export.onnx_graph import export_graph
from ftcore_export.quantize import quantize_int8
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.session import GraphSession

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "architectures.md"
WRITING = bool(os.environ.get("FTCORE_WRITE_ARCHITECTURES"))
BATCHES, LENGTHS, PAD = (1, 7), (3, 257), 1
#: What the document may say: a difference below the bound, a correlation above it.
DIFFERENCES, CORRELATIONS = (1e-5, 1e-4, 1e-3, 1e-2), (0.999, 0.99, 0.98, 0.95, 0.9)

#: Heading of the document -> model type and the settings that make it.
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "BERT": ("bert", {}),
    "DistilBERT": ("distilbert", {}),
    "RoBERTa": ("roberta", {}),
    "XLM-R": ("xlm-roberta", {}),
    "ELECTRA": ("electra", {"embedding_size": 16}),
    "ALBERT": ("albert", {"embedding_size": 16}),
    "MPNet": ("mpnet", {}),
    "DeBERTa-v2": (
        "deberta-v2",
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "conv_kernel_size": 3},
    ),
    "DeBERTa-v3": (
        "deberta-v2",
        {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 32,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "ModernBERT": ("modernbert", {"local_attention": 16, "global_attn_every_n_layers": 2}),
}
#: Decoders that label a text by its last token.
LABELLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "GPT-2 as a classifier": ("gpt2", {}),
    "Llama as a classifier": ("llama", {"num_key_value_heads": 2}),
    "Qwen2 as a classifier": ("qwen2", {"num_key_value_heads": 2}),
    "Qwen3 as a classifier": ("qwen3", {"num_key_value_heads": 2, "head_dim": 8}),
}
WRITERS = {
    "T5": "t5",
    "T5 v1.1 (gated)": "t5-gated",
    "mT5": "mt5",
    "BART": "bart",
    "mBART": "mbart",
    "Marian": "marian",
    "M2M100, NLLB": "m2m_100",
    "Pegasus": "pegasus",
    "BERT2BERT": "bert2bert",
    "GPT-2": "gpt2",
    "Llama, SmolLM": "llama",
    "Qwen2": "qwen2",
    "Qwen3": "qwen3",
}


def padded(batch: int, length: int, *, left: bool = False) -> dict[str, np.ndarray]:
    """Token ids of rows of every length up to `length`."""
    draw = np.random.default_rng([batch, length])
    lengths = draw.integers(1, length + 1, batch)
    lengths[0] = length
    positions = np.arange(length)
    real = positions >= length - lengths[:, None] if left else positions < lengths[:, None]
    ids = np.where(real, draw.integers(4, VOCABULARY, (batch, length)), PAD)
    return {"input_ids": ids, "attention_mask": real.astype(np.int64)}


def measure_encoder(kind: str, settings: Mapping[str, Any], folder: Path) -> tuple[float, float]:
    """Largest difference of a logit in their standard deviations, and the correlation of those in int8."""
    import transformers

    torch.manual_seed(0)
    ids = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2, "pad_token_id": PAD}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
        num_labels=5,
        **sizes,
        **ids,
        **settings,
    )
    if kind in DECODERS:
        config.use_cache = False
        model: Any = pooled_classifier(config, "last_token")(config).eval()
    else:
        model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    loud(model)
    types = kind in ("bert", "electra", "albert") or config.to_dict().get("type_vocab_size", 0) > 1
    names = ("input_ids", "attention_mask", *(["token_type_ids"] if types else []))
    encoder = TextEncoder(tiny_tokenizer(), EncoderConfig(POSITIONS, PAD, "right", names))
    whole = export_graph(encoder_graph(model, encoder, ["logits"]), folder / "model.onnx")
    small = quantize_int8(whole, folder / "model.int8.onnx")
    exact, rough = (
        GraphSession(path.read_bytes(), path.name, inputs=names, outputs=["logits"], threads=1)
        for path in (whole, small)
    )

    def triples() -> Iterator[tuple[np.ndarray, ...]]:
        for batch, length in product(BATCHES, LENGTHS):
            inputs = padded(batch, length)
            if types:
                inputs["token_type_ids"] = inputs["attention_mask"] * (np.arange(length) % 2)
            with torch.inference_mode():
                made = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
            yield made.logits.numpy(), exact.run(inputs)["logits"], rough.run(inputs)["logits"]

    return compared(triples())


def measure_writer(kind: str, model: Any, folder: Path) -> tuple[float, float]:
    """Likewise of every token's logits, for targets (of encoder-decoders) of both lengths as well."""
    for path in [folder / f"{role}.onnx" for role in ("encoder", "decoder")]:
        if path.exists():
            quantize_int8(path, path.with_suffix(".int8.onnx"))
    exact, rough = open_graphs(kind, folder), open_graphs(kind, folder, ".int8")
    alone = kind in DECODERS

    def triples() -> Iterator[tuple[np.ndarray, ...]]:
        for batch, length, written in product(BATCHES, LENGTHS, LENGTHS[:1] if alone else LENGTHS):
            inputs = padded(batch, length, left=alone)
            tokens = inputs["input_ids"] if alone else padded(batch, written)["input_ids"]
            real = inputs["attention_mask"].astype(bool) if alone else np.ones_like(tokens, bool)
            given = {name: torch.from_numpy(array) for name, array in inputs.items()}
            if alone:
                given["position_ids"] = positions(given["attention_mask"])
            else:
                given["decoder_input_ids"] = torch.from_numpy(tokens)
            with torch.inference_mode():
                made = model(**given, use_cache=False).logits.numpy()
            yield tuple(
                found[real] for found in (made, exact.logits(inputs, tokens), rough.logits(inputs, tokens))
            )

    return compared(triples())


def compared(triples: Iterator[tuple[np.ndarray, ...]]) -> tuple[float, float]:
    """Of torch's, fp32's and int8's logits: the largest difference, and the last two's correlation."""
    in_torch, exact, rough = (
        np.concatenate([part.ravel() for part in parts]) for parts in zip(*triples, strict=True)
    )
    largest = np.abs(in_torch - exact).max() / in_torch.std()
    return float(largest), float(np.corrcoef(exact, rough)[0, 1])


def loud(model: torch.nn.Module) -> None:
    """Weights far from zero, so that nothing is equal by being small."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.2)


def row(name: str, graphs: str, difference: float, correlation: float) -> str:
    """A line of the document: the narrowest bounds that hold with room to spare."""
    below = next(bound for bound in DIFFERENCES if 4 * difference < bound)
    above = next(bound for bound in CORRELATIONS if 1.25 * (1 - correlation) < 1 - bound)
    return f"| {name} | {graphs} | < 1e{round(math.log10(below))} | > {above:g} |"


@pytest.fixture(scope="module")
def written() -> Iterator[dict[str, str]]:
    """Lines of the document by architecture; what a writing session changes is in it afterwards."""
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if " | <" in line}
    before = dict(lines)
    yield lines
    if WRITING:
        ordered = [lines[name] for name in (*ENCODERS, *LABELLERS, *WRITERS) if name in lines]
        table = "| architecture | graphs | fp32 | int8 |\n| --- | --- | --- | --- |\n" + "\n".join(ordered)
        DOCUMENT.write_text(re.sub(r"\| architecture .*\|", lambda _: table, text, flags=re.DOTALL), "utf-8")
    else:
        assert lines == before


def check(name: str, graphs: str, measured: tuple[float, float], written: dict[str, str]) -> None:
    difference, correlation = measured
    if WRITING:
        written[name] = row(name, graphs, difference, correlation)
    written_row = re.fullmatch(r"\| .* \| (.*) \| < (\S+) \| > (\S+) \|", written[name])
    assert written_row, written[name]
    assert written_row[1] == graphs
    assert difference < float(written_row[2])
    assert correlation > float(written_row[3])


@pytest.mark.parametrize("name", ENCODERS)
def test_encoder(name: str, tmp_path: Path, written: dict[str, str]) -> None:
    kind, settings = ENCODERS[name]
    check(name, "model", measure_encoder(kind, settings, tmp_path), written)


@pytest.mark.parametrize(
    "name",
    [
        name if kind == "llama" else pytest.param(name, marks=pytest.mark.slow)
        for name, (kind, _) in LABELLERS.items()
    ],
)
def test_decoder_that_labels(name: str, tmp_path: Path, written: dict[str, str]) -> None:
    kind, settings = LABELLERS[name]
    check(name, "model", measure_encoder(kind, settings, tmp_path), written)


@pytest.mark.slow  # minutes; test_generation_graphs.py has the same graphs at one shape
@pytest.mark.parametrize("name", WRITERS)
def test_writer(
    name: str, written: dict[str, str], exported_writer: Callable[[str], tuple[Any, Path]]
) -> None:
    kind = WRITERS[name]
    model, folder = exported_writer(kind)
    graphs = "decoder" if kind in DECODERS else "encoder, decoder"
    check(name, graphs, measure_writer(kind, model, folder), written)


@pytest.mark.skipif(WRITING, reason="it is being written")
def test_the_document_has_these_and_no_others(written: dict[str, str]) -> None:
    assert list(written) == [*ENCODERS, *LABELLERS, *WRITERS]
