"""What answers and targets are measured by where the spec leaves it open: their script says it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ftcore.families.span_extraction.reader import FittedSpans, SpanReader
from ftcore.families.span_extraction.scoring import SpanScoring
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.families.text_generation.reader import FittedTexts, TextReader
from ftcore.families.text_generation.scoring import TextScoring
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore_runtime.answers import TextAnswer
from ftcore_runtime.spans import SpanAnswer


def spans(**evaluation: Any) -> SpanExtractionSpec:
    return SpanExtractionSpec.model_validate(
        {"task": "qa", "data": {"train": "t.csv"}, "model": {"base": "b"}, "evaluation": evaluation}
    )


def texts(**evaluation: Any) -> TextGenerationSpec:
    return TextGenerationSpec.model_validate(
        {"task": "translation", "data": {"train": "t.csv"}, "model": {"base": "b"}, "evaluation": evaluation}
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([["the cat"], ["a dog", "it"]], "english"),
        ([["上海"], [], ["三月二日"]], "characters"),
        ([["猫がいる"]], "characters"),
        ([["GPT-2 模型"], ["北京的一家公司"]], "characters"),
        ([["고양이"]], "english"),
    ],
)
def test_answers_are_compared_as_their_script_is_written(answers: list[list[str]], expected: str) -> None:
    fitted = SpanReader(spans()).fit(pa.table({"answers": pa.array(answers, pa.list_(pa.string()))}))
    assert fitted.normalisation == expected


def test_half_of_a_chinese_answer_is_half_right() -> None:
    reader = SpanReader(spans())
    fitted = reader.fit(pa.table({"answers": [["三月二日"]]}))
    scored = SpanScoring(reader.spec, fitted).score([["三月二日"]], [SpanAnswer("二日", 2, 4, 0.9)])
    assert scored.values["f1"] == pytest.approx(2 / 3)
    assert reader.restore(fitted.to_json()) == fitted


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["It rains.", "Es regnet."], "13a"),
        (["下雨了。", "文件"], "zh"),
        (["雨が降っています。"], "char"),
        (["Идёт дождь."], "13a"),
    ],
)
def test_texts_are_counted_as_their_script_is_written(targets: list[str], expected: str) -> None:
    reader = TextReader(texts())
    fitted = reader.fit(pa.table({"source": ["x"] * len(targets), "target": targets}))
    assert fitted.tokenization == expected
    assert reader.restore(fitted.to_json()) == fitted


def test_a_chinese_text_is_counted_by_its_characters() -> None:
    reader = TextReader(texts())
    fitted = reader.fit(pa.table({"source": ["x"], "target": ["今天下雨了"]}))
    values = TextScoring(reader.spec, fitted).score(["今天下雨了"], [TextAnswer("今天下雪了")]).values
    assert values["length_ratio"] == 1
    assert 0 < values["chrf"] < 100


def test_the_spec_has_the_last_word() -> None:
    chinese = pa.table({"source": ["x"], "target": ["下雨了。"], "answers": [["上海"]]})
    assert SpanReader(spans(normalisation="english")).fit(chinese).normalisation == "english"
    assert TextReader(texts(tokenization="char")).fit(chinese).tokenization == "char"


def test_what_an_earlier_version_wrote_goes_by_its_spec() -> None:
    assert SpanReader(spans(normalisation="characters")).restore({"null_threshold": None}) == FittedSpans(
        None, "characters"
    )
    assert TextReader(texts(tokenization="zh")).restore({"longest": 7}) == FittedTexts(7, "zh")
