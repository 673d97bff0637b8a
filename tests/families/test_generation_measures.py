"""Metrics of written texts: those of the libraries they come from, and their resamples."""

from __future__ import annotations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from ftcore.families.text_generation.metrics import Target, TextMeasures, units
from ftcore_runtime.answers import TextAnswer

REFERENCES = ["the cat sat on the mat", "a dog barked at me today", "rain is falling", "保存文件"]
TEXTS = [
    "the cat sat on a mat",
    "the dog barked at me",
    "rain falls and rain falls and rain falls",
    "保存 文件",
]


def measures(*groups: str, tokenization: str = "13a", rows: int = 4) -> TextMeasures:
    references = [Target(text, f"{text} and more") for text in REFERENCES[:rows]]
    return TextMeasures(references, [TextAnswer(text) for text in TEXTS[:rows]], groups, tokenization)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [1, 1, 0], [3]])
def test_bleu_and_chrf_are_sacrebleus_on_any_rows(rows: list[int]) -> None:
    found = measures("bleu", "chrf", tokenization="zh").values(np.array(rows))
    texts, references = [TEXTS[i] for i in rows], [[REFERENCES[i] for i in rows]]
    assert found["bleu"] == pytest.approx(BLEU(tokenize="zh").corpus_score(texts, references).score)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(texts, references).score)


def test_signatures_are_kept() -> None:
    details = measures("bleu", "chrf").scores().details
    assert "tok:13a" in details["signatures"]["bleu"]
    assert "nc:6" in details["signatures"]["chrf"]


def test_rouge_is_rouge_scores_mean() -> None:
    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = RougeScorer(names)
    each = [scorer.score(REFERENCES[i], TEXTS[i]) for i in range(3)]
    found = measures("rouge", rows=3).scores().values
    for name in names:
        assert found[name] == pytest.approx(100 * np.mean([one[name].fmeasure for one in each]))


def test_chinese_counts_by_characters() -> None:
    assert units("保存 File 一次", "zh") == ["保", "存", "file", "一", "次"]
    assert units("保存 File", "13a") == ["保存", "file"]
    assert measures("rouge", tokenization="zh").values(np.array([3]))["rouge1"] == 100
    assert measures("rouge").values(np.array([3]))["rouge1"] == 0


def test_copies_repeats_and_lengths() -> None:
    found = measures("copying", rows=3)
    assert found.values(np.array([0]))["copied_bigrams"] == pytest.approx(3 / 5)
    assert found.values(np.array([0]))["novel_bigrams"] == pytest.approx(2 / 5)
    assert found.values(np.array([2]))["repetition"] == pytest.approx(3 / 6)
    assert found.values(np.array([1]))["length_ratio"] == pytest.approx(5 / 6)


def test_nothing_written_is_no_error() -> None:
    answers = [TextAnswer("")] * 2
    groups = ("bleu", "chrf", "rouge", "copying")
    found = TextMeasures([Target("a b", "c"), Target("d", "e")], answers, groups, "13a").scores().values
    assert set(found.values()) == {0.0}


def test_a_reference_is_a_text() -> None:
    assert Target("a", "source") == "a"
    assert Target("a", "source").source == "source"
