"""Special tokens that a text spells (`</s>`, `[SEP]`): text like any other, whatever the tokenizer makes of them.

`tokenizers` splits them like other text when asked to (`encode_special_tokens`). A model whose vocabulary holds whole
words can still find the special token's own entry; there it is an unknown word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from ftcore_runtime.errors import InputError

#: A log probability below that of any text.
_NEVER = -1e9


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a tokenizer, but for that of unknown words.

    Args:
        ids: theirs.
        pattern: finds one in a text.
        unknown: the id of unknown words, if there is one.
    """

    ids: frozenset[int]
    pattern: re.Pattern[str]
    unknown: int | None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> SpecialTokens | None:
        """Those of a tokenizer; None if it has none."""
        unknown = unknown_id(tokenizer)
        added = tokenizer.get_added_tokens_decoder()
        special = {
            index: token.content for index, token in added.items() if token.special and index != unknown
        }
        if not special:
            return None
        longest_first = sorted(special.values(), key=len, reverse=True)
        # A normalizer may change the case of what it sees.
        pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        return cls(frozenset(special), pattern, unknown)

    def spelt(self, rows: Iterable[str | tuple[str, str]]) -> list[int]:
        """Which of the texts or pairs spell one."""
        search = self.pattern.search
        return [
            index
            for index, row in enumerate(rows)
            if (search(row) if isinstance(row, str) else search(row[0]) or search(row[1]))
        ]

    def as_text(self, ids: Sequence[int], special: Sequence[int], where: str) -> list[int]:
        """The ids with unknown words in the place of special tokens that come from the text.

        Args:
            special: 1 for each id that the tokenizer added itself.

        Raises:
            InputError: there are such, and the tokenizer has no unknown word.
        """
        found = [index in self.ids and not own for index, own in zip(ids, special, strict=True)]
        if not any(found):
            return list(ids)
        if self.unknown is None:
            what = "the text spells a special token, which this tokenizer cannot read as text"
            raise InputError(what, where=where, hint="leave it out of the text")
        return [self.unknown if hit else index for index, hit in zip(ids, found, strict=True)]

    def refuse(self, texts: Sequence[str], ids: Sequence[Sequence[int]]) -> None:
        """Refuse texts whose ids hold special tokens.

        Raises:
            InputError: the first one.
        """
        for index in self.spelt(texts):
            if self.ids.intersection(ids[index]):
                what = "the text spells a special token, which this tokenizer cannot read as text"
                raise InputError(what, where=f"input {index}", hint="leave it out of the text")


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of what the vocabulary lacks; None for a tokenizer that has a token for every byte."""
    if type(tokenizer.model).__name__ == "Unigram":  # the one model that does not show it
        found = json.loads(tokenizer.to_str())["model"].get("unk_id")
        return found if isinstance(found, int) else None
    token = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(token) if isinstance(token, str) else None


def without_special_pieces(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, whose unigram model (Kudo 2018) never splits a text into special tokens; ids stay.

    In a vocabulary of SentencePiece they are pieces with the best score of all, so the likeliest split of `</s>` is
    the token itself. Tokenizers of other kinds come back as they are.
    """
    if type(tokenizer.model).__name__ != "Unigram":
        return tokenizer
    content = json.loads(tokenizer.to_str())
    special = {token["content"] for token in content["added_tokens"] if token["special"]}
    unknown = content["model"].get("unk_id")
    for index, piece in enumerate(content["model"]["vocab"]):
        if piece[0] in special and index != unknown:
            piece[1] = _NEVER
    return Tokenizer.from_str(json.dumps(content))
