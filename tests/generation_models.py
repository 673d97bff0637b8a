"""Tiny random models that write, one of each architecture that is supported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graph_cache import SHARED

VOCABULARY, POSITIONS = 99, 300
ENCODER_DECODERS = ("bart", "m2m_100", "marian", "mbart", "mt5", "pegasus", "t5", "t5-gated", "bert2bert")
DECODERS = ("gpt2", "llama", "qwen2", "qwen3")
#: Those whose attention, positions and start are as in another one: tracing each takes some 20 s of a CPU.
ALIKE = {"m2m_100", "mbart", "pegasus", "marian", "t5", "mt5", "llama", "qwen2"}


def tiny_generator(kind: str) -> Any:
    """A model with random weights, in eval mode; pad 1 and end 2, as its config says."""
    import torch
    import transformers

    torch.manual_seed(0)
    ids = {"vocab_size": VOCABULARY, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0}
    if kind in ("t5", "t5-gated", "mt5"):
        config = transformers.AutoConfig.for_model(
            kind.removesuffix("-gated"),
            **ids,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=1,
            feed_forward_proj="relu" if kind == "t5" else "gated-gelu",
        )
        model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    elif kind == "bert2bert":
        # One layer: which of several a cache belongs to is asked of the others.
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
        config = transformers.BertConfig(**ids, **sizes, max_position_embeddings=POSITIONS)
        decoder = transformers.BertConfig(
            **ids, **sizes, max_position_embeddings=POSITIONS, is_decoder=True, add_cross_attention=True
        )
        model = transformers.EncoderDecoderModel(
            encoder=transformers.BertModel(config), decoder=transformers.BertLMHeadModel(decoder)
        )
        model.config.update({"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2})
    elif kind == "gpt2":
        config = transformers.GPT2Config(**ids, n_embd=32, n_layer=2, n_head=4, n_positions=POSITIONS)
        model = transformers.GPT2LMHeadModel(config)
    elif kind in DECODERS:
        config = transformers.AutoConfig.for_model(
            kind,
            **ids,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=POSITIONS,
            head_dim=8,
        )
        model = transformers.AutoModelForCausalLM.from_config(config)
    else:
        both = {"layers": 2, "attention_heads": 4, "ffn_dim": 48}
        sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in both.items()}
        config = transformers.AutoConfig.for_model(
            kind,
            **ids,
            **sizes,
            d_model=32,
            max_position_embeddings=POSITIONS,
            decoder_start_token_id=2,
            decoder_vocab_size=VOCABULARY,
        )
        config.update({"encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0})
        model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    with torch.no_grad():  # far from each other, so that rounding decides nothing
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    return model.eval()


@pytest.fixture(scope="session")
def exported_writer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Path]]:
    """Gives `tiny_generator` of a kind and the folder of its graphs, exported once a session."""
    from ftcore.families.text_generation.graphs import decoder_graphs, encoder_decoder_graphs
    from ftcore_export.onnx_graph import export_graph

    made: dict[str, tuple[Any, Path]] = {}

    def export(kind: str) -> tuple[Any, Path]:
        if kind not in made:
            model, folder = tiny_generator(kind), tmp_path_factory.mktemp(kind)
            graphs = decoder_graphs(model) if kind in DECODERS else encoder_decoder_graphs(model)
            for graph in graphs:
                export_graph(graph, folder / f"{graph.name}.onnx", SHARED)
            made[kind] = model, folder
        return made[kind]

    return export


def open_graphs(kind: str, folder: Path, suffix: str = "") -> Any:
    """The graphs of a writer (`suffix` names a variant) as the searches see them."""
    from ftcore_runtime.generation.graphs import GraphDecoder, GraphEncoderDecoder, layers_of
    from ftcore_runtime.session import GraphSession

    def session(role: str) -> GraphSession:
        name = f"{role}{suffix}.onnx"
        return GraphSession((folder / name).read_bytes(), name, outputs=[], threads=1)

    decoder = session("decoder")
    if kind in DECODERS:
        return GraphDecoder(decoder, layers_of(decoder))
    return GraphEncoderDecoder(session("encoder"), decoder, layers_of(decoder))
