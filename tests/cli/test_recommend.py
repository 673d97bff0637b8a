"""`ftcore recommend`: which bases fit, what one at hand is worth, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.recommendation.catalogue import Base, fitting, known_bases
from ftcore.recommendation.choice import Candidate, best
from ftcore.recommendation.measure import Measured
from ftcore.spec.bases import is_hub_id

KNOWN = [base for base in known_bases() if base.kind is not None]


def names(**wanted: object) -> set[str]:
    asked = {"generates": False, "script": "Latin", "languages": (), "licenses": frozenset(), **wanted}
    return {base.ref for base in fitting(KNOWN, **asked)}  # type: ignore[arg-type]


def test_the_catalogue_says_all_of_each_base() -> None:
    assert len({base.ref for base in KNOWN}) == len(KNOWN) > 25
    for base in KNOWN:
        assert is_hub_id(base.ref) or base.at_hand == base.ref
        assert base.million_parameters > 0
        assert base.hidden_size > 0
        assert base.languages
        assert base.license
        assert base.max_length >= 512


def test_they_are_chosen_by_task_script_language_and_licence() -> None:
    chinese = names(script="Chinese")
    assert "BAAI/bge-small-zh-v1.5" in chinese
    assert "intfloat/multilingual-e5-small" in chinese
    assert "BAAI/bge-small-en-v1.5" not in chinese
    assert "BAAI/bge-small-zh-v1.5" not in names()
    assert "deepset/gbert-base" in names(languages=("de",))
    assert "FacebookAI/roberta-base" not in names(languages=("de",))
    assert "intfloat/multilingual-e5-small" not in names(licenses={"apache-2.0"})
    assert names(generates=True, languages=("zh",)) == {"Helsinki-NLP/opus-mt-en-zh", "google/mt5-small"}
    assert {
        base.ref
        for base in fitting(
            [Base("./mine")], generates=True, script=None, languages=("xx",), licenses={"mit"}
        )
    } == {"./mine"}


def measured(value: float, over: str | None = None) -> Candidate:
    figures = Measured(1_000_000, 3.0, 1e-4, {"value": value, "low": value, "high": value}, 1.0)
    return Candidate(Base(f"./{value}"), 1.0, figures, 1e-4, over=over)


def test_the_best_within_the_budget_is_taken() -> None:
    found = [
        measured(0.7),
        measured(0.9, "more than 10 ms"),
        measured(0.8),
        Candidate(Base("elsewhere/one"), 1.0),
    ]
    assert best(found, higher_is_better=True) is found[2]
    assert best(found, higher_is_better=False) is found[0]
    assert best(found[3:], higher_is_better=True) is None


@pytest.fixture
def spec(project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of a tiny base, with one base of the catalogue that is elsewhere."""
    elsewhere = [
        base
        for base in KNOWN
        if base.ref in ("google/electra-small-discriminator", "FacebookAI/roberta-large")
    ]
    monkeypatch.setattr("ftcore.recommendation.choice.known_bases", lambda: elsewhere)
    YAML().dump(tiny_spec(tiny_base), project / "labels.yaml")
    return tiny_base


def test_a_base_at_hand_is_measured_and_others_are_listed(
    spec: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "broken").mkdir()
    arguments = ["--base", str(spec), "--base", "./broken", "--under-mb", "50"]
    assert main(["recommend", "labels.yaml", *arguments]) == 0
    out = capsys.readouterr().out
    assert out.startswith("on this machine: accuracy  ms")
    assert f"take: {spec}\nnext: ftcore run labels.yaml --set model.base={spec}\n" in out
    assert "google/electra-small-discriminator" in out
    assert "FacebookAI/roberta-large" not in out
    assert "1 more are over the budget" in out
    assert "not measured: ./broken: no config.json in the base model's folder" in out
    assert main(["recommend", "labels.yaml", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    own = next(one for one in found["bases"] if one["base"]["ref"] == str(spec))
    assert own["measured"]["metric"]["low"] > 0.5, "a word decides every label of two"
    assert own["measured"]["milliseconds"] > 0
    assert found["take"] == str(spec)
    assert not (project / "runs").exists()


def test_a_base_that_does_not_know_the_words_is_not_measured(
    spec: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": f"xq{number} zj{number}", "label": ("neg", "pos")[number % 2]} for number in range(160)]
    made = tiny_spec(spec)
    made["data"]["train"] = rows
    YAML().dump(made, project / "labels.yaml")
    assert main(["recommend", "labels.yaml", "--base", str(spec)]) == 0
    out = capsys.readouterr().out
    assert f"not measured: {spec}: the tokenizer does not know 100% of the training rows' tokens" in out
    assert "none was measured: download one, and name its folder with --base" in out


def test_what_cannot_be_a_budget(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recommend", "spec.yaml", "--under-mb", "0"]) == 2
    assert "--under-mb: must be above 0" in capsys.readouterr().err


def test_a_base_is_measured_as_large_as_the_spec_keeps_it(
    spec: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(kept: list[str]) -> str:
        assert main(["recommend", "labels.yaml", "--base", str(spec), *kept, "--json"]) == 0
        return capsys.readouterr().out

    def parameters(*kept: str) -> int:
        found = json.loads(report([part for one in kept for part in ("--set", one)]))
        own = next(one for one in found["bases"] if one["base"]["ref"] == str(spec))
        return int(own["measured"]["parameters"])

    fewer, thinner = parameters("model.keep_layers=1"), parameters("model.keep_intermediate=8")
    assert parameters("model.keep_layers=1", "model.keep_intermediate=8") < min(fewer, thinner)
    assert max(fewer, thinner) < parameters()
    assert "the base model has 2 layers, fewer than 9" in report(["--set", "model.keep_layers=9"])
