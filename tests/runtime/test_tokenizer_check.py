"""What a tokenizer.json may hold: parts and expressions that take time linear in a text, whatever the text."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import tiny_tokenizer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.patterns import _KNOWN, shortest_match
from ftcore_runtime.tokenizer_check import check_tokenizer

TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
COMMON = [
    *sorted(_KNOWN),  # a set: its order differs between processes
    LLAMA3,
    LLAMA3.replace("{1,3}", ""),  # Qwen 2
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",  # GPT-2
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+",  # GPT-4
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*" + TAIL,  # DeepSeek 3
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"\p{N}{1,3}",
    r"\s{2,}|[\n\r\t]",  # DeBERTa
    r" {2,}",  # T5, XLM-R
    r"\s+",
]
HOSTILE = [
    r"(a+)+$", r"a*b", r"\s+$", r"a*a*b", r"(a|b)*c", r"(?:a|aa){200,}", r".*x", r"a{0,200}a{0,200}b", r"[a-z]+@",
    r"\s*[\r\n]+", r"\s*[\r\n]+| ", r"(?=a+b)a", r"(a)\1", r"a{1,3}{1,3}b", r"a{999,}", r"a{3,1}", r"^a+b", r"\ba+b",
    r"[a&&[b]]+", r"[[a]b]+", r"(?x) a+ b", "a" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_expressions_that_may_take_long_are_refused(pattern: str) -> None:
    assert shortest_match(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "characters"),
    [(" {2,}", 2), ("ab|c", 1), ("a*", 0), ("a|", 0), ("", 0), (r"\p{L}{3}", 3)],
)
def test_the_shortest_match(pattern: str, characters: int) -> None:
    assert shortest_match(pattern) == characters


def is_linear(pattern: str, unit: str) -> bool:
    """Whether a text four times as long takes about four times as long; quadratic would be 16 times."""
    split = pre_tokenizers.Split(Regex(pattern), "isolated")

    def seconds(length: int) -> float:
        text = (unit * length)[:length] + "b"
        started = time.thread_time()
        split.pre_tokenize_str(text)
        return time.thread_time() - started

    # Other work on the machine makes single tries slower, never quicker: the best of five counts.
    short = max(seconds(2_000), 0.005)
    return any(seconds(8_000) < 8 * short for _ in range(5))


@pytest.mark.parametrize("pattern", COMMON)
def test_what_common_tokenizers_split_with_passes_and_is_linear(pattern: str) -> None:
    assert shortest_match(pattern)
    for unit in (
        "a",
        "A",
        " ",
        "\n",
        " \n",
        "1",
        "!",
        "'",
        "aA",
        "á",
        "一",
        "\u0301",
        " a",
        "! ",
        "\r",
        " ' ",
        "ǅ",
    ):
        assert is_linear(pattern, unit), unit


def test_what_is_not_linear_is_seen() -> None:
    assert not is_linear(r"\s+$", " ")


def tokenizer(**sections: Any) -> bytes:
    made = json.loads(tiny_tokenizer().to_str())
    made.update(sections)
    return json.dumps(made).encode()


def chain(count: int, content: str) -> dict[str, Any]:
    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": content}
    return {"type": "Sequence", "normalizers": [replace] * count}


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "NFC"}
    for _ in range(depth):
        value = {"type": "Sequence", "normalizers": [value]}
    return value


def charsmap(replacement: bytes) -> dict[str, Any]:
    table = (8).to_bytes(4, "little") + bytes(8) + replacement + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


WORD_PIECE = json.loads(tiny_tokenizer().to_str())["model"]
FRAME = json.loads(tiny_tokenizer().to_str())["post_processor"]


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"normalizer": chain(30, "aa")}, "more than 16 times as long"),
        ({"normalizer": chain(1, "a" * 17)}, "more than 16 times as long"),
        ({"normalizer": chain(33, "a")}, "more than 32 parts"),
        ({"normalizer": nested(6)}, "too deeply nested"),
        ({"normalizer": {"type": "Prepend", "prepend": "a" * 65}}, "before a text"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}}, "take very long"),
        ({"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "a"}}, "match nothing"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "a*"}, "content": "a"}}, "match nothing"),
        ({"normalizer": {"type": "Python"}}, "normalizer of the kind 'Python'"),
        ({"normalizer": charsmap(b"a" * 65)}, "makes more than 64 bytes of a character"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}}, "not in base64"),
        (
            {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": r"\s+$"}}},
            "take very long",
        ),
        ({"decoder": {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 99}}, "16 times as long"),
        ({"decoder": {"type": "CTC"}}, "decoder of the kind 'CTC'"),
        (
            {"post_processor": {**FRAME, "single": [{}] * 33}},
            "more than 32 tokens around",
        ),
        ({"model": {**WORD_PIECE, "max_input_chars_per_word": 10**6}}, "words of more than 200"),
        ({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a" * 1001, 0.0]]}}, "a piece of more than 1000"),
        ({"model": {"type": "Other", "vocab": {}}}, "model of the kind 'Other'"),
        ({"model": {**WORD_PIECE, "continuing_subword_prefix": "#" * 65}}, "more than 64 characters"),
        ({"model": None}, "malformed"),
        ({"normalizer": {"type": "Replace"}}, "malformed"),
        ({"normalizer": []}, "malformed"),
    ],
)  # fmt: skip
def test_parts_that_may_take_or_make_too_much_are_refused(sections: dict[str, Any], says: str) -> None:
    check_tokenizer(tokenizer(), "t")
    with pytest.raises(BundleError, match=says):
        check_tokenizer(tokenizer(**sections), "t")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b"{", b'{"normalizer": null, "normalizer": 1}', b"[" * 99_999]
)
def test_what_is_no_tokenizer(data: bytes) -> None:
    with pytest.raises(BundleError, match="holds no tokenizer"):
        check_tokenizer(data, "t")


def test_every_way_to_a_tokenizer_is_checked(tmp_path: Path) -> None:
    bad = tokenizer(normalizer=chain(30, "aa"))
    config = EncoderConfig(16, 0, "right", ("input_ids",))
    (tmp_path / "tokenizer.json").write_bytes(bad)
    read: tuple[Callable[[], TextEncoder], ...] = (
        lambda: TextEncoder.load(tmp_path / "tokenizer.json", config),
        lambda: TextEncoder.from_bytes(bad, config),
    )
    for way in read:
        with pytest.raises(BundleError, match="times as long"):
            way()


def test_parts_of_shipped_and_common_tokenizers_pass() -> None:
    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁a", -1.0)], 0))
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), "▁"),
            normalizers.Strip(),
            normalizers.Prepend("▁"),
            normalizers.BertNormalizer(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Digits(True),
            pre_tokenizers.Split(" ", "merged_with_previous"),
        ]
    )
    check_tokenizer(made.to_str().encode(), "t")
