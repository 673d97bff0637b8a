"""A bundle that reads with one tokenizer and writes with another: every file is checked, answers are the second's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from bundles import edit, refused, sentences
from test_bundle import replace_file
from test_schema_versions import before_version_4

from ftcore_runtime import Pipeline
from ftcore_runtime.archive import pack, unpack
from ftcore_runtime.manifest import Manifest

TARGET = "target_tokenizer.json"


@pytest.fixture
def two(generating_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that writes, whose second tokenizer has the first one's pieces in capitals."""
    folder = shutil.copytree(generating_bundle, tmp_path / "two")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {piece.upper(): index for piece, index in vocabulary.items()}
    shutil.copyfile(folder / "tokenizer.json", folder / TARGET)

    def name(manifest: dict) -> None:
        manifest["encoder"]["target_tokenizer"] = TARGET
        manifest["files"][TARGET] = manifest["files"]["tokenizer.json"]

    edit(folder, name)
    replace_file(folder, TARGET, json.dumps(tokenizer).encode())
    return folder


def test_answers_are_in_the_second_tokenizers_words(two: Path, generating_bundle: Path) -> None:
    one, other = Pipeline.load(generating_bundle), Pipeline.load(two)
    texts = sentences(6)
    expected = [answer.text.upper() for answer in one.predict(texts)]
    assert [answer.text for answer in other.predict(texts)] == expected
    assert expected != [answer.text for answer in one.predict(texts)]
    assert "".join(other.write_stream(texts[0])) == expected[0]


def test_its_file_is_one_of_the_files(two: Path, tmp_path: Path) -> None:
    pack(two, tmp_path / "packed.tar")
    unpack(tmp_path / "packed.tar", tmp_path / "unpacked")
    os.truncate(tmp_path / "unpacked" / TARGET, 100)
    refused(tmp_path / "unpacked", "bytes instead of")
    replace_file(two, TARGET, b"{}")
    refused(two, "holds no tokenizer")
    (two / TARGET).unlink()
    refused(two, "is missing")


def test_an_older_manifest_keeps_its_version(two: Path, generating_bundle: Path) -> None:
    for folder, version in ((generating_bundle, 2), (two, 3)):
        manifest = json.loads((folder / "bundle.json").read_text())
        assert manifest["schema_version"] == 4
        assert Manifest.from_json(manifest).to_json() == manifest
        before_version_4(manifest, version)
        assert Manifest.from_json(manifest).to_json() == manifest


def test_a_decoder_alone_has_one_vocabulary(two: Path) -> None:
    edit(two, lambda manifest: manifest["decoder"]["frame"].update(start_id=None))
    refused(two, "only an encoder-decoder")
