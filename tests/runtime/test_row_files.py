import csv
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftcore_runtime import textfile
from ftcore_runtime.errors import DataError
from ftcore_runtime.rows import Row, rows_of
from ftcore_runtime.tables import TableOptions, read_table


@pytest.fixture(autouse=True)
def _limit_of_csv_as_before() -> Iterator[None]:
    """Fields' longest length is the whole process's: a short one would break whatever is tested next."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


def read(
    data: str | bytes, form: str, text: str = "text", pair: str | None = None, **options: Any
) -> list[Row]:
    columns = (text,) if pair is None else (text, pair)
    needed = {column: f"name it with --columns {column}=NAME" for column in columns}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return list(rows_of(read_table(path, "file", form, TableOptions(needed=needed, **options)), columns))


def outcome(found: list[Row]) -> list[tuple[int, object]]:
    return [(row.number, row.input if row.error is None else row.error) for row in found]


def test_csv() -> None:
    data = 'id,text\r\n1,good\r\n\r\n2,"a ""b"", c\r\nd"\r\n3,\r\n4,x,y\r\n5,last'
    found = read("\ufeff" + data, "csv")
    assert outcome(found) == [
        (2, "good"),
        (4, 'a "b", c\r\nd'),
        (6, "the text is empty"),
        (7, "the row has 3 fields, the header 2"),
        (8, "last"),
    ]
    assert found[0].columns == {"id": "1", "text": "good"}


def test_a_row_that_is_no_csv_does_not_stop_the_file() -> None:
    assert outcome(read('text\n"a"b\ngood\n', "csv")) == [
        (2, "not valid CSV: ',' expected after '\"'"),
        (3, "good"),
    ]


@pytest.mark.parametrize("text", ['"open', '"open\nbad\nx" y\nnice'])
def test_a_quote_that_ends_nowhere_or_too_late_leaves_no_count_of_rows(text: str) -> None:
    with pytest.raises(DataError, match="lines after the quote that opens here") as caught:
        read(f"text\n{text}\n", "csv")
    assert caught.value.where == "file:2"


def test_tsv_pairs() -> None:
    found = read("a\tb\ngood\tbad\ngood\t\n", "tsv", "a", "b")
    assert outcome(found) == [(2, ("good", "bad")), (3, "b: the text is empty")]


def test_json_lines() -> None:
    lines = ['{"text": "good", "n": 1}', "", '{"txt": "x"}', '{"text": 5}', "[1]", "nonsense", '{"n": NaN}']
    data = "\n".join([*lines, '{"text": "\\ud800"}'])
    assert outcome(read(data, "jsonl")) == [
        (1, "good"),
        (3, "has no 'text'"),
        (4, "expected a text, got int"),
        (5, "expected a JSON object, got list"),
        (6, "not valid JSON: Expecting value at column 1"),
        (7, "not valid JSON: NaN is no JSON"),
        (8, "the text is not valid Unicode: half of a surrogate pair is in it"),
    ]


def test_every_line_of_a_text_file_is_a_row() -> None:
    assert outcome(read('good\r\n\nbad, "as" it is\n', "txt")) == [
        (1, "good"),
        (2, "the text is empty"),
        (3, 'bad, "as" it is'),
    ]


@pytest.mark.parametrize(("form", "head"), [("csv", b"text\n"), ("txt", b"")])
def test_a_byte_that_is_no_text_spoils_its_own_row_alone(form: str, head: bytes) -> None:
    found = read(head + "caf\xe9\n".encode("latin-1") + "café\n".encode(), form)
    error = "byte 0xe9 (character 4 of the line) is not utf-8 (another `encoding`?)"
    assert [row.error for row in found] == [error, None]


@pytest.mark.parametrize(
    ("data", "form", "message"),
    [
        ("", "csv", "the file is empty"),
        ("id,body\n1,x\n", "csv", "the columns are 'id', 'body'"),
        ("text,text\na,b\n", "csv", "more than once"),
        ('"a"b\nx\n', "csv", "the header is not valid"),
    ],
)
def test_a_file_of_which_no_row_can_be_read(data: str, form: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(data, form)
    assert message in str(caught.value)


@pytest.mark.parametrize("form", ["csv", "jsonl", "txt"])
def test_an_endless_line_is_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "MAX_CHARACTERS", 100)
    with pytest.raises(DataError, match="more than 100 characters"):
        read("text\n" + "x" * 101, form)


LABELS = ["pos", "neg"] * 30


@pytest.mark.parametrize(
    ("line", "form", "options"),
    [
        ("{text}\t{label}", "tsv", {}),
        ("{text},{label}", "csv", {"quoting": "none"}),
        ("{text};{label}", "csv", {"quoting": "none", "delimiter": ";"}),
    ],
)
def test_a_quote_is_a_character_where_nothing_is_quoted(
    line: str, form: str, options: dict[str, str]
) -> None:
    texts = [f"food {number}" for number in range(60)]
    texts[10], texts[30], texts[40] = '"5 inch', '6 inch"', '"'
    head = line.format(text="text", label="label")
    rows = [line.format(text=text, label=label) for text, label in zip(texts, LABELS, strict=True)]
    found = read("\n".join([head, *rows]), form, **options)
    assert [row.input for row in found] == texts
    assert [row.columns["label"] for row in found] == LABELS


@pytest.mark.parametrize("last", ["label", "n", "text"])
def test_rows_that_a_lone_quote_swallows_are_an_error(last: str) -> None:
    texts = [f"food {number}" for number in range(60)]
    texts[10], texts[30] = '"5 inch', '6 inch"'
    values = {"text": texts, "label": LABELS, "n": [str(number) for number in range(60)]}
    first, second = ("text", last) if last != "text" else ("label", "text")
    rows = [f"{values[first][number]},{values[second][number]}" for number in range(60)]
    with pytest.raises(DataError, match="swallows 21 lines that look like rows") as caught:
        read("\n".join([f"{first},{second}", *rows]), "csv")
    assert caught.value.where == "file:12"


def test_texts_of_several_lines_are_not_taken_for_swallowed_rows() -> None:
    texts = ["Dear sir, hello\nbye", "one, two\nthree, four\nfive", "a\nb, c", "plain"] * 15
    rows = [f'"{text}",{label}' for text, label in zip(texts, LABELS, strict=True)]
    assert [row.input for row in read("\n".join(["text,label", *rows]), "csv")] == texts


@pytest.mark.parametrize("again", ["text,label", "\ufefftext,label", "label,text", '"Text",Label'])
def test_a_header_among_the_rows_is_a_bad_row(again: str) -> None:
    found = read(f"text,label\ngood,pos\n{again}\nbad,neg\n", "csv")
    assert outcome(found) == [
        (2, "good"),
        (3, "the row repeats the header (files put one after another?)"),
        (4, "bad"),
    ]


def test_a_key_twice_is_a_bad_row() -> None:
    assert outcome(read('{"text": "a", "text": "b"}\n', "jsonl")) == [
        (1, "not valid JSON: a key appears twice")
    ]


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("text;label", "separated by ';': set the delimiter ';'"),
        ("text\tlabel", "set the format tsv"),
        ("text|label", "set the delimiter '|'"),
        ("txet,label", "did you mean 'txet'?"),
    ],
)
def test_a_header_of_another_delimiter_says_so(header: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        read(f"{header}\n", "csv")
    assert hint in str(caught.value)


def test_60_000_columns_take_no_time() -> None:
    names = [f"c{number}" for number in range(60_000)]
    start = time.process_time()
    with pytest.raises(DataError, match="no column 'text'"):
        read(",".join(names) + "\n", "csv")
    assert time.process_time() - start < 3  # on one busy core; it was over a minute


@pytest.mark.parametrize("form", ["csv", "jsonl", "txt", "parquet"])
def test_what_is_no_regular_file_is_refused_at_once(form: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), Path("/proc/self/status")):
        with pytest.raises(DataError, match="not a regular file"):
            list(read_table(path, str(path), form))
