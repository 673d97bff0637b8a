import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundles import INPUTS, Tiny, sentences

from ftcore_export.quantize import quantizable, quantize_int8
from ftcore_export.variants import KINDS
from ftcore_runtime.session import GraphSession


def logits(path: Path, tiny: Tiny, texts: list[str]) -> np.ndarray:
    encoder = tiny.encoder()
    session = GraphSession(path.read_bytes(), "model", inputs=INPUTS, outputs=["logits"])
    return session.run(encoder.collate(encoder.encode(texts)))["logits"]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_answers_nearly_alike_and_is_made_alike_twice(
    tiny: Tiny, tmp_path, name: str, capfd
) -> None:
    path = KINDS[name](tiny.fp32, tmp_path / "once.onnx")
    reference, found = logits(tiny.fp32, tiny, sentences(64)), logits(path, tiny, sentences(64))
    allowed = {"fp32": 1e-9, "weights4": 1.0}.get(name, 0.2)
    assert np.abs(found - reference).mean() / reference.std() < allowed
    if name != "fp32":
        assert path.stat().st_size < 0.75 * tiny.fp32.stat().st_size
        assert np.abs(found - reference).max() > 0
    assert KINDS[name](tiny.fp32, tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    assert capfd.readouterr() == ("", "")


def test_arithmetic_in_float_stays_closer_than_integers(tiny: Tiny, tmp_path) -> None:
    reference = logits(tiny.fp32, tiny, sentences(64))

    def drift(name: str) -> float:
        found = logits(KINDS[name](tiny.fp32, tmp_path / f"{name}.onnx"), tiny, sentences(64))
        return float(np.abs(found - reference).mean() / reference.std())

    assert drift("fp16") < drift("weights8") < drift("int8") < drift("int8_tensor") < drift("weights4")


def test_operators_that_are_kept_stay_in_float(tiny: Tiny, tmp_path) -> None:
    names = quantizable(onnx.load(tiny.fp32))
    assert len(names) == 17  # six matrices in each of two layers, pooler, classifier, and three tables
    path = quantize_int8(tiny.fp32, tmp_path / "mixed.onnx", keep=names[:5])
    kept = [
        node.output[0] for node in onnx.load(path).graph.node if node.op_type in ("MatMul", "Gemm", "Gather")
    ]
    assert set(names[:5]) <= set(kept)
    assert not set(names[5:]) & {
        node.output[0] for node in onnx.load(path).graph.node if node.op_type == "MatMul"
    }
    everything = quantize_int8(tiny.fp32, tmp_path / "float.onnx", keep=names)
    assert np.array_equal(logits(everything, tiny, sentences(8)), logits(tiny.fp32, tiny, sentences(8)))


def test_nothing_talks_to_the_terminal_that_did_not_before(tiny: Tiny, tmp_path: Path) -> None:
    code = f"""
import logging
from pathlib import Path
from ftcore_export.variants import KINDS
KINDS["weights8"](Path({str(tiny.fp32)!r}), Path({str(tmp_path / "small.onnx")!r}))
print(logging.getLogger().handlers, logging.getLogger().level)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"[] {logging.WARNING}\n", "")
