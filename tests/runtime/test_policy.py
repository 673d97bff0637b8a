"""What a decoder makes of a policy, and policies that are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from bundles import DECODER, CopyBundle, edit, refused

from ftcore_runtime import Pipeline
from ftcore_runtime.answers import LabelAnswer
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.policy import Conformal, Policy

LOGITS = [[0, np.log(3), np.log(4)], [0, 0, np.log(8)]]  # 0.125 0.375 0.5; 0.1 0.1 0.8


def policy(**fields: Any) -> dict[str, Any]:
    return {"temperature": 1.0, "min_confidence": None, "conformal": None, **fields}


def sets(method: str, threshold: float) -> dict[str, Any]:
    return policy(conformal={"method": method, "threshold": threshold, "coverage": 0.9})


def decode(given: dict[str, Any] | None, **changes: Any) -> list[LabelAnswer]:
    config = {**DECODER, **changes, **({} if given is None else {"policy": given})}
    return make_decoder(config).decode({"logits": np.array(LOGITS, np.float64)})  # type: ignore[return-value]


def test_one_that_changes_nothing_gives_the_answers_of_a_bundle_without() -> None:
    assert decode(policy()) == decode(None)
    assert make_decoder({**DECODER, "policy": policy()}) == make_decoder(DECODER)
    assert Policy.from_json(policy(), "x") == Policy()


def test_a_temperature_divides_the_logits() -> None:
    first, _ = decode(policy(temperature=2.0))
    weights = np.sqrt([1, 3, 4])
    assert list(first.scores.values()) == pytest.approx(weights / weights.sum())
    assert first.label == "positive"
    assert first.score == max(first.scores.values())


def test_an_answer_that_abstains_is_still_the_best_guess() -> None:
    unsure, sure = decode(policy(min_confidence=0.6))
    assert (unsure.label, unsure.abstained, sure.abstained) == ("positive", True, False)
    assert unsure.summary == "positive 0.500 (abstained)"
    assert sure.to_json()["abstained"] is False


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (sets("lac", 0.375), [["positive", "neutral"], ["positive"]]),
        (sets("lac", 0.6), [[], ["positive"]]),
        (sets("aps", 0.9), [["positive", "neutral"], ["positive", "negative"]]),
        (sets("aps", 1.0), [["positive", "neutral", "negative"], ["positive", "negative", "neutral"]]),
        (sets("aps", 0.4), [[], []]),
    ],
)
def test_sets_have_the_labels_that_cannot_be_ruled_out(
    given: dict[str, Any], expected: list[list[str]]
) -> None:
    assert [answer.prediction_set for answer in decode(given)] == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (policy(temperature=0.0), "must be above 0"),
        (policy(temperature=-1), "must be above 0"),
        (policy(temperature="1"), "expected a number"),
        (policy(min_confidence=1.5), "between 0 and 1"),
        (policy(conformal={"method": "raps", "threshold": 0.5, "coverage": 0.9}), "one of lac, aps"),
        (policy(conformal={"method": "lac", "threshold": 0.5}), "'coverage' is missing"),
        (policy(script="x"), "unknown key: 'script'"),
        ({}, "'temperature' is missing"),
    ],
)
def test_what_is_no_policy_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        decode(given)


def test_several_labels_take_a_temperature_and_nothing_else() -> None:
    several = {"problem": "multi_label", "polarity": None}
    first, _ = decode(policy(temperature=2.0), **several)
    assert first.scores["neutral"] == pytest.approx(np.sqrt(3) / (1 + np.sqrt(3)))
    with pytest.raises(BundleError, match="only answers of one label abstain"):
        decode(policy(min_confidence=0.5), **several)


def test_a_variant_answers_with_settings_of_its_own(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    texts = ["good food", "bad place", "not very nice"]
    before = {name: Pipeline.load(folder, name).predict(texts) for name in ("fp32", "int8")}

    def decide(manifest: dict[str, Any]) -> None:
        manifest["schema_version"] = 5
        manifest["variants"]["int8"]["decoder"] = {"policy": policy(min_confidence=0.9999)}

    edit(folder, decide)
    fp32, int8 = (Pipeline.load(folder, name) for name in ("fp32", "int8"))
    assert fp32.predict(texts) == before["fp32"]
    assert [answer.abstained for answer in int8.predict(texts)] == [True] * 3
    assert int8.with_decoder(int8.decoder.without_policy()).predict(texts) == before["int8"]
    assert fp32.manifest.to_json() == json.loads((folder / "bundle.json").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["variants"]["int8"].update(decoder={"name": "other"}), "no decoder of another name"),
        (lambda m: m["variants"]["int8"].update(decoder={"script": "x"}), "unknown key: 'script'"),
        (lambda m: m["variants"]["int8"].update(decoder=[]), "expected an object"),
        (lambda m: m.update(source={"format": "csv"}), "'encoding' is missing"),
        (lambda m: m.update(source={**SOURCE, "format": "pickle"}), "expected one of csv"),
        (lambda m: m.update(source={**SOURCE, "delimiter": "ab"}), "expected one character"),
        (lambda m: m.update(source={**SOURCE, "delimiter": "\n"}), "no quote and no line end"),
        (lambda m: m.update(source={**SOURCE, "columns": {"text": 1}}), "the names of columns"),
        (lambda m: m.update(measurement=[]), "expected an object"),
        (lambda m: m.update(schema_version=4, source=SOURCE), "unknown key: 'source'"),
    ],
)
def test_a_manifest_that_says_it_wrongly_is_refused(
    copy_bundle: CopyBundle, change: Any, message: str
) -> None:
    folder = copy_bundle()
    edit(folder, lambda m: (m.update(schema_version=5, default_variant="int8"), change(m)))
    refused(folder, message)


SOURCE = {"format": "csv", "encoding": "utf-8", "delimiter": None, "quoting": None, "columns": {}}


def test_an_encoding_that_is_none_is_refused(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    edit(folder, lambda m: m.update(schema_version=5, source={**SOURCE, "encoding": "hex"}))
    with pytest.raises(Exception, match="unknown encoding 'hex'"):
        Pipeline.load(folder)


def test_the_server_says_what_answers_of_a_policy_have() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from ftcore_server.contracts import Contract
    from ftcore_server.settings import Limits
    from ftcore_server.tensors import output_tensors

    decoder = make_decoder({**DECODER, "policy": {**sets("lac", 0.3), "min_confidence": 0.6}})
    answers = decoder.decode({"logits": np.array(LOGITS)})
    schema = Contract.of(decoder, Limits()).prediction.json_schema(mode="serialization")
    for answer in answers:
        jsonschema.validate(answer.to_json(), schema)
    tensors = {tensor.name: tensor for tensor in output_tensors(answers, decoder.labels)}
    assert tensors["abstained"].values.tolist() == [True, False]
    assert json.loads(tensors["answer"].values[0])["prediction_set"] == ["positive", "neutral"]


def test_what_lies_on_a_bound_is_within_it() -> None:
    found = Conformal("lac", 0.25, 0.9).members(np.array([[0.25, 0.5, 0.25], [0.2, 0.3, 0.5]]))
    assert found.tolist() == [[True, True, True], [False, True, True]]
    chosen = Policy(min_confidence=0.5)
    assert (chosen.abstains(0.5), chosen.abstains(0.4999), chosen.abstains(1.0)) == (False, True, False)


@pytest.mark.parametrize(
    "chosen",
    [
        Policy(),
        Policy(2.0, 1.0, Conformal("aps", 0.75, 0.9)),
        Policy(0.5, 0.0, Conformal("lac", 0.125, 0.95)),
    ],
)
def test_it_comes_back_as_it_was_written(chosen: Policy) -> None:
    assert Policy.from_json(json.loads(json.dumps(chosen.to_json())), "policy") == chosen
