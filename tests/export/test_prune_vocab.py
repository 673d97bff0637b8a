import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from ftcore_export.prune_vocab import Pruned, prune
from ftcore_runtime.errors import UserError

CORPUS = [
    "the quick brown fox jumps over the lazy dog again and again",
    "der schnelle braune Fuchs springt über den faulen Hund",
    "быстрая коричневая лиса прыгает через ленивую собаку",
    "敏捷的棕色狐狸跳过懒狗 敏捷的狐狸",
    "numbers 12 345 6789 and signs !?.,:;",
] * 4


def trained(kind: str) -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    made: Any
    if kind == "WordPiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        made = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    elif kind == "BPE":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        made = trainers.BpeTrainer(
            vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        made = trainers.UnigramTrainer(
            vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    tokenizer.train_from_iterator(CORPUS, made)
    if kind == "BPE":
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    return tokenizer


@pytest.fixture(scope="module", params=["WordPiece", "BPE", "Unigram"])
def tokenizer(request) -> Tokenizer:
    return trained(request.param)


def used(tokenizer: Tokenizer, texts: list[str]) -> set[int]:
    return {index for text in texts for index in tokenizer.encode(text).ids}


def back(pruned: Pruned, text: str) -> list[int]:
    """The old ids that the new tokenizer splits `text` into."""
    return [pruned.kept[index] for index in pruned.tokenizer.encode(text).ids]


def test_texts_of_kept_pieces_are_split_as_before(tokenizer: Tokenizer) -> None:
    texts = [CORPUS[0], CORPUS[4]]
    pruned = prune(tokenizer, used(tokenizer, texts), [], pad_id=1)
    assert pruned.tokenizer.get_vocab_size() == len(pruned.kept) < 0.8 * tokenizer.get_vocab_size()
    for text in texts:
        assert back(pruned, text) == tokenizer.encode(text).ids
    pair = pruned.tokenizer.encode("the fox", "the dog")
    assert [pruned.kept[index] for index in pair.ids] == tokenizer.encode("the fox", "the dog").ids
    assert pruned.tokenizer.token_to_id("<pad>") == 1
    assert pruned.kept == sorted(set(pruned.kept))


def test_scripts_stay_whole(tokenizer: Tokenizer) -> None:
    pruned = prune(tokenizer, [], ["Cyrillic", "latin"], pad_id=1)
    for text in (CORPUS[0], CORPUS[2]):
        assert back(pruned, text) == tokenizer.encode(text).ids
    with pytest.raises(UserError, match="script Thai"):
        prune(tokenizer, [], ["Thai"], pad_id=1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_words_were_seen_together_are_split_alike(data: st.DataObject) -> None:
    words = sorted({word for line in CORPUS for word in line.split()})
    tokenizer = TRAINED[data.draw(st.sampled_from(sorted(TRAINED)))]
    chosen = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=6))
    mixed = "".join(
        random.Random(0).sample(chosen, len(chosen))
    )  # words run together: pieces across their ends
    pruned = prune(tokenizer, used(tokenizer, [" ".join(chosen), mixed]), [], pad_id=1)
    for text in (" ".join(chosen), mixed):
        assert back(pruned, text) == tokenizer.encode(text).ids


TRAINED = {kind: trained(kind) for kind in ("WordPiece", "BPE", "Unigram")}


def test_other_kinds_are_refused() -> None:
    with pytest.raises(UserError, match="WordLevel"):
        prune(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), [0], [], pad_id=0)


def test_special_tokens_stay_even_where_they_are_plain_pieces() -> None:
    from bundles import tiny_tokenizer

    plain = tiny_tokenizer()  # its special tokens are in the vocabulary alone
    pruned = prune(plain, [], [], pad_id=0)
    assert pruned.tokenizer.encode("the ☃").ids == [
        pruned.tokenizer.token_to_id(piece) for piece in ("[CLS]", "t", "##h", "##e", "[UNK]", "[SEP]")
    ]
