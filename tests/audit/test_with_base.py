"""The part of the audit that needs a base model, on a tiny one: tokens, unknown words, and what a training takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main


@pytest.fixture
def spec(project: Path, tiny_base: Path) -> dict[str, Any]:
    made = tiny_spec(tiny_base)
    made["model"]["max_length"] = 12
    made["data"]["train"] = [
        {"text": "good [SEP] food", "label": "pos"},
        {"text": "bad " * 20, "label": "neg"},
        *labelled_rows(160),
    ]
    return made


def audited(spec: dict[str, Any], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    YAML().dump(spec, Path("labels.yaml"))
    assert main(["audit", "labels.yaml", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    found["by check"] = {one["check"]: one for one in found["findings"]}
    return found


def test_tokens_and_the_estimate(spec: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    found = audited(spec, capsys)
    cut = sum(figures["cut at 12"] for figures in found["lengths"].values())
    assert cut == 1
    assert found["by check"]["truncation"]["severity"] == "note"
    (special,) = found["by check"]["special tokens"]["examples"]
    assert special["note"] == "[SEP]"
    assert special["rows"][0]["text"] == "good [SEP] food"
    figures = found["estimate"]
    assert set(figures) == {"steps", "seconds", "peak memory, MiB", "disk, MiB"}
    assert figures["steps"] > 0
    assert 0 < figures["seconds"] < 600
    assert not Path("runs").exists(), "nothing is left behind"


def test_words_that_the_tokenizer_does_not_know_are_an_error(
    spec: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    spec["data"]["train"] = [
        {"text": f"xq{number} zj{number} wv{number}", "label": ("neg", "pos")[number % 2]}
        for number in range(100)
    ]
    found = audited(spec, capsys, code=2)
    unknown = found["by check"]["unknown tokens"]
    assert unknown["severity"] == "error"
    assert unknown["what"] == "the tokenizer does not know 100% of the training rows' tokens"
    assert found["estimate"] == {}


def test_flipped_labels_are_shown_with_what_is_likelier(
    spec: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = labelled_rows(400)
    for number in (10, 50, 90, 130, 171, 211, 251, 291):
        rows[number]["label"] = {"pos": "neg", "neg": "pos"}[rows[number]["label"]]
    spec["data"]["train"] = rows
    YAML().dump(spec, Path("labels.yaml"))
    assert main(["audit", "labels.yaml", "-v"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "note: label errors: " in out
    assert "estimate: a training of " in out
    assert "(neg, likelier pos 0." in out or "(neg, likelier pos 1." in out
