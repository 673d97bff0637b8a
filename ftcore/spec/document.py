"""A document: plain values, and the location that each key and value came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ftcore.spec.diagnostics import Diagnostic, Key, Source, Span, SpecError


@dataclass
class Document:
    """What a YAML text says: `value` is made of dict (text keys), list, str, int, float, bool and None.

    Args:
        value: the plain value; a mapping in a spec.
        source: the text it was read from.
        keys: the span of each mapping key, by its path.
        values: the span of each value, by its path.
    """

    value: Any
    source: Source
    keys: dict[Key, Span] = field(default_factory=dict)
    values: dict[Key, Span] = field(default_factory=dict)

    def get(self, key: Key) -> Any:  # noqa: ANN401 (anything that YAML can hold)
        """The value at a path; None where there is none."""
        value = self.value
        for step in key:
            inside = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
            if not inside or (step not in value if isinstance(step, str) else step >= len(value)):
                return None
            value = value[step]
        return value

    def span(self, key: Key) -> Span:
        """Where the error of a value is shown: the value, or the key of a section.

        A path that the document does not have (a default) is shown at the nearest section around it.
        """
        while key and key not in self.values:
            key = key[:-1]
        if key in self.keys and (isinstance(self.get(key), dict | list) or not self.values[key].length):
            return self.keys[key]
        return self.values[key]

    def written(self, key: Key) -> str:
        """The value at a path as the text has it (`01` for 1); "" where it is a section, a default or has no text."""
        span = self.values.get(key)
        if span is None or isinstance(self.get(key), dict | list):
            return ""
        return span.source.text[span.start : span.start + span.length]

    def key_span(self, key: Key) -> Span:
        """Where the error of a key is shown."""
        return self.keys.get(key) or self.span(key)

    def in_order(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics in the order of the text; those of overrides last."""

        def position(diagnostic: Diagnostic) -> tuple[bool, int]:
            if isinstance(diagnostic.at, Span):
                return diagnostic.at.source is not self.source, diagnostic.at.start
            return False, 0

        return sorted(diagnostics, key=position)

    def error(self, key: Key, code: str, message: str, *, help: str | None = None) -> SpecError:  # noqa: A002
        """One error about the value at a path."""
        return SpecError([Diagnostic(code, message, self.span(key), help, key)])
