"""Gradients of answers that are spans: an entity's label, and where an answer begins and ends, each apart."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from graph_cache import working_in

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from small import trained

from ftcore.cli import main
from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.attention import attention_picture
from ftcore.evaluation.gradients import Gradients, explain_by_gradients
from ftcore.families.token_span import token_span
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.explanations.parts import CutInput

FILLERS = ["food", "was", "the", "very", "slow", "not", "a", "to"]
TRAINING = {"epochs": 20, "batch_size": 16, "learning_rate": 2e-3, "precision": "fp32"}


def entity_rows(count: int) -> Iterator[dict[str, Any]]:
    """`again` is an `act` where the text says good, a `spot` where it says bad."""
    draw = random.Random(0)
    for number in range(count):
        words = [*draw.choices(FILLERS, k=3), *[["good", "bad"][number % 2]] * 3, "again", "again"]
        draw.shuffle(words)
        text, entities = " ".join(words), []
        for found in re.finditer("again", text):
            entities.append(
                {"label": ["act", "spot"][number % 2], "start": found.start(), "end": found.end()}
            )
        yield {"text": text, "entities": entities}


def questions(count: int) -> dict[str, Any]:
    """`good` asks for `eat again`, `bad` for `nice place`; every context has both."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        words = draw.choices(FILLERS, k=6)
        words[draw.randrange(3)], words[draw.randrange(3, 6)] = "eat again", "nice place"
        context, answer = " ".join(words), ["eat again", "nice place"][number % 2]
        asked = {
            "id": str(number),
            "question": f"{['good', 'bad'][number % 2]} food ?",
            "answers": [{"text": answer, "answer_start": context.index(answer)}],
        }
        made.append({"title": str(number), "paragraphs": [{"context": context, "qas": [asked]}]})
    return {"version": "1.1", "data": made}


def answering(folder: Path, base: Path, **sections: Any) -> tuple[Path, AnsweringModel]:
    with working_in(folder):
        workspace = trained(folder, base, training=TRAINING, **sections)
        return workspace.folder.path, AnsweringModel(
            workspace.fine_tuned(), workspace.family, workspace.encoder
        )


@pytest.fixture(scope="module")
def entities(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> tuple[Path, AnsweringModel]:
    folder = tmp_path_factory.mktemp("entities")
    rows = "".join(json.dumps(row) + "\n" for row in entity_rows(300))
    (folder / "train.jsonl").write_text(rows)
    return answering(folder, tiny_base, task="ner", data={"train": "train.jsonl"}, model={"stride": 4})


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> tuple[Path, AnsweringModel]:
    folder = tmp_path_factory.mktemp("spans")
    (folder / "train.json").write_text(json.dumps(questions(300)))
    model = {"max_length": 24, "stride": 4, "max_question_length": 5}
    return answering(folder, tiny_base, task="qa", data={"train": "train.json"}, model=model)


def best(found: Explanation) -> str:
    return found.parts[found.reasons[0].ranked()[0]].text


def test_the_label_of_each_entity_rests_on_the_word_that_decides_it(
    entities: tuple[Path, AnsweringModel],
) -> None:
    _, answers = entities
    for row in [*entity_rows(320)][300:]:
        found = explain_by_gradients(answers, row["text"])
        (reason,) = found.reasons
        assert reason.target == f"again ({row['entities'][0]['label']})"
        assert best(found) in ("good", "bad")
        assert "again" not in [part.text for part in found.parts], "its own words stay"
        assert reason.delta is not None
        assert reason.delta < 0.01
        assert found.faithfulness is not None
        assert found.faithfulness.simple is not None


def test_the_log_odds_of_a_label_are_of_its_words(entities: tuple[Path, AnsweringModel]) -> None:
    _, answers = entities
    text = "good food was again good slow good"
    (reason,) = explain_by_gradients(answers, text).reasons
    prepared = answers.decoder.prepare([text], answers.encoder)
    with torch.no_grad():
        logits = answers.family.model.outputs(answers.model, answers.batch(prepared))["logits"][0]
    probabilities = logits.softmax(dim=-1)[4]  # [CLS] good food was again
    own = probabilities[1:3].sum() if "act" in reason.target else probabilities[3:5].sum()
    assert reason.score == pytest.approx(float(torch.log(own / (1 - own))), abs=1e-3)


def test_start_and_end_of_an_answer_are_apart_and_add_up(spans: tuple[Path, AnsweringModel]) -> None:
    _, answers = spans
    item = {"question": "good food ?", "context": "the eat again was nice place slow"}
    found = explain_by_gradients(answers, item)
    whole, start, end = found.reasons
    assert [one.edge for one in found.reasons] == ["", "start", "end"]
    assert [one.title for one in found.reasons][1:] == ["the start of eat again", "the end of eat again"]
    assert whole.weights == pytest.approx(
        [a + b for a, b in zip(start.weights, end.weights, strict=True)], abs=1e-4
    )
    assert whole.score == pytest.approx(start.score + end.score)
    asked = [index for index, part in enumerate(found.parts) if part.field == "question"]
    for reason in found.reasons:
        first = max(asked, key=reason.weights.__getitem__)
        assert (found.parts[first].text, reason.weights[first] > 0) == ("good", True)
    assert all(one.delta is not None and one.delta < 0.01 for one in (start, end))
    prepared = answers.decoder.prepare([item], answers.encoder)
    span = token_span(prepared.places, found.answer.place("eat again"))  # type: ignore[attr-defined]
    assert (span.first, span.last) == (6, 7)  # [CLS] good food ? [SEP] the eat again
    with torch.no_grad():
        logits = answers.family.model.outputs(answers.model, answers.batch(prepared))["start_logits"][0]
    odds = logits[6] - torch.cat([logits[:6], logits[7:]]).logsumexp(dim=0)
    assert start.score == pytest.approx(float(odds), abs=1e-4)
    (nothing,) = Gradients(answers, CutInput(answers.decoder, item, found.answer), found.answer).reasons("")
    assert nothing.title == "no answer"
    other = explain_by_gradients(answers, item, ["nice place"])
    assert {one.target for one in other.reasons} == {"nice place"}
    assert other.reasons[0].weights[asked[0]] < 0, "the word speaks against the other answer"


def test_the_command_shows_each(
    spans: tuple[Path, AnsweringModel],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run, _ = spans
    monkeypatch.chdir(run.parents[2])
    asked = ["explain", str(run), "--text", "good food ?", "--text-pair", "the eat again was nice place"]
    assert main([*asked, "--method", "gradients"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("what speaks for")]
    assert [line.split(" (")[0] for line in shown] == [
        "what speaks for `eat again`",
        "what speaks for the start of `eat again`",
        "what speaks for the end of `eat again`",
    ]
    page = tmp_path / "why.html"
    assert main([*asked, "--method", "gradients", "--html", str(page), "--json"]) == 0
    targets = json.loads(capsys.readouterr().out)["targets"]
    assert [one.get("edge") for one in targets] == [None, "start", "end"]
    assert "What speaks for the end of eat again" in page.read_text()


def test_a_question_that_is_cut_is_refused(spans: tuple[Path, AnsweringModel]) -> None:
    _, answers = spans
    item = {"question": "good food was the very slow ?", "context": "the eat again was nice place"}
    with pytest.raises(UserError, match="the model reads 14 of the 16 tokens of the input"):
        explain_by_gradients(answers, item)
    with pytest.raises(UserError, match="the model reads 14 of the 16 tokens"):
        attention_picture(answers, item)


def test_weights_without_what_was_learnt_explain_something_else(
    spans: tuple[Path, AnsweringModel], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = spans
    monkeypatch.chdir(run.parents[2])
    assert main(["explain", str(run), "--sanity", "--method", "gradients", "--rows", "10"]) == 0
    shown = capsys.readouterr().out
    assert "explanations by gradients of 10 validation rows" in shown
    assert "they rest on what the model learnt" in shown
