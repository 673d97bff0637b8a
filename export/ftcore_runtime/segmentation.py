"""Words of a text in any script, for explanations and for augmentation, and the text without some of them.

Scripts with blanks are cut at them and at punctuation. Chinese is cut by `rjieba`, Japanese (whatever a text with kana
writes in Chinese characters) and Thai by BudouX; Lao, Khmer and Burmese, which have no blanks either, into grapheme
clusters (Unicode Standard Annex 29), which no cut may divide. Time is linear in the text. What tags are of is cut by
`ftcore_runtime.words`, which a bundle's answers rest on, and so must not change with a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from itertools import pairwise

import regex

#: Where a word begins and ends in its text, in characters (Unicode code points), the end excluded.
Span = tuple[int, int]

_KANA = r"\p{Hiragana}\p{Katakana}ー"
_CJK = rf"[\p{{Han}}\p{{Bopomofo}}{_KANA}々〆]"
_BARE = r"[\p{Lao}\p{Khmer}\p{Myanmar}]"
_SPACED = rf"[\w--{_CJK}--\p{{Thai}}--{_BARE}]"
_PIECES = regex.compile(
    rf"(?P<blank>\s+)|(?P<cjk>{_CJK}+)|(?P<thai>\p{{Thai}}+)|(?P<bare>{_BARE}+)"
    rf"|(?P<word>{_SPACED}+(?:['’\-]{_SPACED}+)*+)|(?P<mark>\X)(?P=mark)*+",
    regex.VERSION1,
)
_HAS_KANA = regex.compile(f"[{_KANA}]")
_CLUSTER = regex.compile(r"\X")
_WORD = regex.compile(r"\w")


def words(text: str) -> list[Span]:
    """Every word and punctuation mark (equal ones in a row are one), in order; blanks are in none of them."""
    found: list[Span] = []
    cut_cjk = _japanese if _HAS_KANA.search(text) else _chinese
    cuts: dict[str, Callable[[str], Sequence[str]]] = {"cjk": cut_cjk, "thai": _thai, "bare": _clusters}
    for piece in _PIECES.finditer(text):
        if piece.lastgroup in cuts:
            found += _spans(cuts[piece.lastgroup](piece[0]), piece.start())
        elif piece.lastgroup != "blank":
            found.append(piece.span())
    return found


def is_word(text: str) -> bool:
    """Whether it has a letter or digit: else it is punctuation, or a picture."""
    return _WORD.search(text) is not None


def without(text: str, spans: Sequence[Span], removed: Collection[int]) -> str:
    """The text without some of its words. Of the blanks around what is removed the widest stay: one gap of two.

    Args:
        spans: of all words, as `words` gives them, or any that follow one another.
        removed: indices into `spans`.
    """
    kept = [index for index in range(len(spans)) if index not in removed]
    if not kept:
        return ""
    gaps = [text[end:begin] for (_, end), (begin, _) in pairwise(spans)]
    made = [text[: spans[0][0]] if kept[0] == 0 else ""]
    for index, following in zip(kept, [*kept[1:], len(spans)], strict=True):
        made.append(text[slice(*spans[index])])
        if following < len(spans):
            made.append(max(gaps[index:following], key=len))
    if kept[-1] == len(spans) - 1:
        made.append(text[spans[-1][1] :])
    return "".join(made)


def reordered(text: str, spans: Sequence[Span], order: Sequence[int]) -> str:
    """The text with word `order[i]` in the place of word `i`; what stands between the places stays."""
    made, at = [], 0
    for (begin, end), index in zip(spans, order, strict=True):
        made += [text[at:begin], text[slice(*spans[index])]]
        at = end
    return "".join([*made, text[at:]])


def _spans(parts: Sequence[str], begin: int) -> Iterator[Span]:
    for part in parts:
        yield begin, begin + len(part)
        begin += len(part)


def _chinese(text: str) -> Sequence[str]:
    import rjieba

    parts: Sequence[str] = rjieba.cut(text)
    return parts


@cache
def _parser(language: str) -> Callable[[str], list[str]]:
    import budoux

    loads = {"ja": budoux.load_default_japanese_parser, "th": budoux.load_default_thai_parser}
    parse: Callable[[str], list[str]] = loads[language]().parse
    return parse


def _japanese(text: str) -> Sequence[str]:
    return _parser("ja")(text)


def _thai(text: str) -> Sequence[str]:
    return _on_clusters(text, _parser("th")(text))


def _on_clusters(text: str, parts: Sequence[str]) -> Sequence[str]:
    """The parts, with no cut within a grapheme cluster."""
    allowed = {end for _, end in _spans(_clusters(text), 0)}
    joined, made = "", []
    at = 0
    for part in parts:
        joined, at = joined + part, at + len(part)
        if at in allowed:
            made.append(joined)
            joined = ""
    return made


def _clusters(text: str) -> Sequence[str]:
    found: Sequence[str] = _CLUSTER.findall(text)
    return found
