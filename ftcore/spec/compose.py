"""From YAML 1.2 text to a document: bounded in every direction, with the location of each key and value.

ruamel.yaml's pure-Python parser turns text into events; what the events mean is decided here, so that no
constructor, tag or resolver of a library ever sees the document. Limits are checked while events arrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ftcore.spec.diagnostics import Diagnostic, Key, Source, Span, SpecError, short
from ftcore.spec.document import Document
from ftcore.spec.scalars import TAG_PREFIX, Scalar, plain, tagged

MAX_LINE = 64 * 1024
MAX_DEPTH = 40
MAX_NODES = 20_000
MAX_ALIASES = 100

# Not printable in YAML, or (U+0085, U+2028, U+2029) a line break to one version of YAML and text to another.
_REFUSED = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

#: What ruamel.yaml says -> what would be right.
_HELP = {
    "'\\t'": "YAML is indented with spaces; put spaces in the place of the tab",
    "mapping values are not allowed": "put a text with `: ` in quotes; else check this line's indentation",
    "expected <block end>": "keys of one section begin in the same column; check this line's indentation",
    "could not find expected ':'": "a key is followed by `: ` and its value; check the line before this one",
    "cannot start any token": "put the text in quotes",
    "expected ',' or": "a `[` or `{` before this is not closed, or a comma is missing",
    "unexpected end of stream": "a quote or bracket before this is not closed",
    "unknown escape": "in double quotes a backslash is written twice; in single quotes it is itself",
    "expected '<document start>'": "the spec has ended before this; check the indentation",
}


def parse(source: Source, skip: int = 0) -> Document:
    """Read any one YAML value.

    Args:
        source: the text.
        skip: characters at its start that are not part of the value.

    Raises:
        SpecError: it is not YAML, breaks a limit, or uses what a spec has no use for (tags, merge keys...).
    """
    _check_text(source)
    tree = _Tree(source, skip).build()
    document = Document(None, source)
    maker = _Maker(document)
    document.value = maker.make(tree, (), 0)
    if maker.errors:
        raise SpecError(maker.errors)
    return document


def _check_text(source: Source) -> None:
    if match := _REFUSED.search(source.text):
        message = f"the character U+{ord(match[0]):04X} is not allowed in a spec"
        help_ = "remove it, or write it as an escape in double quotes"
        raise SpecError([Diagnostic("not-text", message, Span(source, match.start()), help_)])
    start = 0
    for line in source.text.split("\n"):
        if len(line) > MAX_LINE:
            message = f"a line of more than {MAX_LINE // 1024} KiB"
            raise SpecError(
                [Diagnostic("too-large", message, Span(source, start), "keep long texts in a data file")]
            )
        start += len(line) + 1


@dataclass
class _Node:
    """A parsed value: a scalar, the items of a sequence, or the pairs of a mapping."""

    span: Span
    scalar: tuple[str, str | None, bool] | None = None  # text, tag, whether it is plain
    items: list[_Node] = field(default_factory=list)
    mapping: bool = False
    tag: str | None = None
    target: _Node | None = None  # of an alias: the node it names


class _Tree:
    """Builds nodes from events, without recursion."""

    def __init__(self, source: Source, skip: int) -> None:
        self.source = source
        # Blanks in the place of what is skipped keep the parser's positions those of the source.
        self.text = " " * skip + source.text[skip:]
        self.anchors: dict[str, _Node] = {}
        self.nodes = self.aliases = self.last = 0

    def build(self) -> _Node:
        from ruamel.yaml import events

        root: _Node | None = None
        stack: list[tuple[_Node, str | None]] = []
        for event in self._events():
            start, end = event.start_mark.index, event.end_mark.index
            self.last = start
            if isinstance(event, events.DocumentStartEvent):
                if root is not None:
                    raise self._error(
                        "several-documents", "a second document begins here", start, help="keep one to a file"
                    )
                if event.version or event.tags:
                    raise self._error(
                        "directive",
                        "YAML directives are not allowed in a spec",
                        self.text.index("%YAML" if event.version else "%TAG"),
                        help="remove the `%` line",
                    )
                continue
            if isinstance(event, events.SequenceEndEvent | events.MappingEndEvent):
                node, anchor = stack.pop()
                self._remember(anchor, node)
                continue
            if isinstance(event, events.AliasEvent):
                node = _Node(self._span(start, end), target=self._alias(event.anchor, start))
            elif isinstance(event, events.ScalarEvent):
                tag = None if event.tag is None else str(event.tag)
                span = self._span(start, end)
                node = _Node(span, scalar=(event.value, tag, event.style is None))
                self._remember(event.anchor, node)
            elif isinstance(event, events.SequenceStartEvent | events.MappingStartEvent):
                tag = None if event.tag is None else str(event.tag)
                node = _Node(
                    self._span(start, end), mapping=isinstance(event, events.MappingStartEvent), tag=tag
                )
            else:
                continue
            self._count(start, len(stack))
            if stack:
                stack[-1][0].items.append(node)
            else:
                root = node
            if isinstance(event, events.CollectionStartEvent):
                stack.append((node, event.anchor))
        return root or _Node(Span(self.source, 0, 0), scalar=("", None, True))

    def _events(self) -> Iterator[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            yield from YAML(typ="safe", pure=True).parse(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = str(error.problem or error.context or "not YAML")
            help_ = next((text for part, text in _HELP.items() if part in problem), None)
            raise self._error("syntax", problem, mark.index if mark else self.last, help=help_) from error
        except (
            YAMLError,
            ValueError,
            ArithmeticError,
            LookupError,
            TypeError,
            AttributeError,
            AssertionError,
        ) as error:
            # The parser meets some malformed escapes and tags with plain Python errors.
            raise self._error("syntax", "not YAML from here on", self.last) from error

    def _alias(self, name: str, at: int) -> _Node:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise self._error(
                "too-many-aliases", f"more than {MAX_ALIASES} aliases", at, help="write the values out"
            )
        if name not in self.anchors:
            name = short(name)
            raise self._error(
                "unknown-alias", f"`*{name}` names no anchor before it", at, help=f"mark the value `&{name}`"
            )
        return self.anchors[name]

    def _remember(self, anchor: str | None, node: _Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _count(self, at: int, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._error(
                "too-large", f"more than {MAX_NODES} values", at, help="keep rows in a data file"
            )
        if depth >= MAX_DEPTH:
            raise self._error("too-deep", f"nested deeper than {MAX_DEPTH} levels", at)

    def _span(self, start: int, end: int) -> Span:
        """The first line of start..end; an empty value is shown at what comes before it."""
        text = self.source.text
        if start == end:
            return Span(self.source, len(text[:start].rstrip()), 0)
        return Span(self.source, start, len(text[start:end].partition("\n")[0]))

    def _error(self, code: str, message: str, at: int, *, help: str | None = None) -> SpecError:  # noqa: A002
        text = self.source.text
        while at < len(text) and text[at] == " ":
            at += 1
        return SpecError([Diagnostic(code, message, Span(self.source, at), help)])


class _Maker:
    """Makes plain values of nodes, notes their locations, and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.errors: list[Diagnostic] = []
        self.made = 0
        self.alias: Span | None = None  # the outermost alias that is being expanded

    def make(self, node: _Node, key: Key, depth: int) -> Any:  # noqa: ANN401 (anything that YAML can hold)
        if node.target is not None:
            return self._alias(node, node.target, key, depth)
        self.made += 1  # aliases make a node several times
        if self.made > MAX_NODES:
            message = f"aliases expand to more than {MAX_NODES} values"
            raise SpecError(
                [Diagnostic("too-large", message, self.alias or node.span, "write the values out")]
            )
        if depth > MAX_DEPTH:
            message = f"aliases nest deeper than {MAX_DEPTH} levels"
            raise SpecError([Diagnostic("too-deep", message, self.alias or node.span)])
        self.document.values[key] = node.span
        if node.scalar is not None:
            return self._scalar(node, key)
        if node.tag not in (None, TAG_PREFIX + ("map" if node.mapping else "seq")):
            self._error(
                "tag",
                f"the tag `{short(node.tag or '')}` is not allowed in a spec",
                node.span,
                key,
                "remove it",
            )
        if node.mapping:
            return self._mapping(node, key, depth)
        return [self.make(item, (*key, index), depth + 1) for index, item in enumerate(node.items)]

    def _alias(self, node: _Node, target: _Node, key: Key, depth: int) -> Any:  # noqa: ANN401
        outer, self.alias = self.alias, self.alias or node.span
        value = self.make(target, key, depth)
        self.alias = outer
        return value

    def _scalar(self, node: _Node, key: Key) -> Scalar:
        assert node.scalar is not None
        text, tag, is_plain = node.scalar
        try:
            # Escapes write characters beyond U+FFFF as pairs, as JSON does; half a pair is no character.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            if tag is not None:
                return tagged(tag, text)
            return plain(text) if is_plain else text
        except UnicodeDecodeError:
            self._error("not-text", "half of a surrogate pair", node.span, key, "write the character itself")
            return None
        except ValueError as error:
            self._error("tag" if tag else "number", str(error), node.span, key, None)
            return None

    def _mapping(self, node: _Node, key: Key, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for name_node, value_node in zip(node.items[::2], node.items[1::2], strict=True):
            span = name_node.span
            node = name_node.target or name_node
            name = self._scalar(node, key) if node.scalar is not None else None
            if not isinstance(name, str):
                text = short(node.scalar[0]) if node.scalar else ""
                self._error(
                    "key", "a key must be text", span, key, f"put it in quotes: '{text}'" if text else None
                )
                continue
            if name == "<<":
                self._error(
                    "key", "merge keys (`<<`) are not part of YAML 1.2", span, key, "write the keys out"
                )
                continue
            path = (*key, name)
            if name in mapping:
                first = self.document.keys[path].line
                self._error(
                    "duplicate-key",
                    f"`{short(name)}` is given twice",
                    span,
                    path,
                    f"the first is on line {first}; keep one",
                )
                continue
            self.document.keys[path] = span
            mapping[name] = self.make(value_node, path, depth + 1)
        return mapping

    def _error(self, code: str, message: str, span: Span, key: Key, help: str | None) -> None:  # noqa: A002
        self.errors.append(Diagnostic(code, message, span, help, key))
