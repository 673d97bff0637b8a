"""A base model in GGUF, as llama.cpp keeps it: quantized weights come as floats that can be trained and saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from ftcore.modeling.base_model import BaseModel, load_weights, open_base

gguf = pytest.importorskip("gguf")

WIDTH, INNER, HEADS, WORDS = 32, 64, 2, 40


def write_gguf(path: Path, weights: dict[str, np.ndarray]) -> None:
    """A Llama of one layer in 8 bits (norms in float32)."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(WORDS)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in weights.items():
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_quantized_weights_train_and_are_saved(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return draw.normal(size=(rows, columns)).astype(np.float32)

    ones = np.ones(WIDTH, np.float32)
    weights = {
        "token_embd.weight": matrix(WORDS, WIDTH),
        "output_norm.weight": ones,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        **{f"blk.0.attn_{name}.weight": matrix(WIDTH, WIDTH) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": matrix(INNER, WIDTH),
        "blk.0.ffn_up.weight": matrix(INNER, WIDTH),
        "blk.0.ffn_down.weight": matrix(WIDTH, INNER),
    }
    write_gguf(tmp_path / "tiny.gguf", weights)
    base: BaseModel = open_base(str(tmp_path / "tiny.gguf"), tmp_path)
    model = load_weights(transformers.AutoModelForCausalLM, base, base.config)
    assert isinstance(model, transformers.PreTrainedModel)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    up = model.get_parameter("model.layers.0.mlp.up_proj.weight")
    np.testing.assert_allclose(up.detach().numpy(), weights["blk.0.ffn_up.weight"], atol=0.03)
    ids = torch.tensor([[1, 2, 3]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert up.grad is not None
    model.save_pretrained(tmp_path / "saved")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.get_parameter("model.layers.0.mlp.up_proj.weight"), up)
