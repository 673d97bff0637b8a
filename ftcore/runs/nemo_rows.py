"""The rows of a run as NeMo Automodel's recipe for classifiers takes them: token ids and one label each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Rows:
    """Rows of a file of JSON lines: `texts`, one or two, and the index of their `label`; tokenised when asked for.

    Args:
        tokenizer: of the model, from transformers.
        path: the file.
        max_length: tokens of a row; of longer ones the first count.
    """

    def __init__(self, tokenizer: Any, path: str, max_length: int) -> None:  # noqa: ANN401 (of any model)
        self.tokenizer = tokenizer
        self._max_length = max_length
        with Path(path).open(encoding="utf-8") as lines:
            self._rows = [json.loads(line) for line in lines]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        found = self.tokenizer(*row["texts"], truncation=True, max_length=self._max_length)
        padding = {"input_ids": self.tokenizer.pad_token_id or 0, "attention_mask": 0, "labels": -100}
        return {
            "input_ids": found["input_ids"],
            "attention_mask": found["attention_mask"],
            "labels": [row["label"]],
            "___PAD_TOKEN_IDS___": padding,  # what the recipe's collate function fills each with
        }
