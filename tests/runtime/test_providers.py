"""Where graphs run, and what is said where they cannot."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
from serving import as_before

from ftcore.cli import main
from ftcore_runtime import Pipeline
from ftcore_runtime.errors import InputError
from ftcore_runtime.providers import providers, require_device
from ftcore_server.deployment import Source
from ftcore_server.loading import load
from ftcore_server.settings import Settings

without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this onnxruntime has CUDA"
)


@without_cuda
@pytest.mark.parametrize(
    "command",
    [
        ["predict", "{bundle}", "--text", "good"],
        ["serve", "{bundle}", "--port", "0"],
        ["evaluate", "{bundle}", "--input", "{rows}"],
        ["compare", "{bundle}", "{copy}", "--input", "{rows}"],
    ],
    ids=lambda command: command[0],
)
def test_without_cuda_every_command_says_what_to_install(
    command: list[str], tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\ngood,pos\n")
    copy = shutil.copytree(tiny_bundle, tmp_path / "copy")
    given = [part.format(bundle=tiny_bundle, copy=copy, rows=rows) for part in command]
    with as_before():
        assert main([*given, "--device", "cuda"]) == 2
    printed = capsys.readouterr().err
    assert "error: --device" in printed or "error: device" in printed
    assert "the installed onnxruntime has no CUDA" in printed
    assert "onnxruntime-gpu[cuda,cudnn]" in printed


def test_an_unknown_device(tiny_bundle: Path) -> None:
    device: Any = "tpu"
    with pytest.raises(InputError, match="must be one of cpu, cuda, got 'tpu'"):
        Pipeline.load(tiny_bundle, device=device)


def test_products_are_as_exact_as_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    assert providers("cuda") == [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]
    assert providers("cpu") == ["CPUExecutionProvider"]


def test_a_session_that_fell_back_is_refused() -> None:
    fell_back = ["CPUExecutionProvider"]
    require_device("cpu", fell_back)
    require_device("cuda", ["CUDAExecutionProvider", *fell_back])
    with pytest.raises(InputError, match="could not use CUDA on this machine"):
        require_device("cuda", fell_back)


def test_other_workers_have_no_gpu(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, answers = tmp_path / "rows.csv", tmp_path / "answers.jsonl"
    rows.write_text("text\ngood\n")
    given = ["predict", str(tiny_bundle), "--input", str(rows), "--output", str(answers), "--engine", "ray"]
    with as_before():
        assert main([*given, "--device", "cuda"]) == 2
    assert "--device: the workers compute on CPUs" in capsys.readouterr().err


def test_a_server_asks_the_golden_examples_where_it_serves(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was tried in a process of its own ran on the CPU."""
    monkeypatch.setattr("ftcore_runtime.session.providers", lambda device: ["CPUExecutionProvider"])
    monkeypatch.setattr("ftcore_runtime.session.require_device", lambda device, found: None)
    asked: list[str] = []
    monkeypatch.setattr(Pipeline, "selftest", lambda self: asked.append(self.variant))
    fingerprint = Pipeline.load(tiny_bundle).manifest.fingerprint
    for device, times in (("cpu", 0), ("cuda", 1)):
        settings = Settings(device=device)  # type: ignore[arg-type]
        load(tiny_bundle, Source(tiny_bundle), settings, fingerprint)
        assert len(asked) == times
