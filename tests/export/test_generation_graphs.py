"""Every architecture that writes, through its graphs: torch's logits, and what `model.generate` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from generation_models import ALIKE, DECODERS, ENCODER_DECODERS, VOCABULARY, open_graphs

from ftcore.families.text_generation.torch_sequences import TorchDecoder, TorchEncoderDecoder
from ftcore_export.quantize import quantize_int8
from ftcore_export.variants import to_float16
from ftcore_export.weights_only import quantize_weights
from ftcore_runtime.generation.running import JoiningBatch
from ftcore_runtime.generation.search import generate
from ftcore_runtime.generation.settings import GenerationSettings

ROWS, LONGEST, NEW, PAD, END = 5, 9, 10, 1, 2


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=pytest.mark.slow if kind in ALIKE else ())
        for kind in (*ENCODER_DECODERS, *DECODERS)
    ],
)
def exported(
    request: pytest.FixtureRequest, exported_writer: Callable[[str], tuple[Any, Path]]
) -> tuple[str, Any, Path]:
    """Architecture, model in torch, folder of its graphs."""
    return (request.param, *exported_writer(request.param))


def sources(kind: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(5)
    lengths = np.array([LONGEST, 2, 5, 7, 3])
    positions = np.arange(LONGEST)
    left = kind in DECODERS
    real = positions >= LONGEST - lengths[:, None] if left else positions < lengths[:, None]
    ids = np.where(real, rng.integers(4, VOCABULARY, (ROWS, LONGEST)), PAD)
    return {"input_ids": ids, "attention_mask": real.astype(np.int64)}, ids if left else np.full((ROWS, 1), 2)


def test_logits_of_a_prompt_and_of_steps_after_beams_moved(exported: tuple[str, Any, Path]) -> None:
    kind, model, folder = exported
    inputs, prompt = sources(kind)
    in_torch = TorchDecoder(model) if kind in DECODERS else TorchEncoderDecoder(model)
    graphs = open_graphs(kind, folder)
    with torch.inference_mode():
        np.testing.assert_allclose(
            graphs.start(inputs, prompt), in_torch.start(inputs, prompt), atol=2e-5, rtol=1e-5
        )
        for rows in ([0, 0, 1, 2, 3, 4], [5, 4, 3, 0], [2, 2, 1]):
            chosen = np.array(rows)
            graphs.select(chosen)
            in_torch.select(chosen)
            tokens = chosen + 7
            np.testing.assert_allclose(graphs.step(tokens), in_torch.step(tokens), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("beams", [1, 4])
def test_answers_are_torchs_token_for_token(exported: tuple[str, Any, Path], beams: int) -> None:
    kind, model, folder = exported
    inputs, prompt = sources(kind)
    settings = GenerationSettings(max_length=NEW, num_beams=beams)
    in_torch = TorchDecoder(model) if kind in DECODERS else TorchEncoderDecoder(model)
    with torch.inference_mode():
        expected = generate(in_torch, inputs, prompt, settings, (END,))
    found = generate(open_graphs(kind, folder), inputs, prompt, settings, (END,))
    assert [[one.ids.tolist() for one in row] for row in found] == [
        [one.ids.tolist() for one in row] for row in expected
    ]


def rows_of(inputs: dict[str, np.ndarray], prompt: np.ndarray, rows: list[int]) -> Any:
    """These sources and prompts, no wider than they must be."""
    real = inputs["attention_mask"][rows].astype(bool).any(axis=0)
    narrow = {name: array[rows][:, real] for name, array in inputs.items()}
    return narrow, narrow["input_ids"] if prompt is inputs["input_ids"] else prompt[rows]


def test_texts_that_join_others_are_written_as_alone(exported: tuple[str, Any, Path]) -> None:
    kind, _, folder = exported
    inputs, prompt = sources(kind)
    settings = GenerationSettings(max_length=NEW, min_length=4, no_repeat_ngram_size=2, scored=True)
    alone = [
        generate(open_graphs(kind, folder), *rows_of(inputs, prompt, [row]), settings, (END,))[0][0]
        for row in range(ROWS)
    ]
    batch = JoiningBatch(open_graphs(kind, folder), settings, (END,), scored=True)
    found, names = {}, {}
    for step in range(40):
        # One begins, longer and shorter ones come while it is written, and one more when those are old.
        if rows := {0: [1], 2: [0, 4], 4: [2], 11: [3]}.get(step):
            names |= zip(batch.join(*rows_of(inputs, prompt, rows)), rows, strict=True)
        chosen = batch.choose()
        found |= {names[row]: batch.answer(row) for row in chosen.rows[chosen.ended].tolist()}
        if len(batch):
            batch.step()
    for row, expected in enumerate(alone):
        assert found[row].ids.tolist() == expected.ids.tolist(), f"row {row}"
        assert found[row].score == pytest.approx(expected.score, abs=1e-4)


def test_norms_without_a_mean_are_one_operator(exported: tuple[str, Any, Path], tmp_path: Path) -> None:
    _, model, folder = exported
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(folder / "decoder.onnx", options, providers=["CPUExecutionProvider"])
    loaded = [node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node]
    sides = model.get_decoder() if hasattr(model, "get_decoder") else model
    norms = sum(
        "RMSNorm" in type(part).__name__ or "T5LayerNorm" in type(part).__name__ for part in sides.modules()
    )
    assert loaded.count("SimplifiedLayerNormalization") == norms
    assert "Pow" not in loaded or not norms


def test_no_weight_is_stored_twice_and_int8_answers(exported: tuple[str, Any, Path]) -> None:
    kind, _, folder = exported
    graph = onnx.load(folder / "decoder.onnx").graph
    large = [tensor for tensor in graph.initializer if np.prod(tensor.dims) >= VOCABULARY * 32]
    contents = {np.sort(onnx.numpy_helper.to_array(tensor), axis=None).tobytes() for tensor in large}
    assert len(contents) == len(large)
    for path in sorted(folder.glob("*coder.onnx")):
        quantize_int8(path, folder / f"{path.stem}.int8.onnx")
    small = onnx.load(folder / "decoder.int8.onnx").graph
    tables = [t for t in small.initializer if np.prod(t.dims) == VOCABULARY * 32]
    expected = [t for t in large if np.prod(t.dims) == VOCABULARY * 32]
    assert [t.data_type for t in tables] == [onnx.TensorProto.INT8] * len(expected)
    inputs, prompt = sources(kind)
    exact = open_graphs(kind, folder).start(inputs, prompt)
    rough = open_graphs(kind, folder, ".int8").start(inputs, prompt)
    assert np.corrcoef(exact.ravel(), rough.ravel())[0, 1] > 0.98


def test_in_halves_it_answers_and_goes_on(exported: tuple[str, Any, Path]) -> None:
    kind, _, folder = exported
    for path in sorted(folder.glob("*coder.onnx")):
        to_float16(path, folder / f"{path.stem}.fp16.onnx")
    inputs, prompt = sources(kind)
    exact, rough = open_graphs(kind, folder), open_graphs(kind, folder, ".fp16")
    assert np.corrcoef(exact.start(inputs, prompt).ravel(), rough.start(inputs, prompt).ravel())[0, 1] > 0.999
    tokens = np.arange(4, 4 + ROWS)
    assert np.corrcoef(exact.step(tokens).ravel(), rough.step(tokens).ravel())[0, 1] > 0.999


def test_weights_in_blocks_are_stored_once_and_answer(exported: tuple[str, Any, Path]) -> None:
    kind, _, folder = exported
    for path in sorted(folder.glob("*coder.onnx")):
        quantize_weights(path, folder / f"{path.stem}.weights8.onnx")
    small = onnx.load(folder / "decoder.weights8.onnx").graph
    assert not [t for t in small.initializer if t.data_type == 1 and np.prod(t.dims) >= VOCABULARY * 32]
    inputs, prompt = sources(kind)
    exact = open_graphs(kind, folder).start(inputs, prompt)
    rough = open_graphs(kind, folder, ".weights8").start(inputs, prompt)
    assert np.corrcoef(exact.ravel(), rough.ravel())[0, 1] > 0.98
