"""A tiny random chat model: a Llama whose tokenizer has a chat template."""

from __future__ import annotations

from pathlib import Path

from bundles import WORDS
from models import save_tiny_decoder
from tokenizers import Tokenizer, models, pre_tokenizers

CHATML = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}\
{% generation %}{{ message['content'] + '<|im_end|>' + '\n' }}{% endgeneration %}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
NAMES = {"bos_token": None, "eos_token": "</s>", "pad_token": None, "unk_token": None}
SPECIAL = ["<unk>", "</s>", "<|im_start|>", "<|im_end|>"]


def save_chat_model(folder: Path, template: str | None = CHATML) -> Path:
    """A tiny Llama whose tokenizer has a chat template, and an end of its own that is not that of a message."""
    words = [*SPECIAL, *WORDS, "user", "assistant", "system"]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = {
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "additional_special_tokens": SPECIAL[2:],
        "chat_template": template,
    }
    ids = {"bos_token_id": None, "eos_token_id": 1}
    save_tiny_decoder(folder, tokenizer, tokens=tokens, intermediate_size=48, **ids)
    (folder / "generation_config.json").unlink()
    return folder
