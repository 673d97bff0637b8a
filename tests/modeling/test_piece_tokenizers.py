"""Marian's and M2M100's tokenizers as `tokenizer.json`: the ids of the Python tokenizer, one by one."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers
from bundles import WORDS

from ftcore.errors import ModelError
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.families.text_generation.tokenizer import open_text
from ftcore.modeling.base_model import BaseModel, open_tokenizer, save_tokenizer
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.generation.texts import decode_text, encode_sources, encode_targets

sentencepiece: Any = pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")

GERMAN = ["gutes", "schlechtes", "essen", "war", "das", "sehr", "nicht", "ein", "straße", "müde", "größer"]
MARKS = ["!", "?", ",", ".", "\u2026", "(", ")", "\uff21", "\ufb01sh", "10", "7"]
#: What no training line has: blanks of every kind, letters, signs and words that no piece covers.
ODD = [
    *(" the  food ", "\tthe\u3000food\n", "", "   ", "x\u0301y", "\u4f60\u597d food", "Straße\u00a0\ufb01x"),
    *("food\U0001f600\U0001f600food", "a\u200db", "zzzz qqqq", "\u2581the", "food" * 40),
]


def lines_of(words: list[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(
            draw.choice([word, word.title(), word + draw.choice(MARKS)]) for word in draw.choices(words, k=8)
        )
        for _ in range(count)
    ]


def pieces_of(words: list[str], path: Path, kind: str, **options: Any) -> Path:
    """A sentencepiece model of some words, `path`."""
    lines = path.with_suffix(".txt")
    lines.write_text("\n".join(lines_of(words, 300, 0)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(lines),
        model_prefix=str(path.with_suffix("")),
        model_type=kind,
        vocab_size=120,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    path.with_suffix(".model").rename(path)
    return path


def names_of(path: Path) -> list[str]:
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(index) for index in range(3, model.get_piece_size())]


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OPUS-MT's files: two unigram models, and one vocabulary of the pieces of both in an order of its own."""
    folder = tmp_path_factory.mktemp("marian")
    names = [
        *names_of(pieces_of(WORDS, folder / "source.spm", "unigram")),
        *names_of(pieces_of(GERMAN, folder / "target.spm", "unigram")),
    ]
    mixed = list(dict.fromkeys(names))
    random.Random(1).shuffle(mixed)
    ids = ["</s>", "<unk>", *mixed, ">>deu<<", "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(ids)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    return folder


@pytest.fixture(scope="module")
def m2m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m2m")
    path = pieces_of([*WORDS, *GERMAN], folder / "sentencepiece.bpe.model", "bpe", character_coverage=0.99)
    ids = ["<s>", "<pad>", "</s>", "<unk>", *names_of(path)]
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(ids)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "M2M100Tokenizer"}))
    return folder


def spec_of(**data: str) -> TextGenerationSpec:
    return TextGenerationSpec.model_validate(
        {
            "task": "translation",
            "data": {"train": [{"source": "a", "target": "b"}], **data},
            "model": {"base": "./b", "max_length": 256, "max_target_length": 256},
        }
    )


def config_of(kind: str, tokens: int) -> Any:
    return transformers.AutoConfig.for_model(
        kind, vocab_size=tokens, decoder_start_token_id=2, max_position_embeddings=600, eos_token_id=0
    )


def backend(tokenizer: Any, name: str = "backend_tokenizer") -> TextEncoder:
    return TextEncoder(getattr(tokenizer, name), EncoderConfig(512, 0, "right", ("input_ids",)))


def test_marian_id_for_id_in_both_languages(marian: Path) -> None:
    tokenizer = open_tokenizer(BaseModel(marian, config_of("marian", 400)))
    for name, words, given in (
        ("backend_tokenizer", WORDS, "text"),
        ("target_backend", GERMAN, "text_target"),
    ):
        texts = [*lines_of(words, 200, 5), *lines_of([*WORDS, *GERMAN], 100, 6), *ODD]
        expected = [tokenizer(**{given: text}).input_ids[:-1] for text in texts]
        found = backend(tokenizer, name).tokens(texts)
        assert [one.ids for one in found] == expected
    (spelt,) = backend(tokenizer).tokens(["food </s> food"])
    assert spelt.ids.count(1) == 1, "what spells a special token is unknown, and no end"
    assert 0 not in spelt.ids
    coded = ">>deu<< the food"
    assert backend(tokenizer).encode([coded]).input_ids == [tokenizer(coded).input_ids]


def test_m2m100_id_for_id(m2m: Path) -> None:
    base = BaseModel(m2m, config_of("m2m_100", 400))
    tokenizer = open_tokenizer(base)
    texts = [*lines_of([*WORDS, *GERMAN], 300, 5), *ODD]
    expected = [tokenizer(text).input_ids[1:-1] for text in texts]
    assert [one.ids for one in backend(tokenizer).tokens(texts)] == expected
    assert base.notes == []


@pytest.mark.parametrize(
    ("kind", "languages"), [("marian", {}), ("m2m_100", {"source_language": "en", "target_language": "de"})]
)
def test_what_a_run_reads_and_writes(
    kind: str, languages: dict[str, str], marian: Path, m2m: Path, tmp_path: Path
) -> None:
    folder = marian if kind == "marian" else m2m
    base = BaseModel(folder, config_of(kind, 400))
    encoder, tokenizer = open_text(base, spec_of(**languages)), open_tokenizer(base)
    if languages:
        tokenizer.src_lang, tokenizer.tgt_lang = languages.values()
    text, target = "the food was very slow", "das essen war nicht gutes"
    assert encode_sources([text], encoder, encoder.frame).input_ids == [tokenizer(text).input_ids]
    ids = encode_targets([target], encoder, encoder.frame, 100)[0]
    assert ids == [tokenizer(text_target=target).input_ids]
    assert decode_text(encoder.target.tokenizer, ids[0]) == target
    save_tokenizer(base, tmp_path)
    again = open_text(BaseModel(tmp_path, base.config), spec_of(**languages))
    assert again.fingerprint == encoder.fingerprint, "a run's own model folder is opened alike"
    read = TextEncoder.from_bytes(encoder.tokenizer.to_str().encode(), encoder.config)
    assert read.encode([text]).input_ids == encoder.encode([text]).input_ids


def test_pieces_without_an_id_are_split_and_said(marian: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(marian, tmp_path / "fewer")
    ids = json.loads((folder / "vocab.json").read_text())
    del ids["\u2581the"]
    ids[">>fra<<"] = len(ids)  # in its place, so that ids stay whole
    (folder / "vocab.json").write_text(json.dumps(ids))
    base = BaseModel(folder, config_of("marian", 400))
    tokenizer = open_tokenizer(base)
    open_tokenizer(base)
    assert base.notes == [
        "1 pieces of the sentencepiece model are not in vocab.json: texts are split into smaller ones"
    ]
    (found,) = backend(tokenizer).tokens(["the"])
    assert "".join(found.tokens) == "\u2581the"
    assert len(found.ids) > 1
    assert ids["<unk>"] not in found.ids


def test_a_broken_file_is_named(marian: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(marian, tmp_path / "broken")
    (folder / "target.spm").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError) as refused:
        open_tokenizer(BaseModel(folder, config_of("marian", 400)))
    assert "tokenizer" in str(refused.value)
