"""Pooling of the outputs of windows: by hand, the same for a window each, and what a decoder says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import DECODER, Tiny, sentences

from ftcore.cli import main
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.errors import BundleError
from ftcore_runtime.pooled_windows import PooledWindows


def test_by_hand() -> None:
    logits = np.array([[1, 5], [3, 1], [2, 3], [7, 7]], np.float32)
    row = np.array([0, 0, 0, 1])
    assert PooledWindows(2, "mean").pooled({"a": logits}, row)["a"].tolist() == [[2, 3], [7, 7]]
    assert PooledWindows(2, "max").pooled({"a": logits}, row)["a"].tolist() == [[3, 5], [7, 7]]
    assert PooledWindows(2, "max").pooled({"a": logits}, np.arange(4))["a"].tolist() == logits.tolist()


@pytest.mark.parametrize("pool", ["mean", "max", "first"])
def test_texts_that_fit_are_read_as_ever(tiny: Tiny, pool: str) -> None:
    config = EncoderConfig(10, 0, "right", tiny.config.inputs)
    encoder, texts = TextEncoder.load(tiny.tokenizer, config), sentences(40)
    plain = encoder.encode(texts)
    windows, row = PooledWindows(3, pool).encode(encoder, texts)
    firsts = np.flatnonzero(np.diff(row, prepend=-1))
    assert row[firsts].tolist() == list(range(40))
    assert plain.truncated.any()
    for index, first in enumerate(firsts.tolist()):
        assert windows.input_ids[first] == plain.input_ids[index]
    assert windows.truncated.any() == (pool == "first")
    assert (len(row) > 40) == (pool != "first")


def decoder_of(**settings: Any) -> Any:
    return make_decoder({**DECODER, "pair": False, **settings})


def test_a_decoder_says_whether_it_cuts() -> None:
    windows = {"stride": 2, "pool": "mean"}
    assert decoder_of().cuts
    assert not decoder_of(windows=windows).cuts
    assert decoder_of(windows={**windows, "pool": "first"}).cuts
    with pytest.raises(BundleError, match="only a lone text is read in windows"):
        decoder_of(windows=windows, pair=True)
    with pytest.raises(BundleError, match="pool"):
        decoder_of(windows={**windows, "pool": "median"})


def test_what_is_cut_is_said(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "good food " * 40
    assert main(["predict", str(tiny_bundle), "--text", long, "--text", "good"]) == 0
    said = "1 input was longer than the model reads, and cut: it reads 64 tokens at a time\n"
    assert capsys.readouterr().err == said
    (tmp_path / "rows.csv").write_text(f"text\n{long}\ngood\n{long}\n")
    assert main(["predict", str(tiny_bundle), "--input", str(tmp_path / "rows.csv")]) == 0
    assert "2 inputs were longer than the model reads, and cut" in capsys.readouterr().err
