"""Azure Machine Learning: an online endpoint, a batch endpoint and, of a run, a job that fine-tunes again on a GPU.

Files for `az ml` (or `azure-ai-ml`), which name each other by relative paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ftcore_server.packaging.docker import dockerfile
from ftcore_server.packaging.installing import Installation
from ftcore_server.packaging.mlflow import conda
from ftcore_server.packaging.target import Packed, new_folder, write_yaml

_SCHEMAS = "https://azuremlschemas.azureedge.net/latest"
_PYTHON = "3.11"
_PORT = 8000
#: What an environment with a conda file starts from; torch brings its own CUDA.
_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
_WHEELS = "/wheels/"  # of that image
_LONGEST_NAME, _SHORTEST_NAME = 32, 3  # of an endpoint


@dataclass(frozen=True)
class Job:
    """A fine-tuning to be run again.

    Args:
        write: fills a folder with the spec, `spec.json`, and all that it names.
        installation: of ftcore with what trains, and of packages that carry base model or rows.
    """

    write: Callable[[Path], None]
    installation: Installation


@dataclass(frozen=True)
class Machines:
    """What computes.

    Args:
        instance: kind of the machines of the online endpoint.
        batch: name of the compute cluster of the batch endpoint.
        gpu: name of the compute cluster that fine-tunes.
    """

    instance: str = "Standard_DS3_v2"
    batch: str = "cpu-cluster"
    gpu: str = "gpu-cluster"


def write_azureml(
    packed: Packed, output: Path, installation: Installation, machines: Machines, job: Job | None
) -> list[str]:
    """Write the folder.

    Args:
        output: a folder that is not there yet.
        installation: of ftcore, and of the decoder's distribution where that is another.
        job: what fine-tunes again, of a run.

    Returns:
        the `az ml` lines that deploy what is in it, to be given in it.

    Raises:
        UserError: a wheel cannot be read.
    """
    name = _endpoint_name(packed.name)
    lines = _lines(name, job)
    with new_folder(output) as folder:
        packed.copy_to(folder / "bundle")
        _write_requests(packed, folder)
        _write_online(packed, name, folder, installation, machines)
        _write_batch(packed, name, folder, installation, machines)
        if job is not None:
            _write_job(packed, folder, job, machines)
        (folder / "deploy.sh").write_text("".join(["set -e\n", *(f"{line}\n" for line in lines)]))
    return lines


def _endpoint_name(name: str) -> str:
    """A name as Azure wants it: 3 to 32 characters, the first a letter."""
    name = name if name[0].isalpha() else f"m-{name}"
    name = name[:_LONGEST_NAME].strip("-")
    return name if len(name) >= _SHORTEST_NAME else f"{name}-model"


def _lines(name: str, job: Job | None) -> list[str]:
    found = [
        "az ml online-endpoint create --file endpoint.yaml",
        "az ml online-deployment create --file deployment.yaml --all-traffic",
        f"az ml online-endpoint invoke --name {name} --request-file sample.json",
        "az ml batch-endpoint create --file batch-endpoint.yaml",
        "az ml batch-deployment create --file batch-deployment.yaml --set-default",
    ]
    return found if job is None else [*found, "az ml job create --file job.yaml"]


def _write_requests(packed: Packed, folder: Path) -> None:
    pipeline = packed.pipeline
    sample = {"inputs": [dict.fromkeys(pipeline.fields[: pipeline.required], "two hours late, and no word")]}
    (folder / "sample.json").write_text(json.dumps(sample) + "\n", encoding="utf-8")


def _write_online(
    packed: Packed, name: str, folder: Path, installation: Installation, machines: Machines
) -> None:
    """The endpoint, and its deployment on a container of our own."""
    model = {"name": packed.name, "version": "1", "type": "custom_model", "path": "bundle"}
    mounted = f"/var/azureml-app/azureml-models/{model['name']}/{model['version']}/bundle"
    (folder / "serving").mkdir()
    installation.copy_to(folder / "serving")
    (folder / "serving" / "Dockerfile").write_text(
        dockerfile(packed, installation, mounted), encoding="utf-8"
    )
    routes = {
        "liveness_route": "/healthz",
        "readiness_route": "/readyz",
        "scoring_route": f"/v1/models/{packed.name}:predict",
    }
    environment = {
        "build": {"path": "serving", "dockerfile_path": "Dockerfile"},
        "inference_config": {route: {"port": _PORT, "path": path} for route, path in routes.items()},
    }
    endpoint = {"$schema": _schema("managedOnlineEndpoint"), "name": name, "auth_mode": "key"}
    deployment = {
        "$schema": _schema("managedOnlineDeployment"),
        "name": "blue",
        "endpoint_name": name,
        "model": model,
        "environment": environment,
        "instance_type": machines.instance,
        "instance_count": 1,
        "request_settings": {"request_timeout_ms": 30_000, "max_concurrent_requests_per_instance": 64},
        "liveness_probe": {"initial_delay": 10, "period": 10, "timeout": 2, "failure_threshold": 30},
        "readiness_probe": {"initial_delay": 5, "period": 5, "timeout": 2, "failure_threshold": 60},
    }
    write_yaml(folder / "endpoint.yaml", endpoint)
    write_yaml(folder / "deployment.yaml", deployment)


def _write_batch(
    packed: Packed, name: str, folder: Path, installation: Installation, machines: Machines
) -> None:
    """The batch endpoint, whose deployment answers files as `ftcore predict` does."""
    (folder / "batch").mkdir()
    score = resources.files("ftcore_server.packaging") / "azureml_score.py"
    (folder / "batch" / "score.py").write_text(score.read_text(encoding="utf-8"), encoding="utf-8")
    required = ["azureml-core", "azureml-dataset-runtime[fuse]", *installation.lines(_WHEELS)]
    environment = _environment(folder, "environment", packed.name, installation, required)
    write_yaml(folder / "environment.yaml", {"$schema": _schema("environment"), **environment})
    endpoint = {"$schema": _schema("batchEndpoint"), "name": f"{name[: _LONGEST_NAME - 6]}-batch"}
    deployment = {
        "$schema": _schema("modelBatchDeployment"),
        "name": "files",
        "endpoint_name": endpoint["name"],
        "model": {"name": packed.name, "version": "1", "type": "custom_model", "path": "bundle"},
        "code_configuration": {"code": "batch", "scoring_script": "score.py"},
        "environment": {key: value for key, value in environment.items() if key != "name"},
        "compute": f"azureml:{machines.batch}",
        "resources": {"instance_count": 1},
        "mini_batch_size": 1,  # files
        "output_action": "append_row",
        "output_file_name": "answers.jsonl",
        "retry_settings": {"max_retries": 1, "timeout": 3600},
        "error_threshold": 0,
    }
    write_yaml(folder / "batch-endpoint.yaml", endpoint)
    write_yaml(folder / "batch-deployment.yaml", deployment)


def _write_job(packed: Packed, folder: Path, job: Job, machines: Machines) -> None:
    """A command job; MLflow on the cluster has the run's figures and files."""
    (folder / "training").mkdir()
    job.write(folder / "training")
    required = ["azureml-mlflow", *job.installation.lines(_WHEELS)]
    environment = _environment(folder, "training-environment", packed.name, job.installation, required)
    write_yaml(
        folder / "job.yaml",
        {
            "$schema": _schema("commandJob"),
            "type": "command",
            "display_name": packed.name,
            "experiment_name": "ftcore",
            "code": "training",
            "command": "ftcore run spec.json --runs-dir ${{outputs.runs}} --observer mlflow",
            "environment": {key: value for key, value in environment.items() if key != "name"},
            "outputs": {"runs": {"type": "uri_folder", "mode": "rw_mount"}},
            "compute": f"azureml:{machines.gpu}",
            "resources": {"instance_count": 1},
        },
    )


def _environment(
    folder: Path, name: str, what: str, installation: Installation, required: Sequence[str]
) -> Mapping[str, Any]:
    """An environment with a conda file; with wheels, which no conda file may name, one that is built from a folder."""
    if not installation.wheels:
        write_yaml(folder / f"{name}.conda.yaml", conda(f"{what}-{name}", _PYTHON, required))
        return {"name": f"{what}-{name}", "image": _IMAGE, "conda_file": f"{name}.conda.yaml"}
    (folder / name).mkdir()
    installation.copy_to(folder / name)
    installed = " ".join(f'"{one}"' for one in required)
    text = f"""\
FROM {_IMAGE}
COPY *.whl {_WHEELS}
RUN conda create --yes --prefix /opt/ftcore python={_PYTHON} && \\
    /opt/ftcore/bin/pip install --no-cache-dir {installed}
ENV PATH=/opt/ftcore/bin:$PATH
"""
    (folder / name / "Dockerfile").write_text(text, encoding="utf-8")
    return {"name": f"{what}-{name}", "build": {"path": name, "dockerfile_path": "Dockerfile"}}


def _schema(name: str) -> str:
    return f"{_SCHEMAS}/{name}.schema.json"
