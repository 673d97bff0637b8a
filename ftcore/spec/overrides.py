"""`--set training.learning_rate=3e-5`: values from the command line, laid over a document."""

from __future__ import annotations

from typing import Any

from ftcore.spec.compose import parse
from ftcore.spec.diagnostics import Diagnostic, Key, Source, Span, SpecError, dotted
from ftcore.spec.document import Document

OPTION = "--set"


def override(document: Document, argument: str, name: str = OPTION) -> None:
    """Lay `key.path=value` over a document; the value is YAML. Sections that are absent are made.

    Args:
        name: stands for the argument in errors.

    Raises:
        SpecError: not of that form, not YAML, or the path leads through something that is not a section.
    """
    source = Source(name, argument)
    path, equals, _ = argument.partition("=")
    steps = path.split(".")
    if not equals or not all(step.strip() == step != "" for step in steps):
        message = "not of the form `key.path=value`"
        raise SpecError(
            [Diagnostic("set", message, Span(source, 0, len(path)), "such as `training.epochs=2`")]
        )
    value = parse(source, skip=len(path) + 1)
    parent, key = _parent(document, steps, source)
    last: str | int = steps[-1]
    if isinstance(parent, list):
        last = _index(parent, steps, len(steps) - 1, source)
    parent[last] = value.value
    _relocate(document, (*key, last), value, Span(source, 0, len(path)))


def _parent(document: Document, steps: list[str], source: Source) -> tuple[Any, Key]:
    """The mapping or list that holds the last step, and its path."""
    target, key = document.value, ()  # type: tuple[Any, Key]
    for depth, step in enumerate(steps[:-1]):
        at = Span(source, 0, len(".".join(steps[: depth + 1])))
        if isinstance(target, list):
            name: str | int = _index(target, steps, depth, source)
        else:
            name = step
            if target.get(name) is None:
                target[name] = {}
                document.keys[(*key, name)] = document.values[(*key, name)] = at
        target, key = target[name], (*key, name)
        if not isinstance(target, dict | list):
            message = f"`{dotted(key)}` is a value, not a section"
            raise SpecError([Diagnostic("set", message, at, f"set `{dotted(key)}` itself", key)])
    return target, key


def _index(items: list[Any], steps: list[str], depth: int, source: Source) -> int:
    if steps[depth].isdecimal() and int(steps[depth]) < len(items):
        return int(steps[depth])
    start = len(".".join(steps[:depth])) + 1
    message = f"`{'.'.join(steps[:depth])}` is a list of {len(items)}"
    help_ = f"an index from 0 to {len(items) - 1}" if items else f"set `{'.'.join(steps[:depth])}` itself"
    raise SpecError([Diagnostic("set", message, Span(source, start, len(steps[depth])), help_)])


def _relocate(document: Document, key: Key, value: Document, path: Span) -> None:
    """Replace the spans under `key` with those of the new value."""
    for spans in (document.keys, document.values):
        for old in [old for old in spans if old[: len(key)] == key]:
            del spans[old]
    document.keys[key] = path
    for spans, new in ((document.keys, value.keys), (document.values, value.values)):
        for inner, span in new.items():
            spans[(*key, *inner)] = span
