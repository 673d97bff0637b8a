"""`ftcore validate` looks into a base model's folder: what is wrong there is printed under `base`, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from ftcore.cli import main

Spoil = Callable[[Path], object]


def configure(**values: Any) -> Spoil:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return change


def write(name: str, content: str) -> Spoil:
    return lambda folder: (folder / name).write_text(content)


def header(change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(change(file.read_bytes()))

    return spoil


def pipe(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


def more_tokens(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["another", "two"])
    tokenizer.save(str(folder / "tokenizer.json"))


def only_special_tokens(folder: Path) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"] = {"[UNK]": 0}
    content["post_processor"] = None
    content["added_tokens"] = [
        dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        | {"id": 0, "content": "[UNK]", "special": True}
    ]
    file.write_text(json.dumps(content))


def fewer_layers(folder: Path) -> None:
    file = folder / "model.safetensors"
    save_file({**load_file(file), "encoder.layer.1.x": np.zeros(1, np.float32)}, file)
    configure(num_hidden_layers=12)(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json in the base model's folder"),
        (write("config.json", "{"), "config.json cannot be read: Expecting property name"),
        (write("config.json", "[" * 9000), "config.json cannot be read: "),
        (write("config.json", "[]"), "config.json holds no JSON object"),
        (write("config.json", "{}"), "config.json has no `model_type`"),
        (configure(pad_token_id=2**63), "config.json: `pad_token_id` of many digits is no id of a token"),
        (configure(eos_token_id=[1, -7]), "config.json: `eos_token_id` -7 is no id of a token"),
        (configure(pad_token_id=69), "`pad_token_id` 69 is beyond the 69 tokens of `vocab_size`"),
        (
            configure(vocab_size=60),
            "config.json says `vocab_size` 60, and embeddings.word_embeddings.weight has 69",
        ),
        (fewer_layers, "config.json says 12 layers, and the file has 2"),
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            "the base model has no *.safetensors weights",
        ),
        (header(lambda data: data[: len(data) // 2]), "model.safetensors does not load: "),
        (header(lambda data: (2**62).to_bytes(8, "little") + data[8:]), "model.safetensors does not load: "),
        (header(lambda data: data.replace(b'"F32"', b'"F99"')), "model.safetensors does not load: "),
        (header(lambda data: data.replace(b"[0,", b"[9,")), "model.safetensors does not load: "),
        (header(lambda data: b""), "model.safetensors does not load: "),
        (pipe, "model.safetensors cannot be read: it is a pipe or a device, not a regular file"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "the base model's folder has no tokenizer"),
        (write("tokenizer.json", '{"model": 7}'), "base: tokenizer.json: holds no tokenizer"),
        (write("tokenizer_config.json", "7"), "tokenizer_config.json holds no JSON object"),
        (more_tokens, "the tokenizer has 71 tokens, the model's embeddings 69"),
        (only_special_tokens, "the tokenizer has special tokens and no others"),
    ],
)
def test_what_is_wrong_with_the_base_is_printed_under_it(
    project: Path, capsys: pytest.CaptureFixture[str], spoil: Spoil, message: str
) -> None:
    spoil(project / "base")
    assert main(["validate", "spec.yaml"]) == 2
    first, line, caret, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("spec.yaml:6:9: error[base]: ")
    assert message in first
    assert (line, caret) == ("   6 |   base: ./base", "     |         ^^^^^^")


def test_every_command_that_takes_a_spec_looks_before_it_reads_data(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "base" / "config.json").unlink()
    (project / "train.csv").write_text("no rows at all\n")
    assert main(["train", "spec.yaml"]) == 2
    assert "error[base]: no config.json" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_a_model_from_its_configuration_alone_has_no_weights_to_look_into(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "train.csv").write_text("source,target\na,b\nc,d\ne,f\n")
    spec = "task: translation\ndata: {train: train.csv}\nmodel: {init: config, base: ./base}\n"
    (project / "base" / "model.safetensors").unlink()
    (project / "spec.yaml").write_text(spec)
    assert main(["validate", "spec.yaml"]) == 0
    (project / "spec.yaml").write_text(spec.replace("init: config, ", ""))
    assert main(["validate", "spec.yaml"]) == 2
    assert "no *.safetensors weights" in capsys.readouterr().err


def test_both_halves_of_a_warm_start_are_looked_into(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "train.csv").write_text("source,target\na,b\n")
    (project / "other").mkdir()
    (project / "spec.yaml").write_text(
        "task: translation\ndata: {train: train.csv}\nmodel:\n  base: ./base\n  decoder_base: ./other\n"
    )
    assert main(["validate", "spec.yaml"]) == 2
    assert "spec.yaml:5:17: error[base]: no config.json" in capsys.readouterr().err
