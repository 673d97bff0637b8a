"""A question and a context as windows that a model can read: for training, evaluation and serving alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields


@dataclass(frozen=True)
class WindowConfig:
    """How a long context is cut.

    Args:
        stride: context tokens that neighbouring windows share; at most half of what fits together with the question.
        max_question_length: tokens of a question that are read; at most half of a window.
    """

    stride: int
    max_question_length: int

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {"stride": self.stride, "max_question_length": self.max_question_length}

    @classmethod
    def from_json(cls, value: object, where: str) -> WindowConfig:
        """Read `{stride, max_question_length}`.

        Raises:
            BundleError: a key is missing, unknown or of the wrong type.
        """
        fields = Fields(value, where)
        config = cls(fields.integer("stride", minimum=0), fields.integer("max_question_length", minimum=1))
        fields.end()
        return config


@dataclass(frozen=True)
class Tokens:
    """One context, tokenised whole.

    Args:
        ids: its token ids, without special tokens.
        offsets: int32 [tokens, 2]: characters (code points) of the context that each token covers, without white
            space; empty tokens have both alike.
        edges: int32 [tokens, 2]: the character at which an answer that begins with this token begins, and the one
            before which an answer that ends with it ends; -1 where none may. Of several tokens that begin (end) at
            one character only the first (last) is an edge, so that every span of characters is there once.
    """

    ids: list[int]
    offsets: NDArray[np.int32]
    edges: NDArray[np.int32]

    def find(self, start: int, stop: int) -> tuple[int, int] | None:
        """The tokens (first, last) that together cover the characters from `start` to before `stop`, if any do."""
        meets = np.flatnonzero((self.offsets[:, 0] < stop) & (self.offsets[:, 1] > start))
        return (int(meets[0]), int(meets[-1])) if len(meets) else None


@dataclass(frozen=True)
class Windows:
    """Questions with their contexts, cut into windows. A row's windows follow one another, in order.

    Args:
        encoded: the windows as token ids; `truncated` says whose question was cut.
        row: int64 [windows]: index of the question.
        first: int64 [windows]: which token of the context is the first one in the window.
        offset: int64 [windows]: where in the window that token stands.
        count: int64 [windows]: context tokens in the window.
        owned: int64 [windows, 2]: the context tokens (from, to) with which an answer may begin here.
        contexts: the context of each row.
    """

    encoded: Encoded
    row: NDArray[np.int64]
    first: NDArray[np.int64]
    offset: NDArray[np.int64]
    count: NDArray[np.int64]
    owned: NDArray[np.int64]
    contexts: Sequence[Tokens]

    def __len__(self) -> int:
        return len(self.row)

    def edges(self) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
        """Where answers may begin and end: two lists, int32 [tokens] for each window, as `Tokens.edges` has them.

        -1 at the question and at special tokens too. An answer begins only in the window that owns its first token.
        """
        begins, ends = [], []
        columns = (self.encoded.lengths, self.row, self.first, self.offset, self.count, *self.owned.T)
        for length, row, first, offset, count, own, until in zip(*(x.tolist() for x in columns), strict=True):
            edges = self.contexts[row].edges
            begin, end = np.full((2, length), -1, np.int32)
            begin[offset + own - first : offset + until - first] = edges[own:until, 0]
            end[offset : offset + count] = edges[first : first + count, 1]
            begins.append(begin)
            ends.append(end)
        return begins, ends


class WindowEncoder:
    """Cuts contexts into windows. Each distinct context is tokenised once, whatever the number of questions.

    The question comes first, and the special tokens are those that the tokenizer itself puts around a pair: a pair
    that fits into one window gets the very ids that the tokenizer gives it.

    Args:
        encoder: its `max_length` is the length of a window.

    Raises:
        BundleError: the tokenizer puts no special token before a pair; it stands for the lack of an answer.
    """

    def __init__(self, encoder: TextEncoder, config: WindowConfig) -> None:
        self.encoder = encoder
        self.config = config
        probe = encoder.untruncated.encode("a", "a")
        sides = probe.sequence_ids
        if 0 not in sides or 1 not in sides or sides[0] is not None:
            raise BundleError("puts no special token before a pair of texts", where="tokenizer")
        question, context = sides.index(0), sides.index(1)
        self._types = (probe.type_ids[question], probe.type_ids[context])
        ends = [len(sides) - sides[::-1].index(side) for side in (0, 1)]
        parts = (slice(0, question), slice(ends[0], context), slice(ends[1], None))
        self._special = [(probe.ids[part], probe.type_ids[part]) for part in parts]

    def encode(self, questions: Sequence[str], contexts: Sequence[str]) -> Windows:
        """Tokenise pairs of question and context.

        Raises:
            InputError: a text that is no valid Unicode.
        """
        (prefix, prefix_types), (middle, middle_types), (suffix, suffix_types) = self._special
        room = self.encoder.config.max_length - len(prefix) - len(middle) - len(suffix)
        longest = max(1, min(self.config.max_question_length, room // 2))
        of_questions, of_contexts = self._tokens(questions), self._tokens(contexts)
        ids: list[list[int]] = []
        types: list[list[int]] = []
        found: list[tuple[int, ...]] = []
        for row, (question, context) in enumerate(zip(of_questions, of_contexts, strict=True)):
            shown = question.ids[:longest]
            head = prefix + shown + middle
            head_types = prefix_types + [self._types[0]] * len(shown) + middle_types
            for cut in _cuts(len(context.ids), max(1, room - len(shown)), self.config.stride):
                first, last, own, until = cut
                ids.append(head + context.ids[first:last] + suffix)
                types.append(head_types + [self._types[1]] * (last - first) + suffix_types)
                found.append((row, first, len(head), last - first, own, until))
        row_of, first_of, offset, count, own_of, until_of = np.array(found, np.int64).reshape(-1, 6).T
        cut_short = np.fromiter(
            (len(question.ids) > longest for question in of_questions), bool, len(of_questions)
        )
        encoded = Encoded(
            input_ids=ids,
            token_type_ids=types if "token_type_ids" in self.encoder.config.inputs else None,
            lengths=np.fromiter(map(len, ids), np.int64, len(ids)),
            truncated=cut_short[row_of],
        )
        return Windows(encoded, row_of, first_of, offset, count, np.stack([own_of, until_of], 1), of_contexts)

    def _tokens(self, texts: Sequence[str]) -> list[Tokens]:
        distinct = list(dict.fromkeys(texts))
        made = {
            text: _tokens_of(encoding, text)
            for text, encoding in zip(distinct, self.encoder.tokens(distinct), strict=True)
        }
        return [made[text] for text in texts]


def _cuts(tokens: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
    """Windows of at most `width` of some tokens: first, last, and the tokens (from, to) that each one owns.

    The middle of what two neighbours share parts what they own: a token is owned by the window that sees more
    around it (the "max context" of BERT's run_squad, Devlin et al. 2019).
    """
    step = max(width - stride, (width + 1) // 2)
    firsts = list(range(0, max(tokens - width, 0) + step, step)) if tokens > width else [0]
    lasts = [min(first + width, tokens) for first in firsts]
    borders = [(last + first + 1) // 2 for last, first in zip(lasts, firsts[1:], strict=False)]
    return list(zip(firsts, lasts, [0, *borders], [*borders, tokens], strict=True))


def _tokens_of(encoding: Encoding, text: str) -> Tokens:
    offsets = _trimmed(np.array(encoding.offsets, np.int32).reshape(-1, 2), text)
    edges = np.full_like(offsets, -1)
    real = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if len(real):
        start, stop = offsets[real].T
        opens = np.concatenate([[True], start[1:] != start[:-1]])
        closes = np.concatenate([stop[1:] != stop[:-1], [True]])
        edges[real[opens], 0] = start[opens]
        edges[real[closes], 1] = stop[closes]
    return Tokens(encoding.ids, offsets, edges)


def _trimmed(offsets: NDArray[np.int32], text: str) -> NDArray[np.int32]:
    """Offsets without the white space that some tokenizers count to the word after it."""
    blank = np.fromiter(map(str.isspace, text), bool, len(text))
    if not len(offsets) or not blank.any():
        return offsets
    columns = np.arange(len(text) + 1)
    next_real = np.minimum.accumulate(np.where(np.append(blank, False), len(text), columns)[::-1])[::-1]
    last_real = np.maximum.accumulate(np.where(np.append(True, blank), 0, columns))
    start = np.minimum(next_real[offsets[:, 0]], offsets[:, 1])
    return np.stack([start, np.maximum(last_real[offsets[:, 1]], start)], 1).astype(np.int32)
