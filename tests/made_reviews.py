"""The `reviews.csv` of the tutorials: 100 reviews, each a thing and what somebody says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path


@dataclass(frozen=True)
class Reviews:
    """Such a file.

    Args:
        name: of the file.
        encoding: as Excel on Windows writes it in this language.
        head: the columns' names.
        things, said: label -> what follows a thing.
    """

    name: str
    encoding: str
    head: str
    things: Sequence[str]
    said: Mapping[str, Sequence[str]]

    def lines(self) -> list[str]:
        """The file's lines."""
        rows = [
            f"{thing}{said};{label}"
            for label, all_ in self.said.items()
            for said, thing in product(all_, self.things)
        ]
        return [self.head, *(f"{number};{row}" for number, row in enumerate(rows, 1))]

    def write(self, folder: Path) -> None:
        """Write it there."""
        (folder / self.name).write_bytes(
            "".join(f"{line}\r\n" for line in self.lines()).encode(self.encoding)
        )


ENGLISH = Reviews(
    "reviews.csv",
    "cp1252",
    "No;Review text;Verdict",
    ("The delivery", "The support", "The packaging", "The quality", "The price", "The screen", "The battery",
     "The finish", "The taste", "The size"),
    {
        "positive": (" was quick, and I am very happy", " was excellent, I would buy it again",
                     " is good – recommended", " was better than I hoped, five stars", " shows care, thank you"),
        "negative": (" was too slow, I waited a week", " was bad, never again", " has faults, and nobody answers",
                     " is not as described – I want my money back", " was broken twice"),
    },
)  # fmt: skip
CHINESE = Reviews(
    "评论.csv",
    "gb18030",
    "编号;评论;评价",
    ("物流", "客服", "包装", "质量", "价格", "屏幕", "电池", "做工", "味道", "尺寸"),
    {
        "好评": ("很快，非常满意", "特别好，下次还买", "不错，值得推荐", "超出预期，五星好评", "很用心，谢谢店家"),
        "差评": ("太慢了，等了一个星期", "很差，再也不买了", "有问题，联系不上人", "和描述不符，要求退货", "坏了两次"),
    },
)  # fmt: skip
