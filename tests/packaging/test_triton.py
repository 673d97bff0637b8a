"""`ftcore package triton`: Triton's own definitions read it, and its step and graph answer as the bundle does."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from module_files import load_module
from packages import TEXTS, expected, package

from ftcore.cli import main
from ftcore_runtime import Pipeline


@pytest.fixture
def triton_repository(tiny_bundle: Path, tmp_path: Path) -> Path:
    return package("triton", tiny_bundle, tmp_path / "repository", "--threads", "2")


def parsed_configuration(folder: Path) -> Any:
    """A model's configuration as Triton's own protobuf definitions read it.

    The package around them imports grpc; they need protobuf alone.
    """
    from google.protobuf import text_format

    file = distribution("tritonclient").locate_file("tritonclient/grpc/model_config_pb2.py")
    definitions = load_module("model_config_pb2", Path(str(file)))
    return text_format.Parse((folder / "config.pbtxt").read_text(), definitions.ModelConfig())


def test_triton_on_gpus(
    tiny_bundle: Path, generating_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = package("triton", tiny_bundle, tmp_path / "gpu", "--kind", "gpu", "--count", "2")
    step, graph = (parsed_configuration(folder / name).instance_group[0] for name in ("tiny", "tiny_graph"))
    kinds = type(graph).Kind
    assert (kinds.Name(graph.kind), graph.count) == ("KIND_GPU", 2)
    assert (kinds.Name(step.kind), step.count) == ("KIND_CPU", 1), "tokens and answers"
    arguments = [
        "package",
        "triton",
        str(generating_bundle),
        "--output",
        str(tmp_path / "x"),
        "--kind",
        "gpu",
    ]
    assert main(arguments) == 2
    assert "--kind: a bundle that generates texts runs in a step on CPUs" in capsys.readouterr().err


def test_each_variant_has_instances_of_its_own(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = ("--group", "fp32=gpu:2", "--group", "int8=cpu:4", "--threads", "2")
    folder = package("triton", tiny_bundle, tmp_path / "both", *groups)
    assert capsys.readouterr().out.splitlines()[1:] == ["model: tiny-fp32 (fp32)", "model: tiny-int8 (int8)"]
    found = {}
    for path in folder.iterdir():
        parsed = parsed_configuration(path)
        (group,) = parsed.instance_group
        found[path.name] = (parsed.name, type(group).Kind.Name(group.kind), group.count)
    assert found == {
        "tiny-fp32": ("tiny-fp32", "KIND_CPU", 1),
        "tiny-fp32_graph": ("tiny-fp32_graph", "KIND_GPU", 2),
        "tiny-int8": ("tiny-int8", "KIND_CPU", 1),
        "tiny-int8_graph": ("tiny-int8_graph", "KIND_CPU", 4),
    }
    for variant in ("fp32", "int8"):
        fake, model = started_step(folder, f"tiny-{variant}", monkeypatch)
        (answered,) = model.execute([[fake.Tensor("text", np.array([t.encode() for t in TEXTS], object))]])
        scores = next(tensor.array for tensor in answered.tensors if tensor.label == "score")
        wanted = [answer.score for answer in Pipeline.load(tiny_bundle, variant).predict(TEXTS)]
        assert scores.tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--group", "fp32"], "--group: 'fp32' is no VARIANT=cpu or VARIANT=gpu"),
        (["--group", "fp32=tpu"], "--group: 'fp32=tpu' is no VARIANT=cpu or VARIANT=gpu"),
        (["--group", "fp32=gpu:0"], "--group: 'fp32=gpu:0' is no VARIANT=cpu or VARIANT=gpu"),
        (["--group", "fp16=gpu"], "no variant 'fp16'"),
        (["--group", "fp32=gpu", "--kind", "gpu"], "help: leave out --kind"),
        (["--group", "fp32=gpu", "--group", "fp32=cpu"], "--group: names a variant twice"),
        (["--count", "0"], "--count: must be at least 1"),
    ],
)
def test_groups_that_are_none(
    options: list[str], says: str, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["package", "triton", str(tiny_bundle), "--output", str(tmp_path / "x"), *options]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_tritons_own_definitions_read_its_configuration(triton_repository: Path) -> None:
    parsed = {name: parsed_configuration(triton_repository / name) for name in ("tiny", "tiny_graph")}
    graph = ort.InferenceSession(triton_repository / "tiny_graph/1/model.onnx")
    assert [tensor.name for tensor in parsed["tiny_graph"].input] == [
        node.name for node in graph.get_inputs()
    ]
    assert [tensor.name for tensor in parsed["tiny_graph"].output] == ["logits"]
    assert list(parsed["tiny_graph"].output[0].dims) == [3]
    assert parsed["tiny_graph"].HasField("dynamic_batching")
    assert parsed["tiny_graph"].parameters["intra_op_thread_count"].string_value == "2"
    assert parsed["tiny"].backend == "python"
    assert [(tensor.name, tensor.optional) for tensor in parsed["tiny"].input] == [
        ("text", False),
        ("text_pair", True),
    ]
    assert {tensor.name for tensor in parsed["tiny"].output} == {
        "answer", "label", "score", "polarity", "scores",
    }  # fmt: skip


class FakeTriton(types.ModuleType):
    """The part of Triton's Python backend that the step uses, over the graphs of a model repository."""

    def __init__(self, repository: Path) -> None:
        super().__init__("triton_python_backend_utils")

        class Tensor:
            def __init__(self, name: str, array: np.ndarray) -> None:
                self.label, self.array = name, array

            def as_numpy(self) -> np.ndarray:
                return self.array

        class Response:
            def __init__(self, output_tensors: list[Tensor] | None = None, error: Any = None) -> None:
                self.tensors, self.error = output_tensors or [], error

            def has_error(self) -> bool:
                return self.error is not None

        class Request:
            def __init__(
                self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]
            ) -> None:
                self.graph, self.wanted, self.inputs = model_name, requested_output_names, inputs

            def exec(self) -> Response:
                session = ort.InferenceSession(repository / self.graph / "1" / "model.onnx")
                feeds = {tensor.label: tensor.array for tensor in self.inputs}
                made = session.run(self.wanted, feeds)
                return Response([Tensor(n, a) for n, a in zip(self.wanted, made, strict=True)])

        def find(tensors: list[Tensor], name: str) -> Tensor | None:
            return next((tensor for tensor in tensors if tensor.label == name), None)

        self.Tensor, self.InferenceResponse, self.InferenceRequest = Tensor, Response, Request
        self.TritonError = str
        self.get_input_tensor_by_name = find
        self.get_output_tensor_by_name = lambda response, name: find(response.tensors, name)


def started_step(repository: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[FakeTriton, Any]:
    """The Python backend, and the model that it has started the way Triton does."""
    fake = FakeTriton(repository)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake)
    parameters = parsed_configuration(repository / name).parameters
    config = {"parameters": {key: {"string_value": parameters[key].string_value} for key in parameters}}
    model = load_module("step", repository / name / "1/model.py").TritonPythonModel()
    model.initialize(
        {
            "model_repository": str(repository / name),
            "model_version": "1",
            "model_name": name,
            "model_config": json.dumps(config),
        }
    )
    return fake, model


def test_the_step_and_the_graph_answer_like_the_pipeline(
    triton_repository: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, model = started_step(triton_repository, "tiny", monkeypatch)
    good = [fake.Tensor("text", np.array([text.encode() for text in TEXTS], object))]
    bad = [fake.Tensor("text", np.array([b" "], object))]
    answered, refused = model.execute([good, bad])
    found = {tensor.label: tensor.array.tolist() for tensor in answered.tensors}
    assert [json.loads(text)["label"] for text in found["answer"]] == [
        answer["label"] for answer in expected(tiny_bundle)
    ]
    assert found["score"] == pytest.approx([answer["score"] for answer in expected(tiny_bundle)], abs=1e-5)
    assert refused.error == "the text is empty"


def test_a_bundle_that_generates_text_runs_in_the_step_alone(
    make_generating_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_generating_bundle(num_beams=2)
    repository = package("triton", bundle, tmp_path / "repository")
    assert [path.name for path in repository.iterdir()] == ["writer"]
    outputs = [tensor.name for tensor in parsed_configuration(repository / "writer").output]
    assert outputs == ["answer", "text", "score"]
    fake, model = started_step(repository, "writer", monkeypatch)
    (answered,) = model.execute([[fake.Tensor("text", np.array([b"good food", b"bad"], object))]])
    found = {tensor.label: tensor.array.tolist() for tensor in answered.tensors}
    expected = [answer.to_json() for answer in Pipeline.load(bundle).predict(["good food", "bad"])]
    assert [text.decode() for text in found["text"]] == [answer["text"] for answer in expected]
    assert found["score"] == pytest.approx([answer["score"] for answer in expected], abs=1e-4)
