"""What written texts are compared with, and what is said where a model writes nothing, or always the same."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ftcore.families.baselines import most_similar
from ftcore.families.text_generation.baselines import text_baselines, text_warnings
from ftcore_runtime.answers import TextAnswer

SIMILAR = "the answer to the most similar training row"


def texts(found: object) -> list[str]:
    assert isinstance(found, list)
    return [answer.text for answer in found]


def test_the_input_and_the_most_similar_rows_answer() -> None:
    train = pa.table(
        {
            "source": ["open the file", "close the window", "save all files now"],
            "target": ["Datei \u00f6ffnen", "Fenster schlie\u00dfen", "alle Dateien jetzt sichern"],
        }
    )
    asked = pa.table({"source": ["please close this window", "open a file"], "target": ["x", "y"]})
    found = text_baselines(train, asked)
    assert texts(found["giving the input back"]) == asked["source"].to_pylist()
    assert texts(found[SIMILAR]) == ["Fenster schlie\u00dfen", "Datei \u00f6ffnen"]


def test_of_long_inputs_the_beginning_as_long_as_an_answer() -> None:
    article = "A ship has sunk off the coast. " * 20
    train = pa.table({"source": [article, article], "target": ["A ship has sunk", "Ship sinks"]})
    found = text_baselines(train, pa.table({"source": [article], "target": ["?"]}))
    assert texts(found["giving the beginning of the input"]) == ["A ship has sunk"]
    assert "giving the input back" not in found


def test_without_words_or_rows() -> None:
    assert most_similar(["!", "?"], ["a", "a"], ["."]) == ["a"]
    empty = pa.table({"source": pa.array([], pa.string()), "target": pa.array([], pa.string())})
    assert text_baselines(empty, empty) == {}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["a b", "c", "d e", "f"], []),
        (["111"] * 4, ["every row gets the same answer, '111'"]),
        (["111", "111", "111", "x"], ["3 of 4 rows get the same answer, '111'"]),
        (["", "", "x", "y"], ["2 of 4 answers are empty"]),
        ([""] * 4, ["4 of 4 answers are empty"]),
        (["z" * 80] * 4, [f"every row gets the same answer, '{'z' * 60}...'"]),
        ([], []),
    ],
)
def test_what_is_plainly_wrong(answers: list[str], expected: list[str]) -> None:
    references = ["one", "two", "three", "four"][: len(answers)]
    assert text_warnings(references, [TextAnswer(text) for text in answers]) == expected


def test_the_same_answer_where_most_rows_have_it_is_none() -> None:
    references = ["yes", "yes", "yes", "no"]
    assert text_warnings(references, [TextAnswer("yes")] * 4) == []
