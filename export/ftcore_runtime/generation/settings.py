"""How texts are generated: the settings of greedy search, beam search and sampling, and what ids frame a text."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import LARGEST_ID, Fields


@dataclass(frozen=True)
class Sampling:
    """Tokens are drawn, not chosen.

    Args:
        temperature: logits are divided by it.
        top_k: tokens among which one is drawn; 0: all.
        top_p: or those that together reach this probability.
        seed: with the prompt's tokens it seeds the draws of a row, so that batch-mates play no part.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read what `asdict` makes of it; raises `BundleError`."""
        fields = Fields(value, where)
        sampling = cls(
            fields.number("temperature"),
            fields.integer("top_k", minimum=0),
            fields.number("top_p"),
            fields.integer("seed", minimum=0),
        )
        fields.end()
        if sampling.temperature <= 0 or not 0 < sampling.top_p <= 1:
            raise BundleError("temperature must be above 0, top_p above 0 and at most 1", where=where)
        return sampling


@dataclass(frozen=True)
class GenerationSettings:
    """Names and meanings as in transformers' `GenerationConfig`; lengths count the tokens of the answer alone.

    Args:
        max_length, min_length: transformers' `max_new_tokens` and `min_new_tokens`.
        num_beams: 1 is greedy search, or sampling where `sampling` is given.
        length_penalty: finished beams are scored by log-probability / length ** this.
        early_stopping: beams: a row is done as soon as `num_beams` answers are finished.
        no_repeat_ngram_size: no n-gram of so many tokens occurs twice (for a decoder alone, the prompt counts); 0: off.
        scored: every answer that no beam found has for its score the mean log-probability of its tokens. Bundles from
            before have the sum, and only where candidates are asked for.
    """

    max_length: int
    min_length: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
    no_repeat_ngram_size: int = 0
    sampling: Sampling | None = None
    scored: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the bundle's decoder section has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read what `to_json` wrote; raises `BundleError`."""
        fields = Fields(value, where)
        settings = cls(
            max_length=fields.integer("max_length", minimum=1),
            min_length=fields.integer("min_length", minimum=0),
            num_beams=fields.integer("num_beams", minimum=1),
            length_penalty=fields.number("length_penalty"),
            early_stopping=fields.take("early_stopping", bool),
            no_repeat_ngram_size=fields.integer("no_repeat_ngram_size", minimum=0),
            sampling=None
            if fields.is_null("sampling")
            else Sampling.from_json(fields.mapping("sampling"), f"{where}.sampling"),
            scored=fields.take("scored", bool) if fields.has("scored") else False,
        )
        fields.end()
        if not math.isfinite(settings.length_penalty) or settings.min_length > settings.max_length:
            raise BundleError("the settings contradict each other", where=where)
        return settings


def greedily(settings: GenerationSettings) -> GenerationSettings:
    """The same, for a text whose tokens are chosen one by one: it is streamed, or others join it."""
    return replace(settings, num_beams=1, sampling=None)


@dataclass(frozen=True)
class TextFrame:
    """Which ids stand around a text's own.

    Args:
        source_before, source_after: around the source: special tokens, a language, a prompt.
        target_before: what every answer begins with (a language, ...): given, not searched for.
        eos_ids: any of them ends an answer; the first one is what training ends it with.
        pad_id: fills up.
        start_id: what the decoder begins with; None for a decoder alone, which goes on from the source.
    """

    source_before: tuple[int, ...]
    source_after: tuple[int, ...]
    target_before: tuple[int, ...]
    eos_ids: tuple[int, ...]
    pad_id: int
    start_id: int | None

    @property
    def prompt(self) -> tuple[int, ...]:
        """The decoder's first ids, of an encoder-decoder."""
        return () if self.start_id is None else (self.start_id, *self.target_before)

    def to_json(self) -> dict[str, Any]:
        """As the bundle's decoder section has it."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read what `to_json` wrote; raises `BundleError`."""
        fields = Fields(value, where)

        def ids(key: str) -> tuple[int, ...]:
            found = fields.take(key, list)
            if not all(type(one) is int and 0 <= one <= LARGEST_ID for one in found):
                raise fields.error(key, "expected token ids")
            return tuple(found)

        frame = cls(
            ids("source_before"),
            ids("source_after"),
            ids("target_before"),
            ids("eos_ids"),
            fields.token_id("pad_id"),
            None if fields.is_null("start_id") else fields.token_id("start_id"),
        )
        fields.end()
        return frame
