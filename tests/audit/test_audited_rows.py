"""The audit of rows with one fault of each kind: what is found, of which rows, and nothing in rows without faults."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from spec_text import VALID

from ftcore.audit import texts
from ftcore.audit.findings import Audit, Finding
from ftcore.audit.labels import label_findings
from ftcore.families.bound import BoundFamily
from ftcore.plugins import PluginRegistry
from ftcore.runs.auditing import audit_of
from ftcore.runs.rows import reading
from ftcore.spec import load_spec

WORDS = [
    "coffee", "table", "garden", "window", "morning", "street", "teacher", "river", "market", "letter",
    "music", "winter", "paper", "kitchen", "mountain", "bottle", "journey", "village",
    "doctor", "station", "silver", "bridge", "forest", "candle", "mirror", "pocket", "basket",
]  # fmt: skip


def sentence(number: int) -> str:
    """Eight words that no other number has in this order."""
    return " ".join(random.Random(number).sample(WORDS, 8))


def rows(count: int) -> list[dict[str, Any]]:
    return [{"text": sentence(number), "label": ("neg", "pos")[number % 2]} for number in range(count)]


@pytest.fixture
def audit(project: Path) -> Any:
    """Audits rows: `audit(train, test=..., spec=...)`."""

    def made(train: list[Any], spec: str = VALID, **others: list[Any]) -> Audit:
        for name, content in {"train": train, **others}.items():
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
            (project / f"{name}.jsonl").write_text(lines, "utf-8")
        given = "".join(f"\n  {name}: {name}.jsonl" for name in others)
        text = (
            spec.replace("  labels: [neg, pos]\n", "")
            .replace("task: sentiment", "task: classification")
            .replace("train.csv", f"train.jsonl{given}")
        )
        (project / "spec.yaml").write_text(text, "utf-8")
        resolved = load_spec(project / "spec.yaml", PluginRegistry.discover())
        reader = BoundFamily(resolved.task.family, resolved.spec).reader
        with reading(resolved, reader) as splits:
            return audit_of(reader, splits, project)

    return made


def by_check(found: Audit) -> Mapping[str, Finding]:
    return {finding.check: finding for finding in found.findings}


def test_nothing_is_wrong_with_clean_rows(audit: Any) -> None:
    found = audit(rows(60))
    assert found.findings == ()
    assert found.rows == {"train": 48, "validation": 6, "test": 6}
    assert found.labels == {label: {"train": 24, "validation": 3, "test": 3} for label in ("neg", "pos")}


def test_of_very_many_rows_some_are_looked_at_and_all_labels_counted(
    audit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "MOST_ROWS", 40)
    found = audit(rows(100), test=rows(40))
    assert by_check(found)["rows"].what == (
        "40 of 140 rows were looked at, evenly spaced; labels are counted in all"
    )
    assert found.rows == {"train": 90, "validation": 10, "test": 40}
    assert found.labels["neg"] == {"train": 45, "validation": 5, "test": 20}
    assert by_check(found)["leakage"].count <= 10, "of those that were looked at"


def test_rows_of_test_that_training_has_are_leakage_with_the_pairs(audit: Any) -> None:
    train = rows(60)
    test = [
        {**train[0], "text": train[0]["text"].upper() + "!"},
        {**train[1], "text": train[1]["text"].replace("e", "e", 1) + "x"},
        {"text": "quite different words stand here, of which nobody else has any", "label": "pos"},
        {"text": "and one more that is not anywhere in the file of training rows", "label": "neg"},
    ]
    leak = by_check(audit(train, test=test))["leakage"]
    assert (leak.severity, leak.count) == ("warning", 2)
    assert leak.what == "2 rows of test (50.0%) found in train, too: 1 equal, 1 nearly so"
    pairs = [[row.location for row in example.rows] for example in leak.examples]
    assert pairs == [["test.jsonl:1", "train.jsonl:1"], ["test.jsonl:2", "train.jsonl:2"]]
    assert leak.examples[0].note == "equal"


@pytest.mark.parametrize(("most", "severity"), [(0.5, "warning"), (0.2, "error")])
def test_leakage_above_the_share_that_is_allowed_is_an_error(audit: Any, most: float, severity: str) -> None:
    train = rows(60)
    test = [{**train[0], "text": train[0]["text"] + "x"}, *rows(64)[61:]]
    spec = VALID.replace("  labels:", f"  max_leakage: {most}\n  labels:")
    leak = by_check(audit(train, spec=spec, test=test))["leakage"]
    assert leak.severity == severity
    assert leak.what.startswith("1 row of test (25.0%) found in train, too: 0 equal, 1 nearly so")


def test_labels_that_are_rare_or_one_label_written_twice(audit: Any) -> None:
    train = [*rows(60), *({"text": sentence(100 + n), "label": "Pos"} for n in range(4))]
    found = by_check(audit(train))
    assert found["label variants"].what == "1 label written in several ways: 'pos' = 'Pos'"
    assert "1 label with fewer than 10 training rows: 'Pos' " in found["rare labels"].what


def test_labels_that_programs_write_for_nothing(audit: Any) -> None:
    nothing = [{"text": sentence(number), "label": "nan"} for number in range(100, 112)]
    (found,) = [one for one in audit(rows(60) + nothing).findings if one.check == "missing labels"]
    assert found.what.startswith("1 label that programs write where there is no value: 'nan' ")


def test_a_label_with_letters_of_two_alphabets(audit: Any) -> None:
    train = [*rows(60), *({"text": sentence(100 + n), "label": "n\u0435g"} for n in range(12))]
    (found,) = [one for one in audit(train).findings if one.check == "label variants"]
    assert found.what == r"1 label with letters of two alphabets in a word: 'n\u0435g'"
    both = [*rows(60), *({"text": sentence(100 + n), "label": "\u0434\u0430 \u03b1-yes"} for n in range(12))]
    assert "label variants" not in by_check(audit(both)), "two words may be of two"


def test_labels_that_are_numbers_or_several_labels(audit: Any) -> None:
    measured = [{**row, "label": str(number % 30 / 4)} for number, row in enumerate(rows(300))]
    found = by_check(audit(measured))["label kinds"]
    assert found.what == "all 30 labels are numbers, some with a fraction, and each is a class of its own"
    assert "data.problem: regression" in found.hint
    counted = [{**row, "label": str(number % 30 - 9)} for number, row in enumerate(rows(300))]
    assert "label kinds" not in by_check(audit(counted)), "the numbers of classes"
    joined = [{**row, "label": ("food", "food|price", "place")[n % 3]} for n, row in enumerate(rows(90))]
    found = by_check(audit(joined))["label kinds"]
    assert found.what == "1 label made of another and more, by '|': 'food|price'"
    several = {"food": {"train": 20}, "food|price": {"train": 20}}
    assert not [*label_findings(several, {"train": 30})], "some rows have both: they are labels"
    for row in joined:
        row["label"] = row["label"].replace("|", " and ")
    assert "label kinds" not in by_check(audit(joined))


def test_a_word_that_gives_the_label_away(audit: Any) -> None:
    """Such as the name of the source that all rows of one label are from."""
    train = [
        {"text": f"(Agency) {sentence(n)}" if n % 2 else f"{sentence(n)}!", "label": ("no", "yes")[n % 2]}
        for n in range(120)
    ]
    found = by_check(audit(train))["giveaway words"]
    assert found.severity == "warning"
    assert found.what == (
        "1 label given away by one word: 'agency' is in 100% of the rows with 'yes' and in 0.0% of the others"
    )
    assert found.examples[0].rows[0].text.startswith("(Agency) ")
    train[0]["text"] = f"agency {train[0]['text']}"
    assert "giveaway words" not in by_check(audit(train)), "one of sixty others has it"


def test_a_word_of_one_of_many_labels_is_a_note(audit: Any) -> None:
    labels = ("card", "loan", "fee", "rate", "bank")
    train = [{**row, "label": labels[n % 5]} for n, row in enumerate(rows(200))]
    for row in train:
        if row["label"] == "card":
            row["text"] += " card"
    found = by_check(audit(train))["giveaway words"]
    assert (found.severity, found.count) == ("note", 32), "of the training rows"


def test_texts_that_are_numbers(audit: Any) -> None:
    train = [{"text": str(10_000 + number), "label": ("no", "yes")[number % 2]} for number in range(80)]
    found = by_check(audit(train))["texts without words"]
    assert found.what == "80 of 80 texts have no letter: numbers, or signs alone"
    mixed = [{**row, "text": "12:30" if number % 2 else row["text"]} for number, row in enumerate(rows(81))]
    assert "texts without words" not in by_check(audit(mixed)), "fewer than half of them"


def test_markup(audit: Any) -> None:
    train = rows(80)
    train[5]["text"] += "<br />"
    assert "markup" not in by_check(audit(train)), "one row"
    train[7]["text"] += " &amp; more"
    train[9]["text"] += " a < b > c & d"
    found = by_check(audit(train))["markup"]
    assert (found.severity, found.what) == (
        "note",
        "2 rows with tags or entities of HTML, which are read as words",
    )


def pairs(count: int) -> list[dict[str, Any]]:
    return [{"text": sentence(n), "text_pair": sentence(n + 500), "score": n % 45 / 10} for n in range(count)]


SIMILARITY = VALID.replace("task: sentiment", "task: similarity")


def test_numbers_are_no_labels(audit: Any) -> None:
    made = audit(pairs(40), spec=SIMILARITY)
    assert made.labels == {}
    assert [one.check for one in made.findings if "label" in one.check or "number" in one.check] == []


def test_numbers_that_were_not_measured(audit: Any) -> None:
    train = pairs(90)
    train[3]["score"] = 999
    train[5]["score"] = train[8]["score"] = -1
    found = by_check(audit(train, spec=SIMILARITY))
    assert found["far numbers"].what.startswith("1 row with a number far from most: half of all are from 1.")
    assert found["far numbers"].examples[0].note == "999"
    assert found["missing numbers"].what == "2 rows with -1, the only negative number"
    train[9]["score"] = -2
    assert "missing numbers" not in by_check(audit(train, spec=SIMILARITY))


def test_two_columns_that_are_one(audit: Any) -> None:
    train = [
        {**row, "text_pair": row["text"] if n % 3 else row["text_pair"]} for n, row in enumerate(pairs(90))
    ]
    assert (
        by_check(audit(train, spec=SIMILARITY))["equal fields"].what
        == "the two texts of 60 of 90 rows are the same"
    )
    assert "equal fields" not in by_check(audit(pairs(90), spec=SIMILARITY))


def test_one_label_that_drowns_the_other(audit: Any) -> None:
    train = [{**row, "label": "pos" if number % 10 else "neg"} for number, row in enumerate(rows(200))]
    assert by_check(audit(train))["label balance"].what == "90.0% of the training rows have the label 'pos'"


def test_one_text_with_two_labels(audit: Any) -> None:
    train = [*rows(60), {"text": sentence(4), "label": "pos"}]
    found = by_check(audit(train))
    assert found["contradictions"].what == "1 text with different labels"
    (example,) = found["contradictions"].examples
    assert {row.location for row in example.rows} == {"train.jsonl:5", "train.jsonl:61"}
    assert example.note == "neg 1, pos 1"
    assert found["duplicates"].count == 1


def test_a_header_in_the_middle(audit: Any) -> None:
    train = [*rows(60), {"text": "Text", "label": "label"}, *rows(90)[60:]]
    header = by_check(audit(train))["repeated headers"]
    assert header.count == 1
    assert header.examples[0].rows[0].location == "train.jsonl:61"


def test_columns_without_values(audit: Any) -> None:
    train = [{**row, "note": "", "source": "web"} for row in rows(60)]
    columns = [finding.what for finding in audit(train).findings if finding.check == "columns"]
    assert columns == [
        "train.jsonl: 1 column without any value: 'note'",
        "train.jsonl: 1 column with one value in all rows: 'source'",
    ]


def test_another_script_and_another_language(audit: Any) -> None:
    german = "wir haben gestern leider keinen guten platz mehr bekommen können"
    train = [
        *rows(700),
        {"text": "我们昨天没有找到好的位置", "label": "pos"},
        {"text": german, "label": "neg"},
    ]
    found = by_check(audit(train))
    (script,) = found["scripts"].examples
    (language,) = found["languages"].examples
    assert (script.rows[0].location, script.note) == ("train.jsonl:701", "Chinese")
    assert language.rows[0].location == "train.jsonl:702"


def test_damaged_texts(audit: Any) -> None:
    train = [*rows(60), {"text": "the cafÃ© round the corner was nice", "label": "pos"}]
    assert by_check(audit(train))["damaged texts"].count == 1


def test_answers_that_are_the_input(project: Path, audit: Any) -> None:
    train = [{"source": sentence(n), "target": sentence(n) if n == 3 else f"ziel {n}"} for n in range(60)]
    spec = "task: translation\ndata:\n  train: train.csv\nmodel: {init: config, base: marian-small}\n"
    found = by_check(audit(train, spec=spec))
    assert found["answers as inputs"].examples[0].rows[0].location == "train.jsonl:4"


def test_questions_of_one_context_are_no_copies_but_contexts_in_two_splits_are(
    project: Path, audit: Any
) -> None:
    def questions(first: int, last: int) -> list[dict[str, Any]]:
        return [
            {
                "question": f"what is word {n} of this text about?",
                "context": sentence(n // 3),
                "answers": {"text": [sentence(n // 3).split()[0]], "answer_start": [0]},
            }
            for n in range(first, last)
        ]

    spec = "task: qa\ndata:\n  train: train.csv\nmodel: {base: ./base}\n"
    found = audit(questions(0, 60), spec=spec, test=questions(57, 69))
    assert [finding.check for finding in found.findings] == ["leakage"]
    assert found.findings[0].count == 3


def test_what_was_kept_reads_as_it_was_written(audit: Any) -> None:
    found = audit([*rows(60), {"text": "Text", "label": "label"}])
    assert Audit.from_json(json.loads(json.dumps(found.to_json()))) == found
