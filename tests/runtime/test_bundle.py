import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import CopyBundle, edit, refused

from ftcore_runtime.bundle import MAX_MANIFEST_BYTES, read_bundle
from ftcore_runtime.errors import BundleError
from ftcore_runtime.pipeline import Pipeline

FILES = ["README.md", "golden.json", "model.fp32.onnx", "model.int8.onnx", "tokenizer.json"]


def test_every_file_is_checked_and_only_what_is_asked_for_is_kept(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle, lambda manifest: [manifest.golden])
    assert sorted(bundle.manifest.files) == FILES
    assert bundle.contents == {"golden.json": (tiny_bundle / "golden.json").read_bytes()}


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_a_missing_file(copy_bundle: CopyBundle, name: str) -> None:
    folder = copy_bundle()
    (folder / name).unlink()
    refused(folder, name)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file(copy_bundle: CopyBundle, name: str) -> None:
    path = copy_bundle() / name
    os.truncate(path, path.stat().st_size - 1)
    refused(path.parent, "bytes instead of")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit(copy_bundle: CopyBundle, name: str) -> None:
    path = copy_bundle() / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(path.parent, "SHA-256")


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_a_symbolic_link(copy_bundle: CopyBundle, tmp_path: Path, name: str) -> None:
    folder = copy_bundle()
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, "is a link")


@pytest.mark.parametrize("name", [*FILES, "bundle.json"])
def test_a_hard_link(copy_bundle: CopyBundle, tmp_path: Path, name: str) -> None:
    folder = copy_bundle()
    os.link(folder / name, tmp_path / "elsewhere")
    refused(folder, "hard link")


def test_an_extra_file_or_folder(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    (folder / "extra").mkdir()
    refused(folder, "'extra' is not in the manifest")
    (folder / "extra").rmdir()
    (folder / ".hidden").touch()
    refused(folder, "hidden")


def test_a_pipe_is_refused_without_waiting_for_it(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    refused(folder, "no plain file")


def test_a_folder_in_place_of_a_file(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()
    refused(folder, r"README.md")


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    refused(tmp_path, "has no bundle.json")
    refused(tmp_path / "nowhere", "no bundle folder")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "no bundle folder")


def test_the_folder_itself_may_be_reached_through_a_link(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tiny_bundle)
    assert read_bundle(tmp_path / "current").manifest.name == "tiny"


def rename_file(manifest: dict[str, Any], name: str) -> None:
    manifest["files"][name] = manifest["files"].pop("tokenizer.json")
    manifest["encoder"]["tokenizer"] = name


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a later schema": lambda m: m.update(schema_version=6),
    "schema zero": lambda m: m.update(schema_version=0),
    "schema as text": lambda m: m.update(schema_version="1"),
    "schema as bool": lambda m: m.update(schema_version=True),
    "unknown key": lambda m: m.update(entry_point="os:system"),
    "unknown key in files": lambda m: m["files"]["README.md"].update(url="x"),
    "unknown key in encoder": lambda m: m["encoder"].update(script="x"),
    "unknown key in decoder": lambda m: m["decoder"].update(script="x"),
    "unknown key in variant": lambda m: m["variants"]["fp32"].update(script="x"),
    "no name": lambda m: m.update(name=""),
    "name as number": lambda m: m.update(name=3),
    "no default": lambda m: m.update(default_variant="int4"),
    "no variants": lambda m: m.update(variants={}),
    "variants as list": lambda m: m.update(variants=[]),
    "size of graphs": lambda m: m["variants"]["fp32"].update(bytes=5),
    "graph not listed": lambda m: m["variants"]["fp32"].update(graphs={"model": "other.onnx"}),
    "graph that is no graph": lambda m: m["variants"]["fp32"].update(graphs={"model": "README.md"}),
    "graph as list": lambda m: m["variants"]["fp32"].update(graphs={"model": ["model.fp32.onnx"]}),
    "tokenizer as list": lambda m: m["encoder"].update(tokenizer=["tokenizer.json"]),
    "tokenizer missing": lambda m: m["encoder"].pop("tokenizer"),
    "a tokenizer that nothing is written with": lambda m: m["encoder"].update(
        target_tokenizer="tokenizer.json"
    ),
    "second tokenizer null": lambda m: m["encoder"].update(target_tokenizer=None),
    "second tokenizer not listed": lambda m: m["encoder"].update(target_tokenizer="target_tokenizer.json"),
    "file not used": lambda m: m["files"].update({"more.txt": m["files"]["README.md"]}),
    "file not listed": lambda m: m["files"].pop("golden.json"),
    "short hash": lambda m: m["files"]["README.md"].update(sha256="abc"),
    "upper-case hash": lambda m: m["files"]["README.md"].update(sha256="A" * 64),
    "negative size": lambda m: m["files"]["README.md"].update(bytes=-1),
    "size as float": lambda m: m["files"]["README.md"].update(bytes=1.0),
    "path upwards": lambda m: rename_file(m, "../tokenizer.json"),
    "absolute path": lambda m: rename_file(m, "/etc/passwd"),
    "path down": lambda m: rename_file(m, "sub/tokenizer.json"),
    "backslash": lambda m: rename_file(m, "..\\tokenizer.json"),
    "hidden": lambda m: rename_file(m, ".tokenizer.json"),
    "newline": lambda m: rename_file(m, "tokenizer.json\n"),
    "nul": lambda m: rename_file(m, "tokenizer\0.json"),
    "surrogate": lambda m: rename_file(m, "\ud800"),
    "the manifest itself": lambda m: rename_file(m, "bundle.json"),
    "differs by case": lambda m: m["files"].update({"readme.md": m["files"]["README.md"]}),
    "a decoder of no distribution": lambda m: m["decoder"].pop("distribution"),
    "a distribution as an option": lambda m: m["decoder"].update(distribution="--index-url"),
    "a distribution as a path": lambda m: m["decoder"].update(distribution="../x"),
    "a version as an option": lambda m: m["decoder"].update(version="1 --pre"),
    "a decoder as a module": lambda m: m["decoder"].update(name="os:system"),
    "a decoder that ftcore has not": lambda m: m["decoder"].update(name="telepathy"),
    "no time": lambda m: m.update(created="yesterday"),
    "time without offset": lambda m: m.update(created="2026-01-02T00:00:00"),
    "metrics as list": lambda m: m.update(metrics=[]),
    "files as list": lambda m: m.update(files=[]),
    "missing golden": lambda m: m.pop("golden"),
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
def test_a_manifest_that_does_not_fit(
    copy_bundle: CopyBundle, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = copy_bundle()
    edit(folder, change)
    refused(folder, r"\S")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"name": "a", "name": "b"}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"schema_version": ' + b"1" * 10_000 + b"}",
    ],
)
def test_a_manifest_that_is_no_manifest(copy_bundle: CopyBundle, data: bytes) -> None:
    folder = copy_bundle()
    (folder / "bundle.json").write_bytes(data)
    refused(folder, r"\S")


def test_a_manifest_too_large_is_not_read(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    os.truncate(folder / "bundle.json", MAX_MANIFEST_BYTES + 1)
    refused(folder, "at most")


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Put other contents into a bundle, and make the manifest agree."""
    (folder / name).write_bytes(data)

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for variant in manifest["variants"].values():
            if name in variant["graphs"].values():
                variant["bytes"] = len(data)

    edit(folder, change)


@pytest.mark.parametrize(
    ("pad_id", "message"),
    [
        (2**63, "'pad_id': must be at most 2147483647"),
        (10_000, "has no token of the id 10000, which is to fill"),
    ],
)
def test_padding_that_is_no_token_is_refused(copy_bundle: CopyBundle, pad_id: int, message: str) -> None:
    folder = copy_bundle()
    edit(folder, lambda manifest: manifest["encoder"].update(pad_id=pad_id))
    with pytest.raises(BundleError, match=message):
        Pipeline.load(folder)


def test_hashes_that_agree_do_not_make_a_graph_of_what_is_none(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    replace_file(folder, "model.fp32.onnx", b"not a graph")
    refused(folder, "no ONNX graph")


def test_a_graph_with_other_inputs_is_refused(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    edit(folder, lambda manifest: manifest["encoder"].update(inputs=["input_ids", "attention_mask"]))
    refused(folder, "its inputs are")


def test_a_graph_without_the_output_is_refused(copy_bundle: CopyBundle) -> None:
    import onnx

    folder = copy_bundle()
    model = onnx.load(folder / "model.fp32.onnx")
    (old,) = (node for node in model.graph.node if "logits" in node.output)
    old.output[0] = model.graph.output[0].name = "scores"
    replace_file(folder, "model.fp32.onnx", model.SerializeToString())
    refused(folder, "has no output 'logits'")


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{folder}/weights.bin"])
def test_a_graph_that_reads_another_file_is_refused(
    copy_bundle: CopyBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    import onnx

    folder, work = copy_bundle(), tmp_path / "work" / "in"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    model = onnx.load(folder / "model.fp32.onnx")
    tensor = max(model.graph.initializer, key=lambda initializer: len(initializer.raw_data))
    for outside in (work, work.parent):
        (outside / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location.format(folder=work))
    replace_file(folder, "model.fp32.onnx", model.SerializeToString())
    refused(folder, "its own weights")


def test_labels_that_the_graph_does_not_give_are_refused(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    edit(folder, lambda manifest: manifest["decoder"].update(labels=["a", "b"], polarity=None))
    with pytest.raises(BundleError, match="shape"):
        Pipeline.load(folder).predict(["good"])


def test_a_file_exchanged_after_the_check_is_not_read(tiny_bundle: Path, tmp_path: Path) -> None:
    """The bytes that were hashed are the bytes that answer: the folder may go once the bundle is open."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "copy")
    pipeline = Pipeline.load(folder)
    shutil.rmtree(folder)
    assert pipeline.selftest() == 4


def test_a_tokenizer_that_panics_is_refused(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"]["special_tokens"].pop("[CLS]")
    replace_file(folder, "tokenizer.json", json.dumps(tokenizer).encode())
    refused(folder, "the tokenizer")
