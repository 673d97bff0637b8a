"""The metrics that a spec knows by name are those that measuring gives: what `ftcore validate` refuses is not there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ftcore.families.intent_classification.reader import FittedIntents
from ftcore.families.intent_classification.scoring import IntentScoring
from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.sequence_classification.scoring import LabelScoring
from ftcore.families.span_extraction.metrics import SpanMeasures
from ftcore.families.text_generation.metrics import Target, TextMeasures
from ftcore.families.token_classification.metrics import EntityMeasures
from ftcore.plugins import PluginRegistry
from ftcore.spec import Spec
from ftcore_runtime.answers import TextAnswer
from ftcore_runtime.spans import EntitiesAnswer, Entity, SpanAnswer

LOGITS = np.array([[2.0, -1.0], [-1.0, 2.0], [1.0, 0.0]])
FEATURES: Any = SimpleNamespace(row=np.arange(len(LOGITS)), column=lambda name: np.zeros(len(LOGITS), int))


def spec_of(shipped: PluginRegistry, task: str, **data: Any) -> Spec:
    return shipped.load(task).task.spec.model_validate(
        {"task": task, "data": {"train": "train.csv", **data}, "model": {"base": "./base"}}
    )


@pytest.mark.parametrize(
    ("task", "data", "references"),
    [
        ("sentiment", {"labels": ["a", "b"]}, ["a", "b", "b"]),
        ("classification", {}, ["a", "b", "b"]),
        ("classification", {"problem": "multi_label"}, [["a"], ["a", "b"], []]),
    ],
)
def test_of_labels(task: str, data: dict[str, Any], references: list[Any], shipped: PluginRegistry) -> None:
    spec = spec_of(shipped, task, **data)
    scoring = LabelScoring(spec, FittedLabels(("a", "b"), (2, 2)))
    answers = scoring.answers({"logits": LOGITS}, FEATURES, None)
    assert scoring.score(references, answers).values.keys() == spec.known_metrics.keys()


def test_of_spans(shipped: PluginRegistry) -> None:
    answers = [SpanAnswer("a", 0, 1, 0.9, 0.1), SpanAnswer("b", 0, 1, 0.8, 0.3)]
    values = SpanMeasures([["a"], []], answers, "english").values(np.arange(2))
    assert values.keys() == spec_of(shipped, "qa").known_metrics.keys()


def test_of_intents(shipped: PluginRegistry) -> None:
    spec = spec_of(shipped, "intent")
    scoring = IntentScoring(spec, FittedIntents(("a", "b"), (2, 2), threshold=0.8))
    answers = scoring.answers({"logits": LOGITS}, FEATURES, None)
    assert scoring.score(["a", "b", "oos"], answers).values.keys() == spec.known_metrics.keys()


def test_of_entities(shipped: PluginRegistry) -> None:
    answers = [EntitiesAnswer([Entity("a", "x", 0, 1, 0.9)]), EntitiesAnswer([])]
    values = EntityMeasures([[{"start": 0, "end": 1, "label": "x"}], []], answers, ["x"]).values(np.arange(2))
    assert values.keys() == spec_of(shipped, "ner").known_metrics.keys()


@pytest.mark.parametrize("task", ["translation", "summarization"])
def test_of_texts(task: str, shipped: PluginRegistry) -> None:
    spec = spec_of(shipped, task)
    answers = [TextAnswer("a b c", score=-0.1), TextAnswer("d e", score=-0.5)]
    references = [Target("a b c", "a b"), Target("f", "d")]
    values = TextMeasures(references, answers, spec.measures, "13a").scores().values
    assert values.keys() == spec.known_metrics.keys()
