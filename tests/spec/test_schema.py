"""The JSON Schema says of a document what the validator says of it.

Left to the validator alone, since JSON Schema cannot say it: a regression has no labels (one field against
another), `32.0` is not a whole number (to JSON Schema it is), and whether files are there.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from ftcore.plugins import PluginRegistry
from ftcore.spec.schema import catalog_schema, task_schema

TASKS = ("classification", "sentiment")
BASE: dict[str, Any] = {
    "data": {"train": "train.csv", "labels": ["neg", "pos"]},
    "model": {"base": "owner/name"},
}

# path: values that are tried there; `...` removes the key
VARIANTS: dict[str, list[Any]] = {
    "task": [..., None, 1, "", "other"],
    "name": ["ok-1.x", "-no", "a/b", "", None, 3],
    "zzz": [1],
    "data": [..., None, [], "x", {}],
    "data.train": [
        ...,
        None,
        3,
        "",
        "x.csv",
        [],
        [{"text": "a", "label": "b"}],
        ["a"],
        {},
        {"path": None},
        {"path": "a"},
        {"hub": "o/n", "split": "train"},
        {"rows": [{"a": 1}]},
        {"path": "a", "hub": "b"},
        {"path": "a", "hub": None},
        {"path": "a", "format": "xls"},
        {"path": "a", "delimiter": ";;"},
        {"path": "a", "x": 1},
    ],
    "data.test": [None, "x.csv", 3],
    "data.where": [
        [],
        None,
        [{"column": "c"}],
        [{"column": "c", "min": 1}],
        [{"column": "c", "min": None}],
        {"column": "c"},
        [{"column": "", "max": 1}],
        [{"column": "c", "one_of": []}],
        [{"column": "c", "one_of": ["a"], "min": "1"}],
    ],
    "data.labels": [
        None,
        ["a"],
        ["a", "a"],
        ["a", "b"],
        ["a", 1],
        list("abc"),
        list("abcd"),
        list("abcde"),
        list("abcdef"),
        "ab",
    ],
    "data.problem": ["single_label", "multi_label", "regression", None],
    "data.columns": [{}, {"text": "t"}, {"text": ""}, {"text": None}, {"weight": None}, {"other": "x"}],
    "data.split": [
        {},
        {"validation": 0.2},
        {"validation": 1},
        {"validation": 1.5},
        {"validation": -1},
        {"validation": 0},
        {"test": "x"},
        {"stratify": "yes"},
        {"stratify": False},
        {"seed": -1},
    ],
    "data.sample": [{"train": 1}, {"train": 0}, {"train": None}],
    "model.base": [..., "", 1, None],
    "model.max_length": [3, 4, 131_072, 131_073, "4", None, True],
    "model.dropout": [None, 0, 0.5, 1, -0.1],
    "training": [None, {}, [], "x"],
    "training.recipe": ["auto", "plain", "probe", "other", None],
    "training.epochs": [0, 0.5, 1, 10_000, 10_001, "1", None, True],
    "training.learning_rate": [0, 1e-5, 10, -1],
    "training.scheduler": ["linear", "none", None],
    "training.seed": [0, 2**32 - 1, 2**32, -1],
    "training.evaluate_every": ["epoch", "step", 0, 1, 1.5, None],
    "training.early_stopping": [None, {}, {"patience": 0}, {"patience": 1}, True],
    "training.class_weights": [
        "none",
        "balanced",
        "other",
        {},
        {"a": 1},
        {"a": 0.5},
        {"a": "x"},
        {"a": -1},
        None,
    ],
    "evaluation.confidence": [0.5, 0.51, 0.99, 1],
    "evaluation.threshold": [0, 0.5, 1],
    "export.variants": [[], ["fp32"], ["int8", "fp32"], ["fp32", "fp32"], ["fp64"], "fp32"],
    "export.tolerance": [{}, {"logits": 0}, {"flips": 0}, {"flips": 1}, {"int8_flips": 0.5}, {"x": 1}],
}


def documents() -> list[tuple[str, dict[str, Any]]]:
    made = []
    for path, values in VARIANTS.items():
        for value in values:
            document: dict[str, Any] = copy.deepcopy({"task": "", **BASE})
            *sections, last = path.split(".")
            target = document
            for section in sections:
                target = target.setdefault(section, {})
            if value is ...:
                del target[last]
            else:
                target[last] = value
            made.append((f"{path}={'(none)' if value is ... else json.dumps(value)}", document))
    return made


@pytest.mark.parametrize("task_id", TASKS)
def test_schema_and_validator_agree(task_id: str, shipped: PluginRegistry) -> None:
    task = shipped.load(task_id).task
    schema = task_schema(task)
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    verdicts = []
    for name, made in documents():
        document = (
            {**made, "task": task_id} if made.get("task") == "" and not name.startswith("task=") else made
        )
        try:
            task.spec.model_validate(document)
            # The first step has found the plugin by `task`, so that this is the task's id.
            valid = document.get("task") == task_id
        except ValidationError:
            valid = False
        assert judge.is_valid(document) == valid, f"{name}: the validator says {valid}"
        verdicts.append(valid)
    assert 30 < sum(verdicts) < len(verdicts) - 60, "both verdicts are well represented"


def test_catalog_schema_tells_tasks_apart(shipped: PluginRegistry) -> None:
    schema = catalog_schema([shipped.load(task_id).task for task_id in TASKS])
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    multi = {**BASE, "data": {**BASE["data"], "problem": "multi_label"}}
    assert judge.is_valid({"task": "sentiment", **BASE})
    assert judge.is_valid({"task": "classification", **multi})
    assert not judge.is_valid({"task": "sentiment", **multi})
    assert not judge.is_valid({"task": "other", **BASE})
    assert not judge.is_valid(BASE)


def test_every_field_is_described(shipped: PluginRegistry) -> None:
    schema = catalog_schema([shipped.load(task_id).task for task_id in TASKS])
    referenced = json.dumps(schema)
    for name in schema["$defs"]:
        assert f'"#/$defs/{name}"' in referenced, f"{name} is not used"
