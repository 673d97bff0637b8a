"""Question answering end to end on a tiny model: a run, its bundle, long contexts, questions without an answer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_door import assert_every_door
from models import tiny_base  # noqa: F401 (fixture)
from stopping import stopped_and_resumed

from ftcore.cli import main
from ftcore_runtime import Pipeline
from ftcore_runtime.errors import InputError

PLACES = ["eat", "place"]  # the answers: words of the tiny tokenizer that nothing else uses
FILLERS = ["food", "was", "the", "very", "slow", "nice", "not", "a", "to", "again"]


def context_of(draw: random.Random, words: int, answer: str | None) -> str:
    text = draw.choices(FILLERS, k=words)
    if answer:
        text[draw.randrange(words)] = answer
    return " ".join(text)


def squad(count: int, *, unanswerable: bool, seed: int = 0) -> dict[str, Any]:
    """SQuAD's JSON in which the answer is the one word of `PLACES` in the context."""
    draw = random.Random(seed)
    articles = []
    for number in range(count):
        answer = None if unanswerable and number % 3 == 0 else draw.choice(PLACES)
        context = context_of(draw, draw.randint(6, 40), answer)
        answers = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
        question = {
            "id": f"q{number}",
            "question": "good bad ?",
            "answers": answers,
            "is_impossible": not answers,
        }
        articles.append({"title": f"t{number // 2}", "paragraphs": [{"context": context, "qas": [question]}]})
    return {"version": "2.0", "data": articles}


def run_qa(
    project: Path, base: Path, data: dict[str, Any], variants: list[str], **sections: dict[str, Any]
) -> Path:
    """A run that was stopped within training and resumed."""
    (project / "qa.json").write_text(json.dumps(data))
    spec = {
        "task": "qa",
        "data": {"train": "qa.json", "split": {"validation": 40, "test": 40}},
        "model": {"base": str(base), "max_length": 24, "stride": 6},
        "training": {"epochs": 3, "batch_size": 16, "learning_rate": 5e-3, "precision": "fp32"},
        "evaluation": {"bootstrap": 50},
        "export": {"variants": variants},
        **sections,
    }
    return stopped_and_resumed(project, "qa", spec, 6)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def answerable(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run on questions that all have an answer."""
    folder = tmp_path_factory.mktemp("qa")
    return run_qa(folder, tiny_base, squad(200, unanswerable=False), ["fp32", "int8"])


@pytest.fixture(scope="module")
def abstaining(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """A run on questions of which some have no answer, with a precision for the answers that are given."""
    folder = tmp_path_factory.mktemp("abstaining")
    data = squad(240, unanswerable=True)
    return run_qa(folder, tiny_base, data, ["fp32", "int8"], policy={"target_precision": 0.9})


def test_learns_and_says_the_same_from_the_bundle(answerable: Path) -> None:
    metrics = read(answerable / "metrics.json")["splits"]["test"]["metrics"]
    assert set(metrics) == {"exact_match", "f1", "score_auroc", "ece"}
    assert metrics["f1"]["value"] >= 0.9, "a word is the answer wherever it stands"
    exported = read(answerable / "export.json")["variants"]
    own = exported["fp32"]["test"]["metrics"]
    for name in ("ece", "score_auroc"):  # they are of the scores, which rounding moves
        assert own.pop(name)["value"] == pytest.approx(metrics.pop(name)["value"], abs=1e-4)
    assert own == metrics
    assert exported["fp32"]["parity"]["flips"] == []
    assert exported["fp32"]["parity"]["max_abs_diff"] < 1e-3
    lines = [json.loads(line) for line in (answerable / "predictions.test.jsonl").read_text().splitlines()]
    pipeline = Pipeline.load(answerable / "bundle")
    answers = pipeline.predict([line["input"] for line in lines])
    for line, answer in zip(lines, answers, strict=True):
        assert answer.text == line["answer"]["text"]
        assert line["input"]["context"][answer.start : answer.end] == answer.text


def test_every_door(answerable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"question": "good bad ?", "context": "the food was a place to not very slow"}
    assert_every_door(answerable, item, tmp_path, capsys)


def test_the_bundle_measured_on_the_test_questions_gives_the_figures_of_the_run(
    answerable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    articles = read(answerable.parents[2] / "qa.json")["data"]  # of one question each
    lines = (answerable / "predictions.test.jsonl").read_text().splitlines()
    rows = [int(json.loads(line)["row"].rpartition(":")[2]) - 1 for line in lines]
    (tmp_path / "gold.json").write_text(json.dumps({"data": [articles[row] for row in rows]}))
    for variant, known in read(answerable / "export.json")["variants"].items():
        arguments = ["--input", str(tmp_path / "gold.json"), "--variant", variant, "--json"]
        assert main(["evaluate", str(answerable / "bundle"), *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["splits"]["gold"]["metrics"] == known["test"]["metrics"]


def test_titles_do_not_straddle_splits_and_the_plan_is_told(answerable: Path) -> None:
    events = [json.loads(line) for line in (answerable / "events.jsonl").read_text().splitlines()]
    plans = {event["split"]: event["plan"] for event in events if event["event"] == "planned"}
    plan = plans["train"]
    assert plan["rows"] == plan["answerable"] == plan["whole in a window"] == 120
    assert plan["windows"] > plan["rows"]
    assert plan["lost by windowing"] == 0
    assert plan["longest"] == 24


def test_a_long_context_is_answered_far_beyond_the_first_window(answerable: Path) -> None:
    draw = random.Random(5)
    pipeline = Pipeline.load(answerable / "bundle")
    contexts = []
    for share in (0.1, 0.5, 0.98):
        words = draw.choices(FILLERS, k=2600)
        words[int(share * len(words))] = "place"
        contexts.append(" ".join(words))
    assert min(map(len, contexts)) > 10_000
    for context, answer in zip(
        contexts, pipeline.predict([("good bad ?", c) for c in contexts]), strict=True
    ):
        assert answer.text == "place"
        assert answer.start == context.index("place")
        assert context[answer.start : answer.end] == "place"


def test_top_k_and_bad_inputs(answerable: Path) -> None:
    pipeline = Pipeline.load(answerable / "bundle")
    (answer,) = pipeline.predict([{"question": "good ?", "context": "the food was a place"}], top_k=3)
    assert answer.candidates[0]["text"] == answer.text
    assert len(answer.candidates) == 3
    assert answer.no_answer is None
    assert pipeline.predict([]) == []
    for bad in ("a text alone", {"question": "q"}, {"question": "q", "context": " "}, ("q", 3)):
        with pytest.raises(InputError, match="input 0"):
            pipeline.predict([bad])


def test_predict_command(answerable: Path, tmp_path: Path, capsys) -> None:
    bundle = str(answerable / "bundle")
    assert main(["predict", bundle, "--text", "good ?", "--text-pair", "the food was a place"]) == 0
    assert capsys.readouterr().out.startswith("place ")
    rows = tmp_path / "in.jsonl"
    rows.write_text('{"q": "good ?", "context": "the place was nice"}\n{"q": "good ?"}\n', encoding="utf-8")
    assert main(["predict", bundle, "--input", str(rows), "--columns", "question=q"]) == 3
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["text"], first["start"], first["end"]) == ("place", 4, 9)
    assert "context" in second["error"]
    assert main(["predict", bundle, "--input", str(rows), "--columns", "text=q"]) == 2


def test_questions_without_an_answer_tune_a_threshold_into_the_bundle(abstaining: Path) -> None:
    run = abstaining
    split = read(run / "metrics.json")["splits"]["validation"]
    metrics = {name: metric["value"] for name, metric in split["metrics"].items()}
    assert metrics["f1"] >= 0.9
    assert metrics["best_f1"] == pytest.approx(metrics["f1"]), "tuned on these very rows"
    assert metrics["f1_no_answer"] > 0.5
    assert split["questions"]["no_answer"] > 0
    threshold = read(run / "bundle" / "bundle.json")["decoder"]["null_threshold"]
    assert threshold == read(run / "family.json")["null_threshold"] == split["best_thresholds"]["f1"]
    draw = random.Random(1)
    pipeline = Pipeline.load(run / "bundle")
    none, some = pipeline.predict(
        [("good bad ?", context_of(draw, 30, None)), ("good bad ?", context_of(draw, 30, "eat"))]
    )
    assert (none.text, none.start) == ("", None)
    assert none.no_answer > some.no_answer
    assert some.text == "eat"
    assert main(["export", str(run)]) == 0, "in a command of its own"
    assert read(run / "bundle" / "bundle.json")["decoder"]["null_threshold"] == threshold


def test_answers_abstain_by_what_validation_chose_for_each_variant(
    abstaining: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = read(abstaining / "metrics.json")["splits"]["test"]["policy"]
    found = measured["abstention"]
    assert found["target_precision"] == 0.9
    lines = [json.loads(line) for line in (abstaining / "predictions.test.jsonl").read_text().splitlines()]
    given = [line for line in lines if not line["answer"]["abstained"]]
    assert len(given) / len(lines) == pytest.approx(found["answered"]["value"])
    assert np.mean([line["correct"] for line in given]) == pytest.approx(found["precision"]["value"])
    assert all(line["answer"]["score"] >= measured["min_confidence"] for line in given)
    manifest = read(abstaining / "bundle" / "bundle.json")
    own = manifest["variants"]["int8"]["decoder"]["policy"]
    assert manifest["decoder"]["policy"]["min_confidence"] == measured["min_confidence"]
    assert own["min_confidence"] != measured["min_confidence"]
    exported = read(abstaining / "export.json")["variants"]["int8"]["policy"]
    assert exported["min_confidence"] == own["min_confidence"]
    assert exported["abstention"]["answered"]["value"] > 0
    sure, unsure = ("the food was eat", "good bad bad ?" * 3)
    pipeline = Pipeline.load(abstaining / "bundle", "int8")
    for answer in pipeline.predict([("good bad ?", sure), ("good bad ?", unsure)]):
        assert answer.abstained == (answer.score < own["min_confidence"])
    asked = ["--variant", "fp32", "--text", "good bad ?", "--text-pair"]
    row = min(lines, key=lambda line: line["answer"]["score"])
    assert main(["predict", str(abstaining / "bundle"), *asked, row["input"]["context"]]) == 0
    assert (" (abstained)" in capsys.readouterr().out) == row["answer"]["abstained"]
