"""Explanations of a run's model in torch: integrated gradients that add up, and attention as a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from graph_cache import working_in

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from models import labelled_rows
from small import trained

from ftcore.cli import main
from ftcore.errors import UserError
from ftcore.evaluation import weight_randomisation
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.attention import RAW, ROLLOUT, attention_picture
from ftcore.evaluation.gradients import SIMPLE, Gradients, explain_by_gradients
from ftcore.evaluation.weight_randomisation import compare_with_random_weights

TEXT = "the food was very good"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A run that was trained and not exported, whose project is its folder's third parent."""
    folder = tmp_path_factory.mktemp("explained")
    with working_in(folder):
        return trained(folder, tiny_base, data={"train": labelled_rows(160)}).folder.path


@pytest.fixture
def answers(run: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> AnsweringModel:
    from ftcore.plugins import PluginRegistry
    from ftcore.runs.folder import open_run, reload_spec
    from ftcore.runs.workspace import Workspace

    monkeypatch.chdir(run.parents[2])
    folder = open_run(run)
    spec, task = reload_spec(folder, PluginRegistry.discover())
    workspace = Workspace(folder, spec, task, ())
    return AnsweringModel(workspace.fine_tuned(), workspace.family, workspace.encoder)


def test_gradients_add_up_to_the_difference_from_no_words(answers: AnsweringModel) -> None:
    found = explain_by_gradients(answers, TEXT, ["pos", "neg"])
    positive, negative = found.reasons
    batch = answers.batch(answers.decoder.prepare([TEXT], answers.encoder))
    words = torch.tensor([[False, *[True] * 5, False]])
    nothing = {**batch, "input_ids": torch.where(words, answers.encoder.config.pad_id, batch["input_ids"])}
    with torch.no_grad():
        whole, bare = (
            float(answers.family.model.attributed(answers.family.model.outputs(answers.model, one), "pos"))
            for one in (batch, nothing)
        )
    assert positive.score == pytest.approx(whole, abs=1e-4)
    assert positive.delta is not None
    assert positive.delta < 0.01
    assert sum(positive.weights) == pytest.approx(whole - bare, rel=0.02, abs=1e-3)
    assert negative.weights == pytest.approx([-weight for weight in positive.weights], abs=1e-3)
    assert [part.text for part in found.parts] == TEXT.split()
    assert found.faithfulness is not None
    assert found.answer.label == answers([TEXT])[0].label  # type: ignore[attr-defined]


def test_words_that_are_not_read_weigh_nothing(answers: AnsweringModel) -> None:
    (reason,) = explain_by_gradients(answers, " ".join([TEXT] * 4), ["pos"], faithfulness=False).reasons
    assert len(reason.weights) == 20
    assert all(reason.weights[:14])
    assert not any(reason.weights[14:]), "14 words and two special tokens are read"


def test_gradient_x_input_is_one_gradient_and_what_integrated_ones_are_compared_with(
    answers: AnsweringModel,
) -> None:
    found = explain_by_gradients(answers, TEXT, ["pos"], method=SIMPLE)
    batch = answers.batch(answers.decoder.prepare([TEXT], answers.encoder))
    embeddings: list[torch.Tensor] = []
    layer = answers.model.get_input_embeddings()  # type: ignore[operator]
    handle = layer.register_forward_hook(lambda _, __, made: embeddings.append(made))
    family = answers.family.model
    score = family.attributed(family.outputs(answers.model, batch), "pos")  # type: ignore[attr-defined]
    handle.remove()
    (gradient,) = torch.autograd.grad(score.sum(), embeddings[0])
    expected = (
        (gradient * embeddings[0]).sum(dim=-1)[0, 1:-1].tolist()
    )  # a token a word, between two special ones
    assert found.method == "gradient-x-input"
    assert found.reasons[0].weights == pytest.approx(expected, abs=1e-6)
    assert found.faithfulness is not None
    assert found.faithfulness.simple is None
    better = explain_by_gradients(answers, TEXT, ["pos"]).faithfulness
    assert better is not None
    assert better.simple == pytest.approx(found.faithfulness.comprehensiveness)
    assert f"without those of gradient x input by {better.simple:.3f}" in better.sentence


def test_attention_is_a_share_of_what_is_read_and_says_that_it_is_a_picture(answers: AnsweringModel) -> None:
    for method in (ROLLOUT, RAW):
        found = attention_picture(answers, TEXT, method)
        (reason,) = found.reasons
        assert all(weight >= 0 for weight in reason.weights)
        assert 0 < sum(reason.weights) < 1, "special tokens have the rest"
        assert found.faithfulness is None
        assert found.conclusion.startswith("attention is a picture")
    assert attention_picture(answers, TEXT).reasons[0].weights != found.reasons[0].weights


def test_the_command_prints_and_writes_them(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parents[2])
    asked = ["explain", str(run), "--text", TEXT, "--method"]
    assert main([*asked, "gradients"]) == 0
    shown = capsys.readouterr().out
    assert ", by gradients" in shown
    assert "convergence delta 0." in shown
    assert "without its best words the score falls by" in shown
    assert main([*asked, "attention", "--json", "--html", str(tmp_path / "a.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["note"].startswith("attention is a picture")
    assert "faithfulness" not in found
    assert "Attention is a picture" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "attention", "--label", "pos"], "attention is of no label"),
        (["--method", "gradients", "--label", "great"], "the answer could not be 'great'"),
        (["--method", "gradients", "--variant", "int8"], "goes with --method occlusion"),
        (["--method", "occlusion"], "this run has no bundle yet"),
        (["--method", "gradient"], "did you mean `gradients`?"),
        (["--sanity"], "not allowed with"),
    ],
)
def test_what_is_refused(
    run: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(run.parents[2])
    assert main(["explain", str(run), "--text", TEXT, *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "attention"], "--method attention: goes with --text"),
        (["--label", "pos"], "--label: goes with --text"),
        (["--rows", "0"], "--rows: must be at least 1"),
        (["--rows", "1"], "fewer than two rows of 1 have explanations that can be compared"),
    ],
)
def test_what_is_no_sanity_check(
    run: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(run.parents[2])
    assert main(["explain", str(run), "--sanity", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_bundle_has_no_model_to_differentiate(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(tiny_bundle), "--text", TEXT, "--method", "gradients"]) == 2
    assert "is a bundle, and this needs the run's model" in capsys.readouterr().err


def test_a_family_without_such_a_score_says_so() -> None:
    none: Any = None
    texts: Any = SimpleNamespace(family=SimpleNamespace(name="texts", model=object()))
    with pytest.raises(UserError, match="the family texts has no score that gradients could be taken of"):
        Gradients(texts, none, none)


@pytest.mark.parametrize("method", ["occlusion", "gradients"])
def test_explanations_of_random_weights_are_others(
    answers: AnsweringModel, method: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run), "--sanity", "--rows", "12", "--method", method, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == method
    assert found["rows"] == 12
    assert [*found["random"]] == ["head", "all"]
    low, high = found["random"]["all"]["interval"]
    assert -1 <= low <= found["random"]["all"]["correlation"] <= high <= 1
    assert main(["explain", str(run), "--sanity", "--rows", "6", "--method", method]) == 0
    shown = capsys.readouterr().out
    assert "rank correlation" in shown
    assert ("they rest on what the model learnt" in shown) or ("show the text and not the model" in shown)


def test_an_explanation_that_never_changes_is_found_out(
    answers: AnsweringModel, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that weighs words by their length says the same of any model."""
    lengths = lambda _, cut, *rest: np.array([len(part.text) for part in cut.parts], float)  # noqa: E731
    monkeypatch.setattr(weight_randomisation, "_weights", lengths)
    found = compare_with_random_weights(answers, [TEXT, "a slow place to eat", "good"])
    assert found.rows == 2, "one word has no order"
    assert not found.passed
    assert found.found["all"].mean == pytest.approx(1.0)
    assert main(["explain", str(run), "--sanity", "--rows", "6"]) == 0
    assert "a high correlation: words are ranked much the same" in capsys.readouterr().out
    with pytest.raises(UserError, match="fewer than two rows of 1"):
        compare_with_random_weights(answers, [TEXT])


def test_only_the_head_is_random_first(answers: AnsweringModel) -> None:
    own = dict(answers.model.named_parameters())

    def changed(part: str) -> set[str]:
        made = weight_randomisation._randomised(answers, part, 0).model
        return {name for name, weight in made.named_parameters() if not torch.equal(weight, own[name])}

    head = {name for name in own if "classifier" in name or "pooler" in name}
    assert changed("head") == head
    assert changed("all") == {name for name in own if own[name].std(correction=0) > 0} > head
