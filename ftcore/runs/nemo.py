"""A run as what NVIDIA NeMo Automodel (0.7) fine-tunes further: its model, its rows, and a recipe in YAML.

For classifiers of one label: NeMo's recipe for them learns from token ids and one label a row. What it has fine-tuned
is a Hugging Face folder again, which a spec names as `model.base`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.families.bound import BoundFamily
from ftcore.families.recipe import step_rows
from ftcore.files import read_json
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import RunFolder, reload_spec
from ftcore.runs.recipe_choice import recipe_of
from ftcore.runs.rows import read_splits
from ftcore.spec.sections import Spec
from ftcore.spec.training import EPOCHS, LEARNING_RATE, TrainingSpec
from ftcore_server.packaging.target import new_folder, write_yaml

_FAMILY = "sequence_classification"
_LOCAL_ROWS = 8  # at a time on a GPU, at most
RECIPE = "recipe.yaml"


def write_nemo(run: RunFolder, output: Path, plugins: PluginRegistry) -> None:
    """Write the folder: `recipe.yaml`, `model/`, `rows.py` and `rows/`.

    Args:
        output: a folder that is not there yet; the recipe is started in it.

    Raises:
        UserError: the run is no classifier of one label, or has no model; its rows cannot be read.
    """
    spec, task = reload_spec(run, plugins)
    if run.record()["family"] != _FAMILY or getattr(spec.data, "problem", None) != "single_label":
        what = "NeMo's recipe fine-tunes classifiers of one label, and this run is none"
        raise UserError(what, where=str(run.path))
    if not run.model.is_dir():
        raise UserError("this run has no model yet", where=str(run.path), hint=f"ftcore resume {run.path}")
    reader = BoundFamily(task.family, spec).reader
    splits = read_splits(reader, Path(run.record()["base_dir"]), task.hooks)
    labels = read_json(run.model / "config.json")["label2id"]
    with new_folder(output) as folder:
        shutil.copytree(run.model, folder / "model")
        module = resources.files("ftcore.runs") / "nemo_rows.py"
        (folder / "rows.py").write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "rows").mkdir()
        for split in (splits.train, splits.validation):
            inputs, references = reader.inputs(split.table), reader.references(split.table)
            _write_rows(folder / "rows" / f"{split.name}.jsonl", inputs, references, labels)
        write_yaml(folder / RECIPE, recipe(spec, _training(run, spec), len(labels)))


def _training(run: RunFolder, spec: Spec) -> TrainingSpec:
    """The section `training` with what the run's recipe chose for the fields that are open."""
    chosen = recipe_of(run)
    return chosen.fill(spec.training) if chosen else spec.training


def _write_rows(file: Path, inputs: Iterable[Any], references: Iterable[Any], labels: dict[str, int]) -> None:
    """A line of JSON a row: its texts, and the index of its label."""
    with file.open("w", encoding="utf-8") as lines:
        for given, reference in zip(inputs, references, strict=True):
            texts = [given] if isinstance(given, str) else list(given)
            row = {"texts": [text for text in texts if text is not None], "label": labels[reference]}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def recipe(spec: Spec, training: TrainingSpec, labels: int) -> dict[str, Any]:
    """The recipe, with the run's own batch size, learning rate, epochs and seed.

    Args:
        training: of the spec, as it is filled.
        labels: how many there are.
    """
    rows = step_rows(training)
    collated = {
        "_target_": "torchdata.stateful_dataloader.StatefulDataLoader",
        "collate_fn": "nemo_automodel.components.datasets.utils.default_collater",
    }
    found: dict[str, Any] = {
        "recipe": "TrainFinetuneRecipeForSequenceClassification",
        "seed": training.seed,
        "step_scheduler": {
            "global_batch_size": rows,
            "local_batch_size": min(rows, _LOCAL_ROWS),
            "num_epochs": max(1, round(EPOCHS if training.epochs is None else training.epochs)),
            "ckpt_every_steps": 500,
            "val_every_steps": 100,
        },
        "dist_env": {"backend": "nccl", "timeout_minutes": 10},
        "distributed": {"strategy": "fsdp2", "tp_size": 1, "cp_size": 1},
        "model": {
            "_target_": "nemo_automodel.NeMoAutoModelForSequenceClassification.from_pretrained",
            "pretrained_model_name_or_path": "model",
            "num_labels": labels,
        },
        "checkpoint": {
            "enabled": True,
            "checkpoint_dir": "checkpoints/",
            "model_save_format": "safetensors",
            "save_consolidated": True,
        },
        "dataset": _rows("train", spec),
        "dataloader": dict(collated),
        "validation_dataset": _rows("validation", spec),
        "validation_dataloader": dict(collated),
        "optimizer": {
            "_target_": "torch.optim.AdamW",
            "lr": training.learning_rate or LEARNING_RATE,
            "weight_decay": training.weight_decay,
        },
    }
    if (lora := spec.model.lora) is not None:
        found["peft"] = {
            "_target_": "nemo_automodel.components._peft.lora.PeftConfig",
            "dim": lora.rank,
            "alpha": lora.alpha,
            "dropout": lora.dropout,
            **(
                {"match_all_linear": True}
                if lora.target_modules is None
                else {"target_modules": [f"*.{name}" for name in lora.target_modules]}
            ),
        }
    return found


def _rows(split: str, spec: Spec) -> dict[str, Any]:
    return {"_target_": "./rows.py:Rows", "path": f"rows/{split}.jsonl", "max_length": spec.model.max_length}
