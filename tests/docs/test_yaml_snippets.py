"""The YAML of README and docs is what a spec may say: whole specs, and sections within a spec of some task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from doc_blocks import Snippet, snippets
from pydantic import ValidationError
from ruamel.yaml import YAML

from ftcore.plugins import PluginRegistry

#: Blocks that are of no shipped task.
OTHERS = {"docs/examples/label_and_number/README.md": "rating"}
BLOCKS = [block for block in snippets("yaml") if block.page not in OTHERS]
#: What stands in a spec where a block leaves it out.
LEFT_OUT: Mapping[str, Any] = {"data": {"train": "reviews.csv"}, "model": {"base": "./base"}}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping laid over another."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.number}")
def test_a_block(block: Snippet, shipped: PluginRegistry) -> None:
    sections = YAML(typ="safe").load(block.text.replace("data: ... ", "data: {}"))
    tasks = (
        [sections["task"]]
        if "task" in sections
        else [info.id for info in shipped.infos() if info.kind == "task"]
    )
    errors = []
    for task in tasks:
        labels = {"data": {"labels": ["negative", "positive"]}} if task == "sentiment" else {}
        try:
            shipped.load(task).task.spec.model_validate(
                merged(merged({"task": task, **LEFT_OUT}, labels), sections)
            )
        except ValidationError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def test_what_a_spec_may_not_say_is_noticed(shipped: PluginRegistry) -> None:
    block = next(block for block in BLOCKS if "checkpoint_every" in block.text)
    with pytest.raises(ValidationError, match="checkpoint_evry"):
        test_a_block(Snippet("", 0, block.text.replace("every", "evry")), shipped)
