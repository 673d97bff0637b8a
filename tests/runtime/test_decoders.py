import json
from typing import Any

import numpy as np
import pytest
from bundles import DECODER, INPUTS, tiny_tokenizer

from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, ValueAnswer, to_jsonl
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError, InputError

MULTI = {**DECODER, "problem": "multi_label", "polarity": None}
REGRESSION = {**DECODER, "problem": "regression", "labels": [], "polarity": None}


def decode(config: dict[str, Any], logits: list[list[float]]) -> list[Any]:
    return make_decoder(config).decode({"logits": np.array(logits, np.float32)})


def test_one_label() -> None:
    (answer,) = decode(DECODER, [[0, np.log(3), np.log(4)]])
    assert isinstance(answer, LabelAnswer)
    assert answer.label == "positive"
    assert answer.score == pytest.approx(0.5)
    assert list(answer.scores) == DECODER["labels"]
    assert list(answer.scores.values()) == pytest.approx([0.125, 0.375, 0.5])
    assert answer.polarity == pytest.approx(0.375)
    assert answer.to_json().keys() == {"label", "score", "scores", "polarity"}


def test_without_a_scale_there_is_no_polarity() -> None:
    (answer,) = decode({**DECODER, "polarity": None}, [[0, 1, 2]])
    assert answer.polarity is None
    assert "polarity" not in answer.to_json()


def test_several_labels() -> None:
    none, some = decode({**MULTI, "threshold": 0.25}, [[-2, -3, -9], [0, -np.log(3) + 1e-6, -5]])
    assert none == LabelsAnswer([], none.scores)
    assert some.labels == ["negative", "neutral"]
    assert some.scores["neutral"] == pytest.approx(0.25, abs=1e-6)


def test_each_label_may_have_a_threshold_of_its_own() -> None:
    (answer,) = decode({**MULTI, "threshold": [0.4, 0.6, 0.4]}, [[0, 0, 0]])
    assert answer.labels == ["negative", "positive"]


@pytest.mark.parametrize("top_k", [1, 2, 3, 4])
def test_the_most_probable_labels_come_first(top_k: int) -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3]], np.float32))
    whole = make_decoder(DECODER).decode({"logits": logits})[0]
    (answer,) = make_decoder(DECODER).decode({"logits": logits}, top_k=top_k)
    wanted = ["neutral", "positive", "negative"][:top_k] if top_k < 3 else list(DECODER["labels"])
    assert list(answer.scores) == wanted
    assert all(answer.scores[name] == whole.scores[name] for name in wanted)
    assert (answer.label, answer.score, answer.polarity) == (whole.label, whole.score, whole.polarity)


def test_of_equal_labels_the_answer_is_among_the_first() -> None:
    (answer,) = make_decoder(DECODER).decode({"logits": np.zeros((1, 3), np.float32)}, top_k=1)
    assert (answer.label, list(answer.scores)) == ("negative", ["negative"])


def test_labels_that_hold_have_their_score_whatever_top_k() -> None:
    logits = np.array([[3, 2, -1], [-1, -2, -3]], np.float32)
    held, none = make_decoder({**MULTI, "threshold": 0.5}).decode({"logits": logits}, top_k=1)
    assert (held.labels, list(held.scores)) == (["negative", "neutral"], ["negative", "neutral"])
    assert (none.labels, list(none.scores)) == ([], ["negative"])
    assert held.margin(none) == pytest.approx(held.scores["neutral"])


def test_ten_thousand_labels_are_decoded_in_blocks() -> None:
    labels = [f"label {number}" for number in range(10_000)]
    logits = np.random.default_rng(0).normal(size=(500, len(labels))).astype(np.float32)
    decoder = make_decoder({**DECODER, "labels": labels, "polarity": None})
    answers = decoder.decode({"logits": logits}, top_k=5)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
    assert [list(answer.scores) for answer in answers] == [[labels[i] for i in row] for row in order.tolist()]


def test_a_number() -> None:
    assert decode(REGRESSION, [[1.5], [-2]]) == [ValueAnswer(1.5), ValueAnswer(-2.0)]


@pytest.mark.parametrize("config", [DECODER, MULTI])
def test_extreme_logits_give_finite_probabilities_and_no_warning(config: dict[str, Any]) -> None:
    largest = float(np.finfo(np.float32).max)
    for answer in decode(config, [[largest, -largest, 0], [-largest, -largest, -largest], [1e4, 1e4, -1e4]]):
        assert all(0 <= score <= 1 for score in answer.scores.values())


def test_no_rows() -> None:
    for config, width in ((DECODER, 3), (MULTI, 3), (REGRESSION, 1)):
        assert make_decoder(config).decode({"logits": np.zeros((0, width), np.float32)}) == []


def test_another_number_of_logits_than_labels_is_refused() -> None:
    for config, row in ((DECODER, [1.0, 2]), (REGRESSION, [1.0, 2])):
        with pytest.raises(BundleError, match="shape"):
            decode(config, [row])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "telepathy"},
        {"name": None},
        {"problem": "hunch"},
        {"labels": ["one"]},
        {"labels": ["a", "a", "b"]},
        {"labels": ["a", "", "b"]},
        {"labels": ["a", 1, "b"]},
        {"labels": {}},
        {"threshold": 0},
        {"threshold": 1},
        {"threshold": "0.5"},
        {"threshold": True},
        {"threshold": []},
        {"threshold": [0.5, 0.5]},  # of three labels
        {"threshold": [0.5, 0.5, 1.0]},
        {"threshold": [0.5, 0.5, "0.5"]},
        {"threshold": [0.5, 0.5, True]},
        {"polarity": [0, 1]},
        {"polarity": [-1, 0, 2]},
        {"polarity": [-1, 0, "1"]},
        {"problem": "multi_label"},  # with a polarity
        {"problem": "regression", "polarity": None},  # with labels
        {"extra": 1},
        {"pair": "yes"},
        {"pair": None},
    ],
)
def test_a_bad_config_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        make_decoder({**DECODER, **change})


@pytest.mark.parametrize("key", sorted(DECODER))
def test_a_missing_key_is_refused(key: str) -> None:
    with pytest.raises(BundleError):
        make_decoder({name: value for name, value in DECODER.items() if name != key})


@pytest.mark.parametrize(
    ("pair", "fields", "good", "bad", "message"),
    [
        (False, ("text",), "good", ("good", "bad"), "input 0: expected a text, got 2 texts"),
        (
            True,
            ("text", "text_pair"),
            ("good", "bad"),
            "good",
            "expected text and text_pair, got a lone text",
        ),
        (
            True,
            ("text", "text_pair"),
            {"text": "a", "text_pair": "b"},
            {"text": "a"},
            "expected the keys 'text' and 'text_pair'",
        ),
    ],
)
def test_a_decoder_refuses_what_it_was_not_trained_on(
    pair: bool, fields: tuple[str, ...], good: Any, bad: Any, message: str
) -> None:
    decoder = make_decoder({**DECODER, "pair": pair})
    assert (decoder.fields, decoder.required) == (fields, len(fields))
    encoder = TextEncoder(tiny_tokenizer(), EncoderConfig(16, 0, "right", INPUTS))
    assert len(decoder.prepare([good], encoder).encoded) == 1
    with pytest.raises(InputError) as caught:
        decoder.prepare([bad], encoder)
    assert message in str(caught.value)
    assert "help: give" in str(caught.value)


def test_jsonl_is_valid_even_with_a_lone_surrogate() -> None:
    lines = to_jsonl([{"a": "é\n"}, {"a": "\ud800"}]).decode().splitlines()
    assert [json.loads(line)["a"] for line in lines] == ["é\n", "\ud800"]
    assert "é" in lines[0]
