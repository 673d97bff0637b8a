"""A tokenizer's chat template, rendered once around a text that it does not know: what stands before and behind it.

The template is never part of a bundle: what it makes of the training's own prompt is text, and becomes token ids.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from ftcore.errors import ModelError
from ftcore.modeling.chat_sandbox import CPU_SECONDS

_SOURCE, _ANSWER = "ftcore-source-7b1d", "ftcore-answer-7b1d"  # what no template writes
_LONGEST = 2**18  # characters of a template, and of what it renders
_SECONDS = 4 * CPU_SECONDS


@dataclass(frozen=True)
class ChatFrame:
    """What stands around a message and its answer.

    Args:
        before: up to the source.
        after: from the source to the answer.
        end: behind the answer.
    """

    before: str
    after: str
    end: str


def chat_frame(tokenizer: Any, prompt: str, system: str | None, where: str) -> ChatFrame:  # noqa: ANN401
    """What the tokenizer's template makes of one message of the user.

    Args:
        prompt: the message, with `{source}` in it once.
        system: what the system says first; None: nothing, or what the template says by itself.

    Raises:
        ModelError: there is no template, it cannot be rendered, or it does not write the message and the answer as they
            are, once.
    """
    messages = [] if system is None else [{"role": "system", "content": system}]
    messages.append({"role": "user", "content": prompt.replace("{source}", _SOURCE)})
    answered = [*messages, {"role": "assistant", "content": _ANSWER}]
    asked, whole = _rendered(
        tokenizer,
        [
            {"messages": messages, "add_generation_prompt": True},
            {"messages": answered, "add_generation_prompt": False},
        ],
        where,
    )
    before, found, after = asked.partition(_SOURCE)
    if not found or _SOURCE in after or not whole.startswith(before):
        raise _odd("does not write a message as it is, once", where)
    answer = whole.partition(_ANSWER)
    if not answer[1] or _ANSWER in answer[2] or answer[0] != asked:
        raise _odd("writes an answer otherwise than behind what it asks it with", where)
    return ChatFrame(before, after, answer[2])


def _rendered(tokenizer: Any, conversations: list[dict[str, Any]], where: str) -> list[str]:  # noqa: ANN401
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default")
    if not isinstance(template, str):
        raise ModelError(
            "the base model's tokenizer has no chat template",
            where=where,
            hint="leave `model.prompt: chat` out, and write the prompt into `data.prompt`",
        )
    if len(template) > _LONGEST:
        raise _odd(f"has more than {_LONGEST:,} characters", where)
    named = {f"{name}_token": getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "pad", "unk")}
    variables = {**{name: token or "" for name, token in named.items()}, "tools": None, "documents": None}
    request = {"template": template, "variables": variables, "conversations": conversations}
    command = [sys.executable, "-P", "-m", "ftcore.modeling.chat_sandbox"]
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _odd("is not rendered in time", where) from None
    if done.returncode != 0 or len(done.stdout) > 4 * _LONGEST:
        raise _odd("is not rendered in the time and memory that it may take", where)
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise _odd(f"is not rendered: {answer['error']}", where)
    texts: list[str] = answer["texts"]
    return texts


def _odd(what: str, where: str) -> ModelError:
    hint = "leave `model.prompt: chat` out, and write the prompt into `data.prompt`"
    return ModelError(f"the base model's chat template {what}", where=where, hint=hint)
