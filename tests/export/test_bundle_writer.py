import json
from pathlib import Path
from typing import Any

import pytest

from ftcore_export.bundle_writer import BundleSource, write_bundle
from ftcore_runtime.bundle import read_bundle
from ftcore_runtime.errors import BundleError, UserError
from ftcore_runtime.pipeline import Pipeline


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_written_is_what_is_read(tiny_bundle: Path, bundle_arguments: dict[str, Any]) -> None:
    manifest = read_bundle(tiny_bundle).manifest
    assert (manifest.name, manifest.task, manifest.default_variant) == ("tiny", "sentiment", "fp32")
    assert manifest.encoder == bundle_arguments["encoder_config"]
    assert manifest.decoder == bundle_arguments["decoder"]
    assert manifest.metrics == bundle_arguments["metrics"]
    assert manifest.variants["fp32"].bytes == (tiny_bundle / "model.fp32.onnx").stat().st_size
    assert manifest.variants["fp32"].parity["rows"] == 8


def test_equal_arguments_give_equal_bytes(
    tiny_bundle: Path, tmp_path, bundle_arguments: dict[str, Any]
) -> None:
    assert contents(write_bundle(tmp_path / "again", BundleSource(**bundle_arguments))) == contents(
        tiny_bundle
    )


def test_a_draft_answers_like_the_bundle_and_has_no_test(
    tiny_bundle: Path, tmp_path, bundle_arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "__init__", lambda *_: pytest.fail("a graph is opened"))
        folder = write_bundle(tmp_path / "draft", BundleSource(**bundle_arguments), draft=True)
    whole, draft = Pipeline.load(tiny_bundle), Pipeline.load(folder)
    texts = list(bundle_arguments["golden"])
    assert draft.predict(texts) == whole.predict(texts)
    with pytest.raises(BundleError, match="has no answers"):
        draft.selftest()


def test_nothing_is_left_beside(tmp_path, bundle_arguments: dict[str, Any]) -> None:
    for _ in range(2):  # the second replaces the first
        write_bundle(tmp_path / "bundle", BundleSource(**bundle_arguments))
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == tmp_path.stat().st_mode & 0o777 | 0o055
    Pipeline.load(tmp_path / "bundle").selftest()


@pytest.mark.parametrize(
    "change",
    [
        {"decoder": {"name": "sequence_classification"}},
        {"decoder": {"name": "sequence_classification", "problem": "single_label", "labels": ["a", "b"]}},
        {"default_variant": "int4"},
        {"decoder": {"name": "telepathy"}},
        {"golden": [""]},
        {"name": ""},
    ],
)
def test_parts_that_make_no_bundle_leave_the_earlier_one(
    tmp_path, tiny_bundle: Path, bundle_arguments: dict[str, Any], change: dict[str, Any]
) -> None:
    folder = write_bundle(tmp_path / "bundle", BundleSource(**bundle_arguments))
    with pytest.raises(UserError):
        write_bundle(folder, BundleSource(**{**bundle_arguments, **change}))
    assert contents(folder) == contents(tiny_bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_is_no_bundle_is_never_replaced(tmp_path, bundle_arguments: dict[str, Any]) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "draft.txt").write_text("words")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    file = tmp_path / "file"
    file.touch()
    for target in (precious, link, file):
        with pytest.raises(BundleError, match="is no bundle"):
            write_bundle(target, BundleSource(**bundle_arguments))
    assert (precious / "draft.txt").read_text() == "words"


def test_the_card_says_what_the_manifest_says(tiny_bundle: Path) -> None:
    card = (tiny_bundle / "README.md").read_text()
    assert "| accuracy | 0.7500 | 0.7000 to 0.8000 |" in card
    assert "95% interval" in card
    assert "test (100 rows)" in card
    assert "- data_license: CC0-1.0" in card
    assert "`negative`, `neutral`, `positive`" in card
    assert "| **fp32** |" in card


def test_names_cannot_break_out_of_the_card(tmp_path, bundle_arguments: dict[str, Any]) -> None:
    labels = ["a|b\n# big", "<script>", "`c`"]
    decoder = {**bundle_arguments["decoder"], "labels": labels}
    card = (
        write_bundle(tmp_path / "b", BundleSource(**{**bundle_arguments, "decoder": decoder})) / "README.md"
    ).read_text()
    assert "Labels: `a\\|b # big`, `&lt;script>`, `'c'`" in card


def test_golden_answers_are_those_of_each_variant(tiny_bundle: Path) -> None:
    golden = json.loads((tiny_bundle / "golden.json").read_text())
    assert golden["answers"].keys() == {"fp32", "int8"}
    assert golden["answers"]["fp32"] != golden["answers"]["int8"]
    assert all(len(answers) == len(golden["inputs"]) for answers in golden["answers"].values())
