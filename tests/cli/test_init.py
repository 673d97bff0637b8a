"""`ftcore init`: files of different make become task files that validate, and two of them bundles, with no edit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from models import labelled_rows

from ftcore.cli import main

ROWS = labelled_rows(60)
TOPICS = ("sport", "politics", "music")
ZH = ("差评", "好评")


def lines(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"


def table(mark: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return lines([mark.join(row) for row in (header, *rows)])


def many(count: int = 40) -> list[tuple[str, str]]:
    return [(row["text"], TOPICS[number % 3]) for number, row in enumerate(labelled_rows(count))]


def squad() -> dict[str, Any]:
    articles = []
    for number in range(20):
        context = f"The food was nice in place {number}."
        answers = [{"text": "nice", "answer_start": 13}]
        question = {"id": f"q{number}", "question": f"How was the food in {number}?", "answers": answers}
        articles.append({"title": f"t{number}", "paragraphs": [{"context": context, "qas": [question]}]})
    return {"data": articles}


def folders(path: Path) -> None:
    for number, (text, topic) in enumerate(many()):
        (path / topic).mkdir(parents=True, exist_ok=True)
        (path / topic / f"{number:03}.txt").write_bytes(
            (text + (" café" if number == 9 else "")).encode("cp1252")
        )


def parquet(path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    table = {"utterance": [text for text, _ in many()], "intent": [topic for _, topic in many()]}
    write_table(pa.table(table), path)


def catalog(path: Path) -> None:
    path.write_text(
        "\n".join(
            f'msgid "the food was {row["text"]} {n}"\nmsgstr "饭菜很好{n}号"\n' for n, row in enumerate(ROWS)
        ),
        "utf-8",
    )


def workbook(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (("No", "Review", "Topic"), *((number, *row) for number, row in enumerate(many()))):
        book.worksheets[0].append(row)
    book.save(path)


def parallel(path: Path) -> None:
    """train.en and train.de, test.en and test.de."""
    for name, first, last in ((path.stem, 0, 40), ("test", 40, 50)):
        texts = [row["text"] for row in labelled_rows(50)[first:last]]
        path.with_name(f"{name}.en").write_text(lines([f"the food was {text}" for text in texts]))
        path.with_name(f"{name}.de").write_text(lines([f"das Essen war {text}" for text in texts]))


def words_and_tags() -> str:
    sentences = [
        f"{text.split()[0]}\tO\n{place}\tB-PLACE\n"
        for (text, _), place in zip(many(), TOPICS * 14, strict=False)
    ]
    return "\n".join(sentences)


#: Name of the file or folder -> its content (or what writes it), the task, and lines of the spec.
MADE: dict[str, tuple[str | bytes | Callable[[Path], None], str, list[str]]] = {
    "plain.csv": (
        table(",", ("text", "label"), [(row["text"], row["label"]) for row in ROWS]),
        "sentiment",
        ["train: plain.csv", "labels: [neg, pos]  # from most negative to most positive"],
    ),
    "excel.csv": (
        table(";", ("id", "Comment", "Category"), [(str(n), text, topic) for n, (text, topic) in enumerate(many())]),
        "classification",
        ['train: {path: excel.csv, delimiter: ";"}', "columns: {text: Comment, label: Category}"],
    ),
    "chinese.csv": (
        table(",", ("评论", "情感"), [(f"这家餐厅的第{n}道菜好吃", ZH[n % 2]) for n in range(40)]).encode("gb18030"),
        "sentiment",
        ["train: {path: chinese.csv, encoding: gb18030}", "labels: [差评, 好评]", "columns: {text: 评论, label: 情感}"],
    ),
    "quotes.tsv": (
        table("\t", ("sentence", "topic"), [(f'the "{text}', topic) for text, topic in many()]),
        "classification",
        ["train: quotes.tsv", "columns: {text: sentence, label: topic}"],
    ),
    "tags.jsonl": (
        lines(
            [
                json.dumps({"text": text, "tags": [topic, TOPICS[0]][: 1 + n % 2]})
                for n, (text, topic) in enumerate(many())
                if topic != TOPICS[0]
            ]
        ),
        "classification",
        ["columns: {label: tags}", "problem: multi_label"],
    ),
    "joined.csv": (
        table(
            ",",
            ("text", "genres"),
            [(text, f"{topic};{'late' if n % 4 else 'early'}") for n, (text, topic) in enumerate(many())],
        ),
        "classification",
        ["problem: multi_label", 'label_separator: ";"'],
    ),
    "truths.jsonl": (
        lines([json.dumps({"text": text, "about": {one: one == topic for one in TOPICS}}) for text, topic in many()]),
        "classification",
        ["problem: multi_label"],
    ),
    "bools.jsonl": (
        lines([json.dumps({"message": text, "spam": topic == "music"}) for text, topic in many()]),
        "classification",
        ["# 2 labels: false 27, true 13"],
    ),
    "array.json": (
        json.dumps(
            [
                {"premise": text, "hypothesis": f"it was {topic}", "label": n % 3}
                for n, (text, topic) in enumerate(many())
            ]
        ),
        "pair",
        ["train: array.json", "columns: {text: premise, text_pair: hypothesis}"],
    ),
    "alike.csv": (
        table(
            ",",
            ("sentence1", "sentence2", "score"),
            [(text, f"it was {topic}", f"{n % 5}.{n % 3}") for n, (text, topic) in enumerate(many())],
        ),
        "similarity",
        ["columns: {text: sentence1, text_pair: sentence2}", "# The task (sure)"],
    ),
    "pairs.csv": (
        table(",", ("text", "text_pair", "label"), [(text, f"it was {topic}", topic) for text, topic in many()]),
        "pair",
        ["train: pairs.csv"],
    ),
    "squad.json": (json.dumps(squad()), "qa", ["train: squad.json"]),
    "intents.parquet": (parquet, "classification", ["columns: {text: utterance, label: intent}"]),
    "messages.po": (catalog, "translation", ["train: messages.po", "init: config", "evaluation: {tokenization: zh}"]),
    "articles": (folders, "classification", ["train: {path: articles, fallback_encoding: cp1252}"]),
    "short.csv": (
        table(",", ("document", "summary"), [(f"{row['text']} " * 6, row["text"]) for row in ROWS]),
        "summarization",
        ["columns: {source: document, target: summary}"],
    ),
    "lines.txt": (
        table("|", ("body", "class"), many()),
        "classification",
        ['train: {path: lines.txt, format: csv, delimiter: "|"}'],
    ),
    "bare.csv": (
        lines([f"{text},{topic}" for text, topic in many()]),
        "classification",
        ["train: {path: bare.csv, header: [text, label]}", "# The task (likely)"],
    ),
    "book.xlsx": (workbook, "classification", ["train: book.xlsx", "columns: {text: Review, label: Topic}"]),
    "places.conll": (words_and_tags(), "ner", ["train: places.conll"]),
    "places.txt": (words_and_tags(), "ner", ["train: {path: places.txt, format: conll}"]),
    "train.en": (
        parallel,
        "translation",
        ["train: {path: train.en, target: train.de}", "test: {path: test.en, target: test.de}"],
    ),
    "gaps.csv": (
        table(",", ("text", "label"), [(text, "" if n == 5 else topic) for n, (text, topic) in enumerate(many())]),
        "classification",
        ["- {column: label, present: true}  # 1 rows have none"],
    ),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(place: Path, name: str) -> None:
    content = MADE[name][0]
    if callable(content):
        content(place / name)
    else:
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", MADE)
def test_a_file_never_seen_becomes_a_spec_that_validates(
    name: str, place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, name)
    _, task, expected = MADE[name]
    output = f"{Path(name).stem}.yaml"
    base = [] if task in ("translation", "summarization") else ["--base", str(tiny_base)]
    assert main(["init", name, *base]) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert err == ""
    assert f"\ntask: {task} (" in out
    assert f"next: ftcore run {output}" in out
    spec = (place / output).read_text("utf-8")
    assert [line for line in expected if line not in spec] == [], spec
    assert main(["validate", output]) == 0
    assert capsys.readouterr().out == f"{output}: valid, task {task}\n"


@pytest.mark.parametrize("name", ["excel.csv", pytest.param("joined.csv", marks=pytest.mark.slow)])
def test_what_was_written_runs_to_a_bundle_that_answers(
    name: str, place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, name)
    stem = Path(name).stem
    assert main(["init", name, "--base", str(tiny_base)]) == 0
    short = ["training={epochs: 1, recipe: plain}", "export.variants=[fp32]", "evaluation.bootstrap=0"]
    assert main(["run", f"{stem}.yaml", *(part for one in short for part in ("--set", one))]) == 0
    assert main(["predict", stem, "--text", "good food"]) == 0
    assert "good food" in capsys.readouterr().out


def test_what_is_said_overrules_what_is_guessed(place: Path, tiny_base: Path) -> None:
    rows = [(text, topic, "ab"[n % 2], f"a {text}") for n, (text, topic) in enumerate(many())]
    (place / "rows.csv").write_text(table(",", ("text", "label", "kind", "long"), rows))
    arguments = ["init", "rows.csv", "--base", str(tiny_base), "--text", "long", "--label", "kind"]
    assert main([*arguments, "--output", "mine.yaml"]) == 0
    assert "columns: {text: long, label: kind}" in (place / "mine.yaml").read_text()
    assert main(["init", "rows.csv", "--task", "summarization", "--text", "long", "--label", "text"]) == 0
    assert "task: summarization" in (place / "rows.yaml").read_text()


def test_files_of_one_set_are_its_splits(
    place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "set").mkdir()
    for name in ("train", "dev", "test"):
        (place / "set" / f"{name}.csv").write_text(table(",", ("text", "label"), many()))
    assert main(["init", "set", "--base", str(tiny_base)]) == 0
    assert "40 train, 40 validation, 40 test" in capsys.readouterr().out
    spec = (place / "set.yaml").read_text()
    assert "  train: set/train.csv\n  validation: set/dev.csv\n  test: set/test.csv\n" in spec
    assert "split:" not in spec


def test_texts_that_the_base_cannot_read_are_said(
    place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, "chinese.csv")
    assert main(["init", "chinese.csv", "--base", str(tiny_base)]) == 0
    assert (
        "does not know 100% of the texts' tokens: name a base model of their language"
        in capsys.readouterr().out
    )


def test_numbers_that_are_labels_of_pairs_stay_labels(place: Path, tiny_base: Path) -> None:
    write(place, "array.json")
    assert main(["init", "array.json", "--label", "label", "--base", str(tiny_base)]) == 0
    assert "task: pair" in (place / "array.yaml").read_text()
    assert main(["init", "array.json", "--task", "similarity", "--force", "--base", str(tiny_base)]) == 0
    assert (
        "columns: {text: premise, text_pair: hypothesis, label: label}" in (place / "array.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "empty.csv: it is empty"),
        ("book.xlsx", "PK", "no workbook of Excel (.xlsx)"),
        ("book.xls", "x", "save the sheet as .xlsx, or as CSV in UTF-8"),
        ("rows.jsonl.gz", "x", "unpack it first"),
        (
            "scores.csv",
            table(",", ("text", "score"), [(row["text"], f"{n / 7:.3f}") for n, row in enumerate(ROWS)]),
            "which would be a regression",
        ),
        ("nul.csv", "text,label\n" + "a\0b,c\n" * 9, "nul.csv:2: a NUL byte"),
        ("three.json", "3", "three.json: not of SQuAD's shape"),
        (
            "one.csv",
            lines(["text", *(row["text"] for row in ROWS)]),
            "no column looks like a label; the columns are 'text'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_guessed_says_what_to_do(
    name: str, content: str, said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / name).write_text(content)
    assert main(["init", name]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "help: " in err or "empty" in err
    assert not [*place.glob("*.yaml")]


def test_a_file_that_is_there_stays(place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, "plain.csv")
    (place / "plain.yaml").write_text("mine")
    assert main(["init", "plain.csv", "--base", str(tiny_base)]) == 2
    assert (
        "plain.yaml: is there already\n  help: give another --output, or --force" in capsys.readouterr().err
    )
    assert (place / "plain.yaml").read_text() == "mine"
    assert main(["init", "plain.csv", "--base", str(tiny_base), "--force"]) == 0
    assert main(["init", "plain.csv", "--text", "texd"]) == 2
    assert main(["init", "plain.csv", "--force", "--text", "texd"]) == 2
    assert "did you mean 'text'? name a column with --text" in capsys.readouterr().err
    assert main(["init", "plain.csv", "--force", "--task", "sentimen"]) == 2
    assert "did you mean `sentiment`?" in capsys.readouterr().err


def test_bad_rows_are_named_after_the_spec_is_written(place: Path, tiny_base: Path, capsys: Any) -> None:
    (place / "rows.csv").write_text(table(",", ("text", "label"), [*many(), ("one", "two", "three")]))  # type: ignore[list-item]
    assert main(["init", "rows.csv", "--base", str(tiny_base)]) == 2
    out, err = capsys.readouterr()
    assert "wrote rows.yaml" in out
    assert "rows.csv:42: the row has 3 fields, the header 2" in err


def test_nothing_of_a_file_reaches_the_spec_but_as_text(place: Path, tiny_base: Path) -> None:
    rows = [(text, f"x: {topic} # \x1b[31m") for text, topic in many()]
    (place / "rows.csv").write_text(table(",", ("text", "label: {a}"), rows))
    assert main(["init", "rows.csv", "--base", str(tiny_base), "--label", "label: {a}"]) == 0
    spec = (place / "rows.yaml").read_text()
    assert 'columns: {label: "label: {a}"}' in spec
    assert "\x1b" not in spec


def test_init_loads_no_torch(place: Path, tiny_base: Path) -> None:
    write(place, "plain.csv")
    arguments = ["init", "plain.csv", "--base", str(tiny_base)]
    code = f"from ftcore.cli import main; import sys; main({arguments!r}); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {*result.stdout.splitlines()[-1].split()}
    assert "pyarrow" in loaded
    assert not loaded & {"torch", "transformers", "datasets"}
