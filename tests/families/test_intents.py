"""Intents and texts of none: rows that teach nothing, how the rejection is chosen, what it is worth, how it answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bundles import tiny_tokenizer

from ftcore.data.features import FeatureStore
from ftcore.errors import RowError
from ftcore.families.bound import BoundFamily
from ftcore.families.intent_classification import FAMILY
from ftcore.families.intent_classification.metrics import IntentMeasures
from ftcore.families.intent_classification.rejection import (
    best_of,
    quality_by_logits,
    quality_by_rows,
    quality_on_frozen,
    scores_of,
    threshold_for,
)
from ftcore.families.intent_classification.spaces import mahalanobis, neighbours, spaces_of
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.sequence_classification.metrics import SingleLabelMeasures
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.intent_classification import IntentAnswer, scope_scores
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError

ROWS = [("good", "a"), ("bad", "b"), ("food", "oos"), ("nice", "a")]


def family_of(**sections: Any) -> BoundFamily:
    spec = {"task": "intent", "data": {"train": [{"text": "t"}]}, "model": {"base": "./x"}, **sections}
    return BoundFamily(FAMILY, IntentClassificationSpec.model_validate(spec))


def table_of(family: BoundFamily, rows: Any = ROWS) -> pa.Table:
    parsed = [family.reader.parse({"text": text, "label": label}) for text, label in rows]
    return pa.Table.from_pylist(parsed, schema=family.reader.schema)


def test_rows_of_no_intent_are_no_label_and_weigh_nothing() -> None:
    family = family_of()
    rows = table_of(family)
    fitted = family.reader.fit(rows)
    assert (fitted.labels, fitted.counts) == (("a", "b"), (2, 1))
    assert family.reader.restore(fitted.to_json()) == fitted
    assert family.reader.check(rows, fitted) is None
    found = family.reader.check(table_of(family, [*ROWS, ("slow", "c")]), fitted)
    assert found is not None
    assert found[0] == 4
    assert "unknown label 'c'; the labels are a, b" in found[1].what
    with pytest.raises(RowError, match="1 different label"):
        family.reader.fit(table_of(family, [("good", "a"), ("food", "oos")]))
    learnt = family.with_fitted(fitted)
    encoder = TextEncoder(tiny_tokenizer(), EncoderConfig(8, 0, "right", ("input_ids", "attention_mask")))
    features = FeatureStore.of(learnt.model.encode(rows, encoder), learnt.model, encoder)
    batch = features.batch(np.arange(4))
    assert batch["weight"].tolist() == [1, 1, 0, 1]
    assert batch["labels"].tolist()[0::3] == [0, 0]
    assert float(learnt.model.weight(batch)) == 3


def test_the_label_of_none_is_no_intent() -> None:
    with pytest.raises(ValueError, match="names 'oos', which `out_of_scope` says is none"):
        family_of(data={"train": [{"text": "t"}], "labels": ["a", "oos"]})
    with pytest.raises(ValueError, match="policy"):
        family_of(policy={"min_confidence": 0.5})


def test_scores_of_scope() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 0.0], [-900.0, -900.0], [900.0, 0.0]])
    assert scope_scores(logits, "probability") == pytest.approx([0.880797, 0.5, 0.5, 1.0])
    assert scope_scores(logits, "energy") == pytest.approx([2.126928, 0.693147, -899.306853, 900.0])


def by_rows(logits: np.ndarray, labels: np.ndarray) -> str:
    scores = scores_of(logits, None, {})
    return best_of(quality_by_rows(scores, labels >= 0), scores)


def test_the_method_that_ranks_rows_out_of_scope_lowest() -> None:
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1, -1], 20)
    sure = np.where(np.arange(2) == labels[:, None], 4.0, 0.0) + draw.normal(size=(60, 2)) * 0.1
    small = sure.copy()
    small[40:] = [-2.0, -6.0]  # as sure of itself as the others, of small logits
    assert by_rows(small, labels) == "energy"
    torn = sure.copy()
    torn[40:] = [9.0, 9.0]  # of large logits, which hold each other up
    assert by_rows(torn, labels) == "probability"
    stand_in = quality_by_logits(np.tile(np.eye(4) * 5, (5, 1)), np.tile(np.arange(4), 5))
    assert stand_in == {"probability": 1.0, "energy": 1.0}, "the row of an intent that is taken out is unsure"
    assert best_of({"knn": 0.9, "energy": 0.8}, {"energy": 0}) == "energy", "of those that there are"


def clusters(intents: int, rows: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Rows around as many points of a sphere, flat in one direction and wide in another."""
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(intents, size)) * 3
    labels = np.repeat(np.arange(intents), rows)
    spread = np.array([3.0, *[0.3] * (size - 1)])
    return (centres[labels] + draw.normal(size=(len(labels), size)) * spread).astype(np.float32), labels


def test_distances_by_hand() -> None:
    pooled, labels = clusters(4, 50)
    space = mahalanobis(pooled, labels, 8)
    rows = pooled[:5].astype(np.float64)
    means = np.stack([pooled[labels == one].mean(0) for one in range(4)])
    within = pooled - means[labels]
    covariance = within.T @ within / len(pooled)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / 8 * np.eye(8)
    inverse = np.linalg.inv(covariance)
    expected = [min((row - mean) @ inverse @ (row - mean) for mean in means) for row in rows]
    np.testing.assert_allclose(-space.scores(rows), expected, rtol=0.02, atol=0.05)
    nearest = neighbours(np.array([[1, 0], [0, 2], [3, 3]], np.float32), np.zeros(3, np.int64))
    assert nearest.count == 3
    found = nearest.scores(np.array([[5.0, 0.0]]))
    assert found == pytest.approx([0.0], abs=1e-3), "the cosine to the third nearest row"


def test_distances_see_what_the_logits_do_not() -> None:
    pooled, labels = clusters(6, 40)
    spaces = spaces_of(pooled, labels, 6)
    far = pooled[:20] + np.array([0, 5.0, *[0] * 6], np.float32)  # along an axis in which no intent spreads
    assert spaces["mahalanobis"].scores(far).max() < np.quantile(spaces["mahalanobis"].scores(pooled), 0.01)
    for name, space in spaces.items():
        again = type(space).from_json(space.to_json(), name)
        np.testing.assert_array_equal(again.scores(pooled), space.scores(pooled))
    quality = quality_on_frozen(pooled, labels, 6)
    assert set(quality) == {"probability", "energy", "mahalanobis", "knn"}
    assert quality["mahalanobis"] > 0.95
    assert quality_on_frozen(pooled[::40], labels[::40], 6) == {}, "one row of an intent is none to hold out"


def test_spaces_of_a_bundle_are_read_strictly() -> None:
    pooled, labels = clusters(3, 20)
    space = mahalanobis(pooled, labels, 8).to_json()
    settings = {
        "name": "intent_classification", "labels": ["a", "b", "c"], "method": "mahalanobis", "threshold": -9.0
    }  # fmt: skip
    decoder = make_decoder({**settings, "space": space})
    assert decoder.outputs == ("logits", "pooled")
    outputs = {"logits": np.eye(3) * 9, "pooled": pooled[[0, 20, 40]] * [[1], [1], [50]]}
    assert [one.out_of_scope for one in decoder.decode(outputs)] == [False, False, True]
    with pytest.raises(BundleError, match="the key 'space' is missing"):
        make_decoder(settings)
    whitening = space["whitening"]
    for changed, message in (
        ({**whitening, "shape": [8, 9]}, "which are not 8 x 9 numbers"),
        ({**whitening, "shape": [8, 0]}, "two sizes above 0"),
        ({**whitening, "shape": [10**6, 10**6]}, "at most 400,000 numbers"),
        ({**whitening, "float16": "!"}, "is no base64"),
        (
            {**whitening, "float16": whitening["float16"].replace(whitening["float16"][:4], "AH4A")},
            "not finite",
        ),
    ):
        with pytest.raises(BundleError, match=message):
            make_decoder({**settings, "space": {**space, "whitening": changed}})
    with pytest.raises(BundleError, match="representations of shape"):
        decoder.decode({**outputs, "pooled": pooled[:3, :5]})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"base": "./x", "pooling": "architecture"}}, "reads pooled states: give `model.pooling`"),
        ({"training": {"refit": True}}, "`training.refit` trains on them"),
        ({"model": {"base": "./x", "distill_from": "./y"}}, "does not go with `model.distill_from`"),
    ],
)
def test_distances_do_not_go_with_everything(sections: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family_of(rejection={"method": "knn"}, **sections)


def test_the_threshold_keeps_the_share() -> None:
    scores = np.arange(100.0)
    assert (scores >= threshold_for(scores, 0.95)).mean() == 0.95
    assert threshold_for(np.array([0.5]), 0.95) == 0.5
    family = family_of(rejection={"method": "energy", "in_scope_rate": 0.75})
    rows = table_of(family, [(text, label) for text, label in zip("abcdefgh", "aaaabbbb", strict=True)])
    fitted = family.reader.fit(rows)

    class Stored:
        row = np.arange(8)

        def column(self, name: str) -> np.ndarray:
            return np.repeat([0, 1], 4)

    logits = np.stack([np.arange(8.0), np.zeros(8)], 1)
    tuned = family.with_fitted(fitted).scoring.tune({"logits": logits}, Stored(), rows)
    assert (tuned.method, tuned.labels) == ("energy", ("a", "b"))
    answers = family.with_fitted(tuned).scoring.answers({"logits": logits}, Stored(), rows)
    assert [answer.out_of_scope for answer in answers] == [True, True, *[False] * 6]


def answer(label: str | None, best: str, inside: float) -> IntentAnswer:
    return IntentAnswer(label, label is None, 0.6, inside, [best], {"a": 0.6, "b": 0.4})


def test_by_hand() -> None:
    answers = [
        answer("a", "a", 1),
        answer(None, "a", -1),
        answer("b", "b", 2),
        answer(None, "b", -2),
        answer("a", "a", 0.5),
    ]
    measures = IntentMeasures(["a", "a", "a", "oos", "oos"], answers, ["a", "b"], "oos")
    values = measures.values(np.arange(5))
    assert values["accuracy"] == pytest.approx(2 / 5)
    assert values["in_scope_accuracy"] == pytest.approx(1 / 3)
    assert values["closed_accuracy"] == pytest.approx(2 / 3)
    assert (values["oos_recall"], values["oos_precision"]) == (0.5, 0.5)
    assert values["oos_auroc"] == pytest.approx(5 / 6)
    assert measures.right.tolist() == [True, False, False, True, False]
    everything = ["a", "b", "b"]
    known = [answer("a", "a", 1), answer("b", "b", 1), answer("a", "a", 1)]
    values = IntentMeasures(everything, known, ["a", "b"], "oos").values(np.arange(3))
    assert set(values) == {"accuracy", "in_scope_accuracy", "closed_accuracy", "f1_macro"}
    same = SingleLabelMeasures(everything, ["a", "b", "a"], ["a", "b"], ordered=False).values(np.arange(3))
    assert (values["accuracy"], values["f1_macro"]) == pytest.approx((same["accuracy"], same["f1_macro"]))


def test_the_answer_says_none_and_what_was_nearest() -> None:
    config = {
        "name": "intent_classification",
        "labels": ["a", "b", "c"],
        "method": "probability",
        "threshold": 0.6,
    }
    decoder = make_decoder(config)
    logits = np.array([[3.0, 0.0, 0.0], [0.2, 0.3, 0.0]])
    sure, none = decoder.decode({"logits": logits})
    assert (sure.label, sure.out_of_scope, sure.summary) == ("a", False, "a 0.909")
    assert none.to_json() == {
        "label": None,
        "out_of_scope": True,
        "score": pytest.approx(0.3780, abs=1e-4),
        "in_scope": pytest.approx(0.3780 - 0.6, abs=1e-4),
        "nearest": ["b", "a", "c"],
        "scores": pytest.approx({"a": 0.3421, "b": 0.3780, "c": 0.2801}, abs=1e-4),
    }
    assert none.summary == "(out of scope) nearest: b, a, c"
    assert (sure.category, none.category) == ("a", "(out of scope)")
    assert type(none).from_json(none.to_json()) == none
    assert none.agrees(none)
    assert not none.agrees(sure)
    assert sure.margin(none) == pytest.approx(0.909 - 0.6, abs=1e-3)
    tensors = {
        tensor.name: np.asarray(tensor.values).tolist()
        for tensor in type(sure).tensors([sure, none], ["a", "b", "c"])
    }
    assert tensors["label"] == ["a", ""]
    assert tensors["out_of_scope"] == [False, True]
    assert len(tensors["scores"][1]) == 3
    (few,) = decoder.decode({"logits": logits[1:]}, top_k=1)
    assert [*few.scores] == ["b"]
    assert not make_decoder({**config, "threshold": None}).decode({"logits": logits})[1].out_of_scope
    for change in ({"labels": ["a"]}, {"method": "luck"}, {"threshold": "x"}, {"more": 1}):
        with pytest.raises(BundleError):
            make_decoder({**config, **change})
    with pytest.raises(BundleError, match="for 3 labels"):
        decoder.decode({"logits": np.zeros((1, 2))})
