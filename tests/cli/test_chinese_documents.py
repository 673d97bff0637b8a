"""The Chinese README and tutorial: the English one's code, links that lead somewhere, output that is printed."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from graph_cache import working_in
from light_base import save_light_base

from ftcore.cli import main

ROOT = Path(__file__).parents[2]
README, TUTORIAL = ROOT / "README.zh.md", ROOT / "docs" / "tutorial.zh.md"

THINGS = ("物流", "客服", "包装", "质量", "价格", "屏幕", "电池", "做工", "味道", "尺寸")
SAID = {
    "好评": ("很快，非常满意", "特别好，下次还买", "不错，值得推荐", "超出预期，五星好评", "很用心，谢谢店家"),
    "差评": ("太慢了，等了一个星期", "很差，再也不买了", "有问题，联系不上人", "和描述不符，要求退货", "坏了两次"),
}  # fmt: skip


def blocks(path: Path) -> list[str]:
    """Fenced and indented code."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"^    .+$", text, re.MULTILINE)


def links(path: Path) -> set[str]:
    """Of the project, without what follows a `#`."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    return {one or other for one, other in found if "://" not in one}


def test_the_chinese_readme_has_the_code_and_the_links_of_the_english_one() -> None:
    english = ROOT / "README.md"
    assert blocks(README) == blocks(english)
    assert links(README) - {"README.md", "docs/tutorial.zh.md"} == links(english) - {"README.zh.md"}
    assert README.name in links(english), "the one leads to the other"


@pytest.mark.parametrize("path", [README, TUTORIAL], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    missing = [link for link in links(path) if not (path.parent / link).exists()]
    assert missing == []


def test_the_tutorial_prints_what_init_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        (f"{thing}{said}", label) for label, saids in SAID.items() for said, thing in product(saids, THINGS)
    ]
    lines = ["编号;评论;评价", *(f"{n};{text};{label}" for n, (text, label) in enumerate(rows, 1)), ""]
    (tmp_path / "评论.csv").write_bytes("\r\n".join(lines).encode("gb18030"))
    save_light_base(tmp_path / "base")
    with working_in(tmp_path):
        assert main(["init", "评论.csv", "--base", "./base"]) == 0
    (shown,) = (block for block in blocks(TUTORIAL) if block.startswith("```\n$ ftcore init"))
    expected = shown.strip("`\n").splitlines()[1:]
    assert capsys.readouterr().out.splitlines()[: len(expected)] == expected
    (head,) = (block for block in blocks(TUTORIAL) if block.startswith("```\n编号"))
    assert head.splitlines()[1] == lines[0]
    written = (tmp_path / "评论.yaml").read_text(encoding="utf-8")
    assert "labels: [差评, 好评]" in written
    assert "labels: [差评, 好评]"[8:] in TUTORIAL.read_text(encoding="utf-8")
