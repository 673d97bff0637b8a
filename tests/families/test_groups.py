"""Rows with the same input are one group in every family, whatever blanks stand around any of its texts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ftcore.families.bound import BoundFamily


def make(task: str, **data: Any) -> Any:
    from ftcore.plugins import PluginRegistry

    loaded = PluginRegistry.discover().load(task)
    spec = loaded.task.spec.model_validate(
        {"task": task, "data": {"train": "x.csv", **data}, "model": {"base": "x"}}
    )
    return BoundFamily(loaded.family, spec).reader


@pytest.mark.parametrize(
    ("task", "data", "rows"),
    [
        ("classification", {}, [{"text": "Good food"}, {"text": " good food\t"}]),
        (
            "classification",
            {"columns": {"text": "text", "text_pair": "b"}},
            [{"text": "good", "text_pair": "Nice place"}, {"text": "good ", "text_pair": "nice place "}],
        ),
        ("intent", {}, [{"text": "Good food"}, {"text": " good food\t"}]),
        ("ner", {}, [{"text": "Good food"}, {"text": " good food\t"}]),
        ("translation", {}, [{"source": "good food"}, {"source": "good food "}]),
        ("qa", {}, [{"title": None, "context": "good food"}, {"title": None, "context": " good food"}]),
        ("qa", {}, [{"title": "Book", "context": "a"}, {"title": "Book ", "context": "b"}]),
    ],
)
def test_outer_blanks_make_no_other_input(
    task: str, data: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in rows[0]]))
    first, second = make(task, **data).groups(table).to_pylist()
    assert first == second
