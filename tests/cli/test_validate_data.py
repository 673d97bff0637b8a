"""`ftcore validate` finds what a run would fail with: twenty wrong specs and files, by what is printed of each."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from spec_text import TRAIN, VALID

from ftcore.cli import main

CHINESE = "text,label\n" + "".join(
    f"这家餐厅的第{row}道菜非常好吃,{'好评差评'[row % 2 * 2 :][:2]}\n" for row in range(20)
)


def edited(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new)


def weighed(weight: str) -> str:
    """The rows with a third column."""
    head, *rows = TRAIN.splitlines()
    return "\n".join([f"{head},w", *(f"{row},{weight}" for row in rows)]) + "\n"


SIMILARITY = edited("task: sentiment", "task: similarity").replace("  labels: [neg, pos]\n", "")


def scored(number: str) -> str:
    """Pairs with the same number each."""
    return "text,text_pair,score\n" + "".join(f"one {row},other,{number}\n" for row in range(20))


def unanswered(number: int) -> dict[str, object]:
    """A paragraph of SQuAD with a question that has no answer."""
    question = {"id": str(number), "question": "who?", "answers": [], "is_impossible": True}
    return {"context": f"text {number}", "qas": [question]}


# name: (the spec, train.csv, all parts of what is printed)
WRONG: dict[str, tuple[str, str | bytes, tuple[str, ...]]] = {
    "delimiter": (
        VALID,
        TRAIN.replace(",", ";"),
        (
            "train.csv: there is no column 'text'; the columns are 'text;label'",
            "the header looks separated by ';': set data.train.delimiter to ';'",
        ),
    ),
    "column": (
        edited("  labels:", "  columns: {text: tweet}\n  labels:"),
        TRAIN,
        ("there is no column 'tweet'; the columns are 'text', 'label'", "set data.columns.text to"),
    ),
    "label column": (
        VALID,
        TRAIN.replace("text,label", "text,labels"),
        ("there is no column 'label'", "did you mean 'labels'? set data.columns.label to"),
    ),
    "GB18030": (
        edited("[neg, pos]", "[差评, 好评]"),
        CHINESE.encode("gb18030"),
        ("train.csv: 20 bad rows", "train.csv:2: byte 0x", "looks like gb18030: set `encoding: gb18030`"),
    ),
    "GB18030 from the header on": (
        VALID,
        CHINESE.replace("text,label", "文本,标签").encode("gb18030"),
        ("train.csv:1: the header is not valid: byte 0x", "looks like gb18030: set `encoding: gb18030`"),
    ),
    "UTF-16": (VALID, TRAIN.encode("utf-16"), ("looks like utf-16: set `encoding: utf-16`",)),
    "UTF-16 without a mark": (VALID, CHINESE.encode("utf-16-le"), ("set `encoding: utf-16-le`",)),
    "UTF-16, the other way round": (VALID, TRAIN.encode("utf-16-be"), ("set `encoding: utf-16-be`",)),
    "UTF-32": (VALID, TRAIN.encode("utf-32"), ("looks like utf-32: set `encoding: utf-32`",)),
    "no text": (VALID, gzip.compress(TRAIN.encode()), ("this is no file of text: unpack it",)),
    "a zero byte": (
        VALID,
        TRAIN.replace("text 5", "te\0t 5"),
        ("train.csv:7: a NUL byte", "help: fix this row"),
    ),
    "UTF-8 with a mark that is read as another encoding": (
        edited("train: train.csv", "train: {path: train.csv, encoding: cp1252}"),
        TRAIN.encode("utf-8-sig"),
        ("train.csv:1: the file begins with the byte order mark of UTF-8, and is read as cp1252", "to utf-8"),
    ),
    "a title above the header": (
        VALID,
        f"Reviews of 2024\n{TRAIN}",
        ("train.csv:1: the header has 1 field, and each of the 21 rows 2", "delete what is above it"),
    ),
    "a line of Excel's own": (
        edited("train: train.csv", "train: {path: train.csv, delimiter: ;}"),
        "sep=;\n" + TRAIN.replace(",", ";"),
        ("the first line is one that Excel alone reads: delete it",),
    ),
    "a column in another form of Unicode": (
        edited("  labels:", "  columns: {text: t\u00e9xt}\n  labels:"),
        TRAIN.replace("text,", "te\u0301xt,"),
        ('did you mean "te\\u0301xt"? set data.columns.text to',),
    ),
    "quotes in TSV": (
        edited("train: train.csv", "train: {path: train.csv, format: tsv}"),
        "text\tlabel\n" + "".join(f'"text {row}"\tpos\n' for row in range(20)),
        ("every value of the column 'text' is quoted as in CSV: set quoting to rfc4180",),
    ),
    "a label that is known but for its spelling": (
        edited("[neg, pos]", "[Neg, pos]"),
        TRAIN,
        ("unknown label 'neg'; the labels are Neg, pos; 'Neg' differs from 'neg' by its spelling alone",),
    ),
    "a label that no row can have": (
        edited("[neg, pos]", "[' neg', pos]"),
        TRAIN,
        ("`labels` names ' neg': rows' labels are read without outer space, write 'neg'",),
    ),
    "a label without a name": (
        edited("[neg, pos]", "[neg, '']"),
        TRAIN,
        ("`labels` has one without a name",),
    ),
    "one column for two fields": (
        edited("  labels:", "  columns: {text: label}\n  labels:"),
        TRAIN,
        ("spec.yaml:4:13: error[value]: `text` and `label` are both the column 'label'",),
    ),
    "a weight that float32 does not hold": (
        edited("  labels:", "  columns: {weight: w}\n  labels:"),
        weighed("1e39"),
        ("train.csv:2: column 'w': '1e39' is beyond 1e+06",),
    ),
    "weights that leave nothing": (
        edited("  labels:", "  columns: {weight: w}\n  labels:"),
        weighed("0"),
        ("train.csv: column 'w': every training row has the weight 0",),
    ),
    "a number as Python alone writes it": (
        edited("  labels:", "  columns: {weight: w}\n  labels:"),
        weighed("1_5"),
        ("train.csv:2: column 'w': expected a finite number, got '1_5'",),
    ),
    "one number for all": (
        SIMILARITY,
        scored("5"),
        ("train.csv: column 'score': every training row has the number 5, and nothing is learnt from one",),
    ),
    "a number whose square float32 does not hold": (
        SIMILARITY,
        scored("1e30"),
        ("train.csv: 20 bad rows", "train.csv:2: column 'score': '1e30' is beyond 1e+15"),
    ),
    "questions of which none has an answer": (
        SIMILARITY.replace("similarity", "qa").replace("train.csv", "{path: train.csv, format: squad}"),
        json.dumps({"data": [{"title": f"t{n}", "paragraphs": [unanswered(n)]} for n in range(20)]}),
        ("train.csv: column 'answers': no training question has an answer",),
    ),
    "weights of labels that leave nothing": (
        VALID + "  class_weights: {neg: 0, pos: 0}\n",
        TRAIN,
        ("training.class_weights gives every label of the training rows the weight 0",),
    ),
    "an empty array": (
        edited("train: train.csv", "train: {path: train.csv, format: squad}"),
        "[]",
        ("train.csv: it has no rows",),
    ),
    "JSON over several lines": (
        edited("train: train.csv", "train: {path: train.csv, format: jsonl}"),
        json.dumps({"text": "a", "label": "pos"}, indent=1),
        ("train.csv:1: this is a JSON object over several lines, not JSON Lines", "write one object a line"),
    ),
    "labels of the spec that are not those of the data": (
        edited("[neg, pos]", "[negative, positive]"),
        TRAIN,
        ("train.csv:", "unknown label 'neg'; the labels are negative, positive", "fix the row, or what"),
    ),
    "base that is no folder and no Hub id": (
        edited("./base", "minilm"),
        TRAIN,
        ("`minilm` is no folder next to the spec, and no Hub id (`owner/name`)", "help: write "),
    ),
    "split larger than the data": (
        edited("  labels:", "  split: {test: 100}\n  labels:"),
        TRAIN,
        ("data.split: 20 rows are too few to hold out 100 for test", "ask for fewer rows"),
    ),
    "too few rows": (VALID, "text,label\na,neg\nb,pos\n", ("2 rows are too few to hold out",)),
    "metric": (
        edited("training:", "evaluation: {metric: f1macro}\ntraining:"),
        TRAIN,
        ("spec.yaml:7:22: error[metric]: evaluation.metric: no metric 'f1macro'", "did you mean `f1_macro`?"),
    ),
    "gate on a metric": (
        edited("training:", "export: {gates: {min_metric: {recal: 0.5}}}\ntraining:"),
        TRAIN,
        ("export.gates.min_metric: no metric 'recal'; this task has accuracy, ",),
    ),
    "one label": (VALID, TRAIN.replace("pos", "neg"), ("have 1 different label(s); at least 2 are needed",)),
    "empty text": (VALID, TRAIN.replace("text 5", " "), ("train.csv:7: column 'text': the text is empty",)),
    "empty file": (VALID, "", ("train.csv: the file is empty",)),
    "header alone": (VALID, "text,label\n", ("train.csv: it has no rows",)),
    "fields that the header does not name": (
        VALID,
        TRAIN.replace("text 4", "text, 4"),
        ("train.csv:6: the row has 3 fields, the header 2",),
    ),
    "condition that leaves nothing": (
        edited("  labels:", "  where: [{column: label, one_of: [neutral]}]\n  labels:"),
        TRAIN,
        ("`data.where` leaves none of its 20 rows",),
    ),
    "slice of a column that is no number": (
        edited("  labels:", "  keep: [label]\n  labels:")
        + "slices: [{name: long, where: [{column: label, min: 3}]}]\n",
        TRAIN,
        ("the slice `long`: column 'label': the condition compares numbers",),
    ),
    "policy that needs more rows": (
        VALID + "  recipe: plain\npolicy: {temperature: fit}\n",
        TRAIN,
        ("policy.temperature: needs ", " validation rows, and there are 2", "hold out more"),
    ),
    "quote that is never closed": (
        VALID,
        TRAIN.replace("text 3,", '"text 3,'),
        ("train.csv:5: ", "double each quote within a quoted field, or set `quoting: none`"),
    ),
    "texts to pre-train on": (
        VALID + "  pretrain: {on: {path: train.csv, delimiter: ';', format: jsonl}}\n",
        TRAIN,
        ("training.pretrain.on.delimiter: `delimiter` does not apply to jsonl", "leave it out"),
    ),
    "a row to pre-train on that has no text": (
        VALID + "  pretrain: {on: train.csv, column: body}\n",
        TRAIN,
        (
            "train.csv:2: there is no column 'body'; the columns are 'text', 'label'",
            "`training.pretrain.column`",
        ),
    ),
    "more folds than rows": (
        edited(
            "  labels:",
            "  cross_validation: 20\n  where: [{column: text, one_of: [text 0, text 1, text 2, text 3]}]\n  labels:",
        ),
        TRAIN,
        ("data.cross_validation: fold 1 of 20 cannot be made", "ask for fewer folds"),
    ),
    "names of the same thing in other tools": (
        edited(
            "  epochs: 1",
            "  lr: 1.0e-4\n  num_train_epochs: 3\n  fp16: true\n  per_device_train_batch_size: 8",
        ),
        TRAIN,
        (
            "did you mean `learning_rate`?",
            "did you mean `epochs`?",
            "did you mean `precision`?",
            "did you mean `batch_size`?",
        ),
    ),
    "a number for a split": (
        edited("  labels:", "  split: 0.2\n  labels:"),
        TRAIN,
        ("expected a section, got the number 0.2", "write `split: {validation: 0.2}`"),
    ),
    "true for early stopping": (
        edited("  epochs: 1", "  early_stopping: true"),
        TRAIN,
        ("expected a section, got `true`", "write `early_stopping: {patience: 2}`"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_run_would_fail_with_is_found_before_it(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, rows, said = WRONG[name]
    (project / "spec.yaml").write_text(spec, "utf-8")
    (project / "train.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    assert main(["validate", "spec.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [part for part in said if part not in err] == [], err
    assert main(["run", "spec.yaml"]) == 2
    assert capsys.readouterr().err == err, "a run says the same"
    assert not (project / "runs").exists(), "and leaves nothing behind"


def test_a_queue_finds_it_in_every_spec_before_it_starts_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "late.yaml").write_text(edited("[neg, pos]", "[no, yes]"))
    assert main(["run", "spec.yaml", "late.yaml"]) == 2
    assert "unknown label 'neg'" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_without_data_the_rows_are_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "train.csv").write_text("")
    assert main(["validate", "spec.yaml", "--no-data"]) == 0
    assert capsys.readouterr().out == "spec.yaml: valid, task sentiment\n"


def test_what_was_read_is_printed_when_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "spec.yaml", "-v"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "spec.yaml: valid, task sentiment",
        "data: 16 train, 2 test, 2 validation",
        "  neg: 8 training rows (50.0%)",
        "  pos: 8 training rows (50.0%)",
    ]
    assert main(["validate", "spec.yaml", "-v", "--json"]) == 0
    (verdict,) = json.loads(capsys.readouterr().out)
    assert verdict["data"]["labels"] == {"neg": 8, "pos": 8}
    assert verdict["data"]["report"]["rows"] == {"train": 16, "validation": 2, "test": 2}


def test_rows_of_the_hub_are_left_to_the_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "spec.yaml").write_text(edited("train.csv", "{hub: owner/name}"))
    assert main(["validate", "spec.yaml"]) == 0
    assert "its rows are read by the run: they come from the Hub" in capsys.readouterr().out


def test_a_run_that_cannot_begin_imports_no_torch(project: Path) -> None:
    (project / "train.csv").write_text("text,label\n")
    code = (
        "from ftcore.cli import main; import sys; main(['run', 'spec.yaml']); print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
    assert "it has no rows" in result.stderr


def test_a_run_finds_the_rows_that_were_validated(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "spec.yaml"]) == 0

    def read_again(*_: object) -> None:
        raise AssertionError("the rows are in the cache")

    monkeypatch.setattr("ftcore.data.load.stage", read_again)
    assert main(["validate", "spec.yaml"]) == 0
