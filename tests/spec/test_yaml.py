"""YAML 1.2 as we read it: what scalars mean, and that any input gives a document or our own error, quickly."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ftcore.spec import SpecError
from ftcore.spec.compose import parse
from ftcore.spec.diagnostics import Source, Span
from ftcore.spec.document import Document
from ftcore.spec.loader import load_file, load_text

SCALARS = {
    "no": "no",
    "yes": "yes",
    "on": "on",
    "true": True,
    "False": False,
    "tRue": "tRue",
    "null": None,
    "~": None,
    "": None,
    "1e-5": 1e-5,
    "3.": 3.0,
    ".5": 0.5,
    "+1": 1,
    "007": 7,
    "0o17": 15,
    "0x1F": 31,
    "0b11": "0b11",
    "1_000": "1_000",
    "12:30:00": "12:30:00",
    "2024-01-01": "2024-01-01",
    "'1'": "1",
    '"no"': "no",
    "!!str 1": "1",
    "!!float 1": 1.0,
    "!!int 1": 1,
    "!!null ''": None,
    "=": "=",
}


@pytest.mark.parametrize("text", SCALARS)
def test_scalar(text: str) -> None:
    value = load_text(f"a: {text}\n", "spec.yaml").value["a"]
    assert value == SCALARS[text]
    assert type(value) is type(SCALARS[text])


def test_every_location_is_known() -> None:
    document = load_text("a:\n  b: [x, {c: yy}]\r\n# \n'd e': &n |\n  text\nf: *n\ng:\n", "spec.yaml")
    assert document.value == {"a": {"b": ["x", {"c": "yy"}]}, "d e": "text\n", "f": "text\n", "g": None}
    assert {key: str(span).removeprefix("spec.yaml:") for key, span in document.keys.items()} == {
        ("a",): "1:1",
        ("a", "b"): "2:3",
        ("a", "b", 1, "c"): "2:11",
        ("d e",): "4:1",
        ("f",): "6:1",
        ("g",): "7:1",
    }
    assert str(document.span(("a", "b", 1, "c"))) == "spec.yaml:2:14"
    assert str(document.span(("a", "b"))) == "spec.yaml:2:3", "a list is shown at its key"
    assert str(document.span(("g",))) == "spec.yaml:7:1", "an empty value is shown at its key"
    assert str(document.span(("a", "zzz", "y"))) == "spec.yaml:1:1", "a default is shown at its section"


def test_aliases_are_copies() -> None:
    value = load_text("a: &x {k: [1]}\nb: *x\n", "spec.yaml").value
    value["a"]["k"].append(2)
    assert value["b"] == {"k": [1]}


def test_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\rc: 3\n")
    assert load_file(path).value == {"a": 1, "b": 2, "c": 3}


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=40).filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=40).filter(lambda key: key != "<<"), plain_values, min_size=1, max_size=4
    )
)
@settings(max_examples=100, deadline=None)
def test_json_means_what_it_says(value: dict[str, object]) -> None:
    assert load_text(json.dumps(value), "spec.yaml").value == value


yaml_soup = st.lists(
    st.sampled_from(
        [
            "a",
            ": ",
            "- ",
            "\n",
            "  ",
            "\t",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a ",
            "*a",
            "!!int ",
            "!x ",
            "? ",
            "|",
            ">",
            "'",
            '"',
            "\\x",
            "\\U00110000",
            "\\ud83d",
            "\\ude00",
            "#",
            "%YAML 1.2\n",
            "---\n",
            "...\n",
            "<<",
            "1",
            "0x",
            ".inf",
            "\x85",
            "\u2028",
            "é",
            "\ufeff",
        ]
    ),
    max_size=40,
).map("".join)


def outcome(read: Callable[[], Document]) -> Document | SpecError:
    try:
        return read()
    except SpecError as error:
        return error


@given(yaml_soup | st.text(max_size=200))
@settings(max_examples=600, deadline=None)
def test_any_text_gives_a_value_or_our_error(text: str) -> None:
    result = outcome(lambda: parse(Source("spec.yaml", text)))
    spans = (
        result.values.values() if isinstance(result, Document) else [diag.at for diag in result.diagnostics]
    )
    assert all(isinstance(span, Span) and 0 <= span.start <= len(text) for span in spans)
    assert str(result)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_value_or_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    result = outcome(lambda: load_file(path))
    assert isinstance(result, Document) or str(result).startswith(str(path))


def read_back(text: str) -> object:
    """What ruamel itself makes of its own output."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


@given(plain_values)
@settings(max_examples=60, deadline=None)
def test_what_ruamel_writes_we_read(value: object) -> None:
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump({"value": value}, stream)
    assume(
        read_back(stream.getvalue()) == {"value": value}
    )  # `{":0": None}` it writes, and does not read itself
    result = outcome(lambda: load_text(stream.getvalue(), "spec.yaml"))
    if isinstance(result, SpecError):
        # Nothing but what we refuse on purpose: control characters, merge keys, numbers beyond bounds.
        assert {diagnostic.code for diagnostic in result.diagnostics} <= {"not-text", "key", "number"}
    else:
        assert result.value == {"value": value}


HOSTILE = {
    "flow brackets": "[" * 1_000_000,
    "flow brackets by line": "[\n" * 500_000,
    "tags": ("!" * 60_000 + "\n") * 17,
    "tags in a list": ("- " + "!" * 60_000 + "\n") * 17,
    "anchors": "&a " * 300_000,
    "questions": "? " * 500_000,
    "values": "a: 1\n" * 200_000,
    "one huge text": "a: |\n" + " x\n" * 340_000,
    "one huge number": "a: " + "9" * 60_000,
    "aliases": "a: &a [b]\nc: [" + "*a, " * 250_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_little(name: str) -> None:
    start = time.thread_time()
    result = outcome(lambda: load_text(HOSTILE[name], "spec.yaml"))
    assert time.thread_time() - start < 10
    assert len(str(result)) < 10_000 or name == "one huge text"


def test_half_a_character_is_refused() -> None:
    assert load_text(r'a: "\ud83d\ude00"', "spec.yaml").value == {"a": "\N{GRINNING FACE}"}
    with pytest.raises(SpecError, match="half of a surrogate pair"):
        load_text(r'a: "\ud83d"', "spec.yaml")
