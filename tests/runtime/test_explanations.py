"""Occlusion: a planted word is found for every kind of answer, faithfulness is measured, long inputs stay bounded."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from ftcore_runtime.answers import Answer, LabelAnswer, LabelsAnswer, TextAnswer, ValueAnswer
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.explanations.occlusion import drive, occlude
from ftcore_runtime.explanations.parts import MOST_PARTS, CutInput
from ftcore_runtime.generation.packing import unpack
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.spans import EntitiesAnswer, Entity, SpanAnswer

FILLERS = ["food", "was", "the", "very", "slow", "nice", "not", "a", "to", "again"]
LABELS = make_decoder(
    {
        "name": "sequence_classification",
        "problem": "single_label",
        "labels": ["no", "yes"],
        "threshold": 0.5,
        "polarity": None,
    }
)
SPANS = make_decoder(
    {
        "name": "span_extraction",
        "windows": {"stride": 4, "max_question_length": 8},
        "max_answer_length": 5,
        "null_threshold": 0.0,
    }
)


def label(texts: dict[str, str]) -> Answer:
    """`yes` where a text has the planted word, less so where it has `not`."""
    joined = " ".join(texts.values())
    yes = (0.9 if "planted" in joined else 0.2) - 0.1 * ("not" in joined.split())
    return LabelAnswer("yes" if yes > 0.5 else "no", max(yes, 1 - yes), {"no": 1 - yes, "yes": yes})


def labels(texts: dict[str, str]) -> Answer:
    yes = 0.9 if "planted" in texts["text"] else 0.2
    return LabelsAnswer(["yes"] if yes > 0.5 else [], {"no": 0.1, "yes": yes})


def value(texts: dict[str, str]) -> Answer:
    return ValueAnswer(7.0 if "planted" in texts["text"] else 2.0)


def span(texts: dict[str, str]) -> Answer:
    """`Lise`, by the planted word of the question or the context."""
    sure = 0.9 if "planted" in " ".join(texts.values()) else 0.3
    at = texts["context"].find("Lise")
    best = {"text": "Lise", "start": at, "end": at + 4, "score": sure}
    return SpanAnswer(**best, no_answer=1 - sure, candidates=[best])


def entities(texts: dict[str, str]) -> Answer:
    """`Lise` as a person or a place, by the planted word."""
    at = texts["text"].find("Lise")
    kind = "person" if "planted" in texts["text"] else "place"
    return EntitiesAnswer([Entity("Lise", kind, at, at + 4, 0.8)])


@dataclass(frozen=True, slots=True)
class OutsideAnswer(Answer):
    """An answer of a family that nobody here knows: a category with a confidence."""

    verdict: str
    certainty: float

    @property
    def summary(self) -> str:
        return self.verdict

    @property
    def category(self) -> str:
        return self.verdict

    @property
    def confidence(self) -> float:
        return self.certainty

    def agrees(self, other: OutsideAnswer) -> bool:
        return self.verdict == other.verdict

    def margin(self, other: OutsideAnswer) -> float:
        return 0.0


def outside(texts: dict[str, str]) -> Answer:
    return OutsideAnswer("yes", 0.9 if "planted" in texts["text"] else 0.6)


def explain(answer: Callable[[Any], Answer], item: Any, *targets: str, **options: Any) -> Explanation:
    decoder = SPANS if answer is span else LABELS

    def answers(inputs: Sequence[Any]) -> list[Answer]:
        texts = [{"text": one} if isinstance(one, str) else one for one in inputs]
        return [answer(dict(one)) for one in texts]

    return drive(occlude(decoder, item, targets, **options), answers)


@pytest.mark.parametrize(
    "kind", [label, labels, value, span, entities, outside], ids=lambda kind: kind.__name__
)
def test_the_planted_word_is_ranked_first(kind: Callable[[Any], Answer]) -> None:
    draw = random.Random(0)
    for _ in range(50):
        text = draw.choices(FILLERS, k=12)
        text[draw.randrange(12)] = "planted"
        item: Any = " ".join(text)
        if kind is span:
            item = {"question": "who sang ?", "context": f"Lise sang and {item}"}
        if kind is entities:
            item = f"Lise sang and {item}"
        found = explain(kind, item)
        assert found.parts[found.reasons[0].ranked()[0]].text == "planted"
        assert found.faithfulness is not None
        assert found.faithfulness.faithful
        assert found.faithfulness.sufficiency < found.faithfulness.random_sufficiency


def test_weights_are_signed_and_of_any_label() -> None:
    yes, no = explain(label, "a planted food, not nice", "yes", "no").reasons
    found = explain(label, "a planted food, not nice")
    assert [part.text for part in found.parts] == ["a", "planted", "food", ",", "not", "nice"]
    assert found.reasons[0].target == "yes"
    assert yes.weights == pytest.approx([0, 0.7, 0, 0, -0.1, 0])
    assert no.weights == pytest.approx([-weight for weight in yes.weights])
    assert (yes.score, no.score) == pytest.approx((0.8, 0.2))
    assert found.heaviest(yes, 2) == [("planted", pytest.approx(0.7)), ("not", pytest.approx(-0.1))]


def test_the_words_of_a_quoted_answer_stay() -> None:
    found = explain(span, {"question": "who?", "context": "so Lise sang planted"})
    assert [(part.field, part.text) for part in found.parts] == [
        ("question", "who"), ("question", "?"), ("context", "so"), ("context", "sang"), ("context", "planted"),
    ]  # fmt: skip
    none = explain(span, {"question": "who?", "context": "so Lise sang planted"}, "")
    assert none.reasons[0].weights[-1] < 0, "it speaks against there being no answer"


def test_start_and_end_of_a_span_are_apart() -> None:
    def name(texts: dict[str, str]) -> Answer:
        """`sang` makes the span begin with Lise, `left` makes it end with Roux."""
        words = set(texts["context"].split())
        scores = {
            "Lise Roux": 0.5 + 0.2 * ("sang" in words) + 0.2 * ("left" in words),
            "Roux": 0.3 - 0.2 * ("sang" in words),
            "Lise": 0.2 - 0.2 * ("left" in words),
        }
        spans = [
            {
                "text": text,
                "start": (at := texts["context"].index(text)),
                "end": at + len(text),
                "score": score,
            }
            for text, score in scores.items()
        ]
        return SpanAnswer(**spans[0], no_answer=0.0, candidates=spans)

    item = {"question": "who?", "context": "Lise Roux sang left"}
    decoder_answers = lambda inputs: [name(dict(one)) for one in inputs]  # noqa: E731
    found = drive(occlude(SPANS, item), decoder_answers)
    assert [part.text for part in found.parts] == ["who", "?", "sang", "left"]
    whole, start, end = found.reasons
    assert [one.title for one in found.reasons] == [
        "Lise Roux",
        "the start of Lise Roux",
        "the end of Lise Roux",
    ]
    assert (whole.score, start.score, end.score) == pytest.approx((0.9, 0.9, 1.0))
    assert whole.weights == pytest.approx([0, 0, 0.2, 0.2])
    assert start.weights == pytest.approx([0, 0, 0.2, 0.0]), (
        "what `left` adds is that it does not end with Lise"
    )
    assert end.weights == pytest.approx([0, 0, 0, 0.2])
    assert [one.get("edge") for one in found.to_json()["targets"]] == [None, "start", "end"]
    assert "the start of Lise Roux" in found._repr_html_()
    nothing = drive(occlude(SPANS, item, [""]), decoder_answers)
    assert [one.edge for one in nothing.reasons] == [""], "no answer begins nowhere"


def test_every_entity_is_explained_unless_one_is_named() -> None:
    def both(texts: dict[str, str]) -> Answer:
        text = texts["text"]
        found = [Entity("Lise", "person", text.index("Lise"), text.index("Lise") + 4, 0.9)]
        if "in" in text.split():
            found.append(Entity("Rome", "place", text.index("Rome"), text.index("Rome") + 4, 0.8))
        return EntitiesAnswer(found)

    person, place = explain(both, "Lise sang in Rome").reasons
    assert (person.target, place.target) == ("Lise (person)", "Rome (place)")
    assert person.weights == pytest.approx([0, 0])
    assert place.weights == pytest.approx([0, 0.8])
    (named,) = explain(both, "Lise sang in Rome", "Rome (place)").reasons
    assert named == place
    with pytest.raises(InputError, match="one word only besides the answer's own"):
        explain(both, "Lise in Rome")
    many = EntitiesAnswer([Entity(f"a{number}", "x", number, number + 1, 0.5) for number in range(50)])
    assert len(many.explained()) == 20


def test_pieces_make_up_the_text_again() -> None:
    text = "  物流太慢了，\n but the <b>food</b> \U0001f600 "
    found = explain(label, text)
    ((field, pieces),) = found.pieces(found.reasons[0])
    assert field == "text"
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, weight in pieces if weight is not None] == [part.text for part in found.parts]
    assert all(text[part.start : part.end] == part.text for part in found.parts)


def test_an_order_that_is_no_better_than_chance_is_called_so() -> None:
    """Two words of which either alone decides: leaving one out changes nothing, so that occlusion cannot rank them."""

    def either(texts: dict[str, str]) -> Answer:
        yes = 0.9 if {"good", "nice"} & {*texts["text"].split()} else 0.1
        return LabelAnswer("yes" if yes > 0.5 else "no", max(yes, 1 - yes), {"no": 1 - yes, "yes": yes})

    tried = explain(either, "a b c d e f g h i good nice").faithfulness
    assert tried is not None
    assert not tried.faithful
    assert tried.comprehensiveness == 0.0


def test_faithfulness_is_eraser_s() -> None:
    tried = explain(label, " ".join(["planted", *["food"] * 19])).faithfulness
    assert tried is not None
    assert tried.comprehensiveness == pytest.approx(0.7), "without it at each of the five shares"
    assert tried.sufficiency == pytest.approx(0.0)
    curves = tried.to_json()["curves"]
    assert curves["shares"] == [0.01, 0.05, 0.1, 0.2, 0.5]
    assert curves["without"] == pytest.approx([0.7] * 5)
    assert curves["alone"] == pytest.approx([0.0] * 5)
    assert curves["random_without"] == sorted(curves["random_without"]), (
        "the more are left out, the likelier it is"
    )
    assert fmean(curves["random_alone"]) == pytest.approx(tried.random_sufficiency)
    assert explain(label, "planted food", faithfulness=False).faithfulness is None


@pytest.mark.parametrize(
    ("kind", "item", "targets", "message"),
    [
        (label, "planted", (), "one word only"),
        (label, "a planted", ("maybe",), "could not be 'maybe'.*could be `yes`, `no`"),
        (lambda texts: TextAnswer("written"), "two words", (), "no score that words could raise"),
    ],
)
def test_what_cannot_be_explained(kind: Any, item: str, targets: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as raised:
        explain(kind, item, *targets)
    assert re.search(message, str(raised.value), re.DOTALL)


def test_long_texts_have_fewer_parts_which_lose_nothing() -> None:
    text = " ".join(f"w{number}" for number in range(1000))
    whole = CutInput(LABELS, text, label({"text": text}))
    assert MOST_PARTS / 2 <= len(whole.parts) <= MOST_PARTS
    assert " ".join(part.text for part in whole.parts) == text
    few = CutInput(LABELS, text, label({"text": text}), most_characters=5 * len(text))
    assert len(few.parts) == 8, "never fewer"
    assert len(
        CutInput(LABELS, text, label({"text": text}), most_characters=50 * len(text)).parts
    ) == math.ceil(1000 / math.ceil(1000 / 50))
    assert few.without(range(8)) == {"text": "."}, "an empty text cannot be answered"


def test_a_bundle_explains_its_answers(tiny_bundle: Path) -> None:
    pipeline = Pipeline.load(tiny_bundle, threads=1)
    found = pipeline.explain("the food was good", ["positive"])
    (reason,) = found.reasons
    scores = [one.scores["positive"] for one in pipeline.predict(["the food was good", "the food was"])]
    assert reason.score == pytest.approx(scores[0], abs=1e-6)
    assert reason.weights[-1] == pytest.approx(scores[0] - scores[1], abs=1e-5)
    pair = pipeline.explain(("the food", "was good"))
    assert [part.field for part in pair.parts] == ["text", "text", "text_pair", "text_pair"]
    assert set(found.to_json()) == {"method", "answer", "parts", "targets", "faithfulness"}
    with pytest.raises(InputError, match="input 0: the text is empty"):
        pipeline.explain("  ")


def test_each_generated_word_is_compared_with_and_without_a_word_of_the_source(
    make_generating_bundle: Callable[..., Path],
) -> None:
    path = make_generating_bundle(no_repeat_ngram_size=0, scored=True, min_length=0, max_length=8)
    pipeline = Pipeline.load(path, threads=1)
    texts = ["the to again not", "to again not", "the again not", "the to not", "the to again"]
    prepared = pipeline.decoder.prepare(texts, pipeline.encoder)
    ids = unpack(pipeline.outputs(texts[:1]))[0][0].ids
    scores = pipeline.generator.log_probabilities(prepared, ids)
    (answer,) = pipeline.predict(texts[:1])
    assert isinstance(answer, TextAnswer)
    assert scores[0].mean() == pytest.approx(answer.score, abs=1e-5), (
        "what the search found is what is forced"
    )
    found = pipeline.explain(texts[0])
    assert [part.text for part in found.parts] == texts[0].split()
    assert [reason.target for reason in found.reasons] == answer.text.split()
    total = [sum(column) for column in zip(*(reason.weights for reason in found.reasons), strict=True)]
    lost = scores[0].sum() - scores[1:].sum(axis=1)
    assert len(ids) == 8, "no end token, which no word has"
    assert total == pytest.approx(lost.tolist(), abs=1e-4)
    with pytest.raises(InputError, match="one word only"):
        pipeline.explain("good")
