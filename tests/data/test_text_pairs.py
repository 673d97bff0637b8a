"""Sources of text pairs: gettext catalogs, and folders of news."""

from __future__ import annotations

from pathlib import Path

import polib
import pytest

from ftcore.data.gettext import read_gettext
from ftcore.data.news import read_news
from ftcore.data.sources import open_source
from ftcore.errors import DataError
from ftcore.spec.sections import Source


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A folder with app.po, its app.mo, and other.mo."""
    app = polib.POFile()
    app.append(polib.POEntry(msgid="Open", msgstr="打开", linenum=3))
    app.append(polib.POEntry(msgid="Open", msgstr="未结", msgctxt="of an issue"))
    app.append(polib.POEntry(msgid="Close", msgstr="关闭", flags=["fuzzy"]))
    app.append(polib.POEntry(msgid="Old", msgstr="旧", obsolete=True))
    app.append(polib.POEntry(msgid="Save", msgstr=""))
    app.append(
        polib.POEntry(
            msgid="%d file", msgid_plural="%d files", msgstr_plural={0: "%d 个文件", 1: "%d 些文件"}
        )
    )
    app.save(str(tmp_path / "app.po"))
    app.save_as_mofile(str(tmp_path / "app.mo"))
    other = polib.POFile()
    other.append(polib.POEntry(msgid="Open", msgstr="打开"))
    other.append(polib.POEntry(msgid="Help", msgstr="帮助"))
    other.save_as_mofile(str(tmp_path / "other.mo"))
    return tmp_path


def test_translated_strings_once_each(catalog: Path) -> None:
    records = list(read_gettext(catalog, "strings"))
    pairs = [(record.values["source"], record.values["target"]) for record in records if record.values]
    assert pairs == [
        ("Open", "打开"),
        ("Open", "未结"),
        ("%d file", "%d 个文件"),
        ("%d files", "%d 些文件"),
        ("Help", "帮助"),
    ]
    assert records[1].values == {
        "source": "Open",
        "target": "未结",
        "context": "of an issue",
        "domain": "app",
    }
    assert records[0].location.startswith("strings/app.po:")
    assert records[-1].location.startswith("strings/other.mo:")


def test_a_file_a_folder_and_their_fingerprints(catalog: Path) -> None:
    whole = open_source(Source(path="."), "train", catalog)
    one = open_source(Source(path="other.mo"), "train", catalog)
    assert (whole.kind, one.kind) == ("gettext", "gettext")
    assert len(list(one.records())) == 2
    before = whole.sha256
    (catalog / "other.mo").unlink()
    assert open_source(Source(path="."), "train", catalog).sha256 != before


@pytest.mark.parametrize("content", [b"", b"no catalog", b"\xde\x12\x04\x95" + b"\xff" * 40])
def test_what_is_no_catalog_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mo").write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(read_gettext(tmp_path / "bad.mo", "bad.mo"))
    assert caught.value.where == "bad.mo"
    assert str(tmp_path) not in str(caught.value)


def test_headlines_and_their_articles(tmp_path: Path) -> None:
    (tmp_path / "sport").mkdir()
    (tmp_path / "sport" / "1.txt").write_text("Ducks win\n\nThe ducks won.\n\n  Again. \n")
    (tmp_path / "sport" / "2.txt").write_text("No body\n")
    (record,) = read_news(tmp_path, "news", ("utf-8", None))
    assert record.values == {"source": "The ducks won.\nAgain.", "target": "Ducks win", "topic": "sport"}
    assert record.location == "news/sport/1.txt"
    assert open_source(Source(path=".", format="news"), "train", tmp_path).kind == "news"
