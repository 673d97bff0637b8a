"""Augmentation: repeatable, only of training rows, with every label as it was."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import save_tiny_bert
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from small import events, training_features, workspace_of

from ftcore.data.augmentation import AugmentedFeatures
from ftcore.data.word_changes import delete_words, swap_words
from ftcore.errors import PluginError, UserError
from ftcore.runs.workspace import Workspace

TEXT = "the food was very good and the place was not slow"


def made(project: Path, base: Path, seed: int = 1, **augment: Any) -> tuple[Workspace, AugmentedFeatures]:
    workspace = workspace_of(project, base, training={"augment": augment, "seed": seed})
    features = training_features(workspace)
    assert isinstance(features, AugmentedFeatures)
    return workspace, features


def texts(workspace: Workspace, batch: dict[str, torch.Tensor]) -> list[str]:
    return [workspace.encoder.tokenizer.decode(ids.tolist()) for ids in batch["input_ids"]]


def test_swaps_keep_the_words_and_deletions_their_order() -> None:
    draw = random.Random(0)
    swapped = swap_words(TEXT, 0.2, draw)
    assert swapped != TEXT
    assert sorted(swapped.split()) == sorted(TEXT.split())
    words = iter(TEXT.split())
    assert all(word in words for word in delete_words(TEXT, 0.4, draw).split()), "a subsequence"


def test_shares_are_as_told() -> None:
    draw = random.Random(0)
    left = sum(len(delete_words(TEXT, 0.3, draw).split()) for _ in range(2000)) / (2000 * 11)
    assert left == pytest.approx(0.7, abs=0.02)
    at_once = swap_words("a b c d e f g h i j", 0.1, draw).split()
    assert sum(a != b for a, b in zip(at_once, "abcdefghij", strict=True)) == 2, "one swap moves two words"


def test_nothing_is_left_empty_and_short_texts_stay() -> None:
    draw = random.Random(0)
    assert all(delete_words("a b", 0.99, draw) for _ in range(100))
    assert delete_words("a", 0.99, draw) == swap_words("a", 0.9, draw) == "a"
    assert delete_words(TEXT, 0.0, draw) == swap_words(TEXT, 0.0, draw) == TEXT


CHINESE = ["物流太慢了，质量还可以", "屏幕很清晰", "不推荐，用了两天就坏了！", "这家餐厅的服务员态度非常好"]


@pytest.mark.parametrize(("change", "share"), [(swap_words, 0.1), (delete_words, 0.6)])
def test_texts_without_blanks_are_changed_and_have_none_afterwards(change: Any, share: float) -> None:
    draw = random.Random(0)
    made = [(text, change(text, share, draw)) for text in CHINESE * 50]
    assert sum(before != after for before, after in made) >= 0.95 * len(made)
    assert not [after for _, after in made if " " in after]
    if change is swap_words:
        assert all(sorted(before) == sorted(after) for before, after in made)


def test_punctuation_stays_where_it_is() -> None:
    assert swap_words("good, bad", 0.5, random.Random(0)) == "bad, good"
    assert delete_words("so, good!", 0.99, random.Random(0)) in ("so, !", ", good!")


def test_rows_that_cannot_change_are_a_warning(project: Path, tiny_base: Path) -> None:
    def warnings(texts: list[str]) -> list[str]:
        rows = [{"text": text, "label": "pos" if n % 2 else "neg"} for n, text in enumerate(texts)]
        data = {"train": rows, "split": {"validation": 8, "test": 8}}
        workspace = workspace_of(project, tiny_base, data=data, training={"augment": {"swap": 0.1}})
        training_features(workspace)
        return [event["message"] for event in events(workspace, "warning")]

    one_word = [f"food{n}" for n in range(30)]
    more = [f"good food{n}!" for n in range(30)]
    (message,) = [found for found in warnings(one_word + more) if "augment" in found]
    share = int(message.partition("%")[0].rpartition(" ")[2])
    assert 30 < share < 70
    assert message == (
        f"`training.augment` can swap or leave out nothing in {share}% of the training rows: they have one word"
    )
    assert not [found for found in warnings(more) if "augment" in found]


@pytest.fixture
def masking_base(tmp_path: Path) -> Path:
    """A base whose tokenizer has a mask token."""
    base = save_tiny_bert(tmp_path / "masking", room=1)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(base)
    return base


@pytest.mark.parametrize("augment", [{"swap": 0.3, "delete": 0.2}, {"mask": 0.3}], ids=str)
def test_rows_depend_on_seed_epoch_and_row_alone(
    project: Path, masking_base: Path, augment: dict[str, float]
) -> None:
    workspace, features = made(project, masking_base, **augment)
    every = texts(workspace, features.batch(np.arange(96), 2))
    _, again = made(project, masking_base, **augment)
    assert texts(workspace, again.batch(np.arange(96), 2)) == every
    backwards = [texts(workspace, again.batch(np.array([i]), 2))[0] for i in reversed(range(96))]
    assert backwards == every[::-1], "in any order and batch"
    assert texts(workspace, features.batch(np.arange(96), 3)) != every
    _, other = made(project, masking_base, seed=2, **augment)
    assert texts(workspace, other.batch(np.arange(96), 2)) != every


@pytest.mark.parametrize("augment", [{"swap": 0.3, "delete": 0.2}, {"mask": 0.3}], ids=str)
def test_labels_and_weights_stay(project: Path, masking_base: Path, augment: dict[str, float]) -> None:
    workspace, features = made(project, masking_base, **augment)
    plain, changed = workspace.features("train").batch(np.arange(96)), features.batch(np.arange(96), 1)
    assert torch.equal(plain["labels"], changed["labels"])
    assert torch.equal(plain["weight"], changed["weight"])
    assert texts(workspace, plain) != texts(workspace, changed)


def test_other_splits_are_never_changed(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from small import trained

    seen: set[int] = set()
    whole = AugmentedFeatures.batch

    def batch(self: AugmentedFeatures, indices: np.ndarray, epoch: int = 0) -> Any:
        seen.add(epoch)
        assert len(self) == 96, "the training split"
        return whole(self, indices, epoch)

    monkeypatch.setattr(AugmentedFeatures, "batch", batch)
    trained(project, tiny_base, training={"augment": {"delete": 0.2}})
    assert seen == {0, 1}


def test_mask_needs_a_mask_token(project: Path, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="no mask token"):
        made(project, tiny_base, mask=0.1)


def test_mask_replaces_tokens_by_the_mask(project: Path, masking_base: Path) -> None:
    workspace, features = made(project, masking_base, mask=0.25)
    plain = workspace.features("train").batch(np.arange(96))["input_ids"]
    ids = torch.cat([features.batch(np.arange(96), epoch)["input_ids"] for epoch in range(20)])
    masked = ids == workspace.encoder.tokenizer.token_to_id("[MASK]")
    assert torch.equal(ids[~masked], plain.repeat(20, 1)[~masked])
    special = [workspace.encoder.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]")]
    assert not np.isin(plain.repeat(20, 1)[masked], special).any()
    words = (plain > 3).sum() * 20
    assert float(masked.sum() / words) == pytest.approx(0.25, abs=0.02)


def test_texts_that_references_point_into_stay(
    project: Path, tiny_base: Path, masking_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AsksForMore:
        """What no reader is."""

    monkeypatch.setattr("ftcore.data.augmentation.SupportsAugmentation", AsksForMore)
    with pytest.raises(UserError, match="must stay as they are"):
        made(project, tiny_base, swap=0.1)
    made(project, masking_base, mask=0.1)


def test_a_plugin_without_the_hook(project: Path, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="has no `ftcore_augment`"):
        made(project, tiny_base, hook=0.5)


PLUGIN = '''
"""Shouting."""

from ftcore.api import SequenceClassificationSpec, Task, hookimpl


@hookimpl
def ftcore_task():
    return Task(id="shouting", summary="x", spec=SequenceClassificationSpec)


@hookimpl
def ftcore_augment(text, rng):
    {body}
'''


def plugged(project: Path, base: Path, body: str, share: float) -> tuple[Workspace, AugmentedFeatures]:
    (project / "plugins").mkdir(exist_ok=True)
    (project / "plugins" / "shouting.py").write_text(PLUGIN.format(body=body))
    sections: dict[str, Any] = {"task": "shouting", "training": {"augment": {"hook": share}}}
    workspace = workspace_of(project, base, **sections)
    features = training_features(workspace)
    assert isinstance(features, AugmentedFeatures)
    return workspace, features


def test_the_hook_sees_its_share_of_the_texts(project: Path, tiny_base: Path) -> None:
    workspace, features = plugged(project, tiny_base, 'return "again " * rng.randint(1, 3) + text', 0.5)
    plain = texts(workspace, workspace.features("train").batch(np.arange(96)))
    changed = texts(workspace, features.batch(np.arange(96), 0))
    shouted = [text.startswith("again") for text in changed]
    assert 0.3 < np.mean(shouted) < 0.7
    assert len({text.count("again") for text in changed}) > 2, "with random numbers of its own"
    assert changed == texts(workspace, features.batch(np.arange(96), 0))
    for before, after, hit in zip(plain, changed, shouted, strict=True):
        assert hit or after == before


def test_none_leaves_a_text_and_what_breaks_is_the_plugins_fault(project: Path, tiny_base: Path) -> None:
    workspace, features = plugged(project, tiny_base, "return None", 1.0)
    plain = workspace.features("train").batch(np.arange(8))["input_ids"]
    assert torch.equal(features.batch(np.arange(8), 0)["input_ids"], plain)
    for body, what in (("return 3", "returned 3"), ("raise ValueError('no')", "raised ValueError: no")):
        _, broken = plugged(project, tiny_base, body, 1.0)
        with pytest.raises(PluginError, match=what):
            broken.batch(np.arange(8), 0)
