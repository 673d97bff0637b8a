"""Plain Kubernetes: a Deployment, a Service, a HorizontalPodAutoscaler and a PodDisruptionBudget for one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore_server.packaging.target import Packed, new_folder, write_yaml

_PORT = 8000
_GRACE = 20  # seconds that the server gives accepted requests; Kubernetes waits a little longer


def write_kubernetes(packed: Packed, output: Path, *, image: str, replicas: int) -> Path:
    """Write the folder that `kubectl apply -f` takes.

    Args:
        output: a folder that is not there yet.
        image: as `ftcore package docker` describes one, with the bundle in it.
        replicas: pods at least; at most five times as many.
    """
    with new_folder(output) as folder:
        for name, value in manifests(packed, image, replicas).items():
            write_yaml(folder / f"{name}.yaml", value)
    return output


def manifests(packed: Packed, image: str, replicas: int) -> dict[str, dict[str, Any]]:
    """Name of the file -> the object in it."""
    labels = {"app.kubernetes.io/name": packed.name}
    selector = {"matchLabels": labels}

    def made(kind: str, version: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {"name": packed.name, "labels": dict(labels)}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": dict(spec)}

    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": packed.name}
    busy = {"type": "Resource", "resource": {"name": "cpu", "target": _utilization(80)}}
    template = {"metadata": {"labels": dict(labels)}, "spec": _pod(packed, image)}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    return {
        # Without `replicas`: their number is the autoscaler's, which every apply would overrule.
        "deployment": made(
            "Deployment", "apps/v1", {"selector": selector, "strategy": rolling, "template": template}
        ),
        "service": made("Service", "v1", {"selector": dict(labels), "ports": [port]}),
        "hpa": made(
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            {
                "scaleTargetRef": target,
                "minReplicas": replicas,
                "maxReplicas": 5 * replicas,
                "metrics": [busy],
            },
        ),
        "pdb": made(
            "PodDisruptionBudget",
            "policy/v1",
            {"maxUnavailable": 1, "selector": {"matchLabels": dict(labels)}},
        ),
    }


def _utilization(percent: int) -> dict[str, Any]:
    return {"type": "Utilization", "averageUtilization": percent}


def _pod(packed: Packed, image: str) -> dict[str, Any]:
    arguments = [
        "serve",
        f"{packed.name}=/bundle",
        "--variant", packed.pipeline.variant,
        "--host", "0.0.0.0",  # noqa: S104 (inside of its pod)
        "--port", str(_PORT),
        "--grace", str(_GRACE),
    ]  # fmt: skip
    container = {
        "name": "ftcore",
        "image": image,
        "args": arguments,
        "ports": [{"name": "http", "containerPort": _PORT, "protocol": "TCP"}],
        "startupProbe": {**_probe("/readyz"), "periodSeconds": 2, "failureThreshold": 90},
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 5},
        "livenessProbe": {**_probe("/healthz"), "periodSeconds": 10, "failureThreshold": 3},
        "resources": {
            "requests": {"cpu": "1", "memory": f"{packed.megabytes}Mi"},
            "limits": {"cpu": "1", "memory": f"{2 * packed.megabytes}Mi"},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (the pod's own)
    }
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE + 10,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _probe(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 2}
