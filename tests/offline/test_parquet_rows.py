"""Parquet as an input of `ftcore predict`: one file, a folder, bad rows, what JSON has no form for."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import pytest

from ftcore.cli import main

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_folder_is_answered_like_its_rows_in_a_file(tiny_bundle: Path, tmp_path: Path) -> None:
    texts = ["good food", "bad", "very nice", "the place", "slow"]
    folder = tmp_path / "rows"
    folder.mkdir()
    write(folder / "b.parquet", [{"text": text} for text in texts[3:]])
    write(folder / "a.parquet", [{"text": text} for text in texts[:3]])
    (tmp_path / "in.txt").write_text("\n".join(texts))
    for name, output in ((folder, "folder.jsonl"), (tmp_path / "in.txt", "text.jsonl")):
        assert (
            main(["predict", str(tiny_bundle), "--input", str(name), "--output", str(tmp_path / output)]) == 0
        )
    assert (tmp_path / "folder.jsonl").read_bytes() == (tmp_path / "text.jsonl").read_bytes()


def test_bad_rows_and_columns_of_every_type(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = datetime.date(2026, 1, 2)
    rows = [
        {"id": 1, "day": day, "share": 0.5, "text": "good", "tags": ["a"]},
        {"id": 2, "day": None, "share": math.nan, "text": None, "tags": []},
    ]
    file = write(tmp_path / "in.parquet", rows)
    output = tmp_path / "out.jsonl"
    assert main(["predict", str(tiny_bundle), "--input", str(file), "--output", str(output), "--keep"]) == 3
    good, bad = lines(output)
    assert good["input"] == {"id": 1, "day": "2026-01-02", "share": 0.5, "text": "good", "tags": "['a']"}
    assert bad["input"]["share"] is None
    assert bad["error"] == "expected a text, got NoneType"
    assert f"{file}:2: expected a text" in capsys.readouterr().err
    assert main(["predict", str(tiny_bundle), "--input", str(file), "--columns", "text=tags"]) == 3
    assert f"{file}:1: tags: expected a text, got list" in capsys.readouterr().err
    assert main(["predict", str(tiny_bundle), "--input", str(file), "--columns", "text=body"]) == 2
    assert "the columns are 'id', 'day', 'share', 'text', 'tags'" in capsys.readouterr().err
