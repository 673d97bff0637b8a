"""`ftcore package nemo`: rows and recipe as NeMo takes them; and a model that NeMo has fine-tuned as `model.base`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_cache import working_in
from models import save_tiny_bert, tiny_spec
from module_files import load_module
from nemo_checkpoints import ALPHA, RANK, STEP, adapter, write_checkpoint
from ruamel.yaml import YAML
from safetensors.numpy import load_file

import ftcore
from ftcore.cli import main
from ftcore.runs.nemo import recipe
from ftcore.spec.training import TrainingSpec


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, which nobody has exported."""
    folder = tmp_path_factory.mktemp("nemo")
    YAML().dump(tiny_spec(save_tiny_bert(folder / "base"), training={"max_steps": 2}), folder / "labels.yaml")
    assert main(["train", str(folder / "labels.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    (found,) = folder.glob("runs/*/*")
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
    made = recipe(spec.resolved.spec, spec.resolved.spec.training, 3)["peft"]
    assert (made["dim"], made["alpha"], made["match_all_linear"]) == (4, 8, True)
    named = spec.with_overrides(model={"lora": {"target_modules": ["query"]}}).resolved.spec
    assert recipe(named, named.training, 3)["peft"]["target_modules"] == ["*.query"]


@pytest.mark.parametrize(
    ("training", "rows"),
    [({}, 32), ({"batch_size": "auto"}, 32), ({"batch_size": 4, "gradient_accumulation": 3}, 12)],
)
def test_a_step_has_the_rows_that_it_has_here(run: Path, training: dict[str, Any], rows: int) -> None:
    spec = ftcore.Spec(**tiny_spec(run.parents[2] / "base")).resolved.spec
    made = recipe(spec, TrainingSpec(**training), 3)["step_scheduler"]
    assert (made["global_batch_size"], made["local_batch_size"]) == (rows, min(rows, 8))


def test_what_nemo_does_not_take(
    run: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "nemo")]
    assert main(["package", "nemo", str(tiny_bundle), *output]) == 2
    assert f"{tiny_bundle}: no run here (no run.json)" in capsys.readouterr().err
    assert main(["package", "nemo", str(run), *output, "--variant", "int8"]) == 2
    assert "unrecognized arguments: --variant int8" in capsys.readouterr().err
    other = shutil.copytree(run, tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "family": "span_extraction"}))
    assert main(["package", "nemo", str(other), *output]) == 2
    assert "NeMo's recipe fine-tunes classifiers of one label" in capsys.readouterr().err
    assert not (tmp_path / "nemo").exists()


def spec_on(base: str, folder: Path) -> str:
    """A spec with this base model, in the folder that is worked in."""
    YAML().dump(tiny_spec(Path(base), training={"max_steps": 2}), folder / "again.yaml")
    return "again.yaml"


def test_what_nemo_has_fine_tuned_is_trained_further(run: Path, tmp_path: Path) -> None:
    write_checkpoint("whole", run / "model", tmp_path / "checkpoints")
    with working_in(tmp_path):
        spec = spec_on("checkpoints/LATEST/model/consolidated", tmp_path)
        assert main(["validate", spec]) == 0
        assert main(["train", spec]) == 0
    (trained,) = tmp_path.glob("runs/*/*/model/model.safetensors")
    before, after = load_file(run / "model/model.safetensors"), load_file(trained)
    assert before.keys() == after.keys()
    moved = max(float(np.abs(before[name] - after[name]).max()) for name in before)
    assert 0 < moved < 0.05, "two steps away from what NeMo had, the head among it"


@pytest.mark.parametrize(
    ("kind", "named", "what", "hint"),
    [
        ("whole", ".", "a checkpoint of NeMo, and not the model in it", "name {}/LATEST/model/consolidated"),
        ("whole", STEP, "a checkpoint of NeMo, and not the model in it", "name {}/model/consolidated"),
        ("whole", f"{STEP}/model", "a checkpoint of NeMo, and not the model in it", "name {}/consolidated"),
        ("sharded", f"{STEP}/model", "a checkpoint of NeMo in shards", "run its `consolidate.sh`"),
        ("sharded", "LATEST", "a checkpoint of NeMo in shards", "then name `model/consolidated`"),
        ("adapter", f"{STEP}/model", "the folder holds an adapter (LoRA), and no model", "merge it"),
        ("adapter", "LATEST", "the folder holds an adapter (LoRA), and no model", "docs/how-to/nemo.md"),
    ],
)
def test_other_folders_of_a_checkpoint_say_what_to_name(
    kind: str, named: str, what: str, hint: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(kind, run / "model", tmp_path / "checkpoints")
    base = str(Path("checkpoints") / named)
    with working_in(tmp_path):
        assert main(["validate", spec_on(base, tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert f"error[base]: {what}" in shown
    assert f"help: {hint.format(base)}" in shown or hint in shown.partition("help: ")[2]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # in peft
def test_an_adapter_is_merged_by_the_lines_of_the_document(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/nemo.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shutil.copytree(run / "model", tmp_path / "model")
    write_checkpoint("adapter", run / "model", tmp_path / "checkpoints")
    with working_in(tmp_path):
        exec(lines, {})
        assert main(["validate", spec_on("merged", tmp_path)]) == 0
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "merged"))
    updates = adapter(run / "model")
    for name, weight in before.items():
        front = f"base_model.model.{name.removesuffix('.weight')}"
        wanted = weight
        if f"{front}.lora_A.weight" in updates and name.endswith(".weight"):
            product = updates[f"{front}.lora_B.weight"] @ updates[f"{front}.lora_A.weight"]
            wanted = weight + ALPHA / RANK * product
        np.testing.assert_allclose(after[name], wanted, atol=1e-5)
