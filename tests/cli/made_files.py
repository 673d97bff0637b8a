"""Files as people have them, of every make that `ftcore init` knows, and what it should write for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models import labelled_rows

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


def write(place: Path, name: str) -> None:
    content = MADE[name][0]
    if callable(content):
        content(place / name)
    else:
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
