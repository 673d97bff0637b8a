"""A KServe InferenceService: our server as its predictor, speaking the Open Inference Protocol."""

from __future__ import annotations

from pathlib import Path

from ftcore_server.packaging.target import Packed, new_folder

_PORT = 8080


def write_kserve(packed: Packed, output: Path, *, image: str, storage: str) -> Path:
    """Write `inferenceservice.yaml`.

    Args:
        output: a folder that is not there yet.
        image: of a container whose entry point is `ftcore`, as `ftcore package docker` describes one.
        storage: address of the bundle's folder, in a form that KServe's storage initializer reads.
    """
    with new_folder(output) as folder:
        (folder / "inferenceservice.yaml").write_text(_service(packed, image, storage), encoding="utf-8")
    return output


def _service(packed: Packed, image: str, storage: str) -> str:
    arguments = [
        "serve",
        f"{packed.name}=/mnt/models",
        "--variant", packed.pipeline.variant,
        "--host", "0.0.0.0",  # noqa: S104 (inside of its pod)
        "--port", str(_PORT),
        "--grace", "20",
    ]  # fmt: skip
    listed = "\n".join(f"          - {_quoted(argument)}" for argument in arguments)
    return f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {packed.name}
spec:
  predictor:
    terminationGracePeriodSeconds: 30
    containers:
      - name: kserve-container
        image: {_quoted(image)}
        args:
{listed}
        env:
          - name: STORAGE_URI
            value: {_quoted(storage)}
        ports:
          - containerPort: {_PORT}
            protocol: TCP
        readinessProbe:
          httpGet: {{path: /v2/health/ready, port: {_PORT}}}
        livenessProbe:
          httpGet: {{path: /v2/health/live, port: {_PORT}}}
        resources:
          requests: {{cpu: "1", memory: {packed.megabytes}Mi}}
          limits: {{cpu: "1", memory: {2 * packed.megabytes}Mi}}
        securityContext:
          runAsNonRoot: true
          readOnlyRootFilesystem: true
          allowPrivilegeEscalation: false
          capabilities: {{drop: [ALL]}}
"""


def _quoted(text: str) -> str:
    """A YAML scalar in single quotes."""
    return "'" + text.replace("'", "''") + "'"
