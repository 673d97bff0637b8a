"""Decoders without a padding token as classifiers: trained, exported and asked, whatever stands next to a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import WORDS
from models import labelled_rows, save_tiny_decoder, tiny_spec
from tokenizers import Tokenizer, models, pre_tokenizers

from ftcore.cli import main
from ftcore_runtime import Pipeline

#: Model type -> its own settings, and how its tokens are pooled: by the recipe, as the folder says, by its own head.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "gpt2": ({}, "architecture"),
    "llama": ({"intermediate_size": 48}, "last_token"),
    "qwen3": ({"intermediate_size": 48, "num_key_value_heads": 1, "head_dim": 16}, "max"),
}


def save_decoder(folder: Path, kind: str, settings: dict[str, Any]) -> Path:
    """A tiny random decoder whose tokenizer has no padding token and says that it fills up at the left."""
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(["</s>", *WORDS])}, "</s>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = {"eos_token": "</s>", "padding_side": "left"}
    ids = {"bos_token_id": 0, "eos_token_id": 0}
    return save_tiny_decoder(folder, tokenizer, kind, tokens=tokens, **ids, **settings)


@pytest.mark.parametrize("kind", ["gpt2", "llama", pytest.param("qwen3", marks=pytest.mark.slow)])
def test_a_decoder_classifies(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, pooling = KINDS[kind]
    base = save_decoder(tmp_path / "base", kind, settings)
    if pooling == "max":
        (base / "1_Pooling").mkdir()
        (base / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "max"}))
    recipe = "plain" if pooling == "architecture" else "auto"
    spec = tiny_spec(
        base,
        rows=200,
        training={"recipe": recipe, "epochs": 8, "refit": False},
        export={"variants": ["fp32", "int8"]},
    )
    (tmp_path / "reads.yaml").write_text(json.dumps(spec))
    assert main(["run", str(tmp_path / "reads.yaml"), "--runs-dir", str(tmp_path / "runs")]) == 0
    (run,) = (tmp_path / "runs" / "reads").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())["splits"]["test"]["metrics"]
    assert metrics["accuracy"]["value"] >= 0.9, "the first word decides, and the last token sees it"
    variants = json.loads((run / "export.json").read_text())["variants"]
    assert variants["fp32"]["parity"]["flips"] == []
    config = json.loads((run / "model" / "config.json").read_text())
    named = {"architecture": "GPT2ForSequenceClassification", "max": "Qwen3MaxPooledClassifier"}
    assert config["architectures"] == [named.get(pooling, "LlamaLastTokenPooledClassifier")]
    manifest = json.loads((run / "bundle" / "bundle.json").read_text())
    assert (manifest["encoder"]["pad_id"], manifest["encoder"]["pad_side"]) == (0, "right")
    assert manifest["encoder"]["inputs"] == ["input_ids", "attention_mask"]
    texts = [row["text"] for row in labelled_rows(12)] + ["good", "bad " + "food " * 10]
    for variant in ("fp32", "int8"):
        pipeline = Pipeline.load(run / "bundle", variant)
        together = pipeline.outputs(texts, batch_size=14)["logits"]
        alone = np.concatenate([pipeline.outputs([text])["logits"] for text in texts])
        np.testing.assert_allclose(together, alone, atol=1e-4)
    capsys.readouterr()
    assert main(["predict", str(run / "bundle"), "--text", "good food was the"]) == 0
    assert capsys.readouterr().out.startswith("pos ")
