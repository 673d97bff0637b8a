"""What spells a special token within a text is text, whatever the tokenizer; old bundles keep their behaviour."""

from __future__ import annotations

import pytest
from bundles import INPUTS, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.special_tokens import unknown_id, without_special_pieces

SPECIAL = ["<pad>", "</s>", "<unk>"]
TEXT = "food </s> was <pad> </S> the"


def framed(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens(SPECIAL)
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", end)]
    )
    return tokenizer


def byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["food was the"] * 3, trainer)
    return framed(tokenizer)


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    texts = ["food was the / < > S s pad"] * 20
    trainer = trainers.UnigramTrainer(
        vocab_size=60, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return framed(tokenizer)


def words() -> Tokenizer:
    entries = [*SPECIAL, "food", "was", "the"]
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(entries)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return framed(tokenizer)


def encoder(tokenizer: Tokenizer, *, as_text: bool = True) -> TextEncoder:
    pad = tokenizer.token_to_id("<pad>")
    config = EncoderConfig(64, pad, "right", INPUTS, as_text)
    return TextEncoder(without_special_pieces(tokenizer) if as_text else tokenizer, config)


@pytest.mark.parametrize("make", [byte_pairs, unigram, words])
def test_a_text_never_has_a_special_token_but_those_of_its_frame(make: object) -> None:
    made = encoder(make())  # type: ignore[operator]
    end = made.tokenizer.token_to_id("</s>")
    (ids,) = made.encode([TEXT]).input_ids
    assert [index for index, one in enumerate(ids) if one in (made.config.pad_id, end)] == [len(ids) - 1]
    (pair,) = made.encode([TEXT], [TEXT]).input_ids
    assert pair.count(end) == 2
    assert made.config.pad_id not in pair


@pytest.mark.parametrize("make", [byte_pairs, unigram])
def test_it_can_be_written_again(make: object) -> None:
    made = encoder(make())  # type: ignore[operator]
    (ids,) = made.encode([TEXT]).input_ids
    assert made.tokenizer.decode(ids, skip_special_tokens=True).strip() == TEXT
    assert made.tokens([TEXT])[0].ids == ids[:-1]


def test_a_whole_word_is_an_unknown_one() -> None:
    made = encoder(words())
    unknown = unknown_id(made.tokenizer)
    (ids,) = made.encode(["food </s> was"]).input_ids
    assert ids == [3, unknown, 4, 1]
    with pytest.raises(InputError, match="spells a special token") as caught:
        made.tokens(["food", "food </s> was"])
    assert caught.value.where == "input 1"


def test_other_texts_are_encoded_as_before() -> None:
    texts = ["food was the", "the food"]
    for make in (byte_pairs, unigram, words, tiny_tokenizer):
        tokenizer = make()
        if make is tiny_tokenizer:
            tokenizer.add_special_tokens(["<pad>"])
        before = [found.ids for found in tokenizer.encode_batch(texts)]
        assert encoder(tokenizer).encode(texts).input_ids == before


def test_bundles_from_before_keep_their_behaviour() -> None:
    old = {"max_length": 64, "pad_id": 0, "pad_side": "right", "inputs": list(INPUTS)}
    config = EncoderConfig.from_json(old)
    assert config.to_json() == old, "written back as it was: a bundle's fingerprint is made of it"
    assert not config.encode_special_tokens
    assert EncoderConfig.from_json(EncoderConfig(64, 0, "right", INPUTS).to_json()).encode_special_tokens
    made = TextEncoder(byte_pairs(), config)
    end = made.tokenizer.token_to_id("</s>")
    assert made.encode(["food </s> was"]).input_ids[0].count(end) == 2
