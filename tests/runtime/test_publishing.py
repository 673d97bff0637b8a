"""Files and folders are published whole or not at all, and what killed processes leave is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore_runtime import publishing as module
from ftcore_runtime.publishing import discard, publishing, sweep, temporary_folder, write_whole


def fill(path: Path, text: str) -> None:
    """A folder with a folder in it."""
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "file").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_and_a_folder_take_their_names_at_the_end(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with publishing(tmp_path / "file") as made:
            made.write_text(text)
        with publishing(tmp_path / "folder") as made:
            fill(made, text)
            assert (tmp_path / "folder").exists() == (text == "second")
        assert (tmp_path / "file").read_text() == text
        assert (tmp_path / "folder" / "inner" / "file").read_text() == text
    assert names(tmp_path) == ["file", "folder"]
    write_whole(tmp_path / "file", [b"a", b"b"])
    assert (tmp_path / "file").read_bytes() == b"ab"
    discard(tmp_path / "folder")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    fill(tmp_path / "folder", "old")

    def fail() -> None:
        with publishing(tmp_path / "folder") as made:
            fill(made, "new")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "old"


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()], ids=repr)
def test_a_failure_between_the_two_renames_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fill(tmp_path / "folder", "old")

    def fail(self: Path, target: Path) -> Path:
        assert not (tmp_path / "folder").exists()
        raise error

    def publish() -> None:
        with monkeypatch.context() as patch, publishing(tmp_path / "folder") as made:
            fill(made, "new")
            patch.setattr(Path, "replace", fail)

    with pytest.raises(type(error)):
        publish()
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "old"


def test_everything_is_flushed_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    sync = module.sync
    monkeypatch.setattr(module, "sync", lambda path: (flushed.append(path.name), sync(path)))
    with publishing(tmp_path / "folder") as made:
        fill(made, "new")
    assert flushed == ["file", "inner", "folder", tmp_path.name]


def test_what_is_there_is_not_replaced_where_that_is_not_wanted(tmp_path: Path) -> None:
    def publish() -> None:
        with publishing(tmp_path / "file", replace=False) as made:
            made.write_text("ours")
            (tmp_path / "file").write_text("theirs")

    with pytest.raises(FileExistsError):
        publish()
    assert (tmp_path / "file").read_text() == "theirs"
    assert names(tmp_path) == ["file"]


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="neither a file nor a folder"):
        write_whole(tmp_path / "pipe", [b"a"])
    assert (tmp_path / "pipe").is_fifo()


def killed(code: str, folder: Path) -> None:
    """Run code in a process that ends by SIGKILL."""
    script = f"""
import os, sys
from pathlib import Path
from ftcore_runtime.publishing import publishing
folder = Path(sys.argv[1])
def die(*_):
    os.kill(os.getpid(), {int(signal.SIGKILL)})
{code}"""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_makes_is_not(tmp_path: Path) -> None:
    killed("with publishing(folder / 'a') as made:\n    made.write_text('part')\n    die()", tmp_path)
    (left,) = names(tmp_path)
    assert left.startswith(".a.")
    with temporary_folder(tmp_path, "mine") as mine:
        assert names(tmp_path) == [mine.name]
        (mine / "part").touch()
        sweep(tmp_path)
        write_whole(tmp_path / "b", [b"b"])
        assert (mine / "part").exists()
    assert names(tmp_path) == ["b"]


def test_a_folder_that_was_being_replaced_when_the_process_was_killed_comes_back(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "old")
    dies = "Path.replace = die\nwith publishing(folder / 'folder') as made:\n    made.mkdir()"
    killed(dies, tmp_path)
    assert "folder" not in names(tmp_path)
    sweep(tmp_path)
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "old"
