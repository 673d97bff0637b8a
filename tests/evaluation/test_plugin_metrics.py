"""The hook `ftcore_metrics`: it compares plain values, and is called as often as its documentation says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pluggy
import pytest

from ftcore import hookspecs
from ftcore.api import hookimpl
from ftcore.evaluation.evaluate import Evaluator
from ftcore.families import (
    intent_classification,
    sequence_classification,
    span_extraction,
    text_generation,
    token_classification,
)
from ftcore.families.bound import BoundFamily
from ftcore.families.intent_classification.reader import FittedIntents
from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.span_extraction.reader import FittedSpans
from ftcore.families.text_generation.metrics import Target
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.token_classification.reader import FittedEntities
from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, TextAnswer, ValueAnswer
from ftcore_runtime.decoders.intent_classification import IntentAnswer
from ftcore_runtime.spans import EntitiesAnswer, Entity, SpanAnswer


class Plugin:
    """Counts its calls, and compares in the obvious way."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.decoded: list[Any] = []

    @hookimpl
    def ftcore_metrics(self, references: Any, answers: Any, decoded: Any) -> dict[str, float]:
        self.rows.append(len(answers))
        self.decoded.extend(decoded)
        right = [
            a in r if isinstance(r, list) and isinstance(a, str) else r == a
            for r, a in zip(references, answers, strict=True)
        ]
        return {"right": float(np.mean(right))}


def evaluator(
    family: Any, fitted: Any, data: dict[str, Any], plugin: Plugin, resamples: int = 0
) -> Evaluator:
    spec = family.part("spec").model_validate(
        {"task": "x", "data": {"train": "x", **data}, "model": {"base": "x"}}
    )
    manager = pluggy.PluginManager("ftcore")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    return Evaluator(BoundFamily(family, spec, fitted), manager.hook, resamples=resamples, confidence=0.9)


def label(name: str) -> LabelAnswer:
    return LabelAnswer(name, 0.9, {"a": 0.9, "b": 0.1})


CASES: dict[str, tuple[Any, Any, dict[str, Any], list[Any], list[Any]]] = {
    "one label": (
        sequence_classification.FAMILY, FittedLabels(("a", "b"), (1, 1)), {},
        ["a", "b", "a", "b"], [label("a"), label("b"), label("a"), label("a")],
    ),
    "several labels": (
        sequence_classification.FAMILY, FittedLabels(("a", "b"), (1, 1)), {"problem": "multi_label"},
        [["a", "b"], [], ["b"], ["a"]],
        [LabelsAnswer(names, {"a": 0.5, "b": 0.5}) for names in (["b", "a"], [], ["b"], ["b"])],
    ),
    "a number": (
        sequence_classification.FAMILY, FittedLabels(), {"problem": "regression"},
        [1.0, 2.0, 3.0, 4.0], [ValueAnswer(1.0), ValueAnswer(2.0), ValueAnswer(3.0), ValueAnswer(5.0)],
    ),
    "spans": (
        span_extraction.FAMILY, FittedSpans(0.0), {},
        [["x", "the x"], [], ["y"], []],
        [SpanAnswer(text, 0, len(text), 0.5, 0.5, []) for text in ("the x", "", "y", "z")],
    ),
    "intents": (
        intent_classification.FAMILY, FittedIntents(("a", "b"), (1, 1)), {},
        ["a", "oos", "b", "oos"],
        [
            IntentAnswer(name, name is None, 0.5, 0.0, ["a" if name is None else name], {"a": 0.5, "b": 0.5})
            for name in ("a", None, "a", None)
        ],
    ),
    "entities": (
        token_classification.FAMILY, FittedEntities(("a",), (1,)), {},
        [[{"start": 0, "end": 2, "label": "a"}], [], [{"start": 3, "end": 4, "label": "a"}], []],
        [EntitiesAnswer([Entity("x", "a", *place, 0.5) for place in row]) for row in ([(0, 2)], [], [(3, 5)], [])],
    ),
    "texts": (
        text_generation.FAMILY, FittedTexts(1), {},
        [Target("one", "eins"), Target("two", "zwei"), Target("three", "drei"), Target("four", "vier")],
        [TextAnswer(text, 0.0) for text in ("one", "two", "three", "for")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_references_and_answers_compare_in_the_obvious_way(name: str) -> None:
    family, fitted, data, references, answers = CASES[name]
    plugin = Plugin()
    found = evaluator(family, fitted, data, plugin).values(references, answers)
    assert found["right"] == 0.75
    assert plugin.rows == [4]
    assert plugin.decoded == answers


def test_it_is_called_once_an_evaluation_and_once_a_resample() -> None:
    family, fitted, data, references, answers = CASES["one label"]
    plugin = Plugin()
    measured = evaluator(family, fitted, data, plugin, resamples=20).measure(references, answers)
    assert plugin.rows == [4] * 21
    assert measured.scores.values["right"] == 0.75
    found = measured.intervals["right"]
    assert found is not None
    assert found.low < 0.75 < found.high


@pytest.mark.parametrize("name", CASES)
def test_the_gain_of_one_metric_is_as_it_is_among_all(name: str) -> None:
    family, fitted, data, references, answers = CASES[name]
    judge = evaluator(family, fitted, data, Plugin(), resamples=20)
    worse = [*answers[1:], answers[0]]
    gains = judge.gain(references, worse, answers)
    assert len(gains) > 1
    assert "right" in gains
    for metric, found in gains.items():
        assert judge.gain(references, worse, answers, only=metric)[metric] == found
