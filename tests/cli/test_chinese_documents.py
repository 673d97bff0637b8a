"""README and tutorial in two languages: the same code and links, links that lead somewhere, output that is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graph_cache import working_in
from light_base import save_light_base
from made_reviews import CHINESE, ENGLISH, Reviews

from ftcore.cli import main

ROOT = Path(__file__).parents[2]
README, README_ZH = ROOT / "README.md", ROOT / "README.zh.md"
TUTORIAL, TUTORIAL_ZH = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial.zh.md"
#: What is Chinese in the code of the Chinese tutorial, and what stands there in the English one; in this order.
IN_ENGLISH = {
    "编号;评论;评价": ENGLISH.head,
    "物流很快，非常满意;好评": "The delivery was quick, and I am very happy;positive",
    "客服很快，非常满意;好评": "The support was quick, and I am very happy;positive",
    " --base intfloat/multilingual-e5-small": "",
    "gb18030": "cp1252",
    "编号, 评论, 评价": "No, Review text, Verdict",
    "'评价'": "'Verdict'",
    "'评论'": "'Review text'",
    "好评 50, 差评 50": "positive 50, negative 50",
    "物流太慢了": "The delivery was too slow",
    "评论": "reviews",
}


def blocks(path: Path) -> list[str]:
    """Fenced and indented code."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"^    .+$", text, re.MULTILINE)


def links(path: Path) -> set[str]:
    """Of the project, without what follows a `#`."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    return {one or other for one, other in found if "://" not in one}


def test_the_chinese_readme_has_the_code_and_the_links_of_the_english_one() -> None:
    assert blocks(README_ZH) == blocks(README)
    own = {"README.zh.md", "docs/tutorial.md"}
    assert links(README_ZH) - {"README.md", "docs/tutorial.zh.md"} == links(README) - own
    assert README_ZH.name in links(README), "the one leads to the other"


def test_the_chinese_tutorial_has_the_code_and_the_links_of_the_english_one() -> None:
    found = "\n".join(blocks(TUTORIAL_ZH))
    for chinese, english in IN_ENGLISH.items():
        assert chinese in found, "it is in no code any more"
        found = found.replace(chinese, english)
    assert found == "\n".join(blocks(TUTORIAL))
    assert links(TUTORIAL_ZH) - {TUTORIAL.name} == links(TUTORIAL) - {TUTORIAL_ZH.name}
    steps = [re.findall(r"^## .*", path.read_text("utf-8"), re.MULTILINE) for path in (TUTORIAL, TUTORIAL_ZH)]
    assert len(steps[0]) == len(steps[1]) == 6


@pytest.mark.parametrize("path", [README, README_ZH, TUTORIAL, TUTORIAL_ZH], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    missing = [link for link in links(path) if not (path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(("path", "reviews"), [(TUTORIAL, ENGLISH), (TUTORIAL_ZH, CHINESE)])
def test_the_tutorial_prints_what_init_prints(
    path: Path, reviews: Reviews, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviews.write(tmp_path)
    save_light_base(tmp_path / "base")
    with working_in(tmp_path):
        assert main(["init", reviews.name, "--base", "./base"]) == 0
    data, shown, *_ = (block.strip("`\n").splitlines() for block in blocks(path))
    assert shown[0].startswith(f"$ ftcore init {reviews.name}")
    assert capsys.readouterr().out.splitlines()[: len(shown) - 1] == shown[1:]
    assert data == [*reviews.lines()[:3], "..."]
    written = (tmp_path / reviews.name).with_suffix(".yaml").read_text(encoding="utf-8")
    (labels,) = re.findall(r"labels: (\[.*?\])", written)
    assert f"`{labels}`" in path.read_text(encoding="utf-8")
