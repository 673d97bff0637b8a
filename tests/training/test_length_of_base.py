"""A longer `max_length` than the base model reads is lowered, with a word."""

from __future__ import annotations

from pathlib import Path

from small import events, trained


def test_the_plan_says_where_texts_are_cut(tmp_path: Path, tiny_base: Path) -> None:
    workspace = trained(tmp_path, tiny_base, model={"max_length": 600}, training={"max_steps": 1})
    (planned, *_) = events(workspace, "planned")
    assert "cut at 64" in planned["plan"]
    messages = [event["message"] for event in events(workspace, "warning")]
    assert "model.max_length 600 was lowered to the 64 tokens that the base model reads" in messages
