"""`ftcore push` against a hub on loopback: what it gets is what `--dry-run` writes, and nobody prints the token."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, fake_hub
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore_runtime import Pipeline


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.setenv("HF_TOKEN", found.token)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        # Large files then go by Git LFS, which this hub speaks; Xet's servers are another matter.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield found


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Path:
    """What of a run is pushed: its bundle, and the configuration of its model."""
    folder = tmp_path / "runs" / "reviews" / "20260101T000000-abcdef01"
    shutil.copytree(tiny_bundle, folder / "bundle")
    (folder / "run.json").write_text("{}")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    settings = {"tokenizer_class": "TokenizersBackend", "is_local": True, "unk_token": "[UNK]"}
    (folder / "model" / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "model" / "model.safetensors").write_bytes(b"weights")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # huggingface_hub, of httpx
def test_the_hub_gets_what_a_dry_run_writes(
    hub: FakeHub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dry"
    arguments = ["push", str(run), "--repo", "acme/reviews"]
    assert main([*arguments, "--dry-run", str(folder)]) == 0
    assert f"{folder}: what `ftcore push` would put to acme/reviews" in capsys.readouterr().out
    assert not hub.created
    assert main([*arguments, "--private", "--message", "first"]) == 0
    shown = capsys.readouterr()
    assert f"{hub.url}/acme/reviews/commit/0" in shown.out
    assert hub.files == files_of(folder)
    assert set(hub.large.values()) == {hub.files["onnx/model.onnx"], hub.files["onnx/model_quantized.onnx"]}
    (created,) = hub.created
    assert (created["name"], created["organization"]) == ("reviews", "acme")
    assert created.get("private") is True or created.get("visibility") == "private"
    assert hub.messages == ["first"]
    assert hub.token not in shown.out + shown.err


def test_the_repository_is_what_others_read(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dry"
    assert main(["push", str(run), "--repo", "acme/reviews", "--dry-run", str(folder)]) == 0
    assert Pipeline.load(folder / "bundle").selftest() == 4
    root = {path.name for path in folder.iterdir()}
    assert root == {"README.md", "bundle", "config.json", "onnx", "tokenizer.json", "tokenizer_config.json"}
    assert (folder / "onnx/model.onnx").read_bytes() == (run / "bundle/model.fp32.onnx").read_bytes()
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert settings == {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    _, front, card = (folder / "README.md").read_text().split("---\n", 2)
    head = YAML(typ="safe").load(front)
    assert head["pipeline_tag"] == "text-classification"
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.75
    assert 'snapshot_download("acme/reviews") + "/bundle"' in card


def test_of_a_bundle_alone_there_is_the_bundle(
    tiny_bundle: Path, generating_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bundle in (tiny_bundle, generating_bundle):
        folder = tmp_path / bundle.name
        assert main(["push", str(bundle), "--repo", "acme/reviews", "--dry-run", str(folder)]) == 0
        assert "note: without graphs for transformers.js" in capsys.readouterr().out
        assert {path.name for path in folder.iterdir()} == {"README.md", "bundle"}


def test_what_goes_wrong_says_so_without_the_token(
    hub: FakeHub,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(repo: str = "acme/reviews") -> str:
        assert main(["push", str(run), "--repo", repo]) == 2
        shown = capsys.readouterr()
        assert hub.token not in shown.out + shown.err
        return shown.err

    assert "reviews: is no name of a repository\n  help: write owner/name" in refused("reviews")
    hub.refuses = 403
    assert "acme/reviews: the Hub refuses with status 403" in refused()
    hub.refuses = None
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    error = refused()
    assert "the Hub refuses with status 401" in error
    assert "help: log in with `hf auth login`" in error
    assert "hf_another" not in error, "the hub says it, and we do not"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the Hub cannot be reached" in refused()
    (tmp_path / "there").mkdir()
    arguments = ["push", str(run), "--repo", "a/b", "--dry-run", str(tmp_path / "there")]
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
