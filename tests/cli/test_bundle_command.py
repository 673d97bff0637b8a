"""`ftcore bundle ...` as a user gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ftcore.cli import main


def test_verify_inspect_and_selftest(tiny_bundle: Path, capsys) -> None:
    assert main(["bundle", "verify", str(tiny_bundle)]) == 0
    assert "5 files are whole" in capsys.readouterr().out
    assert main(["bundle", "inspect", str(tiny_bundle)]) == 0
    out = capsys.readouterr().out
    assert "task sentiment" in out
    assert "fp32 (default)" in out
    assert "data_license: CC0-1.0" in out
    assert main(["bundle", "inspect", "--json", str(tiny_bundle)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tiny_bundle / "bundle.json").read_text())
    assert main(["bundle", "selftest", str(tiny_bundle)]) == 0
    assert capsys.readouterr().out.count("4 golden examples") == 2
    assert main(["bundle", "selftest", str(tiny_bundle), "--variant", "int4"]) == 2
    assert "has no variant 'int4'" in capsys.readouterr().err


def test_a_damaged_bundle_is_refused_by_each(copy_bundle: Callable[[], Path], tmp_path, capsys) -> None:
    folder = copy_bundle()
    (folder / "README.md").write_text("nicer")
    rest = {"diff": [str(folder)], "pack": [str(tmp_path / "out.tar")]}
    for command in ("verify", "inspect", "selftest", "diff", "pack"):
        assert main(["bundle", command, str(folder), *rest.get(command, [])]) == 2, command
        assert "README.md" in capsys.readouterr().err


def test_golden_examples_that_are_answered_otherwise(copy_bundle: Callable[[], Path], capsys) -> None:
    import hashlib

    folder = copy_bundle()
    golden = json.loads((folder / "golden.json").read_text())
    golden["inputs"] = golden["inputs"][::-1]
    data = json.dumps(golden).encode()
    (folder / "golden.json").write_bytes(data)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["golden.json"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert main(["bundle", "verify", str(folder)]) == 0
    assert main(["bundle", "selftest", str(folder)]) == 2
    assert "is answered" in capsys.readouterr().err


def test_what_is_wrong_with_a_bundle_names_its_folder(
    tiny_bundle: Path, copy_bundle: Callable[[], Path], capsys
) -> None:
    folder = copy_bundle()
    (folder / "notes.txt").touch()
    assert main(["bundle", "verify", str(folder)]) == 2
    assert "'notes.txt' is not in the manifest\n  help: move it to another folder" in capsys.readouterr().err
    for written, what in (("[]", "expected an object, got a list"), ("", "is not valid JSON")):
        (folder / "bundle.json").write_text(written)
        assert main(["bundle", "diff", str(tiny_bundle), str(folder)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {folder}/bundle.json: {what}")


def test_verify_looks_into_the_tokenizer(copy_bundle: Callable[[], Path], capsys) -> None:
    import hashlib

    folder = copy_bundle()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
    data = json.dumps(tokenizer).encode()
    (folder / "tokenizer.json").write_bytes(data)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"]["tokenizer.json"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert main(["bundle", "verify", str(folder)]) == 2
    assert (
        "tokenizer.json: the tokenizer searches for '(a+)+$', which may take very long"
        in capsys.readouterr().err
    )


def test_diff(tiny_bundle: Path, copy_bundle: Callable[[], Path], capsys) -> None:
    folder = copy_bundle()
    assert main(["bundle", "diff", str(tiny_bundle), str(folder)]) == 0
    assert "equal" in capsys.readouterr().out
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["default_variant"] = "int8"
    del manifest["provenance"]["seed"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert main(["bundle", "diff", "--json", str(tiny_bundle), str(folder)]) == 3
    assert json.loads(capsys.readouterr().out) == [
        {"path": "default_variant", "one": "fp32", "other": "int8"},
        {"path": "provenance/seed", "one": 0, "other": "-"},
    ]
    assert main(["bundle", "diff", str(tiny_bundle), str(folder)]) == 3
    assert "default_variant" in capsys.readouterr().out


def test_pack_and_unpack(tiny_bundle: Path, tmp_path: Path, capsys) -> None:
    assert main(["bundle", "pack", str(tiny_bundle), str(tmp_path / "b.tar")]) == 0
    assert main(["bundle", "unpack", str(tmp_path / "b.tar"), str(tmp_path / "b")]) == 0
    assert main(["bundle", "diff", str(tiny_bundle), str(tmp_path / "b")]) == 0
    assert main(["bundle", "unpack", str(tmp_path / "b.tar"), str(tmp_path / "b")]) == 2
    assert "already" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_signature_holds_for_its_key_and_its_bytes(
    copy_bundle: Callable[[], Path], keys: tuple[Path, Path, Path], capsys
) -> None:
    pytest.importorskip("model_signing")
    folder = copy_bundle()
    own, public, strange = map(str, keys)
    assert main(["bundle", "verify", str(folder), "--key", public]) == 2
    assert "there is no signature" in capsys.readouterr().err
    assert main(["bundle", "sign", str(folder), "--key", own]) == 0
    assert (folder.parent / "copy.sig").is_file()
    assert main(["bundle", "verify", str(folder), "--key", public]) == 0
    assert "signed by the owner" in capsys.readouterr().out
    assert main(["bundle", "verify", str(folder), "--key", strange]) == 2
    assert main(["bundle", "verify", str(folder), "--key", str(folder / "README.md")]) == 2
    assert main(["bundle", "sign", str(folder), "--key", public]) == 2
    capsys.readouterr()
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["default_variant"] = "int8"  # whole, and not what was signed
    (folder / "bundle.json").write_text(json.dumps(manifest))
    assert main(["bundle", "verify", str(folder)]) == 0
    assert main(["bundle", "verify", str(folder), "--key", public]) == 2
    assert "signature does not hold" in capsys.readouterr().err
    (folder.parent / "copy.sig").write_bytes(b" " * 2**21)
    assert main(["bundle", "verify", str(folder), "--key", public]) == 2
    assert "has 2097152 bytes; at most 1048576 are read" in capsys.readouterr().err
    (folder.parent / "copy.sig").write_bytes(b"{}")
    assert main(["bundle", "verify", str(folder), "--key", public]) == 2
