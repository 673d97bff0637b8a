"""Parts of an output: how large they are, what is there already, and what they refuse to be mixed with."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore_runtime.errors import InputError
from ftcore_runtime.publishing import write_whole
from ftcore_server.offline.parts import LocalFolder, Parts


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 16384, 100_000, 1_048_577, 10**8])
def test_parts_hold_every_row_once(tmp_path: Path, count: int) -> None:
    parts = Parts(LocalFolder(tmp_path), count)
    assert (len(parts) - 1) * parts.rows < count <= len(parts) * parts.rows or count == len(parts) == 0
    assert 256 <= parts.rows <= 16384


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    parts = Parts(LocalFolder(folder), 600)
    parts.begin({"variant": "int8"})
    assert parts.missing() == [0, 1, 2]
    parts.write(1, [b'{"row": 300, "error": "no"}\n', b'{"row": 301, "label": "\\"error\\": "}\n'])
    killed = folder / ".part-000002.jsonl.1.ftcore.tmp"
    killed.mkdir()
    (killed / "part-000002.jsonl").write_bytes(b'{"row"')
    parts.begin({"variant": "int8"})
    assert parts.missing() == [0, 2]
    assert sorted(path.name for path in folder.iterdir()) == ["part-000001.jsonl", "parts.json"]
    for number in (0, 2):
        parts.write(number, [])
    assert list(parts.errors()) == [(300, "no")]


def test_other_answers_are_not_mixed_in(tmp_path: Path) -> None:
    Parts(LocalFolder(tmp_path / "out"), 600).begin({"variant": "int8"})
    for count, asked in ((601, "int8"), (600, "fp32")):
        with pytest.raises(InputError, match="something else"):
            Parts(LocalFolder(tmp_path / "out"), count).begin({"variant": asked})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="is not empty"):
        Parts(LocalFolder(tmp_path / "full"), 1).begin({})
    with pytest.raises(InputError, match="cannot be written"):
        Parts(LocalFolder(tmp_path / "full" / "file"), 1).begin({})


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def pieces() -> object:
        yield b"a"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(tmp_path / "file", pieces())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
