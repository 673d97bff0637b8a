"""A run or bundle is found by its folder, by the name of its spec, or as the latest one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore.cli import main
from ftcore.errors import UserError
from ftcore.runs.names import find_bundle, find_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of `mail` (the newer without a bundle) and an older one of `news`."""
    for name, exported in {
        "mail/20260101T000000-aaaaaaaa": True,
        "mail/20260103T000000-bbbbbbbb": False,
        "news/20260102T000000-cccccccc": True,
    }.items():
        folder = tmp_path / "runs" / name
        (folder / "bundle").mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        if exported:
            (folder / "bundle" / "bundle.json").write_text("{}")
    return tmp_path / "runs"


def test_a_run_by_folder_by_name_and_the_latest(runs: Path) -> None:
    first = runs / "mail" / "20260101T000000-aaaaaaaa"
    assert find_run(str(first), runs) == first
    assert find_run("mail", runs).name == "20260103T000000-bbbbbbbb"
    assert find_run("news", runs).name == "20260102T000000-cccccccc"
    assert find_run("latest", runs).name == "20260103T000000-bbbbbbbb"


def test_a_run_made_again_does_not_take_the_name_of_its_spec(runs: Path) -> None:
    again = runs / "mail" / "20260104T000000-aaaaaaaa"
    again.mkdir()
    (again / "run.json").write_text('{"reproduces": "runs/mail/20260101T000000-aaaaaaaa"}')
    assert find_run("mail", runs).name == find_run("latest", runs).name == "20260103T000000-bbbbbbbb"
    assert find_run(str(again), runs) == again
    for record in runs.glob("*/*/run.json"):
        if record.parent != again:
            record.unlink()
    assert find_run("latest", runs) == again, "there is no other"
    (again / "run.json").write_text("{")
    assert find_run("latest", runs) == again


def test_the_bundle_of_a_run(runs: Path) -> None:
    bundle = runs / "news" / "20260102T000000-cccccccc" / "bundle"
    assert (
        find_bundle("news", runs)
        == find_bundle(str(bundle.parent), runs)
        == find_bundle(str(bundle), runs)
        == bundle
    )
    with pytest.raises(UserError, match="has no bundle yet"):
        find_bundle("mail", runs)
    assert find_bundle("elsewhere", runs) == Path("elsewhere")


def test_a_name_that_nobody_ran_gets_a_suggestion(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs.parent)
    assert main(["evaluate", "nwes"]) == 2
    shown = capsys.readouterr().err
    assert "nwes" in shown
    assert "did you mean `news`?" in shown
    (runs.parent / "empty").mkdir()
    assert main(["evaluate", "empty"]) == 2
    assert "no run here (no run.json)" in capsys.readouterr().err
