"""Every field of a spec: what the tasks have in common, then what each has besides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from generating import cell, head, shipped_plugins, table

#: Path of a field -> its type, its default and what it says.
Fields = Mapping[str, tuple[str, str, str]]


def page() -> str:
    """The page."""
    registry = shipped_plugins()
    tasks = {
        info.id: dict(fields(registry.load(info.id).task.spec))
        for info in registry.infos()
        if info.origin == "shipped"
    }
    first, *others = tasks.values()
    common = {path: row for path, row in first.items() if all(one.get(path) == row for one in others)}
    text = "`ftcore schema TASK` gives an\neditor the same. A field whose default is `-` must be given."
    parts = [head("Every field of a spec", text), "## All tasks\n", _table(common)]
    for name, own in tasks.items():
        parts += [f"## {name}\n", _table({path: row for path, row in own.items() if path not in common})]
    return "\n".join(parts)


def fields(
    model: type[BaseModel], front: str = "", seen: dict[type[BaseModel], str] | None = None
) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """The fields of a model and of the sections in it, by their dotted paths; of equal sections those of the first.

    Args:
        seen: the sections that were there before, and where.
    """
    seen = {} if seen is None else seen
    for name, field in model.model_fields.items():
        path, section = f"{front}{name}", _section(field.annotation)
        text = (
            field.description or (section.__doc__ or "").partition("\n")[0] if section else field.description
        )
        if section in seen:
            text = f"{text or ''} As `{seen[section]}`."
        yield path, (_type(field.annotation), _default(field), cell(text or ""))
        if section is not None and section not in seen:
            seen[section] = path
            inner = f"{path}[]." if "list" in _type(field.annotation) else f"{path}."
            yield from fields(section, inner, seen)


def _table(rows: Fields) -> str:
    return table(
        ("field", "type", "default", ""),
        [(f"`{path}`", kind, default, text) for path, (kind, default, text) in rows.items()],
    )


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 (a type)
    """The model in a type: itself, of a list, or of what may be None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _section(one)) is not None), None)


def _type(annotation: Any) -> str:  # noqa: ANN401
    """A type in words."""
    if _section(annotation) is not None:
        return "list of sections" if get_origin(annotation) is list else "section"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is None:
        return {str: "text", int: "whole number", float: "number", bool: "true, false", NoneType: "null"}.get(
            annotation, getattr(annotation, "__name__", "any")
        )
    if origin in (list, tuple):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "mapping"
    if origin is Literal:
        return ", ".join(f"`{_written(one)}`" for one in inner)
    if hasattr(annotation, "__metadata__"):
        return _type(inner[0])
    return " or ".join(dict.fromkeys(_type(one) for one in inner if one is not NoneType))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "-"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel) or value is PydanticUndefined:
        return ""
    return "none" if value in (None, []) else f"`{cell(_written(value))}`"


def _written(value: object) -> str:
    """As YAML has it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
