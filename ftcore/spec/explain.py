"""Turns pydantic's errors into diagnostics: at the right location, in plain words, with what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ftcore.spec.diagnostics import MOST, Diagnostic, Key, and_more, dotted, short
from ftcore.spec.document import Document
from ftcore.spec.scalars import plain
from ftcore.spec.synonyms import MEANT

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

_LONGEST_KEY = 100  # characters of a key that are compared with others


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Diagnostic]:
    """The errors of a validation, in no particular order: the first `MOST` of the text, and how many more there are.

    Args:
        error: what `model.model_validate(document.value)` raised.
        document: the document that was validated.
        model: the model of the whole document.
    """
    found: list[Diagnostic] = []
    meant: set[Key] = set()  # the keys that unknown ones look like: those are not reported as missing too
    mismatches: dict[Key, list[tuple[ErrorDetails, bool]]] = {}
    by_key: dict[Key, list[tuple[ErrorDetails, bool]]] = {}
    for detail in error.errors(include_url=False):
        key, whole = _key(detail["loc"], document.value)
        by_key.setdefault(key, []).append((detail, whole))
    first = sorted(by_key, key=lambda key: document.key_span(key).start)
    for key, detail, whole in [(at, *one) for at in first[:MOST] for one in by_key[at]]:
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
    inner = {key[:depth] for key in by_key for depth in range(len(key))}
    for key, details in mismatches.items():
        # A union reports every branch: those that the value's own items contradict say more than the others.
        if key in inner:
            details = [(detail, whole) for detail, whole in details if whole]
        if details:
            found.append(_mismatch(key, [detail for detail, _ in details], document, model))
    found = [
        diagnostic for diagnostic in found if diagnostic.code != "missing" or diagnostic.key not in meant
    ]
    if len(first) > MOST:
        found.append(and_more(len(first) - MOST, document.key_span(first[MOST])))
    return found


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
    near = get_close_matches(name[:_LONGEST_KEY], here, n=1)
    meant = MEANT.get(name.lower())
    ideas = [meant] if meant in here else near + homes[:1]
    if not ideas:
        every = dict(_homes(model))
        if meant in every:
            ideas = [every[meant]]
        else:
            ideas = [every[match] for match in get_close_matches(name[:_LONGEST_KEY], every, n=1, cutoff=0.8)]
    if ideas:
        named = [f"`{idea}`" + (" at the top level" if idea == name else "") for idea in ideas]
        help_ = f"did you mean {' or '.join(named)}?"
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
    written = document.written(key)
    message = f"expected {' or '.join(expected)}, got {_describe(value, written)}"
    field = _field(model, key)
    help_ = _suggestion(key, value, written, details, model_at(model, key)) or (
        field.description if field else None
    )
    return Diagnostic("value", message, document.span(key), help_, key)


def _describe(value: Any, written: str) -> str:  # noqa: ANN401 (anything that YAML can hold)
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f"the text '{short(value)}'" if value else "an empty text"
        case int() | float():
            return f"the number {short(written or str(value))}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "a mapping"


def _suggestion(
    key: Key,
    value: Any,  # noqa: ANN401 (anything that YAML can hold)
    written: str,
    details: list[ErrorDetails],
    section: type[BaseModel] | None,
) -> str | None:
    """What the user most likely meant.

    Args:
        written: the value as the spec has it.
        section: the model of the section that is expected there, if it is one.
    """
    types = {detail["type"] for detail in details}
    if "string_type" in types and written and not isinstance(value, str):
        return f"put it in quotes: '{short(written)}'"
    if value is None:
        return "give it a value, or remove the line"
    if "model_type" in types and section is not None and isinstance(value, bool | int | float):
        return _as_section(str(key[-1]), value, section)
    if isinstance(value, str):
        choices = [
            choice
            for detail in details
            if detail["type"] == "literal_error"
            for choice in re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected")))
        ]
        if match := get_close_matches(value, choices, n=1):
            return f"did you mean `{match[0]}`?"
        if types & {"int_type", "int_parsing", "float_type", "float_parsing"}:
            return _bare_number(value)
    return None


def _as_section(name: str, value: bool | int | float, section: type[BaseModel]) -> str:
    """How a section is written that has a bare value in the spec: with the first of its fields that takes the value."""
    fields = ", ".join(f"`{field}`" for field in section.model_fields)
    if value is False:
        return f"to have none of it, remove the line; its keys are {fields}"
    for field, info in section.model_fields.items():
        given = info.default if value is True else value
        try:
            section.model_validate({field: given})
        except ValidationError:
            continue
        shown = str(given).lower() if isinstance(given, bool) else f"{given}"
        return f"it is a section: write `{name}: {{{field}: {shown}}}`; its keys are {fields}"
    return f"it is a section: its keys are {fields}"


def _bare_number(text: str) -> str | None:
    """How a number that was written as text is written; a comma may part thousands, or be the decimal point."""
    joined = text.strip().replace("_", "")
    if "," not in joined:
        return f"write the number bare: {joined}" if _is_number(joined) else None
    point, bare = joined.replace(",", "."), joined.replace(",", "")
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", joined):
        decimal = (
            f", or {point} if the comma is a decimal point"
            if joined.count(",") == 1 and "." not in joined
            else ""
        )
        return f"write the number bare: {bare}{decimal}"
    return f"write the number with a point: {point}" if _is_number(point) else None


def _is_number(text: str) -> bool:
    try:
        return isinstance(plain(text), int | float) and text.lower() not in ("true", "false")
    except ValueError:
        return False
