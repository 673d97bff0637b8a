"""Looks into a tokenizer.json before `tokenizers` does: known parts only, none of which may take or make too much.

A tokenizer is data, but data that searches and rewrites every text: expressions that backtrack, replacements that grow
what the next one replaces, words that are tried letter by letter. What passes takes time and memory linear in a text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from ftcore_runtime import strict_json
from ftcore_runtime.errors import BundleError
from ftcore_runtime.patterns import shortest_match

#: Kinds of parts by section, with the key of the parts that a sequence has.
_PARTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "normalizer": (
        (
            *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled"),
            *("Prepend", "Replace", "Strip", "StripAccents"),
        ),
        "normalizers",
    ),
    "pre_tokenizer": (
        (
            *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation"),
            *("Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
        ),
        "pretokenizers",
    ),
    "post_processor": (
        ("BertProcessing", "ByteLevel", "RobertaProcessing", "TemplateProcessing"),
        "processors",
    ),
    "decoder": (
        ("BPEDecoder", "ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Strip", "WordPiece"),
        "decoders",
    ),
}
_MODELS = ("BPE", "Unigram", "WordLevel", "WordPiece")

_MOST_PARTS = 32  # of a section
_GROWTH = 16  # of a text, by all replacements of a section
_ADDED = 64  # characters that a part puts before a text or in the place of one character
_LONGEST_WORD = 200  # of WordPiece, which tries every piece of it at every position of it
_LONGEST_PIECE = 1000  # of Unigram, which looks so far ahead at every character
_TEMPLATE = 32  # special tokens and texts of an input


def check_tokenizer(data: bytes, where: str) -> None:
    """Refuse a tokenizer with parts that are not known, or that could take or make too much.

    Raises:
        BundleError: what it holds, or that it is no JSON.
    """
    try:
        tokenizer = strict_json.loads(data.decode())
    except ValueError as error:
        raise BundleError(f"holds no tokenizer: is not valid JSON: {str(error)[:120]}", where=where) from None
    if not isinstance(tokenizer, dict):
        raise BundleError("holds no tokenizer: expected an object", where=where)
    try:
        for section in _PARTS:
            _check_section(section, tokenizer.get(section))
        _check_model(tokenizer.get("model"))
    except _Unfit as error:
        raise BundleError(f"the tokenizer {error}", where=where, hint=_HINT) from None
    except (TypeError, KeyError, AttributeError):  # a part of another shape than its kind has
        raise BundleError("holds no tokenizer: a part of it is malformed", where=where) from None


_HINT = "docs/reference/bundle.md lists what tokenizers may hold"


class _Unfit(ValueError):
    """What is wrong with a tokenizer, as the end of a sentence."""


def _check_section(section: str, value: Any) -> None:  # noqa: ANN401 (whatever the JSON holds)
    parts = list(_flat(section, value))
    growth = 1.0
    for part in parts:
        kind = part["type"]
        if kind not in _PARTS[section][0]:
            raise _Unfit(f"has a {section} of the kind {kind!r:.60}, which is not known")
        if kind in ("Split", "Replace"):
            shortest = _shortest(part["pattern"])
            if kind == "Replace":
                growth *= max(1.0, len(part["content"]) / shortest)
        elif kind == "Prepend" and len(part["prepend"]) > _ADDED:
            raise _Unfit(f"puts more than {_ADDED} characters before a text")
        elif kind == "Precompiled":
            _check_charsmap(part["precompiled_charsmap"])
        elif kind == "TemplateProcessing":
            _check_template(part)
    if growth > _GROWTH:
        raise _Unfit(f"may make a text more than {_GROWTH} times as long, by its replacements")


def _flat(section: str, value: Any, depth: int = 4) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """The parts of a section, without the sequences that hold them."""
    if value is None:
        return
    if value["type"] != "Sequence":
        yield value
        return
    inner = value[_PARTS[section][1]]
    if depth == 0 or len(inner) > _MOST_PARTS:
        raise _Unfit(f"has more than {_MOST_PARTS} parts in its {section}, or too deeply nested ones")
    for part in inner:
        yield from _flat(section, part, depth - 1)


def _shortest(pattern: dict[str, str]) -> int:
    """Characters of the shortest match of a literal or an expression."""
    ((kind, text),) = pattern.items()
    found = len(text) if kind == "String" else shortest_match(text)
    if not found:
        raise _Unfit(f"searches for {text!r:.80}, which may take very long or match nothing")
    return found


def _check_charsmap(encoded: str) -> None:
    """SentencePiece's table: the size of its trie (4 bytes), the trie, then what characters become, each ended by 0."""
    try:
        table = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _Unfit("has a table of characters that is not in base64") from None
    replacements = table[4 + int.from_bytes(table[:4], "little") :]
    if max(map(len, replacements.split(b"\0"))) > _ADDED:
        raise _Unfit(f"has a table that makes more than {_ADDED} bytes of a character")


def _check_template(part: dict[str, Any]) -> None:
    lists = [part["single"], part["pair"], *(token["ids"] for token in part["special_tokens"].values())]
    if any(len(one) > _TEMPLATE for one in lists):
        raise _Unfit(f"puts more than {_TEMPLATE} tokens around a text")


def _check_model(model: Any) -> None:  # noqa: ANN401 (whatever the JSON holds)
    # Old files name no kind: what their keys fit is loaded.
    kind = model.get("type")
    if kind is not None and kind not in _MODELS:
        raise _Unfit(f"has a model of the kind {kind!r:.60}, which is not known")
    if not 0 < model.get("max_input_chars_per_word", 100) <= _LONGEST_WORD:
        raise _Unfit(f"reads words of more than {_LONGEST_WORD} characters as one")
    vocabulary = model["vocab"]
    if (
        isinstance(vocabulary, list)
        and max((len(piece) for piece, _ in vocabulary), default=0) > _LONGEST_PIECE
    ):
        raise _Unfit(f"has a piece of more than {_LONGEST_PIECE} characters")
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        if len(model.get(key) or "") > _ADDED:
            raise _Unfit(f"has a {key} of more than {_ADDED} characters")
