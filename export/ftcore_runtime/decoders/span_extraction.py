"""Start and end logits of windows to answers: spans of the context with their probabilities, or no answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.base import Decoder, Prepared
from ftcore_runtime.decoders.windowed import PreparedWindows, TokenPlaces
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.policy import PLAIN, Policy
from ftcore_runtime.ranges import places_within
from ftcore_runtime.spans import SpanAnswer
from ftcore_runtime.windows import WindowConfig, WindowEncoder, firsts_of, pad_edges

_CELLS = 2**22  # candidate spans scored at a time
_MOST_SPANS = 20  # that a request may ask for


@dataclass(frozen=True)
class Candidates:
    """The best spans of each question, best first.

    Args:
        begin, end: int64 [questions, n]: characters of the context; 0 where there are fewer than n.
        log_probability: float64 [questions, n]; -inf where there are fewer than n.
        null: float64 [questions]: log-probability of no answer; -inf where an answer is taken for granted.
    """

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    log_probability: NDArray[np.float64]
    null: NDArray[np.float64]


@dataclass(frozen=True)
class SpanExtractionDecoder(Decoder):
    """Decodes `start_logits` and `end_logits`, both [windows, tokens].

    The score of a span is the sum of the logits of its first and last token. Probabilities are the softmax over every
    span of at most `max_answer_length` tokens in all windows of the question, each counted once, in the window that
    sees most around its first token; and over no answer, where that is an answer. The score of no answer is that
    of the first token (Devlin et al. 2019), the least of all windows.

    Args:
        windows: how contexts are cut.
        max_answer_length: tokens of the longest answer.
        null_threshold: by how much the score of no answer must exceed that of the best span; None where every
            question has an answer.
        policy: below which confidence an answer abstains.
    """

    outputs: ClassVar[tuple[str, ...]] = ("start_logits", "end_logits")
    by_token: ClassVar[bool] = True

    windows: WindowConfig
    max_answer_length: int
    null_threshold: float | None
    policy: Policy = PLAIN

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{windows, max_answer_length, null_threshold, policy}`; see the base class."""
        fields = Fields(settings, where)
        decoder = cls(
            windows=WindowConfig.from_json(fields.mapping("windows"), f"{where}.windows"),
            max_answer_length=fields.integer("max_answer_length", minimum=1),
            null_threshold=None if fields.is_null("null_threshold") else fields.number("null_threshold"),
            policy=Policy.from_json(fields.mapping("policy"), f"{where}.policy")
            if fields.has("policy")
            else PLAIN,
        )
        if decoder.policy != Policy(min_confidence=decoder.policy.min_confidence):
            raise fields.error("policy", "spans can only abstain")
        fields.end()
        return decoder

    @property
    def answer(self) -> type[SpanAnswer]:
        """Spans."""
        return SpanAnswer

    @property
    def fields(self) -> tuple[str, ...]:
        """A question and the context that answers it."""
        return ("question", "context")

    @property
    def cuts(self) -> bool:
        """Only questions; contexts of any length are read in windows."""
        return False

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def most_candidates(self) -> int:
        """So many spans."""
        return _MOST_SPANS

    def prepare(self, inputs: Sequence[Input], encoder: TextEncoder) -> PreparedWindows:
        """Cut pairs of question and context into windows."""
        questions, contexts = read_columns(inputs, self.fields, self.required)
        windows = WindowEncoder(encoder, self.windows).encode(questions, contexts)
        begins, ends = windows.edges()
        spans = TokenPlaces(windows.row, pad_edges(begins), pad_edges(ends), contexts)
        return PreparedWindows(windows.encoded, windows.row, spans)

    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Answer]:
        """One `SpanAnswer` for each question."""
        assert isinstance(prepared, PreparedWindows)
        return list(self.answers(outputs, prepared.places, top_k or 1))

    def answers(
        self, outputs: Mapping[str, np.ndarray], spans: TokenPlaces, top_k: int = 1
    ) -> list[SpanAnswer]:
        """One answer for each question; with `top_k` above 1 it carries its best `top_k` spans.

        Raises:
            BundleError: the shapes do not fit the windows.
        """
        found = self.search(outputs, spans, top_k)
        best = found.log_probability[:, 0]
        none = np.isneginf(best)
        if self.null_threshold is not None:
            none |= found.null > np.where(none, 0.0, best) + self.null_threshold
        return [self._answer(context, none[i], found, i, top_k > 1) for i, context in enumerate(spans.texts)]

    def _answer(self, context: str, none: np.bool_, found: Candidates, i: int, ranked: bool) -> SpanAnswer:
        spans = [
            {"text": context[begin:end], "start": begin, "end": end, "score": float(np.exp(score))}
            for begin, end, score in zip(
                found.begin[i].tolist(), found.end[i].tolist(), found.log_probability[i].tolist(), strict=True
            )
            if score > -np.inf
        ]
        absent = None if self.null_threshold is None else float(np.exp(found.null[i]))
        further = spans if ranked else None
        best: dict[str, Any] = {"text": "", "score": absent or 0.0} if none else spans[0]
        abstained = self.policy.abstains(best["score"])
        return SpanAnswer(**best, no_answer=absent, candidates=further, abstained=abstained)

    def search(self, outputs: Mapping[str, np.ndarray], spans: TokenPlaces, n: int) -> Candidates:
        """The `n` best spans of each question and the log-probability of no answer."""
        starts, ends = (np.asarray(outputs[name], np.float32) for name in self.outputs)
        if starts.shape != spans.begins.shape or ends.shape != spans.ends.shape:
            raise BundleError(
                f"the graph gave logits of shape {starts.shape} for windows of {spans.begins.shape}",
                where="start_logits",
            )
        opens = np.where(spans.begins >= 0, starts, -np.inf).astype(np.float32)
        closes = np.where(spans.ends >= 0, ends, -np.inf).astype(np.float32)
        parts = list(self._best_of_windows(opens, closes, n))
        score, begin, end, total = (np.concatenate(column) for column in zip(*parts, strict=True))
        firsts = firsts_of(spans.row)
        whole = np.logaddexp.reduceat(total, firsts)
        null = np.full(len(firsts), -np.inf)
        if self.null_threshold is not None:
            null = np.minimum.reduceat(starts[:, 0].astype(np.float64) + ends[:, 0], firsts)
            whole = np.logaddexp(whole, null)
        window = np.arange(len(starts))[:, None]
        begin, end = spans.begins[window, begin], spans.ends[window, end]
        # Ranks within a question: its windows follow one another, and each of them gave equally many spans.
        each = score.shape[1]
        order = np.lexsort((-score.ravel(), np.repeat(spans.row, each)))
        rank = places_within(np.diff([*firsts, len(starts)]) * each)
        chosen = (rank < n) & np.isfinite(score.ravel()[order])
        order, rank = order[chosen], rank[chosen]
        question = spans.row[order // each]
        best, found_begin, found_end = (
            np.full((len(firsts), n), -np.inf),
            *np.zeros((2, len(firsts), n), np.int64),
        )
        best[question, rank] = score.ravel()[order] - whole[question]
        found_begin[question, rank] = begin.ravel()[order]
        found_end[question, rank] = end.ravel()[order]
        possible = np.isfinite(null)
        return Candidates(
            found_begin, found_end, best, np.where(possible, null - np.where(possible, whole, 0), -np.inf)
        )

    def _best_of_windows(
        self, opens: NDArray[np.float32], closes: NDArray[np.float32], n: int
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
        """For some windows at a time: scores, first and last tokens of the best spans, [windows, at most n] each.

        The fourth is the logarithm of the sum of exp(score) over all spans, [windows].
        """
        tokens = opens.shape[1]
        longest = min(self.max_answer_length, tokens)
        padded = np.pad(closes, ((0, 0), (0, longest - 1)), constant_values=-np.inf)
        kept = min(n, tokens * longest)
        step = max(1, _CELLS // (tokens * longest))
        for at in range(0, len(opens), step):
            part = slice(at, at + step)
            # [windows, first token, length - 1]: a view of each token's `longest` next ends.
            reach = np.lib.stride_tricks.sliding_window_view(padded[part], longest, axis=1)
            scores = (opens[part, :, None] + reach).reshape(len(reach), -1)
            best = np.argpartition(scores, -kept, axis=1)[:, -kept:]
            first, further = np.divmod(best, longest)
            top = scores.max(axis=1, keepdims=True)
            top = np.where(np.isfinite(top), top, 0)
            with np.errstate(divide="ignore"):
                total = np.log(np.exp(scores - top).sum(axis=1, dtype=np.float64)) + top[:, 0]
            yield (
                np.take_along_axis(scores, best, axis=1).astype(np.float64),
                first,
                np.minimum(first + further, tokens - 1),
                total,
            )
