"""Logits of the tokens of a text to entities: spans of its characters, each with a label and a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.decoders.base import Decoder, Prepared
from ftcore_runtime.decoders.tagging import segments, tag_count
from ftcore_runtime.decoders.windowed import PreparedWindows, TokenPlaces
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.softmax import log_softmax
from ftcore_runtime.spans import EntitiesAnswer, Entity
from ftcore_runtime.windows import Tokens, Windows, pad_edges, text_windows
from ftcore_runtime.words import word_ends, word_starts


@dataclass(frozen=True)
class TokenClassificationDecoder(Decoder):
    """Decodes `logits`, [windows, tokens, tags]: O, then B and I of each label in turn.

    A text of any length is decoded as a whole: of each of its tokens by the window that sees most around it.

    Args:
        names: labels, in the order of their tags.
        stride: tokens that neighbouring windows share.
        whole_addresses: handles, hashtags, URLs and addresses of mail are a word each; see `ftcore_runtime.words`.
    """

    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    by_token: ClassVar[bool] = True

    names: tuple[str, ...]
    stride: int
    whole_addresses: bool = False

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{labels, stride, whole_addresses}`, of which the last need not be there; see the base class."""
        fields = Fields(settings, where)
        whole = fields.has("whole_addresses") and fields.take("whole_addresses", bool)
        decoder = cls(fields.strings("labels"), fields.integer("stride", minimum=0), whole)
        fields.end()
        if not decoder.names:
            raise BundleError("'labels': expected at least one", where=where)
        return decoder

    @property
    def answer(self) -> type[EntitiesAnswer]:
        """Entities."""
        return EntitiesAnswer

    @property
    def cuts(self) -> bool:
        """No: texts of any length are read in windows."""
        return False

    @property
    def labels(self) -> tuple[str, ...]:
        """Of entities, in the order of their tags."""
        return self.names

    @property
    def most_candidates(self) -> int:
        """None: an answer is one reading of a text."""
        return 0

    def prepare(self, inputs: Sequence[Input], encoder: TextEncoder) -> PreparedWindows:
        """Cut texts into windows."""
        (texts,) = read_columns(inputs, self.fields, self.required)
        windows = text_windows(encoder, texts, self.stride)
        edges = word_edges(windows, texts, whole_addresses=self.whole_addresses)
        begins, ends = spread_edges(windows, edges)
        words = TokenPlaces(windows.row, pad_edges(begins), pad_edges(ends), texts)
        return PreparedWindows(windows.encoded, windows.row, words)

    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Any]:
        """One `EntitiesAnswer` for each text."""
        assert isinstance(prepared, PreparedWindows)
        return self.answers(outputs, prepared.places)

    def answers(self, outputs: Mapping[str, np.ndarray], words: TokenPlaces) -> list[EntitiesAnswer]:
        """The entities of each text.

        Raises:
            BundleError: the shape does not fit the labels, or the windows.
        """
        logits = np.asarray(outputs["logits"])
        if logits.shape != (*words.begins.shape, tag_count(len(self.names))):
            raise BundleError(
                f"the graph gave logits of shape {logits.shape} for {len(self.names)} labels and windows of"
                f" {words.begins.shape}",
                where="logits",
            )
        window, token = np.nonzero(words.begins >= 0)
        begins, ends = words.begins[window, token].tolist(), words.ends[window, token].tolist()
        lengths = np.bincount(words.row[window], minlength=len(words.texts))
        found = segments(log_softmax(logits[window, token].astype(np.float64)), lengths.tolist())
        answers = []
        for text, first, own in zip(words.texts, (np.cumsum(lengths) - lengths).tolist(), found, strict=True):
            entities = []
            for one in own:
                start, end = begins[first + one.first], ends[first + one.last]
                entities.append(Entity(text[start:end], self.names[one.label], start, end, one.score))
            answers.append(EntitiesAnswer(entities))
        return answers


def word_edges(
    windows: Windows, texts: Sequence[str], *, whole_addresses: bool = False
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """`token_words` of each text."""
    pairs = zip(windows.contexts, texts, strict=True)
    return [token_words(tokens, text, whole_addresses=whole_addresses) for tokens, text in pairs]


def spread_edges(
    windows: Windows, edges: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]]
) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
    """`begins` and `ends` of `TokenPlaces` from the edges of each text: int32 [tokens] for each window."""
    begins, ends = ([pair[side] for pair in edges] for side in (0, 1))
    return windows.spread(begins, owned=True), windows.spread(ends, owned=True)


def token_words(
    tokens: Tokens, text: str, *, whole_addresses: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The word that begins with each token, as characters (from, to) of the text; two int32 [tokens], -1 elsewhere.

    A word of which no token begins where it begins goes with the one before it: some tokenizers join marks.
    """
    begins, ends = np.full((2, len(tokens.ids)), -1, np.int32)
    real = np.flatnonzero(tokens.offsets[:, 1] > tokens.offsets[:, 0])
    if not len(real):
        return begins, ends
    start, stop = tokens.offsets[real].T
    starts = word_starts(text, whole_addresses=whole_addresses)
    opens = starts[start]
    opens[1:] &= start[1:] != start[:-1]  # bytes of one character
    opens[0] = True
    first = np.flatnonzero(opens)
    begins[real[first]] = start[first]
    ends[real[first]] = word_ends(text, starts)[np.maximum.reduceat(stop, first) - 1]
    return begins, ends
