"""`ftcore predict` of Parquet in a store: the lines of a local file, of one version, parts that go on after a kill."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from bundles import sentences
from loopback_store import Store
from test_ray_engine import command, needs_ray

from ftcore.cli import main
from ftcore_runtime.errors import InputError
from ftcore_runtime.object_store import ObjectFolder
from ftcore_server.offline.parts import Parts

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

ROWS = 1500


def table(texts: list[str]) -> bytes:
    made = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": texts}), made, row_group_size=400)
    return made.getvalue()


@pytest.fixture
def rows(store: Store, tmp_path: Path) -> Path:
    """A folder of two files, and the same in the store at s3://data/rows/; row 701 cannot be answered."""
    texts = sentences(ROWS, seed=4)
    texts[700] = " "
    (tmp_path / "rows").mkdir()
    for name, part in (("a", texts[:600]), ("b", texts[600:])):
        store.objects[f"data/rows/{name}.parquet"] = table(part)
        (tmp_path / "rows" / f"{name}.parquet").write_bytes(table(part))
    return tmp_path / "rows"


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    code = main(["predict", *map(str, arguments)])
    return code, capsys.readouterr().err


def test_a_folder_of_a_store_is_answered_like_one_here(
    tiny_bundle: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    there.write_text("what is there is written over")
    assert said(capsys, tiny_bundle, "--input", rows, "--output", here, "--keep")[0] == 3
    code, err = said(capsys, tiny_bundle, "--input", "s3://data/rows/", "--output", there, "--keep")
    assert (code, err) == (
        3,
        f"s3://data/rows/:701: the text is empty\n{ROWS - 1} rows answered, 1 could not be\n",
    )
    assert there.read_bytes() == here.read_bytes()
    code, err = said(capsys, tiny_bundle, "--input", "s3://data/rows/a.parquet", "--columns", "text=body")
    assert code == 2
    assert "s3://data/rows/a.parquet: there is no column 'body'; the columns are 'text'" in err


def test_what_is_not_done_with_addresses_is_refused(
    tiny_bundle: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, parts in (
        (
            ("--input", rows, "--output", "s3://data/out/"),
            ("--output: the plain engine writes a file on this",),
        ),
        (("--input", "s3://data/rows.csv"), ("s3://data/rows.csv: ", "save it as Parquet")),
        (
            ("--input", "s3://data/rows/", "--format", "csv"),
            ("--format csv: an object of a store is read as",),
        ),
        (("--input", "s3://me:secret@data/rows/"), ("no user, no password and no query",)),
        (
            ("--input", "s3://data/rows/", "--engine", "ray", "--output", "s3://data"),
            ("--output: names a bucket",),
        ),
    ):
        code, err = said(capsys, tiny_bundle, *arguments)
        assert code == 2, err
        assert [part for part in parts if part not in err] == [], err
        assert "secret" not in err
    assert main(["run", "spec.yaml", "--runs-dir", "s3://data/runs"]) == 2
    assert "runs-dir: is a file or folder on this machine, not in a store" in capsys.readouterr().err
    assert not Path("s3:").exists()


def test_rows_that_change_meanwhile_are_not_mixed(
    tiny_bundle: Path, store: Store, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gets = iter(range(100))

    def change(method: str, path: str) -> None:
        if method == "GET" and path.endswith("b.parquet") and next(gets) == 2:
            store.objects[path] = table(["another text"] * 900)

    store.fault = change
    code, err = said(
        capsys,
        tiny_bundle,
        "--input",
        "s3://data/rows/",
        "--output",
        tmp_path / "out.jsonl",
        "--batch-size",
        "8",
    )
    assert code == 2
    assert (
        "error: s3://data/rows/b.parquet: it was changed while it was being read\n  help: start again" in err
    )
    assert not (tmp_path / "out.jsonl").exists()


def test_parts_in_a_store_are_those_that_are_asked_for(store: Store) -> None:
    parts = Parts(ObjectFolder.of("s3://data/out", "--output"), 600)
    parts.begin({"variant": "int8"})
    assert parts.missing() == [0, 1, 2]
    parts.write(1, [b'{"row": 300, "error": "no"}\n', b'{"row": 301, "label": "\\"error\\": "}\n'])
    parts.begin({"variant": "int8"})
    assert parts.missing() == [0, 2]
    for number in (0, 2):
        parts.write(number, [b"{}\n"])
    assert parts.missing() == []
    assert list(parts.errors()) == [(300, "no")]
    with pytest.raises(
        InputError, match=r"s3://data/out/: holds the answers to something else, as its parts\.json"
    ):
        parts.begin({"variant": "fp32"})
    store.objects["data/other"] = b"x"
    with pytest.raises(InputError, match=r"s3://data/: is not empty\n  help: give another --output"):
        Parts(ObjectFolder("s3://data/"), 600).begin({})


@needs_ray
def test_parts_in_a_store_go_on_after_a_kill(
    tiny_bundle: Path, store: Store, rows: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.jsonl"
    assert main(["predict", str(tiny_bundle), "--input", str(rows), "--output", str(plain)]) == 3
    arguments = command(tiny_bundle, "s3://data/rows/", "s3://data/out/")
    environment = {**os.environ, **store.environment, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    killed = subprocess.Popen(
        [*arguments, "--workers", "1"], stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    )

    def there() -> dict[str, bytes]:
        return {path: data for path, data in sorted(store.objects.items()) if "out/part-" in path}

    end = time.monotonic() + 200
    while not there() and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    first = there()
    assert first
    put = len(store.requests)
    done = subprocess.run(
        [*arguments, "--workers", "2"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "s3://data/rows/:701: the text is empty",
        f"{ROWS - 1} rows answered, 1 could not be",
    ]
    again = {one.partition(" ")[2] for one in store.requests[put:] if one.startswith("PUT")}
    assert again == {*there()} - {*first}, "what was there is left alone"
    ours = [json.loads(line) for data in there().values() for line in data.splitlines()]
    theirs = [json.loads(line) for line in plain.read_text().splitlines()]
    assert [(line["row"], line.get("label")) for line in ours] == [
        (line["row"], line.get("label")) for line in theirs
    ]
    store.objects["data/rows/b.parquet"] = table(["another text"] * 900)
    other = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    assert other.returncode == 2
    assert "s3://data/out/: holds the answers to something else" in other.stderr


@needs_ray
def test_a_worker_that_finds_another_version_says_so(tiny_bundle: Path, store: Store, rows: Path) -> None:
    """The rows were counted; then the object changes."""

    def change(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("parts.json"):
            store.objects["data/rows/a.parquet"] = table(["another text"] * 600)

    store.fault = change
    environment = {**os.environ, **store.environment, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    arguments = command(tiny_bundle, "s3://data/rows/", "s3://data/out/")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "error: s3://data/rows/a.parquet: it was changed while it was being read",
        "  help: start again once nothing writes to it",
    ]
    assert not [path for path in store.objects if "out/part-" in path]
