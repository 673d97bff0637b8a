"""Tiny tokenizers of the kinds that encoders come with, and tiny random models of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "Who wrote the long book about the sea, and when was it printed?",
    "Anna Berg wrote it in 1951. It was printed in Bergen by a small house, and sold 12,000 copies.",
    "café naïve 😀 emoji 👩‍👩‍👧 combining é",
    "战国无双3是由光荣和ω-force开发的。它在2009年发行。",
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def _special(tokenizer: Tokenizer, names: list[str]) -> list[tuple[str, int]]:
    return [(name, tokenizer.token_to_id(name)) for name in names]


def wordpiece() -> Tokenizer:
    """BERT's, uncased, accents stripped, Chinese characters apart."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=BERT, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=_special(tokenizer, ["[CLS]", "[SEP]"]),
    )
    return tokenizer


def byte_level(names: list[str], *, roberta: bool) -> Tokenizer:
    """GPT-2's bytes, with RoBERTa's two separators, or with BERT's one as ModernBERT has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=names,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    if roberta:
        ids = dict(_special(tokenizer, ["<s>", "</s>"]))
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", ids["</s>"]), ("<s>", ids["<s>"]), trim_offsets=True, add_prefix_space=False
        )
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B [SEP]",
            special_tokens=_special(tokenizer, ["[CLS]", "[SEP]"]),
        )
    return tokenizer


def unigram(names: list[str], unk: str, pair: str, special: list[str]) -> Tokenizer:
    """SentencePiece's: the space before a word belongs to its first token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=names, unk_token=unk, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=pair.partition(" $B")[0], pair=pair, special_tokens=_special(tokenizer, special)
    )
    return tokenizer


def deberta() -> Tokenizer:
    """DeBERTa-v2's."""
    return unigram(BERT, "[UNK]", "[CLS] $A [SEP] $B:1 [SEP]:1", ["[CLS]", "[SEP]"])


def xlm_roberta() -> Tokenizer:
    """XLM-R's."""
    return unigram(ROBERTA, "<unk>", "<s> $A </s> </s> $B </s>", ["<s>", "</s>"])


_MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "bert": wordpiece,
    "electra": wordpiece,
    "deberta-v2": deberta,
    "modernbert": lambda: byte_level(BERT, roberta=False),
    "roberta": lambda: byte_level(ROBERTA, roberta=True),
    "xlm-roberta": xlm_roberta,
}
#: model type -> its padding token, and whether it reads token types.
KINDS: dict[str, tuple[str, bool]] = {
    "bert": ("[PAD]", True),
    "electra": ("[PAD]", True),
    "deberta-v2": ("[PAD]", True),
    "modernbert": ("[PAD]", False),
    "roberta": ("<pad>", False),
    "xlm-roberta": ("<pad>", False),
}


@cache
def _trained(kind: str) -> str:
    """Training a vocabulary does not always give the same one, so each is trained once."""
    return _MAKERS[kind]().to_str()


def make_tokenizer(kind: str) -> Tokenizer:
    """A fresh tokenizer of this kind, the same throughout a session."""
    return Tokenizer.from_str(_trained(kind))


def make_model_folder(kind: str, folder: Path, layers: int = 1) -> Path:
    """A Hugging Face folder of a tiny random model of this kind with its tokenizer."""
    import torch
    import transformers

    pad, types = KINDS[kind]
    tokenizer = make_tokenizer(kind)
    torch.manual_seed(0)
    ends = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    own = {"electra": {"embedding_size": 32}, "modernbert": ends}
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=140,
        pad_token_id=tokenizer.token_to_id(pad),
        **own.get(kind, {}),
    )
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    names = ["input_ids", "token_type_ids", "attention_mask"] if types else ["input_ids", "attention_mask"]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, model_max_length=128, model_input_names=names
    ).save_pretrained(folder)
    return folder
