"""`ftcore package nemo`: the rows as NeMo's recipe takes them, and the recipe with the run's own values."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from models import save_tiny_bert, tiny_spec
from module_files import load_module
from ruamel.yaml import YAML

import ftcore
from ftcore.cli import main
from ftcore.runs.nemo import recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A trained run, with a bundle that stands in for its own."""
    folder = tmp_path_factory.mktemp("nemo")
    YAML().dump(tiny_spec(save_tiny_bert(folder / "base"), training={"max_steps": 2}), folder / "labels.yaml")
    assert main(["train", str(folder / "labels.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    (found,) = folder.glob("runs/*/*")
    shutil.copytree(tiny_bundle, found / "bundle")
    return found


def test_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    folder = tmp_path / "nemo"
    assert main(["package", "nemo", str(run), "--output", str(folder)]) == 0
    assert f"next: cd {folder} && automodel recipe.yaml --nproc-per-node" in capsys.readouterr().out
    made = YAML(typ="safe").load((folder / "recipe.yaml").read_text())
    assert made["recipe"] == "TrainFinetuneRecipeForSequenceClassification"
    assert (made["step_scheduler"]["global_batch_size"], made["optimizer"]["lr"]) == (16, 5e-3)
    assert made["model"]["num_labels"] == 2
    assert "peft" not in made
    monkeypatch.chdir(folder)
    module, _, name = made["dataset"].pop("_target_").partition(":")
    rows = load_module("rows", Path(module))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("model")
    found = getattr(rows, name)(tokenizer, **made["dataset"])
    labels = json.loads(Path("model/config.json").read_text())["label2id"]
    assert len(found) == 96
    for row in (found[0], found[95]):
        text = tokenizer.decode(row["input_ids"], skip_special_tokens=True)
        word = "pos" if {"good", "nice"} & set(text.split()) else "neg"
        assert row["labels"] == [labels[word]], "a word decides every label"
        assert len(row["attention_mask"]) == len(row["input_ids"]) <= 16
    assert len(Path("rows/validation.jsonl").read_text().splitlines()) == 32


def test_low_rank_updates_stay_low_rank_updates(run: Path) -> None:
    spec = ftcore.Spec(**tiny_spec(run.parents[2] / "base", model={"lora": {"rank": 4, "alpha": 8}}))
    made = recipe(spec.resolved.spec, 3, {})["peft"]
    assert (made["dim"], made["alpha"], made["match_all_linear"]) == (4, 8, True)
    named = spec.with_overrides(model={"lora": {"target_modules": ["query"]}}).resolved.spec
    assert recipe(named, 3, {})["peft"]["target_modules"] == ["*.query"]


def test_what_nemo_does_not_take(
    run: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "nemo")]
    assert main(["package", "nemo", str(tiny_bundle), *output]) == 2
    assert "is no run: NeMo goes on with a run's model and rows" in capsys.readouterr().err
    other = shutil.copytree(run, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "family": "span_extraction"}))
    assert main(["package", "nemo", str(other), *output]) == 2
    assert "NeMo's recipe fine-tunes classifiers of one label" in capsys.readouterr().err
    assert not (tmp_path / "nemo").exists()
