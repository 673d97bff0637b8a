"""What a terminal obeys is shown, and never obeyed, whichever way it gets there."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftcore.cli import main
from ftcore_runtime.terminal import json_text, printable
from ftcore_server.logs import JsonFormatter

TITLE = "\x1b]0;owned\x07"
HOSTILE = f"{TITLE}\x9b31m\u202eevil\u2066[red]x[/red]\u200b"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def test_printable() -> None:
    assert printable(TITLE) == "\ufffd]0;owned\ufffd"
    assert printable("a\tb\r\n") == "a b\ufffd\ufffd"
    assert printable("a\n\x85", lines=True) == "a\n\ufffd"
    plain = "汉字\u3000 é नमस्ते می\u200cخواهم 👩\u200d🚀 [red]"
    assert printable(plain) == plain


def test_json_text_is_the_same_value_without_what_a_terminal_obeys() -> None:
    text = json_text({HOSTILE: [HOSTILE, "汉字"]})
    assert not OBEYED.search(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE, "汉字"]}
    assert "汉字" in text


def test_logs() -> None:
    record = logging.LogRecord("x", logging.INFO, "p", 1, HOSTILE, (), None)
    record.fields = {"problem": HOSTILE}
    line = JsonFormatter().format(record)
    assert not OBEYED.search(line)
    assert json.loads(line)["problem"] == HOSTILE


@pytest.fixture
def hostile(copy_bundle: Callable[[], Path]) -> Path:
    """A bundle whose every name and label speaks to terminals."""
    folder = copy_bundle()
    path = folder / "bundle.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    manifest["decoder"]["labels"] = [f"{number}{HOSTILE}" for number in range(3)]
    manifest["provenance"][HOSTILE] = HOSTILE
    manifest["variants"]["fp32"]["failures"] = [HOSTILE]
    manifest["variants"]["fp32"]["metrics"] = {"metrics": {HOSTILE: {"value": 0.5}}}
    manifest.update(name=HOSTILE, task=HOSTILE)
    path.write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "BUNDLE", "--text", "good food"],
        ["predict", "BUNDLE", "--text", "good food", "--json"],
        ["bundle", "inspect", "BUNDLE"],
        ["bundle", "inspect", "BUNDLE", "--json"],
        ["bundle", "diff", "BUNDLE", "OTHER"],
        ["bundle", "selftest", "BUNDLE"],
        ["predict", "BUNDLE", "--text", "x", "--variant", HOSTILE],
    ],
)
def test_no_command_hands_on_what_a_bundle_says_to_terminals(
    hostile: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    main([{"BUNDLE": str(hostile), "OTHER": str(tiny_bundle)}.get(one, one) for one in arguments])
    shown = "".join(capsys.readouterr())
    assert "evil" in shown
    assert not OBEYED.search(shown)
    if "selftest" not in arguments:  # whose error is cut
        assert "[red]x[/red]" in shown, "no markup either"
