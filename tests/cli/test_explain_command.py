"""`ftcore explain`: what is printed and written, hostile texts, and what is refused."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ftcore.cli import main

HOSTILE = "<script>alert(1)</script> \x1b[31mred\x1b[0m {{ 7*7 }} <img src=x onerror=alert(1)> good"


class Tags(HTMLParser):
    """The elements of a page, its attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_words_with_their_weights_are_printed(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", str(tiny_bundle), "--text", "the food was good"]
    assert main([*asked, "--label", "positive", "--label", "negative"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("what speaks for")][1].startswith(
        "what speaks for `negative` (0."
    )
    assert shown.count("the food was good") == 2
    weights = [line.split() for line in shown if line.startswith("  ")]
    assert {word for _, word in weights} == {"the", "food", "was", "good"}
    assert all(weight[0] in "+-" for weight, _ in weights)
    assert "without its best words the score falls by " in shown[-1]
    assert shown[-1].startswith(("faithful: ", "not faithful on this row: "))


def test_json_and_html(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "why.html"
    arguments = ["--text", HOSTILE, "--text-pair", "bad <b>food</b>", "--json", "--html", str(page)]
    assert main(["explain", str(tiny_bundle), *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["method"] == "occlusion"
    assert len(found["targets"][0]["weights"]) == len(found["parts"])
    assert {part["field"] for part in found["parts"]} == {"text", "text_pair"}
    tags = Tags()
    tags.feed(text := page.read_text(encoding="utf-8"))
    assert not {"script", "img", "b", "iframe", "link"} & tags.names
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name in ("src", "href")]
    assert "default-src 'none'" in text
    assert "<script>alert(1)</script>" in tags.text
    assert "{{ 7*7 }}" in tags.text


def test_what_a_terminal_obeys_is_not_printed(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(tiny_bundle), "--text", HOSTILE]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "good"], "there is one word only"),
        (["--text", " "], "the text is empty"),
        (["--text", "good food", "--label", "great"], "the answer could not be 'great'"),
        (["--text", "good food", "--variant", "int9"], "has no variant 'int9'"),
        (["--text", "good food", "--threads", "0"], "threads: must be at least 1, got 0"),
        ([], "--text"),
    ],
)
def test_what_is_refused(
    tiny_bundle: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(tiny_bundle), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_generated_text_says_what_each_word_leans_on(
    generating_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(generating_bundle), "--text", "good food was slow"]) == 0
    answer, *lines = capsys.readouterr().out.splitlines()
    written = [line.split("  <-  ") for line in lines if "  <-  " in line]
    shown = "".join(word.split()[0] for word, _ in written)
    assert "".join(answer.split()).startswith(shown)
    assert 0 < len(written) <= 40
    for _, leant in written:
        words = [one.split()[0] for one in leant.split(", ")]
        assert len(words) == 3
        assert {*words} < {"good", "food", "was", "slow"}
    assert lines[-1].startswith("weights are of the log-probability of each word")
    assert main(["explain", str(generating_bundle), "--text", "good food", "--label", "xyz"]) == 2
    assert "the answer has no word 'xyz'" in capsys.readouterr().err
