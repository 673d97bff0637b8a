"""Texts generated token by token: inputs framed for the model, ids turned into answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from tokenizers import Tokenizer

from ftcore_runtime.answers import Answer, TextAnswer
from ftcore_runtime.decoders.base import Decoder, OpenGraph, Prepared, Runner
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.generation.packing import OUTPUTS, unpack
from ftcore_runtime.generation.running import Generated
from ftcore_runtime.generation.settings import GenerationSettings, TextFrame
from ftcore_runtime.generation.texts import decode_text, encode_sources
from ftcore_runtime.inputs import Input, read_columns


@dataclass(frozen=True)
class PreparedSources(Prepared):
    """Sources as ids, with the tokenizer that turns answers into texts."""

    tokenizer: Tokenizer


@dataclass(frozen=True)
class TextGenerationDecoder(Decoder):
    """Frames sources, and makes texts of the ids that a search wrote.

    Args:
        frame: what stands around source and answer.
        settings: how texts are generated.
    """

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS
    generates: ClassVar[bool] = True

    frame: TextFrame
    settings: GenerationSettings

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], where: str) -> Self:
        """Read `{frame, generation}`; see the base class."""
        fields = Fields(settings, where)
        decoder = cls(
            TextFrame.from_json(fields.mapping("frame"), f"{where}.frame"),
            GenerationSettings.from_json(fields.mapping("generation"), f"{where}.generation"),
        )
        fields.end()
        if not decoder.frame.eos_ids:
            raise BundleError("no token ends a text", where=f"{where}.frame")
        return decoder

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {"frame": self.frame.to_json(), "generation": self.settings.to_json()}

    @property
    def answer(self) -> type[TextAnswer]:
        """Texts."""
        return TextAnswer

    @property
    def labels(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def graphs(self) -> tuple[str, ...]:
        """Encoder and decoder, or the decoder alone."""
        return ("decoder",) if self.frame.start_id is None else ("encoder", "decoder")

    def prepare(self, inputs: Sequence[Input], encoder: TextEncoder) -> PreparedSources:
        """Tokenise texts and put their frame around them."""
        (texts,) = read_columns(inputs, self.fields, self.required)
        return PreparedSources(
            encode_sources(texts, encoder, self.frame), np.arange(len(texts)), encoder.target.tokenizer
        )

    def runner(self, open_graph: OpenGraph, encoder: TextEncoder, parallelism: int) -> Runner:
        """Writes with the bundle's graphs."""
        from ftcore_runtime.generation.generator import Generator

        return Generator(self.frame, self.settings, open_graph, encoder, parallelism)

    def decode(
        self, outputs: Mapping[str, np.ndarray], prepared: Prepared | None = None, top_k: int | None = None
    ) -> list[Answer]:
        """One `TextAnswer` for each input; with `top_k` above 1 it carries its best `top_k` beams."""
        assert isinstance(prepared, PreparedSources)
        return list(self.answers(unpack(outputs), prepared.tokenizer, top_k or 1))

    def answers(
        self, generated: Sequence[Sequence[Generated]], tokenizer: Tokenizer, top_k: int = 1
    ) -> list[TextAnswer]:
        """Texts of the best answers, and of up to `top_k` candidates where that is more than one."""
        made = []
        for row in generated:
            texts: list[dict[str, Any]] = [
                {"text": decode_text(tokenizer, one.ids.tolist()), "score": _score(one.score)}
                for one in row[:top_k]
            ]
            made.append(TextAnswer(**texts[0], candidates=texts if top_k > 1 and len(row) > 1 else None))
        return made


def _score(score: float) -> float | None:
    return None if math.isnan(score) else score
