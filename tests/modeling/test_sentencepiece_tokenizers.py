"""A base model whose tokenizer is a sentencepiece model that transformers converts."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from bundles import WORDS

from ftcore.modeling.base_model import BaseModel, open_tokenizer

sentencepiece: Any = pytest.importorskip("sentencepiece")


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small unigram model with T5's special tokens."""
    folder = tmp_path_factory.mktemp("pieces")
    draw = random.Random(0)
    lines = [" ".join(draw.choices(WORDS, k=8)) for _ in range(300)]
    (folder / "lines.txt").write_text("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "small"),
        vocab_size=80,
        hard_vocab_limit=False,
        minloglevel=2,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    return folder / "small.model"


def test_t5_needs_no_tokenizer_json(pieces: Path, tmp_path: Path) -> None:
    import transformers

    shutil.copy(pieces, tmp_path / "spiece.model")
    tokenizer = open_tokenizer(BaseModel(tmp_path, transformers.T5Config()))
    text = f"{WORDS[0]} {WORDS[1]}  {WORDS[2]}"
    expected = sentencepiece.SentencePieceProcessor(model_file=str(pieces)).encode(text)
    assert tokenizer(text).input_ids == [*expected, 1]
