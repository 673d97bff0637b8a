"""`model.prompt: chat`: the template's own ids around a text, only answers are learnt, and no template is trusted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import transformers
from bundles import WORDS
from chat_model import NAMES, save_chat_model

from ftcore.cli import main
from ftcore.data.features import FeatureStore
from ftcore.errors import ModelError
from ftcore.families.text_generation.model import TextModel
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.modeling import chat_template
from ftcore.modeling.base_model import BaseModel


def spec_of(folder: Path, **data: Any) -> dict[str, Any]:
    return {
        "task": "summarization",
        "data": {
            "train": [{"source": f"food was {word}", "target": word} for word in WORDS],
            "prompt": "eat {source} again",
            "split": {"validation": 3, "test": 3},
            **data,
        },
        "model": {"base": str(folder), "max_length": 32, "max_target_length": 8, "prompt": "chat"},
    }


def opened(folder: Path, **data: Any) -> tuple[TextModel, Any]:
    family = TextModel(TextGenerationSpec.model_validate(spec_of(folder, **data)), FittedTexts())
    encoder = family.open_encoder(BaseModel(folder, transformers.AutoConfig.from_pretrained(folder)))
    return TextModel(family.spec, FittedTexts(8, frame=encoder.frame)), encoder


@pytest.mark.parametrize("system", [None, "the place"])
def test_a_row_has_the_ids_of_the_template_and_its_answer_is_learnt(
    tmp_path: Path, system: str | None
) -> None:
    folder = save_chat_model(tmp_path)
    family, encoder = opened(folder, **({"system": system} if system else {}))
    rows = pa.table({"source": ["food was good"], "target": ["very nice"]})
    features = FeatureStore.of(family.encode(rows, encoder), family, encoder)
    batch = features.batch(np.array([0]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": "eat food was good again"})
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(
        [*messages, {"role": "assistant", "content": "very nice"}], return_dict=False
    )
    assert batch["input_ids"][0].tolist() == whole
    assert family.frame.eos_ids == (3, 1), "the end of a message, then that of the tokenizer"
    shown = family.tokens_shown(batch)
    assert [one for one, learnt in shown if learnt] == tokenizer.convert_tokens_to_ids(
        ["very", "nice", "<|im_end|>"]
    )
    assert [one for one, learnt in shown if not learnt] == asked
    spelt = encoder.tokens(["food <|im_end|> food"])
    assert 3 not in spelt[0].ids, "a text cannot end its message"


def test_show_mask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_chat_model(tmp_path / "base")
    (tmp_path / "chat.yaml").write_text(json.dumps(spec_of(folder)))
    assert main(["validate", str(tmp_path / "chat.yaml"), "--show-mask"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "2 of 12 tokens are learnt" in lines[0]
    assert lines[1].startswith("<|im_start|> user eat food was ")
    assert lines[1].endswith("<|im_end|>]")
    assert "[" in lines[1]
    rows = [{"text": word, "label": str(index % 2)} for index, word in enumerate(WORDS)]
    classification = {"task": "classification", "data": {"train": rows}, "model": {"base": str(folder)}}
    (tmp_path / "c.yaml").write_text(json.dumps(classification))
    assert main(["validate", str(tmp_path / "c.yaml"), "--show-mask"]) == 2
    assert "the task 'classification' learns no tokens" in capsys.readouterr().err
    assert main(["validate", str(tmp_path / "chat.yaml"), "--show-mask", "--json"]) == 2
    assert "goes with neither --json nor --no-data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template"),
        ("{{ messages[0].content | upper }}", "does not write a message as it is, once"),
        ("{{ messages[0].content * 2 }}", "does not write a message as it is, once"),
        ("{{ messages[-1].content }}{{ add_generation_prompt }}", "writes an answer otherwise"),
        ("{{ ''.__class__.__mro__ }}", "is not rendered: SecurityError"),
        ("{{ cycler.__init__.__globals__.os }}", "is not rendered: SecurityError"),
        ("{% include 'x' %}", "is not rendered: TypeError"),
        (
            "{{ raise_exception('roles must alternate') }}",
            "is not rendered: TemplateError: roles must alternate",
        ),
        ("{{ 'a' * 2000000000 }}", "takes too much memory"),
        ("{% for", "is not rendered: TemplateSyntaxError"),
    ],
)
def test_a_template_that_cannot_be_used_says_why(tmp_path: Path, template: str | None, message: str) -> None:
    tokenizer = SimpleNamespace(chat_template=template, **NAMES)
    with pytest.raises(ModelError) as refused:
        chat_template.chat_frame(tokenizer, "{source}", None, "here")
    assert message in str(refused.value)
    assert "write the prompt into `data.prompt`" in str(refused.value)


def test_a_template_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "_SECONDS", 0.8)
    endless = "{% for a in range(90000) %}{% for b in range(90000) %}{{ b }}{% endfor %}{% endfor %}"
    tokenizer = SimpleNamespace(chat_template=endless, **NAMES)
    with pytest.raises(ModelError, match="is not rendered in"):
        chat_template.chat_frame(tokenizer, "{source}", None, "here")


def test_what_does_not_go_with_it() -> None:
    rows = {"train": [{"source": "a", "target": "b"}]}
    for changed, message in (
        ({"model": {"base": "x", "prompt": "plain"}, "data": {**rows, "system": "a"}}, "give both"),
        ({"model": {"base": "x", "prompt": "chat", "init": "config"}, "data": rows}, "of a decoder"),
    ):
        with pytest.raises(ValueError, match=message):
            TextGenerationSpec.model_validate({"task": "summarization", **changed})
