"""Nearly equal texts: what is found, what is not, and that many alike cost no more."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ftcore.audit.duplicates import near_duplicates
from ftcore.audit.texts import plain

ONE = "the waiter brought the wrong dish twice and never once said that he was sorry for it"


def found(*texts: str) -> list[int]:
    return near_duplicates([plain(text) for text in texts]).earlier.tolist()


@pytest.mark.parametrize(
    "other",
    [
        ONE.replace("waiter", "waitre"),
        ONE.replace("twice ", ""),
        ONE + " really",
        ONE.replace("dish", "plate"),
        f"  {ONE.upper()}!!! ",
        ONE.replace("never once", "once never"),
    ],
)
def test_small_changes_are_seen(other: str) -> None:
    assert found(ONE, "another text altogether, about the weather in the mountains", other) == [-1, -1, 0]


@pytest.mark.parametrize(
    "other",
    [
        "the waiter brought the right dish at once and always smiled when he came to see us",
        ONE[:30],
        "so sorry",
        "",
    ],
)
def test_other_texts_are_not(other: str) -> None:
    assert found(ONE, other) == [-1, -1]


def test_chinese_texts_are_compared_by_pairs_of_characters() -> None:
    one = "这家餐厅的服务非常好菜也很好吃下次还会再来"
    assert found(one, one.replace("非常", "很"), "我觉得这部电影太长了中间差点睡着") == [-1, 0, -1]


def test_similarity_is_the_share_of_common_shingles() -> None:
    links = near_duplicates(["abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxy0"])
    assert links.earlier.tolist() == [-1, 0]
    assert links.similarity[1] == pytest.approx(23 / 25)  # 24 shingles each, all but one of them common


def test_rows_of_one_template_are_found_in_time_that_grows_with_them_alone() -> None:
    texts = [
        f"your order with the number {number} has left our house and will be there soon"
        for number in range(3000)
    ]
    before = time.process_time()
    links = near_duplicates(texts)
    assert time.process_time() - before < 20
    assert (links.earlier >= 0).mean() > 0.99


def test_the_same_each_time() -> None:
    texts = [f"{ONE} {number}" for number in range(50)]
    np.testing.assert_array_equal(near_duplicates(texts).earlier, near_duplicates(texts).earlier)
