"""Answers and metrics of the family `token_classification`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.families.model import Stored
from ftcore.families.scoring import Scorer, Scores, Scoring
from ftcore.families.token_classification.baselines import entity_baselines
from ftcore.families.token_classification.metrics import EntityMeasures
from ftcore.families.token_classification.reader import FittedEntities
from ftcore.families.token_classification.spec import TokenClassificationSpec
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.token_classification import TokenClassificationDecoder
from ftcore_runtime.decoders.windowed import TokenPlaces
from ftcore_runtime.spans import EntitiesAnswer

_References = Sequence[Sequence[Mapping[str, Any]]]


class EntityScoring(Scoring[TokenClassificationSpec, FittedEntities]):
    """Decodes and measures entities."""

    @property
    def default_metric(self) -> str:
        """Strict F1."""
        return "f1"

    @property
    def decoder(self) -> dict[str, Any]:
        """Labels in the order of their tags, how texts are cut, and whether addresses are a word each."""
        labels, whole = list(self.fitted.labels), self.fitted.whole_addresses
        section = {"name": "token_classification", "labels": labels, "stride": self.spec.model.stride}
        return {**section, "whole_addresses": True} if whole else section

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[EntitiesAnswer]:
        """The entities in all windows of each row."""
        words = TokenPlaces(
            features.row, features.column("begins"), features.column("ends"), rows["text"].to_pylist()
        )
        decoder = make_decoder(self.decoder)
        assert isinstance(decoder, TokenClassificationDecoder)
        return decoder.answers(outputs, words)

    def comparable(
        self, references: _References, answers: Sequence[EntitiesAnswer]
    ) -> tuple[list[Any], list[Any]]:
        """Lists of start, end and label."""
        right = [[(one["start"], one["end"], one["label"]) for one in row] for row in references]
        return right, [answer.marks for answer in answers]

    def _measures(self, references: _References, answers: Sequence[EntitiesAnswer]) -> EntityMeasures:
        return EntityMeasures(references, answers, self.fitted.labels)

    def score(self, references: _References, answers: Sequence[EntitiesAnswer]) -> Scores:
        """Every metric, with the table of labels."""
        measures = self._measures(references, answers)
        return Scores(measures.values(np.arange(len(references))), measures.details())

    def scorer(self, references: _References, answers: Sequence[EntitiesAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values

    def correct(self, references: _References, answers: Sequence[EntitiesAnswer]) -> np.ndarray:
        """Whether the entities of a text are all right."""
        return self._measures(references, answers).exact

    @property
    def proportions(self) -> frozenset[str]:
        """The share of texts without a mistake."""
        return frozenset({"exact_match"})

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[EntitiesAnswer]]:
        """Nothing, and the names of the training rows."""
        return entity_baselines(train, rows, whole_addresses=self.fitted.whole_addresses)

    def warnings(self, references: _References, answers: Sequence[EntitiesAnswer]) -> list[str]:
        """Nothing found, or always the same label."""
        found = {one.label for answer in answers for one in answer.entities}
        wanted = {one["label"] for row in references for one in row}
        if wanted and not found:
            return ["no entity is found in any row"]
        if len(wanted) > 1 and len(found) == 1:
            return [f"every entity gets the same label, {found.pop()!r}"]
        return []
