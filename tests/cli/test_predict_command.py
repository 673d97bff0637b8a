import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftcore.cli import main

CSV = "id,text\n1,good food\n2,\n3,bad place\n"


def predict(*arguments: object) -> int:
    return main(["predict", *map(str, arguments)])


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_texts(tiny_bundle: Path, capsys) -> None:
    assert predict(tiny_bundle, "--text", "good food", "--text", "bad") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t")[1] == "good food"
    assert first.split(" ")[0] in ("negative", "neutral", "positive")
    assert second.endswith("\tbad")


def test_texts_as_json_equal_the_pipeline(tiny_bundle: Path, capsys) -> None:
    from ftcore_runtime import Pipeline

    assert (
        predict(tiny_bundle, "--text", "good food", "--text-pair", "bad", "--variant", "int8", "--json") == 0
    )
    expected = Pipeline.load(tiny_bundle, "int8").predict([("good food", "bad")])
    assert lines(capsys.readouterr().out) == [answer.to_json() for answer in expected]


def test_a_file_with_a_bad_row(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in.csv").write_text(CSV)
    assert predict(tiny_bundle, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.jsonl") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{tmp_path}/in.csv:3: the text is empty",
        "2 rows answered, 1 could not be",
    ]
    good, bad, other = lines((tmp_path / "out.jsonl").read_text())
    assert good.keys() == {"row", "label", "score", "scores", "polarity"}
    assert bad == {"row": 3, "error": "the text is empty"}
    assert other["row"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.jsonl"]


def test_to_standard_output_with_the_columns_kept(tiny_bundle: Path, tmp_path: Path, capfdbinary) -> None:
    (tmp_path / "in.tsv").write_bytes(b"n\tbody\n1\tgood\n2\tcaf\xe9\n")
    assert predict(tiny_bundle, "--input", tmp_path / "in.tsv", "--columns", "text=body", "--keep") == 3
    good, bad = lines(capfdbinary.readouterr().out.decode())
    assert good["input"] == {"n": "1", "body": "good"}
    assert bad["error"] == "byte 0xe9 (character 6 of the line) is not utf-8 (another `encoding`?)"
    assert bad["input"] == {"n": "2", "body": "caf\udce9"}


def test_standard_input(tiny_bundle: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ftcore",
        "predict",
        str(tiny_bundle),
        "--input",
        "-",
        "--format",
        "jsonl",
    ]
    done = subprocess.run(
        command, input='{"text": "good"}\n{"text": "bad"}\n', capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "2 rows answered, 0 could not be\n")
    assert [line["row"] for line in lines(done.stdout)] == [1, 2]


def test_closed_streams_are_like_empty_ones(tiny_bundle: Path) -> None:
    command = [sys.executable, "-m", "ftcore", "predict", str(tiny_bundle), "--input", "-"]
    done = subprocess.run(["sh", "-c", '"$@" <&- >&-', "sh", *command], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "0 rows answered, 0 could not be\n")


def test_an_empty_file_is_no_input(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    for name in ("in.txt", "in.csv", "in.jsonl"):
        (tmp_path / name).touch()
        assert predict(tiny_bundle, "--input", tmp_path / name) == 2
        assert f"{name}: the file is empty" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["in.csv", "in"])
def test_a_pipe_is_given_by_the_name_of_standard_input(
    tiny_bundle: Path, tmp_path: Path, capsys, name: str
) -> None:
    os.mkfifo(tmp_path / name)
    assert predict(tiny_bundle, "--input", tmp_path / name) == 2
    printed = capsys.readouterr().err
    assert f"{name}: is a pipe, not a file" in printed
    assert "give `-` for what is piped in" in printed


def test_a_semicolon_between_fields(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in.csv").write_text("id;text\n1;good\n")
    assert predict(tiny_bundle, "--input", tmp_path / "in.csv", "--delimiter", ";") == 0
    assert [line["row"] for line in lines(capsys.readouterr().out)] == [2]


def test_many_chunks_keep_their_order(tiny_bundle: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    from ftcore_runtime import pipeline as module

    monkeypatch.setattr(module, "STREAM_BATCHES", 2)
    texts = ["good " * (1 + n % 7) for n in range(50)]
    (tmp_path / "in.txt").write_text("\n".join(texts))
    assert predict(tiny_bundle, "--input", tmp_path / "in.txt", "--keep", "--batch-size", "3") == 0
    found = lines(capsys.readouterr().out)
    assert [line["row"] for line in found] == list(range(1, 51))
    assert [line["input"]["text"] for line in found] == texts
    by_text: dict[str, set[float]] = {}
    for line in found:
        by_text.setdefault(line["input"]["text"], set()).add(round(line["score"], 4))
    assert all(len(scores) == 1 for scores in by_text.values())


def test_the_most_probable_labels_alone(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in.txt").write_text("good food\nbad place\n")
    assert predict(tiny_bundle, "--input", tmp_path / "in.txt", "--top-k", "2") == 0
    for line in lines(capsys.readouterr().out):
        assert next(iter(line["scores"])) == line["label"]
        assert list(line["scores"].values()) == sorted(line["scores"].values(), reverse=True)
        assert len(line["scores"]) == 2
    assert predict(tiny_bundle, "--text", "good food", "--json", "--top-k", "1") == 0
    (line,) = lines(capsys.readouterr().out)
    assert line["scores"] == {line["label"]: line["score"]}
    assert (
        predict(tiny_bundle, "--input", tmp_path / "in.txt", "--top-k", "1", "--output", tmp_path / "out.csv")
        == 0
    )
    header, first, _ = (tmp_path / "out.csv").read_text().splitlines()
    assert sum(name.startswith("scores.") for name in header.split(",")) == 3
    assert first.split(",").count("") == 3  # two scores and no error
    capsys.readouterr()
    assert predict(tiny_bundle, "--text", "good food", "--top-k", "0") == 2
    assert "--top-k: must be at least 1" in capsys.readouterr().err


def test_of_many_bad_rows_the_terminal_names_some_and_the_output_all(
    tiny_bundle: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "in.txt").write_text("\n" * 100)
    assert predict(tiny_bundle, "--input", tmp_path / "in.txt", "--output", tmp_path / "out.jsonl") == 3
    assert len(capsys.readouterr().err.splitlines()) == 22
    assert len(lines((tmp_path / "out.jsonl").read_text())) == 100


def test_a_row_that_the_model_cannot_answer_stands_alone(
    tiny_bundle: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    from ftcore_runtime.decoders import Prepared
    from ftcore_runtime.errors import InputError
    from ftcore_runtime.pipeline import Pipeline

    original = Pipeline.answer

    def picky(self: Pipeline, prepared: Prepared, *options: Any) -> list[Any]:
        (bad,) = self.encoder.encode(["bad"]).input_ids
        if bad in prepared.encoded.input_ids:
            raise InputError("no finite number", where="an input")
        return original(self, prepared, *options)

    monkeypatch.setattr(Pipeline, "answer", picky)
    (tmp_path / "in.txt").write_text("good\nbad\nnice\n")
    assert predict(tiny_bundle, "--input", tmp_path / "in.txt") == 3
    assert ["error" in line for line in lines(capsys.readouterr().out)] == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nowhere.csv"], "cannot be read"),
        (["--input", "."], "holds no .parquet file"),
        (["--input", "in.dat"], "suffix"),
        (["--input", ".", "--format", "csv"], "cannot be read"),
        (["--input", "in.csv", "--columns", "text=body"], "the columns are 'id', 'text'"),
        (["--input", "in.csv", "--columns", "label=x"], "text=NAME"),
        (["--input", "in.csv", "--batch-size", "0"], "--batch-size"),
        (["--input", "in.csv", "--threads", "0"], "threads: must be at least 1, got 0"),
        (["--input", "in.csv", "--delimiter", '"'], "is one character of csv, no quote and no line end"),
        (["--input", "in.csv", "--columns", "text=id", "text=text"], "--columns: names text twice"),
        (["--input", "in.csv", "--output", "out.xlsx"], "written as CSV, Parquet or JSON Lines"),
        (["--input", "in.csv", "--output", "out.json"], "end in .csv, .parquet or .jsonl"),
        (["--input", "-", "--format", "parquet"], "standard input: Parquet cannot be read from a pipe"),
        (["--text", "good", "--text", ""], "--text: the text is empty"),
        (["--text", "good", "--text-pair", " "], "--text-pair: the text is empty"),
        (["--input", "in.json"], "save it as one of .csv, .tsv"),
        (["--input", "in.csv", "--variant", "int4"], "it has fp32, int8"),
        (["--input", "in.csv", "--output", "in.csv"], "the input itself"),
        (["--input", "in.csv", "--output", "nowhere/out.jsonl"], "cannot be written"),
        (["--input", "in.csv", "--text-pair", "x"], "--text-pair"),
        (["--input", "empty.csv"], "the file is empty"),
        (["--text", "good", "--output", "out.jsonl"], "go with --input"),
        (["--text", "good", "--text-pair", "a", "--text-pair", "b"], "one for each"),
        (["--text", " "], "the text is empty"),
        (["--text", "good", "--input", "in.csv"], "not allowed with"),
        (["--input", "in.csv", "--workers", "2"], "goes with --engine ray"),
        (["--input", "in.csv", "--engine", "ray"], "--output"),
        (["--text", "good", "--engine", "ray"], "--input"),
        (["--input", "in.csv", "--engine", "ray", "--output", "out", "--threads", "2"], "give --workers"),
        (["--input", "in.csv", "--engine", "ray", "--output", "out", "--workers", "0"], "at least 1"),
        (["--input", "in.csv", "--format", "parquet"], "not a readable Parquet file"),
        ([], "required"),
    ],
)
def test_what_is_unusable_ends_with_2(
    tiny_bundle: Path, tmp_path: Path, monkeypatch, capsys, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(CSV)
    Path("empty.csv").touch()
    assert predict(tiny_bundle, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert Path("in.csv").read_text() == CSV
    assert sorted(path.name for path in Path().iterdir()) == ["empty.csv", "in.csv"]


def test_a_spoilt_bundle_ends_with_2(copy_bundle, capsys) -> None:
    folder = copy_bundle()
    (folder / "model.int8.onnx").write_bytes(b"x")
    assert predict(folder, "--text", "good") == 2
    assert "model.int8.onnx" in capsys.readouterr().err


def test_needs_no_torch(tiny_bundle: Path) -> None:
    code = "import sys; from ftcore.cli import main; code = main(sys.argv[1:])\n"
    code += "sys.exit(code or len({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "predict", str(tiny_bundle), "--text", "good"]
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_tables_have_a_column_for_each_field(tiny_bundle: Path, tmp_path: Path) -> None:
    import csv

    from pyarrow import parquet

    (tmp_path / "in.csv").write_text('id,text\n1,good food\n2,\n3,"bad, ""slow"" place"\n', encoding="utf-8")
    arguments = (tiny_bundle, "--input", tmp_path / "in.csv", "--keep", "--output")
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        assert predict(*arguments, tmp_path / name) == 3
    first, bad, last = lines((tmp_path / "out.jsonl").read_text())
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    scores = [f"scores.{label}" for label in ("negative", "neutral", "positive")]
    header = ["row", "input.id", "input.text", "label", "score", *scores, "polarity", "error"]
    assert list(table[0]) == header
    assert [float(table[0][name]) for name in scores] == list(first["scores"].values())
    assert (table[1]["row"], table[1]["error"], table[1]["label"]) == ("3", bad["error"], "")
    assert table[2]["input.text"] == last["input"]["text"] == 'bad, "slow" place'
    columns = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert list(columns) == header
    assert columns["score"] == [first["score"], None, last["score"]]
    assert columns["row"] == [2, 3, 4]


def test_a_table_of_rows_with_other_columns_is_refused(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "good"}\n{"text": "bad", "more": 1}\n')
    arguments = ("--input", tmp_path / "in.jsonl", "--keep", "--output", tmp_path / "out.csv")
    assert predict(tiny_bundle, *arguments) == 2
    assert "row 2 has the column 'more', which the first row has not" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
