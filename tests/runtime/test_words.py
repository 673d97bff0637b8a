"""Where words begin and end, in every script and with what is attached to characters."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from span_tokenizers import KINDS, make_tokenizer

from ftcore_runtime.decoders.tagging import tag_count
from ftcore_runtime.decoders.token_classification import TokenClassificationDecoder
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.words import addresses, word_ends, word_starts


def words(text: str, whole_addresses: bool = False) -> list[str]:
    starts = word_starts(text, whole_addresses=whole_addresses)
    ends = word_ends(text, starts)
    return [text[start : ends[start]] for start in np.flatnonzero(starts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna Berg's 12,000 a_b!", ["Anna", "Berg", "'", "s", "12", ",", "000", "a_b", "!"]),
        ("战国3由ω-force开发。", ["战", "国", "3", "由", "ω", "-", "force", "开", "发", "。"]),
        ("cafe\u0301 na\u00efve", ["cafe\u0301", "na\u00efve"]),
        ("서울에서", ["서", "울", "에", "서"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("\U0001f469\u200d\U0001f467x\u2764\ufe0f \U0001f44d\U0001f3fd", [
            "\U0001f469\u200d\U0001f467", "x", "\u2764\ufe0f", "\U0001f44d\U0001f3fd",
        ]),
        (" \u0301\u0301x", ["\u0301\u0301", "x"]),
        ("so\u00adft", ["so\u00adft"]),
        ("", []),
        (" \t\n", []),
    ],
)  # fmt: skip
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RT @anna_b: #Star1 is on!", ["RT", "@anna_b", ":", "#Star1", "is", "on", "!"]),
        ("(see https://t.co/a-b?c=d/). Www.x.org, or", [
            "(", "see", "https://t.co/a-b?c=d/", ")", ".", "Www.x.org", ",", "or",
        ]),
        ("mail o'neil first.last+x@mail.example.org.", [
            "mail", "o", "'", "neil", "first.last+x@mail.example.org", ".",
        ]),
        ("a@b @ # ## c#d http:// @@x", [
            "a", "@", "b", "@", "#", "#", "#", "c", "#", "d", "http", ":", "/", "/", "@", "@", "x",
        ]),
        ("看https://t.co/a你好，@小明 #北京# @bob你", [
            "看", "https://t.co/a", "你", "好", "，", "@", "小", "明", "#", "北", "京", "#", "@bob", "你",
        ]),
        ("#naïve cafe\u0301 @é", ["#naïve", "cafe\u0301", "@é"]),
    ],
)  # fmt: skip
def test_addresses_may_be_a_word_each(text: str, expected: list[str]) -> None:
    assert words(text, whole_addresses=True) == expected


@pytest.mark.parametrize("text", ["@a", "a@", "http://!", "www.", "#", "a.a", "a@a.", "+", "@a@"])
def test_addresses_are_found_in_time_linear_in_the_text(text: str) -> None:
    def seconds(times: int) -> float:
        start = time.perf_counter()
        addresses(text * times)
        return time.perf_counter() - start

    seconds(100)
    assert seconds(20_000) < 1.0


PIECES = [
    "Berlin",
    "光荣",
    "无双",
    "é",
    "cafe\u0301",
    "😀",
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "O'Neill",
    "年2009年",
    "c++",
    "आप",
]


def generated(draw: random.Random) -> tuple[str, list[tuple[int, int, str]]]:
    """A text of pieces, some of which are entities; between Chinese ones there may be no blank."""
    text, entities = "", []
    for _ in range(draw.randint(1, 12)):
        piece = draw.choice(PIECES)
        if text and not ("\u4e00" <= text[-1] <= piece[0] <= "\u9fff" and draw.random() < 0.7):
            text += " "
        start = len(text)
        text += piece
        if draw.random() < 0.5:
            entities.append((start, len(text), draw.choice("ab")))
    return text, entities


@pytest.mark.parametrize("kind", KINDS)
def test_entities_of_any_characters_come_back_exactly_through_windows(kind: str) -> None:
    """Logits that are sure of every word's tag: what is given back is what was there, to the character."""
    pad, _ = KINDS[kind]
    tokenizer = make_tokenizer(kind)
    config = EncoderConfig(16, tokenizer.token_to_id(pad), "right", ("input_ids", "attention_mask"))
    encoder, decoder = TextEncoder(tokenizer, config), TokenClassificationDecoder(("a", "b"), 4)
    draw = random.Random(kind)
    rows = [generated(draw) for _ in range(170)]  # for each of six tokenizers
    prepared = decoder.prepare([text for text, _ in rows], encoder)
    assert len(prepared.row) > len(rows)
    found = prepared.places
    logits = np.full((*found.begins.shape, tag_count(2)), -9.0, np.float32)
    for window, token in zip(*np.nonzero(found.begins >= 0), strict=True):
        begin, end = found.begins[window, token], found.ends[window, token]
        tag = 0
        for start, stop, label in rows[found.row[window]][1]:
            if start <= begin and end <= stop:
                tag = 2 * "ab".index(label) + 1 + (begin > start)
        logits[window, token, tag] = 9.0
    for (text, entities), answer in zip(rows, decoder.answers({"logits": logits}, found), strict=True):
        assert [(one.start, one.end, one.label) for one in answer.entities] == entities
        assert all(text[one.start : one.end] == one.text for one in answer.entities)
