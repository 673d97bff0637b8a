"""Changes of texts that their answers should not depend on, and the words that change places."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from ftcore.data.perturbation import case, changes_of, perturbed, punctuation, swapped, typos
from ftcore.errors import UserError
from ftcore.spec.invariance import InvarianceSpec


def test_typos_swap_neighbouring_letters_within_words_and_do_so_again() -> None:
    text = "where is the invoice that I paid for " * 6
    made = typos(text)
    assert made == typos(text) != text
    assert sorted(made) == sorted(text)
    positions = [index for index, (one, two) in enumerate(zip(text, made, strict=True)) if one != two]
    assert len(positions) == 2 * (sum(map(str.isalpha, text)) // 50)
    assert all(text[index - 1 : index + 1].strip().isalpha() for index in positions)
    assert typos("我想取消订单") != "我想取消订单"
    assert typos("1 2 a 3") == "1 2 a 3", "there is nothing to swap"


def test_case_and_punctuation() -> None:
    assert (case("Hello THERE"), case("hello"), case("ß")) == ("hello there", "HELLO", "SS")
    assert (punctuation("Well done!!"), punctuation("well done"), punctuation("...")) == (
        "Well done",
        "well done.",
        "...",
    )


def test_words_change_places_as_wholes_and_both_ways() -> None:
    change = swapped([["Ann", "Mehmet"], ["Ann Lee", "Jo"], ["李雷", "韩梅梅"]])
    assert change("Ann met Mehmet, Ann Lee, Anna and Joan") == "Mehmet met Ann, Jo, Anna and Joan"
    assert change("昨天李雷来了") == "昨天韩梅梅来了"
    assert swapped([["a.b", "c"]])("axb a.b") == "axb c", "a word is no pattern"


def test_rows_that_stay_as_they_were_are_known() -> None:
    rows = pa.table({"text": ["Ann is here", "nobody"], "text_pair": [None, "Ann"], "label": ["x", "y"]})
    other, differs = perturbed(rows, ["text", "text_pair"], swapped([["Ann", "Bo"]]))
    assert other.to_pylist() == [
        {"text": "Bo is here", "text_pair": None, "label": "x"},
        {"text": "nobody", "text_pair": "Bo", "label": "y"},
    ]
    assert differs.to_pylist() == [True, True]
    assert perturbed(rows, ["text"], swapped([["Ann", "Bo"]]))[1].to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pairs.csv", "from,too\nAnn,Bo\n", "there is no column 'to'"),
        ("pairs.csv", "from,to\nAnn,\n", r"pairs.csv:2: expected a text in `from` and in `to`"),
        ("pairs.csv", "from,to\nAnn\n", "pairs.csv:2: the row has 1 field, the header 2"),
        ("pairs.csv", "from,to\n", "there are 0 pairs"),
        ("pairs.jsonl", '{"from": "Ann", "to": 3}\n', r"pairs.jsonl:1: expected a text"),
        ("pairs.parquet", "", "is no table of pairs"),
    ],
)
def test_a_file_of_pairs_that_cannot_be_used_says_where_and_why(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    check = InvarianceSpec(name="names", pairs=name, at_least=0.9)
    with pytest.raises(UserError, match=message):
        changes_of([check], tmp_path)


def test_pairs_are_read_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("from\tto\nAnn\tBo\n", encoding="utf-8")
    check = InvarianceSpec(name="names", pairs="pairs.tsv", at_least=0.9)
    change, bound = changes_of([check], tmp_path)["names"]
    assert (change("Ann"), bound) == ("Bo", 0.9)
