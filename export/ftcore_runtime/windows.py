"""Long texts as windows that a model can read, alone or behind a question: the same in training and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from ftcore_runtime.encoding import Encoded, TextEncoder, filled
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
    """Contexts (with their questions, or alone), cut into windows. A row's windows follow one another, in order.

    Args:
        encoded: the windows as token ids; `truncated` says whose question was cut.
        row: int64 [windows]: index of the context.
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
        begins = self.spread([tokens.edges[:, 0] for tokens in self.contexts], owned=True)
        return begins, self.spread([tokens.edges[:, 1] for tokens in self.contexts], owned=False)

    def spread(self, values: Sequence[NDArray[np.int32]], *, owned: bool) -> list[NDArray[np.int32]]:
        """Values of the tokens of each context where these tokens stand in the windows, int32 [tokens] for each window.

        Args:
            values: int32 [tokens] of each row's context.
            owned: whether a token has its value only in the window that owns it, and -1 in others, or in all of them.
                What is no token of a context has -1.
        """
        made = []
        columns = (self.encoded.lengths, self.row, self.first, self.offset, self.count, *self.owned.T)
        for length, row, first, offset, count, own, until in zip(*(x.tolist() for x in columns), strict=True):
            start, stop = (own, until) if owned else (first, first + count)
            window = np.full(length, -1, np.int32)
            window[offset + start - first : offset + stop - first] = values[row][start:stop]
            made.append(window)
        return made


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
        of_questions, of_contexts = (
            whole_tokens(self.encoder, questions),
            whole_tokens(self.encoder, contexts),
        )
        heads = []
        for question in of_questions:
            shown = question.ids[:longest]
            types = prefix_types + [self._types[0]] * len(shown) + middle_types
            heads.append((prefix + shown + middle, types))
        cut = [len(question.ids) > longest for question in of_questions]
        tail = (suffix, suffix_types)
        return _windows(self.encoder, self.config.stride, of_contexts, heads, tail, self._types[1], cut)


def text_windows(encoder: TextEncoder, texts: Sequence[str], stride: int) -> Windows:
    """Texts cut into windows, each between the special tokens that the tokenizer itself puts around a text.

    A text that fits into one window gets the very ids that the tokenizer gives it.

    Args:
        encoder: its `max_length` is the length of a window.
        stride: tokens that neighbouring windows share; at most half of what fits.

    Raises:
        InputError: a text that is no valid Unicode.
    """
    probe = encoder.untruncated.encode("a")
    sides = probe.sequence_ids
    begin, end = sides.index(0), len(sides) - sides[::-1].index(0)
    head, tail = ((probe.ids[part], probe.type_ids[part]) for part in (slice(0, begin), slice(end, None)))
    tokens = whole_tokens(encoder, texts)
    uncut = [False] * len(tokens)
    return _windows(encoder, stride, tokens, [head] * len(tokens), tail, probe.type_ids[begin], uncut)


def whole_tokens(encoder: TextEncoder, texts: Sequence[str]) -> list[Tokens]:
    """Each text, tokenised whole; equal ones once.

    Raises:
        InputError: a text that is no valid Unicode.
    """
    distinct = list(dict.fromkeys(texts))
    made = {
        text: _tokens_of(encoding, text)
        for text, encoding in zip(distinct, encoder.tokens(distinct), strict=True)
    }
    return [made[text] for text in texts]


def pad_edges(rows: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Edges of windows as one array, int32 [windows, longest]; -1 beyond a window's end."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    padded = np.full((len(rows), int(lengths.max(initial=1))), -1, np.int32)
    if len(rows):
        padded[filled(lengths, padded.shape[1])] = np.concatenate(rows)
    return padded


#: Token ids and token types of what stands before or behind the context in a window.
_Frame = tuple[list[int], list[int]]


def _windows(
    encoder: TextEncoder,
    stride: int,
    contexts: Sequence[Tokens],
    heads: Sequence[_Frame],
    tail: _Frame,
    context_type: int,
    cut: Sequence[bool],
) -> Windows:
    """Windows of contexts between their heads and the tail.

    Args:
        cut: whether the head of each context was cut.
    """
    ids: list[list[int]] = []
    types: list[list[int]] = []
    found: list[tuple[int, ...]] = []
    for row, (context, (head, head_types)) in enumerate(zip(contexts, heads, strict=True)):
        room = max(1, encoder.config.max_length - len(head) - len(tail[0]))
        for first, last, own, until in _cuts(len(context.ids), room, stride):
            ids.append(head + context.ids[first:last] + tail[0])
            types.append(head_types + [context_type] * (last - first) + tail[1])
            found.append((row, first, len(head), last - first, own, until))
    row_of, first_of, offset, count, own_of, until_of = np.array(found, np.int64).reshape(-1, 6).T
    encoded = Encoded(
        input_ids=ids,
        token_type_ids=types if "token_type_ids" in encoder.config.inputs else None,
        lengths=np.fromiter(map(len, ids), np.int64, len(ids)),
        truncated=np.array(cut, bool)[row_of],
    )
    return Windows(encoded, row_of, first_of, offset, count, np.stack([own_of, until_of], 1), contexts)


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


def firsts_of(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first window of each input, int64 [inputs], as `numpy.add.reduceat` takes it.

    Args:
        row: int64 [windows], ascending: index of the input of each; every input has one at least.
    """
    return np.flatnonzero(np.diff(row, prepend=-1))
