"""What is read of a base model's config.json."""

from __future__ import annotations

import json
from pathlib import Path

from ftcore.modeling.base_model import read_config


def test_where_answers_start_is_read_of_architectures_that_do_not_declare_it(tmp_path: Path) -> None:
    """T5's published configurations name it; its class has no such setting."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5", "decoder_start_token_id": 7}))
    assert read_config(tmp_path / "config.json", "t5").decoder_start_token_id == 7
