import csv
import io
from collections.abc import Iterator

import pytest

from ftcore_runtime import rows
from ftcore_runtime.errors import InputError
from ftcore_runtime.rows import Row, read_rows


@pytest.fixture(autouse=True)
def _limit_of_csv_as_before() -> Iterator[None]:
    """Fields' longest length is the whole process's: a short one would break whatever is tested next."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


def read(data: str | bytes, form: str, text: str = "text", pair: str | None = None) -> list[Row]:
    raw = data.encode() if isinstance(data, str) else data
    file = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", errors="surrogateescape", newline="")
    return list(read_rows(file, "file", form, text, pair))


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
    assert outcome(read('text\n"a"b\ngood\n"open', "csv")) == [
        (2, "not valid: ',' expected after '\"'"),
        (3, "good"),
        (4, "not valid: unexpected end of data"),
    ]


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
        (6, "not valid JSON: Expecting value at line 1 column 1"),
        (7, "not valid JSON: NaN is no JSON"),
        (8, "the text is not valid Unicode"),
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
    assert [row.error for row in found] == ["the text is not valid Unicode", None]


@pytest.mark.parametrize(
    ("data", "form", "message"),
    [
        ("", "csv", "the file is empty"),
        ("id,body\n1,x\n", "csv", "the columns are id, body"),
        ("text,text\na,b\n", "csv", "twice"),
        ('"a"b\nx\n', "csv", "the header is not valid"),
    ],
)
def test_a_file_of_which_no_row_can_be_read(data: str, form: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(data, form)
    assert message in str(caught.value)


def test_pairs_need_columns() -> None:
    with pytest.raises(InputError, match="no columns"):
        read("a\n", "txt", pair="b")


@pytest.mark.parametrize("form", ["csv", "jsonl", "txt"])
def test_an_endless_line_is_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_CHARACTERS", 100)
    with pytest.raises(InputError, match="more than 100 characters"):
        read("text\n" + "x" * 101, form)
