"""JSON Schema (draft 2020-12) of specs, for editors: of one task, or of every task that is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from ftcore.task import Task

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def task_schema(task: Task) -> dict[str, Any]:
    """The schema of the specs of one task."""
    schema = task.spec.model_json_schema()
    return {"$schema": DIALECT, **_for_task(schema, task)}


def catalog_schema(tasks: Sequence[Task]) -> dict[str, Any]:
    """The schema of the specs of any of these tasks; `task` tells them apart."""
    references, definitions = models_json_schema([(task.spec, "validation") for task in _distinct(tasks)])
    shared = definitions.get("$defs", {})
    roots = {
        task.id: references[(task.spec, "validation")]["$ref"].removeprefix("#/$defs/") for task in tasks
    }
    branches = [_for_task(shared[roots[task.id]], task) for task in tasks]
    kept = {name: schema for name, schema in shared.items() if name not in roots.values()}
    return {"$schema": DIALECT, "title": "ftcore spec", "oneOf": branches, "$defs": kept}


def _distinct(tasks: Sequence[Task]) -> list[Task]:
    return list({task.spec: task for task in tasks}.values())


def _for_task(schema: dict[str, Any], task: Task) -> dict[str, Any]:
    name = {"const": task.id, "description": task.summary}
    return {**schema, "title": f"Task {task.id}", "properties": {**schema["properties"], "task": name}}
