"""Parquet in a store as the rows of a task: read as a local file is, named by its address, of one version."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from loopback_store import Store
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.runs.folder import RunFolder
from ftcore.runs.portable import write_portable

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

TRAIN, GOLD = "s3://data/train.parquet", "s3://data/gold/"


def table(rows: list[dict[str, Any]]) -> bytes:
    made = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), made, row_group_size=50)
    return made.getvalue()


@pytest.fixture
def place(store: Store, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: local.yaml and stored.yaml, whose rows are the same."""
    monkeypatch.chdir(tmp_path)
    rows = labelled_rows(200)
    store.objects = {
        "data/train.parquet": table(rows[:150]),
        "data/gold/a.parquet": table(rows[150:170]),
        "data/gold/b.parquet": table(rows[170:]),
    }
    Path("train.parquet").write_bytes(store.objects["data/train.parquet"])
    Path("gold.parquet").write_bytes(table(rows[150:]))
    for name, data in (
        ("local", {"train": "train.parquet", "test": "gold.parquet"}),
        ("stored", {"train": TRAIN, "test": {"path": GOLD}}),
    ):
        YAML().dump(tiny_spec(tiny_base, data=data, training={"max_steps": 4}), tmp_path / f"{name}.yaml")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main([*arguments])
    return code, *capsys.readouterr()


def record(name: str) -> tuple[Path, dict[str, Any]]:
    (file,) = Path("runs", name).glob("*/run.json")
    return file.parent, json.loads(file.read_text())


def test_a_run_learns_from_a_store_what_it_learns_from_a_file(
    place: Path, store: Store, unexported: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("local", "stored"):
        assert main(["validate", f"{name}.yaml"]) == 0
        assert main(["run", f"{name}.yaml", "--no-audit" if name == "local" else "-v"]) == 0
    (_, local), (there, stored) = record("local"), record("stored")
    assert stored["weights"] == local["weights"]
    one, folder = stored["data"]
    assert (one["source"], one["kind"], one["rows_read"]) == (TRAIN, "parquet", 150)
    assert one["bytes"] == len(store.objects["data/train.parquet"])
    assert (folder["source"], folder["rows_read"]) == (GOLD, 50)
    lines = [json.loads(line) for line in (there / "predictions.test.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines[19:21]] == [
        "s3://data/gold/a.parquet:20",
        "s3://data/gold/b.parquet:1",
    ]
    capsys.readouterr()

    store.objects["data/train.parquet"] = table(labelled_rows(149))
    code, _, err = printed(capsys, "evaluate", str(there))
    assert code == 2
    assert "the data has changed since this run read it" in err
    code, out, err = printed(capsys, "reproduce", str(there), "--runs-dir", "again")
    assert code == 3
    assert f"data train ({TRAIN})" in out + err


def test_bad_rows_are_named_by_their_address(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = labelled_rows(60)
    rows[33]["text"] = " "
    store.objects["data/gold/b.parquet"] = table(rows)
    code, _, err = printed(capsys, "validate", "stored.yaml")
    assert code == 2
    assert err.startswith("error: s3://data/gold/b.parquet:34: column 'text': the text is empty\n")
    code, _, err = printed(capsys, "validate", "stored.yaml", "--set", "data.columns.text=body")
    assert code == 2
    assert f"{TRAIN}: there is no column 'body'; the columns are 'text', 'label'" in err


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        ("s3://data/lost.parquet", ("s3://data/lost.parquet: there is no such object",)),
        ("s3://data/empty/", ("s3://data/empty/: there is no .parquet object in this folder",)),
        (
            "s3://data/train.csv",
            ("s3://data/train.csv: ", "save it as Parquet (other formats are read from local"),
        ),
        (
            "{path: s3://data/train.parquet, format: csv}",
            ("data.train.format says csv", "save it as Parquet"),
        ),
        ("{path: s3://data/train.parquet, encoding: latin-1}", ("`encoding` does not apply to parquet",)),
        ("s3://me:secret@data/train.parquet", ("data.train: an address has no user, no password",)),
        (
            "{path: 's3://data/a.parquet?X-Amz-Signature=secret'}",
            ("data.train.path: an address has no user",),
        ),
        (
            "{path: gold.parquet, target: s3://data/b.txt}",
            ("what is read here is a file on this machine: download",),
        ),
        (
            "gs://data/train.parquet",
            ("no such file or folder: `gs://data/train.parquet`", "download it first"),
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], train: str, parts: tuple[str, ...]
) -> None:
    text = Path("stored.yaml").read_text()
    assert f"train: {TRAIN}\n" in text
    Path("wrong.yaml").write_text(text.replace(f"train: {TRAIN}\n", f"train: {train}\n"))
    for command in ("validate", "train"):
        code, _, err = printed(capsys, command, "wrong.yaml")
        assert code == 2
        assert [part for part in parts if part not in err] == [], err
        assert "secret" not in err
    assert not Path("runs").exists()


def test_rows_that_change_after_they_were_read_are_not_audited(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = iter(range(100))

    def change(method: str, path: str) -> None:
        if method == "HEAD" and path == "data/train.parquet":
            seen = next(heads)
            if seen == last:
                store.objects[path] = table(labelled_rows(149))

    last = 10**6
    store.fault = change
    assert main(["validate", "stored.yaml"]) == 0
    last = next(heads) + 2  # the rows are in the cache, and the next look at the object is the audit's
    code, _, err = printed(capsys, "audit", "stored.yaml", "--rows-only")
    assert code == 2
    assert "s3://data/train.parquet: it was changed " in err


def test_other_commands_read_from_a_store(
    place: Path, store: Store, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = printed(capsys, "init", TRAIN, "--base", str(tiny_base), "-o", "made.yaml")
    assert (code, err) == (0, "")
    assert f"{TRAIN}: Parquet, 150 rows, columns text, label" in out
    assert f"  train: {TRAIN}\n" in Path("made.yaml").read_text()
    assert main(["init", GOLD, "--base", str(tiny_base)]) == 0
    assert f"  train: {GOLD}\n" in Path("gold.yaml").read_text()
    assert main(["run", "stored.yaml", "--set", "export.variants=[fp32]"]) == 0
    run, _ = record("stored")
    capsys.readouterr()
    code, out, err = printed(capsys, "evaluate", str(run), "--input", GOLD, "--json")
    assert (code, err) == (0, "")
    figures = json.loads(out)
    assert figures["splits"]["gold"]["rows"] == 50
    other = shutil.copytree(run / "bundle", "other")
    code, out, err = printed(capsys, "compare", str(run / "bundle"), str(other), "--input", GOLD, "--json")
    assert (code, err) == (0, "")
    assert '"rows": 50' in out
    code, out, err = printed(capsys, "evaluate", str(run), "--input", GOLD, "--format", "csv")
    assert code == 2
    assert "save it as Parquet" in err
    store.objects["data/pool.parquet"] = table([{"text": f"good bad {row}"} for row in range(9)])
    code, out, err = printed(capsys, "suggest", str(run), "--pool", "s3://data/pool.parquet", "-n", "3")
    assert code == 0, err
    assert len(out.splitlines()) == 3
    Path("portable").mkdir()
    write_portable(RunFolder(run), Path("portable"))
    data = json.loads(Path("portable", "spec.json").read_text())["data"]
    assert (data["train"]["path"], data["test"]["path"]) == (TRAIN, GOLD), "which another machine reads, too"


def test_texts_without_labels_are_read_from_a_store(
    place: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = (place / "stored.yaml").read_text()
    (place / "pretrained.yaml").write_text(
        stored.replace("training:", "training:\n  pretrain: {on: s3://data/texts.parquet}")
    )
    store.objects["data/texts.parquet"] = table([{"text": "fine"}, {"text": " "}])
    code, _, err = printed(capsys, "validate", "pretrained.yaml")
    assert (code, "s3://data/texts.parquet:2" in err) == (2, True), err
    store.objects["data/texts.parquet"] = table([{"text": "fine"}])
    assert printed(capsys, "validate", "pretrained.yaml")[0] == 0
