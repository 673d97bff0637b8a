"""Files of entities: CoNLL's columns and Label Studio's exports, good and bad, by their locations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftcore.data import conll
from ftcore.data.sources import open_source
from ftcore.errors import DataError
from ftcore.spec.sections import Source
from ftcore_runtime.records import Record


def records(folder: Path, name: str, content: str, **source: Any) -> list[Record]:
    (folder / name).write_text(content, encoding=source.get("encoding", "utf-8"))
    return list(open_source(Source(path=name, **source), "train", folder).records())


def sentence(record: Record) -> list[str]:
    assert record.values is not None, record.problem
    return [f"{w}/{t}" for w, t in zip(record.values["text"], record.values["entities"], strict=True)]


def test_conll_of_two_to_four_columns(tmp_path: Path) -> None:
    found = records(tmp_path, "a.conll", "\n\nEva B-per\nin O\n\n\nBergen B-loc\n")
    assert [sentence(one) for one in found] == [["Eva/B-per", "in/O"], ["Bergen/B-loc"]]
    assert [(one.location, one.number) for one in found] == [("a.conll:3", 3), ("a.conll:7", 7)]
    conll2003 = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\r\nrejects VBZ I-VP O\r\n\r\n"
    conll2003 += "-DOCSTART- -X- O O\n\nEva NNP I-NP I-PER"
    found = records(tmp_path, "b.txt", conll2003, format="conll")
    assert [sentence(one) for one in found] == [["EU/I-ORG", "rejects/O"], ["Eva/I-PER"]]
    found = records(tmp_path, "c.bio", "# id 7\tdomain=en\nNew York\t_\tB-loc\n#\t_\tO\n")
    assert [sentence(one) for one in found] == [["New York/B-loc", "#/O"]]


def test_bad_lines_are_named_and_the_next_sentence_is_read(tmp_path: Path) -> None:
    one, two, three = records(tmp_path, "a.conll", "Eva B-per\nin\n\nin IN O\n\nBergen B-loc\n")
    assert (one.location, one.values) == ("a.conll:2", None)
    assert one.problem == "1 column; expected 2 to 4: the word first, its tag last"
    assert (two.location, two.problem) == ("a.conll:4", "3 columns, and the lines before it have 2")
    assert sentence(three) == ["Bergen/B-loc"]
    (many,) = records(tmp_path, "b.conll", "1\tEva\t_\t_\tB-per\n")
    assert many.problem.startswith("5 columns; expected 2 to 4")
    numbered = "Eva O\nin O\n\n".replace("Eva", "1 Eva").replace("in", "2 in")
    (counted,) = records(tmp_path, "b.conll", numbered)
    assert (counted.location, counted.problem) == (
        "b.conll:1",
        "the first column numbers the words: leave it out, the word comes first",
    )
    assert [one.problem for one in records(tmp_path, "b.conll", "1 O\n2 O\n\n2 O\n1 O\n")] == ["", ""]
    (tmp_path / "c.conll").write_bytes(b"caf\xe9 O\n\nin O\n")
    bad, good = open_source(Source(path="c.conll"), "train", tmp_path).records()
    assert "byte 0xe9 (character 4 of the line) is not utf-8 (another `encoding`?)" in bad.problem
    assert sentence(good) == ["in/O"]


def test_a_sentence_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conll, "MAX_CHARACTERS", 40)
    assert len(records(tmp_path, "a.conll", "Bergen O\n\n" * 9)) == 9
    with pytest.raises(DataError, match="a sentence of more than 40 characters") as raised:
        records(tmp_path, "b.conll", "in O\n\n" + "Bergen O\n" * 9)
    assert raised.value.where == "b.conll:3"


def task(**values: Any) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    region = {"start": 0, "end": 3, "text": "Eva", "labels": ["per"]}
    result = [
        {"type": "labels", "from_name": "label", "to_name": "text", "value": region},
        {"type": "choices", "value": {"choices": ["x"]}},
    ]
    return {"id": 1, "data": {"text": "Eva sang."}, "annotations": [{"result": result}], **values}


def test_label_studio(tmp_path: Path) -> None:
    other = task()["annotations"][0]
    tasks = [
        task(),
        task(data={"review": "Eva sang."}),
        task(annotations=[{"result": [], "was_cancelled": True}, other]),
        task(annotations=[{"result": []}, {**other, "ground_truth": True}]),
        {"id": 5, "text": "Eva sang.", "label": [{"start": 0, "end": 3, "text": "Eva", "labels": ["per"]}]},
    ]
    found = records(tmp_path, "a.json", json.dumps(tasks), format="label_studio")
    entity = {"start": 0, "end": 3, "label": "per", "text": "Eva"}
    assert [one.values and (one.values["text"], one.values["entities"]) for one in found] == [
        ("Eva sang.", [entity])
    ] * 5
    assert found[4].location == "a.json:5"
    (empty,) = records(
        tmp_path, "b.json", json.dumps([task(annotations=[{"result": []}])]), format="label_studio"
    )
    assert empty.values is not None
    assert empty.values["entities"] == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (3, "expected a task, got int"),
        (task(annotations=[]), "nobody has annotated it; one is needed (mark it as the ground truth)"),
        (task(annotations=[{"result": []}, {"result": []}]), "it has 2 annotations; one is needed"),
        (task(annotations=[{}]), "its annotation has no `result`"),
        (task(data={"a": "x", "b": "y"}), "no `text` among the task's data (a, b)"),
        (
            task(annotations=[{"result": [{"type": "labels", "value": {"start": 1}}]}]),
            "a region without start, end",
        ),
        (
            task(
                annotations=[
                    {"result": [{"type": "labels", "value": {"start": 1, "end": 2, "labels": ["a", "b"]}}]}
                ]
            ),
            "a span with ['a', 'b']; one label each is learnt",
        ),
    ],
)
def test_a_task_that_cannot_be_learnt_from(tmp_path: Path, wrong: Any, problem: str) -> None:
    good, bad = records(tmp_path, "a.json", json.dumps([task(), wrong]), format="label_studio")
    assert not good.problem
    assert (bad.location, bad.values) == ("a.json:2", None)
    assert bad.problem.startswith(problem)


def test_files_that_label_studio_did_not_write(tmp_path: Path) -> None:
    for content, problem in (("{}", "not what Label Studio exports"), ("[", "not valid JSON")):
        with pytest.raises(DataError, match=problem):
            records(tmp_path, "a.json", content, format="label_studio")
