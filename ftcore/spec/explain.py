"""Turns pydantic's errors into diagnostics: in the right place, in plain words, with what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ftcore.spec.diagnostics import Diagnostic, Key, dotted, short
from ftcore.spec.document import Document
from ftcore.spec.scalars import plain

#: What was expected, by pydantic's type of error; filled in with the error's context.
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a section",
    "none_required": "nothing",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_too_short": "text of at least {min_length} character(s)",
    "string_too_long": "text of at most {max_length} character(s)",
    "too_short": "at least {min_length} item(s)",
    "too_long": "at most {max_length} item(s)",
    "string_pattern_mismatch": "text of the form `{pattern}`",
}


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Diagnostic]:
    """Every error of a validation, in no particular order.

    Args:
        error: what `model.model_validate(document.value)` raised.
        document: the document that was validated.
        model: the model of the whole document.
    """
    found: list[Diagnostic] = []
    meant: set[Key] = set()  # the keys that unknown ones look like: those are not reported as missing too
    mismatches: dict[Key, list[tuple[ErrorDetails, bool]]] = {}
    for detail in error.errors(include_url=False):
        key, whole = _key(detail["loc"], document.value)
        if detail["type"] == "extra_forbidden":
            unknown, likely = _unknown_key(key, document, model)
            found.append(unknown)
            meant |= likely
        elif detail["type"] == "missing":
            found.append(_missing((*key, str(detail["loc"][-1])), document, model))
        elif detail["type"] in ("value_error", "assertion_error"):
            found.append(_refused(key, detail, document))
        else:
            mismatches.setdefault(key, []).append((detail, whole))
    for key, details in mismatches.items():
        # A union reports every branch: those that the value's own items contradict say more than the others.
        if any(len(other) > len(key) and other[: len(key)] == key for other in mismatches):
            details = [(detail, whole) for detail, whole in details if whole]
        if details:
            found.append(_mismatch(key, [detail for detail, _ in details], document, model))
    return [diagnostic for diagnostic in found if diagnostic.code != "missing" or diagnostic.key not in meant]


def model_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """The section model at a path of a model; None where there is none."""
    for step in key:
        if isinstance(step, int):
            continue  # the annotation of a list was already reduced to its items' model
        field = model.model_fields.get(step)
        inner = next(_models(field.annotation), None) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _field(model: type[BaseModel], key: Key) -> FieldInfo | None:
    names = [step for step in key if isinstance(step, str)]
    owner = model_at(model, tuple(names[:-1])) if names else None
    return owner.model_fields.get(names[-1]) if owner else None


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 (any annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _homes(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every field of the sections of a model: its name, and its dotted path."""
    for name, field in model.model_fields.items():
        yield name, prefix + name
        if get_origin(field.annotation) is not list:
            for inner in _models(field.annotation):
                yield from _homes(inner, f"{prefix}{name}.")


def _key(loc: tuple[int | str, ...], value: Any) -> tuple[Key, bool]:  # noqa: ANN401
    """The document's path for pydantic's, which also names branches of unions; whether they are the same."""
    key: list[str | int] = []
    for step in loc:
        inside = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
        if inside and (step in value if isinstance(step, str) else step < len(value)):
            key.append(step)
            value = value[step]
    return tuple(key), len(key) == len(loc)


def _unknown_key(key: Key, document: Document, model: type[BaseModel]) -> tuple[Diagnostic, set[Key]]:
    """The error of a key, and the key of the same section that it was most likely meant to be."""
    name, section = str(key[-1]), model_at(model, key[:-1])
    here = list(section.model_fields) if section else []
    homes = [path for home, path in _homes(model) if home == name and path != dotted(key)]
    near = get_close_matches(name, here, n=1)
    ideas = near + homes[:1]
    if not ideas:
        every = dict(_homes(model))
        ideas = [every[match] for match in get_close_matches(name, every, n=1, cutoff=0.75)]
    if ideas:
        help_ = "did you mean " + " or ".join(f"`{idea}`" for idea in ideas) + "?"
    else:
        help_ = "the keys here are " + ", ".join(f"`{name}`" for name in here)
    where = f" in `{dotted(key[:-1])}`" if key[:-1] else ""
    message = f"unknown key `{short(name)}`{where}"
    diagnostic = Diagnostic("unknown-key", message, document.key_span(key), help_, key)
    return diagnostic, {(*key[:-1], match) for match in near}


def _missing(key: Key, document: Document, model: type[BaseModel]) -> Diagnostic:
    field = _field(model, key)
    where = f" in `{dotted(key[:-1])}`" if key[:-1] else ""
    help_ = field.description if field and field.description else f"give `{dotted(key)}`"
    return Diagnostic("missing", f"`{key[-1]}` is missing{where}", document.key_span(key[:-1]), help_, key)


def _refused(key: Key, detail: ErrorDetails, document: Document) -> Diagnostic:
    """What a validator of ours or of a plugin says, at the first key of the section that its text names."""
    message = str(detail.get("ctx", {}).get("error") or detail["msg"])
    for name in re.findall(r"`(\w+)`", message):
        if (*key, name) in document.values:
            return Diagnostic("value", message, document.key_span((*key, name)), None, (*key, name))
    return Diagnostic("value", message, document.span(key), None, key)


def _mismatch(
    key: Key, details: list[ErrorDetails], document: Document, model: type[BaseModel]
) -> Diagnostic:
    value = document.get(key)
    expected: list[str] = []
    for detail in details:
        context = detail.get("ctx", {})
        if detail["type"] == "literal_error":
            text = str(context["expected"]).replace("'", "`")
        elif detail["type"] in _EXPECTED:
            text = _EXPECTED[detail["type"]].format(**context)
        else:
            text = detail["msg"]
        if text not in expected:
            expected.append(text)
    message = f"expected {' or '.join(expected)}, got {_describe(value)}"
    field = _field(model, key)
    help_ = _mend(value, details) or (field.description if field else None)
    return Diagnostic("value", message, document.span(key), help_, key)


def _describe(value: Any) -> str:  # noqa: ANN401 (anything that YAML can hold)
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f"the text '{short(value)}'" if value else "an empty text"
        case int() | float():
            return f"the number {short(str(value))}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "a mapping"


def _mend(value: Any, details: list[ErrorDetails]) -> str | None:  # noqa: ANN401
    """What the user most likely meant."""
    types = {detail["type"] for detail in details}
    if value is None:
        return "give it a value, or remove the line"
    if isinstance(value, str):
        choices = [
            choice
            for detail in details
            if detail["type"] == "literal_error"
            for choice in re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected")))
        ]
        if match := get_close_matches(value, choices, n=1):
            return f"did you mean `{match[0]}`?"
        if types & {"int_type", "float_type"} and _is_number(value.replace("_", "").replace(",", "")):
            return f"write the number bare: {value.replace('_', '').replace(',', '')}"
    elif isinstance(value, int | float) and "string_type" in types:
        return f"put it in quotes: '{short(str(value))}'"
    return None


def _is_number(text: str) -> bool:
    try:
        return isinstance(plain(text), int | float) and text.lower() not in ("true", "false")
    except ValueError:
        return False
